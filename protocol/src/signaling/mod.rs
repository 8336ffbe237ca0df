//! The language between a client and the server: JSON text messages over a WebSocket over TLS.
//!
//! Reading order: [`messages`] (the vocabulary), [`user_name`], [`certificate`], [`opaque`] (passwords, RFC 9807).

pub mod certificate;
pub mod messages;
pub mod opaque;
pub mod user_name;

pub use certificate::CertificateHash;
pub use user_name::UserName;
