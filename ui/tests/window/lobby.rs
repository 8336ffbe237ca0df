//! Between calls.

use std::time::Duration;

use iced::keyboard::key::Named;
use iced::keyboard::{Key, Modifiers};
use roomrtc_actors::ui_bridge::{CallEnd, CallEvent, Command, ConnectionState, Event};
use roomrtc_protocol::signaling::messages::{EndReason, ErrorCode, OpenInvite, Presence, UserPresence};

use crate::fixture::Window;

#[test]
fn people_are_grouped_by_what_they_do() {
    let mut window = Window::in_the_lobby();
    for words in ["AVAILABLE", "IN A CALL", "OFFLINE", "ben", "dmitri", "farid"] {
        assert!(window.shows(words), "{words}");
    }
    window.snapshot("lobby");
}

#[test]
fn a_search_narrows_the_list_and_enter_takes_the_first() {
    let mut window = Window::in_the_lobby();
    window.type_into("lobby/search", "grace");
    assert!(window.shows("grace_hopper"));
    assert!(!window.shows("AVAILABLE"));
    window.with(|screen| {
        screen.click("grace").expect("the field");
        screen.tap_key(Key::Named(Named::Enter));
    });
    assert!(window.shows("· You can call when they are back"));
    window.type_into("lobby/search", "x");
    assert!(window.shows("Nobody is called “gracex”."));
}

#[test]
fn ana_calls_ben_and_takes_it_back() {
    let mut window = Window::in_the_lobby();
    window.press("person/ben");
    window.press("lobby/call");
    assert_eq!(window.asked(), [Command::Call { user: "ben".into() }]);
    window.call(CallEvent::Outgoing { user: "ben".into() });
    assert!(window.shows("Asking the server…"));
    window.call(CallEvent::Ringing { user: "ben".into() });
    assert!(window.shows("Ringing…"));
    window.snapshot("outgoing");
    window.press("outgoing/cancel");
    assert_eq!(window.asked(), [Command::CancelCall]);
    window.call(CallEvent::Ended {
        user: "ben".into(),
        reason: CallEnd::Signaled(EndReason::Cancelled),
    });
    assert!(window.shows("Call not taken"));
}

#[test]
fn only_somebody_available_can_be_called() {
    let mut window = Window::in_the_lobby();
    for user in ["dmitri", "farid"] {
        window.press(&format!("person/{user}"));
        assert!(!window.offers("lobby/call"), "{user}");
        window.key(Key::Named(Named::Enter), Modifiers::CTRL);
    }
    assert_eq!(window.asked(), []);
    // Dmitri hangs up elsewhere: the button comes alive by itself
    window.press("person/dmitri");
    window.hear(Event::Users(vec![UserPresence {
        user: "dmitri".into(),
        presence: Presence::Available,
    }]));
    assert!(window.offers("lobby/call"));
}

#[test]
fn the_first_user_of_a_server_is_told_what_to_do() {
    let mut window = Window::in_the_lobby();
    window.hear(Event::Users(Vec::new()));
    assert!(window.shows("Nobody else is here yet"));
    window.snapshot("lobby-empty");
}

#[test]
fn an_incoming_call_is_taken_by_the_keyboard() {
    let mut window = Window::in_the_lobby();
    window.call(CallEvent::Incoming { user: "ben".into() });
    assert!(window.shows("Incoming video call"));
    assert_eq!(window.app.title(), "ben is calling – RoomRTC – ana");
    window.snapshot("incoming");
    window.named(Named::Enter);
    assert_eq!(window.asked(), [Command::Accept]);
    window.call(CallEvent::Connecting { user: "ben".into() });
    assert!(window.shows("Connecting securely…"));
    assert!(!window.shows("Incoming video call"));
    window.snapshot("call-connecting");
}

#[test]
fn an_incoming_call_is_declined_by_key_or_button() {
    let mut window = Window::in_the_lobby();
    window.call(CallEvent::Incoming { user: "ben".into() });
    window.named(Named::Escape);
    assert_eq!(window.asked(), [Command::Decline]);
    window.call(CallEvent::Incoming { user: "ben".into() });
    window.press("incoming/decline");
    assert_eq!(window.asked(), [Command::Decline]);
    assert!(!window.shows("Incoming video call"));
}

#[test]
fn the_incoming_card_covers_nothing() {
    let mut window = Window::in_the_lobby();
    window.press("person/carla.mendez");
    window.call(CallEvent::Incoming { user: "ben".into() });
    for id in ["lobby/settings", "lobby/log-out", "lobby/preview"] {
        assert!(window.offers(id), "{id}");
    }
    window.press("lobby/settings");
    assert!(window.shows("Appearance"));
    assert!(window.offers("incoming/accept"));
}

#[test]
fn a_missed_call_is_remembered() {
    let mut window = Window::in_the_lobby();
    window.call(CallEvent::Incoming { user: "ben".into() });
    window.call(CallEvent::Ended {
        user: "ben".into(),
        reason: CallEnd::Signaled(EndReason::NoAnswer),
    });
    assert!(window.shows("You missed a call from ben."));
    assert!(window.shows("Missed call"));
}

#[test]
fn a_refusal_is_said_and_goes_away_by_itself() {
    let mut window = Window::in_the_lobby();
    window.hear(Event::Refused {
        code: ErrorCode::UserBusy,
        retry_after: None,
    });
    assert!(window.shows("They are in another call. Try again later."));
    window.snapshot("lobby-toast");
    window.wait(Duration::from_secs(10));
    assert!(!window.shows("They are in another call. Try again later."));
}

#[test]
fn a_lost_server_is_said_until_it_is_back() {
    let mut window = Window::in_the_lobby();
    window.hear(Event::Connection(ConnectionState::Reconnecting {
        attempt: 2,
        after: Duration::from_secs(4),
    }));
    assert!(window.shows("Lost the server. Trying again in 4 seconds (attempt 2)."));
    assert!(!window.offers("lobby/call"));
    window.snapshot("lobby-offline");
    window.hear(Event::Connection(ConnectionState::Connected));
    window.hear(Event::LoggedIn {
        user: "ana".into(),
        resumed: true,
    });
    assert!(window.shows("Back online."));
    assert!(window.offers("lobby/call"));
}

fn open(invites: &[(&str, u64)]) -> Event {
    let open = invites.iter().map(|(invite, expires_in_s)| OpenInvite {
        invite: (*invite).into(),
        expires_in_s: *expires_in_s,
    });
    Event::Invites(open.collect())
}

#[test]
fn open_links_are_listed_copied_again_and_taken_back() {
    let mut window = Window::in_the_lobby();
    assert!(!window.shows("LINKS FOR GUESTS"));
    window.press("lobby/invite");
    assert_eq!(window.asked(), [Command::Invite]);
    window.hear(Event::Invited {
        invite: "new".into(),
        url: "https://calls.example.org:8443/join/secret".into(),
        expires_in: Duration::from_secs(86_400),
    });
    assert_eq!(window.asked(), [Command::ListInvites]);
    // Another one was made at another time: its address is known to nobody any more.
    window.hear(open(&[("old", 1_500), ("new", 86_400)]));
    for words in ["LINKS FOR GUESTS", "Good for 25 minutes", "Good for 24 hours"] {
        assert!(window.shows(words), "{words}");
    }
    assert!(window.offers("link/copy/new") && !window.offers("link/copy/old"));
    window.snapshot("lobby-links");
    window.press("link/copy/new");
    assert!(window.shows("The link is on your clipboard again."));
    window.press("link/revoke/old");
    let invite = "old".to_owned();
    assert_eq!(
        window.asked(),
        [Command::RevokeInvite {
            invite: invite.clone()
        }]
    );
    window.hear(Event::InviteRevoked { invite });
    assert!(window.shows("That link is void now: nobody can join by it."));
    assert_eq!(window.asked(), [Command::ListInvites]);
    window.hear(open(&[("new", 86_000)]));
    assert!(!window.offers("link/revoke/old") && window.offers("link/copy/new"));

    // A guest who rings has used one.
    window.call(CallEvent::Incoming {
        user: "Gus (guest)".into(),
    });
    assert_eq!(window.asked(), [Command::ListInvites]);
    window.hear(open(&[]));
    assert!(!window.shows("LINKS FOR GUESTS"));
}

#[test]
fn many_open_links_leave_room_for_the_people() {
    let mut window = Window::in_the_lobby();
    let names: Vec<String> = (0..20).map(|number| format!("{number}")).collect();
    let invites: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 86_400)).collect();
    window.hear(open(&invites));
    assert!(window.offers("link/revoke/0"));
    assert!(window.offers("person/ben") && window.offers("lobby/invite"));
    window.snapshot("lobby-many-links");
}

#[test]
fn the_camera_can_stay_closed() {
    let mut window = Window::in_the_lobby();
    window.press("lobby/preview");
    assert_eq!(window.asked(), [Command::SetPreview(false)]);
    assert!(window.shows("The camera is closed. Others see you only in calls."));
    window.press("lobby/preview");
    assert_eq!(window.asked(), [Command::SetPreview(true)]);
}

#[test]
fn tab_reaches_a_button_and_enter_presses_it() {
    let mut window = Window::in_the_lobby();
    window.press("person/ben");
    window.focus_and_press_enter("lobby/call");
    assert_eq!(window.asked(), [Command::Call { user: "ben".into() }]);
}

#[test]
fn settings_change_the_theme_and_the_devices() {
    let mut window = Window::in_the_lobby();
    window.press("lobby/settings");
    window.snapshot("settings");
    window.press("settings/light");
    window.snapshot("settings-light");
    window.press_words("No pictures");
    assert!(matches!(
        window.asked().as_slice(),
        [Command::SetPreview(false), Command::ChooseMedia(_)]
    ));
    window.named(Named::Escape);
    assert!(window.shows("Camera check"));
    window.snapshot("lobby-light");
}

#[test]
fn every_key_is_listed() {
    let mut window = Window::in_the_lobby();
    window.key(Key::Character("?".into()), Modifiers::SHIFT);
    assert!(window.shows("Mute or unmute"));
    window.snapshot("shortcuts");
    window.named(Named::Escape);
    assert!(!window.shows("Mute or unmute"));
}

#[test]
fn logging_out_leads_to_the_form() {
    let mut window = Window::in_the_lobby();
    window.press("lobby/log-out");
    assert_eq!(window.asked(), [Command::LogOut]);
}
