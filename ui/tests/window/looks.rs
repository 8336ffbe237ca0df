//! Small windows, long names, the light theme: pictures for people to judge.

use iced::Size;
use roomrtc::recent::{Recent, What};
use roomrtc::saved::Saved;
use roomrtc_actors::ui_bridge::{CallEvent, Event, FileEvent, TransferId};

use crate::fixture::{Window, settings};

const SMALL: Size = Size::new(900.0, 600.0);

#[test]
fn a_small_window_still_has_every_button() {
    let mut window = Window::in_the_lobby();
    window.resize(SMALL);
    window.press("person/Elisabeth-Charlotte.von.der.Pfalz");
    for id in ["lobby/call", "lobby/settings", "lobby/log-out", "lobby/preview"] {
        assert!(window.offers(id), "{id}");
    }
    window.snapshot("small-lobby");
    window.call(CallEvent::Incoming {
        user: "Elisabeth-Charlotte.von.der.Pfalz".into(),
    });
    window.snapshot("small-incoming");
    for id in ["incoming/accept", "incoming/decline"] {
        assert!(window.offers(id), "{id}");
    }
}

#[test]
fn a_small_call_still_has_every_button() {
    let mut window = Window::in_a_call();
    window.resize(SMALL);
    window.measure(1);
    window.snapshot("small-call");
    window.hear(Event::File(FileEvent::Incoming {
        transfer: TransferId(1),
        name: "report.pdf".into(),
        size: 300,
        media_type: String::new(),
    }));
    for id in [
        "call/microphone",
        "call/camera",
        "call/files",
        "call/figures",
        "call/hang-up",
    ] {
        assert!(window.offers(id), "{id}");
    }
    window.snapshot("small-call-files");
}

#[test]
fn a_small_login_still_has_every_field() {
    let mut window = Window::opened();
    window.resize(SMALL);
    window.snapshot("small-login");
    assert!(window.offers("login/submit"));
}

#[test]
fn the_light_theme_suits_a_call_too() {
    let mut window = Window::in_the_lobby();
    window.press("lobby/settings");
    window.press("settings/light");
    window.call(CallEvent::Outgoing { user: "ben".into() });
    window.call(CallEvent::Connecting { user: "ben".into() });
    window.call(CallEvent::Connected {
        user: "ben".into(),
        setup: Default::default(),
    });
    window.remote.put(crate::fixture::portrait(1280, 720, false));
    for second in 1..20 {
        window.measure(second);
    }
    window.press("call/figures");
    window.snapshot("call-light");
}

#[test]
fn all_figures_fit_a_tall_window() {
    let mut window = Window::in_a_call();
    window.resize(Size::new(1180.0, 1640.0));
    for second in 1..40 {
        window.measure(second);
    }
    window.press("call/figures");
    window.snapshot("call-figures-tall");
}

#[test]
fn a_large_window_is_filled() {
    let mut window = Window::in_the_lobby();
    window.resize(Size::new(1600.0, 1000.0));
    window.snapshot("large-lobby");
}

#[test]
fn a_lobby_with_a_past_is_a_list_of_it() {
    let mut recent = Recent::default();
    let file = |name: &str, size| (name.to_owned(), size);
    let ((report, small), (film, large)) = (
        file("report.pdf", 4_200_000),
        file("holiday-film.mkv", 2_400_000_000),
    );
    for (peer, what) in [
        ("ben", What::Incoming { seconds: 1440 }),
        ("carla.mendez", What::Missed),
        (
            "ben",
            What::Sent {
                name: film,
                size: large,
            },
        ),
        ("ben", What::Outgoing { seconds: None }),
        (
            "ben",
            What::Received {
                name: report,
                size: small,
            },
        ),
        ("ben", What::Outgoing { seconds: Some(4320) }),
    ] {
        recent.add(peer.into(), what, 10);
    }
    let saved = Saved {
        server: "calls.example.org:8443".into(),
        recent,
        ..Saved::default()
    };
    let mut window = Window::in_the_lobby_with(settings(), saved);
    for words in ["1 h 12 min", "report.pdf", "2.4 GB", "Call not taken"] {
        assert!(window.shows(words), "{words}");
    }
    assert!(!window.shows("Missed call"));
    window.snapshot("lobby-recent");
    window.press("lobby/recent-all");
    assert!(window.shows("Missed call"));
    window.snapshot("lobby-recent-all");
}
