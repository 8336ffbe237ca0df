//! Frames in and out of an encrypted connection. Holds no buffer while the client is idle.

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use roomrtc_protocol::signaling::framing::{Decoder, Frame, FramingError};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tls::Stream;

/// Read at once, onto the stack: most messages fit.
const READ_BYTES: usize = 8 * 1024;

/// Reads of what nobody wants to know, before others get a turn.
const DRAIN_READS: usize = 8;

/// Why a connection is over.
#[derive(Debug, Error)]
pub(crate) enum SocketError {
    /// The other side closed it.
    #[error("closed")]
    Closed,
    /// It broke.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// The client broke the protocol.
    #[error(transparent)]
    Framing(#[from] FramingError),
}

/// A connection.
pub(crate) struct Socket {
    stream: Stream,
    decoder: Decoder,
    outgoing: VecDeque<Bytes>,
    outgoing_bytes: usize,
    /// Whether the first of `outgoing` is partly written: it must then be written to its end.
    begun: bool,
    /// Whether something was written that the stream has not passed on yet.
    unflushed: bool,
    /// Whether our side of the encrypted stream has ended.
    closed: bool,
}

impl Socket {
    /// A connection whose HTTP upgrade is done; `early` arrived with the request.
    pub(crate) fn new(stream: Stream, early: &[u8], limit: usize) -> Self {
        let mut decoder = Decoder::new(limit);
        decoder.feed(early);
        Socket {
            stream,
            decoder,
            outgoing: VecDeque::new(),
            outgoing_bytes: 0,
            begun: false,
            unflushed: false,
            closed: false,
        }
    }

    /// Changes the length a message may have.
    pub(super) fn set_limit(&mut self, limit: usize) {
        self.decoder.set_limit(limit);
    }

    /// Queues a frame.
    pub(super) fn send(&mut self, frame: Bytes) {
        self.outgoing_bytes += frame.len();
        self.outgoing.push_back(frame);
    }

    /// How many frames are queued, and their bytes.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.outgoing.len(), self.outgoing_bytes)
    }

    /// Forgets what is queued and not begun.
    pub(super) fn forget(&mut self) {
        self.outgoing.truncate(usize::from(self.begun));
        self.outgoing_bytes = self.outgoing.iter().map(Bytes::len).sum();
    }

    /// Writes what is queued; ready when all of it is on its way.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(front) = self.outgoing.front_mut() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, front))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            self.begun = written < front.len();
            self.outgoing_bytes -= written;
            front.advance(written);
            if !self.begun {
                self.outgoing.pop_front();
            }
        }
        if self.outgoing.capacity() > 0 {
            self.outgoing = VecDeque::new();
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes what is queued and ends the encrypted stream.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        if !self.closed {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.closed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads and forgets; ready when the other side has ended.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..DRAIN_READS {
            let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut bytes);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The next frame.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, SocketError>> {
        loop {
            if let Some(frame) = self.decoder.poll_frame()? {
                return Poll::Ready(Ok(frame));
            }
            let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut bytes);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Err(SocketError::Closed));
            }
            self.decoder.feed(buffer.filled());
        }
    }
}
