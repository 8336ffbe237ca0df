//! The server's port: who answers there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use native_tls::TlsConnector;
use roomrtc_kit::config::Config;
use roomrtc_protocol::signaling::messages::{ClientMessage, ServerMessage, VERSION};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::Finding;
use super::certificate::host_of;

/// Who has not answered by then does not.
const PATIENCE: Duration = Duration::from_secs(5);
const HTTPS_PORT: u16 = 443;

/// The address it listens on, and the one guests use, each with its name.
pub(super) async fn check(config: &Config) -> Vec<(String, Finding)> {
    let listen = config.server.listen;
    let near = SocketAddr::new(
        match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        },
        listen.port(),
    );
    let mut findings = vec![(format!("port {}", listen.port()), here(listen, near).await)];
    let url = &config.server.public_url;
    if let Some(host) = host_of(url) {
        findings.push((url.clone(), from_outside(host, url).await));
    }
    findings
}

async fn here(listen: SocketAddr, near: SocketAddr) -> Finding {
    if listen.port() == 0 {
        return Finding::Note("the system chooses one at each start".to_owned());
    }
    match tokio::time::timeout(PATIENCE, TcpStream::connect(near)).await {
        Ok(Ok(tcp)) => match greet(tcp, "localhost", false).await {
            Ok(server) => Finding::Good(format!("{server} answers")),
            Err(error) => Finding::problem(
                format!("something else than a RoomRTC server answers: {error}"),
                "End the other program, or choose another port with server.listen.",
            ),
        },
        Ok(Err(_)) | Err(_) => match std::net::TcpListener::bind(listen) {
            Ok(_) => Finding::Good("free; the server is not running".to_owned()),
            Err(error) => Finding::problem(
                format!("{listen} cannot be listened on: {error}"),
                "Choose another address with server.listen; ports below 1024 are for root or who has been given \
                 CAP_NET_BIND_SERVICE.",
            ),
        },
    }
}

async fn from_outside(host: &str, url: &str) -> Finding {
    let port = url
        .trim_end_matches('/')
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok())
        .unwrap_or(HTTPS_PORT);
    let connected = tokio::time::timeout(PATIENCE, TcpStream::connect((host, port))).await;
    let Ok(Ok(tcp)) = connected else {
        return Finding::problem(
            format!("nobody answers on TCP port {port}"),
            "Start the server; then look at the name's address, and at the firewall or router in between.",
        );
    };
    match greet(tcp, host, true).await {
        Ok(server) => Finding::Good(format!("{server} answers")),
        Err(error) => Finding::problem(
            format!("no RoomRTC server that browsers trust: {error}"),
            "Browsers of guests need a certificate that an authority vouches for (docs/self-hosting.md).",
        ),
    }
}

/// Says hello over TLS and WebSocket as a client does. Returns the server's name.
async fn greet(tcp: TcpStream, host: &str, vouched: bool) -> Result<String, String> {
    let whole = async {
        let connector = TlsConnector::builder()
            .danger_accept_invalid_certs(!vouched)
            .build()
            .map_err(|error| error.to_string())?;
        let connector = tokio_native_tls::TlsConnector::from(connector);
        let tls = connector
            .connect(host, tcp)
            .await
            .map_err(|error| error.to_string())?;
        let bracketed = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let request = format!("wss://{bracketed}/ws");
        let opened = tokio_tungstenite::client_async(request, tls).await;
        let (mut socket, _) = opened.map_err(|error| error.to_string())?;
        let hello = ClientMessage::Hello {
            version: VERSION,
            client: concat!("roomrtc-server check ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        let hello = serde_json::to_string(&hello).map_err(|error| error.to_string())?;
        let sent = socket.send(Message::text(hello)).await;
        sent.map_err(|error| error.to_string())?;
        let answer = socket
            .next()
            .await
            .ok_or("it says nothing")?
            .map_err(|error| error.to_string())?;
        match serde_json::from_slice(&answer.into_data()) {
            Ok(ServerMessage::Welcome { server, .. }) => Ok(server),
            Ok(other) => Err(format!("it says {other:?}")),
            Err(error) => Err(error.to_string()),
        }
    };
    match tokio::time::timeout(PATIENCE, whole).await {
        Ok(outcome) => outcome,
        Err(_) => Err("no answer in time".to_owned()),
    }
}
