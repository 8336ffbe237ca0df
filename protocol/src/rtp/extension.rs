//! Header extensions (RFC 8285): what a packet says of itself beside its fixed header.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     0xBE      |     0xDE      |        length in words        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  ID   | len-1 |     data      |  ID   | len-1 |     data  …   |   one-byte form, identifiers 1 to 14
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//!
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     0x10      |     0x00      |        length in words        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      ID       |      len      |     data      |      ID …     |   two-byte form, identifiers 1 to 255
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Identifiers are negotiated ([`ExtensionIds`]); what is unknown is stepped over.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::time::NtpTime;

/// RFC 8285 §4.2: "the 16-bit value required by the RTP specification for a header extension … MUST have the fixed
/// bit pattern 0xBEDE".
const ONE_BYTE: u16 = 0xbede;
/// RFC 8285 §4.3: "0x100", and 4 bits for applications that mean nothing here.
const TWO_BYTE: u16 = 0x1000;
const TWO_BYTE_MASK: u16 = 0xfff0;
/// RFC 8285 §4.2: "The local identifier value 15 is reserved", and ends the reading.
const RESERVED: u8 = 15;
/// Identifiers from here on need the two-byte form.
const FIRST_LONG: u8 = 15;
/// Profile and length.
const BLOCK_HEADER: usize = 4;

/// An extension this side knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Extension {
    /// The name of the packet's media section (RFC 9143 §15).
    Mid,
    /// When the packet was sent.
    AbsSendTime,
    /// A number that counts the packets of the whole transport (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportSequence,
    /// When the frame was captured, by the sender's wall clock.
    AbsCaptureTime,
}

impl Extension {
    /// All of them, in the order in which they are written.
    pub const ALL: [Extension; 4] = [
        Extension::AbsSendTime,
        Extension::TransportSequence,
        Extension::Mid,
        Extension::AbsCaptureTime,
    ];

    /// What names it in a description.
    pub fn uri(self) -> &'static str {
        match self {
            Extension::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Extension::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Extension::TransportSequence => {
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            }
            Extension::AbsCaptureTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
        }
    }

    /// The one of that name.
    pub fn of(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|extension| extension.uri() == uri)
    }
}

/// Which identifier each extension has in one direction; none where it was not negotiated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtensionIds {
    /// [`Extension::Mid`].
    pub mid: Option<u8>,
    /// [`Extension::AbsSendTime`].
    pub abs_send_time: Option<u8>,
    /// [`Extension::TransportSequence`].
    pub transport_sequence: Option<u8>,
    /// [`Extension::AbsCaptureTime`].
    pub abs_capture_time: Option<u8>,
}

impl ExtensionIds {
    /// The identifier of an extension.
    pub fn id(&self, extension: Extension) -> Option<u8> {
        match extension {
            Extension::Mid => self.mid,
            Extension::AbsSendTime => self.abs_send_time,
            Extension::TransportSequence => self.transport_sequence,
            Extension::AbsCaptureTime => self.abs_capture_time,
        }
    }

    /// Gives an extension an identifier.
    pub fn set(&mut self, extension: Extension, id: u8) {
        let place = match extension {
            Extension::Mid => &mut self.mid,
            Extension::AbsSendTime => &mut self.abs_send_time,
            Extension::TransportSequence => &mut self.transport_sequence,
            Extension::AbsCaptureTime => &mut self.abs_capture_time,
        };
        *place = Some(id);
    }

    /// RFC 8285 §4.1.2: one form a packet; the long one where an identifier needs it.
    fn long(&self) -> bool {
        let mut ids = Extension::ALL
            .into_iter()
            .filter_map(|extension| self.id(extension));
        ids.any(|id| id >= FIRST_LONG)
    }
}

/// The extensions of one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamExtensions {
    /// Their identifiers.
    pub ids: ExtensionIds,
    /// The media section of the stream, as packets name it.
    pub mid: Option<Mid>,
}

impl StreamExtensions {
    /// Bytes of the longest block a packet of the stream may have.
    pub fn longest(&self) -> usize {
        let full = Extensions {
            mid: self.mid,
            abs_send_time: Some(AbsSendTime(0)),
            transport_sequence: Some(0),
            abs_capture_time: Some(NtpTime(0)),
        };
        let mut block = Vec::new();
        full.write(&self.ids, &mut block);
        block.len()
    }
}

/// A `mid` as packets carry it: at most the 16 bytes of the one-byte form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mid {
    text: [u8; Mid::LONGEST],
    length: u8,
}

impl Mid {
    const LONGEST: usize = 16;

    /// `None` where it is empty or does not fit.
    pub fn new(mid: &[u8]) -> Option<Self> {
        let mut text = [0; Mid::LONGEST];
        text.get_mut(..mid.len())?.copy_from_slice(mid);
        (!mid.is_empty()).then_some(Mid {
            text,
            length: mid.len() as u8,
        })
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.length)]
    }
}

/// 24 bits of wall-clock time: 6 of seconds, 18 of the fraction; wraps after 64 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AbsSendTime(u32);

impl AbsSendTime {
    /// The middle of an NTP time.
    pub fn new(sent: NtpTime) -> Self {
        AbsSendTime((sent.0 >> 14) as u32 & 0x00ff_ffff)
    }
}

/// What one packet says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// The media section it belongs to.
    pub mid: Option<Mid>,
    /// When it was sent.
    pub abs_send_time: Option<AbsSendTime>,
    /// Its number on the whole transport.
    pub transport_sequence: Option<u16>,
    /// When its frame was captured.
    pub abs_capture_time: Option<NtpTime>,
}

impl Extensions {
    /// Appends the extension block of a packet; tells whether there is one. What has no identifier is left out.
    pub fn write(&self, ids: &ExtensionIds, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let long = ids.long();
        let profile = if long { TWO_BYTE } else { ONE_BYTE };
        out.extend_from_slice(&profile.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
        let mut element = |extension, value: Option<&[u8]>| {
            if let (Some(id), Some(value)) = (ids.id(extension), value) {
                match long {
                    true => out.extend_from_slice(&[id, value.len() as u8]),
                    false => out.push(id << 4 | (value.len() - 1) as u8),
                }
                out.extend_from_slice(value);
            }
        };
        let sent = self.abs_send_time.map(|AbsSendTime(sent)| sent.to_be_bytes());
        let number = self.transport_sequence.map(u16::to_be_bytes);
        let captured = self.abs_capture_time.map(|NtpTime(time)| time.to_be_bytes());
        element(Extension::AbsSendTime, sent.as_ref().map(|bytes| &bytes[1..]));
        element(
            Extension::TransportSequence,
            number.as_ref().map(|bytes| &bytes[..]),
        );
        element(Extension::Mid, self.mid.as_ref().map(Mid::as_bytes));
        element(
            Extension::AbsCaptureTime,
            captured.as_ref().map(|bytes| &bytes[..]),
        );
        let length = out.len() - start - BLOCK_HEADER;
        if length == 0 {
            out.truncate(start);
            return false;
        }
        // RFC 8285 §4.1: padding bytes "have the value of 0" and fill the last word.
        let words = length.div_ceil(4);
        out.resize(start + BLOCK_HEADER + 4 * words, 0);
        out[start + 2..start + BLOCK_HEADER].copy_from_slice(&(words as u16).to_be_bytes());
        true
    }
}

/// The extension block of a received packet, unread; shares the datagram's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionBlock {
    /// Says which form it has.
    pub profile: u16,
    /// The words behind the length.
    pub body: Bytes,
}

impl ExtensionBlock {
    /// What is said under these identifiers. What is cut short or has a length it cannot have counts as not said, and
    /// of what is said twice the last counts.
    pub fn read(&self, ids: &ExtensionIds) -> Extensions {
        let mut read = Extensions::default();
        let mut rest = &self.body[..];
        while let Some((id, value, behind)) = self.element(rest) {
            rest = behind;
            let mut known = Extension::ALL.into_iter();
            if let Some(extension) = known.find(|&known| id != 0 && ids.id(known) == Some(id)) {
                read.take(extension, value);
            }
        }
        read
    }

    /// The first element of some bytes, and what is behind it. A byte of padding is an element of identifier 0.
    fn element<'a>(&self, bytes: &'a [u8]) -> Option<(u8, &'a [u8], &'a [u8])> {
        let (&first, rest) = bytes.split_first()?;
        if first == 0 {
            return Some((0, &[], rest));
        }
        let (id, length, rest) = if self.profile == ONE_BYTE {
            (first >> 4, usize::from(first & 0x0f) + 1, rest)
        } else if self.profile & TWO_BYTE_MASK == TWO_BYTE {
            let (&length, rest) = rest.split_first()?;
            (first, usize::from(length), rest)
        } else {
            return None;
        };
        // RFC 8285 §4.2: "If the ID value 15 is used, its length field should be ignored, processing of the entire
        // extension should terminate at that point".
        if self.profile == ONE_BYTE && id == RESERVED {
            return None;
        }
        let (value, rest) = rest.split_at_checked(length)?;
        Some((id, value, rest))
    }
}

impl Extensions {
    fn take(&mut self, extension: Extension, value: &[u8]) {
        match extension {
            Extension::Mid => self.mid = Mid::new(value),
            Extension::AbsSendTime => {
                if let Ok([a, b, c]) = <[u8; 3]>::try_from(value) {
                    self.abs_send_time = Some(AbsSendTime(u32::from_be_bytes([0, a, b, c])));
                }
            }
            // Version 02 of the extension appends a request for feedback, which the reports answer anyway.
            Extension::TransportSequence => {
                if let Some((number, _)) = value.split_first_chunk() {
                    self.transport_sequence = Some(u16::from_be_bytes(*number));
                }
            }
            // The estimated offset of the capture clock may follow; a call between two has none.
            Extension::AbsCaptureTime => {
                if let Some((time, _)) = value.split_first_chunk() {
                    self.abs_capture_time = Some(NtpTime(u64::from_be_bytes(*time)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
