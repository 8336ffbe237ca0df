//! The client as a whole: its thread, its supervision tree, and the handle a front end holds.
//!
//! Reading order: this file (start and handle), [`root`] (the actor that decides), [`call_state`] (the life of a
//! call as a plain value), then `signaling_connection` and `ui_bridge`.

use std::sync::Arc;
use std::thread::JoinHandle;

use actix::{Actor, Context, Handler, System};
use actix_rt::Arbiter;
use roomrtc_kit::{
    Addr, Backoff, Directory, Down, Intensity, MeterView, Port, Restart, Shutdown, Spec, Strategy, Supervisor,
};
use tokio::sync::{mpsc, watch};

use crate::slot::VideoSlot;
use crate::stats::CallStats;
use crate::ui_bridge::{Command, Event, UiBridge};

/// Events that may wait for the front end before the bridge holds them back and merges them.
const EVENT_CHANNEL: usize = 256;

pub mod root;

/// What a client starts with.
pub struct ClientSetup {
    /// What it sends in its calls at first; [`Command::ChooseMedia`] changes it.
    pub media: crate::ui_bridge::MediaChoice,
}

/// What a front end holds of a running client. Clones are the same client; it ends when the last one is dropped,
/// or by [`Command::Quit`].
#[derive(Clone)]
pub struct ClientHandle(Arc<Inner>);

struct Inner {
    commands: Port<Command>,
    events: std::sync::Mutex<Option<mpsc::Receiver<Event>>>,
    stats: watch::Receiver<CallStats>,
    local: VideoSlot,
    remote: VideoSlot,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

/// The client could not start.
#[derive(Debug, thiserror::Error)]
#[error("no thread for the client")]
pub struct StartError(#[from] std::io::Error);

impl ClientHandle {
    /// Asks the client to do something; never waits. The answer comes as events.
    pub fn send(&self, command: Command) {
        self.0.commands.tell(command);
    }

    /// The events, in order; they can be taken once. The channel ends when the client has ended.
    pub fn take_events(&self) -> Option<mpsc::Receiver<Event>> {
        self.0
            .events
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take()
    }

    /// The figures of the running call, once a second.
    pub fn stats(&self) -> watch::Receiver<CallStats> {
        self.0.stats.clone()
    }

    /// Our own picture.
    pub fn local(&self) -> VideoSlot {
        self.0.local.clone()
    }

    /// The peer's picture.
    pub fn remote(&self) -> VideoSlot {
        self.0.remote.clone()
    }

    /// Every actor's mailbox, now.
    pub fn mailboxes(&self) -> Vec<MeterView> {
        Directory::view()
    }

    /// Names the client: equal for clones of one handle (identity of a subscription).
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    /// Ends the client (hangs up, says goodbye to the server) and waits until it has ended.
    pub fn quit(&self) {
        self.send(Command::Quit);
        let thread = self
            .0
            .thread
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!("the client's thread panicked");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.commands.tell(Command::Quit);
    }
}

/// Starts a client on a thread of its own.
pub fn start(setup: ClientSetup) -> Result<ClientHandle, StartError> {
    let (events, receiver) = mpsc::channel(EVENT_CHANNEL);
    let (_stats, stats) = watch::channel(CallStats::default());
    let root = Addr::<root::Client>::new("client/root");
    let bridge = Addr::<UiBridge>::new("client/ui_bridge");
    let commands = root.port();
    let (local, remote) = (VideoSlot::new(), VideoSlot::new());
    let thread = std::thread::Builder::new()
        .name("control".into())
        .spawn(move || {
            let system = System::new();
            system.block_on(async move { plant(setup, root, bridge, events) });
            if let Err(error) = system.run() {
                tracing::error!(%error, "the client's thread ended");
            }
        })?;
    Ok(ClientHandle(Arc::new(Inner {
        commands,
        events: std::sync::Mutex::new(Some(receiver)),
        stats,
        local,
        remote,
        thread: std::sync::Mutex::new(Some(thread)),
    })))
}

/// Starts the supervision tree on the present thread, the control arbiter.
fn plant(_setup: ClientSetup, root: Addr<root::Client>, bridge: Addr<UiBridge>, events: mpsc::Sender<Event>) {
    let here = Arbiter::current();
    let intensity = Intensity {
        restarts: 10,
        period: std::time::Duration::from_secs(30),
    };
    let backoff = Backoff {
        first: std::time::Duration::from_millis(10),
        max: std::time::Duration::from_secs(1),
    };
    let tree = Addr::<Supervisor>::new("client");
    let end = Addr::<End>::new("client/end");
    let own = Addr::<Supervisor>::new("client/end/supervisor");
    Supervisor::new(&own, Strategy::OneForOne, intensity, backoff)
        .child(Spec::new(&end, &here, || End))
        .launch(&here, end.port());
    let pending = roomrtc_kit::Keep::default();
    let to_bridge = bridge.port();
    let shutdown = tree.port();
    Supervisor::new(&tree, Strategy::OneForOne, intensity, backoff)
        .child(Spec::new(&bridge, &here, move || {
            UiBridge::new(events.clone(), pending.clone())
        }))
        .child(
            Spec::new(&root, &here, move || {
                root::Client::new(to_bridge.clone(), shutdown.clone())
            })
            .restart(Restart::Permanent),
        )
        .launch(&here, end.port());
}

/// Hears that the tree has ended, and ends the thread.
struct End;

impl Actor for End {
    type Context = Context<Self>;
}

impl Handler<Down> for End {
    type Result = ();

    fn handle(&mut self, down: Down, _: &mut Self::Context) {
        match down.reason.abnormal() {
            true => tracing::error!(reason = %down.reason, "the client gave up"),
            false => tracing::info!("the client has ended"),
        }
        System::current().stop();
    }
}

#[allow(dead_code)]
fn shutdown_is_mail(port: &Port<Shutdown>) {
    port.tell(Shutdown);
}
