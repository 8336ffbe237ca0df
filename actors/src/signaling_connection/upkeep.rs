//! How the connection is made, used, kept alive, lost and made again.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use roomrtc_kit::Directory;
use roomrtc_protocol::signaling::messages::{ClientMessage, ErrorCode, GoodbyeReason};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_native_tls::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::backoff::Backoff;
use super::conversation::{Conversation, Output, Refusal, Request};
use super::link::{self, Link, LinkError};
use super::{Memory, Outdated, Phase, SignalingConnection, SignalingNews, SignalingSetup, Up};
use crate::ice_agent::interfaces;
use crate::server_trust::{KnownServers, Trust, TrustError};
use crate::ui_bridge::ConnectionState;
use crate::unfinished_call::UnfinishedCall;

/// The shortest heartbeat a server can impose on us.
const MIN_HEARTBEAT: Duration = Duration::from_millis(100);

/// A connection over an interface that is gone need not be waited for: this often they are looked at.
const LOOK_AT_INTERFACES: Duration = Duration::from_millis(250);

/// How long saying goodbye may take.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("the known servers could not be read")]
    Task(#[from] tokio::task::JoinError),
}

impl SignalingConnection {
    pub(super) fn tell(&self, news: SignalingNews) {
        self.setup.client.tell(news);
    }

    pub(super) fn state(&self, state: ConnectionState) {
        tracing::info!(?state, "connection");
        self.tell(SignalingNews::Connection(state));
    }

    pub(super) fn remember(&self) {
        match &self.server {
            Some(server) => {
                self.setup.memory.put(Memory {
                    server: server.clone(),
                    token: self.token.clone(),
                    call: self.call.clone(),
                });
            }
            None => self.setup.memory.clear(),
        }
        let (session, call) = (self.token.is_some(), self.call.is_some());
        Directory::note_resume(|| match (session, call) {
            (true, true) => "the server, the session, the call to rejoin".to_owned(),
            (true, false) => "the server and the session".to_owned(),
            (false, _) => "the server".to_owned(),
        });
    }

    /// Leaves the call on disk for a next run, or takes it away; one write at a time, the last one counts.
    pub(super) fn write_down(&mut self, ctx: &mut Context<Self>) {
        if let Some(outdated) = &mut self.writing_down {
            *outdated = Outdated(true);
            return;
        }
        let folder = self.setup.settings.data_folder();
        let unfinished = self
            .server
            .as_ref()
            .zip(self.token.clone())
            .zip(self.call.clone());
        let Some(((server, token), call)) = unfinished else {
            return UnfinishedCall::remove(&folder);
        };
        let server = server.to_string();
        let unfinished = UnfinishedCall { server, token, call };
        self.writing_down = Some(Outdated(false));
        let write = tokio::task::spawn_blocking(move || unfinished.save(&folder));
        ctx.spawn(write.into_actor(self).map(|written, connection, ctx| {
            if let Ok(Err(error)) = written {
                tracing::warn!(%error, "a next run could not rejoin this call");
            }
            if connection.writing_down.take() == Some(Outdated(true)) {
                connection.write_down(ctx);
            }
        }));
    }

    // --- to a connection -------------------------------------------------------------------------------------

    pub(super) fn dial(&mut self, attempt: u32, ctx: &mut Context<Self>) {
        let Some(server) = self.server.clone() else { return };
        self.drop_phase(ctx);
        let SignalingSetup { settings, pinned, .. } = &self.setup;
        let (pinned, folder) = (*pinned, settings.data_folder());
        let (limit, frame_bytes) = (settings.connect_timeout(), settings.frame_bytes);
        let attempting = async move {
            let trust = match pinned {
                Some(pin) => Trust::Pinned(pin),
                None => judge(folder, server.to_string()).await?,
            };
            Ok(link::connect(&server, trust, limit, frame_bytes).await?)
        };
        let task = ctx.spawn(
            attempting
                .into_actor(self)
                .map(move |result, connection, ctx| match result {
                    Ok(link) => connection.linked(link, ctx),
                    Err(error) => connection.not_linked(attempt, error, ctx),
                }),
        );
        self.phase = Phase::Dialing(task);
    }

    fn linked(&mut self, link: Link, ctx: &mut Context<Self>) {
        let (sink, stream): (SplitSink<Socket, Message>, SplitStream<Socket>) = link.socket.split();
        let (writer, queue) = mpsc::channel(self.setup.settings.queue_messages);
        let (conversation, hello) = Conversation::start(link.certificate);
        let now = Instant::now();
        let writing = ctx.spawn(pump(sink, queue).into_actor(self).map(|(), connection, _| {
            if connection.leaving {
                connection.tell(SignalingNews::Left);
            }
        }));
        self.phase = Phase::Up(Box::new(Up {
            conversation,
            writer,
            reader: ctx.add_stream(stream),
            writing,
            beat: ctx.run_interval(MIN_HEARTBEAT / 2, Self::beat),
            heartbeat: self.setup.settings.heartbeat_interval(),
            heard_at: now,
            said_at: now,
            asked_at: now,
            local: link.local,
            looked_at: now,
        }));
        self.carry_out(Some(hello), ctx);
    }

    fn not_linked(&mut self, attempt: u32, error: DialError, ctx: &mut Context<Self>) {
        tracing::info!(%error, attempt, "no connection");
        match error {
            DialError::Link(LinkError::UnknownServer(shown)) => {
                self.phase = Phase::AwaitingTrust { shown };
                self.tell(SignalingNews::UnknownServer(shown));
            }
            DialError::Link(LinkError::ServerChanged { expected, actual }) => {
                self.phase = Phase::Idle;
                self.pending = None;
                self.tell(SignalingNews::ServerChanged { expected, actual });
            }
            // A session waits for us: never give up.
            _ if self.token.is_some() => self.pause(attempt + 1, ctx),
            error => {
                self.phase = Phase::Idle;
                self.pending = None;
                self.state(ConnectionState::Failed(error.to_string()));
            }
        }
    }

    fn pause(&mut self, attempt: u32, ctx: &mut Context<Self>) {
        let settings = &self.setup.settings;
        let backoff = Backoff {
            first: settings.reconnect_first(),
            max: settings.reconnect_max(),
            jitter: f64::from(settings.reconnect_jitter_percent) / 100.0,
        };
        let after = backoff.wait(attempt, rand::random());
        let task = ctx.run_later(after, move |connection, ctx| connection.dial(attempt, ctx));
        self.phase = Phase::Pausing(task);
        self.state(ConnectionState::Reconnecting { attempt, after });
    }

    /// The connection is gone, for whatever cause.
    pub(super) fn lost(&mut self, cause: &str, ctx: &mut Context<Self>) {
        tracing::info!(cause, "connection lost");
        let owed = matches!(&self.phase, Phase::Up(up) if !up.conversation.is_settled());
        let unanswered = self.unanswered.take();
        self.drop_phase(ctx);
        if self.token.is_some() {
            self.pause(1, ctx);
        } else if unanswered.is_some() {
            // It was asked over a connection that may have been dead for long: once more, over a fresh one.
            self.pending = unanswered;
            self.dial(0, ctx);
        } else if owed || self.pending.is_some() {
            self.pending = None;
            self.phase = Phase::Idle;
            self.state(ConnectionState::Failed(cause.to_owned()));
        } else {
            self.phase = Phase::Dormant;
        }
    }

    /// Ends whatever is under way. The writer of a connection says what it still has to say.
    pub(super) fn drop_phase(&mut self, ctx: &mut Context<Self>) {
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Idle | Phase::AwaitingTrust { .. } | Phase::Dormant => {}
            Phase::Dialing(task) | Phase::Pausing(task) => {
                ctx.cancel_future(task);
            }
            Phase::Up(up) => {
                ctx.cancel_future(up.reader);
                ctx.cancel_future(up.beat);
                drop(up.writer);
            }
        }
    }

    // --- over a connection -----------------------------------------------------------------------------------

    /// Does what the conversation asks for.
    pub(super) fn carry_out(&mut self, output: Option<Output>, ctx: &mut Context<Self>) {
        let Some(output) = output else { return };
        match output {
            Output::Say(message) => self.write(message, ctx),
            Output::Stretch(stretch) => {
                let work = tokio::task::spawn_blocking(move || stretch.run());
                ctx.spawn(work.into_actor(self).map(|result, connection, ctx| {
                    match (result, connection.up()) {
                        (Ok(result), Some(up)) => {
                            let output = up.conversation.stretched(result);
                            connection.carry_out(output, ctx);
                        }
                        (Err(error), _) => connection.lost(&error.to_string(), ctx),
                        (_, None) => {}
                    }
                }));
            }
            Output::Ready { heartbeat_ms } => self.ready(heartbeat_ms, ctx),
            Output::Registered { user } => {
                self.unanswered = None;
                self.tell(SignalingNews::Registered { user });
            }
            Output::Opened {
                user,
                token,
                users,
                call,
                resumed,
            } => {
                self.unanswered = None;
                let fresh = self.token.replace(token) != self.token;
                if !resumed {
                    // Who enters anew is in no call, and an earlier run's is over with that.
                    self.call = None;
                }
                self.remember();
                if fresh || !resumed {
                    self.write_down(ctx);
                }
                self.tell(SignalingNews::LoggedIn {
                    user,
                    users,
                    call,
                    resumed,
                });
                for message in std::mem::take(&mut self.held) {
                    self.write(message, ctx);
                }
            }
            Output::Void => {
                self.forget_session();
                self.write_down(ctx);
                self.tell(SignalingNews::LoggedOut(None));
                self.ask_pending(ctx);
            }
            Output::Refused(refusal) => {
                self.unanswered = None;
                self.tell(SignalingNews::Refused(refusal));
            }
            Output::Goodbye(reason) => self.goodbye(reason, ctx),
            Output::Said(message) => self.tell(SignalingNews::Said(message)),
        }
    }

    fn ready(&mut self, heartbeat_ms: u64, ctx: &mut Context<Self>) {
        if let Some(up) = self.up() {
            up.heartbeat = up
                .heartbeat
                .min(Duration::from_millis(heartbeat_ms))
                .max(MIN_HEARTBEAT);
        }
        self.state(ConnectionState::Connected);
        if let Some(token) = self.token.clone() {
            self.ask(Request::Resume { token }, ctx);
        } else {
            self.ask_pending(ctx);
        }
    }

    fn ask_pending(&mut self, ctx: &mut Context<Self>) {
        if let Some(request) = self.pending.take() {
            self.ask(request, ctx);
        }
    }

    /// Asks over a greeted connection.
    fn ask(&mut self, request: Request, ctx: &mut Context<Self>) {
        if let Some(up) = self.up() {
            let output = up.conversation.request(request);
            self.carry_out(Some(output), ctx);
        }
    }

    /// Asks now, or as soon as there is a connection to ask over.
    pub(super) fn request(&mut self, request: Request, ctx: &mut Context<Self>) {
        match &mut self.phase {
            Phase::Up(up) if up.conversation.is_ready() => {
                self.unanswered = Some(request.clone());
                self.ask(request, ctx);
            }
            Phase::Up(up) if up.conversation.is_open() => {
                let refusal = Refusal::from(ErrorCode::NotAllowed);
                self.tell(SignalingNews::Refused(refusal));
            }
            Phase::Up(_) | Phase::Dialing(_) | Phase::Pausing(_) | Phase::AwaitingTrust { .. } => {
                self.pending = Some(request);
            }
            Phase::Dormant | Phase::Idle => {
                self.pending = Some(request);
                self.dial(0, ctx);
            }
        }
    }

    fn goodbye(&mut self, reason: GoodbyeReason, ctx: &mut Context<Self>) {
        tracing::info!(?reason, "the server says goodbye");
        match reason {
            GoodbyeReason::LoggedOut | GoodbyeReason::TakenOver => {
                self.drop_phase(ctx);
                self.phase = Phase::Dormant;
                self.forget_session();
                self.tell(SignalingNews::LoggedOut(Some(reason)));
                if self.pending.is_some() {
                    self.dial(0, ctx);
                }
            }
            // The session lives on; come back to it.
            GoodbyeReason::ServerShutdown | GoodbyeReason::TooSlow | GoodbyeReason::SlowReader => {
                let cause = format!("goodbye: {reason:?}");
                self.lost(&cause, ctx);
            }
        }
    }

    pub(super) fn forget_session(&mut self) {
        self.token = None;
        self.held.clear();
        self.remember();
    }

    pub(super) fn up(&mut self) -> Option<&mut Up> {
        match &mut self.phase {
            Phase::Up(up) => Some(up),
            _ => None,
        }
    }

    pub(super) fn write(&mut self, message: ClientMessage, ctx: &mut Context<Self>) {
        let Some(up) = self.up() else { return };
        up.said_at = Instant::now();
        if !matches!(message, ClientMessage::Ping | ClientMessage::Pong) {
            up.asked_at = up.said_at;
        }
        if up.writer.try_send(message).is_err() {
            let writing = up.writing;
            ctx.cancel_future(writing);
            self.lost("the server does not read", ctx);
        }
    }

    /// Beats the heart, and notices when the server's stands still or an answer is overdue.
    fn beat(&mut self, ctx: &mut Context<Self>) {
        let settings = &self.setup.settings;
        let (longest_silence, patience) = (settings.heartbeat_timeout(), settings.request_timeout());
        let Some(up) = self.up() else { return };
        if up.looked_at.elapsed() >= LOOK_AT_INTERFACES {
            up.looked_at = Instant::now();
            if up
                .local
                .is_some_and(|local| !interfaces::present(&[]).contains(&local))
            {
                let writing = up.writing;
                ctx.cancel_future(writing);
                return self.lost("the interface it went over is gone", ctx);
            }
        }
        let dead = up.heard_at.elapsed() > longest_silence;
        let overdue = up.conversation.awaits_answer() && up.asked_at.elapsed() > patience;
        if dead || overdue {
            let writing = up.writing;
            ctx.cancel_future(writing);
            self.lost("the server is silent", ctx);
        } else if up.said_at.elapsed() >= up.heartbeat {
            self.write(ClientMessage::Ping, ctx);
        }
    }

    /// Leaves the present server, politely where there is one.
    pub(super) fn part(&mut self, ctx: &mut Context<Self>) {
        self.say_log_out(ctx);
        self.drop_phase(ctx);
        self.server = None;
        self.pending = None;
        self.unanswered = None;
        self.forget_session();
    }

    pub(super) fn say_log_out(&mut self, ctx: &mut Context<Self>) {
        if self.up().is_some_and(|up| up.conversation.is_open()) {
            self.write(ClientMessage::LogOut, ctx);
        }
    }
}

/// Reads the known servers where waiting for the disk hurts nobody.
async fn judge(data_dir: PathBuf, server: String) -> Result<Trust, DialError> {
    let known = tokio::task::spawn_blocking(move || KnownServers::load(&data_dir)).await??;
    Ok(known.trust(&server))
}

/// Writes what is queued until the queue ends, then closes the WebSocket.
async fn pump(mut sink: SplitSink<Socket, Message>, mut queue: mpsc::Receiver<ClientMessage>) {
    while let Some(message) = queue.recv().await {
        match serde_json::to_string(&message) {
            Ok(text) => {
                if sink.send(Message::text(text)).await.is_err() {
                    return; // the reader hears why
                }
            }
            Err(error) => tracing::error!(%error, "a message cannot be written as JSON"),
        }
    }
    let _ = tokio::time::timeout(CLOSE_LIMIT, sink.close()).await;
}
