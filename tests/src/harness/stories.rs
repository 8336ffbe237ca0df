//! What many stories have in common.

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::Headless;

/// The options of a client that sends the test picture and the test tone.
pub const MEDIA: [&str; 4] = ["--video", "test", "--audio", "test"];

/// A figure of a line, by its group and name; 0 where it is not there.
pub fn number(line: &Value, [group, name]: [&str; 2]) -> f64 {
    line[group][name].as_f64().unwrap_or_default()
}

/// The next second in which pictures and sound of another client arrive.
///
/// # Errors
/// If none comes in time.
pub fn hears_and_sees(client: &mut Headless) -> Result<Value> {
    client.wait_until("that pictures and sound arrive", |line| {
        number(line, ["video", "fps_decoded"]) > 20.0 && number(line, ["audio", "level_dbfs"]) > -30.0
    })
}

/// Writes a file of bytes that look random and are always the same.
///
/// # Errors
/// If the disk refuses.
pub fn write_file(path: &Path, mib: usize) -> Result<blake3::Hash> {
    let mut bytes = vec![0_u8; mib << 20];
    blake3::Hasher::new()
        .update(b"a file of this test")
        .finalize_xof()
        .fill(&mut bytes);
    std::fs::write(path, &bytes)?;
    Ok(blake3::hash(&bytes))
}
