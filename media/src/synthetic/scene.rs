//! What is drawn once: the still room, and the speaker who is then moved about in it.
//!
//! Everything is given in a picture 1280 pixels wide and scaled to the size wanted.

use super::font;
use crate::frame::{Layout, Memory};

/// The width all measures here are made for.
pub(super) const DESIGN_WIDTH: f32 = 1280.0;

/// The speaker's square.
pub(super) const SPEAKER_SIZE: f32 = 400.0;

/// A colour: luma and the two chroma differences.
#[derive(Clone, Copy)]
struct Colour(f32, f32, f32);

const WALL: Colour = Colour(120.0, 122.0, 134.0);
const FLOOR: Colour = Colour(78.0, 116.0, 142.0);
const PAPER: Colour = Colour(205.0, 124.0, 130.0);
const INK: Colour = Colour(38.0, 128.0, 128.0);
const WOOD: Colour = Colour(92.0, 108.0, 146.0);
const SKIN: Colour = Colour(165.0, 108.0, 152.0);
const HAIR: Colour = Colour(52.0, 124.0, 134.0);
const SHIRT: Colour = Colour(88.0, 154.0, 116.0);

/// Where the floor begins, as a part of the height.
const FLOOR_AT: f32 = 0.82;

/// The posters: left, top, width, height, size of a dot of its writing.
const POSTERS: [(f32, f32, f32, f32, f32); 3] = [
    (60.0, 90.0, 300.0, 330.0, 2.0),
    (900.0, 80.0, 320.0, 200.0, 3.0),
    (420.0, 70.0, 400.0, 58.0, 4.0),
];

/// The shelf of books: left, top, width, height.
const SHELF: (f32, f32, f32, f32) = (880.0, 320.0, 360.0, 230.0);

/// What is written on the posters, over and over.
const WRITING: &[u8] =
    b"ROOMRTC TEST PICTURE  THE ROW OF CELLS ABOVE IS THE TIME IN MS  440 HZ  0123456789 QUICK BROWN FOX JUMPS ";

/// What stands in for a camera.
const NO_CAMERA: &[u8] = b"NO CAMERA";

/// The size of a dot of its writing.
const NO_CAMERA_DOT: f32 = 8.0;

const NIGHT: Colour = Colour(38.0, 130.0, 126.0);
const CHALK: Colour = Colour(150.0, 128.0, 128.0);

/// A dark picture that says in its middle that there is no camera.
pub(super) fn no_camera(width: u32, height: u32) -> Memory {
    let scale = width as f32 / DESIGN_WIDTH;
    let letter = (font::COLUMNS as f32 + 1.0) * NO_CAMERA_DOT;
    let size = (letter * NO_CAMERA.len() as f32, font::ROWS as f32 * NO_CAMERA_DOT);
    let left = (DESIGN_WIDTH - size.0) / 2.0;
    let top = (height as f32 / scale - size.1) / 2.0;
    paint(width, height, |x, y| {
        let (x, y) = (x / scale - left, y / scale - top);
        if x < 0.0 || y < 0.0 || x >= size.0 || y >= size.1 {
            return NIGHT;
        }
        let (column, row) = (
            (x % letter / NO_CAMERA_DOT) as usize,
            (y / NO_CAMERA_DOT) as usize,
        );
        match font::inked(NO_CAMERA[(x / letter) as usize], column, row) {
            true => CHALK,
            false => NIGHT,
        }
    })
}

/// The empty room.
pub(super) fn room(width: u32, height: u32) -> Memory {
    let scale = width as f32 / DESIGN_WIDTH;
    paint(width, height, |x, y| {
        room_at(x / scale, y / scale, height as f32 / scale)
    })
}

fn room_at(x: f32, y: f32, height: f32) -> Colour {
    let poster = POSTERS
        .iter()
        .find(|&&(left, top, w, h, _)| within(x, y, left, top, w, h));
    if let Some(&(left, top, width, height, dot)) = poster {
        return written((x - left, y - top), (width, height), dot);
    }
    let (left, top, width, shelf_height) = SHELF;
    if within(x, y, left, top, width, shelf_height) {
        return books(x - left, y - top);
    }
    if y > height * FLOOR_AT {
        let board = (x / 90.0 + y / 40.0).fract() * 14.0;
        return shade(FLOOR, board + grain(x, y) * 7.0);
    }
    // Light falls in from the left; plaster is never quite even.
    let light = 26.0 - x / DESIGN_WIDTH * 42.0;
    shade(WALL, light + grain(x, y) * 4.0 + grain(x / 23.0, y / 17.0) * 5.0)
}

fn within(x: f32, y: f32, left: f32, top: f32, width: f32, height: f32) -> bool {
    x >= left && x < left + width && y >= top && y < top + height
}

/// A sheet of paper with whole lines of writing.
fn written((x, y): (f32, f32), (width, height): (f32, f32), dot: f32) -> Colour {
    const MARGIN: f32 = 12.0;
    let (column, row) = ((x - MARGIN) / dot, (y - MARGIN) / dot);
    let line_height = font::ROWS as f32 + 3.0;
    let letter_width = font::COLUMNS as f32 + 1.0;
    let letters = ((width - 2.0 * MARGIN) / dot / letter_width) as usize;
    let lines = ((height - MARGIN) / dot / line_height) as usize;
    let ends = (letters as f32 * letter_width, lines as f32 * line_height);
    if column < 0.0 || row < 0.0 || column >= ends.0 || row >= ends.1 {
        return PAPER;
    }
    let (line, letter) = ((row / line_height) as usize, (column / letter_width) as usize);
    let written = WRITING[(line * letters + letter) % WRITING.len()];
    let dot_column = (column % letter_width) as usize;
    let dot_row = (row % line_height) as usize;
    if font::inked(written, dot_column, dot_row) {
        INK
    } else {
        PAPER
    }
}

/// Backs of books in many colours on two boards.
fn books(x: f32, y: f32) -> Colour {
    const BOARD_HEIGHT: f32 = 115.0;
    const BOOK_WIDTH: f32 = 18.0;
    let within_board = y % BOARD_HEIGHT;
    if within_board > BOARD_HEIGHT - 9.0 {
        return shade(WOOD, grain(x / 9.0, y) * 12.0);
    }
    let book = (x / BOOK_WIDTH).floor() + (y / BOARD_HEIGHT).floor() * 64.0;
    let (tone, blue, red) = (grain(book, 1.0), grain(book, 2.0), grain(book, 3.0));
    if within_board < 12.0 + tone * 8.0 {
        return Colour(42.0, 128.0, 130.0);
    }
    let round = ((x % BOOK_WIDTH) / BOOK_WIDTH - 0.4).abs() * -30.0;
    let title = if (40.0..44.0).contains(&within_board) {
        45.0
    } else {
        0.0
    };
    shade(
        Colour(105.0 + tone * 45.0, 128.0 + blue * 32.0, 128.0 + red * 32.0),
        round + title,
    )
}

/// The speaker: a picture of the size of its square, and for each row the span that belongs to the body.
pub(super) struct Speaker {
    pub(super) memory: Memory,
    pub(super) spans: Vec<(usize, usize)>,
}

/// The speaker in a square of `size` pixels (even).
pub(super) fn speaker(size: u32) -> Speaker {
    let scale = size as f32 / SPEAKER_SIZE;
    let memory = paint(size, size, |x, y| speaker_at(x / scale, y / scale));
    let spans = (0..size)
        .map(|row| {
            let y = (row & !1) as f32 / scale; // two rows share their chroma, so they share their span
            let half = half_width(y) * scale;
            let middle = size as f32 / 2.0;
            let even = |x: f32| (x.clamp(0.0, size as f32) as usize) & !1;
            (even(middle - half), even(middle + half))
        })
        .collect();
    Speaker { memory, spans }
}

/// Half the width of the body at a height.
fn half_width(y: f32) -> f32 {
    let ellipse = |centre: f32, radius_x: f32, radius_y: f32| {
        let d = (y - centre) / radius_y;
        if d.abs() < 1.0 {
            radius_x * (1.0 - d * d).sqrt()
        } else {
            0.0
        }
    };
    ellipse(140.0, 105.0, 135.0)
        .max(ellipse(420.0, 195.0, 170.0))
        .max(if y > 240.0 { 45.0 } else { 0.0 })
}

fn speaker_at(x: f32, y: f32) -> Colour {
    let (dx, dy) = (x - SPEAKER_SIZE / 2.0, y);
    let eye = |side: f32| ((dx - side * 42.0).powi(2) / 330.0 + (dy - 130.0).powi(2) / 130.0) < 1.0;
    let mouth = (dx.powi(2) / 1500.0 + (dy - 205.0).powi(2) / 110.0) < 1.0;
    if dy > 262.0 {
        let weave = ((x / 7.0).sin() * (y / 7.0).sin()) * 14.0;
        return shade(SHIRT, weave + grain(x, y) * 8.0);
    }
    if dy < 75.0 + (dx / 9.0).sin() * 6.0 {
        return shade(HAIR, (dx / 3.0).sin() * 12.0 + grain(x, y) * 8.0);
    }
    if eye(-1.0) || eye(1.0) {
        return Colour(
            if dx.abs() > 36.0 && dx.abs() < 48.0 {
                30.0
            } else {
                205.0
            },
            128.0,
            128.0,
        );
    }
    if mouth {
        return Colour(82.0, 118.0, 168.0);
    }
    shade(
        SKIN,
        -dx / 6.0 + grain(x, y) * 6.0 + grain(x / 11.0, y / 13.0) * 5.0,
    )
}

fn shade(Colour(luma, blue, red): Colour, by: f32) -> Colour {
    Colour(luma + by, blue, red)
}

/// A fixed random number between -1 and 1 for a place.
fn grain(x: f32, y: f32) -> f32 {
    let mut hash = (x as i32 as u32).wrapping_mul(0x9E37_79B1) ^ (y as i32 as u32).wrapping_mul(0x85EB_CA77);
    hash ^= hash >> 15;
    hash = hash.wrapping_mul(0x2C1B_3C6D);
    hash ^= hash >> 12;
    hash = hash.wrapping_mul(0x297A_2D39);
    hash ^= hash >> 15;
    hash as f32 / u32::MAX as f32 * 2.0 - 1.0
}

fn paint(width: u32, height: u32, at: impl Fn(f32, f32) -> Colour) -> Memory {
    /// Luma of BT.601 in limited range.
    const LUMA: (f32, f32) = (16.0, 235.0);
    /// Chroma of BT.601 in limited range.
    const CHROMA: (f32, f32) = (16.0, 240.0);
    let mut memory = Memory::grey(width, height, 0);
    let [y_area, u_area, v_area] = Layout::new(width, height).areas();
    let bytes = memory.bytes_mut();
    for row in 0..y_area.rows {
        for column in 0..y_area.columns {
            let Colour(luma, blue, red) = at(column as f32, row as f32);
            bytes[y_area.offset + row * y_area.stride + column] = luma.clamp(LUMA.0, LUMA.1) as u8;
            if row % 2 == 0 && column % 2 == 0 {
                let place = row / 2 * u_area.stride + column / 2;
                bytes[u_area.offset + place] = blue.clamp(CHROMA.0, CHROMA.1) as u8;
                bytes[v_area.offset + place] = red.clamp(CHROMA.0, CHROMA.1) as u8;
            }
        }
    }
    memory
}
