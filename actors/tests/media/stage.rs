//! Where the stories play: an arbiter, supervised actors, and probes that pass on what they are told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use actix::{Actor, Context, Handler};
use actix_rt::{Arbiter, System, SystemRunner};
use roomrtc_kit::{Addr, Backoff, Directory, Down, Intensity, Mail, Order, Port, Spec, Strategy, Supervisor};

/// Nothing here takes longer, even on a busy machine; something that should not come is not waited for so long.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// An arbiter for one story.
pub(super) struct Stage {
    arbiter: Arbiter,
    number: usize,
    _system: SystemRunner,
}

/// Stories are told side by side: each has names of its own.
static STORIES: AtomicUsize = AtomicUsize::new(0);

impl Stage {
    pub(super) fn new() -> Self {
        let system = System::new();
        Stage {
            arbiter: Arbiter::new(),
            number: STORIES.fetch_add(1, Ordering::Relaxed),
            _system: system,
        }
    }

    /// The name of an actor in this story.
    pub(super) fn name(&self, role: &str) -> String {
        format!("story {}/{role}", self.number)
    }

    /// Crashes an actor.
    pub(super) fn crash(&self, role: &str) {
        Directory::allow_chaos(true);
        assert!(
            Directory::order(&self.name(role), Order::Panic),
            "there is a {role}"
        );
    }

    /// Starts an actor under a supervisor; its deaths are heard.
    pub(super) fn start<A: Actor<Context = Context<A>>>(
        &self,
        addr: &Addr<A>,
        recipe: impl Fn() -> A + Send + Sync + 'static,
    ) -> Receiver<Down> {
        let (deaths, heard) = self.probe::<Down>("deaths");
        let me = Addr::new("supervisor");
        let intensity = Intensity {
            restarts: 5,
            period: Duration::from_secs(10),
        };
        let backoff = Backoff {
            first: Duration::from_millis(1),
            max: Duration::from_millis(10),
        };
        Supervisor::new(&me, Strategy::OneForOne, intensity, backoff)
            .child(Spec::new(addr, &self.arbiter.handle(), recipe))
            .reports(deaths.clone())
            .launch(&self.arbiter.handle(), deaths);
        heard
    }

    /// A port, and what it is told.
    pub(super) fn probe<M: Mail + actix::Message<Result = ()>>(&self, name: &str) -> (Port<M>, Receiver<M>) {
        let (tell, heard) = mpsc::channel();
        let addr: Addr<Probe<M>> = Addr::new(format!("probe/{name}"));
        let me = Addr::new("probe supervisor");
        let once = Intensity {
            restarts: 0,
            period: Duration::from_secs(1),
        };
        let backoff = Backoff {
            first: Duration::ZERO,
            max: Duration::ZERO,
        };
        let (end, _) = (Addr::<Probe<Down>>::new("nobody").port(), ());
        Supervisor::new(&me, Strategy::OneForOne, once, backoff)
            .child(Spec::new(&addr, &self.arbiter.handle(), move || {
                Probe(tell.clone())
            }))
            .launch(&self.arbiter.handle(), end);
        (addr.port(), heard)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.arbiter.stop();
    }
}

/// Passes on what it is told.
struct Probe<M>(mpsc::Sender<M>);

impl<M: Mail> Actor for Probe<M> {
    type Context = Context<Self>;
}

impl<M: Mail + actix::Message<Result = ()>> Handler<M> for Probe<M> {
    type Result = ();

    fn handle(&mut self, message: M, _: &mut Self::Context) {
        let _ = self.0.send(message);
    }
}

/// The next thing heard; a story without it fails.
pub(super) fn next<T>(heard: &Receiver<T>) -> T {
    heard.recv_timeout(PATIENCE).expect("something comes")
}

/// The first thing heard that is as wanted.
pub(super) fn first<T>(heard: &Receiver<T>, mut wanted: impl FnMut(&T) -> bool) -> T {
    let began = std::time::Instant::now();
    loop {
        assert!(began.elapsed() < PATIENCE, "nothing as wanted came");
        let thing = next(heard);
        if wanted(&thing) {
            return thing;
        }
    }
}

/// Whether nothing is heard for a while.
pub(super) fn quiet<T>(heard: &Receiver<T>, length: Duration) -> bool {
    matches!(heard.recv_timeout(length), Err(RecvTimeoutError::Timeout))
}
