//! The time in the picture: a row of 24 square cells along the top edge, most significant bit first, white = 1.
//!
//! ```text
//!  bits 23..4  t = wall clock in ms, modulo 2^20, when the frame is produced
//!  bits 3..0   check = (t ^ t>>4 ^ t>>8 ^ t>>12 ^ t>>16) & 15
//! ```

use std::time::Duration;

use crate::frame::VideoFrame;

/// Cells, and bits, in the row.
pub const CELLS: u32 = 24;

/// Cells that would fit across the whole picture: each is 1/32 of its width.
pub const CELLS_ACROSS: u32 = 32;

/// Times repeat after this many milliseconds.
pub const PERIOD_MS: u32 = 1 << TIME_BITS;

const TIME_BITS: u32 = 20;
const CHECK_BITS: u32 = CELLS - TIME_BITS;
const CHECK_MASK: u32 = (1 << CHECK_BITS) - 1;

/// A sample brighter than this is white.
const WHITE_ABOVE: u32 = 128;

/// The time a frame shows for a wall clock time.
pub fn time_ms(wall: Duration) -> u32 {
    (wall.as_millis() % u128::from(PERIOD_MS)) as u32
}

/// The bits for a time in ms.
pub fn encode(time_ms: u32) -> u32 {
    let time = time_ms % PERIOD_MS;
    time << CHECK_BITS | check(time)
}

/// The time in ms, unless the check fails.
pub fn decode(bits: u32) -> Option<u32> {
    let time = (bits >> CHECK_BITS) % PERIOD_MS;
    (bits & CHECK_MASK == check(time)).then_some(time)
}

fn check(t: u32) -> u32 {
    (t ^ t >> 4 ^ t >> 8 ^ t >> 12 ^ t >> 16) & CHECK_MASK
}

/// Reads the time out of a picture of any size; `None` if it has no barcode or a damaged one.
pub fn read(frame: &VideoFrame) -> Option<u32> {
    let [luma, _, _] = frame.planes();
    let y = (frame.width / (2 * CELLS_ACROSS)) as usize;
    if y >= frame.height as usize {
        return None;
    }
    let row = luma.data.get(y * luma.stride..)?;
    let mut bits = 0;
    for cell in 0..CELLS {
        let x = ((2 * cell + 1) * frame.width / (2 * CELLS_ACROSS)) as usize;
        bits = bits << 1 | u32::from(middle(row, x)? > WHITE_ABOVE);
    }
    // A black picture reads as zero, a white one as all ones, check and all: take both for no barcode (two frames in 17
    // minutes).
    if bits == 0 || bits == (1 << CELLS) - 1 {
        None
    } else {
        decode(bits)
    }
}

/// The mean of three samples around the middle of a cell.
fn middle(row: &[u8], x: usize) -> Option<u32> {
    let three = row.get(x.saturating_sub(1)..=x + 1)?;
    Some(three.iter().map(|&s| u32::from(s)).sum::<u32>() / three.len() as u32)
}

/// From one time to another in ms, across the period's end; negative if `to` is earlier.
pub fn elapsed_ms(from: u32, to: u32) -> i32 {
    let forward = to.wrapping_sub(from) % PERIOD_MS;
    if forward < PERIOD_MS / 2 {
        forward as i32
    } else {
        forward as i32 - PERIOD_MS as i32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Memory;
    use crate::synthetic::picture::Painter;
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::time::Instant;

    #[test]
    fn a_picture_of_one_shade_has_no_barcode() {
        for luma in [16, 90, 235] {
            let frame = VideoFrame::new(320, 180, Instant::now(), Arc::new(Memory::grey(320, 180, luma)));
            assert_eq!(read(&frame), None);
        }
    }

    #[test]
    fn times_are_compared_across_the_end_of_the_period() {
        assert_eq!(elapsed_ms(PERIOD_MS - 10, 5), 15);
        assert_eq!(elapsed_ms(5, PERIOD_MS - 10), -15);
        assert_eq!(elapsed_ms(7, 7), 0);
    }

    proptest! {
        #[test]
        fn every_time_comes_back_and_every_wrong_bit_is_noticed(time in 0..PERIOD_MS, bit in 0..CELLS) {
            let bits = encode(time);
            prop_assert_eq!(decode(bits), Some(time));
            prop_assert_eq!(decode(bits ^ 1 << bit), None);
        }

        #[test]
        fn the_painted_time_is_read_at_any_size(ms in 1..u64::from(PERIOD_MS), size in 0..4usize, second: bool) {
            let (width, height) = [(1280, 720), (640, 360), (320, 240), (1920, 1080)][size];
            let frame = Painter::new(width, height).paint(Duration::from_millis(ms), second, Instant::now());
            prop_assert_eq!(read(&frame), Some(ms as u32));
        }

        #[test]
        fn no_picture_makes_the_reader_panic(width in 0u32..70, height in 0u32..70, luma: u8) {
            let memory = Memory::grey(width, height, luma);
            let _ = read(&VideoFrame::new(width, height, Instant::now(), Arc::new(memory)));
        }
    }
}
