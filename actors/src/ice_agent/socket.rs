//! One UDP socket and the batches that go through it: GSO and GRO where the kernel can, `recvmmsg` in any case.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use quinn_udp::{RecvMeta, Transmit, UdpSocketState};
use roomrtc_kit::config::Network;
use socket2::SockRef;
use tokio::io::Interest;

use super::interfaces;

/// Trains of datagrams taken from the kernel in one call.
const TRAINS: usize = 16;
/// A train of GRO, or one datagram, has at most 64 KiB less the headers.
const TRAIN_BYTES: usize = 65_536;
/// Most bytes that go out in one GSO call: the length field of UDP, less the headers of IPv6.
const MAX_GSO_BYTES: usize = 65_535 - 48;

/// A bound socket that outlives the actors driving it.
#[derive(Clone)]
pub struct Bound {
    socket: Arc<std::net::UdpSocket>,
    state: Arc<UdpSocketState>,
    address: SocketAddr,
    offload: bool,
}

impl Bound {
    /// Binds and prepares a socket on an address of this machine.
    ///
    /// # Errors
    /// If the system refuses the address or the port.
    pub(super) fn new(ip: IpAddr, network: &Network, start: u16) -> io::Result<Self> {
        let socket = interfaces::bind(ip, network, start, std::net::UdpSocket::bind)?;
        // The default of 208 KiB loses bursts; the system may grant less than asked for, which is no reason to fail.
        let options = SockRef::from(&socket);
        let _ = options.set_recv_buffer_size(network.receive_buffer_bytes);
        let _ = options.set_send_buffer_size(network.send_buffer_bytes);
        let state = UdpSocketState::new((&socket).into())?;
        let address = socket.local_addr()?;
        Ok(Bound {
            socket: Arc::new(socket),
            state: Arc::new(state),
            address,
            offload: network.offload,
        })
    }

    /// Sends one datagram without a runtime; whether it went out.
    pub(super) fn send(&self, remote: SocketAddr, datagram: &[u8]) -> bool {
        self.socket.send_to(datagram, remote).is_ok()
    }

    /// Where it is bound.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A bound socket within the runtime of one life of the actor.
pub(super) struct Socket {
    bound: Bound,
    io: tokio::net::UdpSocket,
}

impl Socket {
    /// Registers the socket with this thread's runtime.
    pub(super) fn open(bound: Bound) -> io::Result<Self> {
        let io = tokio::net::UdpSocket::from_std(bound.socket.try_clone()?)?;
        Ok(Socket { bound, io })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.bound.address
    }

    /// Waits until there may be something to read.
    pub(super) fn poll_readable(&self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_recv_ready(task)
    }

    /// Waits until there may be room to write.
    pub(super) fn poll_writable(&self, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_send_ready(task)
    }

    /// Takes what has arrived into the inbox; `WouldBlock` if nothing has.
    pub(super) fn receive(&self, inbox: &mut Inbox) -> io::Result<()> {
        inbox.filled = 0;
        let Inbox { trains, metas, .. } = inbox;
        let mut slices = trains.each_mut().map(|train| IoSliceMut::new(train));
        let received = self.io.try_io(Interest::READABLE, || {
            self.bound.state.recv((&self.io).into(), &mut slices, metas)
        })?;
        inbox.filled = received;
        Ok(())
    }

    /// Sends one datagram; whether it went out.
    pub(super) fn send_one(&self, remote: SocketAddr, datagram: &[u8]) -> bool {
        self.transmit(remote, datagram, None).is_ok()
    }

    /// Sends datagrams in order as far as there is room.
    pub(super) fn send(&self, remote: SocketAddr, datagrams: &[Bytes], outbox: &mut Outbox) -> Sent {
        let mut sent = Sent::default();
        while sent.taken() < datagrams.len() {
            let rest = &datagrams[sent.taken()..];
            let run = self.run_length(rest);
            let segment = rest[0].len();
            let result = match run {
                1 => self.transmit(remote, &rest[0], None),
                _ => self.transmit(remote, outbox.join(&rest[..run]), Some(segment)),
            };
            match result {
                Ok(()) => sent.out += run,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return sent,
                // The kernel or the driver cannot segment after all; quinn-udp has noted that: again, one by one.
                Err(_) if run > 1 && self.bound.state.max_gso_segments() < run => {}
                Err(_) => sent.refused += run,
            }
        }
        sent
    }

    /// How many of these the kernel can cut from one buffer: equal sizes, only the last may be shorter.
    fn run_length(&self, datagrams: &[Bytes]) -> usize {
        let segment = datagrams[0].len();
        let most = match segment {
            0 => 1,
            _ if !self.bound.offload => 1,
            _ => self
                .bound
                .state
                .max_gso_segments()
                .min(MAX_GSO_BYTES / segment)
                .max(1),
        };
        let candidates = &datagrams[..datagrams.len().min(most)];
        let equal = candidates
            .iter()
            .take_while(|datagram| datagram.len() == segment)
            .count();
        match candidates.get(equal) {
            Some(last) if !last.is_empty() && last.len() < segment => equal + 1,
            Some(_) | None => equal,
        }
    }

    /// Asks the kernel at once: the runtime learns that a fresh socket has room only when it next looks.
    fn transmit(&self, remote: SocketAddr, contents: &[u8], segment_size: Option<usize>) -> io::Result<()> {
        let transmit = Transmit {
            destination: remote,
            ecn: None,
            contents,
            segment_size,
            src_ip: None,
        };
        let result = self.bound.state.try_send((&self.io).into(), &transmit);
        if let Err(error) = &result
            && error.kind() == io::ErrorKind::WouldBlock
        {
            // So that waiting for room really waits.
            let full = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let _ = self.io.try_io(Interest::WRITABLE, full);
        }
        result
    }
}

/// How far a [`Socket::send`] came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Went out.
    pub out: usize,
    /// Refused by the system (no route, too large) and given up.
    pub refused: usize,
}

impl Sent {
    /// Datagrams that need no further attempt.
    pub(super) fn taken(&self) -> usize {
        self.out + self.refused
    }
}

/// Where datagrams are put together for the kernel to cut apart again.
#[derive(Default)]
pub(super) struct Outbox(Vec<u8>);

impl Outbox {
    fn join(&mut self, datagrams: &[Bytes]) -> &[u8] {
        self.0.clear();
        datagrams
            .iter()
            .for_each(|datagram| self.0.extend_from_slice(datagram));
        &self.0
    }
}

/// Where the kernel puts what has arrived.
pub(super) struct Inbox {
    trains: [Vec<u8>; TRAINS],
    metas: [RecvMeta; TRAINS],
    filled: usize,
}

impl Default for Inbox {
    fn default() -> Self {
        Inbox {
            trains: std::array::from_fn(|_| vec![0; TRAIN_BYTES]),
            metas: [RecvMeta::default(); TRAINS],
            filled: 0,
        }
    }
}

/// Datagrams of one sender that the kernel delivered together; all have the same length but the last.
pub(super) struct Train<'a> {
    /// Who sent them.
    pub remote: SocketAddr,
    stride: usize,
    bytes: &'a [u8],
}

impl Inbox {
    /// What arrived.
    pub(super) fn trains(&self) -> impl Iterator<Item = Train<'_>> {
        let filled = self.trains.iter().zip(&self.metas).take(self.filled);
        filled.map(|(buffer, meta)| Train {
            remote: meta.addr,
            stride: meta.stride.max(1),
            bytes: &buffer[..meta.len.min(buffer.len())],
        })
    }
}

impl<'a> Train<'a> {
    /// The datagrams, still in the kernel's buffer.
    pub(super) fn datagrams(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        self.bytes.chunks(self.stride)
    }

    /// The datagrams on their own: one copy for all of them, which they share.
    pub(super) fn to_owned(&self) -> impl ExactSizeIterator<Item = Bytes> + use<> {
        let (whole, stride) = (Bytes::copy_from_slice(self.bytes), self.stride);
        (0..whole.len().div_ceil(stride))
            .map(move |n| whole.slice(n * stride..((n + 1) * stride).min(whole.len())))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn socket() -> Socket {
        Socket::open(Bound::new("127.0.0.1".parse().unwrap(), &Network::default(), 0).unwrap()).unwrap()
    }

    async fn received(socket: &Socket, expected: usize) -> Vec<Bytes> {
        let mut inbox = Inbox::default();
        let mut all = Vec::new();
        while all.len() < expected {
            std::future::poll_fn(|task| socket.poll_readable(task))
                .await
                .unwrap();
            if socket.receive(&mut inbox).is_ok() {
                all.extend(inbox.trains().flat_map(|train| train.to_owned()));
            }
        }
        all
    }

    #[tokio::test]
    async fn datagrams_of_all_sizes_arrive_as_they_were_sent() {
        let (from, to) = (socket(), socket());
        let sizes = [1200, 1200, 1200, 300, 1200, 1, 1, 1, 0, 700, 900, 1472];
        let sent: Vec<Bytes> = (0_u8..)
            .zip(sizes)
            .map(|(n, size)| Bytes::from(vec![n; size]))
            .collect();
        let result = from.send(to.address(), &sent, &mut Outbox::default());
        assert_eq!(
            result,
            Sent {
                out: sent.len(),
                refused: 0
            }
        );
        let whole: Vec<Bytes> = sent.into_iter().filter(|datagram| !datagram.is_empty()).collect();
        assert_eq!(received(&to, whole.len()).await, whole);
    }

    #[tokio::test]
    async fn what_the_system_refuses_is_counted_and_the_rest_goes_on() {
        let (from, to) = (socket(), socket());
        let sent = [Bytes::from(vec![1; 70_000]), Bytes::from_static(b"fits")];
        let result = from.send(to.address(), &sent, &mut Outbox::default());
        assert_eq!(result, Sent { out: 1, refused: 1 });
        assert_eq!(received(&to, 1).await, sent[1..]);
    }
}
