//! Starts calls and previews: the real [`CallEngine`].

use std::sync::{Arc, OnceLock};

use actix::{Actor, ActorContext, Context, Handler};
use actix_rt::Arbiter;
use roomrtc_kit::config::Config;
use roomrtc_kit::{Addr, Down, Keep, Port, Reason, Shutdown, Spec, Strategy, Supervisor, Thread};

use super::description::{LocalDescription, Transport};
use super::tree::{Arbiters, Soil, Tree, supervisor};
use super::{CALL, Call, CallPlan, Limits, recipes};
use crate::call_events::CallNotice;
use crate::call_port::{
    CallEngine, CallNews, CallOrder, CallReport, CallSetup, PREVIEW, Preview, RunningCall,
};
use crate::capture::{CaptureSetup, Pictures, VideoCapture};
use crate::dtls_session::{Certificate, CertificateError};
use crate::file_transfer::TransferIds;
use crate::recorder::Recorder;
use crate::slot::VideoSlot;
use crate::ui_bridge::{CallEnd, CallEvent, VideoChoice};

/// Carries out calls with the actors of this crate.
pub struct Engine {
    config: Arc<Config>,
    /// One for this run of the client (RFC 8827 §6.5).
    certificate: Certificate,
    transfers: TransferIds,
    recorder: Recorder,
    /// Started with the first call or preview, on the control arbiter.
    arbiters: OnceLock<Arbiters>,
}

impl Engine {
    /// An engine with a fresh certificate.
    ///
    /// # Errors
    /// If no certificate can be made.
    pub fn new(config: Arc<Config>) -> Result<Self, CertificateError> {
        // Loading the codecs takes a tenth of a second: done by now, not in the first call. Who cannot load them
        // hears of it when a call asks for them.
        std::thread::spawn(|| roomrtc_media::init().inspect_err(|error| tracing::warn!(%error, "no codecs")));
        Ok(Engine {
            config,
            certificate: Certificate::generate()?,
            transfers: TransferIds::default(),
            recorder: Recorder::default(),
            arbiters: OnceLock::new(),
        })
    }

    /// Calls are recorded whenever this recorder records.
    #[must_use]
    pub fn recorded_by(self, recorder: Recorder) -> Self {
        Engine { recorder, ..self }
    }

    fn arbiters(&self) -> &Arbiters {
        self.arbiters.get_or_init(|| Arbiters {
            control: Arbiter::current(),
            network: Thread::new("network"),
            media: Thread::new("media"),
        })
    }
}

impl CallEngine for Engine {
    fn start_call(&self, setup: CallSetup) -> Box<dyn RunningCall> {
        self.recorder.hide(&setup.user);
        let arbiters = self.arbiters().clone();
        let control = arbiters.control.clone();
        let (call, own) = (Addr::<Call>::new(CALL), Addr::<Supervisor>::new("call"));
        let transport = Transport::new(self.certificate.clone());
        let local = LocalDescription::new(&self.config, setup.media.codec, &transport);
        let end = undertaker(&arbiters, &setup);
        let tree = Tree::new(Soil {
            config: self.config.clone(),
            arbiters,
            setup: setup.clone(),
            local: local.clone(),
            credentials: transport.credentials.clone(),
            transfers: self.transfers.clone(),
            call: call.clone(),
            recorder: self.recorder.clone(),
        });
        let plan = CallPlan {
            setup,
            local,
            transport,
            tree: Arc::new(tree),
            own: own.clone(),
            limits: Limits::new(&self.config),
            keep: Keep::default(),
            restarts: Keep::default(),
        };
        supervisor(&self.config, &own, Strategy::OneForOne)
            .child(Spec::new(&call, &control, move || Call::new(plan.clone())))
            .launch(&control, end);
        Box::new(Handle { call })
    }

    fn start_preview(
        &self,
        video: &VideoChoice,
        local: VideoSlot,
        notices: Port<CallReport>,
    ) -> Box<dyn Preview> {
        let Arbiters { control, media, .. } = self.arbiters().clone();
        let own = Addr::<Supervisor>::new("preview");
        let capture = Addr::<VideoCapture>::new("preview/capture");
        let ear = Addr::<PreviewEar>::new("preview/ear");
        let setup = CaptureSetup {
            medium: Pictures {
                format: recipes::pictures(&self.config),
                size: Keep::default(),
                slot: local.clone(),
                output: None,
                sent: Default::default(),
                counters: Arc::default(),
            },
            choice: video.clone(),
            enabled: true,
            timeout: self.config.media.camera_timeout(),
            retry: self.config.media.device_retry(),
            notices: ear.port(),
            keep: Keep::default(),
        };
        let end = ear.port();
        supervisor(&self.config, &own, Strategy::OneForOne)
            .child(Spec::new(&ear, &control, move || PreviewEar(notices.clone())))
            .child(Spec::new(&capture, &media, move || {
                VideoCapture::new(setup.clone())
            }))
            .launch(&control, end);
        Box::new(RunningPreview { own, local })
    }
}

/// What the client's root holds of a call.
struct Handle {
    call: Addr<Call>,
}

impl RunningCall for Handle {
    fn tell(&self, order: CallOrder) {
        self.call.tell(order);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.call.tell(CallOrder::HangUp);
    }
}

/// Ends the preview with its owner.
struct RunningPreview {
    own: Addr<Supervisor>,
    local: VideoSlot,
}

impl Preview for RunningPreview {}

impl Drop for RunningPreview {
    fn drop(&mut self) {
        self.own.tell(Shutdown);
        self.local.clear();
    }
}

/// Passes on what a preview's camera has to say.
struct PreviewEar(Port<CallReport>);

impl Actor for PreviewEar {
    type Context = Context<Self>;
}

impl Handler<CallNotice> for PreviewEar {
    type Result = ();

    fn handle(&mut self, CallNotice(notice): CallNotice, _: &mut Self::Context) {
        self.0.tell(CallReport {
            call: PREVIEW,
            news: CallNews::Notice(notice),
        });
    }
}

impl Handler<Down> for PreviewEar {
    type Result = ();

    fn handle(&mut self, down: Down, _: &mut Self::Context) {
        tracing::debug!(reason = %down.reason, "preview ended");
    }
}

/// Hears how the supervisor of a call ended, and tells the root that it did: a call that could not be kept up is
/// reported by nobody else.
struct Undertaker(CallSetup);

fn undertaker(arbiters: &Arbiters, setup: &CallSetup) -> Port<Down> {
    let (addr, setup) = (Addr::<Undertaker>::new("call/end"), setup.clone());
    Spec::new(&addr, &arbiters.control, move || Undertaker(setup.clone())).launch(addr.port());
    addr.port()
}

impl Actor for Undertaker {
    type Context = Context<Self>;
}

impl Handler<Down> for Undertaker {
    type Result = ();

    fn handle(&mut self, down: Down, ctx: &mut Self::Context) {
        if let Reason::TooManyRestarts { child, last } = down.reason {
            let reason = CallEnd::Broken {
                actor: child,
                reason: last,
            };
            let event = CallEvent::Ended {
                user: self.0.user.clone(),
                reason,
            };
            self.0.client.tell(CallReport {
                call: self.0.call,
                news: CallNews::Event(event),
            });
        }
        self.0.client.tell(CallReport {
            call: self.0.call,
            news: CallNews::Closed,
        });
        ctx.stop();
    }
}
