//! The test tone: 440 Hz at -18 dBFS, and at every whole second of the wall clock 10 ms of 2 kHz instead.

use std::f64::consts::TAU;

use crate::frame::SAMPLE_RATE;

/// The tone.
pub const TONE_HZ: f64 = 440.0;
/// The mark of a whole second.
pub const BURST_HZ: f64 = 2000.0;
/// How long the mark lasts.
pub const BURST_MS: u32 = 10;
/// The level of both. A full-scale sine is 0 dBFS (AES17).
pub const LEVEL_DBFS: f64 = -18.0;

const SECOND: usize = SAMPLE_RATE as usize;
const BURST: usize = (SAMPLE_RATE * BURST_MS / 1000) as usize;

/// One second of the tone; both frequencies are whole numbers, so it repeats without a seam.
pub struct Tone(Vec<i16>);

impl Default for Tone {
    fn default() -> Self {
        Self::new()
    }
}

impl Tone {
    /// Renders the second.
    pub fn new() -> Self {
        let peak = f64::from(i16::MAX) * 10f64.powf(LEVEL_DBFS / 20.0);
        let sample = |n: usize| {
            let hz = if n < BURST { BURST_HZ } else { TONE_HZ };
            (peak * (TAU * hz * n as f64 / SECOND as f64).sin()).round() as i16
        };
        Tone((0..SECOND).map(sample).collect())
    }

    /// `length` samples from the `first` sample of a second on, the same in each channel.
    pub fn block(&self, first: usize, length: usize, channels: u8) -> Vec<i16> {
        let samples = self.0.iter().cycle().skip(first % SECOND).take(length);
        samples
            .flat_map(|&s| std::iter::repeat_n(s, usize::from(channels)))
            .collect()
    }
}
