//! Files going both ways: offers to answer, progress, what arrived.

mod view;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use roomrtc_actors::ui_bridge::{Command, FileEvent, TransferId};

use crate::screen::call::Action;
use crate::words;

/// How many transfers the panel remembers; the oldest finished ones are forgotten.
const LIMIT: usize = 100;

/// The transfers of one call, newest last.
#[derive(Default)]
pub struct Files {
    transfers: Vec<Transfer>,
}

/// One file on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Transfer {
    id: TransferId,
    name: String,
    size: u64,
    incoming: bool,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// The peer offers it; the user has to answer.
    Asked,
    /// Offered to the peer, or accepted and about to start.
    Waiting,
    Running {
        done: u64,
        since: Instant,
        /// Where the running transfer stood when it was first heard of.
        from: u64,
    },
    Arrived {
        path: PathBuf,
        took: Duration,
    },
    Failed(String),
}

/// What the user does.
#[derive(Clone, Debug)]
pub enum Message {
    /// Takes an offered file.
    Accept(TransferId),
    /// Refuses it.
    Decline(TransferId),
    /// Stops a transfer.
    Cancel(TransferId),
    /// Chooses a file to send.
    Choose,
    /// Types the path of a file to send.
    TypePath,
    /// Chooses where received files go.
    ChooseFolder,
    /// Shows a file where it lies.
    Open(PathBuf),
}

/// A file that arrived, for the list of recent things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Whether it came to us.
    pub incoming: bool,
}

impl Files {
    /// What the user does.
    pub fn update(&mut self, message: Message) -> Action {
        match message {
            Message::Accept(transfer) => {
                self.set(transfer, State::Waiting);
                Action::AcceptFile(transfer)
            }
            Message::Decline(transfer) => {
                self.set(transfer, State::Failed("Declined by you".into()));
                Action::Send(Command::DeclineFile(transfer))
            }
            Message::Cancel(transfer) => Action::Send(Command::CancelFile(transfer)),
            Message::Choose => Action::ChooseFile,
            Message::TypePath => Action::TypePath,
            Message::ChooseFolder => Action::ChooseFolder,
            Message::Open(path) => Action::Open(path),
        }
    }

    /// The newest offer that waits for an answer, for the keyboard.
    pub fn asked(&self) -> Option<TransferId> {
        let asked = |transfer: &&Transfer| transfer.state == State::Asked;
        self.transfers
            .iter()
            .rev()
            .find(asked)
            .map(|transfer| transfer.id)
    }

    /// What the client says about a file.
    pub fn hear(&mut self, event: &FileEvent, now: Instant) -> Option<Finished> {
        match event {
            FileEvent::Offered { transfer, name, size } => {
                self.add(*transfer, name, *size, false, State::Waiting);
            }
            FileEvent::Incoming {
                transfer, name, size, ..
            } => self.add(*transfer, name, *size, true, State::Asked),
            FileEvent::Progress { transfer, done, size } => {
                let found = self.find(*transfer)?;
                found.size = *size;
                match &mut found.state {
                    State::Running { done: so_far, .. } => *so_far = *done,
                    State::Asked | State::Waiting => {
                        found.state = State::Running {
                            done: *done,
                            since: now,
                            from: *done,
                        };
                    }
                    State::Arrived { .. } | State::Failed(_) => {}
                }
            }
            FileEvent::Completed {
                transfer,
                path,
                size,
                took,
                ..
            } => {
                let found = self.find(*transfer)?;
                found.size = *size;
                found.state = State::Arrived {
                    path: path.clone(),
                    took: *took,
                };
                return Some(Finished {
                    name: found.name.clone(),
                    size: *size,
                    incoming: found.incoming,
                });
            }
            FileEvent::Failed { transfer, reason } => {
                let found = self.find(*transfer)?;
                // "Declined by you" says more than the event
                if !matches!(found.state, State::Failed(_)) {
                    found.state = State::Failed(words::file_end(reason));
                }
            }
        }
        None
    }

    fn add(&mut self, id: TransferId, name: &str, size: u64, incoming: bool, state: State) {
        if self.transfers.len() >= LIMIT
            && let Some(oldest) = self.transfers.iter().position(Transfer::is_over)
        {
            self.transfers.remove(oldest);
        }
        self.transfers.push(Transfer {
            id,
            name: name.to_owned(),
            size,
            incoming,
            state,
        });
    }

    fn find(&mut self, id: TransferId) -> Option<&mut Transfer> {
        self.transfers.iter_mut().find(|transfer| transfer.id == id)
    }

    fn set(&mut self, id: TransferId, state: State) {
        if let Some(transfer) = self.find(id) {
            transfer.state = state;
        }
    }
}

impl Transfer {
    fn is_over(&self) -> bool {
        match self.state {
            State::Asked | State::Waiting | State::Running { .. } => false,
            State::Arrived { .. } | State::Failed(_) => true,
        }
    }

    /// Bytes a second of a running transfer, once there is something to measure.
    fn rate(&self, now: Instant) -> Option<f64> {
        const MEASURABLE: Duration = Duration::from_millis(200);
        let State::Running { done, since, from } = self.state else {
            return None;
        };
        let time = now.saturating_duration_since(since);
        (time >= MEASURABLE).then(|| done.saturating_sub(from) as f64 / time.as_secs_f64())
    }
}
