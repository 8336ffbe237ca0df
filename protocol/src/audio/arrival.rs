//! How unevenly packets arrive: the fastest way through the network, and the delay that lets nearly all be in time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::SAMPLE_RATE;
use crate::time::{shifted, signed_nanos};

/// Packets looked back upon: 8 s of 20 ms packets, so that clocks that drift by 100 ppm are 1 ms apart.
const WINDOW: usize = 400;
/// Of the packets in the window so many in a thousand shall be in time.
const IN_TIME_PER_MILLE: usize = 980;
/// A packet that comes so much later than the one before would is no jitter: the path is another one, or the sender's
/// clock stood still with its sound, as that of a browser does while a call is held.
const STOOD_STILL: i128 = 500_000_000;

/// Learns from the arrival times of packets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ArrivalModel {
    /// Where arrival times and timestamps count from.
    #[serde(with = "crate::recording::moment")]
    origin: Option<(Instant, u64)>,
    /// Arrival against capture, in ns; only differences have a meaning.
    offsets: VecDeque<i64>,
    fastest: i64,
    spread: Duration,
    #[serde(skip)]
    scratch: Vec<i64>,
}

impl ArrivalModel {
    /// A packet of this timestamp came.
    pub fn record(&mut self, timestamp: u64, at: Instant) {
        let (instant, base) = *self.origin.get_or_insert((at, timestamp));
        let offset = signed_nanos(instant, at) - media_nanos(base, timestamp);
        let before = self.offsets.back().copied().map(i128::from);
        if before.is_some_and(|before| offset - before > STOOD_STILL) {
            self.offsets.clear();
        }
        if self.offsets.len() == WINDOW {
            self.offsets.pop_front();
        }
        self.offsets.push_back(offset as i64);
        self.fastest = self.offsets.iter().copied().min().unwrap_or_default();
        self.scratch.clear();
        self.scratch.extend(&self.offsets);
        let rank = (self.scratch.len() - 1) * IN_TIME_PER_MILLE / 1000;
        let (_, slow, _) = self.scratch.select_nth_unstable(rank);
        self.spread = Duration::from_nanos(slow.abs_diff(self.fastest));
    }

    /// The extra time that nearly all packets of the window arrived within.
    pub fn spread(&self) -> Duration {
        self.spread
    }

    /// When a packet of this timestamp arrives at the earliest; `None` before the first packet.
    pub fn earliest(&self, timestamp: u64) -> Option<Instant> {
        let (instant, base) = self.origin?;
        shifted(instant, media_nanos(base, timestamp) + i128::from(self.fastest))
    }

    /// Forgets what it learned: the sender's clock has jumped.
    pub fn reset(&mut self) {
        *self = ArrivalModel::default();
    }
}

/// From one timestamp to another in ns.
fn media_nanos(from: u64, to: u64) -> i128 {
    (i128::from(to) - i128::from(from)) * 1_000_000_000 / i128::from(SAMPLE_RATE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn even_arrivals_need_no_delay() {
        let start = Instant::now();
        let mut model = ArrivalModel::default();
        for n in 0..100 {
            model.record(n * 960, start + ms(n * 20));
        }
        assert_eq!(model.spread(), Duration::ZERO);
        assert_eq!(model.earliest(960 * 150), Some(start + ms(3000)));
    }

    #[test]
    fn the_delay_covers_what_happens_often_and_not_the_rare_hiccup() {
        let start = Instant::now();
        let mut model = ArrivalModel::default();
        for n in 0..400 {
            let detour = if n == 200 { 300 } else { n % 5 * 10 };
            model.record(n * 960, start + ms(n * 20 + detour));
        }
        assert_eq!(model.spread(), ms(40));
    }

    #[test]
    fn a_sender_whose_clock_stood_still_is_learned_anew() {
        let start = Instant::now();
        let mut model = ArrivalModel::default();
        for n in 0..200 {
            let pause = if n < 100 { 0 } else { 4000 };
            model.record(n * 960, start + ms(n * 20 + pause));
        }
        assert_eq!(model.spread(), Duration::ZERO);
        assert_eq!(model.earliest(960 * 200), Some(start + ms(8000)));
    }

    #[test]
    fn after_a_pause_of_the_network_the_fastest_way_is_as_before() {
        let start = Instant::now();
        let mut model = ArrivalModel::default();
        for n in 0..200 {
            let at = if (100..150).contains(&n) { 3000 } else { n * 20 };
            model.record(n * 960, start + ms(at));
        }
        assert_eq!(model.earliest(960 * 200), Some(start + ms(4000)));
    }

    #[test]
    fn a_slow_sender_is_followed() {
        let start = Instant::now();
        let mut model = ArrivalModel::default();
        // 1000 ppm: 20.02 ms a packet.
        for n in 0..10_000 {
            model.record(n * 960, start + Duration::from_micros(n * 20_020));
        }
        let at = start + Duration::from_micros(10_000 * 20_020);
        let early = at - model.earliest(10_000 * 960).unwrap();
        assert!(early <= ms(9), "{early:?}");
    }
}
