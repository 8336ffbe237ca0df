//! Sends one medium as RTP.

use std::time::Instant;

use bytes::Bytes;
use roomrtc_kit::mail;

/// Send this picture, or this packet of sound.
#[derive(Clone, Debug)]
pub struct SendFrame {
    /// The bitstream.
    pub data: Bytes,
    /// Whether a decoder can start here.
    pub key: bool,
    /// When it was captured.
    pub captured_at: Instant,
}

mail! { SendFrame: newest(8); }
