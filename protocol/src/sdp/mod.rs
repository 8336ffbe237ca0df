//! Session descriptions (RFC 8866) and the offer/answer exchange (RFC 3264, RFC 8829) of a call.
//!
//! Reading order: [`fingerprint`] (the certificate announced).

pub mod fingerprint;

pub use fingerprint::{Fingerprint, FingerprintError};
