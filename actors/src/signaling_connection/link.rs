//! One connection to a server: TCP, TLS with the certificate judged, WebSocket.
//!
//! `native-tls` cannot be given a judge of its own. So a pinned certificate is checked by hand: the handshake
//! accepts any certificate (it still proves that the peer holds its key), and the fingerprint is compared before a
//! single byte is sent over the connection. Without a pin the system's roots judge; where they refuse, a second
//! handshake learns the fingerprint for the user to confirm, and that connection is dropped unused.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use native_tls::TlsConnector;
use roomrtc_protocol::signaling::CertificateHash;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_native_tls::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::address::ServerAddress;
use crate::server_trust::Trust;

/// Where the server's WebSocket lives (docs/signaling.md).
const PATH: &str = "/ws";

/// Signaling messages are small: a WebSocket buffer of this size seldom grows.
const BUFFER_BYTES: usize = 4096;

/// An open connection.
pub(super) struct Link {
    /// Messages both ways.
    pub(super) socket: WebSocketStream<TlsStream<TcpStream>>,
    /// The address of this machine it goes from.
    pub(super) local: Option<IpAddr>,
    /// What the server showed; a login is bound to it.
    pub(super) certificate: CertificateHash,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub(super) enum LinkError {
    /// The address leads nowhere, or nobody listens.
    #[error("{0}")]
    Tcp(#[source] io::Error),
    /// It took too long.
    #[error("no answer in time")]
    TimedOut,
    /// No TLS there, or none in common.
    #[error("TLS: {0}")]
    Tls(#[from] native_tls::Error),
    /// The server showed no certificate.
    #[error("the server showed no certificate")]
    NoCertificate,
    /// Nobody vouches for the certificate: the user decides.
    #[error("the server's certificate {0} is not known")]
    UnknownServer(CertificateHash),
    /// Not the pinned certificate.
    #[error("the server showed {actual} instead of {expected}")]
    ServerChanged {
        /// Pinned.
        expected: CertificateHash,
        /// Shown.
        actual: CertificateHash,
    },
    /// No RoomRTC server there.
    #[error("WebSocket: {0}")]
    WebSocket(#[from] Box<tungstenite::Error>),
    /// The task that builds the TLS connector ended.
    #[error("the system's certificates could not be loaded")]
    Roots,
}

/// Connects, within `limit`.
pub(super) async fn connect(
    address: &ServerAddress,
    trust: Trust,
    limit: Duration,
    max_message: usize,
) -> Result<Link, LinkError> {
    let all = async {
        let (tls, certificate) = match trust {
            Trust::Pinned(pin) => pinned(address, pin).await?,
            Trust::SystemRoots => vouched(address).await?,
        };
        let tcp = tls.get_ref().get_ref().get_ref();
        let local = tcp.local_addr().ok().map(|address| address.ip().to_canonical());
        let request = format!("wss://{address}{PATH}");
        let mut config = WebSocketConfig::default();
        config.read_buffer_size = BUFFER_BYTES;
        config.write_buffer_size = 0;
        config.max_message_size = Some(max_message);
        config.max_frame_size = Some(max_message);
        let (socket, _) = tokio_tungstenite::client_async_with_config(request, tls, Some(config))
            .await
            .map_err(Box::new)?;
        Ok(Link {
            socket,
            local,
            certificate,
        })
    };
    tokio::time::timeout(limit, all)
        .await
        .unwrap_or(Err(LinkError::TimedOut))
}

/// Whose certificate nobody checks while the hands are shaken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Judge {
    System,
    Nobody,
}

async fn pinned(
    address: &ServerAddress,
    pin: CertificateHash,
) -> Result<(TlsStream<TcpStream>, CertificateHash), LinkError> {
    let (tls, actual) = shake_hands(address, Judge::Nobody).await?;
    // Fail closed: nothing has been sent yet, and nothing is if this is somebody else.
    match actual == pin {
        true => Ok((tls, actual)),
        false => Err(LinkError::ServerChanged {
            expected: pin,
            actual,
        }),
    }
}

async fn vouched(address: &ServerAddress) -> Result<(TlsStream<TcpStream>, CertificateHash), LinkError> {
    match shake_hands(address, Judge::System).await {
        Err(LinkError::Tls(refusal)) => {
            tracing::debug!(%refusal, "the system's roots do not vouch for the server");
            // If this fails too it was not about the certificate, and the error says what it was.
            let (unused, shown) = shake_hands(address, Judge::Nobody).await?;
            drop(unused);
            Err(LinkError::UnknownServer(shown))
        }
        other => other,
    }
}

async fn shake_hands(
    address: &ServerAddress,
    judge: Judge,
) -> Result<(TlsStream<TcpStream>, CertificateHash), LinkError> {
    let tcp = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .map_err(LinkError::Tcp)?;
    tcp.set_nodelay(true).map_err(LinkError::Tcp)?;
    // Loading the system's roots takes some 10 ms of work.
    let connector = tokio::task::spawn_blocking(move || {
        TlsConnector::builder()
            .danger_accept_invalid_certs(judge == Judge::Nobody)
            .danger_accept_invalid_hostnames(judge == Judge::Nobody)
            .disable_built_in_roots(judge == Judge::Nobody)
            .build()
    })
    .await
    .map_err(|_| LinkError::Roots)??;
    let tls = tokio_native_tls::TlsConnector::from(connector)
        .connect(&address.host, tcp)
        .await?;
    let certificate = tls
        .get_ref()
        .peer_certificate()?
        .ok_or(LinkError::NoCertificate)?;
    let hash = CertificateHash::of_der(&certificate.to_der()?);
    Ok((tls, hash))
}
