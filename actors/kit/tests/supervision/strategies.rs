//! Who is restarted with whom, in which order, how often, and what follows when it is too often.

use std::sync::{Arc, Mutex};

use actix_rt::Arbiter;
use roomrtc_kit::{Addr, Intensity, Lost, Restart, Shutdown, Spec, Status, Strategy, Supervisor};
use tokio::time::{Instant, sleep};

use crate::stage::{
    Add, BACKOFF, Boom, INTENSITY, Log, Quit, Stage, Total, Worker, ear, ms, settle, tell, unique, view,
};

#[test]
fn one_for_one_restarts_the_dead_alone() {
    tell(async {
        let stage = Stage::new(Strategy::OneForOne, &["capture", "encoder"], Restart::Permanent).await;
        assert_eq!(stage.log(), ["+ capture", "+ encoder"]);
        stage.workers[0].tell(Boom);
        settle().await;
        assert_eq!(stage.log(), ["- capture", "+ capture"]);
    });
}

#[test]
fn one_for_all_restarts_everyone_in_order() {
    tell(async {
        let stage = Stage::new(Strategy::OneForAll, &["a", "b", "c"], Restart::Permanent).await;
        stage.log();
        stage.workers[1].tell(Boom);
        settle().await;
        assert_eq!(stage.log(), ["- b", "- c", "- a", "+ a", "+ b", "+ c"]);
    });
}

#[test]
fn rest_for_one_restarts_dependents_in_order() {
    tell(async {
        let names = ["ice", "dtls", "sctp", "file"];
        let stage = Stage::new(Strategy::RestForOne, &names, Restart::Permanent).await;
        assert_eq!(stage.log(), ["+ ice", "+ dtls", "+ sctp", "+ file"]);
        stage.workers[1].tell(Boom);
        settle().await;
        assert_eq!(
            stage.log(),
            ["- dtls", "- file", "- sctp", "+ dtls", "+ sctp", "+ file"]
        );
        stage.workers[3].tell(Boom);
        sleep(ms(99)).await;
        assert_eq!(
            stage.log(),
            ["- file"],
            "the second failure within the period waits"
        );
        sleep(ms(2)).await;
        settle().await;
        assert_eq!(stage.log(), ["+ file"]);
    });
}

#[test]
fn two_crashes_at_once_widen_the_restart() {
    tell(async {
        let stage = Stage::new(Strategy::RestForOne, &["ice", "dtls", "sctp"], Restart::Permanent).await;
        stage.log();
        stage.workers[2].tell(Boom);
        stage.workers[1].tell(Boom);
        sleep(ms(3000)).await;
        for worker in &stage.workers {
            assert_eq!(worker.ask(Total).await, Ok(0));
        }
        let log = stage.log();
        assert!(!log.contains(&"- ice".into()), "{log:?}");
        assert_eq!(log.last().unwrap(), "+ sctp");
    });
}

#[test]
fn too_many_crashes_escalate_and_mail_becomes_dead_letters() {
    tell(async {
        let stage = Stage::new(Strategy::RestForOne, &["ice", "dtls"], Restart::Permanent).await;
        let start = Instant::now();
        for _ in 0..4 {
            stage.workers[1].tell(Boom);
            sleep(ms(500)).await;
        }
        let heard = stage.heard();
        let last = heard.last().unwrap();
        assert!(
            last.contains("gave up on dtls") && last.contains("boom at"),
            "{heard:?}"
        );
        assert!(start.elapsed() < ms(3000));
        assert_eq!(stage.log().last().unwrap(), "- ice");
        assert_eq!(stage.workers[0].ask(Total).await, Err(Lost));
        stage.workers[0].tell(Add(1));
        let view = view(&stage.workers[0]);
        assert_eq!((view.status, view.lost()), (Status::Closed, 2));
    });
}

#[test]
fn a_start_that_panics_is_tried_again_with_growing_pauses() {
    tell(async {
        let (log, heard) = (Log::default(), Log::default());
        let here = Arbiter::current();
        let camera = Addr::<Worker>::new(unique("camera"));
        let root = Addr::<Supervisor>::new(unique("root"));
        let left = Arc::new(Mutex::new(3));
        let factory = move || Worker {
            bad_starts: Some(left.clone()),
            bad_stop: true,
            ..Worker::new("camera", &log)
        };
        let often = Intensity {
            restarts: 5,
            ..INTENSITY
        };
        Supervisor::new(&root, Strategy::OneForOne, often, BACKOFF)
            .child(Spec::new(&camera, &here, factory))
            .launch(&here, ear(&heard));
        let start = Instant::now();
        assert_eq!(camera.ask(Total).await, Ok(0));
        let waited = start.elapsed().as_millis();
        assert_eq!(
            waited,
            100 + 200,
            "none, then 100, then 200 ms; a panic in stopped() aborts nothing"
        );
    });
}

#[test]
fn a_transient_child_may_finish_and_a_temporary_one_may_die() {
    tell(async {
        let stage = Stage::new(Strategy::OneForOne, &["file"], Restart::Transient).await;
        stage.workers[0].tell(Boom);
        assert_eq!(
            stage.workers[0].ask(Total).await,
            Ok(0),
            "after a failure it is started again"
        );
        stage.workers[0].tell(Quit);
        settle().await;
        assert_eq!(
            stage.workers[0].ask(Total).await,
            Err(Lost),
            "after its end it is not"
        );

        let stage = Stage::new(Strategy::OneForOne, &["call"], Restart::Temporary).await;
        stage.workers[0].tell(Boom);
        settle().await;
        assert_eq!(stage.workers[0].ask(Total).await, Err(Lost));
    });
}

#[test]
fn a_shutdown_goes_in_reverse_order() {
    tell(async {
        let stage = Stage::new(Strategy::RestForOne, &["a", "b", "c"], Restart::Permanent).await;
        stage.log();
        stage.root.tell(Shutdown);
        settle().await;
        assert_eq!(stage.log(), ["- c", "- b", "- a"]);
        let heard = stage.heard();
        assert!(heard.last().unwrap().ends_with("was shut down"), "{heard:?}");
        assert_eq!(stage.workers[0].ask(Total).await, Err(Lost));
    });
}

/// A root over a supervisor over one worker.
async fn nested(restart: Restart) -> (Addr<Supervisor>, Addr<Supervisor>, Addr<Worker>, Log) {
    let (log, heard) = (Log::default(), Log::default());
    let here = Arbiter::current();
    let [root, inner] = ["root", "inner"].map(|name| Addr::<Supervisor>::new(unique(name)));
    let worker = Addr::<Worker>::new(unique("worker"));
    let make = {
        let (inner, worker, here, log) = (inner.clone(), worker.clone(), here.clone(), log.clone());
        move || {
            let log = log.clone();
            let spec = Spec::new(&worker, &here, move || Worker::new("worker", &log));
            Supervisor::new(&inner, Strategy::OneForOne, INTENSITY, BACKOFF).child(spec)
        }
    };
    Supervisor::new(&root, Strategy::OneForOne, INTENSITY, BACKOFF)
        .child(Spec::new(&inner, &here, make).restart(restart))
        .launch(&here, ear(&heard));
    settle().await;
    (root, inner, worker, log)
}

#[test]
fn a_supervisor_that_gives_up_is_restarted_by_its_own_and_mail_waits() {
    tell(async {
        let (_root, inner, worker, _log) = nested(Restart::Permanent).await;
        for _ in 0..4 {
            worker.tell(Boom);
        }
        worker.tell(Add(7));
        sleep(ms(5000)).await;
        assert_eq!(view(&inner).lives, 2);
        assert_eq!(
            worker.ask(Total).await,
            Ok(7),
            "mail outlived even its supervisor"
        );
    });
}

#[test]
fn a_supervisor_that_is_not_restarted_closes_its_childrens_mailboxes() {
    tell(async {
        let (root, inner, worker, log) = nested(Restart::Temporary).await;
        for _ in 0..4 {
            worker.tell(Boom);
        }
        sleep(ms(5000)).await;
        assert_eq!(worker.ask(Total).await, Err(Lost));
        assert_eq!(view(&inner).status, Status::Closed);
        assert_eq!(view(&root).status, Status::Running);
        let births = log
            .lock()
            .unwrap()
            .iter()
            .filter(|line| *line == "+ worker")
            .count();
        assert_eq!(births, 4);
    });
}
