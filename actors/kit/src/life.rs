//! One life of an actor: from its factory to its end, however that comes.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Once};
use std::task::{Context as Task, Poll};

use actix::dev::ContextFut;
use actix::{Actor, ActorContext, AsyncContext, Context};

use crate::directory::Order;
use crate::mailbox::{Mailbox, Pump};
use crate::supervisor::Herald;

/// Why a life ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It stopped by itself.
    Normal,
    /// Its supervisor asked.
    Shutdown,
    /// It gave up: [`Exit::fail`].
    Failed(String),
    /// A bug.
    Panicked(String),
    /// A supervisor gave up on a child that kept dying.
    TooManyRestarts { child: String, last: String },
}

impl Reason {
    pub fn abnormal(&self) -> bool {
        !matches!(self, Reason::Normal | Reason::Shutdown)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Normal => f.write_str("finished"),
            Reason::Shutdown => f.write_str("was shut down"),
            Reason::Failed(why) => write!(f, "failed: {why}"),
            Reason::Panicked(why) => write!(f, "panicked: {why}"),
            Reason::TooManyRestarts { child, last } => {
                write!(f, "gave up on {child}, which keeps failing (last: {last})")
            }
        }
    }
}

thread_local! {
    static WHO: Cell<u32> = const { Cell::new(0) };
    static EXIT: RefCell<Option<Reason>> = const { RefCell::new(None) };
    static PANIC_AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The id of the actor running on this thread, 0 outside of any.
pub fn whoami() -> u32 {
    WHO.get()
}

/// Lets an actor end its own life with an error its supervisor will act on.
pub trait Exit {
    fn fail(&mut self, why: impl fmt::Display);
    fn quit(&mut self, reason: Reason);
}

impl<A: Actor<Context = Context<A>>> Exit for Context<A> {
    fn fail(&mut self, why: impl fmt::Display) {
        self.quit(Reason::Failed(why.to_string()));
    }

    fn quit(&mut self, reason: Reason) {
        EXIT.set(Some(reason));
        self.terminate();
    }
}

pub(crate) type Factory<A> = Arc<dyn Fn() -> A + Send + Sync>;

/// Drives an actor's actix context and reports its end to the supervisor.
pub(crate) struct Life<A: Actor<Context = Context<A>>> {
    mailbox: Arc<Mailbox<A>>,
    factory: Factory<A>,
    body: Option<Pin<Box<ContextFut<A, Context<A>>>>>,
    herald: Option<Herald>,
}

impl<A: Actor<Context = Context<A>>> Life<A> {
    pub fn new(mailbox: Arc<Mailbox<A>>, factory: Factory<A>, herald: Herald) -> Self {
        hush_supervised_panics();
        Life {
            mailbox,
            factory,
            body: None,
            herald: Some(herald),
        }
    }

    /// Runs actor code; a panic becomes a reason.
    fn guarded<T>(id: u32, code: impl FnOnce() -> T) -> Result<T, Reason> {
        let outer = WHO.replace(id);
        let result = catch_unwind(AssertUnwindSafe(code));
        WHO.set(outer);
        result.map_err(|payload| Reason::Panicked(describe(&*payload)))
    }

    fn end(&mut self, reason: Reason) -> Poll<()> {
        // Dropping the context runs `stopping` and `stopped` and cancels everything the actor spawned.
        self.mailbox.seal();
        let body = self.body.take();
        let _ = Self::guarded(self.mailbox.meter.id, || drop(body));
        EXIT.take();
        self.mailbox.detach();
        self.mailbox
            .meter
            .died(reason.abnormal().then(|| reason.to_string()));
        if let Some(herald) = self.herald.take() {
            herald.down(reason);
        }
        Poll::Ready(())
    }
}

impl<A: Actor<Context = Context<A>>> Future for Life<A> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<()> {
        let this = &mut *self;
        let id = this.mailbox.meter.id;
        let newborn = this.body.is_none();
        if newborn {
            if !this.mailbox.attach(task.waker()) {
                return Poll::Pending;
            }
            let mailbox = this.mailbox.clone();
            let factory = this.factory.clone();
            match Self::guarded(id, move || {
                let mut ctx = Context::new();
                ctx.spawn(Pump(mailbox));
                Box::pin(ctx.into_future(factory()))
            }) {
                Ok(body) => this.body = Some(body),
                Err(reason) => return this.end(reason),
            }
            this.mailbox.meter.born();
        }
        let order = this.mailbox.order();
        if let Some(Order::Stop) = order {
            return this.end(Reason::Shutdown);
        }
        let body = this.body.as_mut().expect("alive");
        let polled = Self::guarded(id, || {
            #[cfg(feature = "chaos")]
            match order {
                Some(Order::Panic) => panic!("ordered to panic"),
                Some(Order::Fail) => return Poll::Ready(()),
                Some(Order::Hang(time)) => std::thread::sleep(time),
                _ => {}
            }
            body.as_mut().poll(task)
        });
        match polled {
            Ok(Poll::Pending) => {
                if newborn && let Some(herald) = &this.herald {
                    herald.up();
                }
                Poll::Pending
            }
            #[cfg(feature = "chaos")]
            Ok(Poll::Ready(())) if matches!(order, Some(Order::Fail)) => {
                this.end(Reason::Failed("ordered to fail".into()))
            }
            Ok(Poll::Ready(())) => {
                let reason = EXIT.take().unwrap_or(Reason::Normal);
                this.end(reason)
            }
            Err(reason) => this.end(reason),
        }
    }
}

impl<A: Actor<Context = Context<A>>> Drop for Life<A> {
    /// The arbiter went away under the actor.
    fn drop(&mut self) {
        if self.body.is_some() {
            let _ = self.end(Reason::Failed("its thread ended".into()));
        }
    }
}

fn describe(payload: &(dyn Any + Send)) -> String {
    let what = payload
        .downcast_ref::<&str>()
        .map(|s| s.to_string())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".into());
    match PANIC_AT.take() {
        Some(at) => format!("{what} at {at}"),
        None => what,
    }
}

/// A supervised panic is reported by its supervisor, with its place; any other panic prints as ever.
fn hush_supervised_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match whoami() {
            0 => print(info),
            _ => PANIC_AT.set(info.location().map(|at| at.to_string())),
        }));
    });
}
