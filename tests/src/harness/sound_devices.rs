//! Sound devices that nobody hears, for clients that use the real ones.

use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::programs::PATIENCE;

/// A room with speakers and a microphone that hears them, and nothing else; ended when dropped.
pub struct Room {
    child: Child,
    folder: TempDir,
}

impl Room {
    /// Starts PulseAudio with both as its default devices.
    ///
    /// # Errors
    /// If the package `pulseaudio` is not there.
    pub fn start() -> Result<Self> {
        let folder = TempDir::new()?;
        let socket = folder.path().join("socket");
        let child = Command::new("pulseaudio")
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"])
            .args(["-L", "module-null-sink sink_name=speakers rate=48000"])
            .args([
                "-L",
                "module-remap-source master=speakers.monitor source_name=microphone",
            ])
            .args([
                "-L",
                &format!(
                    "module-native-protocol-unix auth-anonymous=1 socket={}",
                    socket.display()
                ),
            ])
            .env("XDG_RUNTIME_DIR", folder.path())
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("pulseaudio (scripts/packages peers)")?;
        let room = Room { child, folder };
        let begun = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            ensure!(begun.elapsed() < PATIENCE, "PulseAudio does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(room)
    }

    /// What programs look for in `PULSE_SERVER`.
    pub fn server(&self) -> String {
        format!("unix:{}", self.folder.path().join("socket").display())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
