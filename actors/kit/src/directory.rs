//! All mailboxes by name: what the figures and the actors panel list, and where tests crash an actor.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use actix::{Actor, Context};

use crate::ear::{self, Ear};
use crate::life;
use crate::mailbox::{Desk, Mailbox};
use crate::view::MeterView;

/// What anybody may order any actor, whatever messages it handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// End, as if its supervisor had asked.
    Stop,
    /// Panic.
    Panic,
    /// Panic, and let the next life begin with nothing: what was kept for it is lost too.
    Forget,
    /// Give up with an error.
    Fail,
    /// Block the thread for a time.
    Hang(Duration),
    /// Handle nothing for a time, without blocking the thread.
    Pause(Duration),
}

struct Register {
    desks: Vec<Weak<dyn Desk>>,
    /// Size at which the next sweep is due.
    sweep_at: usize,
}

/// Entries below which no sweep is worth while.
const SWEEP_LEAST: usize = 64;

static REGISTER: Mutex<Register> = Mutex::new(Register {
    desks: Vec::new(),
    sweep_at: SWEEP_LEAST,
});

static CHAOS: AtomicBool = AtomicBool::new(false);
static WATCHED: AtomicBool = AtomicBool::new(false);

fn register() -> MutexGuard<'static, Register> {
    REGISTER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The list of all mailboxes of the process.
pub struct Directory;

impl Directory {
    pub(crate) fn enter<A: Actor<Context = Context<A>>>(mailbox: &Arc<Mailbox<A>>) {
        let desk: Arc<dyn Desk> = mailbox.clone();
        let mut register = register();
        if register.desks.len() >= register.sweep_at {
            register.desks.retain(|desk| desk.strong_count() > 0);
            register.sweep_at = SWEEP_LEAST.max(2 * register.desks.len());
        }
        desk.meter().watch(Self::watched());
        register.desks.push(Arc::downgrade(&desk));
    }

    pub(crate) fn desks() -> Vec<Arc<dyn Desk>> {
        register().desks.iter().filter_map(Weak::upgrade).collect()
    }

    /// Every actor's mailbox, in order of creation.
    pub fn view() -> Vec<MeterView> {
        Self::desks().iter().map(|desk| desk.meter().view()).collect()
    }

    /// The same without the latest messages: cheap enough to be taken many times a second.
    pub fn overview() -> Vec<MeterView> {
        Self::desks().iter().map(|desk| desk.meter().overview()).collect()
    }

    /// The name of the actor with an id, as in [`Note::from`](crate::Note::from).
    pub fn name(id: u32) -> Option<String> {
        let desks = Self::desks();
        let desk = desks.iter().find(|desk| desk.meter().id == id)?;
        Some(desk.meter().name.clone())
    }

    /// Notes in one line what the next life of the actor running on this thread would go on with, for the actors
    /// panel; no secrets.
    pub fn note_resume(words: impl FnOnce() -> String) {
        let id = life::whoami();
        if let Some(desk) = Self::desks().iter().find(|desk| desk.meter().id == id) {
            desk.meter().resume(words());
        }
    }

    /// Whether somebody looks at the actors panel.
    pub fn watched() -> bool {
        WATCHED.load(Relaxed)
    }

    /// Records descriptions of messages while the actors panel is open.
    pub fn watch(on: bool) {
        WATCHED.store(on, Relaxed);
        Self::desks().iter().for_each(|desk| desk.meter().watch(on));
    }

    /// Tells an ear what happens in every actor from now on, in place of the one before; with `None` nobody.
    pub fn listen(ear: Option<Arc<dyn Ear>>) {
        ear::put(ear);
    }

    /// Lets [`Directory::order`] crash actors; off unless `debug.chaos` says so.
    pub fn allow_chaos(on: bool) {
        CHAOS.store(on, Relaxed);
    }

    /// Whether [`Directory::order`] obeys.
    pub fn chaos_allowed() -> bool {
        CHAOS.load(Relaxed)
    }

    /// Gives an order to the actor of that name, the newest where there are several. False if there is none, or if
    /// chaos is not allowed.
    pub fn order(name: &str, order: Order) -> bool {
        let desk = Self::desks().into_iter().rfind(|desk| desk.meter().name == name);
        match desk {
            Some(desk) if CHAOS.load(Relaxed) => {
                desk.give(order);
                true
            }
            Some(_) | None => false,
        }
    }
}
