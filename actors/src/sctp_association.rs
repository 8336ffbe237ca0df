//! SCTP of a call.

use bytes::Bytes;
use roomrtc_kit::mail;

/// SCTP packets from the DTLS session.
pub struct SctpPackets(pub Vec<Bytes>);

mail! { SctpPackets: newest(1024); }
