//! What we say about ourselves in a call: the streams, chosen once a call, and the [`Transport`] they go over, of which
//! there may be several one after the other.

use roomrtc_kit::config::Config;
use roomrtc_protocol::VideoCodec;
use roomrtc_protocol::ice::IceCredentials;
use roomrtc_protocol::sdp::{Direction, DtlsRole, LocalMedia, LocalParameters, NegotiatedData, PayloadTypes};

use crate::dtls_session::Certificate;
use crate::ui_bridge::{AudioChoice, MediaChoice, VideoChoice};

/// RFC 8829 §5.2.1 asks for a number below 2^63; some parsers take a signed one.
const SESSION_ID_BITS: u32 = 62;

/// The version of the first description, as browsers count.
const FIRST_VERSION: u64 = 2;

/// Our end of a transport.
#[derive(Clone)]
pub(crate) struct Transport {
    pub(crate) credentials: IceCredentials,
    pub(crate) certificate: Certificate,
    /// Our side of the handshake, once there was one.
    pub(crate) role: Option<DtlsRole>,
    version: u64,
}

impl Transport {
    pub(crate) fn new(certificate: Certificate) -> Self {
        Transport {
            credentials: IceCredentials::generate(),
            certificate,
            role: None,
            version: FIRST_VERSION,
        }
    }

    /// Another path for the same keys.
    pub(crate) fn restart(&mut self) {
        self.credentials = IceCredentials::generate();
    }

    /// RFC 3264 §8: a description that differs from the one before has another number.
    pub(crate) fn next_version(&mut self) {
        self.version += 1;
    }
}

/// What we want to send and receive at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// There is something that makes sound.
    pub(crate) sound: bool,
    /// There is something that makes pictures.
    pub(crate) pictures: bool,
    /// A screen is shared.
    pub(crate) screen: bool,
    /// The user has put the call on hold: nothing goes either way.
    pub(crate) held: bool,
}

impl Wanted {
    /// With these devices.
    pub(crate) fn new(media: &MediaChoice) -> Self {
        let nothing = Wanted {
            sound: false,
            pictures: false,
            screen: false,
            held: false,
        };
        nothing.with(media)
    }

    /// With other devices.
    pub(crate) fn with(self, media: &MediaChoice) -> Self {
        Wanted {
            sound: media.audio != AudioChoice::None,
            pictures: media.video != VideoChoice::None,
            ..self
        }
    }

    fn direction(self, send: bool) -> Direction {
        Direction {
            send: send && !self.held,
            receive: !self.held,
        }
    }
}

/// Our side of every description of one call.
#[derive(Clone, Debug)]
pub(crate) struct LocalDescription {
    parameters: LocalParameters,
    seed: u64,
}

impl LocalDescription {
    /// Over `transport`, the first.
    pub(crate) fn new(config: &Config, codec: Option<VideoCodec>, transport: &Transport) -> Self {
        let stream = |rtx: bool| LocalMedia {
            ssrc: random(),
            rtx_ssrc: rtx.then(random),
            direction: Direction::BOTH,
        };
        let parameters = LocalParameters {
            // RFC 8829 §5.2.1: 64 bits, the highest zero, and small enough for every parser.
            session_id: (u64::from(random()) << 32 | u64::from(random())) >> (64 - SESSION_ID_BITS),
            session_version: transport.version,
            ice: transport.credentials.clone(),
            candidates: Vec::new(),
            fingerprint: transport.certificate.fingerprint(),
            dtls_role: transport.role,
            cname: format!("{:08x}{:08x}", random(), random()),
            audio: Some(stream(false)),
            video: Some(stream(config.rtp.rtx)),
            screen: Some(stream(config.rtp.rtx)),
            codecs: codecs(config, codec),
            payload_types: PayloadTypes {
                opus: config.sdp.opus_payload_type,
                h264: config.sdp.h264_payload_type,
                h264_rtx: config.sdp.h264_rtx_payload_type,
                vp8: config.sdp.vp8_payload_type,
                vp8_rtx: config.sdp.vp8_rtx_payload_type,
            },
            data: Some(NegotiatedData {
                port: config.data_channels.sctp_port,
                max_message_size: u64::from(config.data_channels.max_message_bytes),
            }),
        };
        LocalDescription {
            parameters,
            seed: u64::from(random()),
        }
    }

    /// With our end of the present transport and what is wanted at the moment.
    pub(crate) fn parameters(&self, transport: &Transport, wanted: Wanted) -> LocalParameters {
        let media = |media: Option<LocalMedia>, send| {
            media.map(|media| LocalMedia {
                direction: wanted.direction(send),
                ..media
            })
        };
        LocalParameters {
            audio: media(self.parameters.audio, wanted.sound),
            video: media(self.parameters.video, wanted.pictures),
            screen: media(self.parameters.screen, wanted.screen),
            session_version: transport.version,
            ice: transport.credentials.clone(),
            fingerprint: transport.certificate.fingerprint(),
            dtls_role: transport.role,
            ..self.parameters.clone()
        }
    }

    pub(crate) fn cname(&self) -> &str {
        &self.parameters.cname
    }

    /// A random number for whatever spreads itself in time.
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn audio(&self) -> Option<LocalMedia> {
        self.parameters.audio
    }

    pub(crate) fn video(&self) -> Option<LocalMedia> {
        self.parameters.video
    }

    pub(crate) fn screen(&self) -> Option<LocalMedia> {
        self.parameters.screen
    }
}

/// The codec of the command line alone, or those of the configuration, the preferred one first.
fn codecs(config: &Config, only: Option<VideoCodec>) -> Vec<VideoCodec> {
    match (only, config.media.video_codec) {
        (Some(codec), _) => vec![codec],
        (None, roomrtc_kit::config::VideoCodec::H264) => vec![VideoCodec::H264, VideoCodec::Vp8],
        (None, roomrtc_kit::config::VideoCodec::Vp8) => vec![VideoCodec::Vp8, VideoCodec::H264],
    }
}

/// RFC 3550 §8: SSRCs are chosen at random; these from the system's generator.
fn random() -> u32 {
    getrandom::u32().expect("the system has a random generator")
}
