//! Watches the one thread that nothing inside can replace: that of the supervisors and of the watchdog itself.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use actix_rt::ArbiterHandle;

/// Looks so often within the limit.
const LOOKS: u32 = 4;

/// How a wait for a sign of life ended.
enum Sign {
    Given,
    /// The thread has ended in good order.
    Ended,
    Missing,
}

/// Asks the thread of `arbiter` for a sign of life, again and again, from a thread of its own. When it gives none for
/// `limit`, `hung` is called, once. A time in which the whole program stood still, as in a sleep of the machine, does
/// not count. Ends with the arbiter.
///
/// # Errors
/// If there is no thread to watch from.
pub fn watch(
    arbiter: ArbiterHandle,
    limit: Duration,
    hung: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let watch = move || {
        loop {
            match await_sign(&arbiter, limit) {
                Sign::Given => thread::sleep(limit / LOOKS),
                Sign::Ended => return,
                Sign::Missing => {
                    tracing::error!(?limit, "the thread of the supervisors hangs");
                    return hung();
                }
            }
        }
    };
    thread::Builder::new().name("sentry".into()).spawn(watch)?;
    Ok(())
}

fn await_sign(arbiter: &ArbiterHandle, limit: Duration) -> Sign {
    let (sign, signs) = channel();
    // Whoever drops the question unheard has ended.
    if !arbiter.spawn_fn(move || sign.send(()).unwrap_or_default()) {
        return Sign::Ended;
    }
    let (mut since, mut looked) = (Instant::now(), Instant::now());
    loop {
        match signs.recv_timeout(limit / LOOKS) {
            Ok(()) => return Sign::Given,
            Err(RecvTimeoutError::Disconnected) => return Sign::Ended,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = Instant::now();
        if now - looked >= limit / LOOKS * 2 {
            since = now;
        }
        looked = now;
        if now - since >= limit {
            return Sign::Missing;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc;

    use actix_rt::{Arbiter, System};

    use super::*;

    const LIMIT: Duration = Duration::from_millis(200);
    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn a_thread_that_hangs_is_told_once_and_one_that_ends_is_not() {
        System::new().block_on(async {
            for hangs in [true, false] {
                let arbiter = Arbiter::new();
                let (told, hung) = mpsc::channel();
                watch(arbiter.handle(), LIMIT, move || told.send(()).unwrap_or_default()).unwrap();
                let (release, released) = mpsc::channel::<()>();
                if hangs {
                    arbiter.spawn_fn(move || released.recv().unwrap_or_default());
                    assert_eq!(hung.recv_timeout(PATIENCE), Ok(()));
                    drop(release);
                }
                arbiter.stop();
                // The sentry has gone, and what it would have told with it.
                assert_eq!(hung.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
            }
        });
    }
}
