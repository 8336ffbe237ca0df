//! What clients notice when an actor of the server crashes: as little as can be.

#![allow(clippy::unwrap_used)]

mod client;

use client::Client;
use roomrtc_kit::config::Config;
use roomrtc_kit::{Directory, Order};
use roomrtc_protocol::signaling::messages::{ClientMessage, EndReason, Presence};
use roomrtc_server::Server;

const PASSWORD: &str = "correct horse battery staple";

/// One story in one process: the actors are found by their names.
#[tokio::test]
async fn the_server_goes_on_when_its_actors_crash() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.server.data_dir = folder.path().into();
    config.server.login_delay_first_ms = 0;
    let server = Server::start(&config).unwrap();
    Directory::allow_chaos(true);
    let visitor = async || Client::connect(server.address(), server.fingerprint()).await;

    // The account store: whoever logs in next waits for its restart, that is all.
    let mut ana = visitor().await;
    ana.register("ana", PASSWORD).await.unwrap();
    assert!(Directory::order("server/accounts", Order::Panic));
    let session = ana.log_in("ana", PASSWORD, false).await.unwrap();

    // The directory: nobody is forgotten, and a call that begins in the same moment rings.
    let mut ben = visitor().await;
    ben.register("ben", PASSWORD).await.unwrap();
    ben.log_in("ben", PASSWORD, false).await.unwrap();
    ana.sees("ben", Presence::Available).await;
    assert!(Directory::order("server/directory", Order::Panic));
    let call = ana.call("ben").await.unwrap();
    assert_eq!(ben.rings().await.0, call);
    ben.send(ClientMessage::Decline {
        call,
        reason: roomrtc_protocol::signaling::messages::DeclineReason::Declined,
    })
    .await;
    assert_eq!(ana.hears_end(call).await, EndReason::Declined);
    assert_eq!(ben.hears_end(call).await, EndReason::Declined);

    // The listener: whoever knocks is let in.
    assert!(Directory::order("server/listener", Order::Panic));
    visitor().await;

    // The call registry knows who is there: without it all come back by their tokens.
    assert!(Directory::order("server/calls", Order::Panic));
    ana.ends().await;
    ben.ends().await;
    let mut ana = visitor().await;
    let resumed = ana.resume(&session.token).await.unwrap();
    assert_eq!(resumed.users.len(), 1, "everybody who registered is known");
    let mut ben = visitor().await;
    ben.log_in("ben", PASSWORD, false).await.unwrap();
    ana.sees("ben", Presence::Available).await;
    let call = ana.call("ben").await.unwrap();
    assert_eq!(ben.rings().await.0, call);
    tokio::task::spawn_blocking(|| server.stop()).await.unwrap();
}
