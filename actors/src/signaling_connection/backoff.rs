//! How long to wait before the next attempt: doubling, bounded, and with jitter, so that the clients of a restarted
//! server do not come back all at once.

use std::time::Duration;

/// The bounds of the waiting time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    /// Before the first attempt.
    pub(super) first: Duration,
    /// Never longer, but for the jitter.
    pub(super) max: Duration,
    /// By how much a wait may be shorter or longer, as a part of it.
    pub(super) jitter: f64,
}

impl Backoff {
    /// The wait before attempt `attempt` (from 1); `dice` is a random number from 0 to 1.
    pub(super) fn wait(&self, attempt: u32, dice: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(16);
        let step = self.first.saturating_mul(1 << doublings).min(self.max);
        step.mul_f64(1.0 + self.jitter * (2.0 * dice - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_bound_and_is_spread() {
        let backoff = Backoff {
            first: Duration::from_millis(200),
            max: Duration::from_secs(10),
            jitter: 0.2,
        };
        let middle: Vec<_> = (1..=8)
            .map(|attempt| backoff.wait(attempt, 0.5).as_millis())
            .collect();
        assert_eq!(middle, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(backoff.wait(1, 0.0).as_millis(), 160);
        assert_eq!(backoff.wait(u32::MAX, 1.0).as_secs(), 12);
    }
}
