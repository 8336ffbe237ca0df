//! The client as a whole: its thread, its supervision tree, and the handle a front end holds.
//!
//! Reading order: this file (start and handle), [`root`] (the actor that decides), [`call_state`] (the life of a
//! call as a plain value), then `signaling_connection` and `ui_bridge`.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use actix::{Actor, Context, Handler, System};
use actix_rt::Arbiter;
use roomrtc_kit::config::Config;
use roomrtc_kit::{
    Addr, Backoff, Directory, Down, Intensity, Keep, MeterView, Port, Spec, Strategy, Supervisor, Watchdog,
    sentry,
};
use roomrtc_protocol::signaling::CertificateHash;
use tokio::sync::{mpsc, watch};

use self::root::{Client, ClientRootSetup};
use crate::call_port::CallEngine;
use crate::signaling_connection::{SignalingConnection, SignalingSetup};
use crate::slot::VideoSlot;
use crate::stats::CallStats;
use crate::ui_bridge::{Command, Event, MediaChoice, UiBridge};

pub mod call_state;
pub mod root;

/// The control arbiter may hang so much longer than the others: the whole program is started anew for it.
const SENTRY_PATIENCE: u32 = 2;

/// What a client starts with.
pub struct ClientSetup {
    /// Every setting.
    pub config: Arc<Config>,
    /// What it sends in its calls at first; [`Command::ChooseMedia`] changes it.
    pub media: MediaChoice,
    /// The server's certificate, if the command line names it: this one and no other.
    pub server_fingerprint: Option<CertificateHash>,
    /// What carries out calls.
    pub engine: Arc<dyn CallEngine>,
    /// Called when the control arbiter hangs, which nothing inside can mend.
    pub hung: Box<dyn FnOnce() + Send>,
}

/// What a front end holds of a running client. Clones are the same client; it ends when the last one is dropped,
/// or by [`Command::Quit`].
#[derive(Clone)]
pub struct ClientHandle(Arc<Inner>);

struct Inner {
    commands: Port<Command>,
    events: Mutex<Option<mpsc::Receiver<Event>>>,
    stats: watch::Receiver<CallStats>,
    local: VideoSlot,
    remote: VideoSlot,
    screen: VideoSlot,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The client could not start: no thread for it.
#[derive(Debug, thiserror::Error)]
#[error("no thread for the client: {0}")]
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
            .unwrap_or_else(PoisonError::into_inner)
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

    /// The peer's screen.
    pub fn screen(&self) -> VideoSlot {
        self.0.screen.clone()
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
            .unwrap_or_else(PoisonError::into_inner)
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

/// Starts a client on a thread of its own, the control arbiter.
pub fn start(setup: ClientSetup) -> Result<ClientHandle, StartError> {
    let (events, receiver) = mpsc::channel(setup.config.client.event_queue);
    let (figures, stats) = watch::channel(CallStats::default());
    let (local, remote, screen) = (VideoSlot::new(), VideoSlot::new(), VideoSlot::new());
    let root = Addr::new("client/root");
    let commands = root.port();
    let trunk = Trunk {
        root,
        events,
        figures: Arc::new(figures),
        local: local.clone(),
        remote: remote.clone(),
        screen: screen.clone(),
    };
    let thread = std::thread::Builder::new()
        .name("control".into())
        .spawn(move || {
            let system = System::new();
            system.block_on(async move { plant(setup, trunk) });
            if let Err(error) = system.run() {
                tracing::error!(%error, "the client's thread ended");
            }
        })?;
    Ok(ClientHandle(Arc::new(Inner {
        commands,
        events: Mutex::new(Some(receiver)),
        stats,
        local,
        remote,
        screen,
        thread: Mutex::new(Some(thread)),
    })))
}

/// The ends of everything that leads out of the tree.
struct Trunk {
    root: Addr<Client>,
    events: mpsc::Sender<Event>,
    figures: Arc<watch::Sender<CallStats>>,
    local: VideoSlot,
    remote: VideoSlot,
    screen: VideoSlot,
}

/// Starts the supervision tree on the present thread.
fn plant(setup: ClientSetup, trunk: Trunk) {
    let here = Arbiter::current();
    let settings = &setup.config.client;
    let intensity = Intensity {
        restarts: settings.restart_limit,
        period: settings.restart_period(),
    };
    let backoff = Backoff {
        first: settings.restart_pause_first(),
        max: settings.restart_pause_max(),
    };
    let tree = Addr::<Supervisor>::new("client");
    let bridge = Addr::<UiBridge>::new("client/ui_bridge");
    let connection = Addr::<SignalingConnection>::new("client/signaling_connection");
    let watchdog = Addr::<Watchdog>::new("client/watchdog");
    let hang_timeout = settings.hang_timeout();
    let end = watch_the_end(&here, intensity, backoff);
    if let Err(error) = sentry::watch(here.clone(), hang_timeout * SENTRY_PATIENCE, setup.hung) {
        tracing::warn!(%error, "nobody watches the control arbiter");
    }

    let Trunk {
        root,
        events,
        figures,
        local,
        remote,
        screen,
    } = trunk;
    let waiting = Keep::default();
    let signaling = SignalingSetup {
        settings: settings.clone(),
        pinned: setup
            .server_fingerprint
            .or_else(|| settings.server_fingerprint.parse().ok()),
        client: root.port(),
        memory: Keep::default(),
    };
    let client = ClientRootSetup {
        me: root.clone(),
        ui: bridge.port(),
        signaling: connection.clone(),
        engine: setup.engine,
        tree: tree.port(),
        media: setup.media,
        local,
        remote,
        screen,
        stats: figures,
        reconnect_timeout: settings.call_reconnect_timeout(),
        memory: Keep::default(),
    };
    let reports = root.port();
    Supervisor::new(&tree, Strategy::OneForOne, intensity, backoff)
        .stop_limit(settings.stop_timeout())
        .child(Spec::new(&bridge, &here, move || {
            UiBridge::new(events.clone(), waiting.clone())
        }))
        .child(Spec::new(&root, &here, move || Client::new(client.clone())))
        .child(Spec::new(&connection, &here, move || {
            SignalingConnection::new(signaling.clone())
        }))
        .child(Spec::new(&watchdog, &here, move || Watchdog::new(hang_timeout)))
        .reports(reports)
        .launch(&here, end);
}

/// Where the tree's end is to be told.
fn watch_the_end(here: &actix_rt::ArbiterHandle, intensity: Intensity, backoff: Backoff) -> Port<Down> {
    let end = Addr::<End>::new("client/end");
    let own = Addr::<Supervisor>::new("client/end/supervisor");
    let told = end.port();
    Supervisor::new(&own, Strategy::OneForOne, intensity, backoff)
        .child(Spec::new(&end, here, || End))
        .launch(here, told.clone());
    told
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
