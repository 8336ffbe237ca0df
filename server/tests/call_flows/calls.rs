//! Calls, from the ring to the end, and what survives a lost connection.

use std::time::{Duration, Instant};

use roomrtc_protocol::signaling::messages::{
    ClientMessage, DeclineReason, DescriptionKind, EndReason, ErrorCode, Presence, ServerMessage,
};

use super::{PASSWORD, World};

#[tokio::test]
async fn a_call_is_accepted_relayed_and_hung_up() {
    let world = World::new();
    let (mut ana, mut ben, call) = world.two_in_a_call().await;
    let (kind, sdp) = (DescriptionKind::Offer, "v=0\r\n".repeat(500));
    ana.send(ClientMessage::Description {
        call,
        kind,
        sdp: sdp.clone(),
    })
    .await;
    assert_eq!(ben.next().await, ServerMessage::Description { call, kind, sdp });
    let (candidate, mid) = ("candidate:1 1 udp 1 ::1 9 typ host".to_owned(), "0".to_owned());
    ben.send(ClientMessage::Candidate {
        call,
        candidate: candidate.clone(),
        mid: mid.clone(),
    })
    .await;
    assert_eq!(
        ana.next().await,
        ServerMessage::Candidate { call, candidate, mid }
    );
    ana.sees("ben", Presence::Busy).await;
    ana.send(ClientMessage::HangUp { call }).await;
    assert_eq!(ana.hears_end(call).await, EndReason::HungUp);
    assert_eq!(ben.hears_end(call).await, EndReason::HungUp);
    ben.sees("ana", Presence::Available).await;
}

#[tokio::test]
async fn a_call_is_declined() {
    let world = World::new();
    let (mut ana, mut ben) = world.two().await;
    for (reason, end) in [
        (DeclineReason::Declined, EndReason::Declined),
        (DeclineReason::Unable, EndReason::Unable),
    ] {
        let call = ana.call("BEN").await.unwrap();
        assert_eq!(ben.rings().await.0, call);
        ben.send(ClientMessage::Decline { call, reason }).await;
        assert_eq!(ana.hears_end(call).await, end);
        assert_eq!(ben.hears_end(call).await, end);
    }
}

#[tokio::test]
async fn a_call_is_cancelled() {
    let world = World::new();
    let (mut ana, mut ben) = world.two().await;
    let call = ana.call("ben").await.unwrap();
    ben.rings().await;
    ana.send(ClientMessage::Cancel { call }).await;
    assert_eq!(ana.hears_end(call).await, EndReason::Cancelled);
    assert_eq!(ben.hears_end(call).await, EndReason::Cancelled);
}

#[tokio::test]
async fn a_call_that_nobody_answers_ends() {
    let world = World::with(|config| config.server.ring_timeout_ms = 200);
    let (mut ana, mut ben) = world.two().await;
    let call = ana.call("ben").await.unwrap();
    ben.rings().await;
    assert_eq!(ana.hears_end(call).await, EndReason::NoAnswer);
    assert_eq!(ben.hears_end(call).await, EndReason::NoAnswer);
}

#[tokio::test]
async fn whom_one_cannot_call_says_why() {
    let world = World::new();
    let (mut ana, _ben, _) = world.two_in_a_call().await;
    let (mut cleo, _) = world.user("cleo").await;
    world.visitor().await.register("dora", PASSWORD).await.unwrap();
    assert_eq!(cleo.call("ana").await, Err(ErrorCode::UserBusy));
    assert_eq!(cleo.call("Cleo").await, Err(ErrorCode::CalledSelf));
    assert_eq!(cleo.call("nobody").await, Err(ErrorCode::UnknownUser));
    assert_eq!(cleo.call("dora").await, Err(ErrorCode::UserOffline));
    assert_eq!(ana.call("cleo").await, Err(ErrorCode::AlreadyInCall));
}

#[tokio::test]
async fn two_who_call_each_other_at_once_are_in_one_call() {
    let world = World::new();
    let (mut ana, mut ben) = world.two().await;
    ana.send(ClientMessage::Call { user: "ben".into() }).await;
    ben.send(ClientMessage::Call { user: "ana".into() }).await;
    // Each hears of the call first; whoever came second is then told that it is in a call.
    let (first, second) = (ana.next().await, ben.next().await);
    let (call, mut caller, mut callee) = match (first, second) {
        (ServerMessage::Ringing { call, .. }, ServerMessage::Incoming { .. }) => (call, ana, ben),
        (ServerMessage::Incoming { .. }, ServerMessage::Ringing { call, .. }) => (call, ben, ana),
        other => panic!("{other:?}"),
    };
    assert_eq!(callee.refused().await, ErrorCode::AlreadyInCall);
    callee.send(ClientMessage::Accept { call }).await;
    caller.hears_accepted(call).await;
    callee.hears_accepted(call).await;
}

#[tokio::test]
async fn nobody_answers_ends_or_relays_for_others() {
    let world = World::new();
    let (mut ana, mut ben, call) = world.two_in_a_call().await;
    let (mut mallory, _) = world.user("mallory").await;
    for message in [
        ClientMessage::Accept { call },
        ClientMessage::Decline {
            call,
            reason: DeclineReason::Declined,
        },
        ClientMessage::Cancel { call },
        ClientMessage::HangUp { call },
        ClientMessage::Description {
            call,
            kind: DescriptionKind::Offer,
            sdp: "v=0".into(),
        },
        ClientMessage::Candidate {
            call,
            candidate: String::new(),
            mid: "0".into(),
        },
    ] {
        mallory.send(message).await;
        assert_eq!(mallory.refused().await, ErrorCode::UnknownCall);
    }
    // The first thing the parties hear is what one of them does.
    ana.send(ClientMessage::HangUp { call }).await;
    assert_eq!(ben.hears_end(call).await, EndReason::HungUp);
}

#[tokio::test]
async fn a_lost_party_comes_back_with_its_token_and_the_call_goes_on() {
    let world = World::with(|config| config.server.resume_grace_ms = 10_000);
    let (mut ana, session) = world.user("ana").await;
    let (mut ben, _) = world.user("ben").await;
    let call = ana.call("ben").await.unwrap();
    ben.rings().await;
    drop(ana);
    ben.send(ClientMessage::Accept { call }).await;
    ben.hears_accepted(call).await;
    let (kind, sdp) = (DescriptionKind::Offer, "v=0".to_owned());
    ben.send(ClientMessage::Description {
        call,
        kind,
        sdp: sdp.clone(),
    })
    .await;
    let mut ana = world.visitor().await;
    let resumed = ana.resume(&session.token).await.unwrap();
    assert_eq!(resumed.token, session.token);
    let ongoing = resumed.call.unwrap();
    assert_eq!(
        (ongoing.call, ongoing.user.as_str(), ongoing.caller),
        (call, "ben", true)
    );
    // What was said meanwhile, or is said now, arrives.
    loop {
        match ana.next().await {
            ServerMessage::Accepted { call: accepted } => assert_eq!(accepted, call),
            message => {
                assert_eq!(message, ServerMessage::Description { call, kind, sdp });
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_party_that_is_gone_is_offline_and_missed_within_five_seconds_and_lost_when_it_stays_away() {
    let world = World::with(|config| config.server.rejoin_timeout_ms = 1_000);
    let (ana, mut ben, call) = world.two_in_a_call().await;
    let died = Instant::now();
    drop(ana);
    assert_eq!(ben.misses_the_other(call).await, 1_000);
    ben.sees("ana", Presence::Offline).await;
    assert!(died.elapsed() < Duration::from_secs(5), "{:?}", died.elapsed());
    assert_eq!(ben.hears_end(call).await, EndReason::PeerLost);
}

#[tokio::test]
async fn a_client_that_was_started_anew_is_welcomed_back_into_its_call() {
    let world = World::new();
    let (mut ana, session) = world.user("ana").await;
    let (mut ben, _) = world.user("ben").await;
    let call = ana.call("ben").await.unwrap();
    ben.rings().await;
    ben.send(ClientMessage::Accept { call }).await;
    ben.hears_accepted(call).await;
    drop(ana);
    ben.misses_the_other(call).await;
    let mut ana = world.visitor().await;
    let resumed = ana.resume(&session.token).await.unwrap();
    assert!(
        resumed
            .call
            .is_some_and(|ongoing| ongoing.call == call && ongoing.accepted)
    );
    assert_eq!(ben.next().await, ServerMessage::PeerBack { call });
    ana.send(ClientMessage::HangUp { call }).await;
    assert_eq!(ben.hears_end(call).await, EndReason::HungUp);
}
