//! Owns the sockets of a call: finds the path between the peers and carries everything over it.
//!
//! `call` tells it the peer's credentials and candidates and hears [`IceEvent`]s; `dtls_session`, `rtp_sender` and
//! `rtcp_reporter` give it datagrams to send; what arrives goes by its first bytes (RFC 7983) to `dtls_session`,
//! `rtp_receiver` (by payload type) and `rtcp_reporter`, in the batches the kernel delivers.
//!
//! Sockets, selected pair and all that was signaled outlive the actor in a [`Keep`]: a new life sends on at once, checks
//! again with the same credentials, and the peer notices nothing.
//!
//! Reading order: [`interfaces`] (which addresses), [`socket`] (one socket and its trains), [`batch`] (what one read
//! has for the others), [`waiting`] (for something to read, for room to write), [`receiving`], [`sending`], this file,
//! [`roaming`] (addresses come and go), [`peer_candidates`], [`servers`], [`streams`] (TCP and TLS), [`peer_streams`] (ICE
//! over TCP) and [`relaying`] (STUN and TURN servers).

mod batch;
pub(crate) mod interfaces;
mod peer_candidates;
mod peer_streams;
mod receiving;
mod relaying;
mod roaming;
mod sending;
mod servers;
mod socket;
mod streams;
mod waiting;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use actix::{Actor, AsyncContext, Context, Handler};
use bytes::Bytes;
use roomrtc_kit::config::{Ice, Network};
use roomrtc_kit::{Deadline, Directory, Exit, Keep, Port, Timed};
use roomrtc_protocol::ice::{
    self, Event, IceCredentials, Link, Names, Output, SelectedPair, Settings, Transmit, Transport,
};
use roomrtc_protocol::rtp::routing::{Route, Routes};
use roomrtc_protocol::signaling::messages::IceServer;
use tracing::{info, trace, warn};

use peer_candidates::Group;
use peer_streams::{Listener, PeerStream, PeerStreams};
use relaying::Relaying;
use roaming::bind_sockets;
pub use socket::Bound;
use socket::{Inbox, Outbox, Socket};
use waiting::Reading;

use crate::brief;
use crate::call_events::IceEvent;
use crate::counters::Counters;
use crate::dtls_session::DtlsDatagrams;
use crate::recorder::Recorder;
use crate::rtcp_reporter::RtcpDatagrams;
use crate::rtp_receiver::RtpDatagrams;

/// From call: the peer's credentials; checks begin. Other ones than before mean that the peer restarts ICE.
#[derive(Clone, Debug)]
pub struct SetRemoteCredentials {
    /// User name fragment.
    pub ufrag: String,
    /// Password.
    pub pwd: String,
    /// The peer only answers checks (RFC 8445 §2.5).
    pub lite: bool,
}

/// From call: a candidate of the peer, `candidate:…` (RFC 8839 §5.1); empty at their end.
#[derive(Clone, Debug)]
pub struct AddRemoteCandidate {
    /// The candidate.
    pub candidate: String,
}

/// From call: start over with these credentials (RFC 8445 §2.4) while the present pair stays in use. Our candidates
/// are told again.
#[derive(Clone, Debug)]
pub struct RestartIce(pub IceCredentials);

/// From call: which packets are whose.
#[derive(Clone, Debug)]
pub struct RoutePackets(pub Vec<Route>);

/// From call: servers that help through NATs and firewalls, instead of those told before.
#[derive(Clone, Debug)]
pub struct UseIceServers(pub Vec<IceServer>);

/// From DTLS, RTP and RTCP: send these over the selected pair; a few wait for it, older ones are dropped and counted.
#[derive(Clone, Debug)]
pub struct SendDatagrams(pub Vec<Bytes>);

roomrtc_kit::mail! {
    SetRemoteCredentials;
    AddRemoteCandidate;
    RestartIce;
    UseIceServers;
    RoutePackets, |routes| format!("{} media", routes.0.len());
    SendDatagrams: newest(1024), |datagrams| brief::batch(&datagrams.0);
}

/// What an agent needs to begin.
#[derive(Clone)]
pub struct IceSetup {
    /// The offerer is controlling (RFC 8445 §6.1.1).
    pub controlling: bool,
    /// Ours, as in our description.
    pub credentials: IceCredentials,
    /// Sockets.
    pub network: Network,
    /// Timing and STUN servers.
    pub ice: Ice,
    /// STUN and TURN servers the signaling server told of.
    pub ice_servers: Vec<IceServer>,
    /// Hears what becomes of the path.
    pub events: Port<IceEvent>,
    /// Gets DTLS records.
    pub dtls: Port<DtlsDatagrams>,
    /// Gets the RTP packets of sound.
    pub rtp_audio: Port<RtpDatagrams>,
    /// Gets the RTP packets of pictures.
    pub rtp_video: Port<RtpDatagrams>,
    /// Gets the RTP packets of a screen.
    pub rtp_screen: Port<RtpDatagrams>,
    /// Gets RTCP packets.
    pub rtcp: Port<RtcpDatagrams>,
    /// What the next life inherits.
    pub sockets: Keep<IceResume>,
    /// Whether there was a life before.
    pub begun: Arc<AtomicBool>,
    /// Figures.
    pub counters: Arc<Counters>,
    /// Who writes down what is found, if anybody does.
    pub recorder: Recorder,
}

/// What a life of the agent leaves to the next.
#[derive(Clone)]
pub struct IceResume {
    sockets: Vec<Bound>,
    listeners: Vec<Listener>,
    streams: Vec<PeerStream>,
    credentials: IceCredentials,
    remote: Option<IceCredentials>,
    remote_lite: bool,
    candidates: Vec<String>,
    routes: Vec<Route>,
    selected: Option<SelectedPair>,
    ice_servers: Vec<IceServer>,
    relaying: Relaying,
}

/// The way to the peer.
#[derive(Clone, Copy, Debug)]
enum Path {
    /// From one of our sockets.
    Direct { socket: usize, remote: SocketAddr },
    /// Over a stream to or from a candidate of ours.
    Stream { local: SocketAddr, peer: SocketAddr },
    /// By way of a TURN server.
    Relayed {
        relayed: SocketAddr,
        peer: SocketAddr,
        link: Link,
    },
}

impl Path {
    fn leaves_from(self, address: SocketAddr) -> bool {
        matches!(self, Path::Relayed { relayed, .. } if relayed == address)
    }
}

/// See the module.
pub struct IceAgent {
    setup: IceSetup,
    resume: IceResume,
    /// The sockets of the last life, and what was signaled, are lost.
    bereft: bool,
    /// Addresses of which not all could be bound.
    refused: Vec<IpAddr>,
    agent: ice::IceAgent,
    sockets: Vec<Socket>,
    /// Who gets which packets.
    routes: Routes,
    /// Of the selected pair.
    path: Option<Path>,
    peer_streams: PeerStreams,
    relaying: Relaying,
    /// Servers whose address is looked up or who are being connected to.
    asking: usize,
    /// What the agent knows of that.
    relays_awaited: bool,
    /// Of the peer's candidates, instead of addresses.
    names: Names,
    /// Where they are asked for, once there was one.
    group: Option<Arc<Group>>,
    /// What waits for room in the socket.
    pending: VecDeque<Bytes>,
    waiting_for_room: bool,
    /// Only out of its place while a socket is read.
    inbox: Option<Box<Inbox>>,
    outbox: Outbox,
    deadline: Deadline,
}

impl IceAgent {
    /// A life of the agent; the first binds the sockets.
    pub fn new(setup: IceSetup) -> Self {
        let inherited = setup.sockets.get();
        let bereft = setup.begun.swap(true, Ordering::Relaxed) && inherited.is_none();
        let resume = inherited.unwrap_or_else(|| IceResume {
            sockets: bind_sockets(
                &setup.network,
                interfaces::addresses(&setup.network, setup.ice.max_local_candidates),
            ),
            listeners: Vec::new(),
            streams: Vec::new(),
            credentials: setup.credentials.clone(),
            remote: None,
            remote_lite: false,
            candidates: Vec::new(),
            routes: Vec::new(),
            selected: None,
            ice_servers: setup.ice_servers.clone(),
            relaying: Relaying::new(settings(&setup.ice), Instant::now()),
        });
        let credentials = resume.credentials.clone();
        IceAgent {
            agent: ice::IceAgent::new(
                settings(&setup.ice),
                credentials,
                setup.controlling,
                Instant::now(),
            ),
            relaying: resume.relaying.clone(),
            asking: 0,
            relays_awaited: false,
            names: Names::default(),
            group: None,
            resume,
            bereft,
            refused: Vec::new(),
            setup,
            sockets: Vec::new(),
            routes: Routes::default(),
            path: None,
            peer_streams: PeerStreams::default(),
            pending: VecDeque::new(),
            waiting_for_room: false,
            inbox: Some(Box::default()),
            outbox: Outbox::default(),
            deadline: Deadline::default(),
        }
    }

    /// Continues where an earlier life ended.
    fn take_over(&mut self, now: Instant) {
        if let Some(pair) = self.resume.selected.clone() {
            self.set_path(&pair);
            if pair.transport == Transport::Stream && self.path.is_none() {
                // It went down with the thread that carried it.
                self.resume.selected = None;
                self.setup.events.tell(IceEvent::Failed);
            } else {
                self.agent.adopt(now, pair);
            }
        }
        if let Some(remote) = self.resume.remote.clone() {
            self.meet(now, remote);
        }
        for candidate in self.resume.candidates.clone() {
            // It was good to the last life.
            let _ = self.agent.add_remote_candidate(now, &candidate);
        }
        self.routes = Routes::new(self.resume.routes.clone());
    }

    fn meet(&mut self, now: Instant, remote: IceCredentials) {
        if self.resume.remote_lite {
            self.agent.take_control();
        }
        if let Err(error) = self.agent.set_remote_credentials(now, remote) {
            warn!(%error, "the peer's ICE credentials are refused");
        }
    }

    /// Leaves a consistent whole to the next life.
    fn keep(&self) {
        self.setup.sockets.put(self.resume.clone());
        let (sockets, selected) = (self.resume.sockets.len(), self.resume.selected.as_ref());
        let pair = selected.map_or("no pair yet", |pair| pair.kinds.as_str());
        Directory::note_resume(|| format!("{sockets} sockets, {pair}"));
    }

    /// Carries out what the agent wants, then sets the one timer.
    fn drive(&mut self, ctx: &mut Context<Self>) {
        loop {
            while let Some(output) = self.agent.poll_output() {
                match output {
                    Output::Transmit(transmit) => self.transmit(transmit, ctx),
                    Output::Event(event) => self.tell(event),
                }
            }
            if !(self.drive_relays() | self.drive_names(ctx)) {
                break;
            }
        }
        if self.path.is_some() && !self.waiting_for_room {
            self.send_pending(ctx);
        }
        let relays = self.relaying.relays().next_timeout();
        let nexts = [self.agent.next_timeout(), relays, self.names.next_timeout()];
        let next = nexts.into_iter().flatten().min();
        self.deadline.arm(next, ctx);
    }

    fn transmit(&mut self, transmit: Transmit, ctx: &mut Context<Self>) {
        let Transmit {
            transport,
            local,
            remote,
            data,
        } = transmit;
        if transport == Transport::Stream {
            return self.send_framed(local, remote, &data, ctx);
        }
        match self.socket_at(local) {
            Some(index) => {
                let sent = self.sockets[index].send_one(remote, &data);
                trace!(sent, %remote, "check");
            }
            None => self
                .relaying
                .relays()
                .send(Instant::now(), local, remote, data.into()),
        }
    }

    fn socket_at(&self, local: SocketAddr) -> Option<usize> {
        self.sockets.iter().position(|socket| socket.address() == local)
    }

    fn tell(&mut self, event: Event) {
        let told = match event {
            Event::LocalCandidate(candidate) => {
                self.setup.recorder.note("our candidate", || candidate.clone());
                IceEvent::LocalCandidate(candidate)
            }
            Event::GatheringComplete => IceEvent::GatheringComplete,
            Event::Checking => IceEvent::Checking,
            Event::Selected(pair) => {
                self.set_path(&pair);
                self.publish(&pair);
                if let Some(Path::Relayed { relayed, peer, .. }) = self.path {
                    self.relaying.relays().bind_channel(Instant::now(), relayed, peer);
                }
                self.resume.selected = Some(pair.clone());
                self.keep();
                info!(pair = pair.kinds, "a path to the peer is selected");
                self.setup.recorder.note("selected pair", || {
                    format!("{} from {} to {}", pair.kinds, pair.local, pair.remote)
                });
                IceEvent::Selected {
                    local: pair.local.to_string(),
                    remote: pair.remote.to_string(),
                    pair: pair.kinds,
                    rtt: pair.rtt,
                }
            }
            Event::Disconnected => {
                info!("the peer is silent");
                IceEvent::Disconnected
            }
            Event::Failed => {
                warn!("there is no path to the peer");
                self.path = None;
                self.resume.selected = None;
                self.keep();
                IceEvent::Failed
            }
        };
        self.setup.events.tell(told);
    }

    fn set_path(&mut self, pair: &SelectedPair) {
        let (local, peer) = (pair.local, pair.remote);
        if pair.transport == Transport::Stream {
            let there = self.has_stream(local, peer);
            self.path = there.then_some(Path::Stream { local, peer });
            return;
        }
        let direct = self.socket_at(pair.local).map(|socket| Path::Direct {
            socket,
            remote: pair.remote,
        });
        let relayed = || {
            let link = self.relaying.relays().link_of(pair.local)?;
            Some(Path::Relayed {
                relayed: pair.local,
                peer: pair.remote,
                link,
            })
        };
        self.path = direct.or_else(relayed);
    }

    fn publish(&self, pair: &SelectedPair) {
        let transport = &self.setup.counters.transport;
        transport.local.set(pair.local.to_string());
        transport.remote.set(pair.remote.to_string());
        transport.pair.set(pair.kinds.as_str());
    }
}

impl Actor for IceAgent {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let now = Instant::now();
        self.sockets = self
            .resume
            .sockets
            .iter()
            .filter_map(|bound| Socket::open(bound.clone()).ok())
            .collect();
        if self.sockets.is_empty() {
            return ctx.fail("no UDP socket could be bound");
        }
        self.keep();
        if self.bereft {
            // Nobody knows of these sockets: a restart will tell the peer.
            self.setup.events.tell(IceEvent::Failed);
        }
        self.relaying.note_sockets(&self.resume.sockets);
        self.take_over_streams(ctx);
        self.take_over(now);
        for index in 0..self.sockets.len() {
            self.agent.add_host(now, self.sockets[index].address());
            ctx.spawn(Reading { index });
        }
        self.listen(now, ctx);
        self.keep();
        self.take_over_relays(now, ctx);
        self.gather(ctx);
        ctx.run_interval(self.setup.ice.interface_poll(), Self::watch);
        self.drive(ctx);
    }
}

impl Timed for IceAgent {
    fn deadline(&mut self) -> &mut Deadline {
        &mut self.deadline
    }

    fn due(&mut self, now: Instant, ctx: &mut Self::Context) {
        self.relaying.relays().handle_timeout(now);
        self.agent.handle_timeout(now);
        self.names.handle_timeout(now);
        self.drive(ctx);
    }
}

impl Handler<SetRemoteCredentials> for IceAgent {
    type Result = ();

    fn handle(&mut self, remote: SetRemoteCredentials, ctx: &mut Self::Context) {
        let SetRemoteCredentials { ufrag, pwd, lite } = remote;
        self.resume.remote_lite = lite;
        let remote = IceCredentials { ufrag, pwd };
        if self.resume.remote.as_ref().is_some_and(|known| *known != remote) {
            self.resume.candidates.clear();
        }
        self.resume.remote = Some(remote.clone());
        self.keep();
        self.meet(Instant::now(), remote);
        self.drive(ctx);
    }
}

impl Handler<RestartIce> for IceAgent {
    type Result = ();

    fn handle(&mut self, RestartIce(credentials): RestartIce, ctx: &mut Self::Context) {
        self.resume.credentials = credentials.clone();
        self.resume.remote = None;
        self.resume.candidates.clear();
        let now = Instant::now();
        self.rescan(now, ctx);
        let silent = self.agent.state() == ice::State::Disconnected;
        let renew = silent && self.give_relays_back(now);
        self.renew_streams(silent, ctx);
        self.keep();
        self.agent.restart(now, credentials);
        if renew || self.relaying.relays().allocated().next().is_none() {
            // What was not to be had at first may be now.
            self.gather(ctx);
        }
        self.drive(ctx);
    }
}

impl Handler<RoutePackets> for IceAgent {
    type Result = ();

    fn handle(&mut self, RoutePackets(routes): RoutePackets, _: &mut Self::Context) {
        self.routes = Routes::new(routes.clone());
        self.resume.routes = routes;
        self.keep();
    }
}

impl Handler<UseIceServers> for IceAgent {
    type Result = ();

    fn handle(&mut self, UseIceServers(servers): UseIceServers, ctx: &mut Self::Context) {
        if servers != self.resume.ice_servers {
            self.resume.ice_servers = servers;
            self.keep();
            self.gather(ctx);
        }
    }
}

impl Handler<SendDatagrams> for IceAgent {
    type Result = ();

    fn handle(&mut self, SendDatagrams(datagrams): SendDatagrams, ctx: &mut Self::Context) {
        self.send(datagrams, ctx);
    }
}

fn settings(ice: &Ice) -> Settings {
    Settings {
        ta: ice.ta(),
        initial_rto: ice.stun_rto(),
        consent_interval: ice.consent_interval(),
        consent_timeout: ice.consent_timeout(),
        disconnected_timeout: ice.disconnected_timeout(),
        checking_timeout: ice.failed_timeout(),
        gathering_timeout: ice.gather_timeout(),
        stun_requests: ice.stun_requests,
        max_pairs: ice.max_pairs,
        max_remote_candidates: ice.max_remote_candidates,
        relay_only: ice.relay_only,
        tcp_after: ice.tcp.then(|| ice.tcp_after()),
    }
}

#[cfg(test)]
mod tests;
