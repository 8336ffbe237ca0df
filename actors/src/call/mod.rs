//! One call, from its acceptance to its end: negotiates, starts the components, watches them, ends them.
//!
//! The client's root starts it through [`engine`] and tells it [`CallOrder`]s; the components tell it what
//! happened ([`call_events`](crate::call_events)); it tells the root [`CallNews`]. The components and their
//! supervisors are in [`tree`]. They outlive this actor: what it knows is in a [`Keep`], and its next life goes
//! on with the running call.

mod description;
pub mod engine;
mod fallback;
mod gaps;
mod negotiation;
mod recipes;
mod setup_clock;
mod tree;
mod wishes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use roomrtc_kit::config::Config;
use roomrtc_kit::{Addr, Directory, Down, Keep, Reason, Shutdown, Supervisor};
use roomrtc_protocol::recording::{Recorded, Taped};
use roomrtc_protocol::renewal::{Input, Patience, Renewal};
use roomrtc_protocol::sdp::Exchange;
use tracing::{debug, info, warn};

use self::description::{LocalDescription, Transport, Wanted};
use self::fallback::GivenUp;
use self::gaps::Restarts;
use self::negotiation::Negotiation;
use self::setup_clock::{Moment, SetupClock};
use self::tree::Tree;
use self::wishes::{Hold, Sharing};
use crate::brief;
use crate::call_events::{
    AssociationLost, CallNotice, DataReport, DtlsEvent, FileReport, FirstFrame, FirstPacket, IceEvent,
    PeerMedia,
};
use crate::call_port::{CallNews, CallOrder, CallReport, CallSetup};
use crate::ui_bridge::{CallEnd, CallEvent, Notice, VideoChoice};

roomrtc_kit::mail! { CallOrder, brief::variant; }

/// The name of the actor.
const CALL: &str = "call/call";
/// More candidates than this before the peer's description are not kept.
const EARLY_CANDIDATES: usize = 64;
/// How long the path stays after the end, for RTCP BYE and the close of DTLS.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// What all lives of a call share.
#[derive(Clone)]
pub(crate) struct CallPlan {
    setup: CallSetup,
    local: LocalDescription,
    /// Our end of the first transport.
    transport: Transport,
    tree: Arc<Tree>,
    /// The supervisor this actor lives under; it ends with the call.
    own: Addr<Supervisor>,
    limits: Limits,
    keep: Keep<Progress>,
    /// Deaths that were not told yet.
    restarts: Keep<Restarts>,
}

impl CallPlan {
    fn recorded<M: Recorded>(&self, machine: M) -> Taped<M> {
        Taped::new(CALL, machine, Some(self.tree.reel()))
    }
}

/// What a call puts up with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Length of a session description, bytes.
    description: usize,
    /// Its media sections.
    sections: usize,
    /// Time from the acceptance to the first media.
    setup: Duration,
    /// Until an interrupted call ends.
    patience: Patience,
}

impl Limits {
    fn new(config: &Config) -> Self {
        Limits {
            description: config.sdp.max_size_bytes,
            sections: config.sdp.max_media,
            setup: config.client.setup_timeout(),
            patience: Patience {
                silence: config.ice.restart_after(),
                total: config.client.call_reconnect_timeout(),
            },
        }
    }
}

/// How far the call has come.
#[derive(Clone)]
struct Progress {
    stage: Stage,
    clock: SetupClock,
    negotiation: Negotiation,
    early_candidates: Vec<String>,
    microphone: bool,
    camera: bool,
    /// What is sent and received, as far as the peer lets us.
    wanted: Wanted,
    /// Whether it has changed since our first offer, to which there is no answer yet.
    wanted_early: bool,
    /// What is shown of our screen, if it is wanted.
    screen_source: VideoChoice,
    /// Who holds the call, as was told last.
    hold: Hold,
    /// Whose screens are seen, as was told last.
    screens: Sharing,
    /// What the peer wants to send, as it says.
    peer_media: PeerMedia,
    /// What was told of that last.
    peer_told: PeerMedia,
    /// Whether the peer may send pictures or sound: the first of them completes the set-up.
    expects_media: bool,
    /// When to offer what; once there was a first exchange.
    renewal: Option<Renewal>,
}

/// The stages of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was started yet.
    New,
    /// The caller has sent its offer, the callee waits for one.
    Describing,
    /// Both descriptions are known; the peers look for each other.
    Connecting,
    /// Frames have arrived.
    Connected,
    /// The path is gone at the moment.
    Interrupted,
    /// Over.
    Ended,
}

/// The actor.
pub(crate) struct Call {
    plan: CallPlan,
    now: Progress,
    restarts: Restarts,
    /// The descriptions of [`Progress`], and their recording.
    exchange: Taped<Exchange>,
    /// Its renewal, likewise.
    renewal: Option<Taped<Renewal>>,
    renewal_timer: Option<SpawnHandle>,
}

impl Call {
    pub(crate) fn new(plan: CallPlan) -> Self {
        let now = plan.keep.get().unwrap_or_else(|| Progress {
            stage: Stage::New,
            clock: SetupClock::new(plan.setup.accepted_at),
            negotiation: Negotiation::new(plan.transport.clone()),
            early_candidates: Vec::new(),
            microphone: plan.setup.microphone,
            camera: plan.setup.camera,
            wanted: Wanted::new(&plan.setup.media),
            wanted_early: false,
            screen_source: VideoChoice::None,
            hold: Hold::default(),
            screens: Sharing::default(),
            peer_media: PeerMedia::ALL,
            peer_told: PeerMedia::ALL,
            expects_media: true,
            renewal: None,
        });
        let restarts = plan.restarts.get().unwrap_or_default();
        let renewal = now.renewal.clone();
        Call {
            exchange: plan.recorded(now.negotiation.exchange.clone()),
            renewal: renewal.map(|renewal| plan.recorded(renewal)),
            plan,
            now,
            restarts,
            renewal_timer: None,
        }
    }

    /// A step has succeeded: the next life, should there be one, starts from here.
    fn keep(&self) {
        self.plan.keep.put(self.now.clone());
        Directory::note_resume(|| format!("{:?}", self.now.stage).to_lowercase());
    }

    fn enter(&mut self, stage: Stage) {
        info!(call = self.plan.setup.call.0, from = ?self.now.stage, to = ?stage, "call stage");
        self.now.stage = stage;
        self.keep();
    }

    fn tell(&self, news: CallNews) {
        self.plan.setup.client.tell(CallReport {
            call: self.plan.setup.call,
            news,
        });
    }

    fn event(&self, event: CallEvent) {
        self.tell(CallNews::Event(event));
    }

    fn user(&self) -> String {
        self.plan.setup.user.clone()
    }

    /// Tells why, then takes everything down.
    fn end(&mut self, reason: CallEnd, ctx: &mut Context<Self>) {
        if self.now.stage == Stage::Ended {
            return;
        }
        self.event(CallEvent::Ended {
            user: self.user(),
            reason,
        });
        self.close(ctx);
    }

    /// Takes everything down, without a word to the user; the path last, so that the peer hears our goodbyes.
    fn close(&mut self, ctx: &mut Context<Self>) {
        if self.now.stage == Stage::Ended {
            return;
        }
        self.enter(Stage::Ended);
        self.plan.tree.stop_media();
        self.plan.setup.remote.clear();
        self.plan.setup.screen.clear();
        self.plan.setup.local.clear();
        ctx.run_later(LAST_WORDS, |this, _| {
            this.plan.tree.stop_transport();
            this.plan.own.tell(Shutdown);
        });
    }

    fn begin(&mut self) {
        self.plan.tree.start_transport();
        self.plan.tree.start_capture(self.capturing());
        self.enter(Stage::Describing);
        if self.plan.setup.caller || self.plan.setup.rejoin {
            self.offer();
        }
    }

    /// The set-up is over.
    fn complete(&mut self) {
        if self.now.stage == Stage::Connecting {
            self.enter(Stage::Connected);
            let (user, setup) = (self.user(), self.now.clock.times());
            self.event(CallEvent::Connected { user, setup });
        }
    }

    /// The time for the set-up is over.
    fn set_up_or_give_up(&mut self, ctx: &mut Context<Self>) {
        match self.now.stage {
            // The peer is there and has nothing to show or say yet.
            Stage::Connecting if self.now.clock.has_seen(Moment::Secured) => self.complete(),
            Stage::New | Stage::Describing | Stage::Connecting => self.end(CallEnd::NoPath, ctx),
            Stage::Connected | Stage::Interrupted | Stage::Ended => {}
        }
    }

    /// Tells the peer what we send at the moment; the association says it once it can.
    fn peer_media(&self) {
        self.plan
            .tree
            .send_peer_media(self.now.microphone, self.now.camera);
    }
}

impl Actor for Call {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.now.stage == Stage::New {
            self.begin();
        }
        let left = self.plan.setup.accepted_at + self.plan.limits.setup;
        let left = left.saturating_duration_since(Instant::now());
        ctx.run_later(left, Self::set_up_or_give_up);
        self.await_renewal(ctx);
        self.look_after_the_dead(ctx);
    }
}

impl Handler<CallOrder> for Call {
    type Result = ();

    fn handle(&mut self, order: CallOrder, ctx: &mut Self::Context) {
        let tree = &self.plan.tree;
        match order {
            CallOrder::RemoteDescription { kind, sdp } => self.remote_description(kind, &sdp, ctx),
            CallOrder::RemoteCandidate(candidate) => match self.now.stage {
                Stage::New | Stage::Describing if self.now.early_candidates.len() < EARLY_CANDIDATES => {
                    self.now.early_candidates.push(candidate);
                    self.keep();
                }
                Stage::New | Stage::Describing | Stage::Ended => debug!("a candidate too many"),
                Stage::Connecting | Stage::Connected | Stage::Interrupted => {
                    tree.add_remote_candidate(candidate);
                }
            },
            CallOrder::SignalingResumed => self.signaling_resumed(),
            CallOrder::UseIceServers(servers) => tree.use_ice_servers(servers),
            CallOrder::SetMicrophone(on) => self.switch(on, self.now.camera),
            CallOrder::SetCamera(on) => self.switch(self.now.microphone, on),
            CallOrder::SetHold(held) => self.want(
                Wanted {
                    held,
                    ..self.now.wanted
                },
                ctx,
            ),
            CallOrder::SetScreen(source) => self.share(source, ctx),
            CallOrder::ChooseMedia(media) => {
                self.want(self.now.wanted.with(&media), ctx);
                self.plan.tree.choose_media(media);
            }
            CallOrder::SetPictureSize(size) => tree.set_picture_size(size),
            CallOrder::SendFile(path) => tree.send_file(path),
            CallOrder::AcceptFile { transfer, directory } => tree.accept_file(transfer, directory),
            CallOrder::DeclineFile(transfer) => tree.decline_file(transfer),
            CallOrder::CancelFile(transfer) => tree.cancel_file(transfer),
            CallOrder::Data(order) => tree.use_data_channel(order),
            CallOrder::HangUp => self.close(ctx),
        }
    }
}

impl Handler<IceEvent> for Call {
    type Result = ();

    fn handle(&mut self, event: IceEvent, ctx: &mut Self::Context) {
        match (event, self.now.stage) {
            (_, Stage::Ended) => {}
            (IceEvent::LocalCandidate(candidate), _) => self.local_candidate(candidate),
            (IceEvent::GatheringComplete, _) => self.tell(CallNews::LocalCandidate(String::new())),
            (IceEvent::Checking, _) => {}
            (IceEvent::Selected { .. }, _) => {
                self.now.clock.note(Moment::PairSelected, Instant::now());
                self.transport(Input::PathFound, ctx);
            }
            // RFC 8445 §5.3, W3C: "disconnected" may flicker.
            (IceEvent::Disconnected, _) => self.transport(Input::PathSilent, ctx),
            (IceEvent::Failed, Stage::Connected | Stage::Interrupted) => self.transport(Input::PathLost, ctx),
            (IceEvent::Failed, _) => self.end(CallEnd::NoPath, ctx),
        }
    }
}

impl Handler<DtlsEvent> for Call {
    type Result = ();

    fn handle(&mut self, event: DtlsEvent, ctx: &mut Self::Context) {
        match event {
            DtlsEvent::Connected {
                version_and_cipher,
                srtp_profile,
            } => {
                self.now.clock.note(Moment::Secured, Instant::now());
                self.keep();
                self.plan.tree.secured(&version_and_cipher, &srtp_profile);
                if !self.now.expects_media {
                    self.complete();
                }
                self.transport(Input::KeysReady, ctx);
            }
            DtlsEvent::WrongFingerprint => self.end(CallEnd::WrongFingerprint, ctx),
            DtlsEvent::Failed(error) => {
                warn!(%error, "no secure connection");
                match self.now.stage {
                    Stage::Connected | Stage::Interrupted => self.transport(Input::KeysLost, ctx),
                    Stage::New | Stage::Describing | Stage::Connecting | Stage::Ended => {
                        self.end(CallEnd::HandshakeFailed, ctx);
                    }
                }
            }
            DtlsEvent::Closed => self.transport(Input::KeysClosed, ctx),
            DtlsEvent::Lost => self.transport(Input::KeysLost, ctx),
        }
    }
}

impl Handler<AssociationLost> for Call {
    type Result = ();

    fn handle(&mut self, lost: AssociationLost, ctx: &mut Self::Context) {
        match lost {
            AssociationLost::Ours => self.transport(Input::KeysLost, ctx),
            AssociationLost::Peers => self.transport(Input::KeysClosed, ctx),
        }
    }
}

impl Handler<FirstPacket> for Call {
    type Result = ();

    fn handle(&mut self, _: FirstPacket, _: &mut Self::Context) {
        self.now.clock.note(Moment::FirstPacket, Instant::now());
        self.keep();
    }
}

impl Handler<FirstFrame> for Call {
    type Result = ();

    fn handle(&mut self, _: FirstFrame, _: &mut Self::Context) {
        self.now.clock.note(Moment::FirstFrame, Instant::now());
        self.complete();
    }
}

impl Handler<FileReport> for Call {
    type Result = ();

    fn handle(&mut self, FileReport(event): FileReport, _: &mut Self::Context) {
        self.tell(CallNews::File(event));
    }
}

impl Handler<DataReport> for Call {
    type Result = ();

    fn handle(&mut self, DataReport(event): DataReport, _: &mut Self::Context) {
        self.tell(CallNews::Data(event));
    }
}

impl Handler<CallNotice> for Call {
    type Result = ();

    fn handle(&mut self, CallNotice(notice): CallNotice, ctx: &mut Self::Context) {
        if notice == Notice::NoScreen {
            self.share(None, ctx);
        }
        self.tell(CallNews::Notice(notice));
    }
}

impl Handler<PeerMedia> for Call {
    type Result = ();

    fn handle(&mut self, media: PeerMedia, _: &mut Self::Context) {
        self.now.peer_media = media;
        self.tell_peer_media(self.peer_sends());
    }
}

impl Handler<Down> for Call {
    type Result = ();

    /// A component died and is being restarted, or its supervisor has given up.
    fn handle(&mut self, down: Down, ctx: &mut Self::Context) {
        match down.reason {
            Reason::Normal | Reason::Shutdown => self.stopped(&down.name),
            Reason::Failed(_) | Reason::Panicked(_) | Reason::Displaced(_) => self.restarted(down, ctx),
            Reason::TooManyRestarts { child, last } => {
                let supervisor = down.name;
                let given_up = GivenUp {
                    supervisor,
                    child,
                    last,
                };
                self.given_up(given_up, ctx);
            }
        }
    }
}
