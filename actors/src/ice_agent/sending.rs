//! What goes out over the selected pair.

use actix::{AsyncContext, Context};
use bytes::Bytes;
use roomrtc_protocol::ice::Transport;

use super::waiting::Writing;
use super::{IceAgent, Path};

/// Datagrams that wait while a socket has no room; more push out the oldest. About 2.4 MB, as much as a socket holds.
const MAX_PENDING: usize = 2048;
/// Datagrams kept before there is a path, as a handshake's first flight is: its repetition would cost the call's set-up
/// a flight interval. More push out the oldest.
pub(super) const MAX_EARLY: usize = 32;

impl IceAgent {
    pub(super) fn send(&mut self, datagrams: Vec<Bytes>, ctx: &mut Context<Self>) {
        let transport = &self.setup.counters.transport;
        let Some(path) = self.path else {
            self.pending.extend(datagrams);
            let excess = self.pending.len().saturating_sub(MAX_EARLY);
            self.pending.drain(..excess);
            transport.datagrams_dropped.add(excess as u64);
            return;
        };
        let (index, remote, wrapped) = match path {
            Path::Direct { socket, remote } => (Some(socket), remote, None),
            Path::Stream { local, peer } => return self.send_by_peer_stream(local, peer, &datagrams),
            Path::Relayed { relayed, peer, link } => {
                let Some(wrapped) = self.wrap(relayed, peer, &datagrams) else {
                    return transport.datagrams_dropped.add(datagrams.len() as u64);
                };
                if link.transport == Transport::Stream {
                    return self.send_by_stream(link, wrapped);
                }
                (self.socket_at(link.local), link.server, Some(wrapped))
            }
        };
        let Some(index) = index else {
            return transport.datagrams_dropped.add(datagrams.len() as u64);
        };
        let mut rest = 0;
        if self.pending.is_empty() {
            let packed = wrapped.as_ref().unwrap_or(&datagrams);
            let sent = self.sockets[index].send(remote, packed, &mut self.outbox);
            transport.datagrams_sent.add(sent.out as u64);
            transport.datagrams_dropped.add(sent.refused as u64);
            rest = sent.taken();
        }
        if rest < datagrams.len() {
            self.pending.extend(datagrams.into_iter().skip(rest));
            let excess = self.pending.len().saturating_sub(MAX_PENDING);
            self.pending.drain(..excess);
            transport.datagrams_dropped.add(excess as u64);
            self.wait_for_room(index, ctx);
        }
    }

    fn wait_for_room(&mut self, index: usize, ctx: &mut Context<Self>) {
        if !self.waiting_for_room {
            self.waiting_for_room = true;
            ctx.spawn(Writing { index });
        }
    }

    /// The socket has room again.
    pub(super) fn send_pending(&mut self, ctx: &mut Context<Self>) {
        self.waiting_for_room = false;
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.send(pending.into(), ctx);
        }
    }
}
