//! Two parties whose transport breaks, in virtual time.

use super::recorded::Event;
use super::*;
use crate::recording::tests::Paper;
use crate::recording::{Replay, Taped};

const PATIENCE: Patience = Patience {
    silence: Duration::from_millis(500),
    total: Duration::from_secs(60),
};

fn caller() -> Renewal {
    Renewal::new(PATIENCE, false)
}

fn callee() -> Renewal {
    Renewal::new(PATIENCE, true)
}

/// Lets the time run to the next thing due.
fn wait(renewal: &mut Renewal, now: &mut Instant) -> Vec<Output> {
    *now = renewal.next_timeout().expect("something is due").max(*now);
    renewal.handle_timeout(*now)
}

#[test]
fn a_path_that_speaks_again_is_not_replaced() {
    let (mut caller, now) = (caller(), Instant::now());
    assert_eq!(caller.handle(now, Input::PathSilent), [Output::Interrupted]);
    let later = now + Duration::from_millis(400);
    assert_eq!(caller.handle_timeout(later), []);
    assert_eq!(caller.handle(later, Input::PathFound), [Output::Resumed]);
    assert_eq!(caller.next_timeout(), None);
}

#[test]
fn a_silent_path_is_replaced_and_the_caller_asks_first() {
    let (mut caller, mut callee, mut now) = (caller(), callee(), Instant::now());
    caller.handle(now, Input::PathSilent);
    callee.handle(now, Input::PathSilent);
    assert!(caller.next_timeout() < callee.next_timeout());
    assert_eq!(wait(&mut caller, &mut now), [Output::Offer(Depth::Path)]);
    assert_eq!(callee.offered(now, false), Some(vec![]));
    assert_eq!(caller.handle(now, Input::Answered { new_keys: false }), []);
    for one in [&mut caller, &mut callee] {
        assert_eq!(one.handle(now, Input::PathFound), [Output::Resumed]);
        assert_eq!(one.next_timeout(), None);
    }
}

#[test]
fn lost_keys_are_renewed_at_once_and_the_peer_is_only_interrupted() {
    let (mut caller, mut callee, mut now) = (caller(), callee(), Instant::now());
    let begin = now;
    assert_eq!(callee.handle(now, Input::KeysLost), [Output::Interrupted]);
    assert_eq!(wait(&mut callee, &mut now), [Output::Offer(Depth::Keys)]);
    assert_eq!(now, begin);
    assert_eq!(caller.offered(now, true), Some(vec![Output::Interrupted]));
    callee.handle(now, Input::Answered { new_keys: true });
    for one in [&mut caller, &mut callee] {
        assert_eq!(
            one.handle(now, Input::PathFound),
            [],
            "not before the keys are there"
        );
        assert_eq!(one.handle(now, Input::KeysReady), [Output::Resumed]);
    }
}

#[test]
fn when_both_offer_the_callee_gives_way() {
    let (mut caller, mut callee, mut now) = (caller(), callee(), Instant::now());
    caller.handle(now, Input::KeysLost);
    callee.handle(now, Input::KeysLost);
    assert_eq!(wait(&mut caller, &mut now), [Output::Offer(Depth::Keys)]);
    assert_eq!(wait(&mut callee, &mut now), [Output::Offer(Depth::Keys)]);
    assert_eq!(caller.offered(now, true), None);
    assert_eq!(callee.offered(now, true), Some(vec![]));
    caller.handle(now, Input::Answered { new_keys: true });
    assert_eq!(caller.handle(now, Input::KeysReady), [Output::Resumed]);
    assert_eq!(callee.handle(now, Input::KeysReady), [Output::Resumed]);
}

#[test]
fn a_loss_during_a_smaller_renewal_is_not_forgotten() {
    let (mut caller, mut now) = (caller(), Instant::now());
    caller.handle(now, Input::PathLost);
    assert_eq!(wait(&mut caller, &mut now), [Output::Offer(Depth::Path)]);
    caller.handle(now, Input::KeysLost);
    caller.handle(now, Input::Answered { new_keys: false });
    assert_eq!(caller.handle(now, Input::PathFound), []);
    assert_eq!(caller.next_timeout(), Some(now));
    assert_eq!(wait(&mut caller, &mut now), [Output::Offer(Depth::Keys)]);
}

#[test]
fn it_is_tried_again_ever_less_often_until_the_time_is_over() {
    let (mut caller, mut now) = (caller(), Instant::now());
    let begin = now;
    caller.handle(now, Input::PathLost);
    let mut offers = Vec::new();
    loop {
        match wait(&mut caller, &mut now)[..] {
            [Output::Offer(Depth::Path)] => {
                assert_eq!(caller.handle(now, Input::Answered { new_keys: false }), []);
                offers.push((now - begin).as_secs());
            }
            [Output::GiveUp] => break,
            ref other => panic!("{other:?}"),
        }
    }
    assert_eq!(offers, [0, 3, 9, 21, 33, 45, 57]);
    assert_eq!(now - begin, PATIENCE.total);
    assert_eq!(caller.next_timeout(), None);
}

#[test]
fn an_offer_without_an_answer_is_repeated_and_no_other_is_made() {
    let (mut caller, mut now) = (caller(), Instant::now());
    caller.handle(now, Input::PathLost);
    assert_eq!(wait(&mut caller, &mut now), [Output::Offer(Depth::Path)]);
    caller.handle(now, Input::KeysLost);
    assert_eq!(wait(&mut caller, &mut now), [Output::Repeat]);
    caller.handle(now, Input::Answered { new_keys: false });
    assert_eq!(wait(&mut caller, &mut now), [Output::Offer(Depth::Keys)]);
}

#[test]
fn a_peer_that_closes_gets_a_moment_to_say_that_the_call_is_over() {
    let (mut caller, mut now) = (caller(), Instant::now());
    let begin = now;
    assert_eq!(caller.handle(now, Input::KeysClosed), []);
    assert_eq!(wait(&mut caller, &mut now), [Output::Interrupted]);
    assert_eq!(wait(&mut caller, &mut now), [Output::Offer(Depth::Keys)]);
    assert_eq!(now - begin, CLOSE_GRACE);
}

#[test]
fn keys_that_are_lost_again_and_again_are_renewed_ever_less_often() {
    let (mut caller, mut now) = (caller(), Instant::now());
    let mut pauses = Vec::new();
    for _ in 0..5 {
        let lost = now;
        caller.handle(now, Input::KeysLost);
        assert_eq!(wait(&mut caller, &mut now), [Output::Offer(Depth::Keys)]);
        pauses.push((now - lost).as_secs());
        caller.handle(now, Input::Answered { new_keys: true });
        assert_eq!(caller.handle(now, Input::KeysReady), [Output::Resumed]);
    }
    assert_eq!(pauses, [0, 0, 1, 2, 3]);
    now += HELD;
    caller.handle(now, Input::KeysLost);
    assert_eq!(caller.next_timeout(), Some(now));
}

#[test]
fn a_change_is_offered_at_once_and_repeated_until_it_is_answered() {
    let (mut caller, mut now) = (caller(), Instant::now());
    assert_eq!(
        caller.handle(now, Input::Changed),
        [Output::Offer(Depth::Nothing)]
    );
    assert_eq!(wait(&mut caller, &mut now), [Output::Repeat]);
    assert_eq!(caller.handle(now, Input::Answered { new_keys: false }), []);
    assert_eq!(caller.next_timeout(), None);
}

#[test]
fn a_change_during_another_offer_waits_for_its_answer() {
    let (mut caller, now) = (caller(), Instant::now());
    caller.handle(now, Input::Changed);
    assert_eq!(caller.handle(now, Input::Changed), []);
    let answered = Input::Answered { new_keys: false };
    assert_eq!(caller.handle(now, answered), [Output::Offer(Depth::Nothing)]);
    assert_eq!(caller.handle(now, answered), []);
}

#[test]
fn a_change_that_gave_way_is_offered_again_after_the_answer() {
    let (mut caller, mut callee, now) = (caller(), callee(), Instant::now());
    caller.handle(now, Input::Changed);
    callee.handle(now, Input::Changed);
    assert_eq!(caller.offered(now, false), None);
    assert_eq!(
        callee.offered(now, false),
        Some(vec![Output::Offer(Depth::Nothing)])
    );
    assert_eq!(caller.handle(now, Input::Answered { new_keys: false }), []);
    assert_eq!(caller.offered(now, false), Some(vec![]));
}

#[test]
fn a_change_while_the_path_is_lost_goes_with_the_next_offer() {
    let (mut caller, mut now) = (caller(), Instant::now());
    caller.handle(now, Input::PathLost);
    assert_eq!(caller.handle(now, Input::Changed), []);
    assert_eq!(wait(&mut caller, &mut now), [Output::Offer(Depth::Path)]);
    caller.handle(now, Input::Answered { new_keys: false });
    assert_eq!(caller.handle(now, Input::PathFound), [Output::Resumed]);
}

#[test]
fn a_change_while_the_path_is_silent_is_offered_when_it_speaks_again() {
    let (mut caller, now) = (caller(), Instant::now());
    caller.handle(now, Input::PathSilent);
    caller.handle(now, Input::Changed);
    let outputs = [Output::Resumed, Output::Offer(Depth::Nothing)];
    assert_eq!(caller.handle(now, Input::PathFound), outputs);
}

#[test]
fn a_path_lost_during_a_change_is_replaced_after_its_answer_and_one_that_speaks_again_is_kept() {
    for speaks_again in [false, true] {
        let (mut caller, mut now) = (caller(), Instant::now());
        caller.handle(now, Input::Changed);
        assert_eq!(caller.handle(now, Input::PathLost), [Output::Interrupted]);
        if speaks_again {
            assert_eq!(caller.handle(now, Input::PathFound), [Output::Resumed]);
        }
        assert_eq!(wait(&mut caller, &mut now), [Output::Repeat]);
        caller.handle(now, Input::Answered { new_keys: false });
        match speaks_again {
            true => assert_eq!(caller.next_timeout(), None),
            false => assert_eq!(wait(&mut caller, &mut now), [Output::Offer(Depth::Path)]),
        }
    }
}

/// Every input in turn with pauses between them, and whatever is due meanwhile.
fn recorded() -> String {
    let mut now = Instant::now();
    let paper = Paper::new(now);
    let mut renewal = Taped::new("call/call", callee(), Some(paper.clone()));
    let events = [
        Event::Happened(Input::Changed),
        Event::Offered { new_keys: false },
        Event::Happened(Input::PathSilent),
        Event::Timeout,
        Event::Happened(Input::Answered { new_keys: true }),
        Event::Happened(Input::PathFound),
        Event::Happened(Input::KeysReady),
        Event::Happened(Input::KeysClosed),
        Event::Timeout,
        Event::Happened(Input::PathLost),
    ];
    for event in events.iter().cycle().take(100) {
        now += Duration::from_millis(700);
        renewal.feed(now, *event);
    }
    drop(renewal);
    paper.text.lock().expect("one thread").clone()
}

/// The first difference when that is run again.
fn run_again(text: &str) -> Option<String> {
    let mut replay = Replay::new(Instant::now() + Duration::from_secs(1_000_000)).with::<Renewal>();
    let mut differences = text.lines().map(|line| replay.take(line).expect("a recording"));
    differences
        .find_map(|difference| difference)
        .map(|difference| difference.to_string())
}

#[test]
fn what_was_recorded_is_run_again_to_the_same_answers_and_states() {
    let text = recorded();
    assert_eq!(run_again(&text), None);
    let other = text.replacen("Offer(Nothing)", "Offer(Keys)", 1);
    assert_ne!(other, text);
    assert!(run_again(&other).is_some_and(|told| told.contains("Offer(Keys)")));
}
