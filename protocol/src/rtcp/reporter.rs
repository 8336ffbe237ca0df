//! Reports, requests and what the peer says: the RTCP of a whole call in one machine.
//!
//! Fed by the senders ([`Reporter::sent`]) and receivers ([`Reporter::received`], [`Reporter::request_resend`],
//! [`Reporter::request_key_frame`]) of both media and by the network ([`Reporter::handle_datagram`]); drained by
//! [`Reporter::poll_output`]. Each medium has a compound packet of its own: its sender or receiver report, the
//! canonical name that ties sound to picture, and at times a request.
//!
//! Requests leave at once: a call is small enough for the immediate feedback mode (RFC 4585 §3.3). Which packets of the
//! transport came is told in short intervals, between the reports.

pub mod recorded;
mod stream;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub use self::stream::{Figures, KeyFramesBy, StreamSettings};

use self::stream::Stream;
use super::packet::{ReportBlock, RtcpPacket, SenderInfo, parse_compound, write_compound};
use super::path_reporter::PathReporter;
use super::transport_feedback::TransportFeedback;
use super::{Error, interval};
use crate::MediaKind;
use crate::congestion::controller::RateController;
use crate::congestion::estimator::{EstimatorSettings, PathReport};
use crate::congestion::sent_log::Delivered;
use crate::rtp::receiver::{Arrival, Captured};
use crate::rtp::sender::SentFigures;
use crate::rtp::sequence::ReceptionFigures;
use crate::time::{NtpTime, SenderClock, WallClock, from_compact, to_compact};

/// A compound with one report block and a name; where the average of what is sent starts (RFC 3550 §6.3.2).
const FIRST_REPORT_BYTES: usize = 100;
/// UDP and IP headers count as well (RFC 3550 §6.2).
const LOWER_HEADERS: usize = 28;
/// RFC 3550 §6.3.3: "avg_rtcp_size = (1/16) * packet_size + (15/16) * avg_rtcp_size".
const SIZE_MEMORY: usize = 16;
/// How quickly the round trip follows its measurements.
const ROUND_TRIP_GAIN: f64 = 0.25;

/// What was negotiated, and how often to report.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReporterSettings {
    /// Our canonical name (RFC 7022), the same for both media.
    pub cname: String,
    /// The media of the call.
    pub streams: Vec<StreamSettings>,
    /// Ties our sender reports to the wall clock.
    pub wall: WallClock,
    /// Time between reports, on average, at least.
    pub min_interval: Duration,
    /// Time between two transport-wide feedbacks, at least; `None` where none were negotiated.
    pub feedback_interval: Option<Duration>,
    /// Both sides take requests and feedback without a report in front (RFC 5506).
    pub reduced_size: bool,
    /// The bounds of the send rate.
    pub estimator: EstimatorSettings,
    /// Any number; it spreads the reports of many calls.
    pub seed: u64,
}

/// What a reporter wants done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Protect and send a compound packet.
    Transmit(#[serde(with = "crate::recording::media::digits")] Vec<u8>),
    /// The peer misses packets of ours.
    Resend {
        /// Of this medium.
        kind: MediaKind,
        /// These.
        sequences: Vec<u16>,
    },
    /// The peer tells which packets of the transport came. Who knows what was sent is to answer with
    /// [`Reporter::delivered`].
    Feedback(TransportFeedback),
    /// The peer was told which packets of the transport came.
    OwnFeedback,
    /// The peer needs a key frame.
    ForceKeyFrame {
        /// Of this medium.
        kind: MediaKind,
    },
    /// The peer's clocks, for lip sync.
    Clock {
        /// Of this medium.
        kind: MediaKind,
        /// From its latest sender report, or before the first from a capture time.
        clock: SenderClock,
    },
    /// What the peer received of us.
    PeerReport {
        /// Of this medium.
        kind: MediaKind,
        /// In its words.
        report: Figures,
    },
    /// What we told the peer about what we received.
    OwnReport {
        /// Of this medium.
        kind: MediaKind,
        /// In our words.
        report: Figures,
    },
    /// The round trip, averaged.
    RoundTrip(Duration),
    /// The peer takes so much at most of everything, by its own estimate, bit/s.
    Ceiling(u64),
    /// Send no faster than this, bit/s.
    Available(u64),
    /// Whether the path has shown a queue at this rate: bursts would only wait there.
    Narrow(bool),
    /// The peer has ended its streams.
    Goodbye,
}

/// The machine. A clone of it is what a next life of its actor goes on with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reporter {
    settings: ReporterSettings,
    streams: Vec<Stream>,
    controller: RateController,
    path: Option<PathReporter>,
    announced: u64,
    narrow: bool,
    round_trip: Option<Duration>,
    average_bytes: usize,
    #[serde(with = "crate::recording::moment")]
    next_report: Option<Instant>,
    random: u64,
    outputs: VecDeque<Output>,
}

impl Reporter {
    /// A reporter that has nothing to say yet. It announces the starting rate.
    pub fn new(settings: ReporterSettings) -> Self {
        Reporter {
            streams: settings.streams.iter().copied().map(Stream::new).collect(),
            controller: RateController::new(settings.estimator),
            path: settings
                .feedback_interval
                .filter(|_| !settings.streams.is_empty())
                .map(PathReporter::new),
            announced: settings.estimator.start,
            narrow: false,
            round_trip: None,
            average_bytes: FIRST_REPORT_BYTES + LOWER_HEADERS,
            next_report: None,
            random: settings.seed | 1,
            outputs: VecDeque::from([Output::Available(settings.estimator.start)]),
            settings,
        }
    }

    /// What a sender has sent so far. The first time a report follows at once: RFC 3550 §6.2 allows it in a
    /// unicast session, and lip sync and the round trip wait for it.
    pub fn sent(&mut self, now: Instant, kind: MediaKind, figures: SentFigures) {
        let Some(stream) = self
            .streams
            .iter_mut()
            .find(|stream| stream.settings.kind == kind)
        else {
            return;
        };
        if stream.sent.replace(figures).is_none() {
            self.next_report = Some(now);
        }
    }

    /// What a receiver has received so far, of which SSRC.
    pub fn received(&mut self, now: Instant, kind: MediaKind, ssrc: u32, figures: ReceptionFigures) {
        let Some(stream) = self
            .streams
            .iter_mut()
            .find(|stream| stream.settings.kind == kind)
        else {
            return;
        };
        stream.settings.remote = Some(ssrc);
        stream.received = Some(figures);
        self.next_report.get_or_insert(now);
    }

    /// The peer says when a frame was captured: until its first sender report this is all that ties sound to picture.
    pub fn captured(&mut self, kind: MediaKind, captured: Captured) {
        let stream = self
            .streams
            .iter_mut()
            .find(|stream| stream.settings.kind == kind && stream.last_sender_report.is_none());
        if let Some(stream) = stream
            && stream.captured.replace(captured) != Some(captured)
        {
            self.outputs.push_back(Output::Clock {
                kind,
                clock: SenderClock {
                    ntp: captured.ntp,
                    timestamp: captured.timestamp,
                    rate: stream.settings.clock_rate,
                },
            });
        }
    }

    /// Asks the peer to send packets again.
    pub fn request_resend(&mut self, kind: MediaKind, sequences: Vec<u16>) {
        self.request(kind, |stream, media| RtcpPacket::Nack {
            sender: stream.settings.local,
            media,
            sequences,
        });
    }

    /// Asks the peer for a key frame.
    pub fn request_key_frame(&mut self, now: Instant, kind: MediaKind) {
        let round_trip = self.round_trip;
        self.request(kind, |stream, media| {
            stream.key_frame_request(now, media, round_trip)
        });
    }

    /// Packets of the transport came.
    pub fn arrived(&mut self, now: Instant, arrivals: &[Arrival]) {
        if let Some(path) = &mut self.path {
            path.arrived(now, arrivals);
        }
    }

    /// Packets of ours have arrived, in the order in which they were sent.
    pub fn delivered(&mut self, now: Instant, packets: &[Delivered]) {
        let round_trip = self.round_trip.unwrap_or_default();
        self.controller.on_delivered(now, packets, round_trip);
        self.announce();
    }

    /// Takes a decrypted datagram.
    ///
    /// # Errors
    /// When it is not RTCP; it has no effect then.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> Result<(), Error> {
        for packet in parse_compound(datagram)? {
            self.handle_packet(now, packet);
        }
        Ok(())
    }

    /// Sends the reports and the feedback that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.tell_arrivals(now);
        if self.next_report.is_none_or(|at| at > now) {
            return;
        }
        for at in 0..self.streams.len() {
            if self.streams[at].sent.is_some() || self.streams[at].received.is_some() {
                let report = self.report(now, at);
                let name = self.description(at);
                self.transmit(&[report, name]);
            }
        }
        let average = interval::average(
            self.controller.available(),
            self.average_bytes,
            self.settings.min_interval,
        );
        self.next_report = Some(now + interval::randomized(average, self.random()));
    }

    /// Says goodbye for our streams (RFC 3550 §6.6).
    pub fn goodbye(&mut self, now: Instant) {
        for at in 0..self.streams.len() {
            // A screen that was never shared is nothing to say goodbye for.
            let Stream {
                settings,
                sent,
                received,
                ..
            } = &self.streams[at];
            if settings.kind == MediaKind::Screen && sent.is_none() && received.is_none() {
                continue;
            }
            let report = self.report(now, at);
            let name = self.description(at);
            let leave = RtcpPacket::Goodbye(vec![self.streams[at].settings.local]);
            self.transmit(&[report, name, leave]);
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::handle_timeout`].
    pub fn next_timeout(&self) -> Option<Instant> {
        let feedback = self.path.as_ref().and_then(PathReporter::next_timeout);
        [self.next_report, feedback].into_iter().flatten().min()
    }

    /// The round trip, averaged.
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    fn request(&mut self, kind: MediaKind, make: impl FnOnce(&mut Stream, u32) -> RtcpPacket) {
        let Some(at) = self
            .streams
            .iter()
            .position(|stream| stream.settings.kind == kind)
        else {
            return;
        };
        let stream = &mut self.streams[at];
        let Some(media) = stream.settings.remote else {
            return;
        };
        let packet = make(stream, media);
        self.transmit_early(at, packet);
    }

    /// Feedback is about the whole transport; it goes under the name of one stream, that of the camera if there is one.
    fn tell_arrivals(&mut self, now: Instant) {
        let Some((at, stream)) = self.streams.iter().enumerate().next_back() else {
            return;
        };
        let StreamSettings { local, remote, .. } = stream.settings;
        while let Some(path) = &mut self.path
            && let Some(feedback) = path.poll(now, local, remote.unwrap_or_default())
        {
            self.transmit_early(at, RtcpPacket::TransportFeedback(feedback));
            self.outputs.push_back(Output::OwnFeedback);
        }
    }

    /// Between reports: RFC 4585 §3.1 asks for an empty receiver report and the name in front, RFC 5506 lets them go.
    fn transmit_early(&mut self, at: usize, packet: RtcpPacket) {
        if self.settings.reduced_size {
            return self
                .outputs
                .push_back(Output::Transmit(write_compound(&[packet])));
        }
        let report = RtcpPacket::ReceiverReport {
            ssrc: self.streams[at].settings.local,
            reports: vec![],
        };
        let name = self.description(at);
        self.outputs
            .push_back(Output::Transmit(write_compound(&[report, name, packet])));
    }

    fn transmit(&mut self, packets: &[RtcpPacket]) {
        let bytes = write_compound(packets);
        let size = bytes.len() + LOWER_HEADERS;
        self.average_bytes = (size + (SIZE_MEMORY - 1) * self.average_bytes) / SIZE_MEMORY;
        self.outputs.push_back(Output::Transmit(bytes));
    }

    fn description(&self, at: usize) -> RtcpPacket {
        let local = self.streams[at].settings.local;
        RtcpPacket::SourceDescription(vec![(local, self.settings.cname.clone())])
    }

    /// RFC 3550 §6.4: a sender report if anything was sent, a receiver report otherwise.
    fn report(&mut self, now: Instant, at: usize) -> RtcpPacket {
        let reports: Vec<ReportBlock> = self.report_block(now, at).into_iter().collect();
        let stream = &self.streams[at];
        match &stream.sent {
            None => RtcpPacket::ReceiverReport {
                ssrc: stream.settings.local,
                reports,
            },
            Some(sent) => RtcpPacket::SenderReport {
                ssrc: sent.ssrc,
                sent: SenderInfo {
                    ntp: self.settings.wall.ntp(now),
                    timestamp: sent.clock.timestamp(now),
                    packets: sent.packets,
                    octets: sent.octets,
                },
                reports,
            },
        }
    }

    fn report_block(&mut self, now: Instant, at: usize) -> Option<ReportBlock> {
        let stream = &mut self.streams[at];
        let figures = stream.received?;
        let (last_report, delay) = stream.last_sender_report.map_or((0, 0), |(compact, came)| {
            (compact, to_compact(now.saturating_duration_since(came)))
        });
        let block = ReportBlock {
            ssrc: stream.settings.remote?,
            fraction_lost: figures.fraction_lost_since(&stream.reported),
            lost: figures.lost().clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32,
            highest_sequence: figures.highest_sequence,
            jitter: figures.jitter,
            last_report,
            delay,
        };
        stream.reported = figures;
        self.outputs.push_back(Output::OwnReport {
            kind: stream.settings.kind,
            report: Figures::of(&block, stream.settings.clock_rate),
        });
        Some(block)
    }

    fn handle_packet(&mut self, now: Instant, packet: RtcpPacket) {
        match packet {
            RtcpPacket::SenderReport { ssrc, sent, reports } => {
                self.handle_sender_report(now, ssrc, &sent);
                self.handle_blocks(now, &reports);
            }
            RtcpPacket::ReceiverReport { reports, .. } => self.handle_blocks(now, &reports),
            RtcpPacket::SourceDescription(_) => {}
            RtcpPacket::Goodbye(ssrcs) => {
                let ours = |ssrc: &u32| {
                    self.streams
                        .iter()
                        .any(|stream| stream.settings.remote == Some(*ssrc))
                };
                if ssrcs.iter().any(ours) {
                    self.outputs.push_back(Output::Goodbye);
                }
            }
            RtcpPacket::Nack { media, sequences, .. } => {
                if let Some(kind) = self.local_stream(media).map(|stream| stream.settings.kind) {
                    self.outputs.push_back(Output::Resend { kind, sequences });
                }
            }
            RtcpPacket::PictureLoss { media, .. } => {
                if let Some(kind) = self.local_stream(media).map(|stream| stream.settings.kind) {
                    self.outputs.push_back(Output::ForceKeyFrame { kind });
                }
            }
            RtcpPacket::FullIntraRequest { requests, .. } => self.handle_intra_requests(&requests),
            RtcpPacket::TransportFeedback(feedback) => self.outputs.push_back(Output::Feedback(feedback)),
            RtcpPacket::Remb(remb) => {
                if remb.ssrcs.iter().any(|ssrc| self.local_stream(*ssrc).is_some()) {
                    self.controller.on_ceiling(remb.bitrate);
                    self.outputs.push_back(Output::Ceiling(remb.bitrate));
                    self.announce();
                }
            }
        }
    }

    fn handle_sender_report(&mut self, now: Instant, ssrc: u32, sent: &SenderInfo) {
        let stream = self
            .streams
            .iter_mut()
            .find(|stream| stream.settings.remote == Some(ssrc));
        let Some(stream) = stream else { return };
        stream.last_sender_report = Some((sent.ntp.compact(), now));
        self.outputs.push_back(Output::Clock {
            kind: stream.settings.kind,
            clock: SenderClock {
                ntp: sent.ntp,
                timestamp: sent.timestamp,
                rate: stream.settings.clock_rate,
            },
        });
    }

    fn handle_blocks(&mut self, now: Instant, blocks: &[ReportBlock]) {
        for block in blocks {
            let Some(stream) = self.local_stream(block.ssrc) else {
                continue;
            };
            let StreamSettings { kind, clock_rate, .. } = stream.settings;
            let sent = stream.sent_since_report(now);
            let report = Figures::of(block, clock_rate);
            self.outputs.push_back(Output::PeerReport { kind, report });
            let measured = round_trip(self.settings.wall.ntp(now), block);
            self.learn_round_trip(measured);
            if let (MediaKind::Video, Some(sent)) = (kind, sent) {
                let path = PathReport {
                    loss: report.fraction_lost,
                    round_trip: measured,
                    sent,
                    allowed: self.controller.available(),
                };
                self.controller.on_report(now, path);
                self.announce();
            }
        }
    }

    fn learn_round_trip(&mut self, measured: Option<Duration>) {
        let Some(measured) = measured else { return };
        let average = match self.round_trip {
            None => measured,
            Some(before) => before.mul_f64(1.0 - ROUND_TRIP_GAIN) + measured.mul_f64(ROUND_TRIP_GAIN),
        };
        self.round_trip = Some(average);
        self.outputs.push_back(Output::RoundTrip(average));
    }

    /// Tells the encoder of changes worth its while, of 2 % or more.
    fn announce(&mut self) {
        let available = self.controller.available();
        if available.abs_diff(self.announced) * 50 >= self.announced {
            self.announced = available;
            self.outputs.push_back(Output::Available(available));
        }
        let narrow = self.controller.narrow();
        if std::mem::replace(&mut self.narrow, narrow) != narrow {
            self.outputs.push_back(Output::Narrow(narrow));
        }
    }

    /// RFC 5104 §4.3.1.2: a request with the number of the last one is that request sent again.
    fn handle_intra_requests(&mut self, requests: &[(u32, u8)]) {
        for (ssrc, number) in requests {
            if let Some(stream) = self.local_stream(*ssrc)
                && stream.last_intra_request.replace(*number) != Some(*number)
            {
                let kind = stream.settings.kind;
                self.outputs.push_back(Output::ForceKeyFrame { kind });
            }
        }
    }

    fn local_stream(&mut self, ssrc: u32) -> Option<&mut Stream> {
        self.streams
            .iter_mut()
            .find(|stream| stream.settings.local == ssrc)
    }

    /// Xorshift (Marsaglia): reports need not be unpredictable, only out of step.
    fn random(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 16) as u32
    }
}

/// RFC 3550 §6.4.1: "(A - LSR - DLSR)"; `None` when the peer had no sender report of ours, or clocks disagree.
fn round_trip(now: NtpTime, block: &ReportBlock) -> Option<Duration> {
    let units = now
        .compact()
        .wrapping_sub(block.last_report)
        .wrapping_sub(block.delay);
    // Rounding may take the result of a very short path below zero.
    let units = if units as i32 <= 0 { 0 } else { units };
    (block.last_report != 0).then(|| from_compact(units))
}

#[cfg(test)]
mod tests;
