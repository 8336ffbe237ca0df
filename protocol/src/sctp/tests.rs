#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use super::association::{Association, Event};
use super::{Ppid, Settings};

fn end(client: bool) -> Association {
    Association::new(Settings::default(), client, 64 * 1024)
}

/// Runs both ends in virtual time on a path without delay until each is connected; how long that took.
fn time_to_connect(ends: &mut [Association; 2], began: Instant) -> Duration {
    let (mut now, mut connected) = (began, [false; 2]);
    while connected != [true; 2] {
        let mut quiet = true;
        for at in [0, 1] {
            while let Some(packet) = ends[at].poll_transmit(now) {
                quiet = false;
                ends[1 - at].handle_input(now, packet);
            }
            while let Some(event) = ends[at].poll_event(now) {
                assert_eq!(event, Event::Connected);
                connected[at] = true;
            }
        }
        if quiet && connected != [true; 2] {
            now = ends.iter().filter_map(Association::next_timeout).min().unwrap();
            ends.iter_mut().for_each(|end| end.handle_timeout(now));
        }
        assert!(now - began < Duration::from_secs(60), "{connected:?}");
    }
    now - began
}

/// A message goes from each end to the other.
fn both_talk(ends: &mut [Association; 2], now: Instant) {
    for from in [0, 1] {
        let data = bytes::Bytes::from_static(b"here");
        ends[from].send(2, Ppid::Binary, data.clone()).unwrap();
        while let Some(packet) = ends[from].poll_transmit(now) {
            ends[1 - from].handle_input(now, packet);
        }
        let heard = ends[1 - from].poll_event(now);
        let expected = Event::Message {
            stream: 2,
            ppid: Ppid::Binary,
            data,
        };
        assert_eq!(heard, Some(expected));
    }
}

#[test]
fn the_one_that_connects_is_not_waited_for() {
    let (mut ends, began) = ([end(true), end(false)], Instant::now());
    assert_eq!(time_to_connect(&mut ends, began), Duration::ZERO);
    both_talk(&mut ends, began);
}

#[test]
fn two_ends_that_wait_for_each_other_do_not_wait_forever() {
    let (mut ends, began) = ([end(false), end(false)], Instant::now());
    // Only one of them waits at first, and so is the first to lose patience.
    assert_eq!(ends[1].poll_transmit(began), None);
    let took = time_to_connect(&mut ends, began + Duration::from_millis(10));
    assert!(took < Duration::from_secs(2), "{took:?}");
    both_talk(&mut ends, began + took);
}

#[test]
fn an_end_gives_way_to_one_that_connects_and_answers_nobody() {
    let (mut ends, began) = ([end(true), end(true)], Instant::now());
    // A -> INIT -> /unanswered/, and hears one itself
    assert!(ends[0].poll_transmit(began).is_some());
    assert_eq!(ends[0].poll_transmit(began), None);
    assert_eq!(time_to_connect(&mut ends, began), Duration::ZERO);
    both_talk(&mut ends, began);
}

#[test]
fn an_end_that_lost_its_patience_is_given_way_to() {
    let (mut ends, began) = ([end(true), end(false)], Instant::now());
    // A -> INIT -> /lost/, and Z waits for it
    assert!(ends[0].poll_transmit(began).is_some());
    assert_eq!(ends[1].poll_transmit(began), None);
    let impatient = ends[1].next_timeout().unwrap();
    ends[1].handle_timeout(impatient);
    // A <- INIT <- Z
    while let Some(packet) = ends[1].poll_transmit(impatient) {
        ends[0].handle_input(impatient, packet);
    }
    assert_eq!(time_to_connect(&mut ends, impatient), Duration::ZERO);
    both_talk(&mut ends, impatient);
}
