//! Two parties that describe themselves to each other again and again.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::recorded::{Event, Said};
use super::*;
use crate::recording::tests::Paper;
use crate::recording::{Replay, Taped};
use crate::sdp::tests::client;
use crate::sdp::{Direction, IceParameters};

/// An address that nobody else has.
const CANDIDATE: &str = "candidate:1 1 udp 2130706431 192.0.2.77 40000 typ host";
const PASSWORD: &str = "ThisPasswordIsASecret0123";

struct Party {
    local: LocalParameters,
    exchange: Taped<Exchange>,
}

impl Party {
    fn new(name: u8, paper: &Arc<Paper>) -> Self {
        let mut local = client(name);
        local.ice = IceParameters {
            ufrag: format!("ufrag{name}"),
            pwd: format!("{PASSWORD}{name}"),
        };
        local.candidates = vec![CANDIDATE.into()];
        let exchange = Taped::new("call/call", Exchange::default(), Some(paper.clone()));
        Party { local, exchange }
    }

    fn local(&mut self) -> Box<LocalParameters> {
        self.local.session_version += 1;
        Box::new(self.local.clone())
    }

    fn offers(&mut self, now: Instant) -> SessionDescription {
        let event = Event::Offer(self.local());
        match self.exchange.feed(now, event) {
            Ok(Said::Offered(offer)) => offer.to_string().parse().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn answers(&mut self, now: Instant, offer: SessionDescription) -> SessionDescription {
        let event = Event::Answer(self.local(), offer);
        match self.exchange.feed(now, event) {
            Ok(Said::Settled(settled)) => settled.ours.to_string().parse().unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn completes(&mut self, now: Instant, answer: SessionDescription) -> Result<Said, SdpError> {
        self.exchange.feed(now, Event::Complete(answer))
    }

    fn sound(&self) -> Direction {
        let settled = self.exchange.settled().unwrap();
        settled.negotiated.audio.as_ref().unwrap().direction
    }
}

fn hold(party: &mut Party, direction: Direction) {
    for media in [&mut party.local.audio, &mut party.local.video] {
        media.as_mut().unwrap().direction = direction;
    }
}

/// A call with hold, offers that cross, answers that do not fit and a peer that was started anew.
fn recorded() -> String {
    let mut now = Instant::now();
    let paper = Paper::new(now);
    let [mut ana, mut ben] = [1, 2].map(|name| Party::new(name, &paper));
    let offer = ana.offers(now);
    let answer = ben.answers(now, offer);
    ana.completes(now, answer.clone()).unwrap();
    assert_eq!(
        ana.completes(now, answer.clone()),
        Ok(Said::Nothing),
        "a second time"
    );

    for direction in [Direction::NEITHER, Direction::BOTH] {
        now += Duration::from_secs(3);
        hold(&mut ben, direction);
        let offer = ben.offers(now);
        let answer = ana.answers(now, offer);
        ben.completes(now, answer).unwrap();
        assert_eq!([ana.sound(), ben.sound()], [direction; 2]);
    }

    now += Duration::from_secs(3);
    let (ours, theirs) = (ana.offers(now), ben.offers(now));
    let answer_of_ben = ben.answers(now, ours);
    assert!(ben.exchange.pending().is_none(), "its offer gave way");
    ana.completes(now, answer_of_ben).unwrap();

    now += Duration::from_secs(3);
    ana.offers(now);
    let before = ana.exchange.settled().cloned();
    let mut unfit = answer;
    unfit.sections.pop();
    assert!(ana.completes(now, unfit).is_err());
    assert_eq!(ana.exchange.settled(), before.as_ref(), "what was settled stands");

    now += Duration::from_secs(3);
    let mut anew = Party::new(3, &paper);
    let offer = anew.offers(now);
    let answer = ben.answers(now, offer);
    anew.completes(now, answer).unwrap();
    assert!(ben.exchange.settled().unwrap().other_audio, "other streams");
    drop((ana, ben, anew, theirs));
    paper.text.lock().unwrap().clone()
}

/// The first difference when that is run again.
fn run_again(text: &str) -> Option<String> {
    let mut replay = Replay::new(Instant::now()).with::<Exchange>();
    let mut differences = text.lines().map(|line| replay.take(line).unwrap());
    differences
        .find_map(|difference| difference)
        .map(|difference| difference.to_string())
}

#[test]
fn descriptions_are_exchanged_again_to_the_same_ends_without_what_must_not_be_written() {
    let text = recorded();
    assert_eq!(run_again(&text), None);
    for secret in [PASSWORD, "192.0.2.77"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let other = text.replacen(r#""other_audio":false"#, r#""other_audio":true"#, 1);
    let other = other.replacen(r#"\"other_audio\":false"#, r#"\"other_audio\":true"#, 1);
    assert_ne!(other, text);
    assert!(run_again(&other).is_some_and(|told| told.contains("other_audio")));
}
