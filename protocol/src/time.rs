//! The three clocks of a medium and how one is read from another.
//!
//! - the machine's clock, [`Instant`], which every machine of this crate is given and none asks for;
//! - the wall clock in NTP form ([`NtpTime`]), which sender reports carry;
//! - the media clock, the RTP timestamp, which counts samples from a random start ([`MediaClock`]).
//!
//! [`WallClock`] ties the first to the second, a sender report ties the second to the third ([`SenderClock`]): this
//! is how sound and picture of one sender are lined up again (RFC 3550 §6.4.1).

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Seconds from 1900, where NTP begins, to 1970, where Unix begins (RFC 5905 figure 4).
const NTP_TO_UNIX_SECONDS: u64 = 2_208_988_800;
/// Nanoseconds in a second.
const NANOS: i128 = 1_000_000_000;

/// A wall-clock time as NTP writes it: seconds since 1900 in the upper 32 bits, the fraction in the lower 32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// From the time since the Unix epoch.
    pub fn from_unix(since_epoch: Duration) -> Self {
        NtpTime(to_fixed(since_epoch).wrapping_add(NTP_TO_UNIX_SECONDS << 32))
    }

    /// The middle 32 bits, in units of 1/65536 s: the form of LSR and DLSR (RFC 3550 §4).
    pub fn compact(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// This time plus a signed number of nanoseconds.
    pub fn offset_by_nanos(self, nanos: i128) -> Self {
        let span = Duration::from_nanos(u64::try_from(nanos.unsigned_abs()).unwrap_or(u64::MAX));
        match nanos < 0 {
            true => NtpTime(self.0.wrapping_sub(to_fixed(span))),
            false => NtpTime(self.0.wrapping_add(to_fixed(span))),
        }
    }

    /// Nanoseconds from `earlier` to this time; negative when `earlier` is the later one.
    pub fn nanos_since(self, earlier: NtpTime) -> i64 {
        let units = self.0.wrapping_sub(earlier.0) as i64;
        ((i128::from(units) * NANOS) >> 32) as i64
    }
}

/// A span as 32.32 fixed point. Spans beyond 136 years wrap, as NTP does.
fn to_fixed(span: Duration) -> u64 {
    let fraction = (u64::from(span.subsec_nanos()) << 32) / NANOS as u64;
    (span.as_secs() << 32) | fraction
}

/// A span in the compact form, units of 1/65536 s, at most its 18 hours.
pub fn to_compact(span: Duration) -> u32 {
    let units = (span.as_nanos() << 16) / NANOS as u128;
    u32::try_from(units).unwrap_or(u32::MAX)
}

/// A span from the compact form.
pub fn from_compact(units: u32) -> Duration {
    Duration::from_nanos((u64::from(units) * NANOS as u64) >> 16)
}

/// Ties the machine's clock to the wall clock. All media of a program share one, or lip sync is lost.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct WallClock {
    #[serde(with = "crate::recording::moment")]
    at: Instant,
    ntp: NtpTime,
}

impl WallClock {
    /// `since_epoch` is the Unix time at `at`.
    pub fn new(at: Instant, since_epoch: Duration) -> Self {
        WallClock {
            at,
            ntp: NtpTime::from_unix(since_epoch),
        }
    }

    /// The wall-clock time at an instant.
    pub fn ntp(&self, at: Instant) -> NtpTime {
        self.ntp.offset_by_nanos(signed_nanos(self.at, at))
    }

    /// The instant of a wall-clock time; `None` where the machine's clock does not reach back.
    pub fn instant(&self, ntp: NtpTime) -> Option<Instant> {
        shifted(self.at, i128::from(ntp.nanos_since(self.ntp)))
    }
}

/// A medium's own clock: RTP timestamps at a rate, from a random start (RFC 3550 §5.1).
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct MediaClock {
    /// Ticks a second.
    pub rate: u32,
    /// The instant of `base_timestamp`.
    #[serde(with = "crate::recording::moment")]
    pub base: Instant,
    /// The timestamp at `base`.
    pub base_timestamp: u32,
}

impl MediaClock {
    /// The timestamp of what was sampled at an instant.
    pub fn timestamp(&self, at: Instant) -> u32 {
        let ticks = signed_nanos(self.base, at) * i128::from(self.rate) / NANOS;
        self.base_timestamp.wrapping_add(ticks as u32)
    }
}

/// A sender's media clock against its wall clock, from its latest sender report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderClock {
    /// The wall-clock time of the report.
    pub ntp: NtpTime,
    /// The media time of the same moment.
    pub timestamp: u32,
    /// Ticks a second.
    pub rate: u32,
}

impl SenderClock {
    /// The sender's wall-clock time of a timestamp within half a timestamp cycle of the report.
    pub fn ntp_of(&self, timestamp: u32) -> NtpTime {
        let ticks = timestamp.wrapping_sub(self.timestamp) as i32;
        let nanos = i128::from(ticks) * NANOS / i128::from(self.rate.max(1));
        self.ntp.offset_by_nanos(nanos)
    }
}

/// Nanoseconds from one instant to another, negative backwards.
pub(crate) fn signed_nanos(from: Instant, to: Instant) -> i128 {
    match to.checked_duration_since(from) {
        Some(ahead) => ahead.as_nanos() as i128,
        None => -(from.saturating_duration_since(to).as_nanos() as i128),
    }
}

/// An instant moved by signed nanoseconds.
pub(crate) fn shifted(at: Instant, nanos: i128) -> Option<Instant> {
    let span = Duration::from_nanos(u64::try_from(nanos.unsigned_abs()).ok()?);
    if nanos < 0 {
        at.checked_sub(span)
    } else {
        at.checked_add(span)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn start() -> Instant {
        Instant::now() + Duration::from_secs(100_000)
    }

    #[test]
    fn the_unix_epoch_is_seventy_years_into_ntp() {
        assert_eq!(NtpTime::from_unix(Duration::ZERO).0 >> 32, 2_208_988_800);
        let half = NtpTime::from_unix(Duration::from_millis(500));
        assert_eq!(half.0 as u32, 1 << 31);
        assert_eq!(half.compact() & 0xffff, 0x8000);
    }

    #[test]
    fn instants_and_wall_clock_map_both_ways() {
        let start = start();
        let clock = WallClock::new(start, Duration::from_secs(1_800_000_000));
        for millis in [-5_000_i64, -1, 0, 1, 33, 86_400_000] {
            let at = shifted(start, i128::from(millis) * 1_000_000).unwrap();
            let back = clock.instant(clock.ntp(at)).unwrap();
            assert!(signed_nanos(at, back).abs() <= 2, "{millis} ms");
        }
    }

    #[test]
    fn media_time_runs_at_its_rate_and_wraps() {
        let start = start();
        let clock = MediaClock {
            rate: 90_000,
            base: start,
            base_timestamp: u32::MAX - 44_999,
        };
        assert_eq!(clock.timestamp(start + Duration::from_millis(500)), 0);
        assert_eq!(clock.timestamp(start + Duration::from_secs(1)), 45_000);
        let before = start - Duration::from_secs(1);
        assert_eq!(clock.timestamp(before), u32::MAX - 134_999);
    }

    #[test]
    fn a_sender_report_maps_timestamps_across_the_wrap() {
        let report = SenderClock {
            ntp: NtpTime::from_unix(Duration::from_secs(1_000)),
            timestamp: u32::MAX - 10,
            rate: 48_000,
        };
        let later = report.ntp_of(48_000 - 11);
        assert_eq!(later, NtpTime::from_unix(Duration::from_secs(1_001)));
        let earlier = report.ntp_of(u32::MAX - 10 - 24_000);
        assert_eq!(report.ntp.nanos_since(earlier), 500_000_000);
    }

    #[test]
    fn compact_spans_round_trip() {
        let span = Duration::from_millis(1_250);
        assert_eq!(to_compact(span), 65_536 + 16_384);
        assert_eq!(from_compact(to_compact(span)), span);
        assert_eq!(to_compact(Duration::from_secs(100_000)), u32::MAX);
    }
}
