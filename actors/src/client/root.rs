//! The root of the client: the one place that decides. Front ends tell it [`Command`]s; the signaling connection
//! tells it what the server says; a call tells it how it fares. It tells the front end, through the bridge, what
//! came of it.
//!
//! What happens to a call is decided by [`CallState`]; this file carries it out, [`server_news`] what the server says.

mod server_news;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use roomrtc_kit::{Addr, Directory, Down, Keep, Port, Shutdown, mail};
use roomrtc_protocol::signaling::messages::{
    CallId, ClientMessage, ErrorCode, IceServer, Presence, UserPresence,
};
use tokio::sync::watch;

use super::call_state::{CallState, Input, Output};
use crate::brief;
use crate::call_port::{
    CallEngine, CallNews, CallOrder, CallReport, CallSetup, PREVIEW, Preview, RunningCall,
};
use crate::signaling_connection::{self as signaling, SignalingConnection, SignalingNews};
use crate::slot::VideoSlot;
use crate::stats::{CallStats, MediaGaps};
use crate::ui_bridge::data::{DataEvent, DataOrder};
use crate::ui_bridge::{CallEnd, CallEvent, Command, Event, MediaChoice, TellUi, VideoChoice};
use crate::unfinished_call::AcceptedCall;

/// The other party of a rejoined call had time to come back to a server that was started anew.
struct RejoinTimeout(CallId);

mail! {
    Command, brief::variant;
    SignalingNews, brief::variant;
    CallReport, |report| brief::variant(&report.news);
    RejoinTimeout;
}

/// How long the last words to server and peer may take.
const LAST_WORDS: Duration = Duration::from_millis(1500);

/// How long the components of a call, whose root has ended, may take to leave their threads.
const CALL_CLEARANCE: Duration = Duration::from_millis(100);

/// The servers for NATs and firewalls are not asked for more often.
const LEAST_RENEWAL: Duration = Duration::from_secs(60);

/// All media of a call share the transport of its first (RFC 9143 §7.2), so every candidate belongs to it.
const MID: &str = "0";

/// What every life of the root starts with.
#[derive(Clone)]
pub struct ClientRootSetup {
    /// Its own address.
    pub me: Addr<Client>,
    /// The front end.
    pub ui: Port<TellUi>,
    /// The server.
    pub signaling: Addr<SignalingConnection>,
    /// What carries out calls.
    pub engine: Arc<dyn CallEngine>,
    /// The supervisor of everything.
    pub tree: Port<Shutdown>,
    /// What to send in calls, at first.
    pub media: MediaChoice,
    /// Our own picture.
    pub local: VideoSlot,
    /// The peer's picture.
    pub remote: VideoSlot,
    /// The peer's screen.
    pub screen: VideoSlot,
    /// The call's figures.
    pub stats: Arc<watch::Sender<CallStats>>,
    /// How long a call without a server may take to come back.
    pub reconnect_timeout: Duration,
    /// What survives a crash.
    pub memory: Keep<Memory>,
}

/// What the root knows; its next life goes on with it.
#[derive(Clone)]
pub struct Memory {
    /// Whether the session is open right now.
    online: bool,
    users: BTreeMap<String, Presence>,
    call: CallState,
    running: Option<Arc<dyn RunningCall>>,
    /// What a next run would find on disk.
    left_word: Option<AcceptedCall>,
    /// Calls that were started and have not taken themselves down yet: the running one, and those that still say
    /// their goodbyes.
    unclosed: Vec<CallId>,
    /// The front end wants everything to end.
    quitting: bool,
    preview_wanted: bool,
    preview: Option<Arc<dyn Preview>>,
    media: MediaChoice,
    microphone: bool,
    camera: bool,
    ice_servers: Vec<IceServer>,
}

/// The actor.
pub struct Client {
    setup: ClientRootSetup,
    now: Memory,
    ice_servers_renewal: Option<SpawnHandle>,
}

impl Client {
    /// A root that goes on where an earlier life was.
    pub fn new(setup: ClientRootSetup) -> Self {
        let now = setup.memory.get().unwrap_or_else(|| Memory {
            online: false,
            users: BTreeMap::new(),
            call: CallState::Idle,
            running: None,
            left_word: None,
            unclosed: Vec::new(),
            quitting: false,
            preview_wanted: false,
            preview: None,
            media: setup.media.clone(),
            microphone: true,
            camera: true,
            ice_servers: Vec::new(),
        });
        Client {
            setup,
            now,
            ice_servers_renewal: None,
        }
    }

    fn tell(&self, event: Event) {
        self.setup.ui.tell(TellUi(event));
    }

    fn say(&self, message: ClientMessage) {
        self.setup.signaling.tell(signaling::Say(message));
    }

    /// The step has succeeded: the next life starts from here.
    fn keep(&self) {
        self.setup.memory.put(self.now.clone());
        let Memory { users, call, .. } = &self.now;
        Directory::note_resume(|| format!("{} users, call: {}", users.len(), call.name()));
    }

    // --- the call --------------------------------------------------------------------------------------------

    fn drive(&mut self, input: Input) {
        let before = self.now.call.name();
        let outputs = self.now.call.handle(input);
        if before != self.now.call.name() {
            tracing::info!(from = before, to = self.now.call.name(), "call");
        }
        self.carry_out(outputs);
        self.leave_word();
    }

    /// The next run shall know of the call, should this one die in it.
    fn leave_word(&mut self) {
        let call = self.now.call.accepted_call();
        if call != self.now.left_word {
            self.now.left_word = call.clone();
            self.setup.signaling.tell(signaling::LeaveWord(call));
        }
    }

    fn carry_out(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Say(message) => self.say(message),
                Output::Tell(event) => self.tell(Event::Call(event)),
                Output::Start {
                    call,
                    user,
                    caller,
                    rejoin,
                } => self.start_call(call, user, caller, rejoin),
                Output::Stop => self.stop_call(),
                Output::LimitRejoin { call } => self.limit_rejoin(call),
            }
        }
    }

    fn limit_rejoin(&self, call: CallId) {
        let (me, limit) = (self.setup.me.clone(), self.setup.reconnect_timeout);
        // Not a timer of this life: the next one shall hear of it too.
        actix::spawn(async move {
            tokio::time::sleep(limit).await;
            me.tell(RejoinTimeout(call));
        });
    }

    fn start_call(&mut self, call: CallId, user: String, caller: bool, rejoin: bool) {
        self.now.preview = None;
        self.setup.local.clear();
        let setup = CallSetup {
            call,
            user,
            caller,
            rejoin,
            accepted_at: Instant::now(),
            media: self.now.media.clone(),
            microphone: self.now.microphone,
            camera: self.now.camera,
            ice_servers: self.now.ice_servers.clone(),
            local: self.setup.local.clone(),
            remote: self.setup.remote.clone(),
            screen: self.setup.screen.clone(),
            stats: self.setup.stats.clone(),
            client: self.setup.me.port(),
        };
        self.now.unclosed.push(call);
        self.now.running = Some(Arc::from(self.setup.engine.start_call(setup)));
    }

    fn stop_call(&mut self) {
        if let Some(running) = self.now.running.take() {
            running.tell(CallOrder::HangUp);
        }
        self.setup.remote.clear();
        self.setup.screen.clear();
        self.setup.local.clear();
        self.setup.stats.send_replace(CallStats::default());
        (self.now.microphone, self.now.camera) = (true, true);
        self.renew_preview();
    }

    fn order(&self, order: CallOrder) {
        match &self.now.running {
            Some(running) => running.tell(order),
            None => tracing::debug!("there is no call to do that in"),
        }
    }

    /// Whoever asks for a data channel waits for an answer.
    fn order_data(&self, order: DataOrder) {
        if self.now.running.is_none() {
            let reason = "there is no call".to_owned();
            return self.tell(Event::Data(DataEvent::Refused { reason }));
        }
        self.order(CallOrder::Data(order));
    }

    fn renew_preview(&mut self) {
        self.now.preview = None;
        if self.now.running.is_some() {
            return; // the call shows the camera
        }
        if self.now.preview_wanted && self.now.media.video != VideoChoice::None {
            let (engine, local) = (&self.setup.engine, self.setup.local.clone());
            let preview = engine.start_preview(&self.now.media.video, local, self.setup.me.port());
            self.now.preview = Some(Arc::from(preview));
        } else {
            self.setup.local.clear();
        }
    }

    // --- the session -----------------------------------------------------------------------------------------

    /// Before the user leaves the session: a call is ended in good order.
    fn leave_session(&mut self) {
        self.drive(Input::End);
        self.drive(Input::SessionOver { forgotten: false });
        self.now.online = false;
        self.now.users.clear();
    }

    fn call_user(&mut self, user: String) {
        if self.now.online {
            return self.drive(Input::Place { user });
        }
        let reason = CallEnd::Refused(ErrorCode::NotAllowed);
        self.tell(Event::Call(CallEvent::Ended { user, reason }));
    }

    fn tell_users(&self) {
        let row = |(user, &presence): (&String, &Presence)| UserPresence {
            user: user.clone(),
            presence,
        };
        self.tell(Event::Users(self.now.users.iter().map(row).collect()));
    }

    /// First the calls, for what they say travels by way of this very process; then the server; then everything.
    fn quit(&mut self, ctx: &mut Context<Self>) {
        ctx.run_later(LAST_WORDS, |client, _| client.setup.tree.tell(Shutdown));
        self.now.quitting = true;
        self.now.preview_wanted = false;
        self.leave_session();
        if self.now.unclosed.is_empty() {
            self.setup.signaling.tell(signaling::Leave);
        }
    }

    fn closed(&mut self, call: CallId, ctx: &mut Context<Self>) {
        self.now.unclosed.retain(|&other| other != call);
        if self.now.quitting && self.now.unclosed.is_empty() {
            ctx.run_later(CALL_CLEARANCE, |client, _| {
                client.setup.signaling.tell(signaling::Leave)
            });
        }
    }
}

impl Actor for Client {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        // An earlier life's timer is gone with it.
        if self.now.online {
            self.say(ClientMessage::GetIceServers);
        }
    }
}

impl Handler<Command> for Client {
    type Result = ();

    fn handle(&mut self, command: Command, ctx: &mut Self::Context) {
        let signaling = self.setup.signaling.clone();
        match command {
            Command::Connect { server } => {
                self.leave_session();
                signaling.tell(signaling::Connect { server });
            }
            Command::TrustServer { fingerprint } => signaling.tell(signaling::TrustServer { fingerprint }),
            Command::Disconnect => {
                self.leave_session();
                signaling.tell(signaling::Disconnect);
            }
            Command::Register { user, password } => signaling.tell(signaling::Register { user, password }),
            Command::LogIn {
                user,
                password,
                take_over,
            } => {
                signaling.tell(signaling::LogIn {
                    user,
                    password,
                    take_over,
                });
            }
            Command::LogOut => {
                self.leave_session();
                signaling.tell(signaling::LogOut);
            }
            Command::Rejoin => signaling.tell(signaling::Rejoin { leave: false }),
            Command::LeaveUnfinished => signaling.tell(signaling::Rejoin { leave: true }),
            Command::Call { user } => self.call_user(user),
            Command::Invite => self.say(ClientMessage::Invite),
            Command::ListInvites => self.say(ClientMessage::ListInvites),
            Command::RevokeInvite { invite } => self.say(ClientMessage::RevokeInvite { invite }),
            Command::Accept => self.drive(Input::Accept),
            Command::CancelCall | Command::Decline | Command::HangUp => self.drive(Input::End),
            Command::SetMicrophone(on) => {
                self.now.microphone = on;
                self.order(CallOrder::SetMicrophone(on));
            }
            Command::SetCamera(on) => {
                self.now.camera = on;
                self.order(CallOrder::SetCamera(on));
            }
            Command::SetHold(on) => self.order(CallOrder::SetHold(on)),
            Command::SetScreen(screen) => self.order(CallOrder::SetScreen(screen)),
            Command::SetPreview(on) => {
                self.now.preview_wanted = on;
                self.renew_preview();
            }
            Command::ChooseMedia(media) => {
                self.now.media = media.clone();
                self.order(CallOrder::ChooseMedia(media));
                self.renew_preview();
            }
            Command::SetPictureSize(size) => self.order(CallOrder::SetPictureSize(size)),
            Command::SendFile(path) => self.order(CallOrder::SendFile(path)),
            Command::AcceptFile { transfer, directory } => {
                self.order(CallOrder::AcceptFile { transfer, directory });
            }
            Command::DeclineFile(transfer) => self.order(CallOrder::DeclineFile(transfer)),
            Command::CancelFile(transfer) => self.order(CallOrder::CancelFile(transfer)),
            Command::Data(order) => self.order_data(order),
            Command::Quit => self.quit(ctx),
        }
        self.keep();
    }
}

impl Handler<CallReport> for Client {
    type Result = ();

    fn handle(&mut self, CallReport { call, news }: CallReport, ctx: &mut Self::Context) {
        let current = self.now.call.in_call() == Some(call);
        match news {
            CallNews::Closed => self.closed(call, ctx),
            // A transfer's end may come after the call's.
            CallNews::File(event) => self.tell(Event::File(event)),
            CallNews::Data(event) => self.tell(Event::Data(event)),
            CallNews::Restarted {
                actor,
                reason,
                gap_ms,
            } => self.tell(Event::Restarted {
                actor,
                reason,
                gap_ms,
            }),
            CallNews::Notice(notice) if current || call == PREVIEW => self.tell(Event::Notice(notice)),
            CallNews::LocalDescription { kind, sdp } if current => {
                self.say(ClientMessage::Description { call, kind, sdp });
            }
            CallNews::LocalCandidate(candidate) if current => {
                self.say(ClientMessage::Candidate {
                    call,
                    candidate,
                    mid: MID.to_owned(),
                });
            }
            CallNews::Event(CallEvent::Ended { reason, .. }) if current => {
                self.drive(Input::Over { call, reason });
            }
            // Told when both had agreed.
            CallNews::Event(CallEvent::Connecting { .. }) => {}
            CallNews::Event(event) if current => self.tell(Event::Call(event)),
            CallNews::Notice(_)
            | CallNews::LocalDescription { .. }
            | CallNews::LocalCandidate(_)
            | CallNews::Event(_) => tracing::debug!(call = call.0, "news of a call that is over"),
        }
        self.keep();
    }
}

impl Handler<RejoinTimeout> for Client {
    type Result = ();

    fn handle(&mut self, RejoinTimeout(call): RejoinTimeout, _: &mut Self::Context) {
        self.drive(Input::RejoinTimeout { call });
        self.keep();
    }
}

impl Handler<Down> for Client {
    type Result = ();

    /// The supervisor restarted something, maybe this very actor.
    fn handle(&mut self, down: Down, _: &mut Self::Context) {
        tracing::warn!(actor = down.name, reason = %down.reason, "restarted");
        self.tell(Event::Restarted {
            actor: down.name,
            reason: down.reason.to_string(),
            gap_ms: MediaGaps::default(),
        });
    }
}
