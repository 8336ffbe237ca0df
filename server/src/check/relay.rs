//! Two allocations at a TURN server that send to each other: what was seen to work, works for calls.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use native_tls::TlsConnector;
use roomrtc_protocol::ice::{
    Forwarded, Link, RelayLogin, RelayOutput, Relays, ServerKind, ServerUri, Settings, Transport,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::helpers::any_local;

/// Time for each of the steps.
const PATIENCE: Duration = Duration::from_secs(6);
/// Between two attempts to get something across.
const ATTEMPT: Duration = Duration::from_millis(300);
/// Most bytes that are read at once.
const PIECE_BYTES: usize = 16 * 1024;
const QUESTION: &[u8] = b"roomrtc-server check: are you there?";
const ANSWER: &[u8] = b"roomrtc-server check: yes.";

/// Why nothing was relayed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// No answer over UDP.
    Silent,
    /// No TCP or TLS connection.
    Unreachable(io::Error),
    /// No allocation, and with which error.
    Refused(Option<u16>),
    /// Allocations, but nothing gets from one to the other.
    NotRelayed,
}

/// Gets a question and its answer across; returns how long that took.
pub(super) async fn echo(
    uri: &ServerUri,
    server: SocketAddr,
    login: &RelayLogin,
) -> Result<Duration, Trouble> {
    let mut one = Allocation::get(uri, server, login).await?;
    let mut other = Allocation::get(uri, server, login).await?;
    one.permit(other.relayed);
    other.permit(one.relayed);
    let took = converse(&mut one, &mut other).await;
    one.give_back().await;
    other.give_back().await;
    took.ok_or(Trouble::NotRelayed)
}

/// One asks until it has heard the answer. Returns how long the last question and its answer took.
async fn converse(one: &mut Allocation, other: &mut Allocation) -> Option<Duration> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        one.send(other.relayed, QUESTION);
        let asked = Instant::now();
        let attempt = asked + ATTEMPT;
        while let Some(left) = attempt.checked_duration_since(Instant::now()) {
            if one.flush().await.is_err() || other.flush().await.is_err() {
                return None;
            }
            let moved = tokio::time::timeout(left, async {
                tokio::select! {
                    went = one.wait() => went,
                    went = other.wait() => went,
                }
            });
            match moved.await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => break,
            }
            if other.hears(QUESTION) {
                other.send(one.relayed, ANSWER);
            }
            if one.hears(ANSWER) {
                return Some(asked.elapsed());
            }
        }
    }
    None
}

trait Bytestream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Bytestream for T {}

/// The way to the server.
enum Way {
    Datagrams(UdpSocket),
    Stream(Box<dyn Bytestream>),
}

impl Way {
    async fn open(uri: &ServerUri, server: SocketAddr) -> io::Result<(Self, Link)> {
        let udp = matches!(uri.kind, ServerKind::Stun | ServerKind::TurnUdp);
        let link = |local| Link {
            transport: if udp { Transport::Udp } else { Transport::Stream },
            local,
            server,
        };
        if udp {
            let socket = UdpSocket::bind(any_local(server)).await?;
            socket.connect(server).await?;
            let link = link(socket.local_addr()?);
            return Ok((Way::Datagrams(socket), link));
        }
        let tcp = TcpStream::connect(server).await?;
        let link = link(tcp.local_addr()?);
        if uri.kind == ServerKind::TurnTcp {
            return Ok((Way::Stream(Box::new(tcp)), link));
        }
        let connector = TlsConnector::new().map_err(io::Error::other)?;
        let connector = tokio_native_tls::TlsConnector::from(connector);
        let tls = connector
            .connect(&uri.host, tcp)
            .await
            .map_err(io::Error::other)?;
        Ok((Way::Stream(Box::new(tls)), link))
    }

    async fn send(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Way::Datagrams(socket) => socket.send(data).await.map(drop),
            Way::Stream(stream) => {
                stream.write_all(data).await?;
                stream.flush().await
            }
        }
    }

    async fn receive(&mut self) -> io::Result<Bytes> {
        let mut piece = BytesMut::zeroed(PIECE_BYTES);
        let length = match self {
            Way::Datagrams(socket) => socket.recv(&mut piece).await?,
            Way::Stream(stream) => stream.read(&mut piece).await?,
        };
        piece.truncate(length);
        match self {
            Way::Stream(_) if length == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            Way::Datagrams(_) | Way::Stream(_) => Ok(piece.freeze()),
        }
    }
}

/// An address at the server.
struct Allocation {
    way: Way,
    link: Link,
    relays: Relays,
    relayed: SocketAddr,
    heard: Vec<Forwarded>,
}

impl Allocation {
    async fn get(uri: &ServerUri, server: SocketAddr, login: &RelayLogin) -> Result<Self, Trouble> {
        let late = || io::Error::from(io::ErrorKind::TimedOut);
        let opened = tokio::time::timeout(PATIENCE, Way::open(uri, server)).await;
        let (way, link) = opened
            .unwrap_or_else(|_| Err(late()))
            .map_err(Trouble::Unreachable)?;
        let mut relays = Relays::new(Settings::default(), Instant::now());
        relays.allocate(Instant::now(), link, login);
        let mut this = Allocation {
            way,
            link,
            relays,
            relayed: link.local,
            heard: Vec::new(),
        };
        let end = Instant::now() + PATIENCE;
        loop {
            let allocated = this.relays.allocated().next();
            if let Some((relayed, _)) = allocated {
                this.relayed = relayed;
                return Ok(this);
            }
            let left = end.saturating_duration_since(Instant::now());
            this.flush().await?;
            match tokio::time::timeout(left, this.wait()).await {
                Ok(Ok(())) => {}
                Ok(Err(trouble)) => return Err(trouble),
                Err(_) => return Err(Trouble::Silent),
            }
        }
    }

    fn permit(&mut self, peer: SocketAddr) {
        self.relays.permit(Instant::now(), peer.ip());
    }

    fn send(&mut self, peer: SocketAddr, data: &'static [u8]) {
        let data = Bytes::from_static(data);
        self.relays.send(Instant::now(), self.relayed, peer, data);
    }

    fn hears(&mut self, words: &[u8]) -> bool {
        self.heard.drain(..).any(|forwarded| forwarded.data == words)
    }

    /// Waits for something to arrive or for its time; nothing is lost if it is given up.
    async fn wait(&mut self) -> Result<(), Trouble> {
        let next = self
            .relays
            .next_timeout()
            .unwrap_or_else(|| Instant::now() + ATTEMPT);
        tokio::select! {
            arrived = self.way.receive() => {
                // A port that nobody listens on answers a datagram with an error.
                let data = arrived.map_err(|error| match self.link.transport {
                    Transport::Udp => Trouble::Silent,
                    Transport::Stream => Trouble::Unreachable(error),
                })?;
                self.relays.handle_input(Instant::now(), self.link, data, &mut self.heard);
            }
            () = tokio::time::sleep_until(next.into()) => self.relays.handle_timeout(Instant::now()),
        }
        Ok(())
    }

    /// Sends what is to be sent.
    async fn flush(&mut self) -> Result<(), Trouble> {
        while let Some(output) = self.relays.poll_output() {
            match output {
                RelayOutput::Transmit { data, .. } => {
                    // What is lost is sent again.
                    let _ = self.way.send(&data).await;
                }
                RelayOutput::Allocated { .. } => {}
                RelayOutput::Lost { error: None, .. } if self.link.transport == Transport::Udp => {
                    return Err(Trouble::Silent);
                }
                RelayOutput::Lost { error, .. } => return Err(Trouble::Refused(error)),
            }
        }
        Ok(())
    }

    async fn give_back(&mut self) {
        self.relays.release(Instant::now());
        let _ = self.flush().await;
    }
}
