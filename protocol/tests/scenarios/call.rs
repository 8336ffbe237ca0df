//! Ana sends sound and pictures to Ben; reports go both ways.
//!
//! ```text
//!  capture ─► RtpSender ─┐                        ┌─► RtpReceiver ─► pictures
//!                        ├──► Link ───────────────┤              └─► AudioJitterBuffer ─► decisions
//!             Reporter ──┘                        └─► Reporter
//!                 ▲───────────────────── Link ◄───────────┘
//! ```

use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use roomrtc_protocol::audio::jitter_buffer::{AudioBufferSettings, AudioJitterBuffer, AudioPacket, Decision};
use roomrtc_protocol::congestion::estimator::EstimatorSettings;
use roomrtc_protocol::congestion::pacer::Pacing;
use roomrtc_protocol::congestion::sent_log::{SentLog, Size};
use roomrtc_protocol::demux::{self, Kind};
use roomrtc_protocol::rtcp::reporter::{self, Reporter, ReporterSettings, StreamSettings};
use roomrtc_protocol::rtp::extension::{ExtensionIds, StreamExtensions};
use roomrtc_protocol::rtp::jitter_buffer::{BufferLimits, ReceivedPicture};
use roomrtc_protocol::rtp::packet::Packet;
use roomrtc_protocol::rtp::payload::PayloadFormat;
use roomrtc_protocol::rtp::receiver::{
    self, Medium, PictureFormat, ReceivedSound, ReceiverSettings, RtpReceiver,
};
use roomrtc_protocol::rtp::resend_cache::{ResendCache, ResendLimits};
use roomrtc_protocol::rtp::sender::{self, Resume, RtpSender, Rtx, SenderSettings};
use roomrtc_protocol::time::{SenderClock, WallClock};
use roomrtc_protocol::{MediaKind, VideoCodec};

use crate::link::{Link, ms};

const AUDIO: u8 = 111;
const VIDEO: u8 = 96;
const RTX: Rtx = Rtx {
    payload_type: 97,
    ssrc: 30,
};
const EXTENSIONS: StreamExtensions = StreamExtensions {
    ids: ExtensionIds {
        mid: None,
        abs_send_time: Some(2),
        transport_sequence: Some(3),
        abs_capture_time: None,
    },
    mid: None,
};
const ANA: [u32; 2] = [10, 20];
const BEN: [u32; 2] = [11, 21];
/// A packet of 20 ms of sound.
const SOUND: &[u8] = &[0xfc; 120];

/// A picture or packet of sound at one end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    pub(crate) data: Bytes,
    pub(crate) key: bool,
    pub(crate) timestamp: u32,
    pub(crate) at: Instant,
}

pub(crate) struct Call {
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    random: ChaCha8Rng,
    format: PayloadFormat,
    /// Ana's senders: sound, pictures.
    pub(crate) senders: [RtpSender; 2],
    repeatable: ResendCache<Vec<u8>>,
    ana: Reporter,
    sent: SentLog,
    there: Link,
    back: Link,
    ben: Reporter,
    /// Ben's receivers: sound, pictures.
    pub(crate) receivers: [RtpReceiver; 2],
    pub(crate) speaker: AudioJitterBuffer,
    fifo: u64,
    wants_key: bool,
    pub(crate) pictures_sent: Vec<Shown>,
    pub(crate) pictures: Vec<ReceivedPicture>,
    pub(crate) sounds_sent: Vec<Instant>,
    pub(crate) sounds: Vec<ReceivedSound>,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) clocks: [Option<SenderClock>; 2],
    pub(crate) nacks: usize,
    pub(crate) plis: usize,
    pub(crate) resent: usize,
    pub(crate) round_trip: Duration,
    pub(crate) available: Vec<u64>,
    narrow: bool,
}

impl Call {
    /// Links are made once the start is known.
    pub(crate) fn new(seed: u64, codec: VideoCodec, links: impl FnOnce(Instant) -> (Link, Link)) -> Self {
        // Not at the clock's very beginning, so that there is time before it.
        let start = Instant::now() + Duration::from_secs(3600);
        let (there, back) = links(start);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let format = PayloadFormat::from(codec);
        Call {
            start,
            now: start,
            format,
            senders: [
                audio_sender(start, &mut random),
                video_sender(start, format, Some(RTX), &mut random),
            ],
            repeatable: ResendCache::new(ResendLimits::default()),
            ana: reporter(start, format, ANA, BEN),
            sent: SentLog::default(),
            there,
            back,
            ben: reporter(start, format, BEN, ANA),
            receivers: [audio_receiver(start), video_receiver(start, codec)],
            speaker: AudioJitterBuffer::new(AudioBufferSettings::default()),
            fifo: 0,
            wants_key: true,
            pictures_sent: vec![],
            pictures: vec![],
            sounds_sent: vec![],
            sounds: vec![],
            decisions: vec![],
            clocks: [None; 2],
            nacks: 0,
            plis: 0,
            resent: 0,
            round_trip: Duration::ZERO,
            available: vec![],
            narrow: false,
            random,
        }
    }

    /// The same call, but lost packets are sent again as they were.
    pub(crate) fn without_rtx(mut self) -> Self {
        self.senders[1] = video_sender(self.start, self.format, None, &mut self.random);
        self
    }

    /// Counts start just before they wrap.
    pub(crate) fn near_the_wraps(mut self) -> Self {
        for sender in &mut self.senders {
            let mut resume = sender.resume();
            resume.next_sequence = u16::MAX - 20;
            resume.next_rtx_sequence = u16::MAX - 2;
            resume.clock.base_timestamp = u32::MAX - 30_000;
            *sender = RtpSender::new(*sender.settings(), resume);
        }
        self
    }

    /// Time goes on, a millisecond at a time.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += ms(1);
            self.capture();
            self.drive_ana();
            while let Some(packet) = self.there.receive(self.now) {
                self.ben_receives(packet.into());
            }
            self.drive_ben();
            while let Some(packet) = self.back.receive(self.now) {
                self.ana.handle_datagram(self.now, &packet).unwrap();
            }
            self.play();
        }
    }

    /// A picture every 33 ms, sound every 20 ms.
    fn capture(&mut self) {
        let millis = (self.now - self.start).as_millis() as u64;
        if millis.is_multiple_of(33) {
            let key = std::mem::take(&mut self.wants_key);
            let size = self.picture_size(key);
            let data = self.picture(key, size);
            self.senders[1].send_frame(self.now, &data, self.now).unwrap();
            let timestamp = self.senders[1].resume().last_timestamp.unwrap();
            self.pictures_sent.push(Shown {
                data,
                key,
                timestamp,
                at: self.now,
            });
        }
        if millis.is_multiple_of(20) {
            let sound = Bytes::from_static(SOUND);
            self.senders[0].send_frame(self.now, &sound, self.now).unwrap();
            self.sounds_sent.push(self.now);
        }
    }

    /// About what an encoder makes of the rate it is given.
    fn picture_size(&mut self, key: bool) -> usize {
        let average = *self.available.last().unwrap_or(&1_500_000) as usize / 30 / 8;
        let around = self.random.gen_range(average / 2..average * 3 / 2);
        if key { around * 6 } else { around }
    }

    fn picture(&mut self, key: bool, size: usize) -> Bytes {
        let mut body = vec![0; size];
        self.random.fill_bytes(&mut body);
        match self.format {
            PayloadFormat::Vp8 => body[0] = u8::from(!key),
            PayloadFormat::H264 => {
                // No start code in the body.
                body.iter_mut().for_each(|byte| *byte |= 1 << 4);
                let sets: &[u8] = &[0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0, 0, 0, 1, 0x68, 0xce];
                let slice: &[u8] = if key {
                    &[0, 0, 0, 1, 0x65]
                } else {
                    &[0, 0, 0, 1, 0x41]
                };
                body = [if key { sets } else { &[] }, slice, &body].concat();
            }
            PayloadFormat::Opus => unreachable!("a picture"),
        }
        body.into()
    }

    fn drive_ana(&mut self) {
        while let Some(output) = self.ana.poll_output() {
            match output {
                reporter::Output::Transmit(packet) => self.there.send(self.now, packet),
                reporter::Output::Resend {
                    kind: MediaKind::Video,
                    sequences,
                } => {
                    let round_trip = self.ana.round_trip().unwrap_or_default();
                    self.resent += self.senders[1].resend(self.now, &sequences, round_trip);
                }
                reporter::Output::ForceKeyFrame { .. } => self.wants_key = true,
                reporter::Output::RoundTrip(round_trip) => self.round_trip = round_trip,
                reporter::Output::Available(rate) => self.available.push(rate),
                reporter::Output::Narrow(narrow) => self.narrow = narrow,
                reporter::Output::Feedback(feedback) => {
                    let delivered = self.sent.resolve(&feedback);
                    self.ana.delivered(self.now, &delivered);
                }
                reporter::Output::Resend { .. }
                | reporter::Output::Clock { .. }
                | reporter::Output::OwnFeedback
                | reporter::Output::PeerReport { .. }
                | reporter::Output::OwnReport { .. }
                | reporter::Output::Ceiling(_)
                | reporter::Output::Goodbye => {}
            }
        }
        if let Some(rate) = self.available.last() {
            self.senders[1].allow(*rate, self.narrow);
        }
        for (at, kind) in [MediaKind::Audio, MediaKind::Video].into_iter().enumerate() {
            while let Some(output) = self.senders[at].poll_output(self.now) {
                self.carry_out(output);
            }
            self.ana.sent(self.now, kind, self.senders[at].figures());
        }
        self.ana.handle_timeout(self.now);
    }

    fn carry_out(&mut self, output: sender::Output) {
        match output {
            sender::Output::Send(packet) => {
                let mut bytes = vec![];
                let sender = &self.senders[usize::from(packet.header.payload_type != AUDIO)];
                sender.write(&packet, self.now, Some(self.sent.number()), &mut bytes);
                let video = packet.header.payload_type == VIDEO;
                let size = Size {
                    total: bytes.len(),
                    picture: if video { packet.fresh_bytes() } else { 0 },
                };
                self.sent.sent(self.now, size);
                if packet.header.payload_type == VIDEO {
                    self.repeatable
                        .insert(self.now, packet.header.sequence_number, bytes.clone());
                }
                self.there.send(self.now, bytes);
            }
            sender::Output::Repeat(sequence) => {
                let again = self.repeatable.take_again(self.now, sequence, Duration::ZERO);
                self.there.send(self.now, again.unwrap().clone());
            }
        }
    }

    fn ben_receives(&mut self, packet: Bytes) {
        match demux::classify(&packet) {
            Kind::Rtcp => self.ben.handle_datagram(self.now, &packet).unwrap(),
            Kind::Rtp => {
                let sound = Packet::parse(&packet).unwrap().header.payload_type == AUDIO;
                self.receivers[usize::from(!sound)]
                    .handle_datagram(self.now, &packet)
                    .unwrap();
            }
            other => panic!("{other:?}"),
        }
    }

    fn drive_ben(&mut self) {
        for (at, kind) in [MediaKind::Audio, MediaKind::Video].into_iter().enumerate() {
            self.receivers[at].handle_timeout(self.now);
            while let Some(output) = self.receivers[at].poll_output() {
                match output {
                    receiver::Output::Picture(picture) => self.pictures.push(picture),
                    receiver::Output::Sound(sound) => self.hear(sound),
                    receiver::Output::RequestResend(sequences) => {
                        self.nacks += sequences.len();
                        self.ben.request_resend(kind, sequences);
                    }
                    receiver::Output::RequestKeyFrame => {
                        self.plis += 1;
                        self.ben.request_key_frame(self.now, kind);
                    }
                    receiver::Output::Arrived(arrivals) => self.ben.arrived(self.now, &arrivals),
                }
            }
            if let Some((ssrc, figures)) = self.receivers[at].figures() {
                self.ben.received(self.now, kind, ssrc, figures);
            }
        }
        self.ben.handle_timeout(self.now);
        while let Some(output) = self.ben.poll_output() {
            match output {
                reporter::Output::Transmit(packet) => self.back.send(self.now, packet),
                reporter::Output::Clock { kind, clock } => {
                    self.clocks[usize::from(kind == MediaKind::Video)] = Some(clock);
                }
                _ => {}
            }
        }
    }

    fn hear(&mut self, sound: ReceivedSound) {
        self.speaker.insert(AudioPacket {
            sequence: sound.sequence,
            timestamp: sound.timestamp,
            payload: sound.payload.clone(),
            received_at: sound.at,
        });
        self.sounds.push(sound);
    }

    /// Ben's speaker takes 10 ms of sound every 10 ms.
    fn play(&mut self) {
        if !(self.now - self.start).as_millis().is_multiple_of(10) {
            return;
        }
        while self.fifo < 480 {
            let decision = self.speaker.next(self.now);
            self.fifo += u64::from(match &decision {
                Decision::Play { samples, .. }
                | Decision::Recover { samples, .. }
                | Decision::Conceal { samples }
                | Decision::ComfortNoise { samples }
                | Decision::Silence { samples } => *samples,
            });
            self.decisions.push(decision);
        }
        self.fifo -= 480;
    }

    /// Every picture Ben saw is one Ana sent, whole and in order; answers their places among those sent.
    pub(crate) fn seen(&self) -> Vec<usize> {
        let mut from = 0;
        self.pictures
            .iter()
            .map(|picture| {
                let rest = &self.pictures_sent[from..];
                let at = rest
                    .iter()
                    .position(|sent| sent.data == picture.data)
                    .expect("sent and in order");
                assert_eq!(
                    (rest[at].key, rest[at].timestamp),
                    (picture.key, picture.timestamp)
                );
                from += at + 1;
                from - 1
            })
            .collect()
    }

    pub(crate) fn wall(&self) -> WallClock {
        wall(self.start)
    }
}

fn wall(start: Instant) -> WallClock {
    WallClock::new(start, Duration::from_secs(1_800_000_000))
}

fn sender(
    start: Instant,
    format: PayloadFormat,
    (payload_type, ssrc, rtx): (u8, u32, Option<Rtx>),
    random: &mut ChaCha8Rng,
) -> RtpSender {
    let settings = SenderSettings {
        format,
        payload_type,
        ssrc,
        rtx,
        extensions: EXTENSIONS,
        wall: wall(start),
        max_packet: 1180,
        resend: ResendLimits::default(),
        pacing: Pacing::default(),
    };
    RtpSender::new(settings, Resume::from_random(format, start, random.r#gen()))
}

fn audio_sender(start: Instant, random: &mut ChaCha8Rng) -> RtpSender {
    sender(start, PayloadFormat::Opus, (AUDIO, ANA[0], None), random)
}

fn video_sender(
    start: Instant,
    format: PayloadFormat,
    rtx: Option<Rtx>,
    random: &mut ChaCha8Rng,
) -> RtpSender {
    sender(start, format, (VIDEO, ANA[1], rtx), random)
}

fn audio_receiver(start: Instant) -> RtpReceiver {
    let settings = ReceiverSettings {
        medium: Medium::Audio { payload_type: AUDIO },
        ssrc: Some(ANA[0]),
        extensions: EXTENSIONS,
        round_trip: ms(100),
    };
    RtpReceiver::new(settings, None, start)
}

fn video_receiver(start: Instant, codec: VideoCodec) -> RtpReceiver {
    let settings = ReceiverSettings {
        medium: Medium::Video {
            formats: vec![PictureFormat {
                codec,
                payload_type: VIDEO,
                rtx_payload_type: Some(RTX.payload_type),
            }],
            rtx_ssrc: Some(RTX.ssrc),
            limits: BufferLimits::default(),
        },
        ssrc: Some(ANA[1]),
        extensions: EXTENSIONS,
        round_trip: ms(100),
    };
    RtpReceiver::new(settings, None, start)
}

fn reporter(start: Instant, format: PayloadFormat, local: [u32; 2], remote: [u32; 2]) -> Reporter {
    Reporter::new(ReporterSettings {
        cname: format!("peer-{}", local[0]),
        streams: vec![
            StreamSettings::new(MediaKind::Audio, PayloadFormat::Opus, local[0], Some(remote[0])),
            StreamSettings::new(MediaKind::Video, format, local[1], Some(remote[1])),
        ],
        wall: wall(start),
        min_interval: ms(500),
        feedback_interval: Some(ms(50)),
        reduced_size: true,
        estimator: EstimatorSettings::default(),
        seed: u64::from(local[0]),
    })
}
