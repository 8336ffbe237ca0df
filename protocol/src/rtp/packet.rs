//! The RTP packet (RFC 3550 §5.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P|X|  CC   |M|     PT      |       sequence number         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                           timestamp                           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           synchronization source (SSRC) identifier            |
//! +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
//! |            contributing source (CSRC) identifiers             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! CSRCs are stepped over: nothing that was negotiated uses them. Header extensions are kept unread ([`extension`]).
//!
//! [`extension`]: super::extension

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Error;
use super::extension::ExtensionBlock;

/// RFC 3550 §5.1: "version (V): 2 bits … The version defined by this specification is two (2)."
const VERSION: u8 = 2;
/// Profile and length of an extension block (RFC 3550 §5.3.1).
const EXTENSION_HEADER: usize = 4;

/// The fixed part of an RTP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Ends a picture; starts a talkspurt.
    pub marker: bool,
    /// Which negotiated format the payload has (7 bits).
    pub payload_type: u8,
    /// Counts packets, wraps.
    pub sequence_number: u16,
    /// When the first byte of the payload was sampled, in the media's clock; wraps.
    pub timestamp: u32,
    /// The stream.
    pub ssrc: u32,
}

impl Header {
    /// Bytes of the fixed header.
    pub const LEN: usize = 12;
    /// In the first byte: an extension block follows the header (RFC 3550 §5.1).
    pub(super) const EXTENSION: u8 = 0x10;

    /// Reads the fixed part, which is never encrypted.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Version`].
    pub fn read(datagram: &[u8]) -> Result<Self, Error> {
        let fixed: &[u8; Header::LEN] = datagram.first_chunk().ok_or(Error::Truncated {
            needed: Header::LEN,
            left: datagram.len(),
        })?;
        let [flags, kind, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *fixed;
        if flags >> 6 != VERSION {
            return Err(Error::Version(flags >> 6));
        }
        Ok(Header {
            marker: kind & 0x80 != 0,
            payload_type: kind & 0x7f,
            sequence_number: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        })
    }

    /// Appends the header as it goes on the wire.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(VERSION << 6);
        out.push((u8::from(self.marker) << 7) | (self.payload_type & 0x7f));
        out.extend_from_slice(&self.sequence_number.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
    }
}

/// A received packet: its header and its payload, which shares the datagram's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The fixed header.
    pub header: Header,
    /// What it says of itself beside.
    pub extensions: Option<ExtensionBlock>,
    /// What the codec put in, without padding. Empty in a packet of padding alone.
    pub payload: Bytes,
}

impl Packet {
    /// Reads a decrypted datagram.
    ///
    /// # Errors
    /// [`Error::Truncated`], [`Error::Version`], [`Error::Padding`].
    pub fn parse(datagram: &Bytes) -> Result<Packet, Error> {
        let header = Header::read(datagram)?;
        let flags = datagram[0];
        let mut start = behind_fixed(flags);
        let mut extensions = None;
        if flags & Header::EXTENSION != 0 {
            let block = extension_block(datagram, start)?;
            start += EXTENSION_HEADER + block.body.len();
            extensions = Some(block);
        }
        let end = datagram.len() - padding_len(datagram, flags & 0x20 != 0, start)?;
        Ok(Packet {
            header,
            extensions,
            payload: datagram.slice(start..end),
        })
    }
}

/// Where the contributing sources end.
fn behind_fixed(flags: u8) -> usize {
    Header::LEN + 4 * usize::from(flags & 0x0f)
}

/// What a packet says of itself, which can be read without its keys (RFC 3711 §3.1).
pub fn extensions(datagram: &Bytes) -> Option<ExtensionBlock> {
    let flags = *datagram.first()?;
    let said = flags & Header::EXTENSION != 0;
    said.then(|| extension_block(datagram, behind_fixed(flags)).ok())
        .flatten()
}

/// RFC 3550 §5.3.1: two bytes of profile, then a "length that counts the number of 32-bit words in the extension,
/// excluding the four-octet extension header".
fn extension_block(datagram: &Bytes, start: usize) -> Result<ExtensionBlock, Error> {
    let truncated = |needed| Error::Truncated {
        needed,
        left: datagram.len(),
    };
    let body = start + EXTENSION_HEADER;
    let &[p0, p1, l0, l1] = datagram.get(start..body).ok_or(truncated(body))? else {
        return Err(truncated(body));
    };
    let end = body + 4 * usize::from(u16::from_be_bytes([l0, l1]));
    if end > datagram.len() {
        return Err(truncated(end));
    }
    Ok(ExtensionBlock {
        profile: u16::from_be_bytes([p0, p1]),
        body: datagram.slice(body..end),
    })
}

/// RFC 3550 §5.1: "The last octet of the padding contains a count of how many padding octets should be ignored,
/// including itself." Also checks that the header fits at all.
fn padding_len(datagram: &[u8], padded: bool, start: usize) -> Result<usize, Error> {
    let payload = datagram.get(start..).ok_or(Error::Truncated {
        needed: start,
        left: datagram.len(),
    })?;
    match (padded, payload.last()) {
        (false, _) => Ok(0),
        (true, Some(&count)) if count > 0 && usize::from(count) <= payload.len() => Ok(usize::from(count)),
        (true, count) => Err(Error::Padding(count.copied().unwrap_or(0))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const HEADER: Header = Header {
        marker: true,
        payload_type: 96,
        sequence_number: 0xfffe,
        timestamp: 0xdead_beef,
        ssrc: 0x0102_0304,
    };

    fn datagram(payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        HEADER.write(&mut out);
        out.extend_from_slice(payload);
        out
    }

    #[test]
    fn what_is_written_is_read_back() {
        let packet = Packet::parse(&datagram(b"picture").into()).unwrap();
        assert_eq!(packet.header, HEADER);
        assert_eq!(&packet.payload[..], b"picture");
    }

    #[test]
    fn sources_and_padding_are_stepped_over_and_extensions_kept() {
        // CC = 2, one word of one-byte-header extension (RFC 8285), three bytes of padding.
        let mut bytes = datagram(&[0; 8]);
        bytes[0] |= 0x20 | 0x10 | 2;
        bytes.extend_from_slice(&[0xbe, 0xde, 0, 1, 0x10, 0xaa, 0, 0]);
        bytes.extend_from_slice(b"sound\0\0\x03");
        let packet = Packet::parse(&bytes.into()).unwrap();
        assert_eq!(&packet.payload[..], b"sound");
        let block = packet.extensions.unwrap();
        assert_eq!(
            (block.profile, &block.body[..]),
            (0xbede, &[0x10, 0xaa, 0, 0][..])
        );
    }

    #[test]
    fn lies_about_lengths_are_refused() {
        let with_flags = |flags: u8, payload: &[u8]| {
            let mut bytes = datagram(payload);
            bytes[0] |= flags;
            Packet::parse(&bytes.into()).unwrap_err()
        };
        assert_eq!(
            with_flags(0x20, b"abc\x05"),
            Error::Padding(5),
            "before the payload"
        );
        assert_eq!(with_flags(0x20, b"abc\x00"), Error::Padding(0));
        assert_eq!(with_flags(0x20, b""), Error::Padding(0));
        assert!(
            matches!(with_flags(0x0f, b"abc"), Error::Truncated { .. }),
            "15 sources"
        );
        assert!(matches!(
            with_flags(0x10, b"\xbe\xde\xff\xff"),
            Error::Truncated { .. }
        ));
        assert_eq!(
            Packet::parse(&Bytes::from_static(&[0; 12])),
            Err(Error::Version(0))
        );
        assert!(Packet::parse(&Bytes::from_static(&[0x80; 11])).is_err());
    }

    #[test]
    fn the_rtp_crate_reads_the_same() {
        use webrtc_util::marshal::Unmarshal;
        let bytes = Bytes::from(datagram(b"abc"));
        let theirs = rtp::packet::Packet::unmarshal(&mut bytes.clone()).unwrap();
        assert_eq!(theirs.header.sequence_number, HEADER.sequence_number);
        assert_eq!(theirs.header.timestamp, HEADER.timestamp);
        assert_eq!(theirs.header.ssrc, HEADER.ssrc);
        assert!(theirs.header.marker);
        assert_eq!(theirs.payload, Packet::parse(&bytes).unwrap().payload);
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Packet::parse(&bytes.into());
        }

        #[test]
        fn any_first_byte_is_safe(first in any::<u8>(), rest in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut bytes = datagram(&rest);
            bytes[0] = 0x80 | (first & 0x3f);
            let _ = Packet::parse(&bytes.into());
        }
    }
}
