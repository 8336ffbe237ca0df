//! The language between a client and the server: JSON text messages over a WebSocket over TLS.
//!
//! Reading order: [`messages`] (the vocabulary).

pub mod messages;
