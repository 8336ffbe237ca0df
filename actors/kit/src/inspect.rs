//! What scripts ask about actors and order them to do: the same words on the standard input of `roomrtc headless` and on
//! the server's admin socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::directory::{Directory, Order};
use crate::view::MeterView;

/// One request: a JSON object tagged by `do`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// List every actor's mailbox.
    Actors {},
    /// End an actor's life, to see what follows.
    Crash {
        /// Its name.
        actor: String,
        /// How.
        #[serde(default)]
        how: Death,
    },
    /// Let an actor handle nothing for a time.
    Pause {
        /// Its name.
        actor: String,
        /// For how long.
        ms: u64,
    },
}

/// How an actor is made to die.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Death {
    /// By a bug.
    #[default]
    Panic,
    /// By a bug that takes along what was kept for the next life.
    Forget,
    /// It gives up.
    Fail,
    /// It blocks its thread for a minute; the watchdog will not wait so long.
    Hang,
    /// It ends in good order.
    Stop,
}

/// Longer than any watchdog is patient.
const HANG: Duration = Duration::from_secs(60);

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The configuration does not allow it.
    #[error("actors obey only with debug.chaos=true")]
    NotAllowed,
    /// There is no such actor.
    #[error("there is no actor named {0}")]
    UnknownActor(String),
}

impl Refusal {
    /// For programs.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NotAllowed => "not_allowed",
            Refusal::UnknownActor(_) => "unknown_actor",
        }
    }
}

impl Request {
    /// Does what is asked; the list, if one was asked for.
    ///
    /// # Errors
    /// If chaos is not allowed, or there is no such actor.
    pub fn carry_out(self) -> Result<Option<Vec<MeterView>>, Refusal> {
        let (actor, order) = match self {
            Request::Actors {} => return Ok(Some(Directory::view())),
            Request::Crash { actor, how } => (actor, how.into()),
            Request::Pause { actor, ms } => (actor, Order::Pause(Duration::from_millis(ms))),
        };
        if !Directory::chaos_allowed() {
            return Err(Refusal::NotAllowed);
        }
        match Directory::order(&actor, order) {
            true => Ok(None),
            false => Err(Refusal::UnknownActor(actor)),
        }
    }
}

/// A server that does not answer by then does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks a running server over its admin socket.
pub struct AdminSocket {
    read: BufReader<UnixStream>,
    write: UnixStream,
}

/// What a server answers.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Answer {
    Actors { actors: Vec<MeterView> },
    Error { message: String },
    Done {},
}

impl AdminSocket {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    /// If no server listens there, or it is not ours to ask.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let write = UnixStream::connect(path)?;
        write.set_read_timeout(Some(PATIENCE))?;
        let read = BufReader::new(write.try_clone()?);
        Ok(AdminSocket { read, write })
    }

    /// Every actor of the server.
    ///
    /// # Errors
    /// If the server does not answer, or refuses.
    pub fn actors(&mut self) -> io::Result<Vec<MeterView>> {
        serde_json::to_writer(&mut self.write, &Request::Actors {})?;
        self.write.write_all(b"\n")?;
        let mut line = String::new();
        if self.read.read_line(&mut line)? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the server has ended",
            ));
        }
        match serde_json::from_str(&line)? {
            Answer::Actors { actors } => Ok(actors),
            Answer::Error { message } => Err(io::Error::other(message)),
            Answer::Done {} => Err(io::Error::other("the server answered something else")),
        }
    }
}

impl From<Death> for Order {
    fn from(how: Death) -> Self {
        match how {
            Death::Panic => Order::Panic,
            Death::Forget => Order::Forget,
            Death::Fail => Order::Fail,
            Death::Hang => Order::Hang(HANG),
            Death::Stop => Order::Stop,
        }
    }
}
