//! The TURN servers of a call. Allocations outlive the actor like its sockets do, and are given back with the call.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll};
use std::time::Instant;

use actix::fut::{ActorFuture, ActorFutureExt, WrapFuture};
use actix::{AsyncContext, Context};
use bytes::Bytes;
use roomrtc_protocol::ice::{
    self, Forwarded, Link, RelayLogin, RelayOutput, Relays, ServerKind, Settings, Transport,
};
use tracing::info;

use super::batch::Batch;
use super::servers::{self, Server};
use super::socket::Train;
use super::streams::Stream;
use super::{Bound, IceAgent, Path};
use crate::call_events::IceEvent;

/// The allocations and streams of a call. Clones are the same ones.
#[derive(Clone)]
pub(super) struct Relaying(Arc<Shared>);

struct Shared {
    relays: Mutex<Relays>,
    streams: Mutex<Vec<Stream>>,
    /// The sockets to say goodbye from.
    sockets: Mutex<Vec<Bound>>,
}

impl Relaying {
    pub(super) fn new(settings: Settings, now: Instant) -> Self {
        Relaying(Arc::new(Shared {
            relays: Mutex::new(Relays::new(settings, now)),
            streams: Mutex::default(),
            sockets: Mutex::default(),
        }))
    }

    pub(super) fn relays(&self) -> MutexGuard<'_, Relays> {
        lock(&self.0.relays)
    }

    pub(super) fn streams(&self) -> Vec<Stream> {
        lock(&self.0.streams).clone()
    }

    /// What the call's sockets are now.
    pub(super) fn note_sockets(&self, sockets: &[Bound]) {
        *lock(&self.0.sockets) = sockets.to_vec();
    }
}

impl Shared {
    fn send(&self, link: Link, data: &[u8]) -> bool {
        match link.transport {
            Transport::Udp => lock(&self.sockets)
                .iter()
                .find(|socket| socket.address() == link.local)
                .is_some_and(|socket| socket.send(link.server, data)),
            Transport::Stream => self
                .stream(link)
                .is_some_and(|stream| stream.send(Bytes::copy_from_slice(data))),
        }
    }

    fn stream(&self, link: Link) -> Option<Stream> {
        lock(&self.streams)
            .iter()
            .find(|stream| stream.link() == link)
            .cloned()
    }
}

impl Drop for Shared {
    /// The call is over.
    fn drop(&mut self) {
        let now = Instant::now();
        let mut relays = lock(&self.relays);
        relays.release(now);
        while let Some(output) = relays.poll_output() {
            if let RelayOutput::Transmit { link, data } = output {
                self.send(link, &data);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes what comes over a stream, for the rest of the actor's life.
struct Streaming(Stream);

impl ActorFuture<IceAgent> for Streaming {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        this: &mut IceAgent,
        ctx: &mut Context<IceAgent>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        match self.0.poll_receive(task) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(data)) => {
                this.read_stream(self.0.link(), data, ctx);
                task.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(None) => {
                this.stream_ended(self.0.link(), ctx);
                Poll::Ready(())
            }
        }
    }
}

impl IceAgent {
    /// Asks STUN servers for addresses the peer may know us by, and TURN servers for addresses of theirs.
    pub(super) fn gather(&mut self, ctx: &mut Context<Self>) {
        let servers = servers::known(&self.setup.ice, &self.resume.ice_servers);
        if servers.is_empty() {
            return self.agent.gather(Instant::now(), &[]);
        }
        self.asking += 1;
        let limit = self.setup.ice.gather_timeout();
        ctx.spawn(
            servers::resolve(servers, limit)
                .into_actor(self)
                .map(|found, this, ctx| {
                    this.asking -= 1;
                    this.ask(found, ctx);
                    this.drive(ctx);
                }),
        );
    }

    fn ask(&mut self, servers: Vec<Server>, ctx: &mut Context<Self>) {
        let mut stun = Vec::new();
        for Server {
            uri,
            login,
            addresses,
        } in servers
        {
            for address in addresses {
                match (uri.kind, &login) {
                    (ServerKind::Stun, _) => stun.push(address),
                    (ServerKind::TurnUdp, Some(login)) => {
                        // A TURN server answers what a STUN server is asked (RFC 8656 §5).
                        stun.push(address);
                        self.allocate_from_sockets(address, login);
                    }
                    (ServerKind::TurnTcp | ServerKind::TurnTls, Some(login)) => {
                        self.connect(&uri, address, login.clone(), ctx);
                    }
                    (ServerKind::TurnUdp | ServerKind::TurnTcp | ServerKind::TurnTls, None) => {}
                }
            }
        }
        stun.sort();
        stun.dedup();
        self.agent.gather(Instant::now(), &stun);
    }

    fn allocate_from_sockets(&mut self, server: SocketAddr, login: &RelayLogin) {
        let locals = self.resume.sockets.iter().map(Bound::address);
        for local in locals.filter(|local| ice::reaches(*local, server)) {
            let link = Link {
                transport: Transport::Udp,
                local,
                server,
            };
            self.relaying.relays().allocate(Instant::now(), link, login);
        }
    }

    fn connect(
        &mut self,
        uri: &ice::ServerUri,
        server: SocketAddr,
        login: RelayLogin,
        ctx: &mut Context<Self>,
    ) {
        let there = self.relaying.streams();
        if there.iter().any(|stream| stream.link().server == server) {
            return;
        }
        self.asking += 1;
        let connecting = Stream::connect(uri.clone(), server, self.setup.ice.relay_connect_timeout());
        ctx.spawn(connecting.into_actor(self).map(move |stream, this, ctx| {
            this.asking -= 1;
            match stream {
                Ok(stream) => {
                    let link = stream.link();
                    lock(&this.relaying.0.streams).push(stream.clone());
                    this.relaying.relays().allocate(Instant::now(), link, &login);
                    ctx.spawn(Streaming(stream));
                }
                Err(error) => info!(%error, %server, "a TURN server is not reached over a stream"),
            }
            this.drive(ctx);
        }));
    }

    /// A new life: what the servers gave to the last one is still ours.
    pub(super) fn take_over_relays(&mut self, now: Instant, ctx: &mut Context<Self>) {
        for stream in self.relaying.streams() {
            match stream.is_carried_here() {
                true => drop(ctx.spawn(Streaming(stream))),
                false => self.stream_ended(stream.link(), ctx),
            }
        }
        let allocated: Vec<_> = self.relaying.relays().allocated().collect();
        for (relayed, link) in allocated {
            self.agent.add_relayed(now, relayed, link.local);
        }
    }

    /// Addresses of this machine are gone, and with them the ways to servers from there.
    pub(super) fn close_links_from(&mut self, now: Instant, gone: &Bound) {
        let ip = gone.address().ip();
        let mut relays = self.relaying.relays();
        let links: Vec<_> = relays.allocated().map(|(_, link)| link).collect();
        for link in links.into_iter().filter(|link| link.local.ip() == ip) {
            relays.close(now, link);
        }
        lock(&self.relaying.0.streams).retain(|stream| stream.link().local.ip() != ip);
    }

    fn stream_ended(&mut self, link: Link, ctx: &mut Context<Self>) {
        lock(&self.relaying.0.streams).retain(|stream| stream.link() != link);
        self.relaying.relays().close(Instant::now(), link);
        self.drive(ctx);
    }

    /// Carries out what the relays want. Returns whether the agent has heard something new.
    pub(super) fn drive_relays(&mut self) -> bool {
        let now = Instant::now();
        let mut fed = false;
        loop {
            let output = self.relaying.relays().poll_output();
            let Some(output) = output else { break };
            match output {
                RelayOutput::Transmit { link, data } => {
                    self.relaying.0.send(link, &data);
                }
                RelayOutput::Allocated { link, relayed } => {
                    info!(transport = ?link.transport, "a TURN server relays for us");
                    self.agent.add_relayed(now, relayed, link.local);
                    fed = true;
                }
                RelayOutput::Lost { link, relayed, error } => {
                    info!(server = %link.server, ?error, "a TURN server does not relay for us");
                    if let Some(relayed) = relayed {
                        self.lose_relay(now, relayed);
                    }
                    fed = true;
                }
            }
        }
        let awaited = self.asking > 0 || self.relaying.relays().is_waiting();
        if awaited != self.relays_awaited {
            self.relays_awaited = awaited;
            self.agent.await_relays(now, awaited);
            fed = true;
        }
        fed
    }

    /// Gives back relays that may have died with their servers. The path over one of them is gone already.
    pub(super) fn give_relays_back(&mut self, now: Instant) -> bool {
        if self.path.is_some_and(
            |path| matches!(path, Path::Relayed { link, .. } if link.transport == Transport::Udp),
        ) {
            self.path = None;
            self.resume.selected = None;
        }
        self.relaying.relays().release_unproven(now)
    }

    fn lose_relay(&mut self, now: Instant, relayed: SocketAddr) {
        self.agent.remove_relayed(now, relayed);
        if self.path.is_some_and(|path| path.leaves_from(relayed)) {
            self.path = None;
            self.resume.selected = None;
            self.keep();
            self.setup.events.tell(IceEvent::Failed);
        }
    }

    fn read_stream(&mut self, link: Link, data: Bytes, ctx: &mut Context<Self>) {
        let now = Instant::now();
        let mut forwarded = Vec::new();
        self.relaying
            .relays()
            .handle_input(now, link, data, &mut forwarded);
        let mut batch = Batch::new(now);
        self.setup
            .counters
            .transport
            .datagrams_received
            .add(forwarded.len() as u64);
        self.sort_forwarded(forwarded, &mut batch);
        batch.deliver(&self.setup);
        self.checked(ctx);
    }

    /// What peers sent by way of a server is sorted like what they sent themselves. Returns whether the agent was fed.
    fn sort_forwarded(&mut self, forwarded: Vec<Forwarded>, batch: &mut Batch) -> bool {
        let mut fed = false;
        for Forwarded { relayed, peer, data } in forwarded {
            fed |= self.sort_datagram(relayed, peer, data, batch);
        }
        fed
    }

    /// A train from a TURN server. Returns whether the agent or a relay was fed.
    pub(super) fn sort_from_server(&mut self, link: Link, train: &Train<'_>, batch: &mut Batch) -> bool {
        let (now, mut fed) = (batch.received_at, false);
        for datagram in train.to_owned() {
            let mut forwarded = Vec::new();
            let taken = self
                .relaying
                .relays()
                .handle_input(now, link, datagram.clone(), &mut forwarded);
            fed |= forwarded.is_empty();
            if !taken {
                self.sort_datagram(link.local, link.server, datagram, batch);
            }
            fed |= self.sort_forwarded(forwarded, batch);
        }
        fed
    }

    /// What the server takes for these to the peer; `None` if it lets nothing through.
    pub(super) fn wrap(
        &self,
        relayed: SocketAddr,
        peer: SocketAddr,
        datagrams: &[Bytes],
    ) -> Option<Vec<Bytes>> {
        let (now, mut relays) = (Instant::now(), self.relaying.relays());
        datagrams
            .iter()
            .map(|datagram| relays.wrap(now, relayed, peer, datagram.clone()))
            .collect()
    }

    /// Sends over a stream, as far as there is room.
    pub(super) fn send_by_stream(&self, link: Link, datagrams: Vec<Bytes>) {
        let stream = self.relaying.0.stream(link);
        let transport = &self.setup.counters.transport;
        for datagram in datagrams {
            match stream.as_ref().is_some_and(|stream| stream.send(datagram)) {
                true => transport.datagrams_sent.add(1),
                false => transport.datagrams_dropped.add(1),
            }
        }
    }
}
