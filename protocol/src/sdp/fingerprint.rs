//! The certificate fingerprint of `a=fingerprint` (RFC 8122 §5), which ties the DTLS session to the signaling.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Bytes of a SHA-256 digest.
const LENGTH: usize = 32;

/// The SHA-256 digest of a certificate in DER.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; LENGTH]);

/// Why a text is no [`Fingerprint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// RFC 8122 §5 makes SHA-256 the one hash everybody has; others are not taken.
    #[error("the hash function is not sha-256")]
    UnknownHash,
    /// Not 32 pairs of hexadecimal digits between colons.
    #[error("not 32 pairs of hexadecimal digits between colons")]
    BadDigest,
}

impl Fingerprint {
    /// A digest somebody else made.
    pub fn from_digest(digest: [u8; LENGTH]) -> Self {
        Fingerprint(digest)
    }

    /// Digests a certificate (DER).
    pub fn of_certificate(der: &[u8]) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, der);
        let mut bytes = [0; LENGTH];
        bytes.copy_from_slice(digest.as_ref());
        Fingerprint(bytes)
    }

    /// The digest.
    pub fn digest(&self) -> &[u8; LENGTH] {
        &self.0
    }

    /// `AB:CD:…`, without the name of the hash.
    pub fn hex(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|byte| format!("{byte:02X}")).collect();
        pairs.join(":")
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

/// As in SDP: `sha-256 AB:CD:…`.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha-256 {}", self.hex())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (hash, digest) = text.trim().split_once(' ').ok_or(FingerprintError::BadDigest)?;
        // RFC 8122 §5: hash function names are case-insensitive.
        if !hash.eq_ignore_ascii_case("sha-256") {
            return Err(FingerprintError::UnknownHash);
        }
        let mut bytes = [0; LENGTH];
        let mut pairs = digest.trim().split(':');
        for byte in &mut bytes {
            let pair = pairs.next().ok_or(FingerprintError::BadDigest)?;
            hex::decode_to_slice(pair, std::slice::from_mut(byte))
                .map_err(|_| FingerprintError::BadDigest)?;
        }
        match pairs.next() {
            Some(_) => Err(FingerprintError::BadDigest),
            None => Ok(Fingerprint(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fingerprint_of_another_hash_or_length_is_refused() {
        let short = "sha-256 AB:CD".parse::<Fingerprint>();
        assert_eq!(short, Err(FingerprintError::BadDigest));
        let sha1 = "sha-1 AB:CD".parse::<Fingerprint>();
        assert_eq!(sha1, Err(FingerprintError::UnknownHash));
        let long = format!("{}:00", Fingerprint::of_certificate(b"a certificate"));
        assert_eq!(long.parse::<Fingerprint>(), Err(FingerprintError::BadDigest));
    }

    #[test]
    fn a_fingerprint_may_be_written_in_lower_case() {
        let fingerprint = Fingerprint::of_certificate(b"a certificate");
        let lower = fingerprint.to_string().to_lowercase();
        assert_eq!(lower.parse(), Ok(fingerprint));
    }

    proptest! {
        #[test]
        fn printing_and_parsing_give_the_same_fingerprint(digest in any::<[u8; LENGTH]>()) {
            let fingerprint = Fingerprint::from_digest(digest);
            prop_assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        }

        #[test]
        fn arbitrary_text_never_panics(text in ".*") {
            let _ = text.parse::<Fingerprint>();
        }
    }
}
