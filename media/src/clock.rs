//! The wall clock, tied to the monotonic one.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Translates between [`Instant`]s and the time of day, as the two stood to each other when it was made.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    instant: Instant,
    wall: Duration,
}

impl WallClock {
    /// The clocks of this machine, now.
    pub fn here() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        WallClock {
            instant: Instant::now(),
            wall,
        }
    }

    /// Time since the Unix epoch at an instant.
    pub fn wall(&self, at: Instant) -> Duration {
        match at.checked_duration_since(self.instant) {
            Some(later) => self.wall + later,
            None => self.wall.saturating_sub(self.instant - at),
        }
    }

    /// The instant of a time since the Unix epoch.
    pub fn instant(&self, wall: Duration) -> Instant {
        match wall.checked_sub(self.wall) {
            Some(later) => self.instant + later,
            None => self.instant.checked_sub(self.wall - wall).unwrap_or(self.instant),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_is_the_same_instant() {
        let clock = WallClock::here();
        for at in [
            clock.instant + Duration::from_millis(1234),
            clock.instant - Duration::from_millis(77),
        ] {
            assert_eq!(clock.instant(clock.wall(at)), at);
        }
    }
}
