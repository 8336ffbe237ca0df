//! Stories of calls, told as tables: what happens, what is done about it.

use proptest::prelude::*;

use super::*;

const CALL: CallId = CallId(7);

/// An output in a few words.
fn brief(output: &Output) -> String {
    match output {
        Output::Say(message) => match message {
            ClientMessage::Call { user } => format!("say call {user}"),
            ClientMessage::Accept { .. } => "say accept".into(),
            ClientMessage::Decline { reason, .. } => format!("say decline {reason:?}"),
            ClientMessage::Cancel { call } => format!("say cancel {}", call.0),
            ClientMessage::HangUp { call } => format!("say hang up {}", call.0),
            ClientMessage::Reclaim { call, user, caller } => {
                let role = if *caller { " as caller" } else { "" };
                format!("say reclaim {} {user}{role}", call.0)
            }
            other => panic!("{other:?}"),
        },
        Output::Tell(event) => match event {
            CallEvent::Outgoing { user } => format!("outgoing {user}"),
            CallEvent::Ringing { .. } => "ringing".into(),
            CallEvent::Incoming { user } => format!("incoming {user}"),
            CallEvent::Connecting { user } => format!("connecting {user}"),
            CallEvent::Ended {
                user,
                reason: CallEnd::Signaled(reason),
            } => format!("ended {user} {reason:?}"),
            CallEvent::Ended { user, reason } => format!("ended {user} {reason:?}"),
            CallEvent::Rejoining { user } => format!("rejoining {user}"),
            other => panic!("{other:?}"),
        },
        Output::Start { caller, .. } => format!("start{}", if *caller { " as caller" } else { "" }),
        Output::Stop => "stop".into(),
        Output::LimitRejoin { .. } => "limit".into(),
    }
}

/// Plays inputs to an idle state; each must be answered as written. Gives the state it ends in.
fn play(story: &[(Input, &str)]) -> CallState {
    let mut state = CallState::Idle;
    for (step, (input, expected)) in story.iter().enumerate() {
        let outputs: Vec<_> = state.handle(input.clone()).iter().map(brief).collect();
        assert_eq!(outputs.join(", "), *expected, "step {step}: {input:?}");
    }
    state
}

fn place(user: &str) -> Input {
    Input::Place { user: user.into() }
}

fn incoming() -> Input {
    Input::Incoming {
        call: CALL,
        user: "bob".into(),
    }
}

fn ended(reason: EndReason) -> Input {
    Input::Ended { call: CALL, reason }
}

fn refused(code: ErrorCode) -> Input {
    Input::Refused { code, call: None }
}

fn known(accepted: bool, caller: bool) -> Input {
    Input::Resumed(Some(OngoingCall {
        call: CALL,
        user: "bob".into(),
        accepted,
        caller,
    }))
}

const RINGING: Input = Input::Ringing { call: CALL };
const ACCEPTED: Input = Input::Accepted { call: CALL };

#[test]
fn a_call_is_placed_rings_is_accepted_and_hung_up() {
    let state = play(&[
        (place("bob"), "say call bob, outgoing bob"),
        (RINGING, "ringing"),
        (ACCEPTED, "connecting bob, start as caller"),
        (Input::End, "say hang up 7, stop, ended bob HungUp"),
        (ended(EndReason::HungUp), ""),
    ]);
    assert_eq!(state, CallState::Idle);
}

#[test]
fn a_call_is_reclaimed_at_a_server_that_was_started_anew() {
    let reclaimed = Input::Reclaimed { call: CALL };
    let state = play(&[
        (place("bob"), "say call bob, outgoing bob"),
        (RINGING, "ringing"),
        (ACCEPTED, "connecting bob, start as caller"),
        (Input::Resumed(None), "say reclaim 7 bob as caller"),
        (reclaimed.clone(), ""),
        (Input::End, "say hang up 7, stop, ended bob HungUp"),
        (reclaimed, "say hang up 7"),
    ]);
    assert_eq!(state, CallState::Idle);
}

/// An earlier run died in the call.
fn rejoin() -> Input {
    Input::Rejoin(AcceptedCall {
        call: CALL,
        user: "bob".into(),
        caller: true,
    })
}

#[test]
fn a_run_that_died_together_with_the_server_reclaims_its_call_and_rejoins_it() {
    let state = play(&[
        (rejoin(), "rejoining bob"),
        (Input::Resumed(None), "limit, say reclaim 7 bob as caller"),
        // The connection fails once more.
        (Input::Resumed(None), "say reclaim 7 bob as caller"),
        (Input::Reclaimed { call: CALL }, "connecting bob, start as caller"),
        (Input::RejoinTimeout { call: CALL }, ""),
    ]);
    assert_eq!(state.in_call(), Some(CALL));
}

#[test]
fn a_call_that_the_other_party_does_not_reclaim_is_over() {
    let unknown = Input::Refused {
        code: ErrorCode::UnknownCall,
        call: Some(CALL),
    };
    for (end, said) in [
        (unknown, "ended bob PeerLost"),
        (
            Input::RejoinTimeout { call: CALL },
            "say hang up 7, ended bob PeerLost",
        ),
        (Input::End, "say hang up 7, ended bob HungUp"),
    ] {
        let state = play(&[
            (rejoin(), "rejoining bob"),
            (Input::Resumed(None), "limit, say reclaim 7 bob as caller"),
            (end, said),
        ]);
        assert_eq!(state, CallState::Idle);
    }
}

#[test]
fn an_incoming_call_is_accepted_and_the_peer_hangs_up() {
    play(&[
        (incoming(), "incoming bob"),
        (Input::Accept, "say accept"),
        (ACCEPTED, "connecting bob, start"),
        (ended(EndReason::HungUp), "stop, ended bob HungUp"),
        (Input::Accept, ""),
        (Input::End, ""),
    ]);
}

#[test]
fn an_incoming_call_is_declined_or_taken_back() {
    play(&[
        (incoming(), "incoming bob"),
        (Input::End, "say decline Declined, ended bob Declined"),
        (ended(EndReason::Declined), ""),
        (incoming(), "incoming bob"),
        (ended(EndReason::Cancelled), "ended bob Cancelled"),
    ]);
}

#[test]
fn a_call_that_cannot_be_placed_says_why() {
    for code in [
        ErrorCode::UnknownUser,
        ErrorCode::UserOffline,
        ErrorCode::UserBusy,
        ErrorCode::CalledSelf,
    ] {
        let expected = format!("ended bob Refused({code:?})");
        let state = play(&[
            (place("bob"), "say call bob, outgoing bob"),
            (refused(code), &expected),
        ]);
        assert_eq!(state, CallState::Idle);
    }
    assert!(!CallState::Idle.concerns(ErrorCode::TooManyAttempts, None));
    assert!(CallState::Idle.concerns(ErrorCode::UnknownCall, Some(CALL)));
}

#[test]
fn a_call_is_taken_back_before_the_server_has_named_it_and_another_one_placed() {
    let state = play(&[
        (place("bob"), "say call bob, outgoing bob"),
        (Input::End, "ended bob Cancelled"),
        (place("eve"), "outgoing eve"),
        (RINGING, "say cancel 7, say call eve"),
        (ended(EndReason::Cancelled), ""),
    ]);
    assert_eq!(state, CallState::Calling { user: "eve".into() });
}

#[test]
fn a_call_that_was_taken_back_and_is_refused_leaves_nothing() {
    let state = play(&[
        (place("bob"), "say call bob, outgoing bob"),
        (Input::End, "ended bob Cancelled"),
        (refused(ErrorCode::UserBusy), ""),
    ]);
    assert_eq!(state, CallState::Idle);
}

#[test]
fn the_other_side_accepts_while_we_take_the_call_back() {
    play(&[
        (place("bob"), "say call bob, outgoing bob"),
        (RINGING, "ringing"),
        (Input::End, "say cancel 7, ended bob Cancelled"),
        (ACCEPTED, "say hang up 7"),
        (ended(EndReason::HungUp), ""),
    ]);
}

#[test]
fn two_call_each_other_and_the_servers_choice_wins() {
    play(&[
        (place("bob"), "say call bob, outgoing bob"),
        (incoming(), "ended bob Refused(AlreadyInCall), incoming bob"),
        (refused(ErrorCode::AlreadyInCall), ""),
        (Input::Accept, "say accept"),
        (ACCEPTED, "connecting bob, start"),
    ]);
}

#[test]
fn a_second_call_is_refused_at_once() {
    play(&[
        (incoming(), "incoming bob"),
        (place("eve"), "ended eve Refused(AlreadyInCall)"),
        (
            Input::Incoming {
                call: CallId(8),
                user: "eve".into(),
            },
            "say decline Unable",
        ),
    ]);
}

#[test]
fn a_call_that_breaks_is_ended_for_both() {
    play(&[
        (incoming(), "incoming bob"),
        (Input::Accept, "say accept"),
        (ACCEPTED, "connecting bob, start"),
        (
            Input::Over {
                call: CallId(6),
                reason: CallEnd::NoPath,
            },
            "",
        ),
        (
            Input::Over {
                call: CALL,
                reason: CallEnd::NoPath,
            },
            "say hang up 7, stop, ended bob NoPath",
        ),
    ]);
}

/// The steps that lead to a state, for stories that begin there.
fn up_to(state: &str) -> Vec<(Input, &'static str)> {
    let calling = vec![(place("bob"), "say call bob, outgoing bob")];
    let ringing = [calling.clone(), vec![(RINGING, "ringing")]].concat();
    let in_call = [
        ringing.clone(),
        vec![(ACCEPTED, "connecting bob, start as caller")],
    ]
    .concat();
    let rings_here = vec![(incoming(), "incoming bob")];
    let accepting = [rings_here.clone(), vec![(Input::Accept, "say accept")]].concat();
    match state {
        "idle" => Vec::new(),
        "calling" => calling,
        "ringing" => ringing,
        "in call" => in_call,
        "incoming" => rings_here,
        "accepting" => accepting,
        other => panic!("{other}"),
    }
}

#[test]
fn after_a_lost_connection_both_sides_agree_on_the_call_again() {
    for (before, resumed, expected) in [
        ("idle", Input::Resumed(None), ""),
        ("idle", known(false, false), "incoming bob"),
        ("idle", known(true, false), "say hang up 7"),
        ("idle", known(false, true), "say cancel 7"),
        ("calling", Input::Resumed(None), "say call bob"),
        ("calling", known(false, true), "ringing"),
        (
            "calling",
            known(true, true),
            "ringing, connecting bob, start as caller",
        ),
        ("ringing", Input::Resumed(None), "ended bob NoAnswer"),
        ("ringing", known(false, true), ""),
        ("ringing", known(true, true), "connecting bob, start as caller"),
        ("incoming", Input::Resumed(None), "ended bob Cancelled"),
        ("incoming", known(false, false), ""),
        ("accepting", Input::Resumed(None), "ended bob Cancelled"),
        ("accepting", known(false, false), "say accept"),
        ("accepting", known(true, false), "connecting bob, start"),
        ("in call", known(true, true), ""),
    ] {
        println!("{before}, then {resumed:?}");
        play(&[up_to(before), vec![(resumed, expected)]].concat());
    }
}

#[test]
fn losing_the_server_does_not_disturb_a_running_call() {
    for (loss, said) in [
        (Input::Resumed(None), "say reclaim 7 bob as caller"),
        (Input::SessionOver { forgotten: true }, ""),
        (ended(EndReason::ServerShutdown), ""),
    ] {
        play(
            &[
                up_to("in call"),
                vec![
                    (loss, said),
                    // A server that does not know the call any more refuses the word.
                    (Input::End, "say hang up 7, stop, ended bob HungUp"),
                ],
            ]
            .concat(),
        );
    }
}

#[test]
fn logging_out_or_being_taken_over_ends_whatever_there_is() {
    for (before, expected) in [
        ("idle", ""),
        ("calling", "ended bob PeerLeft"),
        ("ringing", "ended bob PeerLeft"),
        ("incoming", "ended bob PeerLeft"),
        ("accepting", "ended bob PeerLeft"),
        ("in call", "stop, ended bob PeerLeft"),
    ] {
        let over = (Input::SessionOver { forgotten: false }, expected);
        let state = play(&[up_to(before), vec![over]].concat());
        assert_eq!(state, CallState::Idle);
    }
}

fn any_input() -> impl Strategy<Value = Input> {
    let call = (1u64..4).prop_map(CallId);
    let user = prop_oneof![Just("bob".to_owned()), Just("eve".to_owned())];
    let reason = prop_oneof![Just(EndReason::HungUp), Just(EndReason::ServerShutdown)];
    let code = prop_oneof![
        Just(ErrorCode::UserBusy),
        Just(ErrorCode::AlreadyInCall),
        Just(ErrorCode::UnknownCall)
    ];
    let ongoing = (call.clone(), user.clone(), any::<bool>(), any::<bool>()).prop_map(
        |(call, user, accepted, caller)| OngoingCall {
            call,
            user,
            accepted,
            caller,
        },
    );
    prop_oneof![
        user.clone().prop_map(|user| Input::Place { user }),
        Just(rejoin()),
        Just(Input::Accept),
        Just(Input::End),
        call.clone().prop_map(|call| Input::Ringing { call }),
        (call.clone(), user).prop_map(|(call, user)| Input::Incoming { call, user }),
        call.clone().prop_map(|call| Input::Accepted { call }),
        (call.clone(), reason).prop_map(|(call, reason)| Input::Ended { call, reason }),
        call.clone().prop_map(|call| Input::Reclaimed { call }),
        call.clone().prop_map(|call| Input::RejoinTimeout { call }),
        (code, proptest::option::of(call.clone())).prop_map(|(code, call)| Input::Refused { code, call }),
        proptest::option::of(ongoing).prop_map(Input::Resumed),
        any::<bool>().prop_map(|forgotten| Input::SessionOver { forgotten }),
        call.prop_map(|call| Input::Over {
            call,
            reason: CallEnd::NoPath
        }),
    ]
}

proptest! {
    /// Whatever order things happen in: media start and stop in turn, and what the front end heard begin, ends.
    #[test]
    fn media_and_front_end_never_get_out_of_step(inputs in proptest::collection::vec(any_input(), 0..60)) {
        let mut state = CallState::Idle;
        let (mut running, mut open) = (false, 0);
        for input in inputs {
            let second = matches!(&input, Input::Place { .. } | Input::Rejoin(_)) && state != CallState::Idle;
            for output in state.handle(input) {
                match output {
                    Output::Start { .. } => {
                        prop_assert!(!running);
                        running = true;
                    }
                    Output::Stop => {
                        prop_assert!(running);
                        running = false;
                    }
                    Output::Tell(
                        CallEvent::Outgoing { .. } | CallEvent::Incoming { .. } | CallEvent::Rejoining { .. },
                    ) => open += 1,
                    Output::Tell(CallEvent::Ended { .. }) if !second => open -= 1,
                    Output::Tell(_) | Output::Say(_) | Output::LimitRejoin { .. } => {}
                }
            }
            prop_assert_eq!(running, state.in_call().is_some());
            prop_assert!((0..=1).contains(&open), "{} open calls", open);
        }
    }
}
