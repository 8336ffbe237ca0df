//! Actors that come and go: calls, sessions, files. And one that does not go when asked.

use actix::{Handler, System};
use actix_rt::Arbiter;
use roomrtc_kit::{Addr, Directory, Lost, Shutdown, Spec, Status, Strategy, Supervisor, mail};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::stage::{
    Add, BACKOFF, Boom, INTENSITY, Log, Quit, Total, Worker, ear, ms, settle, tell, unique, view,
};

#[test]
fn a_session_lives_once_and_its_end_is_told() {
    tell(async {
        let (log, heard) = (Log::default(), Log::default());
        let here = Arbiter::current();
        for (crash, why) in [(true, "panicked: boom"), (false, "finished")] {
            let session = Addr::<Worker>::new(unique("session"));
            let log = log.clone();
            Spec::new(&session, &here, move || Worker::new("session", &log)).launch(ear(&heard));
            session.tell(Add(1));
            assert_eq!(session.ask(Total).await, Ok(1));
            match crash {
                true => session.tell(Boom),
                false => session.tell(Quit),
            }
            settle().await;
            assert_eq!(session.ask(Total).await, Err(Lost));
            let heard = std::mem::take(&mut *heard.lock().unwrap());
            assert!(heard.len() == 1 && heard[0].contains(why), "{heard:?}");
        }
    });
}

#[test]
fn what_is_tied_ends_with_its_owner() {
    tell(async {
        let (log, heard) = (Log::default(), Log::default());
        let here = Arbiter::current();
        let worker = Addr::<Worker>::new(unique("ice_agent"));
        let call = Addr::<Supervisor>::new(unique("call"));
        let factory = {
            let log = log.clone();
            move || Worker::new("ice_agent", &log)
        };
        Supervisor::new(&call, Strategy::OneForOne, INTENSITY, BACKOFF)
            .child(Spec::new(&worker, &here, factory))
            .launch(&here, ear(&heard));
        let tie = call.tie();
        assert_eq!(worker.ask(Total).await, Ok(0));
        drop(tie);
        settle().await;
        assert_eq!(log.lock().unwrap().as_slice(), ["+ ice_agent", "- ice_agent"]);
        assert_eq!(worker.ask(Total).await, Err(Lost));
        assert_eq!(view(&call).status, Status::Closed);
    });
}

#[test]
fn the_dead_leave_the_directory() {
    tell(async {
        let heard = Log::default();
        let here = Arbiter::current();
        let name = unique("file");
        for _ in 0..200 {
            let log = Log::default();
            let file = Addr::<Worker>::new(name.clone());
            Spec::new(&file, &here, move || Worker::new("file", &log)).launch(ear(&heard));
            file.tell(Quit);
            settle().await;
        }
        let left = Directory::view().iter().filter(|view| view.name == name).count();
        assert_eq!((left, heard.lock().unwrap().len()), (0, 200));
    });
}

/// Blocks its thread for a second, after saying so.
struct Stuck(oneshot::Sender<()>);
mail! { Stuck; }

impl Handler<Stuck> for Worker {
    type Result = ();

    fn handle(&mut self, stuck: Stuck, _: &mut Self::Context) {
        stuck.0.send(()).unwrap();
        std::thread::sleep(ms(1000));
    }
}

/// In real time, for a stuck thread is a matter of threads.
#[test]
fn a_stuck_child_is_given_up_when_the_time_to_stop_is_over() {
    let heard = Log::default();
    System::new().block_on(async {
        let aside = Arbiter::new();
        let log = Log::default();
        let decoder = Addr::<Worker>::new("decoder");
        let root = Addr::<Supervisor>::new("root");
        Supervisor::new(&root, Strategy::OneForOne, INTENSITY, BACKOFF)
            .child(Spec::new(&decoder, &aside.handle(), move || {
                Worker::new("decoder", &log)
            }))
            .stop_limit(ms(50))
            .reports(ear(&heard))
            .launch(&Arbiter::current(), ear(&heard));
        let (stuck, is_stuck) = oneshot::channel();
        decoder.tell(Stuck(stuck));
        is_stuck.await.unwrap();
        root.tell(Shutdown);
        let ended = async {
            while heard.lock().unwrap().len() < 2 {
                sleep(ms(5)).await;
            }
        };
        tokio::time::timeout(ms(900), ended).await.unwrap();
    });
    let heard = heard.lock().unwrap();
    assert_eq!(
        heard.as_slice(),
        ["decoder failed: did not stop within 50ms", "root was shut down"]
    );
}
