//! Streams instead of datagrams, for candidates over UDP get lost here.

use std::io::{Read, Write};
use std::net::TcpStream;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::*;

/// More than fit into a stream's queue.
const TOO_MANY: usize = 600;

fn over_tcp(candidate: String) -> Option<String> {
    candidate.contains(" tcp ").then_some(candidate)
}

fn pair_of(peer: &Peer) -> String {
    peer.setup.counters.transport.pair.now()
}

async fn connected_by_tcp() -> (Peer, Peer) {
    let (mut caller, mut callee) = (Peer::new("streaming", true), Peer::new("accepting", false));
    caller.meet(&callee);
    callee.meet(&caller);
    caller.connect_by(&callee, over_tcp).await;
    callee.connect_by(&caller, over_tcp).await;
    (caller, callee)
}

/// Where a peer listens.
async fn listener_of(peer: &mut Peer) -> SocketAddr {
    loop {
        if let News::Event(IceEvent::LocalCandidate(candidate)) = peer.next().await
            && candidate.contains("tcptype passive")
        {
            let port = candidate.split(' ').nth(5).unwrap();
            return SocketAddr::new("127.0.0.1".parse().unwrap(), port.parse().unwrap());
        }
    }
}

/// Says this to a listener; how long it takes until it has enough of us.
fn closed_after(listener: SocketAddr, words: Vec<u8>) -> Duration {
    let start = Instant::now();
    let mut stream = TcpStream::connect(listener).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&words).unwrap();
    // Closed, or reset because it has not read all of it.
    assert_eq!(stream.read(&mut [0; 100]).unwrap_or(0), 0);
    start.elapsed()
}

#[actix_rt::test]
async fn without_udp_two_agents_select_a_stream_and_each_datagram_finds_its_owner() {
    let (mut caller, mut callee) = connected_by_tcp().await;
    for peer in [&caller, &callee] {
        assert!(["host/host tcp", "host/prflx tcp"].contains(&pair_of(peer).as_str()));
    }
    let (dtls, audio) = (packet(22, 254), packet(0x80, OPUS));
    caller.send(&[dtls.clone(), audio.clone()]);
    let heard = callee.receive(2).await;
    assert!(heard.contains(&News::Dtls(vec![dtls])), "{heard:?}");
    assert!(heard.contains(&News::Audio(vec![audio.clone()])), "{heard:?}");
    callee.send(std::slice::from_ref(&audio));
    assert_eq!(caller.receive(1).await, [News::Audio(vec![audio])]);
}

#[actix_rt::test]
async fn with_udp_no_stream_is_opened() {
    let (caller, callee, _) = connected().await;
    tokio::time::sleep(caller.setup.ice.tcp_after() + Duration::from_millis(200)).await;
    for peer in [caller, callee] {
        assert!(!pair_of(&peer).contains("tcp"));
        let resume = peer.setup.sockets.get().unwrap();
        assert_eq!((resume.listeners.len(), resume.streams.len()), (1, 0));
    }
}

#[actix_rt::test]
async fn a_stream_that_is_full_drops_the_newest_and_counts_them() {
    let (caller, mut callee) = connected_by_tcp().await;
    let before = caller.setup.counters.transport.datagrams_dropped.now();
    caller.send(&vec![packet(0x80, OPUS); TOO_MANY]);
    caller.agent.ask(RoutePackets(Vec::new())).await.unwrap();
    let dropped = caller.setup.counters.transport.datagrams_dropped.now() - before;
    assert!((1..=100).contains(&dropped), "{dropped}");
    callee.receive(TOO_MANY - usize::try_from(dropped).unwrap()).await;
}

#[actix_rt::test]
async fn who_connects_and_is_not_the_peer_is_closed_and_counted() {
    let mut peer = Peer::new("scanned", true);
    let listener = listener_of(&mut peer).await;
    let say =
        |words: &'static [u8]| tokio::task::spawn_blocking(move || closed_after(listener, words.to_vec()));
    let at_once = say(b"\0\x10GET / HTTP/1.1\r\n").await.unwrap();
    assert!(at_once < Duration::from_secs(1), "{at_once:?}");
    let in_time = say(b"").await.unwrap();
    assert!(in_time < Duration::from_secs(7), "{in_time:?}");
    assert_eq!(peer.setup.counters.transport.streams_refused.now(), 2);
    assert!(peer.setup.sockets.get().unwrap().streams.is_empty());
}

#[actix_rt::test]
async fn no_more_streams_are_taken_than_there_is_room_for() {
    let mut peer = Peer::new("crowded", true);
    let listener = listener_of(&mut peer).await;
    let crowd: Vec<_> = (0..20).map(|_| TcpStream::connect(listener).unwrap()).collect();
    let refused = &peer.setup.counters.transport.streams_refused;
    while refused.now() < 4 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(peer.setup.sockets.get().unwrap().streams.len(), 16);
    drop(crowd);
}

#[actix_rt::test]
async fn a_crash_keeps_the_stream_and_the_peer_notices_nothing() {
    let (mut caller, mut callee) = connected_by_tcp().await;
    Directory::allow_chaos(true);
    assert!(Directory::order("streaming/ice_agent", Order::Panic));
    let routes = || RoutePackets(vec![route(MediaKind::Audio, OPUS)]);
    while caller.agent.ask(routes()).await.is_err() {}
    let media = packet(0x80, OPUS);
    callee.send(std::slice::from_ref(&media));
    assert_eq!(caller.receive(1).await, [News::Audio(vec![media.clone()])]);
    caller.send(std::slice::from_ref(&media));
    assert_eq!(callee.receive(1).await, [News::Audio(vec![media])]);
    assert!(callee.news.try_recv().is_err(), "the peer heard of it");
}

/// Passes streams on to wherever the peer listens, until it is told to end them.
async fn middlebox(ends: watch::Receiver<()>) -> (SocketAddr, watch::Sender<SocketAddr>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (destination, target) = watch::channel(address);
    actix_rt::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let to = *target.borrow();
            let mut ends = ends.clone();
            actix_rt::spawn(async move {
                ends.mark_unchanged();
                let mut to = tokio::net::TcpStream::connect(to).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut from, &mut to) => {}
                    _ = ends.changed() => {}
                }
            });
        }
    });
    (address, destination)
}

#[actix_rt::test]
async fn when_the_stream_ends_the_path_is_interrupted_and_a_restart_opens_another() {
    let (mut caller, mut callee) = (Peer::new("cut", true), Peer::new("cut off", false));
    let (cut, ends) = watch::channel(());
    let (address, destination) = middlebox(ends).await;
    destination.send(listener_of(&mut callee).await).unwrap();
    let by_way_of_it = || AddRemoteCandidate {
        candidate: format!(
            "candidate:1 1 tcp 1518280447 127.0.0.1 {} typ host tcptype passive",
            address.port()
        ),
    };
    caller.meet(&callee);
    callee.meet(&caller);
    caller.agent.tell(by_way_of_it());
    caller.connect_by(&callee, |_| None).await;
    callee.connect_by(&caller, |_| None).await;

    cut.send(()).unwrap();
    for peer in [&mut caller, &mut callee] {
        assert_eq!(peer.next().await, News::Event(IceEvent::Disconnected));
    }
    for peer in [&mut caller, &mut callee] {
        peer.setup.credentials = IceCredentials::generate();
        peer.agent.tell(RestartIce(peer.setup.credentials.clone()));
    }
    caller.meet(&callee);
    callee.meet(&caller);
    caller.agent.tell(by_way_of_it());
    caller.connect_by(&callee, |_| None).await;
    callee.connect_by(&caller, |_| None).await;
    let media = packet(0x80, OPUS);
    callee.send(std::slice::from_ref(&media));
    assert_eq!(caller.receive(1).await, [News::Audio(vec![media])]);
}
