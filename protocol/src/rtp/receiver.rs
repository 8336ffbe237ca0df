//! The receiving side of one medium: decrypted datagrams in, whole pictures or numbered sound packets out, and the
//! requests that go back.
//!
//! A machine: [`RtpReceiver::handle_datagram`] and [`RtpReceiver::handle_timeout`] feed it,
//! [`RtpReceiver::poll_output`] drains it, [`RtpReceiver::next_timeout`] says when to call again. What the next life
//! of its actor needs is its [`ReceiverResume`].

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Error;
use super::extension::{Extensions, StreamExtensions};
use super::jitter_buffer::{BufferLimits, ReceivedPicture, Verdict, VideoJitterBuffer, VideoPacket};
use super::packet::{Header, Packet};
use super::sequence::{Reception, ReceptionFigures, SequenceUnroller, TimestampUnroller};
use crate::VideoCodec;
use crate::rtp::payload::{PayloadFormat, VIDEO_CLOCK_RATE};
use crate::time::NtpTime;

/// The original sequence number before a retransmitted payload (RFC 4588 §4).
const ORIGINAL_SEQUENCE: usize = 2;
/// Arrivals kept until they are told, which is after each batch of datagrams.
pub const ARRIVALS: usize = 1024;

/// What was negotiated for a medium.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReceiverSettings {
    /// Its formats.
    pub medium: Medium,
    /// The peer's stream, where signaled; otherwise the first that comes.
    pub ssrc: Option<u32>,
    /// What its packets say of themselves.
    pub extensions: StreamExtensions,
    /// The round trip assumed until one has been measured.
    pub round_trip: Duration,
}

/// What is received.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// Opus packets.
    Audio {
        /// The payload type we gave them.
        payload_type: u8,
    },
    /// Pictures.
    Video {
        /// Every format we declared: the peer may change between them whenever it likes (RFC 3264 §5.1).
        formats: Vec<PictureFormat>,
        /// The peer's stream of retransmissions, where signaled.
        rtx_ssrc: Option<u32>,
        /// The jitter buffer's bounds.
        limits: BufferLimits,
    },
}

/// The numbers we gave to a codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureFormat {
    /// The codec.
    pub codec: VideoCodec,
    /// Its payload type.
    pub payload_type: u8,
    /// The payload type of its retransmissions (RFC 4588 §8.6), where negotiated.
    pub rtx_payload_type: Option<u8>,
}

/// What a packet carries, by its payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Load {
    Sound,
    Picture(VideoCodec),
    Retransmission(VideoCodec),
}

impl Medium {
    /// `None`: nothing of this medium.
    fn load(&self, header: &Header) -> Option<Load> {
        let number = header.payload_type;
        match self {
            Medium::Audio { payload_type } => (*payload_type == number).then_some(Load::Sound),
            Medium::Video {
                formats, rtx_ssrc, ..
            } => formats.iter().find_map(|format| {
                if format.payload_type == number {
                    return Some(Load::Picture(format.codec));
                }
                let repairs = format.rtx_payload_type == Some(number)
                    && rtx_ssrc.is_none_or(|ssrc| ssrc == header.ssrc);
                repairs.then_some(Load::Retransmission(format.codec))
            }),
        }
    }

    /// Ticks of the RTP timestamp a second.
    fn clock_rate(&self) -> u32 {
        match self {
            Medium::Audio { .. } => PayloadFormat::Opus.clock_rate(),
            Medium::Video { .. } => VIDEO_CLOCK_RATE,
        }
    }
}

/// A packet of sound, its numbers unrolled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedSound {
    /// Its number.
    pub sequence: u64,
    /// When it was sampled, in the sender's media clock.
    pub timestamp: u64,
    /// The Opus packet.
    #[serde(with = "crate::recording::media::length")]
    pub payload: Bytes,
    /// When it came.
    #[serde(with = "crate::recording::moment")]
    pub at: Instant,
}

/// A packet that has come, by its number on the whole transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Its number.
    pub sequence: u16,
    /// When it came.
    #[serde(with = "crate::recording::moment")]
    pub at: Instant,
}

/// The capture time of a frame, as the peer tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    /// In its media clock.
    pub timestamp: u32,
    /// By its wall clock.
    pub ntp: NtpTime,
}

/// What a receiver wants done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Decode a picture.
    Picture(ReceivedPicture),
    /// Buffer and play a packet of sound.
    Sound(ReceivedSound),
    /// Ask the peer for these packets again (NACK).
    RequestResend(Vec<u16>),
    /// Ask the peer for a key frame.
    RequestKeyFrame,
    /// Tell the peer that these packets came; no more than [`ARRIVALS`] at a time, the others count as lost.
    Arrived(Vec<Arrival>),
}

/// What a receiver counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiverCounts {
    /// Packets of the stream itself, duplicates included.
    pub packets: u64,
    /// Retransmissions.
    pub retransmissions: u64,
    /// Packets that came after they were given up.
    pub late: u64,
    /// Packets that had come before.
    pub duplicates: u64,
    /// Datagrams that are not of this medium, or make no sense.
    pub refused: u64,
}

/// Where a receiver goes on after a restart: the peer's numbers are not lost, one key frame is asked for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ReceiverResume {
    sequences: SequenceUnroller,
    timestamps: TimestampUnroller,
    reception: Reception,
    ssrc: Option<u32>,
    counts: ReceiverCounts,
}

/// The receiving side of one medium.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RtpReceiver {
    settings: ReceiverSettings,
    resume: ReceiverResume,
    /// `None` for sound, which is buffered where it is played.
    video: Option<VideoJitterBuffer>,
    outputs: VecDeque<Output>,
    arrivals: Vec<Arrival>,
    captured: Option<Captured>,
}

impl RtpReceiver {
    /// A receiver, from the start or from where its former life was.
    pub fn new(settings: ReceiverSettings, resume: Option<ReceiverResume>, now: Instant) -> Self {
        let video = match &settings.medium {
            Medium::Audio { .. } => None,
            Medium::Video { limits, .. } => Some(VideoJitterBuffer::new(*limits)),
        };
        let resume = resume.unwrap_or(ReceiverResume {
            sequences: SequenceUnroller::default(),
            timestamps: TimestampUnroller::default(),
            reception: Reception::new(settings.medium.clock_rate(), now),
            ssrc: settings.ssrc,
            counts: ReceiverCounts::default(),
        });
        let mut receiver = RtpReceiver {
            settings,
            resume,
            video,
            outputs: VecDeque::new(),
            arrivals: Vec::new(),
            captured: None,
        };
        receiver.set_round_trip(receiver.settings.round_trip);
        receiver
    }

    /// The round trip as the reports measure it: it sets the pace of requests.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        if let Some(video) = &mut self.video {
            video.set_round_trip(round_trip);
        }
    }

    /// Takes a decrypted datagram that arrived `at`.
    ///
    /// # Errors
    /// When it is not RTP; it is counted and has no other effect.
    pub fn handle_datagram(&mut self, at: Instant, datagram: &Bytes) -> Result<(), Error> {
        let packet = Packet::parse(datagram).inspect_err(|_| self.resume.counts.refused += 1)?;
        let said = self.read_extensions(at, &packet);
        if said.mid.is_some() && said.mid != self.settings.extensions.mid {
            // RFC 9143 §9.2: it belongs to another media section, whatever its payload type.
            self.resume.counts.refused += 1;
            return Ok(());
        }
        match self.settings.medium.load(&packet.header) {
            Some(Load::Sound) => self.handle_original(at, packet, None),
            Some(Load::Picture(codec)) => self.handle_original(at, packet, Some(codec)),
            Some(Load::Retransmission(codec)) => self.handle_retransmission(at, &packet, codec),
            None => self.resume.counts.refused += 1,
        }
        Ok(())
    }

    /// What a packet says of itself. Whatever becomes of it, it has crossed the path, and so counts for the feedback.
    fn read_extensions(&mut self, at: Instant, packet: &Packet) -> Extensions {
        let Some(block) = &packet.extensions else {
            return Extensions::default();
        };
        let said = block.read(&self.settings.extensions.ids);
        if let Some(sequence) = said.transport_sequence
            && self.arrivals.len() < ARRIVALS
        {
            self.arrivals.push(Arrival { sequence, at });
        }
        if let Some(ntp) = said.abs_capture_time {
            self.captured = Some(Captured {
                timestamp: packet.header.timestamp,
                ntp,
            });
        }
        said
    }

    /// The last capture time told.
    pub fn captured(&self) -> Option<Captured> {
        self.captured
    }

    /// Does what is due: requests, and giving up.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(video) = &mut self.video else { return };
        video.handle_timeout(now);
        while let Some(picture) = video.poll_picture() {
            self.outputs.push_back(Output::Picture(picture));
        }
        let lost = video.resend_requests(now);
        if !lost.is_empty() {
            self.outputs.push_back(Output::RequestResend(lost));
        }
        if video.key_frame_request(now) {
            self.outputs.push_back(Output::RequestKeyFrame);
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        let next = self.outputs.pop_front();
        next.or_else(|| {
            let arrivals = std::mem::take(&mut self.arrivals);
            (!arrivals.is_empty()).then_some(Output::Arrived(arrivals))
        })
    }

    /// When to call [`Self::handle_timeout`].
    pub fn next_timeout(&self) -> Option<Instant> {
        self.video.as_ref().and_then(VideoJitterBuffer::next_timeout)
    }

    /// What a next life must know.
    pub fn resume(&self) -> ReceiverResume {
        self.resume
    }

    /// What the next report block says; `None` before the first packet.
    pub fn figures(&self) -> Option<(u32, ReceptionFigures)> {
        let figures = self.resume.reception.figures();
        self.resume
            .ssrc
            .filter(|_| figures.received > 0)
            .map(|ssrc| (ssrc, figures))
    }

    /// What was counted so far.
    pub fn counts(&self) -> ReceiverCounts {
        self.resume.counts
    }

    /// A packet of the stream itself: of pictures in a codec, or of sound.
    fn handle_original(&mut self, at: Instant, packet: Packet, codec: Option<VideoCodec>) {
        let Header {
            ssrc,
            sequence_number,
            timestamp,
            ..
        } = packet.header;
        let known = *self.resume.ssrc.get_or_insert(ssrc);
        let sequence = (ssrc == known).then(|| self.resume.sequences.unroll(sequence_number));
        let Some(sequence) = sequence.flatten() else {
            self.resume.counts.refused += 1;
            return;
        };
        self.resume.counts.packets += 1;
        self.resume.reception.record(sequence, timestamp, at);
        let full = self.resume.timestamps.unroll(timestamp);
        if let Some(codec) = codec {
            return self.buffer(at, sequence, codec, packet.header, packet.payload);
        }
        if !packet.payload.is_empty() {
            self.outputs.push_back(Output::Sound(ReceivedSound {
                sequence,
                timestamp: full,
                payload: packet.payload,
                at,
            }));
        }
    }

    /// RFC 4588 §4: the payload of a retransmission is the original sequence number and the original payload. One
    /// of nothing but padding is a bandwidth probe.
    fn handle_retransmission(&mut self, at: Instant, packet: &Packet, codec: VideoCodec) {
        self.resume.counts.retransmissions += 1;
        let Some((original, _)) = packet.payload.split_first_chunk::<ORIGINAL_SEQUENCE>() else {
            return;
        };
        let sequence_number = u16::from_be_bytes(*original);
        match self.resume.sequences.nearest(sequence_number) {
            Some(sequence) => {
                let payload = packet.payload.slice(ORIGINAL_SEQUENCE..);
                self.buffer(at, sequence, codec, packet.header, payload);
            }
            None => self.resume.counts.refused += 1,
        }
    }

    fn buffer(&mut self, at: Instant, sequence: u64, codec: VideoCodec, header: Header, payload: Bytes) {
        let Some(video) = &mut self.video else { return };
        let verdict = video.insert(
            at,
            VideoPacket {
                sequence,
                codec,
                timestamp: header.timestamp,
                marker: header.marker,
                payload,
            },
        );
        match verdict {
            Verdict::Taken => {}
            Verdict::Late => self.resume.counts.late += 1,
            Verdict::Duplicate => self.resume.counts.duplicates += 1,
        }
        while let Some(picture) = video.poll_picture() {
            self.outputs.push_back(Output::Picture(picture));
        }
    }
}

pub mod recorded;
#[cfg(test)]
mod tests;
