//! Pictures and packets as they travel between devices, codecs and the screen.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

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
