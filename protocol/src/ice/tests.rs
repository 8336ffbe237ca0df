//! Two agents in virtual time over a seeded link.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use stun_proto::types::attribute::XorMappedAddress;
use stun_proto::types::message::{Message, MessageWrite, MessageWriteExt, MessageWriteVec};

use super::*;

mod link;
mod relayed;
mod tcp;

use link::{Flight, Link, Peer, Stream};

const STUN_SERVER: &str = "198.51.100.1:3478";
const OUTSIDE: &str = "203.0.113.9:61000";

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn on_a_good_path_a_pair_is_selected_within_10_ms() {
    let mut link = Link::new(1).connect();
    assert!(
        link.run(ms(10), Link::both_selected),
        "after {:?}",
        link.elapsed()
    );
    link.run_for(ms(100));
    for (index, peer) in link.peers.iter().enumerate() {
        let pair = peer.agent.selected().unwrap();
        assert_eq!(
            (pair.local, pair.remote),
            (peer.addresses[0], link.peers[1 - index].addresses[0])
        );
        assert_eq!(pair.kinds, "host/host");
        assert_eq!(peer.agent.rtt(), Some(Duration::from_micros(200)));
        assert_eq!(peer.agent.state(), State::Connected);
        let order = peer
            .heard
            .iter()
            .map(|(_, event)| std::mem::discriminant(event))
            .collect::<Vec<_>>();
        assert_eq!(
            order.len(),
            4,
            "candidate, gathered, checking, selected: {:?}",
            peer.heard
        );
    }
}

#[test]
fn a_pair_is_found_and_kept_though_a_fifth_of_the_packets_is_lost_and_others_overtake() {
    for seed in 0..30 {
        let mut link = Link::new(seed).loss(0.2).delay(ms(40), ms(60)).connect();
        assert!(
            link.run(Duration::from_secs(6), Link::both_selected),
            "seed {seed}"
        );
        link.run_for(Duration::from_secs(300));
        for peer in &link.peers {
            assert!(peer.agent.selected().is_some(), "seed {seed}: {:?}", peer.heard);
            assert_eq!(peer.heard(|event| *event == Event::Failed), None, "seed {seed}");
        }
    }
}

#[test]
fn a_peer_that_vanishes_is_disconnected_then_failed_and_nothing_more_is_sent_to_it() {
    let mut link = Link::new(2).connect();
    link.run_for(Duration::from_secs(60));
    link.down = true;
    let gone = link.elapsed();
    link.run_for(Duration::from_secs(31));
    for peer in &link.peers {
        let disconnected = peer.heard(|event| *event == Event::Disconnected).unwrap() - gone;
        let failed = peer.heard(|event| *event == Event::Failed).unwrap() - gone;
        assert!(
            disconnected <= Settings::default().disconnected_timeout,
            "{disconnected:?}"
        );
        assert!(
            failed > ms(24_000) && failed <= Settings::default().consent_timeout,
            "{failed:?}"
        );
        assert_eq!(peer.agent.selected(), None);
    }
    let sent = link.peers.each_ref().map(|peer| peer.sent);
    link.run_for(Duration::from_secs(120));
    assert_eq!(sent, link.peers.each_ref().map(|peer| peer.sent));
}

#[test]
fn a_short_outage_ends_in_the_same_pair() {
    let mut link = Link::new(3).connect();
    link.run_for(Duration::from_secs(10));
    let before = link.peers[0].agent.selected().unwrap().remote;
    link.down = true;
    link.run_for(Duration::from_secs(20));
    assert_eq!(link.peers[0].agent.state(), State::Disconnected);
    assert!(
        link.peers[0].agent.selected().is_some(),
        "consent has not expired"
    );
    link.down = false;
    link.run_for(Duration::from_millis(1_100));
    for peer in &link.peers {
        assert_eq!(peer.agent.state(), State::Connected);
        assert!(
            matches!(peer.heard.last(), Some((_, Event::Selected(_)))),
            "{:?}",
            peer.heard
        );
    }
    assert_eq!(link.peers[0].agent.selected().unwrap().remote, before);
}

#[test]
fn media_keeps_a_pair_connected_but_not_consented() {
    let mut link = Link::new(4).connect();
    link.run_for(Duration::from_secs(1));
    link.down = true;
    for _ in 0..29 {
        link.run_for(Duration::from_secs(1));
        let now = link.now;
        link.peers[0].agent.heard(now);
        assert_ne!(link.peers[0].agent.state(), State::Disconnected);
    }
    link.run_for(Duration::from_secs(3));
    assert_eq!(link.peers[0].agent.state(), State::Failed);
}

#[test]
fn with_a_wrong_password_no_pair_is_ever_selected() {
    let mut link = Link::new(5);
    let now = link.now;
    for index in 0..2 {
        let mut remote = link.peers[1 - index].credentials.clone();
        remote.pwd = IceCredentials::generate().pwd;
        let host = link.peers[index].addresses[0];
        link.peers[index].agent.add_host(now, host);
        link.peers[index]
            .agent
            .set_remote_credentials(now, remote)
            .unwrap();
    }
    link.run_for(Duration::from_secs(60));
    for peer in &link.peers {
        assert_eq!(peer.selected(), None);
        assert_eq!(
            peer.heard(|event| *event == Event::Failed),
            Some(Settings::default().checking_timeout)
        );
    }
}

#[test]
fn candidates_may_come_before_the_credentials_and_a_malformed_password_changes_nothing() {
    let mut link = Link::new(6);
    let now = link.now;
    for index in 0..2 {
        let host = link.peers[index].addresses[0];
        link.peers[index].agent.add_host(now, host);
    }
    link.run_for(ms(50));
    let bad = IceCredentials {
        ufrag: "abcd".into(),
        pwd: "short".into(),
    };
    assert_eq!(
        link.peers[0].agent.set_remote_credentials(now, bad),
        Err(CredentialsError::BadPwd)
    );
    assert_eq!(link.peers[0].agent.state(), State::New);
    let link = link.connect();
    assert!({ link }.run(ms(10), Link::both_selected));
}

#[test]
fn a_peer_whose_candidates_never_arrive_is_found_by_its_checks() {
    let mut link = Link::new(7).connect();
    // only the callee hears of the caller's candidate
    link.flights
        .retain(|(_, flight)| !matches!(flight, Flight::Candidate { to: 0, .. }));
    assert!(link.run(ms(50), Link::both_selected));
    assert_eq!(link.peers[0].agent.selected().unwrap().kinds, "host/prflx");
}

#[test]
fn two_controlling_agents_settle_who_is() {
    let mut link = Link::new(8);
    let agent = IceAgent::new(
        Settings::default(),
        link.peers[1].credentials.clone(),
        true,
        link.now,
    );
    link.peers[1].agent = agent;
    let mut link = link.connect();
    assert!(link.run(Duration::from_secs(2), Link::both_selected));
}

#[test]
fn who_only_answers_checks_is_found_by_the_other_whoever_offered() {
    for lite in [0, 1] {
        let mut link = Link::new(31);
        link.peers[lite].agent.be_lite();
        link.peers[1 - lite].agent.take_control();
        let mut link = link.connect();
        assert!(link.run(ms(2000), Link::both_selected), "{lite}");
    }
}

#[test]
fn of_several_interfaces_both_sides_settle_on_the_same_pair() {
    let mut link = Link::new(9);
    link.peers[0].addresses.push(address("[2001:db8::1]:5000"));
    link.peers[0].addresses.push(address("127.0.0.1:5001"));
    link.peers[1].addresses.push(address("[2001:db8::2]:6000"));
    link.peers[1].addresses.push(address("127.0.0.1:6001"));
    let mut link = link.connect();
    assert!(link.run(ms(10), Link::both_selected));
    link.run_for(Duration::from_secs(5));
    let [a, b] = link
        .peers
        .each_ref()
        .map(|peer| peer.agent.selected().unwrap().clone());
    assert_eq!((a.local, a.remote), (b.remote, b.local));
    assert_eq!(a.local, address("[2001:db8::1]:5000"), "RFC 8421: IPv6 first");
}

#[test]
fn a_stun_server_tells_the_address_outside() {
    let mut link = Link::new(10).loss(0.3);
    let (now, host) = (link.now, link.peers[0].addresses[0]);
    link.peers[0].agent.add_host(now, host);
    link.peers[0].agent.gather(now, &[address(STUN_SERVER)]);
    link.run_for(Duration::from_secs(4));
    let reflexive = link.peers[0].heard(|event| match event {
        Event::LocalCandidate(text) => text.contains("203.0.113.9 61000 typ srflx"),
        _ => false,
    });
    assert!(reflexive.is_some(), "{:?}", link.peers[0].heard);
    assert_eq!(link.peers[0].heard.last().unwrap().1, Event::GatheringComplete);
}

#[test]
fn a_restart_uses_the_old_pair_until_the_new_one_works() {
    let mut link = Link::new(11).connect();
    link.run_for(Duration::from_secs(5));
    let fresh = [0, 1].map(|_| IceCredentials::generate());
    let now = link.now;
    for (peer, ours) in link.peers.iter_mut().zip(&fresh) {
        peer.heard.clear();
        peer.agent.restart(now, ours.clone());
        assert!(peer.agent.selected().is_some());
    }
    for (peer, remote) in link.peers.iter_mut().zip(fresh.iter().rev()) {
        peer.agent.set_remote_credentials(now, remote.clone()).unwrap();
        assert_eq!(peer.agent.state(), State::Checking);
    }
    link.run_for(ms(50));
    for peer in &link.peers {
        assert!(peer.selected().is_some(), "{:?}", peer.heard);
        assert_eq!(peer.agent.state(), State::Connected);
    }
}

#[test]
fn the_peer_is_found_from_another_interface_without_a_word_of_signaling() {
    for mover in [0, 1] {
        let mut link = Link::new(13).connect();
        link.run_for(Duration::from_secs(5));
        let (now, old) = (link.now, link.peers[mover].addresses[0]);
        let new: SocketAddr = "10.9.0.9:4000".parse().unwrap();
        let moved = &mut link.peers[mover];
        moved.heard.clear();
        moved.agent.add_host(now, new);
        moved.agent.remove_host(now, old);
        moved.addresses = vec![new];
        link.run_for(ms(500));
        let moved = &link.peers[mover];
        assert_eq!(
            moved.agent.selected().map(|pair| pair.local),
            Some(new),
            "{:?}",
            moved.heard
        );
        let told = |wanted: &Event| moved.heard.iter().any(|(_, event)| event == wanted);
        assert!(told(&Event::Disconnected));
    }
}

#[test]
fn a_restart_on_another_interface_finds_the_peer_from_there() {
    let mut link = Link::new(12).connect();
    link.run_for(Duration::from_secs(5));
    let now = link.now;
    let (old, new): (SocketAddr, SocketAddr) = (link.peers[0].addresses[0], "10.9.0.9:4000".parse().unwrap());
    let fresh = [0, 1].map(|_| IceCredentials::generate());
    let moved = &mut link.peers[0];
    moved.heard.clear();
    moved.agent.remove_host(now, old);
    assert!(moved.agent.selected().is_none());
    moved.agent.add_host(now, new);
    moved.addresses = vec![new];
    for (peer, ours) in link.peers.iter_mut().zip(&fresh) {
        peer.agent.restart(now, ours.clone());
    }
    let told: Vec<_> = std::iter::from_fn(|| link.peers[0].agent.poll_output())
        .filter_map(|output| match output {
            Output::Event(Event::LocalCandidate(candidate)) => Some(candidate),
            _ => None,
        })
        .collect();
    assert!(
        told.iter().any(|candidate| candidate.contains("10.9.0.9 4000")),
        "{told:?}"
    );
    let last = told.last().unwrap();
    assert!(
        last.contains(&fresh[0].ufrag),
        "told again with the new credentials: {last}"
    );
    let before = old.ip().to_string();
    assert!(
        !told
            .iter()
            .any(|candidate| candidate.contains(&format!(" {before} "))),
        "{told:?}"
    );
    for (peer, remote) in link.peers.iter_mut().zip(fresh.iter().rev()) {
        peer.agent.set_remote_credentials(now, remote.clone()).unwrap();
    }
    let there = link.peers[1].addresses[0];
    let candidate = format!(
        "candidate:1 1 udp 2113937151 {} {} typ host",
        there.ip(),
        there.port()
    );
    link.peers[0].agent.add_remote_candidate(now, &candidate).unwrap();
    link.run_for(ms(200));
    assert_eq!(link.peers[0].agent.selected().unwrap().local, new);
    assert_eq!(link.peers[1].agent.selected().unwrap().remote, new);
}

#[test]
fn a_new_agent_takes_over_a_lost_ones_pair_and_the_peer_notices_nothing() {
    let mut link = Link::new(14).connect();
    link.run_for(Duration::from_secs(5));
    let (now, remote) = (link.now, link.peers[1].credentials.clone());
    let host = link.peers[0].addresses[0];
    let pair = link.peers[0].agent.selected().unwrap().clone();
    let mut agent = IceAgent::new(Settings::default(), link.peers[0].credentials.clone(), true, now);
    agent.adopt(now, pair.clone());
    agent.add_host(now, host);
    agent.set_remote_credentials(now, remote).unwrap();
    let candidate = format!(
        "candidate:1 1 udp 2113937151 {} {} typ host",
        pair.remote.ip(),
        pair.remote.port()
    );
    agent.add_remote_candidate(now, &candidate).unwrap();
    assert!(agent.selected().is_some() && agent.knows(pair.remote));
    link.peers[0].agent = agent;
    link.peers[1].heard.clear();
    link.run_for(Duration::from_secs(120));
    assert_eq!(link.peers[0].agent.state(), State::Connected);
    assert!(link.peers[1].heard.is_empty(), "{:?}", link.peers[1].heard);
}

#[test]
fn a_peer_cannot_make_us_remember_without_end() {
    let mut link = Link::new(12).connect();
    link.run_for(ms(50));
    let now = link.now;
    let results: Vec<_> = (0..100)
        .map(|n| {
            let text = format!("candidate:1 1 udp 2113937151 192.0.2.{} 5000 typ host", n + 100);
            link.peers[0].agent.add_remote_candidate(now, &text)
        })
        .collect();
    assert_eq!(results.last(), Some(&Err(CandidateError::TooMany)));
    assert!(
        results.iter().filter(|result| result.is_ok()).count() < Settings::default().max_remote_candidates
    );
}

#[test]
fn an_idle_agent_is_not_called_all_the_time() {
    let mut link = Link::new(13).connect();
    link.run_for(Duration::from_secs(5));
    let mut calls = 0;
    let end = link.now + Duration::from_secs(60);
    let agent = &mut link.peers[0].agent;
    while let Some(next) = agent.next_timeout().filter(|next| *next < end) {
        agent.handle_timeout(next);
        while agent.poll_output().is_some() {}
        calls += 1;
        assert!(calls < 100, "timer storm");
    }
}

/// An agent with its first check sent, and that check.
fn checking_agent() -> (IceAgent, Vec<u8>, Instant) {
    let start = Instant::now();
    let mut agent = IceAgent::new(Settings::default(), IceCredentials::generate(), true, start);
    agent.add_host(start, address("192.0.2.1:5000"));
    agent
        .set_remote_credentials(start, IceCredentials::generate())
        .unwrap();
    let _ = agent.add_remote_candidate(start, "candidate:1 1 udp 2113937151 192.0.2.2 6000 typ host");
    agent.handle_timeout(start + ms(50));
    let mut check = Vec::new();
    while let Some(output) = agent.poll_output() {
        if let Output::Transmit(transmit) = output {
            check = transmit.data;
        }
    }
    assert!(!check.is_empty());
    (agent, check, start + ms(50))
}

proptest! {
    #[test]
    fn random_bytes_are_ignored(data in prop::collection::vec(any::<u8>(), 0..200)) {
        let (mut agent, _, now) = checking_agent();
        prop_assert!(!agent.handle_input(now, Transport::Udp, address("192.0.2.1:5000"), address("192.0.2.2:6000"), &data));
        prop_assert_eq!(agent.poll_output(), None);
    }

    #[test]
    fn forged_stun_is_ignored(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
        fix_length in any::<bool>(),
    ) {
        let (mut agent, mut check, now) = checking_agent();
        for (index, byte) in changes {
            let at = index.index(check.len());
            check[at] = byte;
        }
        check.truncate(20 + cut.index(check.len() - 19));
        if fix_length {
            check.truncate(check.len() / 4 * 4);
            let length = u16::try_from(check.len() - 20).unwrap().to_be_bytes();
            check[2..4].copy_from_slice(&length);
        }
        prop_assert!(!agent.handle_input(now, Transport::Udp, address("192.0.2.1:5000"), address("192.0.2.2:6000"), &check));
        prop_assert_eq!(agent.selected(), None);
    }
}
