//! Stories of the client at a real server over real TLS: trust, login, lost connections, calls.

#![allow(missing_docs, unreachable_pub)]

mod harness;

use harness::{TestClient, TestServer, Wire};
use roomrtc_actors::call_port::CallOrder;
use roomrtc_actors::ui_bridge::{CallEnd, CallEvent, Command, ConnectionState, Event};
use roomrtc_protocol::signaling::CertificateHash;
use roomrtc_protocol::signaling::messages::{EndReason, ErrorCode, GoodbyeReason, Presence};

fn unknown(event: &Event) -> Option<String> {
    match event {
        Event::UnknownServer { fingerprint } => Some(fingerprint.clone()),
        _ => None,
    }
}

fn changed(event: &Event) -> Option<(String, String)> {
    match event {
        Event::ServerChanged { expected, actual } => Some((expected.clone(), actual.clone())),
        _ => None,
    }
}

fn refused(event: &Event) -> Option<ErrorCode> {
    match event {
        Event::Refused { code, .. } => Some(*code),
        _ => None,
    }
}

fn logged_out(event: &Event) -> Option<GoodbyeReason> {
    match event {
        Event::LoggedOut { reason } => Some(*reason),
        _ => None,
    }
}

fn reconnecting(event: &Event) -> Option<()> {
    matches!(event, Event::Connection(ConnectionState::Reconnecting { .. })).then_some(())
}

fn ended(event: &CallEvent) -> Option<CallEnd> {
    match event {
        CallEvent::Ended { reason, .. } => Some(reason.clone()),
        _ => None,
    }
}

/// What the list says about a user.
fn sees(client: &mut TestClient, name: &str, wanted: Presence) {
    client.until(&format!("{name} to be {wanted:?}"), |event| match event {
        Event::Users(users) => users
            .iter()
            .any(|row| row.user == name && row.presence == wanted)
            .then_some(()),
        _ => None,
    });
}

/// Ana calls Ben and both are connected.
fn in_a_call(ana: &mut TestClient, ben: &mut TestClient) {
    ana.send(Command::Call { user: "ben".into() });
    ben.call("the call", |event| {
        matches!(event, CallEvent::Incoming { .. }).then_some(())
    });
    ben.send(Command::Accept);
    for client in [ana, ben] {
        client.call("the connection", |event| {
            matches!(event, CallEvent::Connected { .. }).then_some(())
        });
    }
}

#[test]
fn an_unknown_server_is_confirmed_once_and_an_impostor_refused() {
    let (server, impostor) = (TestServer::start(&[]), TestServer::start(&[]));
    let wire = Wire::to(server.server.address());
    let folder = tempfile::tempdir().expect("a folder");
    let address = wire.address.to_string();

    // First use: the user compares the fingerprint the server printed.
    let mut first = TestClient::start_in(folder.path(), None);
    first.send(Command::Connect {
        server: address.clone(),
    });
    let shown = first.until("the question", unknown);
    assert_eq!(shown, server.server.fingerprint().to_string());
    first.send(Command::TrustServer { fingerprint: shown });
    first.connected();
    first.handle.quit();

    // The next run knows it.
    let mut second = TestClient::start_in(folder.path(), None);
    second.connect(&address);
    second.handle.quit();

    // Somebody else at the same address.
    wire.lead_to(impostor.server.address());
    let mut third = TestClient::start_in(folder.path(), None);
    third.send(Command::Connect { server: address });
    let (expected, actual) = third.until("the refusal", changed);
    assert_eq!(expected, server.server.fingerprint().to_string());
    assert_eq!(actual, impostor.server.fingerprint().to_string());
}

#[test]
fn confirming_another_fingerprint_than_the_one_shown_trusts_nobody() {
    let server = TestServer::start(&[]);
    let mut client = TestClient::start(None);
    client.send(Command::Connect {
        server: server.address(),
    });
    client.until("the question", unknown);
    client.send(Command::TrustServer {
        fingerprint: CertificateHash::of_der(b"other").to_string(),
    });
    // Asked again, the client still does not know the server.
    client.send(Command::Connect {
        server: server.address(),
    });
    client.until("the question", unknown);
}

#[test]
fn a_pinned_server_is_not_asked_about_and_another_one_refused() {
    let server = TestServer::start(&[]);
    TestClient::start(server.pin()).connect(&server.address());
    let mut wrong = TestClient::start(Some(CertificateHash::of_der(b"other")));
    wrong.send(Command::Connect {
        server: server.address(),
    });
    let (_, actual) = wrong.until("the refusal", changed);
    assert_eq!(actual, server.server.fingerprint().to_string());
}

#[test]
fn where_nobody_listens_the_connection_fails_with_a_cause() {
    let mut client = TestClient::start(None);
    for server in ["127.0.0.1:1", "http://127.0.0.1", "no such host"] {
        client.send(Command::Connect {
            server: server.into(),
        });
        let cause = client.until("the failure", |event| match event {
            Event::Connection(ConnectionState::Failed(cause)) => Some(cause.clone()),
            _ => None,
        });
        assert!(!cause.is_empty());
    }
}

#[test]
fn a_wrong_password_is_refused_and_the_right_one_let_in() {
    let server = TestServer::start(&["server.login_delay_first_ms=0"]);
    let mut ana = TestClient::start(server.pin());
    ana.connect(&server.address());
    ana.register("ana");
    ana.log_in("ana", "wrong", false);
    assert_eq!(ana.until("the refusal", refused), ErrorCode::BadCredentials);
    ana.log_in("nobody", "secret", false);
    assert_eq!(ana.until("the refusal", refused), ErrorCode::BadCredentials);
    ana.log_in("ana", "secret", false);
    assert!(!ana.logged_in());
}

#[test]
fn a_user_who_takes_long_to_type_the_password_is_let_in_all_the_same() {
    let server = TestServer::start(&[]);
    let wire = Wire::to(server.server.address());
    let mut ana = TestClient::start(server.pin());
    ana.connect(&wire.address.to_string());
    ana.register("ana");
    // A server does not keep whoever does not log in; the client may or may not have noticed.
    wire.cut();
    ana.log_in("ana", "secret", false);
    assert!(!ana.logged_in());
}

#[test]
fn a_second_login_is_refused_until_it_takes_over() {
    let server = TestServer::start(&[]);
    let mut first = TestClient::online(&server, "ana");
    let mut second = TestClient::start(server.pin());
    second.connect(&server.address());
    second.log_in("ana", "secret", false);
    assert_eq!(second.until("the refusal", refused), ErrorCode::AlreadyLoggedIn);
    second.log_in("ana", "secret", true);
    second.logged_in();
    assert_eq!(first.until("the end", logged_out), GoodbyeReason::TakenOver);
}

#[test]
fn who_logs_out_or_quits_is_offline_at_once_and_may_come_back() {
    let server = TestServer::start(&[]);
    let (mut ana, mut ben) = (
        TestClient::online(&server, "ana"),
        TestClient::online(&server, "ben"),
    );
    sees(&mut ana, "ben", Presence::Available);
    ben.send(Command::LogOut);
    assert_eq!(ben.until("the end", logged_out), GoodbyeReason::LoggedOut);
    sees(&mut ana, "ben", Presence::Offline);
    ben.log_in("ben", "secret", false);
    ben.logged_in();
    sees(&mut ana, "ben", Presence::Available);
    ben.handle.quit();
    sees(&mut ana, "ben", Presence::Offline);
}

#[test]
fn a_call_is_described_both_ways_and_hung_up() {
    let server = TestServer::start(&[]);
    let (mut ana, mut ben) = (
        TestClient::online(&server, "ana"),
        TestClient::online(&server, "ben"),
    );
    in_a_call(&mut ana, &mut ben);
    for client in [&ana, &ben] {
        client.engine.await_orders(2);
    }
    ana.send(Command::HangUp);
    let hung_up = CallEnd::Signaled(EndReason::HungUp);
    assert_eq!(ana.call("the end", ended), hung_up);
    assert_eq!(ben.call("the end", ended), hung_up);
    sees(&mut ana, "ben", Presence::Available);
    for (client, first) in [(&ana, "Answer to ana"), (&ben, "Offer to ben")] {
        let orders = client.engine.orders();
        assert!(
            matches!(&orders[0], CallOrder::RemoteDescription { sdp, .. } if sdp == first),
            "{orders:?}"
        );
        assert_eq!(orders[1], CallOrder::RemoteCandidate("candidate:1".into()));
        assert_eq!(orders.last(), Some(&CallOrder::HangUp));
    }
}

#[test]
fn whoever_cannot_be_called_is_told_why() {
    let server = TestServer::start(&[]);
    let mut ana = TestClient::online(&server, "ana");
    for (user, code) in [("nobody", ErrorCode::UnknownUser), ("ana", ErrorCode::CalledSelf)] {
        ana.send(Command::Call { user: user.into() });
        assert_eq!(ana.call("the refusal", ended), CallEnd::Refused(code));
    }
    ana.send(Command::LogOut);
    ana.until("the end", logged_out);
    ana.send(Command::Call {
        user: "nobody".into(),
    });
    assert_eq!(
        ana.call("the refusal", ended),
        CallEnd::Refused(ErrorCode::NotAllowed)
    );
}

#[test]
fn a_lost_connection_is_resumed_and_the_call_goes_on() {
    let server = TestServer::start(&[]);
    let wire = Wire::to(server.server.address());
    let mut ana = TestClient::start(server.pin());
    ana.connect(&wire.address.to_string());
    ana.register("ana");
    ana.log_in("ana", "secret", false);
    ana.logged_in();
    let mut ben = TestClient::online(&server, "ben");
    sees(&mut ana, "ben", Presence::Available);
    in_a_call(&mut ana, &mut ben);

    wire.cut();
    ana.until("the loss", reconnecting);
    // What is said meanwhile is not lost.
    assert!(ana.logged_in(), "the session was resumed");
    assert!(
        !ana.engine.orders().contains(&CallOrder::HangUp),
        "the call was not disturbed"
    );
    ana.send(Command::HangUp);
    assert_eq!(ben.call("the end", ended), CallEnd::Signaled(EndReason::HungUp));
}

#[test]
fn hanging_up_while_the_connection_is_lost_reaches_the_peer_later() {
    let server = TestServer::start(&[]);
    let wire = Wire::to(server.server.address());
    let mut ana = TestClient::start(server.pin());
    ana.connect(&wire.address.to_string());
    ana.register("ana");
    ana.log_in("ana", "secret", false);
    ana.logged_in();
    let mut ben = TestClient::online(&server, "ben");
    in_a_call(&mut ana, &mut ben);
    wire.cut();
    ana.until("the loss", reconnecting);
    ana.send(Command::HangUp);
    assert_eq!(ana.call("the end", ended), CallEnd::Signaled(EndReason::HungUp));
    assert_eq!(ben.call("the end", ended), CallEnd::Signaled(EndReason::HungUp));
}
