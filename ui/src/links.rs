//! The links for guests that nobody has used yet; screens look, only `app` writes.

use std::collections::HashMap;
use std::time::Duration;

use roomrtc_protocol::signaling::messages::OpenInvite;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenLink {
    /// Names the invite.
    pub invite: String,
    /// Seconds of Unix time.
    pub expires: u64,
}

/// Those the server knows, and the addresses of those that were made here: nobody else knows these.
#[derive(Debug, Default)]
pub struct Links {
    open: Vec<OpenLink>,
    urls: HashMap<String, String>,
}

impl Links {
    /// One was made.
    pub fn made(&mut self, invite: String, url: String) {
        self.urls.insert(invite, url);
    }

    /// What the server says of all of them.
    pub fn replace(&mut self, open: Vec<OpenInvite>, now: u64) {
        self.open = open
            .into_iter()
            .map(|open| OpenLink {
                invite: open.invite,
                expires: now + open.expires_in_s,
            })
            .collect();
        let Links { open, urls } = self;
        urls.retain(|invite, _| open.iter().any(|link| link.invite == *invite));
    }

    /// Somebody else may log in.
    pub fn forget(&mut self) {
        *self = Links::default();
    }

    /// Those that are still good, and for how long.
    pub fn open(&self, now: u64) -> impl Iterator<Item = (&OpenLink, Duration)> {
        self.open.iter().filter_map(move |link| {
            let left = link.expires.checked_sub(now).filter(|left| *left > 0)?;
            Some((link, Duration::from_secs(left)))
        })
    }

    /// The address, if the link was made here.
    pub fn url(&self, invite: &str) -> Option<&str> {
        self.urls.get(invite).map(String::as_str)
    }
}
