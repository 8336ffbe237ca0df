//! Encoders: pictures to H.264 or VP8, sound to Opus.
//!
//! Told by: [`capture`](crate::capture) ([`EncodeFrame`], [`EncodeAudio`]), the RTCP reporter ([`ForceKeyframe`],
//! [`SetBitrate`]). Tells: [`rtp_sender`](crate::rtp_sender).

mod audio;
mod video;

use roomrtc_kit::mail;
use roomrtc_media::frame::{AudioFrame, VideoFrame};

use crate::brief;

pub use self::audio::{AudioEncoder, AudioEncoderSetup};
pub use self::video::{VideoEncoder, VideoEncoderSetup};

/// Encode this picture; a newer one takes its place if it still waits.
#[derive(Clone, Debug)]
pub struct EncodeFrame(pub VideoFrame);

/// Encode this sound.
#[derive(Clone, Debug)]
pub struct EncodeAudio(pub AudioFrame);

/// The peer cannot go on without a picture that stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForceKeyframe;

/// Spend so many bits a second from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetBitrate(pub u64);

/// The peer loses so many percent of the packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetExpectedLoss(pub u8);

mail! {
    EncodeFrame: newest(1), |picture| brief::picture(picture.0.width, picture.0.height, picture.0.at);
    EncodeAudio: newest(8), |sound| format!("{} samples", sound.0.samples.len());
    ForceKeyframe;
    SetBitrate, |rate| format!("{} kbit/s", rate.0 / 1000);
    SetExpectedLoss, |loss| format!("{} %", loss.0);
}
