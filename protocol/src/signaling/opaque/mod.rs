//! Passwords without showing them: OPAQUE (RFC 9807) as client and server of RoomRTC speak it.
//!
//! The server keeps a record from which a password cannot be read, and never sees one. Messages travel as base64
//! in [`super::messages`]. Reading order: this file (what both agree on), [`client`], [`server`].

use argon2::Argon2;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opaque_ke::errors::ProtocolError;
use opaque_ke::{CipherSuite, Identifiers, Ristretto255, TripleDh};
use sha2::Sha512;
use thiserror::Error;

use super::certificate::CertificateHash;
use super::user_name::UserName;

pub mod client;
pub mod server;

pub use client::{ClientLogin, ClientRegistration};
pub use server::{PendingLogin, ServerKeys, password_file};

/// RFC 9807 §7, "Configurations": OPRF ristretto255-SHA512, 3DH, and Argon2id on the client with the parameters
/// of the crate `argon2` (19 MiB, 2 passes, 1 lane, as OWASP advises): about 35 ms a guess.
#[derive(Debug)]
struct Suite;

impl CipherSuite for Suite {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, Sha512>;
    type Ksf = Argon2<'static>;
}

/// First part of the context both sides mix into the key exchange (RFC 9807 §6.4, "context").
const CONTEXT: &[u8] = b"RoomRTC signaling 1";

/// Why a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpaqueError {
    /// Not base64, or not a message of this protocol.
    #[error("not a message of OPAQUE (RFC 9807)")]
    Malformed,
    /// The password is wrong, there is no such user, or the certificates differ: which of these cannot be told.
    #[error("the user name or the password is wrong")]
    WrongPassword,
    /// The cryptography failed for another reason.
    #[error("the password could not be processed")]
    Failed,
}

impl From<ProtocolError> for OpaqueError {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::InvalidLoginError => OpaqueError::WrongPassword,
            ProtocolError::SerializationError
            | ProtocolError::SizeError { .. }
            | ProtocolError::ReflectedValueError => OpaqueError::Malformed,
            ProtocolError::LibraryError(_) => OpaqueError::Failed,
        }
    }
}

/// Binds a login to the TLS connection's certificate: a man in the middle with a certificate of his own fails
/// even where the client has no other way to know the right one.
fn context(certificate: &CertificateHash) -> Vec<u8> {
    [CONTEXT, certificate.as_bytes()].concat()
}

/// The user is known to both by the folded name; the server by its public key (RFC 9807 §4).
fn identifiers(user: &UserName) -> Identifiers<'_> {
    Identifiers {
        client: Some(user.folded().as_bytes()),
        server: None,
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

fn decode(text: &str) -> Result<Vec<u8>, OpaqueError> {
    STANDARD.decode(text).map_err(|_| OpaqueError::Malformed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn ana() -> UserName {
        UserName::parse("Ana").unwrap()
    }

    fn certificate() -> CertificateHash {
        CertificateHash::of_der(b"the server's")
    }

    fn register(keys: &ServerKeys, password: &str) -> Vec<u8> {
        let (registration, request) = ClientRegistration::start(&ana(), password).unwrap();
        let response = keys.registration_response(&ana(), &request).unwrap();
        password_file(&registration.finish(&response).unwrap()).unwrap()
    }

    #[test]
    fn who_registered_logs_in_with_the_same_password() {
        let keys = ServerKeys::generate();
        let file = register(&keys, "correct horse");
        let (login, request) = ClientLogin::start(&ana(), "correct horse").unwrap();
        let (pending, response) = keys
            .login_response(&ana(), Some(&file), &request, &certificate())
            .unwrap();
        let finalization = login.finish(&response, &certificate()).unwrap();
        assert_eq!(pending.finish(&finalization), Ok(()));
    }

    #[test]
    fn a_wrong_password_an_unknown_user_and_another_certificate_look_alike() {
        let keys = ServerKeys::generate();
        let file = register(&keys, "correct horse");
        let strange = CertificateHash::of_der(b"somebody else's");
        for (password, file, seen) in [
            ("wrong", Some(&file[..]), certificate()),
            ("correct horse", None, certificate()),
            ("correct horse", Some(&file[..]), strange),
        ] {
            let (login, request) = ClientLogin::start(&ana(), password).unwrap();
            let (_, response) = keys
                .login_response(&ana(), file, &request, &certificate())
                .unwrap();
            assert_eq!(login.finish(&response, &seen), Err(OpaqueError::WrongPassword));
        }
    }

    #[test]
    fn an_invented_finalization_does_not_log_in() {
        let keys = ServerKeys::generate();
        let file = register(&keys, "correct horse");
        let (_, request) = ClientLogin::start(&ana(), "wrong").unwrap();
        let (pending, _) = keys
            .login_response(&ana(), Some(&file), &request, &certificate())
            .unwrap();
        assert_eq!(pending.finish(&encode([7; 64])), Err(OpaqueError::WrongPassword));
    }

    #[test]
    fn the_server_keys_survive_on_disk() {
        let keys = ServerKeys::generate();
        let file = register(&keys, "correct horse");
        let keys = ServerKeys::from_bytes(&keys.to_bytes()).unwrap();
        let (login, request) = ClientLogin::start(&ana(), "correct horse").unwrap();
        let (_, response) = keys
            .login_response(&ana(), Some(&file), &request, &certificate())
            .unwrap();
        assert!(login.finish(&response, &certificate()).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_bytes_from_the_wire_hurt_either_side(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let text = encode(&bytes);
            let keys = ServerKeys::generate();
            let _ = keys.registration_response(&ana(), &text);
            let _ = password_file(&text);
            let _ = keys.login_response(&ana(), Some(&bytes), &text, &certificate());
            let (login, _) = ClientLogin::start(&ana(), "correct horse").unwrap();
            prop_assert!(login.finish(&text, &certificate()).is_err());
        }
    }
}
