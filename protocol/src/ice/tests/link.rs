//! Two agents and what is between them.

use super::*;

/// What is on its way.
pub(super) enum Flight {
    Datagram {
        transport: Transport,
        from: SocketAddr,
        to: SocketAddr,
        data: Vec<u8>,
    },
    Candidate {
        to: usize,
        text: String,
    },
}

pub(super) struct Peer {
    pub(super) agent: IceAgent,
    pub(super) credentials: IceCredentials,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) listeners: Vec<SocketAddr>,
    pub(super) heard: Vec<(Duration, Event)>,
    pub(super) sent: usize,
}

impl Peer {
    pub(super) fn heard(&self, wanted: impl Fn(&Event) -> bool) -> Option<Duration> {
        self.heard
            .iter()
            .find(|(_, event)| wanted(event))
            .map(|(at, _)| *at)
    }

    pub(super) fn selected(&self) -> Option<Duration> {
        self.heard(|event| matches!(event, Event::Selected(_)))
    }

    fn is_at(&self, transport: Transport, to: SocketAddr) -> bool {
        match transport {
            Transport::Udp => self.addresses.contains(&to),
            Transport::Stream => {
                let any_port = |listener: &SocketAddr| SocketAddr::new(listener.ip(), ANY_PORT);
                self.listeners.contains(&to) || self.listeners.iter().map(any_port).any(|at| at == to)
            }
        }
    }
}

/// A connection, as either end names the two.
pub(super) struct Stream {
    pub(super) active: SocketAddr,
    pub(super) port: SocketAddr,
    pub(super) passive: SocketAddr,
    open: Instant,
}

/// `a ══ loss, delay, jitter ══ b`, with signaling that never loses anything.
pub(super) struct Link {
    pub(super) start: Instant,
    pub(super) now: Instant,
    pub(super) rng: ChaCha8Rng,
    pub(super) loss: f64,
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
    pub(super) down: bool,
    pub(super) udp_blocked: bool,
    pub(super) streams: Vec<Stream>,
    pub(super) flights: Vec<(Instant, Flight)>,
    pub(super) peers: [Peer; 2],
}

impl Link {
    pub(super) fn new(seed: u64) -> Self {
        let start = Instant::now();
        let peer = |host: &str, controlling| {
            let ufrag = format!("seed{seed}{controlling}");
            let credentials = IceCredentials {
                ufrag,
                ..IceCredentials::generate()
            };
            let agent = IceAgent::new(Settings::default(), credentials.clone(), controlling, start);
            Peer {
                agent,
                credentials,
                addresses: vec![address(host)],
                listeners: Vec::new(),
                heard: Vec::new(),
                sent: 0,
            }
        };
        Link {
            start,
            now: start,
            rng: ChaCha8Rng::seed_from_u64(seed),
            loss: 0.0,
            delay: Duration::from_micros(100),
            jitter: Duration::ZERO,
            down: false,
            udp_blocked: false,
            streams: Vec::new(),
            flights: Vec::new(),
            peers: [peer("192.0.2.1:5000", true), peer("192.0.2.2:6000", false)],
        }
    }

    pub(super) fn loss(self, loss: f64) -> Self {
        Link { loss, ..self }
    }

    pub(super) fn delay(self, delay: Duration, jitter: Duration) -> Self {
        Link {
            delay,
            jitter,
            ..self
        }
    }

    /// Exchanges credentials and begins.
    pub(super) fn connect(mut self) -> Self {
        let credentials = [0, 1].map(|index: usize| self.peers[index].credentials.clone());
        for (index, peer) in self.peers.iter_mut().enumerate() {
            for address in peer.addresses.clone() {
                peer.agent.add_host(self.now, address);
            }
            for listener in peer.listeners.clone() {
                peer.agent.add_listener(self.now, listener);
            }
            peer.agent.gather(self.now, &[]);
            peer.agent
                .set_remote_credentials(self.now, credentials[1 - index].clone())
                .unwrap();
        }
        self.drain();
        self
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(super) fn drain(&mut self) {
        for index in 0..2 {
            while let Some(output) = self.peers[index].agent.poll_output() {
                match output {
                    Output::Transmit(Transmit {
                        transport,
                        local,
                        remote,
                        data,
                    }) => {
                        self.peers[index].sent += 1;
                        self.send(transport, local, remote, data);
                    }
                    Output::Event(event) => {
                        if let Event::LocalCandidate(text) = &event {
                            let flight = Flight::Candidate {
                                to: 1 - index,
                                text: text.clone(),
                            };
                            self.flights.push((self.now + self.delay, flight));
                        }
                        let at = self.elapsed();
                        self.peers[index].heard.push((at, event));
                    }
                }
            }
        }
    }

    fn send(&mut self, transport: Transport, from: SocketAddr, to: SocketAddr, data: Vec<u8>) {
        match transport {
            Transport::Udp => self.send_datagram(from, to, data),
            Transport::Stream => self.send_frame(from, to, data),
        }
    }

    /// Nothing is lost, and whoever has no stream and cannot open one sends nothing.
    fn send_frame(&mut self, from: SocketAddr, to: SocketAddr, data: Vec<u8>) {
        let connects = from.port() == ANY_PORT && self.peers.iter().any(|peer| peer.listeners.contains(&to));
        let is_there = |stream: &Stream| (stream.active, stream.passive) == (from, to);
        if connects && !self.streams.iter().any(is_there) {
            let port = SocketAddr::new(from.ip(), 50_000 + u16::try_from(self.streams.len()).unwrap());
            self.streams.push(Stream {
                active: from,
                port,
                passive: to,
                open: self.now + 2 * self.delay,
            });
        }
        let ends = self.streams.iter().find_map(|stream| match (from, to) {
            (from, to) if (from, to) == (stream.active, stream.passive) => {
                Some((stream.port, to, stream.open))
            }
            (from, to) if (from, to) == (stream.passive, stream.port) => {
                Some((from, stream.active, stream.open))
            }
            _ => None,
        });
        if let Some((from, to, open)) = ends.filter(|_| !self.down) {
            let transport = Transport::Stream;
            let flight = Flight::Datagram {
                transport,
                from,
                to,
                data,
            };
            self.flights.push((self.now.max(open) + self.delay, flight));
        }
    }

    fn send_datagram(&mut self, from: SocketAddr, to: SocketAddr, data: Vec<u8>) {
        if self.down || self.udp_blocked || self.rng.gen_bool(self.loss) {
            return;
        }
        let late = self.jitter.mul_f64(self.rng.r#gen());
        let arrival = self.now + self.delay + late;
        let transport = Transport::Udp;
        let flight = if to == address(STUN_SERVER) {
            let request = Message::from_bytes(&data).unwrap();
            let mut response = Message::builder_success(&request, MessageWriteVec::new());
            let mapped = XorMappedAddress::new(address(OUTSIDE), request.transaction_id());
            response.add_attribute(&mapped).unwrap();
            Flight::Datagram {
                transport,
                from: to,
                to: from,
                data: response.finish(),
            }
        } else {
            Flight::Datagram {
                transport,
                from,
                to,
                data,
            }
        };
        self.flights.push((arrival, flight));
    }

    pub(super) fn deliver(&mut self, flight: Flight) {
        match flight {
            Flight::Datagram {
                transport,
                from,
                to,
                data,
            } => {
                if let Some(peer) = self.peers.iter_mut().find(|peer| peer.is_at(transport, to)) {
                    peer.agent.handle_input(self.now, transport, to, from, &data);
                }
            }
            Flight::Candidate { to, text } => {
                let _ = self.peers[to].agent.add_remote_candidate(self.now, &text);
            }
        }
    }

    /// Runs for a time, or until something is so.
    pub(super) fn run(&mut self, limit: Duration, done: impl Fn(&Link) -> bool) -> bool {
        let end = self.now + limit;
        loop {
            self.drain();
            if done(self) {
                return true;
            }
            let timers = self.peers.iter_mut().filter_map(|peer| peer.agent.next_timeout());
            let next = timers
                .chain(self.flights.iter().map(|(at, _)| *at))
                .min()
                .unwrap_or(end);
            if next > end {
                self.now = end;
                return false;
            }
            self.now = self.now.max(next);
            let (due, later) = std::mem::take(&mut self.flights)
                .into_iter()
                .partition(|(at, _)| *at <= self.now);
            self.flights = later;
            let mut due: Vec<(Instant, Flight)> = due;
            due.sort_by_key(|(at, _)| *at);
            due.into_iter().for_each(|(_, flight)| self.deliver(flight));
            let now = self.now;
            self.peers
                .iter_mut()
                .for_each(|peer| peer.agent.handle_timeout(now));
        }
    }

    pub(super) fn run_for(&mut self, limit: Duration) {
        self.run(limit, |_| false);
    }

    pub(super) fn both_selected(&self) -> bool {
        self.peers.iter().all(|peer| peer.agent.selected().is_some())
    }
}
