//! RTCP, the RTP Control Protocol: what the ends tell each other about the media they send and receive.
//!
//! Reading order: [`packet`] (the packets and how they are read and written, the long ones in [`transport_feedback`] and
//! [`remb`]), [`interval`] (how often), [`arrivals`] and [`path_reporter`] (which packets came), then [`reporter`], the
//! machine that sends reports and requests and understands the peer's.
//!
//! | RFC | what |
//! |---|---|
//! | 3550 §6 | sender and receiver reports, descriptions, goodbye |
//! | 4585 | NACK, picture loss indication, immediate feedback |
//! | 5104 | full intra request |
//! | 5506 | packets without a report in front: accepted always, sent where both agreed |
//! | draft-holmer-rmcat-transport-wide-cc-extensions-01 | transport-wide feedback |
//! | draft-alvestrand-rmcat-remb-03 | the receiver's estimate, taken as a ceiling |

use thiserror::Error;

pub mod arrivals;
pub mod interval;
mod masking;
pub mod packet;
pub mod path_reporter;
pub mod remb;
pub mod reporter;
pub mod transport_feedback;

/// Why bytes are not RTCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The bytes end too early.
    #[error("{needed} bytes needed, {left} left")]
    Truncated {
        /// What the next field takes.
        needed: usize,
        /// What there is.
        left: usize,
    },
    /// Not version 2 (RFC 3550 §6.4.1).
    #[error("RTCP version {0}")]
    Version(u8),
    /// The padding count is zero, larger than the packet, or in a packet that is not the last.
    #[error("padding does not fit")]
    Padding,
    /// Feedback about more packets than make sense.
    #[error("feedback about {0} packets")]
    TooMany(u16),
    /// A value that means nothing.
    #[error("a reserved value")]
    Reserved,
}
