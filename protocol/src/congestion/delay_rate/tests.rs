//! The controller over a simulated path: a bottleneck with a queue, in virtual time.

use super::*;
use crate::congestion::sent_log::{SentLog, Size};
use crate::rtcp::arrivals::Arrivals;
use crate::rtp::receiver::Arrival;

const BOUNDS: (u64, u64) = (100_000, 5_000_000);
const PACKET: usize = 1200;
const FEEDBACK: Duration = Duration::from_millis(50);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A path with a bottleneck of some rate, a queue, and a delay each way; jitter by a seed.
struct Path {
    capacity: f64,
    delay: Duration,
    jitter: Duration,
    queue_limit: Duration,
    busy_until: Instant,
    random: u64,
}

impl Path {
    /// When a packet arrives, and how long it waited in the queue; `None` if the queue is full.
    fn send(&mut self, now: Instant, bytes: usize) -> Option<(Instant, Duration)> {
        let waits = self.busy_until.saturating_duration_since(now);
        if waits > self.queue_limit {
            return None;
        }
        let takes = Duration::from_secs_f64(bytes as f64 * 8.0 / self.capacity);
        self.busy_until = self.busy_until.max(now) + takes;
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let jitter = self
            .jitter
            .mul_f64((self.random >> 40) as f64 / f64::from(1 << 24));
        Some((self.busy_until + self.delay + jitter, waits))
    }
}

/// Sends as fast as the controller allows for some seconds; answers the mean rate and the longest wait of each second.
struct Sender {
    now: Instant,
    controller: DelayRate,
    log: SentLog,
    arrivals: Arrivals,
    on_the_way: Vec<(Instant, u16)>,
    next_packet: Instant,
    next_feedback: Instant,
    feedback: VecDeque<(Instant, crate::rtcp::transport_feedback::TransportFeedback)>,
}

impl Sender {
    fn new(now: Instant, start: u64) -> Self {
        Sender {
            now,
            controller: DelayRate::new(start),
            log: SentLog::default(),
            arrivals: Arrivals::default(),
            on_the_way: vec![],
            next_packet: now,
            next_feedback: now + FEEDBACK,
            feedback: VecDeque::new(),
        }
    }

    fn run(&mut self, path: &mut Path, seconds: u64, share: f64) -> Vec<(f64, Duration)> {
        let mut figures = vec![];
        for _ in 0..seconds {
            let (mut sum, mut longest) = (0.0, Duration::ZERO);
            for _ in 0..1000 {
                self.now += ms(1);
                longest = longest.max(self.step(path, share));
                sum += self.controller.available() as f64;
            }
            figures.push((sum / 1000.0, longest));
        }
        figures
    }

    /// One millisecond; `share` of what may be sent is sent.
    fn step(&mut self, path: &mut Path, share: f64) -> Duration {
        let mut longest = Duration::ZERO;
        while self.next_packet <= self.now {
            let number = self.log.number();
            let size = Size {
                total: PACKET,
                picture: PACKET,
            };
            self.log.sent(self.now, size);
            if let Some((arrives, waited)) = path.send(self.now, PACKET) {
                longest = longest.max(waited);
                self.on_the_way.push((arrives, number));
            }
            let rate = self.controller.available() as f64 * share;
            self.next_packet += Duration::from_secs_f64(PACKET as f64 * 8.0 / rate);
        }
        self.on_the_way.sort();
        while let Some(&(at, sequence)) = self.on_the_way.first()
            && at <= self.now
        {
            self.on_the_way.remove(0);
            self.arrivals.record(Arrival { sequence, at });
        }
        if self.now >= self.next_feedback {
            self.next_feedback += FEEDBACK;
            while let Some(feedback) = self.arrivals.feedback(1, 2) {
                self.feedback.push_back((self.now + path.delay, feedback));
            }
        }
        while let Some((at, feedback)) = self.feedback.pop_front() {
            if at > self.now {
                self.feedback.push_front((at, feedback));
                break;
            }
            let delivered = self.log.resolve(&feedback);
            self.controller
                .on_delivered(self.now, &delivered, path.delay * 2, BOUNDS);
        }
        longest
    }
}

fn path(now: Instant, capacity: f64) -> Path {
    Path {
        capacity,
        delay: ms(25),
        jitter: Duration::ZERO,
        queue_limit: ms(500),
        busy_until: now,
        random: 0x9e37_79b9_7f4a_7c15,
    }
}

fn mean(figures: &[(f64, Duration)]) -> f64 {
    figures.iter().map(|(rate, _)| rate).sum::<f64>() / figures.len() as f64
}

fn longest(figures: &[(f64, Duration)]) -> Duration {
    figures.iter().map(|(_, wait)| *wait).max().unwrap_or_default()
}

#[test]
fn a_bottleneck_is_filled_without_filling_its_queue() {
    let start = Instant::now();
    let mut path = path(start, 1_000_000.0);
    let mut sender = Sender::new(start, 300_000);
    sender.run(&mut path, 20, 1.0);
    let settled = sender.run(&mut path, 40, 1.0);
    let rate = mean(&settled);
    assert!((700_000.0..1_050_000.0).contains(&rate), "{rate}");
    assert!(longest(&settled) < ms(200), "{:?}", longest(&settled));
}

#[test]
fn when_the_path_narrows_the_rate_follows_within_two_seconds_and_comes_back() {
    let start = Instant::now();
    let mut path = path(start, 3_000_000.0);
    let mut sender = Sender::new(start, 2_000_000);
    sender.run(&mut path, 15, 1.0);
    path.capacity = 500_000.0;
    let narrow = sender.run(&mut path, 20, 1.0);
    assert!(narrow[2].0 < 600_000.0, "{narrow:?}");
    assert!(longest(&narrow[5..]) < ms(200), "{narrow:?}");
    assert!(mean(&narrow[5..]) > 300_000.0, "{narrow:?}");
    path.capacity = 3_000_000.0;
    let wide = sender.run(&mut path, 40, 1.0);
    assert!(wide[39].0 > 1_500_000.0, "{wide:?}");
}

#[test]
fn jitter_without_a_queue_does_not_lower_the_rate() {
    let start = Instant::now();
    let mut path = Path {
        jitter: ms(15),
        ..path(start, 20_000_000.0)
    };
    let mut sender = Sender::new(start, 1_000_000);
    let figures = sender.run(&mut path, 40, 1.0);
    assert!(figures[39].0 > 4_500_000.0, "{figures:?}");
}

#[test]
fn what_is_not_sent_is_not_proven_and_the_rate_does_not_run_away() {
    let start = Instant::now();
    let mut path = path(start, 20_000_000.0);
    let mut sender = Sender::new(start, 400_000);
    let figures = sender.run(&mut path, 60, 0.5);
    assert!(figures[59].0 < 450_000.0, "{figures:?}");
}
