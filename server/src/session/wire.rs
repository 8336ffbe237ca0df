//! The part of a session that moves frames: runs inside the actor whenever something happened.

use std::pin::Pin;
use std::task::{Context as Task, Poll};
use std::time::Instant;

use actix::{ActorContext, ActorFuture, AsyncContext, Context};
use roomrtc_protocol::signaling::framing::{self, Frame};

use super::socket::SocketError;
use super::{Session, State};

/// Frames one session handles before its neighbours get a turn.
const BUDGET: usize = 32;

/// Writes what is queued, reads what has come.
pub(super) struct Wire;

impl ActorFuture<Session> for Wire {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        session: &mut Session,
        ctx: &mut Context<Session>,
        task: &mut Task<'_>,
    ) -> Poll<()> {
        if session
            .waker
            .as_ref()
            .is_none_or(|waker| !waker.will_wake(task.waker()))
        {
            session.waker = Some(task.waker().clone());
        }
        session.moving = true;
        let progress = session.move_frames(ctx, task);
        session.moving = false;
        progress
    }
}

impl Session {
    fn move_frames(&mut self, ctx: &mut Context<Self>, task: &mut Task<'_>) -> Poll<()> {
        for _ in 0..BUDGET {
            if matches!(self.state, State::Leaving) {
                return self.leave(ctx, task);
            }
            if let Poll::Ready(Err(_)) = self.socket.poll_flush(task) {
                ctx.stop();
                return Poll::Ready(());
            }
            if self.paused || !self.reads() {
                return Poll::Pending;
            }
            match self.socket.poll_frame(task) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(frame) => self.took_in(frame, ctx),
            }
        }
        task.waker().wake_by_ref();
        Poll::Pending
    }

    /// The last words, then the end.
    fn leave(&mut self, ctx: &mut Context<Self>, task: &mut Task<'_>) -> Poll<()> {
        let done = match self.socket.poll_close(task) {
            // The client ends the connection when it has read to its end. If we did it over bytes of its that we
            // have not read, TCP would reset, and the client would lose our last words.
            Poll::Ready(Ok(())) => self.socket.poll_drain(task),
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        };
        if done.is_ready() {
            ctx.stop();
        }
        done
    }

    fn took_in(&mut self, frame: Result<Frame, SocketError>, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.heard = now;
        if let Some(wait) = self.pace.take(now) {
            self.paused = true;
            ctx.run_later(wait, |this, _| {
                this.paused = false;
                this.wake();
            });
        }
        match frame {
            Ok(Frame::Text(json)) => self.listen(&json, ctx),
            Ok(Frame::Ping(payload)) => self.send_frames([framing::pong(&payload)]),
            Ok(Frame::Pong) => {}
            Ok(Frame::Close) => self.close(framing::close_code::NORMAL),
            Err(SocketError::Framing(error)) => {
                tracing::debug!(session = self.id.0, %error, "a client broke the protocol");
                self.close(error.close_code());
            }
            Err(SocketError::Closed | SocketError::Io(_)) => ctx.stop(),
        }
    }
}
