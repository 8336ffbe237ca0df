//! The messages of the data channel establishment protocol (RFC 8832 §5).

use std::time::Duration;

use crate::sctp::Limit;

/// RFC 8832 §8.2.1.
const OPEN: u8 = 0x03;
const ACK: u8 = 0x02;

/// RFC 8832 §5.1: the fixed part of a DATA_CHANNEL_OPEN.
const OPEN_LENGTH: usize = 12;

/// RFC 8832 §8.2.2: the bit that makes a channel type unordered.
const UNORDERED: u8 = 0x80;

/// How a channel delivers (RFC 8832 §5.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reliability {
    /// Messages may overtake each other.
    pub unordered: bool,
    /// Messages may be given up.
    pub limit: Option<Limit>,
}

/// A message between the two ends' channel machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dcep {
    /// A channel on the stream this comes on.
    Open {
        /// How it delivers.
        reliability: Reliability,
        /// RFC 8831 §6.4.
        priority: u16,
        /// Names it.
        label: String,
        /// What is spoken on it.
        protocol: String,
    },
    /// The channel is taken.
    Ack,
}

/// Why bytes are no [`Dcep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DcepError {
    /// The message ends too early.
    #[error("{left} bytes left, {needed} needed")]
    Truncated {
        /// What the format asks for.
        needed: usize,
        /// What was there.
        left: usize,
    },
    /// A message type nobody assigned.
    #[error("message type {0}")]
    UnknownType(u8),
    /// A channel type nobody assigned.
    #[error("channel type {0:#04x}")]
    UnknownChannelType(u8),
    /// Label and protocol are UTF-8.
    #[error("the label or protocol is no UTF-8")]
    NotText,
}

impl Dcep {
    /// Reads a message.
    ///
    /// ```text
    /// | type 3 | channel type | priority (16) | reliability parameter (32) | label length (16) | protocol length (16)
    /// | label | protocol
    /// ```
    pub fn parse(bytes: &[u8]) -> Result<Self, DcepError> {
        let truncated = |needed| DcepError::Truncated {
            needed,
            left: bytes.len(),
        };
        match bytes.first() {
            None => return Err(truncated(1)),
            Some(&ACK) => return Ok(Dcep::Ack),
            Some(&OPEN) => {}
            Some(&other) => return Err(DcepError::UnknownType(other)),
        }
        let fixed: &[u8; OPEN_LENGTH] = bytes.first_chunk().ok_or(truncated(OPEN_LENGTH))?;
        let parameter = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
        let limit = match fixed[1] & !UNORDERED {
            0 => None,
            1 => Some(Limit::Retransmissions(parameter)),
            2 => Some(Limit::Lifetime(Duration::from_millis(parameter.into()))),
            _ => return Err(DcepError::UnknownChannelType(fixed[1])),
        };
        let length = |at: usize| usize::from(u16::from_be_bytes([fixed[at], fixed[at + 1]]));
        let end_of_label = OPEN_LENGTH + length(8);
        let end = end_of_label + length(10);
        let text = |range| {
            let bytes: &[u8] = bytes.get(range).ok_or(truncated(end))?;
            String::from_utf8(bytes.to_vec()).map_err(|_| DcepError::NotText)
        };
        Ok(Dcep::Open {
            reliability: Reliability {
                unordered: fixed[1] & UNORDERED != 0,
                limit,
            },
            priority: u16::from_be_bytes([fixed[2], fixed[3]]),
            label: text(OPEN_LENGTH..end_of_label)?,
            protocol: text(end_of_label..end)?,
        })
    }

    /// The message as it stands on the wire. Label and protocol are cut at 65,535 bytes, which nobody reaches.
    pub fn to_bytes(&self) -> Vec<u8> {
        let Dcep::Open {
            reliability,
            priority,
            label,
            protocol,
        } = self
        else {
            return vec![ACK];
        };
        let (kind, parameter) = match reliability.limit {
            None => (0, 0),
            Some(Limit::Retransmissions(count)) => (1, count),
            Some(Limit::Lifetime(time)) => (2, u32::try_from(time.as_millis()).unwrap_or(u32::MAX)),
        };
        let order = if reliability.unordered { UNORDERED } else { 0 };
        let text = |text: &str| text.as_bytes()[..text.len().min(usize::from(u16::MAX))].to_vec();
        let (label, protocol) = (text(label), text(protocol));
        let mut bytes = vec![OPEN, kind | order];
        bytes.extend(priority.to_be_bytes());
        bytes.extend(parameter.to_be_bytes());
        bytes.extend((label.len() as u16).to_be_bytes());
        bytes.extend((protocol.len() as u16).to_be_bytes());
        bytes.extend(label);
        bytes.extend(protocol);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_open_as_chromium_sends_it_is_understood() {
        let bytes = b"\x03\x00\x01\x00\x00\x00\x00\x00\x00\x04\x00\x00chat";
        let open = Dcep::Open {
            reliability: Reliability::default(),
            priority: 256,
            label: "chat".to_owned(),
            protocol: String::new(),
        };
        assert_eq!(Dcep::parse(bytes), Ok(open.clone()));
        assert_eq!(open.to_bytes(), bytes);
        assert_eq!(Dcep::parse(&[2]), Ok(Dcep::Ack));
    }

    #[test]
    fn broken_messages_say_what_is_wrong() {
        assert_eq!(Dcep::parse(&[]), Err(DcepError::Truncated { needed: 1, left: 0 }));
        assert_eq!(Dcep::parse(&[7]), Err(DcepError::UnknownType(7)));
        assert_eq!(
            Dcep::parse(&[3, 0, 0]),
            Err(DcepError::Truncated { needed: 12, left: 3 })
        );
        let mut open = *b"\x03\x05\x01\x00\x00\x00\x00\x00\x00\x02\x00\x00\xff\xff";
        assert_eq!(Dcep::parse(&open), Err(DcepError::UnknownChannelType(5)));
        open[1] = 0x82;
        assert_eq!(Dcep::parse(&open), Err(DcepError::NotText));
        open[9] = 200;
        assert_eq!(
            Dcep::parse(&open),
            Err(DcepError::Truncated {
                needed: 212,
                left: 14
            })
        );
    }

    proptest! {
        #[test]
        fn no_bytes_hurt_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Dcep::parse(&bytes);
            let _ = Dcep::parse(&[&[OPEN], bytes.as_slice()].concat());
        }

        #[test]
        fn an_open_survives_the_wire(
            label in ".{0,40}", protocol in ".{0,40}", priority: u16, unordered: bool, kind in 0..3, value: u32,
        ) {
            let limit = match kind {
                0 => None,
                1 => Some(Limit::Retransmissions(value)),
                _ => Some(Limit::Lifetime(Duration::from_millis(value.into()))),
            };
            let open = Dcep::Open { reliability: Reliability { unordered, limit }, priority, label, protocol };
            prop_assert_eq!(Dcep::parse(&open.to_bytes()), Ok(open));
        }
    }
}
