//! What the components of a call tell it.

use std::time::Duration;

use crate::brief;
use crate::ui_bridge::data::DataEvent;
use crate::ui_bridge::{FileEvent, Notice};

/// From the ICE agent.
#[derive(Clone, Debug, PartialEq)]
pub enum IceEvent {
    /// A candidate of ours: `candidate:…` (RFC 8839 §5.1).
    LocalCandidate(String),
    /// There will be no more candidates of ours.
    GatheringComplete,
    /// Connectivity checks have begun.
    Checking,
    /// A pair is in use.
    Selected {
        /// Our address.
        local: String,
        /// The peer's address.
        remote: String,
        /// Candidate types, such as `host/host`.
        pair: String,
        /// Round trip of the check, if measured.
        rtt: Option<Duration>,
    },
    /// The selected pair does not answer at the moment.
    Disconnected,
    /// No pair works.
    Failed,
}

/// From the DTLS session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DtlsEvent {
    /// The peer is who its description said, and the SRTP contexts are installed.
    Connected {
        /// Such as `DTLS 1.2 ECDHE_ECDSA_AES_128_GCM_SHA256`.
        version_and_cipher: String,
        /// Such as `AEAD_AES_128_GCM`.
        srtp_profile: String,
    },
    /// The peer's certificate is not the announced one; nothing was installed.
    WrongFingerprint,
    /// The handshake failed or took too long.
    Failed(String),
    /// The peer closed the session.
    Closed,
    /// A new life finds neither the handshake nor the keys of the last.
    Lost,
}

/// From the SCTP association: it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssociationLost {
    /// A new life finds nothing of the last, or the peer does not answer.
    Ours,
    /// The peer ended it.
    Peers,
}

/// From the file transfers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileReport(pub FileEvent);

/// From the SCTP association: a channel that is neither a file's nor the control channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataReport(pub DataEvent);

/// Reports of what the peer says that wait; it may say more than anybody can hear.
const DATA_WAITING: usize = 256;

/// From the playout: the first remote picture was decoded (or, in a call without video, the first sound).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstFrame;

/// From an RTP receiver: the first media packet passed authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstPacket;

/// From a device: something the user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallNotice(pub Notice);

/// From the peer, over the control channel: what it sends at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerMedia {
    /// Whether sound is sent.
    pub microphone: bool,
    /// Whether pictures are sent.
    pub camera: bool,
}

impl PeerMedia {
    /// What a peer sends that has said nothing.
    pub const ALL: PeerMedia = PeerMedia {
        microphone: true,
        camera: true,
    };
}

roomrtc_kit::mail! { IceEvent, brief::variant; DtlsEvent, brief::variant; AssociationLost, brief::variant; FileReport, |file| brief::variant(&file.0); DataReport: newest(DATA_WAITING), |data| brief::variant(&data.0); FirstFrame; FirstPacket; CallNotice; PeerMedia; }
