//! Two ends and a link that delays, loses and reorders, in virtual time. For tests.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Settings;
use crate::data_channel::{DataChannels, Event, Output};

/// What the link does to packets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) seed: u64,
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
    pub(crate) loss_percent: u32,
}

impl Link {
    pub(crate) fn perfect() -> Self {
        Link {
            seed: seed(),
            delay: Duration::from_millis(1),
            jitter: Duration::ZERO,
            loss_percent: 0,
        }
    }

    pub(crate) fn lossy(loss_percent: u32) -> Self {
        let (delay, jitter) = (Duration::from_millis(5), Duration::from_millis(3));
        Link {
            seed: seed(),
            delay,
            jitter,
            loss_percent,
        }
    }
}

/// From `ROOMRTC_SEED`, so that a failure can be repeated.
fn seed() -> u64 {
    let seed = std::env::var("ROOMRTC_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(7);
    println!("ROOMRTC_SEED={seed}");
    seed
}

/// Both ends: index 0 is the DTLS client.
pub(crate) struct Pair {
    pub(crate) ends: [DataChannels; 2],
    pub(crate) now: Instant,
    link: Link,
    random: ChaCha8Rng,
    /// On the way: when, and in order of sending, to whom.
    packets: BTreeMap<(Instant, u64), (usize, Bytes)>,
    sent: u64,
    last_data: Instant,
}

impl Pair {
    pub(crate) fn new(link: Link) -> Self {
        let end = |client| DataChannels::new(Settings::default(), 64, client, 256 * 1024);
        Pair {
            ends: [end(true), end(false)],
            now: Instant::now(),
            last_data: Instant::now(),
            link,
            random: ChaCha8Rng::seed_from_u64(link.seed),
            packets: BTreeMap::new(),
            sent: 0,
        }
    }

    /// Carries out what an end asks for; its events go to the caller.
    pub(crate) fn drain(&mut self, end: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(output) = self.ends[end].poll_output(self.now) {
            match output {
                Output::Event(event) => events.push(event),
                Output::Transmit(packet) => self.transmit(1 - end, packet),
            }
        }
        events
    }

    fn transmit(&mut self, to: usize, packet: Bytes) {
        if packet.len() > 100 {
            self.last_data = self.now;
        }
        if self.random.gen_range(0..100) < self.link.loss_percent {
            return;
        }
        let jitter = self.link.jitter.mul_f64(self.random.gen_range(0.0..1.0));
        self.sent += 1;
        self.packets
            .insert((self.now + self.link.delay + jitter, self.sent), (to, packet));
    }

    /// Goes to the next moment at which something happens and lets it happen. False if nothing ever will.
    pub(crate) fn step(&mut self) -> bool {
        self.step_until(None)
    }

    /// The same, but to this moment if nothing happens before.
    pub(crate) fn step_until(&mut self, moment: Option<Instant>) -> bool {
        let timeouts = self.ends.iter().filter_map(DataChannels::next_timeout);
        let arrival = self.packets.keys().next().map(|&(at, _)| at);
        let Some(next) = timeouts.chain(arrival).chain(moment).min() else {
            return false;
        };
        self.now = self.now.max(next);
        while let Some(entry) = self.packets.first_entry()
            && entry.key().0 <= self.now
        {
            let (to, packet) = entry.remove();
            self.ends[to].handle_input(self.now, packet);
        }
        for end in &mut self.ends {
            if end.next_timeout().is_some_and(|at| at <= self.now) {
                end.handle_timeout(self.now);
            }
        }
        true
    }

    /// Whether no end has sent much for so long.
    pub(crate) fn sent_nothing_for(&self, time: Duration) -> bool {
        self.now.saturating_duration_since(self.last_data) >= time
    }

    /// Runs until the story says it is over; it sees every event with the number of its end.
    pub(crate) fn run_until(&mut self, mut over: impl FnMut(&mut Self, usize, Event) -> bool) {
        let limit = self.now + Duration::from_secs(600);
        while self.now < limit {
            for end in [0, 1] {
                for event in self.drain(end) {
                    if over(self, end, event) {
                        return;
                    }
                }
            }
            assert!(self.step(), "nothing happens any more");
        }
        panic!("the story did not end within ten minutes");
    }
}
