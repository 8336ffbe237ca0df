//! Speaks RTCP for the whole call: reports to the peer, passes on its requests and its clocks.
//!
//! The senders and receivers of both media tell it what was sent and received and what to request; the ICE agent
//! brings it the peer's packets. It tells the encoder (key frames, bit rate), the video sender (packets to send
//! again), both playouts (the peer's clocks, for lip sync), and counts the rest.
//!
//! Which packets of the whole transport came, it tells the peer in short intervals; what the peer tells of ours, it looks
//! up in [`SentPackets`]: from the times of both follows how fast to send.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Instant, SystemTime};

use actix::{Actor, Context, Handler};
use bytes::Bytes;
use roomrtc_kit::deadline::now;
use roomrtc_kit::{Deadline, Keep, Port, Timed};
use roomrtc_protocol::MediaKind;
use roomrtc_protocol::recording::{Reel, Taped};
use roomrtc_protocol::rtcp::reporter::recorded::Input;
use roomrtc_protocol::rtcp::reporter::{Figures, Output, Reporter as Machine, ReporterSettings};
use roomrtc_protocol::rtp::receiver::{Arrival, Captured};
use roomrtc_protocol::rtp::sender::SentFigures;
use roomrtc_protocol::rtp::sequence::ReceptionFigures;
use roomrtc_protocol::time::WallClock;

use crate::Datagram;
use crate::brief;
use crate::counters::{Counters, lock};
use crate::encoder::{ForceKeyframe, SetBitrate, SetExpectedLoss};
use crate::ice_agent::SendDatagrams;
use crate::playout::ClockMapping;
use crate::rtp_sender::{Gate, ResendPackets};
use crate::sent_packets::SentPackets;
use crate::srtp::Srtp;
use crate::stats::RtcpStats;

/// From the ICE agent: protected RTCP packets.
#[derive(Clone, Debug)]
pub struct RtcpDatagrams(pub Vec<Datagram>);

/// From a sender: what it has sent so far.
#[derive(Clone, Copy, Debug)]
pub struct StreamSent {
    /// Which medium.
    pub kind: MediaKind,
    /// The totals.
    pub figures: SentFigures,
}

/// From a receiver: what it has received so far.
#[derive(Clone, Copy, Debug)]
pub struct StreamReceived {
    /// Which medium.
    pub kind: MediaKind,
    /// The peer's stream.
    pub ssrc: u32,
    /// The totals.
    pub figures: ReceptionFigures,
    /// When it says a frame was captured.
    pub captured: Option<Captured>,
}

/// From a receiver: which packets of the transport came, for the peer to know.
#[derive(Clone, Debug)]
pub struct PacketsArrived(pub Vec<Arrival>);

/// From a receiver: ask the peer to send these again.
#[derive(Clone, Debug)]
pub struct RequestResend {
    /// Of which medium.
    pub kind: MediaKind,
    /// Which packets.
    pub sequences: Vec<u16>,
}

/// From a receiver or the decoder: ask the peer for a key frame.
#[derive(Clone, Copy, Debug)]
pub struct RequestKeyframe {
    /// Of which medium.
    pub kind: MediaKind,
}

/// From call: we begin or cease to share a screen, which takes its part of what the path carries.
#[derive(Clone, Copy, Debug)]
pub struct ShareRate;

/// From call: say goodbye for our streams, the call ends.
#[derive(Clone, Copy, Debug)]
pub struct SendBye;

/// Batches of the peer's reports that wait while the reporter is stuck.
const BATCHES_WAITING: usize = 64;
/// Totals replace each other: of each medium only the last matters.
const TOTALS_WAITING: usize = 4;
/// While a screen is shared, it is what people look at: the camera gets one of so many parts of the rate.
const CAMERA_BESIDE_SCREEN: u64 = 3;

roomrtc_kit::mail! {
    RtcpDatagrams: newest(BATCHES_WAITING), |packets| brief::datagrams(&packets.0);
    StreamSent: newest(TOTALS_WAITING), |sent| sent.kind.to_string();
    StreamReceived: newest(TOTALS_WAITING), |received| received.kind.to_string();
    PacketsArrived: newest(BATCHES_WAITING), |arrivals| format!("{} packets", arrivals.0.len());
    RequestResend: newest(BATCHES_WAITING), |lost| format!("{} {:?}", lost.kind, lost.sequences);
    RequestKeyframe: newest(TOTALS_WAITING), |request| request.kind.to_string();
    ShareRate;
    SendBye;
}

/// What a reporter needs to know.
#[derive(Clone)]
pub struct RtcpReporterSetup {
    /// Names, streams, intervals.
    pub settings: ReporterSettings,
    /// The call's keys.
    pub srtp: Srtp,
    /// What was sent, for the peer's feedback.
    pub sent: SentPackets,
    /// What the next life inherits.
    pub keep: Keep<Machine>,
    /// Where packets go.
    pub ice: Port<SendDatagrams>,
    /// The video encoder, if there is one.
    pub encoder: Option<EncoderPorts>,
    /// Who encodes and sends our screen, while we share one.
    pub screen: Option<ScreenPorts>,
    /// The audio encoder, if there is one: its in-band FEC is as strong as the loss asks for.
    pub expected_loss: Option<Port<SetExpectedLoss>>,
    /// The video sender, if there is one.
    pub resend: Option<Port<ResendPackets>>,
    /// Who lines sound and picture up.
    pub clocks: Vec<Port<ClockMapping>>,
    /// The call's figures.
    pub counters: Arc<Counters>,
    /// Where it is recorded, if at all.
    pub reel: Option<Arc<dyn Reel>>,
}

/// Who encodes and sends our screen.
#[derive(Clone)]
pub struct ScreenPorts {
    /// Open while it is sent.
    pub sent: Gate,
    /// Who encodes it.
    pub encoder: EncoderPorts,
    /// Who sends it.
    pub resend: Port<ResendPackets>,
}

/// What a reporter tells the video encoder.
#[derive(Clone)]
pub struct EncoderPorts {
    /// The peer needs a key frame.
    pub key_frame: Port<ForceKeyframe>,
    /// The path carries so much.
    pub bitrate: Port<SetBitrate>,
}

/// The wall clock of this moment, for [`ReporterSettings::wall`]: one for all media of a call.
pub fn wall_clock() -> WallClock {
    // A clock set before 1970 makes reports whose times are wrong but whose differences are right.
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    WallClock::new(now(), since_epoch.unwrap_or_default())
}

/// The actor.
pub struct RtcpReporter {
    setup: RtcpReporterSetup,
    machine: Taped<Machine>,
    deadline: Deadline,
}

impl RtcpReporter {
    /// A life.
    pub fn new(setup: RtcpReporterSetup) -> Self {
        let machine = setup.keep.get();
        let machine = machine.unwrap_or_else(|| Machine::new(setup.settings.clone()));
        RtcpReporter {
            machine: Taped::new("call/rtcp_reporter", machine, setup.reel.clone()),
            deadline: Deadline::default(),
            setup,
        }
    }

    /// Feeds the machine, which refuses nothing but datagrams.
    fn feed(&mut self, input: Input, ctx: &mut Context<Self>) {
        let _ = self.machine.feed(now(), input);
        self.drive(ctx);
    }

    fn drive(&mut self, ctx: &mut Context<Self>) {
        let mut batch = Vec::new();
        loop {
            let outputs = self.machine.drain(now());
            if outputs.is_empty() {
                break;
            }
            for output in outputs {
                self.carry_out(output, &mut batch);
            }
        }
        if !batch.is_empty() {
            self.setup.ice.tell(SendDatagrams(batch));
        }
        self.deadline.arm(self.machine.next_timeout(), ctx);
    }

    fn carry_out(&mut self, output: Output, batch: &mut Vec<Bytes>) {
        let transport = &self.setup.counters.transport;
        match output {
            Output::Transmit(packet) => match self.setup.srtp.protect_rtcp(&packet) {
                Ok(packet) => batch.push(packet),
                Err(error) => tracing::debug!(%error, "report not sent"),
            },
            Output::Resend { kind, sequences } => {
                let sender = match kind {
                    MediaKind::Audio => None,
                    MediaKind::Video => self.setup.resend.as_ref(),
                    MediaKind::Screen => self.setup.screen.as_ref().map(|screen| &screen.resend),
                };
                if let Some(sender) = sender {
                    sender.tell(ResendPackets(sequences));
                }
            }
            Output::Feedback(feedback) => {
                transport.feedback_received.one();
                let delivered = self.setup.sent.resolve(&feedback);
                let _ = self.machine.feed(now(), Input::Delivered(delivered)); // only datagrams are refused
            }
            Output::OwnFeedback => transport.feedback_sent.one(),
            Output::ForceKeyFrame { kind } => {
                let encoder = match kind {
                    MediaKind::Audio => None,
                    MediaKind::Video => {
                        self.setup.counters.video_rtp.pli_received.one();
                        self.setup.encoder.as_ref()
                    }
                    MediaKind::Screen => self.setup.screen.as_ref().map(|screen| &screen.encoder),
                };
                if let Some(encoder) = encoder {
                    encoder.key_frame.tell(ForceKeyframe);
                }
            }
            Output::Clock { kind, clock } => self.tell_clock(kind, clock),
            Output::PeerReport { kind, report } => {
                note(&mut lock(&transport.reports_received), kind, &report);
                if let (MediaKind::Audio, Some(encoder)) = (kind, &self.setup.expected_loss) {
                    encoder.tell(SetExpectedLoss((report.fraction_lost * 100.0).round() as u8));
                }
            }
            Output::OwnReport { kind, report } => note(&mut lock(&transport.reports_sent), kind, &report),
            Output::RoundTrip(round_trip) => transport.rtt_ms.set(round_trip.as_secs_f64() * 1000.0),
            Output::Ceiling(rate) => transport.remb_kbps.set(rate as f64 / 1000.0),
            Output::Available(rate) => {
                transport.available_kbps.set(rate as f64 / 1000.0);
                self.allot(rate);
            }
            Output::Narrow(narrow) => transport.narrow.store(narrow, Relaxed),
            Output::Goodbye => tracing::debug!("the peer has ended its streams"),
        }
    }

    /// Gives the encoders what the path carries.
    fn allot(&self, rate: u64) {
        let screen = self.setup.screen.as_ref().filter(|screen| screen.sent.is_open());
        let (pictures, of_screen) = match screen {
            Some(_) => (rate / CAMERA_BESIDE_SCREEN, rate - rate / CAMERA_BESIDE_SCREEN),
            None => (rate, 0),
        };
        if let Some(encoder) = &self.setup.encoder {
            encoder.bitrate.tell(SetBitrate(pictures));
        }
        if let Some(screen) = screen {
            screen.encoder.bitrate.tell(SetBitrate(of_screen));
        }
    }

    fn tell_clock(&self, kind: MediaKind, clock: roomrtc_protocol::time::SenderClock) {
        for playout in &self.setup.clocks {
            playout.tell(ClockMapping {
                kind,
                rtp_timestamp: clock.timestamp,
                ntp: clock.ntp.0,
                clock_rate: clock.rate,
            });
        }
    }
}

/// Keeps a report for the statistics.
fn note(stats: &mut RtcpStats, kind: MediaKind, report: &Figures) {
    stats.reports += 1;
    match kind {
        MediaKind::Audio => {
            stats.audio_fraction_lost = report.fraction_lost;
            stats.audio_jitter_ms = report.jitter_ms;
        }
        MediaKind::Screen => {}
        MediaKind::Video => {
            stats.video_fraction_lost = report.fraction_lost;
            stats.video_jitter_ms = report.jitter_ms;
        }
    }
}

impl Actor for RtcpReporter {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.drive(ctx);
    }
}

impl Timed for RtcpReporter {
    fn deadline(&mut self) -> &mut Deadline {
        &mut self.deadline
    }

    fn due(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let _ = self.machine.feed(now, Input::Timeout); // only datagrams are refused
        self.drive(ctx);
        self.setup.keep.put(Machine::clone(&self.machine));
    }
}

impl Handler<RtcpDatagrams> for RtcpReporter {
    type Result = ();

    fn handle(&mut self, RtcpDatagrams(batch): RtcpDatagrams, ctx: &mut Context<Self>) {
        for datagram in batch {
            let packet = match self.setup.srtp.unprotect_rtcp(&datagram.data) {
                Ok(packet) => packet,
                Err(error) => {
                    tracing::trace!(%error, "report refused");
                    self.setup.counters.transport.rtcp_refused.one();
                    continue;
                }
            };
            let input = Input::Datagram(packet.into());
            if let Err(error) = self.machine.feed(datagram.received_at, input) {
                tracing::debug!(%error, "report refused");
                self.setup.counters.transport.rtcp_refused.one();
            }
        }
        self.drive(ctx);
    }
}

impl Handler<StreamSent> for RtcpReporter {
    type Result = ();

    fn handle(&mut self, StreamSent { kind, figures }: StreamSent, ctx: &mut Context<Self>) {
        self.feed(Input::Sent(kind, figures), ctx);
    }
}

impl Handler<StreamReceived> for RtcpReporter {
    type Result = ();

    fn handle(&mut self, message: StreamReceived, ctx: &mut Context<Self>) {
        let StreamReceived {
            kind,
            ssrc,
            figures,
            captured,
        } = message;
        self.feed(Input::Received(kind, ssrc, figures), ctx);
        if let Some(captured) = captured {
            self.feed(Input::Captured(kind, captured), ctx);
        }
    }
}

impl Handler<PacketsArrived> for RtcpReporter {
    type Result = ();

    fn handle(&mut self, PacketsArrived(arrivals): PacketsArrived, ctx: &mut Context<Self>) {
        self.feed(Input::Arrived(arrivals), ctx);
    }
}

impl Handler<RequestResend> for RtcpReporter {
    type Result = ();

    fn handle(&mut self, RequestResend { kind, sequences }: RequestResend, ctx: &mut Context<Self>) {
        self.feed(Input::RequestResend(kind, sequences), ctx);
    }
}

impl Handler<RequestKeyframe> for RtcpReporter {
    type Result = ();

    fn handle(&mut self, RequestKeyframe { kind }: RequestKeyframe, ctx: &mut Context<Self>) {
        self.feed(Input::RequestKeyFrame(kind), ctx);
    }
}

impl Handler<ShareRate> for RtcpReporter {
    type Result = ();

    fn handle(&mut self, _: ShareRate, _: &mut Context<Self>) {
        if let Some(kbps) = self.setup.counters.transport.available_kbps.known() {
            self.allot((kbps * 1000.0) as u64);
        }
    }
}

impl Handler<SendBye> for RtcpReporter {
    type Result = ();

    fn handle(&mut self, _: SendBye, ctx: &mut Context<Self>) {
        self.feed(Input::Goodbye, ctx);
    }
}
