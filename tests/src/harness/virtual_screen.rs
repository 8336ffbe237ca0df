//! A screen that nobody sees, for windows.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// Its size and depth.
const GEOMETRY: &str = "1280x800x24";

/// A running Xvfb, ended when dropped.
pub struct VirtualScreen {
    child: Child,
    display: String,
}

impl VirtualScreen {
    /// Starts one.
    ///
    /// # Errors
    /// If the package `xvfb` is not there.
    pub fn start() -> Result<Self> {
        let mut child = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", GEOMETRY, "-nolisten", "tcp"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("Xvfb (scripts/packages screen)")?;
        let mut number = String::new();
        let out = child.stdout.take().context("stdout is piped")?;
        BufReader::new(out).read_line(&mut number)?;
        let display = format!(":{}", number.trim());
        Ok(VirtualScreen { child, display })
    }

    /// What programs look for in `DISPLAY`.
    pub fn display(&self) -> &str {
        &self.display
    }
}

impl Drop for VirtualScreen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
