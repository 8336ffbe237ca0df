//! Sender, receiver and reporter of two ends, over a wire that loses what it is told to.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_rt::Arbiter;
use bytes::Bytes;
use roomrtc_kit::{Backoff, Directory, Down, Intensity, Order, Spec, Strategy, Supervisor};
use roomrtc_protocol::VideoCodec;
use roomrtc_protocol::demux::{self, Kind};
use roomrtc_protocol::rtcp::reporter::{ReporterSettings, StreamSettings};
use roomrtc_protocol::rtp::extension::{ExtensionIds, StreamExtensions};
use roomrtc_protocol::rtp::payload::PayloadFormat;
use roomrtc_protocol::rtp::receiver::{Medium, PictureFormat};
use roomrtc_protocol::rtp::sender::Rtx;
use roomrtc_protocol::srtp::{Contexts, Profile};
use tokio::sync::mpsc;

use super::*;
use crate::encoder::{ForceKeyframe, SetBitrate};
use crate::ice_agent::SendDatagrams;
use crate::playout::ClockMapping;
use crate::rtcp_reporter::{EncoderPorts, RtcpDatagrams, RtcpReporterSetup, wall_clock};
use crate::rtp_sender::{self, Gate, RtpSender, RtpSenderSetup, SendFrame};
use crate::sent_packets::SentPackets;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(10);
const ANA: u32 = 1;
const BEN: u32 = 2;
const VIDEO: u8 = 96;
const RTX: Rtx = Rtx {
    payload_type: 97,
    ssrc: 3,
};

const EXTENSIONS: StreamExtensions = StreamExtensions {
    ids: ExtensionIds {
        mid: None,
        abs_send_time: Some(2),
        transport_sequence: Some(3),
        abs_capture_time: Some(5),
    },
    mid: None,
};

#[derive(Debug)]
enum News {
    Frame(DecodeFrame),
    ForceKeyframe,
    Clock(ClockMapping),
    FirstPacket,
    Bitrate,
}

/// Takes what the actors under test tell others.
struct Ear(mpsc::UnboundedSender<News>);

impl Actor for Ear {
    type Context = Context<Self>;
}

macro_rules! hears {
    ($($message:ty => $news:expr;)*) => { $(
        impl Handler<$message> for Ear {
            type Result = ();

            fn handle(&mut self, message: $message, _: &mut Context<Self>) {
                let make: fn($message) -> News = $news;
                let _ = self.0.send(make(message));
            }
        }
    )* };
}

hears! {
    DecodeFrame => News::Frame;
    ForceKeyframe => |_| News::ForceKeyframe;
    ClockMapping => News::Clock;
    FirstPacket => |_| News::FirstPacket;
    SetBitrate => |_| News::Bitrate;
}

impl Handler<Down> for Ear {
    type Result = ();

    fn handle(&mut self, _: Down, _: &mut Context<Self>) {}
}

/// From Ana to Ben, or back. `loses` says which RTP packets vanish, by their number.
struct Wire {
    to_receiver: Option<Port<RtpDatagrams>>,
    to_reporter: Port<RtcpDatagrams>,
    loses: fn(u64) -> bool,
    count: u64,
}

impl Actor for Wire {
    type Context = Context<Self>;
}

impl Handler<SendDatagrams> for Wire {
    type Result = ();

    fn handle(&mut self, SendDatagrams(batch): SendDatagrams, _: &mut Context<Self>) {
        let (mut rtp, mut rtcp) = (vec![], vec![]);
        for data in batch {
            let received_at = now();
            match demux::classify(&data) {
                Kind::Rtcp => rtcp.push(Datagram { data, received_at }),
                _ => {
                    self.count += 1;
                    if !(self.loses)(self.count) {
                        rtp.push(Datagram { data, received_at });
                    }
                }
            }
        }
        if let (false, Some(receiver)) = (rtp.is_empty(), &self.to_receiver) {
            receiver.tell(RtpDatagrams(rtp));
        }
        if !rtcp.is_empty() {
            self.to_reporter.tell(RtcpDatagrams(rtcp));
        }
    }
}

/// Ana, who sends, and Ben, who receives.
struct Story {
    name: &'static str,
    sender: Addr<RtpSender>,
    keys: [Srtp; 2],
    counters: [Arc<Counters>; 2],
    bens_reporter: Addr<RtcpReporter>,
    news: mpsc::UnboundedReceiver<News>,
    sent: Vec<Bytes>,
}

impl Story {
    fn new(name: &'static str, loses: fn(u64) -> bool) -> Self {
        let (heard, news) = mpsc::unbounded_channel();
        let ear = start(&format!("{name}/ear"), move || Ear(heard.clone()));
        let sender = Addr::new(format!("{name}/sender"));
        let receiver = Addr::new(format!("{name}/receiver"));
        let reporters = ["ana", "ben"].map(|end| Addr::<RtcpReporter>::new(format!("{name}/{end}")));
        let keys = [Srtp::default(), Srtp::default()];
        let sent = SentPackets::default();
        let counters = [Arc::<Counters>::default(), Arc::default()];
        let there = wire(
            &format!("{name}/there"),
            Some(receiver.port()),
            reporters[1].port(),
            loses,
        );
        let back = wire(&format!("{name}/back"), None, reporters[0].port(), |_| false);

        let setup = sender_setup((&keys[0], &sent), &there, &reporters[0], &ear, &counters[0]);
        run(&format!("{name}/sender"), &sender, move || {
            RtpSender::new(setup.clone())
        });
        let setup = receiver_setup(&keys[1], &reporters[1], &ear, &counters[1]);
        run(&format!("{name}/receiver"), &receiver, move || {
            RtpReceiver::new(setup.clone())
        });
        for (at, (reporter, wire)) in reporters.iter().zip([&there, &back]).enumerate() {
            let setup = reporter_setup(at, (&keys[at], &sent), wire, &sender, &ear, &counters[at]);
            run(&format!("{name}/reporter{at}"), reporter, move || {
                RtcpReporter::new(setup.clone())
            });
        }
        let [_, bens_reporter] = reporters;
        Story {
            name,
            sender,
            keys,
            counters,
            bens_reporter,
            news,
            sent: vec![],
        }
    }

    fn with_keys(self) -> Self {
        for (at, keys) in self.keys.iter().enumerate() {
            keys.install(Contexts::new(Profile::AeadAes128Gcm, &[5; 56], at == 0).unwrap());
        }
        self
    }

    /// A VP8 frame.
    fn send(&mut self, key: bool, bytes: usize) {
        let mut data = vec![self.sent.len() as u8; bytes];
        data[0] = u8::from(!key);
        let data = Bytes::from(data);
        self.sent.push(data.clone());
        self.sender.tell(SendFrame {
            data,
            key,
            captured_at: Instant::now(),
        });
    }

    async fn hear<T>(&mut self, wanted: impl Fn(&News) -> Option<T>) -> T {
        let search = async {
            loop {
                if let Some(found) = wanted(&self.news.recv().await.expect("the ear is open")) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("in time")
    }

    /// The sender has handled so many messages.
    async fn handled(&self, count: u64) {
        let name = format!("{}/sender", self.name);
        let search = async {
            while !Directory::view()
                .iter()
                .any(|view| view.name == name && view.handled() >= count)
            {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, search).await.expect("in time")
    }

    async fn frame(&mut self) -> Bytes {
        self.hear(|news| match news {
            News::Frame(frame) => Some(frame.data.clone()),
            _ => None,
        })
        .await
    }
}

fn start<A: Actor<Context = Context<A>>>(
    name: &str,
    make: impl Fn() -> A + Send + Sync + 'static,
) -> Addr<A> {
    let addr = Addr::new(name);
    run(name, &addr, make);
    addr
}

/// Starts an actor under a supervisor of its own.
fn run<A: Actor<Context = Context<A>>>(
    name: &str,
    addr: &Addr<A>,
    make: impl Fn() -> A + Send + Sync + 'static,
) {
    let supervisor = Addr::new(format!("{name}/supervisor"));
    let nobody: Addr<Ear> = Addr::new(format!("{name}/end"));
    let intensity = Intensity {
        restarts: 3,
        period: PATIENCE,
    };
    let backoff = Backoff {
        first: Duration::ZERO,
        max: Duration::ZERO,
    };
    Supervisor::new(&supervisor, Strategy::OneForOne, intensity, backoff)
        .child(Spec::new(addr, &Arbiter::current(), make))
        .launch(&Arbiter::current(), nobody.port());
}

fn wire(
    name: &str,
    to_receiver: Option<Port<RtpDatagrams>>,
    to_reporter: Port<RtcpDatagrams>,
    loses: fn(u64) -> bool,
) -> Addr<Wire> {
    start(name, move || Wire {
        to_receiver: to_receiver.clone(),
        to_reporter: to_reporter.clone(),
        loses,
        count: 0,
    })
}

fn sender_setup(
    (srtp, sent): (&Srtp, &SentPackets),
    wire: &Addr<Wire>,
    reporter: &Addr<RtcpReporter>,
    encoder: &Addr<Ear>,
    counters: &Arc<Counters>,
) -> RtpSenderSetup {
    let stream = rtp_sender::Stream {
        format: PayloadFormat::Vp8,
        payload_type: VIDEO,
        ssrc: ANA,
        rtx: Some(RTX),
        extensions: EXTENSIONS,
    };
    RtpSenderSetup {
        kind: MediaKind::Video,
        settings: rtp_sender::settings(&RtpConfig::default(), stream, wall_clock()),
        gate: Gate::default(),
        srtp: srtp.clone(),
        sent: sent.clone(),
        keep: Keep::default(),
        ice: wire.port(),
        reporter: reporter.port(),
        key_frames: Some(encoder.port()),
        counters: counters.clone(),
        reel: None,
    }
}

fn receiver_setup(
    srtp: &Srtp,
    reporter: &Addr<RtcpReporter>,
    ear: &Addr<Ear>,
    counters: &Arc<Counters>,
) -> RtpReceiverSetup {
    let medium = Medium::Video {
        formats: vec![PictureFormat {
            codec: VideoCodec::Vp8,
            payload_type: VIDEO,
            rtx_payload_type: Some(RTX.payload_type),
        }],
        rtx_ssrc: Some(RTX.ssrc),
        limits: buffer_limits(&RtpConfig::default(), &RtcpConfig::default(), true),
    };
    RtpReceiverSetup {
        settings: ReceiverSettings {
            medium,
            ssrc: Some(ANA),
            extensions: EXTENSIONS,
            round_trip: Duration::from_millis(10),
        },
        srtp: srtp.clone(),
        keep: Keep::default(),
        sink: Sink::Video(ear.port()),
        reporter: reporter.into(),
        first_packet: ear.port(),
        counters: counters.clone(),
        reel: None,
    }
}

fn reporter_setup(
    at: usize,
    (srtp, sent): (&Srtp, &SentPackets),
    wire: &Addr<Wire>,
    sender: &Addr<RtpSender>,
    ear: &Addr<Ear>,
    counters: &Arc<Counters>,
) -> RtcpReporterSetup {
    let (local, remote) = if at == 0 { (ANA, BEN) } else { (BEN, ANA) };
    RtcpReporterSetup {
        settings: ReporterSettings {
            cname: "story".into(),
            streams: vec![StreamSettings::new(
                MediaKind::Video,
                PayloadFormat::Vp8,
                local,
                Some(remote),
            )],
            wall: wall_clock(),
            min_interval: Duration::from_millis(50),
            feedback_interval: Some(Duration::from_millis(20)),
            reduced_size: true,
            estimator: Default::default(),
            seed: u64::from(local),
        },
        srtp: srtp.clone(),
        sent: sent.clone(),
        keep: Keep::default(),
        ice: wire.port(),
        screen: None,
        encoder: (at == 0).then(|| EncoderPorts {
            key_frame: ear.port(),
            bitrate: ear.port(),
        }),
        expected_loss: None,
        resend: (at == 0).then(|| sender.port()),
        clocks: vec![ear.port()],
        counters: counters.clone(),
        reel: None,
    }
}

#[actix_rt::test]
async fn lost_packets_are_sent_again_and_every_frame_arrives_whole() {
    let mut story = Story::new("repair", |n| n % 7 == 3).with_keys();
    story.send(true, 30_000);
    for _ in 0..40 {
        story.send(false, 3000);
    }
    // Only a packet after it shows that one is lost, so the last frames may still wait.
    for n in 0..36 {
        assert_eq!(story.frame().await, story.sent[n], "frame {n}");
    }
    let [ana, ben] = &story.counters;
    assert!(ana.video_rtp.resent.now() > 10 && ben.video_rtp.nack.now() > 10);
    assert_eq!((ben.video_rtp.pli.now(), ben.video_rtp.refused.now()), (0, 0));
}

#[actix_rt::test]
async fn before_there_are_keys_nothing_leaves_and_then_a_key_frame_is_asked_for() {
    let mut story = Story::new("keys", |_| false);
    story.send(true, 1000);
    story.handled(1).await;
    let mut story = story.with_keys();
    story.send(false, 1000);
    story
        .hear(|news| matches!(news, News::ForceKeyframe).then_some(()))
        .await;
    story.send(true, 1000);
    story
        .hear(|news| matches!(news, News::FirstPacket).then_some(()))
        .await;
    let shown = story.frame().await;
    assert!(story.sent.iter().skip(1).any(|sent| *sent == shown) && shown[0] == 0);
}

#[actix_rt::test]
async fn a_sender_that_dies_goes_on_with_a_key_frame_and_no_number_twice() {
    let mut story = Story::new("life", |_| false).with_keys();
    Directory::allow_chaos(true);
    story.send(true, 5000);
    assert_eq!(story.frame().await, story.sent[0]);
    assert!(Directory::order("life/sender", Order::Panic));
    story.send(false, 5000);
    // Control mail waits for the next life; frames may be lost with the old one.
    let mut asked = false;
    while !asked {
        story.send(false, 5000);
        asked = tokio::time::timeout(Duration::from_millis(20), story.news.recv())
            .await
            .is_ok_and(|news| matches!(news, Some(News::ForceKeyframe)));
    }
    story.send(true, 5000);
    let last = story.sent.last().cloned();
    assert_eq!(Some(story.frame().await), last);
    let ben = &story.counters[1];
    assert_eq!(
        (
            ben.video_rtp.lost.now(),
            ben.video_rtp.pli.now(),
            ben.video_rtp.refused.now()
        ),
        (0, 0, 0)
    );
}

#[actix_rt::test]
async fn a_receiver_that_dies_asks_for_one_key_frame() {
    let mut story = Story::new("eyes", |_| false).with_keys();
    Directory::allow_chaos(true);
    story.send(true, 5000);
    story.frame().await;
    assert!(Directory::order("eyes/receiver", Order::Panic));
    let mut asked = false;
    while !asked {
        story.send(false, 5000);
        asked = tokio::time::timeout(Duration::from_millis(20), story.news.recv())
            .await
            .is_ok_and(|news| matches!(news, Some(News::ForceKeyframe)));
    }
    story.send(true, 5000);
    let last = story.sent.last().cloned();
    assert_eq!(Some(story.frame().await), last);
    assert_eq!(story.counters[1].video_rtp.pli.now(), 1);
}

#[actix_rt::test]
async fn reports_carry_the_clocks_the_round_trip_and_requests() {
    let mut story = Story::new("reports", |_| false).with_keys();
    story.send(true, 5000);
    let clock = story
        .hear(|news| match news {
            News::Clock(clock) => Some(*clock),
            _ => None,
        })
        .await;
    assert_eq!((clock.kind, clock.clock_rate), (MediaKind::Video, 90_000));
    story.bens_reporter.tell(RequestKeyframe {
        kind: MediaKind::Video,
    });
    story
        .hear(|news| matches!(news, News::ForceKeyframe).then_some(()))
        .await;
    let ana = story.counters[0].clone();
    let measured = async {
        while ana.round_trip().is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, measured).await.expect("in time");
    assert!(ana.round_trip().unwrap() < Duration::from_millis(50));
}

#[actix_rt::test]
async fn the_sender_hears_which_packets_came_also_of_a_sender_that_was_started_anew() {
    let mut story = Story::new("feedback", |_| false).with_keys();
    Directory::allow_chaos(true);
    let [ana, ben] = story.counters.clone();
    let heard = || async {
        let before = ana.transport.feedback_received.now();
        let told = async {
            while ana.transport.feedback_received.now() == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.expect("in time");
    };
    story.send(true, 20_000);
    heard().await;
    assert!(Directory::order("feedback/sender", Order::Panic));
    // What is still on its way is heard of once or twice.
    let enough = ana.transport.feedback_received.now() + 5;
    let heard_again = async {
        while ana.transport.feedback_received.now() < enough {
            story.send(true, 5_000);
            let _ = tokio::time::timeout(Duration::from_millis(20), story.news.recv()).await;
        }
    };
    tokio::time::timeout(PATIENCE, heard_again)
        .await
        .expect("in time");
    assert!(ben.transport.feedback_sent.now() >= ana.transport.feedback_received.now());
    assert_eq!(ana.transport.rtcp_refused.now(), 0);
}
