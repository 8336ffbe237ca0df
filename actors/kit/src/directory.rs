//! All mailboxes by name: what the debug overlay lists, and where tests crash an actor.

use std::sync::{Arc, Mutex, Weak};
#[cfg(feature = "chaos")]
use std::time::Duration;

use actix::{Actor, Context};

use crate::mailbox::{Desk, Mailbox};
use crate::meter::MeterView;

/// What anybody may order any actor, whatever messages it handles.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    Stop,
    #[cfg(feature = "chaos")]
    Panic,
    #[cfg(feature = "chaos")]
    Fail,
    #[cfg(feature = "chaos")]
    Hang(Duration),
}

static DESKS: Mutex<Vec<Weak<dyn Desk>>> = Mutex::new(Vec::new());

pub struct Directory;

impl Directory {
    pub(crate) fn enter<A: Actor<Context = Context<A>>>(mailbox: &Arc<Mailbox<A>>) {
        let desk: Arc<dyn Desk> = mailbox.clone();
        let mut desks = DESKS.lock().unwrap();
        desks.retain(|d| d.strong_count() > 0);
        desks.push(Arc::downgrade(&desk));
    }

    fn desks() -> Vec<Arc<dyn Desk>> {
        DESKS.lock().unwrap().iter().filter_map(Weak::upgrade).collect()
    }

    /// Every actor's mailbox, in order of creation.
    pub fn view() -> Vec<MeterView> {
        Self::desks().iter().map(|d| d.meter().view()).collect()
    }

    pub fn name(id: u32) -> Option<String> {
        Self::desks()
            .iter()
            .find(|d| d.meter().id == id)
            .map(|d| d.meter().name.clone())
    }

    /// Record message descriptions while the overlay is open.
    pub fn watch(on: bool) {
        Self::desks().iter().for_each(|d| d.meter().watch(on));
    }

    /// Gives an order to the actor of that name; false if there is none.
    #[cfg(feature = "chaos")]
    pub fn order(name: &str, order: Order) -> bool {
        let found = Self::desks().into_iter().find(|d| d.meter().name == name);
        found.inspect(|d| d.give(order)).is_some()
    }
}
