//! What one read of a socket has for the others, sorted.

use std::time::Instant;

use bytes::Bytes;

use super::IceSetup;
use crate::Datagram;
use crate::dtls_session::DtlsDatagrams;
use crate::rtcp_reporter::RtcpDatagrams;
use crate::rtp_receiver::RtpDatagrams;

/// What one read of a socket has for the others.
pub(super) struct Batch {
    pub received_at: Instant,
    pub dtls: Vec<Bytes>,
    pub audio: Vec<Datagram>,
    pub video: Vec<Datagram>,
    pub screen: Vec<Datagram>,
    pub rtcp: Vec<Datagram>,
    pub dropped: u64,
}

impl Batch {
    pub(super) fn new(received_at: Instant) -> Self {
        Batch {
            received_at,
            dtls: Vec::new(),
            audio: Vec::new(),
            video: Vec::new(),
            screen: Vec::new(),
            rtcp: Vec::new(),
            dropped: 0,
        }
    }

    pub(super) fn received(&self, data: Bytes) -> Datagram {
        Datagram {
            data,
            received_at: self.received_at,
        }
    }

    pub(super) fn deliver(self, setup: &IceSetup) {
        setup.counters.transport.datagrams_dropped.add(self.dropped);
        if !self.dtls.is_empty() {
            setup.dtls.tell(DtlsDatagrams(self.dtls));
        }
        if !self.audio.is_empty() {
            setup.rtp_audio.tell(RtpDatagrams(self.audio));
        }
        if !self.video.is_empty() {
            setup.rtp_video.tell(RtpDatagrams(self.video));
        }
        if !self.screen.is_empty() {
            setup.rtp_screen.tell(RtpDatagrams(self.screen));
        }
        if !self.rtcp.is_empty() {
            setup.rtcp.tell(RtcpDatagrams(self.rtcp));
        }
    }
}
