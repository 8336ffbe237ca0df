//! What client and server say to each other over one connection, as a plain value: greeting, then registration,
//! login (OPAQUE) or resumption, then everything else.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use roomrtc_protocol::signaling::messages::{
    ClientMessage, ErrorCode, GoodbyeReason, OngoingCall, ServerMessage, UserPresence, VERSION,
};
use roomrtc_protocol::signaling::opaque::{ClientLogin, ClientRegistration, OpaqueError};
use roomrtc_protocol::signaling::{CertificateHash, UserName};

use crate::ui_bridge::Password;

/// A finalization of OPAQUE is one MAC of SHA-512 (RFC 9807 §6.1, KE3); zeros fit no login.
const FINALIZATION_BYTES: usize = 64;

/// What the user, or a lost connection, wants before the session is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// Make an account.
    Register { user: String, password: Password },
    /// Open a session.
    LogIn {
        user: String,
        password: Password,
        take_over: bool,
    },
    /// Continue a session.
    Resume { token: String },
}

/// What the owner of the connection has to do.
#[derive(Debug)]
pub(super) enum Output {
    /// Send this.
    Say(ClientMessage),
    /// Compute this off the thread, then give the result to [`Conversation::stretched`].
    Stretch(Stretch),
    /// The server greeted: requests are possible.
    Ready { heartbeat_ms: u64 },
    /// The account exists.
    Registered { user: String },
    /// The session is open.
    Opened {
        user: String,
        token: String,
        users: Vec<UserPresence>,
        call: Option<OngoingCall>,
        resumed: bool,
    },
    /// The session cannot be resumed; ready for a login.
    Void,
    /// The server refused something.
    Refused(Refusal),
    /// The server ends the connection.
    Goodbye(GoodbyeReason),
    /// Presence and calls.
    Said(ServerMessage),
}

/// A refusal of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What.
    pub code: ErrorCode,
    /// The call it is about.
    pub call: Option<roomrtc_protocol::signaling::messages::CallId>,
    /// When to try again.
    pub retry_after_ms: Option<u64>,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Self {
        Refusal {
            code,
            call: None,
            retry_after_ms: None,
        }
    }
}

/// The expensive step of OPAQUE: Argon2id over the password, 35 ms or so.
pub(super) enum Stretch {
    Registration {
        registration: Box<ClientRegistration>,
        response: String,
    },
    Login {
        login: Box<ClientLogin>,
        response: String,
        certificate: CertificateHash,
        take_over: bool,
    },
}

impl std::fmt::Debug for Stretch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stretch(…)")
    }
}

impl Stretch {
    /// Does the work; call it where waiting hurts nobody.
    pub(super) fn run(self) -> Result<ClientMessage, OpaqueError> {
        match self {
            Stretch::Registration {
                registration,
                response,
            } => registration
                .finish(&response)
                .map(|record| ClientMessage::RegisterFinish { record }),
            Stretch::Login {
                login,
                response,
                certificate,
                take_over,
            } => login
                .finish(&response, &certificate)
                .map(|finalization| ClientMessage::LoginFinish {
                    finalization,
                    take_over,
                }),
        }
    }
}

/// Where the conversation is.
enum Phase {
    /// Our hello is said, the welcome awaited.
    Greeting,
    /// Nothing is under way; a request may be made.
    Ready,
    /// The server's half of a registration is awaited.
    Registering(Box<ClientRegistration>),
    /// The server's half of a login is awaited.
    LoggingIn {
        login: Box<ClientLogin>,
        take_over: bool,
    },
    /// The password is being stretched.
    Stretching,
    /// The last step is said, the outcome awaited.
    Deciding { resuming: bool },
    /// Logged in.
    Open,
}

/// One connection's conversation.
pub(super) struct Conversation {
    phase: Phase,
    certificate: CertificateHash,
}

impl Conversation {
    /// Begins with our hello.
    pub(super) fn start(certificate: CertificateHash) -> (Self, Output) {
        let hello = ClientMessage::Hello {
            version: VERSION,
            client: concat!("roomrtc ", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        (
            Conversation {
                phase: Phase::Greeting,
                certificate,
            },
            Output::Say(hello),
        )
    }

    /// Whether a request may be made now.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready)
    }

    /// Whether the session is open.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Whether nothing is under way: no request is without its outcome.
    pub(super) fn is_settled(&self) -> bool {
        self.is_ready() || self.is_open()
    }

    /// Whether the server owes an answer; without one in time the connection is as good as lost.
    pub(super) fn awaits_answer(&self) -> bool {
        match self.phase {
            Phase::Ready | Phase::Stretching | Phase::Open => false,
            Phase::Greeting | Phase::Registering(_) | Phase::LoggingIn { .. } | Phase::Deciding { .. } => {
                true
            }
        }
    }

    /// Makes a request; only when [`Conversation::is_ready`].
    pub(super) fn request(&mut self, request: Request) -> Output {
        match self.begin(request) {
            Ok(message) => Output::Say(message),
            Err(code) => {
                self.phase = Phase::Ready;
                Output::Refused(code.into())
            }
        }
    }

    fn begin(&mut self, request: Request) -> Result<ClientMessage, ErrorCode> {
        let name = |user: &str| UserName::parse(user).map_err(|_| ErrorCode::BadUserName);
        match request {
            Request::Register { user, password } => {
                let (registration, request) =
                    ClientRegistration::start(&name(&user)?, &password.0).map_err(|_| ErrorCode::Internal)?;
                self.phase = Phase::Registering(Box::new(registration));
                Ok(ClientMessage::RegisterStart { user, request })
            }
            Request::LogIn {
                user,
                password,
                take_over,
            } => {
                let (login, request) =
                    ClientLogin::start(&name(&user)?, &password.0).map_err(|_| ErrorCode::Internal)?;
                self.phase = Phase::LoggingIn {
                    login: Box::new(login),
                    take_over,
                };
                Ok(ClientMessage::LoginStart { user, request })
            }
            Request::Resume { token } => {
                self.phase = Phase::Deciding { resuming: true };
                Ok(ClientMessage::Resume { token })
            }
        }
    }

    /// The stretched password is ready.
    pub(super) fn stretched(&mut self, result: Result<ClientMessage, OpaqueError>) -> Option<Output> {
        if !matches!(self.phase, Phase::Stretching) {
            return None; // it took longer than the connection's patience
        }
        match result {
            Ok(message) => {
                self.phase = Phase::Deciding { resuming: false };
                Some(Output::Say(message))
            }
            // The server waits for a last step, and counts the attempts: it says that the password is wrong.
            Err(OpaqueError::WrongPassword) => {
                self.phase = Phase::Deciding { resuming: false };
                let finalization = BASE64.encode([0; FINALIZATION_BYTES]);
                Some(Output::Say(ClientMessage::LoginFinish {
                    finalization,
                    take_over: false,
                }))
            }
            Err(error @ (OpaqueError::Malformed | OpaqueError::Failed)) => {
                tracing::warn!(%error, "the password could not be processed");
                self.phase = Phase::Ready;
                Some(Output::Refused(ErrorCode::Internal.into()))
            }
        }
    }

    /// Hears the server.
    pub(super) fn hear(&mut self, message: ServerMessage) -> Option<Output> {
        match message {
            ServerMessage::Ping => Some(Output::Say(ClientMessage::Pong)),
            ServerMessage::Pong => None,
            ServerMessage::Goodbye { reason } => Some(Output::Goodbye(reason)),
            ServerMessage::Error {
                code,
                message,
                call,
                retry_after_ms,
            } => {
                tracing::debug!(?code, message, "the server refused");
                Some(self.refused(Refusal {
                    code,
                    call,
                    retry_after_ms,
                }))
            }
            ServerMessage::Welcome {
                heartbeat_ms, server, ..
            } => match self.phase {
                Phase::Greeting => {
                    tracing::info!(server, "connected");
                    self.phase = Phase::Ready;
                    Some(Output::Ready { heartbeat_ms })
                }
                _ => unexpected("welcome"),
            },
            ServerMessage::Registered { user } => match self.phase {
                Phase::Deciding { resuming: false } => {
                    self.phase = Phase::Ready;
                    Some(Output::Registered { user })
                }
                _ => unexpected("registered"),
            },
            ServerMessage::RegisterResponse { response } => self.registration_response(response),
            ServerMessage::LoginResponse { response } => self.login_response(response),
            ServerMessage::LoggedIn {
                user,
                token,
                users,
                call,
            } => match self.phase {
                Phase::Deciding { resuming } => {
                    self.phase = Phase::Open;
                    Some(Output::Opened {
                        user,
                        token,
                        users,
                        call,
                        resumed: resuming,
                    })
                }
                _ => unexpected("logged_in"),
            },
            ServerMessage::Invitation { .. } => unexpected("invitation"),
            said @ (ServerMessage::PresenceChanged { .. }
            | ServerMessage::Invited { .. }
            | ServerMessage::Invites { .. }
            | ServerMessage::InviteRevoked { .. }
            | ServerMessage::IceServers { .. }
            | ServerMessage::Ringing { .. }
            | ServerMessage::Incoming { .. }
            | ServerMessage::Accepted { .. }
            | ServerMessage::PeerAway { .. }
            | ServerMessage::PeerBack { .. }
            | ServerMessage::Reclaimed { .. }
            | ServerMessage::Ended { .. }
            | ServerMessage::Description { .. }
            | ServerMessage::Candidate { .. }) => match self.phase {
                Phase::Open => Some(Output::Said(said)),
                _ => unexpected("news before the session is open"),
            },
        }
    }

    fn registration_response(&mut self, response: String) -> Option<Output> {
        match std::mem::replace(&mut self.phase, Phase::Stretching) {
            Phase::Registering(registration) => Some(Output::Stretch(Stretch::Registration {
                registration,
                response,
            })),
            other => {
                self.phase = other;
                unexpected("register_response")
            }
        }
    }

    fn login_response(&mut self, response: String) -> Option<Output> {
        match std::mem::replace(&mut self.phase, Phase::Stretching) {
            Phase::LoggingIn { login, take_over } => Some(Output::Stretch(Stretch::Login {
                login,
                response,
                certificate: self.certificate,
                take_over,
            })),
            other => {
                self.phase = other;
                unexpected("login_response")
            }
        }
    }

    fn refused(&mut self, refusal: Refusal) -> Output {
        match self.phase {
            Phase::Registering(_) | Phase::LoggingIn { .. } | Phase::Deciding { resuming: false } => {
                self.phase = Phase::Ready;
                Output::Refused(refusal)
            }
            Phase::Deciding { resuming: true } if refusal.code == ErrorCode::BadToken => {
                self.phase = Phase::Ready;
                Output::Void
            }
            Phase::Greeting
            | Phase::Ready
            | Phase::Stretching
            | Phase::Deciding { resuming: true }
            | Phase::Open => Output::Refused(refusal),
        }
    }
}

/// A message out of turn harms nothing.
fn unexpected(what: &str) -> Option<Output> {
    tracing::warn!(what, "the server said something out of turn");
    None
}

#[cfg(test)]
#[path = "conversation_tests.rs"]
mod tests;
