//! Threads that hang or die, and actors that take no mail. These stories need real threads, and so real time.

use std::future::Future;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, System, WrapFuture};
use actix_rt::Arbiter;
use roomrtc_kit::{
    Addr, Directory, Down, Intensity, Keep, Order, Port, Reason, Spec, Strategy, Supervisor, Thread,
    Watchdog, mail,
};

use crate::stage::{BACKOFF, INTENSITY, ms};

const LIMIT: Duration = Duration::from_millis(200);

/// An actor that can hang its thread, or itself.
struct Worker {
    keep: Keep<u32>,
    lives: Arc<Mutex<u32>>,
}

/// Sleep on the thread, then keep a number.
struct Hang(Duration, u32);
/// Handle no more mail.
struct WaitForEver;
/// Which life, and what it has kept.
struct Who;

mail! { Hang; WaitForEver; Who => (u32, Option<u32>); }

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        *self.lives.lock().unwrap() += 1;
    }
}

impl Handler<Hang> for Worker {
    type Result = ();

    fn handle(&mut self, Hang(time, number): Hang, _: &mut Self::Context) {
        sleep(time);
        self.keep.put(number);
    }
}

impl Handler<WaitForEver> for Worker {
    type Result = ();

    fn handle(&mut self, _: WaitForEver, ctx: &mut Self::Context) {
        ctx.wait(std::future::pending().into_actor(self));
    }
}

impl Handler<Who> for Worker {
    type Result = actix::MessageResult<Who>;

    fn handle(&mut self, _: Who, _: &mut Self::Context) -> Self::Result {
        actix::MessageResult((*self.lives.lock().unwrap(), self.keep.get()))
    }
}

/// Two workers on one thread, their supervisor and the watchdog on another.
struct Yard {
    one: Addr<Worker>,
    other: Addr<Worker>,
    deaths: mpsc::Receiver<Down>,
}

impl Yard {
    fn new(name: &str, thread: &Thread, intensity: Intensity) -> Self {
        let here = Arbiter::current();
        let watchdog = Addr::<Watchdog>::new(format!("{name}/watchdog"));
        Spec::new(&watchdog, &here, || Watchdog::new(LIMIT)).launch(Port::new(|_: Down| {}));
        let (told, deaths) = mpsc::channel();
        let own = Addr::<Supervisor>::new(name);
        let worker = |worker: &str| {
            let addr = Addr::<Worker>::new(format!("{name}/{worker}"));
            let (keep, lives) = (Keep::default(), Arc::<Mutex<u32>>::default());
            let spec = Spec::new(&addr, thread, move || Worker {
                keep: keep.clone(),
                lives: lives.clone(),
            });
            (addr, spec)
        };
        let ((one, first), (other, second)) = (worker("one"), worker("other"));
        let supervisor = Supervisor::new(&own, Strategy::OneForOne, intensity, BACKOFF)
            .reports(Port::new(move |down| drop(told.send(down))))
            .child(first)
            .child(second);
        supervisor.launch(&here, Port::new(|_: Down| {}));
        Yard { one, other, deaths }
    }

    /// What its worker says, within a while.
    async fn who(addr: &Addr<Worker>) -> (u32, Option<u32>) {
        let answer = tokio::time::timeout(Duration::from_secs(10), addr.ask(Who));
        answer.await.expect("it answers").expect("it is there")
    }

    /// Waits until so many workers have died, and what of.
    async fn died(&self, count: usize) -> Vec<(String, Reason)> {
        let mut reasons = Vec::new();
        let waiting = async {
            while reasons.len() < count {
                reasons.extend(self.reasons());
                tokio::time::sleep(ms(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        assert!(waited.is_ok(), "{count} deaths, not {reasons:?}");
        reasons
    }

    fn reasons(&self) -> Vec<(String, Reason)> {
        let mut reasons: Vec<_> = self
            .deaths
            .try_iter()
            .map(|down| (down.name.rsplit('/').next().unwrap().to_owned(), down.reason))
            .collect();
        reasons.sort_by(|a, b| a.0.cmp(&b.0));
        reasons
    }
}

fn run(story: impl Future<Output = ()>) {
    System::new().block_on(story);
}

#[test]
fn a_handler_that_hangs_is_replaced_and_its_neighbours_move_without_blame() {
    run(async {
        // A single death is allowed: that of the one who hangs.
        let strict = Intensity {
            restarts: 1,
            ..INTENSITY
        };
        let yard = Yard::new("hang", &Thread::new("yard"), strict);
        assert_eq!(Yard::who(&yard.other).await, (1, None));
        yard.one.tell(Hang(LIMIT * 6, 13));
        assert_eq!(Yard::who(&yard.one).await, (2, None));
        assert_eq!(Yard::who(&yard.other).await, (2, None));
        let reasons = yard.reasons();
        assert_eq!(
            reasons[0],
            ("one".to_owned(), Reason::Failed(format!("hung for {LIMIT:?}")))
        );
        assert_eq!(
            reasons[1],
            ("other".to_owned(), Reason::Displaced("hang/one".to_owned()))
        );
        assert_eq!(reasons.len(), 2);
        // The hung handler goes on at last: it is nobody any more, keeps nothing and hears nothing.
        tokio::time::sleep(LIMIT * 7).await;
        assert_eq!(Yard::who(&yard.one).await, (2, None));
        assert_eq!(yard.reasons(), []);
    });
}

#[test]
fn an_order_to_hang_is_no_different() {
    Directory::allow_chaos(true);
    run(async {
        let yard = Yard::new("ordered", &Thread::new("yard"), INTENSITY);
        assert_eq!(Yard::who(&yard.one).await, (1, None));
        assert!(Directory::order("ordered/one", Order::Hang(LIMIT * 6)));
        yard.died(1).await;
        assert_eq!(Yard::who(&yard.one).await, (2, None));
    });
}

#[test]
fn an_actor_that_takes_no_mail_is_replaced_alone_and_its_mail_is_kept() {
    run(async {
        let yard = Yard::new("deaf", &Thread::new("yard"), INTENSITY);
        yard.one.tell(WaitForEver);
        assert_eq!(Yard::who(&yard.one).await, (2, None));
        assert_eq!(Yard::who(&yard.other).await, (1, None));
        let reason = Reason::Failed(format!("took no mail for {LIMIT:?}"));
        assert_eq!(yard.reasons(), [("one".to_owned(), reason)]);
    });
}

#[test]
fn who_is_ordered_to_pause_is_left_alone() {
    Directory::allow_chaos(true);
    run(async {
        let yard = Yard::new("paused", &Thread::new("yard"), INTENSITY);
        assert_eq!(Yard::who(&yard.one).await, (1, None));
        assert!(Directory::order("paused/one", Order::Pause(LIMIT * 4)));
        assert_eq!(Yard::who(&yard.one).await, (1, None));
    });
}

#[test]
fn a_thread_that_is_dead_is_replaced_by_the_next_life() {
    run(async {
        let thread = Thread::new("yard");
        let yard = Yard::new("dead", &thread, INTENSITY);
        assert_eq!(Yard::who(&yard.one).await, (1, None));
        assert_eq!(Yard::who(&yard.other).await, (1, None));
        // Whatever runs on it can end it.
        struct End;
        impl Actor for End {
            type Context = Context<Self>;
            fn started(&mut self, _: &mut Self::Context) {
                Arbiter::current().stop();
            }
        }
        let end = Addr::<End>::new("dead/end");
        Spec::new(&end, &thread, || End).launch(Port::new(|_: Down| {}));
        yard.died(2).await;
        assert_eq!(Yard::who(&yard.one).await, (2, None));
        assert_eq!(Yard::who(&yard.other).await, (2, None));
    });
}
