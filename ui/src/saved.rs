//! What the window remembers from one start to the next: a small JSON file, written whole or not at all.
//!
//! [`Saved`] is what is in it, [`Keeper`] writes it on a thread of its own, the newest state only.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};

use crate::recent::Recent;

/// The file's name in the client's data folder.
pub const FILE: &str = "window.json";

/// Which theme the window wears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Appearance {
    /// As the desktop says.
    #[default]
    System,
    /// Dark.
    Dark,
    /// Light.
    Light,
}

/// A chosen device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Device {
    /// As the command line or the configuration says.
    #[default]
    Given,
    /// This one.
    Named(String),
    /// The test picture or tone.
    Test,
    /// None.
    Off,
}

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// The theme, if it was chosen.
    pub appearance: Option<Appearance>,
    /// The server of the last login.
    pub server: String,
    /// The user of the last login.
    pub user: String,
    /// Where received files go, if not where the configuration says.
    pub downloads: Option<PathBuf>,
    /// Whether the lobby shows the camera's picture.
    pub preview: Preview,
    /// The camera.
    pub camera: Device,
    /// The microphone.
    pub microphone: Device,
    /// Past calls and files, newest first.
    pub recent: Recent,
}

/// Whether the lobby shows the camera's picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preview {
    /// It does.
    #[default]
    On,
    /// It does not; the camera stays closed outside of calls.
    Off,
}

impl Saved {
    /// Reads the file; what is missing or damaged is as if new, and a log line says so.
    pub fn load(path: &Path) -> Self {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Saved::default(),
            Err(error) => {
                tracing::warn!(%error, "the window's settings cannot be read");
                return Saved::default();
            }
        };
        serde_json::from_str(&text).unwrap_or_else(|error| {
            tracing::warn!(%error, "the window's settings are damaged; starting with new ones");
            Saved::default()
        })
    }

    /// Writes beside the file, makes sure it is on the disk, then puts it in place: a crash leaves the old state
    /// or the new one, never half of it.
    pub fn store(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let partial = path.with_extension("json.partial");
        let mut file = File::create(&partial)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    }
}

#[derive(Default)]
struct Desk {
    newest: Option<Saved>,
    closed: bool,
}

/// Writes the file in the background. Dropping it waits for the last state to be on the disk.
pub struct Keeper {
    desk: Arc<(Mutex<Desk>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread that writes `path`.
    pub fn start(path: PathBuf) -> Self {
        let desk = Arc::<(Mutex<Desk>, Condvar)>::default();
        let theirs = desk.clone();
        let thread = std::thread::Builder::new()
            .name("settings".into())
            .spawn(move || {
                while let Some(saved) = wait(&theirs) {
                    if let Err(error) = saved.store(&path) {
                        tracing::warn!(%error, "the window's settings cannot be written");
                    }
                }
            })
            .inspect_err(|error| tracing::warn!(%error, "the window's settings are not kept"))
            .ok();
        Keeper { desk, thread }
    }

    /// Keeps a state; an older one that was not written yet is forgotten.
    pub fn keep(&self, saved: &Saved) {
        self.tell(|desk| desk.newest = Some(saved.clone()));
    }

    fn tell(&self, change: impl FnOnce(&mut Desk)) {
        change(&mut self.desk.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.desk.1.notify_one();
    }
}

fn wait((desk, bell): &(Mutex<Desk>, Condvar)) -> Option<Saved> {
    let desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
    let mut desk = bell
        .wait_while(desk, |desk| desk.newest.is_none() && !desk.closed)
        .unwrap_or_else(PoisonError::into_inner);
    desk.newest.take()
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.tell(|desk| desk.closed = true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the thread that keeps the window's settings panicked");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_there_at_the_next_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("new").join(FILE);
        let saved = Saved {
            server: "calls.example:8443".into(),
            appearance: Some(Appearance::Light),
            ..Saved::default()
        };
        let keeper = Keeper::start(path.clone());
        keeper.keep(&Saved::default());
        keeper.keep(&saved);
        drop(keeper);
        assert_eq!(Saved::load(&path), saved);
    }

    #[test]
    fn a_damaged_file_is_no_reason_not_to_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        fs::write(&path, "{\"server\": 7").expect("written");
        assert_eq!(Saved::load(&path), Saved::default());
    }

    #[test]
    fn a_crash_while_writing_leaves_the_old_state() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        let saved = Saved {
            user: "ana".into(),
            ..Saved::default()
        };
        saved.store(&path).expect("stored");
        fs::write(path.with_extension("json.partial"), "{").expect("half a file");
        assert_eq!(Saved::load(&path), saved);
    }
}
