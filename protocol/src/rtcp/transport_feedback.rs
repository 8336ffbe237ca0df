//! Transport-wide feedback: which packets of a transport came, and when
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|  FMT=15 |    PT=205     |           length              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                     SSRC of packet sender                     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      SSRC of media source                     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      base sequence number     |      packet status count      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                 reference time                | fb pkt. count |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          packet chunk …       |  recv delta  |  recv delta …  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use serde::{Deserialize, Serialize};

use super::Error;
use super::packet::Reader;

/// The unit of the times between packets: "in multiples of 250us".
pub const TICK_MICROS: u64 = 250;
/// Ticks in a unit of the reference time: "in multiples of 64ms".
pub const REFERENCE_TICKS: i64 = 256;
/// The reference time has 24 bits.
pub const REFERENCE_MASK: u32 = 0x00ff_ffff;
/// Packets one feedback may be about. The draft allows 65,535, in a few bytes where none has come: more than a call
/// sends in the time feedback takes is nonsense.
pub const MAX_PACKETS: u16 = 8192;

/// Symbols of a chunk with one bit each, and with two.
const ONE_BIT_SYMBOLS: usize = 14;
const TWO_BIT_SYMBOLS: usize = 7;
/// A run length has 13 bits.
const MAX_RUN: usize = 0x1fff;
/// §3.1.3 and §3.1.4: the first bit of a chunk tells a vector from a run, the second the size of its symbols.
const VECTOR: u16 = 0x8000;
const TWO_BITS: u16 = 0x4000;

/// What came of a row of packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportFeedback {
    /// Who received.
    pub sender: u32,
    /// One of the streams; the feedback is about all of them.
    pub media: u32,
    /// The number of the first packet.
    pub base: u16,
    /// A moment on the receiver's clock, in 64 ms; 24 bits, wraps.
    pub reference: u32,
    /// Counts the feedback; wraps.
    pub count: u8,
    /// The packets from the first on: ticks since the one before that came, for the first of them since the reference;
    /// `None` for one that has not come.
    pub packets: Vec<Option<i16>>,
}

/// §3.1.1: what a symbol says of a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    /// "Packet not received".
    Missing,
    /// "Packet received, small delta": one byte, 0 to 255 ticks.
    Small,
    /// "Packet received, large or negative delta": two bytes.
    Large,
}

impl Status {
    fn of(packet: Option<i16>) -> Self {
        match packet {
            None => Status::Missing,
            Some(0..=255) => Status::Small,
            Some(_) => Status::Large,
        }
    }

    fn symbol(self) -> u16 {
        match self {
            Status::Missing => 0,
            Status::Small => 1,
            Status::Large => 2,
        }
    }

    fn parse(symbol: u16) -> Result<Self, Error> {
        match symbol {
            0 => Ok(Status::Missing),
            1 => Ok(Status::Small),
            2 => Ok(Status::Large),
            _ => Err(Error::Reserved),
        }
    }
}

impl TransportFeedback {
    pub(super) fn parse(body: &mut Reader<'_>) -> Result<Self, Error> {
        let (sender, media) = (body.u32()?, body.u32()?);
        let [b0, b1, c0, c1] = body.array()?;
        let total = u16::from_be_bytes([c0, c1]);
        if total > MAX_PACKETS {
            return Err(Error::TooMany(total));
        }
        let [r0, r1, r2, count] = body.array()?;
        let mut statuses = Vec::new();
        while statuses.len() < usize::from(total) {
            take_chunk(u16::from_be_bytes(body.array()?), &mut statuses)?;
            statuses.truncate(usize::from(total));
        }
        let packets: Result<_, Error> = statuses
            .into_iter()
            .map(|status| {
                Ok(match status {
                    Status::Missing => None,
                    Status::Small => Some(i16::from(body.array::<1>()?[0])),
                    Status::Large => Some(i16::from_be_bytes(body.array()?)),
                })
            })
            .collect();
        Ok(TransportFeedback {
            sender,
            media,
            base: u16::from_be_bytes([b0, b1]),
            reference: u32::from_be_bytes([0, r0, r1, r2]),
            count,
            packets: packets?,
        })
    }

    /// Appends everything behind the first word; packets beyond [`MAX_PACKETS`] are left out.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let packets = &self.packets[..self.packets.len().min(usize::from(MAX_PACKETS))];
        for word in [self.sender, self.media] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        out.extend_from_slice(&self.base.to_be_bytes());
        out.extend_from_slice(&(packets.len() as u16).to_be_bytes());
        let last = (self.reference & REFERENCE_MASK) << 8 | u32::from(self.count);
        out.extend_from_slice(&last.to_be_bytes());
        write_chunks(packets, out);
        for delta in packets.iter().flatten() {
            match Status::of(Some(*delta)) {
                Status::Small => out.push(*delta as u8),
                Status::Large | Status::Missing => out.extend_from_slice(&delta.to_be_bytes()),
            }
        }
        // "zero padding" to the next word.
        out.resize(start + (out.len() - start).next_multiple_of(4), 0);
    }
}

/// Appends what a chunk says; of a vector always all of its symbols.
fn take_chunk(chunk: u16, statuses: &mut Vec<Status>) -> Result<(), Error> {
    if chunk & VECTOR == 0 {
        let status = Status::parse(chunk >> 13 & 0b11)?;
        let run = usize::from(chunk) & MAX_RUN;
        // A run of nothing would have us read on for ever through what was to be times.
        if run == 0 {
            return Err(Error::Reserved);
        }
        statuses.extend(std::iter::repeat_n(status, run));
    } else if chunk & TWO_BITS == 0 {
        statuses.extend((0..ONE_BIT_SYMBOLS).rev().map(|bit| match chunk >> bit & 1 {
            0 => Status::Missing,
            _ => Status::Small,
        }));
    } else {
        for symbol in (0..TWO_BIT_SYMBOLS).rev() {
            statuses.push(Status::parse(chunk >> (2 * symbol) & 0b11)?);
        }
    }
    Ok(())
}

/// Writes the chunks: a run where it says more than a vector would, otherwise the vector of the smallest symbols.
fn write_chunks(packets: &[Option<i16>], out: &mut Vec<u8>) {
    let mut rest = packets;
    while let Some(first) = rest.first() {
        let status = Status::of(*first);
        let same = |packet: &&Option<i16>| Status::of(**packet) == status;
        let run = rest.iter().take_while(same).take(MAX_RUN).count();
        let narrow = &rest[..rest.len().min(ONE_BIT_SYMBOLS)];
        let wide = &rest[..rest.len().min(TWO_BIT_SYMBOLS)];
        let large = narrow.iter().any(|packet| Status::of(*packet) == Status::Large);
        let (chunk, taken) = if run >= if large { wide.len() } else { narrow.len() } {
            (status.symbol() << 13 | run as u16, run)
        } else if large {
            (VECTOR | TWO_BITS | vector(wide, TWO_BIT_SYMBOLS, 2), wide.len())
        } else {
            (VECTOR | vector(narrow, ONE_BIT_SYMBOLS, 1), narrow.len())
        };
        out.extend_from_slice(&chunk.to_be_bytes());
        rest = &rest[taken..];
    }
}

/// The symbols of a chunk, the first in the highest bits.
fn vector(packets: &[Option<i16>], symbols: usize, bits: usize) -> u16 {
    let shifts = (0..symbols).rev().map(|at| at * bits);
    packets.iter().zip(shifts).fold(0, |chunk, (packet, shift)| {
        chunk | Status::of(*packet).symbol() << shift
    })
}

#[cfg(test)]
mod tests;
