//! The actor between the root and the front end. The root sends [`TellUi`]; the front end's channel hears it, in
//! order. A front end that does not keep up costs no memory without bound: what waits is merged (`outbox`).

use actix::{Actor, AsyncContext, Context, Handler, WrapFuture, fut::ActorFutureExt};
use roomrtc_kit::{Keep, mail};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::Event;
use super::outbox::Outbox;

use crate::brief;

/// Tell the front end.
#[derive(Clone, Debug)]
pub struct TellUi(pub Event);

mail! { TellUi, |event| brief::variant(&event.0); }

/// Passes events on to the front end.
pub struct UiBridge {
    events: mpsc::Sender<Event>,
    /// What waits for room in the channel, kept over a crash.
    waiting: Keep<Outbox>,
    outbox: Outbox,
    /// Whether a future waits for room.
    knocking: bool,
}

impl UiBridge {
    /// A bridge into `events`; `waiting` is what an earlier life could not pass on yet.
    pub fn new(events: mpsc::Sender<Event>, waiting: Keep<Outbox>) -> Self {
        let outbox = waiting.get().unwrap_or_default();
        UiBridge {
            events,
            waiting,
            outbox,
            knocking: false,
        }
    }

    /// Passes on what there is room for, and waits for room for the rest.
    fn flush(&mut self, ctx: &mut Context<Self>) {
        while let Some(event) = self.outbox.pop() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.outbox.put_back(event);
                    self.waiting.put(self.outbox.clone());
                    return self.knock(ctx);
                }
                // The front end is gone; nobody is left to hear it.
                Err(TrySendError::Closed(_)) => self.outbox = Outbox::default(),
            }
        }
        self.waiting.clear();
    }

    fn knock(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.knocking, true) {
            return;
        }
        let events = self.events.clone();
        let room = async move { events.reserve().await.map(drop).is_ok() };
        ctx.spawn(room.into_actor(self).map(|_, bridge, ctx| {
            bridge.knocking = false;
            bridge.flush(ctx);
        }));
    }
}

impl Actor for UiBridge {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.flush(ctx);
    }
}

impl Handler<TellUi> for UiBridge {
    type Result = ();

    fn handle(&mut self, TellUi(event): TellUi, ctx: &mut Self::Context) {
        self.outbox.push(event);
        if !self.knocking {
            self.flush(ctx);
        }
    }
}
