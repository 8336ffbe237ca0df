//! Writes one test picture as PNG: `cargo run --release -p roomrtc-media --example test_picture -- FILE.png`.

use std::time::{Duration, Instant};

use roomrtc_media::screenshot;
use roomrtc_media::synthetic::picture::Painter;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "test_picture.png".into());
    let (width, height) = (1280, 720);
    let wall = Duration::from_millis(123_456);
    let frame = Painter::new(width, height).paint(wall, false, Instant::now());
    screenshot::write_png(&frame, std::fs::File::create(path)?)?;
    Ok(())
}
