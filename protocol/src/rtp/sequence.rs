//! Counting without end from 16-bit sequence numbers, and the reception figures of a source.
//!
//! RFC 3550 appendix A.1 (valid sequence numbers), A.3 (expected and lost packets), A.8 (interarrival jitter).

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::time::signed_nanos;

/// RFC 3550 A.1: a jump of more packets than this is no dropout. Retransmissions come later than the RFC's
/// MAX_MISORDER of 100 allows, so this side is as patient backwards as forwards.
const MAX_DROPOUT: u64 = 3000;
/// Unrolled numbers start one whole cycle up, so that packets from before the first still have a number.
const FIRST_CYCLE: u64 = 1 << 16;

/// Turns 16-bit sequence numbers into numbers that never wrap.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct SequenceUnroller {
    highest: Option<u64>,
    /// RFC 3550 A.1 `bad_seq`: what would follow the last number that made no sense.
    suspect: Option<u16>,
}

impl SequenceUnroller {
    /// The number of a packet, or `None` for one far off, until a second in its succession shows that the sender
    /// has restarted its count. Numbers after a restart are above all earlier ones.
    pub fn unroll(&mut self, sequence: u16) -> Option<u64> {
        let Some(highest) = self.highest else {
            let first = FIRST_CYCLE + u64::from(sequence);
            self.highest = Some(first);
            return Some(first);
        };
        let ahead = sequence.wrapping_sub(highest as u16);
        let behind = u64::from((highest as u16).wrapping_sub(sequence));
        if u64::from(ahead) <= MAX_DROPOUT {
            self.suspect = None;
            return Some(self.advance(highest + u64::from(ahead)));
        }
        if behind <= MAX_DROPOUT {
            return highest.checked_sub(behind);
        }
        // RFC 3550 A.1: "Two sequential packets -- assume that the other side restarted without telling us".
        if self.suspect.replace(sequence.wrapping_add(1)) == Some(sequence) {
            self.suspect = None;
            return Some(self.advance(highest + u64::from(ahead)));
        }
        None
    }

    /// The highest number so far.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// The full number behind 16 bits, the one nearest to the highest, without counting it.
    pub fn nearest(&self, sequence: u16) -> Option<u64> {
        let highest = self.highest?;
        let offset = sequence.wrapping_sub(highest as u16) as i16;
        highest.checked_add_signed(i64::from(offset))
    }

    fn advance(&mut self, to: u64) -> u64 {
        self.highest = Some(to);
        to
    }
}

/// Turns 32-bit timestamps into numbers that never wrap.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct TimestampUnroller {
    latest: Option<u64>,
}

impl TimestampUnroller {
    /// The full timestamp, the one nearest to the one before.
    pub fn unroll(&mut self, timestamp: u32) -> u64 {
        let full = match self.latest {
            None => (1 << 32) + u64::from(timestamp),
            Some(latest) => {
                let step = timestamp.wrapping_sub(latest as u32) as i32;
                latest.saturating_add_signed(i64::from(step))
            }
        };
        self.latest = Some(full);
        full
    }
}

/// What a receiver knows of one source, as its report block needs it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Reception {
    clock_rate: u32,
    /// Where arrival times count from; its value does not matter.
    #[serde(with = "crate::recording::moment")]
    epoch: Instant,
    first: Option<u64>,
    highest: u64,
    received: u64,
    transit: Option<i64>,
    jitter: f64,
}

impl Reception {
    /// A source with a media clock of `clock_rate` that has sent nothing yet.
    pub fn new(clock_rate: u32, now: Instant) -> Self {
        Reception {
            clock_rate,
            epoch: now,
            first: None,
            highest: 0,
            received: 0,
            transit: None,
            jitter: 0.0,
        }
    }

    /// Counts a packet of the source's own stream.
    pub fn record(&mut self, sequence: u64, timestamp: u32, at: Instant) {
        let first = *self.first.get_or_insert(sequence);
        self.first = Some(first.min(sequence));
        let newest = self.received == 0 || sequence > self.highest;
        self.highest = self.highest.max(sequence);
        self.received += 1;
        if newest {
            self.record_transit(timestamp, at);
        }
    }

    /// RFC 3550 A.8: `d = transit - s->transit; s->jitter += (1./16.) * ((double)d - s->jitter)`. A packet out of
    /// order says more about its own detour than about the path's jitter and is left out.
    fn record_transit(&mut self, timestamp: u32, at: Instant) {
        let ticks = signed_nanos(self.epoch, at) * i128::from(self.clock_rate) / 1_000_000_000;
        let transit = i64::from((ticks as u32).wrapping_sub(timestamp) as i32);
        if let Some(before) = self.transit.replace(transit) {
            let change = f64::from((transit as i32).wrapping_sub(before as i32)).abs();
            self.jitter += (change - self.jitter) / 16.0;
        }
    }

    /// The present figures.
    pub fn figures(&self) -> ReceptionFigures {
        ReceptionFigures {
            // RFC 3550 A.3: "expected = extended_max - s->base_seq + 1"
            expected: self.first.map_or(0, |first| self.highest - first + 1),
            received: self.received,
            highest_sequence: self.highest.wrapping_sub(FIRST_CYCLE) as u32,
            jitter: self.jitter as u32,
            clock_rate: self.clock_rate,
        }
    }
}

/// A snapshot of [`Reception`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceptionFigures {
    /// Packets there should have been.
    pub expected: u64,
    /// Packets there were, duplicates included.
    pub received: u64,
    /// The extended highest sequence number: cycles, then the 16 bits.
    pub highest_sequence: u32,
    /// Interarrival jitter in ticks of the media clock.
    pub jitter: u32,
    /// Ticks a second.
    pub clock_rate: u32,
}

impl ReceptionFigures {
    /// Packets lost so far; negative when duplicates outnumber losses (RFC 3550 §6.4.1).
    pub fn lost(&self) -> i64 {
        self.expected as i64 - self.received as i64
    }

    /// RFC 3550 A.3: the loss since an earlier snapshot as a fraction of 256; 0 when duplicates outnumber it.
    pub fn fraction_lost_since(&self, earlier: &ReceptionFigures) -> u8 {
        let expected = self.expected.saturating_sub(earlier.expected);
        let received = self.received.saturating_sub(earlier.received);
        let lost = expected.saturating_sub(received);
        match expected {
            0 => 0,
            _ => u8::try_from((lost << 8) / expected).unwrap_or(u8::MAX),
        }
    }

    /// The jitter in milliseconds.
    pub fn jitter_ms(&self) -> f64 {
        f64::from(self.jitter) * 1000.0 / f64::from(self.clock_rate.max(1))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    #[test]
    fn numbers_go_on_past_the_wrap() {
        let mut unroller = SequenceUnroller::default();
        let numbers: Vec<_> = [65_534, 65_535, 1, 0, 2, 65_533]
            .map(|sequence| unroller.unroll(sequence).unwrap())
            .into();
        let first = numbers[0];
        let steps: Vec<i64> = numbers.iter().map(|n| *n as i64 - first as i64).collect();
        assert_eq!(steps, [0, 1, 3, 2, 4, -1]);
        assert_eq!(unroller.nearest(3), Some(first + 5));
        assert_eq!(unroller.nearest(65_535), Some(first + 1));
    }

    #[test]
    fn a_lone_stray_is_refused_and_a_restart_is_followed() {
        let mut unroller = SequenceUnroller::default();
        let first = unroller.unroll(100).unwrap();
        assert_eq!(unroller.unroll(30_000), None);
        assert_eq!(unroller.unroll(101), Some(first + 1));
        assert_eq!(unroller.unroll(40_000), None);
        let restarted = unroller.unroll(40_001).unwrap();
        assert!(restarted > first + 1);
        assert_eq!(restarted as u16, 40_001);
        assert_eq!(unroller.unroll(40_002), Some(restarted + 1));
    }

    #[test]
    fn timestamps_go_on_past_the_wrap() {
        let mut unroller = TimestampUnroller::default();
        let first = unroller.unroll(u32::MAX - 959);
        assert_eq!(unroller.unroll(0) - first, 960);
        assert_eq!(unroller.unroll(1920) - first, 2880);
        assert_eq!(unroller.unroll(960) - first, 1920);
    }

    #[test]
    fn loss_is_counted_over_all_and_since_the_last_report() {
        let now = Instant::now();
        let mut source = Reception::new(90_000, now);
        for sequence in (0..100u64).filter(|n| n % 10 != 9) {
            source.record(FIRST_CYCLE + sequence, 0, now);
        }
        let first = source.figures();
        // The last of the hundred is missing too, but nothing after it has told so yet.
        assert_eq!((first.expected, first.received, first.lost()), (99, 90, 9));
        assert_eq!(first.highest_sequence, 98);
        for sequence in 100..200 {
            source.record(FIRST_CYCLE + sequence, 0, now);
        }
        let second = source.figures();
        assert_eq!(second.lost(), 10);
        assert_eq!(second.fraction_lost_since(&first), (256 / 101) as u8);
        assert_eq!(second.fraction_lost_since(&second), 0);
    }

    #[test]
    fn even_arrivals_have_no_jitter_and_uneven_ones_do() {
        let start = Instant::now();
        let mut even = Reception::new(48_000, start);
        let mut uneven = Reception::new(48_000, start);
        for n in 0..500u32 {
            let at = start + Duration::from_millis(u64::from(n) * 20);
            even.record(u64::from(n), n.wrapping_mul(960), at);
            let detour = Duration::from_millis(u64::from(n % 2) * 10);
            uneven.record(u64::from(n), n.wrapping_mul(960), at + detour);
        }
        assert_eq!(even.figures().jitter, 0);
        // Every step differs by 10 ms.
        assert!((9.0..=10.0).contains(&uneven.figures().jitter_ms()));
    }

    proptest! {
        #[test]
        fn neighbours_unroll_to_neighbours(start in any::<u16>(), steps in proptest::collection::vec(0u16..100, 1..200)) {
            let mut unroller = SequenceUnroller::default();
            let mut sequence = start;
            let mut number = unroller.unroll(start).unwrap();
            for step in steps {
                sequence = sequence.wrapping_add(step);
                number += u64::from(step);
                prop_assert_eq!(unroller.unroll(sequence), Some(number));
            }
        }

        #[test]
        fn any_numbers_are_safe(all in proptest::collection::vec((any::<u16>(), any::<u32>()), 0..300)) {
            let now = Instant::now();
            let (mut sequences, mut times) = (SequenceUnroller::default(), TimestampUnroller::default());
            let mut source = Reception::new(90_000, now);
            for (sequence, timestamp) in all {
                times.unroll(timestamp);
                if let Some(number) = sequences.unroll(sequence) {
                    source.record(number, timestamp, now);
                }
                let _ = (source.figures().lost(), source.figures().fraction_lost_since(&Default::default()));
            }
        }
    }
}
