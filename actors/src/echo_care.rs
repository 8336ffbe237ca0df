//! The echo canceller between the speaker and the microphone of a call. It is made anew when it fails, and left off when
//! it keeps failing: an echo is better than no sound.
//!
//! Told by: [`AudioPlayout`](crate::playout::AudioPlayout) what is played,
//! [`AudioCapture`](crate::capture::AudioCapture) what is heard, on the microphone's thread, where the work is done. Tells: the
//! call ([`CallNotice`]).

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use roomrtc_kit::{Port, panic_words};
use roomrtc_media::echo::{Cleaner, CleaningError, CleaningSettings, EchoCanceller, block_samples};
use roomrtc_media::playout;
use tracing::warn;

use crate::call_events::CallNotice;
use crate::counters::{Counters, lock};
use crate::ui_bridge::Notice;

/// After so many failures it stays off.
const FAILURES: u32 = 2;

/// Played sound that waits for the microphone, in blocks of 10 ms; the oldest go when there is more.
const MAX_PLAYED: usize = 50;

/// Makes a cleaner that has heard nothing.
type Make = Box<dyn Fn() -> Box<dyn Cleaner> + Send + Sync>;

/// A call's canceller; clones share it. What it knows of the room outlives the capture and the playout.
#[derive(Clone)]
pub struct EchoCare(Arc<Care>);

struct Care {
    /// `None` if nothing is to be taken out.
    make: Option<Make>,
    /// Samples in a block of the microphone.
    block: usize,
    played: Mutex<VecDeque<Vec<i16>>>,
    state: Mutex<State>,
    notices: Port<CallNotice>,
    counters: Arc<Counters>,
}

#[derive(Default)]
struct State {
    cleaner: Option<Box<dyn Cleaner>>,
    failures: u32,
}

impl EchoCare {
    /// Takes out what the settings say.
    pub fn new(settings: CleaningSettings, notices: Port<CallNotice>, counters: Arc<Counters>) -> Self {
        let wanted = settings.echo || settings.noise;
        let make: Make = Box::new(move || Box::new(EchoCanceller::new(settings)));
        EchoCare::with(wanted.then_some(make), settings.channels, notices, counters)
    }

    /// Takes out nothing.
    pub fn off() -> Self {
        EchoCare::with(None, 1, Port::new(|_| {}), Arc::default())
    }

    fn with(make: Option<Make>, channels: u8, notices: Port<CallNotice>, counters: Arc<Counters>) -> Self {
        EchoCare(Arc::new(Care {
            make,
            block: block_samples(channels),
            played: Mutex::default(),
            state: Mutex::default(),
            notices,
            counters,
        }))
    }

    /// A speaker was given these samples, of [`playout::CHANNELS`] channels.
    pub fn played(&self, samples: &[i16]) {
        if self.0.make.is_none() {
            return;
        }
        let mut played = lock(&self.0.played);
        for block in samples.chunks_exact(block_samples(playout::CHANNELS)) {
            if played.len() == MAX_PLAYED {
                played.pop_front();
            }
            played.push_back(block.to_vec());
        }
    }

    /// Cleans what a microphone has heard, a multiple of 10 ms. Where that fails, it is left as it was.
    pub fn clean(&self, samples: &mut [i16]) {
        let Some(make) = &self.0.make else { return };
        let mut state = lock(&self.0.state);
        if state.failures >= FAILURES {
            return;
        }
        let played = std::mem::take(&mut *lock(&self.0.played));
        let cleaner = state.cleaner.take();
        let mut clean = samples.to_vec();
        let work = AssertUnwindSafe(|| {
            let mut cleaner = cleaner.unwrap_or_else(make);
            played.iter().try_for_each(|block| cleaner.played(block))?;
            clean
                .chunks_exact_mut(self.0.block)
                .try_for_each(|block| cleaner.clean(block))?;
            Ok(cleaner)
        });
        let result = catch_unwind(work).unwrap_or_else(|panic| Err(CleaningError::new(panic_words(&*panic))));
        match result {
            Ok(cleaner) => {
                samples.copy_from_slice(&clean);
                let softer = cleaner.echo_return_loss_enhancement().unwrap_or_default();
                self.0.counters.audio.echo_return_loss_enhancement_db.set(softer);
                state.cleaner = Some(cleaner);
            }
            Err(error) => {
                warn!(%error, "the echo canceller failed");
                state.failures += 1;
                if state.failures == FAILURES {
                    self.0.counters.audio.echo_return_loss_enhancement_db.set(0.0);
                    let notice = Notice::NoEchoCanceller(error.to_string());
                    self.0.notices.tell(CallNotice(notice));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    /// Makes everything 1, until it is to fail.
    struct Ones {
        left: usize,
        panics: bool,
    }

    impl Cleaner for Ones {
        fn played(&mut self, _: &[i16]) -> Result<(), CleaningError> {
            Ok(())
        }

        fn clean(&mut self, block: &mut [i16]) -> Result<(), CleaningError> {
            block.fill(1);
            match self.left.checked_sub(1) {
                Some(left) => self.left = left,
                None if self.panics => panic!("a wrong index"),
                None => return Err(CleaningError::new("out of order")),
            }
            Ok(())
        }

        fn echo_return_loss_enhancement(&self) -> Option<f64> {
            Some(30.0)
        }
    }

    /// A care whose cleaners fail after `lives` blocks each, and what the user is told.
    fn care(panics: bool, lives: &'static [usize]) -> (EchoCare, mpsc::Receiver<CallNotice>) {
        let (tell, told) = mpsc::channel();
        let begun = AtomicUsize::new(0);
        let make: Make = Box::new(move || {
            let left = lives[begun.fetch_add(1, Ordering::Relaxed)];
            Box::new(Ones { left, panics })
        });
        let notices = Port::new(move |notice| drop(tell.send(notice)));
        (EchoCare::with(Some(make), 1, notices, Arc::default()), told)
    }

    /// What comes out of a block of 20 ms.
    fn cleaned(care: &EchoCare) -> i16 {
        let mut samples = [7; 960];
        care.clean(&mut samples);
        assert!(
            samples.iter().all(|s| *s == samples[0]),
            "half a block was cleaned"
        );
        samples[0]
    }

    #[test]
    fn a_canceller_that_keeps_failing_is_left_off_and_the_user_is_told_once() {
        for (panics, why) in [(true, "a wrong index"), (false, "out of order")] {
            let (care, told) = care(panics, &[3, 4]);
            let sound: Vec<i16> = (0..6).map(|_| cleaned(&care)).collect();
            assert_eq!(sound, [1, 7, 1, 1, 7, 7], "sound goes on, cleaned or as it was");
            let notices: Vec<CallNotice> = told.try_iter().collect();
            let [CallNotice(Notice::NoEchoCanceller(words))] = &notices[..] else {
                panic!("{notices:?}");
            };
            assert!(words.contains(why), "{words}");
            assert_eq!(
                care.0.counters.audio.echo_return_loss_enhancement_db.known(),
                None
            );
        }
    }

    #[test]
    fn what_is_played_while_no_microphone_listens_is_forgotten_but_for_the_latest() {
        let (care, _told) = care(false, &[100]);
        for _ in 0..100 {
            care.played(&[0; 1920]);
        }
        assert_eq!(lock(&care.0.played).len(), MAX_PLAYED);
        assert_eq!(cleaned(&care), 1);
        assert_eq!(lock(&care.0.played).len(), 0);
    }

    #[test]
    fn nothing_is_touched_where_nothing_is_to_be_taken_out() {
        let care = EchoCare::off();
        care.played(&[0; 1920]);
        assert_eq!(cleaned(&care), 7);
    }
}
