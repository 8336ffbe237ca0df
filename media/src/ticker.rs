//! Threads that work at the ticks of the wall clock: what paces the test picture, the tone and a silent speaker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Running;
use crate::clock::WallClock;

/// A thread that works at each tick until this is dropped.
pub struct Ticking {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Running for Ticking {}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
    }
}

/// When the `tick`th tick since the epoch is, at `rate` ticks a second.
pub(crate) fn tick_time(tick: u64, rate: u64) -> Duration {
    let nanos = ((tick % rate) * 1_000_000_000).div_ceil(rate);
    Duration::new(tick / rate, nanos as u32)
}

/// Calls `work` with the number of each tick of the wall clock, on a thread of its own. Ticks that are over when
/// their turn comes are left out.
pub(crate) fn ticking(
    name: &str,
    rate: u64,
    mut work: impl FnMut(&WallClock, u64, Instant) + Send + 'static,
) -> std::io::Result<Ticking> {
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = stop.clone();
    let thread = std::thread::Builder::new().name(name.into()).spawn(move || {
        let clock = WallClock::here();
        let mut next = tick_after(clock.wall(Instant::now()), rate);
        loop {
            let due = clock.instant(tick_time(next, rate));
            let now = wait_until(due, &stopping);
            if stopping.load(Ordering::Acquire) {
                return;
            }
            work(&clock, next, now);
            let present = tick_after(clock.wall(Instant::now()), rate);
            next = present.max(next + 1);
        }
    })?;
    Ok(Ticking { stop, thread })
}

/// The number of the first tick after a wall clock time.
fn tick_after(wall: Duration, rate: u64) -> u64 {
    let within = u64::from(wall.subsec_nanos()) * rate / 1_000_000_000;
    wall.as_secs() * rate + within + 1
}

/// Sleeps until `due` or until told to stop; answers what time it is.
fn wait_until(due: Instant, stop: &AtomicBool) -> Instant {
    loop {
        let now = Instant::now();
        if now >= due || stop.load(Ordering::Acquire) {
            return now;
        }
        std::thread::park_timeout(due - now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn ticks_and_times_agree() {
        for rate in [1, 24, 30, 50, 60] {
            for tick in [0, 1, 29, 30, 31, 1_000_000_007] {
                assert_eq!(tick_after(tick_time(tick, rate), rate), tick + 1);
            }
        }
    }

    #[test]
    fn ticks_come_at_their_rate_until_the_ticking_is_dropped() {
        let (tell, hear) = mpsc::channel();
        let ticking = ticking("test", 200, move |_, tick, now| {
            tell.send((tick, now)).unwrap_or_default()
        })
        .expect("a thread starts");
        let ticks: Vec<_> = hear.iter().take(20).collect();
        drop(ticking);
        assert!(ticks.windows(2).all(|pair| pair[1].0 > pair[0].0));
        assert!(ticks[19].1 - ticks[0].1 >= Duration::from_millis(90));
        assert!(
            hear.iter().count() <= 2,
            "the thread ends, and its end of the channel with it"
        );
    }
}
