//! What is measured in the pictures that are shown and in the sound that is played.

use std::sync::Arc;
use std::time::{Duration, Instant};

use roomrtc_media::clock::WallClock;
use roomrtc_media::frame::{AudioFrame, SAMPLE_RATE, VideoFrame};
use roomrtc_media::measure::{self, FreezeMeter, ToneMeter};
use roomrtc_media::synthetic::barcode;

use crate::counters::Counters;

/// After so many pictures without a barcode it is not the test picture any more.
const UNREADABLE: u32 = 30;

/// Reads barcodes and notices freezes.
pub(super) struct PictureTap {
    counters: Arc<Counters>,
    clock: WallClock,
    freezes: FreezeMeter,
    /// The time in the last barcode, and the pictures without one since.
    last: Option<(u32, u32)>,
}

impl PictureTap {
    pub(super) fn new(counters: Arc<Counters>, freeze_threshold: Duration) -> Self {
        PictureTap {
            counters,
            clock: WallClock::here(),
            freezes: FreezeMeter::new(freeze_threshold),
            last: None,
        }
    }

    /// A picture goes to the screen; answers whether it carries the mark of a whole second.
    pub(super) fn shown(&mut self, frame: &VideoFrame, at: Instant) -> bool {
        let video = &self.counters.video;
        video.shown.one();
        video.on_screen.mark(at);
        if let Some(frozen) = self.freezes.shown(at) {
            video.freezes.one();
            video.freeze_ms.add(frozen.as_millis() as u64);
        }
        match barcode::read(frame) {
            Some(time) => {
                let age = barcode::elapsed_ms(time, barcode::time_ms(self.clock.wall(at)));
                video.barcodes_read.one();
                video.glass_to_glass_ms.add(f64::from(age));
                if self
                    .last
                    .is_some_and(|(last, _)| barcode::elapsed_ms(last, time) < 0)
                {
                    video.barcode_errors.one();
                }
                self.last = Some((time, 0));
                measure::has_white_border(frame)
            }
            None => {
                self.unreadable();
                false
            }
        }
    }

    /// A picture without barcode: an error in the test picture, nothing in a camera's.
    fn unreadable(&mut self) {
        self.last = match self.last {
            Some((time, missed)) if missed < UNREADABLE => {
                self.counters.video.barcode_errors.one();
                Some((time, missed + 1))
            }
            _ => None,
        };
    }

    /// The pictures stop on purpose.
    pub(super) fn pause(&mut self) {
        self.freezes.pause();
    }
}

/// Samples of one channel in which a tone is looked for: 50 ms.
const TONE_SAMPLES: usize = SAMPLE_RATE as usize / 20;

/// Looks, five a second, from one recognised tone to the next search.
const TONE_HOLDS: u32 = 4;

/// So many searches in a row find nothing before a tone is gone: one alone may have met a burst or a lost packet.
const TONE_MISSES: u32 = 4;

/// Measures level and tone, and finds the test tone's bursts.
pub(super) struct SoundTap {
    counters: Arc<Counters>,
    meter: ToneMeter,
    tone: Vec<i16>,
    holds: u32,
    misses: u32,
}

impl SoundTap {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        SoundTap {
            counters,
            meter: ToneMeter::new(),
            tone: Vec::with_capacity(TONE_SAMPLES),
            holds: 0,
            misses: 0,
        }
    }

    /// A block is played; answers when the burst in it is heard, if there is one.
    pub(super) fn played(&mut self, block: &AudioFrame) -> Option<Instant> {
        if self.holds == 0 {
            let left = block.samples.iter().step_by(usize::from(block.channels));
            self.tone.extend(left.take(TONE_SAMPLES - self.tone.len()));
        }
        self.meter.listen(block)
    }

    /// Publishes what was measured since the last look.
    pub(super) fn look(&mut self) {
        let audio = &self.counters.audio;
        audio.level_dbfs.set(self.meter.take_level());
        self.holds = self.holds.saturating_sub(1);
        if self.tone.len() < TONE_SAMPLES {
            return;
        }
        match measure::loudest_tone(&self.tone) {
            Some(hz) => {
                audio.tone_hz.set(hz);
                (self.holds, self.misses) = (TONE_HOLDS, 0);
            }
            None if self.misses < TONE_MISSES => self.misses += 1,
            None => {
                audio.tone_hz.set(0.0);
                self.holds = TONE_HOLDS;
            }
        }
        self.tone.clear();
    }
}
