//! The packets that have not come: when to ask for them (again), and when to give them up.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

/// How patiently and how often a lost packet is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// A packet may be this much out of order before it counts as lost.
    pub reorder_wait: Duration,
    /// Time between two requests is a round trip and this, and half as much again after each request.
    pub min_interval: Duration,
    /// After this the packet is given up, and its picture with it.
    pub give_up: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            reorder_wait: Duration::from_millis(5),
            min_interval: Duration::from_millis(15),
            give_up: Duration::from_millis(500),
        }
    }
}

/// Requests name at most so many packets: 17 fit one NACK item, and 20 items are still a small packet.
const MAX_REQUESTED: usize = 340;

/// The packets that are missing, by unrolled sequence number.
#[derive(Clone, Debug)]
pub struct Missing {
    policy: RetryPolicy,
    gaps: BTreeMap<u64, Gap>,
    /// No request is due before this. Kept so that the common case, nothing missing or nothing due, costs nothing.
    next_request: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Gap {
    since: Instant,
    ask_at: Instant,
    asked: u32,
}

impl Missing {
    /// Nothing is missing.
    pub fn new(policy: RetryPolicy) -> Self {
        Missing {
            policy,
            gaps: BTreeMap::new(),
            next_request: None,
        }
    }

    /// These have been overtaken.
    pub fn add(&mut self, now: Instant, sequences: Range<u64>) {
        let ask_at = now + self.policy.reorder_wait;
        for sequence in sequences {
            self.gaps.entry(sequence).or_insert(Gap {
                since: now,
                ask_at,
                asked: 0,
            });
            self.next_request = Some(self.next_request.map_or(ask_at, |at| at.min(ask_at)));
        }
    }

    /// This one has come. Answers whether it had been missing.
    pub fn found(&mut self, sequence: u64) -> bool {
        self.gaps.remove(&sequence).is_some()
    }

    /// Those before `sequence` are not needed any more.
    pub fn forget_before(&mut self, sequence: u64) {
        if self
            .gaps
            .first_key_value()
            .is_some_and(|(first, _)| *first < sequence)
        {
            self.gaps = self.gaps.split_off(&sequence);
        }
    }

    /// How many are missing.
    pub fn len(&self) -> usize {
        self.gaps.len()
    }

    /// Whether none is missing.
    pub fn is_empty(&self) -> bool {
        self.gaps.is_empty()
    }

    /// The packets to ask for now.
    pub fn requests(&mut self, now: Instant, round_trip: Duration) -> Vec<u16> {
        let mut due = Vec::new();
        if self.next_request.is_none_or(|at| at > now) {
            return due;
        }
        for (sequence, gap) in &mut self.gaps {
            if gap.ask_at <= now && due.len() < MAX_REQUESTED {
                due.push(*sequence as u16);
                let base = round_trip + self.policy.min_interval;
                let pause = base.mul_f64(1.5f64.powi(gap.asked.min(8) as i32));
                gap.asked += 1;
                gap.ask_at = now + pause;
            }
        }
        self.next_request = self.gaps.values().map(|gap| gap.ask_at).min();
        due
    }

    /// The last of the first missing packets whose time is over.
    pub fn hopeless(&self, now: Instant) -> Option<u64> {
        self.gaps
            .iter()
            .take_while(|(_, gap)| gap.since + self.policy.give_up <= now)
            .map(|(sequence, _)| *sequence)
            .last()
    }

    /// When a request or giving up is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        let (_, first) = self.gaps.first_key_value()?;
        let end = first.since + self.policy.give_up;
        Some(self.next_request.map_or(end, |at| at.min(end)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_packet_a_little_late_is_not_asked_for() {
        let now = Instant::now();
        let mut missing = Missing::new(RetryPolicy::default());
        missing.add(now, 65_540..65_542);
        assert!(missing.requests(now + ms(4), ms(20)).is_empty());
        assert!(missing.found(65_540));
        assert_eq!(missing.requests(now + ms(5), ms(20)), [5]);
    }

    #[test]
    fn requests_are_repeated_ever_more_slowly_until_hope_ends() {
        let start = Instant::now();
        let mut missing = Missing::new(RetryPolicy::default());
        missing.add(start, 7..8);
        let mut asked_at = vec![];
        while missing.hopeless(missing.next_timeout().unwrap()).is_none() {
            let now = missing.next_timeout().unwrap();
            assert_eq!(missing.requests(now, ms(25)), [7]);
            asked_at.push((now - start).as_millis());
        }
        assert_eq!(asked_at, [5, 45, 105, 195, 330]);
        assert_eq!(missing.hopeless(start + ms(500)), Some(7));
        missing.forget_before(8);
        assert_eq!((missing.len(), missing.next_timeout()), (0, None));
    }

    #[test]
    fn a_request_names_a_bounded_number() {
        let now = Instant::now();
        let mut missing = Missing::new(RetryPolicy::default());
        missing.add(now, 0..1000);
        assert_eq!(missing.requests(now + ms(5), ms(0)).len(), MAX_REQUESTED);
        assert_eq!(missing.requests(now + ms(5), ms(0)).len(), MAX_REQUESTED);
        assert_eq!(missing.requests(now + ms(5), ms(0)).len(), 320);
    }
}
