//! Two agents over real sockets on the loopback interface.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use actix_rt::Arbiter;
use roomrtc_kit::{Addr, Backoff, Directory, Down, Intensity, Order, Spec, Strategy, Supervisor};
use roomrtc_protocol::MediaKind;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::sending::MAX_EARLY;
use super::*;
use crate::Datagram;

mod tcp;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(10);
const OPUS: u8 = 111;
const VP8: u8 = 96;

/// What one end heard, in order.
#[derive(Debug, PartialEq)]
enum News {
    Event(IceEvent),
    Dtls(Vec<Bytes>),
    Audio(Vec<Bytes>),
    Video(Vec<Bytes>),
    Rtcp(Vec<Bytes>),
}

struct Listener {
    medium: MediaKind,
    news: mpsc::UnboundedSender<News>,
}

impl Actor for Listener {
    type Context = Context<Self>;
}

fn payloads(datagrams: Vec<Datagram>) -> Vec<Bytes> {
    datagrams.into_iter().map(|datagram| datagram.data).collect()
}

impl Handler<IceEvent> for Listener {
    type Result = ();

    fn handle(&mut self, event: IceEvent, _: &mut Self::Context) {
        let _ = self.news.send(News::Event(event));
    }
}

impl Handler<DtlsDatagrams> for Listener {
    type Result = ();

    fn handle(&mut self, DtlsDatagrams(datagrams): DtlsDatagrams, _: &mut Self::Context) {
        let _ = self.news.send(News::Dtls(datagrams));
    }
}

impl Handler<RtpDatagrams> for Listener {
    type Result = ();

    fn handle(&mut self, RtpDatagrams(datagrams): RtpDatagrams, _: &mut Self::Context) {
        let datagrams = payloads(datagrams);
        let _ = self.news.send(match self.medium {
            MediaKind::Audio => News::Audio(datagrams),
            MediaKind::Video | MediaKind::Screen => News::Video(datagrams),
        });
    }
}

impl Handler<RtcpDatagrams> for Listener {
    type Result = ();

    fn handle(&mut self, RtcpDatagrams(datagrams): RtcpDatagrams, _: &mut Self::Context) {
        let _ = self.news.send(News::Rtcp(payloads(datagrams)));
    }
}

impl Handler<Down> for Listener {
    type Result = ();

    fn handle(&mut self, _: Down, _: &mut Self::Context) {}
}

/// Starts an actor under a supervisor of its own, which restarts it once.
fn grow<A: Actor<Context = Context<A>>>(
    name: &str,
    addr: &Addr<A>,
    make: impl Fn() -> A + Send + Sync + 'static,
) {
    let me = Addr::new(format!("{name}/supervisor"));
    let intensity = Intensity {
        restarts: 1,
        period: PATIENCE,
    };
    let backoff = Backoff {
        first: Duration::ZERO,
        max: Duration::ZERO,
    };
    let end: Addr<Listener> = Addr::new(format!("{name}/end"));
    Supervisor::new(&me, Strategy::OneForOne, intensity, backoff)
        .child(Spec::new(addr, &Arbiter::current(), make))
        .launch(&Arbiter::current(), end.port());
}

fn route(kind: MediaKind, payload_type: u8) -> Route {
    Route {
        kind,
        payload_types: vec![payload_type],
        streams: Vec::new(),
        extensions: Default::default(),
    }
}

struct Peer {
    setup: IceSetup,
    agent: Addr<IceAgent>,
    news: mpsc::UnboundedReceiver<News>,
}

impl Peer {
    fn new(name: &str, controlling: bool) -> Self {
        let (sender, news) = mpsc::unbounded_channel();
        let listener = |medium: MediaKind| {
            let addr = Addr::<Listener>::new(format!("{name}/{medium:?}"));
            let news = sender.clone();
            grow(&format!("{name}/{medium:?}"), &addr, move || Listener {
                medium,
                news: news.clone(),
            });
            addr
        };
        let (audio, video) = (listener(MediaKind::Audio), listener(MediaKind::Video));
        let setup = IceSetup {
            controlling,
            credentials: IceCredentials::generate(),
            network: Network {
                bind_addresses: vec!["127.0.0.1".parse().unwrap()],
                ..Network::default()
            },
            ice: Ice::default(),
            ice_servers: Vec::new(),
            events: audio.port(),
            dtls: audio.port(),
            rtp_audio: audio.port(),
            rtp_video: video.port(),
            rtp_screen: video.port(),
            rtcp: audio.port(),
            sockets: Keep::default(),
            begun: Arc::default(),
            counters: Arc::default(),
            recorder: Recorder::default(),
        };
        let agent = Addr::new(format!("{name}/ice_agent"));
        let recipe = setup.clone();
        grow(name, &agent, move || IceAgent::new(recipe.clone()));
        agent.tell(RoutePackets(vec![
            route(MediaKind::Audio, OPUS),
            route(MediaKind::Video, VP8),
        ]));
        Peer { setup, agent, news }
    }

    async fn next(&mut self) -> News {
        timeout(PATIENCE, self.news.recv())
            .await
            .expect("in time")
            .unwrap()
    }

    fn meet(&self, other: &Peer) {
        let IceCredentials { ufrag, pwd } = other.setup.credentials.clone();
        self.agent.tell(SetRemoteCredentials {
            ufrag,
            pwd,
            lite: false,
        });
    }

    fn send(&self, datagrams: &[Bytes]) {
        self.agent.tell(SendDatagrams(datagrams.to_vec()));
    }

    /// Passes candidates on until a pair is selected.
    async fn connect(&mut self, other: &Peer) -> (String, String) {
        self.connect_by(other, Some).await
    }

    /// The same, with what becomes of the candidates on the way.
    async fn connect_by(
        &mut self,
        other: &Peer,
        pass: impl Fn(String) -> Option<String>,
    ) -> (String, String) {
        loop {
            match self.next().await {
                News::Event(IceEvent::LocalCandidate(candidate)) => {
                    if let Some(candidate) = pass(candidate) {
                        other.agent.tell(AddRemoteCandidate { candidate });
                    }
                }
                News::Event(IceEvent::Selected { local, remote, .. }) => return (local, remote),
                News::Event(IceEvent::GatheringComplete | IceEvent::Checking) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next datagrams of one kind, however the kernel batched them.
    async fn receive(&mut self, count: usize) -> Vec<News> {
        let mut all: Vec<News> = Vec::new();
        let mut left = count;
        while left > 0 {
            let news = self.next().await;
            left -= match &news {
                News::Event(_) => continue,
                News::Dtls(some) | News::Audio(some) | News::Video(some) | News::Rtcp(some) => some.len(),
            };
            all.push(news);
        }
        all
    }
}

async fn connected() -> (Peer, Peer, Duration) {
    let (mut caller, mut callee) = (Peer::new("caller", true), Peer::new("callee", false));
    let start = Instant::now();
    caller.meet(&callee);
    callee.meet(&caller);
    let (ours, theirs) = (caller.connect(&callee).await, callee.connect(&caller).await);
    assert_eq!((&ours.0, &ours.1), (&theirs.1, &theirs.0));
    (caller, callee, start.elapsed())
}

fn packet(first: u8, second: u8) -> Bytes {
    let mut bytes = vec![7; 40];
    (bytes[0], bytes[1]) = (first, second);
    Bytes::from(bytes)
}

#[actix_rt::test]
async fn two_agents_select_a_pair_and_each_datagram_finds_its_owner() {
    let (caller, mut callee, took) = connected().await;
    println!("selected at both ends after {took:?}");
    let (dtls, rtcp) = (packet(22, 254), packet(0x80, 200));
    let (audio, video, unknown) = (packet(0x80, OPUS), packet(0x80, 0x80 | VP8), packet(0x80, 100));
    caller.send(&[dtls.clone(), unknown, audio.clone(), rtcp.clone(), video.clone()]);
    let heard = callee.receive(4).await;
    assert!(heard.contains(&News::Dtls(vec![dtls])), "{heard:?}");
    assert!(heard.contains(&News::Audio(vec![audio])), "{heard:?}");
    assert!(heard.contains(&News::Video(vec![video])), "{heard:?}");
    assert!(heard.contains(&News::Rtcp(vec![rtcp])), "{heard:?}");
    assert_eq!(caller.setup.counters.transport.datagrams_sent.now(), 5);
    assert_eq!(callee.setup.counters.transport.datagrams_dropped.now(), 1);
    assert!(!caller.setup.counters.transport.remote.now().is_empty());
}

#[actix_rt::test]
async fn before_a_pair_is_selected_the_newest_datagrams_wait_and_older_ones_are_counted() {
    let mut caller = Peer::new("lonely", true);
    caller.send(&vec![packet(22, 254); MAX_EARLY + 2]);
    loop {
        if caller.next().await == News::Event(IceEvent::GatheringComplete) {
            break;
        }
    }
    caller.agent.ask(RoutePackets(Vec::new())).await.unwrap();
    assert_eq!(caller.setup.counters.transport.datagrams_dropped.now(), 2);
}

#[actix_rt::test]
async fn a_stranger_is_not_listened_to() {
    let (caller, mut callee, _) = connected().await;
    let target = callee.setup.counters.transport.local.now();
    let stranger = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.send_to(&packet(22, 254), &target).unwrap();
    stranger.send_to(&packet(0, 1), &target).unwrap();
    let media = packet(0x80, OPUS);
    caller.send(std::slice::from_ref(&media));
    assert_eq!(callee.receive(1).await, [News::Audio(vec![media])]);
    assert_eq!(callee.setup.counters.transport.datagrams_dropped.now(), 2);
}

#[actix_rt::test]
async fn a_burst_arrives_whole_and_in_order() {
    const BURST: u32 = 2_000;
    let (caller, mut callee, _) = connected().await;
    let burst: Vec<Bytes> = (0..BURST)
        .map(|n| {
            let mut bytes = vec![0; 1200];
            bytes[..2].copy_from_slice(&[22, 254]);
            bytes[2..6].copy_from_slice(&n.to_be_bytes());
            Bytes::from(bytes)
        })
        .collect();
    for part in burst.chunks(100) {
        caller.send(part);
    }
    let heard = callee.receive(burst.len()).await;
    let received: Vec<Bytes> = heard
        .into_iter()
        .flat_map(|news| match news {
            News::Dtls(datagrams) => datagrams,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(received, burst);
}

#[actix_rt::test]
async fn a_crash_keeps_sockets_and_path_and_the_peer_notices_nothing() {
    let (mut caller, mut callee) = (Peer::new("crashing", true), Peer::new("watching", false));
    caller.meet(&callee);
    callee.meet(&caller);
    caller.connect(&callee).await;
    callee.connect(&caller).await;
    Directory::allow_chaos(true);
    assert!(Directory::order("crashing/ice_agent", Order::Panic));
    // Control mail waits for the next life; the answer says that it has begun.
    while caller
        .agent
        .ask(RoutePackets(vec![route(MediaKind::Audio, OPUS)]))
        .await
        .is_err()
    {}
    let media = packet(0x80, OPUS);
    callee.send(std::slice::from_ref(&media));
    assert_eq!(caller.receive(1).await, [News::Audio(vec![media.clone()])]);
    caller.send(std::slice::from_ref(&media));
    assert_eq!(callee.receive(1).await, [News::Audio(vec![media])]);
    assert!(callee.news.try_recv().is_err(), "the peer heard of it");
}
