//! Where mail is sent: to an actor ([`Addr`]), or to whatever takes one kind of message ([`Port`]).

use std::fmt;
use std::sync::Arc;

use actix::{Actor, Context, Handler};
use tokio::sync::oneshot;

use crate::directory::{Directory, Order};
use crate::mail::{Mail, Room};
use crate::mailbox::{Desk, Mailbox};
use crate::meter::Detail;

/// Where to send an actor its messages. It stays valid across restarts: while the actor is down its mail waits.
pub struct Addr<A: Actor>(pub(crate) Arc<Mailbox<A>>);

/// The actor is gone for good, or crashed on this very message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the actor is gone")]
pub struct Lost;

impl<A: Actor<Context = Context<A>>> Addr<A> {
    /// An address under a name, listed in the [`Directory`]. Mail waits until a supervisor starts the actor.
    pub fn new(name: impl Into<String>) -> Self {
        Self::listed(name.into(), Detail::Full)
    }

    /// An address of one actor among thousands alike: its meter counts, but keeps neither times nor notes, which
    /// saves about 1 kB a kind of message.
    pub fn one_of_many(name: impl Into<String>) -> Self {
        Self::listed(name.into(), Detail::Counts)
    }

    fn listed(name: String, detail: Detail) -> Self {
        let mailbox = Mailbox::new(name, detail);
        Directory::enter(&mailbox);
        Addr(mailbox)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.meter.name
    }

    /// Sends and moves on. Never waits; what happens when the mailbox is full is the message's [`Room`].
    pub fn tell<M: Mail>(&self, msg: M)
    where
        A: Handler<M>,
        M::Result: Send,
    {
        const {
            let told = !matches!(M::ROOM, Room::Paced(_));
            assert!(told, "paced mail is pushed, not told");
        };
        self.0.post(msg, None, None);
    }

    /// Sends when there is room. The sender waits meanwhile: this is the back-pressure.
    pub async fn push<M: Mail>(&self, msg: M) -> Result<(), Lost>
    where
        A: Handler<M>,
        M::Result: Send,
    {
        const { assert!(matches!(M::ROOM, Room::Paced(_)), "only paced mail is pushed") };
        let turns = self.0.meter.kind::<M>().turns.clone();
        let turn = turns.acquire_owned().await.map_err(|_| Lost)?;
        self.0.post(msg, None, Some(turn)).then_some(()).ok_or(Lost)
    }

    /// Sends and awaits the reply.
    pub async fn ask<M: Mail>(&self, msg: M) -> Result<M::Result, Lost>
    where
        A: Handler<M>,
        M::Result: Send,
    {
        let (reply, answer) = oneshot::channel();
        self.0.post(msg, Some(reply), None);
        answer.await.map_err(|_| Lost)
    }

    /// An address that says only what may be sent, not to whom.
    pub fn port<M: Mail>(&self) -> Port<M>
    where
        A: Handler<M>,
        M::Result: Send,
    {
        Port(self.0.clone())
    }

    /// Ends the actor when the returned value is dropped. Held by whoever launched it, it keeps the launched from
    /// outliving the launcher.
    pub fn tie(&self) -> Tie {
        Tie(self.0.clone())
    }
}

impl<A: Actor> Clone for Addr<A> {
    fn clone(&self) -> Self {
        Addr(self.0.clone())
    }
}

impl<A: Actor> fmt::Debug for Addr<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Addr").field(&self.0.meter.name).finish()
    }
}

/// The place one kind of message goes to.
pub struct Port<M: Mail>(Arc<dyn Inlet<M>>);

impl<M: Mail> Port<M> {
    /// A place that is no actor: a channel, a thread, the collector of a test. `put` must not block.
    pub fn new(put: impl Fn(M) + Send + Sync + 'static) -> Self {
        Port(Arc::new(Closure(put)))
    }

    /// Sends and moves on, as [`Addr::tell`].
    pub fn tell(&self, msg: M) {
        self.0.put(msg);
    }
}

impl<M: Mail> Clone for Port<M> {
    fn clone(&self) -> Self {
        Port(self.0.clone())
    }
}

impl<M: Mail> fmt::Debug for Port<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Port<{}>", std::any::type_name::<M>())
    }
}

trait Inlet<M>: Send + Sync {
    fn put(&self, msg: M);
}

impl<A: Actor<Context = Context<A>> + Handler<M>, M: Mail> Inlet<M> for Mailbox<A>
where
    M::Result: Send,
{
    fn put(&self, msg: M) {
        self.post(msg, None, None);
    }
}

struct Closure<F>(F);

impl<M, F: Fn(M) + Send + Sync> Inlet<M> for Closure<F> {
    fn put(&self, msg: M) {
        (self.0)(msg);
    }
}

/// Ends an actor when dropped: see [`Addr::tie`].
pub struct Tie(Arc<dyn Desk>);

impl fmt::Debug for Tie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tie").field(&self.0.meter().name).finish()
    }
}

impl Drop for Tie {
    fn drop(&mut self) {
        self.0.give(Order::Stop);
    }
}
