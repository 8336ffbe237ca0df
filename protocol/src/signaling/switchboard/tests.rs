#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::signaling::messages::{DeclineReason, DescriptionKind};

mod absences;

const RING: Duration = Duration::from_secs(30);
const REJOIN: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_millis(1500);

/// A switchboard in virtual time, with what everybody heard.
struct Story {
    board: Switchboard,
    now: Instant,
    heard: Vec<(u64, ServerMessage)>,
    presence: HashMap<String, Presence>,
    admitted: HashMap<u64, Option<OngoingCall>>,
    refused: Vec<u64>,
    expelled: Vec<u64>,
}

fn name(text: &str) -> UserName {
    UserName::parse(text).unwrap()
}

fn call_to(user: &str) -> ClientMessage {
    ClientMessage::Call { user: user.into() }
}

fn candidate(call: CallId) -> ClientMessage {
    ClientMessage::Candidate {
        call,
        candidate: "candidate:1".into(),
        mid: "0".into(),
    }
}

impl Story {
    /// ana (session 1), ben (2) and cleo (3) are there; dora is registered.
    fn begin() -> Self {
        let mut story = Story::with(&["ana", "ben", "cleo", "dora"]);
        for (session, user) in [(1, "ana"), (2, "ben"), (3, "cleo")] {
            story.enter(session, user, Entry::Login { take_over: false });
        }
        story.heard.clear();
        story
    }

    fn with(users: &[&str]) -> Self {
        let settings = Settings {
            ring_timeout: RING,
            resume_grace: GRACE,
            rejoin: REJOIN,
            first_call: CallId(100),
        };
        let mut story = Story {
            board: Switchboard::new(settings),
            now: Instant::now(),
            heard: Vec::new(),
            presence: HashMap::new(),
            admitted: HashMap::new(),
            refused: Vec::new(),
            expelled: Vec::new(),
        };
        users.iter().for_each(|user| story.board.add_user(name(user)));
        story.drain();
        story
    }

    fn drain(&mut self) {
        while let Some(output) = self.board.poll_output() {
            match output {
                Output::Send { session, message } => self.heard.push((session.0, message)),
                Output::Presence { user, presence, .. } => {
                    self.presence.insert(user.to_string(), presence);
                }
                Output::Admitted { session, call, .. } => drop(self.admitted.insert(session.0, call)),
                Output::Refused { session } => self.refused.push(session.0),
                Output::Expelled { session, .. } => self.expelled.push(session.0),
            }
        }
    }

    fn enter(&mut self, session: u64, user: &str, entry: Entry) {
        self.board.handle_entry(SessionId(session), &name(user), entry);
        self.drain();
    }

    fn says(&mut self, session: u64, message: ClientMessage) {
        self.board.handle_message(self.now, SessionId(session), message);
        self.drain();
    }

    fn loses(&mut self, session: u64) {
        self.board.handle_loss(self.now, SessionId(session));
        self.drain();
    }

    fn passes(&mut self, time: Duration) {
        self.now += time;
        self.board.handle_timeout(self.now);
        self.drain();
    }

    /// ana calls ben; gives the call.
    fn ringing(&mut self) -> CallId {
        self.says(1, call_to("ben"));
        let call = CallId(100);
        assert_eq!(
            self.hears(1),
            [ServerMessage::Ringing {
                call,
                user: "ben".into()
            }]
        );
        assert_eq!(
            self.hears(2),
            [ServerMessage::Incoming {
                call,
                user: "ana".into()
            }]
        );
        call
    }

    /// ... and ben accepts.
    fn accepted(&mut self) -> CallId {
        let call = self.ringing();
        self.says(2, ClientMessage::Accept { call });
        for party in [1, 2] {
            assert_eq!(self.hears(party), [ServerMessage::Accepted { call }]);
        }
        call
    }

    /// What a session was told since it was asked last.
    fn hears(&mut self, session: u64) -> Vec<ServerMessage> {
        let (mine, others) = std::mem::take(&mut self.heard)
            .into_iter()
            .partition(|(to, _)| *to == session);
        self.heard = others;
        mine.into_iter().map(|(_, message): (u64, _)| message).collect()
    }

    fn both_hear_the_end(&mut self, call: CallId, reason: EndReason) {
        for party in [1, 2] {
            assert_eq!(
                self.hears(party),
                [ServerMessage::Ended { call, reason }],
                "session {party}"
            );
        }
        assert_eq!(self.presence["ana"], Presence::Available);
        assert_eq!(self.presence["ben"], Presence::Available);
        assert_eq!(self.board.next_timeout(), None);
    }

    fn is_refused(&mut self, session: u64, why: ErrorCode) {
        match self.hears(session).as_slice() {
            [ServerMessage::Error { code, .. }] => assert_eq!(*code, why),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn everybody_sees_who_is_there_and_who_is_busy() {
    let mut story = Story::begin();
    assert_eq!(story.presence["ana"], Presence::Available);
    assert_eq!(story.presence["dora"], Presence::Offline);
    story.ringing();
    assert_eq!(story.presence["ana"], Presence::Busy);
    assert_eq!(story.presence["ben"], Presence::Busy);
    story.loses(3);
    assert_eq!(story.presence["cleo"], Presence::Offline);
}

#[test]
fn a_call_is_accepted_relayed_and_hung_up() {
    let mut story = Story::begin();
    let call = story.accepted();
    let sdp = || "v=0".to_owned();
    story.says(
        1,
        ClientMessage::Description {
            call,
            kind: DescriptionKind::Offer,
            sdp: sdp(),
        },
    );
    let offer = ServerMessage::Description {
        call,
        kind: DescriptionKind::Offer,
        sdp: sdp(),
    };
    assert_eq!(story.hears(2), [offer]);
    story.says(2, candidate(call));
    let (candidate, mid) = ("candidate:1".into(), "0".into());
    assert_eq!(
        story.hears(1),
        [ServerMessage::Candidate { call, candidate, mid }]
    );
    story.says(2, ClientMessage::HangUp { call });
    story.both_hear_the_end(call, EndReason::HungUp);
}

#[test]
fn a_call_is_declined_or_cancelled_or_nobody_answers() {
    for (session, message, reason) in [
        (
            2,
            ClientMessage::Decline {
                call: CallId(100),
                reason: DeclineReason::Declined,
            },
            EndReason::Declined,
        ),
        (
            2,
            ClientMessage::Decline {
                call: CallId(100),
                reason: DeclineReason::Unable,
            },
            EndReason::Unable,
        ),
        (
            1,
            ClientMessage::Cancel { call: CallId(100) },
            EndReason::Cancelled,
        ),
    ] {
        let mut story = Story::begin();
        let call = story.ringing();
        story.says(session, message);
        story.both_hear_the_end(call, reason);
    }
    let mut story = Story::begin();
    let call = story.ringing();
    story.passes(RING - Duration::from_millis(1));
    assert_eq!(story.hears(1), []);
    story.passes(Duration::from_millis(1));
    story.both_hear_the_end(call, EndReason::NoAnswer);
}

#[test]
fn a_cancel_that_crosses_the_accept_still_ends_the_call() {
    let mut story = Story::begin();
    let call = story.accepted();
    story.says(1, ClientMessage::Cancel { call });
    story.both_hear_the_end(call, EndReason::HungUp);
}

#[test]
fn two_who_call_each_other_end_up_in_the_call_that_came_first() {
    let mut story = Story::begin();
    let call = story.ringing();
    story.says(2, call_to("ana"));
    story.is_refused(2, ErrorCode::AlreadyInCall);
    story.says(2, ClientMessage::Accept { call });
    assert_eq!(story.hears(1), [ServerMessage::Accepted { call }]);
    assert_eq!(story.board.calls(), 1);
}

#[test]
fn whom_one_cannot_call_says_why() {
    let mut story = Story::begin();
    for (user, why) in [
        ("ANA", ErrorCode::CalledSelf),
        ("zoe", ErrorCode::UnknownUser),
        ("no name", ErrorCode::UnknownUser),
        ("dora", ErrorCode::UserOffline),
    ] {
        story.says(1, call_to(user));
        story.is_refused(1, why);
    }
    story.ringing();
    story.says(3, call_to("ana"));
    story.is_refused(3, ErrorCode::UserBusy);
    story.says(3, call_to("ben"));
    story.is_refused(3, ErrorCode::UserBusy);
}

#[test]
fn nobody_answers_ends_or_relays_for_others() {
    for accepted in [false, true] {
        let mut story = Story::begin();
        let call = if accepted {
            story.accepted()
        } else {
            story.ringing()
        };
        for message in [
            ClientMessage::Accept { call },
            ClientMessage::Decline {
                call,
                reason: DeclineReason::Declined,
            },
            ClientMessage::Cancel { call },
            ClientMessage::HangUp { call },
            candidate(call),
        ] {
            story.says(3, message);
            story.is_refused(3, ErrorCode::UnknownCall);
        }
        assert_eq!(story.board.calls(), 1);
        assert!(story.heard.is_empty());
    }
}

#[test]
fn each_party_does_only_what_is_its_to_do() {
    let mut story = Story::begin();
    let call = story.ringing();
    for (session, message) in [
        (1, ClientMessage::Accept { call }),
        (
            1,
            ClientMessage::Decline {
                call,
                reason: DeclineReason::Declined,
            },
        ),
        (2, ClientMessage::Cancel { call }),
        (1, ClientMessage::HangUp { call }),
        (2, candidate(call)),
        (1, ClientMessage::LogOut),
    ] {
        story.says(session, message);
        story.is_refused(session, ErrorCode::NotAllowed);
    }
    story.says(2, ClientMessage::Accept { call });
    story.heard.clear();
    story.says(2, ClientMessage::Accept { call });
    story.is_refused(2, ErrorCode::NotAllowed);
    assert_eq!(story.board.calls(), 1);
}

/// Anything that may happen, to any of a few users, sessions and calls. Sessions are numbered as they enter.
#[derive(Clone, Debug)]
enum Event {
    Enter(usize, Entry),
    Say(u64, ClientMessage),
    Leave(u64),
    Lose(u64),
    Pass(u64),
}

const USERS: [&str; 4] = ["ana", "ben", "cleo", "dora"];

fn event() -> impl Strategy<Value = Event> {
    let entry = prop_oneof![
        any::<bool>().prop_map(|take_over| Entry::Login { take_over }),
        Just(Entry::Resume)
    ];
    let call = || (7u64..12).prop_map(CallId);
    let message = prop_oneof![
        4 => (0usize..5).prop_map(|user| call_to(USERS.get(user).unwrap_or(&"nobody"))),
        4 => call().prop_map(|call| ClientMessage::Accept { call }),
        1 => call().prop_map(|call| ClientMessage::Decline { call, reason: DeclineReason::Declined }),
        1 => call().prop_map(|call| ClientMessage::Cancel { call }),
        1 => call().prop_map(|call| ClientMessage::HangUp { call }),
        2 => call().prop_map(candidate),
    ];
    prop_oneof![
        3 => (0usize..4, entry).prop_map(|(user, entry)| Event::Enter(user, entry)),
        8 => (0u64..12, message).prop_map(|(session, message)| Event::Say(session, message)),
        1 => (0u64..12).prop_map(Event::Leave),
        2 => (0u64..12).prop_map(Event::Lose),
        2 => (0u64..40_000).prop_map(Event::Pass),
    ]
}

impl Story {
    /// A user is in at most one call, and a call has two users who are in it.
    fn check(&self) {
        for (id, call) in &self.board.calls {
            for party in [&call.caller, &call.callee] {
                assert_eq!(self.board.users[party].call, Some(*id), "{party}");
            }
            assert_ne!(call.caller, call.callee);
        }
        for (name, user) in &self.board.users {
            assert!(
                user.call
                    .is_none_or(|call| self.board.calls[&call].role(name).is_some()),
                "{name}"
            );
            assert_eq!(user.announced, user.presence(), "{name}");
            assert!(
                !matches!((&user.connection, user.call), (Connection::Away(_) | Connection::Offline, None)
                if user.announced != Presence::Offline)
            );
            assert!(
                !matches!((&user.connection, user.call), (Connection::Offline, Some(_))),
                "{name}"
            );
        }
        for (session, name) in &self.board.sessions {
            assert!(matches!(self.board.users[name].connection, Connection::Here(here) if here == *session));
        }
    }

    fn play(&mut self, events: Vec<Event>) {
        let mut next = 0;
        for event in events {
            match event {
                Event::Enter(user, entry) => {
                    self.enter(next, USERS[user], entry);
                    next += 1;
                }
                Event::Say(session, message) => self.says(session, message),
                Event::Leave(session) => {
                    self.board.handle_leave(SessionId(session));
                    self.drain();
                }
                Event::Lose(session) => self.loses(session),
                Event::Pass(ms) => self.passes(Duration::from_millis(ms)),
            }
            self.check();
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens_a_user_is_in_one_call_and_each_call_ends(
        events in proptest::collection::vec(event(), 0..150),
    ) {
        let mut story = Story::with(&USERS);
        story.play(events);
        // Who heard that a call began hears once that it ended, unless its session ended before.
        let here: Vec<u64> = story.board.sessions.keys().map(|session| session.0).collect();
        story.passes(RING);
        story.passes(REJOIN);
        let calls: Vec<CallId> = story.board.calls.keys().copied().collect();
        for call in calls {
            let caller = &story.board.calls[&call].caller;
            let session = story.board.sessions.iter().find(|(_, user)| *user == caller).unwrap().0.0;
            story.says(session, ClientMessage::HangUp { call });
        }
        for session in here {
            let heard = story.hears(session);
            let count = |wanted: fn(&ServerMessage) -> bool| heard.iter().filter(|&m| wanted(m)).count();
            let begun = count(|m| matches!(m, ServerMessage::Ringing { .. } | ServerMessage::Incoming { .. }));
            let resumed = story.admitted.get(&session).is_some_and(Option::is_some) as usize;
            let ended = count(|m| matches!(m, ServerMessage::Ended { .. }));
            prop_assert_eq!(begun + resumed, ended, "session {}", session);
        }
        prop_assert_eq!(story.board.calls(), 0);
        prop_assert_eq!(story.board.next_timeout(), None);
    }
}

#[test]
fn a_guest_calls_and_is_called_by_nobody_but_its_host_and_leaves_nothing_behind() {
    let mut story = Story::begin();
    let gus = UserName::guest("Gus", 1).unwrap();
    let enter = |story: &mut Story, session| {
        story.board.add_guest(&gus, name("ana"));
        story
            .board
            .handle_entry(SessionId(session), &gus, Entry::Login { take_over: false });
        story.drain();
    };
    enter(&mut story, 9);
    assert_eq!(story.presence["Gus (guest)"], Presence::Available);

    let unknown = |story: &mut Story, session| {
        matches!(
            story.hears(session)[..],
            [ServerMessage::Error {
                code: ErrorCode::UnknownUser,
                ..
            }]
        )
    };
    story.says(9, call_to("ben"));
    assert!(unknown(&mut story, 9));
    story.says(2, call_to("Gus (guest)"));
    assert!(unknown(&mut story, 2));

    story.says(1, call_to("gus (guest)"));
    assert!(matches!(story.hears(9)[..], [ServerMessage::Incoming { .. }]));
    story.board.handle_leave(SessionId(9));
    story.drain();
    assert_eq!(story.presence["Gus (guest)"], Presence::Offline);
    assert!(!story.board.users.contains_key(&gus));

    // Lost in a call it is waited for like anybody, and forgotten afterwards.
    enter(&mut story, 10);
    story.says(10, call_to("ana"));
    let call = CallId(101);
    story.says(1, ClientMessage::Accept { call });
    story.loses(10);
    story.passes(GRACE);
    assert!(story.board.users.contains_key(&gus));
    story.passes(REJOIN);
    assert!(!story.board.users.contains_key(&gus));
    assert_eq!(story.presence["ana"], Presence::Available);
}
