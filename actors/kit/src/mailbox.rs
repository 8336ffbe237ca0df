//! The queue between senders and an actor. It belongs to the address, not to the actor: a crash leaves it whole.
//!
//! Reading order: [`Mailbox::post`] puts a letter in, [`Pump`] takes letters out within the actor's own context,
//! [`Mailbox::attach`] and [`Mailbox::detach`] mark the lives in between.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context as Task, Poll, Waker};

use actix::dev::{Envelope, EnvelopeProxy, OneshotSender, ToEnvelope};
use actix::{Actor, ActorFuture, AsyncContext, Context, Handler};
use tokio::sync::OwnedSemaphorePermit;

use crate::directory::Order;
use crate::ear;
use crate::life::{self, Newborn};
use crate::mail::{Mail, Room};
use crate::meter::{Detail, Kind, Meter, Status, now};
use crate::reason::Reason;
use crate::supervisor::Herald;
use crate::thread::Thread;

/// Messages one actor handles before its siblings on the arbiter get a turn.
const BUDGET: usize = 64;

/// Letters the queue's memory is kept for; a longer one gives it back when it has drained.
const KEPT_CAPACITY: usize = 64;

pub(crate) struct Mailbox<A: Actor> {
    pub(crate) meter: Arc<Meter>,
    state: Mutex<State<A>>,
    /// Whose mailboxes have no further life when this one has none.
    dependents: Mutex<Vec<Weak<dyn Desk>>>,
    me: Weak<Self>,
}

struct State<A: Actor> {
    queue: VecDeque<Letter<A>>,
    order: Option<Order>,
    disinherited: bool,
    /// The next life, until its thread takes it.
    newborn: Option<Newborn<A>>,
    /// The present life.
    holder: Option<Holder>,
    /// The task of the present life.
    waker: Option<Waker>,
    /// The task of the next one, waiting for the present to end.
    heir: Option<Waker>,
    /// The present life waits for mail and must be woken.
    idle: bool,
    /// No life takes mail.
    sealed: bool,
    /// There will be a life to take mail.
    open: bool,
}

/// The life that has the mailbox.
struct Holder {
    pulse: Arc<Pulse>,
    herald: Herald,
    thread: u32,
}

/// What can be seen of a life from another thread.
#[derive(Default)]
pub(crate) struct Pulse {
    /// One more at the beginning and at the end of each run: odd while it runs.
    runs: AtomicU32,
    /// It was ordered to do nothing for a while.
    paused: AtomicBool,
    /// Another life may have taken its place.
    over: AtomicBool,
}

impl Pulse {
    /// A run begins or ends. Only the life's own thread writes.
    pub(crate) fn beat(&self) {
        self.runs.store(self.runs.load(Relaxed).wrapping_add(1), Relaxed);
    }

    pub(crate) fn pause(&self, on: bool) {
        self.paused.store(on, Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }
}

/// The pulse at one moment.
pub(crate) struct PulseView {
    pub(crate) runs: u32,
    pub(crate) running: bool,
    /// Mail waits, and nobody ordered it to.
    pub(crate) owes: bool,
    pub(crate) thread: u32,
}

struct Letter<A: Actor> {
    envelope: Envelope<A>,
    sent: u64,
    from: u32,
    kind: u8,
    /// What the message says of itself, if somebody watches.
    brief: Option<Box<str>>,
    /// Given back when the letter is handled or dropped.
    _turn: Option<OwnedSemaphorePermit>,
}

impl<A: Actor<Context = Context<A>>> Mailbox<A> {
    pub(crate) fn new(name: String, detail: Detail) -> Arc<Self> {
        Arc::new_cyclic(|me| Mailbox {
            me: me.clone(),
            meter: Arc::new(Meter::new(name, detail)),
            state: Mutex::new(State {
                queue: VecDeque::new(),
                order: None,
                disinherited: false,
                newborn: None,
                holder: None,
                waker: None,
                heir: None,
                idle: false,
                sealed: true,
                open: true,
            }),
            dependents: Mutex::default(),
        })
    }

    /// No actor code runs under this lock, so that nothing can poison it.
    fn state(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message in; false if nobody will ever take it.
    pub(crate) fn post<M: Mail>(
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
        let told = M::ROOM == Room::Always && ear::listening();
        let brief = (told || self.meter.watched()).then(|| msg.brief().into());
        let letter = Letter {
            envelope: <Context<A> as ToEnvelope<A, M>>::pack(msg, reply),
            sent: now(),
            from: life::whoami(),
            kind: kind.index,
            brief,
            _turn: turn,
        };
        let mut state = self.state();
        if !state.open {
            drop(state);
            self.meter.dead(kind);
            return false;
        }
        let ousted = self.make_room(&mut state, kind);
        state.queue.push_back(letter);
        self.meter.posted(kind, state.queue.len());
        let idle = std::mem::take(&mut state.idle);
        let waker = idle.then(|| state.waker.clone()).flatten();
        drop(state);
        drop(ousted); // its destructor is the sender's own code: never under the lock
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Takes out the oldest letter of a kind of which only so many may wait.
    fn make_room(&self, state: &mut State<A>, kind: &Kind) -> Option<Letter<A>> {
        let Room::Newest(most) = kind.room else {
            return None;
        };
        if kind.waiting() < most {
            return None;
        }
        let oldest = state.queue.iter().position(|letter| letter.kind == kind.index)?;
        let ousted = state.queue.remove(oldest);
        self.meter.taken(kind, state.queue.len());
        self.meter.dropped(kind);
        ousted
    }

    fn take(&self, pulse: &Arc<Pulse>) -> Option<Letter<A>> {
        let mut state = self.state();
        if state.sealed || !state.is_held_by(pulse) {
            return None;
        }
        let Some(letter) = state.queue.pop_front() else {
            state.idle = true;
            if state.queue.capacity() > KEPT_CAPACITY {
                state.queue.shrink_to(KEPT_CAPACITY);
            }
            return None;
        };
        self.meter.taken(self.meter.at(letter.kind), state.queue.len());
        Some(letter)
    }

    /// There will be a life again.
    pub(crate) fn reopen(&self) {
        self.state().open = true;
    }

    /// Keeps the next life until its thread takes it.
    pub(crate) fn expect(&self, newborn: Newborn<A>) {
        let older = self.state().newborn.replace(newborn);
        drop(older); // tells its supervisor, outside the lock
    }

    /// The life of that number, if it is the one that is expected.
    pub(crate) fn newborn(&self, life: u32) -> Option<Newborn<A>> {
        self.state().newborn.take_if(|newborn| newborn.life() == life)
    }

    /// A life begins: from now on mail and orders wake this task, and its herald is here. False while an earlier life
    /// has not ended.
    pub(crate) fn attach(
        &self,
        waker: &Waker,
        pulse: &Arc<Pulse>,
        herald: &mut Option<Herald>,
        thread: u32,
    ) -> bool {
        let mut state = self.state();
        let free = state.waker.is_none();
        if free {
            state.waker = Some(waker.clone());
            state.holder = herald.take().map(|herald| Holder {
                pulse: pulse.clone(),
                herald,
                thread,
            });
            state.heir = None;
            state.sealed = false;
            state.open = true;
        } else {
            state.heir = Some(waker.clone());
        }
        free
    }

    /// The next life gets nothing of what this one kept for it.
    pub(crate) fn disinherit(&self) {
        self.state().disinherited = true;
    }

    /// Whether this life, which is just beginning, gets nothing.
    pub(crate) fn disinherited(&self) -> bool {
        std::mem::take(&mut self.state().disinherited)
    }

    pub(crate) fn order(&self) -> Option<Order> {
        self.state().order.take()
    }

    /// A life is ending: it gets no more mail, not even from within its own destructor. False if it had been over.
    pub(crate) fn seal(&self, pulse: &Arc<Pulse>) -> bool {
        let mut state = self.state();
        let held = state.is_held_by(pulse);
        state.sealed |= held;
        held
    }

    /// Tells that a life has begun.
    pub(crate) fn announce(&self, pulse: &Arc<Pulse>) {
        let state = self.state();
        if let Some(holder) = state.holder.as_ref().filter(|_| state.is_held_by(pulse)) {
            holder.herald.up();
        }
    }

    /// A life has ended, if it was not over before: who is to be told.
    pub(crate) fn detach(&self, pulse: &Arc<Pulse>) -> Option<Herald> {
        let state = self.state();
        state.is_held_by(pulse).then_some(())?;
        self.vacate(state)
    }

    /// Nobody has the mailbox any more. Control mail waits for the next life; streams do not, for their senders resume
    /// them.
    fn vacate(&self, mut state: MutexGuard<'_, State<A>>) -> Option<Herald> {
        let holder = state.holder.take();
        if let Some(holder) = &holder {
            holder.pulse.over.store(true, Relaxed);
        }
        state.waker = None;
        state.idle = false;
        state.sealed = true;
        if state.heir.is_none() {
            state.order = None;
        }
        let queue = std::mem::take(&mut state.queue);
        let (kept, stale): (VecDeque<_>, VecDeque<_>) = queue
            .into_iter()
            .partition(|letter| self.meter.at(letter.kind).room == Room::Always);
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
        holder.map(|holder| holder.herald)
    }

    /// These have no further life when this one has none.
    pub(crate) fn depend(&self, dependents: Vec<Weak<dyn Desk>>) {
        *self.dependents.lock().unwrap_or_else(PoisonError::into_inner) = dependents;
    }
}

impl<A: Actor> State<A> {
    fn is_held_by(&self, pulse: &Arc<Pulse>) -> bool {
        let holder = self.holder.as_ref();
        holder.is_some_and(|holder| Arc::ptr_eq(&holder.pulse, pulse))
    }
}

/// What supervisor and directory may do with any mailbox.
pub(crate) trait Desk: Send + Sync {
    fn meter(&self) -> &Arc<Meter>;

    /// Orders the present life, or else the next one.
    fn give(&self, order: Order);

    /// How the present life is, if there is one.
    fn pulse(&self) -> Option<PulseView>;

    /// Ends the present life from outside, for it does not end by itself.
    fn evict(&self, reason: Reason);

    /// Its thread is another now: evicts a life that was on the old one, and brings one that was to begin there over.
    fn thread_lost(&self, thread: &Thread, reason: Reason);

    /// No further life, neither of this actor nor of those it supervises: what waits becomes dead letters.
    fn close(&self);
}

impl<A: Actor<Context = Context<A>>> Desk for Mailbox<A> {
    fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    fn give(&self, order: Order) {
        let mut state = self.state();
        // A life may be on its way to its thread: it finds the order there. A closed mailbox has none.
        state.order = (state.open || state.waker.is_some()).then_some(order);
        let waker = state.waker.clone().or_else(|| state.heir.clone());
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn pulse(&self) -> Option<PulseView> {
        let state = self.state();
        let holder = state.holder.as_ref()?;
        let runs = holder.pulse.runs.load(Relaxed);
        Some(PulseView {
            runs,
            running: runs % 2 == 1,
            owes: !state.queue.is_empty() && !state.sealed && !holder.pulse.paused.load(Relaxed),
            thread: holder.thread,
        })
    }

    fn evict(&self, reason: Reason) {
        let state = self.state();
        if state.holder.is_none() {
            return;
        }
        let herald = self.vacate(state);
        self.meter.died(Some(reason.to_string()));
        if let Some(herald) = herald {
            herald.down(reason);
        }
    }

    fn thread_lost(&self, thread: &Thread, reason: Reason) {
        let mut state = self.state();
        let there = state
            .holder
            .as_ref()
            .is_some_and(|holder| holder.thread == thread.id());
        let to_begin = state
            .newborn
            .take_if(|newborn| newborn.thread.id() == thread.id());
        drop(state);
        if there {
            self.evict(reason);
        }
        if let (Some(newborn), Some(mailbox)) = (to_begin, self.me.upgrade()) {
            life::begin_again(newborn, mailbox);
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
        drop(rest);
        self.meter.status(Status::Closed);
        let dependents = std::mem::take(&mut *self.dependents.lock().unwrap_or_else(PoisonError::into_inner));
        dependents
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|desk| desk.close());
    }
}

/// Carries letters from the mailbox into the actor, inside the actor's own actix context.
pub(crate) struct Pump<A: Actor>(pub(crate) Arc<Mailbox<A>>, pub(crate) Arc<Pulse>);

impl<A: Actor<Context = Context<A>>> ActorFuture<A> for Pump<A> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, act: &mut A, ctx: &mut Context<A>, task: &mut Task<'_>) -> Poll<()> {
        let meter = &self.0.meter;
        let mut start = 0;
        for _ in 0..BUDGET {
            if ctx.waiting() {
                return Poll::Pending;
            }
            let Some(mut letter) = self.0.take(&self.1) else {
                return Poll::Pending;
            };
            if start == 0 {
                start = now();
            }
            meter.begin(letter.kind, start);
            letter.envelope.handle(act, ctx);
            let end = now();
            let brief = letter.brief.take();
            meter.end(
                meter.at(letter.kind),
                letter.from,
                brief,
                [letter.sent, start, end],
            );
            start = end;
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}
