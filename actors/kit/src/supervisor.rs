//! Restarts what fails, in order, a limited number of times; then says so.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler};
use actix_rt::ArbiterHandle;
use tokio::time::Instant;

use crate::directory::Order;
use crate::life::{Exit, Factory, Life, Reason};
use crate::mail;
use crate::mailbox::{Addr, Desk, Port};

/// Who is restarted with a child that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// It alone.
    OneForOne,
    /// It and those started after it, which depend on it.
    RestForOne,
    /// Everyone.
    OneForAll,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// Only after a failure.
    Transient,
    /// Never.
    Temporary,
}

/// At most `restarts` within `period`; one more and the supervisor itself fails.
#[derive(Clone, Copy, Debug)]
pub struct Intensity {
    pub restarts: usize,
    pub period: Duration,
}

/// The pause before a restart: none for the first within the period, then doubling.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    pub first: Duration,
    pub max: Duration,
}

impl Backoff {
    fn pause(&self, deaths: usize) -> Duration {
        match deaths {
            0 | 1 => Duration::ZERO,
            n => self.first.saturating_mul(1 << (n - 2).min(16)).min(self.max),
        }
    }
}

/// A child ended.
#[derive(Clone, Debug)]
pub struct Down {
    pub child: usize,
    pub life: u32,
    pub name: String,
    pub reason: Reason,
}

/// A child has started.
#[derive(Clone, Copy, Debug)]
pub struct Up {
    pub child: usize,
    pub life: u32,
}

/// End all children, last first, then yourself.
#[derive(Clone, Copy, Debug)]
pub struct Shutdown;

mail! { Down; Up; Shutdown; }

/// How a life tells its supervisor.
pub(crate) struct Herald {
    up: Option<Port<Up>>,
    down: Option<Port<Down>>,
    child: usize,
    life: u32,
    name: String,
}

impl Herald {
    pub fn up(&self) {
        if let Some(up) = &self.up {
            up.tell(Up {
                child: self.child,
                life: self.life,
            });
        }
    }

    pub fn down(mut self, reason: Reason) {
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

/// How to start a child, and whether to start it again.
pub struct Spec<A: Actor<Context = Context<A>>> {
    addr: Addr<A>,
    arbiter: ArbiterHandle,
    factory: Factory<A>,
    restart: Restart,
}

impl<A: Actor<Context = Context<A>>> Spec<A> {
    pub fn new(
        addr: &Addr<A>,
        arbiter: &ArbiterHandle,
        factory: impl Fn() -> A + Send + Sync + 'static,
    ) -> Self {
        Spec {
            addr: addr.clone(),
            arbiter: arbiter.clone(),
            factory: Arc::new(factory),
            restart: Restart::Permanent,
        }
    }

    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }
}

trait Child: Send {
    fn name(&self) -> &str;
    fn restart(&self) -> Restart;
    fn start(&self, herald: Herald);
    fn stop(&self);
    fn close(&self);
}

impl<A: Actor<Context = Context<A>>> Child for Spec<A> {
    fn name(&self) -> &str {
        &self.addr.0.meter.name
    }

    fn restart(&self) -> Restart {
        self.restart
    }

    fn start(&self, herald: Herald) {
        let (mailbox, factory) = (self.addr.0.clone(), self.factory.clone());
        self.arbiter.spawn_fn(move || {
            actix_rt::spawn(Life::new(mailbox, factory, herald));
        });
    }

    fn stop(&self) {
        // A supervisor takes its children down in order; anything else just ends.
        let mailbox: &dyn std::any::Any = &self.addr;
        match mailbox.downcast_ref::<Addr<Supervisor>>() {
            Some(supervisor) => supervisor.tell(Shutdown),
            None => self.addr.0.give(Order::Stop),
        }
    }

    fn close(&self) {
        self.addr.0.close();
    }
}

struct Slot {
    child: Box<dyn Child>,
    life: u32,
    alive: bool,
    /// It will not be started again.
    done: bool,
}

/// Lives are numbered across all supervisors, so that late news of an old one is told from a new one's.
fn new_life() -> u32 {
    static LIVES: AtomicU32 = AtomicU32::new(1);
    LIVES.fetch_add(1, Relaxed)
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
    intensity: Intensity,
    backoff: Backoff,
    slots: Vec<Slot>,
    deaths: VecDeque<Instant>,
    phase: Phase,
    reports: Option<Port<Down>>,
}

impl Supervisor {
    pub fn new(me: &Addr<Supervisor>, strategy: Strategy, intensity: Intensity, backoff: Backoff) -> Self {
        Supervisor {
            me: me.clone(),
            strategy,
            intensity,
            backoff,
            slots: Vec::new(),
            deaths: VecDeque::new(),
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
        });
        self
    }

    /// Also tells somebody (the UI) of every failure.
    pub fn reports(mut self, to: Port<Down>) -> Self {
        self.reports = Some(to);
        self
    }

    /// Starts the root of a tree; `end` hears why it ended.
    pub fn launch(self, arbiter: &ArbiterHandle, end: Port<Down>) {
        let (mailbox, name) = (self.me.0.clone(), self.me.0.meter.name.clone());
        let herald = Herald {
            up: None,
            down: Some(end),
            child: 0,
            life: new_life(),
            name,
        };
        let once = Mutex::new(Some(self));
        let factory: Factory<Supervisor> =
            Arc::new(move || once.lock().unwrap().take().expect("a root has one life"));
        arbiter.spawn_fn(move || {
            actix_rt::spawn(Life::new(mailbox, factory, herald));
        });
    }

    fn start(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.life = new_life();
        slot.alive = true;
        let name = slot.child.name().to_string();
        slot.child.start(Herald {
            up: Some(self.me.port()),
            down: Some(self.me.port()),
            child: index,
            life: slot.life,
            name,
        });
    }

    /// Does the next step of the current phase.
    fn proceed(&mut self, ctx: &mut Context<Self>) {
        match self.phase {
            Phase::Steady | Phase::Pausing { .. } => {}
            Phase::Clearing { from, pause } => match self.slots[from..].iter().rev().find(|s| s.alive) {
                Some(last) => last.child.stop(),
                None => {
                    self.phase = Phase::Pausing {
                        from,
                        until: Instant::now() + pause,
                    };
                    if pause.is_zero() {
                        self.raise(ctx);
                    } else {
                        ctx.run_later(pause, |this, ctx| this.raise(ctx));
                    }
                }
            },
            Phase::Raising { next } => {
                let wanted = (next..self.slots.len()).find(|&i| !self.slots[i].alive && !self.slots[i].done);
                match wanted {
                    Some(next) => {
                        self.phase = Phase::Raising { next };
                        self.start(next);
                    }
                    None => self.phase = Phase::Steady,
                }
            }
            Phase::Closing { ref why } => match self.slots.iter().rev().find(|s| s.alive) {
                Some(last) => last.child.stop(),
                None => {
                    let why = why.clone();
                    self.slots.iter().for_each(|s| s.child.close());
                    ctx.quit(why);
                }
            },
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

    /// Notes a death; true if that is one too many.
    fn too_many(&mut self) -> bool {
        let now = Instant::now();
        while self
            .deaths
            .front()
            .is_some_and(|&t| now - t > self.intensity.period)
        {
            self.deaths.pop_front();
        }
        self.deaths.push_back(now);
        self.deaths.len() > self.intensity.restarts
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.proceed(ctx);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        // Killed or crashed itself: nobody is left to restart the children.
        for slot in self.slots.iter().rev().filter(|s| s.alive) {
            slot.child.stop();
            slot.child.close();
        }
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
        let index = down.child;
        if self.slots[index].life != down.life {
            return; // news of an older life
        }
        self.slots[index].alive = false;
        let asked = matches!(down.reason, Reason::Shutdown);
        if down.reason.abnormal()
            && let Some(reports) = &self.reports
        {
            reports.tell(down.clone());
        }
        let again = match self.slots[index].child.restart() {
            Restart::Permanent => true,
            Restart::Transient => down.reason.abnormal() || asked,
            Restart::Temporary => false,
        };
        if !again {
            self.slots[index].done = true;
            self.slots[index].child.close();
        }
        let clearing = matches!(self.phase, Phase::Clearing { .. });
        if !again || clearing && asked || matches!(self.phase, Phase::Closing { .. }) {
            return self.proceed(ctx);
        }
        if self.too_many() {
            let why = Reason::TooManyRestarts {
                child: down.name,
                last: down.reason.to_string(),
            };
            self.phase = Phase::Closing { why };
            return self.proceed(ctx);
        }
        let first = match self.strategy {
            Strategy::OneForOne => return self.restart_one(index, ctx),
            Strategy::RestForOne => index,
            Strategy::OneForAll => 0,
        };
        // A second failure while restarting widens the restart, never narrows it.
        let from = match self.phase {
            Phase::Clearing { from, .. } | Phase::Pausing { from, .. } => first.min(from),
            _ => first,
        };
        self.phase = Phase::Clearing {
            from,
            pause: self.backoff.pause(self.deaths.len()),
        };
        self.proceed(ctx);
    }
}

impl Supervisor {
    fn restart_one(&mut self, index: usize, ctx: &mut Context<Self>) {
        let pause = self.backoff.pause(self.deaths.len());
        let restart = move |this: &mut Self, ctx: &mut Context<Self>| match this.phase {
            Phase::Closing { .. } => {}
            Phase::Raising { next } if next == index => this.proceed(ctx),
            _ if this.slots[index].alive => {}
            _ => this.start(index),
        };
        if pause.is_zero() {
            restart(self, ctx);
        } else {
            ctx.run_later(pause, restart);
        }
    }
}

impl Handler<Shutdown> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Shutdown, ctx: &mut Self::Context) {
        self.phase = Phase::Closing {
            why: Reason::Shutdown,
        };
        self.proceed(ctx);
    }
}
