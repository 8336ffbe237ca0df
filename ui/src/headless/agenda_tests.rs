//! Stories of scripts: what the command line asks, what happens, what comes of it.

#![allow(clippy::unwrap_used)]

use roomrtc_actors::ui_bridge::SetupTimes;
use roomrtc_protocol::signaling::messages::GoodbyeReason;

use super::*;

fn asked() -> Asked {
    Asked {
        server: "h:1".into(),
        user: "ana".into(),
        password: Password("secret".into()),
        register: false,
        take_over: false,
        rejoin: false,
        call: None,
        answer: None,
        stay: false,
        duration: None,
        wait: None,
        send: Vec::new(),
        files: Files::Wait,
        screenshot: None,
    }
}

fn calls_ben() -> Asked {
    Asked {
        call: Some("ben".into()),
        ..asked()
    }
}

fn answers(answer: Answer) -> Asked {
    Asked {
        answer: Some(answer),
        ..asked()
    }
}

/// A step in a few words.
fn brief(step: &Step) -> String {
    match step {
        Step::Report(Report::File(line)) => {
            let line = serde_json::to_value(line).unwrap();
            format!("file {}", line["state"].as_str().unwrap())
        }
        Step::Report(Report::Error { code, .. }) => format!("error {code}"),
        Step::Report(Report::Ended { reason, .. }) => format!("ended {reason}"),
        Step::Report(report) => report.event().into(),
        Step::Command(command) => format!("do {command:?}")
            .split([' ', '{', '('])
            .take(2)
            .collect::<Vec<_>>()
            .join(" "),
        Step::Arm(timer, after) => format!("{timer:?} in {}", after.as_millis()),
        Step::Screenshot(..) => "save picture".into(),
        Step::Finish => "finish".into(),
    }
}

enum Happens {
    Event(Event),
    Timer(Timer),
    Quit,
}

/// Plays a story; gives the verdict at its end.
fn play(asked: Asked, story: &[(Happens, &str)]) -> Result<(), String> {
    let begin = if asked.rejoin { "do Rejoin" } else { "do Connect" };
    let (mut agenda, first) = Agenda::new(asked);
    assert_eq!(first.iter().map(brief).collect::<Vec<_>>(), [begin]);
    for (index, (happens, expected)) in story.iter().enumerate() {
        let steps = match happens {
            Happens::Event(event) => agenda.event(event.clone()),
            Happens::Timer(timer) => agenda.timer(*timer),
            Happens::Quit => agenda.quit(),
        };
        let steps: Vec<_> = steps.iter().map(brief).collect();
        assert_eq!(steps.join(", "), *expected, "step {index}");
    }
    agenda.verdict()
}

fn event(event: Event) -> Happens {
    Happens::Event(event)
}

fn call(event: CallEvent) -> Happens {
    Happens::Event(Event::Call(event))
}

fn file(event: FileEvent) -> Happens {
    Happens::Event(Event::File(event))
}

fn ben_is(presence: Presence) -> Happens {
    event(Event::Users(vec![UserPresence {
        user: "Ben".into(),
        presence,
    }]))
}

fn connected() -> Happens {
    call(CallEvent::Connected {
        user: "ben".into(),
        setup: SetupTimes::default(),
    })
}

fn ended(reason: EndReason) -> Happens {
    call(CallEvent::Ended {
        user: "ben".into(),
        reason: CallEnd::Signaled(reason),
    })
}

fn incoming() -> Happens {
    call(CallEvent::Incoming { user: "Ben".into() })
}

fn outgoing() -> Happens {
    call(CallEvent::Outgoing { user: "ben".into() })
}

fn refused(code: ErrorCode) -> Happens {
    event(Event::Refused {
        code,
        retry_after: None,
    })
}

fn up() -> Happens {
    event(Event::Connection(ConnectionState::Connected))
}

fn logged_in() -> Happens {
    event(Event::LoggedIn {
        user: "ana".into(),
        resumed: false,
    })
}

/// From the start to an open session.
fn online(then: &'static str) -> Vec<(Happens, &'static str)> {
    vec![(up(), "do LogIn"), (logged_in(), then)]
}

fn story(
    beginning: Vec<(Happens, &'static str)>,
    rest: Vec<(Happens, &'static str)>,
) -> Vec<(Happens, &'static str)> {
    beginning.into_iter().chain(rest).collect()
}

#[test]
fn a_name_that_is_taken_is_simply_logged_in() {
    let register = Asked {
        register: true,
        ..asked()
    };
    let verdict = play(
        register,
        &[
            (up(), "do Register"),
            (refused(ErrorCode::UserNameTaken), "do LogIn"),
            (logged_in(), "online"),
            (Happens::Quit, "finish"),
        ],
    );
    assert_eq!(verdict, Ok(()));
}

#[test]
fn a_fresh_name_is_registered_and_a_wrong_password_is_the_end() {
    let register = Asked {
        register: true,
        ..asked()
    };
    let registered = event(Event::Registered { user: "ana".into() });
    let verdict = play(
        register,
        &[
            (up(), "do Register"),
            (registered, "do LogIn"),
            (
                refused(ErrorCode::BadCredentials),
                "error bad_credentials, finish",
            ),
        ],
    );
    assert!(verdict.is_err());
}

#[test]
fn a_run_that_rejoins_a_call_neither_logs_in_nor_calls_again() {
    let asked = Asked {
        rejoin: true,
        ..calls_ben()
    };
    let resumed = event(Event::LoggedIn {
        user: "ana".into(),
        resumed: true,
    });
    let verdict = play(
        asked,
        &[
            (call(CallEvent::Rejoining { user: "ben".into() }), "rejoining"),
            (up(), ""),
            (resumed, "online"),
            (ben_is(Presence::Available), "users"),
            (connected(), "connected"),
            (ended(EndReason::HungUp), "ended hung_up, finish"),
        ],
    );
    assert_eq!(verdict, Ok(()));
}

#[test]
fn an_unknown_server_is_not_talked_to() {
    let unknown = event(Event::UnknownServer {
        fingerprint: "sha256:…".into(),
    });
    assert!(play(asked(), &[(unknown, "error unknown_server, finish")]).is_err());
    let changed = event(Event::ServerChanged {
        expected: "a".into(),
        actual: "b".into(),
    });
    assert!(play(asked(), &[(changed, "error server_changed, finish")]).is_err());
    let failed = event(Event::Connection(ConnectionState::Failed("refused".into())));
    assert!(play(asked(), &[(failed, "error connection_failed, finish")]).is_err());
}

#[test]
fn ana_waits_until_ben_is_available_calls_him_for_a_while_and_hangs_up() {
    let asked = Asked {
        duration: Some(Duration::from_secs(5)),
        ..calls_ben()
    };
    let verdict = play(
        asked,
        &story(
            online("online, Waited in 10000"),
            vec![
                (ben_is(Presence::Offline), "users"),
                (ben_is(Presence::Available), "users, do Call"),
                (ben_is(Presence::Busy), "users"),
                (outgoing(), ""),
                (call(CallEvent::Ringing { user: "ben".into() }), "ringing"),
                (call(CallEvent::Connecting { user: "ben".into() }), "connecting"),
                (connected(), "connected, Elapsed in 5000"),
                (Happens::Timer(Timer::Waited), ""),
                (Happens::Timer(Timer::Elapsed), "do HangUp"),
                (ended(EndReason::HungUp), "ended hung_up, finish"),
            ],
        ),
    );
    assert_eq!(verdict, Ok(()));
}

#[test]
fn a_callee_who_does_not_come_is_called_all_the_same_for_the_servers_word_on_it() {
    let refused = CallEvent::Ended {
        user: "ben".into(),
        reason: CallEnd::Refused(ErrorCode::UserOffline),
    };
    let verdict = play(
        calls_ben(),
        &story(
            online("online, Waited in 10000"),
            vec![
                (ben_is(Presence::Offline), "users"),
                (Happens::Timer(Timer::Waited), "do Call"),
                (outgoing(), ""),
                (call(refused), "ended refused, finish"),
            ],
        ),
    );
    assert_eq!(verdict, Err("the call ended: refused".into()));
}

#[test]
fn a_call_that_is_declined_or_breaks_did_not_happen() {
    for (reason, word) in [
        (EndReason::Declined, "ended declined, finish"),
        (EndReason::NoAnswer, "ended no_answer, finish"),
    ] {
        let rest = vec![
            (ben_is(Presence::Available), "users, do Call"),
            (outgoing(), ""),
            (ended(reason), word),
        ];
        assert!(play(calls_ben(), &story(online("online, Waited in 10000"), rest)).is_err());
    }
    let broken = CallEvent::Ended {
        user: "ben".into(),
        reason: CallEnd::NoPath,
    };
    let rest = vec![
        (ben_is(Presence::Available), "users, do Call"),
        (outgoing(), ""),
        (connected(), "connected"),
        (call(broken), "ended no_path, finish"),
    ];
    assert!(play(calls_ben(), &story(online("online, Waited in 10000"), rest)).is_err());
}

#[test]
fn a_bot_takes_any_call_and_is_done_when_it_is_over() {
    let verdict = play(
        answers(Answer::Any),
        &story(
            online("online"),
            vec![
                (incoming(), "incoming, do Accept"),
                (ended(EndReason::Cancelled), "ended cancelled"),
                (incoming(), "incoming, do Accept"),
                (connected(), "connected"),
                (ended(EndReason::HungUp), "ended hung_up, finish"),
            ],
        ),
    );
    assert_eq!(verdict, Ok(()));
}

#[test]
fn a_bot_that_stays_takes_the_next_call_too() {
    let bot = Asked {
        stay: true,
        ..answers(Answer::Any)
    };
    let calls = (0..2).flat_map(|_| {
        [
            (incoming(), "incoming, do Accept"),
            (connected(), "connected"),
            (ended(EndReason::PeerLost), "ended peer_lost"),
        ]
    });
    let rest = calls.chain([(Happens::Quit, "finish")]).collect();
    assert_eq!(play(bot, &story(online("online"), rest)), Ok(()));
}

#[test]
fn only_the_one_who_is_waited_for_gets_through() {
    let stranger = CallEvent::Incoming { user: "eve".into() };
    let verdict = play(
        answers(Answer::Only("ben".into())),
        &story(
            online("online"),
            vec![
                (call(stranger), "incoming, do Decline"),
                (ended(EndReason::Declined), "ended declined"),
                (incoming(), "incoming, do Accept"),
                (connected(), "connected"),
                (ended(EndReason::HungUp), "ended hung_up, finish"),
            ],
        ),
    );
    assert_eq!(verdict, Ok(()));
}

#[test]
fn declining_is_a_task_too() {
    let rest = vec![
        (incoming(), "incoming, do Decline"),
        (ended(EndReason::Declined), "ended declined, finish"),
    ];
    assert_eq!(
        play(answers(Answer::Decline), &story(online("online"), rest)),
        Ok(())
    );
}

#[test]
fn whoever_has_an_end_does_not_wait_for_a_call_for_ever() {
    let asked = Asked {
        duration: Some(Duration::from_secs(5)),
        ..answers(Answer::Any)
    };
    let rest = vec![(Happens::Timer(Timer::Waited), "error not_called, finish")];
    assert!(play(asked, &story(online("online, Waited in 60000"), rest)).is_err());
}

const SENT: TransferId = TransferId(1);

fn completed(transfer: TransferId) -> Happens {
    file(FileEvent::Completed {
        transfer,
        path: "a".into(),
        size: 1,
        hash: "00".into(),
        took: Duration::from_millis(1),
    })
}

fn offered_to_us(transfer: TransferId) -> Happens {
    file(FileEvent::Incoming {
        transfer,
        name: "b".into(),
        size: 1,
        media_type: String::new(),
    })
}

#[test]
fn a_file_is_sent_and_the_call_is_over_with_it() {
    let asked = Asked {
        send: vec!["a".into()],
        ..calls_ben()
    };
    let begin = || {
        story(
            online("online, Waited in 10000"),
            vec![
                (ben_is(Presence::Available), "users, do Call"),
                (outgoing(), ""),
                (connected(), "connected, do SendFile"),
                (
                    file(FileEvent::Offered {
                        transfer: SENT,
                        name: "a".into(),
                        size: 1,
                    }),
                    "file offered",
                ),
                (
                    file(FileEvent::Progress {
                        transfer: SENT,
                        done: 1,
                        size: 1,
                    }),
                    "file progress",
                ),
            ],
        )
    };
    let whole = vec![
        (completed(SENT), "file completed, do HangUp"),
        (ended(EndReason::HungUp), "ended hung_up, finish"),
    ];
    assert_eq!(play(asked.clone(), &story(begin(), whole)), Ok(()));
    let declined = vec![
        (
            file(FileEvent::Failed {
                transfer: SENT,
                reason: roomrtc_actors::ui_bridge::FileEnd::Declined,
            }),
            "file failed, do HangUp",
        ),
        (ended(EndReason::HungUp), "ended hung_up, finish"),
    ];
    assert_eq!(
        play(asked.clone(), &story(begin(), declined)),
        Err("a file did not arrive".into())
    );
    let early = vec![(ended(EndReason::HungUp), "ended hung_up, finish")];
    assert_eq!(
        play(asked, &story(begin(), early)),
        Err("not every file was sent".into())
    );
}

#[test]
fn offered_files_are_taken_refused_or_left_to_the_script() {
    for (files, expected) in [
        (Files::Accept("d".into()), "file incoming, do AcceptFile"),
        (Files::Reject, "file incoming, do DeclineFile"),
        (Files::Wait, "file incoming"),
    ] {
        let accepted = files != Files::Reject && files != Files::Wait;
        let asked = Asked {
            files,
            ..answers(Answer::Any)
        };
        let rest = vec![
            (incoming(), "incoming, do Accept"),
            (connected(), "connected"),
            (offered_to_us(SENT), expected),
            (ended(EndReason::HungUp), "ended hung_up, finish"),
        ];
        // A file that was taken must arrive.
        assert_eq!(play(asked, &story(online("online"), rest)).is_err(), accepted);
    }
}

#[test]
fn the_peers_picture_is_saved_a_second_into_the_call() {
    let asked = Asked {
        screenshot: Some("a.png".into()),
        ..answers(Answer::Any)
    };
    let (mut agenda, _) = Agenda::new(asked);
    let beginning = story(online(""), vec![(incoming(), ""), (connected(), "")]);
    for (happens, _) in beginning {
        let Happens::Event(event) = happens else { panic!() };
        agenda.event(event);
    }
    let steps: Vec<_> = agenda.timer(Timer::Screenshot).iter().map(brief).collect();
    assert_eq!(steps, ["save picture"]);
    assert_eq!(agenda.verdict(), Err("no picture was saved".into()));
    agenda.saved(true);
    assert_eq!(agenda.verdict(), Ok(()));
}

#[test]
fn a_lost_connection_is_told_and_a_lost_session_is_the_end() {
    let lost = Event::Connection(ConnectionState::Reconnecting {
        attempt: 1,
        after: Duration::from_millis(200),
    });
    let again = Event::LoggedIn {
        user: "ana".into(),
        resumed: true,
    };
    let over = Event::LoggedOut {
        reason: GoodbyeReason::TakenOver,
    };
    let verdict = play(
        asked(),
        &story(
            online("online"),
            vec![
                (event(lost), "offline"),
                (up(), ""),
                (event(again), "online"),
                (refused(ErrorCode::TooManyAttempts), "error too_many_attempts"),
                (event(over), "error taken_over, finish"),
            ],
        ),
    );
    assert_eq!(verdict, Err("the session ended".into()));
}
