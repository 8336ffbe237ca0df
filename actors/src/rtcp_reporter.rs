//! Reports, asks and answers over RTCP.

use roomrtc_kit::mail;
use roomrtc_protocol::MediaKind;

use crate::Datagram;

/// From the ICE agent: protected RTCP packets.
#[derive(Clone, Debug)]
pub struct RtcpDatagrams(pub Vec<Datagram>);

/// Ask the peer for a key frame (RFC 4585 §6.3.1).
#[derive(Clone, Copy, Debug)]
pub struct RequestKeyframe {
    /// Of which medium.
    pub kind: MediaKind,
}

mail! { RequestKeyframe; RtcpDatagrams: newest(64); }
