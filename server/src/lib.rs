//! The RoomRTC signaling server: accounts, presence, calls.
//!
//! Reading order: this file (starting and stopping, the supervision tree), [`listener`] and [`http`] (how a
//! connection comes in), [`session`] (one client's conversation), [`accounts`] with [`limits`] and [`store`] (who
//! may come in), [`calls`] (who is in a call with whom; the rules themselves are
//! `roomrtc_protocol::signaling::switchboard`), [`directory`] (the way to every session), [`ice_servers`], [`tls`].
//!
//! ```text
//!                        ┌──────── account store (own thread: SQLite, OPAQUE)
//!                        │ ask
//! TCP ─► listener ─► session ──Said──► call registry ──Carry──► directory ──Deliver──► session ─► TCP
//!            (TLS, HTTP)   └──Down (its life ended)────────────────┘  └──Lose──► call registry
//! ```
//!
//! The account store, directory, call registry and listener live under a supervisor; a session has one life, whose
//! end is reported to the directory. A crash of the directory disturbs nobody; one of the call registry makes all
//! clients come back and resume.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use actix_rt::{ArbiterHandle, System};
use arc_swap::ArcSwap;
use roomrtc_kit::config::{Config, Server as Settings};
use roomrtc_kit::{Addr, Backoff, Intensity, Keep, Spec, Strategy, Supervisor, Thread, Watchdog, sentry};
use roomrtc_protocol::signaling::CertificateHash;
use thiserror::Error;
use tokio::sync::Semaphore;

mod accounts;
mod admin;
mod calls;
mod caretaker;
pub mod check;
mod directory;
mod http;
mod ice_servers;
pub mod inspect;
mod limits;
mod listener;
mod session;
pub mod store;
mod tls;

pub use accounts::OpenError;
pub use ice_servers::SecretError;
pub use tls::TlsError;

use accounts::Accounts;
use admin::Admin;
use calls::CallRegistry;
use caretaker::{Caretaker, StopServer};
use directory::{Directory, Roster};
use ice_servers::IceServers;
use listener::Listener;
use tls::Identity;

/// More crashes than this in a short time are no accident: the server ends, and whoever runs it may look into it.
const INTENSITY: Intensity = Intensity {
    restarts: 10,
    period: Duration::from_secs(30),
};

/// The pauses between restarts.
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    max: Duration::from_secs(2),
};

/// The thread of the supervisors may hang so much longer than the others: the whole program is started anew for it.
const SENTRY_PATIENCE: u32 = 2;

/// Why the server cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Its folder cannot be made.
    #[error("the data folder {path} cannot be used")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The accounts cannot be used.
    #[error(transparent)]
    Accounts(#[from] OpenError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The secret shared with the TURN servers cannot be used.
    #[error(transparent)]
    TurnSecret(#[from] SecretError),
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The threads cannot be started.
    #[error("the server's threads cannot be started")]
    Threads(#[source] io::Error),
}

/// The signaling server.
pub struct Server;

/// A server that accepts clients. When dropped without [`RunningServer::stop`] it ends all the same.
pub struct RunningServer {
    address: SocketAddr,
    settings: Arc<Settings>,
    folder: PathBuf,
    identity: Arc<ArcSwap<Identity>>,
    caretaker: Addr<Caretaker>,
    core: ArbiterHandle,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server on threads of its own. It accepts clients when this returns.
    pub fn start(config: &Config) -> Result<RunningServer, StartError> {
        let settings = Arc::new(config.server.clone());
        let folder = data_folder(config)?;
        let identity = Arc::new(ArcSwap::from_pointee(Identity::load(&settings, &folder)?));
        // What is wrong with the accounts is said now, and not by an actor later.
        let database = folder.join(&settings.database);
        accounts::open_store(&database)?;
        let socket = listen(&settings)?;
        let listening = |source| StartError::Listen {
            address: settings.listen,
            source,
        };
        let address = socket.local_addr().map_err(listening)?;
        let ground = Ground {
            settings: settings.clone(),
            ice_servers: IceServers::load(config, &folder)?,
            database,
            identity: identity.clone(),
            socket: Arc::new(socket),
        };
        let (started, caretaker) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("server".into())
            .spawn(move || run(ground, &started))
            .map_err(StartError::Threads)?;
        let (caretaker, core) = caretaker
            .recv()
            .map_err(|_| StartError::Threads(io::ErrorKind::BrokenPipe.into()))?;
        Ok(RunningServer {
            address,
            settings,
            folder,
            identity,
            caretaker,
            core,
            thread: Some(thread),
        })
    }
}

impl RunningServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate that clients see.
    pub fn fingerprint(&self) -> CertificateHash {
        self.identity.load().hash
    }

    /// Loads the certificate anew, for connections from now on.
    pub fn reload_certificate(&self) -> Result<(), TlsError> {
        self.identity
            .store(Arc::new(Identity::load(&self.settings, &self.folder)?));
        Ok(())
    }

    /// Whether it still runs: it ends by itself when an actor keeps crashing.
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Calls `hung` when the thread of the supervisors hangs, which nothing inside can mend.
    ///
    /// # Errors
    /// If there is no thread to watch from.
    pub fn guard(&self, hung: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let limit = self.settings.hang_timeout() * SENTRY_PATIENCE;
        sentry::watch(self.core.clone(), limit, hung)
    }

    /// Says goodbye to all clients and ends; returns when everything is over.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.caretaker.tell(StopServer);
            if thread.join().is_err() {
                tracing::error!("the server's thread panicked");
            }
        }
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// What the actors stand on.
struct Ground {
    settings: Arc<Settings>,
    ice_servers: IceServers,
    database: PathBuf,
    identity: Arc<ArcSwap<Identity>>,
    socket: Arc<TcpListener>,
}

/// The server's thread: from the first actor to the last.
fn run(ground: Ground, started: &mpsc::Sender<(Addr<Caretaker>, ArbiterHandle)>) {
    let runner = System::new();
    runner.block_on(async {
        let caretaker = raise(ground);
        // Nobody waits any more only if the starter is gone.
        let _ = started.send((caretaker, System::current().arbiter().clone()));
    });
    if let Err(error) = runner.run() {
        tracing::error!(%error, "the server's system ended badly");
    }
}

/// Builds the supervision tree and starts it.
fn raise(ground: Ground) -> Addr<Caretaker> {
    let Ground {
        settings,
        ice_servers,
        database,
        identity,
        socket,
    } = ground;
    let core = System::current().arbiter().clone();
    // Parked in the tree's own children, and ended with the system.
    let disk = Thread::new("disk");
    let session_threads = (0..threads(&settings)).map(|_| Thread::new("sessions")).collect();
    let root = Addr::<Supervisor>::new("server");
    let accounts = Addr::<Accounts>::new("server/accounts");
    let directory = Addr::<Directory>::new("server/directory");
    let calls = Addr::<CallRegistry>::new("server/calls");
    let listener = Addr::<Listener>::new("server/listener");
    let caretaker = Addr::<Caretaker>::new("server/caretaker");
    let places = Arc::new(Semaphore::new(settings.max_connections));
    let admin = settings.admin_socket_path();
    let hang_timeout = settings.hang_timeout();
    let shared = session::Shared {
        settings: settings.clone(),
        ice_servers,
        accounts: accounts.clone(),
        calls: calls.clone(),
    };
    let door = listener::Setup {
        socket,
        identity,
        shared: Arc::new(shared),
        directory: directory.clone(),
        threads: session_threads,
        places: places.clone(),
        next_session: Arc::new(AtomicU64::new(1)),
    };
    let supervisor = Supervisor::new(&root, Strategy::OneForOne, INTENSITY, BACKOFF)
        .child(accounts_spec(&accounts, &disk, &settings, database))
        .child(directory_spec(&directory, &core, &calls))
        .child(calls_spec(&calls, &core, &settings, &accounts, &directory))
        .child(Spec::new(&listener, &core, move || Listener::new(door.clone())))
        .child(Spec::new(&Addr::new("server/admin"), &core, move || {
            Admin::new(admin.clone())
        }))
        .child(Spec::new(&Addr::new("server/watchdog"), &core, move || {
            Watchdog::new(hang_timeout)
        }));
    Caretaker::new(root, directory, listener, places, &settings).launch(&caretaker, &core);
    supervisor.launch(&core, caretaker.port());
    caretaker
}

fn accounts_spec(
    addr: &Addr<Accounts>,
    thread: &Thread,
    settings: &Arc<Settings>,
    database: PathBuf,
) -> Spec<Accounts> {
    let settings = settings.clone();
    Spec::new(addr, thread, move || {
        Accounts::new(settings.clone(), database.clone())
    })
}

fn directory_spec(
    addr: &Addr<Directory>,
    arbiter: &ArbiterHandle,
    calls: &Addr<CallRegistry>,
) -> Spec<Directory> {
    let (calls, roster) = (calls.clone(), Roster::default());
    Spec::new(addr, arbiter, move || {
        Directory::new(calls.clone(), roster.clone())
    })
}

fn calls_spec(
    addr: &Addr<CallRegistry>,
    arbiter: &ArbiterHandle,
    settings: &Arc<Settings>,
    accounts: &Addr<Accounts>,
    directory: &Addr<Directory>,
) -> Spec<CallRegistry> {
    let (settings, accounts, directory) = (settings.clone(), accounts.clone(), directory.clone());
    let lived = Keep::default();
    Spec::new(addr, arbiter, move || {
        CallRegistry::new(&settings, accounts.clone(), directory.clone(), lived.clone())
    })
}

fn threads(settings: &Settings) -> usize {
    match settings.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    }
}

/// The server's folder, made if it is not there. It holds secrets: it is its owner's alone.
pub fn data_folder(config: &Config) -> Result<PathBuf, StartError> {
    let path = config.server.data_folder();
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(&path) {
        Ok(()) => Ok(path),
        Err(source) => Err(StartError::Folder { path, source }),
    }
}

fn listen(settings: &Settings) -> Result<TcpListener, StartError> {
    let address = settings.listen;
    let open = || {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM,
            Some(socket2::Protocol::TCP),
        )?;
        // A server that restarts finds the connections of its last run still ending.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(i32::try_from(settings.backlog).unwrap_or(i32::MAX))?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    open().map_err(|source| StartError::Listen { address, source })
}
