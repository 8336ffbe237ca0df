//! Whom a client believes to be its server: a certificate the system's roots vouch for, or one whose fingerprint
//! the user has confirmed once (trust on first use) or given on the command line.
//!
//! What the user confirmed lies in `known_servers.ron`, a map from `HOST:PORT` to `sha256:…`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use roomrtc_protocol::signaling::CertificateHash;
use thiserror::Error;

use crate::whole_file;

/// The file's name inside `client.data_dir`.
const FILE: &str = "known_servers.ron";

/// Largest file that is read: some 5,000 servers.
const MAX_FILE_BYTES: u64 = 512 * 1024;

/// Why the known servers cannot be told. Nobody is trusted then.
#[derive(Debug, Error)]
pub enum TrustError {
    /// The file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no list of servers.
    #[error("{path}: {reason}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
}

/// How the certificate of one server is to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It must be exactly this one, whoever vouches for another.
    Pinned(CertificateHash),
    /// The system's roots must vouch for it.
    SystemRoots,
}

/// The servers the user has confirmed.
#[derive(Debug)]
pub struct KnownServers {
    path: PathBuf,
    servers: BTreeMap<String, CertificateHash>,
}

impl KnownServers {
    /// Reads the file in `data_dir`; no file means no servers.
    pub fn load(data_dir: &Path) -> Result<Self, TrustError> {
        let path = data_dir.join(FILE);
        let text = match fs::metadata(&path) {
            Ok(about) if about.len() > MAX_FILE_BYTES => {
                return Err(TrustError::Damaged {
                    path,
                    reason: "it is too large".to_owned(),
                });
            }
            Ok(_) => fs::read_to_string(&path).map_err(|source| file_error(&path, source))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(file_error(&path, source)),
        };
        let servers = parse(&path, &text)?;
        Ok(KnownServers { path, servers })
    }

    /// How to judge the server at `address` (`HOST:PORT`).
    pub fn trust(&self, address: &str) -> Trust {
        self.servers
            .get(address)
            .copied()
            .map_or(Trust::SystemRoots, Trust::Pinned)
    }

    /// Remembers a confirmed server, on disk before anything else.
    pub fn remember(&mut self, address: &str, certificate: CertificateHash) -> Result<(), TrustError> {
        self.servers.insert(address.to_owned(), certificate);
        let written = self
            .text()
            .map_err(io::Error::other)
            .and_then(|text| whole_file::write(&self.path, &text));
        written.map_err(|source| file_error(&self.path, source))
    }

    fn text(&self) -> Result<String, ron::Error> {
        let entries: BTreeMap<_, _> = self
            .servers
            .iter()
            .map(|(address, certificate)| (address, certificate.to_string()))
            .collect();
        let list = ron::ser::to_string_pretty(&entries, ron::ser::PrettyConfig::default())?;
        Ok(format!(
            "// Servers whose certificate was confirmed by its fingerprint.\n{list}\n"
        ))
    }
}

/// A file that is half understood is refused as a whole: nobody is trusted by accident.
fn parse(path: &Path, text: &str) -> Result<BTreeMap<String, CertificateHash>, TrustError> {
    if text.trim().is_empty() {
        return Ok(BTreeMap::new());
    }
    let damaged = |reason: String| TrustError::Damaged {
        path: path.to_owned(),
        reason,
    };
    let entries: BTreeMap<String, String> =
        ron::from_str(text).map_err(|error| damaged(error.to_string()))?;
    let read = |(address, fingerprint): (String, String)| match fingerprint.parse() {
        Ok(certificate) => Ok((address, certificate)),
        Err(error) => Err(damaged(format!("{address}: {error}"))),
    };
    entries.into_iter().map(read).collect()
}

fn file_error(path: &Path, source: io::Error) -> TrustError {
    TrustError::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn hash(of: &str) -> CertificateHash {
        CertificateHash::of_der(of.as_bytes())
    }

    #[test]
    fn a_confirmed_server_is_known_to_the_next_run() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("made/on/demand");
        let mut known = KnownServers::load(&data_dir).unwrap();
        assert_eq!(known.trust("rtc.example:8443"), Trust::SystemRoots);
        known.remember("rtc.example:8443", hash("one")).unwrap();
        known.remember("[::1]:8443", hash("two")).unwrap();
        known.remember("rtc.example:8443", hash("three")).unwrap();

        let known = KnownServers::load(&data_dir).unwrap();
        assert_eq!(known.trust("rtc.example:8443"), Trust::Pinned(hash("three")));
        assert_eq!(known.trust("[::1]:8443"), Trust::Pinned(hash("two")));
        assert_eq!(known.trust("rtc.example:443"), Trust::SystemRoots);
        assert!(!data_dir.join("known_servers.ron.partial").exists());
    }

    #[test]
    fn a_damaged_file_trusts_nobody_and_says_where() {
        let folder = tempfile::tempdir().unwrap();
        for (text, place) in [
            ("{\n \"a:1\": \"sha256:12\",\n}", "a:1: "),
            ("nonsense", "1:"),
            ("{\n\"a:1\",\n}", "2:"),
        ] {
            fs::write(folder.path().join(FILE), text).unwrap();
            let error = KnownServers::load(folder.path()).unwrap_err().to_string();
            assert!(error.contains(place), "{error}");
        }
    }

    #[test]
    fn a_crash_in_the_middle_of_writing_leaves_the_old_list() {
        let folder = tempfile::tempdir().unwrap();
        let mut known = KnownServers::load(folder.path()).unwrap();
        known.remember("a:1", hash("a")).unwrap();
        fs::write(
            folder.path().join("known_servers.ron.partial"),
            "{ \"a:1\": \"sha2",
        )
        .unwrap();
        assert_eq!(
            KnownServers::load(folder.path()).unwrap().trust("a:1"),
            Trust::Pinned(hash("a"))
        );
    }

    proptest! {
        #[test]
        fn no_file_content_panics(text in "[\\{\\}\":a-f0-9,\n ]{0,200}") {
            let _ = parse(Path::new("x"), &text);
        }
    }
}
