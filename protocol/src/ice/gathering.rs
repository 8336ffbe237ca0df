//! Server-reflexive candidates: a STUN server tells under which address it sees us (RFC 8445 §5.1.1.2, RFC 8489).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stun_proto::types::attribute::XorMappedAddress;
use stun_proto::types::message::{
    BINDING, Message, MessageClass, MessageWrite, MessageWriteExt, MessageWriteVec, TransactionId,
};

use super::interface::{Settings, Transmit};
use super::relay::Transport;

/// Asks every STUN server from every local address, once, and collects the answers.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    requests: Vec<Request>,
    deadline: Option<Instant>,
}

/// One binding request and its retransmissions.
#[derive(Debug)]
struct Request {
    base: SocketAddr,
    server: SocketAddr,
    transaction: TransactionId,
    message: Vec<u8>,
    next: Instant,
    /// RFC 8489 §6.2.1: doubles with each retransmission.
    rto: Duration,
    left: u32,
}

/// A STUN server's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reflexive {
    /// Our address, as the server sees it.
    pub mapped: SocketAddr,
    /// Our address, as we see it.
    pub base: SocketAddr,
}

/// Whether datagrams from this address of ours can get to that one.
pub fn reaches(from: SocketAddr, to: SocketAddr) -> bool {
    from.is_ipv4() == to.is_ipv4() && from.ip().is_loopback() == to.ip().is_loopback()
}

impl Gathering {
    /// Starts a request from each base to each server of its family, Ta apart (RFC 8445 §14.2).
    pub(super) fn start(
        now: Instant,
        bases: &[SocketAddr],
        servers: &[SocketAddr],
        settings: &Settings,
    ) -> Self {
        let all = bases
            .iter()
            .flat_map(|&base| servers.iter().map(move |&server| (base, server)));
        let reachable = all.filter(|&(base, server)| reaches(base, server));
        let mut next = now;
        let requests = reachable.map(|(base, server)| {
            let message = Message::builder_request(BINDING, MessageWriteVec::new());
            let transaction = message.transaction_id();
            let start = next;
            next += settings.ta;
            Request {
                base,
                server,
                transaction,
                message: message.finish(),
                next: start,
                rto: settings.initial_rto,
                left: settings.stun_requests,
            }
        });
        Gathering {
            requests: requests.collect(),
            deadline: Some(now + settings.gathering_timeout),
        }
    }

    /// Whether every request is answered or given up.
    pub(super) fn is_complete(&self) -> bool {
        self.requests.is_empty()
    }

    /// When its time is over, for others who gather along with it too.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Takes a datagram that came from `remote` to `local`, if it answers one of the requests. The outer `None` means
    /// it does not; the inner one, that the server refused or sent no address.
    pub(super) fn handle_input(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        data: &[u8],
    ) -> Option<Option<Reflexive>> {
        if self.requests.is_empty() {
            return None;
        }
        let message = Message::from_bytes(data)
            .ok()
            .filter(|message| message.is_response())?;
        let transaction = message.transaction_id();
        let index = self.requests.iter().position(|request| {
            request.transaction == transaction && request.server == remote && request.base == local
        })?;
        let request = self.requests.swap_remove(index);
        let mapped = message
            .has_class(MessageClass::Success)
            .then(|| message.attribute::<XorMappedAddress>().ok())
            .flatten()
            .map(|attribute| attribute.addr(transaction));
        Some(mapped.map(|mapped| Reflexive {
            mapped,
            base: request.base,
        }))
    }

    /// What is due now.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Vec<Transmit> {
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.requests.clear();
        }
        self.requests
            .retain(|request| request.left > 0 || now < request.next);
        let due = self.requests.iter_mut().filter(|request| now >= request.next);
        let transmits = due.map(|request| {
            request.next = now + request.rto;
            request.rto *= 2;
            request.left -= 1;
            Transmit {
                transport: Transport::Udp,
                local: request.base,
                remote: request.server,
                data: request.message.clone(),
            }
        });
        transmits.collect()
    }

    /// When [`Gathering::handle_timeout`] wants to be called.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let next = self.requests.iter().map(|request| request.next).min()?;
        Some(self.deadline.map_or(next, |deadline| next.min(deadline)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn answer(request: &Transmit, mapped: SocketAddr) -> Vec<u8> {
        let request = Message::from_bytes(&request.data).unwrap();
        let mut response = Message::builder_success(&request, MessageWriteVec::new());
        let attribute = XorMappedAddress::new(mapped, request.transaction_id());
        response.add_attribute(&attribute).unwrap();
        response.finish()
    }

    #[test]
    fn a_server_tells_our_address_after_a_lost_request() {
        let start = Instant::now();
        let (base, server) = (address("192.0.2.1:5000"), address("198.51.100.1:3478"));
        let other_family = address("[2001:db8::1]:3478");
        let settings = Settings::default();
        let mut gathering = Gathering::start(start, &[base], &[server, other_family], &settings);
        let _lost = gathering.handle_timeout(start);
        assert_eq!(gathering.next_timeout(), Some(start + settings.initial_rto));
        let again = gathering.handle_timeout(start + settings.initial_rto);
        assert_eq!((again.len(), again[0].local, again[0].remote), (1, base, server));

        let mapped = address("203.0.113.9:61000");
        let data = answer(&again[0], mapped);
        assert_eq!(
            gathering.handle_input(base, address("203.0.113.66:1"), &data),
            None,
            "a stranger's answer"
        );
        assert_eq!(
            gathering.handle_input(base, server, &data),
            Some(Some(Reflexive { mapped, base }))
        );
        assert!(gathering.is_complete());
    }

    #[test]
    fn a_silent_server_is_given_up() {
        let (base, server) = (address("192.0.2.1:5000"), address("198.51.100.1:3478"));
        let sent = |settings: Settings| {
            let mut gathering = Gathering::start(Instant::now(), &[base], &[server], &settings);
            let mut sent = 0;
            while let Some(next) = gathering.next_timeout() {
                sent += gathering.handle_timeout(next).len();
            }
            assert!(gathering.is_complete());
            sent
        };
        assert_eq!(sent(Settings::default()), 4, "at 0, 0.25, 0.75 and 1.75 s of 3");
        let once = Settings {
            stun_requests: 1,
            ..Settings::default()
        };
        assert_eq!(sent(once), 1);
    }
}
