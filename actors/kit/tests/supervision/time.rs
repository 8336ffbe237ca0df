//! One timer an actor, however often its deadline moves.

use std::time::{Duration, Instant};

use actix::{Actor, Context, Handler};
use actix_rt::Arbiter;
use roomrtc_kit::deadline::now;
use roomrtc_kit::{Addr, Deadline, Spec, Timed, mail};
use tokio::time::sleep;

use crate::stage::{Log, ear, ms, settle, tell, unique};

/// An actor with a deadline, which counts how often its timer woke it in vain.
struct Agent {
    deadline: Deadline,
    start: Instant,
    due: Vec<Duration>,
}

impl Actor for Agent {
    type Context = Context<Self>;
}

impl Timed for Agent {
    fn deadline(&mut self) -> &mut Deadline {
        &mut self.deadline
    }

    fn due(&mut self, now: Instant, _: &mut Self::Context) {
        self.due.push(now - self.start);
    }
}

/// Arms it this long after the start, or disarms it.
struct Arm(Option<Duration>);
struct Due;
mail! { Arm; Due => Vec<Duration>; }

impl Handler<Arm> for Agent {
    type Result = ();

    fn handle(&mut self, arm: Arm, ctx: &mut Self::Context) {
        let at = arm.0.map(|after| self.start + after);
        self.deadline.arm(at, ctx);
        assert_eq!(self.deadline.armed(), at);
    }
}

impl Handler<Due> for Agent {
    type Result = actix::MessageResult<Due>;

    fn handle(&mut self, _: Due, _: &mut Self::Context) -> Self::Result {
        actix::MessageResult(std::mem::take(&mut self.due))
    }
}

fn agent() -> Addr<Agent> {
    let agent = Addr::<Agent>::new(unique("agent"));
    let factory = || Agent {
        deadline: Deadline::default(),
        start: now(),
        due: Vec::new(),
    };
    Spec::new(&agent, &Arbiter::current(), factory).launch(ear(&Log::default()));
    agent
}

#[test]
fn a_deadline_comes_once_at_its_instant() {
    tell(async {
        let agent = agent();
        agent.tell(Arm(Some(ms(20))));
        sleep(ms(100)).await;
        assert_eq!(agent.ask(Due).await.unwrap(), [ms(20)]);
    });
}

#[test]
fn the_last_arming_counts_whether_later_or_sooner() {
    tell(async {
        let agent = agent();
        agent.tell(Arm(Some(ms(20))));
        agent.tell(Arm(Some(ms(70)))); // the timer for 20 fires in vain and is set again
        settle().await;
        sleep(ms(100)).await;
        assert_eq!(agent.ask(Due).await.unwrap(), [ms(70)]);
        agent.tell(Arm(Some(ms(500))));
        agent.tell(Arm(Some(ms(130)))); // sooner: at 130, and not at 500 again
        sleep(ms(1000)).await;
        assert_eq!(agent.ask(Due).await.unwrap(), [ms(130)]);
    });
}

#[test]
fn a_disarmed_deadline_does_not_come() {
    tell(async {
        let agent = agent();
        agent.tell(Arm(Some(ms(20))));
        agent.tell(Arm(None));
        sleep(ms(100)).await;
        assert!(agent.ask(Due).await.unwrap().is_empty());
        agent.tell(Arm(Some(ms(50)))); // past: at once
        sleep(ms(1)).await;
        let due = agent.ask(Due).await.unwrap();
        assert!(due.len() == 1 && due[0] <= ms(101), "{due:?}");
    });
}
