//! What can be read of an actor from outside: for the figures of a call, the actors panel and tests.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::mail::Room;
use crate::meter::Status;

/// A name that lives in the program, or came over a wire.
pub type Name = Cow<'static, str>;

/// One actor's mailbox at one moment. In JSON every [`Duration`] is a number of nanoseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MeterView {
    /// Names it in [`Note::from`].
    pub id: u32,
    /// Its name.
    pub name: String,
    /// The [`MeterView::id`] of the supervisor it lives under, or of the actor that launched it; 0 if there is none.
    pub parent: u32,
    /// How it treats its children, if it is a supervisor: `one for one`, `rest for one`, `one for all`.
    pub strategy: Option<Name>,
    /// The thread it runs on.
    pub thread: String,
    /// What its next life would go on with, as it said last: one line without secrets.
    pub resume: Option<String>,
    /// What it is doing.
    pub status: Status,
    /// Lives begun.
    pub lives: u32,
    /// Messages waiting.
    pub depth: u32,
    /// Most messages that ever waited.
    pub deepest: u32,
    /// The message in hand and for how long: a stuck actor shows here.
    pub busy: Option<Busy>,
    /// Why the last life that failed did.
    pub last_error: Option<String>,
    /// Per kind of message.
    pub kinds: Vec<KindView>,
    /// The latest messages, newest first.
    pub notes: Vec<Note>,
    /// Who sent how many messages since the start; 0 stands for plain threads, and for those that do not fit.
    pub senders: Vec<(u32, u64)>,
}

/// The message in hand.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Busy {
    /// Its type's name.
    pub kind: Name,
    /// For how long.
    #[serde(rename = "for_ns", with = "nanos")]
    pub time: Duration,
}

impl MeterView {
    /// Messages handled, of all kinds.
    pub fn handled(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.handled).sum()
    }

    /// Messages dropped to make room for newer ones, or in a crash.
    pub fn dropped(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.dropped).sum()
    }

    /// Messages nobody will ever take.
    pub fn dead_letters(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.dead).sum()
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
        self.longest(|kind| kind.work)[1]
    }

    /// Time in a handler: median, 99th percentile and maximum, each of the kind where it is longest.
    pub fn work(&self) -> [Duration; 3] {
        self.longest(|kind| kind.work)
    }

    /// Time in the queue: median, 99th percentile and maximum, each of the kind where it is longest.
    pub fn wait(&self) -> [Duration; 3] {
        self.longest(|kind| kind.wait)
    }

    fn longest(&self, times: fn(&KindView) -> [Duration; 3]) -> [Duration; 3] {
        self.kinds.iter().map(times).fold([Duration::ZERO; 3], |a, b| {
            std::array::from_fn(|i| a[i].max(b[i]))
        })
    }
}

/// One kind of message of one actor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KindView {
    /// The type's name.
    pub name: Name,
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
    #[serde(rename = "wait_ns", with = "quantiles")]
    pub wait: [Duration; 3],
    /// Time in the handler: median, 99th percentile, maximum.
    #[serde(rename = "work_ns", with = "quantiles")]
    pub work: [Duration; 3],
}

/// One handled message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Note {
    /// When its handler began, since the process did.
    #[serde(rename = "at_ns", with = "nanos")]
    pub at: Duration,
    /// Its type's name.
    pub kind: Name,
    /// The sending actor's [`MeterView::id`]; 0 for a plain thread.
    pub from: u32,
    /// Time in the queue.
    #[serde(rename = "wait_ns", with = "nanos")]
    pub wait: Duration,
    /// Time in the handler.
    #[serde(rename = "work_ns", with = "nanos")]
    pub work: Duration,
    /// What it said of itself ([`Mail::brief`](crate::Mail::brief)); only while somebody watches.
    pub brief: String,
}

/// A time as a number of nanoseconds.
mod nanos {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(time.as_nanos() as u64)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_nanos)
    }
}

/// Three times as numbers of nanoseconds.
mod quantiles {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(times: &[Duration; 3], to: S) -> Result<S::Ok, S::Error> {
        times.map(|time| time.as_nanos() as u64).serialize(to)
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<[Duration; 3], D::Error> {
        <[u64; 3]>::deserialize(from).map(|times| times.map(Duration::from_nanos))
    }
}
