//! ICE over TCP (RFC 6544): where the peer may connect to, and the streams between it and us. They outlive the actor like
//! its sockets do.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll, ready};
use std::time::{Duration, Instant};

use actix::fut::{ActorFuture, ActorFutureExt, WrapFuture};
use actix::{AsyncContext, Context, SpawnHandle};
use bytes::Bytes;
use roomrtc_kit::config::Network;
use roomrtc_protocol::demux::{self, Kind};
use roomrtc_protocol::ice::{self, ANY_PORT, Deframer, Link, Transport};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tracing::{debug, info};

use super::batch::Batch;
use super::streams::Stream;
use super::{Bound, IceAgent, IceSetup, Path, interfaces};

/// Interfaces that listen; each has two candidates, of which peers take a bounded number.
const MAX_LISTENERS: usize = 8;
/// Streams at one time that came to us, and as many that we have opened.
const MAX_STREAMS: usize = 16;
/// Who connects sends a check so soon, or is none of ours.
const CHECK_WITHIN: Duration = Duration::from_secs(5);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Until the system is asked again for what it had no means for.
const PAUSE: Duration = Duration::from_secs(1);

/// Where the peer may connect to.
#[derive(Clone)]
pub(super) struct Listener {
    socket: Arc<TcpListener>,
    address: SocketAddr,
}

impl Listener {
    fn bind(ip: IpAddr, network: &Network, start: u16) -> io::Result<Self> {
        let socket = interfaces::bind(ip, network, start, TcpListener::bind)?;
        socket.set_nonblocking(true)?;
        Ok(Listener {
            address: socket.local_addr()?,
            socket: Arc::new(socket),
        })
    }
}

/// A stream of framed datagrams. Clones are the same one.
#[derive(Clone)]
pub(super) struct PeerStream {
    stream: Stream,
    since: Instant,
    deframer: Arc<Mutex<Deframer>>,
    /// An authentic check has come over it.
    proven: Arc<AtomicBool>,
}

impl PeerStream {
    fn new(stream: Stream) -> Self {
        PeerStream {
            stream,
            since: Instant::now(),
            deframer: Arc::default(),
            proven: Arc::default(),
        }
    }

    fn link(&self) -> Link {
        self.stream.link()
    }

    fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    fn is_usable(&self) -> bool {
        self.is_proven() && self.stream.is_carried_here()
    }

    fn send(&self, datagram: &[u8]) -> bool {
        ice::frame(datagram).is_some_and(|framed| self.stream.send(framed))
    }

    /// What is complete with these bytes, and the number of frames that are of no use.
    fn deframe(&self, bytes: Bytes) -> (Vec<Bytes>, u64) {
        let mut deframer = self.deframer.lock().unwrap_or_else(PoisonError::into_inner);
        let datagrams = deframer.push(bytes);
        (datagrams, deframer.take_refused())
    }
}

/// The streams of one life of the actor.
#[derive(Default)]
pub(super) struct PeerStreams {
    listening: Vec<(SocketAddr, SpawnHandle)>,
    there: Vec<(PeerStream, SpawnHandle)>,
    /// From and to where streams are being opened.
    opening: Vec<(SocketAddr, SocketAddr)>,
    /// From and to where none could be opened; that is tried again after a restart.
    refused: Vec<(SocketAddr, SocketAddr)>,
}

impl PeerStreams {
    fn get(&self, local: SocketAddr, peer: SocketAddr) -> Option<&PeerStream> {
        let streams = self.there.iter().map(|(stream, _)| stream);
        streams
            .clone()
            .find(|stream| (stream.link().local, stream.link().server) == (local, peer))
    }

    /// Whether one more may come to us, or be opened from `local`.
    fn has_room(&self, local: SocketAddr) -> bool {
        let is_ours = |address: SocketAddr| address.port() == ANY_PORT;
        let there = self.there.iter().map(|(stream, _)| stream.link().local);
        let all = there.chain(self.opening.iter().map(|(from, _)| *from));
        all.filter(|other| is_ours(*other) == is_ours(local)).count() < MAX_STREAMS
    }
}

/// Takes who connects, for the rest of the actor's life.
struct Accepting {
    listener: tokio::net::TcpListener,
    address: SocketAddr,
    pause: Option<Pin<Box<Sleep>>>,
}

impl ActorFuture<IceAgent> for Accepting {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        this: &mut IceAgent,
        ctx: &mut Context<IceAgent>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        let accepting = self.get_mut();
        if let Some(pause) = &mut accepting.pause {
            ready!(pause.as_mut().poll(task));
        }
        accepting.pause = None;
        match ready!(accepting.listener.poll_accept(task)) {
            Ok((tcp, peer)) => this.accept(accepting.address, peer, tcp, ctx),
            Err(error) => {
                debug!(%error, "a stream is not accepted");
                accepting.pause = Some(Box::pin(tokio::time::sleep(PAUSE)));
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Takes what comes over a stream, for the rest of the actor's life.
struct Reading(PeerStream);

impl ActorFuture<IceAgent> for Reading {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        this: &mut IceAgent,
        ctx: &mut Context<IceAgent>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        match self.0.stream.poll_receive(task) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(bytes)) => {
                this.read_peer_stream(&self.0, bytes, ctx);
                task.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(None) => {
                this.peer_stream_ended(&self.0, ctx);
                Poll::Ready(())
            }
        }
    }
}

impl IceAgent {
    /// Lets the peer connect to every address of ours, as far as that is wanted. Hosts of datagrams are told before.
    pub(super) fn listen(&mut self, now: Instant, ctx: &mut Context<Self>) {
        self.bind_listeners();
        for Listener { socket, address } in self.resume.listeners.clone() {
            if self
                .peer_streams
                .listening
                .iter()
                .any(|(known, _)| *known == address)
            {
                continue;
            }
            match socket.try_clone().and_then(tokio::net::TcpListener::from_std) {
                Ok(listener) => {
                    let pause = None;
                    let accepting = ctx.spawn(Accepting {
                        listener,
                        address,
                        pause,
                    });
                    self.peer_streams.listening.push((address, accepting));
                    self.agent.add_listener(now, address);
                }
                Err(error) => debug!(%error, "an address is not listened at"),
            }
        }
    }

    fn bind_listeners(&mut self) {
        let IceSetup { network, ice, .. } = &self.setup;
        if !ice.tcp || ice.relay_only {
            return;
        }
        let (sockets, listeners) = (&self.resume.sockets, &mut self.resume.listeners);
        for bound in sockets.iter().map(Bound::address) {
            let known = listeners
                .iter()
                .any(|listener| listener.address.ip() == bound.ip());
            if known || listeners.len() == MAX_LISTENERS {
                continue;
            }
            match Listener::bind(bound.ip(), network, bound.port().wrapping_add(1)) {
                Ok(listener) => listeners.push(listener),
                Err(error) => debug!(%error, "an address is not listened at"),
            }
        }
    }

    /// A new life: what the last one had is still ours.
    pub(super) fn take_over_streams(&mut self, ctx: &mut Context<Self>) {
        for stream in std::mem::take(&mut self.resume.streams) {
            if stream.is_usable() {
                self.carry(stream, ctx);
            }
        }
    }

    fn accept(&mut self, local: SocketAddr, peer: SocketAddr, tcp: TcpStream, ctx: &mut Context<Self>) {
        if !self.peer_streams.has_room(local) {
            return self.setup.counters.transport.streams_refused.one();
        }
        if let Ok(stream) = Stream::to_peer(local, peer, tcp) {
            self.carry(PeerStream::new(stream), ctx);
        }
    }

    fn carry(&mut self, stream: PeerStream, ctx: &mut Context<Self>) {
        let reading = ctx.spawn(Reading(stream.clone()));
        self.resume.streams.push(stream.clone());
        self.peer_streams.there.push((stream, reading));
        self.keep();
    }

    /// Sends a check, over a stream that is opened for it if need be.
    pub(super) fn send_framed(
        &mut self,
        local: SocketAddr,
        peer: SocketAddr,
        data: &[u8],
        ctx: &mut Context<Self>,
    ) {
        match self.peer_streams.get(local, peer) {
            Some(stream) => drop(stream.send(data)),
            None if local.port() == ANY_PORT => self.open(local, peer, Bytes::copy_from_slice(data), ctx),
            None => {}
        }
    }

    fn open(&mut self, local: SocketAddr, peer: SocketAddr, check: Bytes, ctx: &mut Context<Self>) {
        let way = (local, peer);
        let streams = &mut self.peer_streams;
        if streams.opening.contains(&way) || streams.refused.contains(&way) || !streams.has_room(local) {
            return;
        }
        streams.opening.push(way);
        let opening = Stream::connect_from(local, peer, CONNECT_WITHIN).into_actor(self);
        ctx.spawn(opening.map(move |stream, this, ctx| {
            this.peer_streams.opening.retain(|other| *other != way);
            match stream.map(PeerStream::new) {
                Ok(stream) => {
                    stream.send(&check);
                    this.carry(stream, ctx);
                }
                Err(error) => {
                    debug!(%error, "a stream to the peer cannot be opened");
                    this.peer_streams.refused.push(way);
                }
            }
        }));
    }

    fn read_peer_stream(&mut self, stream: &PeerStream, bytes: Bytes, ctx: &mut Context<Self>) {
        let Link {
            local, server: peer, ..
        } = stream.link();
        let (datagrams, refused) = stream.deframe(bytes);
        let mut batch = Batch::new(Instant::now());
        batch.dropped += refused;
        let transport = &self.setup.counters.transport;
        transport.datagrams_received.add(datagrams.len() as u64);
        let is_check = |datagram: &Bytes| demux::classify(datagram) == Kind::Stun;
        let (checks, payload): (Vec<_>, Vec<_>) = datagrams.into_iter().partition(is_check);
        for check in &checks {
            if self
                .agent
                .handle_input(batch.received_at, Transport::Stream, local, peer, check)
            {
                stream.proven.store(true, Ordering::Relaxed);
            } else {
                batch.dropped += 1;
            }
        }
        if stream.is_proven() && !payload.is_empty() {
            self.sort_payload(peer, payload.into_iter(), &mut batch);
        } else if !stream.is_proven() && (refused > 0 || !payload.is_empty()) {
            self.refuse(stream, ctx);
        }
        batch.deliver(&self.setup);
        if !checks.is_empty() {
            self.checked(ctx);
        }
    }

    fn refuse(&mut self, stream: &PeerStream, ctx: &mut Context<Self>) {
        let Link {
            local, server: peer, ..
        } = stream.link();
        debug!(%peer, "a stream does not begin with a check");
        if local.port() == ANY_PORT {
            self.peer_streams.refused.push((local, peer));
        } else {
            self.setup.counters.transport.streams_refused.one();
        }
        self.close(|other| other.link() == stream.link(), ctx);
    }

    /// Closes streams over which no check has come in time.
    pub(super) fn close_unproven(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let is_late = |stream: &PeerStream| !stream.is_proven() && now >= stream.since + CHECK_WITHIN;
        let streams = self.peer_streams.there.iter().map(|(stream, _)| stream);
        let late: Vec<_> = streams.filter(|stream| is_late(stream)).cloned().collect();
        late.iter().for_each(|stream| self.refuse(stream, ctx));
    }

    fn close(&mut self, which: impl Fn(&PeerStream) -> bool, ctx: &mut Context<Self>) {
        self.peer_streams.there.retain(|(stream, reading)| {
            let goes = which(stream);
            if goes {
                ctx.cancel_future(*reading);
            }
            !goes
        });
        self.resume.streams.retain(|stream| !which(stream));
        self.keep();
    }

    fn peer_stream_ended(&mut self, stream: &PeerStream, ctx: &mut Context<Self>) {
        let link = stream.link();
        if !stream.is_proven() {
            return self.refuse(stream, ctx);
        }
        info!("a stream to the peer has ended");
        self.close(|other| other.link() == link, ctx);
        self.lose_stream(link);
        self.drive(ctx);
    }

    fn lose_stream(&mut self, link: Link) {
        self.agent.remove_stream(Instant::now(), link.local, link.server);
        let is_over_it =
            |path| matches!(path, Path::Stream { local, peer } if (local, peer) == (link.local, link.server));
        if self.path.is_some_and(is_over_it) {
            self.path = None;
            self.resume.selected = None;
            self.keep();
        }
    }

    /// A restart begins: what may be dead is replaced, and so is what is not in use.
    pub(super) fn renew_streams(&mut self, silent: bool, ctx: &mut Context<Self>) {
        self.peer_streams.refused.clear();
        let in_use = match self.path {
            Some(Path::Stream { local, peer }) => Some((local, peer)),
            _ => None,
        };
        let stays =
            |stream: &PeerStream| !silent && in_use == Some((stream.link().local, stream.link().server));
        self.close(|stream| !stays(stream), ctx);
        if let Some((local, server)) = in_use.filter(|_| silent) {
            let transport = Transport::Stream;
            self.lose_stream(Link {
                transport,
                local,
                server,
            });
        }
    }

    /// An address of this machine is gone, and with it what was there.
    pub(super) fn stop_listening(&mut self, now: Instant, gone: IpAddr, ctx: &mut Context<Self>) {
        let agent = &mut self.agent;
        self.peer_streams.listening.retain(|(address, accepting)| {
            let goes = address.ip() == gone;
            if goes {
                ctx.cancel_future(*accepting);
                agent.remove_listener(now, *address);
            }
            !goes
        });
        self.resume
            .listeners
            .retain(|listener| listener.address.ip() != gone);
        self.close(|stream| stream.link().local.ip() == gone, ctx);
    }

    /// Sends over the stream of the selected pair, as far as there is room.
    pub(super) fn send_by_peer_stream(&self, local: SocketAddr, peer: SocketAddr, datagrams: &[Bytes]) {
        let stream = self.peer_streams.get(local, peer);
        let sends = |datagram: &Bytes| stream.is_some_and(|stream| stream.send(datagram));
        let sent = datagrams.iter().filter(|datagram| sends(datagram)).count();
        let transport = &self.setup.counters.transport;
        transport.datagrams_sent.add(sent as u64);
        transport.datagrams_dropped.add((datagrams.len() - sent) as u64);
    }

    /// Whether a stream of the selected pair is there.
    pub(super) fn has_stream(&self, local: SocketAddr, peer: SocketAddr) -> bool {
        self.peer_streams.get(local, peer).is_some()
    }
}
