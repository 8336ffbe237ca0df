//! DTLS 1.2 records (RFC 6347 §4.1) around `webrtc-dtls`, which makes the handshake and nothing else.
//!
//! Reading order: [`Header`] and [`records`] (the format), [`guard`] (what of the network reaches the handshake),
//! [`sealed`] (application data once it has finished).
//!
//! ```text
//!  0        1        2        3        4        5
//! +--------+--------+--------+--------+--------+--------+--------+-- … --+--------+--------+
//! |  type  |  version 0xfefd |      epoch      |   sequence number (48)  |      length     |
//! +--------+-----------------+-----------------+-------------------------+-----------------+
//! ```

pub mod guard;
pub mod sealed;

/// Bytes before a record's content.
pub const HEADER_LENGTH: usize = 13;

/// RFC 6347 §4.1: the wire value of DTLS 1.2.
const VERSION_1_2: u16 = 0xfefd;

/// RFC 6347 §4.2.1: a first ClientHello may come in a record of version 1.0.
const VERSION_1_0: u16 = 0xfeff;

/// RFC 6347 §4.1: "uint48 sequence_number".
const MAX_SEQUENCE: u64 = (1 << 48) - 1;

/// What a record carries (RFC 5246 §6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// From here on the sender uses the next epoch.
    ChangeCipherSpec,
    /// A warning or the end.
    Alert,
    /// A fragment of a handshake message, or several whole ones.
    Handshake,
    /// An SCTP packet.
    ApplicationData,
}

impl ContentType {
    fn parse(byte: u8) -> Option<Self> {
        Some(match byte {
            20 => ContentType::ChangeCipherSpec,
            21 => ContentType::Alert,
            22 => ContentType::Handshake,
            23 => ContentType::ApplicationData,
            _ => return None,
        })
    }

    fn byte(self) -> u8 {
        match self {
            ContentType::ChangeCipherSpec => 20,
            ContentType::Alert => 21,
            ContentType::Handshake => 22,
            ContentType::ApplicationData => 23,
        }
    }
}

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it carries.
    pub content_type: ContentType,
    /// Which keys protect it; 0 means none.
    pub epoch: u16,
    /// Its number within the epoch, 48 bits.
    pub sequence: u64,
    /// Bytes that follow.
    pub length: usize,
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The datagram ends inside the header or the content.
    #[error("{left} bytes left, {needed} needed")]
    Truncated {
        /// What the format asks for.
        needed: usize,
        /// What was there.
        left: usize,
    },
    /// A content type of no DTLS 1.2 record.
    #[error("content type {0}")]
    UnknownType(u8),
    /// Neither DTLS 1.0 nor 1.2.
    #[error("version {0:#06x}")]
    UnknownVersion(u16),
}

impl Header {
    /// Reads a header and makes sure that its content follows.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let truncated = |needed| ParseError::Truncated {
            needed,
            left: bytes.len(),
        };
        let header: &[u8; HEADER_LENGTH] = bytes.first_chunk().ok_or(truncated(HEADER_LENGTH))?;
        let content_type = ContentType::parse(header[0]).ok_or(ParseError::UnknownType(header[0]))?;
        let version = u16::from_be_bytes([header[1], header[2]]);
        if version != VERSION_1_2 && version != VERSION_1_0 {
            return Err(ParseError::UnknownVersion(version));
        }
        let numbers = u64::from_be_bytes([
            header[3], header[4], header[5], header[6], header[7], header[8], header[9], header[10],
        ]);
        let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
        if bytes.len() < HEADER_LENGTH + length {
            return Err(truncated(HEADER_LENGTH + length));
        }
        Ok(Header {
            content_type,
            epoch: (numbers >> 48) as u16,
            sequence: numbers & MAX_SEQUENCE,
            length,
        })
    }

    /// The header as it stands on the wire.
    pub fn to_bytes(self) -> [u8; HEADER_LENGTH] {
        let mut bytes = [0; HEADER_LENGTH];
        bytes[0] = self.content_type.byte();
        bytes[1..3].copy_from_slice(&VERSION_1_2.to_be_bytes());
        bytes[3..11].copy_from_slice(&self.numbers().to_be_bytes());
        bytes[11..13].copy_from_slice(&(self.length as u16).to_be_bytes());
        bytes
    }

    /// Epoch and sequence number together, as they are authenticated and used in nonces.
    fn numbers(self) -> u64 {
        u64::from(self.epoch) << 48 | self.sequence
    }
}

/// The records of a datagram, each with its header, and at last an error if something else follows.
///
/// RFC 6347 §4.1.1: "Multiple DTLS records may be placed in a single datagram."
pub fn records(datagram: &[u8]) -> impl Iterator<Item = Result<(Header, &[u8]), ParseError>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let parsed = Header::parse(rest);
        match parsed {
            Ok(header) => {
                let (record, after) = rest.split_at(HEADER_LENGTH + header.length);
                rest = after;
                Some(Ok((header, record)))
            }
            Err(error) => {
                rest = &[];
                Some(Err(error))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A record with this content.
    pub(super) fn record(content_type: ContentType, epoch: u16, sequence: u64, content: &[u8]) -> Vec<u8> {
        let header = Header {
            content_type,
            epoch,
            sequence,
            length: content.len(),
        };
        [&header.to_bytes(), content].concat()
    }

    #[test]
    fn a_datagram_falls_into_its_records_until_one_is_damaged() {
        let mut datagram = record(ContentType::Alert, 0, 7, &[2, 40]);
        datagram.extend(record(ContentType::ApplicationData, 1, MAX_SEQUENCE, b"data"));
        datagram.extend([22, 0xfe]);
        let found: Vec<_> = records(&datagram).collect();
        assert_eq!(found.len(), 3);
        assert!(found[0].is_ok_and(|(header, record)| header.sequence == 7 && record.len() == 15));
        assert!(found[1].is_ok_and(|(header, _)| header.epoch == 1 && header.sequence == MAX_SEQUENCE));
        assert_eq!(found[2], Err(ParseError::Truncated { needed: 13, left: 2 }));
    }

    #[test]
    fn other_versions_and_types_are_told_apart() {
        let mut bytes = record(ContentType::Handshake, 0, 0, &[]);
        bytes[2] = 0xfc;
        assert_eq!(Header::parse(&bytes), Err(ParseError::UnknownVersion(0xfefc)));
        bytes[0] = 25;
        assert_eq!(Header::parse(&bytes), Err(ParseError::UnknownType(25)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let read: usize = records(&bytes).flatten().map(|(_, record)| record.len()).sum();
            prop_assert!(read <= bytes.len());
        }

        #[test]
        fn a_header_survives_the_wire(epoch: u16, sequence in 0..=MAX_SEQUENCE, content: Vec<u8>) {
            let bytes = record(ContentType::ApplicationData, epoch, sequence, &content);
            let header = Header::parse(&bytes);
            prop_assert!(header.is_ok_and(|h| h.epoch == epoch && h.sequence == sequence && h.length == content.len()));
        }
    }
}
