//! The language between a client and the server: JSON text messages over a WebSocket over TLS.
//!
//! Reading order: [`messages`] (the vocabulary), [`user_name`], [`certificate`], [`opaque`] (passwords, RFC 9807),
//! [`switchboard`] (the server's state), [`framing`] (WebSocket frames, RFC 6455). `docs/signaling.md` tells it to people.

pub mod certificate;
#[cfg(test)]
mod documentation;
pub mod framing;
pub mod messages;
pub mod opaque;
pub mod switchboard;
pub mod user_name;

pub use certificate::CertificateHash;
pub use user_name::UserName;
