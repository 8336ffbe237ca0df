//! The way in: which server, who, and the questions a server can raise on the way.

mod view;

use roomrtc_actors::ui_bridge::{Command, ConnectionState, Event, Password};
use roomrtc_protocol::signaling::messages::ErrorCode;

use crate::words;

/// Names the field of the password.
pub const PASSWORD: &str = "login/password";
/// Names the field of the user.
pub const USER: &str = "login/user";
/// Names the field of the server.
pub const SERVER: &str = "login/server";
/// Names the field of the password's second typing.
pub const AGAIN: &str = "login/again";

/// What the form is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Open a session.
    LogIn,
    /// Make an account, then open a session.
    Register,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Filling,
    /// On the way to the server; `then_enter` once there.
    Connecting {
        then_enter: bool,
    },
    UnknownServer {
        fingerprint: String,
        then_enter: bool,
    },
    ServerChanged {
        expected: String,
        actual: String,
    },
    Entering,
    TakeOver,
}

/// The form.
pub struct Login {
    mode: Mode,
    server: String,
    user: String,
    password: String,
    again: String,
    visible: bool,
    step: Step,
    /// The server the client is connected to, as typed.
    linked: Option<String>,
    /// Log in if the name is taken: "register" was only a wish.
    register_or_enter: bool,
    /// The call in which an earlier run died: with whom, at which server.
    unfinished: Option<(String, String)>,
    error: Option<String>,
}

/// What the user does.
#[derive(Clone, Debug)]
pub enum Message {
    /// Typed the server.
    Server(String),
    /// Typed the user name.
    User(String),
    /// Typed the password.
    Password(String),
    /// Typed the password again.
    Again(String),
    /// Show or hide the password.
    ToggleVisible,
    /// Log in or register.
    Mode(Mode),
    /// Go.
    Submit,
    /// The fingerprint is right.
    Trust,
    /// Leave it.
    Back,
    /// End the other session.
    TakeOver,
    /// Go back to the call of the earlier run.
    Rejoin,
    /// End that call.
    LeaveCall,
}

/// What `app` shall do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// Ask the client.
    Send(Command),
}

impl Login {
    /// An empty form, but for what is known.
    pub fn new(server: String, user: String) -> Self {
        Login {
            mode: Mode::LogIn,
            server,
            user,
            password: String::new(),
            again: String::new(),
            visible: false,
            step: Step::Filling,
            linked: None,
            register_or_enter: false,
            unfinished: None,
            error: None,
        }
    }

    /// The same form after the session ended, with the reason.
    pub fn after(server: String, user: String, connected: bool, why: Option<&str>) -> Self {
        Login {
            linked: connected.then(|| server.clone()),
            error: why.map(str::to_owned),
            ..Login::new(server, user)
        }
    }

    /// Fills in the form and sends it off, as a script wants it.
    pub fn enter_as(&mut self, user: String, password: String, register: bool) -> Action {
        self.user = user;
        self.again.clone_from(&password);
        self.password = password;
        self.register_or_enter = register;
        self.mode = if register { Mode::Register } else { Mode::LogIn };
        self.submit()
    }

    /// An earlier run died in a call with this user at this server.
    pub fn offer_to_rejoin(&mut self, user: String, server: String) {
        self.unfinished = Some((user, server));
    }

    /// Whether there is a call to go back to, or to end, first.
    pub fn has_call_to_rejoin(&self) -> bool {
        self.unfinished.is_some()
    }

    /// Resumes the session of the earlier run, to go back to its call or to end it.
    fn resume(&mut self, command: Command) -> Action {
        let Some((_, server)) = self.unfinished.take() else {
            return Action::None;
        };
        self.server = server;
        self.error = None;
        self.step = Step::Connecting { then_enter: false };
        Action::Send(command)
    }

    /// Connects without entering, to ask about the certificate early.
    pub fn connect(&mut self) -> Action {
        self.step = Step::Connecting { then_enter: false };
        Action::Send(Command::Connect {
            server: self.server.clone(),
        })
    }

    /// The server, as typed.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// What the user does.
    pub fn update(&mut self, message: Message) -> Action {
        match message {
            Message::Server(server) => self.server = server.trim().to_owned(),
            Message::User(user) => self.user = user,
            Message::Password(password) => self.password = password,
            Message::Again(again) => self.again = again,
            Message::ToggleVisible => self.visible = !self.visible,
            Message::Mode(mode) => {
                self.mode = mode;
                self.error = None;
            }
            Message::Submit => return self.submit(),
            Message::Trust => return self.trust(),
            Message::Back => return self.back(),
            Message::TakeOver => {
                self.step = Step::Entering;
                return Action::Send(self.log_in(true));
            }
            Message::Rejoin => return self.resume(Command::Rejoin),
            Message::LeaveCall => return self.resume(Command::LeaveUnfinished),
        }
        Action::None
    }

    fn trust(&mut self) -> Action {
        let Step::UnknownServer {
            fingerprint,
            then_enter,
        } = &self.step
        else {
            return Action::None;
        };
        let command = Command::TrustServer {
            fingerprint: fingerprint.clone(),
        };
        self.step = Step::Connecting {
            then_enter: *then_enter,
        };
        Action::Send(command)
    }

    fn back(&mut self) -> Action {
        let unlink = match self.step {
            Step::UnknownServer { .. } | Step::Connecting { .. } | Step::ServerChanged { .. } => true,
            Step::Filling | Step::Entering | Step::TakeOver => false,
        };
        self.step = Step::Filling;
        self.error = None;
        if unlink {
            self.linked = None;
            return Action::Send(Command::Disconnect);
        }
        Action::None
    }

    fn submit(&mut self) -> Action {
        if self.busy() {
            return Action::None;
        }
        self.error = self.incomplete().map(str::to_owned);
        if self.error.is_some() {
            return Action::None;
        }
        if self.linked.as_ref() == Some(&self.server) {
            return self.enter();
        }
        self.step = Step::Connecting { then_enter: true };
        Action::Send(Command::Connect {
            server: self.server.clone(),
        })
    }

    /// What is still missing, as a sentence.
    fn incomplete(&self) -> Option<&'static str> {
        if self.server.is_empty() {
            return Some("Enter the server's address, such as calls.example.org:8443.");
        }
        if self.user.trim().is_empty() {
            return Some("Enter your user name.");
        }
        if self.password.is_empty() {
            return Some("Enter your password.");
        }
        if self.mode == Mode::Register && self.password != self.again {
            return Some("The two passwords differ. Type them again.");
        }
        None
    }

    fn enter(&mut self) -> Action {
        self.step = Step::Entering;
        Action::Send(match self.mode {
            Mode::LogIn => self.log_in(false),
            Mode::Register => Command::Register {
                user: self.user.trim().to_owned(),
                password: Password(self.password.clone()),
            },
        })
    }

    fn log_in(&self, take_over: bool) -> Command {
        Command::LogIn {
            user: self.user.trim().to_owned(),
            password: Password(self.password.clone()),
            take_over,
        }
    }

    fn busy(&self) -> bool {
        match self.step {
            Step::Connecting { .. } | Step::Entering => true,
            Step::Filling | Step::UnknownServer { .. } | Step::ServerChanged { .. } | Step::TakeOver => false,
        }
    }

    fn fail(&mut self, why: String) {
        self.error = Some(why);
        self.step = Step::Filling;
    }

    /// What the client says that concerns the way in.
    pub fn hear(&mut self, event: &Event) -> Action {
        match event {
            Event::Connection(state) => return self.hear_connection(state),
            Event::UnknownServer { fingerprint } => {
                let then_enter = matches!(self.step, Step::Connecting { then_enter: true });
                self.step = Step::UnknownServer {
                    fingerprint: fingerprint.clone(),
                    then_enter,
                };
            }
            Event::ServerChanged { expected, actual } => {
                self.linked = None;
                self.step = Step::ServerChanged {
                    expected: expected.clone(),
                    actual: actual.clone(),
                };
            }
            Event::Registered { .. } => {
                self.mode = Mode::LogIn;
                self.step = Step::Entering;
                return Action::Send(self.log_in(false));
            }
            Event::Refused {
                code: ErrorCode::AlreadyLoggedIn,
                ..
            } => self.step = Step::TakeOver,
            Event::Refused {
                code: ErrorCode::UserNameTaken,
                ..
            } if self.register_or_enter => {
                self.register_or_enter = false;
                self.mode = Mode::LogIn;
                return Action::Send(self.log_in(false));
            }
            Event::Refused { code, retry_after } => self.fail(words::refused(*code, *retry_after)),
            Event::LoggedIn { .. }
            | Event::LoggedOut { .. }
            | Event::Invited { .. }
            | Event::Invites(_)
            | Event::InviteRevoked { .. }
            | Event::Users(_)
            | Event::Call(_)
            | Event::File(_)
            | Event::Notice(_)
            | Event::Data(_)
            | Event::Restarted { .. } => {}
        }
        Action::None
    }

    fn hear_connection(&mut self, state: &ConnectionState) -> Action {
        match state {
            ConnectionState::Connected => {
                self.linked = Some(self.server.clone());
                if let Step::Connecting { then_enter } = self.step {
                    self.step = Step::Filling;
                    if then_enter {
                        return self.enter();
                    }
                }
            }
            ConnectionState::Failed(cause) => {
                self.linked = None;
                if !matches!(self.step, Step::ServerChanged { .. }) {
                    self.fail(format!(
                        "No connection to {} ({cause}). Check the address, and that the server is running.",
                        self.server
                    ));
                }
            }
            ConnectionState::Disconnected => {
                self.linked = None;
                if matches!(self.step, Step::Entering | Step::TakeOver) {
                    self.fail("The server closed the connection. Try again.".into());
                }
            }
            ConnectionState::Connecting => {}
            ConnectionState::Reconnecting { .. } => {
                self.linked = None;
                if matches!(self.step, Step::Entering | Step::TakeOver) {
                    self.step = Step::Connecting { then_enter: true };
                }
            }
        }
        Action::None
    }
}
