//! Notices what hangs: a thread that does not answer, and an actor that takes no mail although its thread does.

use std::collections::HashMap;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context};
use tokio::time::Instant;

use crate::directory::Directory;
use crate::mailbox::Desk;
use crate::reason::Reason;
use crate::thread::Thread;

/// Looks at everything so often within the limit.
const LOOKS: u32 = 4;

/// One a process, on a thread of its own concern: what hangs that very thread is seen by nobody.
///
/// An actor that hangs a [`Thread`] dies for its supervisor ([`Reason::Failed`]); its neighbours are moved
/// ([`Reason::Displaced`], which is not counted against them), and all live on in a new thread. What the hung handler
/// still does, should it ever go on, concerns nobody: it gets no mail, and nothing it keeps is kept.
pub struct Watchdog {
    limit: Duration,
    looked: Option<Instant>,
    threads: HashMap<u32, Instant>,
    actors: HashMap<u32, Stillness>,
}

/// Since when an actor has not been run, and what its count of runs was then.
struct Stillness {
    runs: u32,
    since: Instant,
}

impl Watchdog {
    /// What makes no progress for so long hangs. Longer than any handler may take.
    pub fn new(limit: Duration) -> Self {
        Watchdog {
            limit,
            looked: None,
            threads: HashMap::new(),
            actors: HashMap::new(),
        }
    }

    fn look(&mut self) {
        let now = Instant::now();
        let late = self.limit / LOOKS * 2;
        let slept = self
            .looked
            .replace(now)
            .is_some_and(|before| now >= before + late);
        if slept {
            // So may everybody have: the machine was asleep or the program stopped. All begin afresh.
            self.threads.values_mut().for_each(|since| *since = now);
            self.actors.clear();
        }
        let threads = Thread::replaceable();
        self.threads
            .retain(|id, _| threads.iter().any(|thread| thread.id() == *id));
        for thread in threads {
            if thread.has_answered() {
                thread.ask();
                self.threads.insert(thread.id(), now);
            } else if now >= *self.threads.entry(thread.id()).or_insert(now) + self.limit {
                self.replace(&thread);
                self.threads.remove(&thread.id());
            }
        }
        self.look_at_actors(now);
    }

    /// A thread hangs: its actors live on in another.
    fn replace(&self, thread: &Thread) {
        let desks = Directory::desks();
        let hangs = |desk: &&std::sync::Arc<dyn Desk>| {
            desk.pulse()
                .is_some_and(|pulse| pulse.thread == thread.id() && pulse.running)
        };
        let culprit = desks.iter().find(hangs).map(|desk| desk.meter().name.clone());
        let thread_name = thread.name();
        tracing::error!(thread = thread_name, ?culprit, limit = ?self.limit, "a thread hangs and is replaced");
        thread.replace();
        for desk in &desks {
            let reason = match &culprit {
                Some(name) if *name == desk.meter().name => {
                    Reason::Failed(format!("hung for {:?}", self.limit))
                }
                Some(name) => Reason::Displaced(name.clone()),
                None => Reason::Displaced(format!("the thread {thread_name}")),
            };
            desk.thread_lost(thread, reason);
        }
    }

    /// Whoever takes no mail although there is some, and is not running either.
    fn look_at_actors(&mut self, now: Instant) {
        let mut still = HashMap::new();
        for desk in Directory::desks() {
            let Some(pulse) = desk.pulse().filter(|pulse| pulse.owes && !pulse.running) else {
                continue;
            };
            let id = desk.meter().id;
            let since = match self.actors.get(&id) {
                Some(before) if before.runs == pulse.runs => before.since,
                _ => now,
            };
            // A thread that hangs is replaced as a whole.
            let answers = |thread: &Thread| thread.id() != pulse.thread || thread.has_answered();
            if now < since + self.limit || !Thread::replaceable().iter().all(answers) {
                still.insert(
                    id,
                    Stillness {
                        runs: pulse.runs,
                        since,
                    },
                );
                continue;
            }
            tracing::error!(actor = desk.meter().name, limit = ?self.limit, "an actor takes no mail");
            desk.evict(Reason::Failed(format!("took no mail for {:?}", self.limit)));
        }
        self.actors = still;
    }
}

impl Actor for Watchdog {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(self.limit / LOOKS, |this, _| this.look());
    }
}
