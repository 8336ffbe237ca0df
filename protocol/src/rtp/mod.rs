//! RTP, the Real-time Transport Protocol: pictures and sound in numbered, time-stamped packets.
//!
//! Reading order: [`packet`] (the header), [`extension`] (what may follow it), [`sequence`] (counting without end from
//! 16 bits, and what reports say), [`payload`] (how codecs fill packets), then the sending side, [`sender`] and
//! [`resend_cache`], and the receiving side, [`receiver`], which stands on [`jitter_buffer`] and [`missing`].
//!
//! | RFC | what |
//! |---|---|
//! | 3550 | packets, counters, jitter |
//! | 8285 | header extensions: `mid` (9143), the times of sending and capture, transport-wide numbers |
//! | 4588 | retransmissions on a stream of their own (RTX) |
//! | 6184 | H.264 in RTP |
//! | 7741 | VP8 in RTP |
//! | 7587 | Opus in RTP |

use thiserror::Error;

pub mod extension;
pub mod jitter_buffer;
pub mod missing;
pub mod packet;
pub mod payload;
pub mod receiver;
pub mod resend_cache;
pub mod routing;
pub mod sender;
pub mod sequence;

/// Why bytes are not the RTP packet or payload they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The bytes end too early.
    #[error("{needed} more bytes needed, {left} left")]
    Truncated {
        /// What the next field takes.
        needed: usize,
        /// What there is.
        left: usize,
    },
    /// Not version 2 (RFC 3550 §5.1).
    #[error("RTP version {0}")]
    Version(u8),
    /// The padding count is zero or larger than the payload.
    #[error("padding of {0} bytes does not fit")]
    Padding(u8),
    /// A payload structure this side did not negotiate, such as a FU-B or an MTAP.
    #[error("payload structure {0} is not supported")]
    Unsupported(u8),
    /// Packets that do not make a frame: a fragment without its start, or its end.
    #[error("packets do not make a frame")]
    Incomplete,
    /// A key frame without its parameter sets.
    #[error("key frame without parameter sets")]
    NoParameterSets,
    /// A frame or packet of no bytes.
    #[error("nothing to send")]
    Empty,
    /// A sound packet larger than a datagram may be: sound is not fragmented (RFC 7587 §4.2).
    #[error("{0} bytes do not fit one packet")]
    TooLarge(usize),
}
