//! A supervised actor as its supervisor sees it: how it is started, stopped and heard of.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use actix::{Actor, Context};

use super::policy::Restart;
use super::{Down, Shutdown, Supervisor, Up};
use crate::address::{Addr, Port};
use crate::directory::Order;
use crate::life::{self, Seed, Sequel};
use crate::mailbox::Desk;
use crate::reason::Reason;
use crate::thread::Thread;

/// Lives are numbered across all supervisors, so that late news of an old one is told from a new one's.
pub(super) fn new_life() -> u32 {
    static LIVES: AtomicU32 = AtomicU32::new(1);
    LIVES.fetch_add(1, Relaxed)
}

/// How a life tells its supervisor.
pub(crate) struct Herald {
    up: Option<Port<Up>>,
    down: Option<Port<Down>>,
    child: usize,
    life: u32,
    name: String,
}

impl Herald {
    /// For a child of a supervisor.
    pub(super) fn to(supervisor: &Addr<Supervisor>, child: usize, life: u32, name: &str) -> Self {
        Herald {
            up: Some(supervisor.port()),
            down: Some(supervisor.port()),
            child,
            life,
            name: name.into(),
        }
    }

    /// For an actor whose one life somebody launched.
    pub(super) fn of_only_life(end: Port<Down>, name: &str) -> Self {
        Herald {
            up: None,
            down: Some(end),
            child: 0,
            life: new_life(),
            name: name.into(),
        }
    }

    pub(crate) fn life(&self) -> u32 {
        self.life
    }

    pub(crate) fn up(&self) {
        if let Some(up) = &self.up {
            let (child, life) = (self.child, self.life);
            up.tell(Up { child, life });
        }
    }

    pub(crate) fn down(mut self, reason: Reason) {
        self.report(reason);
    }

    fn report(&mut self, reason: Reason) {
        if let Some(down) = self.down.take() {
            down.tell(Down {
                child: self.child,
                life: self.life,
                name: std::mem::take(&mut self.name),
                reason,
            });
        }
    }
}

impl Drop for Herald {
    /// The life never began, for its thread is gone.
    fn drop(&mut self) {
        self.report(Reason::Failed("its thread ended".into()));
    }
}

/// How to start an actor, and whether to start it again.
pub struct Spec<A: Actor<Context = Context<A>>> {
    addr: Addr<A>,
    thread: Thread,
    factory: Arc<dyn Fn() -> A + Send + Sync>,
    restart: Restart,
}

impl<A: Actor<Context = Context<A>>> Spec<A> {
    /// The actor behind `addr` lives on `thread` (an arbiter will do); `factory` makes it anew for each life. It is
    /// [`Restart::Permanent`] unless told otherwise.
    pub fn new(
        addr: &Addr<A>,
        thread: impl Into<Thread>,
        factory: impl Fn() -> A + Send + Sync + 'static,
    ) -> Self {
        Spec {
            addr: addr.clone(),
            thread: thread.into(),
            factory: Arc::new(factory),
            restart: Restart::Permanent,
        }
    }

    /// Changes whether it is started again.
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// Starts it for one life without a supervisor; `end` hears why it ended, with the life's number returned here.
    /// For one of many alike: a session, a file.
    pub fn launch(self, end: Port<Down>) -> u32 {
        let factory = self.factory;
        launch(&self.addr, &self.thread, Box::new(move || factory()), end)
    }
}

/// Starts the one life of an actor.
pub(super) fn launch<A: Actor<Context = Context<A>>>(
    addr: &Addr<A>,
    thread: &Thread,
    seed: Seed<A>,
    end: Port<Down>,
) -> u32 {
    let herald = Herald::of_only_life(end, addr.name());
    let life = herald.life();
    addr.0.reopen();
    addr.0.meter.below(life::whoami());
    life::begin(thread, addr.0.clone(), seed, herald, Sequel::None);
    life
}

/// A [`Spec`] whatever its actor.
pub(super) trait Child: Send {
    fn name(&self) -> &str;
    fn restart(&self) -> Restart;
    fn start(&self, herald: Herald);
    fn stop(&self);
    fn close(&self);
    fn desk(&self) -> Weak<dyn Desk>;

    /// Its address if it takes down children of its own before it ends.
    fn supervisor(&self) -> Option<&Addr<Supervisor>>;
}

impl<A: Actor<Context = Context<A>>> Child for Spec<A> {
    fn name(&self) -> &str {
        self.addr.name()
    }

    fn restart(&self) -> Restart {
        self.restart
    }

    fn start(&self, herald: Herald) {
        let factory = self.factory.clone();
        let seed = Box::new(move || factory());
        life::begin(&self.thread, self.addr.0.clone(), seed, herald, Sequel::Possible);
    }

    /// A supervisor takes its children down in order; anything else just ends.
    fn stop(&self) {
        match self.supervisor() {
            Some(supervisor) => supervisor.tell(Shutdown),
            None => self.addr.0.give(Order::Stop),
        }
    }

    fn close(&self) {
        self.addr.0.close();
    }

    fn desk(&self) -> Weak<dyn Desk> {
        let desk: Arc<dyn Desk> = self.addr.0.clone();
        Arc::downgrade(&desk)
    }

    fn supervisor(&self) -> Option<&Addr<Supervisor>> {
        let addr: &dyn std::any::Any = &self.addr;
        addr.downcast_ref()
    }
}
