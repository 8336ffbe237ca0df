//! A file is written while machines run, and told how it went.

#![allow(clippy::unwrap_used)]

use roomrtc_protocol::audio::jitter_buffer::recorded::Input;
use roomrtc_protocol::audio::jitter_buffer::{AudioBufferSettings, AudioJitterBuffer};
use roomrtc_protocol::recording::{Replay, Taped};

use super::*;

const SETTINGS: RecorderSettings = RecorderSettings {
    addresses: false,
    limit: 1 << 20,
};

fn buffer(recorder: &Recorder) -> Taped<AudioJitterBuffer> {
    let machine = AudioJitterBuffer::new(AudioBufferSettings::default());
    Taped::new("call/playout/audio", machine, Some(recorder.reel()))
}

/// Asks the machine for sound so many times.
fn play(buffer: &mut Taped<AudioJitterBuffer>, times: u32) {
    for _ in 0..times {
        assert!(buffer.feed(Instant::now(), Input::Next).is_some());
    }
}

/// What is in a recording; a machine that differs is none of these tests' business.
fn read(file: &Path) -> Replay {
    let mut replay = Replay::new(Instant::now()).with::<AudioJitterBuffer>();
    for line in std::fs::read_to_string(file).unwrap().lines() {
        assert_eq!(replay.take(line).unwrap(), None);
    }
    replay
}

fn inputs(replay: &Replay) -> u64 {
    replay
        .summary()
        .machines
        .values()
        .map(|figures| figures.inputs)
        .sum()
}

#[test]
fn what_happens_while_it_records_is_in_the_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let recorder = Recorder::default();
    let mut buffer = buffer(&recorder);
    play(&mut buffer, 3);
    assert_eq!(*recorder.state().borrow(), State::Off);
    recorder.start(&first, SETTINGS).unwrap();
    assert_eq!(
        *recorder.state().borrow(),
        State::Recording { file: first.clone() }
    );
    play(&mut buffer, 5);
    recorder.hide("ana");
    recorder.note("ice", || "ana is at 192.0.2.1:9".into());
    recorder.start(&second, SETTINGS).unwrap();
    play(&mut buffer, 7);
    recorder.stop();
    play(&mut buffer, 9);
    assert_eq!((inputs(&read(&first)), inputs(&read(&second))), (5, 7));
    let text = std::fs::read_to_string(&first).unwrap();
    assert!(
        text.contains("(name) is at (address 1):9") && !text.contains("ana is"),
        "{text}"
    );
    let bytes = std::fs::metadata(&second).unwrap().len();
    let done = State::Done {
        file: second,
        bytes,
        lost: 0,
        full: false,
    };
    assert_eq!(*recorder.state().borrow(), done);
}

#[test]
fn a_recording_that_is_full_ends_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("small");
    let recorder = Recorder::default();
    let mut buffer = buffer(&recorder);
    let limit = 20_000;
    recorder
        .start(&file, RecorderSettings { limit, ..SETTINGS })
        .unwrap();
    while recorder.0.take.load(Relaxed) != 0 {
        play(&mut buffer, 1);
    }
    recorder.stop();
    let replay = read(&file);
    assert!(inputs(&replay) > 10);
    assert!(matches!(
        *recorder.state().borrow(),
        State::Done { full: true, .. }
    ));
    let end = replay.summary().end.clone().unwrap();
    assert_eq!(end.why, roomrtc_protocol::recording::line::Why::Full);
    assert!(std::fs::metadata(&file).unwrap().len() < limit + 200);
}

#[test]
fn a_file_that_cannot_be_made_is_an_error_and_the_call_goes_on() {
    let recorder = Recorder::default();
    assert!(recorder.start(Path::new("/no/such/folder/x"), SETTINGS).is_err());
    play(&mut buffer(&recorder), 3);
    recorder.stop();
}

#[test]
fn what_finds_no_room_is_counted_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slow");
    let recorder = Recorder::default();
    recorder.start(&file, SETTINGS).unwrap();
    let mut buffer = buffer(&recorder);
    play(&mut buffer, 3);
    // As much waits as may wait.
    let room = recorder.0.running().as_ref().unwrap().room.clone();
    room.waiting.fetch_add(ROOM, Relaxed);
    play(&mut buffer, 4);
    room.waiting.fetch_sub(ROOM, Relaxed);
    play(&mut buffer, 5);
    recorder.stop();
    let replay = read(&file);
    // The first of the four was lost as a line; the machine did not begin anew for the others.
    assert_eq!(replay.summary().lost, 1);
    assert_eq!(replay.summary().end.as_ref().unwrap().lost, 1);
    assert_eq!(inputs(&replay), 3 + 5);
}
