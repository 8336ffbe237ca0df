//! The stage of the stories: an actor that can die in every way, and a supervisor over some of it.

use std::cell::Cell;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, AtomicResponse, Context, Handler, System, WrapFuture,
};
use actix_rt::Arbiter;
use roomrtc_kit::{
    Addr, Backoff, Directory, Down, Exit, Intensity, MeterView, Port, Restart, Spec, Strategy, Supervisor,
    mail,
};
use tokio::time::sleep;

/// What happened, in order.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

pub(crate) const INTENSITY: Intensity = Intensity {
    restarts: 3,
    period: Duration::from_secs(10),
};
pub(crate) const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    max: Duration::from_secs(2),
};

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Tells a story on a clock that moves only when nobody has anything to do.
pub(crate) fn tell<F: Future<Output = ()>>(story: F) {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap()
    };
    System::with_tokio_rt(runtime).block_on(story);
}

/// Lets everything happen that can happen at this instant.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// An actor that writes down its births (`+`) and deaths (`-`).
pub(crate) struct Worker {
    pub(crate) name: &'static str,
    pub(crate) log: Log,
    pub(crate) count: u32,
    pub(crate) bad_starts: Option<Arc<Mutex<u32>>>,
    pub(crate) bad_stop: bool,
}

impl Worker {
    pub(crate) fn new(name: &'static str, log: &Log) -> Self {
        Worker {
            name,
            log: log.clone(),
            count: 0,
            bad_starts: None,
            bad_stop: false,
        }
    }

    fn say(&self, what: &str) {
        self.log.lock().unwrap().push(format!("{what} {}", self.name));
    }
}

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        self.say("+");
        if let Some(left) = &self.bad_starts {
            let mut left = left.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                drop(left);
                panic!("bad start");
            }
        }
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.say("-");
        assert!(!self.bad_stop, "bad stop");
    }
}

/// Panics.
pub(crate) struct Boom;
/// Gives up.
pub(crate) struct Fail;
/// Stops by itself.
pub(crate) struct Quit;
/// Panics a second later.
pub(crate) struct Later;
/// Is busy for five seconds.
pub(crate) struct Slow;
pub(crate) struct Add(pub(crate) u32);
pub(crate) struct Total;
pub(crate) struct Frame(pub(crate) u32);
pub(crate) struct Chunk;

mail! {
    Boom;
    Fail;
    Quit;
    Later;
    Slow;
    Add;
    Total => u32;
    Frame: newest(2);
    Chunk: paced(4);
}

impl Handler<Boom> for Worker {
    type Result = ();

    fn handle(&mut self, _: Boom, _: &mut Self::Context) {
        panic!("boom");
    }
}

impl Handler<Fail> for Worker {
    type Result = ();

    fn handle(&mut self, _: Fail, ctx: &mut Self::Context) {
        ctx.fail("no camera");
    }
}

impl Handler<Quit> for Worker {
    type Result = ();

    fn handle(&mut self, _: Quit, ctx: &mut Self::Context) {
        ctx.stop();
    }
}

impl Handler<Later> for Worker {
    type Result = ();

    fn handle(&mut self, _: Later, ctx: &mut Self::Context) {
        ctx.run_later(ms(1000), |_, _| panic!("late"));
    }
}

impl Handler<Slow> for Worker {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Slow, _: &mut Self::Context) -> Self::Result {
        let done = sleep(ms(5000))
            .into_actor(self)
            .map(|(), this, _| this.count += 100);
        AtomicResponse::new(Box::pin(done))
    }
}

impl Handler<Add> for Worker {
    type Result = ();

    fn handle(&mut self, add: Add, _: &mut Self::Context) {
        self.count += add.0;
    }
}

impl Handler<Total> for Worker {
    type Result = u32;

    fn handle(&mut self, _: Total, _: &mut Self::Context) -> u32 {
        self.count
    }
}

impl Handler<Frame> for Worker {
    type Result = ();

    fn handle(&mut self, frame: Frame, _: &mut Self::Context) {
        self.log.lock().unwrap().push(format!("frame {}", frame.0));
    }
}

impl Handler<Chunk> for Worker {
    type Result = ();

    fn handle(&mut self, _: Chunk, _: &mut Self::Context) {
        self.count += 1;
    }
}

/// A name of this story alone: the stories run side by side in one process.
pub(crate) fn unique(base: &str) -> String {
    thread_local! {
        static NEXT: Cell<u32> = const { Cell::new(0) };
    }
    NEXT.set(NEXT.get() + 1);
    format!("{base}#{}-{:?}", NEXT.get(), std::thread::current().id())
}

/// A port that writes down what ended, and why.
pub(crate) fn ear(heard: &Log) -> Port<Down> {
    let heard = heard.clone();
    Port::new(move |down: Down| {
        heard
            .lock()
            .unwrap()
            .push(format!("{} {}", down.name, down.reason))
    })
}

/// A root supervisor over named workers.
pub(crate) struct Stage {
    log: Log,
    heard: Log,
    pub(crate) root: Addr<Supervisor>,
    pub(crate) workers: Vec<Addr<Worker>>,
}

impl Stage {
    pub(crate) async fn new(strategy: Strategy, names: &[&'static str], restart: Restart) -> Self {
        let (log, heard) = (Log::default(), Log::default());
        let here = Arbiter::current();
        let root = Addr::<Supervisor>::new(unique("root"));
        let mut supervisor = Supervisor::new(&root, strategy, INTENSITY, BACKOFF).reports(ear(&heard));
        let mut workers = Vec::new();
        for &name in names {
            let worker = Addr::<Worker>::new(unique(name));
            let log = log.clone();
            let spec = Spec::new(&worker, &here, move || Worker::new(name, &log)).restart(restart);
            supervisor = supervisor.child(spec);
            workers.push(worker);
        }
        supervisor.launch(&here, ear(&heard));
        settle().await;
        Stage {
            log,
            heard,
            root,
            workers,
        }
    }

    /// A stage of one permanent worker.
    pub(crate) async fn solo() -> (Self, Addr<Worker>) {
        let stage = Self::new(Strategy::OneForOne, &["worker"], Restart::Permanent).await;
        let worker = stage.workers[0].clone();
        (stage, worker)
    }

    /// What the workers wrote since the last time.
    pub(crate) fn log(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    /// What was reported since the last time.
    pub(crate) fn heard(&self) -> Vec<String> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

/// What can be seen of an actor.
pub(crate) fn view<A: Actor<Context = Context<A>>>(addr: &Addr<A>) -> MeterView {
    let views = Directory::view();
    views.into_iter().find(|view| view.name == addr.name()).unwrap()
}
