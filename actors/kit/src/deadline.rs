//! One re-armable timer an actor: what a sans-IO machine's `next_timeout` needs.
//!
//! ```text
//! while let Some(output) = self.machine.poll_output() { self.carry_out(output); }
//! Deadline::arm(self, self.machine.next_timeout(), ctx);
//! ```

use std::time::Instant;

use actix::{Actor, AsyncContext, Context, SpawnHandle};

use crate::{ear, life};

/// An actor with a [`Deadline`].
pub trait Timed: Actor<Context = Context<Self>> {
    /// Its deadline.
    fn deadline(&mut self) -> &mut Deadline;

    /// The instant of [`Deadline::arm`] has come. The deadline is no longer armed.
    fn due(&mut self, now: Instant, ctx: &mut Self::Context);
}

/// The next instant an actor has something to do, and at most one timer for it.
///
/// Most deadlines move on before they come: then the timer is left as it is, and when it fires early it is set
/// again. So arming costs two comparisons, unless the new instant is before the timer's.
#[derive(Default, Debug)]
pub struct Deadline {
    armed: Option<Instant>,
    timer: Option<(Instant, SpawnHandle)>,
}

/// The present: the runtime's clock, which a test can hold still.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

impl Deadline {
    /// Calls [`Timed::due`] at an instant, at once if that is past; never with `None`. Replaces what was armed.
    pub fn arm<A: Timed>(&mut self, at: Option<Instant>, ctx: &mut Context<A>) {
        self.armed = at;
        let Some(at) = at else { return };
        match self.timer {
            Some((fires, _)) if fires <= at => return,
            Some((_, later)) => {
                ctx.cancel_future(later);
            }
            None => {}
        }
        let timer = ctx.run_later(at.saturating_duration_since(now()), A::fired);
        self.timer = Some((at, timer));
    }

    /// The instant armed.
    pub fn armed(&self) -> Option<Instant> {
        self.armed
    }
}

/// What the timer calls.
trait Fired: Timed {
    fn fired(&mut self, ctx: &mut Context<Self>) {
        let now = now();
        let deadline = self.deadline();
        deadline.timer = None;
        ear::tell(|ear| ear.timer(life::whoami()));
        match deadline.armed {
            None => {}
            Some(at) if at > now => deadline.arm(Some(at), ctx),
            Some(_) => {
                deadline.armed = None;
                self.due(now, ctx);
            }
        }
    }
}

impl<A: Timed> Fired for A {}
