//! DTLS of a call (RFC 6347, RFC 8827 §6.5): makes sure that the peer is who its description said, gives out the
//! SRTP keys, and carries SCTP packets.
//!
//! Hears [`StartHandshake`], [`SendRecords`] and [`CloseSession`] from the call and the SCTP association and
//! [`DtlsDatagrams`] from the ICE agent; tells the call [`DtlsEvent`], the ICE agent what to send, the SCTP
//! association what arrived.
//!
//! The handshake is made by `webrtc-dtls` in a [`handshake`] of its own; whatever arrives passes the
//! [`Guard`] first. **Fingerprint before media**: keys are installed only after the peer's certificate has matched
//! the announced fingerprint. Once connected the session lives in a [`Keep`]: another life of the actor goes on
//! with the same keys, sequence numbers and replay window.

mod certificate;
mod handshake;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, SpawnHandle, WrapFuture};
use bytes::Bytes;
use roomrtc_kit::deadline::now;
use roomrtc_kit::{Directory, Keep, Port, mail};
use roomrtc_protocol::dtls_record::guard::{self, Dropped, Guard};
use roomrtc_protocol::dtls_record::sealed::{Opened, Records};
use roomrtc_protocol::dtls_record::{ContentType, HEADER_LENGTH, records};
use roomrtc_protocol::sdp::Fingerprint;
use roomrtc_protocol::srtp::{self, Profile};
use tracing::{debug, info, trace, warn};

pub use self::certificate::{Certificate, CertificateError};
use self::handshake::{Failure, Finished, Pipe};
use crate::brief;
use crate::call_events::DtlsEvent;
use crate::counters::Counters;
use crate::ice_agent::SendDatagrams;
use crate::sctp_association::SctpPackets;
use crate::srtp::Srtp;

/// Datagrams that came before the handshake was started and are kept: a peer's first flight.
const EARLY_DATAGRAMS: usize = 8;

/// SCTP packets that wait for the handshake; more push out the oldest, which an association now gone may have sent.
const EARLY_PACKETS: usize = 8;

/// A fatal alert during the handshake proves nothing, so a genuine peer gets this long to go on.
const ALERT_GRACE: Duration = Duration::from_secs(2);

/// DTLS datagrams from the selected pair.
pub struct DtlsDatagrams(pub Vec<Bytes>);

/// Begin: the descriptions are known. Former keys protect media until there are new ones.
pub struct StartHandshake {
    /// Whether we are the DTLS client (`a=setup:active`).
    pub client: bool,
    /// What the peer's description announced.
    pub remote: Fingerprint,
    /// Ours, announced in our description.
    pub certificate: Certificate,
}

/// SCTP packets for the peer.
pub struct SendRecords(pub Vec<Bytes>);

/// The call is over: say so, and forget the keys.
pub struct CloseSession;

mail! {
    DtlsDatagrams: newest(256), |records| brief::batch(&records.0);
    StartHandshake, |start| format!("as DTLS {}", if start.client { "client" } else { "server" });
    SendRecords: newest(1024), |packets| brief::batch(&packets.0);
    CloseSession;
}

/// Limits of a session.
#[derive(Clone, Debug)]
pub struct DtlsSettings {
    /// Time a handshake may take.
    pub handshake_timeout: Duration,
    /// Wait before a flight is sent again.
    pub flight_interval: Duration,
    /// Largest UDP payload of a handshake record.
    pub max_datagram: usize,
    /// Protection of media, in the order offered.
    pub srtp_profiles: Vec<Profile>,
    /// What may come before the peer is known.
    pub guard: guard::Limits,
    /// Of the SRTP contexts.
    pub srtp: srtp::Limits,
}

impl Default for DtlsSettings {
    fn default() -> Self {
        DtlsSettings {
            handshake_timeout: Duration::from_secs(10),
            flight_interval: Duration::from_millis(200),
            max_datagram: 1200,
            srtp_profiles: vec![Profile::AeadAes128Gcm, Profile::Aes128CmHmacSha1_80],
            guard: guard::Limits::default(),
            srtp: srtp::Limits::default(),
        }
    }
}

/// What all lives of a session share.
#[derive(Clone)]
pub struct DtlsSetup {
    /// Where the media keys go.
    pub srtp: Srtp,
    /// Where datagrams go.
    pub ice: Port<SendDatagrams>,
    /// Where SCTP packets go.
    pub sctp: Port<SctpPackets>,
    /// Where the news goes.
    pub events: Port<DtlsEvent>,
    /// Limits.
    pub settings: DtlsSettings,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// The connected session, which outlives the actor.
    pub session: Keep<Session>,
    /// Whether a handshake was begun that should have led to a session by now, or soon.
    pub begun: Arc<AtomicBool>,
}

/// A connected session.
#[derive(Clone)]
pub struct Session {
    records: Arc<Mutex<Records>>,
    /// As the DTLS server: the flight that the peer may not have got (RFC 6347 §4.2.4).
    last_flight: Vec<Bytes>,
}

impl Session {
    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum State {
    /// Not told to begin yet.
    Waiting,
    /// `webrtc-dtls` is at work.
    Handshaking {
        pipe: Arc<Pipe>,
        task: SpawnHandle,
        doubted: bool,
    },
    /// Keys are in use.
    Connected(Session),
    /// Over, or failed.
    Closed,
}

/// The actor.
pub struct DtlsSession {
    setup: DtlsSetup,
    guard: Guard,
    reported: Dropped,
    /// Came before the handshake they belong to was begun.
    early: Vec<Bytes>,
    /// To be sent once there are keys.
    early_packets: VecDeque<Bytes>,
    state: State,
}

impl DtlsSession {
    /// A session that waits for [`StartHandshake`], or goes on where its last life was.
    pub fn new(setup: DtlsSetup) -> Self {
        let mut guard = Guard::new(setup.settings.guard.clone());
        let state = match setup.session.get() {
            Some(session) => {
                guard.establish();
                State::Connected(session)
            }
            None => State::Waiting,
        };
        DtlsSession {
            setup,
            guard,
            reported: Dropped::default(),
            early: Vec::new(),
            early_packets: VecDeque::new(),
            state,
        }
    }

    fn connected(&self) -> bool {
        matches!(self.state, State::Connected(_))
    }

    fn receive(&mut self, datagrams: Vec<Bytes>, ctx: &mut Context<Self>) {
        let now = now();
        let mut packets = Vec::with_capacity(datagrams.len());
        for datagram in datagrams {
            // A peer that begins anew may be faster than the news of it.
            if matches!(self.state, State::Waiting | State::Closed)
                || is_client_hello(&datagram) && self.connected()
            {
                if self.early.len() < EARLY_DATAGRAMS {
                    self.early.push(datagram);
                }
                continue;
            }
            let verdict = self.guard.inspect(now, &datagram);
            if let State::Handshaking { pipe, .. } = &self.state
                && !verdict.handshake.is_empty()
            {
                pipe.deliver(verdict.handshake.into());
            }
            for record in verdict.sealed {
                packets.extend(self.open(record));
            }
            if let State::Connected(session) = &self.state
                && verdict.resend_last_flight
                && !session.last_flight.is_empty()
            {
                debug!("the peer repeats its last flight: ours is sent again");
                self.setup.ice.tell(SendDatagrams(session.last_flight.clone()));
            }
        }
        self.pass_on(packets);
        self.doubt(ctx);
        self.count_dropped();
    }

    /// Opens an application record; a close by the peer ends the session.
    fn open(&mut self, record: Bytes) -> Option<Bytes> {
        let State::Connected(session) = &self.state else {
            return None;
        };
        let opened = session.records().open(record);
        match opened {
            Ok(Opened::Data(packet)) => return Some(packet),
            Ok(Opened::Nothing) => {}
            Ok(Opened::Closed { graceful }) => {
                info!(graceful, "the peer closed the DTLS session");
                self.forget();
                self.setup.events.tell(DtlsEvent::Closed);
            }
            Err(error) => {
                trace!(%error, "record dropped");
                self.setup.counters.transport.dtls_refused.add(1);
            }
        }
        None
    }

    fn send(&self, session: &Session, packets: &[Bytes]) {
        let mut records = session.records();
        let sealed: Result<Vec<Bytes>, _> = packets.iter().map(|packet| records.seal(packet)).collect();
        match sealed {
            Ok(datagrams) => self.setup.ice.tell(SendDatagrams(datagrams)),
            Err(error) => warn!(%error, "packets not sent"),
        }
    }

    fn pass_on(&self, packets: Vec<Bytes>) {
        if !packets.is_empty() {
            self.setup.sctp.tell(SctpPackets(packets));
        }
    }

    /// A fatal alert came: gives the handshake a little longer, for the alert may be forged.
    fn doubt(&mut self, ctx: &mut Context<Self>) {
        if let State::Handshaking { doubted, .. } = &mut self.state
            && let Some(alert) = self.guard.alert()
            && !std::mem::replace(doubted, true)
        {
            ctx.run_later(ALERT_GRACE, move |this, ctx| {
                if let State::Handshaking { task, .. } = this.state {
                    ctx.cancel_future(task);
                    this.fail(Failure::Alert(alert));
                }
            });
        }
    }

    fn count_dropped(&mut self) {
        let dropped = self.guard.dropped();
        let refused = dropped.total() - self.reported.total();
        if refused > 0 {
            self.setup.counters.transport.dtls_refused.add(refused);
            debug!(?dropped, "records refused");
            self.reported = dropped;
        }
    }

    fn finish(&mut self, result: Result<Finished, Failure>) {
        let State::Handshaking { pipe, .. } = &self.state else {
            return;
        };
        let finished = match result {
            Ok(finished) => finished,
            Err(failure) => return self.fail(failure),
        };
        let session = Session {
            records: Arc::new(Mutex::new(finished.records)),
            last_flight: pipe.last_flight(),
        };
        info!(profile = %finished.contexts.profile(), client = finished.client, "DTLS connected");
        let profile = finished.contexts.profile().to_string();
        self.setup.srtp.install(finished.contexts);
        self.setup.session.put(session.clone());
        Directory::note_resume(|| "the connected session: keys, sequence numbers, replay window".to_owned());
        let early: Vec<Bytes> = std::mem::take(&mut self.early_packets).into();
        if !early.is_empty() {
            self.send(&session, &early);
        }
        self.state = State::Connected(session);
        let version_and_cipher = handshake::VERSION_AND_CIPHER.to_owned();
        self.setup.events.tell(DtlsEvent::Connected {
            version_and_cipher,
            srtp_profile: profile,
        });
        let early = self.guard.establish();
        let packets = early.into_iter().filter_map(|record| self.open(record)).collect();
        self.pass_on(packets);
    }

    fn fail(&mut self, failure: Failure) {
        warn!(%failure, "no DTLS session");
        self.forget();
        self.setup.events.tell(match failure {
            Failure::WrongFingerprint => DtlsEvent::WrongFingerprint,
            other => DtlsEvent::Failed(other.to_string()),
        });
    }

    /// No keys, no session: nothing is sent or accepted any more.
    fn forget(&mut self) {
        self.setup.begun.store(false, Ordering::Relaxed);
        self.setup.session.clear();
        self.setup.srtp.clear();
        self.state = State::Closed;
    }
}

impl Actor for DtlsSession {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        if !self.connected() && self.setup.begun.swap(false, Ordering::Relaxed) {
            self.setup.events.tell(DtlsEvent::Lost);
        }
    }
}

impl Handler<StartHandshake> for DtlsSession {
    type Result = ();

    fn handle(&mut self, start: StartHandshake, ctx: &mut Self::Context) {
        let StartHandshake {
            client,
            remote,
            certificate,
        } = start;
        if let State::Handshaking { task, .. } = &self.state {
            ctx.cancel_future(*task);
        }
        self.setup.begun.store(true, Ordering::Relaxed);
        self.setup.session.clear();
        // Those of an association that is given up too: the new one begins after this.
        self.early_packets.clear();
        self.guard = Guard::new(self.setup.settings.guard.clone());
        self.reported = Dropped::default();
        let early = std::mem::take(&mut self.early);
        let pipe = Pipe::new(self.setup.ice.clone(), client);
        let handshake = handshake::run(
            pipe.clone(),
            certificate,
            self.setup.settings.clone(),
            client,
            remote,
        );
        let task = ctx.spawn(
            handshake
                .into_actor(self)
                .map(|result, this, _| this.finish(result)),
        );
        self.state = State::Handshaking {
            pipe,
            task,
            doubted: false,
        };
        self.receive(early, ctx);
    }
}

impl Handler<DtlsDatagrams> for DtlsSession {
    type Result = ();

    fn handle(&mut self, DtlsDatagrams(datagrams): DtlsDatagrams, ctx: &mut Self::Context) {
        self.receive(datagrams, ctx);
    }
}

impl Handler<SendRecords> for DtlsSession {
    type Result = ();

    fn handle(&mut self, SendRecords(packets): SendRecords, _: &mut Self::Context) {
        match &self.state {
            State::Connected(session) => self.send(session, &packets),
            State::Waiting | State::Handshaking { .. } | State::Closed => {
                self.early_packets.extend(packets);
                let excess = self.early_packets.len().saturating_sub(EARLY_PACKETS);
                self.early_packets.drain(..excess);
            }
        }
    }
}

impl Handler<CloseSession> for DtlsSession {
    type Result = ();

    fn handle(&mut self, _: CloseSession, ctx: &mut Self::Context) {
        match &self.state {
            State::Connected(session) => {
                if let Ok(goodbye) = session.records().seal_close_notify() {
                    self.setup.ice.tell(SendDatagrams(vec![goodbye]));
                }
            }
            State::Handshaking { task, .. } => {
                ctx.cancel_future(*task);
            }
            State::Waiting | State::Closed => {}
        }
        self.forget();
    }
}

/// Whether a datagram begins a handshake: a ClientHello in the clear (RFC 6347 §4.2.2).
fn is_client_hello(datagram: &Bytes) -> bool {
    const CLIENT_HELLO: u8 = 1;
    records(datagram).flatten().any(|(header, record)| {
        header.content_type == ContentType::Handshake
            && header.epoch == 0
            && record.get(HEADER_LENGTH) == Some(&CLIENT_HELLO)
    })
}

#[cfg(test)]
mod tests;
