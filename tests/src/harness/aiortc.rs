//! A guest that is another stack: aiortc, driven by `aiortc_peer.py`.

use std::process::Command;

use anyhow::{Context, Result};

use super::{Headless, Server};

const SCRIPT: &str = include_str!("aiortc_peer.py");
/// Debian's, for which `scripts/packages` installs aiortc.
const PYTHON: &str = "/usr/bin/python3";

/// Joins by a link, rings the inviter and takes every call of theirs; tells in JSON lines what it hears and sees.
///
/// # Errors
/// If it cannot be started or is not let in.
pub fn join(server: &Server, url: &str, options: &[&str]) -> Result<Headless> {
    let script = server.folder().join("aiortc_peer.py");
    std::fs::write(&script, SCRIPT)?;
    let mut command = Command::new(PYTHON);
    command
        .arg(&script)
        .args([url, &server.fingerprint])
        .args(options);
    let mut peer = Headless::spawn("aiortc", &mut command).context("python3-aiortc")?;
    peer.wait_for("joined")?;
    Ok(peer)
}
