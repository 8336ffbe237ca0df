//! Pictures and packets as they travel between devices, codecs and the screen.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// One picture in I420 (planar YUV 4:2:0, BT.601 limited range). Cloning shares the pixels.
#[derive(Clone)]
pub struct VideoFrame {
    /// Width in pixels, even.
    pub width: u32,
    /// Height in pixels, even.
    pub height: u32,
    /// When it was captured; on the receiving side, when it was decoded.
    pub at: Instant,
    /// The pixels, wherever they live (a GStreamer buffer, a vector).
    pixels: Arc<dyn Pixels>,
}

/// Memory that holds the three planes of a picture.
pub trait Pixels: Send + Sync {
    /// The Y, U and V planes.
    fn planes(&self) -> [Plane<'_>; 3];

    /// All three planes in one piece, laid out as [`Layout`] says: such memory travels to a codec without a copy.
    fn contiguous(&self) -> Option<&[u8]> {
        None
    }
}

/// One plane: rows of `stride` bytes each.
#[derive(Clone, Copy)]
pub struct Plane<'a> {
    /// The samples, at least `stride * (rows - 1) + columns` bytes.
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
}

impl VideoFrame {
    /// A picture over existing memory.
    pub fn new(width: u32, height: u32, at: Instant, pixels: Arc<dyn Pixels>) -> Self {
        VideoFrame {
            width,
            height,
            at,
            pixels,
        }
    }

    /// The Y, U and V planes.
    pub fn planes(&self) -> [Plane<'_>; 3] {
        self.pixels.planes()
    }

    /// All three planes in one piece, if the memory happens to be [`Layout`]'s.
    pub fn contiguous(&self) -> Option<&[u8]> {
        self.pixels.contiguous()
    }

    /// The same picture, taken at another time.
    pub fn retimed(&self, at: Instant) -> Self {
        VideoFrame { at, ..self.clone() }
    }

    /// The layout a contiguous picture of this size has.
    pub fn layout(&self) -> Layout {
        Layout::new(self.width, self.height)
    }

    /// The pixels in one piece, copied.
    pub fn to_contiguous(&self) -> Vec<u8> {
        let layout = self.layout();
        let mut whole = vec![0; layout.size()];
        for (plane, area) in self.planes().into_iter().zip(layout.areas()) {
            for row in 0..area.rows {
                let from = row * plane.stride;
                let to = area.offset + row * area.stride;
                whole[to..to + area.columns].copy_from_slice(&plane.data[from..from + area.columns]);
            }
        }
        whole
    }
}

/// Where the planes of an I420 picture lie in one piece of memory, as GStreamer lays them out by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
}

/// One plane's place in a [`Layout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// First byte.
    pub offset: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Samples a row.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
}

/// GStreamer pads the rows of raw video to a multiple of this many bytes.
const ROW_ALIGNMENT: usize = 4;

impl Layout {
    /// The layout of a picture of this size.
    pub fn new(width: u32, height: u32) -> Self {
        Layout {
            width: width as usize,
            height: height as usize,
        }
    }

    /// The places of Y, U and V.
    pub fn areas(&self) -> [Area; 3] {
        let (chroma_columns, chroma_rows) = (self.width.div_ceil(2), self.height.div_ceil(2));
        let luma_stride = self.width.next_multiple_of(ROW_ALIGNMENT);
        let chroma_stride = chroma_columns.next_multiple_of(ROW_ALIGNMENT);
        let luma_bytes = luma_stride * chroma_rows * 2;
        let chroma = |index: usize| Area {
            offset: luma_bytes + index * chroma_stride * chroma_rows,
            stride: chroma_stride,
            columns: chroma_columns,
            rows: chroma_rows,
        };
        let luma = Area {
            offset: 0,
            stride: luma_stride,
            columns: self.width,
            rows: self.height,
        };
        [luma, chroma(0), chroma(1)]
    }

    /// Bytes in all.
    pub fn size(&self) -> usize {
        let [_, _, v] = self.areas();
        v.offset + v.stride * v.rows
    }

    /// The planes of a picture in `data`, which is at least [`Layout::size`] long.
    pub fn planes<'a>(&self, data: &'a [u8]) -> [Plane<'a>; 3] {
        self.areas().map(|area| Plane {
            data: &data[area.offset..area.offset + area.stride * area.rows],
            stride: area.stride,
        })
    }
}

/// Plain memory that holds a picture in one piece.
#[derive(Clone, Debug)]
pub struct Memory {
    layout: Layout,
    data: Vec<u8>,
}

impl Memory {
    /// Takes over `data`; `None` if it is too short for a picture of this size.
    pub fn new(width: u32, height: u32, data: Vec<u8>) -> Option<Self> {
        let layout = Layout::new(width, height);
        (data.len() >= layout.size()).then_some(Memory { layout, data })
    }

    /// A picture of one grey (16 black, 235 white).
    pub fn grey(width: u32, height: u32, luma: u8) -> Self {
        /// Neither blue nor red.
        const NO_COLOUR: u8 = 128;
        let layout = Layout::new(width, height);
        let mut data = vec![NO_COLOUR; layout.size()];
        let [y, _, _] = layout.areas();
        data[..y.stride * y.rows].fill(luma);
        Memory { layout, data }
    }

    /// Where the planes lie.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The bytes, to draw into.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.data
    }
}

impl Pixels for Memory {
    fn planes(&self) -> [Plane<'_>; 3] {
        self.layout.planes(&self.data)
    }

    fn contiguous(&self) -> Option<&[u8]> {
        self.data.get(..self.layout.size())
    }
}

impl fmt::Debug for VideoFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VideoFrame({}x{})", self.width, self.height)
    }
}

/// One encoded picture: an H.264 access unit (Annex B) or a VP8 frame.
#[derive(Clone, Debug)]
pub struct EncodedFrame {
    /// The bitstream.
    pub data: Bytes,
    /// Whether a decoder can start here.
    pub key: bool,
    /// When the picture was captured.
    pub captured_at: Instant,
}

/// A stretch of sound: interleaved 16-bit samples at [`SAMPLE_RATE`].
#[derive(Clone, PartialEq)]
pub struct AudioFrame {
    /// The samples, `channels` for each instant.
    pub samples: Vec<i16>,
    /// 1 or 2.
    pub channels: u8,
    /// When the first sample was captured.
    pub at: Instant,
}

/// Samples a second, everywhere in this program (RFC 7587 §4.1 fixes the RTP clock of Opus to it).
pub const SAMPLE_RATE: u32 = 48_000;

impl AudioFrame {
    /// Samples in one channel.
    pub fn len(&self) -> usize {
        self.samples.len() / usize::from(self.channels.max(1))
    }

    /// Whether there is no sound at all, not even silence.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// How long it lasts.
    pub fn duration(&self) -> Duration {
        samples_to_duration(self.len() as u64)
    }
}

impl fmt::Debug for AudioFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AudioFrame({:?}, {} channels)", self.duration(), self.channels)
    }
}

/// How long so many samples of one channel last.
pub fn samples_to_duration(samples: u64) -> Duration {
    Duration::from_nanos(samples * 1_000_000_000 / u64::from(SAMPLE_RATE))
}
