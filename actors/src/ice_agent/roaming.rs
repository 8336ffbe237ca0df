//! Addresses of this machine come and go, in the middle of a call too.

use std::net::IpAddr;
use std::time::Instant;

use actix::{AsyncContext, Context};
use roomrtc_kit::config::Network;
use tracing::{debug, info};

use super::socket::Socket;
use super::waiting::Reading;
use super::{Bound, IceAgent, Path, interfaces};
use crate::call_events::IceEvent;

impl IceAgent {
    /// Looks whether interfaces have come or gone, and whether those who connected have anything to say.
    pub(super) fn watch(&mut self, ctx: &mut Context<Self>) {
        self.close_unproven(Instant::now(), ctx);
        let found = interfaces::addresses(&self.setup.network, self.setup.ice.max_local_candidates);
        let bound = self.resume.sockets.iter().map(|bound| bound.address().ip());
        let same = bound.clone().count() == found.len() && bound.clone().all(|ip| found.contains(&ip));
        if !same && found != self.refused {
            self.rescan(Instant::now(), ctx);
            let bound: Vec<_> = self
                .resume
                .sockets
                .iter()
                .map(|bound| bound.address().ip())
                .collect();
            // What cannot be bound is not tried again until something else changes.
            self.refused = if bound.len() == found.len() {
                Vec::new()
            } else {
                found
            };
            self.keep();
            self.drive(ctx);
        }
    }

    /// Interfaces may have come and gone: new addresses get sockets, those of lost ones are given up.
    pub(super) fn rescan(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let limit = self.setup.ice.max_local_candidates;
        let found = interfaces::addresses(&self.setup.network, limit);
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.resume.sockets)
            .into_iter()
            .partition(|bound| found.contains(&bound.address().ip()));
        for bound in gone {
            info!("an address of this machine is gone");
            self.agent.remove_host(now, bound.address());
            self.stop_listening(now, bound.address().ip(), ctx);
            self.close_links_from(now, &bound);
            if self.path.is_some_and(|path| self.is_over(path, &bound)) {
                self.path = None;
                self.resume.selected = None;
                // We may reach the peer from elsewhere at once, but the peer has to learn where to reach us.
                self.setup.events.tell(IceEvent::Failed);
            }
        }
        let known: Vec<_> = kept.iter().map(|bound| bound.address().ip()).collect();
        self.resume.sockets = kept;
        let fresh = found.into_iter().filter(|ip| !known.contains(ip)).collect();
        let fresh = bind_sockets(&self.setup.network, fresh);
        let any = !fresh.is_empty();
        for bound in fresh {
            if let Ok(socket) = Socket::open(bound.clone()) {
                info!("this machine has another address");
                let index = self.sockets.len();
                self.agent.add_host(now, socket.address());
                self.sockets.push(socket);
                self.resume.sockets.push(bound);
                ctx.spawn(Reading { index });
            }
        }
        self.relaying.note_sockets(&self.resume.sockets);
        if any {
            self.listen(now, ctx);
            self.gather(ctx);
        }
    }

    fn is_over(&self, path: Path, bound: &Bound) -> bool {
        match path {
            Path::Direct { socket, .. } => self.sockets[socket].address() == bound.address(),
            Path::Stream { local, .. } => local.ip() == bound.address().ip(),
            Path::Relayed { .. } => false,
        }
    }
}

pub(super) fn bind_sockets(network: &Network, addresses: Vec<IpAddr>) -> Vec<Bound> {
    let mut random = [0; 2];
    // Any start will do where there is no randomness; the next free port is taken.
    let _ = getrandom::fill(&mut random);
    let start = u16::from_be_bytes(random);
    let bind = |ip| match Bound::new(ip, network, start) {
        Ok(bound) => Some(bound),
        Err(error) => {
            debug!(%error, "an address is not used");
            None
        }
    };
    addresses.into_iter().filter_map(bind).collect()
}
