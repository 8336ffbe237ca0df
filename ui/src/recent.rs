//! Past calls and files, newest first.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// One past call or file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// With whom.
    pub peer: String,
    /// When it ended, in seconds of Unix time.
    pub at: u64,
    /// What it was.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A call we made; absent seconds: it was never taken.
    Outgoing {
        /// How long it lasted.
        seconds: Option<u64>,
    },
    /// A call we took.
    Incoming {
        /// How long it lasted.
        seconds: u64,
    },
    /// A call we did not take.
    Missed,
    /// A file we sent.
    Sent {
        /// Its name.
        name: String,
        /// Bytes.
        size: u64,
    },
    /// A file we received.
    Received {
        /// Its name.
        name: String,
        /// Bytes.
        size: u64,
    },
}

/// The list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Recent(VecDeque<Entry>);

impl Recent {
    /// Adds what just happened; the oldest entries beyond `limit` are forgotten.
    pub fn add(&mut self, peer: String, what: What, limit: usize) {
        self.0.push_front(Entry {
            peer,
            at: unix_now(),
            what,
        });
        self.0.truncate(limit);
    }

    /// Everything with one person, or with anybody, newest first.
    pub fn with<'a>(&'a self, peer: Option<&'a str>) -> impl Iterator<Item = &'a Entry> {
        self.0
            .iter()
            .filter(move |entry| peer.is_none_or(|peer| entry.peer == peer))
    }
}

/// Now, in seconds of Unix time.
pub fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_comes_first_and_the_oldest_is_forgotten() {
        let mut recent = Recent::default();
        for i in 0..=3 {
            recent.add(format!("user{i}"), What::Missed, 3);
        }
        let peers: Vec<_> = recent.with(None).map(|e| e.peer.clone()).collect();
        assert_eq!(peers, ["user3", "user2", "user1"]);
    }
}
