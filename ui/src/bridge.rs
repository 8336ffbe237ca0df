//! The window's end of the client: commands go in, events, figures and bells come out as subscriptions.
//!
//! A trait-free seam: the running window holds a [`ClientHandle`], a test holds the other ends of the channels.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream;
use iced::Subscription;
use roomrtc_actors::client::ClientHandle;
use roomrtc_actors::slot::VideoSlot;
use roomrtc_actors::stats::CallStats;
use roomrtc_actors::ui_bridge::{Command, Event};
use roomrtc_kit::{Directory, MeterView, Order};
use tokio::sync::{mpsc, watch};

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
}

/// The actors of this very process.
pub struct Process;

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
        actors: Arc<dyn Actors>,
    ) -> Self {
        Bridge {
            commands: Arc::new(commands),
            events: Arc::new(Mutex::new(events)),
            stats,
            local,
            remote,
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

    /// One bell for both slots: something new is to be drawn. At most one rings until the window has drawn.
    pub fn bells(&self) -> Subscription<()> {
        Subscription::run_with(self.clone(), |bridge| {
            let slots = (bridge.local.clone(), bridge.remote.clone());
            stream::unfold(slots, |(local, remote)| async move {
                tokio::select! {
                    () = remote.rung() => {}
                    () = local.rung() => {
                        // late is fine: the bell then rings for our own picture alone
                        let _ = tokio::time::timeout(GATHER, remote.rung()).await;
                    }
                }
                Some(((), (local, remote)))
            })
        })
    }
}

impl From<ClientHandle> for Bridge {
    fn from(client: ClientHandle) -> Self {
        let (events, stats) = (client.take_events(), client.stats());
        let (local, remote) = (client.local(), client.remote());
        Bridge::new(
            move |command| client.send(command),
            events,
            stats,
            local,
            remote,
            Arc::new(Process),
        )
    }
}

impl Hash for Bridge {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.events).hash(state);
    }
}
