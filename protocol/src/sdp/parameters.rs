//! What goes into a negotiation and what comes out of it.

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use super::section::{Direction, Role, Source};
use crate::VideoCodec;
use crate::ice::IceCredentials as IceParameters;
use crate::rtp::extension::StreamExtensions;
use crate::rtp::receiver::PictureFormat;

/// The numbers our own descriptions give to codecs; all from the dynamic range 96–127 (RFC 3551 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadTypes {
    /// Opus.
    pub opus: u8,
    /// H.264.
    pub h264: u8,
    /// Retransmissions of H.264.
    pub h264_rtx: u8,
    /// VP8.
    pub vp8: u8,
    /// Retransmissions of VP8.
    pub vp8_rtx: u8,
}

impl Default for PayloadTypes {
    fn default() -> Self {
        PayloadTypes {
            opus: 111,
            h264: 102,
            h264_rtx: 103,
            vp8: 96,
            vp8_rtx: 97,
        }
    }
}

/// One medium of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalMedia {
    /// Our stream's SSRC.
    pub ssrc: u32,
    /// The SSRC of our retransmissions.
    pub rtx_ssrc: Option<u32>,
    /// Whether we send and receive it.
    pub direction: Direction,
}

/// What this client brings into a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalParameters {
    /// Names our descriptions; random.
    pub session_id: u64,
    /// Counts them (RFC 3264 §8: one more with each that differs from the one before).
    pub session_version: u64,
    /// Our ICE credentials.
    pub ice: IceParameters,
    /// Candidates known already; others are trickled.
    pub candidates: Vec<String>,
    /// Our certificate.
    pub fingerprint: Fingerprint,
    /// Our side of the last handshake with this peer. An answer keeps it where the offer lets us choose, as RFC 8842
    /// §5.5 asks for while the association goes on, and browsers do beyond.
    pub dtls_role: Option<DtlsRole>,
    /// Our canonical name (RFC 7022), also the name of our media stream.
    pub cname: String,
    /// Sound, if this client takes part in it.
    pub audio: Option<LocalMedia>,
    /// Pictures, if this client takes part in them.
    pub video: Option<LocalMedia>,
    /// A screen besides, if this client takes part in that. Its section is offered only where we send it.
    pub screen: Option<LocalMedia>,
    /// Our video codecs, the best first.
    pub codecs: Vec<VideoCodec>,
    /// Their numbers.
    pub payload_types: PayloadTypes,
    /// The SCTP port and the largest message we take, if data channels are wanted.
    pub data: Option<NegotiatedData>,
}

/// Our side of the DTLS handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DtlsRole {
    /// Begins it (`a=setup:active`).
    Client,
    /// Waits for it (`a=setup:passive`).
    Server,
}

/// What two descriptions settled, seen from this side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Negotiated {
    /// The `mid` of the shared transport, which trickled candidates name.
    pub mid: String,
    /// The peer's ICE credentials.
    pub ice: IceParameters,
    /// The peer only answers checks: the controlling side is ours (RFC 8445 §6.1.1).
    pub ice_lite: bool,
    /// The peer's candidates known so far.
    pub candidates: Vec<String>,
    /// The certificate the peer must show.
    pub fingerprint: Fingerprint,
    /// Our DTLS role.
    pub dtls_role: DtlsRole,
    /// Sound, if both take part.
    pub audio: Option<NegotiatedAudio>,
    /// Pictures, if both take part and share a codec.
    pub video: Option<NegotiatedVideo>,
    /// A screen besides, if there is a section for it.
    pub screen: Option<NegotiatedVideo>,
    /// Data channels, if both want them: the peer's port and limit.
    pub data: Option<NegotiatedData>,
}

impl Negotiated {
    /// Whether the peer may send sound.
    pub fn receives_audio(&self) -> bool {
        self.audio.as_ref().is_some_and(|audio| audio.direction.receive)
    }

    /// Whether the peer may send pictures.
    pub fn receives_video(&self) -> bool {
        self.video.as_ref().is_some_and(|video| video.direction.receive)
    }

    /// What was settled of pictures in this role.
    pub(super) fn pictures(&self, role: Role) -> Option<&NegotiatedVideo> {
        match role {
            Role::Camera => self.video.as_ref(),
            Role::Screen => self.screen.as_ref(),
            Role::Sound | Role::Data => None,
        }
    }
}

/// How Opus (RFC 7587) goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NegotiatedAudio {
    /// The payload type we send.
    pub payload_type: u8,
    /// The payload type we receive.
    pub receive_payload_type: u8,
    /// The peer's streams, if it announced them.
    pub sources: Vec<Source>,
    /// What our packets say of themselves.
    pub send_extensions: StreamExtensions,
    /// What the peer's packets say of themselves.
    pub receive_extensions: StreamExtensions,
    /// Both take RTCP without a report in front (RFC 5506).
    pub reduced_size: bool,
    /// The peer makes use of in-band FEC.
    pub fec: bool,
    /// The peer prefers stereo.
    pub stereo: bool,
    /// Whether we send and receive.
    pub direction: Direction,
}

/// How pictures go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NegotiatedVideo {
    /// The codec we send.
    pub codec: VideoCodec,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type of our retransmissions (RFC 4588), if the peer takes them.
    pub rtx_payload_type: Option<u8>,
    /// Every format we declared; the peer may send any of them at any time.
    pub receive: Vec<PictureFormat>,
    /// The peer's streams, if it announced them.
    pub sources: Vec<Source>,
    /// What our packets say of themselves.
    pub send_extensions: StreamExtensions,
    /// What the peer's packets say of themselves.
    pub receive_extensions: StreamExtensions,
    /// Both take RTCP without a report in front (RFC 5506).
    pub reduced_size: bool,
    /// Both do negative acknowledgements.
    pub nack: bool,
    /// Both do picture loss indications.
    pub pli: bool,
    /// Both do full intra requests.
    pub fir: bool,
    /// Whether we send and receive.
    pub direction: Direction,
}

/// Data channels (RFC 8841).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NegotiatedData {
    /// The SCTP port.
    pub port: u16,
    /// The largest message taken, bytes; `u64::MAX` where any size is.
    pub max_message_size: u64,
}
