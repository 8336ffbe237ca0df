//! Recordings as people and scripts ask for them, and what is said about them.

use std::path::{Path, PathBuf};

use roomrtc_actors::recorder::{Recorder, RecorderSettings, State};
use roomrtc_kit::anew;
use roomrtc_kit::config::Config;
use tokio::sync::watch;

/// Where recordings go that were not given a name, within the client's data folder.
const FOLDER: &str = "recordings";
/// Numbers that are tried for such a name.
const NAMES: u32 = 100_000;
/// Bytes of a MiB.
const MIB: u64 = 1 << 20;

/// Records the calls of this client.
#[derive(Clone)]
pub struct CallRecorder {
    recorder: Recorder,
    limit: u64,
    folder: PathBuf,
}

impl CallRecorder {
    /// With what the settings say.
    pub fn new(recorder: Recorder, config: &Config) -> Self {
        CallRecorder {
            recorder,
            limit: config.client.recording_max_mib * MIB,
            folder: config.client.data_folder().join(FOLDER),
        }
    }

    /// Records from now on into this file.
    ///
    /// # Errors
    /// If it cannot be made; its name and why.
    pub fn start(&self, file: &Path, addresses: bool) -> Result<(), String> {
        let settings = RecorderSettings {
            addresses,
            limit: self.limit,
        };
        let started = self.recorder.start(file, settings);
        started.map_err(|error| format!("{}: {error}", file.display()))
    }

    /// As [`CallRecorder::start`], for a file that the command line names: what was recorded before a hang, after which the
    /// program was started anew with the same command line, is kept.
    ///
    /// # Errors
    /// As [`CallRecorder::start`].
    pub fn start_named(&self, file: &Path, addresses: bool) -> Result<(), String> {
        self.start(&file_after(file, anew::hangs()), addresses)
    }

    /// Records into a file with the next free name of its folder. What goes wrong is in [`CallRecorder::state`].
    pub fn start_unnamed(&self) {
        // Without the folder the file cannot be made, which is told.
        let _ = std::fs::create_dir_all(&self.folder);
        let name = |number| self.folder.join(format!("call-{number}.jsonl"));
        let free = (1..NAMES).map(name).find(|file| !file.exists());
        if let Err(error) = self.start(&free.unwrap_or_else(|| name(NAMES)), false) {
            tracing::warn!(error, "no recording");
        }
    }

    /// Ends the recording and waits until it is on the disk.
    pub fn stop(&self) {
        self.recorder.stop();
    }

    /// This name is not written.
    pub fn hide(&self, name: &str) {
        self.recorder.hide(name);
    }

    /// What it does.
    pub fn state(&self) -> watch::Receiver<State> {
        self.recorder.state()
    }
}

/// `call.jsonl`, after a hang `call.jsonl.1`, and so on.
fn file_after(file: &Path, hangs: u32) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    if hangs > 0 {
        name.push(format!(".{hangs}"));
    }
    name.into()
}

/// What there is to say about a recording.
pub fn words(state: &State) -> String {
    match state {
        State::Off => "Writes what happens inside the call into a file, for a bug report: no pictures, no sound, no names, \
                       no addresses."
            .into(),
        State::Recording { file } => format!("Recording into {}", file.display()),
        State::Done {
            file,
            bytes,
            lost,
            full,
        } => {
            let megabytes = *bytes as f64 / 1e6;
            let full = if *full { " It was full." } else { "" };
            let lost = match lost {
                0 => String::new(),
                lost => format!(" The disk was too slow for {lost} lines, which are missing."),
            };
            format!("Recorded {megabytes:.1} MB: {}.{full}{lost}", file.display())
        }
        State::Failed { file, why } => format!("{} cannot be written: {why}.", file.display()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_recording_without_a_name_gets_the_next_free_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.client.data_dir = folder.path().to_owned();
        let recorder = CallRecorder::new(Recorder::default(), &config);
        for name in ["call-1.jsonl", "call-2.jsonl"] {
            recorder.start_unnamed();
            recorder.stop();
            let file = folder.path().join("client").join(FOLDER).join(name);
            let file = if file.exists() {
                file
            } else {
                folder.path().join(FOLDER).join(name)
            };
            assert!(words(&recorder.state().borrow()).contains(&file.display().to_string()));
        }
    }

    #[test]
    fn a_file_that_cannot_be_made_is_told_in_words() {
        let recorder = CallRecorder::new(Recorder::default(), &Config::default());
        let error = recorder.start(Path::new("/no/such/folder/x"), false).unwrap_err();
        assert!(error.starts_with("/no/such/folder/x: "), "{error}");
        let told = words(&recorder.state().borrow());
        assert!(
            told.starts_with("/no/such/folder/x cannot be written: "),
            "{told}"
        );
    }
}
