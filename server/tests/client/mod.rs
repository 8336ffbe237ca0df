//! A client for tests: speaks to the real server over real TLS, one typed message at a time.
//!
//! Its WebSocket is a library's and not ours, so each test also checks our framing against another's.

#![allow(dead_code, unreachable_pub, missing_docs, clippy::unwrap_used)] // each program that includes this uses a part of it

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use roomrtc_protocol::signaling::messages::{
    CallId, ClientMessage, EndReason, ErrorCode, Presence, ServerMessage, UserPresence, VERSION,
};
use roomrtc_protocol::signaling::opaque::{ClientLogin, ClientRegistration};
use roomrtc_protocol::signaling::{CertificateHash, UserName};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{
    WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::{self, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Longer than anything that should happen takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(15);

pub type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// A connection to the server.
pub struct Client {
    pub socket: Socket,
    pub certificate: CertificateHash,
    /// Presence messages come at any time: they are set aside here.
    pub presence: Vec<UserPresence>,
}

/// What a login gave.
#[derive(Clone, Debug)]
pub struct Session {
    pub token: String,
    pub users: Vec<UserPresence>,
    pub call: Option<roomrtc_protocol::signaling::messages::OngoingCall>,
}

/// Accepts one certificate: the one with the right hash.
#[derive(Debug)]
struct Pinned(CertificateHash, WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        assert_eq!(CertificateHash::of_der(certificate), self.0);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.1)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.1)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.1.supported_schemes()
    }
}

/// TLS as a client of these versions speaks it.
pub fn tls(
    certificate: CertificateHash,
    versions: &[&'static SupportedProtocolVersion],
) -> tokio_rustls::TlsConnector {
    let provider = rustls::crypto::ring::default_provider();
    let pinned = Pinned(certificate, provider.signature_verification_algorithms);
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_no_client_auth();
    Arc::new(config).into()
}

/// A TLS connection to the server.
pub async fn connect_tls(
    address: SocketAddr,
    connector: &tokio_rustls::TlsConnector,
) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    connector
        .connect(ServerName::try_from("localhost").unwrap(), tcp)
        .await
}

impl Client {
    /// A connection that has said hello.
    pub async fn connect(address: SocketAddr, certificate: CertificateHash) -> Self {
        let mut client =
            Self::connect_silently(address, &tls(certificate, rustls::ALL_VERSIONS), certificate).await;
        client.hello().await;
        client
    }

    /// A connection that has said nothing yet.
    pub async fn connect_silently(
        address: SocketAddr,
        connector: &tokio_rustls::TlsConnector,
        certificate: CertificateHash,
    ) -> Self {
        let stream = connect_tls(address, connector).await.unwrap();
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(0);
        let (socket, _) = client_async_with_config("wss://localhost/ws", stream, Some(config))
            .await
            .unwrap();
        Client {
            socket,
            certificate,
            presence: Vec::new(),
        }
    }

    pub async fn hello(&mut self) {
        self.send(ClientMessage::Hello {
            version: VERSION,
            client: "test".into(),
        })
        .await;
        match self.next().await {
            ServerMessage::Welcome { version: VERSION, .. } => {}
            other => panic!("{other:?}"),
        }
    }

    pub async fn send(&mut self, message: ClientMessage) {
        self.send_text(serde_json::to_string(&message).unwrap()).await;
    }

    pub async fn send_text(&mut self, text: String) {
        // A connection that the server has ended shows at the next read.
        let _ = self.socket.send(Message::text(text)).await;
    }

    /// The next message; none at the end of the connection. Presence is set aside, heartbeats are left out.
    pub async fn try_next(&mut self) -> Option<ServerMessage> {
        loop {
            let frame = timeout(PATIENCE, self.socket.next())
                .await
                .expect("something is heard in time");
            let text = match frame? {
                Ok(Message::Text(text)) => text,
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => continue,
            };
            match serde_json::from_str(&text).unwrap() {
                ServerMessage::PresenceChanged { user, presence } => {
                    self.presence.push(UserPresence { user, presence });
                }
                ServerMessage::Ping => self.send(ClientMessage::Pong).await,
                ServerMessage::Pong => {}
                message => return Some(message),
            }
        }
    }

    pub async fn next(&mut self) -> ServerMessage {
        self.try_next().await.expect("the connection goes on")
    }

    /// The connection ends, with nothing more said.
    pub async fn ends(&mut self) {
        assert_eq!(self.try_next().await, None);
    }

    /// The next message is an error.
    pub async fn refused(&mut self) -> ErrorCode {
        match self.next().await {
            ServerMessage::Error { code, .. } => code,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until a user is seen in a state.
    pub async fn sees(&mut self, user: &str, presence: Presence) {
        let wanted = UserPresence {
            user: user.into(),
            presence,
        };
        while self.presence.iter().rfind(|change| change.user == user) != Some(&wanted) {
            let frame = timeout(PATIENCE, self.socket.next())
                .await
                .expect("the change is seen in time");
            let text = frame
                .expect("the connection goes on")
                .unwrap()
                .into_text()
                .unwrap();
            match serde_json::from_str(&text).unwrap() {
                ServerMessage::PresenceChanged { user, presence } => {
                    self.presence.push(UserPresence { user, presence });
                }
                ServerMessage::Ping => self.send(ClientMessage::Pong).await,
                ServerMessage::Pong => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub async fn register(&mut self, user: &str, password: &str) -> Result<(), ErrorCode> {
        let (registration, request) =
            ClientRegistration::start(&UserName::parse("x").unwrap(), password).unwrap();
        drop(registration);
        let name = UserName::parse(user);
        let (registration, request) = match &name {
            Ok(name) => {
                let (registration, request) = ClientRegistration::start(name, password).unwrap();
                (Some(registration), request)
            }
            Err(_) => (None, request),
        };
        self.send(ClientMessage::RegisterStart {
            user: user.into(),
            request,
        })
        .await;
        let response = match self.next().await {
            ServerMessage::RegisterResponse { response } => response,
            ServerMessage::Error { code, .. } => return Err(code),
            other => panic!("{other:?}"),
        };
        let registration = registration.expect("the server takes names that are none");
        let record = tokio::task::spawn_blocking(move || registration.finish(&response).unwrap());
        self.send(ClientMessage::RegisterFinish {
            record: record.await.unwrap(),
        })
        .await;
        match self.next().await {
            ServerMessage::Registered { .. } => Ok(()),
            ServerMessage::Error { code, .. } => Err(code),
            other => panic!("{other:?}"),
        }
    }

    /// Logs in; `None` where the password is wrong, which the client itself notices.
    pub async fn log_in(
        &mut self,
        user: &str,
        password: &str,
        take_over: bool,
    ) -> Result<Session, Option<ErrorCode>> {
        let (login, request) = ClientLogin::start(&UserName::parse(user).unwrap(), password).unwrap();
        self.send(ClientMessage::LoginStart {
            user: user.into(),
            request,
        })
        .await;
        let response = match self.next().await {
            ServerMessage::LoginResponse { response } => response,
            ServerMessage::Error { code, .. } => return Err(Some(code)),
            other => panic!("{other:?}"),
        };
        let certificate = self.certificate;
        let finish = tokio::task::spawn_blocking(move || login.finish(&response, &certificate));
        let finalization = finish.await.unwrap().map_err(|_| None)?;
        self.send(ClientMessage::LoginFinish {
            finalization,
            take_over,
        })
        .await;
        self.logged_in().await.map_err(Some)
    }

    pub async fn resume(&mut self, token: &str) -> Result<Session, ErrorCode> {
        self.send(ClientMessage::Resume { token: token.into() }).await;
        self.logged_in().await
    }

    async fn logged_in(&mut self) -> Result<Session, ErrorCode> {
        match self.next().await {
            ServerMessage::LoggedIn {
                token, users, call, ..
            } => {
                self.presence.extend(users.iter().cloned());
                Ok(Session { token, users, call })
            }
            ServerMessage::Error { code, .. } => Err(code),
            other => panic!("{other:?}"),
        }
    }

    /// Calls somebody; gives the call once it rings.
    pub async fn call(&mut self, user: &str) -> Result<CallId, ErrorCode> {
        self.send(ClientMessage::Call { user: user.into() }).await;
        match self.next().await {
            ServerMessage::Ringing { call, user: rings } => {
                assert_eq!(rings.to_lowercase(), user.to_lowercase());
                Ok(call)
            }
            ServerMessage::Error { code, .. } => Err(code),
            other => panic!("{other:?}"),
        }
    }

    /// Hears an incoming call.
    pub async fn rings(&mut self) -> (CallId, String) {
        match self.next().await {
            ServerMessage::Incoming { call, user } => (call, user),
            other => panic!("{other:?}"),
        }
    }

    /// Hears that a call is accepted.
    pub async fn hears_accepted(&mut self, call: CallId) {
        assert_eq!(self.next().await, ServerMessage::Accepted { call });
    }

    /// Hears the end of a call.
    /// The other party is missed; how long it is waited for.
    pub async fn misses_the_other(&mut self, call: CallId) -> u64 {
        match self.next().await {
            ServerMessage::PeerAway { call: about, wait_ms } if about == call => wait_ms,
            other => panic!("{other:?}"),
        }
    }

    pub async fn hears_end(&mut self, call: CallId) -> EndReason {
        match self.next().await {
            ServerMessage::Ended { call: ended, reason } if ended == call => reason,
            other => panic!("{other:?}"),
        }
    }
}
