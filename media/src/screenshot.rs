//! Pictures for people: RGBA for the screen, PNG for a file.

use std::io::Write;

use yuv::{YuvPlanarImage, YuvRange, YuvStandardMatrix};

use crate::frame::VideoFrame;

/// Bytes a pixel.
const RGBA: u32 = 4;

/// Why a picture cannot be saved.
#[derive(Debug, thiserror::Error)]
pub enum ScreenshotError {
    /// Its planes do not fit its size.
    #[error("the picture is damaged")]
    Picture(#[source] yuv::YuvError),
    /// It cannot be written.
    #[error("the PNG file cannot be written")]
    Png(#[from] png::EncodingError),
}

/// The picture as rows of red, green, blue and opacity.
pub fn to_rgba(frame: &VideoFrame) -> Result<Vec<u8>, ScreenshotError> {
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
    let mut rgba = vec![0; (frame.width * frame.height * RGBA) as usize];
    yuv::yuv420_to_rgba(
        &image,
        &mut rgba,
        frame.width * RGBA,
        YuvRange::Limited,
        YuvStandardMatrix::Bt601,
    )
    .map_err(ScreenshotError::Picture)?;
    Ok(rgba)
}

/// Writes the picture as PNG.
pub fn write_png(frame: &VideoFrame, to: impl Write) -> Result<(), ScreenshotError> {
    let rgba = to_rgba(frame)?;
    let mut encoder = png::Encoder::new(to, frame.width, frame.height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(&rgba)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Memory;
    use std::sync::Arc;
    use std::time::Instant;

    #[test]
    fn a_screenshot_is_a_png_with_the_colours_of_the_picture() {
        let white = VideoFrame::new(64, 48, Instant::now(), Arc::new(Memory::grey(64, 48, 235)));
        let mut file = Vec::new();
        write_png(&white, &mut file).expect("memory takes it");
        let decoder = png::Decoder::new(std::io::Cursor::new(&file));
        let mut reader = decoder.read_info().expect("it is a PNG");
        let mut pixels = vec![0; reader.output_buffer_size().expect("a small picture")];
        reader.next_frame(&mut pixels).expect("with pixels");
        assert_eq!(reader.info().size(), (64, 48));
        assert!(pixels.iter().all(|&p| p >= 254), "white is white");
    }
}
