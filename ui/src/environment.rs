//! What must be in the environment before there are threads, because others read it there: how many places of their own
//! threads have to take memory from, and which renderer draws the window.

use std::os::unix::process::CommandExt;

use roomrtc_kit::anew;

/// What the C library reads (`mallopt(3)`).
const ARENAS: &str = "MALLOC_ARENA_MAX";
/// Left alone, it has eight for each core. Threads come and go with every call and every death, and each arena keeps
/// most of what it has ever had.
const FEW: &str = "2";
/// What iced reads, from the environment only.
const RENDERER: &str = "ICED_BACKEND";
/// The renderer without a GPU. Left alone, iced takes Vulkan on the processor (llvmpipe) where it is installed, which
/// costs half as much again and three times the memory.
const SOFTWARE: &str = "tiny-skia";

/// Call first in `main`, before there are threads. Unless the user chose all of it, this starts the program anew in the
/// same process with our choice in its environment, and so does not return; otherwise it does nothing.
pub fn choose(with_window: bool) {
    let unset = |name: &&str| std::env::var_os(name).is_none();
    let arenas = Some(ARENAS).filter(unset).map(|name| (name, FEW));
    let software = with_window && !has_gpu();
    let renderer = Some(RENDERER)
        .filter(|name| software && unset(name))
        .map(|name| (name, SOFTWARE));
    let mut chosen = arenas.into_iter().chain(renderer).peekable();
    if chosen.peek().is_none() {
        return;
    }
    let error = match anew::command() {
        Ok(mut command) => command.envs(chosen).exec(),
        Err(error) => error,
    };
    // only reached if that failed: then the others choose
    tracing::warn!(%error, "the environment could not be chosen");
}

fn has_gpu() -> bool {
    std::fs::read_dir("/dev/dri").is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("render"))
    })
}
