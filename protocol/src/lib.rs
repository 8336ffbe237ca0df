//! What RoomRTC says on the wire, as pure machines: time and bytes in, bytes and events out.
//!
//! Nothing here knows a clock, a socket, a thread or a runtime; the actors drive these machines.

#![cfg_attr(test, allow(clippy::disallowed_methods))] // tests make up their own time from the present one

use serde::{Deserialize, Serialize};

pub mod audio;
pub mod congestion;
pub mod data_channel;
pub mod demux;
pub mod dtls_record;
pub mod file_transfer;
pub mod ice;
pub mod recording;
pub mod renewal;
pub mod rtcp;
pub mod rtp;
pub mod sctp;
pub mod sdp;
pub mod signaling;
pub mod srtp;
pub mod time;

/// The media of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures, of a camera.
    Video,
    /// Pictures of a screen besides.
    Screen,
}

impl MediaKind {
    /// Whether it is made of pictures.
    pub fn is_pictures(self) -> bool {
        match self {
            MediaKind::Video | MediaKind::Screen => true,
            MediaKind::Audio => false,
        }
    }
}

impl std::fmt::Display for MediaKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
            MediaKind::Screen => "screen",
        })
    }
}

/// The video codecs of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoCodec {
    /// H.264 constrained baseline, packetization-mode 1 (RFC 6184).
    H264,
    /// VP8 (RFC 7741).
    Vp8,
}

impl VideoCodec {
    /// As figures and the command line name it.
    pub fn name(self) -> &'static str {
        match self {
            VideoCodec::H264 => "h264",
            VideoCodec::Vp8 => "vp8",
        }
    }
}
