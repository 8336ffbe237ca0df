//! Bounds repairs: on a path that is full they would push out what they repair.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Repairs get this part of what pictures may take.
const SHARE: f64 = 0.5;
/// What is not used is kept for so long: losses come in bursts.
const SAVED: Duration = Duration::from_millis(500);

/// The bytes repairs may take.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct RepairBudget {
    /// Bytes; below zero by at most one packet.
    left: f64,
    #[serde(with = "crate::recording::moment")]
    filled_at: Option<Instant>,
}

impl RepairBudget {
    /// Whether one more packet may be repaired where pictures may take `rate`, bit/s.
    pub fn any(&mut self, now: Instant, rate: u64) -> bool {
        let most = SHARE * rate as f64 / 8.0 * SAVED.as_secs_f64();
        let elapsed = self
            .filled_at
            .replace(now)
            .map_or(SAVED, |last| now.saturating_duration_since(last));
        let earned = SHARE * rate as f64 / 8.0 * elapsed.as_secs_f64();
        self.left = (self.left + earned).min(most);
        self.left > 0.0
    }

    /// One was, with so many bytes.
    pub fn take(&mut self, bytes: usize) {
        self.left -= bytes as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repairs_take_half_of_the_rate_and_half_a_second_of_it_at_once() {
        let (mut budget, start) = (RepairBudget::default(), Instant::now());
        let mut repaired = 0;
        for millis in 0..10_000 {
            while budget.any(start + Duration::from_millis(millis), 800_000) {
                budget.take(1000);
                repaired += 1;
            }
            if millis == 0 {
                assert_eq!(repaired, 25);
            }
        }
        // 400 kbit/s for 10 s.
        assert!((520..=526).contains(&repaired), "{repaired}");
    }
}
