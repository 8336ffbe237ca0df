//! Reports, asks and answers over RTCP.

use roomrtc_kit::mail;
use roomrtc_protocol::MediaKind;

/// Ask the peer for a key frame (RFC 4585 §6.3.1).
#[derive(Clone, Copy, Debug)]
pub struct RequestKeyframe {
    /// Of which medium.
    pub kind: MediaKind,
}

mail! { RequestKeyframe; }
