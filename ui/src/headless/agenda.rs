//! What a script asked for and what came of it: events in, things to do out, and in the end a verdict. A plain
//! value without a clock, so that every story of a script is a table in its tests.

use std::path::PathBuf;
use std::time::Duration;

use roomrtc_actors::ui_bridge::{
    CallEnd, CallEvent, Command, ConnectionState, Event, FileEvent, Password, TransferId,
};
use roomrtc_protocol::signaling::messages::{EndReason, ErrorCode, Presence, UserPresence};

use super::order::View;
use super::report::{Report, sentence, why, word};
use crate::cli::Answer;

/// How long to wait for the called user to be available, unless told otherwise.
const WAIT_FOR_CALLEE: Duration = Duration::from_secs(10);

/// How long a client with an end waits for a call to answer, unless told otherwise.
const WAIT_FOR_CALL: Duration = Duration::from_secs(60);

/// How far into the call the peer's picture is saved: its encoder has settled by then.
const SCREENSHOT_AFTER: Duration = Duration::from_secs(1);

/// What the command line asks for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) server: String,
    pub(super) user: String,
    pub(super) password: Password,
    pub(super) register: bool,
    pub(super) take_over: bool,
    /// An earlier run died in a call, and this one goes on with it.
    pub(super) rejoin: bool,
    pub(super) call: Option<String>,
    pub(super) answer: Option<Answer>,
    pub(super) stay: bool,
    pub(super) duration: Option<Duration>,
    pub(super) wait: Option<Duration>,
    pub(super) send: Vec<PathBuf>,
    pub(super) files: Files,
    pub(super) screenshot: Option<PathBuf>,
}

/// What becomes of offered files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// They wait for an order on the standard input.
    Wait,
    /// They are taken into this folder.
    Accept(PathBuf),
    /// They are refused.
    Reject,
}

/// A moment in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Timer {
    /// Enough of waiting for a call, or for the called user.
    Waited,
    /// Enough of the call, or of being online.
    Elapsed,
    /// Time for the picture.
    Screenshot,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Print this.
    Report(Report),
    /// Tell the client this.
    Command(Command),
    /// Come back after this long; the same timer set before is void.
    Arm(Timer, Duration),
    /// Save the peer's picture.
    Screenshot(View, PathBuf),
    /// The end.
    Finish,
}

/// Where the account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Account {
    Unknown,
    Registering,
    LoggingIn,
    /// The session of an earlier run is being resumed.
    Resuming,
    Online,
}

/// Where the call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    None,
    SettingUp,
    Connected,
}

/// After a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Wait,
    End,
    Fail,
}

/// The agenda of one run.
#[derive(Debug)]
pub(super) struct Agenda {
    asked: Asked,
    account: Account,
    call: Call,
    users: Vec<UserPresence>,
    placed: bool,
    /// Everything the peer offered.
    incoming: Vec<TransferId>,
    /// What of it was taken and has not ended yet.
    receiving: Vec<TransferId>,
    /// Files of `--send` that have not ended yet.
    unsent: usize,
    done: Done,
    finished: bool,
}

/// What happened of what was asked for.
#[derive(Debug, Default)]
struct Done {
    online: bool,
    connected: bool,
    declined: bool,
    screenshot: bool,
    /// What went wrong first.
    failure: Option<String>,
}

impl Agenda {
    /// A fresh agenda; begins with a connection to the server.
    pub(super) fn new(asked: Asked) -> (Self, Vec<Step>) {
        let (account, begin) = match asked.rejoin {
            true => (Account::Resuming, Command::Rejoin),
            false => {
                let server = asked.server.clone();
                (Account::Unknown, Command::Connect { server })
            }
        };
        let agenda = Agenda {
            unsent: asked.send.len(),
            account,
            call: Call::None,
            users: Vec::new(),
            // Who rejoins a call places none.
            placed: asked.rejoin,
            asked,
            incoming: Vec::new(),
            receiving: Vec::new(),
            done: Done::default(),
            finished: false,
        };
        (agenda, vec![Step::Command(begin)])
    }

    /// Whether what was asked for happened; otherwise what did not.
    pub(super) fn verdict(&self) -> Result<(), String> {
        let asked = &self.asked;
        if let Some(failure) = &self.done.failure {
            return Err(failure.clone());
        }
        let missing = match &asked.answer {
            _ if !self.done.online => "the session was never open",
            Some(Answer::Decline) if !self.done.declined => "nobody called",
            Some(Answer::Any | Answer::Only(_)) if !self.done.connected => "no call was answered",
            _ if asked.call.is_some() && !self.done.connected => "the call was never connected",
            _ if self.unsent > 0 => "not every file was sent",
            _ if !self.receiving.is_empty() => "not every file arrived",
            _ if asked.screenshot.is_some() && !self.done.screenshot => "no picture was saved",
            _ => return Ok(()),
        };
        Err(missing.to_owned())
    }

    /// Whether there is a call whose figures are worth printing.
    pub(super) fn in_call(&self) -> bool {
        self.call == Call::Connected
    }

    /// Ends the run as soon as possible.
    pub(super) fn quit(&mut self) -> Vec<Step> {
        match std::mem::replace(&mut self.finished, true) {
            true => Vec::new(),
            false => vec![Step::Finish],
        }
    }

    fn fail(&mut self, report: Report, failure: &str) -> Vec<Step> {
        self.note_failure(failure);
        [vec![Step::Report(report)], self.quit()].concat()
    }

    fn note_failure(&mut self, failure: &str) {
        self.done.failure.get_or_insert_with(|| failure.to_owned());
    }

    /// A picture was saved, or could not be.
    pub(super) fn saved(&mut self, ok: bool) {
        match ok {
            true => self.done.screenshot = true,
            false => self.note_failure("a picture could not be saved"),
        }
    }

    /// A timer went off.
    pub(super) fn timer(&mut self, timer: Timer) -> Vec<Step> {
        match timer {
            Timer::Screenshot if self.in_call() => self
                .asked
                .screenshot
                .clone()
                .map(|path| Step::Screenshot(View::Camera, path))
                .into_iter()
                .collect(),
            Timer::Elapsed if self.call != Call::None => vec![Step::Command(Command::HangUp)],
            Timer::Elapsed => self.quit(),
            // The server's own words say what is wrong with the callee.
            Timer::Waited if self.asked.call.is_some() && !self.placed => self.place(),
            Timer::Waited if self.asked.answer.is_some() && self.call == Call::None && !self.answered() => {
                let report = Report::error("not_called", "nobody called in time");
                self.fail(report, "nobody called in time")
            }
            Timer::Screenshot | Timer::Waited => Vec::new(),
        }
    }

    fn answered(&self) -> bool {
        self.done.connected || self.done.declined
    }

    /// The client says something.
    pub(super) fn event(&mut self, event: Event) -> Vec<Step> {
        match event {
            Event::Connection(state) => self.connection(state),
            Event::UnknownServer { fingerprint } => {
                let report = Report::Error {
                    code: "unknown_server".into(),
                    message:
                        "nobody vouches for the server's certificate; if this is the fingerprint the server \
                              printed, give it as --server-fingerprint"
                            .into(),
                    retry_after_ms: None,
                    fingerprint: Some(fingerprint),
                };
                self.fail(report, "the server is unknown")
            }
            Event::ServerChanged { expected, actual } => {
                let report = Report::Error {
                    code: "server_changed".into(),
                    message: format!("the server's certificate should be {expected}"),
                    retry_after_ms: None,
                    fingerprint: Some(actual),
                };
                self.fail(report, "the server is not the expected one")
            }
            Event::Registered { .. } => self.log_in(),
            Event::LoggedIn { user, resumed } => self.logged_in(user, resumed),
            Event::LoggedOut { reason } => {
                let report = Report::error(word(&reason), "the session is over");
                self.fail(report, "the session ended")
            }
            Event::Users(users) => {
                self.users = users.clone();
                let mut steps = vec![Step::Report(Report::Users { users })];
                if self.account == Account::Online && !self.placed && self.callee_is_available() {
                    steps.extend(self.place());
                }
                steps
            }
            Event::Invited {
                invite,
                url,
                expires_in,
            } => vec![Step::Report(Report::Invited {
                invite,
                url,
                expires_in_s: expires_in.as_secs(),
            })],
            Event::Invites(invites) => vec![Step::Report(Report::Invites { invites })],
            Event::InviteRevoked { invite } => vec![Step::Report(Report::InviteRevoked { invite })],
            Event::Refused { code, retry_after } => self.refused(code, retry_after),
            Event::Call(event) => self.call_event(event),
            Event::File(event) => self.file(event),
            Event::Data(event) => vec![Step::Report(event.into())],
            Event::Notice(notice) => vec![Step::Report(notice.into())],
            Event::Restarted {
                actor,
                reason,
                gap_ms,
            } => vec![Step::Report(Report::Restarted {
                actor,
                reason,
                gap_ms,
            })],
        }
    }

    fn connection(&mut self, state: ConnectionState) -> Vec<Step> {
        match state {
            ConnectionState::Connected if self.account == Account::Unknown => {
                if !self.asked.register {
                    return self.log_in();
                }
                self.account = Account::Registering;
                let Asked { user, password, .. } = self.asked.clone();
                vec![Step::Command(Command::Register { user, password })]
            }
            ConnectionState::Failed(cause) => self.fail(
                Report::error("connection_failed", cause),
                "there is no connection to the server",
            ),
            ConnectionState::Reconnecting { attempt, after } => {
                vec![Step::Report(Report::Offline {
                    attempt,
                    after_ms: after.as_millis() as u64,
                })]
            }
            ConnectionState::Connected | ConnectionState::Connecting | ConnectionState::Disconnected => {
                Vec::new()
            }
        }
    }

    fn log_in(&mut self) -> Vec<Step> {
        self.account = Account::LoggingIn;
        let Asked {
            user,
            password,
            take_over,
            ..
        } = self.asked.clone();
        vec![Step::Command(Command::LogIn {
            user,
            password,
            take_over,
        })]
    }

    fn refused(&mut self, code: ErrorCode, retry_after: Option<Duration>) -> Vec<Step> {
        if self.account == Account::Registering && code == ErrorCode::UserNameTaken {
            return self.log_in();
        }
        let report = Report::Error {
            code: word(&code),
            message: sentence(code).into(),
            retry_after_ms: retry_after.map(|wait| wait.as_millis() as u64),
            fingerprint: None,
        };
        match self.account {
            Account::Online => vec![Step::Report(report)],
            Account::Unknown | Account::Registering | Account::LoggingIn | Account::Resuming => {
                self.fail(report, sentence(code))
            }
        }
    }

    fn logged_in(&mut self, user: String, resumed: bool) -> Vec<Step> {
        self.account = Account::Online;
        self.done.online = true;
        let server = self.asked.server.clone();
        let mut steps = vec![Step::Report(Report::Online {
            user,
            server,
            resumed,
        })];
        if resumed {
            return steps;
        }
        let asked = &self.asked;
        match (&asked.call, &asked.answer, asked.duration) {
            (Some(_), _, _) => steps.push(Step::Arm(Timer::Waited, asked.wait.unwrap_or(WAIT_FOR_CALLEE))),
            (None, Some(_), duration) => {
                let wait = asked
                    .wait
                    .or(duration.map(|duration| WAIT_FOR_CALL.max(duration)));
                steps.extend(wait.map(|wait| Step::Arm(Timer::Waited, wait)));
            }
            (None, None, Some(duration)) => steps.push(Step::Arm(Timer::Elapsed, duration)),
            (None, None, None) => {}
        }
        steps
    }

    fn callee_is_available(&self) -> bool {
        let Some(callee) = &self.asked.call else {
            return false;
        };
        let is_callee = |row: &&UserPresence| same_user(&row.user, callee);
        self.users
            .iter()
            .find(is_callee)
            .is_some_and(|row| row.presence == Presence::Available)
    }

    fn place(&mut self) -> Vec<Step> {
        self.placed = true;
        let call = self.asked.call.clone();
        call.map(|user| Step::Command(Command::Call { user }))
            .into_iter()
            .collect()
    }

    fn call_event(&mut self, event: CallEvent) -> Vec<Step> {
        match event {
            CallEvent::Outgoing { .. } => {
                self.call = Call::SettingUp;
                Vec::new()
            }
            CallEvent::Ringing { user } => vec![Step::Report(Report::Ringing { user })],
            CallEvent::Incoming { user } => self.incoming(user),
            CallEvent::Connecting { user } => vec![Step::Report(Report::Connecting { user })],
            CallEvent::Connected { user, setup } => self.connected(Report::Connected {
                user,
                setup_ms: setup,
            }),
            CallEvent::Rejoining { user } => {
                self.call = Call::SettingUp;
                vec![Step::Report(Report::Rejoining { user })]
            }
            CallEvent::PeerAway { user, wait } => vec![Step::Report(Report::PeerAway {
                user,
                wait_ms: wait.as_millis() as u64,
            })],
            CallEvent::PeerBack { user } => vec![Step::Report(Report::PeerBack { user })],
            CallEvent::Reconnecting => vec![Step::Report(Report::Interrupted {})],
            CallEvent::Resumed => vec![Step::Report(Report::Resumed {})],
            CallEvent::PeerMedia { microphone, camera } => {
                vec![Step::Report(Report::PeerMedia { microphone, camera })]
            }
            CallEvent::Hold { ours, peers } => vec![Step::Report(Report::Hold { ours, peers })],
            CallEvent::Screen { ours, peers } => vec![Step::Report(Report::Screen { ours, peers })],
            CallEvent::Ended { user, reason } => self.ended(user, reason),
        }
    }

    fn incoming(&mut self, user: String) -> Vec<Step> {
        self.call = Call::SettingUp;
        let answer = match &self.asked.answer {
            None => None,
            Some(Answer::Any) => Some(Command::Accept),
            Some(Answer::Only(wanted)) if same_user(wanted, &user) => Some(Command::Accept),
            Some(Answer::Only(_)) => Some(Command::Decline),
            Some(Answer::Decline) => {
                self.done.declined = true;
                Some(Command::Decline)
            }
        };
        let report = Step::Report(Report::Incoming { user });
        [report].into_iter().chain(answer.map(Step::Command)).collect()
    }

    fn connected(&mut self, report: Report) -> Vec<Step> {
        let first = !std::mem::replace(&mut self.done.connected, true);
        self.call = Call::Connected;
        let mut steps = vec![Step::Report(report)];
        steps.extend(
            self.asked
                .duration
                .map(|duration| Step::Arm(Timer::Elapsed, duration)),
        );
        if first {
            let send = |path: &PathBuf| Step::Command(Command::SendFile(path.clone()));
            steps.extend(self.asked.send.iter().map(send));
        }
        if self.asked.screenshot.is_some() {
            let after = self
                .asked
                .duration
                .map_or(SCREENSHOT_AFTER, |duration| SCREENSHOT_AFTER.min(duration / 2));
            steps.push(Step::Arm(Timer::Screenshot, after));
        }
        steps
    }

    fn ended(&mut self, user: String, reason: CallEnd) -> Vec<Step> {
        let was = std::mem::replace(&mut self.call, Call::None);
        let (name, detail) = why(&reason);
        let step = Step::Report(Report::Ended {
            user,
            reason: name.clone(),
            detail,
            duration_ms: None,
        });
        let before_it_began = was == Call::SettingUp && matches!(reason, CallEnd::Signaled(_));
        let next = match &self.asked.answer {
            _ if self.asked.stay => Next::Wait,
            Some(Answer::Decline) if self.done.declined => Next::End,
            // Whoever called thought better of it, or is not the one we wait for.
            Some(_) if before_it_began => Next::Wait,
            None if self.asked.call.is_none() => Next::Wait,
            _ if was == Call::Connected && reason == CallEnd::Signaled(EndReason::HungUp) => Next::End,
            _ => Next::Fail,
        };
        if next == Next::Fail {
            self.note_failure(&format!("the call ended: {name}"));
        }
        let end = if next == Next::Wait {
            Vec::new()
        } else {
            self.quit()
        };
        [vec![step], end].concat()
    }

    fn file(&mut self, event: FileEvent) -> Vec<Step> {
        let mut steps = vec![Step::Report(Report::File(event.clone().into()))];
        match event {
            FileEvent::Offered { .. } | FileEvent::Progress { .. } => {}
            FileEvent::Incoming { transfer, .. } => {
                self.incoming.push(transfer);
                match &self.asked.files {
                    Files::Wait => {}
                    Files::Accept(directory) => {
                        let directory = directory.clone();
                        self.receiving.push(transfer);
                        steps.push(Step::Command(Command::AcceptFile { transfer, directory }));
                    }
                    Files::Reject => steps.push(Step::Command(Command::DeclineFile(transfer))),
                }
            }
            FileEvent::Completed { transfer, .. } => steps.extend(self.transfer_over(transfer, true)),
            FileEvent::Failed { transfer, .. } => steps.extend(self.transfer_over(transfer, false)),
        }
        steps
    }

    fn transfer_over(&mut self, transfer: TransferId, whole: bool) -> Option<Step> {
        let theirs = self.incoming.contains(&transfer);
        if let Some(index) = self.receiving.iter().position(|&other| other == transfer) {
            self.receiving.remove(index);
        } else if theirs || self.unsent == 0 {
            return None; // not asked for on the command line
        } else {
            self.unsent -= 1;
        }
        if !whole {
            self.note_failure("a file did not arrive");
        }
        // Sending was all there was to do in this call.
        let over = !theirs && self.unsent == 0 && self.asked.duration.is_none() && self.receiving.is_empty();
        over.then_some(Step::Command(Command::HangUp))
    }
}

/// User names are equal whatever their case.
fn same_user(a: &str, b: &str) -> bool {
    a.to_lowercase() == b.to_lowercase()
}

#[cfg(test)]
#[path = "agenda_tests.rs"]
mod tests;
