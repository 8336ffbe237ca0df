//! Relayed candidates: a TURN server (RFC 8656) forwards between an address of its own and the peer.
//!
//! [`Relays`] holds the allocations of one session. Each is driven over one [`Link`] to its server: datagrams of a UDP
//! socket, or the bytes of a stream (TCP, or TLS over it, which is the business of the stream's owner). The protocol
//! itself is done by crate `turn-client-proto`.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::Bytes;
use stun_proto::agent::Transmit;
use stun_proto::types::TransportType;
use stun_proto::types::attribute::ErrorCode;
use stun_proto::types::message::{Message, MessageClass, TransactionId};
use turn_client_proto::api::{TurnClientApi, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet};
use turn_client_proto::prelude::DelayedTransmitBuild;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::{AddressFamily, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

use super::interface::Settings;

/// Allocations at one time: every interface times every way to every server adds up.
const MAX_RELAYS: usize = 16;
/// Addresses that may send to us over the relays; the peer's candidates, mostly. More are not let in.
const MAX_PEERS: usize = 64;
/// Datagrams that wait until the server lets them through to their peer; more are dropped, for checks are repeated.
const MAX_HELD: usize = 64;
/// Turns the client's crate gets at one time.
const MAX_STEPS: usize = 64;
/// How long the answer to the last request is waited for, in first retransmission intervals.
const LAST_WAIT: u32 = 4;

turn_client_proto::impl_client!(TurnClient, (Udp, TurnClientUdp), (Tcp, TurnClientTcp));

/// How a server, or the peer, is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream of bytes.
    Stream,
}

/// The way to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// How.
    pub transport: Transport,
    /// Our end.
    pub local: SocketAddr,
    /// The server's end.
    pub server: SocketAddr,
}

/// What a server knows us by (RFC 8489 §9.2). Does not print its password.
#[derive(Clone, PartialEq, Eq)]
pub struct RelayLogin {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

impl fmt::Debug for RelayLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayLogin")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// What comes out of the relays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayOutput {
    /// Send this to the server.
    Transmit {
        /// Over which link.
        link: Link,
        /// The datagram, or the next bytes of the stream.
        data: Vec<u8>,
    },
    /// The server forwards for us: a candidate.
    Allocated {
        /// Over which link.
        link: Link,
        /// The address the peer reaches us at.
        relayed: SocketAddr,
    },
    /// The server does not forward for us, or does so no more.
    Lost {
        /// Over which link.
        link: Link,
        /// The address that was ours.
        relayed: Option<SocketAddr>,
        /// The error code it gave last (RFC 8656 §18), such as 401 for a wrong login.
        error: Option<u16>,
    },
}

/// What a peer sent to a relayed address of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// Our address.
    pub relayed: SocketAddr,
    /// The peer's.
    pub peer: SocketAddr,
    /// What.
    pub data: Bytes,
}

/// The allocations of one session.
#[derive(Debug)]
pub struct Relays {
    clock: Clock,
    settings: Settings,
    relays: Vec<Relay>,
    /// Whom the servers let through to us.
    peers: Vec<IpAddr>,
    outputs: VecDeque<RelayOutput>,
}

/// One allocation.
#[derive(Debug)]
struct Relay {
    link: Link,
    client: TurnClient,
    relayed: Option<SocketAddr>,
    /// What waits for the server's permission.
    held: VecDeque<(SocketAddr, Bytes)>,
    next: Option<Instant>,
    /// The request whose answer asked for a login.
    challenged: Option<TransactionId>,
    error: Option<u16>,
    over: bool,
}

/// The crate counts nanoseconds from a beginning of our choice.
#[derive(Clone, Copy, Debug)]
struct Clock(Instant);

impl Clock {
    fn of(self, now: Instant) -> stun_proto::Instant {
        let nanos = now.saturating_duration_since(self.0).as_nanos();
        stun_proto::Instant::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }

    fn back(self, at: stun_proto::Instant) -> Instant {
        self.0 + at.saturating_duration_since(stun_proto::Instant::ZERO)
    }
}

impl Relays {
    /// None yet.
    pub fn new(settings: Settings, now: Instant) -> Self {
        Relays {
            clock: Clock(now),
            settings,
            relays: Vec::new(),
            peers: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Asks a server for an address; the outcome is an output. A link that has one already, or one too many, is left out.
    pub fn allocate(&mut self, now: Instant, link: Link, login: &RelayLogin) {
        let known = self.relays.iter().any(|relay| relay.link == link);
        if known || self.relays.len() >= MAX_RELAYS {
            return;
        }
        self.relays.push(Relay {
            link,
            client: client(link, login, &self.settings),
            relayed: None,
            held: VecDeque::new(),
            next: None,
            challenged: None,
            error: None,
            over: false,
        });
        self.run(now);
    }

    /// Whether one of these servers has yet to say yes or no.
    pub fn is_waiting(&self) -> bool {
        self.relays.iter().any(|relay| relay.relayed.is_none())
    }

    /// Addresses of ours the servers forward from, and the links they do it over.
    pub fn allocated(&self) -> impl Iterator<Item = (SocketAddr, Link)> + '_ {
        self.relays
            .iter()
            .filter_map(|relay| Some((relay.relayed?, relay.link)))
    }

    /// Whether what comes over this link can be for [`Relays::handle_input`].
    pub fn serves(&self, link: Link) -> bool {
        self.relays.iter().any(|relay| relay.link == link)
    }

    /// The link behind a relayed address.
    pub fn link_of(&self, relayed: SocketAddr) -> Option<Link> {
        self.allocated()
            .find(|(address, _)| *address == relayed)
            .map(|(_, link)| link)
    }

    /// Lets a peer's address send to us (RFC 8656 §9), over those that are and those that come.
    pub fn permit(&mut self, now: Instant, peer: IpAddr) {
        if self.peers.contains(&peer) || self.peers.len() >= MAX_PEERS {
            return;
        }
        self.peers.push(peer);
        for relay in &mut self.relays {
            relay.permit(self.clock.of(now), peer);
        }
        self.run(now);
    }

    /// Saves 32 bytes a datagram between these two (RFC 8656 §12). Not over streams, where the crate leaves out the
    /// padding that servers expect (§12.5).
    pub fn bind_channel(&mut self, now: Instant, relayed: SocketAddr, peer: SocketAddr) {
        let at = self.clock.of(now);
        if let Some(relay) = self.relay_mut(relayed)
            && relay.link.transport == Transport::Udp
        {
            // Refused if there is one already, which is well.
            let _ = relay.client.bind_channel(TransportType::Udp, peer, at);
        }
        self.run(now);
    }

    /// Sends from a relayed address, as soon as the server lets it through.
    pub fn send(&mut self, now: Instant, relayed: SocketAddr, peer: SocketAddr, data: Bytes) {
        self.permit(now, peer.ip());
        let at = self.clock.of(now);
        if let Some(relay) = self.relay_mut(relayed) {
            if relay.client.have_permission(TransportType::Udp, peer.ip()) {
                let wrapped = relay.wrap(at, peer, data);
                let link = relay.link;
                self.outputs
                    .extend(wrapped.map(|data| RelayOutput::Transmit { link, data }));
            } else if relay.held.len() < MAX_HELD {
                relay.held.push_back((peer, data));
            }
        }
    }

    /// Puts a datagram to a peer into what the server takes; send it over [`Relays::link_of`]. `None` if the server
    /// does not let it through.
    pub fn wrap(
        &mut self,
        now: Instant,
        relayed: SocketAddr,
        peer: SocketAddr,
        data: Bytes,
    ) -> Option<Bytes> {
        let at = self.clock.of(now);
        self.relay_mut(relayed)?.wrap(at, peer, data).map(Bytes::from)
    }

    /// A datagram, or bytes of a stream, came over a link. What peers sent goes to `forwarded`. Returns whether it was
    /// for a relay; what is not is for somebody else.
    pub fn handle_input(
        &mut self,
        now: Instant,
        link: Link,
        data: Bytes,
        forwarded: &mut Vec<Forwarded>,
    ) -> bool {
        let at = self.clock.of(now);
        let Some(relay) = self.relays.iter_mut().find(|relay| relay.link == link) else {
            return false;
        };
        let taken = relay.receive(at, data, forwarded);
        self.run(now);
        taken
    }

    /// A link is no more: its stream has ended, or its interface is gone.
    pub fn close(&mut self, now: Instant, link: Link) {
        for relay in self.relays.iter_mut().filter(|relay| relay.link == link) {
            relay.over = true;
        }
        self.run(now);
    }

    /// Gives all addresses back (RFC 8656 §8), so that the servers need not keep them for minutes.
    pub fn release(&mut self, now: Instant) {
        self.release_those(now, |_| true);
    }

    /// Gives back what is relayed by servers that are reached by datagrams: one of them may have died, or have been started
    /// anew, and does not say so. Whether there was any.
    pub fn release_unproven(&mut self, now: Instant) -> bool {
        self.release_those(now, |relay| relay.link.transport == Transport::Udp)
    }

    fn release_those(&mut self, now: Instant, which: impl Fn(&Relay) -> bool) -> bool {
        let at = self.clock.of(now);
        let mut any = false;
        for relay in self.relays.iter_mut().filter(|relay| which(relay)) {
            any = true;
            // Refused where nothing was given.
            let _ = relay.client.delete(at);
            relay.transmit(at, &mut self.outputs);
            relay.over = true;
        }
        self.run(now);
        any
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.run(now);
    }

    /// When [`Relays::handle_timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.relays.iter().filter_map(|relay| relay.next).min()
    }

    /// The next thing to do; call it until there is none.
    pub fn poll_output(&mut self) -> Option<RelayOutput> {
        self.outputs.pop_front()
    }

    fn relay_mut(&mut self, relayed: SocketAddr) -> Option<&mut Relay> {
        self.relays
            .iter_mut()
            .find(|relay| relay.relayed == Some(relayed))
    }

    fn run(&mut self, now: Instant) {
        let at = self.clock.of(now);
        for relay in &mut self.relays {
            relay.run(at, &self.peers, &mut self.outputs);
            let next = relay.next_turn(at);
            relay.next = next.map(|next| self.clock.back(next));
            relay.over |= next.is_none();
        }
        let (over, going) = std::mem::take(&mut self.relays)
            .into_iter()
            .partition(|relay| relay.over);
        self.relays = going;
        self.outputs
            .extend(over.into_iter().map(|relay| RelayOutput::Lost {
                link: relay.link,
                relayed: relay.relayed,
                error: relay.error,
            }));
    }
}

impl Relay {
    fn permit(&mut self, at: stun_proto::Instant, peer: IpAddr) {
        if self
            .relayed
            .is_some_and(|relayed| relayed.is_ipv4() == peer.is_ipv4())
        {
            // Refused if it is under way already, which is well.
            let _ = self.client.create_permission(TransportType::Udp, peer, at);
        }
    }

    fn wrap(&mut self, at: stun_proto::Instant, peer: SocketAddr, data: Bytes) -> Option<Vec<u8>> {
        let sending = self.client.send_to(TransportType::Udp, peer, data, at).ok()??;
        Some(sending.data.build())
    }

    fn receive(&mut self, at: stun_proto::Instant, data: Bytes, forwarded: &mut Vec<Forwarded>) -> bool {
        self.note_error(&data);
        let transport = self.client.transport();
        let transmit = Transmit::new(data.clone(), transport, self.link.server, self.link.local);
        let taken = match self.client.recv(transmit, at) {
            TurnRecvRet::Handled | TurnRecvRet::PeerIcmp { .. } => true,
            TurnRecvRet::Ignored(_) => self.link.transport == Transport::Stream,
            TurnRecvRet::PeerData(sent) => {
                let inside = data.as_ptr_range().contains(&sent.data().as_ptr());
                let part = match inside {
                    true => data.slice_ref(sent.data()),
                    false => Bytes::copy_from_slice(sent.data()),
                };
                self.forward(sent.peer, part, forwarded);
                true
            }
        };
        while let Some(sent) = self.client.poll_recv(at) {
            self.forward(sent.peer, Bytes::copy_from_slice(sent.data()), forwarded);
        }
        taken
    }

    /// The crate waits in silence after a refused login, for anybody can forge that refusal; but whoever can see the
    /// request to forge an answer to it can do worse.
    fn note_error(&mut self, data: &[u8]) {
        let message = Message::from_bytes(data).ok();
        let Some(message) = message.filter(|message| message.has_class(MessageClass::Error)) else {
            return;
        };
        self.error = message.attribute().ok().map(|error: ErrorCode| error.code());
        if self.error == Some(ErrorCode::UNAUTHORIZED) && self.relayed.is_none() {
            let asked = *self.challenged.get_or_insert(message.transaction_id());
            self.over |= asked != message.transaction_id();
        }
    }

    fn forward(&self, peer: SocketAddr, data: Bytes, forwarded: &mut Vec<Forwarded>) {
        if let Some(relayed) = self.relayed {
            forwarded.push(Forwarded { relayed, peer, data });
        }
    }

    /// Lets the client do what is due, and takes what it has to say.
    fn run(&mut self, at: stun_proto::Instant, peers: &[IpAddr], outputs: &mut VecDeque<RelayOutput>) {
        for _ in 0..MAX_STEPS {
            self.transmit(at, outputs);
            while let Some(event) = self.client.poll_event() {
                self.hear(at, event, peers, outputs);
            }
            match self.client.poll(at) {
                TurnPollRet::WaitUntil(until) if until > at => break,
                TurnPollRet::Closed => break,
                // Streams from the server to the peer are never asked for.
                TurnPollRet::WaitUntil(_)
                | TurnPollRet::AllocateTcpSocket { .. }
                | TurnPollRet::TcpClose { .. } => {}
            }
        }
    }

    fn transmit(&mut self, at: stun_proto::Instant, outputs: &mut VecDeque<RelayOutput>) {
        while let Some(transmit) = self.client.poll_transmit(at) {
            outputs.push_back(RelayOutput::Transmit {
                link: self.link,
                data: transmit.data.to_vec(),
            });
        }
    }

    /// When to call again; `None` if never.
    fn next_turn(&mut self, at: stun_proto::Instant) -> Option<stun_proto::Instant> {
        match self.client.poll(at) {
            TurnPollRet::WaitUntil(until) => Some(until),
            TurnPollRet::AllocateTcpSocket { .. } | TurnPollRet::TcpClose { .. } | TurnPollRet::Closed => {
                None
            }
        }
    }

    fn hear(
        &mut self,
        at: stun_proto::Instant,
        event: TurnEvent,
        peers: &[IpAddr],
        outputs: &mut VecDeque<RelayOutput>,
    ) {
        match event {
            TurnEvent::AllocationCreated(_, relayed) => {
                self.relayed = Some(relayed);
                self.error = None;
                let link = self.link;
                outputs.push_back(RelayOutput::Allocated { link, relayed });
                for &peer in peers {
                    self.permit(at, peer);
                }
            }
            TurnEvent::PermissionCreated(_, peer) => {
                for (to, data) in self.take_held(peer) {
                    let (link, wrapped) = (self.link, self.wrap(at, to, data));
                    outputs.extend(wrapped.map(|data| RelayOutput::Transmit { link, data }));
                }
            }
            // RFC 8656 §9.2: a server may forbid a peer, such as one within its own network.
            TurnEvent::PermissionCreateFailed(_, peer) => drop(self.take_held(peer)),
            TurnEvent::AllocationCreateFailed(_) => self.over = true,
            TurnEvent::ChannelCreated(..)
            | TurnEvent::ChannelCreateFailed(..)
            | TurnEvent::TcpConnected(_)
            | TurnEvent::TcpConnectFailed(_) => {}
        }
    }

    fn take_held(&mut self, peer: IpAddr) -> VecDeque<(SocketAddr, Bytes)> {
        let (his, others) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(to, _)| to.ip() == peer);
        self.held = others;
        his
    }
}

fn client(link: Link, login: &RelayLogin, settings: &Settings) -> TurnClient {
    let credentials = TurnCredentials::new(&login.username, &login.password);
    let mut config = TurnConfig::new(credentials);
    config.set_address_family(match link.server {
        SocketAddr::V4(_) => AddressFamily::IPV4,
        SocketAddr::V6(_) => AddressFamily::IPV6,
    });
    let (initial, limit) = (settings.initial_rto, settings.gathering_timeout);
    config.set_request_retransmits(initial, limit, settings.stun_requests, initial * LAST_WAIT);
    match link.transport {
        Transport::Udp => TurnClientUdp::allocate(link.local, link.server, config).into(),
        Transport::Stream => TurnClientTcp::allocate(link.local, link.server, config).into(),
    }
}

#[cfg(test)]
mod tests;
