//! What a message, a restart, a deadline, an idle actor and the actors panel cost. Runs in under a minute:
//! `cargo bench -p roomrtc-kit`.
#![allow(missing_docs)]

use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, Instant};

use actix::{Actor, Context, Handler, System, SystemRunner};
use actix_rt::{Arbiter, ArbiterHandle};
use criterion::{Criterion, criterion_group, criterion_main};
use roomrtc_kit::watch::{LOOK, MESSAGES, Model};
use roomrtc_kit::{
    Addr, Backoff, Deadline, Directory, Down, Intensity, Port, Shutdown, Spec, Strategy, Supervisor, Timed,
    deadline, mail,
};

/// Messages sent before the sender lets the receiver work.
const BATCH: u64 = 64;

/// Actors of which the memory is measured.
const CROWD: usize = 10_000;

/// More than a client has in a call.
const IN_A_CALL: usize = 60;

struct Counter {
    count: u64,
    deadline: Deadline,
}

impl Counter {
    fn new() -> Self {
        Counter {
            count: 0,
            deadline: Deadline::default(),
        }
    }
}

struct Add(u64);
struct Total;
struct Boom;
/// Arms the deadline a step later, or sooner, than the last time.
struct Rearm {
    later: bool,
}
mail! { Add; Total => u64; Boom; Rearm; }

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Handler<Add> for Counter {
    type Result = ();

    fn handle(&mut self, add: Add, _: &mut Self::Context) {
        self.count += add.0;
    }
}

impl Handler<Total> for Counter {
    type Result = u64;

    fn handle(&mut self, _: Total, _: &mut Self::Context) -> u64 {
        self.count
    }
}

impl Handler<Boom> for Counter {
    type Result = ();

    fn handle(&mut self, _: Boom, _: &mut Self::Context) {
        panic!("boom");
    }
}

impl Handler<Rearm> for Counter {
    type Result = ();

    fn handle(&mut self, rearm: Rearm, ctx: &mut Self::Context) {
        const STEP: Duration = Duration::from_micros(1);
        const FAR: Duration = Duration::from_secs(3600);
        let last = self.deadline.armed().unwrap_or_else(|| deadline::now() + FAR);
        let at = if rearm.later { last + STEP } else { last - STEP };
        self.deadline.arm(Some(at), ctx);
    }
}

impl Timed for Counter {
    fn deadline(&mut self) -> &mut Deadline {
        &mut self.deadline
    }

    fn due(&mut self, _: Instant, _: &mut Self::Context) {}
}

fn ignore() -> Port<Down> {
    Port::new(|_| {})
}

/// A counter under a supervisor that never tires.
fn supervised(arbiter: &ArbiterHandle) -> (Addr<Counter>, Addr<Supervisor>) {
    let (counter, root) = (Addr::new("counter"), Addr::new("root"));
    let always = Intensity {
        restarts: usize::MAX,
        period: Duration::ZERO,
    };
    let at_once = Backoff {
        first: Duration::ZERO,
        max: Duration::ZERO,
    };
    Supervisor::new(&root, Strategy::OneForOne, always, at_once)
        .child(Spec::new(&counter, arbiter, Counter::new))
        .launch(&Arbiter::current(), ignore());
    (counter, root)
}

fn timed<F: Future<Output = ()>>(system: &SystemRunner, work: F) -> Duration {
    system.block_on(async {
        let start = Instant::now();
        work.await;
        start.elapsed()
    })
}

async fn send(counter: &Addr<Counter>, messages: u64) {
    for _ in 0..messages / BATCH {
        (0..BATCH).for_each(|_| counter.tell(Add(1)));
        tokio::task::yield_now().await;
    }
    black_box(counter.ask(Total).await).expect("it lives");
}

fn messages(c: &mut Criterion) {
    let system = System::new();
    let (here, other) = system.block_on(async { (Arbiter::current(), Arbiter::new().handle()) });
    let mut group = c.benchmark_group("message");
    for (name, arbiter) in [("same arbiter", &here), ("other arbiter", &other)] {
        let (counter, root) = system.block_on(async { supervised(arbiter) });
        group.bench_function(format!("{name}: send and handle"), |b| {
            b.iter_custom(|n| timed(&system, send(&counter, n)));
        });
        group.bench_function(format!("{name}: ask and answer"), |b| {
            b.iter_custom(|n| {
                timed(&system, async {
                    for _ in 0..n {
                        let _ = black_box(counter.ask(Total).await);
                    }
                })
            });
        });
        root.tell(Shutdown);
    }
    let plain = system.block_on(async { Counter::start(Counter::new()) });
    group.bench_function("same arbiter: plain actix", |b| {
        b.iter_custom(|n| {
            timed(&system, async {
                for _ in 0..n / BATCH {
                    (0..BATCH).for_each(|_| plain.do_send(Add(1)));
                    tokio::task::yield_now().await;
                }
                let _ = black_box(plain.send(Total).await);
            })
        });
    });
}

/// What is done while somebody looks: all mailboxes are looked at every [`LOOK`], and each message is noted.
fn watching(c: &mut Criterion) {
    let system = System::new();
    Directory::watch(true);
    let actors: Vec<Addr<Counter>> = system.block_on(async {
        let spec = |number| {
            let actor = Addr::new(format!("call/{number}"));
            Spec::new(&actor, &Arbiter::current(), Counter::new).launch(ignore());
            actor
        };
        (0..IN_A_CALL).map(spec).collect()
    });
    for actor in &actors {
        timed(&system, send(actor, MESSAGES as u64 + BATCH));
    }
    let mut group = c.benchmark_group("panel");
    let (mut model, mut now) = (Model::default(), Instant::now());
    group.bench_function(format!("a look at {IN_A_CALL} actors"), |b| {
        b.iter(|| {
            now += LOOK;
            model.take(now, Directory::view());
        });
    });
    group.bench_function("same arbiter: send, handle and note", |b| {
        b.iter_custom(|n| timed(&system, send(&actors[0], n)));
    });
    Directory::watch(false);
}

fn restarts(c: &mut Criterion) {
    let system = System::new();
    let (here, other) = system.block_on(async { (Arbiter::current(), Arbiter::new().handle()) });
    let mut group = c.benchmark_group("restart");
    for (name, arbiter) in [("same arbiter", &here), ("other arbiter", &other)] {
        let (counter, root) = system.block_on(async { supervised(arbiter) });
        group.bench_function(format!("{name}: panic to next answer"), |b| {
            b.iter_custom(|n| {
                timed(&system, async {
                    for _ in 0..n {
                        counter.tell(Boom);
                        let _ = black_box(counter.ask(Total).await);
                    }
                })
            });
        });
        root.tell(Shutdown);
    }
}

fn deadlines(c: &mut Criterion) {
    let system = System::new();
    let mut group = c.benchmark_group("deadline");
    for (name, later) in [("later", true), ("sooner", false)] {
        let counter = system.block_on(async { supervised(&Arbiter::current()).0 });
        group.bench_function(format!("a message that arms {name}"), |b| {
            b.iter_custom(|n| {
                timed(&system, async {
                    for _ in 0..n / BATCH {
                        (0..BATCH).for_each(|_| counter.tell(Rearm { later }));
                        tokio::task::yield_now().await;
                    }
                    counter.ask(Total).await.expect("it lives");
                })
            });
        });
    }
}

/// The resident memory of this process; none outside of Linux.
fn resident_bytes() -> Option<usize> {
    const PAGE_BYTES: usize = 4096;
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<usize>().ok()? * PAGE_BYTES)
}

/// Prints what an idle actor among many holds: address, mailbox, meter of two kinds of messages, life.
fn memory(_: &mut Criterion) {
    let system = System::new();
    system.block_on(async {
        let Some(before) = resident_bytes() else { return };
        let mut crowd = Vec::with_capacity(CROWD);
        for _ in 0..CROWD {
            let session = Addr::one_of_many("session");
            Spec::new(&session, &Arbiter::current(), Counter::new).launch(ignore());
            session.tell(Add(1));
            let _ = session.ask(Total).await;
            crowd.push(session);
        }
        let held = resident_bytes().unwrap_or(before).saturating_sub(before);
        println!("memory/one of many: {} bytes an actor", held / CROWD);
    });
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .without_plots()
}

criterion_group! {
    name = benches;
    config = quick();
    targets = memory, messages, watching, restarts, deadlines
}
criterion_main!(benches);
