//! ICE over TCP (RFC 6544): the peer connects to our passive candidates, and we from our active ones to its.
//!
//! Active candidates pair with passive ones alone (RFC 6544 §6.2), but the inner agent pairs all that have one protocol.
//! So our passive ones have another protocol there than the peer's passive ones, and the peer's active ones stay outside:
//! what connects to us is peer-reflexive anyway.
//!
//! TCP is for where UDP does not get through: a call over UDP shall not begin on a stream and then move.

use std::net::SocketAddr;
use std::time::Instant;

use is::{Candidate, CandidateKind, Protocol};
use str0m_proto::TcpType;

use super::{CandidateError, IceAgent, SelectedPair};
use crate::ice::relay::Transport;

/// The port of active candidates (RFC 6544 §4.5), which leave from another one with each connection.
pub const ANY_PORT: u16 = 9;

/// Names take so much longer than addresses: a browser does not answer about a new one within a second (RFC 6762 §6).
const LOOKING_UP: u32 = 4;

/// In the inner agent: our active candidates and the peer's passive ones.
const ACTIVE: Protocol = Protocol::Tcp;
/// In the inner agent: our passive candidates and who connects to them.
const PASSIVE: Protocol = Protocol::SslTcp;

/// How what has this protocol in the inner agent is sent.
pub(super) fn transport_of(protocol: Protocol) -> Transport {
    match protocol {
        Protocol::Udp => Transport::Udp,
        Protocol::Tcp | Protocol::SslTcp | Protocol::Tls => Transport::Stream,
    }
}

/// Our candidate as it is signaled.
pub(super) fn signaled(candidate: &Candidate) -> String {
    candidate.to_sdp_string().replacen(" ssltcp ", " tcp ", 1)
}

/// Where our active candidate beside a listener is.
fn active_beside(listener: SocketAddr) -> SocketAddr {
    SocketAddr::new(listener.ip(), ANY_PORT)
}

impl IceAgent {
    /// Whether the peer has candidates whose addresses are being looked up; TCP waits longer then.
    pub fn await_names(&mut self, awaited: bool) {
        self.names_awaited = awaited;
    }

    /// Streams of the peer may arrive here, and leave to it from any other port of this address. Tell hosts of datagrams
    /// before, for they are better.
    pub fn add_listener(&mut self, now: Instant, listener: SocketAddr) {
        if self.settings.relay_only || self.settings.tcp_after.is_none() {
            return;
        }
        self.listeners.push(listener);
        let passive = Candidate::builder().ssl_tcp().host(listener);
        let active = Candidate::builder().tcp().host(active_beside(listener));
        let ours = [active.tcptype(TcpType::Active), passive.tcptype(TcpType::Passive)];
        for candidate in ours.into_iter().flat_map(|builder| builder.build()) {
            self.add_local(candidate);
        }
        self.run(now);
    }

    /// Its interface is gone, and all streams with it. A pair over one of them is given up.
    pub fn remove_listener(&mut self, now: Instant, listener: SocketAddr) {
        self.listeners.retain(|other| *other != listener);
        self.remove_base(now, Transport::Stream, listener);
        self.remove_base(now, Transport::Stream, active_beside(listener));
    }

    /// The stream between these addresses has ended. A pair over it is given up.
    pub fn remove_stream(&mut self, now: Instant, local: SocketAddr, remote: SocketAddr) {
        let protocol = self.protocol_at(Transport::Stream, local);
        let is_over_it = |pair: &SelectedPair| {
            (pair.transport, pair.local, pair.remote) == (Transport::Stream, local, remote)
        };
        let selected = self.selected.as_ref();
        let is_selected = selected.is_some_and(is_over_it);
        // The selected one may lead there from another address of ours.
        if is_selected || selected.is_none_or(|pair| pair.remote != remote) {
            let known = |known: &Candidate| known.addr() == remote && known.proto() == protocol;
            let there = self.inner.remote_candidates().find(known);
            there.map(|there| self.inner.invalidate_candidate(&there));
        }
        if is_selected {
            self.interrupt(now);
        }
        self.run(now);
    }

    pub(super) fn is_for_streams(&self, base: SocketAddr) -> bool {
        let mut listeners = self.listeners.iter();
        listeners.any(|listener| *listener == base || active_beside(*listener) == base)
    }

    pub(super) fn protocol_at(&self, transport: Transport, local: SocketAddr) -> Protocol {
        match transport {
            Transport::Udp => Protocol::Udp,
            Transport::Stream if self.listeners.contains(&local) => PASSIVE,
            Transport::Stream => ACTIVE,
        }
    }

    /// Whether checks may go to a candidate of the peer.
    pub(super) fn takes(&self, candidate: &Candidate) -> Result<bool, CandidateError> {
        match candidate.tcptype() {
            None => Ok(true),
            Some(_) if self.settings.relay_only || self.settings.tcp_after.is_none() => {
                Err(CandidateError::OtherTransport)
            }
            Some(tcptype) => Ok(tcptype == TcpType::Passive),
        }
    }

    /// Lets checks begin, or wait until it is time for them.
    pub(super) fn pair(&mut self, candidate: Candidate) {
        match transport_of(candidate.proto()) {
            Transport::Udp => self.inner.add_remote_candidate(candidate),
            Transport::Stream => self.held.push(candidate),
        }
    }

    pub(super) fn pair_held(&mut self, now: Instant) {
        if self.held.is_empty() || !self.is_time_for_tcp(now) {
            return;
        }
        for candidate in std::mem::take(&mut self.held) {
            // The inner agent would take it for what a check over UDP from there has shown.
            let mistaken = |known: Candidate| {
                known.kind() == CandidateKind::PeerReflexive && known.addr() == candidate.addr()
            };
            if !self.inner.remote_candidates().any(mistaken) {
                self.inner.add_remote_candidate(candidate);
            }
        }
    }

    /// Whether UDP had its time and has found nothing, or but a relay.
    pub(super) fn is_time_for_tcp(&self, now: Instant) -> bool {
        self.is_tcp_wanted() && self.tcp_begins().is_some_and(|begins| now >= begins)
    }

    /// When that will be, if somebody waits for it.
    pub(super) fn tcp_due(&self) -> Option<Instant> {
        let begins = self.tcp_begins()?;
        (self.is_tcp_wanted() && !self.held.is_empty()).then_some(begins)
    }

    fn tcp_begins(&self) -> Option<Instant> {
        let (checking, after) = (self.checking_since?, self.settings.tcp_after?);
        let since = self.told.map_or(checking, |told| told.max(checking));
        let patience = if self.names_awaited { LOOKING_UP } else { 1 };
        Some(since + after * patience)
    }

    fn is_tcp_wanted(&self) -> bool {
        let selected = self.selected.as_ref().filter(|_| !self.former);
        selected.is_none_or(|pair| pair.transport == Transport::Stream || self.relayed.contains(&pair.local))
    }
}
