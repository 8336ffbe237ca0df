//! Files in a call.

use std::path::PathBuf;
use std::time::Duration;

use iced::keyboard::key::Named;
use roomrtc::app::Message;
use roomrtc_actors::ui_bridge::{CallEnd, CallEvent, Command, Event, FileEnd, FileEvent, TransferId};
use roomrtc_protocol::signaling::messages::EndReason;

use crate::fixture::Window;

const REPORT: TransferId = TransferId(7);

fn offered_to_us() -> Window {
    let mut window = Window::in_a_call();
    window.hear(Event::File(FileEvent::Incoming {
        transfer: REPORT,
        name: "report.pdf".into(),
        size: 12_400_000,
        media_type: "application/pdf".into(),
    }));
    window
}

fn progress(done: u64) -> Event {
    Event::File(FileEvent::Progress {
        transfer: REPORT,
        done,
        size: 12_400_000,
    })
}

#[test]
fn an_offered_file_is_asked_about_and_taken() {
    let mut window = offered_to_us();
    assert!(window.shows("12 MB · do you want it?"));
    window.snapshot("call-file-offered");
    window.press("files/accept/7");
    let accept = Command::AcceptFile {
        transfer: REPORT,
        directory: "/home/ana/Downloads".into(),
    };
    assert_eq!(window.asked(), [accept]);
    window.hear(progress(7_900_000));
    assert!(window.shows("7.9 MB of 12 MB"));
    window.hear(Event::File(FileEvent::Completed {
        transfer: REPORT,
        path: "/home/ana/Downloads/report.pdf".into(),
        size: 12_400_000,
        hash: "00".into(),
        took: Duration::from_millis(2400),
    }));
    assert!(window.shows("12 MB · received in 2.4 s, hash verified"));
    window.call(CallEvent::Ended {
        user: "ben".into(),
        reason: CallEnd::Signaled(EndReason::HungUp),
    });
    assert!(window.shows("report.pdf"));
}

#[test]
fn an_offered_file_is_declined() {
    let mut window = offered_to_us();
    window.press("files/decline/7");
    assert_eq!(window.asked(), [Command::DeclineFile(REPORT)]);
    assert!(window.shows("12 MB · Declined by you"));
}

#[test]
fn a_running_file_is_cancelled() {
    let mut window = offered_to_us();
    window.press("files/accept/7");
    window.hear(progress(1_000_000));
    window.asked();
    window.press("files/cancel/7");
    assert_eq!(window.asked(), [Command::CancelFile(REPORT)]);
    window.hear(Event::File(FileEvent::Failed {
        transfer: REPORT,
        reason: FileEnd::Cancelled,
    }));
    assert!(window.shows("12 MB · Cancelled by you"));
}

#[test]
fn a_dropped_file_is_offered() {
    let mut window = Window::in_a_call();
    let file = tempfile::NamedTempFile::new().expect("a file");
    let id = iced::window::Id::unique();
    let path: PathBuf = file.path().into();
    let _ = window.app.update(Message::Window(
        id,
        iced::window::Event::FileHovered(path.clone()),
    ));
    assert!(window.shows("Drop to send"));
    window.snapshot("call-dropping");
    let _ = window.app.update(Message::Window(
        id,
        iced::window::Event::FileDropped(path.clone()),
    ));
    assert_eq!(window.asked(), [Command::SendFile(path)]);
    assert!(!window.shows("Drop to send"));
}

#[test]
fn without_a_dialog_the_path_is_typed() {
    let mut window = Window::in_a_call();
    window.press("call/files");
    window.press("files/path");
    assert!(window.shows("Type its full path; ~ stands for your home folder."));
    window.press("path/submit");
    assert!(window.shows("There is no such file."));
    window.snapshot("call-path");
    window.named(Named::Escape);
    assert!(!window.offers("path/submit"));
}

#[test]
fn several_files_go_both_ways() {
    let mut window = offered_to_us();
    for (id, name, size) in [
        (8, "slides.odp", 4_200_000),
        (
            9,
            "a-rather-long-name-for-a-holiday-film-from-the-north-sea.mkv",
            2_400_000_000,
        ),
    ] {
        window.hear(Event::File(FileEvent::Offered {
            transfer: TransferId(id),
            name: name.into(),
            size,
        }));
    }
    window.hear(Event::File(FileEvent::Progress {
        transfer: TransferId(9),
        done: 0,
        size: 2_400_000_000,
    }));
    window.hear(Event::File(FileEvent::Progress {
        transfer: TransferId(9),
        done: 1_100_000_000,
        size: 2_400_000_000,
    }));
    window.hear(Event::File(FileEvent::Failed {
        transfer: TransferId(8),
        reason: FileEnd::Declined,
    }));
    window.wait(Duration::from_secs(20));
    window.measure(3);
    window.snapshot("call-files");
}
