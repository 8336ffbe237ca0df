//! The actors: their tree, one of them, what can be done to them.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use iced::keyboard::Modifiers;
use iced::keyboard::key::Named;
use roomrtc::app::{Message, WindowSettings};
use roomrtc::bridge::Actors;
use roomrtc::overlay::actors;
use roomrtc::recording::words;
use roomrtc::saved::Saved;
use roomrtc_actors::recorder::State;
use roomrtc_actors::ui_bridge::{CallEnd, CallEvent};
use roomrtc_kit::{MeterView, Order};
use roomrtc_protocol::signaling::messages::EndReason;

use crate::fixture::{Window, settings};

/// Six actors on three threads that handle a little more at every look.
#[derive(Default)]
pub(crate) struct ActorsStage {
    looks: AtomicU64,
    watched: AtomicBool,
    chaos: AtomicBool,
    recording: Mutex<State>,
    orders: Mutex<Vec<(String, Order)>>,
}

/// Name, supervisor, strategy, thread, messages at each look, restarts.
const CAST: [(&str, u32, &str, &str, u64, u32); 7] = [
    ("client", 0, "one for one", "control", 1, 0),
    ("client/root", 1, "", "control", 4, 0),
    ("call", 2, "one for one", "control", 0, 0),
    ("call/ice_agent", 3, "", "network", 240, 0),
    ("call/rtp_receiver/video", 3, "", "network", 130, 0),
    ("call/encoder/video", 3, "", "media", 30, 2),
    ("call/decoder/video", 3, "", "media", 31, 0),
];

impl Actors for ActorsStage {
    fn mailboxes(&self, with_messages: bool) -> Vec<MeterView> {
        let looks = self.looks.fetch_add(1, Relaxed) + 1;
        let actors = CAST.iter().zip(1_u32..);
        actors
            .map(|(&(name, parent, strategy, thread, messages, restarts), id)| {
                let handled = looks * messages;
                let note = serde_json::json!({"at_ns": 5_250_000_000_u64, "kind": "EncodeFrame", "from": 7, "wait_ns": 12_000,
                    "work_ns": 4_100_000, "brief": "1280×720"});
                let notes = if with_messages && id == 6 { vec![note] } else { Vec::new() };
                let json = serde_json::json!({
                    "id": id, "name": name, "parent": parent, "thread": thread,
                    "strategy": (!strategy.is_empty()).then_some(strategy),
                    "resume": (id == 6).then_some("1500 kbit/s"),
                    "status": "running", "lives": restarts + 1, "depth": if id == 6 { 24 } else { 0 }, "deepest": 3 + id,
                    "busy": null, "last_error": (restarts > 0).then_some("panicked: ordered to panic"),
                    "kinds": [{"name": "EncodeFrame", "room": {"newest": 1}, "accepted": handled, "handled": handled,
                        "dropped": restarts, "dead": 0, "waiting": 0, "wait_ns": [9_000, 60_000, 400_000],
                        "work_ns": [4_000_000, 6_100_000, 9_900_000]}],
                    "notes": notes,
                    "senders": [[if id > 3 { id - 1 } else { 0 }, handled]],
                });
                serde_json::from_value(json).expect("a mailbox")
            })
            .collect()
    }

    fn watch(&self, on: bool) {
        self.watched.store(on, Relaxed);
    }

    fn may_order(&self) -> bool {
        self.chaos.load(Relaxed)
    }

    fn order(&self, name: &str, order: Order) {
        self.orders
            .lock()
            .expect("not poisoned")
            .push((name.to_owned(), order));
    }

    fn recording(&self) -> Option<State> {
        Some(self.recording.lock().expect("not poisoned").clone())
    }

    fn record(&self, on: bool) {
        let file = "/home/ana/recordings/call-1.jsonl".into();
        *self.recording.lock().expect("not poisoned") = match on {
            true => State::Recording { file },
            false => State::Done {
                file,
                bytes: 2_412_334,
                lost: 0,
                full: false,
            },
        };
    }

    fn call_over(&self) {
        self.record(false);
    }
}

/// The overlay, opened in a call, after two seconds.
fn opened() -> Window {
    let mut window = Window::in_a_call();
    window.named(Named::F12);
    look(&mut window, 2);
    window
}

fn look(window: &mut Window, seconds: u64) {
    let start = Instant::now();
    for half in 1..=seconds * 2 {
        let now = start + Duration::from_millis(500 * half);
        let _ = window.app.update(Message::Actors(actors::Message::Look(now)));
    }
}

/// A server of these actors, whose admin socket is in `folder`.
fn admin_socket(folder: &Path, names: &[&str]) -> PathBuf {
    let path = folder.join("admin.sock");
    let socket = UnixListener::bind(&path).expect("a socket");
    let mut actors = ActorsStage::default().mailboxes(false);
    actors.truncate(names.len());
    for (actor, name) in actors.iter_mut().zip(names) {
        (actor.name, actor.parent) = ((*name).to_owned(), 0);
    }
    let answer = serde_json::json!({"event": "actors", "actors": actors}).to_string();
    std::thread::spawn(move || {
        for guest in socket.incoming().map_while(Result::ok) {
            let (answer, mut write) = (answer.clone(), guest.try_clone().expect("a socket"));
            std::thread::spawn(move || {
                for line in BufReader::new(guest).lines().map_while(Result::ok) {
                    assert_eq!(line, r#"{"do":"actors"}"#);
                    if writeln!(write, "{answer}").is_err() {
                        return;
                    }
                }
            });
        }
    });
    path
}

#[test]
fn the_actors_of_a_server_on_this_machine_are_a_press_away_and_only_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = admin_socket(folder.path(), &["server", "server/calls"]);
    let settings = WindowSettings {
        admin_socket: Some(socket),
        ..settings()
    };
    let mut window = Window::in_the_lobby_with(settings, Saved::default());
    window.named(Named::F12);
    look(&mut window, 1);
    assert!(window.shows("ice_agent"));
    window.press("actors/server");
    assert!(
        !window.stage.watched.load(Relaxed),
        "the client's are not looked at meanwhile"
    );
    let start = Instant::now();
    while !window.shows("server/calls") {
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "no answer of the server"
        );
        std::thread::sleep(Duration::from_millis(20));
        look(&mut window, 1);
    }
    assert!(!window.shows("ice_agent"));
    window.snapshot("actors-server");
    window.press("actors/client");
    look(&mut window, 1);
    assert!(window.shows("ice_agent"));
}

#[test]
fn without_a_server_on_this_machine_nobody_is_asked() {
    let mut window = opened();
    assert!(!window.offers("actors/server"));
}

#[test]
fn the_tree_is_live_and_closes_without_a_trace() {
    let mut window = opened();
    assert!(window.stage.watched.load(Relaxed));
    for words in ["Actors", "ice_agent", "one for one", "24 / 9", "480", "network"] {
        assert!(window.shows(words), "{words}");
    }
    window.snapshot("actors");
    window.named(Named::F12);
    assert!(!window.shows("MSG/S"));
    assert!(!window.stage.watched.load(Relaxed));
}

#[test]
fn it_opens_in_the_lobby_too_and_escape_closes_it() {
    let mut window = Window::in_the_lobby();
    window.named(Named::F12);
    assert!(window.shows("client/root"));
    window.named(Named::Escape);
    assert!(!window.shows("client/root"));
}

#[test]
fn a_filter_and_a_column_order_the_list() {
    let mut window = opened();
    window.type_into(actors::FILTER, "video");
    assert!(window.shows("encoder/video") && !window.shows("ice_agent"));
    window.press("RESTARTS");
    assert!(window.shows("RESTARTS ↓"));
    let mut window = opened();
    window.type_into(actors::FILTER, "nobody");
    assert!(window.shows("No actor has such a name."));
}

#[test]
fn a_call_is_recorded_by_a_button_that_tells_where_until_it_is_over() {
    let mut window = opened();
    assert!(window.shows(&words(&State::Off)));
    window.press("actors/record");
    assert!(window.shows("Recording into /home/ana/recordings/call-1.jsonl"));
    assert!(window.shows("Stop recording"));
    window.snapshot("actors-recording");
    window.press("actors/record");
    assert!(window.shows("Recorded 2.4 MB: /home/ana/recordings/call-1.jsonl."));
    window.press("actors/record");
    window.call(CallEvent::Ended {
        user: "ben".into(),
        reason: CallEnd::Signaled(EndReason::HungUp),
    });
    assert!(matches!(
        *window.stage.recording.lock().expect("not poisoned"),
        State::Done { .. }
    ));
}

#[test]
fn a_frozen_list_stands_still() {
    let mut window = opened();
    window.press("actors/freeze");
    let looks = window.stage.looks.load(Relaxed);
    look(&mut window, 2);
    assert_eq!(window.stage.looks.load(Relaxed), looks);
    window.press("actors/freeze");
    look(&mut window, 1);
    assert!(window.stage.looks.load(Relaxed) > looks);
}

#[test]
fn one_actor_is_shown_with_its_messages_and_obeys_only_if_allowed() {
    let mut window = opened();
    window.press("actor/call/encoder/video");
    for words in [
        "Last death: panicked: ordered to panic",
        "1500 kbit/s",
        "newest 1",
    ] {
        assert!(window.shows(words), "{words}");
    }
    window.snapshot("actors-detail");
    assert!(!window.offers("actors/crash"), "it is shown, but does nothing");
    assert!(window.shows("Crash"));

    window.stage.chaos.store(true, Relaxed);
    window.press("actors/crash");
    window.press("actors/pause");
    window.press("actors/stop");
    let encoder = || "call/encoder/video".to_owned();
    assert_eq!(
        *window.stage.orders.lock().expect("not poisoned"),
        [
            (encoder(), Order::Panic),
            (encoder(), Order::Pause(Duration::from_secs(1))),
            ("call".to_owned(), Order::Stop),
        ]
    );
}

#[test]
fn the_arrows_choose_and_escape_leaves_the_detail_first() {
    let mut window = opened();
    window.named(Named::ArrowDown);
    window.named(Named::ArrowDown);
    assert!(window.shows("LATEST MESSAGES, IN AND OUT"));
    window.key(iced::keyboard::Key::Named(Named::Escape), Modifiers::empty());
    assert!(!window.shows("LATEST MESSAGES, IN AND OUT"));
    assert!(window.shows("MSG/S"));
}

#[test]
fn the_messages_are_drawn_as_a_graph() {
    let mut window = opened();
    window.press("actors/flow");
    assert!(!window.shows("MSG/S"));
    window.snapshot("actors-messages");
}
