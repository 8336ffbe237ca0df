//! Which renderer draws the window: the GPU where there is one, otherwise tiny-skia on the processor.
//!
//! Left alone, iced takes Vulkan on the processor (llvmpipe) where it is installed, which costs half as much
//! again and three times the memory. iced reads its choice from the environment only.

use std::os::unix::process::CommandExt;

use roomrtc_kit::anew;

/// What iced reads.
const VARIABLE: &str = "ICED_BACKEND";
/// The renderer without a GPU.
const SOFTWARE: &str = "tiny-skia";

/// Call first in `main`, before there are threads. Without a GPU, and unless the user chose, it starts this
/// program anew in the same process with the choice in its environment, and so does not return; otherwise it does
/// nothing.
pub fn choose() {
    if std::env::var_os(VARIABLE).is_some() || has_gpu() {
        return;
    }
    let error = match anew::command() {
        Ok(mut command) => command.env(VARIABLE, SOFTWARE).exec(),
        Err(error) => error,
    };
    // only reached if that failed: then iced chooses
    tracing::warn!(%error, "the software renderer could not be chosen");
}

fn has_gpu() -> bool {
    std::fs::read_dir("/dev/dri").is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("render"))
    })
}
