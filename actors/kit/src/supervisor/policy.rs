//! What a supervisor does about a failure: whom it restarts, how often, how soon.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Who is restarted with a child that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// It alone.
    OneForOne,
    /// It and those started after it, which depend on it.
    RestForOne,
    /// Everyone.
    OneForAll,
}

impl Strategy {
    /// For the actors panel.
    pub(super) fn words(self) -> &'static str {
        match self {
            Strategy::OneForOne => "one for one",
            Strategy::RestForOne => "rest for one",
            Strategy::OneForAll => "one for all",
        }
    }
}

/// Whether a child is started again after its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// Only after a failure.
    Transient,
    /// Never.
    Temporary,
}

/// At most `restarts` within `period`; one more and the supervisor itself fails.
#[derive(Clone, Copy, Debug)]
pub struct Intensity {
    /// How many.
    pub restarts: usize,
    /// Within which time.
    pub period: Duration,
}

/// The pause before a restart: none for the first within the period, then doubling.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The pause before the second restart.
    pub first: Duration,
    /// The longest pause.
    pub max: Duration,
}

/// Doublings after which every pause is the longest.
const DOUBLINGS: usize = 16;

impl Backoff {
    pub(super) fn pause(&self, deaths: usize) -> Duration {
        match deaths {
            0 | 1 => Duration::ZERO,
            n => self
                .first
                .saturating_mul(1 << (n - 2).min(DOUBLINGS))
                .min(self.max),
        }
    }
}

/// The deaths within the period.
pub(super) struct Deaths {
    intensity: Intensity,
    times: VecDeque<Instant>,
}

impl Deaths {
    pub(super) fn new(intensity: Intensity) -> Self {
        Deaths {
            intensity,
            times: VecDeque::new(),
        }
    }

    /// Notes one now; true if that is one too many.
    pub(super) fn note(&mut self, now: Instant) -> bool {
        while let Some(&oldest) = self.times.front()
            && now - oldest > self.intensity.period
        {
            self.times.pop_front();
        }
        self.times.push_back(now);
        self.times.len() > self.intensity.restarts
    }

    pub(super) fn count(&self) -> usize {
        self.times.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_limit() {
        let ms = Duration::from_millis;
        let backoff = Backoff {
            first: ms(100),
            max: ms(500),
        };
        let pauses: Vec<_> = (1..6).map(|deaths| backoff.pause(deaths)).collect();
        assert_eq!(pauses, [ms(0), ms(100), ms(200), ms(400), ms(500)]);
        assert_eq!(backoff.pause(usize::MAX), ms(500));
    }

    #[test]
    fn only_deaths_within_the_period_count() {
        let second = Duration::from_secs(1);
        let mut deaths = Deaths::new(Intensity {
            restarts: 2,
            period: 10 * second,
        });
        let start = Instant::now();
        assert!(!deaths.note(start));
        assert!(!deaths.note(start + 9 * second));
        assert!(!deaths.note(start + 11 * second), "the first is forgotten");
        assert!(deaths.note(start + 12 * second));
    }
}
