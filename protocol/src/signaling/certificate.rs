//! [`CertificateHash`]: how people and programs name the server's certificate.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;

/// Says which hash function made the digits that follow.
const PREFIX: &str = "sha256:";

/// SHA-256 of a certificate in DER form. Written `sha256:AB:CD:…`, which the server prints and a client pins.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CertificateHash([u8; 32]);

/// A text is no certificate hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a certificate fingerprint is written sha256: and 32 pairs of hexadecimal digits, with or without colons"
)]
pub struct CertificateHashError;

impl CertificateHash {
    /// The hash of a certificate.
    pub fn of_der(der: &[u8]) -> Self {
        CertificateHash(Sha256::digest(der).into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for CertificateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for CertificateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CertificateHash {
    type Err = CertificateHashError;

    /// Lenient where people type: small or capital digits, with or without colons.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits: String = text
            .trim()
            .strip_prefix(PREFIX)
            .ok_or(CertificateHashError)?
            .chars()
            .filter(|&c| c != ':')
            .collect();
        let mut hash = [0; 32];
        hex::decode_to_slice(digits, &mut hash).map_err(|_| CertificateHashError)?;
        Ok(CertificateHash(hash))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_is_written_and_as_people_type_it() {
        let hash = CertificateHash::of_der(b"");
        let written = hash.to_string();
        assert!(written.starts_with("sha256:E3:B0:C4:42:"), "{written}");
        assert_eq!(written.parse(), Ok(hash));
        let digits = written[PREFIX.len()..].replace(':', "").to_lowercase();
        assert_eq!(format!(" sha256:{digits}\n").parse(), Ok(hash));
    }

    proptest! {
        #[test]
        fn any_text_is_a_fingerprint_or_an_error(text in "(sha256:)?[0-9a-zñ:]{0,80}") {
            if let Ok(hash) = text.parse::<CertificateHash>() {
                prop_assert_eq!(hash.to_string().parse(), Ok(hash));
            }
        }
    }
}
