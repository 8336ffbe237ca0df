//! Owns the UDP sockets of a call: finds the path between the peers and carries everything over it.

use bytes::Bytes;
use roomrtc_protocol::MediaKind;

/// From call: the peer's credentials; checks begin. Other ones than before mean that the peer restarts ICE.
#[derive(Clone, Debug)]
pub struct SetRemoteCredentials {
    /// User name fragment.
    pub ufrag: String,
    /// Password.
    pub pwd: String,
}

/// From call: a candidate of the peer, `candidate:…` (RFC 8839 §5.1); empty at their end.
#[derive(Clone, Debug)]
pub struct AddRemoteCandidate {
    /// The candidate.
    pub candidate: String,
}

/// From call: which payload types are whose.
#[derive(Clone, Debug)]
pub struct RoutePayloads(pub Vec<(u8, MediaKind)>);

/// From DTLS, RTP and RTCP: send these over the selected pair; dropped and counted before there is one.
#[derive(Clone, Debug)]
pub struct SendDatagrams(pub Vec<Bytes>);

roomrtc_kit::mail! { SetRemoteCredentials; AddRemoteCandidate; RoutePayloads; SendDatagrams: newest(1024); }
