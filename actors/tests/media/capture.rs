//! Sources: what stands in for a device, and what "off" means.

use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use roomrtc_actors::call_events::CallNotice;
use roomrtc_actors::capture::{
    AudioCapture, CaptureSetup, Choose, Pictures, SetEnabled, Sound, VideoCapture,
};
use roomrtc_actors::counters::Counters;
use roomrtc_actors::echo_care::EchoCare;
use roomrtc_actors::encoder::{EncodeAudio, EncodeFrame};
use roomrtc_actors::slot::VideoSlot;
use roomrtc_actors::ui_bridge::{AudioChoice, Notice, VideoChoice};
use roomrtc_kit::{Addr, Down, Keep};
use roomrtc_media::capture::{AudioFormat, VideoFormat};
use roomrtc_media::device::DeviceBuffer;
use roomrtc_media::synthetic::barcode;

use super::stage::{Stage, first, next, quiet};

struct Camera {
    addr: Addr<VideoCapture>,
    pictures: Receiver<EncodeFrame>,
    notices: Receiver<CallNotice>,
    slot: VideoSlot,
    _deaths: Receiver<Down>,
}

fn camera(stage: &Stage, choice: VideoChoice) -> Camera {
    let (output, pictures) = stage.probe("encoder");
    let (told, notices) = stage.probe("call");
    let slot = VideoSlot::new();
    let setup = CaptureSetup {
        medium: Pictures {
            format: VideoFormat {
                width: 640,
                height: 360,
                fps: 30,
            },
            size: Keep::default(),
            slot: slot.clone(),
            output: Some(output),
            sent: Default::default(),
            counters: Arc::new(Counters::default()),
        },
        choice,
        enabled: true,
        timeout: Duration::from_secs(2),
        retry: Duration::from_secs(2),
        notices: told,
        keep: Keep::default(),
    };
    let addr = Addr::new(stage.name("capture/video"));
    let deaths = stage.start(&addr, move || VideoCapture::new(setup.clone()));
    Camera {
        addr,
        pictures,
        notices,
        slot,
        _deaths: deaths,
    }
}

fn microphone(
    stage: &Stage,
    choice: AudioChoice,
) -> (Addr<AudioCapture>, Receiver<EncodeAudio>, Receiver<CallNotice>) {
    let (output, sound) = stage.probe("encoder");
    let (told, notices) = stage.probe("call");
    let setup = CaptureSetup {
        medium: Sound {
            format: AudioFormat {
                channels: 1,
                block_ms: 20,
                buffer: DeviceBuffer::default(),
            },
            output,
            sent: Default::default(),
            echo: EchoCare::off(),
            counters: Arc::new(Counters::default()),
        },
        choice,
        enabled: true,
        timeout: Duration::from_secs(2),
        retry: Duration::from_secs(2),
        notices: told,
        keep: Keep::default(),
    };
    let addr = Addr::new(stage.name("capture/audio"));
    stage.start(&addr, move || AudioCapture::new(setup.clone()));
    (addr, sound, notices)
}

fn loud(EncodeAudio(sound): &EncodeAudio) -> bool {
    sound.samples.iter().any(|&s| s != 0)
}

#[test]
fn without_that_camera_a_still_picture_is_sent_and_the_user_is_told() {
    let stage = Stage::new();
    let camera = camera(&stage, VideoChoice::Camera(Some("no such camera".into())));
    assert_eq!(next(&camera.notices), CallNotice(Notice::NoCamera));
    let EncodeFrame(picture) = next(&camera.pictures);
    assert!(barcode::read(&picture).is_none(), "not the test picture");
    let EncodeFrame(again) = next(&camera.pictures);
    assert_eq!(picture.contiguous(), again.contiguous());
    assert!(camera.slot.latest().1.is_some(), "the self view shows it too");
}

#[test]
fn a_camera_that_is_off_sends_nothing_and_shows_nothing_until_it_is_on_again() {
    let stage = Stage::new();
    let camera = camera(&stage, VideoChoice::Test);
    next(&camera.pictures);
    camera.addr.tell(SetEnabled(false));
    while camera.pictures.recv_timeout(Duration::from_millis(200)).is_ok() {}
    assert!(quiet(&camera.pictures, Duration::from_millis(200)));
    assert!(camera.slot.latest().1.is_none());
    camera.addr.tell(SetEnabled(true));
    next(&camera.pictures);
}

#[test]
fn another_choice_takes_effect_at_once_and_none_is_a_choice() {
    let stage = Stage::new();
    let camera = camera(&stage, VideoChoice::None);
    assert!(quiet(&camera.pictures, Duration::from_millis(100)));
    camera.addr.tell(Choose(VideoChoice::Test));
    next(&camera.pictures);
}

#[test]
fn a_file_that_cannot_be_read_is_replaced_by_the_still_picture() {
    let stage = Stage::new();
    let camera = camera(&stage, VideoChoice::File("/no/such/film.webm".into()));
    let CallNotice(notice) = next(&camera.notices);
    assert!(
        matches!(&notice, Notice::DeviceLost(words) if words.contains("film.webm")),
        "{notice:?}"
    );
    assert!(barcode::read(&next(&camera.pictures).0).is_none());
}

#[test]
fn without_that_microphone_silence_is_sent_and_the_user_is_told() {
    let stage = Stage::new();
    let (_addr, sound, notices) =
        microphone(&stage, AudioChoice::Microphone(Some("no such microphone".into())));
    assert_eq!(next(&notices), CallNotice(Notice::NoMicrophone));
    assert!(!loud(&next(&sound)));
}

#[test]
fn a_muted_microphone_sends_silence_and_the_stream_goes_on() {
    let stage = Stage::new();
    let (addr, sound, _notices) = microphone(&stage, AudioChoice::Test);
    assert!(loud(&next(&sound)));
    addr.tell(SetEnabled(false));
    let EncodeAudio(before) = first(&sound, |s| !loud(s));
    let EncodeAudio(after) = next(&sound);
    assert!(!loud(&EncodeAudio(after.clone())));
    assert!(after.at > before.at);
    addr.tell(SetEnabled(true));
    first(&sound, loud);
}
