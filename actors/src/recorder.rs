//! Records calls into a file: the machines of `protocol`, and what happens between the actors.
//!
//! Reading order: this file (the handle everybody has), `writer` (the thread that owns the file), `masking` (what is
//! taken out of words). What the lines mean is in [`roomrtc_protocol::recording`].
//!
//! No call waits for its recording: lines wait for the disk in a bounded space, and those that find no room are counted,
//! told in the file, and missing. While nothing is recorded every machine asks one atomic number before a step.

mod masking;
mod writer;

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use roomrtc_kit::{Directory, Ear, Handled};
use roomrtc_protocol::audio::jitter_buffer::AudioJitterBuffer;
use roomrtc_protocol::recording::line::{Life, Line, Lost, Message, Note, Recording, Timer, VERSION};
use roomrtc_protocol::recording::moment::nanos;
use roomrtc_protocol::recording::{Reel, Replay};
use roomrtc_protocol::renewal::Renewal;
use roomrtc_protocol::rtcp::reporter::Reporter;
use roomrtc_protocol::rtp::receiver::RtpReceiver;
use roomrtc_protocol::rtp::sender::RtpSender;
use roomrtc_protocol::sdp::Exchange;
use tokio::sync::watch;

use self::masking::Mask;
use self::writer::{Sheet, Writer};

/// Bytes that may wait for the disk.
const ROOM: usize = 8 << 20;
/// A machine begins only while there is this much, for its state is long.
const ROOM_TO_BEGIN: usize = ROOM / 2;

/// Records calls. Clones are the same recorder.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    /// The recording that is being made, 0 for none: everybody looks here first.
    take: AtomicU32,
    takes: AtomicU32,
    /// Machines numbered so far.
    machines: AtomicU32,
    running: RwLock<Option<Running>>,
    /// Ends with the last recording.
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Who is not to be named.
    names: Mutex<Vec<String>>,
    actors: Mutex<HashMap<u32, String>>,
    state: watch::Sender<State>,
}

/// A recording that is being made.
struct Running {
    origin: Instant,
    sheets: Sender<Sheet>,
    room: Arc<Room>,
    mask: Mutex<Mask>,
}

/// What waits for the disk, and what found no room.
#[derive(Default)]
struct Room {
    waiting: AtomicUsize,
    /// Lines not told of yet, and all.
    lost: AtomicU64,
    lost_in_all: AtomicU64,
}

/// What the recorder does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Nothing so far.
    #[default]
    Off,
    /// It records into this file.
    Recording {
        /// Where.
        file: PathBuf,
    },
    /// The recording is complete.
    Done {
        /// Where it is.
        file: PathBuf,
        /// Its size.
        bytes: u64,
        /// Lines that are missing, for the disk was slower than the call.
        lost: u64,
        /// Whether it ended by itself, being as large as it may be.
        full: bool,
    },
    /// The file could not be written.
    Failed {
        /// Which.
        file: PathBuf,
        /// Why.
        why: String,
    },
}

/// What goes into a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecorderSettings {
    /// Addresses too: of this machine, the peer and the servers.
    pub addresses: bool,
    /// Bytes at most; then it ends.
    pub limit: u64,
}

/// What is told of a life that ended as it should.
pub const IN_GOOD_ORDER: &str = "in good order";

/// A replay of everything that is recorded.
pub fn replay() -> Replay {
    Replay::new(Instant::now())
        .with::<RtpSender>()
        .with::<RtpReceiver>()
        .with::<Reporter>()
        .with::<AudioJitterBuffer>()
        .with::<Renewal>()
        .with::<Exchange>()
}

impl Default for Recorder {
    fn default() -> Self {
        Recorder(Arc::new(Inner {
            take: AtomicU32::new(0),
            takes: AtomicU32::new(0),
            machines: AtomicU32::new(0),
            running: RwLock::new(None),
            thread: Mutex::default(),
            names: Mutex::default(),
            actors: Mutex::default(),
            state: watch::Sender::default(),
        }))
    }
}

impl Recorder {
    /// Records from now on into a new file, in place of the recording before. An existing file is replaced.
    ///
    /// # Errors
    /// If the file cannot be made, or there is no thread to write it.
    pub fn start(&self, file: &Path, settings: RecorderSettings) -> io::Result<()> {
        self.stop();
        self.begin(file, settings).inspect_err(|error| {
            self.0.state.send_replace(State::Failed {
                file: file.to_owned(),
                why: error.to_string(),
            });
        })
    }

    fn begin(&self, file: &Path, settings: RecorderSettings) -> io::Result<()> {
        let open = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(file)?;
        let (sheets, written) = channel();
        let room = Arc::new(Room::default());
        let take = self.0.takes.fetch_add(1, Relaxed) + 1;
        let origin = Instant::now();
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let first = Line::Recording(Recording {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            unix_ms: since_epoch.unwrap_or_default().as_millis() as u64,
            addresses: settings.addresses,
        });
        let recorder = Arc::downgrade(&self.0);
        let writer = Writer::new(open, file.to_owned(), settings.limit, room.clone(), origin);
        let over = move |state| {
            if let Some(inner) = recorder.upgrade() {
                inner.over(take, state);
            }
        };
        let thread = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || over(writer.run(&written)))?;
        *lock(&self.0.thread) = Some(thread);
        let mask = Mask::new(settings.addresses, lock(&self.0.names).clone());
        *self.0.running.write().unwrap_or_else(PoisonError::into_inner) = Some(Running {
            origin,
            sheets,
            room,
            mask: Mutex::new(mask),
        });
        self.0.state.send_replace(State::Recording {
            file: file.to_owned(),
        });
        self.0.line(&first);
        self.0.take.store(take, Relaxed);
        Directory::listen(Some(self.0.clone()));
        Ok(())
    }

    /// Ends the recording, if there is one, and waits until it is on the disk.
    pub fn stop(&self) {
        self.0.take.store(0, Relaxed);
        let running = self
            .0
            .running
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(running) = running {
            Directory::listen(None);
            // Nobody reads any more only if the recording has ended by itself.
            let _ = running.sheets.send(Sheet::Stop);
        }
        let thread = lock(&self.0.thread).take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the recorder's thread panicked");
        }
    }

    /// What it does, and every change of that.
    pub fn state(&self) -> watch::Receiver<State> {
        self.0.state.subscribe()
    }

    /// For the machines that are recorded.
    pub fn reel(&self) -> Arc<dyn Reel> {
        self.0.clone()
    }

    /// This name is not written in any recording from now on.
    pub fn hide(&self, name: &str) {
        let mut names = lock(&self.0.names);
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
        drop(names);
        if let Some(running) = &*self.0.running() {
            lock(&running.mask).hide(name);
        }
    }

    /// Writes something worth knowing; names and, unless asked for, addresses are taken out of it.
    pub fn note(&self, about: &str, text: impl FnOnce() -> String) {
        if self.0.take.load(Relaxed) == 0 {
            return;
        }
        self.0.tell(|at, mask| {
            Line::Note(Note {
                at,
                about: about.to_owned(),
                text: mask.text(&text()),
            })
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    fn running(&self) -> RwLockReadGuard<'_, Option<Running>> {
        self.running.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer has ended.
    fn over(&self, take: u32, state: State) {
        if self.take.compare_exchange(take, 0, Relaxed, Relaxed).is_ok() {
            *self.running.write().unwrap_or_else(PoisonError::into_inner) = None;
            Directory::listen(None);
        }
        self.state.send_replace(state);
    }

    /// Writes a line that is made with the present time and what takes names out.
    fn tell(&self, line: impl FnOnce(i64, &mut Mask) -> Line) {
        let running = self.running();
        if let Some(running) = &*running {
            let at = nanos(running.origin, Instant::now());
            let line = line(at, &mut lock(&running.mask));
            running.write(1, line.text());
        }
    }

    fn line(&self, line: &Line) {
        if let Some(running) = &*self.running() {
            running.write(1, line.text());
        }
    }

    /// The name of an actor, asked for once.
    fn actor(&self, id: u32) -> Option<String> {
        let mut actors = lock(&self.actors);
        if let Some(name) = actors.get(&id) {
            return Some(name.clone());
        }
        let name = Directory::name(id)?;
        actors.insert(id, name.clone());
        Some(name)
    }
}

impl Running {
    /// Hands lines over, before them what is missing; false if there is no room for them.
    fn write(&self, lines: u64, text: String) -> bool {
        let length = text.len();
        if self.room.waiting.fetch_add(length, Relaxed) + length > ROOM {
            self.room.waiting.fetch_sub(length, Relaxed);
            self.room.lost.fetch_add(lines, Relaxed);
            self.room.lost_in_all.fetch_add(lines, Relaxed);
            return false;
        }
        let lost = match self.room.lost.load(Relaxed) {
            0 => 0,
            _ => self.room.lost.swap(0, Relaxed),
        };
        if lost > 0 {
            let at = nanos(self.origin, Instant::now());
            let told = Line::Lost(Lost { at, lines: lost }).text();
            self.room.waiting.fetch_add(told.len(), Relaxed);
            let _ = self.sheets.send(Sheet::Lines(told)); // as below
        }
        // It has ended by itself, and the next look at the number tells.
        self.sheets.send(Sheet::Lines(text)).is_ok()
    }
}

impl Reel for Inner {
    fn take(&self) -> u32 {
        self.take.load(Relaxed)
    }

    fn place(&self) -> Option<(Instant, u32)> {
        let running = self.running();
        let running = running.as_ref()?;
        let room = ROOM.saturating_sub(running.room.waiting.load(Relaxed));
        (room >= ROOM_TO_BEGIN).then(|| (running.origin, self.machines.fetch_add(1, Relaxed) + 1))
    }

    fn write(&self, take: u32, lines: u64, text: String) -> bool {
        let running = self.running();
        let present = running.as_ref().filter(|_| self.take.load(Relaxed) == take);
        present.is_some_and(|running| running.write(lines, text))
    }
}

impl Ear for Inner {
    fn handled(&self, message: Handled<'_>) {
        let from = self.actor(message.from);
        self.tell(|at, mask| {
            let micros = |time: Duration| time.as_micros() as u64;
            Line::Message(Message {
                at: at - message.work.as_nanos() as i64,
                to: message.to.to_owned(),
                from,
                kind: message.kind.to_owned(),
                brief: mask.text(message.brief),
                wait_us: micros(message.wait),
                work_us: micros(message.work),
            })
        });
    }

    fn timer(&self, actor: u32) {
        if let Some(actor) = self.actor(actor) {
            self.tell(|at, _| Line::Timer(Timer { at, actor }));
        }
    }

    fn began(&self, actor: &str, life: u32) {
        let actor = actor.to_owned();
        self.tell(|at, _| {
            Line::Life(Life {
                at,
                actor,
                life,
                ended: None,
            })
        });
    }

    fn ended(&self, actor: &str, life: u32, reason: Option<&str>) {
        let actor = actor.to_owned();
        self.tell(|at, mask| {
            Line::Life(Life {
                at,
                actor,
                life,
                ended: Some(mask.text(reason.unwrap_or(IN_GOOD_ORDER))),
            })
        });
    }
}

#[cfg(test)]
mod tests;
