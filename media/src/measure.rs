//! What a receiver measures in sound and pictures: levels, tones, the mark of the whole second, freezes.
//!
//! Pure functions and small values that are fed; nobody here knows a clock.

use std::f64::consts::TAU;
use std::time::{Duration, Instant};

use crate::frame::{AudioFrame, SAMPLE_RATE, VideoFrame, samples_to_duration};
use crate::synthetic::tone;

/// What silence measures.
pub const SILENCE_DBFS: f64 = -127.0;

/// The level of samples in dB; a full-scale sine is 0 (AES17), digital silence [`SILENCE_DBFS`].
pub fn level_dbfs(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return SILENCE_DBFS;
    }
    let energy: f64 = samples.iter().map(|&s| f64::from(s) * f64::from(s)).sum();
    power_dbfs(energy / samples.len() as f64)
}

/// Mean square to dB; the power of a full-scale sine is half the square of its peak.
fn power_dbfs(mean_square: f64) -> f64 {
    let full_scale = f64::from(i16::MAX) * f64::from(i16::MAX) / 2.0;
    (10.0 * (mean_square / full_scale).log10()).max(SILENCE_DBFS)
}

/// How much of the power of `samples` lies at a frequency, 0 to 1 (Goertzel).
pub fn share_at(samples: &[f64], hz: f64) -> f64 {
    let coefficient = 2.0 * (TAU * hz / f64::from(SAMPLE_RATE)).cos();
    let (mut one, mut two, mut energy) = (0.0, 0.0, 0.0);
    for &sample in samples {
        let now = sample + coefficient * one - two;
        (two, one) = (one, now);
        energy += sample * sample;
    }
    if energy <= f64::EPSILON {
        return 0.0;
    }
    let power = one * one + two * two - coefficient * one * two;
    (2.0 * power / (samples.len() as f64 * energy)).min(1.0)
}

/// The frequency of the one tone that makes up most of the samples (of one channel, 50 ms or more), to 10 Hz; `None` where
/// there is no such tone.
pub fn loudest_tone(samples: &[i16]) -> Option<f64> {
    /// Tones looked for, in Hz, and how far apart.
    const TONES: std::ops::Range<u32> = 50..3000;
    const STEP: usize = 10;
    /// Most of the power.
    const MOST: f64 = 0.5;
    if level_dbfs(samples) < HOT_DBFS {
        return None;
    }
    let samples: Vec<f64> = samples.iter().map(|&s| f64::from(s)).collect();
    TONES
        .step_by(STEP)
        .map(|hz| (f64::from(hz), share_at(&samples, f64::from(hz))))
        .max_by(|(_, one), (_, other)| one.total_cmp(other))
        .filter(|&(_, share)| share > MOST)
        .map(|(hz, _)| hz)
}

/// Finds the 2 kHz burst of the test tone in a stream of sound, and keeps its level.
#[derive(Debug, Default)]
pub struct ToneMeter {
    block: Vec<f64>,
    hot: u32,
    since_burst: Option<u64>,
    energy: f64,
    counted: u64,
}

/// Five periods of 2 kHz, one of 440 Hz: 2.5 ms, the precision of the burst's time.
const BLOCK: usize = 120;
/// A burst of 10 ms fills at least three blocks; two tell it from a click.
const HOT_BLOCKS: u32 = 2;
/// A block is hot if this much of its power is at 2 kHz …
const HOT_SHARE: f64 = 0.6;
/// … and it is no whisper.
const HOT_DBFS: f64 = -45.0;
/// Bursts come once a second; an echo of one within this many samples is none.
const DEAF_SAMPLES: u64 = SAMPLE_RATE as u64 / 2;

impl ToneMeter {
    /// A meter that has heard nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens to the first channel of what is played, where `at` is when its first sample is; answers when a burst
    /// began, if one was recognised in it.
    pub fn listen(&mut self, frame: &AudioFrame) -> Option<Instant> {
        let mut found = None;
        for (index, &sample) in frame
            .samples
            .iter()
            .step_by(usize::from(frame.channels.max(1)))
            .enumerate()
        {
            let sample = f64::from(sample);
            self.energy += sample * sample;
            self.counted += 1;
            self.block.push(sample);
            if self.block.len() == BLOCK && self.block_is_a_burst() {
                let ago = (u64::from(HOT_BLOCKS) * BLOCK as u64).saturating_sub(index as u64 + 1);
                let into = (index as u64 + 1).saturating_sub(u64::from(HOT_BLOCKS) * BLOCK as u64);
                found = (frame.at + samples_to_duration(into)).checked_sub(samples_to_duration(ago));
            }
        }
        found
    }

    /// Judges the block just filled; true at the second hot one in a row.
    fn block_is_a_burst(&mut self) -> bool {
        let mean = self.block.iter().map(|s| s * s).sum::<f64>() / BLOCK as f64;
        let hot = power_dbfs(mean) > HOT_DBFS && share_at(&self.block, tone::BURST_HZ) > HOT_SHARE;
        self.block.clear();
        self.hot = if hot { self.hot + 1 } else { 0 };
        self.since_burst = self.since_burst.map(|s| s + BLOCK as u64);
        let fresh = self.since_burst.is_none_or(|s| s > DEAF_SAMPLES);
        let burst = self.hot == HOT_BLOCKS && fresh;
        if burst {
            self.since_burst = Some(0);
        }
        burst
    }

    /// The level since the last time it was asked for.
    pub fn take_level(&mut self) -> f64 {
        let level = match self.counted {
            0 => SILENCE_DBFS,
            n => power_dbfs(self.energy / n as f64),
        };
        (self.energy, self.counted) = (0.0, 0);
        level
    }
}

/// Whether a picture has the white border of a whole second, at whatever size.
pub fn has_white_border(frame: &VideoFrame) -> bool {
    /// Luma above this is white, also after lossy coding.
    const WHITE_ABOVE: u8 = 190;
    /// Places looked at along each of the three edges without barcode.
    const PLACES: usize = 8;
    /// So many of the 24 may have been spoilt by coding.
    const SPOILT: usize = 2;
    let (width, height) = (frame.width as usize, frame.height as usize);
    let inset = width / 320; // the middle of a border 1/160 wide
    if width < 160 || height < 90 {
        return false;
    }
    let [luma, _, _] = frame.planes();
    let white = |x: usize, y: usize| {
        luma.data
            .get(y * luma.stride + x)
            .is_some_and(|&s| s > WHITE_ABOVE)
    };
    let along = |length: usize, i: usize| length * (i + 2) / (PLACES + 3);
    let spoilt = (0..PLACES)
        .flat_map(|i| {
            let (x, y) = (along(width, i), along(height, i));
            [(inset, y), (width - 1 - inset, y), (x, height - 1 - inset)]
        })
        .filter(|&(x, y)| !white(x, y))
        .count();
    spoilt <= SPOILT
}

/// Notices when the picture stands still: for over three usual frame times and at least a threshold more than one (the rule
/// of W3C webrtc-stats `freezeCount`, whose threshold is 150 ms).
#[derive(Debug)]
pub struct FreezeMeter {
    threshold: Duration,
    last: Option<Instant>,
    usual: Option<Duration>,
}

impl FreezeMeter {
    /// A meter that has seen nothing.
    pub fn new(threshold: Duration) -> Self {
        FreezeMeter {
            threshold,
            last: None,
            usual: None,
        }
    }

    /// A picture was shown; answers how long the freeze was that it ended, if there was one.
    pub fn shown(&mut self, at: Instant) -> Option<Duration> {
        let distance = at.saturating_duration_since(self.last.replace(at)?);
        let Some(usual) = self.usual else {
            self.usual = Some(distance);
            return None;
        };
        let frozen = distance >= (usual * 3).max(usual + self.threshold);
        if frozen {
            return Some(distance);
        }
        self.usual = Some((usual * 7 + distance) / 8);
        None
    }

    /// The picture was stopped on purpose: what comes next ends no freeze.
    pub fn pause(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::tone::Tone;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn sine(hz: f64, peak: f64, count: usize) -> Vec<i16> {
        (0..count)
            .map(|n| (peak * (TAU * hz * n as f64 / f64::from(SAMPLE_RATE)).sin()) as i16)
            .collect()
    }

    #[test]
    fn levels_are_relative_to_a_full_scale_sine() {
        assert!(level_dbfs(&sine(1000.0, 32767.0, 4800)).abs() < 0.1);
        assert!((level_dbfs(&sine(1000.0, 3276.7, 4800)) + 20.0).abs() < 0.1);
        assert_eq!(level_dbfs(&[0; 100]), SILENCE_DBFS);
    }

    #[test]
    fn a_tone_is_told_from_another() {
        let samples: Vec<f64> = sine(440.0, 8000.0, 4800).into_iter().map(f64::from).collect();
        assert!(share_at(&samples, 440.0) > 0.95);
        assert!(share_at(&samples, 2000.0) < 0.02);
        assert_eq!(loudest_tone(&sine(440.0, 8000.0, 2400)), Some(440.0));
        assert_eq!(loudest_tone(&sine(440.0, 20.0, 2400)), None, "too soft to be one");
        let noise: Vec<i16> = (0..2400i64)
            .map(|n| (n * n * 7919 % 16001 - 8000) as i16)
            .collect();
        assert_eq!(loudest_tone(&noise), None);
    }

    #[test]
    fn the_burst_is_found_once_a_second_within_its_precision() {
        let tone = Tone::new();
        let start = Instant::now();
        let mut meter = ToneMeter::new();
        let mut bursts = Vec::new();
        for block in 0..150u64 {
            let frame = AudioFrame {
                samples: tone.block(block as usize * 960 + 24_000, 960, 2),
                channels: 2,
                at: start + ms(block * 20),
            };
            bursts.extend(meter.listen(&frame));
        }
        assert_eq!(bursts.len(), 3, "at 0.5, 1.5 and 2.5 s");
        for (second, burst) in bursts.into_iter().enumerate() {
            let off = burst - start;
            let exact = ms(500 + 1000 * second as u64);
            assert!(off.abs_diff(exact) <= Duration::from_micros(2500), "{off:?}");
        }
        assert!((meter.take_level() - tone::LEVEL_DBFS).abs() < 0.2);
        assert_eq!(meter.take_level(), SILENCE_DBFS, "taken is taken");
    }

    #[test]
    fn a_pause_in_the_pictures_is_a_freeze_and_a_hiccup_is_not() {
        let start = Instant::now();
        let mut meter = FreezeMeter::new(ms(150));
        let mut at = start;
        for _ in 0..30 {
            at += ms(33);
            assert_eq!(meter.shown(at), None);
        }
        at += ms(170);
        assert_eq!(meter.shown(at), None, "170 ms is no freeze at 30 a second");
        at += ms(33);
        meter.shown(at);
        at += ms(400);
        assert_eq!(meter.shown(at), Some(ms(400)));
        at += ms(33);
        assert_eq!(meter.shown(at), None);
    }
}
