//! What can be read of an actor from outside: for the figures of a call, the actors panel and tests.

use std::time::Duration;

use crate::mail::Room;
use crate::meter::Status;

/// One actor's mailbox at one moment.
#[derive(Clone, Debug)]
pub struct MeterView {
    /// Names it in [`Note::from`].
    pub id: u32,
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub status: Status,
    /// Lives begun.
    pub lives: u32,
    /// Messages waiting.
    pub depth: u32,
    /// Most messages that ever waited.
    pub deepest: u32,
    /// The message in hand and for how long: a stuck actor shows here.
    pub busy: Option<(&'static str, Duration)>,
    /// Why the last life that failed did.
    pub last_error: Option<String>,
    /// Per kind of message.
    pub kinds: Vec<KindView>,
    /// The latest messages, newest first.
    pub notes: Vec<Note>,
    /// Descriptions of the latest messages, oldest first; kept only while somebody watches.
    pub briefs: Vec<String>,
}

impl MeterView {
    /// Messages handled, of all kinds.
    pub fn handled(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.handled).sum()
    }

    /// Messages dropped to make room for newer ones or in a crash, and dead letters.
    pub fn lost(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.dropped + kind.dead).sum()
    }

    /// Lives after the first.
    pub fn restarts(&self) -> u32 {
        self.lives.saturating_sub(1)
    }

    /// The 99th percentile of the time in a handler, of the kind where it is longest.
    pub fn work_p99(&self) -> Duration {
        self.kinds
            .iter()
            .map(|kind| kind.work[1])
            .max()
            .unwrap_or_default()
    }
}

/// One kind of message of one actor.
#[derive(Clone, Debug)]
pub struct KindView {
    /// The type's name.
    pub name: &'static str,
    /// What happens when the mailbox is full.
    pub room: Room,
    /// Messages taken into the mailbox.
    pub accepted: u64,
    /// Messages handled.
    pub handled: u64,
    /// Messages dropped to make room for newer ones, or in a crash.
    pub dropped: u64,
    /// Messages nobody will ever take.
    pub dead: u64,
    /// Messages in the mailbox.
    pub waiting: u32,
    /// Time in the queue: median, 99th percentile, maximum.
    pub wait: [Duration; 3],
    /// Time in the handler: median, 99th percentile, maximum.
    pub work: [Duration; 3],
}

/// One handled message.
#[derive(Clone, Debug)]
pub struct Note {
    /// When its handler began, since the process did.
    pub at: Duration,
    /// Its type's name.
    pub kind: &'static str,
    /// The sending actor's [`MeterView::id`]; 0 for a plain thread.
    pub from: u32,
    /// Time in the queue.
    pub wait: Duration,
    /// Time in the handler.
    pub work: Duration,
}
