//! Plays sound a little faster or slower without changing its pitch, by leaving out or repeating one period of it
//! (synchronised overlap-add).
//!
//! The period is the shift under which the beginning of the block is most like itself; where nothing fits, as in
//! the middle of a consonant, the block stays as it is and the caller tries the next one.

/// The shortest period: 2.5 ms, a voice of 400 Hz.
const MIN_PERIOD: usize = 120;
/// The longest: 10 ms, 100 Hz.
const MAX_PERIOD: usize = 480;
/// The cross-fade: 5 ms.
const OVERLAP: usize = 240;
/// Every fourth sample is enough to compare by.
const STRIDE: usize = 4;
/// Below this likeness (1 is the same) a cut would be heard.
const LIKE_ENOUGH: f64 = 0.6;
/// Mean square below which everything is like everything: -60 dBFS.
const QUIET: f64 = 33.0 * 33.0;

/// The block without one of its periods, or `None` where it cannot be shortened unheard. `samples` is interleaved.
pub fn shorten(samples: &[i16], channels: usize) -> Option<Vec<i16>> {
    let period = period(samples, channels)? * channels;
    let overlap = OVERLAP * channels;
    let mut out = Vec::with_capacity(samples.len() - period);
    fade(
        &samples[..overlap],
        &samples[period..period + overlap],
        channels,
        &mut out,
    );
    out.extend_from_slice(&samples[period + overlap..]);
    Some(out)
}

/// The block with one of its periods twice, or `None` where it cannot be lengthened unheard.
pub fn lengthen(samples: &[i16], channels: usize) -> Option<Vec<i16>> {
    let period = period(samples, channels)? * channels;
    let overlap = OVERLAP * channels;
    let mut out = Vec::with_capacity(samples.len() + period);
    out.extend_from_slice(&samples[..period]);
    fade(
        &samples[period..period + overlap],
        &samples[..overlap],
        channels,
        &mut out,
    );
    out.extend_from_slice(&samples[overlap..]);
    Some(out)
}

/// The shift, in samples of one channel, under which the block's beginning is most like itself.
fn period(samples: &[i16], channels: usize) -> Option<usize> {
    if channels == 0 || samples.len() < (MAX_PERIOD + OVERLAP) * channels {
        return None;
    }
    // The first channel stands for all.
    let at = |frame: usize| f64::from(samples[frame * channels]);
    let energy = |start: usize| {
        (0..OVERLAP)
            .step_by(STRIDE)
            .map(|n| at(start + n).powi(2))
            .sum::<f64>()
    };
    let here = energy(0);
    let (mut best, mut likeness) = (MAX_PERIOD, f64::MIN);
    for shift in (MIN_PERIOD..=MAX_PERIOD).step_by(STRIDE) {
        let product: f64 = (0..OVERLAP).step_by(STRIDE).map(|n| at(n) * at(shift + n)).sum();
        let norm = (here * energy(shift)).sqrt();
        let like = if norm > 0.0 { product / norm } else { 0.0 };
        if like > likeness {
            (best, likeness) = (shift, like);
        }
    }
    let quiet = here / ((OVERLAP / STRIDE) as f64) < QUIET;
    (quiet || likeness >= LIKE_ENOUGH).then_some(best)
}

/// From one stretch of sound into another of the same length.
fn fade(from: &[i16], to: &[i16], channels: usize, out: &mut Vec<i16>) {
    let frames = (from.len() / channels) as i32;
    for (n, (a, b)) in from.iter().zip(to).enumerate() {
        let into = (n / channels) as i32;
        let mixed = (i32::from(*a) * (frames - into) + i32::from(*b) * into) / frames;
        out.push(mixed as i16); // between two i16
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const BLOCK: usize = 960;

    fn tone(hz: f64) -> Vec<i16> {
        (0..BLOCK)
            .flat_map(|n| {
                let wave = (n as f64 * hz * std::f64::consts::TAU / 48_000.0).sin();
                [(wave * 8000.0) as i16, (wave * 4000.0) as i16]
            })
            .collect()
    }

    /// The largest step between neighbours of the left channel.
    fn roughness(samples: &[i16]) -> i32 {
        let left: Vec<i32> = samples.iter().step_by(2).map(|s| i32::from(*s)).collect();
        left.windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .max()
            .unwrap()
    }

    #[test]
    fn a_tone_keeps_its_pitch_when_it_is_stretched() {
        for hz in [120.0, 220.0, 440.0] {
            let block = tone(hz);
            let shorter = shorten(&block, 2).unwrap();
            let longer = lengthen(&block, 2).unwrap();
            assert!(shorter.len() < block.len() && longer.len() > block.len());
            // No click: neighbours differ no more than in the tone itself.
            let limit = roughness(&block) * 11 / 10 + 2;
            assert!(
                roughness(&shorter) <= limit && roughness(&longer) <= limit,
                "{hz} Hz"
            );
            // What follows joins without a click as well: the end is as it was.
            assert_eq!(shorter[shorter.len() - 200..], block[block.len() - 200..]);
            assert_eq!(longer[longer.len() - 200..], block[block.len() - 200..]);
            assert_eq!(longer[..200], block[..200]);
        }
    }

    #[test]
    fn noise_stays_as_it_is_and_silence_stretches() {
        let mut state = 1u32;
        let noise: Vec<i16> = (0..BLOCK)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as i16
            })
            .collect();
        assert_eq!(shorten(&noise, 1), None);
        assert!(shorten(&[0; BLOCK], 1).is_some());
        assert_eq!(shorten(&[0; 480], 1), None, "too short to judge");
    }

    proptest! {
        #[test]
        fn any_block_is_safe(samples in proptest::collection::vec(any::<i16>(), 0..3000), channels in 0usize..3) {
            if let Some(shorter) = shorten(&samples, channels) {
                prop_assert!(shorter.len() < samples.len());
            }
            if let Some(longer) = lengthen(&samples, channels) {
                prop_assert!(longer.len() > samples.len());
            }
        }
    }
}
