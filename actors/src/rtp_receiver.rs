//! Receives one medium.

use roomrtc_kit::mail;

use crate::Datagram;

/// From the ICE agent: protected packets of this medium.
#[derive(Clone, Debug)]
pub struct RtpDatagrams(pub Vec<Datagram>);

mail! { RtpDatagrams: newest(256); }
