//! The way to the screen without a GPU: crop, scale, mirror and convert one picture straight to the pixels it
//! will cover, so that the renderer only has to copy.
//!
//! Scaling happens on the planes, before conversion: a third less to compute than on RGBA. A picture more than
//! twice too large is halved by averaging first, so that fine lines do not flicker; the rest is bilinear.

use roomrtc_media::frame::{Plane, VideoFrame};
use yuv::{YuvPlanarImage, YuvRange, YuvStandardMatrix, yuv420_to_rgba};

/// What the screen wants of a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct View {
    /// Width in pixels of the screen.
    pub(super) width: u32,
    /// Height in pixels of the screen.
    pub(super) height: u32,
    /// The visible part of the picture around its centre, 0 to 1 each way.
    pub(super) crop: [f32; 2],
    /// Left and right swapped.
    pub(super) mirror: bool,
    /// Radius of the corners in pixels of the screen.
    pub(super) radius: f32,
}

/// Buffers that are used again for the next picture.
#[derive(Default)]
pub(super) struct Scratch {
    planes: [Vec<u8>; 3],
    halved: [Vec<u8>; 2],
    row: Vec<u8>,
    taps: Vec<Tap>,
}

/// A part of a plane.
#[derive(Clone, Copy)]
struct Part<'a> {
    data: &'a [u8],
    stride: usize,
    width: usize,
    height: usize,
}

impl<'a> Part<'a> {
    /// Cuts the part out; `None` if the plane is shorter than it says.
    fn of(plane: Plane<'a>, x: usize, y: usize, width: usize, height: usize) -> Option<Self> {
        let data = plane.data.get(y * plane.stride + x..)?;
        let needed = plane.stride.checked_mul(height.checked_sub(1)?)? + width;
        (data.len() >= needed && x + width <= plane.stride).then_some(Part {
            data,
            stride: plane.stride,
            width,
            height,
        })
    }

    fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.stride..][..self.width]
    }
}

/// The picture as RGBA of exactly `view.width` × `view.height`; `None` if it has no such part.
pub(super) fn to_rgba(frame: &VideoFrame, view: &View, scratch: &mut Scratch) -> Option<Vec<u8>> {
    let (width, height) = (view.width as usize, view.height as usize);
    if width == 0 || height == 0 || frame.width < 2 || frame.height < 2 {
        return None;
    }
    let (x, cut_width) = visible(frame.width, view.crop[0]);
    let (y, cut_height) = visible(frame.height, view.crop[1]);
    let [luma, u, v] = frame.planes();
    let luma = Part::of(luma, x, y, cut_width, cut_height)?;
    let chroma = |plane| Part::of(plane, x / 2, y / 2, cut_width / 2, cut_height / 2);
    let (u, v) = (chroma(u)?, chroma(v)?);

    let mut rgba = vec![0; width * height * 4];
    if !view.mirror && (cut_width, cut_height) == (width, height) {
        convert([luma, u, v], &mut rgba)?;
    } else {
        let Scratch {
            planes: [out_y, out_u, out_v],
            halved,
            row,
            taps,
        } = scratch;
        let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
        let sizes = [
            (width, height),
            (half_width, half_height),
            (half_width, half_height),
        ];
        for ((part, out), (w, h)) in [luma, u, v]
            .into_iter()
            .zip([&mut *out_y, out_u, out_v])
            .zip(sizes)
        {
            scale(part, w, h, view.mirror, out, halved, row, taps);
        }
        let part = |data, (width, height)| Part {
            data,
            stride: width,
            width,
            height,
        };
        convert(
            [
                part(out_y.as_slice(), sizes[0]),
                part(out_u.as_slice(), sizes[1]),
                part(out_v.as_slice(), sizes[2]),
            ],
            &mut rgba,
        )?;
    }
    round_corners(&mut rgba, width, height, view.radius);
    Some(rgba)
}

/// First and number of visible samples, both even so that chroma follows.
fn visible(size: u32, part: f32) -> (usize, usize) {
    let size = size as usize & !1;
    let cut = ((size as f32 * part.clamp(0.0, 1.0)).round() as usize & !1).clamp(2, size);
    (((size - cut) / 2) & !1, cut)
}

fn convert([y, u, v]: [Part<'_>; 3], rgba: &mut [u8]) -> Option<()> {
    let image = YuvPlanarImage {
        y_plane: &y.data[..y.stride * (y.height - 1) + y.width],
        y_stride: y.stride as u32,
        u_plane: &u.data[..u.stride * (u.height - 1) + u.width],
        u_stride: u.stride as u32,
        v_plane: &v.data[..v.stride * (v.height - 1) + v.width],
        v_stride: v.stride as u32,
        width: y.width as u32,
        height: y.height as u32,
    };
    let stride = image.width * 4;
    yuv420_to_rgba(&image, rgba, stride, YuvRange::Limited, YuvStandardMatrix::Bt601).ok()
}

/// Scales one plane into `out`.
#[expect(clippy::too_many_arguments, reason = "the buffers are borrowed one by one")]
fn scale(
    part: Part<'_>,
    width: usize,
    height: usize,
    mirror: bool,
    out: &mut Vec<u8>,
    [even, odd]: &mut [Vec<u8>; 2],
    row: &mut Vec<u8>,
    taps: &mut Vec<Tap>,
) {
    let (mut from, mut to) = (even, odd);
    let mut size = (part.width, part.height);
    if size.0 < 2 * width || size.1 < 2 * height {
        return bilinear(part, width, height, mirror, out, row, taps);
    }
    size = halve(part, from);
    while size.0 >= 2 * width && size.1 >= 2 * height {
        let whole = Part {
            data: from,
            stride: size.0,
            width: size.0,
            height: size.1,
        };
        size = halve(whole, to);
        std::mem::swap(&mut from, &mut to);
    }
    let whole = Part {
        data: from,
        stride: size.0,
        width: size.0,
        height: size.1,
    };
    bilinear(whole, width, height, mirror, out, row, taps);
}

/// Averages blocks of 2 × 2; the size of the result.
fn halve(part: Part<'_>, out: &mut Vec<u8>) -> (usize, usize) {
    let (width, height) = (part.width / 2, part.height / 2);
    out.resize(width * height, 0);
    for (y, line) in out.chunks_exact_mut(width).enumerate() {
        let (above, below) = (part.row(2 * y), part.row(2 * y + 1));
        for ((pixel, a), b) in line
            .iter_mut()
            .zip(above.chunks_exact(2))
            .zip(below.chunks_exact(2))
        {
            let sum = u16::from(a[0]) + u16::from(a[1]) + u16::from(b[0]) + u16::from(b[1]);
            *pixel = ((sum + 2) / 4) as u8;
        }
    }
    (width, height)
}

/// Where a sample comes from: two neighbours and their weights, of 256 together.
#[derive(Clone, Copy)]
struct Tap {
    first: u32,
    weights: [u16; 2],
}

impl Tap {
    /// The weighted mean.
    fn mean(self, a: u8, b: u8) -> u8 {
        let sum = u32::from(self.weights[0]) * u32::from(a) + u32::from(self.weights[1]) * u32::from(b);
        ((sum + 128) >> 8) as u8
    }
}

/// Position `i` of `n` in a line of `length` samples, centres on centres.
fn tap(i: usize, n: usize, length: usize) -> Tap {
    let last = (length as i64 - 1) * 256;
    let at = (((2 * i as i64 + 1) * length as i64 * 128) / n as i64 - 128).clamp(0, last);
    let first = (at >> 8).min(length as i64 - 2).max(0);
    let second = (at - first * 256).min(256);
    Tap {
        first: first as u32,
        weights: [(256 - second) as u16, second as u16],
    }
}

fn bilinear(
    part: Part<'_>,
    width: usize,
    height: usize,
    mirror: bool,
    out: &mut Vec<u8>,
    row: &mut Vec<u8>,
    taps: &mut Vec<Tap>,
) {
    out.resize(width * height, 0);
    // one sample more than there is, so that every tap has a second neighbour
    row.resize(part.width + 1, 0);
    taps.clear();
    taps.extend((0..width).map(|x| tap(if mirror { width - 1 - x } else { x }, width, part.width)));
    for (y, line) in out.chunks_exact_mut(width).enumerate() {
        let rows = tap(y, height, part.height);
        let above = part.row(rows.first as usize);
        let below = part.row((rows.first as usize + 1).min(part.height - 1));
        for ((sample, &a), &b) in row.iter_mut().zip(above).zip(below) {
            *sample = rows.mean(a, b);
        }
        for (pixel, tap) in line.iter_mut().zip(taps.iter()) {
            if let Some(&[a, b]) = row.get(tap.first as usize..).and_then(|rest| rest.first_chunk()) {
                *pixel = tap.mean(a, b);
            }
        }
    }
}

/// Makes the corners transparent, with a soft edge.
fn round_corners(rgba: &mut [u8], width: usize, height: usize, radius: f32) {
    let radius = radius.min(width.min(height) as f32 / 2.0);
    for j in 0..radius.ceil() as usize {
        for i in 0..radius.ceil() as usize {
            let (dx, dy) = (radius - i as f32 - 0.5, radius - j as f32 - 0.5);
            let inside = (radius - dx.hypot(dy) + 0.5).clamp(0.0, 1.0);
            if inside < 1.0 {
                let alpha = (inside * 255.0) as u8;
                for x in [i, width - 1 - i] {
                    for y in [j, height - 1 - j] {
                        rgba[(y * width + x) * 4 + 3] = alpha;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Instant;

    use roomrtc_media::frame::Pixels;

    use super::*;

    struct Planes([Vec<u8>; 3], [usize; 3]);

    impl Pixels for Planes {
        fn planes(&self) -> [Plane<'_>; 3] {
            std::array::from_fn(|i| Plane {
                data: &self.0[i],
                stride: self.1[i],
            })
        }
    }

    /// A picture that is white on its left half and black on its right, in rows longer than the picture.
    fn half_white(width: u32, height: u32) -> VideoFrame {
        let stride = width as usize + 16;
        let mut luma = vec![0; stride * height as usize];
        for row in luma.chunks_exact_mut(stride) {
            for (x, sample) in row.iter_mut().enumerate() {
                *sample = if x < width as usize / 2 { 235 } else { 16 };
            }
        }
        let chroma = vec![128; stride * height as usize / 2];
        let planes = Planes([luma, chroma.clone(), chroma], [stride; 3]);
        VideoFrame::new(width, height, Instant::now(), Arc::new(planes))
    }

    fn view(width: u32, height: u32) -> View {
        View {
            width,
            height,
            crop: [1.0, 1.0],
            mirror: false,
            radius: 0.0,
        }
    }

    fn red(rgba: &[u8], width: usize, x: usize, y: usize) -> u8 {
        rgba[(y * width + x) * 4]
    }

    #[test]
    fn a_picture_keeps_its_halves_at_every_size() {
        let frame = half_white(64, 48);
        for (w, h) in [(64, 48), (33, 21), (128, 96), (8, 6), (200, 30)] {
            let rgba = to_rgba(&frame, &view(w, h), &mut Scratch::default()).expect("a whole picture");
            assert_eq!(rgba.len(), (w * h * 4) as usize);
            assert!(red(&rgba, w as usize, 0, h as usize / 2) > 250, "{w}x{h}");
            assert!(
                red(&rgba, w as usize, w as usize - 1, h as usize / 2) < 5,
                "{w}x{h}"
            );
        }
    }

    #[test]
    fn a_mirror_swaps_the_halves() {
        let mirrored = View {
            mirror: true,
            ..view(64, 48)
        };
        let rgba = to_rgba(&half_white(64, 48), &mirrored, &mut Scratch::default()).expect("a whole picture");
        assert!(red(&rgba, 64, 0, 0) < 5);
        assert!(red(&rgba, 64, 63, 0) > 250);
    }

    #[test]
    fn round_corners_are_transparent_and_the_middle_is_not() {
        let round = View {
            radius: 12.0,
            ..view(64, 48)
        };
        let rgba = to_rgba(&half_white(64, 48), &round, &mut Scratch::default()).expect("a whole picture");
        assert_eq!(rgba[3], 0);
        assert_eq!(rgba[(24 * 64 + 32) * 4 + 3], 255);
    }

    #[test]
    fn a_cropped_picture_shows_its_middle() {
        let cropped = View {
            crop: [0.25, 1.0],
            ..view(16, 48)
        };
        let rgba = to_rgba(&half_white(64, 48), &cropped, &mut Scratch::default()).expect("a whole picture");
        assert!(red(&rgba, 16, 0, 10) > 250);
        assert!(red(&rgba, 16, 15, 10) < 5);
    }

    #[test]
    fn planes_shorter_than_they_say_are_not_drawn() {
        let planes = Planes([vec![0; 10], vec![0; 10], vec![0; 10]], [64, 32, 32]);
        let frame = VideoFrame::new(64, 48, Instant::now(), Arc::new(planes));
        assert!(to_rgba(&frame, &view(64, 48), &mut Scratch::default()).is_none());
    }

    proptest::proptest! {
        #[test]
        fn no_view_of_a_picture_panics(
            (w, h) in (1_u32..40, 1_u32..40), (sw, sh) in (1_u32..40, 1_u32..40),
            crop in (0.0_f32..=1.0, 0.0_f32..=1.0), mirror: bool, radius in 0.0_f32..30.0,
        ) {
            let frame = half_white(sw * 2, sh * 2);
            let view = View { width: w, height: h, crop: [crop.0, crop.1], mirror, radius };
            let rgba = to_rgba(&frame, &view, &mut Scratch::default());
            proptest::prop_assert_eq!(rgba.map(|r| r.len()), Some((w * h * 4) as usize));
        }
    }
}
