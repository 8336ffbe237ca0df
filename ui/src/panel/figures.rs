//! The figures of a call: the last minute as lines, then every number, then every actor's mailbox.

mod view;

use std::collections::{HashMap, VecDeque};

use roomrtc_actors::stats::CallStats;
use roomrtc_actors::ui_bridge::SetupTimes;

/// Seconds a line shows.
const MINUTE: usize = 60;

/// One minute of figures.
#[derive(Default)]
pub struct Figures {
    latest: CallStats,
    set_up: Option<SetupTimes>,
    rtt: VecDeque<f64>,
    received: VecDeque<f64>,
    fps: VecDeque<f64>,
    /// Messages each actor handled in the last second.
    rates: HashMap<String, u64>,
    cpu: Option<f64>,
}

impl Figures {
    /// The phases of the call's set-up.
    pub fn set_up(&mut self, times: SetupTimes) {
        self.set_up = Some(times);
    }

    /// The phases of the call's set-up, once known.
    pub fn set_up_times(&self) -> Option<SetupTimes> {
        self.set_up
    }

    /// A second more.
    pub fn add(&mut self, stats: CallStats) {
        let before: HashMap<&str, u64> = self
            .latest
            .actors
            .iter()
            .map(|actor| (actor.name.as_str(), actor.handled))
            .collect();
        self.rates = stats
            .actors
            .iter()
            .filter_map(|actor| {
                let before = before.get(actor.name.as_str())?;
                Some((actor.name.clone(), actor.handled.saturating_sub(*before)))
            })
            .collect();
        let cpu = stats.process.cpu_s - self.latest.process.cpu_s;
        self.cpu = (self.latest.process.cpu_s > 0.0).then_some(cpu.max(0.0));
        push(&mut self.rtt, stats.transport.rtt_ms.unwrap_or_default());
        push(&mut self.received, stats.video.kbps_received);
        push(&mut self.fps, stats.video.fps_decoded);
        self.latest = stats;
    }

    /// The last second.
    pub fn latest(&self) -> &CallStats {
        &self.latest
    }
}

fn push(values: &mut VecDeque<f64>, value: f64) {
    if values.len() == MINUTE {
        values.pop_front();
    }
    values.push_back(if value.is_finite() { value } else { 0.0 });
}

#[cfg(test)]
mod tests {
    use roomrtc_actors::stats::ActorStats;

    use super::*;

    fn second(handled: u64) -> CallStats {
        CallStats {
            actors: vec![ActorStats {
                name: "call/ice_agent".into(),
                handled,
                ..ActorStats::default()
            }],
            ..CallStats::default()
        }
    }

    #[test]
    fn a_rate_is_the_difference_of_two_seconds() {
        let mut figures = Figures::default();
        figures.add(second(100));
        assert!(figures.rates.is_empty());
        figures.add(second(130));
        assert_eq!(figures.rates["call/ice_agent"], 30);
        // a restarted actor counts from zero again
        figures.add(second(5));
        assert_eq!(figures.rates["call/ice_agent"], 0);
    }

    #[test]
    fn a_minute_is_enough() {
        let mut figures = Figures::default();
        for _ in 0..200 {
            figures.add(CallStats::default());
        }
        assert_eq!(figures.rtt.len(), MINUTE);
    }
}
