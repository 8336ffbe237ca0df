//! Times in buckets: cheap to add to, good enough for quantiles.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Exponent of the first bucket's end: 128 ns.
const FIRST: u32 = 7;
/// Buckets within a doubling.
const STEPS: usize = 4;
/// Doublings after the first bucket: up to 17 s.
const DOUBLINGS: usize = 27;
const BUCKETS: usize = STEPS * DOUBLINGS + 1;

/// Four buckets a doubling, from 128 ns to 17 s. One thread writes, any reads.
pub(crate) struct Histogram {
    buckets: [AtomicU32; BUCKETS],
    max: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            buckets: [const { AtomicU32::new(0) }; BUCKETS],
            max: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    pub(crate) fn add(&self, ns: u64) {
        let bucket = &self.buckets[bucket(ns)];
        bucket.store(bucket.load(Relaxed).wrapping_add(1), Relaxed);
        if ns > self.max.load(Relaxed) {
            self.max.store(ns, Relaxed);
        }
    }

    /// Median, 99th percentile (each the end of its bucket) and maximum; zero without samples.
    pub(crate) fn quantiles(&self) -> [Duration; 3] {
        let counts = self
            .buckets
            .each_ref()
            .map(|bucket| u64::from(bucket.load(Relaxed)));
        let total: u64 = counts.iter().sum();
        let max = self.max.load(Relaxed);
        let quantile = |permille: u64| {
            let mut left = (total * permille).div_ceil(1000);
            for (bucket, &count) in counts.iter().enumerate() {
                if left <= count {
                    return Duration::from_nanos(end(bucket).min(max));
                }
                left -= count;
            }
            Duration::from_nanos(max)
        };
        match total {
            0 => [Duration::ZERO; 3],
            _ => [quantile(500), quantile(990), Duration::from_nanos(max)],
        }
    }
}

/// The bucket a time falls into.
fn bucket(ns: u64) -> usize {
    if ns >> FIRST == 0 {
        return 0;
    }
    let octave = ns.ilog2();
    let step = (ns >> (octave - 2)) as usize & (STEPS - 1);
    ((octave - FIRST) as usize * STEPS + step + 1).min(BUCKETS - 1)
}

/// The time a bucket ends at.
fn end(bucket: usize) -> u64 {
    if bucket == 0 {
        return 1 << FIRST;
    }
    let (octave, step) = ((bucket - 1) / STEPS, (bucket - 1) % STEPS);
    ((1 << FIRST) << octave) / STEPS as u64 * (STEPS + step + 1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_time_lies_in_its_bucket(ns in 0_u64..17_000_000_000) {
            let bucket = bucket(ns);
            prop_assert!(ns < end(bucket));
            prop_assert!(bucket == 0 || ns >= end(bucket - 1));
        }
    }

    #[test]
    fn quantiles_are_within_a_quarter() {
        let histogram = Histogram::default();
        (1..=1000).for_each(|us| histogram.add(us * 1000));
        let [p50, p99, max] = histogram.quantiles().map(|time| time.as_micros());
        assert!(
            (500..=625).contains(&p50) && (990..=1000).contains(&p99),
            "{p50} {p99}"
        );
        assert_eq!(max, 1000);
        assert_eq!(Histogram::default().quantiles(), [Duration::ZERO; 3]);
    }
}
