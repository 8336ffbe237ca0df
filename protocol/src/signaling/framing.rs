//! WebSocket frames (RFC 6455 §5) as the server reads and writes them.
//!
//! A machine of its own, and not a library's, for the sake of memory: while a client is idle it holds no buffer at
//! all, and it never makes room for more than has arrived. The client's side is a library's, so the two check
//! each other in every test.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! |F|R|R|R| opcode|M| Payload len |    Extended payload length    |
//! |I|S|S|S|  (4)  |A|     (7)     |             (16/64)           |
//! |N|V|V|V|       |S|             |   (if payload len==126/127)   |
//! | |1|2|3|       |K|             |                               |
//! +-+-+-+-+-------+-+-------------+ - - - - - - - - - - - - - - - +
//! |     Masking-key (client to server), then the payload          |
//! ```

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;
const MASK_LENGTH: usize = 4;

/// RFC 6455 §5.2: the values of the 7-bit length that announce a longer one.
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// RFC 6455 §5.5: "All control frames MUST have a payload length of 125 bytes or less".
const MAX_CONTROL: usize = 125;

/// RFC 6455 §11.8.
mod opcode {
    pub(super) const CONTINUATION: u8 = 0;
    pub(super) const TEXT: u8 = 1;
    pub(super) const BINARY: u8 = 2;
    pub(super) const CLOSE: u8 = 8;
    pub(super) const PING: u8 = 9;
    pub(super) const PONG: u8 = 10;
}

/// Status codes of a close frame (RFC 6455 §7.4.1).
pub mod close_code {
    /// The purpose of the connection is fulfilled.
    pub const NORMAL: u16 = 1000;
    /// The server goes down.
    pub const GOING_AWAY: u16 = 1001;
    /// The other side broke the protocol.
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// A kind of data that is not accepted here.
    pub const UNSUPPORTED_DATA: u16 = 1003;
    /// The other side broke the rules of this server.
    pub const POLICY_VIOLATION: u16 = 1008;
    /// A message longer than is accepted.
    pub const MESSAGE_TOO_BIG: u16 = 1009;
    /// Registered by IANA: "Try Again Later".
    pub const TRY_AGAIN_LATER: u16 = 1013;
}

/// What arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A whole text message, its fragments put together. Whether it is UTF-8 is for its reader to check.
    Text(Bytes),
    /// Answer with [`pong`] and the same payload.
    Ping(Bytes),
    /// A sign of life.
    Pong,
    /// The other side closes.
    Close,
}

/// Why the connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FramingError {
    /// A message longer than the present limit.
    #[error("a message of {length} bytes, where {limit} are allowed")]
    TooLong {
        /// Its length so far.
        length: u64,
        /// The limit.
        limit: usize,
    },
    /// RFC 6455 §5.1: "The server MUST close the connection upon receiving a frame that is not masked."
    #[error("a frame without a mask")]
    NotMasked,
    /// A reserved bit or opcode: no extension was negotiated.
    #[error("a reserved bit or opcode")]
    Reserved,
    /// A binary message.
    #[error("a binary message; only text is spoken here")]
    Binary,
    /// A control frame that is fragmented or too long.
    #[error("a control frame that is fragmented or longer than {MAX_CONTROL} bytes")]
    Control,
    /// A continuation without a beginning, or a beginning inside a message.
    #[error("fragments out of order")]
    Fragments,
}

impl FramingError {
    /// The status code to close with.
    pub fn close_code(self) -> u16 {
        match self {
            FramingError::TooLong { .. } => close_code::MESSAGE_TOO_BIG,
            FramingError::Binary => close_code::UNSUPPORTED_DATA,
            FramingError::NotMasked
            | FramingError::Reserved
            | FramingError::Control
            | FramingError::Fragments => close_code::PROTOCOL_ERROR,
        }
    }
}

/// Turns bytes from a client into frames: feed, then take until `None`.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    /// Bytes that arrived and are not taken yet; empty while idle.
    arrived: Vec<u8>,
    /// How many of them have been taken.
    taken: usize,
    /// The fragments of an unfinished message.
    fragments: Option<Vec<u8>>,
}

/// A frame's header, once it is whole.
struct Header {
    fin: bool,
    opcode: u8,
    payload: u64,
    length: usize,
    mask: [u8; MASK_LENGTH],
}

impl Decoder {
    /// Accepts messages of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Decoder {
            limit,
            arrived: Vec::new(),
            taken: 0,
            fragments: None,
        }
    }

    /// Changes the limit from the next frame on.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes in bytes as they arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.arrived.extend_from_slice(bytes);
    }

    /// The next frame, if it is all there. After an error the connection must be closed.
    pub fn poll_frame(&mut self) -> Result<Option<Frame>, FramingError> {
        loop {
            let Some(header) = Header::parse(&self.arrived[self.taken..])? else {
                self.tidy();
                return Ok(None);
            };
            self.check(&header)?;
            // `check` made sure that it fits a usize many times over.
            let end = self.taken + header.length + header.payload as usize;
            if self.arrived.len() < end {
                return Ok(None);
            }
            let mut payload = self.arrived[self.taken + header.length..end].to_vec();
            for (byte, mask) in payload.iter_mut().zip(header.mask.iter().cycle()) {
                *byte ^= mask;
            }
            self.taken = end;
            if let Some(frame) = self.assemble(&header, payload) {
                self.tidy();
                return Ok(Some(frame));
            }
        }
    }

    /// Refuses a frame by its header alone, before its payload takes any room.
    fn check(&self, header: &Header) -> Result<(), FramingError> {
        let before = self.fragments.as_ref().map_or(0, Vec::len) as u64;
        match header.opcode {
            opcode::CLOSE | opcode::PING | opcode::PONG => {
                // RFC 6455 §5.5: control frames "MUST NOT be fragmented".
                let allowed = header.fin && header.payload <= MAX_CONTROL as u64;
                return if allowed {
                    Ok(())
                } else {
                    Err(FramingError::Control)
                };
            }
            opcode::TEXT if self.fragments.is_some() => return Err(FramingError::Fragments),
            opcode::CONTINUATION if self.fragments.is_none() => return Err(FramingError::Fragments),
            opcode::TEXT | opcode::CONTINUATION => {}
            opcode::BINARY => return Err(FramingError::Binary),
            _ => return Err(FramingError::Reserved),
        }
        let length = before.saturating_add(header.payload);
        if length > self.limit as u64 {
            return Err(FramingError::TooLong {
                length,
                limit: self.limit,
            });
        }
        Ok(())
    }

    fn assemble(&mut self, header: &Header, payload: Vec<u8>) -> Option<Frame> {
        match header.opcode {
            opcode::CLOSE => Some(Frame::Close),
            opcode::PING => Some(Frame::Ping(payload.into())),
            opcode::PONG => Some(Frame::Pong),
            _ => {
                let mut message = self.fragments.take().unwrap_or_default();
                if message.is_empty() {
                    message = payload;
                } else {
                    message.extend_from_slice(&payload);
                }
                if header.fin {
                    return Some(Frame::Text(message.into()));
                }
                self.fragments = Some(message);
                None
            }
        }
    }

    /// Gives back the room of what has been taken.
    fn tidy(&mut self) {
        if self.taken == self.arrived.len() {
            self.arrived = Vec::new();
        } else if self.taken > 0 {
            self.arrived.drain(..self.taken);
        }
        self.taken = 0;
    }
}

impl Header {
    /// `None` while it is not all there.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, FramingError> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        if first & RESERVED != 0 {
            return Err(FramingError::Reserved);
        }
        if second & MASKED == 0 {
            return Err(FramingError::NotMasked);
        }
        let (payload, rest) = match second & LENGTH {
            LENGTH_16 => match rest.split_first_chunk::<2>() {
                Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
                None => return Ok(None),
            },
            LENGTH_64 => match rest.split_first_chunk::<8>() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return Ok(None),
            },
            length => (u64::from(length), rest),
        };
        let Some((&mask, rest)) = rest.split_first_chunk::<MASK_LENGTH>() else {
            return Ok(None);
        };
        Ok(Some(Header {
            fin: first & FIN != 0,
            opcode: first & OPCODE,
            payload,
            length: bytes.len() - rest.len(),
            mask,
        }))
    }
}

/// A text message to a client, in one frame.
pub fn text(message: &str) -> Bytes {
    frame(opcode::TEXT, message.as_bytes())
}

/// Answers a [`Frame::Ping`].
pub fn pong(payload: &[u8]) -> Bytes {
    frame(opcode::PONG, payload)
}

/// Closes with a status code.
pub fn close(code: u16) -> Bytes {
    frame(opcode::CLOSE, &code.to_be_bytes())
}

/// RFC 6455 §5.1: "A server MUST NOT mask any frames that it sends to the client."
fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(payload.len() + 10);
    frame.put_u8(FIN | opcode);
    match payload.len() {
        length @ 0..=MAX_CONTROL => frame.put_u8(length as u8),
        length @ ..=0xffff => {
            frame.put_u8(LENGTH_16);
            frame.put_u16(length as u16);
        }
        length => {
            frame.put_u8(LENGTH_64);
            frame.put_u64(length as u64);
        }
    }
    frame.put_slice(payload);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1000;

    /// A frame as a client sends it.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let plain = frame(first & OPCODE, payload);
        let header = plain.len() - payload.len();
        let mut bytes = plain[..header].to_vec();
        bytes[0] = first;
        bytes[1] |= MASKED;
        bytes.extend(mask);
        bytes.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Vec<Frame>, FramingError> {
        let mut decoder = Decoder::new(LIMIT);
        decoder.feed(bytes);
        std::iter::from_fn(|| decoder.poll_frame().transpose()).collect()
    }

    #[test]
    fn the_masked_hello_of_the_rfc_is_read() {
        // RFC 6455 §5.7: "A single-frame masked text message"
        let bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(decode(&bytes), Ok(vec![Frame::Text("Hello".into())]));
    }

    #[test]
    fn the_unmasked_hello_of_the_rfc_is_written_and_refused() {
        // RFC 6455 §5.7: "A single-frame unmasked text message"
        let bytes = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
        assert_eq!(&text("Hello")[..], &bytes);
        assert_eq!(decode(&bytes), Err(FramingError::NotMasked));
    }

    #[test]
    fn a_ping_may_come_between_the_fragments_of_a_message() {
        let bytes = [
            masked(opcode::TEXT, b"Hel"),
            masked(FIN | opcode::PING, b"?"),
            masked(FIN | opcode::CONTINUATION, b"lo"),
            masked(FIN | opcode::CLOSE, &[]),
        ]
        .concat();
        let frames = [Frame::Ping("?".into()), Frame::Text("Hello".into()), Frame::Close];
        assert_eq!(decode(&bytes).unwrap(), frames);
    }

    #[test]
    fn too_long_a_message_is_refused_by_its_header_whole_or_in_fragments() {
        let header = &masked(FIN | opcode::TEXT, &[b'x'; LIMIT + 1])[..8];
        assert!(matches!(
            decode(header),
            Err(FramingError::TooLong { length: 1001, .. })
        ));
        let fragments = [
            masked(opcode::TEXT, &[b'x'; LIMIT]),
            masked(opcode::CONTINUATION, b"x"),
        ]
        .concat();
        assert!(matches!(
            decode(&fragments),
            Err(FramingError::TooLong { length: 1001, .. })
        ));
        let endless = [
            0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
        ];
        assert_eq!(
            decode(&endless),
            Err(FramingError::TooLong {
                length: u64::MAX,
                limit: LIMIT
            })
        );
    }

    #[test]
    fn what_the_rfc_forbids_is_refused() {
        for (bytes, why) in [
            (
                masked(FIN | 0x40 | opcode::TEXT, b"compressed"),
                FramingError::Reserved,
            ),
            (masked(FIN | 3, b""), FramingError::Reserved),
            (masked(FIN | opcode::BINARY, b"\0"), FramingError::Binary),
            (masked(FIN | opcode::PING, &[0; 126]), FramingError::Control),
            (masked(opcode::PING, b""), FramingError::Control),
            (
                masked(FIN | opcode::CONTINUATION, b"no beginning"),
                FramingError::Fragments,
            ),
            (
                [masked(opcode::TEXT, b"1"), masked(FIN | opcode::TEXT, b"2")].concat(),
                FramingError::Fragments,
            ),
        ] {
            assert_eq!(decode(&bytes), Err(why));
        }
    }

    #[test]
    fn an_idle_decoder_holds_no_memory() {
        let mut decoder = Decoder::new(LIMIT);
        decoder.feed(&masked(FIN | opcode::TEXT, &[b'x'; LIMIT]));
        assert!(decoder.poll_frame().unwrap().is_some());
        assert_eq!(decoder.arrived.capacity(), 0);
    }

    proptest! {
        #[test]
        fn any_cut_of_the_stream_gives_the_same_messages(
            messages in proptest::collection::vec("[a-z]{0,300}", 1..5),
            cuts in proptest::collection::vec(1usize..40, 1..200),
        ) {
            let bytes: Vec<u8> = messages.iter().flat_map(|m| masked(FIN | opcode::TEXT, m.as_bytes())).collect();
            let (mut decoder, mut got, mut rest) = (Decoder::new(LIMIT), Vec::new(), &bytes[..]);
            for cut in cuts.into_iter().chain([usize::MAX]) {
                let (part, later) = rest.split_at(cut.min(rest.len()));
                decoder.feed(part);
                rest = later;
                while let Some(frame) = decoder.poll_frame().unwrap() {
                    got.push(frame);
                }
            }
            let sent: Vec<Frame> = messages.into_iter().map(|m| Frame::Text(m.into())).collect();
            prop_assert_eq!(got, sent);
        }

        #[test]
        fn no_bytes_hurt(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
        }
    }
}
