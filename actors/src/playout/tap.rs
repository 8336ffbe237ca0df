//! What is measured in the pictures that are shown.

use std::sync::Arc;
use std::time::{Duration, Instant};

use roomrtc_media::clock::WallClock;
use roomrtc_media::frame::VideoFrame;
use roomrtc_media::measure::{self, FreezeMeter};
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
