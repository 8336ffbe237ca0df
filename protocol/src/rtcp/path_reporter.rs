//! Tells the peer in short intervals which of its packets came, while some come.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::arrivals::Arrivals;
use super::transport_feedback::TransportFeedback;
use crate::rtp::receiver::Arrival;

/// The sender of transport-wide feedback.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PathReporter {
    arrivals: Arrivals,
    interval: Duration,
    #[serde(with = "crate::recording::moment")]
    told_at: Option<Instant>,
    #[serde(with = "crate::recording::moment")]
    due: Option<Instant>,
}

impl PathReporter {
    /// One that tells at most once an interval.
    pub fn new(interval: Duration) -> Self {
        PathReporter {
            arrivals: Arrivals::default(),
            interval,
            told_at: None,
            due: None,
        }
    }

    /// Packets came.
    pub fn arrived(&mut self, now: Instant, arrivals: &[Arrival]) {
        arrivals.iter().for_each(|arrival| self.arrivals.record(*arrival));
        if self.due.is_none() && self.arrivals.any() {
            self.due = Some(self.told_at.map_or(now, |at| now.max(at + self.interval)));
        }
    }

    /// When to call [`Self::poll`].
    pub fn next_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// What is due to be told; to be asked until it is `None`. `sender` and `media` are our stream and one of the peer's.
    pub fn poll(&mut self, now: Instant, sender: u32, media: u32) -> Option<TransportFeedback> {
        self.due.filter(|due| *due <= now)?;
        let feedback = self.arrivals.feedback(sender, media);
        if feedback.is_none() {
            self.told_at = Some(now);
            self.due = None;
        }
        feedback
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_peer_is_told_at_once_then_once_an_interval_and_not_without_news() {
        let (start, interval) = (Instant::now(), Duration::from_millis(50));
        let mut reporter = PathReporter::new(interval);
        let mut told = vec![];
        for n in 0..100u16 {
            let now = start + Duration::from_millis(10) * u32::from(n);
            // Packets come in the first half second only.
            if n < 50 {
                reporter.arrived(now, &[Arrival { sequence: n, at: now }]);
            }
            while let Some(feedback) = reporter.poll(now, 1, 2) {
                told.push((n, feedback.packets.len()));
            }
        }
        let mut expected = vec![(0, 1)];
        expected.extend((1..10).map(|n| (5 * n, 5)));
        expected.push((50, 4));
        assert_eq!(told, expected);
        assert_eq!(reporter.next_timeout(), None);
    }
}
