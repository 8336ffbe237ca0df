//! Connections: how many, how slow, with what in them.

use std::time::{Duration, Instant};

use roomrtc_kit::config::TlsBackend;
use roomrtc_protocol::signaling::messages::{
    ClientMessage, DescriptionKind, EndReason, ErrorCode, GoodbyeReason, Presence, ServerMessage, VERSION,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls;

use super::World;
use crate::client::{Client, connect_tls, tls};

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
