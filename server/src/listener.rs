//! The listener: accepts connections, sees them through TLS and HTTP, and starts a session for each.
//!
//! A connection's steps run on one of the session threads, each within its time limit, so that nobody who is slow
//! holds up the door.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as Task, Poll};
use std::time::Duration;

use actix::{Actor, ActorFuture, AsyncContext, Context, Handler};
use arc_swap::ArcSwap;
use roomrtc_kit::{Addr, Down, Exit, Port, Spec, Thread, mail};
use roomrtc_protocol::signaling::switchboard::SessionId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::directory::{Attach, Directory, SessionEnded};
use crate::http::Pages;
use crate::session::{self, Session, Socket};
use crate::tls::Identity;

/// Clients that are told at one time that the server is full; further ones are just turned away.
const REFUSALS: usize = 64;

/// The pause when the system has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accept nobody any more: the server is going down.
pub(crate) struct StopAccepting;

mail! { StopAccepting; }

/// What the listener works with.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) socket: Arc<std::net::TcpListener>,
    pub(crate) identity: Arc<ArcSwap<Identity>>,
    pub(crate) shared: Arc<session::Shared>,
    pub(crate) directory: Addr<Directory>,
    /// Where sessions live.
    pub(crate) threads: Vec<Thread>,
    pub(crate) places: Arc<Semaphore>,
    /// Counts up over all lives.
    pub(crate) next_session: Arc<AtomicU64>,
}

/// The actor.
pub(crate) struct Listener {
    setup: Setup,
    door: Arc<Door>,
    refusals: Arc<Semaphore>,
    next_thread: usize,
    socket: Option<TcpListener>,
    /// After an error of the system: not before that.
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

/// What a connection needs on its way in.
struct Door {
    pages: Pages,
    setup: Setup,
}

/// A connection that was accepted.
struct Arrival {
    tcp: std::net::TcpStream,
    address: IpAddr,
    place: OwnedSemaphorePermit,
    full: bool,
}

impl Listener {
    pub(crate) fn new(setup: Setup) -> Self {
        Listener {
            door: Arc::new(Door {
                pages: Pages::new(),
                setup: setup.clone(),
            }),
            setup,
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            next_thread: 0,
            socket: None,
            pause: None,
        }
    }

    fn open(&self) -> io::Result<TcpListener> {
        TcpListener::from_std(self.setup.socket.try_clone()?)
    }

    /// Finds a place for a connection and sends it on its way.
    fn admit(&mut self, tcp: TcpStream, peer: SocketAddr) -> io::Result<()> {
        let (place, full) = match self.setup.places.clone().try_acquire_owned() {
            Ok(place) => (place, false),
            Err(_) => match self.refusals.clone().try_acquire_owned() {
                Ok(place) => (place, true),
                Err(_) => return Ok(()),
            },
        };
        tcp.set_nodelay(true)?;
        // Its events shall wake the thread that serves it.
        let arrival = Arrival {
            tcp: tcp.into_std()?,
            address: peer.ip(),
            place,
            full,
        };
        self.next_thread = (self.next_thread + 1) % self.setup.threads.len();
        let thread = self.setup.threads[self.next_thread].clone();
        let door = self.door.clone();
        self.setup.threads[self.next_thread].run(move || {
            actix_rt::spawn(async move {
                if let Err(error) = door.let_in(arrival, thread).await {
                    tracing::debug!(%error, "a connection failed before it became a session");
                }
            });
        });
        Ok(())
    }
}

impl Door {
    /// TLS, then HTTP, then a session.
    async fn let_in(&self, arrival: Arrival, thread: Thread) -> io::Result<()> {
        let settings = &self.setup.shared.settings;
        let identity = self.setup.identity.load_full();
        let tcp = TcpStream::from_std(arrival.tcp)?;
        let stream = timeout(settings.tls_timeout(), identity.accept(tcp)).await??;
        let Some(upgraded) = self.pages.serve(stream, settings).await? else {
            return Ok(());
        };
        let id = SessionId(self.setup.next_session.fetch_add(1, Ordering::Relaxed));
        let session = Addr::<Session>::one_of_many("server/session");
        self.setup.directory.tell(Attach {
            session: id,
            to: session.port(),
        });
        let setup = session::Setup {
            id,
            shared: self.setup.shared.clone(),
            socket: Socket::new(
                upgraded.stream,
                &upgraded.early,
                settings.frame_before_login_bytes,
            ),
            address: arrival.address,
            host: upgraded.host,
            certificate: identity.hash,
            full: arrival.full,
            place: arrival.place,
        };
        let directory = self.setup.directory.clone();
        let end = Port::new(move |down: Down| {
            directory.tell(SessionEnded {
                session: id,
                reason: down.reason,
            })
        });
        Spec::new(&session, &thread, Session::once(setup)).launch(end);
        Ok(())
    }
}

impl Actor for Listener {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        match self.open() {
            Ok(socket) => self.socket = Some(socket),
            Err(error) => return ctx.fail(error),
        }
        ctx.spawn(Accept);
    }
}

impl Handler<StopAccepting> for Listener {
    type Result = ();

    fn handle(&mut self, _: StopAccepting, _: &mut Self::Context) {
        self.socket = None;
    }
}

/// Accepts whenever somebody is at the door.
struct Accept;

impl ActorFuture<Listener> for Accept {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        listener: &mut Listener,
        _: &mut Context<Listener>,
        task: &mut Task<'_>,
    ) -> Poll<()> {
        loop {
            if let Some(pause) = &mut listener.pause {
                std::task::ready!(pause.as_mut().poll(task));
                listener.pause = None;
            }
            let Some(socket) = &listener.socket else {
                return Poll::Ready(());
            };
            let accepted = std::task::ready!(socket.poll_accept(task));
            if let Err(error) = accepted.and_then(|(tcp, peer)| listener.admit(tcp, peer)) {
                // A client that is gone already costs nothing; running out of descriptors takes time to mend.
                if !matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                ) {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    listener.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_PAUSE)));
                }
            }
        }
    }
}
