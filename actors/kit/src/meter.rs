//! What the debug overlay shows of an actor. Written by the actor's thread and its senders with plain atomics;
//! read by anybody at any time.

use std::any::{TypeId, type_name};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::mail::{Mail, Room};

const KINDS: usize = 32;
const NOTES: usize = 64;

/// Nanoseconds since the process first asked.
pub(crate) fn now() -> u64 {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    EPOCH.get_or_init(Instant::now).elapsed().as_nanos() as u64 + 1
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Waiting,
    Running,
    Restarting,
    Closed,
}

pub(crate) struct Meter {
    pub name: String,
    pub id: u32,
    kinds: [OnceLock<Box<Kind>>; KINDS],
    status: AtomicU8,
    lives: AtomicU32,
    depth: AtomicU32,
    deepest: AtomicU32,
    busy_since: AtomicU64,
    busy_kind: AtomicU8,
    watched: AtomicBool,
    last_error: Mutex<Option<String>>,
    notes: [[AtomicU64; 3]; NOTES],
    noted: AtomicU64,
    briefs: Mutex<std::collections::VecDeque<String>>,
}

pub(crate) struct Kind {
    pub index: u8,
    pub id: TypeId,
    pub name: &'static str,
    pub room: Room,
    pub turns: Arc<Semaphore>,
    accepted: AtomicU64,
    handled: AtomicU64,
    dropped: AtomicU64,
    dead: AtomicU64,
    pub waiting: AtomicU32,
    wait: Histogram,
    work: Histogram,
}

/// Adds to a counter that only one thread writes: no locked instruction.
fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

impl Meter {
    pub fn new(name: String) -> Self {
        static IDS: AtomicU32 = AtomicU32::new(1);
        Meter {
            name,
            id: IDS.fetch_add(1, Relaxed),
            kinds: [const { OnceLock::new() }; KINDS],
            status: AtomicU8::new(0),
            lives: AtomicU32::new(0),
            depth: AtomicU32::new(0),
            deepest: AtomicU32::new(0),
            busy_since: AtomicU64::new(0),
            busy_kind: AtomicU8::new(0),
            watched: AtomicBool::new(false),
            last_error: Mutex::new(None),
            notes: [const { [const { AtomicU64::new(0) }; 3] }; NOTES],
            noted: AtomicU64::new(0),
            briefs: Mutex::new(Default::default()),
        }
    }

    /// The row for messages of type `M`; a handful of pointer-sized compares.
    pub fn kind<M: Mail>(&self) -> &Kind {
        let id = TypeId::of::<M>();
        for (index, slot) in self.kinds.iter().enumerate() {
            let kind = slot.get_or_init(|| Box::new(Kind::new::<M>(index as u8)));
            if kind.id == id || index == KINDS - 1 {
                return kind;
            }
        }
        unreachable!("the last row takes every further kind")
    }

    pub fn at(&self, index: u8) -> &Kind {
        self.kinds[index as usize]
            .get()
            .expect("a letter's kind is registered")
    }

    /// Called under the mailbox lock.
    pub fn posted(&self, kind: &Kind, depth: usize) {
        bump(&kind.accepted);
        kind.waiting.store(kind.waiting.load(Relaxed) + 1, Relaxed);
        self.depth.store(depth as u32, Relaxed);
        if depth as u32 > self.deepest.load(Relaxed) {
            self.deepest.store(depth as u32, Relaxed);
        }
    }

    /// Called under the mailbox lock.
    pub fn taken(&self, kind: &Kind, depth: usize) {
        kind.waiting.store(kind.waiting.load(Relaxed) - 1, Relaxed);
        self.depth.store(depth as u32, Relaxed);
    }

    pub fn dropped(&self, kind: &Kind) {
        kind.dropped.fetch_add(1, Relaxed);
    }

    pub fn dead(&self, kind: &Kind) {
        kind.dead.fetch_add(1, Relaxed);
    }

    pub fn begin(&self, kind: u8, start: u64) {
        self.busy_kind.store(kind, Relaxed);
        self.busy_since.store(start, Relaxed);
    }

    pub fn end(&self, kind: &Kind, from: u32, sent: u64, start: u64, end: u64) {
        self.busy_since.store(0, Relaxed);
        let (wait, work) = (start.saturating_sub(sent), end - start);
        bump(&kind.handled);
        kind.wait.add(wait);
        kind.work.add(work);
        let n = self.noted.load(Relaxed);
        let note = &self.notes[n as usize % NOTES];
        note[0].store(start, Relaxed);
        note[1].store((from as u64) << 8 | kind.index as u64, Relaxed);
        note[2].store(
            wait.min(u32::MAX as u64) << 32 | work.min(u32::MAX as u64),
            Relaxed,
        );
        self.noted.store(n + 1, Relaxed);
    }

    pub fn watched(&self) -> bool {
        self.watched.load(Relaxed)
    }

    pub fn watch(&self, on: bool) {
        self.watched.store(on, Relaxed);
    }

    pub fn brief(&self, text: String) {
        let mut briefs = self.briefs.lock().unwrap();
        if briefs.len() == NOTES {
            briefs.pop_front();
        }
        briefs.push_back(text);
    }

    pub fn status(&self, status: Status) {
        self.status.store(status as u8, Relaxed);
    }

    pub fn born(&self) {
        self.lives.fetch_add(1, Relaxed);
        self.status(Status::Running);
    }

    pub fn died(&self, error: Option<String>) {
        let busy = self.busy_since.swap(0, Relaxed) != 0;
        self.status(Status::Restarting);
        if let Some(mut error) = error {
            if busy {
                error += &format!(", handling {}", self.at(self.busy_kind.load(Relaxed)).name);
            }
            *self.last_error.lock().unwrap() = Some(error);
        }
    }

    pub fn view(&self) -> MeterView {
        let since = self.busy_since.load(Relaxed);
        let kinds: Vec<_> = self
            .kinds
            .iter()
            .map_while(|k| k.get())
            .map(|k| k.view())
            .collect();
        let n = self.noted.load(Relaxed);
        let notes = (n.saturating_sub(NOTES as u64)..n)
            .rev()
            .map(|i| {
                let [at, who, times] = &self.notes[i as usize % NOTES];
                let (who, times) = (who.load(Relaxed), times.load(Relaxed));
                Note {
                    at: Duration::from_nanos(at.load(Relaxed)),
                    kind: self.kinds[(who & 0xff) as usize].get().map_or("?", |k| k.name),
                    from: (who >> 8) as u32,
                    wait: Duration::from_nanos(times >> 32),
                    work: Duration::from_nanos(times & 0xffff_ffff),
                }
            })
            .collect();
        MeterView {
            name: self.name.clone(),
            status: match self.status.load(Relaxed) {
                0 => Status::Waiting,
                1 => Status::Running,
                2 => Status::Restarting,
                _ => Status::Closed,
            },
            lives: self.lives.load(Relaxed),
            depth: self.depth.load(Relaxed),
            deepest: self.deepest.load(Relaxed),
            busy: (since != 0).then(|| {
                let kind = self.busy_kind.load(Relaxed);
                (
                    self.kinds[kind as usize].get().map_or("?", |k| k.name),
                    Duration::from_nanos(now().saturating_sub(since)),
                )
            }),
            last_error: self.last_error.lock().unwrap().clone(),
            kinds,
            notes,
            briefs: self.briefs.lock().unwrap().iter().cloned().collect(),
        }
    }
}

impl Kind {
    fn new<M: Mail>(index: u8) -> Self {
        let turns = match M::ROOM {
            Room::Paced(n) => n,
            _ => 0,
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
            wait: Histogram::default(),
            work: Histogram::default(),
        }
    }

    fn view(&self) -> KindView {
        KindView {
            name: self.name,
            room: self.room,
            accepted: self.accepted.load(Relaxed),
            handled: self.handled.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            dead: self.dead.load(Relaxed),
            waiting: self.waiting.load(Relaxed),
            wait: self.wait.quantiles(),
            work: self.work.quantiles(),
        }
    }
}

/// What the overlay draws for one actor.
#[derive(Clone, Debug)]
pub struct MeterView {
    pub name: String,
    pub status: Status,
    pub lives: u32,
    pub depth: u32,
    pub deepest: u32,
    /// The message in hand and for how long: a stuck actor shows here.
    pub busy: Option<(&'static str, Duration)>,
    pub last_error: Option<String>,
    pub kinds: Vec<KindView>,
    /// Newest first.
    pub notes: Vec<Note>,
    pub briefs: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct KindView {
    pub name: &'static str,
    pub room: Room,
    pub accepted: u64,
    pub handled: u64,
    pub dropped: u64,
    pub dead: u64,
    pub waiting: u32,
    /// Time in the queue: p50, p99, max.
    pub wait: [Duration; 3],
    /// Time in the handler: p50, p99, max.
    pub work: [Duration; 3],
}

#[derive(Clone, Debug)]
pub struct Note {
    pub at: Duration,
    pub kind: &'static str,
    /// The sending actor's id; 0 for a plain thread.
    pub from: u32,
    pub wait: Duration,
    pub work: Duration,
}

const LOW: u32 = 7; // 128 ns
const BUCKETS: usize = 4 * 27 + 1;

/// Four buckets per doubling from 128 ns to 17 s; one writer.
struct Histogram {
    buckets: [AtomicU32; BUCKETS],
    max: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            buckets: [const { AtomicU32::new(0) }; BUCKETS],
            max: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    fn add(&self, ns: u64) {
        let bucket = match ns >> LOW {
            0 => 0,
            _ => {
                let octave = 63 - ns.leading_zeros();
                ((octave - LOW) * 4 + ((ns >> (octave - 2)) & 3) as u32 + 1).min(BUCKETS as u32 - 1)
            }
        };
        let bucket = &self.buckets[bucket as usize];
        bucket.store(bucket.load(Relaxed).wrapping_add(1), Relaxed);
        if ns > self.max.load(Relaxed) {
            self.max.store(ns, Relaxed);
        }
    }

    fn quantiles(&self) -> [Duration; 3] {
        let counts: Vec<u64> = self.buckets.iter().map(|b| b.load(Relaxed) as u64).collect();
        let total: u64 = counts.iter().sum();
        let max = self.max.load(Relaxed);
        let at = |q: f64| {
            let mut left = (total as f64 * q).ceil() as u64;
            for (i, &n) in counts.iter().enumerate() {
                if n >= left {
                    let (octave, part) = ((i as u64).saturating_sub(1) / 4, (i as u64).saturating_sub(1) % 4);
                    let top = if i == 0 {
                        1 << LOW
                    } else {
                        (1u64 << (LOW as u64 + octave)) / 4 * (5 + part)
                    };
                    return Duration::from_nanos(top.min(max));
                }
                left -= n;
            }
            Duration::ZERO
        };
        if total == 0 {
            [Duration::ZERO; 3]
        } else {
            [at(0.5), at(0.99), Duration::from_nanos(max)]
        }
    }
}
