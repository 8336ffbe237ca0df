//! What a client leaves on disk while it is in a call: enough for its next run to rejoin, should this one die.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use roomrtc_protocol::signaling::messages::CallId;
use serde::{Deserialize, Serialize};

use crate::whole_file;

/// The file's name inside `client.data_dir`.
const FILE: &str = "unfinished_call.ron";

/// Longer ones are not ours.
const MAX_FILE_BYTES: u64 = 4096;

/// The accepted call a client is in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedCall {
    /// The server's name for it.
    pub call: CallId,
    /// The other party.
    pub user: String,
    /// Whether we are the caller.
    pub caller: bool,
}

/// A call and the session it belongs to. The token opens the session without a password: the file is its owner's
/// alone, and gone with the call.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfinishedCall {
    /// `HOST:PORT` of the server.
    pub server: String,
    /// Resumes the session.
    pub token: String,
    /// Which call.
    pub call: AcceptedCall,
}

impl UnfinishedCall {
    /// What an earlier run has left, if it died in a call. What cannot be read counts as nothing: the worst that
    /// follows is that nobody is asked.
    pub fn load(data_dir: &Path) -> Option<Self> {
        let path = path(data_dir);
        let size = fs::metadata(&path).ok()?.len();
        let text = (size <= MAX_FILE_BYTES)
            .then(|| fs::read_to_string(&path).ok())
            .flatten()?;
        ron::from_str(&text)
            .inspect_err(|error| tracing::warn!(path = %path.display(), %error, "not a call to rejoin"))
            .ok()
    }

    /// Leaves this to the next run.
    ///
    /// # Errors
    /// If the file cannot be written; the old one is still there then.
    pub fn save(&self, data_dir: &Path) -> io::Result<()> {
        let text =
            ron::ser::to_string_pretty(self, ron::ser::PrettyConfig::default()).map_err(io::Error::other)?;
        let words =
            "// A call that is going on, and the key to its session. It is deleted when the call ends.";
        whole_file::write(&path(data_dir), &format!("{words}\n{text}\n"))
    }

    /// There is nothing to rejoin any more.
    pub fn remove(data_dir: &Path) {
        match fs::remove_file(path(data_dir)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "the unfinished call could not be deleted");
            }
            Ok(()) | Err(_) => {}
        }
    }
}

impl std::fmt::Debug for UnfinishedCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UnfinishedCall")
            .field("server", &self.server)
            .field("call", &self.call)
            .finish_non_exhaustive()
    }
}

fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn unfinished() -> UnfinishedCall {
        UnfinishedCall {
            server: "rtc.example:8443".to_owned(),
            token: "a secret".to_owned(),
            call: AcceptedCall {
                call: CallId(7),
                user: "ben".to_owned(),
                caller: true,
            },
        }
    }

    #[test]
    fn the_next_run_finds_the_call_and_nobody_else_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(UnfinishedCall::load(folder.path()), None);
        unfinished().save(folder.path()).unwrap();
        assert_eq!(UnfinishedCall::load(folder.path()), Some(unfinished()));
        let rights = fs::metadata(path(folder.path())).unwrap().permissions().mode();
        assert_eq!(rights & 0o777, 0o600);
        UnfinishedCall::remove(folder.path());
        assert_eq!(UnfinishedCall::load(folder.path()), None);
    }

    #[test]
    fn a_damaged_file_is_no_call_and_the_token_is_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "(server: 1)", &"x".repeat(9_000)] {
            fs::write(path(folder.path()), text).unwrap();
            assert_eq!(UnfinishedCall::load(folder.path()), None);
        }
        assert!(!format!("{:?}", unfinished()).contains("secret"));
    }
}
