//! Sees a queue grow on the path, from how much later each group of packets arrives than it was sent
//! (draft-ietf-rmcat-gcc-02 §5, with the trendline that replaced its Kalman filter in browsers).
//!
//! ```text
//! packets ─► groups sent within 5 ms ─► delay variation ─► line through the last 20 sums ─► slope against a threshold
//! ```

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::sent_log::Delivered;

/// §5.2: packets sent within this time are one group. §5.1 calls it burst_time.
const BURST: Duration = Duration::from_millis(5);
/// A group is not longer than this, however it arrives.
const LONGEST_GROUP: Duration = Duration::from_millis(100);
/// Points the line goes through.
const WINDOW: usize = 20;
/// How slowly the summed delay is followed.
const SMOOTHING: f64 = 0.9;
/// The slope is weighed by the number of points it stands on, up to this, and a gain.
const WEIGHT_LIMIT: u32 = 60;
const GAIN: f64 = 4.0;
/// §5.4: "overuse_time_th": the slope is above the threshold for so long, ms.
const OVERUSE_MS: f64 = 10.0;
/// §5.4: "del_var_th(0)", and the bounds of the threshold, ms.
const FIRST_THRESHOLD: f64 = 12.5;
const THRESHOLDS: (f64, f64) = (6.0, 600.0);
/// §5.4: K_u and K_d: how quickly the threshold follows upwards and downwards.
const GAIN_UP: f64 = 0.0087;
const GAIN_DOWN: f64 = 0.039;
/// §5.4: beyond the threshold by more than this it is an accident, which the threshold does not follow, ms.
const ACCIDENT: f64 = 15.0;
/// Longest time the threshold follows in one step, ms.
const LONGEST_STEP: f64 = 100.0;

/// What the path is used to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Usage {
    /// Its queue stays as it is.
    #[default]
    Normal,
    /// Its queue grows.
    Over,
    /// Its queue empties.
    Under,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Group {
    #[serde(with = "crate::recording::moment")]
    first_sent: Instant,
    #[serde(with = "crate::recording::moment")]
    last_sent: Instant,
    first_arrived: Duration,
    last_arrived: Duration,
}

impl Group {
    fn of(packet: &Delivered) -> Self {
        Group {
            first_sent: packet.sent_at,
            last_sent: packet.sent_at,
            first_arrived: packet.arrived,
            last_arrived: packet.arrived,
        }
    }

    /// Whether a packet sent no earlier belongs to the group: it was sent with it, or has caught up with it, as where a
    /// radio link hands over at once what it had held back.
    fn has(&self, packet: &Delivered) -> bool {
        let sent = packet.sent_at.saturating_duration_since(self.last_sent);
        let arrived = packet.arrived.saturating_sub(self.last_arrived);
        let caught_up = arrived < sent
            && arrived <= BURST
            && packet.arrived.saturating_sub(self.first_arrived) < LONGEST_GROUP;
        packet.sent_at.saturating_duration_since(self.first_sent) <= BURST || caught_up
    }

    fn take(&mut self, packet: &Delivered) {
        self.last_sent = self.last_sent.max(packet.sent_at);
        self.last_arrived = self.last_arrived.max(packet.arrived);
    }
}

/// The detector.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DelayDetector {
    before: Option<Group>,
    present: Option<Group>,
    line: Line,
    threshold: f64,
    /// When the threshold was last moved, ms on the peer's clock.
    moved_at: Option<f64>,
    last_slope: f64,
    /// For how long and how often the slope has been above the threshold.
    above: Option<(f64, u32)>,
    usage: Usage,
}

impl Default for DelayDetector {
    fn default() -> Self {
        DelayDetector {
            before: None,
            present: None,
            line: Line::default(),
            threshold: FIRST_THRESHOLD,
            moved_at: None,
            last_slope: 0.0,
            above: None,
            usage: Usage::default(),
        }
    }
}

impl DelayDetector {
    /// Learns from packets in the order in which they were sent; answers what the path is used to now.
    pub fn on_delivered(&mut self, packets: &[Delivered]) -> Usage {
        for packet in packets {
            self.take(packet);
        }
        self.usage
    }

    fn take(&mut self, packet: &Delivered) {
        let Some(present) = &mut self.present else {
            self.present = Some(Group::of(packet));
            return;
        };
        // Of a group that is closed: it came late, and says nothing of the queue.
        if packet.sent_at < present.first_sent {
            return;
        }
        if present.has(packet) {
            return present.take(packet);
        }
        let closed = *present;
        self.present = Some(Group::of(packet));
        if let Some(before) = self.before.replace(closed) {
            self.compare(&before, &closed);
        }
    }

    /// §5.1: "d(i) = t(i) - t(i-1) - (T(i) - T(i-1))": the inter-group delay variation.
    fn compare(&mut self, before: &Group, group: &Group) {
        let sent = millis(group.last_sent.saturating_duration_since(before.last_sent));
        let arrived = millis(group.last_arrived) - millis(before.last_arrived);
        if arrived < 0.0 {
            // The groups overtook each other, or the peer's clock was set back.
            return;
        }
        let at = millis(group.last_arrived);
        let slope = self.line.add(at, arrived - sent);
        self.detect(
            slope * f64::from(self.line.count.min(WEIGHT_LIMIT)) * GAIN,
            sent,
            at,
        );
    }

    /// §5.4, over-use detector.
    fn detect(&mut self, slope: f64, sent: f64, at: f64) {
        if slope > self.threshold {
            let (time, times) = self
                .above
                .map_or((sent / 2.0, 1), |(time, times)| (time + sent, times + 1));
            self.above = Some((time, times));
            if time > OVERUSE_MS && times > 1 && slope >= self.last_slope {
                self.above = Some((0.0, 0));
                self.usage = Usage::Over;
            }
        } else {
            self.above = None;
            self.usage = match slope < -self.threshold {
                true => Usage::Under,
                false => Usage::Normal,
            };
        }
        self.last_slope = slope;
        self.move_threshold(slope.abs(), at);
    }

    /// §5.4: "del_var_th(i) = del_var_th(i-1) + (t(i)-t(i-1)) * K(i) * (|m(i)|-del_var_th(i-1))".
    fn move_threshold(&mut self, slope: f64, at: f64) {
        let step = self.moved_at.replace(at).map_or(0.0, |last| at - last);
        if slope > self.threshold + ACCIDENT {
            return;
        }
        let gain = match slope < self.threshold {
            true => GAIN_DOWN,
            false => GAIN_UP,
        };
        let moved = self.threshold + gain * (slope - self.threshold) * step.clamp(0.0, LONGEST_STEP);
        self.threshold = moved.clamp(THRESHOLDS.0, THRESHOLDS.1);
    }
}

/// The line through the last sums of delay.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Line {
    /// Arrival time and smoothed sum of delay variations, ms.
    points: VecDeque<(f64, f64)>,
    sum: f64,
    smoothed: f64,
    count: u32,
}

impl Line {
    /// Adds a delay variation; answers the slope, ms of queue a ms, once there are points enough.
    fn add(&mut self, at: f64, variation: f64) -> f64 {
        self.count = self.count.saturating_add(1);
        self.sum += variation;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.sum;
        if self.points.len() == WINDOW {
            self.points.pop_front();
        }
        self.points.push_back((at, self.smoothed));
        match self.points.len() == WINDOW {
            true => self.slope(),
            false => 0.0,
        }
    }

    /// By least squares.
    fn slope(&self) -> f64 {
        let count = self.points.len() as f64;
        let (x, y) = self
            .points
            .iter()
            .fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
        let (x, y) = (x / count, y / count);
        let (above, below) = self.points.iter().fold((0.0, 0.0), |(above, below), point| {
            let off = point.0 - x;
            (above + off * (point.1 - y), below + off * off)
        });
        match below > 0.0 {
            true => above / below,
            false => 0.0,
        }
    }
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::sent_log::Size;

    /// Groups of one packet every 20 ms, each later than it should be by what `queue` says of its number.
    fn usage_after(
        detector: &mut DelayDetector,
        groups: std::ops::Range<u64>,
        queue: impl Fn(u64) -> f64,
    ) -> Vec<Usage> {
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        let start = *START.get_or_init(Instant::now);
        groups
            .map(|n| {
                detector.on_delivered(&[Delivered {
                    sent_at: start + Duration::from_millis(20 * n),
                    arrived: Duration::from_secs(100)
                        + Duration::from_secs_f64((20.0 * n as f64 + queue(n)) / 1000.0),
                    size: Size::default(),
                }])
            })
            .collect()
    }

    #[test]
    fn a_queue_that_grows_is_over_use_and_one_that_empties_is_under_use() {
        let mut detector = DelayDetector::default();
        let quiet = usage_after(&mut detector, 0..60, |_| 0.0);
        assert!(quiet.iter().all(|usage| *usage == Usage::Normal));
        let growing = usage_after(&mut detector, 60..90, |n| (n - 60) as f64 * 4.0);
        assert!(growing.contains(&Usage::Over), "{growing:?}");
        let emptying = usage_after(&mut detector, 90..150, |n| {
            (120.0 - (n - 90) as f64 * 4.0).max(0.0)
        });
        assert!(emptying.contains(&Usage::Under), "{emptying:?}");
        let after = usage_after(&mut detector, 150..400, |_| 0.0);
        assert_eq!(after.last(), Some(&Usage::Normal));
    }

    #[test]
    fn jitter_and_clocks_that_drift_apart_are_no_queue() {
        let mut detector = DelayDetector::default();
        // Up to 8 ms of jitter; the peer's clock is 200 ppm slow.
        let usage = usage_after(&mut detector, 0..3000, |n| {
            (n * 7919 % 9) as f64 + n as f64 * 20.0 * 200e-6
        });
        let over = usage.iter().filter(|usage| **usage == Usage::Over).count();
        assert_eq!(over, 0);
    }

    #[test]
    fn packets_that_were_held_back_together_are_one_group() {
        let mut detector = DelayDetector::default();
        // Every 60 ms a radio link hands over three packets at once.
        let usage = usage_after(&mut detector, 0..600, |n| 20.0 * (2 - n % 3) as f64);
        assert!(!usage.contains(&Usage::Over), "{usage:?}");
    }
}
