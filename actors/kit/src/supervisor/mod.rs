//! Restarts what fails, in order, a limited number of times; then says so.
//!
//! Reading order: `policy` is what is decided, `child` is whom it is about, [`Supervisor`] here does it: a small
//! machine of phases that [`Up`] and [`Down`] of its children move on.

mod child;
mod policy;

use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use tokio::time::Instant;

use crate::address::{Addr, Port};
use crate::mail;
use crate::reason::{Exit, Reason};
use crate::thread::Thread;

use child::{Child, new_life};
use policy::Deaths;

pub(crate) use child::Herald;
pub use child::Spec;
pub use policy::{Backoff, Intensity, Restart, Strategy};

/// A child ended.
#[derive(Clone, Debug)]
pub struct Down {
    /// Its place among the children.
    pub child: usize,
    /// The number of the life that ended.
    pub life: u32,
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: Reason,
}

/// A child has started.
#[derive(Clone, Copy, Debug)]
pub struct Up {
    /// Its place among the children.
    pub child: usize,
    /// The number of the life that began.
    pub life: u32,
}

/// End all children, last first, then yourself.
#[derive(Clone, Copy, Debug)]
pub struct Shutdown;

mail! { Down; Up; Shutdown; }

/// Time a child has to stop unless [`Supervisor::stop_limit`] says otherwise.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// A supervisor gets this many times as long, for it stops its own children one after the other.
const SUPERVISOR_PATIENCE: u32 = 4;

struct Slot {
    child: Box<dyn Child>,
    life: u32,
    alive: bool,
    /// It will not be started again.
    done: bool,
    /// Runs while it is asked to stop.
    patience: Option<SpawnHandle>,
}

enum Phase {
    /// All is well.
    Steady,
    /// Ending the children from `from` on, last first.
    Clearing { from: usize, pause: Duration },
    /// Waiting before a restart.
    Pausing { from: usize, until: Instant },
    /// Starting children in order; `next` is being started.
    Raising { next: usize },
    /// Ending for good.
    Closing { why: Reason },
}

/// An actor whose only work is other actors.
pub struct Supervisor {
    me: Addr<Supervisor>,
    strategy: Strategy,
    backoff: Backoff,
    stop_limit: Duration,
    slots: Vec<Slot>,
    deaths: Deaths,
    phase: Phase,
    reports: Option<Port<Down>>,
}

impl Supervisor {
    /// A supervisor without children yet; `me` is its own address.
    pub fn new(me: &Addr<Supervisor>, strategy: Strategy, intensity: Intensity, backoff: Backoff) -> Self {
        Supervisor {
            me: me.clone(),
            strategy,
            backoff,
            stop_limit: STOP_LIMIT,
            slots: Vec::new(),
            deaths: Deaths::new(intensity),
            phase: Phase::Raising { next: 0 },
            reports: None,
        }
    }

    /// Adds a child; children start in this order and end in the reverse.
    pub fn child<A: Actor<Context = Context<A>>>(mut self, spec: Spec<A>) -> Self {
        self.slots.push(Slot {
            child: Box::new(spec),
            life: 0,
            alive: false,
            done: false,
            patience: None,
        });
        self
    }

    /// Also tells somebody (the user) of every failure.
    pub fn reports(mut self, to: Port<Down>) -> Self {
        self.reports = Some(to);
        self
    }

    /// Time a child has to stop; one that takes longer (its thread is stuck) is given up.
    pub fn stop_limit(mut self, limit: Duration) -> Self {
        self.stop_limit = limit;
        self
    }

    /// Starts the root of a tree, or a tree below an actor (a call); `end` hears why it ended, with the life's
    /// number returned here.
    pub fn launch(self, thread: impl Into<Thread>, end: Port<Down>) -> u32 {
        let me = self.me.clone();
        child::launch(&me, &thread.into(), Box::new(move || self), end)
    }

    fn start(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.life = new_life();
        slot.alive = true;
        let herald = Herald::to(&self.me, index, slot.life, slot.child.name());
        slot.child.start(herald);
    }

    /// Asks a child to stop, and gives it up when it does not in time.
    fn stop(&mut self, index: usize, ctx: &mut Context<Self>) {
        let slot = &mut self.slots[index];
        if slot.patience.is_some() {
            return; // asked already
        }
        let limit = match slot.child.supervisor() {
            Some(_) => self.stop_limit * SUPERVISOR_PATIENCE,
            None => self.stop_limit,
        };
        let life = slot.life;
        slot.patience = Some(ctx.run_later(limit, move |this, ctx| this.give_up(index, life, limit, ctx)));
        slot.child.stop();
    }

    /// A child did not stop. Should it ever wake, it will stop then; its next life waits for that.
    fn give_up(&mut self, index: usize, life: u32, limit: Duration, ctx: &mut Context<Self>) {
        let slot = &mut self.slots[index];
        slot.patience = None;
        if slot.life != life || !slot.alive {
            return;
        }
        slot.alive = false;
        slot.life = new_life(); // whatever it still tells is news of an older life
        let down = Down {
            child: index,
            life,
            name: slot.child.name().into(),
            reason: Reason::Failed(format!("did not stop within {limit:?}")),
        };
        tracing::error!(child = down.name, reason = %down.reason, "given up");
        if let Some(reports) = &self.reports {
            reports.tell(down);
        }
        self.proceed(ctx);
    }

    /// Does the next step of the present phase.
    fn proceed(&mut self, ctx: &mut Context<Self>) {
        match self.phase {
            Phase::Steady | Phase::Pausing { .. } => {}
            Phase::Clearing { from, pause } => match self.last_alive(from) {
                Some(last) => self.stop(last, ctx),
                None => self.pause(from, pause, ctx),
            },
            Phase::Raising { next } => {
                let waiting = |index: &usize| !self.slots[*index].alive && !self.slots[*index].done;
                match (next..self.slots.len()).find(waiting) {
                    Some(next) => {
                        self.phase = Phase::Raising { next };
                        self.start(next);
                    }
                    None => self.phase = Phase::Steady,
                }
            }
            Phase::Closing { ref why } => {
                let why = why.clone();
                match self.last_alive(0) {
                    Some(last) => self.stop(last, ctx),
                    None => ctx.quit(why),
                }
            }
        }
    }

    fn last_alive(&self, from: usize) -> Option<usize> {
        (from..self.slots.len())
            .rev()
            .find(|&index| self.slots[index].alive)
    }

    fn pause(&mut self, from: usize, pause: Duration, ctx: &mut Context<Self>) {
        let until = Instant::now() + pause;
        self.phase = Phase::Pausing { from, until };
        if pause.is_zero() {
            self.raise(ctx);
        } else {
            ctx.run_later(pause, |this, ctx| this.raise(ctx));
        }
    }

    fn raise(&mut self, ctx: &mut Context<Self>) {
        if let Phase::Pausing { from, until } = self.phase
            && Instant::now() >= until
        {
            self.phase = Phase::Raising { next: from };
            self.proceed(ctx);
        }
    }

    /// Restarts one child and nobody else.
    fn restart_one(&mut self, index: usize, ctx: &mut Context<Self>) {
        let restart = move |this: &mut Self, ctx: &mut Context<Self>| match this.phase {
            Phase::Raising { next } if next == index => this.proceed(ctx),
            Phase::Steady | Phase::Clearing { .. } | Phase::Pausing { .. } | Phase::Raising { .. } => {
                if !this.slots[index].alive {
                    this.start(index);
                }
            }
            Phase::Closing { .. } => {}
        };
        let pause = self.backoff.pause(self.deaths.count());
        if pause.is_zero() {
            restart(self, ctx);
        } else {
            ctx.run_later(pause, restart);
        }
    }

    /// A child ended that is to live: restarts whom the strategy names, or gives up. One whose thread was taken away has
    /// done nothing wrong.
    fn restart(&mut self, down: Down, ctx: &mut Context<Self>) {
        if !matches!(down.reason, Reason::Displaced(_)) && self.deaths.note(Instant::now()) {
            let (child, last) = (down.name, down.reason.to_string());
            self.phase = Phase::Closing {
                why: Reason::TooManyRestarts { child, last },
            };
            return self.proceed(ctx);
        }
        let first = match self.strategy {
            Strategy::OneForOne => return self.restart_one(down.child, ctx),
            Strategy::RestForOne => down.child,
            Strategy::OneForAll => 0,
        };
        // A second failure while restarting widens the restart, never narrows it.
        let from = match self.phase {
            Phase::Clearing { from, .. } | Phase::Pausing { from, .. } => first.min(from),
            Phase::Steady | Phase::Raising { .. } | Phase::Closing { .. } => first,
        };
        let pause = self.backoff.pause(self.deaths.count());
        self.phase = Phase::Clearing { from, pause };
        self.proceed(ctx);
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let meter = &self.me.0.meter;
        meter.supervises(self.strategy.words());
        self.slots
            .iter()
            .filter_map(|slot| slot.child.desk().upgrade())
            .for_each(|desk| desk.meter().below(meter.id));
        self.me
            .0
            .depend(self.slots.iter().map(|slot| slot.child.desk()).collect());
        self.proceed(ctx);
    }

    /// Killed or crashed itself: its children end with it. Their mail waits, for it may be restarted.
    fn stopped(&mut self, _: &mut Self::Context) {
        let alive = self.slots.iter().rev().filter(|slot| slot.alive);
        alive.for_each(|slot| slot.child.stop());
    }
}

impl Handler<Up> for Supervisor {
    type Result = ();

    fn handle(&mut self, up: Up, ctx: &mut Self::Context) {
        if let Phase::Raising { next } = self.phase
            && next == up.child
            && self.slots[next].life == up.life
        {
            self.phase = Phase::Raising { next: next + 1 };
            self.proceed(ctx);
        }
    }
}

impl Handler<Down> for Supervisor {
    type Result = ();

    fn handle(&mut self, down: Down, ctx: &mut Self::Context) {
        let Some(slot) = self
            .slots
            .get_mut(down.child)
            .filter(|slot| slot.life == down.life)
        else {
            return; // news of an older life
        };
        slot.alive = false;
        if let Some(patience) = slot.patience.take() {
            ctx.cancel_future(patience);
        }
        if down.reason.abnormal()
            && let Some(reports) = &self.reports
        {
            reports.tell(down.clone());
        }
        let asked = matches!(down.reason, Reason::Shutdown);
        let again = match slot.child.restart() {
            Restart::Permanent => true,
            Restart::Transient => down.reason.abnormal() || asked,
            Restart::Temporary => false,
        };
        if !again {
            slot.done = true;
            slot.child.close();
        }
        let closing = matches!(self.phase, Phase::Closing { .. });
        let cleared = asked && matches!(self.phase, Phase::Clearing { .. });
        if closing || cleared || !again {
            self.proceed(ctx);
        } else {
            self.restart(down, ctx);
        }
    }
}

impl Handler<Shutdown> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Shutdown, ctx: &mut Self::Context) {
        let why = Reason::Shutdown;
        self.phase = Phase::Closing { why };
        self.proceed(ctx);
    }
}
