//! What is recorded of a machine and run again is the same; what was altered is found.

#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::line::{Line, Recording, VERSION};
use super::{Difference, Recorded, Reel, Replay, ReplayError, Taped};
use crate::audio::jitter_buffer::{AudioBufferSettings, AudioJitterBuffer, AudioPacket, recorded as audio};
use crate::congestion::estimator::EstimatorSettings;
use crate::congestion::pacer::Pacing;
use crate::congestion::sent_log::{SentLog, Size};
use crate::rtcp::reporter::{self, Reporter, ReporterSettings, StreamSettings, recorded as reports};
use crate::rtp::extension::{ExtensionIds, StreamExtensions};
use crate::rtp::jitter_buffer::BufferLimits;
use crate::rtp::payload::PayloadFormat;
use crate::rtp::receiver::{
    self, Medium, PictureFormat, ReceiverSettings, RtpReceiver, recorded as receiving,
};
use crate::rtp::resend_cache::ResendLimits;
use crate::rtp::sender::{self, Resume, RtpSender, Rtx, SenderSettings, recorded as sending};
use crate::time::WallClock;
use crate::{MediaKind, VideoCodec};

/// What no recording may contain: the media of these tests.
const MEDIA: u8 = 0xc7;

/// A recording in memory.
pub(crate) struct Paper {
    pub(crate) text: Mutex<String>,
    origin: Instant,
    turning: AtomicBool,
    machines: Mutex<u32>,
    /// Bytes there is room for.
    room: Mutex<usize>,
}

impl Paper {
    pub(crate) fn new(origin: Instant) -> Arc<Self> {
        let first = Line::Recording(Recording {
            version: VERSION,
            program: "test".into(),
            unix_ms: 0,
            addresses: false,
        });
        Arc::new(Paper {
            text: Mutex::new(first.text()),
            origin,
            turning: AtomicBool::new(true),
            machines: Mutex::default(),
            room: Mutex::new(usize::MAX),
        })
    }
}

impl Reel for Paper {
    fn take(&self) -> u32 {
        u32::from(self.turning.load(Relaxed))
    }

    fn place(&self) -> Option<(Instant, u32)> {
        let mut machines = self.machines.lock().unwrap();
        *machines += 1;
        Some((self.origin, *machines))
    }

    fn write(&self, _: u32, _: u64, text: String) -> bool {
        let room = text.len() <= *self.room.lock().unwrap();
        if room {
            self.text.lock().unwrap().push_str(&text);
        }
        room
    }
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn extensions() -> StreamExtensions {
    StreamExtensions {
        ids: ExtensionIds {
            transport_sequence: Some(3),
            abs_capture_time: Some(5),
            ..ExtensionIds::default()
        },
        mid: None,
    }
}

const RTX: Rtx = Rtx {
    payload_type: 97,
    ssrc: 8,
};

fn sender(codec: VideoCodec, now: Instant) -> RtpSender {
    let settings = SenderSettings {
        format: codec.into(),
        payload_type: 96,
        ssrc: 7,
        rtx: Some(RTX),
        extensions: extensions(),
        wall: WallClock::new(now, ms(1_800_000_000_000)),
        max_packet: 1180,
        resend: ResendLimits::default(),
        pacing: Pacing::default(),
    };
    RtpSender::new(settings, Resume::from_random(codec.into(), now, [1; 10]))
}

fn receiver(codec: VideoCodec, now: Instant) -> RtpReceiver {
    let medium = Medium::Video {
        formats: vec![PictureFormat {
            codec,
            payload_type: 96,
            rtx_payload_type: Some(RTX.payload_type),
        }],
        rtx_ssrc: Some(RTX.ssrc),
        limits: BufferLimits::default(),
    };
    let settings = ReceiverSettings {
        medium,
        ssrc: Some(7),
        extensions: extensions(),
        round_trip: ms(40),
    };
    RtpReceiver::new(settings, None, now)
}

fn reporter(now: Instant, local: u32, remote: u32) -> Reporter {
    Reporter::new(ReporterSettings {
        cname: "of no meaning".into(),
        streams: vec![StreamSettings::new(
            MediaKind::Video,
            PayloadFormat::Vp8,
            local,
            Some(remote),
        )],
        wall: WallClock::new(now, ms(1_800_000_000_000)),
        min_interval: ms(500),
        feedback_interval: Some(ms(50)),
        reduced_size: true,
        estimator: EstimatorSettings::default(),
        seed: u64::from(local),
    })
}

/// A picture of that many bytes as the encoder of a codec gives it.
fn picture(codec: VideoCodec, key: bool, length: usize) -> Bytes {
    let media = vec![MEDIA; length];
    match codec {
        VideoCodec::Vp8 => [&[u8::from(!key)][..], &media].concat().into(),
        VideoCodec::H264 => {
            let unit = |header: u8, body: &[u8]| [&[0, 0, 0, 1, header][..], body].concat();
            let sets = [unit(0x67, &[MEDIA; 9]), unit(0x68, &[MEDIA; 4])].concat();
            match key {
                true => [sets, unit(0x65, &media)].concat().into(),
                false => unit(0x41, &media).into(),
            }
        }
    }
}

/// Pictures over a path that loses packets, with all there is to repair them and to report on them; every machine is
/// recorded.
struct Path {
    now: Instant,
    random: ChaCha8Rng,
    codec: VideoCodec,
    sender: Taped<RtpSender>,
    receiver: Taped<RtpReceiver>,
    here: Taped<Reporter>,
    there: Taped<Reporter>,
    log: SentLog,
    pictures: usize,
}

impl Path {
    fn new(codec: VideoCodec, seed: u64, now: Instant, paper: Option<&Arc<Paper>>) -> Self {
        let reel = || paper.map(|paper| paper.clone() as Arc<dyn Reel>);
        Path {
            now,
            random: ChaCha8Rng::seed_from_u64(seed),
            codec,
            sender: Taped::new("call/rtp_sender/video", sender(codec, now), reel()),
            receiver: Taped::new("call/rtp_receiver/video", receiver(codec, now), reel()),
            here: Taped::new("call/rtcp_reporter", reporter(now, 7, 9), reel()),
            there: Taped::new("call/rtcp_reporter", reporter(now, 9, 7), reel()),
            log: SentLog::default(),
            pictures: 0,
        }
    }

    /// Five seconds of pictures; of a hundred packets so many are lost.
    fn run(&mut self, lost: u32) {
        for n in 0..150 {
            let data = picture(self.codec, n % 50 == 0, if n % 50 == 0 { 20_000 } else { 3000 });
            let captured_at = self.now;
            self.sender
                .feed(self.now, sending::Input::Frame { data, captured_at })
                .unwrap();
            for _ in 0..33 {
                self.step(lost);
                self.now += ms(1);
            }
        }
    }

    fn step(&mut self, lost: u32) {
        let now = self.now;
        if self.sender.next_timeout().is_some_and(|at| at <= now) || self.sender.next_timeout().is_none() {
            self.send(lost);
        }
        if self.receiver.next_timeout().is_some_and(|at| at <= now) {
            self.receiver.feed(now, receiving::Input::Timeout).unwrap();
        }
        for output in self.receiver.drain(now) {
            match output {
                receiver::Output::Picture(_) => self.pictures += 1,
                receiver::Output::RequestResend(sequences) => {
                    let input = reports::Input::RequestResend(MediaKind::Video, sequences);
                    self.there.feed(now, input).unwrap();
                }
                receiver::Output::RequestKeyFrame => {
                    let input = reports::Input::RequestKeyFrame(MediaKind::Video);
                    self.there.feed(now, input).unwrap();
                }
                receiver::Output::Arrived(arrivals) => {
                    self.there.feed(now, reports::Input::Arrived(arrivals)).unwrap();
                }
                receiver::Output::Sound(_) => unreachable!(),
            }
        }
        if let Some((ssrc, figures)) = self.receiver.figures() {
            let input = reports::Input::Received(MediaKind::Video, ssrc, figures);
            self.there.feed(now, input).unwrap();
        }
        self.report();
    }

    fn send(&mut self, lost: u32) {
        for output in self.sender.drain(self.now) {
            let sender::Output::Send(packet) = output else {
                panic!("{output:?}")
            };
            let mut datagram = Vec::new();
            let number = self.log.number();
            self.sender.write(&packet, self.now, Some(number), &mut datagram);
            self.log.sent(
                self.now,
                Size {
                    total: datagram.len(),
                    picture: packet.fresh_bytes(),
                },
            );
            if self.random.gen_range(0..100) >= lost {
                let datagram = receiving::Input::Datagram(datagram.into());
                self.receiver.feed(self.now, datagram).unwrap();
            }
        }
        let figures = self.sender.figures();
        let sent = reports::Input::Sent(MediaKind::Video, figures);
        self.here.feed(self.now, sent).unwrap();
    }

    fn report(&mut self) {
        let now = self.now;
        for reporter in [&mut self.here, &mut self.there] {
            if reporter.next_timeout().is_some_and(|at| at <= now) {
                reporter.feed(now, reports::Input::Timeout).unwrap();
            }
        }
        for output in self.there.drain(now) {
            if let reporter::Output::Transmit(packet) = output {
                self.here.feed(now, reports::Input::Datagram(packet)).unwrap();
            }
        }
        for output in self.here.drain(now) {
            match output {
                reporter::Output::Transmit(packet) => {
                    self.there.feed(now, reports::Input::Datagram(packet)).unwrap();
                }
                reporter::Output::Feedback(feedback) => {
                    let delivered = self.log.resolve(&feedback);
                    self.here.feed(now, reports::Input::Delivered(delivered)).unwrap();
                }
                reporter::Output::Resend { sequences, .. } => {
                    let round_trip = ms(1);
                    let resend = sending::Input::Resend {
                        sequences,
                        round_trip,
                    };
                    self.sender.feed(now, resend).unwrap();
                }
                reporter::Output::Available(rate) => {
                    let allow = sending::Input::Allow { rate, narrow: false };
                    self.sender.feed(now, allow).unwrap();
                }
                _ => {}
            }
        }
    }
}

fn replay(text: &str) -> Result<(Option<Difference>, Replay), ReplayError> {
    // Another beginning than when it was recorded: only differences of times may matter.
    let mut replay = Replay::new(Instant::now() + Duration::from_secs(1_000_000))
        .with::<RtpSender>()
        .with::<RtpReceiver>()
        .with::<Reporter>()
        .with::<AudioJitterBuffer>();
    for line in text.lines() {
        if let Some(difference) = replay.take(line)? {
            return Ok((Some(difference), replay));
        }
    }
    Ok((None, replay))
}

/// The recording of such a call.
fn recorded(codec: VideoCodec, seed: u64, lost: u32) -> String {
    let now = Instant::now();
    let paper = Paper::new(now);
    let mut path = Path::new(codec, seed, now, Some(&paper));
    path.run(lost);
    assert!(path.pictures > 20, "{} pictures", path.pictures);
    drop(path);
    paper.text.lock().unwrap().clone()
}

#[test]
fn pictures_over_a_path_with_losses_are_run_again_to_the_same_states() {
    for (seed, codec) in [(1, VideoCodec::H264), (2, VideoCodec::Vp8)] {
        let text = recorded(codec, seed, 5);
        let (difference, replay) = replay(&text).unwrap();
        assert_eq!(difference.map(|difference| difference.to_string()), None);
        let figures: Vec<_> = replay.summary().machines.values().collect();
        assert_eq!(figures.len(), 3);
        for figures in figures {
            assert!(
                figures.inputs > 100 && figures.outputs > 50 && figures.checks >= 2,
                "{figures:?}"
            );
        }
    }
}

#[test]
fn nothing_of_the_media_is_in_a_recording() {
    for codec in [VideoCodec::H264, VideoCodec::Vp8] {
        let text = recorded(codec, 3, 10);
        let media = hex::encode([MEDIA; 2]);
        assert!(!text.contains(&media));
    }
}

#[test]
fn recording_changes_nothing_and_may_begin_in_the_middle() {
    let now = Instant::now();
    let mut alone = Path::new(VideoCodec::Vp8, 4, now, None);
    alone.run(5);
    alone.run(5);
    let paper = Paper::new(now);
    paper.turning.store(false, Relaxed);
    let mut path = Path::new(VideoCodec::Vp8, 4, now, Some(&paper));
    path.run(5);
    assert_eq!(paper.text.lock().unwrap().lines().count(), 1);
    paper.turning.store(true, Relaxed);
    path.run(5);
    assert_eq!(path.pictures, alone.pictures);
    let text = paper.text.lock().unwrap().clone();
    assert_eq!(replay(&text).unwrap().0, None);
}

#[test]
fn the_first_thing_that_is_different_is_told() {
    let text = recorded(VideoCodec::Vp8, 5, 5);
    // A packet that came is not there: the picture it belongs to is missing too.
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let at = lines
        .iter()
        .position(|line| line.contains("{\"picture\":{\"data\"") && line.contains("\"datagram\""))
        .unwrap();
    let Line::Step(mut step) = serde_json::from_str(&lines[at]).unwrap() else {
        panic!("{}", lines[at])
    };
    step.inputs.pop();
    lines[at] = Line::Step(step).text().trim_end().to_owned();
    let (difference, _) = replay(&lines.join("\n")).unwrap();
    let difference = difference.unwrap();
    assert_eq!(difference.line, at as u64 + 1);
    assert_eq!(difference.machine, RtpReceiver::NAME);
    assert_eq!(difference.actor, "call/rtp_receiver/video");
    assert!(difference.expected.contains("picture"), "{difference}");
    assert!(!difference.got.contains("picture"), "{difference}");
}

#[test]
fn another_state_is_found_by_its_part() {
    let text = recorded(VideoCodec::Vp8, 6, 5);
    let at = text
        .lines()
        .position(|line| line.starts_with("{\"check\""))
        .unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let Line::Check(mut check) = serde_json::from_str(&lines[at]).unwrap() else {
        panic!("{}", lines[at])
    };
    let name = check.state.keys().next().unwrap().clone();
    check.state.insert(name.clone(), "00000000".into());
    lines[at] = Line::Check(check).text().trim_end().to_owned();
    let difference = replay(&lines.join("\n")).unwrap().0.unwrap();
    assert_eq!(difference.line, at as u64 + 1);
    assert!(difference.got.contains(&format!("{name} = ")), "{difference}");
}

#[test]
fn what_finds_no_room_is_begun_anew() {
    let now = Instant::now();
    let paper = Paper::new(now);
    let mut path = Path::new(VideoCodec::Vp8, 7, now, Some(&paper));
    path.run(0);
    *paper.room.lock().unwrap() = 0;
    path.run(5);
    *paper.room.lock().unwrap() = usize::MAX;
    path.run(5);
    let text = paper.text.lock().unwrap().clone();
    let (difference, replay) = replay(&text).unwrap();
    assert_eq!(difference, None);
    assert!(
        replay
            .summary()
            .machines
            .values()
            .all(|figures| figures.begun >= 2)
    );
}

#[test]
fn sound_is_run_again_to_the_same_decisions() {
    let now = Instant::now();
    let paper = Paper::new(now);
    let reel = Some(paper.clone() as Arc<dyn Reel>);
    let machine = AudioJitterBuffer::new(AudioBufferSettings::default());
    let mut buffer = Taped::new("call/playout/audio", machine, reel);
    let mut random = ChaCha8Rng::seed_from_u64(8);
    for n in 0..500_u64 {
        let at = now + ms(20 * n);
        if random.gen_range(0..100) >= 7 {
            let packet = AudioPacket {
                sequence: n,
                timestamp: 960 * n,
                payload: Bytes::from(vec![0xfc, MEDIA, MEDIA, MEDIA]),
                received_at: at + ms(random.gen_range(0..30)),
            };
            buffer.feed(packet.received_at, audio::Input::Packet(packet));
        }
        assert!(buffer.feed(at + ms(30), audio::Input::Next).is_some());
    }
    assert!(buffer.counts().recovered > 5);
    drop(buffer);
    let text = paper.text.lock().unwrap().clone();
    assert!(!text.contains(&hex::encode([MEDIA; 2])));
    let (difference, played) = replay(&text).unwrap();
    assert_eq!(difference, None);
    let figures = played.summary().machines.values().next().unwrap();
    assert!(figures.inputs > 900 && figures.checks >= 4, "{figures:?}");
    let altered = text.replacen(r#"{\"recover\""#, r#"{\"conceal\""#, 1);
    let difference = replay(&altered).unwrap().0;
    assert!(difference.unwrap().expected.contains("conceal"));
}

/// A machine with a bug.
#[derive(serde::Serialize, serde::Deserialize)]
struct Fragile(u32);

impl Recorded for Fragile {
    const NAME: &'static str = "fragile";
    type Input = u32;
    type Answer = ();
    type Output = u32;

    fn feed(&mut self, _: Instant, input: u32) {
        assert_ne!(input, 13, "thirteen");
        self.0 += input;
    }

    fn drain(&mut self, _: Instant) -> Vec<u32> {
        vec![self.0]
    }

    fn mask(&self, input: &u32) -> u32 {
        *input
    }
}

#[test]
fn what_a_machine_panicked_at_is_in_the_recording_and_panics_again() {
    let now = Instant::now();
    let paper = Paper::new(now);
    let mut fragile = Taped::new("fragile", Fragile(0), Some(paper.clone() as Arc<dyn Reel>));
    fragile.feed(now, 1);
    fragile.drain(now);
    let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || fragile.feed(now, 13)));
    assert!(died.is_err());
    let text = paper.text.lock().unwrap().clone();
    let mut replay = Replay::new(now).with::<Fragile>();
    let difference = text.lines().find_map(|line| replay.take(line).unwrap()).unwrap();
    assert_eq!(difference.after.as_deref(), Some("13"));
    assert!(
        difference.got.starts_with("a panic: ") && difference.got.contains("thirteen"),
        "{difference}"
    );
}

#[test]
fn a_broken_file_is_told_by_its_line() {
    let text = recorded(VideoCodec::Vp8, 9, 0);
    let lines: Vec<&str> = text.lines().collect();
    let wrong = |lines: &[&str]| match replay(&lines.join("\n")) {
        Err(error) => error.to_string(),
        Ok(_) => panic!("it was read"),
    };
    assert!(wrong(&["hello"]).starts_with("line 1: this is no recording"));
    assert!(wrong(&lines[1..]).starts_with("line 1: this is no recording"));
    assert_eq!(
        wrong(&[&lines[0].replace("\"version\":1", "\"version\":9")]),
        "line 1: the recording has version 9 of the format, this program reads version 1"
    );
    assert!(wrong(&[lines[0], "{\"step\":"]).starts_with("line 2: "));
    let orphan = r#"{"step":{"m":77,"in":[],"at":1,"out":[]}}"#;
    assert_eq!(wrong(&[lines[0], orphan]), "line 2: machine 77 has not begun");
    let strange = r#"{"begin":{"m":1,"actor":"a","machine":"dance","at":0,"state":{}}}"#;
    assert_eq!(wrong(&[lines[0], strange]), "line 2: there is no machine `dance`");
}

proptest! {
    #[test]
    fn any_damage_is_safe(hit in any::<prop::sample::Index>(), with in ".{0,20}") {
        static TEXT: std::sync::OnceLock<String> = std::sync::OnceLock::new();
        let text = TEXT.get_or_init(|| recorded(VideoCodec::H264, 10, 10));
        let mut text = text[..20_000].to_owned();
        let mut at = hit.index(text.len());
        while !text.is_char_boundary(at) { at -= 1; }
        text.replace_range(at..at + 1, &with);
        let _ = replay(&text);
    }
}
