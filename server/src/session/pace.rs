//! How many messages a second a client may send: a bucket of tokens.

use std::time::{Duration, Instant};

/// Fills steadily; each message takes one token out.
pub(super) struct Pace {
    /// When the bucket would be full.
    full_at: Instant,
    /// The time one token takes to come.
    period: Duration,
    /// The time all tokens but one take to come.
    slack: Duration,
}

impl Pace {
    pub(super) fn new(rate: u32, burst: u32, now: Instant) -> Self {
        let period = Duration::from_secs(1) / rate.max(1);
        Pace {
            full_at: now,
            period,
            slack: period * burst.saturating_sub(1),
        }
    }

    /// Takes a token; says how long the next message has to wait, if at all.
    pub(super) fn take(&mut self, now: Instant) -> Option<Duration> {
        self.full_at = self.full_at.max(now) + self.period;
        (self.full_at - now)
            .checked_sub(self.slack)
            .filter(|wait| !wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_may_send_a_burst_and_then_so_many_a_second() {
        let mut now = Instant::now();
        let mut pace = Pace::new(10, 3, now);
        for _ in 0..2 {
            assert_eq!(pace.take(now), None);
        }
        for _ in 0..5 {
            assert_eq!(pace.take(now), Some(Duration::from_millis(100)));
            now += Duration::from_millis(100);
        }
        now += Duration::from_secs(60);
        assert_eq!(pace.take(now), None);
    }
}
