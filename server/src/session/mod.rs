//! One connection: from its first message to its last.
//!
//! The session checks what a client may say in its state, has its password or token checked by the account store,
//! and then passes what it says about calls to the call registry. The directory delivers what it is told.
//!
//! Reading order: this file (the actor), [`conversation`] (what each message does), [`socket`] (bytes and frames),
//! [`turns`] (how many messages may be under way).

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler};
use bytes::Bytes;
use roomrtc_kit::config::Server as Settings;
use roomrtc_kit::{Addr, mail};
use roomrtc_protocol::signaling::messages::{
    ErrorCode, GoodbyeReason, OngoingCall, ServerMessage, UserPresence,
};
use roomrtc_protocol::signaling::opaque::PendingLogin;
use roomrtc_protocol::signaling::switchboard::SessionId;
use roomrtc_protocol::signaling::{CertificateHash, UserName, framing};
use tokio::sync::OwnedSemaphorePermit;

use crate::accounts::Accounts;
use crate::calls::CallRegistry;
use crate::directory::encode;
use crate::ice_servers::IceServers;

mod conversation;
mod pace;
mod socket;
mod turns;
mod wire;

pub(crate) use socket::Socket;
pub(crate) use turns::Turn;

use pace::Pace;
use turns::Turns;
use wire::Wire;

/// What the server tells a session.
pub(crate) enum Deliver {
    /// Send this frame.
    Frame(Bytes),
    /// Send these frames.
    Frames(Arc<[Bytes]>),
    /// The session is logged in.
    Admitted {
        user: UserName,
        users: Vec<UserPresence>,
        call: Option<OngoingCall>,
    },
    /// The user has another session, and this one did not ask to take over.
    Refused,
    /// Say goodbye and end.
    Goodbye(GoodbyeReason),
    /// End at once.
    Cut,
}

mail! { Deliver; }

/// How long a client has to take in the last message.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// Past so many heartbeat intervals of silence the server asks by a ping of its own.
const SILENCE_BEFORE_PING: f64 = 1.5;

/// What all sessions share.
pub(crate) struct Shared {
    pub(crate) settings: Arc<Settings>,
    pub(crate) ice_servers: IceServers,
    pub(crate) accounts: Addr<Accounts>,
    pub(crate) calls: Addr<CallRegistry>,
}

/// What a session is made of.
pub(crate) struct Setup {
    pub(crate) id: SessionId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) socket: Socket,
    pub(crate) address: IpAddr,
    /// The name and port the client found the server by.
    pub(crate) host: Option<String>,
    /// The certificate the client saw.
    pub(crate) certificate: CertificateHash,
    /// There is no room for this client: say so and end.
    pub(crate) full: bool,
    /// Its place among the connections, given back at its end.
    pub(crate) place: OwnedSemaphorePermit,
}

/// How far the conversation has come.
enum State {
    /// `hello` is awaited.
    Connected,
    /// `register_start`, `login_start` or `resume` is awaited.
    Greeted,
    /// `register_finish` is awaited.
    Registering(UserName),
    /// `login_finish` is awaited.
    LoggingIn(Box<PendingLogin>),
    /// An answer from within the server is awaited; nothing is read meanwhile.
    Waiting,
    /// The account is proved; the call registry decides whether the session comes in.
    Entering { token: String, guest: bool },
    /// Logged in.
    Online(Online),
    /// The last message is being sent.
    Leaving,
}

/// Who is logged in.
struct Online {
    user: UserName,
    token: String,
    guest: bool,
}

/// The actor.
pub(crate) struct Session {
    id: SessionId,
    shared: Arc<Shared>,
    socket: Socket,
    address: IpAddr,
    /// The name and port the client found the server by.
    host: Option<String>,
    certificate: CertificateHash,
    state: State,
    full: bool,
    turns: Turns,
    pace: Pace,
    /// Nothing is read until the pace allows it.
    paused: bool,
    /// When the client was heard last.
    heard: Instant,
    /// When the present state must be over.
    deadline: Option<Instant>,
    /// Wakes [`Wire`].
    waker: Option<Waker>,
    /// [`Wire`] is at work and needs no waking.
    moving: bool,
    _place: OwnedSemaphorePermit,
}

impl Session {
    pub(crate) fn new(setup: Setup) -> Self {
        let now = Instant::now();
        let settings = &setup.shared.settings;
        Session {
            id: setup.id,
            pace: Pace::new(settings.message_rate, settings.message_burst, now),
            deadline: Some(now + settings.login_timeout()),
            shared: setup.shared,
            socket: setup.socket,
            address: setup.address,
            host: setup.host,
            certificate: setup.certificate,
            state: State::Connected,
            full: setup.full,
            turns: Turns::default(),
            paused: false,
            heard: now,
            waker: None,
            moving: false,
            _place: setup.place,
        }
    }

    /// A recipe for the one life of a session.
    pub(crate) fn once(setup: Setup) -> impl Fn() -> Session + Send + Sync + 'static {
        let once = Mutex::new(Some(setup));
        move || {
            let setup = once
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .take();
            Session::new(setup.expect("a session has one life"))
        }
    }

    fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Lets [`Wire`] go on.
    fn wake(&self) {
        if let Some(waker) = self.waker.as_ref().filter(|_| !self.moving) {
            waker.wake_by_ref();
        }
    }

    fn send(&mut self, message: &ServerMessage) {
        self.send_frames([encode(message)]);
    }

    /// Queues frames; a client that does not read them is cut off.
    fn send_frames(&mut self, frames: impl IntoIterator<Item = Bytes>) {
        if matches!(self.state, State::Leaving) {
            return;
        }
        for frame in frames {
            self.socket.send(frame);
        }
        let (waiting, bytes) = self.socket.waiting();
        // One message alone may be longer than the queue: the list of very many users.
        if waiting > self.settings().queue_messages || waiting > 1 && bytes > self.settings().queue_bytes {
            tracing::info!(session = self.id.0, bytes, "a client does not read: cut");
            self.socket.forget();
            return self.goodbye(GoodbyeReason::SlowReader);
        }
        self.wake();
    }

    fn error(&mut self, code: ErrorCode, message: &str) {
        let message = message.to_owned();
        self.send(&ServerMessage::Error {
            code,
            message,
            call: None,
            retry_after_ms: None,
        });
    }

    /// Says goodbye, then ends.
    fn goodbye(&mut self, reason: GoodbyeReason) {
        tracing::debug!(session = self.id.0, ?reason, "goodbye");
        self.send(&ServerMessage::Goodbye { reason });
        self.close(match reason {
            GoodbyeReason::LoggedOut => framing::close_code::NORMAL,
            GoodbyeReason::ServerShutdown => framing::close_code::GOING_AWAY,
            GoodbyeReason::TakenOver | GoodbyeReason::TooSlow | GoodbyeReason::SlowReader => {
                framing::close_code::POLICY_VIOLATION
            }
        });
    }

    /// Sends what is queued and a close frame, then ends.
    fn close(&mut self, code: u16) {
        if !matches!(self.state, State::Leaving) {
            self.socket.send(framing::close(code));
            self.state = State::Leaving;
            self.deadline = Some(Instant::now() + LAST_WORDS_TIMEOUT);
            self.wake();
        }
    }

    /// Nothing is read while an answer is awaited or too much is under way.
    fn reads(&mut self) -> bool {
        match self.state {
            State::Waiting | State::Entering { .. } | State::Leaving => false,
            State::Connected | State::Greeted | State::Registering(_) | State::LoggingIn(_) => true,
            State::Online(_) => self.turns.free(self.waker.as_ref()),
        }
    }

    /// What is due next: the end of the present state, a ping, or giving the client up.
    fn next_check(&self) -> Instant {
        let quiet = self.settings().heartbeat_interval().mul_f64(SILENCE_BEFORE_PING);
        let patience = self.settings().heartbeat_timeout();
        let silent = self.heard.elapsed();
        let heartbeat = self.heard + if silent < quiet { quiet } else { patience };
        match (&self.state, self.deadline) {
            (State::Online(_), None) => heartbeat,
            (_, Some(deadline)) => deadline,
            (_, None) => Instant::now() + patience,
        }
    }

    /// Sets the one timer. It rings often enough that no change of state needs to set it anew.
    fn arm(&self, ctx: &mut Context<Self>) {
        let wait = self.next_check().saturating_duration_since(Instant::now());
        let at_most = self.settings().heartbeat_interval().mul_f64(SILENCE_BEFORE_PING);
        ctx.run_later(wait.min(at_most).max(MIN_CHECK), Self::check);
    }

    fn check(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        let late = self.deadline.is_some_and(|deadline| deadline <= now);
        match self.state {
            State::Leaving if late => return ctx.stop(),
            State::Leaving => {}
            State::Online(_) => {
                let silent = now - self.heard;
                if silent >= self.settings().heartbeat_timeout() {
                    tracing::info!(session = self.id.0, "a client fell silent");
                    return ctx.stop();
                }
                if silent >= self.settings().heartbeat_interval() {
                    self.send(&ServerMessage::Ping);
                }
            }
            State::Connected
            | State::Greeted
            | State::Registering(_)
            | State::LoggingIn(_)
            | State::Waiting
            | State::Entering { .. } => {
                if late {
                    self.goodbye(GoodbyeReason::TooSlow);
                }
            }
        }
        self.arm(ctx);
    }
}

/// Keeps a check that is just due from spinning.
const MIN_CHECK: Duration = Duration::from_millis(5);

impl Actor for Session {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.full {
            self.error(ErrorCode::ServerFull, "the server is full");
            self.close(framing::close_code::TRY_AGAIN_LATER);
        }
        ctx.spawn(Wire);
        self.arm(ctx);
    }
}

impl Handler<Deliver> for Session {
    type Result = ();

    fn handle(&mut self, msg: Deliver, ctx: &mut Self::Context) {
        match msg {
            Deliver::Frame(frame) => self.send_frames([frame]),
            Deliver::Frames(frames) => self.send_frames(frames.iter().cloned()),
            Deliver::Admitted { user, users, call } => self.admitted(&user, users, call),
            Deliver::Refused => self.refused(),
            Deliver::Goodbye(reason) => self.goodbye(reason),
            Deliver::Cut => ctx.stop(),
        }
    }
}
