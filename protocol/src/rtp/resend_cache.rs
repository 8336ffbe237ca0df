//! The packets a receiver may still ask for again, bounded by number and by age.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResendLimits {
    /// Packets at most.
    pub packets: usize,
    /// Older packets are useless to the receiver: their picture has been given up.
    pub age: Duration,
    /// The same packet is not sent again sooner: the first answer is still under way.
    pub pause: Duration,
}

impl Default for ResendLimits {
    fn default() -> Self {
        ResendLimits {
            packets: 1024,
            age: Duration::from_secs(1),
            pause: Duration::from_millis(5),
        }
    }
}

/// Sent packets in the order of their sequence numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ResendCache<T> {
    limits: ResendLimits,
    sent: VecDeque<Entry<T>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry<T> {
    sequence: u16,
    #[serde(with = "crate::recording::moment")]
    sent_at: Instant,
    #[serde(with = "crate::recording::moment")]
    resent_at: Option<Instant>,
    packet: T,
}

impl<T> ResendCache<T> {
    /// An empty cache.
    pub fn new(limits: ResendLimits) -> Self {
        ResendCache {
            limits,
            sent: VecDeque::new(),
        }
    }

    /// Keeps a packet that is being sent. Sequence numbers follow one another; where one does not (a packet that
    /// was never sent), what was kept is dropped.
    pub fn insert(&mut self, now: Instant, sequence: u16, packet: T) {
        if self
            .sent
            .back()
            .is_some_and(|last| last.sequence.wrapping_add(1) != sequence)
        {
            self.sent.clear();
        }
        while self.sent.front().is_some_and(|first| {
            self.sent.len() >= self.limits.packets
                || now.saturating_duration_since(first.sent_at) > self.limits.age
        }) {
            self.sent.pop_front();
        }
        self.sent.push_back(Entry {
            sequence,
            sent_at: now,
            resent_at: None,
            packet,
        });
    }

    /// The packet to send again, unless it is too old, unknown, or was sent again a moment ago. `round_trip` is how
    /// long an answer takes to arrive.
    pub fn take_again(&mut self, now: Instant, sequence: u16, round_trip: Duration) -> Option<&T> {
        let first = self.sent.front()?.sequence;
        let entry = self.sent.get_mut(usize::from(sequence.wrapping_sub(first)))?;
        let pause = self.limits.pause.max(round_trip / 2);
        let too_soon = entry
            .resent_at
            .is_some_and(|last| now.saturating_duration_since(last) < pause);
        if too_soon || now.saturating_duration_since(entry.sent_at) > self.limits.age {
            return None;
        }
        entry.resent_at = Some(now);
        Some(&entry.packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_WAIT: Duration = Duration::ZERO;

    fn cache(packets: usize) -> ResendCache<u32> {
        ResendCache::new(ResendLimits {
            packets,
            ..ResendLimits::default()
        })
    }

    #[test]
    fn the_newest_packets_are_found_across_the_wrap() {
        let now = Instant::now();
        let mut cache = cache(4);
        for (n, sequence) in (0u32..6).zip([65_533, 65_534, 65_535, 0, 1, 2]) {
            cache.insert(now, sequence, n);
        }
        assert_eq!(cache.take_again(now, 65_534, NO_WAIT), None, "made room");
        assert_eq!(cache.take_again(now, 65_535, NO_WAIT), Some(&2));
        assert_eq!(cache.take_again(now, 2, NO_WAIT), Some(&5));
        assert_eq!(cache.take_again(now, 3, NO_WAIT), None, "not sent yet");
    }

    #[test]
    fn a_packet_is_sent_again_only_after_a_pause_and_not_when_old() {
        let now = Instant::now();
        let mut cache = cache(10);
        cache.insert(now, 7, 7);
        let round_trip = Duration::from_millis(100);
        assert_eq!(cache.take_again(now, 7, round_trip), Some(&7));
        let soon = now + Duration::from_millis(40);
        assert_eq!(cache.take_again(soon, 7, round_trip), None);
        let later = now + Duration::from_millis(50);
        assert_eq!(cache.take_again(later, 7, round_trip), Some(&7));
        assert_eq!(
            cache.take_again(now + Duration::from_secs(2), 7, round_trip),
            None
        );
    }

    #[test]
    fn a_jump_in_the_count_empties_it() {
        let now = Instant::now();
        let mut cache = cache(10);
        cache.insert(now, 1, 1);
        cache.insert(now, 5, 5);
        assert_eq!(cache.take_again(now, 1, NO_WAIT), None);
        assert_eq!(cache.take_again(now, 5, NO_WAIT), Some(&5));
    }
}
