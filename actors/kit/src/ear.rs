//! Who hears what happens in the actors of the process while it happens: control messages, timers, lives.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

/// Hears of every actor. It is called on the actors' threads, so it must not wait for anything.
pub trait Ear: Send + Sync {
    /// An actor handled a control message.
    fn handled(&self, message: Handled<'_>);

    /// An actor's timer went off.
    fn timer(&self, actor: u32);

    /// A life began.
    fn began(&self, actor: &str, life: u32);

    /// A life ended; with a reason if that was against everybody's will.
    fn ended(&self, actor: &str, life: u32, reason: Option<&str>);
}

/// A control message that was handled. Media and bulk data are not told of.
#[derive(Clone, Copy, Debug)]
pub struct Handled<'a> {
    /// Whose mailbox it was in.
    pub to: &'a str,
    /// The id of the actor that sent it; 0 if it was none.
    pub from: u32,
    /// The message's type.
    pub kind: &'static str,
    /// What it says of itself.
    pub brief: &'a str,
    /// Time in the mailbox.
    pub wait: Duration,
    /// Time in the handler.
    pub work: Duration,
}

static LISTENING: AtomicBool = AtomicBool::new(false);
static EAR: RwLock<Option<Arc<dyn Ear>>> = RwLock::new(None);

/// Puts an ear in the place of the one before, or none.
pub(crate) fn put(ear: Option<Arc<dyn Ear>>) {
    LISTENING.store(ear.is_some(), Relaxed);
    let before = std::mem::replace(&mut *EAR.write().unwrap_or_else(PoisonError::into_inner), ear);
    drop(before); // outside the lock, for it may be anything
}

/// Whether anybody listens.
pub(crate) fn listening() -> bool {
    LISTENING.load(Relaxed)
}

/// Tells whoever listens.
pub(crate) fn tell(what: impl FnOnce(&dyn Ear)) {
    if listening() {
        let ear = EAR.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(ear) = ear {
            what(&*ear);
        }
    }
}
