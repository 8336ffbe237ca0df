//! What encoder and decoder have in common: a codec that takes and does not give is noticed, and one that keeps failing
//! is replaced by another that does the same.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use roomrtc_kit::{Keep, Port};
use tracing::warn;

use crate::call_events::CallNotice;
use crate::ui_bridge::Notice;

/// After so many failures of one codec another is tried.
const FAILURES: u32 = 2;

/// Looks in the time a codec may give nothing.
const LOOKS: u32 = 4;

/// A codec by whatever names it.
pub trait Named: Copy + PartialEq + Send + 'static {
    /// For people.
    fn name(self) -> &'static str;
    /// Who can do the same.
    fn other(self) -> Option<Self>;
}

/// Who works at present, over all lives of the actor.
#[derive(Clone)]
pub struct CodecCare<T: Named> {
    /// Who failed how often.
    record: Keep<(T, u32)>,
    /// Hears of a replacement.
    notices: Port<CallNotice>,
    /// A codec that gives nothing for so long has failed.
    stall: Duration,
}

impl<T: Named> CodecCare<T> {
    /// Nobody has failed yet.
    pub fn new(notices: Port<CallNotice>, stall: Duration) -> Self {
        CodecCare {
            record: Keep::default(),
            notices,
            stall,
        }
    }

    /// Whom to use where `first` was chosen.
    pub fn who(&self, first: T) -> T {
        self.record.get().map_or(first, |(who, _)| who)
    }

    /// This one has failed.
    pub fn failed(&self, who: T) {
        let before = self.record.get().filter(|(known, _)| *known == who);
        let failures = before.map_or(0, |(_, failures)| failures) + 1;
        match who.other().filter(|_| failures >= FAILURES) {
            Some(instead) => {
                warn!(
                    failed = who.name(),
                    instead = instead.name(),
                    "a codec keeps failing"
                );
                self.record.put((instead, 0));
                self.notices.tell(CallNotice(Notice::OtherCodec {
                    failed: who.name().to_owned(),
                    instead: instead.name().to_owned(),
                }));
            }
            None => self.record.put((who, failures)),
        }
    }

    /// How often to look at [`Progress::stalled`].
    pub fn look(&self) -> Duration {
        self.stall / LOOKS
    }

    /// For a codec that was just started.
    pub fn progress(&self) -> Progress {
        Progress {
            stall: self.stall,
            given: Arc::default(),
            seen: 0,
            owing_since: None,
        }
    }
}

/// What goes into a codec and what comes out.
pub struct Progress {
    stall: Duration,
    /// Counted on the codec's thread.
    given: Arc<AtomicU64>,
    seen: u64,
    owing_since: Option<Instant>,
}

impl Progress {
    /// For the codec's thread: counts what it gives.
    pub fn counter(&self) -> impl Fn() + Send + 'static + use<> {
        let given = self.given.clone();
        move || {
            given.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It was given something.
    pub fn took(&mut self, now: Instant) {
        self.owing_since.get_or_insert(now);
    }

    /// Whether it has owed everything for too long.
    pub fn stalled(&mut self, now: Instant) -> bool {
        let given = self.given.load(Ordering::Relaxed);
        if given != std::mem::replace(&mut self.seen, given) {
            self.owing_since = None;
        }
        self.owing_since
            .is_some_and(|since| now.saturating_duration_since(since) >= self.stall)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::mpsc;

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Two {
        One,
        Other,
    }

    impl Named for Two {
        fn name(self) -> &'static str {
            if self == Two::One { "one" } else { "other" }
        }

        fn other(self) -> Option<Self> {
            Some(if self == Two::One { Two::Other } else { Two::One })
        }
    }

    #[test]
    fn who_fails_twice_is_replaced_and_the_user_is_told() {
        let (told, notices) = mpsc::channel();
        let care = CodecCare::new(
            Port::new(move |notice| drop(told.send(notice))),
            Duration::from_secs(2),
        );
        assert_eq!(care.who(Two::One), Two::One);
        care.failed(Two::One);
        assert_eq!(care.who(Two::One), Two::One);
        care.failed(Two::One);
        assert_eq!(care.who(Two::One), Two::Other);
        let [failed, instead] = ["one", "other"].map(str::to_owned);
        assert_eq!(
            notices.try_recv().unwrap(),
            CallNotice(Notice::OtherCodec { failed, instead })
        );
        care.failed(Two::Other);
        assert_eq!(care.who(Two::One), Two::Other);
    }

    #[test]
    fn a_codec_that_takes_and_does_not_give_is_noticed() {
        let care = CodecCare::<Two>::new(Port::new(|_| {}), Duration::from_secs(2));
        let mut progress = care.progress();
        let (gives, start) = (progress.counter(), Instant::now());
        let after = |ms| start + Duration::from_millis(ms);
        assert!(!progress.stalled(after(9_000)), "it was given nothing");
        progress.took(after(10_000));
        gives();
        assert!(!progress.stalled(after(12_500)));
        progress.took(after(13_000));
        progress.took(after(14_000));
        assert!(!progress.stalled(after(14_900)));
        assert!(progress.stalled(after(15_000)));
    }
}
