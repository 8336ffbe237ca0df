//! A picture as a PNG file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use roomrtc_media::frame::VideoFrame;
use thiserror::Error;
use yuv::{YuvPlanarImage, YuvRange, YuvStandardMatrix};

/// Why a picture was not saved.
#[derive(Debug, Error)]
pub(super) enum ScreenshotError {
    /// The planes do not fit the size.
    #[error("the picture cannot be converted: {0}")]
    Picture(#[from] yuv::YuvError),
    /// The disk refused.
    #[error("{0}")]
    Disk(#[from] io::Error),
    /// The encoder refused.
    #[error("{0}")]
    Png(#[from] png::EncodingError),
}

/// Bytes of a pixel in the file.
const RGB: u32 = 3;

/// Writes the picture; blocks for some 20 ms at 720p.
pub(super) fn save(frame: &VideoFrame, path: &Path) -> Result<(), ScreenshotError> {
    let [y, u, v] = frame.planes();
    let image = YuvPlanarImage {
        y_plane: y.data,
        y_stride: y.stride as u32,
        u_plane: u.data,
        u_stride: u.stride as u32,
        v_plane: v.data,
        v_stride: v.stride as u32,
        width: frame.width,
        height: frame.height,
    };
    let stride = frame.width * RGB;
    let mut pixels = vec![0; (stride * frame.height) as usize];
    yuv::yuv420_to_rgb(
        &image,
        &mut pixels,
        stride,
        YuvRange::Limited,
        YuvStandardMatrix::Bt601,
    )?;

    // Half a picture is never seen under the name.
    let partial = path.with_extension("png.partial");
    let mut file = BufWriter::new(File::create(&partial)?);
    let mut encoder = png::Encoder::new(&mut file, frame.width, frame.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    file.flush()?;
    drop(file);
    Ok(std::fs::rename(partial, path)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Arc;
    use std::time::Instant;

    use roomrtc_media::frame::{Pixels, Plane};

    use super::*;

    /// One colour, in planes whose rows are longer than the picture.
    struct Flat([u8; 3]);

    const WIDTH: u32 = 32;
    const HEIGHT: u32 = 16;
    const PADDING: usize = 7;

    impl Pixels for Flat {
        fn planes(&self) -> [Plane<'_>; 3] {
            let strides =
                [WIDTH as usize, WIDTH as usize / 2, WIDTH as usize / 2].map(|stride| stride + PADDING);
            std::array::from_fn(|plane| Plane {
                data: Box::leak(vec![self.0[plane]; strides[plane] * HEIGHT as usize].into_boxed_slice()),
                stride: strides[plane],
            })
        }
    }

    #[test]
    fn a_red_picture_is_a_red_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("red.png");
        // BT.601 limited: pure red.
        let frame = VideoFrame::new(WIDTH, HEIGHT, Instant::now(), Arc::new(Flat([81, 90, 240])));
        save(&frame, &path).unwrap();

        let mut reader = png::Decoder::new(io::BufReader::new(File::open(&path).unwrap()))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (WIDTH, HEIGHT));
        assert!(
            pixels.chunks(3).all(|p| p[0] > 250 && p[1] < 5 && p[2] < 5),
            "{:?}",
            &pixels[..3]
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let frame = VideoFrame::new(WIDTH, HEIGHT, Instant::now(), Arc::new(Flat([0, 128, 128])));
        assert!(matches!(
            save(&frame, Path::new("/no/such/folder/a.png")),
            Err(ScreenshotError::Disk(_))
        ));
    }
}
