//! Stories of real clients with the real server, over TLS on loopback.

#![allow(clippy::unwrap_used)]

mod accounts;
mod calls;
#[path = "../client/mod.rs"]
mod client;
mod connections;
mod guests;

use client::{Client, Session};
use roomrtc_kit::config::Config;
use roomrtc_protocol::signaling::messages::{CallId, ClientMessage};
use roomrtc_server::{RunningServer, Server};
use tempfile::TempDir;

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
