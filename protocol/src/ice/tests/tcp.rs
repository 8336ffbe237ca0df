//! Where UDP does not get through.

use super::*;

const LISTENERS: [&str; 2] = ["192.0.2.1:7001", "192.0.2.2:7002"];

/// Two peers who listen for streams.
fn listening(seed: u64) -> Link {
    let mut link = Link::new(seed);
    for (peer, listener) in link.peers.iter_mut().zip(LISTENERS) {
        peer.listeners.push(address(listener));
    }
    link
}

fn without_udp(seed: u64) -> Link {
    let mut link = listening(seed);
    link.udp_blocked = true;
    link.connect()
}

fn selections(peer: &Peer) -> Vec<&str> {
    let told = peer.heard.iter().filter_map(|(_, event)| match event {
        Event::Selected(pair) => Some(pair.kinds.as_str()),
        _ => None,
    });
    told.collect()
}

/// Both send over one stream, each naming its ends as it knows them.
fn both_are_at_one_stream(link: &Link) -> bool {
    let [a, b] = link.peers.each_ref().map(|peer| {
        let pair = peer.agent.selected().unwrap();
        assert_eq!(pair.transport, Transport::Stream);
        (pair.local, pair.remote)
    });
    link.streams.iter().any(|stream| {
        let ends = [(stream.active, stream.passive), (stream.passive, stream.port)];
        ends == [a, b] || ends == [b, a]
    })
}

/// Both start over, with the candidates they are told.
fn restart(link: &mut Link) {
    let fresh = [0, 1].map(|_| IceCredentials::generate());
    let now = link.now;
    link.flights.clear();
    for (peer, ours) in link.peers.iter_mut().zip(&fresh) {
        peer.heard.clear();
        peer.agent.restart(now, ours.clone());
    }
    for (peer, theirs) in link.peers.iter_mut().zip(fresh.iter().rev()) {
        peer.agent.set_remote_credentials(now, theirs.clone()).unwrap();
    }
}

#[test]
fn where_udp_is_blocked_both_settle_on_one_stream_when_udp_had_its_time() {
    let mut link = without_udp(40);
    let due = Settings::default().tcp_after.unwrap();
    assert!(!link.run(due - ms(1), Link::both_selected));
    assert!(link.streams.is_empty(), "nothing is opened before");
    assert!(link.run(ms(1 + 300), Link::both_selected), "{:?}", link.elapsed());
    link.run_for(Duration::from_secs(60));
    assert!(both_are_at_one_stream(&link));
    for peer in &link.peers {
        assert_eq!(peer.agent.state(), State::Connected);
        let kinds = &peer.agent.selected().unwrap().kinds;
        assert!(
            ["host/host tcp", "host/prflx tcp"].contains(&kinds.as_str()),
            "{kinds}"
        );
    }
}

#[test]
fn tcp_waits_for_names_to_be_found_and_for_what_the_last_address_is_worth() {
    let opens = |names_awaited: bool, told: Option<Duration>| {
        let mut link = without_udp(43);
        for peer in &mut link.peers {
            peer.agent.await_names(names_awaited);
        }
        if let Some(told) = told {
            link.run_for(told);
            let (now, text) = (link.now, "candidate:1 1 udp 2113937151 192.0.2.9 5000 typ host");
            for peer in &mut link.peers {
                peer.agent.await_names(false);
                peer.agent.add_remote_candidate(now, text).unwrap();
            }
        }
        assert!(link.run(Duration::from_secs(5), |link| !link.streams.is_empty()));
        link.elapsed()
    };
    let near = |found: Duration, wanted: u64| (ms(wanted)..ms(wanted + 10)).contains(&found);
    assert!(near(opens(false, None), 500));
    assert!(near(opens(true, None), 2000), "{:?}", opens(true, None));
    assert!(near(opens(true, Some(ms(1200))), 1700));
}

#[test]
fn a_stream_is_opened_from_active_to_passive_and_from_nowhere_else() {
    let mut link = without_udp(41);
    link.run_for(Duration::from_secs(5));
    let mut opened: Vec<_> = link
        .streams
        .iter()
        .map(|stream| (stream.active, stream.passive))
        .collect();
    opened.sort();
    let [ours, theirs] = LISTENERS.map(address);
    let wanted =
        [(ours, theirs), (theirs, ours)].map(|(from, to)| (SocketAddr::new(from.ip(), ANY_PORT), to));
    assert_eq!(opened, wanted);
    let told: Vec<_> = link.peers[0]
        .heard
        .iter()
        .map(|(_, event)| format!("{event:?}"))
        .collect();
    let tells = |text: &str| told.iter().any(|event| event.contains(text));
    assert!(tells(" tcp 15"), "type preference 90: {told:?}");
    assert!(tells("192.0.2.1 7001 typ host tcptype passive"), "{told:?}");
    assert!(tells("192.0.2.1 9 typ host tcptype active"), "{told:?}");
}

#[test]
fn what_cannot_be_connected_to_is_not_checked() {
    let mut link = without_udp(42);
    let now = link.now;
    let agent = &mut link.peers[0].agent;
    let mut add = |tcptype: &str| {
        let text = format!("candidate:1 1 tcp 1518280447 192.0.2.7 9 typ host{tcptype}");
        agent.add_remote_candidate(now, &text)
    };
    assert_eq!(add(" tcptype active"), Ok(None));
    assert_eq!(add(" tcptype so"), Err(CandidateError::OtherTransport));
    assert_eq!(add(""), Err(CandidateError::OtherTransport));
    link.run_for(Duration::from_secs(5));
    assert!(!link.peers[0].agent.knows(address("192.0.2.7:9")));
}

#[test]
fn a_call_over_udp_opens_no_stream_and_selects_once() {
    for seed in 43..60 {
        let mut link = listening(seed).delay(ms(40), ms(20)).connect();
        assert!(link.run(ms(250), Link::both_selected), "seed {seed}");
        link.run_for(Duration::from_secs(30));
        assert!(link.streams.is_empty());
        for peer in &link.peers {
            assert_eq!(selections(peer), ["host/host"], "seed {seed}");
        }
    }
}

#[test]
fn when_udp_gets_through_after_all_it_is_used() {
    let mut link = without_udp(60);
    link.run_for(Duration::from_secs(1));
    assert!(both_are_at_one_stream(&link));
    link.udp_blocked = false;
    link.run_for(Duration::from_secs(15));
    for peer in &link.peers {
        let pair = peer.agent.selected().unwrap();
        assert_eq!(
            (pair.transport, pair.kinds.as_str()),
            (Transport::Udp, "host/host")
        );
    }
}

#[test]
fn when_the_selected_stream_ends_the_other_one_is_used() {
    let mut link = without_udp(61);
    link.run_for(Duration::from_secs(2));
    let first = link.peers[0].agent.selected().unwrap().clone();
    let over_it = |stream: &Stream| {
        [stream.active, stream.passive].contains(&first.local)
            && [stream.port, stream.passive].contains(&first.remote)
    };
    let index = link.streams.iter().position(over_it).unwrap();
    let gone = link.streams.remove(index);
    let now = link.now;
    for peer in &mut link.peers {
        peer.heard.clear();
        peer.agent.remove_stream(now, gone.active, gone.passive);
        peer.agent.remove_stream(now, gone.passive, gone.port);
    }
    assert!(link.run(Duration::from_secs(7), Link::both_selected));
    assert!(both_are_at_one_stream(&link));
    assert!(
        link.peers[0]
            .heard(|event| *event == Event::Disconnected)
            .is_some()
    );
}

#[test]
fn when_every_stream_has_ended_a_restart_opens_others() {
    let mut link = without_udp(62);
    link.run_for(Duration::from_secs(2));
    let now = link.now;
    for gone in std::mem::take(&mut link.streams) {
        for peer in &mut link.peers {
            peer.agent.remove_stream(now, gone.active, gone.passive);
            peer.agent.remove_stream(now, gone.passive, gone.port);
        }
    }
    for peer in &link.peers {
        assert_eq!(
            (peer.agent.state(), peer.agent.selected()),
            (State::Checking, None)
        );
    }
    link.run_for(ms(500));
    restart(&mut link);
    assert!(link.run(Duration::from_secs(2), Link::both_selected));
    link.run_for(Duration::from_secs(1));
    assert!(both_are_at_one_stream(&link));
}

#[test]
fn a_restart_goes_over_the_streams_there_are_and_interrupts_nothing() {
    let mut link = without_udp(63);
    link.run_for(Duration::from_secs(2));
    let streams = link.streams.len();
    restart(&mut link);
    link.run(Duration::from_secs(3), |link| {
        assert!(link.both_selected());
        false
    });
    assert_eq!(link.streams.len(), streams);
    for peer in &link.peers {
        assert_eq!(peer.agent.state(), State::Connected);
        assert!(peer.selected().is_some(), "{:?}", peer.heard);
    }
}

#[test]
fn without_its_listener_an_interface_has_no_streams() {
    let mut link = without_udp(64);
    link.run_for(Duration::from_secs(2));
    let now = link.now;
    let agent = &mut link.peers[0].agent;
    agent.remove_listener(now, address(LISTENERS[0]));
    assert_eq!((agent.state(), agent.selected()), (State::Checking, None));
    agent.restart(now, IceCredentials::generate());
    let told = std::iter::from_fn(|| agent.poll_output()).map(|output| format!("{output:?}"));
    assert_eq!(told.filter(|output| output.contains("tcptype")).count(), 0);
}

#[test]
fn who_does_not_want_streams_neither_tells_nor_takes_candidates_for_them() {
    let never = Settings {
        tcp_after: None,
        ..Settings::default()
    };
    let relay_only = Settings {
        relay_only: true,
        ..Settings::default()
    };
    for settings in [never, relay_only] {
        let now = Instant::now();
        let mut agent = IceAgent::new(settings, IceCredentials::generate(), true, now);
        agent.add_listener(now, address(LISTENERS[0]));
        assert_eq!(agent.poll_output(), None);
        let text = "candidate:1 1 tcp 1518280447 192.0.2.7 7000 typ host tcptype passive";
        assert_eq!(
            agent.add_remote_candidate(now, text),
            Err(CandidateError::OtherTransport)
        );
    }
}
