//! In a call.

use std::time::Duration;

use iced::keyboard::{Key, Modifiers};
use roomrtc_actors::ui_bridge::{CallEnd, CallEvent, Command, ConnectionState, Event, Notice, VideoChoice};
use roomrtc_protocol::signaling::messages::EndReason;

use crate::fixture::{Window, portrait};

#[test]
fn a_call_shows_who_how_long_how_safe_and_how_well() {
    let mut window = Window::in_a_call();
    window.measure(1);
    window.measure(2);
    window.wait(Duration::from_secs(768));
    for words in ["ben", "12:48", "Encrypted", "720p · 30 fps", "You"] {
        assert!(window.shows(words), "{words}");
    }
    window.snapshot("call");
}

#[test]
fn before_the_keys_are_agreed_nothing_is_called_encrypted() {
    let mut window = Window::in_a_call();
    assert!(!window.shows("Encrypted"));
}

#[test]
fn muting_is_sent_and_shown() {
    let mut window = Window::in_a_call();
    window.press("call/microphone");
    assert_eq!(window.asked(), [Command::SetMicrophone(false)]);
    assert!(window.shows("You, muted"));
    window.ctrl("d");
    assert_eq!(window.asked(), [Command::SetMicrophone(true)]);
    assert!(window.shows("You"));
}

#[test]
fn the_camera_goes_off_and_on() {
    let mut window = Window::in_a_call();
    window.ctrl("e");
    assert_eq!(window.asked(), [Command::SetCamera(false)]);
    assert!(window.shows("Your camera is off"));
    window.press("call/camera");
    assert_eq!(window.asked(), [Command::SetCamera(true)]);
}

#[test]
fn a_camera_that_was_given_up_is_off_and_can_be_tried_again() {
    let mut window = Window::in_a_call();
    window.hear(Event::Notice(Notice::CameraGivenUp("it is in use".into())));
    assert!(window.shows("Your camera is off"));
    window.press("call/camera");
    assert_eq!(window.asked(), [Command::SetCamera(true)]);
}

#[test]
fn the_peers_camera_being_off_is_said() {
    let mut window = Window::in_a_call();
    window.call(CallEvent::PeerMedia {
        microphone: false,
        camera: false,
    });
    assert!(window.shows("The camera is off"));
    window.press("call/microphone");
    window.snapshot("call-camera-off");
}

#[test]
fn a_screen_is_shared_and_no_longer() {
    let mut window = Window::in_a_call();
    window.press("call/screen");
    assert_eq!(window.asked(), [Command::SetScreen(Some(VideoChoice::Screen))]);
    window.ctrl("s");
    assert_eq!(window.asked(), [Command::SetScreen(None)]);
}

#[test]
fn a_screen_that_nobody_can_see_is_not_shared_and_the_reason_is_said() {
    let mut window = Window::in_a_call();
    window.press("call/screen");
    window.hear(Event::Notice(Notice::NoScreen));
    assert!(window.shows(
        "Your screen cannot be shared: RoomRTC sees the screens of X11 sessions only. Log in to one to share it."
    ));
    window.asked();
    window.press("call/screen");
    assert_eq!(window.asked(), [Command::SetScreen(Some(VideoChoice::Screen))]);
}

#[test]
fn the_peers_screen_has_the_stage_and_its_camera_a_corner() {
    let mut window = Window::in_a_call();
    window.screen.put(portrait(1920, 1080, true));
    window.call(CallEvent::Screen {
        ours: false,
        peers: true,
    });
    window.snapshot("call-screen");
    window.call(CallEvent::PeerMedia {
        microphone: true,
        camera: false,
    });
    assert!(!window.shows("The camera is off"), "the screen is to be seen");
    window.call(CallEvent::Screen {
        ours: false,
        peers: false,
    });
    assert!(window.shows("The camera is off"));
}

#[test]
fn who_holds_the_call_is_said() {
    let mut window = Window::in_a_call();
    window.press("call/hold");
    assert_eq!(window.asked(), [Command::SetHold(true)]);
    window.call(CallEvent::Hold {
        ours: true,
        peers: false,
    });
    assert!(window.shows("You hold the call. Nobody hears or sees you."));
    window.ctrl("p");
    assert_eq!(window.asked(), [Command::SetHold(false)]);
    window.call(CallEvent::Hold {
        ours: false,
        peers: true,
    });
    assert!(window.shows("ben holds the call"));
    window.snapshot("call-held");
    window.call(CallEvent::Hold {
        ours: false,
        peers: false,
    });
    assert!(!window.shows("ben holds the call"));
}

#[test]
fn figures_show_every_number_and_every_mailbox() {
    let mut window = Window::in_a_call();
    window.ctrl("i");
    assert!(window.shows("No figures yet"));
    for second in 1..40 {
        window.measure(second);
    }
    for words in [
        "H264 1280×720",
        "28, 37 ms",
        "RTCP REPORTS",
        "host/host",
        "97 ms",
        "sctp_association",
        "encoder/video",
        "121 MB",
    ] {
        assert!(window.shows(words), "{words}");
    }
    window.snapshot("call-figures");
    window.ctrl("i");
    assert!(!window.shows("RTCP REPORTS"));
}

#[test]
fn hanging_up_leads_to_the_lobby_and_is_remembered() {
    let mut window = Window::in_a_call();
    window.key(Key::Character("H".into()), Modifiers::CTRL | Modifiers::SHIFT);
    assert_eq!(window.asked(), [Command::HangUp]);
    window.call(CallEvent::Ended {
        user: "ben".into(),
        reason: CallEnd::Signaled(EndReason::HungUp),
    });
    assert!(window.shows("Outgoing call"));
    assert_eq!(window.asked(), [Command::SetPreview(true)]);
}

#[test]
fn a_call_that_broke_says_why() {
    let mut window = Window::in_a_call();
    window.call(CallEvent::Ended {
        user: "ben".into(),
        reason: CallEnd::NoPath,
    });
    assert!(window.shows("No network path to ben was found. A firewall may block UDP between you."));
}

#[test]
fn a_call_outlives_the_server() {
    let mut window = Window::in_a_call();
    window.hear(Event::Connection(ConnectionState::Reconnecting {
        attempt: 1,
        after: Duration::from_millis(300),
    }));
    assert!(window.shows("Your call goes on without it."));
    assert!(window.offers("call/hang-up"));
    window.call(CallEvent::Reconnecting);
    assert!(window.shows("Nothing arrives just now. Trying to reconnect…"));
    window.snapshot("call-reconnecting");
    window.call(CallEvent::Resumed);
    assert!(!window.shows("Nothing arrives just now. Trying to reconnect…"));
}

#[test]
fn a_peer_whose_client_is_gone_is_waited_for() {
    let mut window = Window::in_a_call();
    let user = || "ben".to_owned();
    window.call(CallEvent::PeerAway {
        user: user(),
        wait: Duration::from_secs(45),
    });
    let words = "ben has lost the connection. Waiting for them to come back…";
    assert!(!window.shows(words), "while media flows it is nobody's concern");
    window.call(CallEvent::Reconnecting);
    assert!(window.shows(words));
    window.snapshot("call-peer-away");
    window.call(CallEvent::PeerBack { user: user() });
    window.call(CallEvent::Resumed);
    assert!(!window.shows(words));
}
