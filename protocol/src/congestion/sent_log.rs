//! What was sent on the whole transport, and what the peer's feedback says became of it
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).
//!
//! All streams of a transport count their packets together: [`SentLog::number`] is the next one's, [`SentLog::sent`]
//! remembers it, [`SentLog::resolve`] reads feedback.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::rtcp::transport_feedback::{REFERENCE_MASK, REFERENCE_TICKS, TICK_MICROS, TransportFeedback};

/// Packets remembered: more than a call sends until it has heard of them. The oldest are forgotten first.
const REMEMBERED: usize = 4096;

/// A packet that has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    /// When it was sent.
    #[serde(with = "crate::recording::moment")]
    pub sent_at: Instant,
    /// When it arrived, on the peer's clock, whose zero means nothing. Grows through all wraps.
    pub arrived: Duration,
    /// Its size, bytes.
    pub size: Size,
}

/// What a packet takes of the path, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// All of it.
    pub total: usize,
    /// What it carries of a picture that is sent for the first time: this follows the rate that is allowed, the rest
    /// (sound, repairs, headers) does not.
    pub picture: usize,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Instant,
    size: Size,
    /// Feedback tells of a packet again where others came late.
    told: bool,
}

/// The packets of a transport.
#[derive(Clone, Debug, Default)]
pub struct SentLog {
    next: u64,
    sent: VecDeque<Sent>,
    /// The last reference time, unrolled.
    reference: Option<i64>,
}

impl SentLog {
    /// The number of the next packet.
    pub fn number(&self) -> u16 {
        self.next as u16
    }

    /// The packet of that number has been sent.
    pub fn sent(&mut self, at: Instant, size: Size) {
        if self.sent.len() == REMEMBERED {
            self.sent.pop_front();
        }
        self.sent.push_back(Sent {
            at,
            size,
            told: false,
        });
        self.next += 1;
    }

    /// The packets that arrived, as far as it was not known yet, in the order in which they were sent. What was never
    /// sent, or so long ago that it is forgotten, is left out.
    pub fn resolve(&mut self, feedback: &TransportFeedback) -> Vec<Delivered> {
        let mut ticks = self.unroll(feedback.reference) * REFERENCE_TICKS;
        let behind = (self.next as u16).wrapping_sub(feedback.base);
        let first_known = self.next - self.sent.len() as u64;
        let Some(base) = self.next.checked_sub(u64::from(behind)) else {
            return Vec::new();
        };
        let mut delivered = Vec::new();
        for (number, delta) in (base..self.next).zip(&feedback.packets) {
            let Some(delta) = delta else { continue };
            ticks += i64::from(*delta);
            let index = number
                .checked_sub(first_known)
                .and_then(|index| usize::try_from(index).ok());
            let Some(sent) = index.and_then(|index| self.sent.get_mut(index)) else {
                continue;
            };
            if !std::mem::replace(&mut sent.told, true) {
                delivered.push(Delivered {
                    sent_at: sent.at,
                    arrived: Duration::from_micros((ticks.max(0) as u64).saturating_mul(TICK_MICROS)),
                    size: sent.size,
                });
            }
        }
        delivered
    }

    /// The reference time without its wraps. It starts one whole cycle up, so that what is a little before the first
    /// stays above zero.
    fn unroll(&mut self, reference: u32) -> i64 {
        let cycle = i64::from(REFERENCE_MASK) + 1;
        let unrolled = match self.reference {
            None => cycle + i64::from(reference & REFERENCE_MASK),
            Some(last) => {
                let step = (i64::from(reference) - last).rem_euclid(cycle);
                last + if step >= cycle / 2 { step - cycle } else { step }
            }
        };
        self.reference = Some(unrolled.max(0));
        unrolled.max(0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn feedback(base: u16, reference: u32, packets: Vec<Option<i16>>) -> TransportFeedback {
        TransportFeedback {
            sender: 1,
            media: 2,
            base,
            reference,
            count: 0,
            packets,
        }
    }

    fn log(start: Instant, packets: u64) -> SentLog {
        let mut log = SentLog::default();
        for n in 0..packets {
            assert_eq!(log.number(), n as u16);
            let size = Size {
                total: 1000 + n as usize,
                picture: 900,
            };
            log.sent(start + Duration::from_millis(n), size);
        }
        log
    }

    #[test]
    fn each_packet_that_arrived_is_told_once_with_its_times() {
        let start = Instant::now();
        let mut log = log(start, 4);
        let delivered = log.resolve(&feedback(0, 10, vec![Some(4), None, Some(-2)]));
        let sizes: Vec<usize> = delivered.iter().map(|packet| packet.size.total).collect();
        assert_eq!(sizes, [1000, 1002]);
        assert_eq!(delivered[1].sent_at, start + Duration::from_millis(2));
        assert_eq!(
            delivered[0].arrived - delivered[1].arrived,
            Duration::from_micros(500)
        );
        let late = log.resolve(&feedback(1, 10, vec![Some(8), Some(-6)]));
        assert_eq!(late.len(), 1);
        assert_eq!(
            late[0].arrived - delivered[0].arrived,
            Duration::from_micros(1000)
        );
    }

    #[test]
    fn numbers_and_the_reference_wrap() {
        let start = Instant::now();
        let mut log = log(start, 65_538);
        let before = log.resolve(&feedback(65_535, REFERENCE_MASK, vec![Some(0)]));
        let after = log.resolve(&feedback(0, 1, vec![Some(0), Some(1)]));
        assert_eq!(
            (before[0].size.total, after[1].size.total),
            (1000 + 65_535, 1000 + 65_537)
        );
        assert_eq!(after[0].arrived - before[0].arrived, Duration::from_millis(128));
    }

    #[test]
    fn what_was_never_sent_or_is_forgotten_is_left_out() {
        let start = Instant::now();
        let mut few = log(start, 3);
        assert_eq!(few.resolve(&feedback(2, 0, vec![Some(0); 5])).len(), 1);
        assert_eq!(few.resolve(&feedback(3, 0, vec![Some(0)])), []);
        let mut many = log(start, 6000);
        assert_eq!(many.sent.len(), REMEMBERED);
        assert_eq!(many.resolve(&feedback(0, 0, vec![Some(0); 1904])), []);
        assert_eq!(many.resolve(&feedback(1900, 0, vec![Some(0); 8])).len(), 4);
    }

    proptest! {
        #[test]
        fn any_feedback_is_safe(sent in 0..300u64, base in any::<u16>(), references in proptest::collection::vec(any::<u32>(), 1..5),
                                packets in proptest::collection::vec(any::<Option<i16>>(), 0..100)) {
            let mut log = log(Instant::now(), sent);
            let mut delivered = 0;
            for reference in references {
                delivered += log.resolve(&feedback(base, reference, packets.clone())).len() as u64;
            }
            prop_assert!(delivered <= sent);
        }
    }
}
