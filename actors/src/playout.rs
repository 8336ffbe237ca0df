//! Received pictures and sound, at the right time: the screen's slot and the speaker.
//!
//! Reading order: [`lip_sync`] (which picture belongs to which sound) → [`VideoPlayout`] → [`AudioPlayout`].
//!
//! Told by: [`decoder`](crate::decoder) ([`ShowFrame`]), the audio RTP receiver ([`PlayPacket`]), the RTCP reporter
//! ([`ClockMapping`]), the call ([`SetPeerCamera`], [`ChooseOutput`]). Tells: the screen (by its slot), the call
//! ([`FirstFrame`](crate::call_events::FirstFrame), [`CallNotice`](crate::call_events::CallNotice)).
//! What is shown and heard is measured on the way: latency from the barcode, freezes, lip sync, level, tone.

mod audio;
mod lip_sync;
mod tap;
mod video;

use std::time::Instant;

use bytes::Bytes;
use roomrtc_kit::mail;
use roomrtc_media::frame::VideoFrame;
use roomrtc_media::playout::AudioOutput;
use roomrtc_protocol::MediaKind;

use crate::brief;

pub use self::audio::{AudioPlayout, AudioPlayoutSetup};
pub use self::video::{VideoPlayout, VideoPlayoutSetup};

/// Show this picture when it is due.
#[derive(Clone, Debug)]
pub struct ShowFrame {
    /// The picture.
    pub frame: VideoFrame,
    /// Its media time.
    pub rtp_timestamp: u32,
}

/// Play this packet when it is due.
#[derive(Clone, Debug)]
pub struct PlayPacket {
    /// The Opus packet.
    pub payload: Bytes,
    /// Its number, unrolled.
    pub sequence: u64,
    /// Its media time, unrolled.
    pub rtp_timestamp: u64,
    /// When it came.
    pub received_at: Instant,
}

/// What a sender report says (RFC 3550 §6.4.1): this media time was this wall clock time of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockMapping {
    /// Whose.
    pub kind: MediaKind,
    /// The media time.
    pub rtp_timestamp: u32,
    /// NTP, 32.32.
    pub ntp: u64,
    /// Media time units a second.
    pub clock_rate: u32,
}

/// The peer switched its camera on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetPeerCamera(pub bool);

/// Play on another speaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChooseOutput(pub AudioOutput);

/// The speaker has room for the next block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockDue;

/// The sound of this media time is heard then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoundHeard {
    /// The media time.
    pub rtp_timestamp: u32,
    /// When.
    pub at: Instant,
}

/// The mark of a whole second in the test tone is heard then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BurstHeard(pub Instant);

mail! {
    ShowFrame: newest(4), |shown| brief::picture(shown.frame.width, shown.frame.height, shown.frame.at);
    PlayPacket: newest(64), |packet| format!("number {}, {} bytes", packet.sequence, packet.payload.len());
    ClockMapping; SetPeerCamera; ChooseOutput;
    BlockDue: newest(2); SoundHeard: newest(4); BurstHeard: newest(2);
}
