//! How much the path carries, judged by the loss and the delay that the peer's reports show.
//!
//! A simple controller in the manner of the loss-based half of Google Congestion Control
//! (draft-ietf-rmcat-gcc-02 §6): it grows slowly while nothing is lost, holds while a little is lost, and falls
//! with heavy loss. A queue that fills up is seen in the round trip before it is seen in losses, and lowers the rate
//! as well.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The bounds of the estimate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EstimatorSettings {
    /// Where it starts, bit/s.
    pub start: u64,
    /// Never below, bit/s.
    pub min: u64,
    /// Never above, bit/s.
    pub max: u64,
    /// Below this loss (0 to 1) the rate grows.
    pub little_loss: f64,
    /// Above this loss it falls, by half the loss.
    pub heavy_loss: f64,
    /// How much it grows a second, 0 to 1.
    pub growth: f64,
}

impl Default for EstimatorSettings {
    fn default() -> Self {
        EstimatorSettings {
            start: 1_500_000,
            min: 100_000,
            max: 2_500_000,
            // draft-ietf-rmcat-gcc-02 §6: 2 %, 10 %, and 5 % a report, of which there is about one a second.
            little_loss: 0.02,
            heavy_loss: 0.10,
            growth: 0.05,
        }
    }
}

/// The estimate does not outgrow what is really sent by more than this: nothing has shown that more would fit.
const PROVEN: f64 = 1.5;
/// A round trip this much above the shortest one is a queue.
const QUEUE: Duration = Duration::from_millis(100);
/// A full queue is emptied by sending this much of what was sent.
const DRAIN: f64 = 0.85;
/// Reports in which a queue must show before it counts: one may be an accident.
const QUEUE_REPORTS: u32 = 2;
/// Time a lowered rate is given to show its effect, besides a round trip.
const SETTLE: Duration = Duration::from_millis(300);
/// Reports among which the shortest round trip is looked for: about half a minute.
const ROUND_TRIPS: usize = 60;

/// What one report of the peer says about the path.
#[derive(Clone, Copy, Debug)]
pub struct PathReport {
    /// Loss since the last report, 0 to 1.
    pub loss: f64,
    /// The round trip, if measured.
    pub round_trip: Option<Duration>,
    /// What was really sent since the last report, bit/s.
    pub sent: u64,
    /// What was allowed, by this and by others, bit/s.
    pub allowed: u64,
}

/// The controller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Estimator {
    settings: EstimatorSettings,
    available: f64,
    #[serde(with = "crate::recording::moment")]
    last_report: Option<Instant>,
    #[serde(with = "crate::recording::moment")]
    hold_until: Option<Instant>,
    round_trips: VecDeque<Duration>,
    queued: u32,
}

impl Estimator {
    /// A controller that knows nothing of the path yet.
    pub fn new(settings: EstimatorSettings) -> Self {
        Estimator {
            settings,
            available: settings.start as f64,
            last_report: None,
            hold_until: None,
            round_trips: VecDeque::new(),
            queued: 0,
        }
    }

    /// What may be sent, bit/s.
    pub fn available(&self) -> u64 {
        self.available as u64
    }

    /// Learns from a report.
    pub fn on_report(&mut self, now: Instant, report: PathReport) {
        let elapsed = self
            .last_report
            .replace(now)
            .map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        let queued = self.queue_shows(report.round_trip);
        let settling = self.hold_until.is_some_and(|until| now < until);
        if report.loss > self.settings.heavy_loss {
            if !settling {
                self.lower(now, 1.0 - 0.5 * report.loss.min(1.0), &report);
            }
        } else if queued {
            if !settling {
                self.lower(now, DRAIN, &report);
            }
        } else if report.loss < self.settings.little_loss && !settling {
            let ceiling = (report.sent as f64 * PROVEN).max(self.available);
            let grown = self.available * (1.0 + self.settings.growth).powf(elapsed.as_secs_f64().min(1.0));
            self.available = grown.min(ceiling);
        }
        let (min, max) = (self.settings.min as f64, self.settings.max as f64);
        self.available = self.available.min(max).max(min);
    }

    /// Lowers what is allowed: where others allow less, less than this was too much already.
    fn lower(&mut self, now: Instant, factor: f64, report: &PathReport) {
        self.available = self.available.min(report.allowed as f64) * factor;
        self.hold_until = Some(now + SETTLE + report.round_trip.unwrap_or_default());
    }

    fn queue_shows(&mut self, round_trip: Option<Duration>) -> bool {
        let Some(round_trip) = round_trip else {
            return false;
        };
        if self.round_trips.len() == ROUND_TRIPS {
            self.round_trips.pop_front();
        }
        self.round_trips.push_back(round_trip);
        let shortest = self.round_trips.iter().min().copied().unwrap_or(round_trip);
        self.queued = if round_trip > shortest + QUEUE {
            self.queued + 1
        } else {
            0
        };
        self.queued >= QUEUE_REPORTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reports every half second for a while; the sender sends what it may.
    fn after(estimator: &mut Estimator, seconds: u64, loss: f64, round_trip_ms: u64) -> u64 {
        let start = estimator.last_report.unwrap_or_else(Instant::now);
        for n in 1..=seconds * 2 {
            let report = PathReport {
                loss,
                round_trip: Some(Duration::from_millis(round_trip_ms)),
                sent: estimator.available(),
                allowed: estimator.available(),
            };
            estimator.on_report(start + Duration::from_millis(n * 500), report);
        }
        estimator.available()
    }

    #[test]
    fn a_clean_path_grows_the_rate_to_its_limit_and_not_beyond() {
        let mut estimator = Estimator::new(EstimatorSettings::default());
        let soon = after(&mut estimator, 2, 0.0, 20);
        assert!((1_550_000..1_700_000).contains(&soon), "{soon}");
        assert_eq!(after(&mut estimator, 20, 0.0, 20), 2_500_000);
    }

    #[test]
    fn five_percent_loss_holds_and_heavy_loss_lowers_to_the_floor() {
        let mut estimator = Estimator::new(EstimatorSettings::default());
        assert_eq!(after(&mut estimator, 10, 0.05, 20), 1_500_000);
        let lowered = after(&mut estimator, 2, 0.3, 20);
        assert!(lowered < 900_000, "{lowered}");
        assert_eq!(after(&mut estimator, 60, 0.5, 20), 100_000);
    }

    #[test]
    fn a_filling_queue_lowers_the_rate_without_any_loss() {
        let mut estimator = Estimator::new(EstimatorSettings::default());
        let before = after(&mut estimator, 3, 0.0, 40);
        let later = after(&mut estimator, 3, 0.0, 300);
        assert!(later < before * 3 / 4, "{later} after {before}");
    }

    #[test]
    fn a_queue_lowers_what_others_allow_too() {
        let mut estimator = Estimator::new(EstimatorSettings::default());
        let start = Instant::now();
        for (n, round_trip) in [40, 40, 300, 300].into_iter().enumerate() {
            let report = PathReport {
                loss: 0.0,
                round_trip: Some(Duration::from_millis(round_trip)),
                sent: 400_000,
                allowed: 400_000,
            };
            estimator.on_report(start + Duration::from_millis(500) * n as u32, report);
        }
        assert_eq!(estimator.available(), 340_000);
    }

    #[test]
    fn what_was_never_sent_proves_nothing() {
        let mut estimator = Estimator::new(EstimatorSettings::default());
        let mut now = Instant::now();
        for _ in 0..20 {
            now += Duration::from_millis(500);
            let idle = PathReport {
                loss: 0.0,
                round_trip: None,
                sent: 100_000,
                allowed: 1_500_000,
            };
            estimator.on_report(now, idle);
        }
        assert_eq!(estimator.available(), 1_500_000);
    }
}
