//! Spreads the packets of a large picture over a few milliseconds, so that a burst does not overrun socket buffers
//! and home routers, while a small picture leaves at once.

use std::time::{Duration, Instant};

/// How packets are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// Says how many packets may leave, and when the next ones may.
#[derive(Clone, Copy, Debug)]
pub struct Pacer {
    pacing: Pacing,
    /// Packets that may leave in this interval.
    allowance: usize,
    /// Packets an interval gives, set when the queue last grew.
    portion: usize,
    /// When the present interval ends.
    next_at: Option<Instant>,
}

impl Pacer {
    /// A pacer with nothing to do.
    pub fn new(pacing: Pacing) -> Self {
        Pacer {
            pacing,
            allowance: 0,
            portion: pacing.burst,
            next_at: None,
        }
    }

    /// The queue has grown to `waiting` packets.
    pub fn grown(&mut self, now: Instant, waiting: usize) {
        let intervals = self.pacing.spread.as_micros() / self.pacing.interval.as_micros().max(1);
        // The first portion leaves at once, so a spread of n intervals has n + 1 portions.
        let portions = usize::try_from(intervals).unwrap_or(usize::MAX).saturating_add(1);
        self.portion = self.pacing.burst.max(waiting.div_ceil(portions)).max(1);
        self.refill(now);
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
            self.next_at = Some(now + self.pacing.interval);
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
        pacer.grown(now, packets);
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
    fn however_large_everything_has_left_within_the_spread() {
        assert_eq!(departures(500), [100; 5]);
    }
}
