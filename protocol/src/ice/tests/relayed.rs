//! Relayed candidates in an agent. To it a relay is one more address; the way through the server is `relay`'s.

use super::*;

const RELAYED: &str = "198.51.100.1:49200";

/// Two peers of whom the first has a relay too, and wants to be seen by it alone or not.
fn connect(relay_only: bool) -> Link {
    let mut link = Link::new(21);
    let settings = Settings {
        relay_only,
        ..Settings::default()
    };
    let first = &mut link.peers[0];
    first.agent = IceAgent::new(settings, first.credentials.clone(), true, link.start);
    first.addresses.push(address(RELAYED));
    let now = link.now;
    first.agent.await_relays(now, true);
    let mut link = link.connect();
    link.run_for(ms(5));
    let first = &mut link.peers[0].agent;
    first.add_relayed(link.now, address(RELAYED), address("192.0.2.1:5000"));
    first.await_relays(link.now, false);
    link
}

fn candidates(peer: &Peer) -> Vec<&str> {
    let told = peer.heard.iter().filter_map(|(_, event)| match event {
        Event::LocalCandidate(text) => Some(text.as_str()),
        Event::GatheringComplete
        | Event::Checking
        | Event::Selected(_)
        | Event::Disconnected
        | Event::Failed => None,
    });
    told.collect()
}

#[test]
fn who_wants_to_be_seen_by_its_relay_alone_is() {
    let mut link = connect(true);
    assert!(link.run(ms(2000), Link::both_selected));
    let told = candidates(&link.peers[0]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("198.51.100.1 49200 typ relay"), "{told:?}");
    assert!(!told[0].contains("192.0.2.1"), "{told:?}");
    let pair = link.peers[0].agent.selected().unwrap();
    assert_eq!(
        (pair.local, pair.kinds.as_str()),
        (address(RELAYED), "relay/host")
    );
    assert_eq!(link.peers[1].agent.selected().unwrap().remote, address(RELAYED));

    // Whoever checks the address behind it gets no answer.
    let sent = link.peers[0].sent;
    let stray = vec![0; 20];
    let (now, host) = (link.now, address("192.0.2.1:5000"));
    let first = &mut link.peers[0];
    assert!(
        !first
            .agent
            .handle_input(now, Transport::Udp, host, address("192.0.2.2:6000"), &stray)
    );
    assert_eq!(first.sent, sent);
}

#[test]
fn a_relay_is_only_used_where_nothing_else_works() {
    let mut link = connect(false);
    link.run_for(ms(2000));
    let pair = link.peers[0].agent.selected().unwrap();
    assert_eq!(pair.kinds, "host/host");
    assert_eq!(candidates(&link.peers[0]).len(), 2);
}

#[test]
fn gathering_is_complete_when_the_last_relay_has_answered() {
    let mut link = connect(true);
    let complete = |link: &Link| link.peers[0].heard(|event| *event == Event::GatheringComplete);
    assert_eq!(complete(&link), None);
    link.run_for(ms(1));
    assert_eq!(complete(&link), Some(ms(5)));

    let start = Instant::now();
    let mut agent = IceAgent::new(Settings::default(), IceCredentials::generate(), true, start);
    agent.await_relays(start, true);
    agent.gather(start, &[]);
    let due = agent.next_timeout().unwrap();
    assert_eq!(due, start + Settings::default().gathering_timeout);
    agent.handle_timeout(due);
    let told: Vec<_> = std::iter::from_fn(|| agent.poll_output()).collect();
    assert_eq!(
        told,
        [Output::Event(Event::GatheringComplete)],
        "a server is silent"
    );
}

#[test]
fn a_lost_relay_interrupts_until_another_one_is_there() {
    const OTHER: &str = "198.51.100.1:49300";
    let mut link = connect(true);
    assert!(link.run(ms(2000), Link::both_selected));
    link.peers[0].addresses.push(address(OTHER));
    let now = link.now;
    let first = &mut link.peers[0].agent;
    first.remove_relayed(now, address(RELAYED));
    assert_eq!(first.selected(), None);
    first.add_relayed(now, address(OTHER), address("192.0.2.1:5000"));
    assert!(link.run(ms(2000), Link::both_selected));
    assert_eq!(link.peers[0].agent.selected().unwrap().local, address(OTHER));
}
