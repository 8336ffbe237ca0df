//! How fast to send, judged by whether a queue grows on the path: additive or multiplicative increase, multiplicative
//! decrease (draft-ietf-rmcat-gcc-02 §5.5).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::delay::{DelayDetector, Usage};
use super::sent_log::Delivered;

/// §5.5: "beta … It is RECOMMENDED to … 0.85".
const DECREASE: f64 = 0.85;
/// §5.5: "eta = 1.08^min(time_since_last_update_ms / 1000, 1.0)": growth a second far from the last congestion.
const GROWTH: f64 = 1.08;
/// §5.5: the response time is a round trip and 100 ms of estimating.
const ESTIMATING: Duration = Duration::from_millis(100);
/// §5.5: "A_hat(i) < 1.5 * R_hat(i)": not far beyond what has arrived, and a little so that nothing can grow too.
const PROVEN: f64 = 1.5;
const PROVEN_MORE: f64 = 10_000.0;
/// Near the last congestion the rate grows by a packet each response time, and by at least this a second, bit/s.
const LEAST_GROWTH: f64 = 4_000.0;
const PACKET_BITS: f64 = 1200.0 * 8.0;
/// §5.2: "R_hat(i) … over the last T seconds", T "between 0.5 s and 1 s".
const RATE_WINDOW: Duration = Duration::from_millis(500);
/// Deliveries the rate is counted from; more push out the oldest.
const RATE_PACKETS: usize = 4096;
/// Until this much of the window is full a rate says nothing.
const LEAST_WINDOW: Duration = Duration::from_millis(150);
/// How quickly the rate at congestion and its spread are learned, and how many times the spread still is near it.
const CAPACITY_GAIN: f64 = 0.05;
const CAPACITY_SPREADS: f64 = 3.0;
/// The bounds of the spread, by the square root of the rate in kbit/s.
const SPREAD_BOUNDS: (f64, f64) = (0.4, 2.5);
/// A decrease is given a round trip to show its effect, of these bounds.
const EFFECT: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// §5.5, the state machine: over-use decreases, under-use holds, else it increases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Hold,
    Increase,
}

/// The controller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DelayRate {
    detector: DelayDetector,
    acknowledged: Acknowledged,
    capacity: Option<Capacity>,
    state: State,
    rate: f64,
    #[serde(with = "crate::recording::moment")]
    updated_at: Option<Instant>,
    #[serde(with = "crate::recording::moment")]
    decreased_at: Option<Instant>,
}

impl DelayRate {
    /// A controller that knows nothing of the path yet and starts at a rate, bit/s.
    pub fn new(start: u64) -> Self {
        DelayRate {
            detector: DelayDetector::default(),
            acknowledged: Acknowledged::default(),
            capacity: None,
            state: State::Increase,
            rate: start as f64,
            updated_at: None,
            decreased_at: None,
        }
    }

    /// What may be sent, bit/s.
    pub fn available(&self) -> u64 {
        self.rate as u64
    }

    /// Whether a queue has shown, and nothing since that the path carries more.
    pub fn near_capacity(&self) -> bool {
        self.capacity.is_some()
    }

    /// Learns from packets that have arrived, in the order in which they were sent. The rate stays between `min` and
    /// `max`, bit/s.
    pub fn on_delivered(
        &mut self,
        now: Instant,
        packets: &[Delivered],
        round_trip: Duration,
        (min, max): (u64, u64),
    ) {
        packets.iter().for_each(|packet| self.acknowledged.add(packet));
        let usage = self.detector.on_delivered(packets);
        let rate = self.acknowledged.rate();
        let elapsed = self
            .updated_at
            .replace(now)
            .map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        match (usage, self.state) {
            (Usage::Over, _) => self.decrease(now, rate, round_trip),
            (Usage::Under, _) => self.state = State::Hold,
            // The time that was held does not count as time to grow in.
            (Usage::Normal, State::Hold) => self.state = State::Increase,
            (Usage::Normal, State::Increase) => self.increase(elapsed, rate, round_trip),
        }
        self.rate = self.rate.min(max as f64).max(min as f64);
    }

    fn increase(&mut self, elapsed: Duration, rate: Option<f64>, round_trip: Duration) {
        // More arrives than ever at congestion: the path has become another.
        self.capacity = self
            .capacity
            .filter(|capacity| rate.is_none_or(|rate| rate <= capacity.upper()));
        let seconds = elapsed.as_secs_f64().min(1.0);
        let grown = match self.capacity {
            None => self.rate * GROWTH.powf(seconds),
            Some(_) => {
                let response = (round_trip + ESTIMATING).as_secs_f64();
                self.rate + (PACKET_BITS / response).max(LEAST_GROWTH) * seconds
            }
        };
        let proven = rate.map_or(f64::INFINITY, |rate| PROVEN * rate + PROVEN_MORE);
        self.rate = grown.min(proven).max(self.rate);
    }

    fn decrease(&mut self, now: Instant, rate: Option<f64>, round_trip: Duration) {
        self.state = State::Hold;
        let effect = round_trip.clamp(EFFECT.0, EFFECT.1);
        let soon = self.decreased_at.is_some_and(|at| now < at + effect);
        let far_too_much = rate.is_some_and(|rate| rate < 0.5 * self.rate);
        if soon && !far_too_much {
            return;
        }
        self.decreased_at = Some(now);
        let rate = rate.unwrap_or(self.rate);
        let mut decreased = DECREASE * rate;
        // What is sent varies with the picture; the path does not.
        if decreased > self.rate
            && let Some(capacity) = self.capacity
        {
            decreased = DECREASE * capacity.rate * 1000.0;
        }
        self.rate = decreased.min(self.rate);
        let learned = self.capacity.filter(|capacity| rate >= capacity.lower());
        self.capacity = Some(Capacity::learn(learned, rate));
    }
}

/// §5.5: "R_hat_avg" and its deviation: the rate at which congestion set in before, kbit/s.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Capacity {
    rate: f64,
    spread: f64,
}

impl Capacity {
    fn learn(before: Option<Self>, rate: f64) -> Self {
        let sample = rate / 1000.0;
        let Some(before) = before else {
            return Capacity {
                rate: sample,
                spread: SPREAD_BOUNDS.0,
            };
        };
        let average = before.rate + CAPACITY_GAIN * (sample - before.rate);
        let off = (average - sample) * (average - sample) / average.max(1.0);
        let spread = before.spread + CAPACITY_GAIN * (off - before.spread);
        Capacity {
            rate: average,
            spread: spread.clamp(SPREAD_BOUNDS.0, SPREAD_BOUNDS.1),
        }
    }

    fn reach(&self) -> f64 {
        CAPACITY_SPREADS * (self.spread * self.rate).sqrt()
    }

    fn upper(&self) -> f64 {
        (self.rate + self.reach()) * 1000.0
    }

    fn lower(&self) -> f64 {
        (self.rate - self.reach()).max(0.0) * 1000.0
    }
}

/// What has arrived lately.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Acknowledged {
    /// Arrival times and sizes.
    packets: VecDeque<(Duration, usize)>,
    bytes: usize,
}

impl Acknowledged {
    fn add(&mut self, packet: &Delivered) {
        self.packets.push_back((packet.arrived, packet.size.total));
        self.bytes += packet.size.total;
        while self.packets.len() > RATE_PACKETS
            || self
                .packets
                .front()
                .is_some_and(|(at, _)| packet.arrived.saturating_sub(*at) > RATE_WINDOW)
        {
            let (_, bytes) = self.packets.pop_front().unwrap_or_default();
            self.bytes -= bytes;
        }
    }

    /// Bit/s, once there is enough to tell.
    fn rate(&self) -> Option<f64> {
        let ((first, size), (last, _)) = (self.packets.front()?, self.packets.back()?);
        let span = last.saturating_sub(*first);
        // What came at the very beginning of the span was sent before it.
        let bits = (self.bytes - size) as f64 * 8.0;
        (span >= LEAST_WINDOW).then(|| bits / span.as_secs_f64())
    }
}

#[cfg(test)]
mod tests;
