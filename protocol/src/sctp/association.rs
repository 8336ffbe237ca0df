//! `sctp-proto` behind a small face: streams that carry messages, and what must not reach it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use sctp_proto::{
    AssociationHandle, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Payload,
    PayloadProtocolIdentifier as Identifier, ServerConfig, StreamEvent, TransportConfig,
};

use super::{Error, Ppid, Settings};
use crate::dtls_record;

/// RFC 9260 §3 and §3.3.1: the common header, and the header of a DATA chunk.
const COMMON_HEADER: usize = 12;
const DATA_HEADER: usize = 16;

/// RFC 9260 §3.2: the type of the only chunk in an INIT's packet.
const INIT: u8 = 1;
/// RFC 9260 §3.2: the type of the first chunk in the packet that answers it.
const INIT_ACK: u8 = 2;
/// How long the end that waits does so before it connects itself: longer than the round trip of most paths.
const PATIENCE: Duration = Duration::from_secs(1);

/// SCTP over DTLS has no addresses (RFC 8261 §6.1); the machine wants one.
const PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5000));

/// What the association tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Messages can flow.
    Connected,
    /// A whole message arrived.
    Message {
        /// On this stream.
        stream: u16,
        /// What it is.
        ppid: Ppid,
        /// Its bytes.
        data: Bytes,
    },
    /// The peer has reset the stream, or answered our reset (RFC 8831 §6.7).
    Reset {
        /// Which.
        stream: u16,
    },
    /// The association has ended.
    Closed {
        /// Why, for a log.
        reason: String,
    },
}

/// Messages of one stream that the machine has not got yet.
#[derive(Default)]
struct Outbox {
    messages: VecDeque<(Ppid, Bytes)>,
    bytes: usize,
    /// The stream is reset once this is empty.
    closing: bool,
}

/// One SCTP association.
pub struct Association {
    settings: Settings,
    client: bool,
    endpoint: Endpoint,
    transport: Arc<TransportConfig>,
    machine: Option<(AssociationHandle, sctp_proto::Association)>,
    /// When the end that waits connects itself; known from its first work on.
    connects_at: Option<Instant>,
    /// Whether the peer has answered our INIT.
    answered: bool,
    /// Whether our INIT was taken back for the peer's.
    gave_way: bool,
    connected: bool,
    closed: bool,
    /// Whether the machine may have something to say or send.
    stirred: bool,
    max_send_message: usize,
    outboxes: BTreeMap<u16, Outbox>,
    /// The stream whose turn it is.
    turn: u16,
    /// How streams deliver, other than reliably and in order.
    deliveries: BTreeMap<u16, (bool, Option<Limit>)>,
    /// Streams the peer may reset although nothing was sent on them.
    declared: BTreeSet<u16>,
    /// Streams whose reset is under way: nothing can be sent on them, and no other channel can have them.
    resetting: BTreeSet<u16>,
    readable: BTreeSet<u16>,
    paused: BTreeSet<u16>,
    transmits: VecDeque<Bytes>,
    events: VecDeque<Event>,
}

impl Association {
    /// An association; the DTLS client's end connects. The other waits for that, and connects itself if nothing comes:
    /// RFC 8831 §6.1 lets either begin, and some stacks go by their ICE role.
    pub fn new(settings: Settings, client: bool, max_send_message: usize) -> Self {
        let transport = Arc::new(transport(&settings, max_send_message));
        let mut endpoint = endpoint(&settings, &transport);
        let machine = if client {
            connect(&mut endpoint, &transport)
        } else {
            None
        };
        Association {
            settings,
            client,
            endpoint,
            transport,
            machine,
            connects_at: None,
            answered: false,
            gave_way: false,
            connected: false,
            closed: false,
            stirred: true,
            max_send_message,
            outboxes: BTreeMap::new(),
            turn: 0,
            deliveries: BTreeMap::new(),
            declared: BTreeSet::new(),
            resetting: BTreeSet::new(),
            readable: BTreeSet::new(),
            paused: BTreeSet::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes a packet of the peer.
    pub fn handle_input(&mut self, now: Instant, packet: Bytes) {
        // An INIT that comes late or twice would end the association in the machine (RFC 9260 §5.2.2 says reply).
        if self.closed || self.connected && packet.get(COMMON_HEADER) == Some(&INIT) {
            return;
        }
        self.stirred = true;
        match packet.get(COMMON_HEADER) {
            Some(&INIT) => self.give_way(),
            Some(&INIT_ACK) => self.answered = true,
            _ => {}
        }
        match (
            self.endpoint.handle(now, PEER, None, None, packet),
            &mut self.machine,
        ) {
            (Some((handle, DatagramEvent::NewAssociation(association))), machine @ None) => {
                self.endpoint.reject_new_associations();
                *machine = Some((handle, association));
            }
            (Some((from, DatagramEvent::AssociationEvent(event))), Some((handle, association)))
                if from == *handle =>
            {
                association.handle_event(event);
            }
            _ => {}
        }
    }

    /// Both ends connect at once. RFC 9260 §5.2.1 lets each answer the other's INIT; some stacks do not answer one while
    /// theirs is on its way, so the DTLS client's end takes its own back. The other end keeps its own, or nobody would ask.
    fn give_way(&mut self) {
        if self.client && !self.answered && self.machine.is_some() && !self.gave_way {
            self.gave_way = true;
            self.machine = None;
            self.endpoint = endpoint(&self.settings, &self.transport);
        }
    }

    /// Tells that time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.machine.is_none() && !self.closed && self.connects_at.is_some_and(|at| at <= now) {
            self.connects_at = None;
            self.stirred = true;
            self.machine = connect(&mut self.endpoint, &self.transport);
        }
        if let Some((_, association)) = &mut self.machine {
            self.stirred = true;
            association.handle_timeout(now);
        }
    }

    /// When [`Association::handle_timeout`] wants to be called next.
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        match &self.machine {
            Some((_, association)) => association.poll_timeout(),
            None => self.connects_at,
        }
    }

    /// The next packet for the peer.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        self.work(now);
        self.transmits.pop_front()
    }

    /// The next piece of news.
    pub fn poll_event(&mut self, now: Instant) -> Option<Event> {
        self.work(now);
        self.events.pop_front()
    }

    /// Queues a message. It leaves once the association is connected and its turn has come.
    pub fn send(&mut self, stream: u16, ppid: Ppid, data: Bytes) -> Result<(), Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        if data.len() > self.max_send_message {
            return Err(Error::TooLong {
                size: data.len(),
                limit: self.max_send_message,
            });
        }
        let outbox = self.outboxes.entry(stream).or_default();
        if outbox.closing {
            return Err(Error::UnknownChannel);
        }
        outbox.bytes += data.len();
        outbox.messages.push_back((ppid, data));
        self.stirred = true;
        Ok(())
    }

    /// Bytes of a stream not acknowledged by the peer.
    pub fn buffered_amount(&mut self, stream: u16) -> usize {
        let waiting = self.outboxes.get(&stream).map_or(0, |outbox| outbox.bytes);
        waiting + self.in_flight(stream)
    }

    /// Stops or resumes taking messages of a stream; meanwhile the receive window fills and the peer slows down.
    pub fn set_paused(&mut self, stream: u16, paused: bool) {
        match paused {
            true => drop(self.paused.insert(stream)),
            false if self.paused.remove(&stream) => {
                self.readable.insert(stream);
                self.stirred = true;
            }
            false => {}
        }
    }

    /// Resets a stream after what was sent on it has arrived (RFC 8831 §6.7).
    pub fn reset(&mut self, stream: u16) {
        self.outboxes.entry(stream).or_default().closing = true;
        self.stirred = true;
    }

    /// Makes a stream partially reliable or unordered from the next message on, as its channel was opened (RFC 8832
    /// §5.1). Messages of the establishment protocol are neither (RFC 8832 §6).
    pub fn set_reliability(&mut self, stream: u16, unordered: bool, limit: Option<Limit>) {
        self.deliveries.insert(stream, (unordered, limit));
    }

    /// Makes a stream known to the machine although nothing is sent on it: only such a one can be reset by the peer.
    pub fn declare(&mut self, stream: u16) {
        self.declared.insert(stream);
        self.stirred = true;
    }

    /// Whether a former channel is not quite gone from this stream.
    pub fn is_closing(&self, stream: u16) -> bool {
        self.resetting.contains(&stream) || self.outboxes.get(&stream).is_some_and(|outbox| outbox.closing)
    }

    fn apply_reliability(&mut self, id: u16, ppid: Ppid) {
        let delivery = self.deliveries.get(&id).filter(|_| ppid != Ppid::Dcep);
        let (unordered, limit) = delivery.copied().unwrap_or_default();
        let (kind, value) = match limit {
            None => (sctp_proto::ReliabilityType::Reliable, 0),
            Some(Limit::Retransmissions(count)) => (sctp_proto::ReliabilityType::Rexmit, count),
            Some(Limit::Lifetime(time)) => {
                // The machine gives up at the end of the time, also what it has not sent yet: nothing would ever leave in
                // no time at all.
                let millis = u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
                (sctp_proto::ReliabilityType::Timed, millis.max(1))
            }
        };
        if let Some(mut stream) = self.stream(id) {
            let _ = stream.set_reliability_params(unordered, kind, value);
        }
    }

    fn in_flight(&mut self, stream: u16) -> usize {
        let Some((_, association)) = &mut self.machine else {
            return 0;
        };
        association
            .stream(stream)
            .and_then(|stream| stream.buffered_amount())
            .unwrap_or(0)
    }

    /// The machine's stream, made if need be.
    fn stream(&mut self, stream: u16) -> Option<sctp_proto::Stream<'_>> {
        let (_, association) = self.machine.as_mut()?;
        if association.stream(stream).is_ok() {
            return association.stream(stream).ok();
        }
        association.open_stream(stream, Identifier::Binary).ok()
    }

    /// Lets the machine read, tell and send until it has nothing left.
    fn work(&mut self, now: Instant) {
        if self.machine.is_none() {
            self.connects_at.get_or_insert(now + PATIENCE);
        }
        while std::mem::take(&mut self.stirred) && !self.closed {
            self.hear();
            self.read();
            self.refill();
            let Some((_, association)) = &mut self.machine else {
                return;
            };
            while let Some(transmit) = association.poll_transmit(now) {
                if let Payload::RawEncode(packets) = transmit.payload {
                    self.transmits.extend(packets);
                }
            }
            self.hear();
        }
    }

    fn hear(&mut self) {
        let Some((_, association)) = &mut self.machine else {
            return;
        };
        while association.poll_endpoint_event().is_some() {}
        while association.accept_stream().is_some() {}
        while let Some(event) = association.poll() {
            match event {
                sctp_proto::Event::Connected => {
                    self.connected = true;
                    self.stirred = true;
                    self.events.push_back(Event::Connected);
                }
                sctp_proto::Event::HandshakeFailed { reason }
                | sctp_proto::Event::AssociationLost { reason } => {
                    self.closed = true;
                    self.events.push_back(Event::Closed {
                        reason: reason.to_string(),
                    });
                }
                sctp_proto::Event::Stream(StreamEvent::Readable { id }) => {
                    self.stirred |= self.readable.insert(id);
                }
                sctp_proto::Event::Stream(StreamEvent::Finished { id }) => {
                    self.outboxes.remove(&id);
                    self.paused.remove(&id);
                    self.deliveries.remove(&id);
                    self.resetting.insert(id);
                    self.events.push_back(Event::Reset { stream: id });
                }
                // RFC 6525 §5.2.7: the stream begins anew. One that failed to is not used again.
                sctp_proto::Event::Stream(StreamEvent::ResetComplete { id }) => {
                    self.resetting.remove(&id);
                    self.stirred = true;
                }
                _ => {}
            }
        }
    }

    fn read(&mut self) {
        let Some((_, association)) = &mut self.machine else {
            return;
        };
        let ready: Vec<u16> = self.readable.difference(&self.paused).copied().collect();
        for id in ready {
            self.readable.remove(&id);
            let Ok(mut stream) = association.stream(id) else {
                continue;
            };
            while let Ok(Some(mut message)) = stream.read() {
                let Some(ppid) = ppid_of(message.ppi) else {
                    continue;
                };
                let length = message.len();
                let data = message.next(length).map(|chunk| chunk.bytes).unwrap_or_default();
                self.events.push_back(Event::Message {
                    stream: id,
                    ppid,
                    data,
                });
            }
            // Reading opens the receive window: the peer should hear of it.
            self.stirred = true;
        }
    }

    /// Hands messages to the machine, stream after stream, while it has few of them.
    fn refill(&mut self) {
        if !self.connected {
            return;
        }
        for id in std::mem::take(&mut self.declared) {
            self.stream(id);
        }
        let ids: Vec<u16> = self.outboxes.keys().copied().collect();
        let mut flight: usize = ids.iter().map(|&id| self.in_flight(id)).sum();
        while flight < self.settings.flight {
            let next = self
                .outboxes
                .range(self.turn..)
                .chain(self.outboxes.range(..self.turn));
            let Some(id) = next
                .into_iter()
                .find(|(id, outbox)| !outbox.messages.is_empty() && !self.resetting.contains(id))
                .map(|(&id, _)| id)
            else {
                break;
            };
            self.turn = id.wrapping_add(1);
            let Some(outbox) = self.outboxes.get_mut(&id) else {
                break;
            };
            let Some((ppid, data)) = outbox.messages.pop_front() else {
                break;
            };
            outbox.bytes -= data.len();
            flight += data.len();
            self.apply_reliability(id, ppid);
            let Some(mut stream) = self.stream(id) else {
                continue;
            };
            // The crate copies slices and takes chunks as they are; the latter go with the default identifier.
            let _ = stream.set_default_payload_type(identifier_of(ppid));
            let _ = stream.write_chunks(&mut [data]);
        }
        self.close_emptied();
    }

    fn close_emptied(&mut self) {
        let emptied: Vec<u16> = self
            .outboxes
            .iter()
            .filter(|(_, outbox)| outbox.closing && outbox.messages.is_empty())
            .map(|(&id, _)| id)
            .collect();
        for id in emptied {
            self.outboxes.remove(&id);
            self.deliveries.remove(&id);
            if let Some(mut stream) = self.stream(id)
                && stream.close().is_ok()
            {
                self.resetting.insert(id);
            }
        }
    }
}

/// How hard a message is tried (RFC 3758).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So often again.
    Retransmissions(u32),
    /// For so long.
    Lifetime(Duration),
}

/// A machine's endpoint that takes one association of the peer.
fn endpoint(settings: &Settings, transport: &Arc<TransportConfig>) -> Endpoint {
    // Room for the record around a packet, and for one chunk header the machine forgets when it bundles.
    let overhead =
        dtls_record::HEADER_LENGTH + dtls_record::sealed::OVERHEAD + COMMON_HEADER + 2 * DATA_HEADER;
    let payload = settings.max_datagram.saturating_sub(overhead).max(256) & !3;
    let mut config = EndpointConfig::new();
    config.max_payload_size(payload as u32);
    let mut server = ServerConfig::new();
    server.transport = transport.clone();
    // Without a server configuration the endpoint panics at a foreign INIT.
    Endpoint::new(Arc::new(config), Some(Arc::new(server)))
}

/// Begins an association, and takes none of the peer besides.
fn connect(
    endpoint: &mut Endpoint,
    transport: &Arc<TransportConfig>,
) -> Option<(AssociationHandle, sctp_proto::Association)> {
    endpoint.reject_new_associations();
    let mut config = ClientConfig::new();
    config.transport = transport.clone();
    endpoint.connect(config, PEER).ok()
}

fn transport(settings: &Settings, max_send_message: usize) -> TransportConfig {
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    TransportConfig::default()
        .with_max_receive_buffer_size(settings.receive_window.max(settings.max_message as u32 * 2))
        .with_max_send_message_size(max_send_message as u32)
        .with_max_receive_message_size(settings.max_message as u32)
        .with_max_init_retransmits(None)
        .with_max_data_retransmits(None)
        .with_rto_initial_ms(millis(settings.initial_rto))
        .with_rto_min_ms(millis(settings.min_rto))
        .with_rto_max_ms(millis(settings.max_rto))
        .with_local_port(settings.port)
        .with_remote_port(settings.port)
}

fn ppid_of(identifier: Identifier) -> Option<Ppid> {
    Some(match identifier {
        Identifier::Dcep => Ppid::Dcep,
        Identifier::String => Ppid::String,
        Identifier::Binary => Ppid::Binary,
        Identifier::StringEmpty => Ppid::StringEmpty,
        Identifier::BinaryEmpty => Ppid::BinaryEmpty,
        Identifier::Unknown => return None,
    })
}

fn identifier_of(ppid: Ppid) -> Identifier {
    match ppid {
        Ppid::Dcep => Identifier::Dcep,
        Ppid::String => Identifier::String,
        Ppid::Binary => Identifier::Binary,
        Ppid::StringEmpty => Identifier::StringEmpty,
        Ppid::BinaryEmpty => Identifier::BinaryEmpty,
    }
}
