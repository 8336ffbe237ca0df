//! The machine an actor drives: feed it datagrams and time, drain its outputs, ask when it wants to be called.
//!
//! Reading order: this file, [`deadlines`] (what ends when nothing is heard), [`tcp`] (streams instead of datagrams).

mod deadlines;
mod tcp;

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use is::stun::{StunMessage, StunPacket};
use is::{Candidate, CandidateKind, IceAgentEvent, Protocol};

use super::candidate::{self, CandidateError, kind_name};
use super::consent::{Consent, Spread};
use super::credentials::{CredentialsError, IceCredentials, random};
use super::gathering::{Gathering, Reflexive};
use super::interface::{Event, Output, SelectedPair, Settings, State, Transmit};
use super::relay::Transport;
pub use tcp::ANY_PORT;

/// As many checks in a row may stay unanswered before a pair is given up. In a selected pair that takes about 25 s, so
/// another pair can take over before consent expires.
const MAX_RETRANSMITS: usize = 20;
/// Addresses of ours a peer may tell us we have.
const MAX_MAPPED_ADDRESSES: usize = 16;
/// Calls of the inner agent at one time: one for each request it holds back (at most 100) and one check.
const MAX_STEPS: usize = 128;

/// One session's agent: one data stream, one component.
pub struct IceAgent {
    settings: Settings,
    inner: is::IceAgent,
    state: State,
    /// Local addresses with a socket.
    bases: Vec<SocketAddr>,
    /// Addresses that STUN servers see us by, and the sockets behind them.
    reflexive: Vec<(SocketAddr, SocketAddr)>,
    /// Addresses that TURN servers forward from.
    relayed: Vec<SocketAddr>,
    /// Where streams of the peer arrive.
    listeners: Vec<SocketAddr>,
    gathering: Gathering,
    /// TURN servers may still give addresses.
    relays_awaited: bool,
    /// Whether the end of gathering was told, or gathering has not begun.
    gathering_told: bool,
    remote: Option<IceCredentials>,
    /// Candidates that came before the credentials they belong to.
    early: Vec<Candidate>,
    /// Candidates that wait until it is time for TCP.
    held: Vec<Candidate>,
    /// When the last candidate over UDP came.
    told: Option<Instant>,
    names_awaited: bool,
    /// Every address of the peer the inner agent knows of; bounds what it remembers.
    remotes: HashSet<SocketAddr>,
    /// Every address of ours the peer has told of; bounds the same.
    mapped: HashSet<SocketAddr>,
    selected: Option<SelectedPair>,
    /// That pair is of before a restart.
    former: bool,
    consent: Option<Consent>,
    spread: Spread,
    checking_since: Option<Instant>,
    outputs: VecDeque<Output>,
}

impl IceAgent {
    /// A new session. The offerer is controlling (RFC 8445 §6.1.1).
    pub fn new(settings: Settings, credentials: IceCredentials, controlling: bool, now: Instant) -> Self {
        let spread = Spread::new(&credentials.ufrag);
        let mut inner = is::IceAgent::new(credentials.into());
        let mut tie_breaker = [0; 8];
        random(&mut tie_breaker);
        inner.set_control_tie_breaker(u64::from_be_bytes(tie_breaker));
        inner.set_controlling(controlling);
        inner.set_timing_advance(settings.ta);
        inner.set_initial_stun_rto(settings.initial_rto);
        inner.set_max_stun_rto(settings.consent_interval);
        inner.set_max_stun_retransmits(MAX_RETRANSMITS);
        inner.set_max_candidate_pairs(settings.max_pairs);
        // Before its first call the inner agent names no timeout at all.
        inner.handle_timeout(now);
        IceAgent {
            settings,
            inner,
            state: State::New,
            bases: Vec::new(),
            reflexive: Vec::new(),
            relayed: Vec::new(),
            listeners: Vec::new(),
            gathering: Gathering::default(),
            relays_awaited: false,
            gathering_told: true,
            remote: None,
            early: Vec::new(),
            held: Vec::new(),
            told: None,
            names_awaited: false,
            remotes: HashSet::new(),
            mapped: HashSet::new(),
            selected: None,
            former: false,
            consent: None,
            spread,
            checking_since: None,
            outputs: VecDeque::new(),
        }
    }

    /// The peer only answers checks: we control, whoever offered (RFC 8445 §6.1.1).
    pub fn take_control(&mut self) {
        self.inner.set_controlling(true);
    }

    /// Only answers checks, as a media server in the open may (RFC 8445 §2.5).
    #[cfg(test)]
    pub(super) fn be_lite(&mut self) {
        self.inner.set_ice_lite(true);
        self.inner.set_controlling(false);
    }

    /// Where the agent is.
    pub fn state(&self) -> State {
        self.state
    }

    /// The pair to send over. `None` before there is one and after consent has expired.
    pub fn selected(&self) -> Option<&SelectedPair> {
        self.selected.as_ref()
    }

    /// Round trip of the last answered check of the selected pair.
    pub fn rtt(&self) -> Option<Duration> {
        self.inner.nominated_pair_rtt()
    }

    /// Whether this address of the peer is signaled or has passed a check. What comes from others can be dropped unseen.
    pub fn knows(&self, remote: SocketAddr) -> bool {
        self.remotes.contains(&remote)
    }

    /// Goes on sending over the pair of an agent that was lost, until checks of this one select another.
    pub fn adopt(&mut self, now: Instant, pair: SelectedPair) {
        self.remotes.insert(pair.remote);
        self.selected = Some(pair);
        self.consent = Some(Consent::new(now));
    }

    /// A socket is bound to this address; the best first. It is a candidate unless the peer shall only see relays.
    pub fn add_host(&mut self, now: Instant, address: SocketAddr) {
        self.bases.push(address);
        if !self.settings.relay_only
            && let Ok(candidate) = Candidate::host(address, Protocol::Udp)
        {
            self.add_local(candidate);
            self.run(now);
        }
    }

    /// A TURN server forwards from this address; what goes out from it or came in to it is named by it. `base` is our
    /// end of the link to the server.
    pub fn add_relayed(&mut self, now: Instant, relayed: SocketAddr, base: SocketAddr) {
        if let Ok(candidate) = Candidate::relayed(relayed, base, Protocol::Udp) {
            self.relayed.push(relayed);
            self.add_local(candidate);
            self.run(now);
        }
    }

    /// The TURN server forwards no more. A pair over it is given up.
    pub fn remove_relayed(&mut self, now: Instant, relayed: SocketAddr) {
        self.relayed.retain(|address| *address != relayed);
        self.remove_base(now, Transport::Udp, relayed);
    }

    /// Whether TURN servers may still give addresses; gathering is not complete before.
    pub fn await_relays(&mut self, now: Instant, awaited: bool) {
        self.relays_awaited = awaited;
        self.run(now);
    }

    /// The socket with this address is of no use any more: its interface is gone. A pair over it is given up.
    pub fn remove_host(&mut self, now: Instant, address: SocketAddr) {
        self.bases.retain(|base| *base != address);
        self.remove_base(now, Transport::Udp, address);
    }

    fn remove_base(&mut self, now: Instant, transport: Transport, address: SocketAddr) {
        let over_it: Vec<Candidate> = self
            .inner
            .local_candidates()
            .filter(|candidate| tcp::transport_of(candidate.proto()) == transport)
            .filter(|candidate| self.base_of(candidate) == address)
            .collect();
        for candidate in over_it {
            self.inner.invalidate_candidate(&candidate);
        }
        self.reflexive.retain(|(_, base)| *base != address);
        let is_base = |pair: &SelectedPair| pair.transport == transport && pair.local == address;
        if self.selected.as_ref().is_some_and(is_base) {
            self.interrupt(now);
        }
        self.run(now);
    }

    /// The selected pair is gone. Another one may reach the peer, who takes checks from anywhere with the right
    /// credentials.
    fn interrupt(&mut self, now: Instant) {
        self.selected = None;
        self.consent = None;
        self.tell(Event::Disconnected);
        self.checking_since = Some(now);
        self.state = State::Checking;
    }

    /// Asks these STUN servers for server-reflexive candidates of all hosts so far; gathering completes with that.
    pub fn gather(&mut self, now: Instant, stun_servers: &[SocketAddr]) {
        self.gathering = Gathering::start(now, &self.bases, stun_servers, &self.settings);
        self.gathering_told = false;
        self.run(now);
    }

    /// The peer's credentials: checks begin. Other ones than before mean that the peer restarts.
    ///
    /// # Errors
    /// If they break RFC 8839 §5.4; then nothing changes.
    pub fn set_remote_credentials(
        &mut self,
        now: Instant,
        credentials: IceCredentials,
    ) -> Result<(), CredentialsError> {
        credentials.check()?;
        if self.remote.as_ref() == Some(&credentials) {
            return Ok(());
        }
        if self.remote.is_some() {
            let ours = self.inner.local_credentials().clone();
            self.forget_checks(ours);
        }
        self.inner.set_remote_credentials(credentials.clone().into());
        self.remote = Some(credentials);
        self.checking_since = Some(now);
        self.set_state(State::Checking);
        for candidate in std::mem::take(&mut self.early) {
            self.pair(candidate);
        }
        self.run(now);
        Ok(())
    }

    /// A candidate of the peer, `candidate:…`; an empty text ends them (RFC 8838 §14). Returns its address, if checks may
    /// go there.
    ///
    /// # Errors
    /// If it cannot be used; nothing changes then, and it is no reason to end a call.
    pub fn add_remote_candidate(
        &mut self,
        now: Instant,
        text: &str,
    ) -> Result<Option<SocketAddr>, CandidateError> {
        if text.trim().is_empty() {
            // Nothing ends with it: RFC 8863 §4 lets checks go on for candidates nobody signals.
            return Ok(None);
        }
        let candidate = candidate::parse(text)?;
        if !self.takes(&candidate)? {
            return Ok(None);
        }
        let address = candidate.addr();
        if !self.admit(address) {
            return Err(CandidateError::TooMany);
        }
        let known = |known: &Candidate| {
            (known.addr(), known.kind(), known.proto()) == (address, candidate.kind(), candidate.proto())
        };
        if self
            .inner
            .remote_candidates()
            .chain(self.early.iter().chain(&self.held).cloned())
            .any(|other| known(&other))
        {
            return Ok(Some(address));
        }
        if candidate.proto() == Protocol::Udp {
            self.told = Some(now);
        }
        if self.remote.is_some() {
            self.pair(candidate);
            self.run(now);
        } else {
            self.early.push(candidate);
        }
        Ok(Some(address))
    }

    /// Starts over with new credentials (RFC 8445 §2.4); signal them and the candidates that follow. The selected pair
    /// stays in use until another one works.
    pub fn restart(&mut self, now: Instant, credentials: IceCredentials) {
        self.forget_checks(credentials.into());
        self.remote = None;
        self.early.clear();
        self.set_state(State::New);
        let known = self
            .inner
            .local_candidates()
            .filter(|known| known.kind() != CandidateKind::PeerReflexive)
            .filter(|known| {
                let base = self.base_of(known);
                self.bases.contains(&base) || self.relayed.contains(&base) || self.is_for_streams(base)
            });
        for candidate in known.map(|known| tcp::signaled(&known)).collect::<Vec<_>>() {
            self.tell(Event::LocalCandidate(candidate));
        }
        self.gathering_told = false;
        self.run(now);
    }

    /// A STUN datagram, or a frame of a stream, came from `remote` to `local`. Returns whether it was ours and authentic;
    /// everything else is dropped without a trace in the agent.
    pub fn handle_input(
        &mut self,
        now: Instant,
        transport: Transport,
        local: SocketAddr,
        remote: SocketAddr,
        data: &[u8],
    ) -> bool {
        if transport == Transport::Udp
            && let Some(answer) = self.gathering.handle_input(local, remote, data)
        {
            if let Some(reflexive) = answer {
                self.add_reflexive(reflexive);
            }
            self.run(now);
            return true;
        }
        if self.settings.relay_only && !self.relayed.contains(&local) {
            return false;
        }
        let Ok(message) = StunMessage::parse(data) else {
            return false;
        };
        if transport == Transport::Stream && message.is_binding_request() && !self.is_time_for_tcp(now) {
            // It comes again.
            return self.inner.accepts_message(&message);
        }
        let mapped = message
            .mapped_address()
            .filter(|_| message.is_successful_binding_response());
        if !self.knows_or_has_room(remote, mapped) {
            return false;
        }
        let response = message.is_successful_binding_response();
        let protocol = self.protocol_at(transport, local);
        let packet = StunPacket {
            proto: protocol,
            source: remote,
            destination: local,
            message,
        };
        if !self.inner.handle_packet(now, packet) {
            return false;
        }
        self.remotes.insert(remote);
        self.mapped.extend(mapped);
        if response {
            self.answered(now, protocol, local, remote);
        }
        if self.selected.as_ref().is_some_and(|pair| pair.remote == remote) {
            self.heard(now);
        }
        self.run(now);
        true
    }

    /// Something else than STUN came from an address of the peer: a sign of life.
    pub fn heard(&mut self, now: Instant) {
        if let Some(consent) = &mut self.consent {
            consent.heard(now);
        }
        if self.state == State::Disconnected {
            self.reconnect();
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.run(now);
    }

    /// The next thing to do; call it until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`IceAgent::handle_timeout`] wants to be called. Takes `&mut` because the inner agent caches.
    pub fn next_timeout(&mut self) -> Option<Instant> {
        let inner = self.inner.poll_timeout();
        [inner, self.gathering.next_timeout(), self.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Lets the inner agent, the gathering and the clocks do what is due, and takes what they have to say.
    fn run(&mut self, now: Instant) {
        self.pair_held(now);
        for _ in 0..MAX_STEPS {
            if self.inner.poll_timeout().is_none_or(|due| now < due) {
                break;
            }
            self.inner.handle_timeout(now);
        }
        let gathering = self.gathering.handle_timeout(now);
        self.outputs.extend(gathering.into_iter().map(Output::Transmit));
        let relays_over = self.relays_due().is_none_or(|due| now >= due);
        if !self.gathering_told && self.gathering.is_complete() && relays_over {
            self.gathering_told = true;
            self.tell(Event::GatheringComplete);
        }
        self.collect(now);
        self.watch(now);
    }

    fn collect(&mut self, now: Instant) {
        while let Some(transmit) = self.inner.poll_transmit() {
            // RFC 7675 §5.1: after consent has expired the endpoint "MUST cease transmission".
            if self.state != State::Failed {
                self.outputs.push_back(Output::Transmit(Transmit {
                    transport: tcp::transport_of(transmit.proto),
                    local: transmit.source,
                    remote: transmit.destination,
                    data: transmit.contents.into(),
                }));
            }
        }
        while let Some(event) = self.inner.poll_event() {
            if let IceAgentEvent::NominatedSend {
                proto,
                source,
                destination,
            } = event
            {
                self.select(now, proto, source, destination);
            }
        }
    }

    /// A check of ours was answered on this pair.
    fn answered(&mut self, now: Instant, protocol: Protocol, local: SocketAddr, remote: SocketAddr) {
        // RFC 8445 §12.1: before nomination, data may be sent on any valid pair. The controlled side gains Ta by it, and
        // after a restart nobody has to wait on a pair that may be dead.
        if (self.selected.is_none() || self.former) && self.inner.has_viable_remote_candidate(remote) {
            self.select(now, protocol, local, remote);
        }
        let responses = self.inner.nominated_pair_responses_received().unwrap_or_default();
        if let Some(consent) = &mut self.consent
            && consent.count(now, responses)
        {
            self.inner
                .set_max_stun_rto(self.spread.next(self.settings.consent_interval));
        }
    }

    fn select(&mut self, now: Instant, protocol: Protocol, local: SocketAddr, remote: SocketAddr) {
        if self.state == State::Failed {
            return;
        }
        let transport = tcp::transport_of(protocol);
        let same = self
            .selected
            .as_ref()
            .is_some_and(|pair| (pair.transport, pair.local, pair.remote) == (transport, local, remote));
        self.consent = Some(Consent::new(now));
        self.former = false;
        if same && self.state == State::Connected {
            return;
        }
        let kind = self
            .inner
            .remote_candidates()
            .find(|known| known.addr() == remote && known.proto() == protocol)
            .map(|known| known.kind());
        let ours = if self.relayed.contains(&local) {
            "relay"
        } else {
            "host"
        };
        let over = match transport {
            Transport::Udp => "",
            Transport::Stream => " tcp",
        };
        let kinds = format!("{ours}/{}{over}", kind.map_or("prflx", kind_name));
        self.selected = Some(SelectedPair {
            transport,
            local,
            remote,
            kinds,
            rtt: self.rtt(),
        });
        self.reconnect();
    }

    /// The selected pair speaks (again).
    fn reconnect(&mut self) {
        self.state = State::Connected;
        if let Some(pair) = &mut self.selected {
            pair.rtt = self.inner.nominated_pair_rtt().or(pair.rtt);
            let event = Event::Selected(pair.clone());
            self.tell(event);
        }
    }

    fn add_local(&mut self, candidate: Candidate) {
        if let Some(added) = self.inner.add_local_candidate(candidate) {
            let text = tcp::signaled(added);
            self.tell(Event::LocalCandidate(text));
        }
    }

    /// The address a candidate of ours is sent from (RFC 8445 §4).
    fn base_of(&self, candidate: &Candidate) -> SocketAddr {
        let address = candidate.addr();
        let reflexive = self.reflexive.iter().find(|(mapped, _)| *mapped == address);
        reflexive.map_or(address, |(_, base)| *base)
    }

    fn add_reflexive(&mut self, reflexive: Reflexive) {
        if self.settings.relay_only {
            return;
        }
        // Without a NAT between us and the server the two are one; RFC 8445 §5.1.3 eliminates the redundant one.
        if reflexive.mapped != reflexive.base
            && let Ok(candidate) =
                Candidate::server_reflexive(reflexive.mapped, reflexive.base, Protocol::Udp)
        {
            let known = (reflexive.mapped, reflexive.base);
            if !self.reflexive.contains(&known) {
                self.reflexive.push(known);
            }
            self.add_local(candidate);
        }
    }

    /// Forgets everything that was checked, but not our candidates.
    fn forget_checks(&mut self, ours: is::IceCreds) {
        self.inner.ice_restart(ours, true);
        self.former = self.selected.is_some();
        self.held.clear();
        self.remotes.clear();
        self.mapped.clear();
    }

    /// Counts a signaled candidate; false if there are too many.
    fn admit(&mut self, remote: SocketAddr) -> bool {
        let room = self.remotes.len() < self.settings.max_remote_candidates;
        self.remotes.contains(&remote) || (room && self.remotes.insert(remote))
    }

    fn knows_or_has_room(&self, remote: SocketAddr, mapped: Option<SocketAddr>) -> bool {
        let room = self.remotes.len() < self.settings.max_remote_candidates;
        let mapped_room = self.mapped.len() < MAX_MAPPED_ADDRESSES;
        (room || self.remotes.contains(&remote))
            && mapped.is_none_or(|address| mapped_room || self.mapped.contains(&address))
    }

    fn set_state(&mut self, state: State) {
        if self.state == state {
            return;
        }
        self.state = state;
        match state {
            State::New | State::Connected => {}
            State::Checking => self.tell(Event::Checking),
            State::Disconnected => self.tell(Event::Disconnected),
            State::Failed => self.tell(Event::Failed),
        }
    }

    fn tell(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}
