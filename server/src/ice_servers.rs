//! Servers that help calls through NATs and firewalls, and logins for them that end by themselves.
//!
//! A TURN server and we share a secret: the user name says until when a login is good, the password is a MAC over it
//! (coturn's `use-auth-secret`, draft-uberti-behave-turn-rest-00). Nothing has to be told to the TURN server.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::hmac;
use roomrtc_kit::config::Config;
use roomrtc_protocol::signaling::UserName;
use roomrtc_protocol::signaling::messages::IceServer;
use sha2::{Digest, Sha256};
use thiserror::Error;

/// A secret of fewer bytes could be guessed from one login.
const MIN_SECRET_BYTES: usize = 16;
/// Bytes of a user name's hash by which the log of a TURN server tells users apart.
const PSEUDONYM_BYTES: usize = 6;

/// Why the secret shared with the TURN servers cannot be used.
#[derive(Debug, Error)]
pub enum SecretError {
    /// No such file, or it cannot be read.
    #[error(
        "server.turn_secret: {path} cannot be read; it must hold the secret of the servers in server.turn_servers"
    )]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Too short to be one.
    #[error("server.turn_secret: {path} must hold at least {MIN_SECRET_BYTES} characters")]
    TooShort {
        /// Which.
        path: PathBuf,
    },
}

/// What clients are told. Does not print its secret.
#[derive(Debug)]
pub(crate) struct IceServers {
    stun: Vec<String>,
    turn: Vec<String>,
    life: Duration,
    secret: Option<hmac::Key>,
}

impl IceServers {
    /// As configured; the secret is read only where there is a TURN server.
    pub(crate) fn load(config: &Config, folder: &Path) -> Result<Self, SecretError> {
        let settings = &config.server;
        let secret = match settings.turn_servers.is_empty() {
            true => None,
            false => Some(read_secret(folder.join(&settings.turn_secret))?),
        };
        let uri = |server: &String| match server.starts_with("stun:") {
            true => server.clone(),
            false => format!("stun:{server}"),
        };
        Ok(IceServers {
            stun: config.ice.stun_servers.iter().map(uri).collect(),
            turn: settings.turn_servers.clone(),
            life: settings.turn_life(),
            secret,
        })
    }

    /// The servers with logins for this user, and for how many seconds those are good.
    pub(crate) fn hand_out(&self, user: &UserName, now: SystemTime) -> (Vec<IceServer>, u64) {
        let mut servers = Vec::new();
        if !self.stun.is_empty() {
            servers.push(IceServer {
                urls: self.stun.clone(),
                username: None,
                credential: None,
            });
        }
        if let Some(secret) = &self.secret {
            let expiry = now + self.life;
            let expiry = expiry.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let username = format!("{expiry}:{}", pseudonym(user));
            let credential = BASE64.encode(hmac::sign(secret, username.as_bytes()));
            servers.push(IceServer {
                urls: self.turn.clone(),
                username: Some(username),
                credential: Some(credential),
            });
        }
        (servers, self.life.as_secs())
    }
}

/// The operator of a TURN server need not know who calls.
fn pseudonym(user: &UserName) -> String {
    let hash = Sha256::digest(user.to_string().to_lowercase());
    hash.iter()
        .take(PSEUDONYM_BYTES)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn read_secret(path: PathBuf) -> Result<hmac::Key, SecretError> {
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(SecretError::File { path, source }),
    };
    let secret = text.trim();
    if secret.len() < MIN_SECRET_BYTES {
        return Err(SecretError::TooShort { path });
    }
    Ok(hmac::Key::new(
        hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        secret.as_bytes(),
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn ana() -> UserName {
        UserName::parse("Ana").unwrap()
    }

    #[test]
    fn a_login_is_what_coturn_computes() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("turn_secret"), "north of the river\n").unwrap();
        let mut config = Config::default();
        config.ice.stun_servers = vec!["192.0.2.1:3478".into()];
        config.server.turn_servers = vec!["turn:turn.example".into(), "turns:turn.example:443".into()];
        let servers = IceServers::load(&config, folder.path()).unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let (servers, ttl_s) = servers.hand_out(&ana(), now);
        assert_eq!(ttl_s, 86_400);
        assert_eq!(servers[0].urls, ["stun:192.0.2.1:3478"]);
        assert_eq!(servers[1].urls, config.server.turn_servers);
        // printf 1790086400:24d4b96f58da | openssl dgst -sha1 -hmac 'north of the river' -binary | base64
        assert_eq!(servers[1].username.as_deref(), Some("1790086400:24d4b96f58da"));
        assert_eq!(
            servers[1].credential.as_deref(),
            Some("DlUCtsJg3RcwWf80XCDZdY7IgME=")
        );
        assert!(!format!("{servers:?}").contains("DlUCtsJg3RcwWf80XCDZdY7IgME="));
    }

    #[test]
    fn without_servers_no_secret_is_asked_for_and_with_them_it_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        let none = IceServers::load(&config, folder.path()).unwrap();
        assert_eq!(none.hand_out(&ana(), SystemTime::now()).0, []);

        config.server.turn_servers = vec!["turn:turn.example".into()];
        let error = IceServers::load(&config, folder.path()).unwrap_err().to_string();
        assert!(error.contains("server.turn_secret"), "{error}");
        fs::write(folder.path().join("turn_secret"), "short").unwrap();
        let error = IceServers::load(&config, folder.path()).unwrap_err().to_string();
        assert!(error.contains("at least 16"), "{error}");
    }
}
