//! Waiting for something to read and for room to write, inside the actor's own context: no message, no hop.

use std::pin::Pin;
use std::task::{self, Poll};

use actix::Context;
use actix::fut::ActorFuture;

use super::IceAgent;

/// Times one socket is read before its siblings on the thread get a turn.
const READS_PER_TURN: usize = 4;

/// Reads one socket for the rest of the actor's life.
pub(super) struct Reading {
    pub index: usize,
}

impl ActorFuture<IceAgent> for Reading {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        this: &mut IceAgent,
        ctx: &mut Context<IceAgent>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        for _ in 0..READS_PER_TURN {
            match this.sockets[self.index].poll_readable(task) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => this.read(self.index, ctx),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Waits for room in one socket, once.
pub(super) struct Writing {
    pub index: usize,
}

impl ActorFuture<IceAgent> for Writing {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        this: &mut IceAgent,
        ctx: &mut Context<IceAgent>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        match this.sockets[self.index].poll_writable(task) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(_) => {
                this.send_pending(ctx);
                Poll::Ready(())
            }
        }
    }
}
