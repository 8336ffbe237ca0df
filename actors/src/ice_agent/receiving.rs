//! What arrives at the sockets, sorted to its owners.

use std::net::SocketAddr;
use std::time::Instant;

use actix::Context;
use bytes::Bytes;
use roomrtc_protocol::MediaKind;
use roomrtc_protocol::demux::{self, Kind};
use roomrtc_protocol::ice::{Link, Transport};

use super::IceAgent;
use super::batch::Batch;
use super::socket::{Inbox, Train};

impl IceAgent {
    /// Takes what a socket has.
    pub(super) fn read(&mut self, index: usize, ctx: &mut Context<Self>) {
        let mut inbox = self.inbox.take().unwrap_or_default();
        // Nothing there after all is no error; one of the socket itself (nobody listens there) is the checks' business.
        if self.sockets[index].receive(&mut inbox).is_ok() {
            self.sort(index, &inbox, ctx);
        }
        self.inbox = Some(inbox);
    }

    /// Gives each datagram to its owner.
    fn sort(&mut self, index: usize, inbox: &Inbox, ctx: &mut Context<Self>) {
        let now = Instant::now();
        let mut batch = Batch::new(now);
        let mut checked = false;
        for train in inbox.trains() {
            self.setup
                .counters
                .transport
                .datagrams_received
                .add(train.datagrams().len() as u64);
            checked |= self.sort_train(index, &train, &mut batch);
        }
        batch.deliver(&self.setup);
        if checked {
            self.checked(ctx);
        }
    }

    /// The agent was fed.
    pub(super) fn checked(&mut self, ctx: &mut Context<Self>) {
        if let Some(rtt) = self.agent.rtt() {
            self.setup.counters.transport.rtt_ms.set(rtt.as_secs_f64() * 1e3);
        }
        self.drive(ctx);
    }

    /// Returns whether the agent was fed.
    fn sort_train(&mut self, index: usize, train: &Train<'_>, batch: &mut Batch) -> bool {
        let local = self.sockets[index].address();
        let link = Link {
            transport: Transport::Udp,
            local,
            server: train.remote,
        };
        if self.relaying.relays().serves(link) {
            return self.sort_from_server(link, train, batch);
        }
        let is_stun = |datagram: &[u8]| demux::classify(datagram) == Kind::Stun;
        let checks = train.datagrams().filter(|datagram| is_stun(datagram)).count();
        if checks > 0 {
            for datagram in train.datagrams().filter(|datagram| is_stun(datagram)) {
                if !self
                    .agent
                    .handle_input(batch.received_at, Transport::Udp, local, train.remote, datagram)
                {
                    batch.dropped += 1;
                }
            }
        }
        if checks < train.datagrams().len() {
            self.sort_payload(train.remote, train.to_owned(), batch);
        }
        checks > 0
    }

    /// One datagram by itself. Returns whether the agent was fed.
    pub(super) fn sort_datagram(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        data: Bytes,
        batch: &mut Batch,
    ) -> bool {
        if demux::classify(&data) != Kind::Stun {
            self.sort_payload(remote, std::iter::once(data), batch);
            return false;
        }
        if !self
            .agent
            .handle_input(batch.received_at, Transport::Udp, local, remote, &data)
        {
            batch.dropped += 1;
        }
        true
    }

    pub(super) fn sort_payload(
        &mut self,
        remote: SocketAddr,
        datagrams: impl ExactSizeIterator<Item = Bytes>,
        batch: &mut Batch,
    ) {
        if !self.agent.knows(remote) {
            batch.dropped += datagrams.len() as u64;
            return;
        }
        if self.path.is_some() {
            self.agent.heard(batch.received_at);
        }
        for datagram in datagrams {
            match demux::classify(&datagram) {
                Kind::Stun => {}
                Kind::Dtls => batch.dtls.push(datagram),
                Kind::Rtcp => batch.rtcp.push(batch.received(datagram)),
                Kind::Rtp => match self.routes.of(&datagram) {
                    Some(MediaKind::Audio) => batch.audio.push(batch.received(datagram)),
                    Some(MediaKind::Video) => batch.video.push(batch.received(datagram)),
                    Some(MediaKind::Screen) => batch.screen.push(batch.received(datagram)),
                    None => batch.dropped += 1,
                },
                Kind::Unknown => batch.dropped += 1,
            }
        }
    }
}
