//! Receives one medium: authenticates packets, puts them in order, repairs what it can, and makes frames of them.
//!
//! One for sound and one for pictures. The ICE agent sends it [`RtpDatagrams`], a batch each time the socket was
//! read; it tells the decoder (pictures) or the playout (sound), and the RTCP reporter what to report and request.
//!
//! The peer's counts are in a [`Keep`]: a next life goes on with them and asks for one key frame.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Context, Handler};
use roomrtc_kit::config::{Rtcp as RtcpConfig, Rtp as RtpConfig};
use roomrtc_kit::deadline::now;
use roomrtc_kit::{Addr, Deadline, Directory, Keep, Port, Timed};
use roomrtc_protocol::MediaKind;
use roomrtc_protocol::recording::{Reel, Taped};
use roomrtc_protocol::rtp::jitter_buffer::BufferLimits;
use roomrtc_protocol::rtp::missing::RetryPolicy;
use roomrtc_protocol::rtp::receiver::recorded::Input;
use roomrtc_protocol::rtp::receiver::{
    Output, ReceiverCounts, ReceiverResume, ReceiverSettings, RtpReceiver as Machine,
};

use crate::Datagram;
use crate::brief;
use crate::call_events::FirstPacket;
use crate::counters::{Counters, RtpCounters};
use crate::decoder::DecodeFrame;
use crate::playout::PlayPacket;
use crate::rtcp_reporter::{PacketsArrived, RequestKeyframe, RequestResend, RtcpReporter, StreamReceived};
use crate::srtp::Srtp;

/// From the ICE agent: protected packets of this medium.
#[derive(Clone, Debug)]
pub struct RtpDatagrams(pub Vec<Datagram>);

/// Batches that wait while the receiver is stuck; at 30 pictures a second several seconds.
const BATCHES_WAITING: usize = 256;
/// The reporter hears of what came at most this often: it reports less often still.
const REPORT_PAUSE: Duration = Duration::from_millis(50);

roomrtc_kit::mail! { RtpDatagrams: newest(BATCHES_WAITING), |packets| brief::datagrams(&packets.0); }

/// What a receiver needs to know.
#[derive(Clone)]
pub struct RtpReceiverSetup {
    /// What was negotiated, and the limits; see [`buffer_limits`].
    pub settings: ReceiverSettings,
    /// The call's keys.
    pub srtp: Srtp,
    /// What the next life inherits.
    pub keep: Keep<ReceiverResume>,
    /// Where frames go.
    pub sink: Sink,
    /// Who reports and requests.
    pub reporter: ReporterPorts,
    /// Who waits for the first packet.
    pub first_packet: Port<FirstPacket>,
    /// The call's figures.
    pub counters: Arc<Counters>,
    /// Where it is recorded, if at all.
    pub reel: Option<Arc<dyn Reel>>,
}

/// Where frames go; it also tells which medium this is.
#[derive(Clone)]
pub enum Sink {
    /// Pictures go to the decoder.
    Video(Port<DecodeFrame>),
    /// So do those of a screen.
    Screen(Port<DecodeFrame>),
    /// Sound goes to the playout, which buffers and decodes it.
    Audio(Port<PlayPacket>),
}

impl Sink {
    fn kind(&self) -> MediaKind {
        match self {
            Sink::Video(_) => MediaKind::Video,
            Sink::Screen(_) => MediaKind::Screen,
            Sink::Audio(_) => MediaKind::Audio,
        }
    }

    /// Who receives for it, in recordings.
    fn actor(&self) -> &'static str {
        match self {
            Sink::Video(_) => "call/rtp_receiver/video",
            Sink::Screen(_) => "call/rtp_receiver/screen",
            Sink::Audio(_) => "call/rtp_receiver/audio",
        }
    }
}

/// What a receiver tells the reporter.
#[derive(Clone)]
pub struct ReporterPorts {
    /// What came.
    pub received: Port<StreamReceived>,
    /// Which packets of the transport came.
    pub arrived: Port<PacketsArrived>,
    /// What to ask for again.
    pub resend: Port<RequestResend>,
    /// That a key frame is needed.
    pub key_frame: Port<RequestKeyframe>,
}

impl From<&Addr<RtcpReporter>> for ReporterPorts {
    fn from(reporter: &Addr<RtcpReporter>) -> Self {
        ReporterPorts {
            received: reporter.port(),
            arrived: reporter.port(),
            resend: reporter.port(),
            key_frame: reporter.port(),
        }
    }
}

/// The bounds of a video jitter buffer, from the configuration and whether NACK was negotiated.
pub fn buffer_limits(rtp: &RtpConfig, rtcp: &RtcpConfig, nack: bool) -> BufferLimits {
    BufferLimits {
        packets: rtp.video_max_packets,
        bytes: rtp.video_max_bytes,
        retry: RetryPolicy {
            reorder_wait: rtp.reorder_wait(),
            min_interval: rtcp.nack_min_interval(),
            give_up: rtp.video_max_delay(),
            tries: if nack { rtcp.nack_retries } else { 0 },
            max_requested: rtcp.nack_max_packets,
            max_round_trip: rtcp.nack_max_rtt(),
        },
        key_frame_interval: rtcp.pli_min_interval(),
    }
}

/// The actor.
pub struct RtpReceiver {
    setup: RtpReceiverSetup,
    machine: Taped<Machine>,
    round_trip: Option<Duration>,
    counted: ReceiverCounts,
    report_at: Option<Instant>,
    announced: bool,
    deadline: Deadline,
}

impl RtpReceiver {
    /// A life.
    pub fn new(setup: RtpReceiverSetup) -> Self {
        let resume = setup.keep.get();
        let machine = Machine::new(setup.settings.clone(), resume, now());
        RtpReceiver {
            counted: machine.counts(),
            announced: resume.is_some(),
            machine: Taped::new(setup.sink.actor(), machine, setup.reel.clone()),
            round_trip: None,
            report_at: None,
            deadline: Deadline::default(),
            setup,
        }
    }

    fn counters(&self) -> &RtpCounters {
        self.setup.counters.rtp(self.setup.sink.kind())
    }

    fn receive(&mut self, datagram: &Datagram) {
        let packet = match self.setup.srtp.unprotect_rtp(&datagram.data) {
            Ok(packet) => packet,
            Err(error) => {
                tracing::trace!(%error, "packet refused");
                self.counters().refused.one();
                return;
            }
        };
        self.counters().packets_received.one();
        self.counters().bytes_received.add(datagram.data.len() as u64);
        if !std::mem::replace(&mut self.announced, true) {
            self.setup.first_packet.tell(FirstPacket);
        }
        let input = Input::Datagram(packet);
        if let Err(error) = self.machine.feed(datagram.received_at, input) {
            tracing::trace!(%error, "packet refused");
        }
    }

    fn drive(&mut self, now: Instant, ctx: &mut Context<Self>) {
        if self.machine.next_timeout().is_some_and(|at| at <= now) {
            let _ = self.machine.feed(now, Input::Timeout); // only datagrams are refused
        }
        for output in self.machine.drain(now) {
            self.carry_out(output);
        }
        self.count();
        self.setup.keep.put(self.machine.resume());
        if Directory::watched() {
            let counts = self.machine.counts();
            Directory::note_resume(|| format!("the highest sequence number, {counts:?}"));
        }
        self.deadline.arm(self.machine.next_timeout(), ctx);
    }

    fn carry_out(&self, output: Output) {
        let kind = self.setup.sink.kind();
        match (output, &self.setup.sink) {
            (Output::Picture(picture), Sink::Video(decoder) | Sink::Screen(decoder)) => {
                self.setup.counters.video.received.one();
                decoder.tell(DecodeFrame {
                    data: picture.data,
                    codec: picture.codec,
                    key: picture.key,
                    rtp_timestamp: picture.timestamp,
                    received_at: picture.at,
                });
            }
            (Output::Sound(sound), Sink::Audio(playout)) => playout.tell(PlayPacket {
                payload: sound.payload,
                sequence: sound.sequence,
                rtp_timestamp: sound.timestamp,
                received_at: sound.at,
            }),
            // The machine was made for the other medium.
            (Output::Picture(_), Sink::Audio(_)) | (Output::Sound(_), Sink::Video(_) | Sink::Screen(_)) => {}
            (Output::RequestResend(sequences), _) => {
                self.counters().nack.add(sequences.len() as u64);
                self.setup.reporter.resend.tell(RequestResend { kind, sequences });
            }
            (Output::RequestKeyFrame, _) => {
                self.counters().pli.one();
                self.setup.reporter.key_frame.tell(RequestKeyframe { kind });
            }
            (Output::Arrived(arrivals), _) => self.setup.reporter.arrived.tell(PacketsArrived(arrivals)),
        }
    }

    fn count(&mut self) {
        let counts = self.machine.counts();
        let before = std::mem::replace(&mut self.counted, counts);
        let counters = self.counters();
        counters.late.add(counts.late - before.late);
        counters.refused.add(counts.refused - before.refused);
        if let Some((_, figures)) = self.machine.figures() {
            counters.lost.set(figures.lost());
            counters.jitter_ms.set(figures.jitter_ms());
        }
    }

    fn report(&mut self, now: Instant) {
        if self.report_at.is_some_and(|at| now < at) {
            return;
        }
        if let Some((ssrc, figures)) = self.machine.figures() {
            self.report_at = Some(now + REPORT_PAUSE);
            let kind = self.setup.sink.kind();
            self.setup.reporter.received.tell(StreamReceived {
                kind,
                ssrc,
                figures,
                captured: self.machine.captured(),
            });
        }
    }
}

impl Actor for RtpReceiver {
    type Context = Context<Self>;
}

impl Timed for RtpReceiver {
    fn deadline(&mut self) -> &mut Deadline {
        &mut self.deadline
    }

    fn due(&mut self, now: Instant, ctx: &mut Context<Self>) {
        self.drive(now, ctx);
    }
}

impl Handler<RtpDatagrams> for RtpReceiver {
    type Result = ();

    fn handle(&mut self, RtpDatagrams(batch): RtpDatagrams, ctx: &mut Context<Self>) {
        let now = now();
        let round_trip = self.setup.counters.round_trip();
        if round_trip != self.round_trip
            && let Some(round_trip) = round_trip
        {
            let _ = self.machine.feed(now, Input::RoundTrip(round_trip)); // only datagrams are refused
        }
        self.round_trip = round_trip;
        for datagram in &batch {
            self.receive(datagram);
        }
        self.drive(now, ctx);
        self.report(now);
    }
}

#[cfg(test)]
mod tests;
