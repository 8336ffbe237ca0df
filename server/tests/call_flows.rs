//! Stories of real clients with the real server, over TLS on loopback.

#![allow(clippy::unwrap_used)]

mod client;

use std::time::{Duration, Instant};

use client::{Client, Session, connect_tls, tls};
use roomrtc_kit::config::{Config, TlsBackend};
use roomrtc_protocol::signaling::messages::{
    CallId, ClientMessage, DeclineReason, DescriptionKind, EndReason, ErrorCode, GoodbyeReason, Presence,
    ServerMessage, VERSION,
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
