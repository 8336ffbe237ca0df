//! How fast the ICE agent selects a pair on the loopback interface, and how much it then carries.
//!
//! `cargo bench -p roomrtc-actors --bench path`. Two agents, each on a thread of its own; what one receives counts only
//! after it has crossed the actor's routing. The sender keeps a bounded number of datagrams under way, so none is lost
//! in the socket and the figure is what the path carries, not what one end can throw away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, Context, Handler};
use actix_rt::{Arbiter, ArbiterHandle, System};
use bytes::Bytes;
use roomrtc_actors::call_events::IceEvent;
use roomrtc_actors::counters::Counters;
use roomrtc_actors::dtls_session::DtlsDatagrams;
use roomrtc_actors::ice_agent::{
    AddRemoteCandidate, IceAgent, IceSetup, SendDatagrams, SetRemoteCredentials,
};
use roomrtc_actors::recorder::Recorder;
use roomrtc_actors::rtcp_reporter::RtcpDatagrams;
use roomrtc_actors::rtp_receiver::RtpDatagrams;
use roomrtc_kit::config::{Ice, Network};
use roomrtc_kit::{Addr, Backoff, Down, Intensity, Keep, Spec, Strategy, Supervisor};
use roomrtc_protocol::ice::IceCredentials;
use tokio::sync::mpsc;

const CONNECTIONS: usize = 20;
const DATAGRAM: usize = 1200;
/// Datagrams a message brings, as a burst of a data channel does.
const BATCH: usize = 64;
/// Datagrams on their way at most: 1.2 MB, less than a socket's buffer.
const UNDER_WAY: u64 = 1024;
const MEASURED: Duration = Duration::from_secs(3);

enum News {
    Event(IceEvent),
    Received(u64),
}

struct Listener(mpsc::UnboundedSender<News>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<IceEvent> for Listener {
    type Result = ();

    fn handle(&mut self, event: IceEvent, _: &mut Self::Context) {
        let _ = self.0.send(News::Event(event));
    }
}

impl Handler<DtlsDatagrams> for Listener {
    type Result = ();

    fn handle(&mut self, DtlsDatagrams(datagrams): DtlsDatagrams, _: &mut Self::Context) {
        let _ = self.0.send(News::Received(datagrams.len() as u64));
    }
}

impl Handler<RtpDatagrams> for Listener {
    type Result = ();

    fn handle(&mut self, _: RtpDatagrams, _: &mut Self::Context) {}
}

impl Handler<RtcpDatagrams> for Listener {
    type Result = ();

    fn handle(&mut self, _: RtcpDatagrams, _: &mut Self::Context) {}
}

impl Handler<Down> for Listener {
    type Result = ();

    fn handle(&mut self, _: Down, _: &mut Self::Context) {}
}

struct Peer {
    agent: Addr<IceAgent>,
    credentials: IceCredentials,
    counters: Arc<Counters>,
    news: mpsc::UnboundedReceiver<News>,
    tree: Addr<Supervisor>,
}

impl Peer {
    fn new(name: &str, controlling: bool, arbiter: &ArbiterHandle) -> Self {
        let (sender, news) = mpsc::unbounded_channel();
        let listener = Addr::<Listener>::new(format!("{name}/listener"));
        let setup = IceSetup {
            controlling,
            credentials: IceCredentials::generate(),
            network: Network {
                bind_addresses: vec![[127, 0, 0, 1].into()],
                ..Network::default()
            },
            ice: Ice::default(),
            ice_servers: Vec::new(),
            events: listener.port(),
            dtls: listener.port(),
            rtp_audio: listener.port(),
            rtp_video: listener.port(),
            rtp_screen: listener.port(),
            rtcp: listener.port(),
            sockets: Keep::default(),
            begun: Arc::default(),
            counters: Arc::default(),
            recorder: Recorder::default(),
        };
        let (credentials, counters) = (setup.credentials.clone(), setup.counters.clone());
        let agent = Addr::new(format!("{name}/ice_agent"));
        let tree = Addr::new(format!("{name}/supervisor"));
        let end: Addr<Listener> = Addr::new(format!("{name}/end"));
        let intensity = Intensity {
            restarts: 0,
            period: MEASURED,
        };
        let backoff = Backoff {
            first: Duration::ZERO,
            max: Duration::ZERO,
        };
        Supervisor::new(&tree, Strategy::OneForOne, intensity, backoff)
            .child(Spec::new(&listener, arbiter, move || Listener(sender.clone())))
            .child(Spec::new(&agent, arbiter, move || IceAgent::new(setup.clone())))
            .launch(arbiter, end.port());
        Peer {
            agent,
            credentials,
            counters,
            news,
            tree,
        }
    }

    fn meet(&self, other: &Peer) {
        let IceCredentials { ufrag, pwd } = other.credentials.clone();
        self.agent.tell(SetRemoteCredentials {
            ufrag,
            pwd,
            lite: false,
        });
    }

    /// Passes candidates on until a pair is selected.
    async fn connect(&mut self, other: &Addr<IceAgent>) {
        while let Some(news) = self.news.recv().await {
            match news {
                News::Event(IceEvent::LocalCandidate(candidate)) => {
                    other.tell(AddRemoteCandidate { candidate })
                }
                News::Event(IceEvent::Selected { .. }) => return,
                News::Event(_) | News::Received(_) => {}
            }
        }
    }
}

async fn connected(arbiters: &[ArbiterHandle; 2]) -> (Peer, Peer, Duration) {
    let (mut caller, mut callee) = (
        Peer::new("caller", true, &arbiters[0]),
        Peer::new("callee", false, &arbiters[1]),
    );
    let start = Instant::now();
    caller.meet(&callee);
    callee.meet(&caller);
    let agents = (caller.agent.clone(), callee.agent.clone());
    tokio::join!(caller.connect(&agents.1), callee.connect(&agents.0));
    let took = start.elapsed();
    (caller, callee, took)
}

async fn throughput(caller: &Peer, callee: &mut Peer) -> f64 {
    let mut record = vec![0; DATAGRAM];
    record[..2].copy_from_slice(&[22, 254]);
    let batch = vec![Bytes::from(record); BATCH];
    let (mut sent, mut received) = (0, 0);
    let start = Instant::now();
    while start.elapsed() < MEASURED {
        while sent - received < UNDER_WAY {
            caller.agent.tell(SendDatagrams(batch.clone()));
            sent += BATCH as u64;
        }
        if let Some(News::Received(count)) = callee.news.recv().await {
            received += count;
        }
    }
    received as f64 * DATAGRAM as f64 / start.elapsed().as_secs_f64() / 1e6
}

fn main() {
    System::new().block_on(async {
        let threads = [Arbiter::new(), Arbiter::new()];
        let arbiters = [threads[0].handle(), threads[1].handle()];
        let mut times = Vec::new();
        for _ in 0..CONNECTIONS {
            let (caller, callee, took) = connected(&arbiters).await;
            times.push(took);
            caller.tree.tell(roomrtc_kit::Shutdown);
            callee.tree.tell(roomrtc_kit::Shutdown);
        }
        times.sort();
        println!(
            "pair selected at both ends: median {:?}, worst {:?} of {CONNECTIONS}",
            times[CONNECTIONS / 2],
            times[CONNECTIONS - 1]
        );
        let (caller, mut callee, _) = connected(&arbiters).await;
        let rate = throughput(&caller, &mut callee).await;
        let dropped = callee.counters.transport.datagrams_dropped.now()
            + caller.counters.transport.datagrams_dropped.now();
        println!("{DATAGRAM}-byte datagrams, two threads: {rate:.0} MB/s, {dropped} dropped");
        System::current().stop();
    });
}
