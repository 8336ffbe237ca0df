//! Spreads the packets of a large picture over a few milliseconds, so that a burst does not overrun socket buffers
//! and home routers, while a small picture leaves at once. On a path that is known to be narrow packets leave one by one,
//! at not much more than the rate it carries.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How packets are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pacing {
    /// Packets that may leave back to back.
    pub burst: usize,
    /// Time between two bursts.
    pub interval: Duration,
    /// Time within which everything that waits has left, whatever its size: it bounds the latency that spreading
    /// costs.
    pub spread: Duration,
}

impl Default for Pacing {
    fn default() -> Self {
        Pacing {
            burst: 16,
            interval: Duration::from_millis(1),
            spread: Duration::from_millis(4),
        }
    }
}

/// On a narrow path packets leave this much faster than pictures are made, so that one that is large does not hold up
/// those behind it for long.
const FASTER: f64 = 2.5;
/// Time within which everything that waits has left on a narrow path.
const NARROW_SPREAD: Duration = Duration::from_millis(250);

/// Says how many packets may leave, and when the next ones may.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Pacer {
    pacing: Pacing,
    /// Packets that may leave in this interval.
    allowance: usize,
    /// Packets an interval gives, set when the queue last grew.
    portion: usize,
    /// Time between two portions.
    interval: Duration,
    /// The rate of pictures on a narrow path, bit/s.
    narrow: Option<u64>,
    /// When the present interval ends.
    #[serde(with = "crate::recording::moment")]
    next_at: Option<Instant>,
}

impl Pacer {
    /// A pacer with nothing to do.
    pub fn new(pacing: Pacing) -> Self {
        Pacer {
            pacing,
            allowance: 0,
            portion: pacing.burst,
            interval: pacing.interval,
            narrow: None,
            next_at: None,
        }
    }

    /// The path is known to be narrow, with pictures at this rate, bit/s; or it is not.
    pub fn set_narrow(&mut self, rate: Option<u64>) {
        self.narrow = rate;
    }

    /// The queue has grown to `waiting` packets of `bytes`.
    pub fn grown(&mut self, now: Instant, waiting: usize, bytes: usize) {
        match self.narrow {
            None => self.in_bursts(waiting),
            Some(rate) => self.one_by_one(rate, waiting, bytes),
        }
        self.refill(now);
    }

    fn one_by_one(&mut self, rate: u64, waiting: usize, bytes: usize) {
        let all = Duration::from_secs_f64(bytes as f64 * 8.0 / (rate.max(1) as f64 * FASTER));
        let each = all.min(NARROW_SPREAD).as_secs_f64() / waiting.max(1) as f64;
        // Timers are not finer than an interval.
        let interval = self.pacing.interval.as_secs_f64();
        self.portion = (interval / each.max(f64::EPSILON))
            .ceil()
            .clamp(1.0, waiting.max(1) as f64) as usize;
        self.interval = Duration::from_secs_f64(each.max(interval));
    }

    fn in_bursts(&mut self, waiting: usize) {
        self.interval = self.pacing.interval;
        let intervals = self.pacing.spread.as_micros() / self.pacing.interval.as_micros().max(1);
        // The first portion leaves at once, so a spread of n intervals has n + 1 portions.
        let portions = usize::try_from(intervals).unwrap_or(usize::MAX).saturating_add(1);
        self.portion = self.pacing.burst.max(waiting.div_ceil(portions)).max(1);
    }

    /// Whether one more packet may leave now.
    pub fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let free = self.allowance > 0;
        self.allowance -= usize::from(free);
        free
    }

    /// When more packets may leave; `None` if some may now.
    pub fn next_timeout(&self) -> Option<Instant> {
        match self.allowance {
            0 => self.next_at,
            _ => None,
        }
    }

    fn refill(&mut self, now: Instant) {
        if self.next_at.is_none_or(|at| at <= now) {
            self.allowance = self.portion;
            self.next_at = Some(now + self.interval);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `packets` through a pacer; answers how many left in each millisecond.
    fn departures(packets: usize) -> Vec<usize> {
        let start = Instant::now();
        let mut pacer = Pacer::new(Pacing::default());
        let (mut now, mut left, mut counts) = (start, packets, vec![]);
        pacer.grown(now, packets, packets * 1200);
        while left > 0 {
            let mut count = 0;
            while left > 0 && pacer.take(now) {
                left -= 1;
                count += 1;
            }
            counts.push(count);
            now = pacer.next_timeout().unwrap_or(now);
        }
        counts
    }

    #[test]
    fn a_small_picture_leaves_at_once() {
        assert_eq!(departures(6), [6]);
        assert_eq!(departures(16), [16]);
    }

    #[test]
    fn a_key_frame_leaves_in_bursts() {
        assert_eq!(departures(50), [16, 16, 16, 2]);
    }

    #[test]
    fn on_a_narrow_path_packets_leave_one_by_one_at_a_little_more_than_the_rate() {
        let (start, mut pacer) = (Instant::now(), Pacer::new(Pacing::default()));
        pacer.set_narrow(Some(400_000));
        // 10 packets of 1200 bytes at 1 Mbit/s: 9.6 ms each. 100 of them have to leave within 250 ms.
        for (packets, longest) in [(10, 96), (100, 250)] {
            let (mut now, mut left) = (start + Duration::from_secs(packets), packets);
            let begun = now;
            pacer.grown(now, packets as usize, packets as usize * 1200);
            while left > 0 {
                let mut together = 0;
                while left > 0 && pacer.take(now) {
                    (left, together) = (left - 1, together + 1);
                }
                assert!(together <= 1, "{together} at once");
                now = pacer.next_timeout().unwrap_or(now);
            }
            let took = (now - begun).as_millis() as u64;
            assert!(took <= longest && took >= longest * 8 / 10, "{took} ms");
        }
        pacer.set_narrow(None);
        let now = start + Duration::from_secs(1000);
        pacer.grown(now, 16, 16 * 1200);
        assert!((0..16).all(|_| pacer.take(now)));
    }

    #[test]
    fn however_large_everything_has_left_within_the_spread() {
        assert_eq!(departures(500), [100; 5]);
    }
}
