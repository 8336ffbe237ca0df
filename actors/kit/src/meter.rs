//! What an actor's mailbox counts. Written by the actor's thread and its senders with plain atomics; read by
//! anybody at any time, as a [`MeterView`].

use std::any::{TypeId, type_name};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::ear::{self, Handled};
use crate::histogram::Histogram;
use crate::life;
use crate::mail::{Mail, Room};
use crate::view::{Busy, KindView, MeterView, Note};

/// Kinds of messages one actor can handle.
const KINDS: usize = 48;

/// Messages remembered for the actors panel.
const NOTES: usize = 200;

/// Senders counted one by one; any more are counted together.
const SENDERS: usize = 24;

/// Nanoseconds since the process first asked.
pub(crate) fn now() -> u64 {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    // 584 years fit; never 0, which means "not yet".
    EPOCH.get_or_init(Instant::now).elapsed().as_nanos() as u64 + 1
}

/// What an actor is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not started yet.
    Waiting,
    /// Alive.
    Running,
    /// Between two lives.
    Restarting,
    /// Gone for good.
    Closed,
}

/// How much a meter keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Counts, times, notes.
    Full,
    /// Counts.
    Counts,
}

pub(crate) struct Meter {
    pub(crate) name: String,
    pub(crate) id: u32,
    detail: Detail,
    kinds: [OnceLock<Box<Kind>>; KINDS],
    status: AtomicU8,
    lives: AtomicU32,
    depth: AtomicU32,
    deepest: AtomicU32,
    busy_since: AtomicU64,
    busy_kind: AtomicU8,
    watched: AtomicBool,
    parent: AtomicU32,
    strategy: OnceLock<&'static str>,
    thread: Mutex<String>,
    resume: Mutex<Option<String>>,
    last_error: Mutex<Option<String>>,
    notes: Option<Box<Notes>>,
    /// What the latest messages said of themselves, with their numbers.
    briefs: Mutex<VecDeque<(u64, Box<str>)>>,
}

/// One kind of message.
pub(crate) struct Kind {
    pub(crate) index: u8,
    id: TypeId,
    pub(crate) name: &'static str,
    pub(crate) room: Room,
    /// Room for paced mail.
    pub(crate) turns: Arc<Semaphore>,
    accepted: AtomicU64,
    handled: AtomicU64,
    dropped: AtomicU64,
    dead: AtomicU64,
    waiting: AtomicU32,
    times: Option<Box<Times>>,
}

/// How long messages of a kind waited, and how long they took.
#[derive(Default)]
struct Times {
    wait: Histogram,
    work: Histogram,
}

/// The latest messages, in a ring, and how many came from whom.
struct Notes {
    ring: [[AtomicU64; 3]; NOTES],
    written: AtomicU64,
    senders: [Sender; SENDERS],
}

/// Messages from one actor; the first place is for plain threads, and for whoever finds no place.
#[derive(Default)]
struct Sender {
    id: AtomicU32,
    count: AtomicU64,
}

/// Adds to a counter that only one thread writes: no locked instruction.
fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Meter {
    pub(crate) fn new(name: String, detail: Detail) -> Self {
        static IDS: AtomicU32 = AtomicU32::new(1);
        Meter {
            name,
            id: IDS.fetch_add(1, Relaxed),
            detail,
            kinds: [const { OnceLock::new() }; KINDS],
            status: AtomicU8::new(Status::Waiting as u8),
            lives: AtomicU32::new(0),
            depth: AtomicU32::new(0),
            deepest: AtomicU32::new(0),
            busy_since: AtomicU64::new(0),
            busy_kind: AtomicU8::new(0),
            watched: AtomicBool::new(false),
            parent: AtomicU32::new(life::whoami()),
            strategy: OnceLock::new(),
            thread: Mutex::default(),
            resume: Mutex::default(),
            last_error: Mutex::default(),
            notes: (detail == Detail::Full).then(Box::default),
            briefs: Mutex::default(),
        }
    }

    /// The row for messages of type `M`; a handful of pointer-sized compares.
    pub(crate) fn kind<M: Mail>(&self) -> &Kind {
        let id = TypeId::of::<M>();
        for (index, slot) in self.kinds.iter().enumerate() {
            let kind = slot.get_or_init(|| Box::new(Kind::new::<M>(index as u8, self.detail)));
            if kind.id == id {
                return kind;
            }
        }
        panic!(
            "{} handles more than {KINDS} kinds of messages: split it",
            self.name
        )
    }

    /// The row of a letter.
    pub(crate) fn at(&self, index: u8) -> &Kind {
        let kind = self.kinds[index as usize].get();
        kind.expect("a letter's kind was registered when it was posted")
    }

    /// Called under the mailbox's lock.
    pub(crate) fn posted(&self, kind: &Kind, depth: usize) {
        bump(&kind.accepted);
        kind.waiting.store(kind.waiting.load(Relaxed) + 1, Relaxed);
        self.depth.store(depth as u32, Relaxed);
        if depth as u32 > self.deepest.load(Relaxed) {
            self.deepest.store(depth as u32, Relaxed);
        }
    }

    /// Called under the mailbox's lock.
    pub(crate) fn taken(&self, kind: &Kind, depth: usize) {
        kind.waiting.store(kind.waiting.load(Relaxed) - 1, Relaxed);
        self.depth.store(depth as u32, Relaxed);
    }

    pub(crate) fn dropped(&self, kind: &Kind) {
        kind.dropped.fetch_add(1, Relaxed);
    }

    pub(crate) fn dead(&self, kind: &Kind) {
        kind.dead.fetch_add(1, Relaxed);
    }

    /// A handler begins.
    pub(crate) fn begin(&self, kind: u8, start: u64) {
        self.busy_kind.store(kind, Relaxed);
        self.busy_since.store(start, Relaxed);
    }

    /// A handler has ended.
    pub(crate) fn end(&self, kind: &Kind, from: u32, brief: Option<Box<str>>, [sent, start, end]: [u64; 3]) {
        self.busy_since.store(0, Relaxed);
        bump(&kind.handled);
        let (wait, work) = (start.saturating_sub(sent), end - start);
        if let Some(times) = &kind.times {
            times.wait.add(wait);
            times.work.add(work);
        }
        if kind.room == Room::Always {
            ear::tell(|ear| {
                ear.handled(Handled {
                    to: &self.name,
                    from,
                    kind: kind.name,
                    brief: brief.as_deref().unwrap_or_default(),
                    wait: Duration::from_nanos(wait),
                    work: Duration::from_nanos(work),
                });
            });
        }
        if let Some(notes) = &self.notes {
            let number = notes.write(kind.index, from, start, wait, work);
            if let Some(brief) = brief.filter(|_| self.watched()) {
                self.brief(number, brief);
            }
        }
    }

    pub(crate) fn watched(&self) -> bool {
        self.watched.load(Relaxed)
    }

    pub(crate) fn watch(&self, on: bool) {
        self.watched.store(on, Relaxed);
        if !on {
            lock(&self.briefs).clear();
        }
    }

    fn brief(&self, number: u64, text: Box<str>) {
        let mut briefs = lock(&self.briefs);
        if briefs.len() == NOTES {
            briefs.pop_front();
        }
        briefs.push_back((number, text));
    }

    /// Its place in the tree.
    pub(crate) fn below(&self, parent: u32) {
        self.parent.store(parent, Relaxed);
    }

    pub(crate) fn supervises(&self, strategy: &'static str) {
        let _ = self.strategy.set(strategy); // the same in every life
    }

    pub(crate) fn resume(&self, words: String) {
        *lock(&self.resume) = Some(words);
    }

    pub(crate) fn status(&self, status: Status) {
        self.status.store(status as u8, Relaxed);
    }

    /// A life begins.
    pub(crate) fn born(&self) {
        let before = self.lives.fetch_add(1, Relaxed);
        ear::tell(|ear| ear.began(&self.name, before + 1));
        *lock(&self.thread) = life::thread_name();
        self.status(Status::Running);
    }

    /// A life has ended.
    pub(crate) fn died(&self, error: Option<String>) {
        let busy = self.busy_since.swap(0, Relaxed) != 0;
        // closed already: its supervisor has ended before it
        let (running, restarting) = (Status::Running as u8, Status::Restarting as u8);
        let _ = self
            .status
            .compare_exchange(running, restarting, Relaxed, Relaxed);
        let error = error.map(|error| match busy {
            true => {
                let kind = self.busy_kind.load(Relaxed);
                format!("{error}, handling {}", self.at(kind).name)
            }
            false => error,
        });
        ear::tell(|ear| ear.ended(&self.name, self.lives.load(Relaxed), error.as_deref()));
        let Some(error) = error else { return };
        *lock(&self.last_error) = Some(error);
    }

    pub(crate) fn view(&self) -> MeterView {
        let notes = self.notes.as_ref();
        MeterView {
            notes: notes.map_or_else(Vec::new, |notes| notes.read(self)),
            ..self.overview()
        }
    }

    /// All but the latest messages.
    pub(crate) fn overview(&self) -> MeterView {
        let busy_since = self.busy_since.load(Relaxed);
        let busy_kind = self.kind_name(self.busy_kind.load(Relaxed));
        let busy_for = Duration::from_nanos(now().saturating_sub(busy_since));
        let kinds = self.kinds.iter().map_while(OnceLock::get);
        MeterView {
            id: self.id,
            name: self.name.clone(),
            parent: self.parent.load(Relaxed),
            strategy: self.strategy.get().map(|&strategy| strategy.into()),
            thread: lock(&self.thread).clone(),
            resume: lock(&self.resume).clone(),
            status: [
                Status::Waiting,
                Status::Running,
                Status::Restarting,
                Status::Closed,
            ][self.status.load(Relaxed) as usize],
            lives: self.lives.load(Relaxed),
            depth: self.depth.load(Relaxed),
            deepest: self.deepest.load(Relaxed),
            busy: (busy_since != 0).then(|| Busy {
                kind: busy_kind.into(),
                time: busy_for,
            }),
            last_error: lock(&self.last_error).clone(),
            kinds: kinds.map(|kind| kind.view()).collect(),
            notes: Vec::new(),
            senders: self.notes.as_ref().map_or_else(Vec::new, |notes| notes.senders()),
        }
    }

    fn kind_name(&self, index: u8) -> &'static str {
        self.kinds
            .get(index as usize)
            .and_then(OnceLock::get)
            .map_or("?", |kind| kind.name)
    }
}

impl Default for Notes {
    fn default() -> Self {
        Notes {
            ring: [const { [const { AtomicU64::new(0) }; 3] }; NOTES],
            written: AtomicU64::new(0),
            senders: std::array::from_fn(|_| Sender::default()),
        }
    }
}

impl Notes {
    /// Answers the message's number.
    fn write(&self, kind: u8, from: u32, start: u64, wait: u64, work: u64) -> u64 {
        let written = self.written.load(Relaxed);
        let [at, who, times] = &self.ring[written as usize % NOTES];
        let cap = u64::from(u32::MAX);
        at.store(start, Relaxed);
        who.store(u64::from(from) << 8 | u64::from(kind), Relaxed);
        times.store(wait.min(cap) << 32 | work.min(cap), Relaxed);
        self.written.store(written + 1, Relaxed);
        self.count(from);
        written
    }

    /// Only the actor's own thread counts.
    fn count(&self, from: u32) {
        let known = self.senders[1..].iter().find(|sender| {
            let id = sender.id.load(Relaxed);
            if id == 0 && from != 0 {
                sender.id.store(from, Relaxed);
            }
            id == from || id == 0
        });
        let sender = known.filter(|_| from != 0).unwrap_or(&self.senders[0]);
        bump(&sender.count);
    }

    fn senders(&self) -> Vec<(u32, u64)> {
        let read = |sender: &Sender| (sender.id.load(Relaxed), sender.count.load(Relaxed));
        self.senders
            .iter()
            .map(read)
            .filter(|&(_, count)| count > 0)
            .collect()
    }

    /// Newest first.
    fn read(&self, meter: &Meter) -> Vec<Note> {
        let briefs = lock(&meter.briefs);
        let brief = |number| {
            let found = briefs.binary_search_by_key(&number, |&(number, _)| number);
            found.map_or_else(|_| String::new(), |at| briefs[at].1.to_string())
        };
        let written = self.written.load(Relaxed);
        let latest = (written.saturating_sub(NOTES as u64)..written).rev();
        let note = |i: u64| {
            let [at, who, times] = self.ring[i as usize % NOTES]
                .each_ref()
                .map(|word| word.load(Relaxed));
            Note {
                at: Duration::from_nanos(at),
                kind: meter.kind_name((who & 0xff) as u8).into(),
                from: (who >> 8) as u32,
                wait: Duration::from_nanos(times >> 32),
                work: Duration::from_nanos(times & 0xffff_ffff),
                brief: brief(i),
            }
        };
        latest.map(note).collect()
    }
}

impl Kind {
    fn new<M: Mail>(index: u8, detail: Detail) -> Self {
        let turns = match M::ROOM {
            Room::Paced(most) => most,
            Room::Always | Room::Newest(_) => 0,
        };
        Kind {
            index,
            id: TypeId::of::<M>(),
            name: type_name::<M>().rsplit("::").next().unwrap_or("?"),
            room: M::ROOM,
            turns: Arc::new(Semaphore::new(turns)),
            accepted: AtomicU64::new(0),
            handled: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            dead: AtomicU64::new(0),
            waiting: AtomicU32::new(0),
            times: (detail == Detail::Full).then(Box::default),
        }
    }

    /// Messages of this kind in the queue; exact under the mailbox's lock.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Relaxed) as usize
    }

    fn view(&self) -> KindView {
        let times = self.times.as_ref();
        KindView {
            name: self.name.into(),
            room: self.room,
            accepted: self.accepted.load(Relaxed),
            handled: self.handled.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            dead: self.dead.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            wait: times.map_or([Duration::ZERO; 3], |times| times.wait.quantiles()),
            work: times.map_or([Duration::ZERO; 3], |times| times.work.quantiles()),
        }
    }
}
