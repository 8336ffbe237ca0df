//! The way in.

use iced::keyboard::key::Named;
use roomrtc::app::{Errand, WindowSettings};
use roomrtc::saved::{Appearance, Saved};
use roomrtc_actors::ui_bridge::{CallEvent, Command, ConnectionState, Event, Password};
use roomrtc_actors::unfinished_call::{AcceptedCall, UnfinishedCall};
use roomrtc_protocol::signaling::messages::{CallId, ErrorCode, GoodbyeReason};

use crate::fixture::{Window, settings};

const FINGERPRINT: &str = "sha256:3f9a01c2d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f";

fn connect(server: &str) -> Command {
    Command::Connect {
        server: server.into(),
    }
}

fn log_in(user: &str, password: &str, take_over: bool) -> Command {
    Command::LogIn {
        user: user.into(),
        password: Password(password.into()),
        take_over,
    }
}

fn filled_in() -> Window {
    let mut window = Window::opened();
    window.type_into("login/server", "here:8443");
    window.type_into("login/user", "ana");
    window.type_into("login/password", "pass");
    window
}

#[test]
fn ana_types_where_and_who_and_is_in_the_lobby() {
    let mut window = filled_in();
    window.snapshot("login");
    window.press("login/submit");
    assert_eq!(window.asked(), [connect("here:8443")]);
    assert!(window.shows("Connecting…"));

    window.hear(Event::Connection(ConnectionState::Connected));
    assert_eq!(window.asked(), [log_in("ana", "pass", false)]);

    window.hear(Event::LoggedIn {
        user: "ana".into(),
        resumed: false,
    });
    assert!(window.shows("Camera check"));
    assert_eq!(window.asked(), [Command::ListInvites, Command::SetPreview(true)]);
}

#[test]
fn an_unknown_server_is_trusted_only_after_its_fingerprint_was_shown() {
    let mut window = filled_in();
    window.press("login/submit");
    window.asked();
    window.hear(Event::UnknownServer {
        fingerprint: FINGERPRINT.into(),
    });
    assert!(window.shows("Is this your server?"));
    assert!(window.shows("3f9a 01c2 d4e5 f607 1829 3a4b 5c6d 7e8f 90a1 b2c3 d4e5 f607 1829 3a4b 5c6d 7e8f"));
    window.snapshot("login-unknown-server");
    window.press("login/trust");
    let trust = Command::TrustServer {
        fingerprint: FINGERPRINT.into(),
    };
    assert_eq!(window.asked(), [trust]);
    window.hear(Event::Connection(ConnectionState::Connected));
    assert_eq!(window.asked(), [log_in("ana", "pass", false)]);
}

#[test]
fn an_unknown_server_can_be_left() {
    let mut window = filled_in();
    window.press("login/submit");
    window.asked();
    window.hear(Event::UnknownServer {
        fingerprint: FINGERPRINT.into(),
    });
    window.press("login/back");
    assert_eq!(window.asked(), [Command::Disconnect]);
    assert!(window.offers("login/submit"));
}

#[test]
fn a_server_whose_certificate_changed_is_refused() {
    let mut window = filled_in();
    window.press("login/submit");
    window.hear(Event::ServerChanged {
        expected: FINGERPRINT.into(),
        actual: FINGERPRINT.replace("3f", "40"),
    });
    window.hear(Event::Connection(ConnectionState::Failed(
        "certificate changed".into(),
    )));
    assert!(window.shows("Not the server you trusted"));
    assert!(!window.offers("login/trust"));
    window.snapshot("login-server-changed");
    window.press("login/back");
    assert!(window.offers("login/submit"));
}

#[test]
fn a_session_elsewhere_is_taken_over_or_left() {
    let mut window = filled_in();
    window.press("login/submit");
    window.hear(Event::Connection(ConnectionState::Connected));
    window.asked();
    window.hear(Event::Refused {
        code: ErrorCode::AlreadyLoggedIn,
        retry_after: None,
    });
    window.snapshot("login-take-over");
    window.press("login/take-over");
    assert_eq!(window.asked(), [log_in("ana", "pass", true)]);

    window.hear(Event::Refused {
        code: ErrorCode::AlreadyLoggedIn,
        retry_after: None,
    });
    window.named(Named::Escape);
    assert!(window.offers("login/submit"));
    assert_eq!(window.asked(), []);
}

#[test]
fn an_error_is_a_sentence_that_says_what_to_do() {
    let mut window = filled_in();
    window.press("login/submit");
    window.hear(Event::Connection(ConnectionState::Failed(
        "connection refused".into(),
    )));
    assert!(window.shows(
        "No connection to here:8443 (connection refused). Check the address, and that the server is running."
    ));
    window.press("login/submit");
    window.hear(Event::Connection(ConnectionState::Connected));
    window.hear(Event::Refused {
        code: ErrorCode::BadCredentials,
        retry_after: None,
    });
    assert!(window.shows("User name or password is wrong. Check both and try again."));
    window.snapshot("login-wrong-password");
    // connected already: the second try goes straight to the point
    window.asked();
    window.press("login/submit");
    assert_eq!(window.asked(), [log_in("ana", "pass", false)]);
}

#[test]
fn an_account_is_made_and_used_at_once() {
    let mut window = filled_in();
    window.press("login/mode-register");
    window.press("login/submit");
    assert!(window.shows("The two passwords differ. Type them again."));
    window.type_into("login/again", "pass");
    window.snapshot("login-register");
    window.press("login/submit");
    window.hear(Event::Connection(ConnectionState::Connected));
    let register = Command::Register {
        user: "ana".into(),
        password: Password("pass".into()),
    };
    assert_eq!(window.asked(), [connect("here:8443"), register]);
    window.hear(Event::Registered { user: "ana".into() });
    assert_eq!(window.asked(), [log_in("ana", "pass", false)]);
}

#[test]
fn a_window_started_for_a_server_connects_at_once() {
    let mut settings = settings();
    settings.server = Some("127.0.0.1:8443".into());
    let mut window = Window::opened_with(settings, Saved::default());
    assert_eq!(window.asked(), [connect("127.0.0.1:8443")]);
    window.hear(Event::Connection(ConnectionState::Connected));
    assert_eq!(window.asked(), []);
    assert!(window.offers("login/submit"));
}

#[test]
fn the_first_login_is_offered_the_configured_server_and_theme() {
    let mut settings = settings();
    settings.habits.server = "calls.example.org".into();
    settings.habits.appearance = Appearance::Light;
    let mut window = Window::opened_with(settings.clone(), Saved::default());
    window.type_into("login/user", "ana");
    window.type_into("login/password", "pass");
    window.press("login/submit");
    assert_eq!(window.asked(), [connect("calls.example.org")]);

    let saved = Saved {
        server: "other.example.org".into(),
        appearance: Some(Appearance::Dark),
        ..Saved::default()
    };
    let light = window.app.theme();
    let mut window = Window::opened_with(settings, saved);
    assert_ne!(window.app.theme(), light);
    window.type_into("login/user", "ana");
    window.type_into("login/password", "pass");
    window.press("login/submit");
    assert_eq!(window.asked(), [connect("other.example.org")]);
}

/// A window whose last run died in a call with ben.
fn cut_off_then(rejoin: bool) -> Window {
    let unfinished = UnfinishedCall {
        server: "here:8443".into(),
        token: "secret".into(),
        call: AcceptedCall {
            call: CallId(7),
            user: "ben".into(),
            caller: true,
        },
    };
    let settings = WindowSettings {
        unfinished: Some(unfinished),
        rejoin,
        server: Some("there:8443".into()),
        ..settings()
    };
    Window::opened_with(settings, Saved::default())
}

fn cut_off() -> Window {
    cut_off_then(false)
}

#[test]
fn a_window_that_starts_itself_anew_goes_back_to_its_call_without_asking() {
    let mut window = cut_off_then(true);
    assert_eq!(window.asked(), [Command::Rejoin]);
}

#[test]
fn a_window_that_died_in_a_call_offers_to_rejoin_it() {
    let mut window = cut_off();
    assert_eq!(window.asked(), [], "not before the user has decided");
    assert!(window.shows("Your call with ben was cut off. It may still be going on."));
    window.snapshot("login-rejoin");
    window.press("login/rejoin");
    assert_eq!(window.asked(), [Command::Rejoin]);
    let ben = || "ben".to_owned();
    window.call(CallEvent::Rejoining { user: ben() });
    window.hear(Event::Connection(ConnectionState::Connected));
    window.hear(Event::LoggedIn {
        user: "ana".into(),
        resumed: true,
    });
    window.call(CallEvent::Connecting { user: ben() });
    assert!(window.shows("Connecting securely…"));
}

#[test]
fn a_call_that_was_cut_off_can_be_left_for_good() {
    let mut window = cut_off();
    window.press("login/leave-call");
    assert_eq!(window.asked(), [Command::LeaveUnfinished]);
    window.hear(Event::Connection(ConnectionState::Connected));
    window.hear(Event::LoggedIn {
        user: "ana".into(),
        resumed: true,
    });
    assert!(window.shows("Camera check"));
}

#[test]
fn an_errand_registers_or_logs_in_and_calls() {
    let mut settings = settings();
    settings.server = Some("127.0.0.1:8443".into());
    settings.errand = Some(Errand {
        user: "ana".into(),
        password: "pass".into(),
        register: true,
        call: Some("ben".into()),
        answer_after: None,
    });
    let mut window = Window::opened_with(settings, Saved::default());
    window.hear(Event::Connection(ConnectionState::Connected));
    window.asked();
    window.hear(Event::Refused {
        code: ErrorCode::UserNameTaken,
        retry_after: None,
    });
    assert_eq!(window.asked(), [log_in("ana", "pass", false)]);
    window.hear(Event::LoggedIn {
        user: "ana".into(),
        resumed: false,
    });
    window.hear(Event::Users(crate::fixture::people()));
    window.hear(Event::Users(crate::fixture::people()));
    let call = Command::Call { user: "ben".into() };
    assert_eq!(
        window.asked(),
        [Command::ListInvites, Command::SetPreview(true), call]
    );
}

#[test]
fn being_taken_over_leads_back_with_the_reason() {
    let mut window = Window::in_the_lobby();
    window.hear(Event::LoggedOut {
        reason: GoodbyeReason::TakenOver,
    });
    assert!(window.shows("You logged in somewhere else, so this session has ended."));
    assert_eq!(window.asked(), [Command::SetPreview(false)]);
}
