//! The test picture in motion: the still room, the swaying speaker, the barcode, and a white border on whole seconds.
//!
//! A frame is painted into memory that is used over and over: only what the frame before last touched is mended, and
//! only what moves is drawn, about half a megabyte instead of all of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::barcode::{self, CELLS, CELLS_ACROSS};
use super::scene::{self, DESIGN_WIDTH, SPEAKER_SIZE, Speaker};
use crate::frame::{Area, Memory, Pixels, VideoFrame};

/// Luma of white and black in limited range.
const WHITE: u8 = 235;
const BLACK: u8 = 16;
/// Chroma of white and black.
const COLOURLESS: u8 = 128;

/// The border of whole seconds, in a picture 1280 pixels wide.
const BORDER: f32 = 8.0;

/// The speaker sways so far (pixels at 1280) and so fast (radians a second), across and up and down.
const SWAY_X: (f64, f64) = (120.0, 1.3);
const SWAY_Y: (f64, f64) = (50.0, 2.1);

/// Frames that may be out at once (encoder, self view, a screenshot) before memory is allocated anew.
const POOL: usize = 6;

/// Paints test pictures of one size.
pub struct Painter {
    width: u32,
    height: u32,
    room: Memory,
    speaker: Speaker,
    pool: Vec<Canvas>,
}

/// Memory for one picture and what differs in it from the empty room.
struct Canvas {
    memory: Arc<Memory>,
    speaker_at: Option<(usize, usize)>,
    bordered: bool,
}

impl Painter {
    /// Prepares the room and the speaker.
    pub fn new(width: u32, height: u32) -> Self {
        let size = SPEAKER_SIZE * width as f32 / DESIGN_WIDTH;
        let size = (size as u32).min(height) & !1;
        Painter {
            width,
            height,
            room: scene::room(width, height),
            speaker: scene::speaker(size),
            pool: Vec::new(),
        }
    }

    /// The picture of a wall clock time; with the white border if `second`.
    pub fn paint(&mut self, wall: Duration, second: bool, at: Instant) -> VideoFrame {
        let mut canvas = self.free_canvas();
        let place = self.sway(wall);
        // A canvas from the pool has one owner; were it ever shared, it would be copied instead of torn.
        let memory = Arc::make_mut(&mut canvas.memory);
        let bytes = (memory.layout().areas(), memory.bytes_mut());
        let (areas, bytes) = bytes;
        let border = self.border();
        if let Some(old) = canvas.speaker_at {
            self.mend(bytes, &areas, old);
        }
        if canvas.bordered {
            bytes.copy_from_slice(self.room.contiguous().unwrap_or_default());
        }
        self.draw_speaker(bytes, &areas, place);
        if second {
            draw_border(bytes, &areas, border);
        }
        draw_barcode(bytes, &areas, self.width, barcode::encode(barcode::time_ms(wall)));
        canvas.speaker_at = Some(place);
        canvas.bordered = second;
        let pixels: Arc<dyn Pixels> = canvas.memory.clone();
        self.pool.push(canvas);
        VideoFrame::new(self.width, self.height, at, pixels)
    }

    /// A canvas nobody looks at any more, or a new one.
    fn free_canvas(&mut self) -> Canvas {
        if let Some(free) = self
            .pool
            .iter_mut()
            .position(|c| Arc::get_mut(&mut c.memory).is_some())
        {
            return self.pool.swap_remove(free);
        }
        if self.pool.len() >= POOL {
            self.pool.swap_remove(0); // its last reader frees it
        }
        Canvas {
            memory: Arc::new(self.room.clone()),
            speaker_at: None,
            bordered: false,
        }
    }

    /// Where the speaker's square stands: left and top, even.
    fn sway(&self, wall: Duration) -> (usize, usize) {
        let scale = f64::from(self.width) / f64::from(DESIGN_WIDTH);
        let size = self.speaker.spans.len() as f64;
        let t = wall.as_secs_f64();
        let x = (f64::from(self.width) - size) / 2.0 + SWAY_X.0 * scale * (SWAY_X.1 * t).sin();
        // He sits at the bottom of the picture; the lowest point of the sway touches its edge.
        let low = f64::from(self.height) - size - SWAY_Y.0 * scale;
        let y = low + SWAY_Y.0 * scale * (SWAY_Y.1 * t).cos();
        let even = |v: f64, limit: u32| (v.clamp(0.0, f64::from(limit) - size) as usize) & !1;
        (even(x, self.width), even(y, self.height))
    }

    fn border(&self) -> usize {
        ((BORDER * self.width as f32 / DESIGN_WIDTH) as usize).max(2) & !1
    }

    /// Puts the room back where the speaker stood.
    fn mend(&self, bytes: &mut [u8], areas: &[Area; 3], place: (usize, usize)) {
        let room = self.room.contiguous().unwrap_or_default();
        self.each_span(areas, place, |to, _, length| {
            bytes[to..to + length].copy_from_slice(&room[to..to + length]);
        });
    }

    fn draw_speaker(&self, bytes: &mut [u8], areas: &[Area; 3], place: (usize, usize)) {
        let body = self.speaker.memory.contiguous().unwrap_or_default();
        self.each_span(areas, place, |to, from, length| {
            bytes[to..to + length].copy_from_slice(&body[from..from + length]);
        });
    }

    /// Calls `f(offset in the picture, offset in the speaker, length)` for each run of samples of the body.
    fn each_span(
        &self,
        areas: &[Area; 3],
        (left, top): (usize, usize),
        mut f: impl FnMut(usize, usize, usize),
    ) {
        let body_areas = self.speaker.memory.layout().areas();
        for (plane, (area, body)) in areas.iter().zip(&body_areas).enumerate() {
            let divide = if plane == 0 { 1 } else { 2 };
            for row in 0..body.rows {
                let (start, end) = self.speaker.spans[row * divide];
                let (start, end) = (start / divide, end / divide);
                let to = area.offset + (top / divide + row) * area.stride + left / divide + start;
                f(to, body.offset + row * body.stride + start, end - start);
            }
        }
    }
}

fn draw_border(bytes: &mut [u8], areas: &[Area; 3], border: usize) {
    for (plane, area) in areas.iter().enumerate() {
        let (thick, value) = if plane == 0 {
            (border, WHITE)
        } else {
            (border / 2, COLOURLESS)
        };
        for row in 0..area.rows {
            let start = area.offset + row * area.stride;
            let row_bytes = &mut bytes[start..start + area.columns];
            if row < thick || row >= area.rows - thick {
                row_bytes.fill(value);
            } else {
                row_bytes[..thick].fill(value);
                row_bytes[area.columns - thick..].fill(value);
            }
        }
    }
}

fn draw_barcode(bytes: &mut [u8], areas: &[Area; 3], width: u32, bits: u32) {
    for (plane, area) in areas.iter().enumerate() {
        let divide = if plane == 0 { 1 } else { 2 };
        let edge = |cell: u32| (cell * width / CELLS_ACROSS) as usize / divide;
        let first = area.offset;
        for cell in 0..CELLS {
            let white = bits >> (CELLS - 1 - cell) & 1 == 1;
            let value = match (plane, white) {
                (0, true) => WHITE,
                (0, false) => BLACK,
                _ => COLOURLESS,
            };
            bytes[first + edge(cell)..first + edge(cell + 1)].fill(value);
        }
        let length = edge(CELLS);
        for row in 1..edge(1).min(area.rows) {
            bytes.copy_within(first..first + length, first + row * area.stride);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure;

    fn at(painter: &mut Painter, ms: u64, second: bool) -> VideoFrame {
        painter.paint(Duration::from_millis(ms), second, Instant::now())
    }

    #[test]
    fn used_memory_shows_the_same_picture_as_fresh_memory() {
        let mut used = Painter::new(640, 360);
        for ms in [0, 400, 1000, 1033] {
            drop(at(&mut used, ms, ms % 1000 == 0));
        }
        assert_eq!(
            used.pool.len(),
            1,
            "one canvas is enough when nobody keeps a frame"
        );
        let again = at(&mut used, 2500, false).to_contiguous();
        let fresh = at(&mut Painter::new(640, 360), 2500, false).to_contiguous();
        assert!(again == fresh);
    }

    #[test]
    fn a_picture_that_somebody_keeps_is_never_painted_over() {
        let mut painter = Painter::new(640, 360);
        let kept: Vec<_> = (1..=10).map(|i| at(&mut painter, i * 40, false)).collect();
        for (i, frame) in kept.iter().enumerate() {
            assert_eq!(barcode::read(frame), Some((i as u32 + 1) * 40));
        }
        assert!(painter.pool.len() <= POOL);
    }

    #[test]
    fn only_whole_seconds_have_a_white_border() {
        let mut painter = Painter::new(1280, 720);
        assert!(measure::has_white_border(&at(&mut painter, 3000, true)));
        assert!(!measure::has_white_border(&at(&mut painter, 3033, false)));
        assert!(measure::has_white_border(&at(
            &mut Painter::new(320, 180),
            3000,
            true
        )));
    }
}
