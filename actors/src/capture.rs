//! Pictures and sound from the devices of this machine, or from what stands in for them.
//!
//! One [`Capture`] for each medium: [`VideoCapture`], [`AudioCapture`] and [`ScreenCapture`]. A source works on a thread of its own and hands
//! its product straight to the encoder's mailbox; the actor opens it, watches it, replaces it when it fails, and tells
//! the call what the user should know.
//!
//! Told by: the call ([`SetEnabled`], [`Choose`]). Tells: [`encoder`](crate::encoder), the call
//! ([`CallNotice`]).

mod audio;
mod screen;
mod video;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::{Actor, AsyncContext, Context, Handler, SpawnHandle};
use roomrtc_kit::{Directory, Exit, Keep, Port, mail};
use roomrtc_media::capture::CaptureError;
use roomrtc_media::device::{self, Device, DeviceError, DeviceKind};
use roomrtc_media::{OnTrouble, Running};
use tracing::{info, warn};

pub use self::audio::{AudioCapture, Sound};
pub use self::screen::{Screen, ScreenCapture};
pub use self::video::{Pictures, Resize, VideoCapture};
use crate::call_events::CallNotice;
use crate::trouble::trouble;
use crate::ui_bridge::{AudioChoice, Notice, VideoChoice};

/// Microphone on or muted; camera on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetEnabled(pub bool);

/// Use another device from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choose<C>(pub C);

mail! { SetEnabled, |on| if on.0 { "on" } else { "off" }.to_owned(); Choose<VideoChoice>; Choose<AudioChoice>; }

/// A lost device is tried again after ever longer pauses, up to so many times the first one.
const LONGEST_PAUSE: u32 = 16;

/// What is captured, and where it goes.
pub trait Medium: Clone + Send + Unpin + 'static {
    /// Names a device.
    type Choice: Clone + PartialEq + Send + Unpin + 'static;

    /// Whether the source goes on while it is disabled, its product replaced by silence.
    const RUNS_WHILE_DISABLED: bool;

    /// What the user is told when there is no device.
    const MISSING: Notice;

    /// What stands in for a device where there is no other.
    const SUBSTITUTE: Self::Choice;

    /// Other devices that could stand in for a chosen one, with their names. Called on a thread that may wait.
    fn others(&self, choice: &Self::Choice) -> Vec<(Self::Choice, String)>;

    /// Opens what was chosen; `None` if nothing was. Called on a thread that may wait.
    fn open(
        &self,
        choice: &Self::Choice,
        gate: Gate,
        on_trouble: OnTrouble,
    ) -> Result<Option<Box<dyn Running>>, CaptureError>;

    /// Takes back what is still shown of it, when it is disabled.
    fn withdraw(&self);
}

/// What a capture is made from.
#[derive(Clone)]
pub struct CaptureSetup<M: Medium> {
    /// What is captured, and where it goes.
    pub medium: M,
    /// The device.
    pub choice: M::Choice,
    /// Whether it is on from the start.
    pub enabled: bool,
    /// A device that delivers nothing for so long is lost.
    pub timeout: Duration,
    /// The first pause before a lost device is tried again.
    pub retry: Duration,
    /// Hears what the user should know.
    pub notices: Port<CallNotice>,
    /// What the user wants, over restarts.
    pub keep: Keep<Wish<M::Choice>>,
}

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish<C> {
    choice: C,
    enabled: bool,
}

/// The devices of a kind besides the one chosen (the system's first, if no particular one was); none if no device was
/// chosen at all.
fn others(kind: DeviceKind, chosen: Option<Option<&str>>) -> impl Iterator<Item = Device> {
    let devices = match chosen {
        Some(_) => device::list().unwrap_or_default(),
        None => Vec::new(),
    };
    let mut of_kind: Vec<Device> = devices.into_iter().filter(|device| device.kind == kind).collect();
    match chosen.flatten() {
        Some(id) => of_kind.retain(|device| device.id != id && device.name != id),
        None if of_kind.is_empty() => {}
        None => drop(of_kind.remove(0)),
    }
    of_kind.into_iter()
}

/// Between a source's thread and its actor: whether anything may pass, and when something last came.
#[derive(Clone)]
pub struct Gate(Arc<GateState>);

struct GateState {
    open: AtomicBool,
    since: Instant,
    last_ms: AtomicU64,
}

impl Gate {
    fn new(open: bool) -> Self {
        Gate(Arc::new(GateState {
            open: AtomicBool::new(open),
            since: Instant::now(),
            last_ms: AtomicU64::new(0),
        }))
    }

    /// Something came; whether it may pass.
    fn pass(&self) -> bool {
        let now = self.0.since.elapsed().as_millis() as u64;
        self.0.last_ms.store(now, Ordering::Relaxed);
        self.0.open.load(Ordering::Acquire)
    }

    fn set(&self, open: bool) {
        self.0.open.store(open, Ordering::Release);
    }

    /// Nothing could come until now.
    fn excuse(&self) {
        let now = self.0.since.elapsed().as_millis() as u64;
        self.0.last_ms.store(now, Ordering::Relaxed);
    }

    /// Whether nothing has come for so long; the first piece may take twice as long, for devices need time to start.
    fn starved(&self, timeout: Duration) -> bool {
        let last = Duration::from_millis(self.0.last_ms.load(Ordering::Relaxed));
        let patience = if last.is_zero() { timeout * 2 } else { timeout };
        self.0.since.elapsed().saturating_sub(last) > patience
    }
}

/// Why a source is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// It was chosen.
    Wanted,
    /// The chosen one does not work.
    Substitute,
    /// The chosen one may work again; its substitute runs meanwhile.
    Again,
}

/// A source that was opened, or that is being opened.
struct Source {
    gate: Gate,
    running: Option<Box<dyn Running>>,
    purpose: Purpose,
}

/// The actor: keeps the chosen source running.
pub struct Capture<M: Medium> {
    setup: CaptureSetup<M>,
    wish: Wish<M::Choice>,
    source: Option<Source>,
    /// Numbers the attempts to open something; news of earlier ones is ignored.
    attempt: u64,
    watched_at: Instant,
    pause: Duration,
    retry: Option<SpawnHandle>,
}

impl<M: Medium> Capture<M> {
    /// A capture that has opened nothing yet.
    pub fn new(setup: CaptureSetup<M>) -> Self {
        let wish = setup.keep.get().unwrap_or_else(|| Wish {
            choice: setup.choice.clone(),
            enabled: setup.enabled,
        });
        Capture {
            pause: setup.retry,
            setup,
            wish,
            source: None,
            attempt: 0,
            watched_at: Instant::now(),
            retry: None,
        }
    }

    /// The next life wants the same.
    fn keep(&self) {
        self.setup.keep.put(self.wish.clone());
        let on = if self.wish.enabled { "on" } else { "off" };
        Directory::note_resume(|| format!("the chosen device, {on}"));
    }

    /// Starts over with what is wanted now.
    fn restart(&mut self, ctx: &mut Context<Self>) {
        self.keep();
        self.pause = self.setup.retry;
        self.cancel_retry(ctx);
        self.attempt += 1;
        if let Some(source) = self.source.take() {
            source.gate.set(false);
        }
        if self.wish.enabled || M::RUNS_WHILE_DISABLED {
            self.open(self.wish.choice.clone(), Purpose::Wanted, ctx);
        } else {
            self.setup.medium.withdraw();
        }
    }

    /// Opens a source on a thread that may wait.
    fn open(&mut self, choice: M::Choice, purpose: Purpose, ctx: &mut Context<Self>) {
        self.attempt += 1;
        let attempt = self.attempt;
        let gate = Gate::new(self.wish.enabled);
        let (medium, at_gate, notices) = (
            self.setup.medium.clone(),
            gate.clone(),
            self.setup.notices.clone(),
        );
        let wanted = self.wish.choice.clone();
        let opening = tokio::task::spawn_blocking(move || {
            let open = |choice: &M::Choice| {
                let (on_trouble, heard) = trouble();
                let running = medium.open(choice, at_gate.clone(), on_trouble)?;
                Ok((running, heard))
            };
            if purpose == Purpose::Substitute {
                for (other, name) in medium.others(&wanted) {
                    if let Ok(opened) = open(&other) {
                        notices.tell(CallNotice(Notice::OtherDevice(name)));
                        return Ok(opened);
                    }
                }
            }
            open(&choice)
        });
        let opened = opening.into_actor(self).map(move |result, actor, ctx| {
            let result: Result<_, CaptureError> = match result {
                Ok(result) => result,
                Err(panic) => return ctx.fail(panic),
            };
            if attempt != actor.attempt {
                return;
            }
            let source = Source {
                gate,
                running: None,
                purpose,
            };
            let result = result.map(|(running, heard)| {
                let lost = heard.into_actor(actor).map(move |words, actor, ctx| {
                    if let Ok(words) = words
                        && attempt == actor.attempt
                    {
                        actor.lost(words, ctx);
                    }
                });
                ctx.spawn(lost);
                running
            });
            actor.opened(source, result, ctx);
        });
        ctx.spawn(opened);
    }

    fn opened(
        &mut self,
        mut source: Source,
        result: Result<Option<Box<dyn Running>>, CaptureError>,
        ctx: &mut Context<Self>,
    ) {
        match (result, source.purpose) {
            (Ok(running), _) => {
                source.gate.set(self.wish.enabled);
                source.running = running;
                self.source = Some(source); // a substitute that ran until now ends here
            }
            (Err(error), Purpose::Wanted) => {
                warn!(%error, "a device cannot be used");
                self.notice(match error {
                    CaptureError::Device(DeviceError::NotFound { .. }) => M::MISSING,
                    error @ (CaptureError::Device(_)
                    | CaptureError::Pipeline(_)
                    | CaptureError::NoScreen
                    | CaptureError::File { .. }
                    | CaptureError::Thread(_)) => self.unusable(&error),
                });
                self.open(M::SUBSTITUTE, Purpose::Substitute, ctx);
            }
            (Err(_), Purpose::Again) => self.retry_later(ctx),
            (Err(error), Purpose::Substitute) => ctx.fail(error),
        }
    }

    /// A device of the system's choosing that does not open is as good as none.
    fn unusable(&self, error: &CaptureError) -> Notice {
        match error {
            CaptureError::Pipeline(_) | CaptureError::NoScreen => M::MISSING,
            other => Notice::DeviceLost(other.to_string()),
        }
    }

    /// What ran has stopped.
    fn lost(&mut self, words: String, ctx: &mut Context<Self>) {
        warn!(words, "a device stopped");
        let Some(source) = self.source.take() else {
            return self.open(M::SUBSTITUTE, Purpose::Substitute, ctx);
        };
        if source.purpose == Purpose::Substitute {
            return ctx.fail(words);
        }
        drop(source);
        self.notice(Notice::DeviceLost(words));
        self.open(M::SUBSTITUTE, Purpose::Substitute, ctx);
        self.retry_later(ctx);
    }

    fn retry_later(&mut self, ctx: &mut Context<Self>) {
        self.cancel_retry(ctx);
        let again = ctx.run_later(self.pause, |actor, ctx| {
            actor.retry = None;
            info!("trying a lost device again");
            actor.open(actor.wish.choice.clone(), Purpose::Again, ctx);
        });
        self.retry = Some(again);
        self.pause = (self.pause * 2).min(self.setup.retry * LONGEST_PAUSE);
    }

    fn cancel_retry(&mut self, ctx: &mut Context<Self>) {
        if let Some(retry) = self.retry.take() {
            ctx.cancel_future(retry);
        }
    }

    /// Unplugging a camera gives neither an error nor an end of stream: it just goes quiet.
    fn watch(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        let before = std::mem::replace(&mut self.watched_at, now);
        // Whoever comes so late himself has slept, and the device with him.
        if now.saturating_duration_since(before) > self.setup.timeout
            && let Some(source) = &self.source
        {
            return source.gate.excuse();
        }
        let silent = self
            .source
            .as_ref()
            .is_some_and(|source| source.running.is_some() && source.gate.starved(self.setup.timeout));
        if silent {
            self.attempt += 1; // its own last words would come too late
            self.lost("it delivers nothing any more".into(), ctx);
        }
    }

    fn notice(&self, notice: Notice) {
        self.setup.notices.tell(CallNotice(notice));
    }
}

impl<M: Medium> Actor for Capture<M> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.restart(ctx);
        ctx.run_interval(self.setup.timeout / 2, Self::watch);
    }
}

impl<M: Medium> Handler<SetEnabled> for Capture<M> {
    type Result = ();

    fn handle(&mut self, SetEnabled(enabled): SetEnabled, ctx: &mut Self::Context) {
        if self.wish.enabled == enabled {
            return;
        }
        self.wish.enabled = enabled;
        match &self.source {
            Some(source) if M::RUNS_WHILE_DISABLED => {
                source.gate.set(enabled);
                self.keep();
            }
            _ => self.restart(ctx),
        }
    }
}

impl<M: Medium> Handler<Choose<M::Choice>> for Capture<M>
where
    Choose<M::Choice>: actix::Message<Result = ()>,
{
    type Result = ();

    fn handle(&mut self, Choose(choice): Choose<M::Choice>, ctx: &mut Self::Context) {
        if self.wish.choice != choice {
            self.wish.choice = choice;
            self.restart(ctx);
        }
    }
}
