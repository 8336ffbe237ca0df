//! Stories of real clients with the real server, over TLS on loopback.

#![allow(clippy::unwrap_used)]

mod client;

use std::time::{Duration, Instant};

use client::{Client, Session, connect_tls, tls};
use roomrtc_kit::config::{Config, TlsBackend};
use roomrtc_protocol::signaling::UserName;
use roomrtc_protocol::signaling::messages::{
    CallId, ClientMessage, DeclineReason, DescriptionKind, EndReason, ErrorCode, GoodbyeReason, Presence,
    ServerMessage, UserPresence, VERSION,
};
use roomrtc_server::{RunningServer, Server};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls;

const PASSWORD: &str = "correct horse battery staple";

/// A server on a free port, with a folder of its own.
struct World {
    server: RunningServer,
    config: Config,
    _folder: TempDir,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.server.listen = ([127, 0, 0, 1], 0).into();
        config.server.data_dir = folder.path().into();
        config.server.threads = 1;
        config.server.attempts_per_address = 10_000;
        change(&mut config);
        World {
            server: Server::start(&config).unwrap(),
            config,
            _folder: folder,
        }
    }

    /// Ends the server and starts it anew on the same folder.
    fn restarts(self) -> Self {
        let World {
            server,
            config,
            _folder,
        } = self;
        server.stop();
        World {
            server: Server::start(&config).unwrap(),
            config,
            _folder,
        }
    }

    async fn visitor(&self) -> Client {
        Client::connect(self.server.address(), self.server.fingerprint()).await
    }

    /// Registers and logs in.
    async fn user(&self, name: &str) -> (Client, Session) {
        let mut client = self.visitor().await;
        client.register(name, PASSWORD).await.unwrap();
        let session = client.log_in(name, PASSWORD, false).await.unwrap();
        (client, session)
    }

    /// ana and ben, who sees ana.
    async fn two(&self) -> (Client, Client) {
        let (ana, _) = self.user("ana").await;
        let (ben, _) = self.user("ben").await;
        (ana, ben)
    }

    /// ... in a call.
    async fn two_in_a_call(&self) -> (Client, Client, CallId) {
        let (mut ana, mut ben) = self.two().await;
        let call = ana.call("ben").await.unwrap();
        assert_eq!(ben.rings().await, (call, "ana".into()));
        ben.send(ClientMessage::Accept { call }).await;
        ana.hears_accepted(call).await;
        ben.hears_accepted(call).await;
        (ana, ben, call)
    }
}

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

#[tokio::test]
async fn a_client_that_falls_silent_is_offline_within_five_seconds() {
    let world = World::new();
    // ana's connection stays open, but nobody answers there any more: as if the cable were pulled.
    let (ana, mut ben, call) = world.two_in_a_call().await;
    let died = Instant::now();
    ben.misses_the_other(call).await;
    ben.sees("ana", Presence::Offline).await;
    assert!(died.elapsed() < Duration::from_secs(5), "{:?}", died.elapsed());
    drop(ana);
}

#[tokio::test]
async fn one_client_too_many_is_told_so() {
    let world = World::with(|config| config.server.max_connections = 1);
    let _ana = world.user("ana").await;
    let tls = tls(world.server.fingerprint(), rustls::ALL_VERSIONS);
    let mut ben = Client::connect_silently(world.server.address(), &tls, world.server.fingerprint()).await;
    ben.send(ClientMessage::Hello {
        version: VERSION,
        client: "test".into(),
    })
    .await;
    assert_eq!(ben.refused().await, ErrorCode::ServerFull);
    ben.ends().await;
}

#[tokio::test]
async fn what_is_no_message_of_ours_ends_a_stranger_but_not_a_user() {
    let world = World::new();
    for nonsense in [
        "",
        "{",
        "[]",
        r#"{"type":"launch_missiles"}"#,
        r#"{"type":"call","user":7}"#,
        "\u{0}",
    ] {
        let mut visitor = world.visitor().await;
        visitor.send_text(nonsense.into()).await;
        assert_eq!(visitor.refused().await, ErrorCode::BadMessage);
        visitor.ends().await;
    }
    let (mut ana, _) = world.user("ana").await;
    ana.send_text("{".into()).await;
    assert_eq!(ana.refused().await, ErrorCode::BadMessage);
    assert_eq!(ana.call("nobody").await, Err(ErrorCode::UnknownUser));
}

#[tokio::test]
async fn another_version_is_refused_politely() {
    let world = World::new();
    let tls = tls(world.server.fingerprint(), rustls::ALL_VERSIONS);
    let mut future = Client::connect_silently(world.server.address(), &tls, world.server.fingerprint()).await;
    future
        .send(ClientMessage::Hello {
            version: VERSION + 1,
            client: "test".into(),
        })
        .await;
    assert_eq!(future.refused().await, ErrorCode::UnsupportedVersion);
    future.ends().await;
}

#[tokio::test]
async fn too_long_a_message_ends_the_connection_and_after_login_more_fits() {
    let world = World::new();
    let hello = |length: usize| {
        serde_json::to_string(&ClientMessage::Hello {
            version: VERSION,
            client: "x".repeat(length),
        })
        .unwrap()
    };
    let mut visitor = world.visitor().await;
    visitor
        .send_text(hello(world.config.server.frame_before_login_bytes))
        .await;
    visitor.ends().await;
    let (mut ana, _) = world.user("ana").await;
    ana.send_text(hello(world.config.server.frame_bytes - 1000)).await;
    assert_eq!(ana.refused().await, ErrorCode::NotAllowed);
    ana.send_text(hello(world.config.server.frame_bytes)).await;
    ana.ends().await;
}

#[tokio::test]
async fn who_is_slow_before_login_is_shown_the_door() {
    let world = World::with(|config| {
        config.server.tls_timeout_ms = 200;
        config.server.header_timeout_ms = 200;
        config.server.login_timeout_ms = 200;
    });
    let address = world.server.address();
    let connector = tls(world.server.fingerprint(), rustls::ALL_VERSIONS);
    let began = Instant::now();
    // Says nothing at all, not even TLS.
    let mut mute = tokio::net::TcpStream::connect(address).await.unwrap();
    assert!(!matches!(mute.read(&mut [0; 16]).await, Ok(1..)));
    // Dribbles half a request.
    let mut dribbling = connect_tls(address, &connector).await.unwrap();
    dribbling
        .write_all(b"GET /ws HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = dribbling.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 101"));
    // Does everything right and then never logs in.
    let mut undecided = world.visitor().await;
    assert_eq!(
        undecided.next().await,
        ServerMessage::Goodbye {
            reason: GoodbyeReason::TooSlow
        }
    );
    undecided.ends().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn who_does_not_read_is_cut_off() {
    let world = World::with(|config| {
        config.server.message_rate = 100_000;
        config.server.message_burst = 100_000;
        config.server.heartbeat_timeout_ms = 60_000;
    });
    let (mut ana, mut ben, call) = world.two_in_a_call().await;
    // ben reads no more; ana sends more than the network's buffers and the server's queue can hold.
    let sdp = "x".repeat(200_000);
    let end = loop {
        let offer = ClientMessage::Description {
            call,
            kind: DescriptionKind::Offer,
            sdp: sdp.clone(),
        };
        ana.send(offer).await;
        if let Ok(message) = tokio::time::timeout(Duration::from_millis(20), ana.next()).await {
            break message;
        }
    };
    assert_eq!(
        end,
        ServerMessage::Ended {
            call,
            reason: EndReason::PeerLost
        }
    );
    // What ben finds when it reads at last: what was sent in time, then the end.
    while ben.try_next().await.is_some() {}
}

#[tokio::test]
async fn both_versions_of_tls_are_spoken_and_the_system_library_too() {
    let world = World::new();
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let connector = tls(world.server.fingerprint(), &[version]);
        let stream = connect_tls(world.server.address(), &connector).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        Client::connect_silently(world.server.address(), &connector, world.server.fingerprint())
            .await
            .hello()
            .await;
    }
    let native = World::with(|config| config.server.tls = TlsBackend::Native);
    native.user("ana").await;
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

#[tokio::test]
async fn the_port_also_answers_plain_requests() {
    let world = World::new();
    let connector = tls(world.server.fingerprint(), rustls::ALL_VERSIONS);
    for (path, wanted) in [
        ("/health", "HTTP/1.1 200"),
        ("/ws", "HTTP/1.1 426"),
        ("/none", "HTTP/1.1 404"),
    ] {
        let mut stream = connect_tls(world.server.address(), &connector).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(
            answer.starts_with(wanted.as_bytes()),
            "{path}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
}

/// A link of this user: the last part of it.
async fn invite(client: &mut Client) -> String {
    named_invite(client).await.1
}

/// The same, after the name of the invite.
async fn named_invite(client: &mut Client) -> (String, String) {
    client.send(ClientMessage::Invite).await;
    match client.next().await {
        ServerMessage::Invited { invite, url, .. } => {
            let secret = url.strip_prefix("https://localhost/join/").expect("a link");
            assert!(!invite.contains(secret), "a name is no secret");
            (invite, secret.to_owned())
        }
        other => panic!("{other:?}"),
    }
}

/// The names of this user's open invites.
async fn open_invites(client: &mut Client) -> Vec<String> {
    client.send(ClientMessage::ListInvites).await;
    match client.next().await {
        ServerMessage::Invites { invites } => invites.into_iter().map(|open| open.invite).collect(),
        other => panic!("{other:?}"),
    }
}

async fn join(world: &World, invite: &str) -> Result<(Client, Vec<UserPresence>, String), ErrorCode> {
    let mut guest = world.visitor().await;
    let (invite, name) = (invite.to_owned(), "Gus".to_owned());
    guest.send(ClientMessage::Join { invite, name }).await;
    match guest.next().await {
        ServerMessage::LoggedIn {
            user, token, users, ..
        } => {
            assert_eq!(user, "Gus (guest)");
            Ok((guest, users, token))
        }
        ServerMessage::Error { code, .. } => Err(code),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_guest_comes_by_a_link_once_sees_only_the_inviter_and_comes_back_by_its_token() {
    let world = World::new();
    let (mut ana, _) = world.user("ana").await;
    let (mut ben, _) = world.user("ben").await;
    let invite = invite(&mut ana).await;

    let mut curious = world.visitor().await;
    curious
        .send(ClientMessage::LookUpInvite {
            invite: invite.clone(),
        })
        .await;
    assert!(matches!(curious.next().await, ServerMessage::Invitation { inviter, .. } if inviter == "ana"));

    let (guest, users, token) = join(&world, &invite).await.unwrap();
    let names: Vec<_> = users.iter().map(|user| user.user.as_str()).collect();
    assert_eq!(names, ["ana"]);
    ana.sees("Gus (guest)", Presence::Available).await;
    assert_eq!(join(&world, &invite).await.err(), Some(ErrorCode::BadInvite));

    drop(guest);
    ana.sees("Gus (guest)", Presence::Offline).await;
    let mut guest = world.visitor().await;
    guest.resume(&token).await.unwrap();
    let call = guest.call("ana").await.unwrap();
    ana.rings().await;
    ana.send(ClientMessage::Accept { call }).await;
    guest.hears_accepted(call).await;
    guest.send(ClientMessage::LogOut).await;
    assert_eq!(ana.hears_accepted(call).await, ());
    assert_eq!(ana.hears_end(call).await, EndReason::PeerLeft);
    let mut late = world.visitor().await;
    assert_eq!(late.resume(&token).await.err(), Some(ErrorCode::BadToken));
    // A user who came meanwhile would have been told of the guest by now.
    ben.send(ClientMessage::Call {
        user: "nobody".into(),
    })
    .await;
    assert_eq!(ben.refused().await, ErrorCode::UnknownUser);
    assert!(
        ben.presence
            .iter()
            .all(|change| !UserName::is_guest(&change.user))
    );
}

#[tokio::test]
async fn a_link_can_be_taken_back_and_only_so_many_are_open() {
    let world = World::with(|config| config.server.invites_per_user = 1);
    let (mut ana, _) = world.user("ana").await;
    let (mut ben, _) = world.user("ben").await;
    let (first, link) = named_invite(&mut ana).await;
    assert_eq!(open_invites(&mut ana).await, std::slice::from_ref(&first));
    assert!(open_invites(&mut ben).await.is_empty());
    ana.send(ClientMessage::Invite).await;
    assert_eq!(ana.refused().await, ErrorCode::TooManyInvites);
    ben.send(ClientMessage::RevokeInvite {
        invite: first.clone(),
    })
    .await;
    assert_eq!(ben.refused().await, ErrorCode::BadInvite);
    ana.send(ClientMessage::RevokeInvite {
        invite: first.clone(),
    })
    .await;
    assert_eq!(
        ana.next().await,
        ServerMessage::InviteRevoked {
            invite: first.clone()
        }
    );
    assert!(open_invites(&mut ana).await.is_empty());
    assert_eq!(join(&world, &link).await.err(), Some(ErrorCode::BadInvite));
    // Nor is one that was used open any more.
    let used = invite(&mut ana).await;
    let (mut guest, ..) = join(&world, &used).await.unwrap();
    guest.send(ClientMessage::ListInvites).await;
    assert_eq!(guest.refused().await, ErrorCode::NotAllowed);
    assert!(open_invites(&mut ana).await.is_empty());
}
