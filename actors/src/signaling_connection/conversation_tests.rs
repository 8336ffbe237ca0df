//! A client and the cryptography of a server, without a connection between them.
#![allow(clippy::unwrap_used)]

use roomrtc_protocol::signaling::opaque::{ServerKeys, password_file};

use super::*;

fn certificate() -> CertificateHash {
    CertificateHash::of_der(b"the server's")
}

/// A greeted conversation.
fn ready() -> Conversation {
    let (mut conversation, hello) = Conversation::start(certificate());
    assert!(matches!(
        hello,
        Output::Say(ClientMessage::Hello { version: VERSION, .. })
    ));
    assert!(conversation.awaits_answer());
    let welcome = ServerMessage::Welcome {
        version: VERSION,
        server: "test".into(),
        heartbeat_ms: 2000,
    };
    assert!(matches!(
        conversation.hear(welcome),
        Some(Output::Ready {
            heartbeat_ms: 2000,
            ..
        })
    ));
    conversation
}

fn said(output: Option<Output>) -> ClientMessage {
    match output {
        Some(Output::Say(message)) => message,
        other => panic!("{other:?}"),
    }
}

fn stretched(conversation: &mut Conversation, output: Option<Output>) -> Option<Output> {
    let Some(Output::Stretch(stretch)) = output else {
        panic!("{output:?}")
    };
    conversation.stretched(stretch.run())
}

fn log_in(password: &str) -> Request {
    Request::LogIn {
        user: "Ana".into(),
        password: Password(password.into()),
        take_over: false,
    }
}

/// Registers "Ana" with a server that lives in the test; gives its keys and her password file.
fn registered(conversation: &mut Conversation) -> (ServerKeys, Vec<u8>) {
    let keys = ServerKeys::generate();
    let register = Request::Register {
        user: "Ana".into(),
        password: Password("secret".into()),
    };
    let ClientMessage::RegisterStart { user, request } = said(Some(conversation.request(register))) else {
        panic!()
    };
    let response = keys
        .registration_response(&UserName::parse(&user).unwrap(), &request)
        .unwrap();
    let answer = conversation.hear(ServerMessage::RegisterResponse { response });
    let ClientMessage::RegisterFinish { record } = said(stretched(conversation, answer)) else {
        panic!()
    };
    let done = conversation.hear(ServerMessage::Registered { user });
    assert!(matches!(done, Some(Output::Registered { .. })));
    (keys, password_file(&record).unwrap())
}

fn login_response(keys: &ServerKeys, file: &[u8], message: ClientMessage) -> ServerMessage {
    let ClientMessage::LoginStart { user, request } = message else {
        panic!("{message:?}")
    };
    let user = UserName::parse(&user).unwrap();
    let (_, response) = keys
        .login_response(&user, Some(file), &request, &certificate())
        .unwrap();
    ServerMessage::LoginResponse { response }
}

#[test]
fn ana_registers_and_logs_in_over_one_connection() {
    let mut conversation = ready();
    let (keys, file) = registered(&mut conversation);
    let start = said(Some(conversation.request(log_in("secret"))));
    let answer = conversation.hear(login_response(&keys, &file, start));
    let finish = said(stretched(&mut conversation, answer));
    assert!(matches!(
        finish,
        ClientMessage::LoginFinish { take_over: false, .. }
    ));
    let opened = ServerMessage::LoggedIn {
        user: "Ana".into(),
        token: "t".into(),
        users: Vec::new(),
        call: None,
    };
    assert!(matches!(
        conversation.hear(opened),
        Some(Output::Opened { resumed: false, .. })
    ));
    assert!(conversation.is_open() && !conversation.awaits_answer());
}

#[test]
fn a_wrong_password_is_told_by_the_server_and_another_attempt_is_possible() {
    let mut conversation = ready();
    let (keys, file) = registered(&mut conversation);
    let ClientMessage::LoginStart { user, request } = said(Some(conversation.request(log_in("wrong"))))
    else {
        panic!()
    };
    let user = UserName::parse(&user).unwrap();
    let (pending, response) = keys
        .login_response(&user, Some(&file), &request, &certificate())
        .unwrap();
    let answer = conversation.hear(ServerMessage::LoginResponse { response });
    let ClientMessage::LoginFinish { finalization, .. } = said(stretched(&mut conversation, answer)) else {
        panic!()
    };
    assert_eq!(pending.finish(&finalization), Err(OpaqueError::WrongPassword));
    let refused = conversation.hear(ServerMessage::Error {
        code: ErrorCode::BadCredentials,
        message: String::new(),
        call: None,
        retry_after_ms: None,
    });
    let wrong = Refusal::from(ErrorCode::BadCredentials);
    assert!(matches!(refused, Some(Output::Refused(refusal)) if refusal == wrong));
    assert!(conversation.is_ready());
}

#[test]
fn a_name_that_is_none_never_reaches_the_server() {
    let mut conversation = ready();
    let request = Request::LogIn {
        user: "no one".into(),
        password: Password("x".into()),
        take_over: true,
    };
    let refused = conversation.request(request);
    assert!(matches!(
        refused,
        Output::Refused(Refusal {
            code: ErrorCode::BadUserName,
            ..
        })
    ));
    assert!(conversation.is_ready());
}

#[test]
fn an_old_token_makes_the_session_void_and_any_other_refusal_does_not() {
    let error = |code| ServerMessage::Error {
        code,
        message: String::new(),
        call: None,
        retry_after_ms: None,
    };
    let mut conversation = ready();
    conversation.request(Request::Resume { token: "old".into() });
    let busy = conversation.hear(error(ErrorCode::TooManyAttempts));
    assert!(matches!(busy, Some(Output::Refused(_))));
    assert!(matches!(
        conversation.hear(error(ErrorCode::BadToken)),
        Some(Output::Void)
    ));
    assert!(conversation.is_ready());
}

#[test]
fn messages_out_of_turn_are_dropped() {
    let mut conversation = ready();
    for message in [
        ServerMessage::RegisterResponse { response: "x".into() },
        ServerMessage::LoginResponse { response: "x".into() },
        ServerMessage::Registered { user: "x".into() },
        ServerMessage::LoggedIn {
            user: "x".into(),
            token: "x".into(),
            users: Vec::new(),
            call: None,
        },
        ServerMessage::Incoming {
            call: roomrtc_protocol::signaling::messages::CallId(1),
            user: "x".into(),
        },
    ] {
        assert!(conversation.hear(message).is_none());
    }
    assert!(conversation.is_ready());
    assert_eq!(said(conversation.hear(ServerMessage::Ping)), ClientMessage::Pong);
}
