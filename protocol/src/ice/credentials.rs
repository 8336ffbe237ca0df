//! User name fragment and password of a session (RFC 8445 §5.3, RFC 8839 §5.4).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Characters of a fragment of ours: 48 bits, RFC 8445 §5.3 asks for 24.
const UFRAG_LENGTH: usize = 8;
/// Characters of a password of ours: 144 bits, RFC 8445 §5.3 asks for 128.
const PWD_LENGTH: usize = 24;
/// RFC 8839 §5.4: `ufrag = 4*256ice-char`.
const SHORTEST_UFRAG: usize = 4;
/// The peer's and our fragment with a colon must fit a USERNAME of 128 bytes, which is what crate `is` can write; RFC
/// 8839 §5.4 lets an implementation generate at most 32.
const LONGEST_UFRAG: usize = 100;
/// RFC 8839 §5.4: `password = 22*256ice-char`.
const SHORTEST_PWD: usize = 22;
/// See [`SHORTEST_PWD`].
const LONGEST_PWD: usize = 256;
/// RFC 8839 §5.1: `ice-char = ALPHA / DIGIT / "+" / "/"`; 64 of them, so six random bits choose one.
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What connectivity checks are authenticated with.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IceCredentials {
    /// User name fragment.
    pub ufrag: String,
    /// Password; a secret of the two peers and the signaling.
    pub pwd: String,
}

/// Why credentials of a peer are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// The fragment is too short, too long or has other characters.
    #[error("the ICE user name fragment is malformed")]
    BadUfrag,
    /// The password is too short, too long or has other characters.
    #[error("the ICE password is malformed")]
    BadPwd,
}

impl IceCredentials {
    /// Fresh credentials from the system's generator.
    pub fn generate() -> Self {
        IceCredentials {
            ufrag: random_ice_chars(UFRAG_LENGTH),
            pwd: random_ice_chars(PWD_LENGTH),
        }
    }

    /// Whether a peer may have these.
    ///
    /// # Errors
    /// If the fragment or the password breaks RFC 8839 §5.4.
    pub fn check(&self) -> Result<(), CredentialsError> {
        let well_formed = |text: &str, shortest, longest| {
            (shortest..=longest).contains(&text.len()) && text.bytes().all(|byte| ICE_CHARS.contains(&byte))
        };
        if !well_formed(&self.ufrag, SHORTEST_UFRAG, LONGEST_UFRAG) {
            return Err(CredentialsError::BadUfrag);
        }
        if !well_formed(&self.pwd, SHORTEST_PWD, LONGEST_PWD) {
            return Err(CredentialsError::BadPwd);
        }
        Ok(())
    }
}

impl fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceCredentials({}, …)", self.ufrag)
    }
}

impl From<IceCredentials> for is::IceCreds {
    fn from(credentials: IceCredentials) -> Self {
        is::IceCreds {
            ufrag: credentials.ufrag,
            pass: credentials.pwd,
        }
    }
}

fn random_ice_chars(length: usize) -> String {
    let mut bytes = vec![0; length];
    random(&mut bytes);
    bytes
        .iter()
        .map(|byte| char::from(ICE_CHARS[usize::from(byte % 64)]))
        .collect()
}

/// Fills from the system's generator.
pub(super) fn random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system has a random number generator");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_credentials_are_well_formed_and_never_the_same() {
        let (one, other) = (IceCredentials::generate(), IceCredentials::generate());
        assert_eq!(one.check(), Ok(()));
        assert_ne!(one.ufrag, other.ufrag);
        assert_ne!(one.pwd, other.pwd);
    }

    #[test]
    fn malformed_credentials_are_refused() {
        let with = |ufrag: &str, pwd: &str| {
            IceCredentials {
                ufrag: ufrag.into(),
                pwd: pwd.into(),
            }
            .check()
        };
        let pwd = "8Bx4mYIkVqfXkqAFJp1tU1Gs";
        assert_eq!(with("5nP0", pwd), Ok(()));
        assert_eq!(with("5nP", pwd), Err(CredentialsError::BadUfrag));
        assert_eq!(with("a:b:c", pwd), Err(CredentialsError::BadUfrag));
        assert_eq!(with(&"u".repeat(101), pwd), Err(CredentialsError::BadUfrag));
        assert_eq!(with("5nP0", "short"), Err(CredentialsError::BadPwd));
        assert_eq!(with("5nP0", &"ß".repeat(20)), Err(CredentialsError::BadPwd));
    }

    #[test]
    fn a_password_is_never_printed() {
        let credentials = IceCredentials::generate();
        assert!(!format!("{credentials:?}").contains(&credentials.pwd));
    }
}
