//! How many messages of one session may wait in the call registry's mailbox.
//!
//! A client that talks faster than the server can listen is read more slowly: TCP then holds it back, and nobody
//! else notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;

/// More than a client has a reason to send in one breath: an offer with its candidates.
const MAX_UNDER_WAY: usize = 32;

/// The messages of one session that are under way.
#[derive(Default)]
pub(super) struct Turns(Arc<UnderWay>);

#[derive(Default)]
struct UnderWay {
    count: AtomicUsize,
    waker: AtomicWaker,
}

/// Goes with a message; its end makes room for another.
pub(crate) struct Turn(Arc<UnderWay>);

impl Turns {
    /// Whether there is room; if not, `waker` is called when there is.
    pub(super) fn free(&self, waker: Option<&Waker>) -> bool {
        if self.0.count.load(Ordering::Acquire) < MAX_UNDER_WAY {
            return true;
        }
        if let Some(waker) = waker {
            self.0.waker.register(waker);
        }
        // A turn may have come back just before the waker was there.
        self.0.count.load(Ordering::Acquire) < MAX_UNDER_WAY
    }

    pub(super) fn take(&self) -> Turn {
        self.0.count.fetch_add(1, Ordering::AcqRel);
        Turn(self.0.clone())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == MAX_UNDER_WAY {
            self.0.waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_waits_when_too_much_is_under_way_and_goes_on_when_a_turn_comes_back() {
        let turns = Turns::default();
        let mut taken: Vec<Turn> = Vec::new();
        while turns.free(None) {
            taken.push(turns.take());
        }
        assert_eq!(taken.len(), MAX_UNDER_WAY);
        taken.pop();
        assert!(turns.free(None));
    }
}
