//! One life of an actor: from its factory to its end, however that comes.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Task, Poll};

use actix::dev::ContextFut;
use actix::{Actor, AsyncContext, Context};
use actix_rt::ArbiterHandle;
use tokio::time::Sleep;
use tracing::Span;

use crate::directory::Order;
use crate::keep;
use crate::mailbox::{Desk, Mailbox, Pump};
use crate::reason::{self, Reason};
use crate::supervisor::Herald;

thread_local! {
    static WHO: Cell<u32> = const { Cell::new(0) };
    static THREAD: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Gives an arbiter's thread a name to show; its own would be a number.
pub fn name_thread(arbiter: &ArbiterHandle, name: &'static str) {
    arbiter.spawn_fn(move || THREAD.set(Some(name)));
}

/// The name of the present thread.
pub(crate) fn thread_name() -> String {
    let own = || std::thread::current().name().unwrap_or("unnamed").to_owned();
    THREAD.get().map_or_else(own, str::to_owned)
}

/// The id of the actor running on this thread, 0 outside of any.
pub fn whoami() -> u32 {
    WHO.get()
}

/// Makes the actor when its life begins, on its own thread.
pub(crate) type Seed<A> = Box<dyn FnOnce() -> A + Send>;

/// Whether another life may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sequel {
    /// A supervisor decides.
    Possible,
    /// None: with this life its mailbox closes.
    None,
}

/// The actor within its actix context.
type Body<A> = Pin<Box<ContextFut<A, Context<A>>>>;

/// Drives an actor's actix context and reports its end.
pub(crate) struct Life<A: Actor<Context = Context<A>>> {
    mailbox: Arc<Mailbox<A>>,
    seed: Option<Seed<A>>,
    body: Option<Body<A>>,
    /// It was ordered to do nothing until then.
    pause: Option<Pin<Box<Sleep>>>,
    herald: Option<Herald>,
    sequel: Sequel,
    span: Span,
}

/// Begins a life on an arbiter.
pub(crate) fn begin<A: Actor<Context = Context<A>>>(
    arbiter: &ArbiterHandle,
    mailbox: Arc<Mailbox<A>>,
    seed: Seed<A>,
    herald: Herald,
    sequel: Sequel,
) {
    reason::hush_supervised_panics();
    // Should the arbiter be gone, the closure is dropped and the herald with it, which tells.
    arbiter.spawn_fn(move || {
        let span = tracing::info_span!("actor", name = %mailbox.meter.name, life = herald.life());
        actix_rt::spawn(Life {
            mailbox,
            seed: Some(seed),
            body: None,
            pause: None,
            herald: Some(herald),
            sequel,
            span,
        });
    });
}

/// Runs actor code; a panic becomes a reason.
fn guarded<T>(id: u32, code: impl FnOnce() -> T) -> Result<T, Reason> {
    let outer = WHO.replace(id);
    let result = catch_unwind(AssertUnwindSafe(code));
    WHO.set(outer);
    result.map_err(|payload| reason::of_panic(&*payload))
}

impl<A: Actor<Context = Context<A>>> Life<A> {
    /// Makes the actor; false while an earlier life has not ended.
    fn born(&mut self, task: &Task<'_>) -> Result<bool, Reason> {
        if !self.mailbox.attach(task.waker()) {
            return Ok(false);
        }
        let mailbox = self.mailbox.clone();
        let seed = self.seed.take().expect("a life begins once");
        self.body = Some(guarded(self.mailbox.meter.id, move || {
            let mut context = Context::new();
            let actor = match mailbox.disinherited() {
                true => keep::without_legacy(seed),
                false => seed(),
            };
            context.spawn(Pump(mailbox));
            Box::pin(context.into_future(actor))
        })?);
        self.mailbox.meter.born();
        Ok(true)
    }

    /// Lets the actor do what is due, or what it is ordered; a reason if that was its end.
    fn live(&mut self, task: &mut Task<'_>) -> Option<Reason> {
        let body = self.body.as_mut().expect("it was born");
        let mut order = self.mailbox.order();
        if let Some(Order::Pause(time)) = order {
            self.pause = Some(Box::pin(tokio::time::sleep(time)));
            order = None;
        }
        if let Some(pause) = &mut self.pause {
            match (pause.as_mut().poll(task), order) {
                (Poll::Pending, None) => return None,
                (Poll::Pending, Some(_)) | (Poll::Ready(()), _) => self.pause = None,
            }
        }
        let polled = guarded(self.mailbox.meter.id, || match order {
            Some(Order::Stop) => Poll::Ready(Some(Reason::Shutdown)),
            Some(Order::Fail) => Poll::Ready(Some(Reason::Failed("ordered to fail".into()))),
            Some(Order::Panic) => panic!("ordered to panic"),
            Some(Order::Forget) => {
                self.mailbox.disinherit();
                panic!("ordered to panic and to leave nothing")
            }
            Some(Order::Hang(time)) => {
                std::thread::sleep(time);
                body.as_mut().poll(task).map(|()| None)
            }
            Some(Order::Pause(_)) | None => body.as_mut().poll(task).map(|()| None),
        });
        match polled {
            Ok(Poll::Pending) => None,
            Ok(Poll::Ready(ordered)) => ordered.or_else(reason::given).or(Some(Reason::Normal)),
            Err(panicked) => Some(panicked),
        }
    }

    fn end(&mut self, reason: Reason) {
        // Dropping the context runs `stopping` and `stopped` and cancels everything the actor spawned.
        self.mailbox.seal();
        let body = self.body.take();
        if let Err(again) = guarded(self.mailbox.meter.id, || drop(body)) {
            tracing::error!(reason = %again, "the end itself");
        }
        reason::given();
        match &reason {
            Reason::Normal | Reason::Shutdown => tracing::debug!(%reason, "ended"),
            Reason::Failed(_) | Reason::TooManyRestarts { .. } => tracing::warn!(%reason, "ended"),
            Reason::Panicked(_) => tracing::error!(%reason, "ended"),
        }
        self.mailbox.detach();
        self.mailbox
            .meter
            .died(reason.abnormal().then(|| reason.to_string()));
        if self.sequel == Sequel::None {
            self.mailbox.close();
        }
        if let Some(herald) = self.herald.take() {
            herald.down(reason);
        }
    }
}

impl<A: Actor<Context = Context<A>>> Future for Life<A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<()> {
        let this = &mut *self;
        let span = this.span.clone();
        let _entered = span.enter();
        let newborn = this.body.is_none();
        if newborn {
            match this.born(task) {
                Ok(true) => tracing::debug!("began"),
                Ok(false) => return Poll::Pending,
                Err(reason) => {
                    this.end(reason);
                    return Poll::Ready(());
                }
            }
        }
        match this.live(task) {
            Some(reason) => {
                this.end(reason);
                Poll::Ready(())
            }
            None => {
                if newborn && let Some(herald) = &this.herald {
                    herald.up();
                }
                Poll::Pending
            }
        }
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Life<A> {
    /// The arbiter went away under the actor.
    fn drop(&mut self) {
        if self.body.is_some() {
            self.end(Reason::Failed("its thread ended".into()));
        }
    }
}
