//! What becomes of a call when the session with the server is lost, open again or over, and when a run follows one that
//! died in a call.

use roomrtc_protocol::signaling::messages::{
    CallId, ClientMessage, DeclineReason, EndReason, ErrorCode, OngoingCall,
};

use super::{CallState, Output, told_end};
use crate::ui_bridge::{CallEnd, CallEvent};
use crate::unfinished_call::AcceptedCall;

impl CallState {
    pub(super) fn rejoin(&mut self, AcceptedCall { call, user, caller }: AcceptedCall) -> Vec<Output> {
        if *self != CallState::Idle {
            return vec![told_end(user, CallEnd::Refused(ErrorCode::AlreadyInCall))];
        }
        *self = CallState::Rejoining {
            call,
            user: user.clone(),
            caller,
            reclaimed: false,
        };
        vec![Output::Tell(CallEvent::Rejoining { user })]
    }

    pub(super) fn resumed(&mut self, known: Option<OngoingCall>) -> Vec<Output> {
        let Some(known) = known else {
            return self.resumed_without_call();
        };
        let ours = self.call();
        match std::mem::take(self) {
            CallState::Idle => self.take_up(known),
            CallState::Cancelling { next } => {
                let mut outputs = vec![end_of(&known)];
                outputs.extend(self.call_next(next));
                outputs
            }
            CallState::Calling { user } if known.caller && known.user == user => {
                *self = CallState::Ringing {
                    call: known.call,
                    user: user.clone(),
                };
                let mut outputs = vec![Output::Tell(CallEvent::Ringing { user })];
                if known.accepted {
                    outputs.extend(self.accepted(known.call));
                }
                outputs
            }
            CallState::Ringing { call, user } if call == known.call => {
                *self = CallState::Ringing { call, user };
                if known.accepted {
                    self.accepted(call)
                } else {
                    Vec::new()
                }
            }
            CallState::Accepting { call, user } if call == known.call => {
                *self = CallState::Accepting { call, user };
                if known.accepted {
                    self.accepted(call)
                } else {
                    vec![Output::Say(ClientMessage::Accept { call })]
                }
            }
            CallState::Incoming { call, user } if call == known.call && !known.accepted => {
                *self = CallState::Incoming { call, user };
                Vec::new()
            }
            CallState::Rejoining {
                call, user, caller, ..
            } if call == known.call && known.accepted => self.rejoined(call, user, caller),
            ours @ CallState::InCall { .. } if ours.call() == Some(known.call) => {
                *self = ours;
                Vec::new()
            }
            other => {
                tracing::info!(?ours, theirs = ?known.call, "the server knows of another call");
                *self = other;
                let mut outputs = vec![end_of(&known)];
                outputs.extend(self.resumed_without_call());
                outputs
            }
        }
    }

    /// A call rang for us while we were away.
    fn take_up(&mut self, known: OngoingCall) -> Vec<Output> {
        match known {
            OngoingCall {
                call,
                user,
                accepted: false,
                caller: false,
            } => self.incoming(call, user),
            other => vec![end_of(&other)],
        }
    }

    fn resumed_without_call(&mut self) -> Vec<Output> {
        match std::mem::take(self) {
            CallState::Idle => Vec::new(),
            // The request was lost on the way.
            CallState::Calling { user } => self.call_next(Some(user)).into_iter().collect(),
            CallState::Cancelling { next } => self.call_next(next).into_iter().collect(),
            CallState::Ringing { user, .. } => vec![told_end(user, CallEnd::Signaled(EndReason::NoAnswer))],
            CallState::Incoming { user, .. } | CallState::Accepting { user, .. } => {
                vec![told_end(user, CallEnd::Signaled(EndReason::Cancelled))]
            }
            CallState::Rejoining {
                call,
                user,
                caller,
                reclaimed,
            } => {
                let limit = (!reclaimed).then_some(Output::LimitRejoin { call });
                *self = CallState::Rejoining {
                    call,
                    user: user.clone(),
                    caller,
                    reclaimed: true,
                };
                let reclaim = Output::Say(ClientMessage::Reclaim { call, user, caller });
                limit.into_iter().chain([reclaim]).collect()
            }
            // The server was started anew: it learns of the call from its two parties.
            CallState::InCall { call, user, caller } => {
                *self = CallState::InCall {
                    call,
                    user: user.clone(),
                    caller,
                };
                vec![Output::Say(ClientMessage::Reclaim { call, user, caller })]
            }
        }
    }

    pub(super) fn reclaimed(&mut self, known: CallId) -> Vec<Output> {
        match std::mem::take(self) {
            CallState::Rejoining {
                call, user, caller, ..
            } if call == known => self.rejoined(call, user, caller),
            ours if ours.in_call() == Some(known) => {
                *self = ours;
                Vec::new()
            }
            // It ended meanwhile.
            other => {
                *self = other;
                vec![Output::Say(ClientMessage::HangUp { call: known })]
            }
        }
    }

    /// The call of the earlier run goes on in this one.
    fn rejoined(&mut self, call: CallId, user: String, caller: bool) -> Vec<Output> {
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
                rejoin: true,
            },
        ]
    }

    pub(super) fn rejoin_timeout(&mut self, late: CallId) -> Vec<Output> {
        match std::mem::take(self) {
            CallState::Rejoining { call, user, .. } if call == late => vec![
                Output::Say(ClientMessage::HangUp { call }),
                told_end(user, CallEnd::Signaled(EndReason::PeerLost)),
            ],
            other => {
                *self = other;
                Vec::new()
            }
        }
    }

    pub(super) fn session_over(&mut self, forgotten: bool) -> Vec<Output> {
        match std::mem::take(self) {
            CallState::Idle => Vec::new(),
            call @ CallState::InCall { .. } if forgotten => {
                *self = call;
                Vec::new()
            }
            CallState::InCall { user, .. } => {
                vec![
                    Output::Stop,
                    told_end(user, CallEnd::Signaled(EndReason::PeerLeft)),
                ]
            }
            CallState::Cancelling { next } => next
                .map(|user| told_end(user, CallEnd::Signaled(EndReason::PeerLeft)))
                .into_iter()
                .collect(),
            CallState::Calling { user }
            | CallState::Ringing { user, .. }
            | CallState::Incoming { user, .. }
            | CallState::Accepting { user, .. }
            | CallState::Rejoining { user, .. } => {
                vec![told_end(user, CallEnd::Signaled(EndReason::PeerLeft))]
            }
        }
    }
}

/// How to end a call the server knows and we do not.
fn end_of(known: &OngoingCall) -> Output {
    let call = known.call;
    Output::Say(match (known.accepted, known.caller) {
        (true, _) => ClientMessage::HangUp { call },
        (false, true) => ClientMessage::Cancel { call },
        (false, false) => ClientMessage::Decline {
            call,
            reason: DeclineReason::Unable,
        },
    })
}
