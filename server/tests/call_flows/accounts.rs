//! Accounts, logins and tokens.

use roomrtc_protocol::signaling::messages::{
    CallId, ClientMessage, EndReason, ErrorCode, GoodbyeReason, Presence, ServerMessage, VERSION,
};

use super::{PASSWORD, World};

#[tokio::test]
async fn two_register_and_see_each_other() {
    let world = World::new();
    let (mut ana, session) = world.user("Ana").await;
    assert!(session.users.is_empty());
    let (_ben, session) = world.user("ben").await;
    assert_eq!(session.users.len(), 1);
    assert_eq!(
        (session.users[0].user.as_str(), session.users[0].presence),
        ("Ana", Presence::Available)
    );
    ana.sees("ben", Presence::Available).await;
}

#[tokio::test]
async fn an_account_has_one_owner_and_one_password() {
    let world = World::with(|config| config.server.login_delay_first_ms = 0);
    let mut ana = world.visitor().await;
    ana.register("Ana", PASSWORD).await.unwrap();
    assert_eq!(
        ana.register("ANA", "another").await,
        Err(ErrorCode::UserNameTaken)
    );
    assert_eq!(
        ana.register("no name", PASSWORD).await,
        Err(ErrorCode::BadUserName)
    );
    // A wrong password is noticed by the client; the server answers as it answers for a user it does not know.
    assert_eq!(ana.log_in("ana", "wrong", false).await.unwrap_err(), None);
    let mut stranger = world.visitor().await;
    assert_eq!(
        stranger.log_in("nobody", PASSWORD, false).await.unwrap_err(),
        None
    );
    world
        .visitor()
        .await
        .log_in("aNa", PASSWORD, false)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_invented_proof_of_the_password_is_refused() {
    let world = World::new();
    let mut ana = world.visitor().await;
    ana.register("ana", PASSWORD).await.unwrap();
    let (_, request) =
        roomrtc_protocol::signaling::opaque::ClientLogin::start(&"ana".parse().unwrap(), "guess").unwrap();
    ana.send(ClientMessage::LoginStart {
        user: "ana".into(),
        request,
    })
    .await;
    assert!(matches!(ana.next().await, ServerMessage::LoginResponse { .. }));
    // 64 bytes of nothing.
    let finalization = format!("{}==", "A".repeat(86));
    ana.send(ClientMessage::LoginFinish {
        finalization,
        take_over: true,
    })
    .await;
    assert_eq!(ana.refused().await, ErrorCode::BadCredentials);
}

#[tokio::test]
async fn who_tries_too_often_has_to_wait() {
    let world = World::with(|config| config.server.attempts_per_address = 2);
    let mut ana = world.visitor().await;
    ana.register("ana", PASSWORD).await.unwrap();
    ana.register("ben", PASSWORD).await.unwrap();
    ana.send(ClientMessage::RegisterStart {
        user: "cleo".into(),
        request: String::new(),
    })
    .await;
    match ana.next().await {
        ServerMessage::Error {
            code: ErrorCode::TooManyAttempts,
            retry_after_ms: Some(wait),
            ..
        } => {
            assert!((1..=30_001).contains(&wait), "{wait}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn without_a_login_nothing_is_allowed() {
    let world = World::new();
    let mut visitor = world.visitor().await;
    for message in [
        ClientMessage::Call { user: "ana".into() },
        ClientMessage::HangUp { call: CallId(1) },
        ClientMessage::LoginFinish {
            finalization: String::new(),
            take_over: true,
        },
        ClientMessage::LogOut,
        ClientMessage::Hello {
            version: VERSION,
            client: "again".into(),
        },
    ] {
        visitor.send(message).await;
        assert_eq!(visitor.refused().await, ErrorCode::NotAllowed);
    }
}

#[tokio::test]
async fn a_second_login_is_refused_unless_it_takes_over() {
    let world = World::new();
    let (mut ana, mut ben, call) = world.two_in_a_call().await;
    let mut second = world.visitor().await;
    let refused = second.log_in("ben", PASSWORD, false).await.unwrap_err();
    assert_eq!(refused, Some(ErrorCode::AlreadyLoggedIn));
    second.log_in("ben", PASSWORD, true).await.unwrap();
    assert_eq!(
        ben.next().await,
        ServerMessage::Goodbye {
            reason: GoodbyeReason::TakenOver
        }
    );
    ben.ends().await;
    assert_eq!(ana.hears_end(call).await, EndReason::PeerLeft);
}

#[tokio::test]
async fn a_token_is_void_once_taken_over_or_logged_out() {
    let world = World::new();
    let (_ana, first) = world.user("ana").await;
    let mut second = world.visitor().await;
    let session = second.log_in("ana", PASSWORD, true).await.unwrap();
    assert_eq!(
        world.visitor().await.resume(&first.token).await.unwrap_err(),
        ErrorCode::BadToken
    );
    second.send(ClientMessage::LogOut).await;
    assert_eq!(
        second.next().await,
        ServerMessage::Goodbye {
            reason: GoodbyeReason::LoggedOut
        }
    );
    second.ends().await;
    assert_eq!(
        world.visitor().await.resume(&session.token).await.unwrap_err(),
        ErrorCode::BadToken
    );
}

#[tokio::test]
async fn a_restart_keeps_accounts_tokens_and_certificate() {
    let world = World::new();
    let fingerprint = world.server.fingerprint();
    let (mut ana, session) = world.user("ana").await;
    world.visitor().await.register("Ben", PASSWORD).await.unwrap();
    let listening = tokio::spawn(async move { (ana.next().await, ana.try_next().await) });
    let world = tokio::task::spawn_blocking(|| world.restarts()).await.unwrap();
    let goodbye = ServerMessage::Goodbye {
        reason: GoodbyeReason::ServerShutdown,
    };
    assert_eq!(listening.await.unwrap(), (goodbye, None));
    assert_eq!(world.server.fingerprint(), fingerprint);
    let resumed = world.visitor().await.resume(&session.token).await.unwrap();
    assert_eq!(resumed.users.len(), 1);
    assert_eq!(
        (resumed.users[0].user.as_str(), resumed.users[0].presence),
        ("Ben", Presence::Offline)
    );
    world
        .visitor()
        .await
        .log_in("ben", PASSWORD, false)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_new_account_shows_up_in_everybodys_list() {
    let world = World::new();
    let (mut ana, _) = world.user("ana").await;
    world.visitor().await.register("Zoe", PASSWORD).await.unwrap();
    ana.sees("Zoe", Presence::Offline).await;
}
