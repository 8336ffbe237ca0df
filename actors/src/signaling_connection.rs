//! The connection to the server. The root tells it what the user wants and what to say; it tells the root what
//! happens ([`SignalingNews`]). It greets, registers, logs in, beats the heart, and when the connection is lost it
//! comes back by itself, with backoff and jitter, and resumes the session by its token.
//!
//! Reading order: this file, [`upkeep`] (how the connection is made, used, lost and made again), [`conversation`]
//! (what is said over one connection), [`link`] (TCP, TLS, WebSocket), [`address`],
//! [`backoff`]; whom to trust is in `server_trust`.
//!
//! A server does not let connections without a login live long. So a connection that is lost without a session is
//! not rebuilt before there is a reason to: it is dormant, and the next request wakes it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, SpawnHandle, StreamHandler, WrapFuture};
use roomrtc_kit::{Keep, Port, config, mail};
use roomrtc_protocol::signaling::CertificateHash;
use roomrtc_protocol::signaling::messages::{
    ClientMessage, GoodbyeReason, OngoingCall, ServerMessage, UserPresence,
};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::{self, Message};

use crate::brief;
use crate::server_trust::KnownServers;
use crate::ui_bridge::{ConnectionState, Password};
use crate::unfinished_call::{AcceptedCall, UnfinishedCall};

pub mod address;
mod backoff;
mod conversation;
mod link;
mod upkeep;

use address::ServerAddress;
pub use conversation::Refusal;
use conversation::{Conversation, Request};

/// Connect to this server and forget any other.
#[derive(Clone, Debug)]
pub struct Connect {
    /// `HOST`, `HOST:PORT` or `wss://HOST:PORT`.
    pub server: String,
}

/// The user has compared the fingerprint of [`SignalingNews::UnknownServer`].
#[derive(Clone, Debug)]
pub struct TrustServer {
    /// What the user saw.
    pub fingerprint: String,
}

/// Close the connection and forget the session.
#[derive(Clone, Copy, Debug)]
pub struct Disconnect;

/// Make an account.
#[derive(Clone, Debug)]
pub struct Register {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: Password,
}

/// Open a session.
#[derive(Clone, Debug)]
pub struct LogIn {
    /// Whose.
    pub user: String,
    /// The password.
    pub password: Password,
    /// End another session of the same user.
    pub take_over: bool,
}

/// Close the session.
#[derive(Clone, Copy, Debug)]
pub struct LogOut;

/// Resume the session in which an earlier run of this client died in a call; [`SignalingNews::Unfinished`] names the
/// call.
#[derive(Clone, Copy, Debug)]
pub struct Rejoin {
    /// Only to leave the call: the root hears nothing of it until the server tells it.
    pub leave: bool,
}

/// The call that a next run could rejoin, should this one die: it is written down together with the session.
#[derive(Clone, Debug)]
pub struct LeaveWord(pub Option<AcceptedCall>);

/// Say this about a call; while the connection is being rebuilt it waits.
#[derive(Clone, Debug)]
pub struct Say(pub ClientMessage);

/// Log out and close; answered by [`SignalingNews::Left`].
#[derive(Clone, Copy, Debug)]
pub struct Leave;

mail! { Connect; TrustServer; Disconnect; Register; LogIn; LogOut; Rejoin; LeaveWord; Say, |say| brief::variant(&say.0); Leave; }

/// What the root hears.
#[derive(Clone, Debug)]
pub enum SignalingNews {
    /// The connection changed its state.
    Connection(ConnectionState),
    /// A certificate nobody vouches for: the user decides.
    UnknownServer(CertificateHash),
    /// Not the certificate the user confirmed: refused.
    ServerChanged {
        /// Confirmed before.
        expected: CertificateHash,
        /// Shown now.
        actual: CertificateHash,
    },
    /// The account exists.
    Registered {
        /// Its name.
        user: String,
    },
    /// The session is open.
    LoggedIn {
        /// Whose.
        user: String,
        /// Everybody else.
        users: Vec<UserPresence>,
        /// The call the session is in, as the server knows it.
        call: Option<OngoingCall>,
        /// Whether a lost session goes on.
        resumed: bool,
    },
    /// An earlier run died in this call; its session is being resumed.
    Unfinished(AcceptedCall),
    /// The session is over. Without a reason the server does not know it any more.
    LoggedOut(Option<GoodbyeReason>),
    /// The server refused something.
    Refused(Refusal),
    /// Presence and calls.
    Said(ServerMessage),
    /// Answers [`Leave`].
    Left,
}

/// Messages about calls that may wait while the connection is rebuilt; a call's set-up takes some 30.
const MAX_HELD: usize = 256;

/// What every life of the actor starts with.
#[derive(Clone)]
pub struct SignalingSetup {
    /// Limits and places.
    pub settings: config::Client,
    /// The only certificate to accept, if the command line or the configuration names one.
    pub pinned: Option<CertificateHash>,
    /// Who hears the news.
    pub client: Port<SignalingNews>,
    /// What survives a crash.
    pub memory: Keep<Memory>,
}

/// What the next life needs to go on where this one was.
#[derive(Clone, Debug)]
pub struct Memory {
    server: ServerAddress,
    token: Option<String>,
    call: Option<AcceptedCall>,
}

/// The actor.
pub struct SignalingConnection {
    setup: SignalingSetup,
    phase: Phase,
    server: Option<ServerAddress>,
    /// Opens the session again.
    token: Option<String>,
    /// The call a next run could rejoin.
    call: Option<AcceptedCall>,
    /// That is being written down, and whether it is not true any more.
    writing_down: Option<Outdated>,
    /// What the user asked for before there was a connection to ask over.
    pending: Option<Request>,
    /// What the user asked for over a connection that had been idle, until it is answered.
    unanswered: Option<Request>,
    /// What to say once the session is open again.
    held: VecDeque<ClientMessage>,
    /// Somebody waits for the last word to be said.
    leaving: bool,
}

/// Whether what is being written down has changed meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outdated(bool);

enum Phase {
    /// Nothing to do.
    Idle,
    /// An attempt is under way.
    Dialing(SpawnHandle),
    /// The user compares fingerprints.
    AwaitingTrust { shown: CertificateHash },
    /// A wait before the next attempt.
    Pausing(SpawnHandle),
    /// Connected.
    Up(Box<Up>),
    /// The server is known and answers, but there is no reason for a connection now.
    Dormant,
}

/// A connection in use.
struct Up {
    conversation: Conversation,
    writer: mpsc::Sender<ClientMessage>,
    reader: SpawnHandle,
    writing: SpawnHandle,
    beat: SpawnHandle,
    /// Between two of our heartbeats: as often as we are set to, or as the server wishes.
    heartbeat: Duration,
    heard_at: Instant,
    said_at: Instant,
    /// When something was said that is no heartbeat.
    asked_at: Instant,
    /// The address of this machine it was made from, and when that was last seen to be there.
    local: Option<IpAddr>,
    looked_at: Instant,
}

impl SignalingConnection {
    /// A connection that goes on where an earlier life was.
    pub fn new(setup: SignalingSetup) -> Self {
        let memory = setup.memory.get();
        SignalingConnection {
            setup,
            phase: Phase::Idle,
            server: memory.as_ref().map(|memory| memory.server.clone()),
            call: memory.as_ref().and_then(|memory| memory.call.clone()),
            token: memory.and_then(|memory| memory.token),
            writing_down: None,
            pending: None,
            unanswered: None,
            held: VecDeque::new(),
            leaving: false,
        }
    }
}

impl Actor for SignalingConnection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // An earlier life was connected.
        if self.server.is_some() {
            self.dial(1, ctx);
        }
    }
}

impl StreamHandler<Result<Message, tungstenite::Error>> for SignalingConnection {
    fn handle(&mut self, item: Result<Message, tungstenite::Error>, ctx: &mut Self::Context) {
        let text = match item {
            Ok(Message::Text(text)) => text,
            Ok(Message::Close(_)) => return self.lost("the server closed the connection", ctx),
            Ok(_) => return,
            Err(error) => return self.lost(&error.to_string(), ctx),
        };
        let Some(up) = self.up() else { return };
        up.heard_at = Instant::now();
        match serde_json::from_str::<ServerMessage>(&text) {
            Ok(message) => {
                let output = up.conversation.hear(message);
                self.carry_out(output, ctx);
            }
            // A newer server may say more than we understand.
            Err(error) => tracing::warn!(%error, "the server said something unknown"),
        }
    }

    fn finished(&mut self, ctx: &mut Self::Context) {
        if self.up().is_some() {
            self.lost("the connection ended", ctx);
        }
    }
}

impl Handler<Connect> for SignalingConnection {
    type Result = ();

    fn handle(&mut self, connect: Connect, ctx: &mut Self::Context) {
        self.part(ctx);
        match connect.server.parse() {
            Ok(server) => {
                self.server = Some(server);
                self.remember();
                self.state(ConnectionState::Connecting);
                self.dial(0, ctx);
            }
            Err(error) => {
                let error: address::AddressError = error;
                self.state(ConnectionState::Failed(error.to_string()));
            }
        }
    }
}

impl Handler<TrustServer> for SignalingConnection {
    type Result = ();

    fn handle(&mut self, trust: TrustServer, ctx: &mut Self::Context) {
        let (Phase::AwaitingTrust { shown }, Some(server)) = (&self.phase, &self.server) else {
            return;
        };
        let (shown, address, data_dir) = (*shown, server.to_string(), self.setup.settings.data_folder());
        if trust.fingerprint.parse() != Ok(shown) {
            tracing::warn!("another certificate was confirmed than the one that was shown");
            return;
        }
        let write = tokio::task::spawn_blocking(move || {
            let mut known = KnownServers::load(&data_dir)?;
            known.remember(&address, shown)
        });
        ctx.spawn(write.into_actor(self).map(|result, connection, ctx| {
            let error = match result {
                Ok(Ok(())) => return connection.dial(0, ctx),
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            connection.phase = Phase::Idle;
            connection.state(ConnectionState::Failed(error));
        }));
    }
}

impl Handler<Disconnect> for SignalingConnection {
    type Result = ();

    fn handle(&mut self, _: Disconnect, ctx: &mut Self::Context) {
        self.part(ctx);
        self.state(ConnectionState::Disconnected);
    }
}

impl Handler<Leave> for SignalingConnection {
    type Result = ();

    fn handle(&mut self, _: Leave, ctx: &mut Self::Context) {
        self.leaving = self.up().is_some();
        self.part(ctx);
        if !self.leaving {
            self.tell(SignalingNews::Left);
        }
    }
}

impl Handler<Register> for SignalingConnection {
    type Result = ();

    fn handle(&mut self, Register { user, password }: Register, ctx: &mut Self::Context) {
        self.request(Request::Register { user, password }, ctx);
    }
}

impl Handler<LogIn> for SignalingConnection {
    type Result = ();

    fn handle(
        &mut self,
        LogIn {
            user,
            password,
            take_over,
        }: LogIn,
        ctx: &mut Self::Context,
    ) {
        self.request(
            Request::LogIn {
                user,
                password,
                take_over,
            },
            ctx,
        );
    }
}

impl Handler<LogOut> for SignalingConnection {
    type Result = ();

    fn handle(&mut self, _: LogOut, ctx: &mut Self::Context) {
        if self.token.is_some() {
            // The answer is not awaited: a server that does not hear it notices by itself.
            self.say_log_out(ctx);
            self.drop_phase(ctx);
            self.phase = Phase::Dormant;
            self.forget_session();
            self.tell(SignalingNews::LoggedOut(Some(GoodbyeReason::LoggedOut)));
        }
    }
}

impl Handler<Rejoin> for SignalingConnection {
    type Result = ();

    fn handle(&mut self, Rejoin { leave }: Rejoin, ctx: &mut Self::Context) {
        let folder = self.setup.settings.data_folder();
        let load = tokio::task::spawn_blocking(move || UnfinishedCall::load(&folder));
        ctx.spawn(load.into_actor(self).map(move |loaded, connection, ctx| {
            let known = loaded.ok().flatten();
            let known = known.and_then(|left| Some((left.server.parse().ok()?, left.token, left.call)));
            let Some((server, token, call)) = known else {
                let words = "there is no call to go back to".to_owned();
                return connection.state(ConnectionState::Failed(words));
            };
            connection.part(ctx);
            connection.server = Some(server);
            connection.token = Some(token);
            connection.call = Some(call.clone());
            connection.remember();
            if !leave {
                connection.tell(SignalingNews::Unfinished(call));
            }
            connection.state(ConnectionState::Connecting);
            connection.dial(0, ctx);
        }));
    }
}

impl Handler<LeaveWord> for SignalingConnection {
    type Result = ();

    fn handle(&mut self, LeaveWord(call): LeaveWord, ctx: &mut Self::Context) {
        self.call = call;
        self.remember();
        self.write_down(ctx);
    }
}

impl Handler<Say> for SignalingConnection {
    type Result = ();

    fn handle(&mut self, Say(message): Say, ctx: &mut Self::Context) {
        if self.up().is_some_and(|up| up.conversation.is_open()) {
            self.write(message, ctx);
        } else if self.token.is_some() {
            if self.held.len() == MAX_HELD {
                self.held.pop_front();
                tracing::warn!("too many messages wait for the server; the oldest is dropped");
            }
            self.held.push_back(message);
        } else {
            tracing::debug!("not logged in: nobody to say it to");
        }
    }
}
