//! The figures of a call, once a second, as the screen and the headless client show them.

//!
//! This file is the shape of the figures; [`collector`] is the actor that takes them, [`process`] looks at
//! the process itself.

pub mod collector;
mod process;

use serde::Serialize;

/// One second of a call.
#[derive(Clone, Debug, Default, Serialize)]
pub struct CallStats {
    /// Pictures.
    pub video: VideoStats,
    /// Screens.
    pub screen: ScreenStats,
    /// Sound.
    pub audio: AudioStats,
    /// The path between the peers.
    pub transport: TransportStats,
    /// The latest report about what we send, from the peer (RFC 3550 §6.4).
    pub rtcp_received: RtcpStats,
    /// The latest report about what we receive, to the peer.
    pub rtcp_sent: RtcpStats,
    /// This process.
    pub process: ProcessStats,
    /// Every actor's mailbox.
    pub actors: Vec<ActorStats>,
}

/// Pictures, both ways.
#[derive(Clone, Debug, Default, Serialize)]
pub struct VideoStats {
    /// What is sent: `h264` or `vp8`, empty before negotiation.
    pub codec: String,
    /// What is received: `h264` or `vp8`, empty before negotiation.
    pub codec_received: String,
    /// Width of the received picture in pixels.
    pub width: u32,
    /// Height of the received picture in pixels.
    pub height: u32,
    /// Pictures from the camera in the last second.
    pub fps_captured: f64,
    /// Pictures encoded in the last second.
    pub fps_encoded: f64,
    /// Whole pictures received in the last second.
    pub fps_received: f64,
    /// Pictures decoded in the last second.
    pub fps_decoded: f64,
    /// RTP sent, kbit/s.
    pub kbps_sent: f64,
    /// RTP received, kbit/s.
    pub kbps_received: f64,
    /// Packets lost on the way here, since the start (RFC 3550 §6.4.1).
    pub packets_lost: i64,
    /// Packets that came after their picture was given up, since the start.
    pub packets_late: u64,
    /// Interarrival jitter of received packets in ms (RFC 3550 §6.4.1).
    pub jitter_ms: f64,
    /// Packets asked for again, since the start.
    pub nack: u64,
    /// Packets sent again at the peer's request, since the start.
    pub resent: u64,
    /// Key frames asked for, since the start.
    pub pli: u64,
    /// Times the picture stood still for over 3 frame times and at least 150 ms more, since the start.
    pub freezes: u64,
    /// Time in freezes, since the start.
    pub freeze_ms: u64,
    /// The longest pause between two shown pictures that ended in the last second.
    pub gap_ms: u64,
    /// Barcodes of the test picture read from shown pictures, since the start.
    pub barcodes_read: u64,
    /// Shown test pictures out of order or with a broken barcode, since the start.
    pub barcode_errors: u64,
    /// Camera to screen, read from the test picture's barcode; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub glass_to_glass_ms: Option<Quantiles>,
}

/// Shared screens, both ways; nothing where there is none.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ScreenStats {
    /// Width of the received picture in pixels.
    pub width: u32,
    /// Height of the received picture in pixels.
    pub height: u32,
    /// Pictures encoded in the last second.
    pub fps_encoded: f64,
    /// Pictures decoded in the last second.
    pub fps_decoded: f64,
    /// RTP sent, kbit/s.
    pub kbps_sent: f64,
    /// RTP received, kbit/s.
    pub kbps_received: f64,
}

/// What the death of a component cost, in ms: the longest pause between two packets sent, or between two played or
/// shown, whichever is longer; absent for a medium that was not flowing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MediaGaps {
    /// In sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio: Option<u64>,
    /// In pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub video: Option<u64>,
}

/// Two quantiles of a second's samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
}

/// Sound, both ways.
#[derive(Clone, Debug, Default, Serialize)]
pub struct AudioStats {
    /// Received, kbit/s.
    pub kbps: f64,
    /// Sent, kbit/s.
    pub kbps_sent: f64,
    /// The longest pause between two played packets that ended in the last second.
    pub gap_ms: u64,
    /// Packets lost on the way here, since the start.
    pub packets_lost: i64,
    /// Interarrival jitter in ms.
    pub jitter_ms: f64,
    /// Sound made up for lost packets, since the start.
    pub concealed_ms: u64,
    /// Present delay of the jitter buffer.
    pub jitter_buffer_ms: f64,
    /// Level of what is played, dB relative to full scale.
    pub level_dbfs: f64,
    /// Level of what is captured, dB relative to full scale.
    pub input_level_dbfs: f64,
    /// By how many dB the echo canceller makes echo softer, where there is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub echo_return_loss_enhancement_db: Option<f64>,
    /// Frequency of the played tone in Hz, where one is heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tone_hz: Option<f64>,
    /// Sound relative to picture (positive: sound is late), measured from the test tone's burst where there is
    /// one, otherwise from the sender reports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lip_sync_ms: Option<f64>,
}

/// The path between the peers.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TransportStats {
    /// Round trip in ms, from RTCP (RFC 3550 §6.4.1) or the last connectivity check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_ms: Option<f64>,
    /// Our address of the selected pair.
    pub local: String,
    /// The peer's address of the selected pair.
    pub remote: String,
    /// Candidate types of the pair, such as `host/host`.
    pub pair: String,
    /// DTLS version and cipher suite.
    pub dtls: String,
    /// SRTP protection profile.
    pub srtp: String,
    /// What congestion control allows us to send, kbit/s.
    pub available_kbps: f64,
    /// What the peer takes at most, by its last estimate (REMB), kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remb_kbps: Option<f64>,
    /// Transport-wide feedback from the peer, since the start.
    pub feedback_received: u64,
    /// Transport-wide feedback to the peer, since the start.
    pub feedback_sent: u64,
    /// Streams to us that were closed because they did not begin with a check, since the start.
    pub streams_refused: u64,
}

/// A report block (RFC 3550 §6.4.1).
#[derive(Clone, Debug, Default, Serialize)]
pub struct RtcpStats {
    /// Reports seen.
    pub reports: u64,
    /// Loss since the previous report, 0 to 1, video.
    pub video_fraction_lost: f64,
    /// Loss since the previous report, 0 to 1, audio.
    pub audio_fraction_lost: f64,
    /// Jitter in ms, video.
    pub video_jitter_ms: f64,
    /// Jitter in ms, audio.
    pub audio_jitter_ms: f64,
}

/// This process.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ProcessStats {
    /// CPU time since its start, seconds.
    pub cpu_s: f64,
    /// Resident memory, bytes.
    pub rss_bytes: u64,
}

/// One actor's mailbox.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ActorStats {
    /// Its name.
    pub name: String,
    /// Messages waiting.
    pub depth: u32,
    /// Most messages that ever waited.
    pub max_depth: u32,
    /// Messages handled.
    pub handled: u64,
    /// 99th percentile of the time in a handler, µs.
    pub p99_us: f64,
    /// Lives after the first.
    pub restarts: u32,
}
