//! Encoders: key frames in time, bit rates that survive.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use roomrtc_actors::call_events::CallNotice;
use roomrtc_actors::codec_care::CodecCare;
use roomrtc_actors::counters::Counters;
use roomrtc_actors::encoder::{
    AudioEncoder, AudioEncoderSetup, EncodeAudio, EncodeFrame, ForceKeyframe, SetBitrate, VideoEncoder,
    VideoEncoderSetup,
};
use roomrtc_actors::rtp_sender::SendFrame;
use roomrtc_actors::ui_bridge::Notice;
use roomrtc_kit::{Addr, Keep, Port, Reason};
use roomrtc_media::audio_codec::OpusSettings;
use roomrtc_media::capture::VideoFormat;
use roomrtc_media::frame::{AudioFrame, VideoFrame};
use roomrtc_media::synthetic::picture::Painter;
use roomrtc_media::video_codec::{Encoder, EncoderSettings};

use super::stage::{Stage, next, quiet};

pub(super) const FORMAT: VideoFormat = VideoFormat {
    width: 640,
    height: 360,
    fps: 30,
};

const STALL: Duration = Duration::from_secs(2);

pub(super) const KEY_INTERVAL: Duration = Duration::from_millis(250);

fn setup(
    encoder: Encoder,
    output: Port<SendFrame>,
    bitrate: Keep<u64>,
    counters: Arc<Counters>,
) -> VideoEncoderSetup {
    VideoEncoderSetup {
        settings: EncoderSettings {
            encoder,
            format: FORMAT,
            bitrate: 1_500_000,
            threads: 1,
            key_distance: 3000,
        },
        key_interval: KEY_INTERVAL,
        output,
        bitrate,
        care: CodecCare::new(Port::new(|_| {}), STALL),
        counters,
    }
}

pub(super) fn encoder(stage: &Stage) -> (Addr<VideoEncoder>, Receiver<SendFrame>) {
    let (output, frames) = stage.probe("rtp_sender");
    let setup = setup(Encoder::OpenH264, output, Keep::default(), Arc::default());
    let addr = Addr::new(stage.name("encoder/video"));
    stage.start(&addr, move || VideoEncoder::new(setup.clone()));
    (addr, frames)
}

/// How old a picture of a camera is.
const AGE: Duration = Duration::from_millis(33);

/// A picture taken so long ago.
fn picture() -> VideoFrame {
    let mut painter = Painter::new(FORMAT.width, FORMAT.height);
    painter.paint(Duration::from_millis(1000), false, Instant::now() - AGE)
}

#[test]
fn a_key_frame_that_is_asked_for_does_not_wait_for_the_next_picture() {
    let stage = Stage::new();
    let (addr, frames) = encoder(&stage);
    let taken = picture();
    let captured = taken.at;
    addr.tell(EncodeFrame(taken));
    assert!(next(&frames).key, "the first always is");
    addr.tell(ForceKeyframe);
    let again = next(&frames);
    assert!(again.key);
    assert!(
        again.captured_at > captured,
        "as a new picture with a time of its own"
    );
}

#[test]
fn a_storm_of_requests_makes_one_key_frame_in_an_interval() {
    let stage = Stage::new();
    let (addr, frames) = encoder(&stage);
    addr.tell(EncodeFrame(picture()));
    next(&frames);
    (0..20).for_each(|_| addr.tell(ForceKeyframe));
    let mut keys = Vec::new();
    for _ in 0..20 {
        addr.tell(EncodeFrame(picture()));
        while let Ok(frame) = frames.recv_timeout(Duration::from_millis(33)) {
            keys.extend(frame.key.then_some(frame.captured_at));
        }
    }
    assert_eq!(keys.len(), 2, "one at once, one for the rest");
    // The first is made of a picture again, as if it were new, the second may be a picture of the camera.
    assert!(keys[1] + AGE - keys[0] >= KEY_INTERVAL);
}

#[test]
fn when_the_camera_is_off_its_last_picture_is_not_sent_again() {
    let stage = Stage::new();
    let (addr, frames) = encoder(&stage);
    let old = picture();
    addr.tell(EncodeFrame(old.retimed(old.at - Duration::from_secs(1))));
    next(&frames);
    addr.tell(ForceKeyframe);
    assert!(quiet(&frames, Duration::from_millis(200)));
}

#[test]
fn an_encoder_that_dies_starts_again_with_a_key_frame_at_its_bit_rate() {
    let stage = Stage::new();
    let (keep, counted) = (Keep::default(), Arc::new(Counters::default()));
    let (output, frames) = stage.probe("rtp_sender");
    let setup = setup(Encoder::OpenH264, output, keep.clone(), counted);
    let addr = Addr::new(stage.name("encoder/video"));
    let deaths = stage.start(&addr, move || VideoEncoder::new(setup.clone()));
    addr.tell(SetBitrate(300_000));
    addr.tell(EncodeFrame(picture()));
    assert!(next(&frames).key);
    addr.tell(EncodeFrame(picture()));
    assert!(!next(&frames).key);
    stage.crash("encoder/video");
    assert!(matches!(next(&deaths).reason, Reason::Panicked(_)));
    addr.tell(EncodeFrame(picture()));
    assert!(next(&frames).key);
    assert_eq!(keep.get(), Some(300_000));
}

#[test]
fn an_encoder_that_keeps_failing_is_replaced_by_another_and_the_user_is_told() {
    let stage = Stage::new();
    let (output, frames) = stage.probe("rtp_sender");
    let (told, notices) = stage.probe::<CallNotice>("call");
    let mut setup = setup(Encoder::OpenH264, output, Keep::default(), Arc::default());
    setup.care = CodecCare::new(told, STALL);
    let addr = Addr::new(stage.name("encoder/video"));
    let deaths = stage.start(&addr, move || VideoEncoder::new(setup.clone()));
    // openh264 takes no picture smaller than a macroblock; x264 does.
    let mut painter = Painter::new(8, 8);
    let tiny = painter.paint(Duration::from_millis(1000), false, Instant::now());
    for _ in 0..2 {
        addr.tell(EncodeFrame(tiny.clone()));
        assert!(matches!(next(&deaths).reason, Reason::Failed(_)));
    }
    let (failed, instead) = ("openh264".to_owned(), "x264".to_owned());
    assert_eq!(next(&notices), CallNotice(Notice::OtherCodec { failed, instead }));
    addr.tell(EncodeFrame(tiny));
    assert!(next(&frames).key);
}

#[test]
fn silence_is_announced_once_and_then_left_out() {
    let stage = Stage::new();
    let (output, packets) = stage.probe("rtp_sender");
    let settings = OpusSettings {
        channels: 1,
        bitrate: 48_000,
        fec: true,
        dtx: true,
        expected_loss_percent: 5,
        complexity: 5,
    };
    let setup = AudioEncoderSetup {
        settings,
        output,
        keep: Keep::default(),
    };
    let addr = Addr::new(stage.name("encoder/audio"));
    stage.start(&addr, move || AudioEncoder::new(setup.clone()));
    let start = Instant::now();
    let mut sent = Vec::new();
    for block in 0..150u32 {
        addr.tell(EncodeAudio(AudioFrame {
            samples: vec![0; 960],
            channels: 1,
            at: start + Duration::from_millis(20) * block,
        }));
        // One at a time: what waits too long gives way.
        sent.extend(
            packets
                .recv_timeout(Duration::from_millis(5))
                .ok()
                .map(|p: SendFrame| p.data.len()),
        );
    }
    let announced = sent.iter().filter(|&&length| length <= 2).count();
    assert!(announced >= 1, "{sent:?}");
    assert!(sent.len() < 75, "half of three silent seconds at most: {sent:?}");
}
