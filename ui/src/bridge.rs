//! The window's end of the client: commands go in, events, figures and bells come out as subscriptions.
//!
//! A trait-free seam: the running window holds a [`ClientHandle`], a test holds the other ends of the channels.

use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::stream;
use iced::Subscription;
use roomrtc_actors::client::ClientHandle;
use roomrtc_actors::recorder::State;
use roomrtc_actors::slot::VideoSlot;
use roomrtc_actors::stats::CallStats;
use roomrtc_actors::ui_bridge::{Command, Event};
use roomrtc_kit::inspect::AdminSocket;
use roomrtc_kit::watch::LOOK;
use roomrtc_kit::{Directory, MeterView, Order};
use tokio::sync::{mpsc, watch};

use crate::recording::CallRecorder;

/// How long a picture of ourselves waits for one of the peer, so that both are drawn at once. A little more than
/// one picture at 30 a second: two bells a picture would draw the window up to twice as often.
const GATHER: Duration = Duration::from_millis(36);

/// The actors as the window sees them, and what it may do to them.
pub trait Actors: Send + Sync {
    /// Every mailbox, with or without its latest messages.
    fn mailboxes(&self, with_messages: bool) -> Vec<MeterView>;
    /// Somebody looks, or nobody does any more.
    fn watch(&self, on: bool);
    /// Whether actors may be ordered about (`debug.chaos`).
    fn may_order(&self) -> bool;
    /// Orders the actor of that name.
    fn order(&self, name: &str, order: Order);
    /// What becomes of the recording of what they do; `None` where they cannot be recorded.
    fn recording(&self) -> Option<State> {
        None
    }
    /// Records what they do in the running call, or ends that.
    fn record(&self, _on: bool) {}
    /// The call is over, and with it a recording that was asked for in it.
    fn call_over(&self) {}
    /// This name is not to be in any recording.
    fn hide(&self, _name: &str) {}
}

/// The actors of this very process.
pub struct Process {
    recorder: CallRecorder,
    /// The recording was asked for in a call.
    for_this_call: AtomicBool,
}

impl Process {
    /// Those that this recorder records.
    pub fn recorded_by(recorder: CallRecorder) -> Self {
        Process {
            recorder,
            for_this_call: AtomicBool::new(false),
        }
    }
}

impl Actors for Process {
    fn mailboxes(&self, with_messages: bool) -> Vec<MeterView> {
        if with_messages {
            Directory::view()
        } else {
            Directory::overview()
        }
    }

    fn watch(&self, on: bool) {
        Directory::watch(on);
    }

    fn may_order(&self) -> bool {
        Directory::chaos_allowed()
    }

    fn order(&self, name: &str, order: Order) {
        if !Directory::order(name, order) {
            tracing::warn!(name, "there is no such actor any more");
        }
    }

    fn recording(&self) -> Option<State> {
        Some(self.recorder.state().borrow().clone())
    }

    fn record(&self, on: bool) {
        self.for_this_call.store(on, Relaxed);
        match on {
            true => self.recorder.start_unnamed(),
            false => self.recorder.stop(),
        }
    }

    fn call_over(&self) {
        if self.for_this_call.swap(false, Relaxed) {
            self.recorder.stop();
        }
    }

    fn hide(&self, name: &str) {
        self.recorder.hide(name);
    }
}

/// The actors of a server on this machine, to be looked at and not to be ordered about. Asked on a thread of their own
/// while somebody looks; what is shown is its last answer.
pub struct ServerProcess {
    socket: PathBuf,
    state: Arc<Mutex<Answers>>,
}

#[derive(Default)]
struct Answers {
    last: Vec<MeterView>,
    /// Ends the thread that asks when it is dropped.
    looking: Option<Arc<()>>,
}

impl ServerProcess {
    /// The server whose admin socket this is, if there is one that lets us in.
    pub fn at(socket: &Path) -> Option<Self> {
        AdminSocket::connect(socket).ok()?;
        Some(ServerProcess {
            socket: socket.to_owned(),
            state: Arc::default(),
        })
    }
}

impl Actors for ServerProcess {
    fn mailboxes(&self, _: bool) -> Vec<MeterView> {
        lock(&self.state).last.clone()
    }

    fn watch(&self, on: bool) {
        let mut state = lock(&self.state);
        if !on {
            *state = Answers::default();
        } else if state.looking.is_none() {
            let looking = Arc::new(());
            let (alive, answers) = (Arc::downgrade(&looking), Arc::downgrade(&self.state));
            state.looking = Some(looking);
            let socket = self.socket.clone();
            std::thread::spawn(move || ask_on(&socket, &alive, &answers));
        }
    }

    fn may_order(&self) -> bool {
        false
    }

    fn order(&self, name: &str, _: Order) {
        tracing::debug!(name, "a server's actors are only looked at");
    }
}

/// Asks a server until nobody looks any more; one that is started anew is found again.
fn ask_on(socket: &Path, alive: &Weak<()>, answers: &Weak<Mutex<Answers>>) {
    let mut server = None;
    while alive.strong_count() > 0 {
        if server.is_none() {
            server = AdminSocket::connect(socket).ok();
        }
        let asked = server.as_mut().map(AdminSocket::actors);
        let Some(state) = answers.upgrade() else { return };
        match asked {
            Some(Ok(actors)) => lock(&state).last = actors,
            Some(Err(error)) => {
                tracing::debug!(%error, "the server does not answer");
                server = None;
            }
            None => lock(&state).last.clear(),
        }
        drop(state);
        std::thread::sleep(LOOK);
    }
}

fn lock(state: &Mutex<Answers>) -> MutexGuard<'_, Answers> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the window holds of the client. Clones are the same client.
#[derive(Clone)]
pub struct Bridge {
    commands: Arc<dyn Fn(Command) + Send + Sync>,
    events: Arc<Mutex<Option<mpsc::Receiver<Event>>>>,
    stats: watch::Receiver<CallStats>,
    /// Our own picture.
    pub local: VideoSlot,
    /// The peer's picture.
    pub remote: VideoSlot,
    /// The peer's screen.
    pub screen: VideoSlot,
    /// The actors.
    pub actors: Arc<dyn Actors>,
}

impl Bridge {
    /// A bridge from its parts, as tests use it.
    pub fn new(
        commands: impl Fn(Command) + Send + Sync + 'static,
        events: Option<mpsc::Receiver<Event>>,
        stats: watch::Receiver<CallStats>,
        local: VideoSlot,
        remote: VideoSlot,
        screen: VideoSlot,
        actors: Arc<dyn Actors>,
    ) -> Self {
        Bridge {
            commands: Arc::new(commands),
            events: Arc::new(Mutex::new(events)),
            stats,
            local,
            remote,
            screen,
            actors,
        }
    }

    /// Asks the client to do something; never waits.
    pub fn send(&self, command: Command) {
        (self.commands)(command);
    }

    /// The events, in order; `None` once the client has ended.
    pub fn events(&self) -> Subscription<Option<Event>> {
        Subscription::run_with(self.clone(), |bridge| {
            let events = bridge
                .events
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            stream::unfold(events, |events| async move {
                let mut events = events?;
                match events.recv().await {
                    Some(event) => Some((Some(event), Some(events))),
                    None => Some((None, None)),
                }
            })
        })
    }

    /// The figures of the running call, once a second.
    pub fn stats(&self) -> Subscription<CallStats> {
        Subscription::run_with(self.clone(), |bridge| {
            stream::unfold(bridge.stats.clone(), |mut stats| async move {
                stats.changed().await.ok()?;
                let now = stats.borrow_and_update().clone();
                Some((now, stats))
            })
        })
    }

    /// One bell for all slots: something new is to be drawn. At most one rings until the window has drawn.
    pub fn bells(&self) -> Subscription<()> {
        Subscription::run_with(self.clone(), |bridge| {
            let slots = (bridge.local.clone(), bridge.remote.clone(), bridge.screen.clone());
            stream::unfold(slots, |(local, remote, screen)| async move {
                tokio::select! {
                    () = remote.rung() => {}
                    () = screen.rung() => {}
                    () = local.rung() => {
                        // late is fine: the bell then rings for our own picture alone
                        let _ = tokio::time::timeout(GATHER, remote.rung()).await;
                    }
                }
                Some(((), (local, remote, screen)))
            })
        })
    }
}

impl Bridge {
    /// A bridge to a running client and its actors.
    pub fn to(client: ClientHandle, actors: Arc<dyn Actors>) -> Self {
        let (events, stats) = (client.take_events(), client.stats());
        let (local, remote, screen) = (client.local(), client.remote(), client.screen());
        Bridge::new(
            move |command| client.send(command),
            events,
            stats,
            local,
            remote,
            screen,
            actors,
        )
    }
}

impl Hash for Bridge {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.events).hash(state);
    }
}
