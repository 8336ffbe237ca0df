//! Relays and a TURN server (crate `turn-server-proto`) in virtual time.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;
use turn_server_proto::api::{TurnServerApi, TurnServerPollRet};
use turn_server_proto::server::TurnServer;

use super::*;

const LOCAL: &str = "192.0.2.7:5000";
const SERVER: &str = "198.51.100.1:3478";
const RELAYED: &str = "198.51.100.1:49200";
const PEER: &str = "203.0.113.9:6000";
/// A path's one-way delay.
const DELAY: Duration = Duration::from_millis(10);

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn link(transport: Transport) -> Link {
    Link {
        transport,
        local: address(LOCAL),
        server: address(SERVER),
    }
}

fn login(password: &str) -> RelayLogin {
    RelayLogin {
        username: "1790000000:ana".into(),
        password: password.into(),
    }
}

/// One client, one server, and whoever is behind it.
struct World {
    start: Instant,
    now: Instant,
    transport: Transport,
    relays: Relays,
    server: TurnServer,
    /// Bytes of a stream arrive in pieces of this size.
    piece: usize,
    heard: Vec<RelayOutput>,
    forwarded: Vec<Forwarded>,
    /// What the server sent to others: from, to, what.
    outside: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    /// Bytes from us to the server, in all.
    sent: usize,
}

impl World {
    fn new(transport: Transport) -> Self {
        let kind = match transport {
            Transport::Udp => TransportType::Udp,
            Transport::Stream => TransportType::Tcp,
        };
        let mut server = TurnServer::new(kind, address(SERVER), "example".into());
        server.add_user(login("").username, "right".into());
        let start = Instant::now();
        World {
            start,
            now: start,
            transport,
            relays: Relays::new(Settings::default(), start),
            server,
            piece: usize::MAX,
            heard: Vec::new(),
            forwarded: Vec::new(),
            outside: Vec::new(),
            sent: 0,
        }
    }

    /// A world in which the address is ours and the peer may send to it.
    fn allocated(transport: Transport) -> Self {
        let mut world = World::new(transport);
        world.relays.allocate(world.now, link(transport), &login("right"));
        world.relays.permit(world.now, address(PEER).ip());
        world.run(Duration::from_secs(1));
        world
    }

    fn at(&self) -> stun_proto::Instant {
        Clock(self.start).of(self.now)
    }

    /// Lets everything happen that happens within this time.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.exchange();
            match self.relays.next_timeout() {
                Some(next) if next <= end => {
                    self.now = next.max(self.now);
                    self.relays.handle_timeout(self.now);
                }
                Some(_) | None => break,
            }
        }
        self.now = end;
        self.exchange();
    }

    fn exchange(&mut self) {
        while let Some(output) = self.relays.poll_output() {
            match output {
                RelayOutput::Transmit { data, .. } => {
                    self.sent += data.len();
                    self.server_hears(address(LOCAL), address(SERVER), self.transport, data);
                }
                heard @ (RelayOutput::Allocated { .. } | RelayOutput::Lost { .. }) => self.heard.push(heard),
            }
        }
    }

    fn server_hears(&mut self, from: SocketAddr, to: SocketAddr, transport: Transport, data: Vec<u8>) {
        self.now += DELAY;
        let kind = match transport {
            Transport::Udp => TransportType::Udp,
            Transport::Stream => TransportType::Tcp,
        };
        let answer = self.server.recv(Transmit::new(data, kind, from, to), self.at());
        if let Some(answer) = answer.map(|answer| answer.build()) {
            self.server_says(answer.from, answer.to, answer.data);
        }
        while let TurnServerPollRet::AllocateSocket {
            transport,
            listen_addr,
            client_addr,
            allocation_transport,
            family,
        } = self.server.poll(self.at())
        {
            self.server.allocated_socket(
                transport,
                listen_addr,
                client_addr,
                allocation_transport,
                family,
                Ok(address(RELAYED)),
                self.at(),
            );
        }
        while let Some(transmit) = self.server.poll_transmit(self.at()) {
            self.server_says(transmit.from, transmit.to, transmit.data);
        }
    }

    fn server_says(&mut self, from: SocketAddr, to: SocketAddr, data: Vec<u8>) {
        if to != address(LOCAL) {
            return self.outside.push((from, to, data));
        }
        self.now += DELAY;
        for piece in data.chunks(self.piece.min(data.len())) {
            let (link, piece) = (link(self.transport), Bytes::copy_from_slice(piece));
            self.relays
                .handle_input(self.now, link, piece, &mut self.forwarded);
        }
    }

    /// The peer sends to our address at the server.
    fn peer_sends(&mut self, from: SocketAddr, data: &[u8]) {
        self.server_hears(from, address(RELAYED), Transport::Udp, data.to_vec());
        self.exchange();
    }

    fn send(&mut self, data: &'static [u8]) {
        let (relayed, peer) = (address(RELAYED), address(PEER));
        self.relays
            .send(self.now, relayed, peer, Bytes::from_static(data));
        self.exchange();
    }
}

fn given(transport: Transport) -> RelayOutput {
    RelayOutput::Allocated {
        link: link(transport),
        relayed: address(RELAYED),
    }
}

#[test]
fn a_peer_and_we_reach_each_other_by_way_of_a_server() {
    for (transport, piece) in [(Transport::Udp, usize::MAX), (Transport::Stream, 7)] {
        let mut world = World::allocated(transport);
        world.piece = piece;
        assert_eq!(world.heard, [given(transport)]);
        assert_eq!(world.relays.link_of(address(RELAYED)), Some(link(transport)));

        world.send(b"question");
        let question = (address(RELAYED), address(PEER), b"question".to_vec());
        assert_eq!(world.outside, [question]);
        world.peer_sends(address(PEER), b"answer");
        let answer = Forwarded {
            relayed: address(RELAYED),
            peer: address(PEER),
            data: Bytes::from_static(b"answer"),
        };
        assert_eq!(world.forwarded, [answer]);
    }
}

#[test]
fn whom_nobody_announced_is_not_let_through() {
    let mut world = World::allocated(Transport::Udp);
    world.peer_sends(address("203.0.113.66:6000"), b"surprise");
    assert_eq!(world.forwarded, []);
}

#[test]
fn what_is_sent_before_the_server_lets_it_through_is_held() {
    let mut world = World::new(Transport::Udp);
    world
        .relays
        .allocate(world.now, link(Transport::Udp), &login("right"));
    world.run(Duration::from_secs(1));
    world.send(b"first");
    world.send(b"second");
    world.run(Duration::from_secs(1));
    let sent: Vec<_> = world.outside.iter().map(|(_, _, data)| data.as_slice()).collect();
    assert_eq!(sent, [b"first".as_slice(), b"second"]);
}

#[test]
fn a_channel_saves_most_of_the_overhead() {
    let mut world = World::allocated(Transport::Udp);
    let overhead = |world: &mut World| {
        let before = world.sent;
        world.send(&[7; 1000]);
        world.sent - before - 1000
    };
    assert_eq!(
        overhead(&mut world),
        36,
        "RFC 8656 §11.1: header, peer address, data header"
    );
    let (relayed, peer) = (address(RELAYED), address(PEER));
    world.relays.bind_channel(world.now, relayed, peer);
    world.run(Duration::from_secs(1));
    assert_eq!(overhead(&mut world), 4, "RFC 8656 §12.4");
    world.peer_sends(address(PEER), b"by channel");
    assert_eq!(world.forwarded[0].data, b"by channel".as_slice());
}

#[test]
fn an_hours_call_keeps_its_address() {
    let mut world = World::allocated(Transport::Udp);
    let (relayed, peer) = (address(RELAYED), address(PEER));
    world.relays.bind_channel(world.now, relayed, peer);
    world.run(Duration::from_secs(3600));
    world.send(b"still here");
    assert_eq!(world.outside.len(), 1);
    world.peer_sends(address(PEER), b"so am I");
    assert_eq!(world.forwarded.len(), 1);
    assert_eq!(world.heard, [given(Transport::Udp)]);
}

#[test]
fn a_wrong_password_is_told_at_once() {
    let mut world = World::new(Transport::Udp);
    world
        .relays
        .allocate(world.now, link(Transport::Udp), &login("wrong"));
    assert!(world.relays.is_waiting());
    world.run(Duration::from_millis(200));
    let lost = RelayOutput::Lost {
        link: link(Transport::Udp),
        relayed: None,
        error: Some(401),
    };
    assert_eq!(world.heard, [lost]);
    assert!(!world.relays.is_waiting());
}

#[test]
fn a_silent_server_is_given_up() {
    let start = Instant::now();
    let mut relays = Relays::new(Settings::default(), start);
    relays.allocate(start, link(Transport::Udp), &login("right"));
    let (mut sent, mut heard) = (0, Vec::new());
    while let Some(next) = relays.next_timeout() {
        assert!(next < start + Duration::from_secs(60));
        relays.handle_timeout(next);
        while let Some(output) = relays.poll_output() {
            match output {
                RelayOutput::Transmit { .. } => sent += 1,
                RelayOutput::Allocated { .. } | RelayOutput::Lost { .. } => heard.push(output),
            }
        }
    }
    assert_eq!(sent, Settings::default().stun_requests);
    let lost = RelayOutput::Lost {
        link: link(Transport::Udp),
        relayed: None,
        error: None,
    };
    assert_eq!(heard, [lost]);
}

#[test]
fn an_address_given_back_is_nobodys() {
    let mut world = World::allocated(Transport::Udp);
    world.relays.release(world.now);
    world.run(Duration::from_secs(1));
    let lost = RelayOutput::Lost {
        link: link(Transport::Udp),
        relayed: Some(address(RELAYED)),
        error: None,
    };
    assert_eq!(world.heard, [given(Transport::Udp), lost]);
    world.peer_sends(address(PEER), b"anybody?");
    assert_eq!(world.forwarded, []);
    assert_eq!(world.relays.next_timeout(), None);
}

#[test]
fn a_password_is_not_printed() {
    assert!(!format!("{:?}", login("right")).contains("right"));
    let world = World::allocated(Transport::Udp);
    let relay = &world.relays.relays[0];
    assert!(format!("{:?}", relay.link).contains("3478"));
}

proptest! {
    #[test]
    fn random_bytes_are_no_harm(data in prop::collection::vec(any::<u8>(), 0..200), stream: bool) {
        let transport = if stream { Transport::Stream } else { Transport::Udp };
        let mut world = World::allocated(transport);
        let mut forwarded = Vec::new();
        world.relays.handle_input(world.now, link(transport), data.into(), &mut forwarded);
        prop_assert!(forwarded.is_empty());
    }
}
