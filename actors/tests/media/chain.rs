//! From the source to the screen and the speaker: two ends of a call in one process, a perfect wire between them.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use roomrtc_actors::call_events::FirstFrame;
use roomrtc_actors::capture::{AudioCapture, CaptureSetup, Pictures, Sound, VideoCapture};
use roomrtc_actors::counters::Counters;
use roomrtc_actors::decoder::{DecodeFrame, DecoderCare, VideoDecoder, VideoDecoderSetup};
use roomrtc_actors::echo_care::EchoCare;
use roomrtc_actors::encoder::{AudioEncoder, AudioEncoderSetup};
use roomrtc_actors::playout::{
    AudioPlayout, AudioPlayoutSetup, ClockMapping, PlayPacket, SetPeerCamera, VideoPlayout, VideoPlayoutSetup,
};
use roomrtc_actors::rtcp_reporter::RequestKeyframe;
use roomrtc_actors::rtp_sender::SendFrame;
use roomrtc_actors::slot::VideoSlot;
use roomrtc_actors::ui_bridge::{AudioChoice, VideoChoice};
use roomrtc_kit::{Addr, Keep, Port};
use roomrtc_media::audio_codec::OpusSettings;
use roomrtc_media::capture::AudioFormat;
use roomrtc_media::device::DeviceBuffer;
use roomrtc_media::playout::AudioOutput;
use roomrtc_media::synthetic::tone;
use roomrtc_protocol::audio::jitter_buffer::AudioBufferSettings;
use roomrtc_protocol::{MediaKind, VideoCodec};

use super::encoder::{FORMAT, encoder};
use super::stage::{PATIENCE, Stage, next, quiet};

/// The receiving end.
struct Receiving {
    decoder: Addr<VideoDecoder>,
    pictures: Addr<VideoPlayout>,
    sound: Addr<AudioPlayout>,
    slot: VideoSlot,
    counters: Arc<Counters>,
    first: Receiver<FirstFrame>,
    key_requests: Receiver<RequestKeyframe>,
}

fn receiving(stage: &Stage) -> Receiving {
    let counters = Arc::new(Counters::default());
    let slot = VideoSlot::new();
    let (told, first) = stage.probe("call");
    let (asked, key_requests) = stage.probe("rtcp_reporter");
    let (noticed, _) = stage.probe("notices");
    let pictures = Addr::new(stage.name("playout/video"));
    let setup = VideoPlayoutSetup {
        slot: slot.clone(),
        first: told,
        tolerance: Duration::from_millis(30),
        longest_wait: Duration::from_millis(250),
        freeze_threshold: Duration::from_millis(150),
        counters: counters.clone(),
    };
    stage.start(&pictures, move || VideoPlayout::new(setup.clone()));
    let sound: Addr<AudioPlayout> = Addr::new(stage.name("playout/audio"));
    let setup = AudioPlayoutSetup {
        output: AudioOutput::Nowhere,
        buffer: DeviceBuffer::default(),
        jitter_buffer: AudioBufferSettings::default(),
        me: sound.port(),
        first: None,
        heard: Some(pictures.port()),
        bursts: Some(pictures.port()),
        notices: noticed,
        echo: EchoCare::off(),
        counters: counters.clone(),
        reel: None,
    };
    stage.start(&sound, move || AudioPlayout::new(setup.clone()));
    let decoder = Addr::new(stage.name("decoder/video"));
    let setup = VideoDecoderSetup {
        kind: MediaKind::Video,
        codec: VideoCodec::H264,
        care: DecoderCare::new(&Port::new(|_| {}), Duration::from_secs(2)),
        threads: 1,
        output: pictures.port(),
        keyframes: asked,
        counters: counters.clone(),
    };
    stage.start(&decoder, move || VideoDecoder::new(setup.clone()));
    Receiving {
        decoder,
        pictures,
        sound,
        slot,
        counters,
        first,
        key_requests,
    }
}

/// The sending end's pictures.
fn sending_pictures(stage: &Stage) -> Receiver<SendFrame> {
    let (addr, frames) = encoder(stage);
    let (noticed, _) = stage.probe("notices");
    let setup = CaptureSetup {
        medium: Pictures {
            format: FORMAT,
            size: Keep::default(),
            slot: VideoSlot::new(),
            output: Some(addr.port()),
            sent: Default::default(),
            counters: Arc::new(Counters::default()),
        },
        choice: VideoChoice::Test,
        enabled: true,
        timeout: Duration::from_secs(2),
        retry: Duration::from_secs(2),
        notices: noticed,
        keep: Keep::default(),
    };
    let capture = Addr::new(stage.name("capture/video"));
    stage.start(&capture, move || VideoCapture::new(setup.clone()));
    frames
}

/// The sending end's sound.
fn sending_sound(stage: &Stage) -> Receiver<SendFrame> {
    let (output, packets) = stage.probe("rtp_sender/audio");
    let (noticed, _) = stage.probe("notices");
    let setup = AudioEncoderSetup {
        settings: OpusSettings {
            channels: 1,
            bitrate: 48_000,
            fec: true,
            dtx: false,
            expected_loss_percent: 5,
            complexity: 5,
        },
        output,
        keep: Keep::default(),
    };
    let encoder: Addr<AudioEncoder> = Addr::new(stage.name("encoder/audio"));
    stage.start(&encoder, move || AudioEncoder::new(setup.clone()));
    let setup = CaptureSetup {
        medium: Sound {
            format: AudioFormat {
                channels: 1,
                block_ms: 20,
                buffer: DeviceBuffer::default(),
            },
            output: encoder.port(),
            sent: Default::default(),
            echo: EchoCare::off(),
            counters: Arc::new(Counters::default()),
        },
        choice: AudioChoice::Test,
        enabled: true,
        timeout: Duration::from_secs(2),
        retry: Duration::from_secs(2),
        notices: noticed,
        keep: Keep::default(),
    };
    let capture = Addr::new(stage.name("capture/audio"));
    stage.start(&capture, move || AudioCapture::new(setup.clone()));
    packets
}

/// What RTP would say about a frame: its media time, counted from `epoch`.
fn ticks(frame: &SendFrame, epoch: Instant, rate: u64) -> u64 {
    let nanos = frame.captured_at.saturating_duration_since(epoch).as_nanos();
    (nanos * u128::from(rate) / 1_000_000_000) as u64
}

fn decode(frame: SendFrame, epoch: Instant) -> DecodeFrame {
    DecodeFrame {
        rtp_timestamp: ticks(&frame, epoch, 90_000) as u32,
        data: frame.data,
        codec: VideoCodec::H264,
        key: frame.key,
        received_at: Instant::now(),
    }
}

/// Waits until a figure is as wanted.
fn until(what: &str, mut wanted: impl FnMut() -> bool) {
    let began = Instant::now();
    while !wanted() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn pictures_reach_the_screen_in_order_and_their_way_is_measured() {
    let stage = Stage::new();
    let epoch = Instant::now();
    let there = receiving(&stage);
    let frames = sending_pictures(&stage);
    let video = &there.counters.video;
    while video.shown.now() < 60 {
        there.decoder.tell(decode(next(&frames), epoch));
    }
    assert_eq!(next(&there.first), FirstFrame);
    assert!(quiet(&there.first, Duration::from_millis(50)), "told once");
    let (_, shown) = there.slot.latest();
    assert_eq!(
        shown.map(|f| (f.width, f.height)),
        Some((FORMAT.width, FORMAT.height))
    );
    assert_eq!(video.barcode_errors.now(), 0);
    assert_eq!(video.barcodes_read.now(), video.shown.now());
    let latency = video
        .glass_to_glass_ms
        .take()
        .expect("every picture says when it was made");
    assert!((0.0..100.0).contains(&latency.p50), "{latency:?}");
}

#[test]
fn a_decoder_that_starts_in_the_middle_asks_for_a_key_frame_and_shows_nothing_before() {
    let stage = Stage::new();
    let epoch = Instant::now();
    let there = receiving(&stage);
    let frames = sending_pictures(&stage);
    next(&frames); // the key frame is lost
    (0..5).for_each(|_| there.decoder.tell(decode(next(&frames), epoch)));
    assert_eq!(next(&there.key_requests).kind, MediaKind::Video);
    assert!(
        quiet(&there.key_requests, Duration::from_millis(100)),
        "asked once"
    );
    assert_eq!(there.counters.video.decoded.now(), 0);
}

#[test]
fn any_of_them_may_die_and_the_pictures_and_the_sound_go_on() {
    let stage = Stage::new();
    let epoch = Instant::now();
    let there = receiving(&stage);
    let (frames, packets) = (sending_pictures(&stage), sending_sound(&stage));
    let counters = &there.counters;
    let mut sequence = 0;
    // Passes on what is sent until so many more pictures and packets have come through.
    let mut go_on = |pictures: u64, sound: u64| {
        let (shown, played) = (
            counters.video.shown.now() + pictures,
            counters.audio.decoded.now() + sound,
        );
        until("the call goes on", || {
            // A key frame that is asked for comes with the next life of the encoder.
            if there.key_requests.try_recv().is_ok() {
                stage.crash("encoder/video");
            }
            frames
                .try_iter()
                .for_each(|frame| there.decoder.tell(decode(frame, epoch)));
            for packet in packets.try_iter() {
                sequence += 1;
                there.sound.tell(PlayPacket {
                    rtp_timestamp: ticks(&packet, epoch, 48_000),
                    payload: packet.data,
                    sequence,
                    received_at: Instant::now(),
                });
            }
            counters.video.shown.now() >= shown && counters.audio.decoded.now() >= played
        });
    };
    go_on(5, 5);
    let roles = [
        "capture/video",
        "capture/audio",
        "encoder/video",
        "encoder/audio",
        "decoder/video",
        "playout/video",
        "playout/audio",
    ];
    for role in roles {
        stage.crash(role);
        go_on(5, 5);
    }
    assert_eq!(counters.video.barcode_errors.now(), 0);
}

#[test]
fn a_peer_that_switches_its_camera_off_leaves_an_empty_screen_and_no_freeze() {
    let stage = Stage::new();
    let epoch = Instant::now();
    let there = receiving(&stage);
    let frames = sending_pictures(&stage);
    let video = &there.counters.video;
    while video.shown.now() < 20 {
        there.decoder.tell(decode(next(&frames), epoch));
    }
    there.pictures.tell(SetPeerCamera(false));
    until("the screen is cleared", || there.slot.latest().1.is_none());
    let pause = Instant::now();
    let shown = video.shown.now();
    // What was captured meanwhile is dropped; the decoder never sees the gap as one.
    while pause.elapsed() < Duration::from_millis(500) {
        next(&frames);
    }
    there.pictures.tell(SetPeerCamera(true));
    while video.shown.now() < shown + 5 {
        there.decoder.tell(decode(next(&frames), epoch));
    }
    assert_eq!(video.freezes.now(), 0);
}

#[test]
fn the_tone_is_heard_at_its_level_and_a_lost_packet_is_bridged() {
    let stage = Stage::new();
    let epoch = Instant::now();
    let there = receiving(&stage);
    let packets = sending_sound(&stage);
    let audio = &there.counters.audio;
    let began = Instant::now();
    let measured =
        || audio.tone_hz.now() == tone::TONE_HZ && audio.concealed_ms.now() > 0 && audio.decoded.now() > 100;
    for sequence in 0u64.. {
        if measured() {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{} Hz", audio.tone_hz.now());
        let packet = next(&packets);
        // A /lost/ pair now and then: the first has no successor to be recovered from.
        if sequence % 47 < 45 {
            there.sound.tell(PlayPacket {
                rtp_timestamp: ticks(&packet, epoch, 48_000),
                payload: packet.data,
                sequence,
                received_at: Instant::now(),
            });
        }
    }
    let level = audio.level_dbfs.now();
    assert!((level - tone::LEVEL_DBFS).abs() < 3.0, "{level} dBFS");
}

#[test]
fn sound_and_picture_of_the_same_second_come_out_within_40_ms() {
    let stage = Stage::new();
    let epoch = Instant::now();
    let there = receiving(&stage);
    for (kind, clock_rate) in [(MediaKind::Audio, 48_000), (MediaKind::Video, 90_000)] {
        there.pictures.tell(ClockMapping {
            kind,
            rtp_timestamp: 0,
            ntp: 100 << 32,
            clock_rate,
        });
    }
    let (frames, packets) = (sending_pictures(&stage), sending_sound(&stage));
    let mut sequence = 0;
    let began = Instant::now();
    let audio = &there.counters.audio;
    // Long enough for three whole seconds of the wall clock, the first of which may be cut.
    while began.elapsed() < Duration::from_millis(3500) {
        if let Ok(frame) = frames.recv_timeout(Duration::from_millis(5)) {
            there.decoder.tell(decode(frame, epoch));
        }
        while let Ok(packet) = packets.try_recv() {
            there.sound.tell(PlayPacket {
                rtp_timestamp: ticks(&packet, epoch, 48_000),
                payload: packet.data,
                sequence,
                received_at: Instant::now(),
            });
            sequence += 1;
        }
    }
    let late = audio.lip_sync_ms.known().expect("it was measured");
    println!("sound is {late:.1} ms late");
    assert!(late.abs() < 40.0, "{late} ms");
}
