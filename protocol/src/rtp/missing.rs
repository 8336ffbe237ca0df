//! The packets that have not come: when to ask for them (again), and when to give them up.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How patiently and how often a lost packet is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// A packet may be this much out of order before it counts as lost.
    pub reorder_wait: Duration,
    /// Time between two requests is a round trip and this, and a little longer after each.
    pub min_interval: Duration,
    /// After this the packet is given up, and its picture with it.
    pub give_up: Duration,
    /// A packet is asked for so many times; 0 where the peer does not answer.
    pub tries: u32,
    /// A request names at most so many packets; with more missing than fit two requests a key frame is cheaper.
    pub max_requested: usize,
    /// Over a longer round trip nothing is asked for again: it would come too late.
    pub max_round_trip: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            reorder_wait: Duration::from_millis(5),
            min_interval: Duration::from_millis(15),
            give_up: Duration::from_millis(500),
            tries: 10,
            max_requested: 250,
            max_round_trip: Duration::from_millis(400),
        }
    }
}

/// How much longer each pause is than the one before: gently, for a picture waits; but a path that answers nothing is
/// not flooded.
const BACKOFF: f64 = 1.15;
/// Pauses do not grow further than so many times.
const MAX_BACKOFFS: u32 = 8;

/// The packets that are missing, by unrolled sequence number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Missing {
    policy: RetryPolicy,
    gaps: BTreeMap<u64, Gap>,
    /// No request is due before this. Kept so that the common case, nothing missing or nothing due, costs nothing.
    #[serde(with = "crate::recording::moment")]
    next_request: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Gap {
    #[serde(with = "crate::recording::moment")]
    since: Instant,
    #[serde(with = "crate::recording::moment")]
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

    /// The first one missing.
    pub fn first(&self) -> Option<u64> {
        self.gaps.first_key_value().map(|(sequence, _)| *sequence)
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
        let policy = self.policy;
        for (sequence, gap) in &mut self.gaps {
            if gap.ask_at <= now && gap.asked < policy.tries && due.len() < policy.max_requested {
                due.push(*sequence as u16);
                let base = round_trip + policy.min_interval;
                let pause = base.mul_f64(BACKOFF.powi(gap.asked.min(MAX_BACKOFFS) as i32));
                gap.asked += 1;
                gap.ask_at = now + pause;
            }
        }
        let open = self.gaps.values().filter(|gap| gap.asked < policy.tries);
        self.next_request = open.map(|gap| gap.ask_at).min();
        due
    }

    /// The last missing packet, if there is no sense in asking: the answer would be too slow, or answers too many.
    pub fn beyond_repair(&self, now: Instant, round_trip: Duration) -> Option<u64> {
        let (_, first) = self.gaps.first_key_value()?;
        let pointless = round_trip > self.policy.max_round_trip || self.policy.tries == 0;
        let slow = pointless && first.ask_at <= now;
        let many = self.gaps.len() > 2 * self.policy.max_requested;
        self.gaps
            .last_key_value()
            .filter(|_| slow || many)
            .map(|(last, _)| *last)
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
        assert_eq!(asked_at, [5, 45, 91, 143, 204, 274, 355, 447]);
        assert_eq!(missing.hopeless(start + ms(500)), Some(7));
        missing.forget_before(8);
        assert_eq!((missing.len(), missing.next_timeout()), (0, None));
    }

    #[test]
    fn a_request_names_a_bounded_number() {
        let now = Instant::now();
        let mut missing = Missing::new(RetryPolicy::default());
        missing.add(now, 0..600);
        for expected in [250, 250, 100] {
            assert_eq!(missing.requests(now + ms(5), ms(0)).len(), expected);
        }
        assert_eq!(
            missing.beyond_repair(now, ms(0)),
            Some(599),
            "and a key frame is cheaper"
        );
    }
}
