//! How often to report (RFC 3550 §6.2 and §6.3.1, for two participants).
//!
//! A call has two participants, so the rules that keep a crowd from flooding its session (reconsideration, the
//! compensation by e - 3/2, counting members) have nothing to do; what remains is the share of the bandwidth, the
//! reduced minimum, and the random factor that keeps two ends from reporting in step.

use std::time::Duration;

/// RFC 3550 §6.2: "It is RECOMMENDED that the fraction of the session bandwidth added for RTCP be fixed at 5%."
const BANDWIDTH_SHARE: f64 = 0.05;
/// The two ends of a call.
const PARTICIPANTS: f64 = 2.0;
/// RFC 3550 §6.2: "The RECOMMENDED value for the reduced minimum in seconds is 360 divided by the session bandwidth
/// in kilobits/second."
const REDUCED_MINIMUM: f64 = 360_000.0;

/// The time between two reports of `report_bytes`, on average.
pub fn average(session_bits_per_second: u64, report_bytes: usize, minimum: Duration) -> Duration {
    let bandwidth = session_bits_per_second.max(1) as f64;
    let by_share = PARTICIPANTS * report_bytes as f64 * 8.0 / (bandwidth * BANDWIDTH_SHARE);
    let reduced = REDUCED_MINIMUM / bandwidth;
    Duration::from_secs_f64(by_share.max(reduced).min(RFC_MINIMUM.as_secs_f64())).max(minimum)
}

/// RFC 3550 §6.2: without the reduction, "the RECOMMENDED value for a fixed minimum interval is 5 seconds". At two
/// participants there is no need to wait longer than that.
const RFC_MINIMUM: Duration = Duration::from_secs(5);

/// RFC 3550 §6.3.1: "T is set to a number uniformly distributed between 0.5 and 1.5 times the deterministic
/// calculated interval". `random` is uniform.
pub fn randomized(average: Duration, random: u32) -> Duration {
    average.mul_f64(0.5 + f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_in_megabits_reports_several_times_a_second_if_allowed() {
        let reduced = average(1_500_000, 150, Duration::ZERO);
        assert_eq!(reduced, Duration::from_millis(240));
        assert_eq!(
            average(1_500_000, 150, Duration::from_millis(500)),
            Duration::from_millis(500)
        );
    }

    #[test]
    fn a_thin_path_is_not_filled_with_reports() {
        assert_eq!(average(100_000, 150, Duration::ZERO), Duration::from_millis(3600));
        assert_eq!(average(1, 150, Duration::ZERO), RFC_MINIMUM);
    }

    #[test]
    fn reports_are_spread_around_the_average() {
        let average = Duration::from_secs(1);
        assert_eq!(randomized(average, 0), Duration::from_millis(500));
        assert_eq!(randomized(average, u32::MAX), Duration::from_millis(1500));
    }
}
