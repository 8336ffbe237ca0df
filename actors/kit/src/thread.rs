//! Threads that actors live on. One that hangs or dies can be replaced under them.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use actix::System;
use actix_rt::{Arbiter, ArbiterHandle};

use crate::life::name_thread;

/// A thread for actors, asked for its arbiter whenever a life begins. Clones are the same thread.
///
/// One made by [`Thread::new`] is replaced by the [`Watchdog`](crate::Watchdog) when it hangs, and by the next life when
/// it is dead; the actors' next lives are on the new one. One made of an arbiter is what it is.
#[derive(Clone)]
pub struct Thread(Arc<Inner>);

struct Inner {
    id: u32,
    /// Only of those that can be replaced.
    name: Option<&'static str>,
    arbiter: Mutex<ArbiterHandle>,
    /// Questions asked to it, and answered by it.
    asked: AtomicU64,
    answered: Arc<AtomicU64>,
}

static THREADS: Mutex<Vec<Weak<Inner>>> = Mutex::new(Vec::new());

impl Thread {
    /// A new thread of that name. Only where an actix system is.
    pub fn new(name: &'static str) -> Self {
        let thread = Self::of(named_arbiter(name), Some(name));
        let mut threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| thread.strong_count() > 0);
        threads.push(Arc::downgrade(&thread.0));
        thread
    }

    fn of(arbiter: ArbiterHandle, name: Option<&'static str>) -> Self {
        static IDS: AtomicU32 = AtomicU32::new(1);
        Thread(Arc::new(Inner {
            id: IDS.fetch_add(1, Relaxed),
            name,
            arbiter: Mutex::new(arbiter),
            asked: AtomicU64::new(0),
            answered: Arc::default(),
        }))
    }

    /// Every thread that can be replaced.
    pub(crate) fn replaceable() -> Vec<Thread> {
        let threads = THREADS.lock().unwrap_or_else(PoisonError::into_inner);
        threads.iter().filter_map(Weak::upgrade).map(Thread).collect()
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id
    }

    pub(crate) fn name(&self) -> &'static str {
        self.0.name.unwrap_or("unnamed")
    }

    fn arbiter(&self) -> MutexGuard<'_, ArbiterHandle> {
        self.0.arbiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does this on the thread; a dead one is replaced first.
    pub fn run(&self, work: impl FnOnce() + Send + 'static) {
        if self.0.name.is_some() && !self.arbiter().spawn_fn(|| {}) {
            self.replace();
        }
        self.arbiter().spawn_fn(work);
    }

    /// Puts a new thread in its place. The old one, should it ever wake, ends.
    pub(crate) fn replace(&self) {
        if let (Some(name), Some(_)) = (self.0.name, System::try_current()) {
            let old = std::mem::replace(&mut *self.arbiter(), named_arbiter(name));
            old.stop();
            self.0.answered.store(self.0.asked.load(Relaxed), Relaxed);
        }
    }

    /// Asks it for a sign of life.
    pub(crate) fn ask(&self) {
        let question = self.0.asked.fetch_add(1, Relaxed) + 1;
        let answered = self.0.answered.clone();
        self.arbiter().spawn_fn(move || {
            answered.fetch_max(question, Relaxed);
        });
    }

    /// Whether it has answered every question.
    pub(crate) fn has_answered(&self) -> bool {
        self.0.answered.load(Relaxed) >= self.0.asked.load(Relaxed)
    }
}

impl From<&ArbiterHandle> for Thread {
    fn from(arbiter: &ArbiterHandle) -> Self {
        Thread::of(arbiter.clone(), None)
    }
}

impl From<&Thread> for Thread {
    fn from(thread: &Thread) -> Self {
        thread.clone()
    }
}

fn named_arbiter(name: &'static str) -> ArbiterHandle {
    let arbiter = Arbiter::new().handle();
    name_thread(&arbiter, name);
    arbiter
}
