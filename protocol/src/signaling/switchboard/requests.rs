//! What a session may ask for, and who may.

use std::time::Instant;

use super::{Call, Claim, Deadline, Phase, Role, Switchboard};
use crate::signaling::messages::{CallId, DeclineReason, EndReason, ErrorCode, Presence, ServerMessage};
use crate::signaling::user_name::UserName;

/// The requests of a session, each authorised here.
impl Switchboard {
    pub(super) fn request(&mut self, now: Instant, caller: &UserName, callee: &str) -> Result<(), Refusal> {
        if let Some(call) = self.users.get(caller).and_then(|user| user.call) {
            return Err(Refusal::new(ErrorCode::AlreadyInCall, "you are in a call").about(call));
        }
        if self.users.get(caller).is_some_and(|user| user.claim.is_some()) {
            return Err(Refusal::new(
                ErrorCode::AlreadyInCall,
                "you have reclaimed a call",
            ));
        }
        let unknown = || Refusal::new(ErrorCode::UnknownUser, "no such user");
        let callee = UserName::parse_any(callee).map_err(|_| unknown())?;
        if callee == *caller {
            return Err(Refusal::new(ErrorCode::CalledSelf, "that is you"));
        }
        if !self.acquainted(caller, &callee) {
            return Err(unknown());
        }
        let (callee, user) = self.users.get_key_value(&callee).ok_or_else(unknown)?;
        match user.presence() {
            Presence::Offline => return Err(Refusal::new(ErrorCode::UserOffline, "the user is offline")),
            Presence::Busy => return Err(Refusal::new(ErrorCode::UserBusy, "the user is in a call")),
            Presence::Available => {}
        }
        let callee = callee.clone();
        let call = CallId(self.next_call);
        self.next_call += 1;
        let until = now + self.settings.ring_timeout;
        self.deadlines.insert((until, Deadline::Ring(call)));
        self.user(caller).call = Some(call);
        self.user(&callee).call = Some(call);
        self.tell(
            caller,
            ServerMessage::Ringing {
                call,
                user: callee.to_string(),
            },
        );
        self.tell(
            &callee,
            ServerMessage::Incoming {
                call,
                user: caller.to_string(),
            },
        );
        self.announce(caller);
        self.announce(&callee);
        let phase = Phase::Ringing { until };
        self.calls.insert(
            call,
            Call {
                caller: caller.clone(),
                callee,
                phase,
            },
        );
        Ok(())
    }

    pub(super) fn accept(&mut self, user: &UserName, id: CallId) -> Result<(), Refusal> {
        match self.place(user, id)? {
            (Role::Callee, Phase::Ringing { until }) => {
                self.deadlines.remove(&(until, Deadline::Ring(id)));
                if let Some(call) = self.calls.get_mut(&id) {
                    call.phase = Phase::Accepted;
                    let parties = [call.caller.clone(), call.callee.clone()];
                    for party in &parties {
                        self.tell(party, ServerMessage::Accepted { call: id });
                    }
                }
                Ok(())
            }
            (Role::Caller, Phase::Ringing { .. }) => {
                Err(Refusal::new(ErrorCode::NotAllowed, "only the called user accepts").about(id))
            }
            (_, Phase::Accepted) => {
                Err(Refusal::new(ErrorCode::NotAllowed, "it is accepted already").about(id))
            }
        }
    }

    pub(super) fn decline(
        &mut self,
        user: &UserName,
        id: CallId,
        reason: DeclineReason,
    ) -> Result<(), Refusal> {
        match self.place(user, id)? {
            (Role::Callee, Phase::Ringing { .. }) => {
                let reason = match reason {
                    DeclineReason::Declined => EndReason::Declined,
                    DeclineReason::Unable => EndReason::Unable,
                };
                self.end_call(id, reason);
                Ok(())
            }
            (Role::Caller, Phase::Ringing { .. }) => {
                Err(Refusal::new(ErrorCode::NotAllowed, "only the called user declines").about(id))
            }
            (_, Phase::Accepted) => {
                Err(Refusal::new(ErrorCode::NotAllowed, "it is accepted already").about(id))
            }
        }
    }

    pub(super) fn cancel(&mut self, user: &UserName, id: CallId) -> Result<(), Refusal> {
        match self.place(user, id)? {
            (Role::Caller, Phase::Ringing { .. }) => self.end_call(id, EndReason::Cancelled),
            // The called user accepted in the same moment: the caller still wants no call.
            (Role::Caller, Phase::Accepted) => self.end_call(id, EndReason::HungUp),
            (Role::Callee, _) => {
                return Err(Refusal::new(ErrorCode::NotAllowed, "only the caller cancels").about(id));
            }
        }
        Ok(())
    }

    /// A party of a call of the server's earlier run says that it goes on. The call exists again once both parties
    /// name each other, in opposite roles: nobody gets into a call by his own word alone.
    pub(super) fn reclaim(
        &mut self,
        user: &UserName,
        id: CallId,
        other: &str,
        caller: bool,
    ) -> Result<(), Refusal> {
        if let Some(call) = self.users.get(user).and_then(|user| user.call) {
            return Err(Refusal::new(ErrorCode::AlreadyInCall, "you are in a call").about(call));
        }
        let unknown = || Refusal::new(ErrorCode::UnknownCall, "there can be no such call").about(id);
        if id >= self.settings.first_call {
            return Err(Refusal::new(ErrorCode::UnknownCall, "it is over").about(id));
        }
        let other = UserName::parse_any(other).map_err(|_| unknown())?;
        let (other, peer) = self.users.get_key_value(&other).ok_or_else(unknown)?;
        if other == user
            || !self.acquainted(user, other)
            || peer.call.is_some()
            || self.calls.contains_key(&id)
        {
            return Err(unknown());
        }
        let other = other.clone();
        let (role, opposite) = match caller {
            true => (Role::Caller, Role::Callee),
            false => (Role::Callee, Role::Caller),
        };
        let mirrored = Claim {
            call: id,
            other: user.clone(),
            role: opposite,
        };
        if peer.claim.as_ref() == Some(&mirrored) {
            self.revive(id, user.clone(), other, role);
        } else {
            self.user(user).claim = Some(Claim {
                call: id,
                other,
                role,
            });
            self.announce(user);
        }
        Ok(())
    }

    /// Both parties have said that this call goes on.
    fn revive(&mut self, id: CallId, user: UserName, other: UserName, role: Role) {
        for party in [&user, &other] {
            let entry = self.user(party);
            entry.claim = None;
            entry.call = Some(id);
            self.tell(party, ServerMessage::Reclaimed { call: id });
            self.announce(party);
        }
        let (caller, callee) = match role {
            Role::Caller => (user, other),
            Role::Callee => (other, user),
        };
        let phase = Phase::Accepted;
        self.calls.insert(
            id,
            Call {
                caller,
                callee,
                phase,
            },
        );
    }

    pub(super) fn hang_up(&mut self, user: &UserName, id: CallId) -> Result<(), Refusal> {
        let entry = self.user(user);
        if entry.claim.take_if(|claim| claim.call == id).is_some() {
            self.announce(user);
            return Ok(());
        }
        match self.place(user, id)? {
            (_, Phase::Accepted) => {
                self.end_call(id, EndReason::HungUp);
                Ok(())
            }
            (_, Phase::Ringing { .. }) => {
                Err(Refusal::new(ErrorCode::NotAllowed, "it still rings: cancel or decline it").about(id))
            }
        }
    }

    pub(super) fn relay(
        &mut self,
        user: &UserName,
        id: CallId,
        message: ServerMessage,
    ) -> Result<(), Refusal> {
        match self.place(user, id)? {
            (role, Phase::Accepted) => {
                if let Some(other) = self.calls.get(&id).map(|call| call.other(role).clone())
                    && !self.tell(&other, message)
                {
                    self.end_call(id, EndReason::PeerLost);
                }
                Ok(())
            }
            (_, Phase::Ringing { .. }) => {
                Err(Refusal::new(ErrorCode::NotAllowed, "it is not accepted yet").about(id))
            }
        }
    }

    /// The place of a user in a call: whoever has none learns nothing of it, not even that it exists.
    fn place(&self, user: &UserName, id: CallId) -> Result<(Role, Phase), Refusal> {
        self.calls
            .get(&id)
            .and_then(|call| Some((call.role(user)?, call.phase)))
            .ok_or_else(|| Refusal::new(ErrorCode::UnknownCall, "you are in no such call").about(id))
    }
}

/// Why a request was not carried out.
pub(super) struct Refusal {
    code: ErrorCode,
    message: &'static str,
    call: Option<CallId>,
}

impl Refusal {
    pub(super) fn new(code: ErrorCode, message: &'static str) -> Self {
        Refusal {
            code,
            message,
            call: None,
        }
    }

    fn about(mut self, call: CallId) -> Self {
        self.call = Some(call);
        self
    }
}

impl From<Refusal> for ServerMessage {
    fn from(refusal: Refusal) -> Self {
        ServerMessage::Error {
            code: refusal.code,
            message: refusal.message.to_owned(),
            call: refusal.call,
            retry_after_ms: None,
        }
    }
}
