//! How fast to send, all things considered: the least of what losses, delays and the peer allow
//! (draft-ietf-rmcat-gcc-02 §4).

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::delay_rate::DelayRate;
use super::estimator::{Estimator, EstimatorSettings, PathReport};
use super::sent_log::Delivered;

/// What goes beside the pictures is counted over this long, and followed this quickly.
const BESIDE_SPAN: Duration = Duration::from_millis(200);
const BESIDE_GAIN: f64 = 0.4;

/// The controller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RateController {
    settings: EstimatorSettings,
    loss: Estimator,
    /// From the first transport-wide feedback on.
    delay: Option<DelayRate>,
    /// What the peer takes at most, by its last REMB, bit/s.
    ceiling: Option<u64>,
    beside: Beside,
}

impl RateController {
    /// A controller that knows nothing of the path yet.
    pub fn new(settings: EstimatorSettings) -> Self {
        RateController {
            settings,
            loss: Estimator::new(settings),
            delay: None,
            ceiling: None,
            beside: Beside::default(),
        }
    }

    /// What may be sent of pictures, bit/s; never less than the least that is configured.
    pub fn available(&self) -> u64 {
        let delay = self.delay.as_ref().map_or(u64::MAX, DelayRate::available);
        let ceiling = self.ceiling.unwrap_or(u64::MAX);
        let path = delay.min(ceiling);
        // Repairs of a moment must not take away everything.
        let beside = (self.beside.rate as u64).min(path / 2);
        self.loss.available().min(path - beside).max(self.settings.min)
    }

    /// Whether the path has shown a queue near this rate.
    pub fn narrow(&self) -> bool {
        self.delay.as_ref().is_some_and(DelayRate::near_capacity)
    }

    /// Learns from a report.
    pub fn on_report(&mut self, now: Instant, report: PathReport) {
        self.loss.on_report(now, report);
    }

    /// Learns from packets that have arrived, in the order in which they were sent.
    pub fn on_delivered(&mut self, now: Instant, packets: &[Delivered], round_trip: Duration) {
        if packets.is_empty() {
            return;
        }
        let start = self.loss.available();
        // What goes beside the pictures comes on top of what is configured for them.
        let bounds = (self.settings.min, self.settings.max.saturating_mul(2));
        self.beside.add(packets);
        self.delay
            .get_or_insert_with(|| DelayRate::new(start))
            .on_delivered(now, packets, round_trip, bounds);
    }

    /// The peer takes so much at most of everything, bit/s.
    pub fn on_ceiling(&mut self, rate: u64) {
        self.ceiling = Some(rate);
    }
}

/// What is sent beside the pictures: sound, repairs, headers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Beside {
    /// Bit/s, averaged.
    rate: f64,
    /// When what was counted last was sent.
    #[serde(with = "crate::recording::moment")]
    counted: Option<Instant>,
    bytes: usize,
}

impl Beside {
    fn add(&mut self, packets: &[Delivered]) {
        let Some(last) = packets.iter().map(|packet| packet.sent_at).max() else {
            return;
        };
        self.bytes += packets
            .iter()
            .map(|packet| packet.size.total.saturating_sub(packet.size.picture))
            .sum::<usize>();
        let since = *self.counted.get_or_insert(last);
        let span = last.saturating_duration_since(since);
        if span >= BESIDE_SPAN {
            let rate = self.bytes as f64 * 8.0 / span.as_secs_f64();
            self.rate += BESIDE_GAIN * (rate - self.rate);
            self.counted = Some(last);
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::sent_log::Size;

    #[test]
    fn the_peer_may_lower_the_rate_and_allow_it_again_but_not_below_the_least() {
        let mut controller = RateController::new(EstimatorSettings::default());
        assert_eq!(controller.available(), 1_500_000);
        controller.on_ceiling(400_000);
        assert_eq!(controller.available(), 400_000);
        controller.on_ceiling(0);
        assert_eq!(controller.available(), 100_000);
        controller.on_ceiling(u64::MAX);
        assert_eq!(controller.available(), 1_500_000);
    }

    #[test]
    fn sound_and_repairs_take_their_part_of_the_path_but_not_all_of_it() {
        let (mut controller, start) = (RateController::new(EstimatorSettings::default()), Instant::now());
        controller.on_ceiling(1_000_000);
        let mut send = |from: u32, size: Size| {
            for n in from..from + 500 {
                let packet = Delivered {
                    sent_at: start + Duration::from_millis(10) * n,
                    arrived: Duration::from_secs(1) + Duration::from_millis(10) * n,
                    size,
                };
                controller.on_delivered(packet.sent_at, &[packet], Duration::from_millis(50));
            }
            controller.available()
        };
        // 100 packets a second with 125 bytes of other things each: 100 kbit/s.
        let some = Size {
            total: 1125,
            picture: 1000,
        };
        let left = send(0, some);
        assert!((890_000..910_000).contains(&left), "{left}");
        let much = Size {
            total: 1125,
            picture: 0,
        };
        assert_eq!(send(500, much), 500_000);
    }

    #[test]
    fn a_queue_lowers_the_rate_although_nothing_is_lost() {
        let (mut controller, start) = (RateController::new(EstimatorSettings::default()), Instant::now());
        for n in 0..60u32 {
            // A packet every 10 ms, each 3 ms later than the one before.
            let packet = Delivered {
                sent_at: start + Duration::from_millis(10) * n,
                arrived: Duration::from_secs(1) + Duration::from_millis(13) * n,
                size: Size {
                    total: 1200,
                    picture: 1200,
                },
            };
            controller.on_delivered(packet.sent_at, &[packet], Duration::from_millis(50));
        }
        let rate = controller.available();
        assert!((500_000..800_000).contains(&rate), "{rate}");
    }
}
