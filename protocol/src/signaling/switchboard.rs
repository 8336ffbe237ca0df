//! Who is there and who is in a call with whom: the server's state as one value.
//!
//! Sessions, messages and time go in by `handle_*`; what to tell whom comes out of [`Switchboard::poll_output`].
//! The machine knows no clock and no socket, so every story of two parties can be told in virtual time.
//!
//! **Invariant:** a user is in at most one call, from the first ring on, and a call has two users who are in it.
//! That is why two who call each other at the same time end up in one call: the first request reserves both.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::{Duration, Instant};

use super::messages::{
    CallId, ClientMessage, DescriptionKind, EndReason, ErrorCode, GoodbyeReason, OngoingCall, Presence,
    ServerMessage,
};
use super::user_name::UserName;

mod requests;
#[cfg(test)]
mod tests;

use requests::Refusal;

/// What is kept for a party whose connection was lost in a call: descriptions and their candidates fit well.
/// Beyond that the party counts as lost.
const MAX_MISSED_BYTES: usize = 128 * 1024;

/// What a kept message weighs besides its texts.
const MISSED_OVERHEAD: usize = 256;

/// Names one connection that has logged in; chosen by the server, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub u64);

/// How a session came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// By password.
    Login {
        /// Ends another session of the same user instead of being refused.
        take_over: bool,
    },
    /// By the token of an earlier connection, whose place it takes.
    Resume,
}

/// The times of a switchboard.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long it rings before nobody answered.
    pub ring_timeout: Duration,
    /// How long a party of a call may be without a connection before anybody hears of it, and a call that rings ends.
    pub resume_grace: Duration,
    /// How long the other party of an accepted call is then kept waiting: the lost one may be starting its client anew.
    pub rejoin: Duration,
    /// The name of the first call; later ones count up. Differs between runs, so that no client takes a call of
    /// this run for one of the last.
    pub first_call: CallId,
}

/// What the server has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// The session is logged in: send it `logged_in`.
    Admitted {
        /// Which.
        session: SessionId,
        /// Who it is.
        user: UserName,
        /// The call it is still in.
        call: Option<OngoingCall>,
        /// Of a guest: who invited it, the only one it may see.
        host: Option<UserName>,
    },
    /// The user has a session already: send `already_logged_in`.
    Refused {
        /// Which.
        session: SessionId,
    },
    /// Send it a message.
    Send {
        /// Whom.
        session: SessionId,
        /// What.
        message: ServerMessage,
    },
    /// Another session took its place: say goodbye to it.
    Expelled {
        /// Whom.
        session: SessionId,
        /// Why.
        reason: GoodbyeReason,
    },
    /// Tell everybody else, or of a guest only its host.
    Presence {
        /// Who changed.
        user: UserName,
        /// The new state.
        presence: Presence,
        /// Of a guest: who invited it.
        host: Option<UserName>,
    },
}

/// The state of all users and calls.
#[derive(Debug)]
pub struct Switchboard {
    settings: Settings,
    users: HashMap<UserName, User>,
    sessions: HashMap<SessionId, UserName>,
    calls: HashMap<CallId, Call>,
    next_call: u64,
    deadlines: BTreeSet<(Instant, Deadline)>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct User {
    connection: Connection,
    call: Option<CallId>,
    /// A call of the server's earlier run that this user says to be in, and the other party does not yet.
    claim: Option<Claim>,
    /// What everybody was told last.
    announced: Presence,
    /// Of a guest: who invited it. A guest is here only as long as it is online or in a call.
    host: Option<UserName>,
}

/// What one party says of a call this run of the server does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Claim {
    call: CallId,
    other: UserName,
    role: Role,
}

#[derive(Debug)]
enum Connection {
    Offline,
    Here(SessionId),
    /// Lost during a call, with what it missed since.
    Away(Away),
}

#[derive(Debug)]
struct Away {
    /// When its call ends or, at first, the other party hears of it.
    until: Instant,
    /// Whether the other party waits and knows it.
    awaited: bool,
    /// Sent if it comes back until then.
    missed: Vec<ServerMessage>,
    missed_bytes: usize,
}

impl Away {
    /// False when it does not fit any more.
    fn keep(&mut self, message: ServerMessage) -> bool {
        if matches!(&message, ServerMessage::Description { kind, .. } if *kind == DescriptionKind::Offer) {
            // What was offered before is void, and so are the candidates for it.
            self.missed.retain(|missed| {
                !matches!(
                    missed,
                    ServerMessage::Description { .. } | ServerMessage::Candidate { .. }
                )
            });
            self.missed_bytes = self.missed.iter().map(weight).sum();
        }
        self.missed_bytes += weight(&message);
        let fits = self.missed_bytes <= MAX_MISSED_BYTES;
        if fits {
            self.missed.push(message);
        }
        fits
    }
}

/// Bytes a kept message counts for.
fn weight(message: &ServerMessage) -> usize {
    MISSED_OVERHEAD
        + match message {
            ServerMessage::Description { sdp, .. } => sdp.len(),
            ServerMessage::Candidate { candidate, mid, .. } => candidate.len() + mid.len(),
            _ => 0,
        }
}

#[derive(Debug)]
struct Call {
    caller: UserName,
    callee: UserName,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Ringing { until: Instant },
    Accepted,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deadline {
    Ring(CallId),
    Grace(UserName),
}

/// A party's place in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Caller,
    Callee,
}

impl User {
    fn presence(&self) -> Presence {
        match (&self.connection, self.call.is_some() || self.claim.is_some()) {
            (Connection::Offline, _) => Presence::Offline,
            (Connection::Here(_), false) => Presence::Available,
            (Connection::Away(away), true) if away.awaited => Presence::Offline,
            (Connection::Here(_) | Connection::Away(_), true) => Presence::Busy,
            (Connection::Away(_), false) => Presence::Offline,
        }
    }
}

impl Call {
    fn role(&self, user: &UserName) -> Option<Role> {
        match user {
            user if *user == self.caller => Some(Role::Caller),
            user if *user == self.callee => Some(Role::Callee),
            _ => None,
        }
    }

    fn other(&self, role: Role) -> &UserName {
        match role {
            Role::Caller => &self.callee,
            Role::Callee => &self.caller,
        }
    }
}

impl Switchboard {
    /// Nobody is there yet.
    pub fn new(settings: Settings) -> Self {
        Switchboard {
            next_call: settings.first_call.0,
            settings,
            users: HashMap::new(),
            sessions: HashMap::new(),
            calls: HashMap::new(),
            deadlines: BTreeSet::new(),
            outputs: VecDeque::new(),
        }
    }

    /// An account exists: from the store at the start, or registered just now. Everybody hears of it.
    pub fn add_user(&mut self, user: UserName) {
        if !self.users.contains_key(&user) {
            self.outputs.push_back(Output::Presence {
                user: user.clone(),
                presence: Presence::Offline,
                host: None,
            });
            self.user(&user);
        }
    }

    /// A guest comes: only `host` sees it and may call it, and the other way round.
    pub fn add_guest(&mut self, guest: &UserName, host: UserName) {
        self.user(guest).host = Some(host);
    }

    /// A session proved who it is.
    pub fn handle_entry(&mut self, session: SessionId, user: &UserName, entry: Entry) {
        // As typed at registration, not as typed now.
        let user = &self
            .users
            .get_key_value(user)
            .map_or_else(|| user.clone(), |(known, _)| known.clone());
        let before = std::mem::replace(&mut self.user(user).connection, Connection::Offline);
        let mut missed = Vec::new();
        match (before, entry) {
            (Connection::Offline, _) => {}
            (Connection::Here(old), Entry::Login { take_over: false }) => {
                self.user(user).connection = Connection::Here(old);
                return self.outputs.push_back(Output::Refused { session });
            }
            (Connection::Here(old), Entry::Login { take_over: true }) => {
                self.expel(old);
                self.end_call_of(user, EndReason::PeerLeft, Some(user));
            }
            // The same client on a new connection, before the old one was noticed to be dead.
            (Connection::Here(old), Entry::Resume) => self.expel(old),
            (Connection::Away(away), Entry::Resume) => {
                self.deadlines
                    .remove(&(away.until, Deadline::Grace(user.clone())));
                missed = away.missed;
                if away.awaited {
                    self.tell_other(user, |call| ServerMessage::PeerBack { call });
                }
            }
            // The client was started anew: it knows nothing of the call.
            (Connection::Away(away), Entry::Login { .. }) => {
                self.deadlines
                    .remove(&(away.until, Deadline::Grace(user.clone())));
                self.end_call_of(user, EndReason::PeerLost, Some(user));
            }
        }
        let entry = self.user(user);
        entry.connection = Connection::Here(session);
        // It says so again, if it still is in that call.
        entry.claim = None;
        let host = entry.host.clone();
        self.sessions.insert(session, user.clone());
        let call = self.ongoing_call(user);
        self.outputs.push_back(Output::Admitted {
            session,
            user: user.clone(),
            call,
            host,
        });
        for message in missed {
            self.outputs.push_back(Output::Send { session, message });
        }
        self.announce(user);
    }

    /// A logged-in session sent a message. What it may not do is answered by an error and changes nothing.
    pub fn handle_message(&mut self, now: Instant, session: SessionId, message: ClientMessage) {
        let Some(user) = self.sessions.get(&session).cloned() else {
            return; // it was taken over; this was on its way
        };
        let outcome = match message {
            ClientMessage::Call { user: callee } => self.request(now, &user, &callee),
            ClientMessage::Accept { call } => self.accept(&user, call),
            ClientMessage::Decline { call, reason } => self.decline(&user, call, reason),
            ClientMessage::Cancel { call } => self.cancel(&user, call),
            ClientMessage::HangUp { call } => self.hang_up(&user, call),
            ClientMessage::Reclaim {
                call,
                user: other,
                caller,
            } => self.reclaim(&user, call, &other, caller),
            ClientMessage::Description { call, kind, sdp } => {
                self.relay(&user, call, ServerMessage::Description { call, kind, sdp })
            }
            ClientMessage::Candidate { call, candidate, mid } => {
                self.relay(&user, call, ServerMessage::Candidate { call, candidate, mid })
            }
            ClientMessage::Hello { .. }
            | ClientMessage::RegisterStart { .. }
            | ClientMessage::RegisterFinish { .. }
            | ClientMessage::LoginStart { .. }
            | ClientMessage::LoginFinish { .. }
            | ClientMessage::Resume { .. }
            | ClientMessage::LookUpInvite { .. }
            | ClientMessage::Join { .. }
            | ClientMessage::Invite
            | ClientMessage::ListInvites
            | ClientMessage::RevokeInvite { .. }
            | ClientMessage::GetIceServers
            | ClientMessage::LogOut
            | ClientMessage::Ping
            | ClientMessage::Pong => Err(Refusal::new(ErrorCode::NotAllowed, "not a matter of calls")),
        };
        if let Err(refusal) = outcome {
            self.outputs.push_back(Output::Send {
                session,
                message: refusal.into(),
            });
        }
    }

    /// The user logged out.
    pub fn handle_leave(&mut self, session: SessionId) {
        if let Some(user) = self.sessions.remove(&session) {
            let entry = self.user(&user);
            entry.connection = Connection::Offline;
            entry.claim = None;
            self.end_call_of(&user, EndReason::PeerLeft, None);
            self.announce(&user);
        }
    }

    /// The connection of a session is gone. In a call its user may come back for a while.
    pub fn handle_loss(&mut self, now: Instant, session: SessionId) {
        let Some(user) = self.sessions.remove(&session) else {
            return; // it left before, or was taken over
        };
        let until = now + self.settings.resume_grace;
        let entry = self.user(&user);
        if entry.call.is_some() {
            entry.connection = Connection::Away(Away {
                until,
                awaited: false,
                missed: Vec::new(),
                missed_bytes: 0,
            });
            self.deadlines.insert((until, Deadline::Grace(user)));
        } else {
            entry.connection = Connection::Offline;
            entry.claim = None;
            self.announce(&user);
        }
    }

    /// Ends what has lasted too long.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, deadline)) = self.deadlines.first().filter(|(due, _)| *due <= now).cloned() {
            self.deadlines.pop_first();
            match deadline {
                Deadline::Ring(call) => self.end_call(call, EndReason::NoAnswer),
                Deadline::Grace(user) => self.miss(now, user),
            }
        }
    }

    /// A party has been away for too long: to be missed at first, then to be given up.
    fn miss(&mut self, now: Instant, user: UserName) {
        let accepted = self.ongoing_call(&user).is_some_and(|call| call.accepted);
        let until = now + self.settings.rejoin;
        match &mut self.user(&user).connection {
            Connection::Away(away) if accepted && !away.awaited && until > now => {
                away.until = until;
                away.awaited = true;
                self.deadlines.insert((until, Deadline::Grace(user.clone())));
                let wait_ms = self.settings.rejoin.as_millis() as u64;
                self.tell_other(&user, |call| ServerMessage::PeerAway { call, wait_ms });
            }
            connection => {
                *connection = Connection::Offline;
                self.end_call_of(&user, EndReason::PeerLost, None);
            }
        }
        self.announce(&user);
    }

    /// Says something about a call to the other party of it.
    fn tell_other(&mut self, user: &UserName, message: impl FnOnce(CallId) -> ServerMessage) {
        let Some(id) = self.user(user).call else { return };
        let other = self
            .calls
            .get(&id)
            .and_then(|call| Some(call.other(call.role(user)?).clone()));
        if let Some(other) = other {
            self.tell(&other, message(id));
        }
    }

    /// When [`Switchboard::handle_timeout`] is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(due, _)| *due)
    }

    /// What is to be done next, in this order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How many calls there are, ringing ones included.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }
}

/// The changes of state.
impl Switchboard {
    fn user(&mut self, user: &UserName) -> &mut User {
        self.users.entry(user.clone()).or_insert(User {
            connection: Connection::Offline,
            call: None,
            claim: None,
            announced: Presence::Offline,
            host: None,
        })
    }

    /// Sends to wherever the user is; keeps it for one who is away. False if that missed too much already.
    fn tell(&mut self, user: &UserName, message: ServerMessage) -> bool {
        match &mut self.user(user).connection {
            Connection::Offline => true,
            Connection::Here(session) => {
                let session = *session;
                self.outputs.push_back(Output::Send { session, message });
                true
            }
            Connection::Away(away) => away.keep(message),
        }
    }

    fn expel(&mut self, session: SessionId) {
        self.sessions.remove(&session);
        self.outputs.push_back(Output::Expelled {
            session,
            reason: GoodbyeReason::TakenOver,
        });
    }

    fn end_call_of(&mut self, user: &UserName, reason: EndReason, quiet: Option<&UserName>) {
        if let Some((id, call)) = self.user(user).call.and_then(|id| self.calls.remove_entry(&id)) {
            self.finish(id, &call, reason, quiet);
        }
    }
    fn end_call(&mut self, id: CallId, reason: EndReason) {
        if let Some(call) = self.calls.remove(&id) {
            self.finish(id, &call, reason, None);
        }
    }

    /// Frees both parties of a call and tells them, but the `quiet` one, who begins a session without it. Who is
    /// away has nothing left to come back to.
    fn finish(&mut self, id: CallId, call: &Call, reason: EndReason, quiet: Option<&UserName>) {
        if let Phase::Ringing { until } = call.phase {
            self.deadlines.remove(&(until, Deadline::Ring(id)));
        }
        for party in [&call.caller, &call.callee] {
            self.user(party).call = None;
            if quiet == Some(party) {
                continue;
            }
            self.tell(party, ServerMessage::Ended { call: id, reason });
            let user = self.user(party);
            if let Connection::Away(Away { until, .. }) = user.connection {
                user.connection = Connection::Offline;
                self.deadlines.remove(&(until, Deadline::Grace(party.clone())));
            }
            self.announce(party);
        }
    }

    fn announce(&mut self, name: &UserName) {
        let Some(user) = self.users.get_mut(name) else {
            return; // a guest who was forgotten a moment ago
        };
        let presence = user.presence();
        if std::mem::replace(&mut user.announced, presence) != presence {
            self.outputs.push_back(Output::Presence {
                user: name.clone(),
                presence,
                host: user.host.clone(),
            });
        }
        if user.host.is_some() && matches!(user.connection, Connection::Offline) && user.call.is_none() {
            self.users.remove(name);
        }
    }

    /// Whether one may know of the other at all: guests and their hosts, and everybody else among themselves.
    fn acquainted(&self, one: &UserName, other: &UserName) -> bool {
        let host = |user| self.users.get(user).and_then(|user: &User| user.host.as_ref());
        match (host(one), host(other)) {
            (None, None) => true,
            (Some(host), None) => host == other,
            (None, Some(host)) => host == one,
            (Some(_), Some(_)) => false,
        }
    }

    fn ongoing_call(&self, user: &UserName) -> Option<OngoingCall> {
        let id = self.users.get(user)?.call?;
        let call = self.calls.get(&id)?;
        let role = call.role(user)?;
        Some(OngoingCall {
            call: id,
            user: call.other(role).to_string(),
            accepted: call.phase == Phase::Accepted,
            caller: role == Role::Caller,
        })
    }
}
