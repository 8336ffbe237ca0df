//! The sending side of one medium: frames in, numbered and paced packets out, and again on request.
//!
//! A machine: [`RtpSender::send_frame`] and [`RtpSender::resend`] feed it, [`RtpSender::poll_output`] drains it,
//! [`RtpSender::next_timeout`] says when to drain again. What the next life of its actor needs is its [`Resume`];
//! it must be stored after feeding and before draining, so that no sequence number is ever used twice (RFC 3711
//! §9.1 forbids it).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Error;
use super::extension::{AbsSendTime, Extensions, StreamExtensions};
use super::packet::Header;
use super::payload::{Fragment, Packetizer, PayloadFormat, opus};
use super::resend_cache::{ResendCache, ResendLimits};
use crate::congestion::pacer::{Pacer, Pacing};
use crate::congestion::repair::RepairBudget;
use crate::time::{MediaClock, NtpTime, WallClock};

/// The original sequence number before an RTX payload (RFC 4588 §4).
const RTX_HEADER: usize = 2;
/// A first sequence number below this keeps a receiver's rollover guess right when the first packets are lost
/// around a wrap (RFC 3711 §3.3.1).
const FIRST_SEQUENCE_LIMIT: u16 = 1 << 15;
/// Sound whose capture time is off its sample count by more than this follows the capture time: samples were lost.
const SOUND_TOLERANCE: Duration = Duration::from_millis(60);
/// A capture time is told this often. The extension's description: "SHOULD still send at least once per second".
const CAPTURE_TIME_INTERVAL: Duration = Duration::from_secs(1);

/// What was negotiated for a medium, and how it is sent.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct SenderSettings {
    /// How frames fill packets.
    pub format: PayloadFormat,
    /// The payload type it was given.
    pub payload_type: u8,
    /// Our stream.
    pub ssrc: u32,
    /// The stream of retransmissions, where negotiated; without it a packet is repeated as it was.
    pub rtx: Option<Rtx>,
    /// What packets say of themselves.
    pub extensions: StreamExtensions,
    /// The wall clock of their times, that of the sender reports.
    pub wall: WallClock,
    /// Bytes a packet may have before SRTP adds its tag (16, RFC 7714 §12.1).
    pub max_packet: usize,
    /// What is kept for retransmission.
    pub resend: ResendLimits,
    /// How bursts are spread.
    pub pacing: Pacing,
}

/// A stream of retransmissions (RFC 4588).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rtx {
    /// Its payload type.
    pub payload_type: u8,
    /// Its SSRC.
    pub ssrc: u32,
}

/// Where a sender goes on after a restart.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Resume {
    /// The next packet's number.
    pub next_sequence: u16,
    /// The next retransmission's number.
    pub next_rtx_sequence: u16,
    /// The PictureID of the next VP8 frame.
    pub picture_id: u16,
    /// Ties capture times to timestamps.
    pub clock: MediaClock,
    /// The last frame's timestamp, and for sound the one that would follow.
    pub last_timestamp: Option<u32>,
    /// How far the sample count has drifted from the clock, in ticks: sound follows its samples.
    pub drift: f64,
    /// Packets sent so far.
    pub packets: u64,
    /// Bytes of payload sent so far.
    pub octets: u64,
}

impl Resume {
    /// A fresh start from random numbers.
    pub fn fresh(format: PayloadFormat, now: Instant) -> Result<Self, getrandom::Error> {
        let mut random = [0; 10];
        getrandom::fill(&mut random)?;
        Ok(Self::from_random(format, now, random))
    }

    /// A fresh start from given random bytes.
    pub fn from_random(format: PayloadFormat, now: Instant, random: [u8; 10]) -> Self {
        let [s0, s1, r0, r1, p0, p1, t0, t1, t2, t3] = random;
        Resume {
            next_sequence: u16::from_be_bytes([s0, s1]) % FIRST_SEQUENCE_LIMIT,
            next_rtx_sequence: u16::from_be_bytes([r0, r1]) % FIRST_SEQUENCE_LIMIT,
            picture_id: u16::from_be_bytes([p0, p1]) % FIRST_SEQUENCE_LIMIT,
            clock: MediaClock {
                rate: format.clock_rate(),
                base: now,
                base_timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            },
            last_timestamp: None,
            drift: 0.0,
            packets: 0,
            octets: 0,
        }
    }
}

/// A packet to protect and send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingPacket {
    /// Its header.
    pub header: Header,
    /// In a retransmission, the number of the packet it repeats.
    pub original_sequence: Option<u16>,
    /// When its frame was captured, where it says so.
    captured: Option<NtpTime>,
    payload: Fragment,
}

impl OutgoingPacket {
    /// Bytes of a frame that is sent for the first time; 0 in a retransmission.
    pub fn fresh_bytes(&self) -> usize {
        match self.original_sequence {
            None => self.payload.len(),
            Some(_) => 0,
        }
    }
}

/// What a sender wants done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Protect and send a packet. Without RTX, keep the protected bytes for a later [`Output::Repeat`]: protecting
    /// twice under one number is forbidden.
    Send(OutgoingPacket),
    /// Send the protected bytes of this packet once more, as they were.
    Repeat(u16),
}

/// What a sender report says of a stream (RFC 3550 §6.4.1), except the time of the report.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct SentFigures {
    /// The stream.
    pub ssrc: u32,
    /// Packets so far; wraps.
    pub packets: u32,
    /// Bytes of payload so far; wraps.
    pub octets: u32,
    /// Capture times to timestamps, drift included.
    pub clock: MediaClock,
}

/// The sending side of one medium.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RtpSender {
    settings: SenderSettings,
    packetizer: Packetizer,
    resume: Resume,
    pacer: Pacer,
    cache: ResendCache<Option<OutgoingPacket>>,
    waiting: VecDeque<OutgoingPacket>,
    urgent: VecDeque<Output>,
    #[serde(skip)]
    fragments: Vec<Fragment>,
    /// Bytes a payload may have.
    room: usize,
    /// What pictures may take of the path, bit/s, once it is known.
    allowed: Option<u64>,
    repairs: RepairBudget,
    #[serde(with = "crate::recording::moment")]
    capture_told_at: Option<Instant>,
}

impl RtpSender {
    /// A sender that goes on where `resume` says.
    pub fn new(settings: SenderSettings, resume: Resume) -> Self {
        let overhead = Header::LEN + settings.extensions.longest() + RTX_HEADER;
        RtpSender {
            room: settings.max_packet.saturating_sub(overhead),
            capture_told_at: None,
            allowed: None,
            repairs: RepairBudget::default(),
            settings,
            packetizer: Packetizer::new(settings.format, resume.picture_id),
            resume,
            pacer: Pacer::new(settings.pacing),
            cache: ResendCache::new(settings.resend),
            waiting: VecDeque::new(),
            urgent: VecDeque::new(),
            fragments: Vec::new(),
        }
    }

    /// Cuts a frame into packets, which [`Self::poll_output`] then gives.
    ///
    /// # Errors
    /// When the frame is empty, or sound does not fit a packet; nothing is sent then.
    pub fn send_frame(&mut self, now: Instant, frame: &Bytes, captured_at: Instant) -> Result<(), Error> {
        self.fragments.clear();
        self.packetizer.packetize(frame, self.room, &mut self.fragments)?;
        if let Packetizer::Vp8 { picture_id } = self.packetizer {
            self.resume.picture_id = picture_id;
        }
        let timestamp = self.timestamp(frame, captured_at);
        let mut captured = self.capture_time(now, captured_at);
        let video = self.settings.format != PayloadFormat::Opus;
        let last = self.fragments.len() - 1;
        for (n, payload) in std::mem::take(&mut self.fragments).into_iter().enumerate() {
            let packet = OutgoingPacket {
                header: Header {
                    marker: video && n == last,
                    payload_type: self.settings.payload_type,
                    sequence_number: self.resume.next_sequence,
                    timestamp,
                    ssrc: self.settings.ssrc,
                },
                original_sequence: None,
                captured: captured.take(),
                payload,
            };
            self.resume.next_sequence = self.resume.next_sequence.wrapping_add(1);
            self.count(&packet);
            self.waiting.push_back(packet);
        }
        let bytes = self.waiting.iter().map(|packet| packet.payload.len()).sum();
        self.pacer.grown(now, self.waiting.len(), bytes);
        Ok(())
    }

    /// Pictures may take so much of the path, bit/s, and the path is narrow or is not: repairs and bursts keep to it.
    pub fn allow(&mut self, rate: u64, narrow: bool) {
        self.allowed = Some(rate);
        self.pacer.set_narrow(narrow.then_some(rate));
    }

    /// Sends again what a receiver asks for (RFC 4585 §6.2.1), at once: it is late already. What there is no room for is
    /// left to be asked for again.
    pub fn resend(&mut self, now: Instant, sequences: &[u16], round_trip: Duration) -> usize {
        let before = self.urgent.len();
        for &sequence in sequences {
            if self.allowed.is_some_and(|rate| !self.repairs.any(now, rate)) {
                break;
            }
            let Some(packet) = self.cache.take_again(now, sequence, round_trip) else {
                continue;
            };
            let bytes = packet.as_ref().map(|packet| packet.payload.len());
            self.repairs.take(bytes.unwrap_or(self.settings.max_packet));
            let output = match (packet, self.settings.rtx) {
                (Some(packet), Some(rtx)) => {
                    let packet = retransmission(packet, rtx, self.resume.next_rtx_sequence);
                    self.resume.next_rtx_sequence = self.resume.next_rtx_sequence.wrapping_add(1);
                    Output::Send(packet)
                }
                _ => Output::Repeat(sequence),
            };
            self.urgent.push_back(output);
        }
        self.urgent.len() - before
    }

    /// The next thing to do now; retransmissions first.
    pub fn poll_output(&mut self, now: Instant) -> Option<Output> {
        if let Some(output) = self.urgent.pop_front() {
            return Some(output);
        }
        if self.waiting.is_empty() || !self.pacer.take(now) {
            return None;
        }
        let packet = self.waiting.pop_front()?;
        if self.settings.format != PayloadFormat::Opus {
            let kept = self.settings.rtx.is_some().then(|| packet.clone());
            self.cache.insert(now, packet.header.sequence_number, kept);
        }
        Some(Output::Send(packet))
    }

    /// Appends a packet as it goes into SRTP. It is sent `now`, for the first time or again, under a number that counts
    /// the packets of the whole transport.
    pub fn write(
        &self,
        packet: &OutgoingPacket,
        now: Instant,
        transport_sequence: Option<u16>,
        out: &mut Vec<u8>,
    ) {
        let StreamExtensions { ids, mid } = &self.settings.extensions;
        let extensions = Extensions {
            mid: *mid,
            abs_send_time: Some(AbsSendTime::new(self.settings.wall.ntp(now))),
            transport_sequence,
            abs_capture_time: packet.captured,
        };
        let start = out.len();
        packet.header.write(out);
        if extensions.write(ids, out) {
            out[start] |= Header::EXTENSION;
        }
        if let Some(original) = packet.original_sequence {
            out.extend_from_slice(&original.to_be_bytes());
        }
        packet.payload.write(out);
    }

    /// When to call [`Self::poll_output`] again.
    pub fn next_timeout(&self) -> Option<Instant> {
        match self.waiting.is_empty() {
            true => None,
            false => self.pacer.next_timeout(),
        }
    }

    /// What was negotiated.
    pub fn settings(&self) -> &SenderSettings {
        &self.settings
    }

    /// What a next life must know.
    pub fn resume(&self) -> Resume {
        self.resume
    }

    /// What the next sender report says.
    pub fn figures(&self) -> SentFigures {
        let MediaClock {
            rate,
            base,
            base_timestamp,
        } = self.resume.clock;
        SentFigures {
            ssrc: self.settings.ssrc,
            packets: self.resume.packets as u32,
            octets: self.resume.octets as u32,
            clock: MediaClock {
                rate,
                base,
                base_timestamp: base_timestamp.wrapping_add_signed(self.resume.drift as i32),
            },
        }
    }

    fn count(&mut self, packet: &OutgoingPacket) {
        self.resume.packets += 1;
        self.resume.octets += packet.payload.len() as u64;
    }

    /// The capture time, where it is due to be told.
    fn capture_time(&mut self, now: Instant, captured_at: Instant) -> Option<NtpTime> {
        self.settings.extensions.ids.abs_capture_time?;
        let due = self
            .capture_told_at
            .is_none_or(|told| now.saturating_duration_since(told) >= CAPTURE_TIME_INTERVAL);
        due.then(|| {
            self.capture_told_at = Some(now);
            self.settings.wall.ntp(captured_at)
        })
    }

    fn timestamp(&mut self, frame: &Bytes, captured_at: Instant) -> u32 {
        match self.settings.format {
            PayloadFormat::H264 | PayloadFormat::Vp8 => self.picture_timestamp(captured_at),
            PayloadFormat::Opus => self.sound_timestamp(frame, captured_at),
        }
    }

    /// A picture's timestamp is its capture time, and no two pictures share one.
    fn picture_timestamp(&mut self, captured_at: Instant) -> u32 {
        let mut timestamp = self.resume.clock.timestamp(captured_at);
        if let Some(last) = self.resume.last_timestamp
            && (timestamp.wrapping_sub(last) as i32) <= 0
        {
            timestamp = last.wrapping_add(1);
        }
        self.resume.last_timestamp = Some(timestamp);
        timestamp
    }

    /// Sound counts its samples (RFC 7587 §4.1), for the sound card's clock is not the machine's; only where
    /// samples were lost does it jump. The drift is followed slowly, for the sender reports.
    fn sound_timestamp(&mut self, packet: &Bytes, captured_at: Instant) -> u32 {
        let by_clock = self.resume.clock.timestamp(captured_at);
        let by_count = self.resume.last_timestamp.unwrap_or(by_clock);
        let off = f64::from(by_count.wrapping_sub(by_clock) as i32);
        let tolerance = SOUND_TOLERANCE.as_secs_f64() * f64::from(self.resume.clock.rate);
        let timestamp = if (off - self.resume.drift).abs() > tolerance {
            self.resume.drift = 0.0;
            by_clock
        } else {
            self.resume.drift += (off - self.resume.drift) / 64.0;
            by_count
        };
        let samples = opus::samples(packet).unwrap_or(0);
        self.resume.last_timestamp = Some(timestamp.wrapping_add(samples));
        timestamp
    }
}

/// RFC 4588 §4: the original sequence number before the original payload; marker and timestamp as they were.
fn retransmission(original: &OutgoingPacket, rtx: Rtx, sequence_number: u16) -> OutgoingPacket {
    OutgoingPacket {
        header: Header {
            payload_type: rtx.payload_type,
            ssrc: rtx.ssrc,
            sequence_number,
            ..original.header
        },
        original_sequence: Some(original.header.sequence_number),
        captured: original.captured,
        payload: original.payload.clone(),
    }
}

pub mod recorded;
#[cfg(test)]
mod tests;
