//! The queue between senders and an actor. It belongs to the address, not to the actor: a crash leaves it whole.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context as Task, Poll, Waker};

use actix::dev::{Envelope, EnvelopeProxy, OneshotSender, ToEnvelope};
use actix::{Actor, ActorFuture, AsyncContext, Context, Handler};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::directory::{Directory, Order};
use crate::life;
use crate::mail::{Mail, Room};
use crate::meter::{Meter, Status, now};

/// Messages one actor handles before its siblings on the arbiter get a turn.
const BUDGET: usize = 64;

/// Where to send an actor its messages. It stays valid across restarts: while the actor is down its mail waits.
pub struct Addr<A: Actor>(pub(crate) Arc<Mailbox<A>>);

pub(crate) struct Mailbox<A: Actor> {
    pub meter: Arc<Meter>,
    state: Mutex<State<A>>,
}

struct State<A: Actor> {
    queue: VecDeque<Letter<A>>,
    order: Option<Order>,
    /// The task of the present life.
    waker: Option<Waker>,
    /// The task of the next one, waiting for the present to end.
    heir: Option<Waker>,
    idle: bool,
    sealed: bool,
    open: bool,
}

struct Letter<A: Actor> {
    envelope: Envelope<A>,
    sent: u64,
    from: u32,
    kind: u8,
    _turn: Option<OwnedSemaphorePermit>,
}

/// The actor is gone for good, or crashed on this very message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the actor is gone")
    }
}

impl std::error::Error for Lost {}

impl<A: Actor<Context = Context<A>>> Addr<A> {
    /// An address under a name, listed in the directory. Mail waits until a supervisor starts the actor.
    pub fn new(name: impl Into<String>) -> Self {
        let mailbox = Arc::new(Mailbox {
            meter: Arc::new(Meter::new(name.into())),
            state: Mutex::new(State {
                queue: VecDeque::new(),
                order: None,
                waker: None,
                heir: None,
                idle: false,
                sealed: true,
                open: true,
            }),
        });
        Directory::enter(&mailbox);
        Addr(mailbox)
    }

    /// Sends and moves on. Never waits; what happens when the mailbox is full is the message's [`Room`].
    pub fn tell<M: Mail>(&self, msg: M)
    where
        A: Handler<M>,
        M::Result: Send,
    {
        const {
            assert!(
                !matches!(M::ROOM, Room::Paced(_)),
                "paced mail is pushed, not told"
            )
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
        let turn = self
            .0
            .meter
            .kind::<M>()
            .turns
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| Lost)?;
        self.0.post(msg, None, Some(turn)).then_some(()).ok_or(Lost)
    }

    /// Sends and awaits the reply.
    pub async fn ask<M: Mail>(&self, msg: M) -> Result<M::Result, Lost>
    where
        A: Handler<M>,
        M::Result: Send,
    {
        let (tx, rx) = oneshot::channel();
        self.0.post(msg, Some(tx), None);
        rx.await.map_err(|_| Lost)
    }

    /// An address that says only what may be sent, not to whom.
    pub fn port<M: Mail>(&self) -> Port<M>
    where
        A: Handler<M>,
        M::Result: Send,
    {
        Port(self.0.clone())
    }
}

impl<A: Actor> Clone for Addr<A> {
    fn clone(&self) -> Self {
        Addr(self.0.clone())
    }
}

/// The place one kind of message goes to.
pub struct Port<M: Mail>(Arc<dyn Inlet<M>>);

impl<M: Mail> Clone for Port<M> {
    fn clone(&self) -> Self {
        Port(self.0.clone())
    }
}

impl<M: Mail> Port<M> {
    pub fn tell(&self, msg: M) {
        self.0.put(msg);
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

impl<A: Actor<Context = Context<A>>> Mailbox<A> {
    fn state(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn post<M: Mail>(
        &self,
        msg: M,
        reply: Option<OneshotSender<M::Result>>,
        turn: Option<OwnedSemaphorePermit>,
    ) -> bool
    where
        A: Handler<M>,
        M::Result: Send,
    {
        let kind = self.meter.kind::<M>();
        if self.meter.watched() {
            self.meter.brief(msg.brief());
        }
        let letter = Letter {
            envelope: <Context<A> as ToEnvelope<A, M>>::pack(msg, reply),
            sent: now(),
            from: life::whoami(),
            kind: kind.index,
            _turn: turn,
        };
        let mut state = self.state();
        if !state.open {
            drop(state);
            self.meter.dead(kind);
            return false;
        }
        let mut ousted = None;
        if let Room::Newest(n) = M::ROOM
            && kind.waiting.load(Relaxed) as usize >= n
            && let Some(oldest) = state.queue.iter().position(|l| l.kind == kind.index)
        {
            ousted = state.queue.remove(oldest);
            self.meter.taken(kind, state.queue.len());
            self.meter.dropped(kind);
        }
        state.queue.push_back(letter);
        self.meter.posted(kind, state.queue.len());
        let wake = std::mem::take(&mut state.idle)
            .then(|| state.waker.clone())
            .flatten();
        drop(state);
        drop(ousted); // its destructor is the sender's own code: never under the lock
        if let Some(waker) = wake {
            waker.wake();
        }
        true
    }

    fn take(&self) -> Option<Letter<A>> {
        let mut state = self.state();
        if state.sealed {
            return None;
        }
        match state.queue.pop_front() {
            Some(letter) => {
                self.meter.taken(self.meter.at(letter.kind), state.queue.len());
                Some(letter)
            }
            None => {
                state.idle = true;
                None
            }
        }
    }

    /// A life begins: from now on mail and orders wake this task. False while an earlier life has not ended.
    pub fn attach(&self, waker: &Waker) -> bool {
        let mut state = self.state();
        let free = state.waker.is_none();
        if free {
            state.waker = Some(waker.clone());
            state.heir = None;
            state.sealed = false;
            state.open = true;
        } else {
            state.heir = Some(waker.clone());
        }
        free
    }

    pub fn order(&self) -> Option<Order> {
        self.state().order.take()
    }

    /// A life is ending: it gets no more mail, not even from within its own destructor.
    pub fn seal(&self) {
        self.state().sealed = true;
    }

    /// A life has ended. Control mail waits for the next one; streams do not, for their senders resume them.
    pub fn detach(&self) {
        let mut state = self.state();
        state.waker = None;
        state.idle = false;
        state.order = None;
        let (kept, stale): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut state.queue)
            .into_iter()
            .partition(|l| self.meter.at(l.kind).room == Room::Always);
        state.queue = kept;
        for letter in &stale {
            let kind = self.meter.at(letter.kind);
            self.meter.taken(kind, state.queue.len());
            self.meter.dropped(kind);
        }
        let heir = state.heir.take();
        drop(state);
        drop(stale);
        if let Some(heir) = heir {
            heir.wake();
        }
    }
}

/// What supervisor and directory may do with any mailbox.
pub(crate) trait Desk: Send + Sync {
    fn meter(&self) -> &Arc<Meter>;
    fn give(&self, order: Order);
    /// No further life: what waits becomes dead letters.
    fn close(&self);
}

impl<A: Actor<Context = Context<A>>> Desk for Mailbox<A> {
    fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    fn give(&self, order: Order) {
        let mut state = self.state();
        state.order = Some(order);
        let waker = state.waker.clone();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn close(&self) {
        let mut state = self.state();
        state.open = false;
        let rest = std::mem::take(&mut state.queue);
        for letter in &rest {
            let kind = self.meter.at(letter.kind);
            self.meter.taken(kind, 0);
            self.meter.dead(kind);
        }
        drop(state);
        self.meter.status(Status::Closed);
    }
}

/// Carries letters from the mailbox into the actor, inside the actor's own actix context.
pub(crate) struct Pump<A: Actor>(pub Arc<Mailbox<A>>);

impl<A: Actor<Context = Context<A>>> ActorFuture<A> for Pump<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, act: &mut A, ctx: &mut Context<A>, task: &mut Task<'_>) -> Poll<()> {
        let meter = &self.0.meter;
        let mut start = 0;
        for _ in 0..BUDGET {
            if ctx.waiting() {
                return Poll::Pending;
            }
            let Some(mut letter) = self.0.take() else {
                return Poll::Pending;
            };
            if start == 0 {
                start = now();
            }
            meter.begin(letter.kind, start);
            letter.envelope.handle(act, ctx);
            let end = now();
            meter.end(meter.at(letter.kind), letter.from, letter.sent, start, end);
            start = end;
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}
