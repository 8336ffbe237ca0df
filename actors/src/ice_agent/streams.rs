//! Ways to the peer and to TURN servers where UDP is blocked: TCP, and TLS over it.
//!
//! A stream is carried by a task of its own, so that it outlives the actor like the sockets do; it ends with the last
//! handle to it.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, ThreadId};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use native_tls::{Protocol, TlsConnector};
use roomrtc_protocol::ice::{Link, ServerKind, ServerUri, Transport};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;

/// Datagrams that wait to be written; the newest is dropped when there is no room, as a full socket would.
const MAX_OUTGOING: usize = 512;
/// Pieces that were read and not taken yet; the server waits when there is no room.
const MAX_INCOMING: usize = 64;
/// A stream that takes nothing for so long is dead, as a path without consent is (RFC 7675 §5.1).
const WRITE_WITHIN: Duration = Duration::from_secs(30);
/// Bytes read at once.
const PIECE_BYTES: usize = 16 * 1024;

/// A stream to a TURN server or the peer. Clones are the same one.
#[derive(Clone)]
pub(super) struct Stream {
    link: Link,
    /// Whose task carries it.
    carrier: ThreadId,
    outgoing: mpsc::Sender<Bytes>,
    incoming: Arc<Mutex<mpsc::Receiver<Bytes>>>,
}

impl Stream {
    /// Connects, within `limit`. The certificate of a server over TLS must be one the system vouches for.
    pub(super) async fn connect(uri: ServerUri, server: SocketAddr, limit: Duration) -> io::Result<Self> {
        let connecting = async {
            let tcp = TcpStream::connect(server).await?;
            tcp.set_nodelay(true)?;
            let link = Link {
                transport: Transport::Stream,
                local: tcp.local_addr()?,
                server,
            };
            match uri.kind {
                ServerKind::TurnTls => {
                    let tls = connector().await?.connect(&uri.host, tcp).await;
                    Ok(Self::carried(link, tls.map_err(io::Error::other)?))
                }
                ServerKind::Stun | ServerKind::TurnUdp | ServerKind::TurnTcp => Ok(Self::carried(link, tcp)),
            }
        };
        within(limit, connecting).await
    }

    /// Connects to the peer from this candidate's address, within `limit`.
    pub(super) async fn connect_from(
        local: SocketAddr,
        peer: SocketAddr,
        limit: Duration,
    ) -> io::Result<Self> {
        let socket = if local.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        socket.bind(SocketAddr::new(local.ip(), 0))?;
        Self::to_peer(local, peer, within(limit, socket.connect(peer)).await?)
    }

    /// A stream between the peer and a candidate of ours.
    pub(super) fn to_peer(local: SocketAddr, peer: SocketAddr, tcp: TcpStream) -> io::Result<Self> {
        tcp.set_nodelay(true)?;
        let link = Link {
            transport: Transport::Stream,
            local,
            server: peer,
        };
        Ok(Self::carried(link, tcp))
    }

    fn carried(link: Link, stream: impl AsyncRead + AsyncWrite + 'static) -> Self {
        let (outgoing, to_write) = mpsc::channel(MAX_OUTGOING);
        let (read, incoming) = mpsc::channel(MAX_INCOMING);
        actix_rt::spawn(carry(stream, to_write, read));
        Stream {
            link,
            carrier: thread::current().id(),
            outgoing,
            incoming: Arc::new(Mutex::new(incoming)),
        }
    }

    /// Between which addresses it goes.
    pub(super) fn link(&self) -> Link {
        self.link
    }

    /// Whether this very thread carries it. Another one was replaced, for it hung: nothing comes from there any more.
    pub(super) fn is_carried_here(&self) -> bool {
        self.carrier == thread::current().id()
    }

    /// Writes this; false if there is no room, or it has ended.
    pub(super) fn send(&self, data: Bytes) -> bool {
        self.outgoing.try_send(data).is_ok()
    }

    /// Waits for the next bytes; `None` at its end.
    pub(super) fn poll_receive(&self, task: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut incoming = self.incoming.lock().unwrap_or_else(PoisonError::into_inner);
        incoming.poll_recv(task)
    }
}

async fn within<T>(limit: Duration, connecting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    tokio::time::timeout(limit, connecting).await.map_err(late)?
}

/// Loading the system's roots takes milliseconds that the call's thread does not have.
async fn connector() -> io::Result<tokio_native_tls::TlsConnector> {
    let building = tokio::task::spawn_blocking(|| {
        TlsConnector::builder()
            .min_protocol_version(Some(Protocol::Tlsv12))
            .build()
    });
    let connector = building.await?.map_err(io::Error::other)?;
    Ok(connector.into())
}

async fn carry(
    stream: impl AsyncRead + AsyncWrite,
    mut outgoing: mpsc::Receiver<Bytes>,
    incoming: mpsc::Sender<Bytes>,
) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let reading = async {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(PIECE_BYTES);
            let read = reader.read_buf(&mut buffer).await.unwrap_or(0);
            if read == 0 || incoming.send(buffer.split().freeze()).await.is_err() {
                return;
            }
        }
    };
    let writing = async {
        while let Some(data) = outgoing.recv().await {
            let mut written = within(WRITE_WITHIN, writer.write_all(&data)).await;
            while let (Ok(()), Ok(data)) = (&written, outgoing.try_recv()) {
                written = within(WRITE_WITHIN, writer.write_all(&data)).await;
            }
            if written.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
        // Nobody holds it any more: the last words are out.
        let _ = writer.shutdown().await;
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
    }
}
