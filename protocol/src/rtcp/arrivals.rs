//! Remembers which packets of the transport came, until the peer is told
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::transport_feedback::{REFERENCE_MASK, REFERENCE_TICKS, TICK_MICROS, TransportFeedback};
use crate::rtp::receiver::Arrival;
use crate::rtp::sequence::SequenceUnroller;
use crate::time::signed_nanos;

/// Packets one feedback is about: it fits a datagram whatever their times are.
const MAX_REPORTED: usize = 400;
/// Packets remembered. For more the oldest are forgotten; if they were not told of, they count as lost.
const MAX_REMEMBERED: usize = 2048;
/// How long packets are remembered that were told of already: one that comes late is told of once more together with
/// those behind it.
const WINDOW: Duration = Duration::from_millis(500);

/// The packets that came.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Arrivals {
    numbers: SequenceUnroller,
    #[serde(with = "crate::recording::moment")]
    came: BTreeMap<u64, Instant>,
    /// The number from which on the peer has to be told.
    untold: u64,
    /// Where times count from.
    #[serde(with = "crate::recording::moment")]
    epoch: Option<Instant>,
    count: u8,
}

impl Arrivals {
    /// Remembers a packet. One with a number far off is passed over, as is one that came before.
    pub fn record(&mut self, arrival: Arrival) {
        let fresh = self.numbers.highest().is_none();
        let Some(number) = self.numbers.unroll(arrival.sequence) else {
            return;
        };
        if self.came.contains_key(&number) {
            return;
        }
        if self.came.len() >= MAX_REMEMBERED {
            self.came.pop_first();
        }
        self.epoch.get_or_insert(arrival.at);
        self.came.insert(number, arrival.at);
        self.untold = if fresh { number } else { self.untold.min(number) };
    }

    /// Whether there is something to tell.
    pub fn any(&self) -> bool {
        self.came.range(self.untold..).next().is_some()
    }

    /// What the peer has not been told yet; to be asked until it is `None`. `sender` and `media` are our stream and
    /// one of the peer's.
    pub fn feedback(&mut self, sender: u32, media: u32) -> Option<TransportFeedback> {
        let base = self.untold;
        let mut packets = Vec::new();
        let mut times: Option<(u32, i64)> = None;
        for (&number, &at) in self.came.range(base..) {
            let missing = usize::try_from(number - base).unwrap_or(usize::MAX) - packets.len();
            if packets.len().saturating_add(missing) >= MAX_REPORTED {
                break;
            }
            let ticks = self.ticks(at);
            let (reference, last) = *times.get_or_insert_with(|| {
                let reference = ticks.div_euclid(REFERENCE_TICKS);
                (reference as u32 & REFERENCE_MASK, reference * REFERENCE_TICKS)
            });
            // A pause of more than 8 s: what is behind it has a reference of its own.
            let Ok(delta) = i16::try_from(ticks - last) else {
                break;
            };
            packets.extend(std::iter::repeat_n(None, missing));
            packets.push(Some(delta));
            times = Some((reference, ticks));
        }
        let (Some((reference, _)), true) = (times, self.any()) else {
            return self.skip(sender, media);
        };
        self.untold = base + packets.len() as u64;
        self.forget();
        let count = self.count;
        self.count = count.wrapping_add(1);
        Some(TransportFeedback {
            sender,
            media,
            base: base as u16,
            reference,
            count,
            packets,
        })
    }

    /// More are missing than one feedback tells of: the peer gets to know it from the number the next begins with.
    fn skip(&mut self, sender: u32, media: u32) -> Option<TransportFeedback> {
        let (&next, _) = self.came.range(self.untold..).next()?;
        self.untold = next;
        self.feedback(sender, media)
    }

    fn forget(&mut self) {
        let newest = self.came.values().max().copied();
        while let Some(oldest) = self.came.first_entry()
            && *oldest.key() < self.untold
            && newest.is_some_and(|newest| newest.saturating_duration_since(*oldest.get()) > WINDOW)
        {
            oldest.remove();
        }
    }

    fn ticks(&self, at: Instant) -> i64 {
        let since = signed_nanos(self.epoch.unwrap_or(at), at);
        since.div_euclid(i128::from(TICK_MICROS) * 1000) as i64
    }
}

#[cfg(test)]
mod tests;
