//! The candidates of the peer; hidden ones are looked for in the local network, by multicast DNS.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Instant;

use actix::fut::ActorFuture;
use actix::{AsyncContext, Context, Handler};
use roomrtc_kit::config::Network;
use roomrtc_protocol::ice::NamesOutput;
use roomrtc_protocol::ice::mdns::GROUP;
use socket2::{Domain, SockRef, Socket, Type};
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tracing::debug;

use super::{AddRemoteCandidate, IceAgent, interfaces};

/// Longest message (RFC 6762 §17).
const MAX_MESSAGE: usize = 9000;
/// Messages taken in one turn: the network may be full of them.
const MAX_AT_ONCE: usize = 16;

/// The group in which names are asked for, on every interface.
pub(super) struct Group {
    socket: UdpSocket,
    interfaces: Vec<Ipv4Addr>,
}

impl Group {
    fn join(network: &Network) -> io::Result<Self> {
        let IpAddr::V4(group) = GROUP.ip() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let socket = Socket::new(Domain::IPV4, Type::DGRAM.nonblocking(), None)?;
        // The system's own responder has that port too. What is sent to it alone is none of our business, so only
        // the group's address is bound.
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&GROUP.into())?;
        let present = interfaces::present(&network.exclude_interfaces);
        let interfaces = present.into_iter().filter_map(|ip| match ip {
            IpAddr::V4(ip) => socket.join_multicast_v4(&group, &ip).is_ok().then_some(ip),
            IpAddr::V6(_) => None,
        });
        Ok(Group {
            interfaces: interfaces.collect(),
            socket: UdpSocket::from_std(socket.into())?,
        })
    }

    fn ask(&self, question: &[u8]) {
        for interface in &self.interfaces {
            let chosen = SockRef::from(&self.socket).set_multicast_if_v4(interface);
            if let Err(error) = chosen.and_then(|()| self.socket.try_send_to(question, GROUP).map(drop)) {
                debug!(%error, %interface, "a name is not asked for");
            }
        }
    }
}

/// Hears the group, for the rest of the actor's life.
struct Listening(Arc<Group>);

impl ActorFuture<IceAgent> for Listening {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        this: &mut IceAgent,
        ctx: &mut Context<IceAgent>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        let mut bytes = [0; MAX_MESSAGE];
        for _ in 0..MAX_AT_ONCE {
            let mut message = ReadBuf::new(&mut bytes);
            match self.0.socket.poll_recv(task, &mut message) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => this.names.handle_input(message.filled()),
                Poll::Ready(Err(error)) => debug!(%error, "no answer"),
            }
            this.drive(ctx);
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

impl IceAgent {
    fn take_candidate(&mut self, candidate: String) {
        let now = Instant::now();
        if self.setup.ice.mdns && self.names.take(now, &candidate) {
            return;
        }
        match self.agent.add_remote_candidate(now, &candidate) {
            Ok(None) => {}
            Ok(Some(_)) if self.resume.candidates.contains(&candidate) => {}
            Ok(Some(address)) => {
                self.relaying.relays().permit(now, address.ip());
                self.resume.candidates.push(candidate);
                let limit = self.setup.ice.max_remote_candidates;
                let excess = self.resume.candidates.len().saturating_sub(limit);
                self.resume.candidates.drain(..excess);
                self.keep();
            }
            Err(error) => debug!(%error, "a candidate of the peer is not used"),
        }
    }

    /// Asks for names, and takes what was answered. Returns whether the agent has heard something new.
    pub(super) fn drive_names(&mut self, ctx: &mut Context<Self>) -> bool {
        self.agent.await_names(self.names.is_waiting());
        let mut fed = false;
        while let Some(output) = self.names.poll_output() {
            match output {
                NamesOutput::Ask(question) => self.ask_for_names(&question, ctx),
                NamesOutput::Candidate(candidate) => {
                    debug!("a hidden candidate of the peer has an address");
                    self.take_candidate(candidate);
                    fed = true;
                }
            }
        }
        fed
    }

    fn ask_for_names(&mut self, question: &[u8], ctx: &mut Context<Self>) {
        if self.group.is_none() {
            match Group::join(&self.setup.network) {
                Ok(group) => {
                    let group = Arc::new(group);
                    ctx.spawn(Listening(group.clone()));
                    self.group = Some(group);
                }
                Err(error) => debug!(%error, "names cannot be asked for"),
            }
        }
        if let Some(group) = &self.group {
            group.ask(question);
        }
    }
}

impl Handler<AddRemoteCandidate> for IceAgent {
    type Result = ();

    fn handle(&mut self, AddRemoteCandidate { candidate }: AddRemoteCandidate, ctx: &mut Self::Context) {
        self.setup.recorder.note("peer's candidate", || candidate.clone());
        self.take_candidate(candidate);
        self.drive(ctx);
    }
}
