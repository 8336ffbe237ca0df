//! One life of an actor: from its factory to its end, however that comes.

use std::cell::{Cell, RefCell};
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
use crate::mailbox::{Desk, Mailbox, Pulse, Pump};
use crate::reason::{self, Reason};
use crate::supervisor::Herald;
use crate::thread::Thread;

thread_local! {
    static WHO: Cell<u32> = const { Cell::new(0) };
    static THREAD: Cell<Option<&'static str>> = const { Cell::new(None) };
    static PULSE: RefCell<Option<Arc<Pulse>>> = const { RefCell::new(None) };
}

/// Whether the life running on this thread was evicted, so that another may be in its place.
pub(crate) fn is_over() -> bool {
    PULSE.with_borrow(|pulse| pulse.as_ref().is_some_and(|pulse| pulse.is_over()))
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

/// A life that is to begin.
pub(crate) struct Newborn<A> {
    seed: Seed<A>,
    herald: Herald,
    sequel: Sequel,
    pub(crate) thread: Thread,
}

impl<A> Newborn<A> {
    pub(crate) fn life(&self) -> u32 {
        self.herald.life()
    }
}

/// Drives an actor's actix context and reports its end.
pub(crate) struct Life<A: Actor<Context = Context<A>>> {
    mailbox: Arc<Mailbox<A>>,
    seed: Option<Seed<A>>,
    body: Option<Body<A>>,
    /// Lent to the thread while it runs.
    pulse: Arc<Pulse>,
    /// It was ordered to do nothing until then.
    pause: Option<Pin<Box<Sleep>>>,
    /// Until it is born; then the mailbox has it.
    herald: Option<Herald>,
    thread: u32,
    sequel: Sequel,
    span: Span,
}

/// Brings a life that was to begin over to the new thread.
pub(crate) fn begin_again<A: Actor<Context = Context<A>>>(newborn: Newborn<A>, mailbox: Arc<Mailbox<A>>) {
    let thread = newborn.thread.clone();
    begin(&thread, mailbox, newborn.seed, newborn.herald, newborn.sequel);
}

/// Begins a life on a thread.
pub(crate) fn begin<A: Actor<Context = Context<A>>>(
    thread: &Thread,
    mailbox: Arc<Mailbox<A>>,
    seed: Seed<A>,
    herald: Herald,
    sequel: Sequel,
) {
    reason::hush_supervised_panics();
    let life = herald.life();
    mailbox.expect(Newborn {
        seed,
        herald,
        sequel,
        thread: thread.clone(),
    });
    // Should the thread be gone, the closure is dropped, and with it what takes the newborn out: which tells.
    let entrance = Entrance { mailbox, life };
    thread.run(move || entrance.open());
}

/// Leads a newborn onto its thread, or tells that there is no thread.
struct Entrance<A: Actor<Context = Context<A>>> {
    mailbox: Arc<Mailbox<A>>,
    life: u32,
}

impl<A: Actor<Context = Context<A>>> Entrance<A> {
    fn open(&self) {
        if let Some(newborn) = self.mailbox.newborn(self.life) {
            enter(self.mailbox.clone(), newborn);
        }
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Entrance<A> {
    fn drop(&mut self) {
        drop(self.mailbox.newborn(self.life));
    }
}

/// Begins a life on the present thread.
fn enter<A: Actor<Context = Context<A>>>(mailbox: Arc<Mailbox<A>>, newborn: Newborn<A>) {
    let span = tracing::info_span!("actor", name = %mailbox.meter.name, life = newborn.herald.life());
    actix_rt::spawn(Life {
        mailbox,
        seed: Some(newborn.seed),
        body: None,
        pulse: Arc::default(),
        pause: None,
        herald: Some(newborn.herald),
        thread: newborn.thread.id(),
        sequel: newborn.sequel,
        span,
    });
}

/// Runs actor code; a panic becomes a reason.
fn guarded<T>(id: u32, pulse: &Arc<Pulse>, code: impl FnOnce() -> T) -> Result<T, Reason> {
    let outer = (WHO.replace(id), PULSE.replace(Some(pulse.clone())));
    let result = catch_unwind(AssertUnwindSafe(code));
    WHO.set(outer.0);
    PULSE.set(outer.1);
    result.map_err(|payload| reason::of_panic(&*payload))
}

impl<A: Actor<Context = Context<A>>> Life<A> {
    /// Makes the actor; false while an earlier life has not ended.
    fn born(&mut self, task: &Task<'_>) -> Result<bool, Reason> {
        if !self
            .mailbox
            .attach(task.waker(), &self.pulse, &mut self.herald, self.thread)
        {
            return Ok(false);
        }
        let mailbox = self.mailbox.clone();
        let seed = self.seed.take().expect("a life begins once");
        let pulse = self.pulse.clone();
        self.body = Some(guarded(self.mailbox.meter.id, &self.pulse, move || {
            let mut context = Context::new();
            let actor = match mailbox.disinherited() {
                true => keep::without_legacy(seed),
                false => seed(),
            };
            context.spawn(Pump(mailbox, pulse));
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
            self.pulse.pause(true);
            order = None;
        }
        if let Some(pause) = &mut self.pause {
            match (pause.as_mut().poll(task), order) {
                (Poll::Pending, None) => return None,
                (Poll::Pending, Some(_)) | (Poll::Ready(()), _) => {
                    self.pause = None;
                    self.pulse.pause(false);
                }
            }
        }
        let polled = guarded(self.mailbox.meter.id, &self.pulse, || match order {
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
        let present = self.mailbox.seal(&self.pulse);
        let body = self.body.take();
        if let Err(again) = guarded(self.mailbox.meter.id, &self.pulse, || drop(body)) {
            tracing::error!(reason = %again, "the end itself");
        }
        reason::given();
        if !present {
            // It was evicted; whom it concerned was told then.
            return tracing::warn!(%reason, "a life that was over ended");
        }
        match &reason {
            Reason::Normal | Reason::Shutdown => tracing::debug!(%reason, "ended"),
            Reason::Failed(_) | Reason::Displaced(_) | Reason::TooManyRestarts { .. } => {
                tracing::warn!(%reason, "ended")
            }
            Reason::Panicked(_) => tracing::error!(%reason, "ended"),
        }
        let herald = self.mailbox.detach(&self.pulse);
        self.mailbox
            .meter
            .died(reason.abnormal().then(|| reason.to_string()));
        if self.sequel == Sequel::None {
            self.mailbox.close();
        }
        if let Some(herald) = herald {
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
        if this.pulse.is_over() {
            this.end(Reason::Normal);
            return Poll::Ready(());
        }
        this.pulse.beat();
        let end = this.live(task);
        this.pulse.beat();
        match end {
            Some(reason) => {
                this.end(reason);
                Poll::Ready(())
            }
            None if this.pulse.is_over() => {
                this.end(Reason::Normal);
                Poll::Ready(())
            }
            None => {
                if newborn {
                    this.mailbox.announce(&this.pulse);
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
