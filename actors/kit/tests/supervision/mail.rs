//! What becomes of mail: when it is too much, and when its actor dies.

use std::time::Duration;

use roomrtc_kit::{Directory, Lost, Reason, Status};
use tokio::time::{Instant, sleep};

use crate::stage::{Add, Boom, Chunk, Fail, Frame, Later, Quit, Slow, Stage, Total, ms, settle, tell, view};

#[test]
fn a_crash_keeps_address_and_mail() {
    tell(async {
        let (stage, worker) = Stage::solo().await;
        worker.tell(Add(1));
        let (total, crashed) = tokio::join!(worker.ask(Total), worker.ask(Boom));
        assert_eq!(total, Ok(1));
        assert_eq!(
            crashed,
            Err(Lost),
            "the message that crashed it is not tried again"
        );

        worker.tell(Boom);
        worker.tell(Frame(1));
        worker.tell(Add(5));
        worker.tell(Add(6));
        sleep(ms(1000)).await;
        assert_eq!(
            worker.ask(Total).await,
            Ok(11),
            "mail reached the next life, state did not"
        );
        assert!(!stage.log().contains(&"frame 1".into()), "stale media did not");
        let heard = stage.heard();
        assert_eq!(heard.len(), 2);
        assert!(
            heard[0].contains("panicked: boom at actors/kit/tests/supervision/stage.rs"),
            "{heard:?}"
        );
    });
}

#[test]
fn every_way_to_die_is_a_typed_reason() {
    tell(async {
        let (stage, worker) = Stage::solo().await;
        worker.tell(Fail);
        settle().await;
        worker.tell(Later);
        sleep(ms(11_000)).await;
        worker.tell(Quit);
        sleep(ms(11_000)).await;
        assert_eq!(worker.ask(Total).await, Ok(0));
        let heard = stage.heard();
        assert!(heard[0].contains("failed: no camera"), "{heard:?}");
        assert!(heard[1].contains("panicked: late"), "{heard:?}");
        assert_eq!(heard.len(), 2, "a normal end is no failure");
        assert!(Reason::Panicked(String::new()).abnormal() && !Reason::Shutdown.abnormal());
    });
}

#[test]
fn the_newest_frames_oust_the_oldest_and_control_is_never_dropped() {
    tell(async {
        let (stage, worker) = Stage::solo().await;
        stage.log();
        for i in 0..10 {
            worker.tell(Frame(i));
            worker.tell(Add(1));
        }
        assert_eq!(worker.ask(Total).await, Ok(10));
        assert_eq!(stage.log(), ["frame 8", "frame 9"]);
        let view = view(&worker);
        let frames = view.kinds.iter().find(|kind| kind.name == "Frame").unwrap();
        assert_eq!(
            (frames.accepted, frames.handled, frames.dropped, frames.waiting),
            (10, 2, 8, 0)
        );
        assert_eq!(
            (view.depth, view.deepest, view.handled(), view.lost()),
            (0, 13, 13, 8)
        );
    });
}

#[test]
fn paced_senders_wait_for_room() {
    tell(async {
        let (_stage, worker) = Stage::solo().await;
        worker.tell(Slow);
        settle().await;
        let start = Instant::now();
        for _ in 0..4 {
            worker.push(Chunk).await.unwrap();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        worker.push(Chunk).await.unwrap();
        assert!(start.elapsed() >= ms(5000), "the fifth waited for the busy actor");
        assert_eq!(worker.ask(Total).await, Ok(105));
    });
}

#[test]
fn a_paced_sender_is_not_left_waiting_by_a_crash() {
    tell(async {
        let (_stage, worker) = Stage::solo().await;
        worker.tell(Slow);
        settle().await;
        for _ in 0..4 {
            worker.push(Chunk).await.unwrap();
        }
        let (fifth, ()) = tokio::join!(worker.push(Chunk), async {
            settle().await;
            Directory::allow_chaos(true);
            assert!(Directory::order(worker.name(), roomrtc_kit::Order::Panic));
        });
        assert_eq!(fifth, Ok(()), "the waiting chunks were dropped, which made room");
        assert_eq!(worker.ask(Total).await, Ok(1));
    });
}

#[test]
fn who_sent_what_is_noted() {
    tell(async {
        let (_stage, worker) = Stage::solo().await;
        worker.tell(Add(3));
        worker.ask(Total).await.unwrap();
        let view = view(&worker);
        let notes: Vec<_> = view.notes.iter().map(|note| (&*note.kind, note.from)).collect();
        assert_eq!(notes, [("Total", 0), ("Add", 0)]);
        assert_eq!(Directory::name(view.id).as_deref(), Some(worker.name()));
        assert_eq!(view.status, Status::Running);
        assert_eq!(view.senders, [(0, 2)]);
        let json = serde_json::to_string(&view).unwrap();
        let read: roomrtc_kit::MeterView = serde_json::from_str(&json).unwrap();
        assert_eq!((read.handled(), read.work()), (view.handled(), view.work()));
    });
}

#[test]
fn an_actor_among_thousands_counts_but_keeps_no_times() {
    tell(async {
        let (log, heard) = Default::default();
        let session = roomrtc_kit::Addr::one_of_many(crate::stage::unique("session"));
        let here = actix_rt::Arbiter::current();
        let spec = roomrtc_kit::Spec::new(&session, &here, move || {
            crate::stage::Worker::new("session", &log)
        });
        spec.launch(crate::stage::ear(&heard));
        session.tell(Add(2));
        assert_eq!(session.ask(Total).await, Ok(2));
        let view = view(&session);
        assert_eq!(
            (view.handled(), view.notes.len(), view.work_p99()),
            (2, 0, Duration::ZERO)
        );
    });
}
