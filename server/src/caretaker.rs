//! The caretaker: ends the server in order, and ends it too when the supervisor gives up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, ActorContext, AsyncContext, Context, Handler};
use actix_rt::{ArbiterHandle, System};
use roomrtc_kit::config::Server as Settings;
use roomrtc_kit::{Addr, Down, Port, Shutdown, Spec, Supervisor, mail};
use roomrtc_protocol::signaling::messages::GoodbyeReason;
use tokio::sync::Semaphore;

use crate::directory::{Directory, SayGoodbye};
use crate::listener::{Listener, StopAccepting};

/// Say goodbye to everybody and end.
pub(crate) struct StopServer;

mail! { StopServer; }

/// How often it looks whether everybody has left.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// The actor.
#[derive(Clone)]
pub(crate) struct Caretaker {
    root: Addr<Supervisor>,
    directory: Addr<Directory>,
    listener: Addr<Listener>,
    places: Arc<Semaphore>,
    all_places: usize,
    patience: Duration,
}

impl Caretaker {
    /// Starts it; with its end the whole system ends.
    pub(crate) fn launch(self, addr: &Addr<Self>, arbiter: &ArbiterHandle) {
        let end = Port::new(|_: Down| System::current().stop());
        Spec::new(addr, arbiter, move || self.clone()).launch(end);
    }

    pub(crate) fn new(
        root: Addr<Supervisor>,
        directory: Addr<Directory>,
        listener: Addr<Listener>,
        places: Arc<Semaphore>,
        settings: &Settings,
    ) -> Self {
        Caretaker {
            root,
            directory,
            listener,
            places,
            all_places: settings.max_connections,
            patience: settings.goodbye_timeout(),
        }
    }
}

impl Actor for Caretaker {
    type Context = Context<Self>;
}

impl Handler<StopServer> for Caretaker {
    type Result = ();

    fn handle(&mut self, _: StopServer, ctx: &mut Self::Context) {
        tracing::info!("the server is going down");
        self.listener.tell(StopAccepting);
        self.directory.tell(SayGoodbye(GoodbyeReason::ServerShutdown));
        let until = Instant::now() + self.patience;
        ctx.run_interval(LOOK_INTERVAL, move |this, _| {
            if this.places.available_permits() == this.all_places || Instant::now() >= until {
                this.root.tell(Shutdown);
            }
        });
    }
}

/// The supervisor ended: as it was told, or because it gave up.
impl Handler<Down> for Caretaker {
    type Result = ();

    fn handle(&mut self, down: Down, ctx: &mut Self::Context) {
        if down.reason.abnormal() {
            tracing::error!(reason = %down.reason, "the server ends");
        }
        ctx.stop();
    }
}
