//! Is the peer still there, and does it still want what we send (RFC 7675)?

use std::time::{Duration, Instant};

/// RFC 7675 §5.1: "Consent expires after 30 seconds."
pub const CONSENT_TIMEOUT: Duration = Duration::from_secs(30);
/// RFC 7675 §5.1: "Implementations SHOULD set a default interval of 5 seconds".
pub const CONSENT_INTERVAL: Duration = Duration::from_secs(5);
/// One missed check at the longest interval (6 s), and a second: longer silence is worth telling the user.
pub const DISCONNECTED_TIMEOUT: Duration = Duration::from_secs(7);

/// A response that is missing so long after the interval is overdue: check more often.
const OVERDUE: f64 = 1.3;
/// How often to check while a response is overdue. RFC 7675's interval is against congestion by many idle pairs; at a
/// loss of 20 % it alone would let consent expire about once an hour.
pub(super) const URGENT_INTERVAL: Duration = Duration::from_secs(1);

/// The two clocks of a selected pair.
#[derive(Clone, Copy, Debug)]
pub(super) struct Consent {
    /// Last valid response to a check of ours: what consent is.
    granted: Instant,
    /// Last sign of life of any kind: what "disconnected" is about.
    heard: Instant,
    /// Responses the pair had when last looked at.
    responses: u64,
    /// Whether checks are frequent because a response is overdue.
    urgent: bool,
}

impl Consent {
    pub(super) fn new(now: Instant) -> Self {
        Consent {
            granted: now,
            heard: now,
            responses: 0,
            urgent: false,
        }
    }

    /// Takes the pair's count of responses; true if it has grown.
    pub(super) fn count(&mut self, now: Instant, responses: u64) -> bool {
        let grown = responses > self.responses;
        self.responses = responses;
        if grown {
            self.granted = now;
            self.heard = now;
            self.urgent = false;
        }
        grown
    }

    /// Something came from the peer.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = self.heard.max(now);
    }

    /// From now on checks are frequent.
    pub(super) fn hurry(&mut self) {
        self.urgent = true;
    }

    pub(super) fn expires(&self, timeout: Duration) -> Instant {
        self.granted + timeout
    }

    pub(super) fn silent(&self, timeout: Duration) -> Instant {
        self.heard + timeout
    }

    /// When to hurry, if that has not begun.
    pub(super) fn overdue(&self, interval: Duration) -> Option<Instant> {
        (!self.urgent).then(|| self.granted + interval.mul_f64(OVERDUE))
    }
}

/// Spreads the intervals; nothing secret, so a seed is enough, and a test can give it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread(u64);

impl Spread {
    pub(super) fn new(seed: &str) -> Self {
        // FNV-1a
        Spread(seed.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
        }))
    }

    /// RFC 7675 §5.1: "each interval MUST be randomized from between 0.8 and 1.2 times the basic period".
    pub(super) fn next(&mut self, interval: Duration) -> Duration {
        const EIGHT_TENTHS: f64 = 0.8;
        const FOUR_TENTHS: f64 = 0.4;
        // SplitMix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let share = f64::from((mixed >> 32) as u32) / f64::from(u32::MAX);
        interval.mul_f64(EIGHT_TENTHS + FOUR_TENTHS * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_stays_between_four_and_six_seconds() {
        let mut spread = Spread::new("5nP0");
        let intervals: Vec<Duration> = (0..1000).map(|_| spread.next(CONSENT_INTERVAL)).collect();
        let (shortest, longest) = (intervals.iter().min(), intervals.iter().max());
        assert!(shortest >= Some(&Duration::from_secs(4)) && shortest < Some(&Duration::from_millis(4_100)));
        assert!(longest <= Some(&Duration::from_secs(6)) && longest > Some(&Duration::from_millis(5_900)));
    }

    #[test]
    fn media_is_a_sign_of_life_but_no_consent() {
        let start = Instant::now();
        let mut consent = Consent::new(start);
        consent.heard(start + Duration::from_secs(20));
        assert_eq!(consent.expires(CONSENT_TIMEOUT), start + CONSENT_TIMEOUT);
        assert!(consent.silent(DISCONNECTED_TIMEOUT) > start + Duration::from_secs(20));
    }
}
