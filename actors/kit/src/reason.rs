//! How a life ends: the reasons, and how an actor gives one.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::sync::Once;

use actix::{Actor, ActorContext, Context};

use crate::life::whoami;

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
    /// Its thread was taken away, for this neighbour hung it.
    Displaced(String),
    /// A supervisor gave up on a child that kept dying.
    TooManyRestarts {
        /// The child's name.
        child: String,
        /// Why it died the last time.
        last: String,
    },
}

impl Reason {
    /// Whether the life ended against everybody's will.
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
            Reason::Displaced(by) => write!(f, "was moved to another thread, for {by} hung"),
            Reason::TooManyRestarts { child, last } => {
                write!(f, "gave up on {child}, which keeps failing (last: {last})")
            }
        }
    }
}

thread_local! {
    static EXIT: RefCell<Option<Reason>> = const { RefCell::new(None) };
    static PANIC_AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Lets an actor end its own life with a reason its supervisor will act on.
pub trait Exit {
    /// Gives up: the supervisor restarts the actor, as after a panic, or gives up in its turn.
    fn fail(&mut self, why: impl fmt::Display);

    /// Ends with a reason.
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

/// What a panic that was caught says.
pub fn panic_words(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

/// What the actor running on this thread gave as its reason.
pub(crate) fn given() -> Option<Reason> {
    EXIT.take()
}

/// The reason a panic is.
pub(crate) fn of_panic(payload: &(dyn Any + Send)) -> Reason {
    let what = panic_words(payload);
    Reason::Panicked(match PANIC_AT.take() {
        Some(at) => format!("{what} at {at}"),
        None => what.into(),
    })
}

/// A supervised panic is told by its supervisor, with its place; any other panic prints as ever.
pub(crate) fn hush_supervised_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match whoami() {
            0 => print(info),
            _ => PANIC_AT.set(info.location().map(ToString::to_string)),
        }));
    });
}
