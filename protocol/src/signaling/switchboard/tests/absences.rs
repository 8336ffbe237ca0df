//! Who loses a connection, comes back, is started anew, logs in elsewhere or leaves.

use super::*;

#[test]
fn a_party_whose_connection_is_lost_has_a_moment_to_come_back() {
    let mut story = Story::begin();
    let call = story.accepted();
    story.loses(2);
    assert_eq!(story.presence["ben"], Presence::Busy);
    story.says(1, candidate(call));
    story.passes(GRACE - Duration::from_millis(1));
    story.enter(20, "ben", Entry::Resume);
    let ongoing = OngoingCall {
        call,
        user: "ana".into(),
        accepted: true,
        caller: false,
    };
    assert_eq!(story.admitted[&20], Some(ongoing));
    // What ana said meanwhile is not lost.
    assert!(matches!(story.hears(20)[..], [ServerMessage::Candidate { .. }]));
    story.passes(GRACE);
    assert_eq!(story.board.calls(), 1);
}

fn reclaim(call: u64, user: &str, caller: bool) -> ClientMessage {
    ClientMessage::Reclaim {
        call: CallId(call),
        user: user.into(),
        caller,
    }
}

#[test]
fn a_server_that_was_started_anew_knows_a_call_again_when_both_parties_have_reclaimed_it() {
    let mut story = Story::begin();
    story.says(1, reclaim(99, "Ben", true));
    assert_eq!(story.presence["ana"], Presence::Busy);
    assert_eq!(story.board.calls(), 0, "one word is not enough");
    story.says(3, call_to("ana"));
    story.is_refused(3, ErrorCode::UserBusy);
    story.heard.clear();

    story.says(2, reclaim(99, "ana", false));
    let call = CallId(99);
    assert_eq!(story.hears(1), [ServerMessage::Reclaimed { call }]);
    assert_eq!(story.hears(2), [ServerMessage::Reclaimed { call }]);
    assert_eq!(story.presence["ben"], Presence::Busy);
    story.heard.clear();

    story.says(1, candidate(call));
    assert!(matches!(story.hears(2)[..], [ServerMessage::Candidate { .. }]));
    story.says(2, ClientMessage::HangUp { call });
    assert_eq!(story.presence["ana"], Presence::Available);
    assert_eq!(story.board.calls(), 0);
}

#[test]
fn nobody_reclaims_himself_into_a_call_with_somebody_who_does_not_say_so() {
    let mut story = Story::begin();
    story.says(1, reclaim(99, "ben", true));
    // not the same call, not the same two, not opposite roles
    for (session, message) in [
        (2, reclaim(98, "ana", false)),
        (3, reclaim(99, "ana", false)),
        (2, reclaim(99, "ana", true)),
    ] {
        story.says(session, message);
        assert_eq!(story.board.calls(), 0);
    }
    for wrong in [
        reclaim(5, "ana", true),
        reclaim(5, "nobody", true),
        reclaim(5, "!", true),
        // of this very run, and over
        reclaim(100, "ben", true),
    ] {
        story.heard.clear();
        story.says(1, wrong);
        story.is_refused(1, ErrorCode::UnknownCall);
    }
    // a claim ends with a word, or with the connection
    story.says(1, ClientMessage::HangUp { call: CallId(99) });
    assert_eq!(story.presence["ana"], Presence::Available);
    story.loses(2);
    assert_eq!(story.presence["ben"], Presence::Offline);
    story.heard.clear();
    // whoever is in a call reclaims none
    story.says(3, ClientMessage::HangUp { call: CallId(99) });
    story.says(1, call_to("cleo"));
    story.heard.clear();
    story.says(1, reclaim(99, "ben", true));
    story.is_refused(1, ErrorCode::AlreadyInCall);
    assert_eq!(story.board.calls(), 1);
}

#[test]
fn a_party_that_does_not_come_back_is_lost() {
    let mut story = Story::begin();
    let call = story.accepted();
    story.loses(2);
    story.passes(GRACE);
    let wait_ms = REJOIN.as_millis() as u64;
    assert_eq!(story.hears(1), [ServerMessage::PeerAway { call, wait_ms }]);
    assert_eq!(story.presence["ben"], Presence::Offline);
    story.passes(REJOIN);
    assert_eq!(
        story.hears(1),
        [ServerMessage::Ended {
            call,
            reason: EndReason::PeerLost
        }]
    );
    assert_eq!(story.presence["ana"], Presence::Available);
    story.enter(20, "ben", Entry::Resume);
    assert_eq!(story.admitted[&20], None);
}

#[test]
fn a_party_whose_client_was_started_anew_is_awaited_and_welcomed_back() {
    let mut story = Story::begin();
    let call = story.accepted();
    story.loses(2);
    story.passes(GRACE);
    story.hears(1);
    // Of several offers it gets the last, and the candidates that belong to it.
    for sdp in ["first", "last"] {
        let (kind, sdp) = (DescriptionKind::Offer, sdp.to_owned());
        story.says(1, ClientMessage::Description { call, kind, sdp });
        story.says(1, candidate(call));
    }
    story.passes(REJOIN - Duration::from_millis(1));
    story.enter(20, "ben", Entry::Resume);
    assert_eq!(story.hears(1), [ServerMessage::PeerBack { call }]);
    assert_eq!(story.presence["ben"], Presence::Busy);
    assert!(matches!(
        &story.hears(20)[..],
        [ServerMessage::Description { sdp, .. }, ServerMessage::Candidate { .. }] if sdp == "last"
    ));
    story.passes(REJOIN);
    assert_eq!(story.board.calls(), 1);
}

#[test]
fn a_call_that_rings_does_not_wait_for_anybody() {
    let mut story = Story::begin();
    let call = story.ringing();
    story.loses(2);
    story.passes(GRACE);
    let reason = EndReason::PeerLost;
    assert_eq!(story.hears(1), [ServerMessage::Ended { call, reason }]);
}

#[test]
fn a_party_that_is_away_is_kept_no_more_than_fits() {
    let mut story = Story::begin();
    let call = story.accepted();
    story.loses(2);
    for _ in 0..=MAX_MISSED_BYTES / MISSED_OVERHEAD {
        story.says(1, candidate(call));
    }
    assert_eq!(
        story.hears(1)[0],
        ServerMessage::Ended {
            call,
            reason: EndReason::PeerLost
        }
    );
    assert_eq!(story.presence["ben"], Presence::Offline);
}

#[test]
fn both_parties_lost_leave_nothing_behind() {
    let mut story = Story::begin();
    story.accepted();
    story.loses(1);
    story.loses(2);
    story.passes(GRACE);
    story.passes(REJOIN);
    assert_eq!((story.board.calls(), story.board.next_timeout()), (0, None));
    assert_eq!(story.presence["ana"], Presence::Offline);
    assert_eq!(story.presence["ben"], Presence::Offline);
}

#[test]
fn a_second_login_is_refused_unless_it_takes_over() {
    let mut story = Story::begin();
    let call = story.accepted();
    story.enter(20, "Ben", Entry::Login { take_over: false });
    assert_eq!(story.refused, [20]);
    assert_eq!(story.presence["ben"], Presence::Busy);
    story.enter(21, "BEN", Entry::Login { take_over: true });
    assert_eq!(story.expelled, [2]);
    assert_eq!(story.admitted[&21], None);
    assert_eq!(
        story.hears(1),
        [ServerMessage::Ended {
            call,
            reason: EndReason::PeerLeft
        }]
    );
    assert_eq!(story.hears(21), []);
    assert_eq!(story.presence["ben"], Presence::Available);
    // The old connection's end changes nothing any more.
    story.loses(2);
    story.says(2, call_to("ana"));
    assert_eq!(story.presence["ben"], Presence::Available);
    assert_eq!(story.board.calls(), 0);
}

#[test]
fn a_resumed_session_replaces_a_connection_not_yet_known_to_be_dead() {
    let mut story = Story::begin();
    let call = story.ringing();
    story.enter(20, "ana", Entry::Resume);
    assert_eq!(story.expelled, [1]);
    let ongoing = OngoingCall {
        call,
        user: "ben".into(),
        accepted: false,
        caller: true,
    };
    assert_eq!(story.admitted[&20], Some(ongoing));
    story.says(2, ClientMessage::Accept { call });
    assert_eq!(story.hears(20), [ServerMessage::Accepted { call }]);
}

#[test]
fn who_logs_in_anew_has_left_the_call() {
    let mut story = Story::begin();
    let call = story.accepted();
    story.loses(2);
    story.enter(20, "ben", Entry::Login { take_over: false });
    assert_eq!(story.admitted[&20], None);
    assert_eq!(
        story.hears(1),
        [ServerMessage::Ended {
            call,
            reason: EndReason::PeerLost
        }]
    );
    assert_eq!(story.presence["ben"], Presence::Available);
}

#[test]
fn who_logs_out_has_left_the_call() {
    let mut story = Story::begin();
    let call = story.accepted();
    story.board.handle_leave(SessionId(1));
    story.drain();
    assert_eq!(
        story.hears(2),
        [ServerMessage::Ended {
            call,
            reason: EndReason::PeerLeft
        }]
    );
    assert_eq!(story.presence["ana"], Presence::Offline);
}
