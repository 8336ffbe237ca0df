//! Sends one medium: numbers, packs, paces and protects frames, and sends packets again that the peer missed.
//!
//! One for sound, one for pictures, and one for those of a screen. The encoder sends it [`SendFrame`], the RTCP reporter [`ResendPackets`]; it
//! tells the ICE agent what to send, in batches, and the reporter how much was sent.
//!
//! Sequence numbers are in a [`Keep`] before a packet is protected, so no life uses one twice; the keys and their
//! indices live in [`Srtp`], the numbers that count the packets of the whole transport in [`SentPackets`]. A life starts
//! with a key frame: what was lost with the former one cannot be repaired. So does what follows while the [`Gate`] was
//! closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix::{Actor, Context, Handler};
use bytes::Bytes;
use roomrtc_kit::config::Rtp as RtpConfig;
use roomrtc_kit::deadline::now;
use roomrtc_kit::{Deadline, Directory, Keep, Port, Timed};
use roomrtc_protocol::MediaKind;
use roomrtc_protocol::congestion::pacer::Pacing;
use roomrtc_protocol::recording::{Reel, Taped};
use roomrtc_protocol::rtp::extension::StreamExtensions;
use roomrtc_protocol::rtp::payload::PayloadFormat;
use roomrtc_protocol::rtp::resend_cache::{ResendCache, ResendLimits};
use roomrtc_protocol::rtp::sender::recorded::Input;
use roomrtc_protocol::rtp::sender::{
    OutgoingPacket, Output, Resume, RtpSender as Machine, Rtx, SenderSettings,
};
use roomrtc_protocol::time::WallClock;

use crate::brief;
use crate::counters::{Counters, RtpCounters};
use crate::encoder::ForceKeyframe;
use crate::ice_agent::SendDatagrams;
use crate::rtcp_reporter::StreamSent;
use crate::sent_packets::SentPackets;
use crate::srtp::Srtp;

/// From the encoder: a picture or a packet of sound to send.
#[derive(Clone, Debug)]
pub struct SendFrame {
    /// The bitstream.
    pub data: Bytes,
    /// Whether a decoder can start here.
    pub key: bool,
    /// When it was captured.
    pub captured_at: Instant,
}

/// From the reporter: the peer misses these.
#[derive(Clone, Debug)]
pub struct ResendPackets(pub Vec<u16>);

/// Frames refer to the ones before them, so dropping one costs a key frame: this room is only the bound for a stuck
/// network thread.
const FRAMES_WAITING: usize = 64;
/// Requests that wait while the sender is stuck are stale soon.
const REQUESTS_WAITING: usize = 64;
/// The encoder is not asked for a key frame more often than this.
const KEY_FRAME_PAUSE: Duration = Duration::from_millis(100);

roomrtc_kit::mail! {
    SendFrame: newest(FRAMES_WAITING), |frame| brief::frame(frame.data.len(), frame.key);
    ResendPackets: newest(REQUESTS_WAITING), |packets| format!("{:?}", packets.0);
}

/// Whether a stream is sent at the moment, as the descriptions and the user have it; all lives of its sender look at the
/// same, and what captures and encodes for it. The numbers of the packets go on behind a closed one.
#[derive(Clone, Debug)]
pub struct Gate(Arc<AtomicBool>);

impl Default for Gate {
    /// An open one.
    fn default() -> Self {
        Gate(Arc::new(AtomicBool::new(true)))
    }
}

impl Gate {
    /// Opens or closes it.
    pub fn set_open(&self, open: bool) {
        self.0.store(open, Ordering::Release);
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What a sender needs to know.
#[derive(Clone)]
pub struct RtpSenderSetup {
    /// Which medium.
    pub kind: MediaKind,
    /// What was negotiated, and the limits; see [`settings`].
    pub settings: SenderSettings,
    /// Whether to send at the moment.
    pub gate: Gate,
    /// The call's keys.
    pub srtp: Srtp,
    /// Numbers the packets of the transport, where the peer tells which came.
    pub sent: SentPackets,
    /// What the next life inherits.
    pub keep: Keep<Resume>,
    /// Where packets go.
    pub ice: Port<SendDatagrams>,
    /// Who reports on them.
    pub reporter: Port<StreamSent>,
    /// For pictures: who makes key frames.
    pub key_frames: Option<Port<ForceKeyframe>>,
    /// The call's figures.
    pub counters: Arc<Counters>,
    /// Where it is recorded, if at all.
    pub reel: Option<Arc<dyn Reel>>,
}

impl RtpSenderSetup {
    /// The machine of a life, and its recording.
    fn machine(&self, resume: Resume) -> Taped<Machine> {
        let actor = match self.kind {
            MediaKind::Audio => "call/rtp_sender/audio",
            MediaKind::Video => "call/rtp_sender/video",
            MediaKind::Screen => "call/rtp_sender/screen",
        };
        Taped::new(actor, Machine::new(self.settings, resume), self.reel.clone())
    }
}

/// What was negotiated for a stream of ours.
pub struct Stream {
    /// How frames fill packets.
    pub format: PayloadFormat,
    /// Its payload type.
    pub payload_type: u8,
    /// Its SSRC.
    pub ssrc: u32,
    /// Its retransmissions, where the peer takes them.
    pub rtx: Option<Rtx>,
    /// What its packets say of themselves.
    pub extensions: StreamExtensions,
}

/// The settings of a sender, from the configuration and what was negotiated; `wall` is the clock of the call.
pub fn settings(config: &RtpConfig, stream: Stream, wall: WallClock) -> SenderSettings {
    SenderSettings {
        format: stream.format,
        payload_type: stream.payload_type,
        ssrc: stream.ssrc,
        rtx: stream.rtx.filter(|_| config.rtx),
        extensions: stream.extensions,
        wall,
        max_packet: config.max_packet_bytes,
        resend: ResendLimits {
            packets: config.resend_cache_packets,
            age: config.resend_cache(),
            pause: config.resend_min_interval(),
        },
        pacing: Pacing {
            burst: config.pacing_burst_packets,
            interval: config.pacing_interval(),
            spread: config.pacing_spread(),
        },
    }
}

/// The actor.
pub struct RtpSender {
    setup: RtpSenderSetup,
    /// `None` until there is a random start.
    machine: Option<Taped<Machine>>,
    /// What pictures may take of the path, and whether it is narrow, as the machine knows it.
    allowed: Option<(u64, bool)>,
    /// Without RTX: the protected packets, to be sent again as they were.
    repeatable: ResendCache<Bytes>,
    scratch: Vec<u8>,
    deadline: Deadline,
    /// Until the first key frame of this life, or since the gate was closed, pictures are useless to the peer.
    awaits_key: bool,
    asked_at: Option<Instant>,
}

impl RtpSender {
    /// A life.
    pub fn new(setup: RtpSenderSetup) -> Self {
        RtpSender {
            machine: setup.keep.get().map(|resume| setup.machine(resume)),
            allowed: None,
            repeatable: ResendCache::new(setup.settings.resend),
            scratch: Vec::with_capacity(setup.settings.max_packet),
            deadline: Deadline::default(),
            awaits_key: setup.kind.is_pictures(),
            asked_at: None,
            setup,
        }
    }

    fn counters(&self) -> &RtpCounters {
        self.setup.counters.rtp(self.setup.kind)
    }

    /// Whether the peer can use this frame. Asks for a key frame where that is what is missing.
    fn usable(&mut self, frame: &SendFrame, now: Instant) -> bool {
        if !self.setup.srtp.ready() {
            return false;
        }
        if !self.setup.gate.is_open() {
            self.awaits_key = self.setup.kind.is_pictures();
            return false;
        }
        self.awaits_key &= !frame.key;
        let asked = self.asked_at.is_some_and(|at| now < at + KEY_FRAME_PAUSE);
        if self.awaits_key
            && !asked
            && let Some(encoder) = &self.setup.key_frames
        {
            encoder.tell(ForceKeyframe);
            self.asked_at = Some(now);
        }
        !self.awaits_key
    }

    /// The machine; the first time with random numbers.
    fn machine(&mut self, now: Instant) -> Option<&mut Taped<Machine>> {
        if self.machine.is_none() {
            let resume = Resume::fresh(self.setup.settings.format, now)
                .inspect_err(|error| tracing::error!(%error, "no random numbers"))
                .ok()?;
            self.machine = Some(self.setup.machine(resume));
        }
        self.machine.as_mut()
    }

    /// Tells the machine what the path carries now.
    fn allow(&mut self, now: Instant) {
        let allowed = self.setup.counters.allowed();
        if allowed != self.allowed
            && let (Some((rate, narrow)), Some(machine)) = (allowed, &mut self.machine)
        {
            let _ = machine.feed(now, Input::Allow { rate, narrow }); // only frames are refused
            self.allowed = allowed;
        }
    }

    /// Writes down what is about to be used, then sends what may leave now.
    fn drive(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let Some(machine) = &self.machine else { return };
        let resume = machine.resume();
        self.setup.keep.put(resume);
        if Directory::watched() {
            let (ssrc, next) = (self.setup.settings.ssrc, resume.next_sequence);
            Directory::note_resume(|| format!("SSRC {ssrc:08x}, next sequence number {next}"));
        }
        let mut batch = Vec::new();
        let outputs = self.machine.as_mut().map(|machine| machine.drain(now));
        for output in outputs.unwrap_or_default() {
            batch.extend(match output {
                Output::Send(packet) => self.protect(&packet, now),
                Output::Repeat(sequence) => {
                    self.repeatable.take_again(now, sequence, Duration::ZERO).cloned()
                }
            });
        }
        let next = self.machine.as_ref().and_then(|machine| machine.next_timeout());
        self.send(batch);
        self.deadline.arm(next, ctx);
    }

    fn protect(&mut self, packet: &OutgoingPacket, now: Instant) -> Option<Bytes> {
        let (machine, srtp, scratch) = (self.machine.as_ref()?, &self.setup.srtp, &mut self.scratch);
        let mut make = |number| {
            scratch.clear();
            machine.write(packet, now, number, scratch);
            srtp.protect_rtp(scratch)
                .inspect_err(|error| tracing::debug!(%error, "packet not sent"))
                .ok()
        };
        let counted = self.setup.settings.extensions.ids.transport_sequence.is_some();
        let protected = match counted {
            true => {
                let pictures = self.setup.kind.is_pictures();
                let picture = if pictures { packet.fresh_bytes() } else { 0 };
                self.setup.sent.number(now, picture, |number| make(Some(number)))
            }
            false => make(None),
        }?;
        if self.setup.settings.rtx.is_none() && self.setup.kind.is_pictures() {
            self.repeatable
                .insert(now, packet.header.sequence_number, protected.clone());
        }
        Some(protected)
    }

    fn send(&mut self, batch: Vec<Bytes>) {
        if batch.is_empty() {
            return;
        }
        let bytes: usize = batch.iter().map(Bytes::len).sum();
        self.counters().packets_sent.add(batch.len() as u64);
        self.counters().bytes_sent.add(bytes as u64);
        self.setup.ice.tell(SendDatagrams(batch));
        let counters = &self.setup.counters;
        match self.setup.kind {
            MediaKind::Audio => counters.audio.sent.mark(Instant::now()),
            MediaKind::Video | MediaKind::Screen => counters.video.sent.mark(Instant::now()),
        }
        if let Some(machine) = &self.machine {
            self.setup.reporter.tell(StreamSent {
                kind: self.setup.kind,
                figures: machine.figures(),
            });
        }
    }
}

impl Actor for RtpSender {
    type Context = Context<Self>;
}

impl Timed for RtpSender {
    fn deadline(&mut self) -> &mut Deadline {
        &mut self.deadline
    }

    fn due(&mut self, now: Instant, ctx: &mut Context<Self>) {
        self.drive(now, ctx);
    }
}

impl Handler<SendFrame> for RtpSender {
    type Result = ();

    fn handle(&mut self, frame: SendFrame, ctx: &mut Context<Self>) {
        let now = now();
        if !self.usable(&frame, now) {
            return;
        }
        if self.machine(now).is_none() {
            return;
        }
        self.allow(now);
        let Some(machine) = &mut self.machine else { return };
        let input = Input::Frame {
            data: frame.data,
            captured_at: frame.captured_at,
        };
        match machine.feed(now, input) {
            Ok(_) => self.drive(now, ctx),
            Err(error) => tracing::warn!(%error, "frame not sent"),
        }
    }
}

impl Handler<ResendPackets> for RtpSender {
    type Result = ();

    fn handle(&mut self, ResendPackets(sequences): ResendPackets, ctx: &mut Context<Self>) {
        if !self.setup.gate.is_open() {
            return;
        }
        let now = now();
        let round_trip = self.setup.counters.round_trip().unwrap_or_default();
        self.allow(now);
        let Some(machine) = &mut self.machine else { return };
        let input = Input::Resend {
            sequences,
            round_trip,
        };
        let resent = machine.feed(now, input).unwrap_or_default();
        self.counters().resent.add(resent as u64);
        self.drive(now, ctx);
    }
}
