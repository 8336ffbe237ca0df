//! The life of a call as the client sees it: a plain value that takes what the user, the server and the call
//! itself say, and answers with what is to be done. No actor, no clock.
//!
//! ```text
//!            place            ringing            accepted
//!   Idle ───────────► Calling ───────► Ringing ───────────────► InCall
//!    │                   └ cancel: Cancelling, until the server names the call
//!    │ incoming                   accept               accepted    │
//!    └──────────► Incoming ───────────────► Accepting ────────────┘
//! ```
//!
//! Rejoining, a run that follows one that died in a call waits for its session, and is in the call again.
//!
//! A call that is accepted belongs to its two parties: losing the server leaves it alone, and only the peers can end it
//! then. A server that was started anew learns of it from both.

mod session;

use std::time::Duration;

use roomrtc_protocol::signaling::messages::{
    CallId, ClientMessage, DeclineReason, EndReason, ErrorCode, OngoingCall,
};

use crate::ui_bridge::{CallEnd, CallEvent};
use crate::unfinished_call::AcceptedCall;

/// Where the call is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CallState {
    /// There is none.
    #[default]
    Idle,
    /// We asked for one; the server has not named it yet.
    Calling {
        /// Whom we call.
        user: String,
    },
    /// The user took it back before the server named it.
    Cancelling {
        /// Whom to call next, if the user already asked.
        next: Option<String>,
    },
    /// It rings over there.
    Ringing {
        /// Which.
        call: CallId,
        /// Whom we call.
        user: String,
    },
    /// It rings here.
    Incoming {
        /// Which.
        call: CallId,
        /// Who calls.
        user: String,
    },
    /// We took it; the server has not confirmed yet.
    Accepting {
        /// Which.
        call: CallId,
        /// Who called.
        user: String,
    },
    /// An earlier run died in this call; the session is being opened again.
    Rejoining {
        /// Which.
        call: CallId,
        /// The other party.
        user: String,
        /// Whether we are the caller.
        caller: bool,
        /// The server does not know the call: we have said that it goes on, and wait for the other party to say so.
        reclaimed: bool,
    },
    /// Both agreed.
    InCall {
        /// Which.
        call: CallId,
        /// The other party.
        user: String,
        /// Whether we are the caller.
        caller: bool,
    },
}

/// What happens to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The user calls somebody.
    Place {
        /// Whom.
        user: String,
    },
    /// The user goes on with the call in which an earlier run died.
    Rejoin(AcceptedCall),
    /// The user takes the incoming call.
    Accept,
    /// The user wants no call: refuse, take back or hang up, whichever it is now.
    End,
    /// The server: it rings over there.
    Ringing {
        /// The call's name.
        call: CallId,
    },
    /// The server: somebody calls.
    Incoming {
        /// The call's name.
        call: CallId,
        /// Who.
        user: String,
    },
    /// The server: both agreed.
    Accepted {
        /// Which.
        call: CallId,
    },
    /// The server: it is over.
    Ended {
        /// Which.
        call: CallId,
        /// Why.
        reason: EndReason,
    },
    /// The server: the other party has lost its connection.
    PeerAway {
        /// Which call.
        call: CallId,
        /// How long the server waits for it.
        wait: Duration,
    },
    /// The server: the other party is there again.
    PeerBack {
        /// Which call.
        call: CallId,
    },
    /// The server: it knows the call again.
    Reclaimed {
        /// Which.
        call: CallId,
    },
    /// The other party has not said in time that the call goes on ([`Output::LimitRejoin`]).
    RejoinTimeout {
        /// Which.
        call: CallId,
    },
    /// The server refused something.
    Refused {
        /// What.
        code: ErrorCode,
        /// The call it was about.
        call: Option<CallId>,
    },
    /// A lost session is open again; this is what the server knows of its call.
    Resumed(Option<OngoingCall>),
    /// The session is over. A call may go on without it only if the session ended by the server's loss.
    SessionOver {
        /// Whether the server merely forgot us.
        forgotten: bool,
    },
    /// The call itself could not go on, or the peer ended it over their own connection.
    Over {
        /// Which.
        call: CallId,
        /// Why.
        reason: CallEnd,
    },
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Say this to the server.
    Say(ClientMessage),
    /// Tell the front end.
    Tell(CallEvent),
    /// Start sending and receiving.
    Start {
        /// Which call.
        call: CallId,
        /// The other party.
        user: String,
        /// Whether we are the caller.
        caller: bool,
        /// Whether an earlier run was in it: the other party still is.
        rejoin: bool,
    },
    /// Stop sending and receiving.
    Stop,
    /// Tell by [`Input::RejoinTimeout`] when the other party has had time to come back to this server.
    LimitRejoin {
        /// Which call.
        call: CallId,
    },
}

impl CallState {
    /// The other party, while there is a call the user knows of.
    pub fn user(&self) -> Option<&str> {
        match self {
            CallState::Idle => None,
            CallState::Cancelling { next } => next.as_deref(),
            CallState::Calling { user }
            | CallState::Ringing { user, .. }
            | CallState::Incoming { user, .. }
            | CallState::Accepting { user, .. }
            | CallState::Rejoining { user, .. }
            | CallState::InCall { user, .. } => Some(user),
        }
    }

    /// For the log.
    pub fn name(&self) -> &'static str {
        match self {
            CallState::Idle => "idle",
            CallState::Calling { .. } => "calling",
            CallState::Cancelling { .. } => "cancelling",
            CallState::Ringing { .. } => "ringing",
            CallState::Incoming { .. } => "incoming",
            CallState::Accepting { .. } => "accepting",
            CallState::Rejoining { .. } => "rejoining",
            CallState::InCall { .. } => "in_call",
        }
    }

    /// The accepted call.
    pub fn in_call(&self) -> Option<CallId> {
        match self {
            CallState::InCall { call, .. } => Some(*call),
            _ => None,
        }
    }

    /// The call, once the server has named it.
    fn call(&self) -> Option<CallId> {
        match self {
            CallState::Idle | CallState::Calling { .. } | CallState::Cancelling { .. } => None,
            CallState::Ringing { call, .. }
            | CallState::Incoming { call, .. }
            | CallState::Accepting { call, .. }
            | CallState::Rejoining { call, .. }
            | CallState::InCall { call, .. } => Some(*call),
        }
    }

    /// What a next run of this client could rejoin.
    pub fn accepted_call(&self) -> Option<AcceptedCall> {
        match self {
            CallState::Rejoining {
                call, user, caller, ..
            }
            | CallState::InCall { call, user, caller } => Some(AcceptedCall {
                call: *call,
                user: user.clone(),
                caller: *caller,
            }),
            CallState::Idle
            | CallState::Calling { .. }
            | CallState::Cancelling { .. }
            | CallState::Ringing { .. }
            | CallState::Incoming { .. }
            | CallState::Accepting { .. } => None,
        }
    }

    /// Whether a refusal is about the call, as far as the user is concerned.
    pub fn concerns(&self, code: ErrorCode, about: Option<CallId>) -> bool {
        match self {
            CallState::Calling { .. } | CallState::Cancelling { .. } => true,
            // Our call lost against theirs (glare), which rings here.
            CallState::Incoming { .. } if code == ErrorCode::AlreadyInCall => true,
            CallState::Idle
            | CallState::Ringing { .. }
            | CallState::Incoming { .. }
            | CallState::Accepting { .. }
            | CallState::Rejoining { .. }
            | CallState::InCall { .. } => about.is_some(),
        }
    }

    /// Takes an input; the outputs are in order.
    pub fn handle(&mut self, input: Input) -> Vec<Output> {
        match input {
            Input::Place { user } => self.place(user),
            Input::Rejoin(call) => self.rejoin(call),
            Input::Accept => self.accept(),
            Input::End => self.end(),
            Input::Ringing { call } => self.ringing(call),
            Input::Incoming { call, user } => self.incoming(call, user),
            Input::Accepted { call } => self.accepted(call),
            Input::Ended { call, reason } => self.ended(call, reason),
            Input::PeerAway { call, wait } => {
                self.about_peer(call, |user| CallEvent::PeerAway { user, wait })
            }
            Input::PeerBack { call } => self.about_peer(call, |user| CallEvent::PeerBack { user }),
            Input::Reclaimed { call } => self.reclaimed(call),
            Input::RejoinTimeout { call } => self.rejoin_timeout(call),
            Input::Refused { code, call } => self.refused(code, call),
            Input::Resumed(known) => self.resumed(known),
            Input::SessionOver { forgotten } => self.session_over(forgotten),
            Input::Over { call, reason } => self.over(call, reason),
        }
    }

    fn place(&mut self, user: String) -> Vec<Output> {
        match self {
            CallState::Idle => {
                *self = CallState::Calling { user: user.clone() };
                vec![
                    Output::Say(ClientMessage::Call { user: user.clone() }),
                    Output::Tell(CallEvent::Outgoing { user }),
                ]
            }
            CallState::Cancelling { next: next @ None } => {
                *next = Some(user.clone());
                vec![Output::Tell(CallEvent::Outgoing { user })]
            }
            CallState::Cancelling { next: Some(_) }
            | CallState::Calling { .. }
            | CallState::Ringing { .. }
            | CallState::Incoming { .. }
            | CallState::Accepting { .. }
            | CallState::Rejoining { .. }
            | CallState::InCall { .. } => {
                vec![told_end(user, CallEnd::Refused(ErrorCode::AlreadyInCall))]
            }
        }
    }

    fn about_peer(&self, about: CallId, event: impl FnOnce(String) -> CallEvent) -> Vec<Output> {
        match self {
            CallState::InCall { call, user, .. } if *call == about => {
                vec![Output::Tell(event(user.clone()))]
            }
            _ => Vec::new(),
        }
    }

    fn accept(&mut self) -> Vec<Output> {
        match std::mem::take(self) {
            CallState::Incoming { call, user } => {
                *self = CallState::Accepting { call, user };
                vec![Output::Say(ClientMessage::Accept { call })]
            }
            other => {
                *self = other;
                Vec::new()
            }
        }
    }

    fn end(&mut self) -> Vec<Output> {
        let cancelled = CallEnd::Signaled(EndReason::Cancelled);
        let hung_up = CallEnd::Signaled(EndReason::HungUp);
        match std::mem::take(self) {
            CallState::Idle => Vec::new(),
            CallState::Calling { user } => {
                *self = CallState::Cancelling { next: None };
                vec![told_end(user, cancelled)]
            }
            CallState::Cancelling { next } => {
                *self = CallState::Cancelling { next: None };
                next.map(|user| told_end(user, cancelled)).into_iter().collect()
            }
            CallState::Ringing { call, user } => {
                vec![
                    Output::Say(ClientMessage::Cancel { call }),
                    told_end(user, cancelled),
                ]
            }
            CallState::Incoming { call, user } => {
                let reason = DeclineReason::Declined;
                vec![
                    Output::Say(ClientMessage::Decline { call, reason }),
                    told_end(user, CallEnd::Signaled(EndReason::Declined)),
                ]
            }
            // A server that does not know the call any more refuses this, and nobody cares.
            CallState::Accepting { call, user } | CallState::Rejoining { call, user, .. } => {
                vec![
                    Output::Say(ClientMessage::HangUp { call }),
                    told_end(user, hung_up),
                ]
            }
            CallState::InCall { call, user, .. } => finish(call, user, hung_up),
        }
    }

    fn ringing(&mut self, call: CallId) -> Vec<Output> {
        match std::mem::take(self) {
            CallState::Calling { user } => {
                *self = CallState::Ringing {
                    call,
                    user: user.clone(),
                };
                vec![Output::Tell(CallEvent::Ringing { user })]
            }
            CallState::Cancelling { next } => {
                let mut outputs = vec![Output::Say(ClientMessage::Cancel { call })];
                outputs.extend(self.call_next(next));
                outputs
            }
            other => {
                *self = other;
                Vec::new()
            }
        }
    }

    /// The call that was taken back is dealt with; the one the user wants instead may begin.
    fn call_next(&mut self, next: Option<String>) -> Option<Output> {
        let user = next?;
        *self = CallState::Calling { user: user.clone() };
        Some(Output::Say(ClientMessage::Call { user }))
    }

    fn incoming(&mut self, call: CallId, user: String) -> Vec<Output> {
        let told = Output::Tell(CallEvent::Incoming { user: user.clone() });
        match std::mem::take(self) {
            CallState::Idle => {
                *self = CallState::Incoming { call, user };
                vec![told]
            }
            // Glare: the server took theirs before it saw ours, and refuses ours.
            CallState::Calling { user: called } => {
                *self = CallState::Incoming { call, user };
                vec![told_end(called, CallEnd::Refused(ErrorCode::AlreadyInCall)), told]
            }
            CallState::Cancelling { next } => {
                *self = CallState::Incoming { call, user };
                let lost = next.map(|next| told_end(next, CallEnd::Refused(ErrorCode::AlreadyInCall)));
                lost.into_iter().chain([told]).collect()
            }
            // The server does not know of our call (any more): this one cannot be taken now.
            other => {
                *self = other;
                vec![Output::Say(ClientMessage::Decline {
                    call,
                    reason: DeclineReason::Unable,
                })]
            }
        }
    }

    fn accepted(&mut self, call: CallId) -> Vec<Output> {
        let (user, caller) = match std::mem::take(self) {
            CallState::Ringing { call: ours, user } if ours == call => (user, true),
            CallState::Accepting { call: ours, user } if ours == call => (user, false),
            other => {
                let known = other.call() == Some(call);
                *self = other;
                // Taken back while the other side accepted: the server says so to both, nothing is to be done.
                return if known {
                    Vec::new()
                } else {
                    vec![Output::Say(ClientMessage::HangUp { call })]
                };
            }
        };
        *self = CallState::InCall {
            call,
            user: user.clone(),
            caller,
        };
        vec![
            Output::Tell(CallEvent::Connecting { user: user.clone() }),
            Output::Start {
                call,
                user,
                caller,
                rejoin: false,
            },
        ]
    }

    fn ended(&mut self, call: CallId, reason: EndReason) -> Vec<Output> {
        if self.call() != Some(call) {
            return Vec::new(); // we ended it ourselves, and said so
        }
        match std::mem::take(self) {
            // The server goes, the call stays.
            call @ CallState::InCall { .. } if reason == EndReason::ServerShutdown => {
                *self = call;
                Vec::new()
            }
            CallState::InCall { user, .. } => vec![Output::Stop, told_end(user, CallEnd::Signaled(reason))],
            CallState::Ringing { user, .. }
            | CallState::Incoming { user, .. }
            | CallState::Accepting { user, .. }
            | CallState::Rejoining { user, .. } => vec![told_end(user, CallEnd::Signaled(reason))],
            CallState::Idle | CallState::Calling { .. } | CallState::Cancelling { .. } => Vec::new(),
        }
    }

    fn refused(&mut self, code: ErrorCode, call: Option<CallId>) -> Vec<Output> {
        match std::mem::take(self) {
            CallState::Calling { user } if call.is_none() => vec![told_end(user, CallEnd::Refused(code))],
            CallState::Cancelling { next } if call.is_none() => self.call_next(next).into_iter().collect(),
            // It was over before this run was there.
            CallState::Rejoining { call: ours, user, .. } if call == Some(ours) => {
                vec![told_end(user, CallEnd::Signaled(EndReason::PeerLost))]
            }
            CallState::Accepting { call: ours, user } if call == Some(ours) => {
                vec![told_end(user, CallEnd::Signaled(EndReason::Cancelled))]
            }
            // About a call that is over on one side and not yet on the other: the server's `ended` says it.
            other => {
                *self = other;
                Vec::new()
            }
        }
    }

    fn over(&mut self, call: CallId, reason: CallEnd) -> Vec<Output> {
        match std::mem::take(self) {
            CallState::InCall { call: ours, user, .. } if ours == call => finish(call, user, reason),
            other => {
                *self = other;
                Vec::new()
            }
        }
    }
}

fn told_end(user: String, reason: CallEnd) -> Output {
    Output::Tell(CallEvent::Ended { user, reason })
}

/// Ends a running call from this side.
fn finish(call: CallId, user: String, reason: CallEnd) -> Vec<Output> {
    vec![
        Output::Say(ClientMessage::HangUp { call }),
        Output::Stop,
        told_end(user, reason),
    ]
}

#[cfg(test)]
#[path = "call_state_tests.rs"]
mod tests;
