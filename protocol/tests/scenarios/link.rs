//! One direction of a network: delay, jitter (which reorders), loss, outages and bottlenecks, all from one seed.
//!
//! `Link::new(seed).delay(ms(80)).jitter(ms(20)).loss(percent(5))`

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn percent(percent: f64) -> f64 {
    percent / 100.0
}

/// The seed of a test: its own, or that in `ROOMRTC_SEED`. Printed, so that a failure can be seen again.
pub(crate) fn seed(own: u64) -> u64 {
    let seed = std::env::var("ROOMRTC_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(own);
    println!("ROOMRTC_SEED={seed}");
    seed
}

/// What a bottleneck holds, as home routers do.
const QUEUE: Duration = Duration::from_millis(400);

pub(crate) struct Link {
    random: ChaCha8Rng,
    delay: Duration,
    jitter: Duration,
    loss: f64,
    outages: Vec<Range<Instant>>,
    /// From when on, how many bits a second pass.
    bottlenecks: Vec<(Instant, f64)>,
    /// When the bottleneck has passed on all that waits before it.
    free_at: Option<Instant>,
    under_way: BTreeMap<(Instant, u64), Vec<u8>>,
    sent: u64,
    pub(crate) lost: u64,
}

impl Link {
    pub(crate) fn new(seed: u64) -> Self {
        Link {
            random: ChaCha8Rng::seed_from_u64(seed),
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: 0.0,
            outages: vec![],
            bottlenecks: vec![],
            free_at: None,
            under_way: BTreeMap::new(),
            sent: 0,
            lost: 0,
        }
    }

    pub(crate) fn delay(self, delay: Duration) -> Self {
        Link { delay, ..self }
    }

    /// Up to this much more delay, each packet for itself.
    pub(crate) fn jitter(self, jitter: Duration) -> Self {
        Link { jitter, ..self }
    }

    pub(crate) fn loss(self, loss: f64) -> Self {
        Link { loss, ..self }
    }

    /// Nothing gets through in this time.
    pub(crate) fn outage(mut self, time: Range<Instant>) -> Self {
        self.outages.push(time);
        self
    }

    /// From this time on so many bits a second pass; what waits longer than [`QUEUE`] is lost.
    pub(crate) fn bottleneck(mut self, from: Instant, bits_per_second: f64) -> Self {
        self.bottlenecks.push((from, bits_per_second));
        self
    }

    /// When a packet has passed the bottleneck; `None` if its queue is full.
    fn pass(&mut self, now: Instant, bytes: usize) -> Option<Instant> {
        let Some((_, rate)) = self.bottlenecks.iter().rfind(|(from, _)| *from <= now) else {
            return Some(now);
        };
        let begins = self.free_at.map_or(now, |free| free.max(now));
        let passed = begins + Duration::from_secs_f64(bytes as f64 * 8.0 / rate);
        (begins - now <= QUEUE).then(|| {
            self.free_at = Some(passed);
            passed
        })
    }

    pub(crate) fn send(&mut self, now: Instant, packet: Vec<u8>) {
        self.sent += 1;
        let passed = self.pass(now, packet.len());
        let out = self.outages.iter().any(|outage| outage.contains(&now));
        let lost = out || self.random.gen_bool(self.loss);
        let Some(passed) = passed.filter(|_| !lost) else {
            self.lost += 1;
            return;
        };
        let extra = self.jitter.mul_f64(self.random.gen_range(0.0..=1.0));
        self.under_way
            .insert((passed + self.delay + extra, self.sent), packet);
    }

    /// The next packet that has arrived by now.
    pub(crate) fn receive(&mut self, now: Instant) -> Option<Vec<u8>> {
        let entry = self
            .under_way
            .first_entry()
            .filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }
}
