//! One medium of a call, as its reports speak of it.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::MediaKind;
use crate::rtcp::packet::{ReportBlock, RtcpPacket};
use crate::rtp::payload::PayloadFormat;
use crate::rtp::receiver::Captured;
use crate::rtp::sender::SentFigures;
use crate::rtp::sequence::ReceptionFigures;

/// One medium of a call.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct StreamSettings {
    /// Which.
    pub kind: MediaKind,
    /// Our SSRC, for reports even where nothing is sent.
    pub local: u32,
    /// The peer's, where signaled.
    pub remote: Option<u32>,
    /// Ticks of its media clock a second.
    pub clock_rate: u32,
    /// How the peer is asked for a key frame.
    pub key_frames_by: KeyFramesBy,
}

/// A request for a key frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyFramesBy {
    /// A picture loss indication (RFC 4585 §6.3.1).
    #[default]
    PictureLoss,
    /// A full intra request (RFC 5104 §4.3.1).
    IntraRequest,
}

impl StreamSettings {
    /// A medium in its payload format.
    pub fn new(kind: MediaKind, format: PayloadFormat, local: u32, remote: Option<u32>) -> Self {
        StreamSettings {
            kind,
            local,
            remote,
            clock_rate: format.clock_rate(),
            key_frames_by: KeyFramesBy::default(),
        }
    }
}

/// A report block in plain units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Loss since the last report, 0 to 1.
    pub fraction_lost: f64,
    /// Packets lost so far.
    pub lost: i64,
    /// Interarrival jitter, ms.
    pub jitter_ms: f64,
}

impl Figures {
    pub(super) fn of(block: &ReportBlock, clock_rate: u32) -> Self {
        Figures {
            fraction_lost: f64::from(block.fraction_lost) / 256.0,
            lost: i64::from(block.lost),
            jitter_ms: f64::from(block.jitter) * 1000.0 / f64::from(clock_rate.max(1)),
        }
    }
}

/// What is known of a medium.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stream {
    pub(super) settings: StreamSettings,
    pub(super) sent: Option<SentFigures>,
    /// The bytes sent when the peer last reported, and when that was.
    #[serde(with = "crate::recording::moment")]
    pub(super) sent_at_report: Option<(u32, Instant)>,
    pub(super) received: Option<ReceptionFigures>,
    pub(super) reported: ReceptionFigures,
    /// The peer's last sender report: its compact time and when it came.
    #[serde(with = "crate::recording::moment")]
    pub(super) last_sender_report: Option<(u32, Instant)>,
    /// What it told of a frame before that.
    pub(super) captured: Option<Captured>,
    pub(super) last_intra_request: Option<u8>,
    /// The number of our last one, and when it was asked for first.
    #[serde(with = "crate::recording::moment")]
    pub(super) own_intra_request: Option<(u8, Instant)>,
}

impl Stream {
    /// One of which nothing is known.
    pub(super) fn new(settings: StreamSettings) -> Self {
        Stream {
            settings,
            sent: None,
            sent_at_report: None,
            received: None,
            reported: ReceptionFigures::default(),
            last_sender_report: None,
            captured: None,
            last_intra_request: None,
            own_intra_request: None,
        }
    }

    /// Asks for a key frame of the peer's stream `media`.
    pub(super) fn key_frame_request(
        &mut self,
        now: Instant,
        media: u32,
        round_trip: Option<Duration>,
    ) -> RtcpPacket {
        let sender = self.settings.local;
        match self.settings.key_frames_by {
            KeyFramesBy::PictureLoss => RtcpPacket::PictureLoss { sender, media },
            KeyFramesBy::IntraRequest => RtcpPacket::FullIntraRequest {
                sender,
                requests: vec![(media, self.intra_request_number(now, round_trip))],
            },
        }
    }

    /// RFC 5104 §4.3.1.2: "A repetition SHALL NOT increase the sequence number", and within a round trip a request can be
    /// nothing else. Later the key frame may have been lost in place of the request, and a sender obeys each number once.
    fn intra_request_number(&mut self, now: Instant, round_trip: Option<Duration>) -> u8 {
        let number = match self.own_intra_request {
            Some((number, asked)) if round_trip > Some(now.saturating_duration_since(asked)) => {
                return number;
            }
            Some((number, _)) => number.wrapping_add(1),
            None => 0,
        };
        self.own_intra_request = Some((number, now));
        number
    }

    /// The rate at which payload was sent since the last report, bit/s; `None` at the first.
    pub(super) fn sent_since_report(&mut self, now: Instant) -> Option<u64> {
        let octets = self.sent.as_ref()?.octets;
        let (before, at) = self.sent_at_report.replace((octets, now))?;
        let seconds = now.saturating_duration_since(at).as_secs_f64();
        (seconds > 0.0).then(|| (f64::from(octets.wrapping_sub(before)) * 8.0 / seconds) as u64)
    }
}
