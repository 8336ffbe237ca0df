//! Actors of the control plane crash one after the other, and the user hardly notices. One client only in this
//! process: orders to crash go by the actor's name.

#![allow(missing_docs, unreachable_pub, dead_code)]

mod harness;

use harness::{TestClient, TestServer};
use roomrtc_actors::ui_bridge::{CallEnd, CallEvent, Command, Event};
use roomrtc_kit::{Directory, Order};
use roomrtc_protocol::signaling::messages::ErrorCode;

/// Crashes an actor and waits until its next life is told.
fn crash(client: &mut TestClient, name: &str) {
    assert!(Directory::order(name, Order::Panic), "there is {name}");
    client.until(&format!("{name} to be restarted"), |event| match event {
        Event::Restarted { actor, .. } if actor == name => Some(()),
        _ => None,
    });
}

/// The whole way works: to the root, to the server and back to the front end.
fn asks_the_server(client: &mut TestClient) {
    client.send(Command::Call {
        user: "nobody".into(),
    });
    let end = client.call("the refusal", |event| match event {
        CallEvent::Ended { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(end, CallEnd::Refused(ErrorCode::UnknownUser));
}

#[test]
fn the_session_outlives_the_actors_that_hold_it() {
    Directory::allow_chaos(true);
    let server = TestServer::start(&[]);
    let mut ana = TestClient::online(&server, "ana");
    asks_the_server(&mut ana);

    crash(&mut ana, "client/signaling_connection");
    assert!(ana.logged_in(), "its next life resumes the session");
    asks_the_server(&mut ana);

    crash(&mut ana, "client/root");
    asks_the_server(&mut ana);

    crash(&mut ana, "client/ui_bridge");
    asks_the_server(&mut ana);
    ana.handle.quit();
}
