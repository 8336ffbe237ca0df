//! The measurable test picture and tone: what the client sends when asked to, or when there is no device.
//!
//! Any receiver can measure frame order, glass-to-glass latency and lip sync from the pixels and samples alone.
//!
//! Reading order: [`barcode`] (the time in the picture) → [`scene`] (what is drawn once) → [`picture`] (what moves) →
//! [`tone`]. The sources here run them in real time, on the ticks of [`crate::ticker`].

use std::sync::Arc;

use crate::capture::{OnPicture, OnSound, VideoFormat};
use crate::frame::{AudioFrame, Pixels, SAMPLE_RATE, VideoFrame};
use crate::ticker::{Ticking, tick_time, ticking};
use picture::Painter;
use tone::Tone;

pub mod barcode;
mod font;
pub mod picture;
mod scene;
pub mod tone;

/// Milliseconds in a second.
const SECOND_MS: u64 = 1000;

/// Makes the test picture at the rate of `format`, each frame on its own multiple of the frame time of the wall
/// clock: the first of each second falls on the second.
pub fn test_picture(format: VideoFormat, mut on_picture: OnPicture) -> std::io::Result<Ticking> {
    let mut painter = Painter::new(format.width, format.height);
    let fps = u64::from(format.fps.max(1));
    ticking("test picture", fps, move |clock, tick, now| {
        let frame = painter.paint(clock.wall(now), tick % fps == 0, now);
        on_picture(frame);
    })
}

/// How often the still picture is given: whoever comes late, or lost one, gets the next.
const STILL_RATE: u64 = 5;

/// Gives the picture that stands in for a camera, over and over.
pub fn still_picture(format: VideoFormat, mut on_picture: OnPicture) -> std::io::Result<Ticking> {
    let pixels: Arc<dyn Pixels> = Arc::new(scene::no_camera(format.width, format.height));
    let VideoFormat { width, height, .. } = format;
    ticking("still picture", STILL_RATE, move |_, _, now| {
        on_picture(VideoFrame::new(width, height, now, pixels.clone()));
    })
}

/// Makes the test tone, or silence, in blocks of `block_ms` (a divisor of 1000) that end on multiples of it of the
/// wall clock, as a microphone delivers sound: after it was heard.
pub fn test_tone(channels: u8, block_ms: u32, loud: bool, mut on_sound: OnSound) -> std::io::Result<Ticking> {
    let tone = Tone::new();
    let blocks = SECOND_MS / u64::from(block_ms.max(1));
    let length = (SAMPLE_RATE / blocks as u32) as usize;
    ticking("test tone", blocks, move |clock, tick, _| {
        let begun = tick - 1;
        let first = (begun % blocks) as usize * length;
        let samples = match loud {
            true => tone.block(first, length, channels),
            false => vec![0; length * usize::from(channels)],
        };
        let at = clock.instant(tick_time(begun, blocks));
        on_sound(AudioFrame {
            samples,
            channels,
            at,
        });
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure;
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    #[test]
    fn the_still_picture_is_dark_has_words_on_it_and_does_not_move() {
        let (tell, hear) = mpsc::channel();
        let format = VideoFormat {
            width: 640,
            height: 360,
            fps: 30,
        };
        let source =
            still_picture(format, Box::new(move |frame| drop(tell.send(frame)))).expect("a thread starts");
        let frames: Vec<_> = hear.iter().take(2).collect();
        drop(source);
        let luma = |frame: &VideoFrame| frame.contiguous().map(<[u8]>::to_vec);
        let first = luma(&frames[0]).expect("one piece of memory");
        assert_eq!(Some(&first), luma(&frames[1]).as_ref());
        let bright = first[..640 * 360].iter().filter(|&&luma| luma > 120).count();
        assert!((500..20_000).contains(&bright), "{bright} bright pixels");
    }

    #[test]
    fn test_pictures_come_in_order_at_their_rate() {
        let (tell, hear) = mpsc::channel();
        let format = VideoFormat {
            width: 640,
            height: 360,
            fps: 50,
        };
        let source =
            test_picture(format, Box::new(move |frame| drop(tell.send(frame)))).expect("a thread starts");
        let frames: Vec<_> = hear.iter().take(12).collect();
        drop(source);
        let times: Vec<_> = frames
            .iter()
            .map(|f| barcode::read(f).expect("every picture carries its time"))
            .collect();
        for pair in times.windows(2) {
            assert!(barcode::elapsed_ms(pair[0], pair[1]) > 0, "{times:?}");
        }
        let spread = frames[11].at - frames[0].at;
        assert!(
            spread >= Duration::from_millis(210),
            "faster than 50 a second: {spread:?}"
        );
    }

    #[test]
    fn the_tone_source_delivers_20_ms_blocks_that_ended_just_now() {
        let (tell, hear) = mpsc::channel();
        let source = test_tone(
            1,
            20,
            true,
            Box::new(move |sound| drop(tell.send((sound, Instant::now())))),
        )
        .expect("a thread starts");
        let blocks: Vec<_> = hear.iter().take(3).collect();
        drop(source);
        for (sound, heard) in blocks {
            assert_eq!(sound.len(), 960);
            assert!(heard >= sound.at + sound.duration());
            let level = measure::level_dbfs(&sound.samples);
            assert!((level - tone::LEVEL_DBFS).abs() < 0.5, "{level}");
        }
    }
}
