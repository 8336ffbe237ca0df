//! Actors crashed by name, again and again.

use std::process::Command;
use std::time::Duration;

use actix_rt::Arbiter;
use roomrtc_kit::{
    Addr, Backoff, Directory, Intensity, Order, Restart, Shutdown, Spec, Status, Strategy, Supervisor,
};
use tokio::time::sleep;

use crate::stage::{Log, Slow, Stage, Total, Worker, ear, ms, settle, tell, unique, view};

#[test]
fn any_actor_can_be_crashed_by_name() {
    Directory::allow_chaos(true);
    tell(async {
        let stage = Stage::new(Strategy::RestForOne, &["ice", "dtls"], Restart::Permanent).await;
        let dtls = &stage.workers[1];
        for order in [Order::Panic, Order::Fail] {
            assert!(Directory::order(dtls.name(), order));
            sleep(ms(11_000)).await;
            assert_eq!(dtls.ask(Total).await, Ok(0));
        }
        let heard = stage.heard();
        assert!(
            heard[0].contains("ordered to panic") && heard[1].contains("ordered to fail"),
            "{heard:?}"
        );
        assert_eq!(view(dtls).lives, 3);
        assert!(view(dtls).last_error.unwrap().contains("ordered to fail"));

        dtls.tell(Slow);
        settle().await;
        Directory::order(dtls.name(), Order::Panic);
        settle().await;
        assert_eq!(view(dtls).lives, 4, "busy in a long wait, it still obeys");
        assert!(!Directory::order("nobody", Order::Panic));
    });
}

#[test]
fn a_paused_actor_handles_its_mail_afterwards_and_its_siblings_go_on() {
    Directory::allow_chaos(true);
    tell(async {
        let stage = Stage::new(Strategy::OneForOne, &["ice", "dtls"], Restart::Permanent).await;
        let [ice, dtls] = &stage.workers[..] else {
            panic!("two workers")
        };
        assert!(Directory::order(dtls.name(), Order::Pause(ms(1000))));
        settle().await;
        let before = tokio::time::Instant::now();
        assert_eq!(ice.ask(Total).await, Ok(0));
        assert!(before.elapsed() < ms(500), "the thread is free");
        assert_eq!(dtls.ask(Total).await, Ok(0));
        assert!(before.elapsed() >= ms(900), "only then it went on");
        assert_eq!(view(dtls).lives, 1);
    });
}

#[test]
fn a_supervisor_that_is_stopped_ends_with_its_children() {
    Directory::allow_chaos(true);
    tell(async {
        let stage = Stage::new(Strategy::OneForOne, &["ice", "dtls"], Restart::Permanent).await;
        let place = view(&stage.root);
        assert_eq!(place.strategy.as_deref(), Some("one for one"));
        assert_eq!(view(&stage.workers[1]).parent, place.id);
        assert!(Directory::order(stage.root.name(), Order::Stop));
        settle().await;
        for worker in &stage.workers {
            assert_eq!(view(worker).status, Status::Closed);
        }
    });
}

/// The resident memory of this process.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// Threads and open descriptors of this process, and the actors it knows.
fn held() -> [usize; 3] {
    let entries = |folder: &str| std::fs::read_dir(folder).unwrap().count();
    [
        entries("/proc/self/task"),
        entries("/proc/self/fd"),
        Directory::view().len(),
    ]
}

/// Set in the process that runs one story alone.
const ALONE: &str = "ROOMRTC_TEST_ALONE";

/// Runs a test of this program in a process of its own, where nobody else takes memory.
fn alone(test: &str) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command
        .args(["--exact", test, "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn ten_thousand_crashes_leave_no_growth() {
    const CRASHES: u32 = 10_000;
    if std::env::var_os(ALONE).is_none() {
        return alone("chaos::ten_thousand_crashes_leave_no_growth");
    }
    Directory::allow_chaos(true);
    tell(async {
        let (log, heard) = (Log::default(), Log::default());
        let here = Arbiter::current();
        let [ice, dtls] = ["ice", "dtls"].map(|name| Addr::<Worker>::new(unique(name)));
        let root = Addr::<Supervisor>::new(unique("root"));
        let always = Intensity {
            restarts: usize::MAX,
            period: Duration::ZERO,
        };
        let at_once = Backoff {
            first: Duration::ZERO,
            max: Duration::ZERO,
        };
        let mut supervisor = Supervisor::new(&root, Strategy::RestForOne, always, at_once);
        for (name, worker) in [("ice", &ice), ("dtls", &dtls)] {
            let log = log.clone();
            supervisor = supervisor.child(Spec::new(worker, &here, move || {
                log.lock().unwrap().clear();
                Worker::new(name, &log)
            }));
        }
        supervisor.launch(&here, ear(&heard));

        let mut settled = (0, [0; 3]);
        for crash in 0..CRASHES {
            Directory::order(
                ice.name(),
                if crash % 2 == 0 { Order::Panic } else { Order::Fail },
            );
            assert_eq!(dtls.ask(Total).await, Ok(0));
            assert_eq!(ice.ask(Total).await, Ok(0));
            if crash == CRASHES / 10 {
                settled = (resident_bytes(), held());
            }
        }
        assert_eq!((view(&ice).lives, view(&dtls).depth), (CRASHES + 1, 0));
        let (memory, others) = settled;
        let grown = resident_bytes().saturating_sub(memory);
        assert!(grown < 1 << 20, "grew by {grown} bytes: over 100 a crash");
        assert_eq!(held(), others, "threads, descriptors, actors");
        root.tell(Shutdown);
        settle().await;
        assert_eq!(heard.lock().unwrap().len(), 1);
    });
}
