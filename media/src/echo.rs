//! Takes out of the microphone's sound what the speakers play, and steady noise besides.
//!
//! The work is done by the crate `sonora` (WebRTC's AEC3 and noise suppressor). It finds out by itself how long sound
//! takes from here through speaker, air and microphone.

use sonora::config::{EchoCanceller as Aec3, MaxProcessingRate, NoiseSuppression, Pipeline};
use sonora::{AudioProcessing, Config, StreamConfig};

use crate::frame::SAMPLE_RATE;
use crate::playout;

/// Length of what is processed at a time.
pub const BLOCK_MS: u32 = 10;

/// Samples of one channel in a block.
const BLOCK: usize = (SAMPLE_RATE / 1000 * BLOCK_MS) as usize;

/// What is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleaningSettings {
    /// What the speakers play.
    pub echo: bool,
    /// Steady noise, about 12 dB of it.
    pub noise: bool,
    /// Channels of the microphone's sound, 1 or 2.
    pub channels: u8,
}

/// Why sound was not cleaned.
#[derive(Debug, thiserror::Error)]
#[error("the echo canceller refuses a block: {0}")]
pub struct CleaningError(String);

impl CleaningError {
    /// In the words of whoever failed.
    pub fn new(words: impl Into<String>) -> Self {
        CleaningError(words.into())
    }
}

/// Cleans the sound of a microphone, in blocks of [`BLOCK_MS`], interleaved, 48 kHz.
pub trait Cleaner: Send {
    /// The speakers are about to play this block of [`playout::CHANNELS`] channels.
    fn played(&mut self, block: &[i16]) -> Result<(), CleaningError>;

    /// The microphone heard this block.
    fn clean(&mut self, block: &mut [i16]) -> Result<(), CleaningError>;

    /// By how many dB echo becomes softer here (W3C `echoReturnLossEnhancement`); `None` without any.
    fn echo_return_loss_enhancement(&self) -> Option<f64>;
}

/// The real one.
pub struct EchoCanceller {
    processing: AudioProcessing,
    heard: Vec<i16>,
    rendered: Vec<i16>,
}

impl EchoCanceller {
    /// One that has heard nothing yet; it takes about a second of sound to know the room.
    pub fn new(settings: CleaningSettings) -> Self {
        let config = Config {
            pipeline: Pipeline {
                maximum_internal_processing_rate: MaxProcessingRate::Rate48kHz,
                ..Pipeline::default()
            },
            echo_canceller: settings.echo.then(Aec3::default),
            noise_suppression: settings.noise.then(NoiseSuppression::default),
            ..Config::default()
        };
        let stream = |channels: u8| StreamConfig::new(SAMPLE_RATE, u16::from(channels));
        EchoCanceller {
            processing: AudioProcessing::builder()
                .config(config)
                .capture_config(stream(settings.channels))
                .render_config(stream(playout::CHANNELS))
                .build(),
            heard: vec![0; BLOCK * usize::from(settings.channels)],
            rendered: vec![0; block_samples(playout::CHANNELS)],
        }
    }
}

/// Samples of all channels in a block.
pub const fn block_samples(channels: u8) -> usize {
    BLOCK * channels as usize
}

impl Cleaner for EchoCanceller {
    fn played(&mut self, block: &[i16]) -> Result<(), CleaningError> {
        fits(block, &self.rendered)?;
        self.processing
            .process_render_i16(block, &mut self.rendered)
            .map_err(|e| CleaningError::new(e.to_string()))
    }

    fn clean(&mut self, block: &mut [i16]) -> Result<(), CleaningError> {
        fits(block, &self.heard)?;
        self.heard.copy_from_slice(block);
        self.processing
            .process_capture_i16(&self.heard, block)
            .map_err(|e| CleaningError::new(e.to_string()))
    }

    fn echo_return_loss_enhancement(&self) -> Option<f64> {
        self.processing.statistics().echo_return_loss_enhancement
    }
}

fn fits(block: &[i16], room: &[i16]) -> Result<(), CleaningError> {
    match block.len() == room.len() {
        true => Ok(()),
        false => Err(CleaningError(format!(
            "{} samples in place of {}",
            block.len(),
            room.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    use super::*;
    use crate::measure::level_dbfs;

    const SECOND: usize = SAMPLE_RATE as usize;

    /// Something like speech: soft and loud noise in turns, most of it low.
    fn speech(seed: u64, seconds: usize) -> Vec<i16> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut low = 0.0;
        (0..seconds * SECOND)
            .map(|i| {
                low = low * 0.9 + f64::from(random.next_u32() as i16) * 0.1;
                let loud = (i / (SECOND / 4)) % 3 != 2;
                (low * if loud { 0.6 } else { 0.03 }) as i16
            })
            .collect()
    }

    /// Plays `far`, and hears it `delay_ms` later at a third of its strength, with `near` on top; answers what is left.
    fn call(settings: CleaningSettings, far: &[i16], near: &[i16], delay_ms: usize) -> Vec<i16> {
        let mut canceller = EchoCanceller::new(settings);
        let delay = SECOND / 1000 * delay_ms;
        let mut clean = Vec::new();
        for (n, block) in far.chunks_exact(BLOCK).enumerate() {
            let stereo: Vec<i16> = block.iter().flat_map(|s| [*s, *s]).collect();
            canceller.played(&stereo).expect("a block of the right length");
            let mut heard: Vec<i16> = (n * BLOCK..(n + 1) * BLOCK)
                .map(|i| {
                    i.checked_sub(delay)
                        .map_or(0, |i| far[i] / 3)
                        .saturating_add(near[i])
                })
                .collect();
            canceller.clean(&mut heard).expect("a block of the right length");
            clean.extend(heard);
        }
        clean
    }

    const ECHO: CleaningSettings = CleaningSettings {
        echo: true,
        noise: false,
        channels: 1,
    };

    #[test]
    fn what_the_speakers_play_is_taken_out_whatever_its_way_takes() {
        let far = speech(1, 4);
        let silence = vec![0; far.len()];
        let last = 3 * SECOND..4 * SECOND;
        let echo: Vec<i16> = far[last.clone()].iter().map(|s| s / 3).collect();
        for delay_ms in [20, 80, 200] {
            let clean = call(ECHO, &far, &silence, delay_ms);
            let softer = level_dbfs(&echo) - level_dbfs(&clean[last.clone()]);
            assert!(softer > 25.0, "{softer:.1} dB at {delay_ms} ms");
        }
    }

    #[test]
    fn who_speaks_while_the_other_side_is_silent_is_left_as_it_is() {
        let near = speech(2, 3);
        let clean = call(ECHO, &vec![0; near.len()], &near, 80);
        let last = 2 * SECOND..3 * SECOND;
        let lost = level_dbfs(&near[last.clone()]) - level_dbfs(&clean[last]);
        assert!(lost.abs() < 2.0, "{lost:.1} dB");
    }

    #[test]
    fn steady_noise_becomes_softer_where_that_is_wanted() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let noise: Vec<i16> = (0..4 * SECOND).map(|_| random.next_u32() as i16 / 64).collect();
        let last = 3 * SECOND..4 * SECOND;
        let silent = vec![0; noise.len()];
        let left = |noise_too| {
            let settings = CleaningSettings {
                noise: noise_too,
                ..ECHO
            };
            level_dbfs(&call(settings, &silent, &noise, 80)[last.clone()])
        };
        let (with, without) = (left(true), left(false));
        assert!(without - with > 6.0, "{with:.1} of {without:.1} dBFS");
    }

    #[test]
    fn a_block_of_the_wrong_length_is_refused() {
        let mut canceller = EchoCanceller::new(ECHO);
        assert!(canceller.played(&[0; 7]).is_err());
        assert!(canceller.clean(&mut [0; 7]).is_err());
    }
}
