//! Session descriptions (RFC 8866) and the offer/answer exchange (RFC 3264, RFC 8829) of a call.
//!
//! Reading order: [`fingerprint`] (the certificate announced), [`codec`] (one payload type), [`extmap`] (header
//! extensions), [`section`] (one `m=` with its attributes), [`description`] (the whole text), [`parameters`] (what a client brings and what is settled),
//! [`negotiation`] (offer and answer; our side of the sections is in `our_sections.rs`), [`continuity`] (what goes on when they are exchanged again),
//! [`exchange`] (the offers and answers of a call, one after the other).
//!
//! | subject | RFC |
//! |---|---|
//! | BUNDLE, rtcp-mux, `mid`, `msid` | 9143, 8834, 5888, 8830 |
//! | ICE and trickle ICE in SDP | 8839, 8840 |
//! | DTLS-SRTP: fingerprint, setup | 8122, 8842, 5763 |
//! | H.264, VP8, Opus, retransmission, feedback | 6184, 7741, 7587, 4588, 4585 |
//! | header extensions | 8285 |
//! | data channels | 8841 |

pub mod codec;
pub mod continuity;
pub mod description;
pub mod exchange;
pub mod extmap;
pub mod fingerprint;
pub mod negotiation;
mod our_sections;
pub mod parameters;
pub mod section;

pub use crate::ice::IceCredentials as IceParameters;
pub use codec::{Codec, H264Profile};
pub use description::{SdpError, SessionDescription};
pub use exchange::{Exchange, Settled};
pub use extmap::Extmap;
pub use fingerprint::{Fingerprint, FingerprintError};
pub use negotiation::{answer, complete, offer, reanswer, reoffer};
pub use parameters::{
    DtlsRole, LocalMedia, LocalParameters, Negotiated, NegotiatedAudio, NegotiatedData, NegotiatedVideo,
    PayloadTypes,
};
pub use section::{Direction, MediaSection, SectionKind, Setup, Source};

#[cfg(test)]
mod continuity_tests;
#[cfg(test)]
mod firefox_tests;
#[cfg(test)]
mod tests;
