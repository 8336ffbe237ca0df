//! The vocabulary, one JSON object a WebSocket text message, tagged by `type`.
//!
//! A connection starts with [`ClientMessage::Hello`], which the server answers with [`ServerMessage::Welcome`].
//! Then the client registers, logs in (OPAQUE, RFC 9807) or resumes; only after that is everything else allowed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The version of this vocabulary, sent in [`ClientMessage::Hello`].
pub const VERSION: u32 = 1;

/// Names one call; chosen by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub u64);

/// Whether a user can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// No connection.
    Offline,
    /// Logged in and not in a call.
    Available,
    /// Calling, ringing or in a call.
    Busy,
}

/// One row of the list of users.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserPresence {
    /// The user's name, as typed at registration.
    pub user: String,
    /// Its present state.
    pub presence: Presence,
}

/// A link of yours that nobody has used yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenInvite {
    /// Names the invite. No secret: nobody joins by it.
    pub invite: String,
    /// How long the link is still good, seconds.
    pub expires_in_s: u64,
}

/// Why a called user does not take the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeclineReason {
    /// The user declined.
    Declined,
    /// The client cannot take it (no common codec, no free device).
    Unable,
}

/// How a call came to its end, as both parties hear it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// One party hung up.
    HungUp,
    /// The called user declined.
    Declined,
    /// The called client could not take it.
    Unable,
    /// The caller cancelled before the call was accepted.
    Cancelled,
    /// Nobody accepted in time.
    NoAnswer,
    /// The other party's connection was lost and did not come back in time.
    PeerLost,
    /// The other party logged out or was taken over.
    PeerLeft,
    /// The server is going down.
    ServerShutdown,
}

/// Which half of an offer/answer exchange (RFC 3264) a description is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DescriptionKind {
    /// Proposes a session.
    Offer,
    /// Answers one.
    Answer,
}

/// What an [`ServerMessage::Error`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The message is no JSON object of this vocabulary. Closes the connection before login.
    BadMessage,
    /// The client's version is not spoken here. Closes the connection.
    UnsupportedVersion,
    /// The message is not allowed in the present state of the connection.
    NotAllowed,
    /// The user name breaks the rules (length, characters).
    BadUserName,
    /// Somebody has that name.
    UserNameTaken,
    /// User name or password is wrong; which of the two is not said.
    BadCredentials,
    /// The user is logged in elsewhere; log in again with `take_over` to end that session.
    AlreadyLoggedIn,
    /// The session token is unknown or expired: log in with the password.
    BadToken,
    /// Too many attempts: try again after `retry_after_ms`.
    TooManyAttempts,
    /// No such user.
    UnknownUser,
    /// The called user is offline.
    UserOffline,
    /// The called user is in another call.
    UserBusy,
    /// Calling yourself.
    CalledSelf,
    /// You are in a call already.
    AlreadyInCall,
    /// You are no party of that call, or it has ended.
    UnknownCall,
    /// The invite is unknown, used, revoked or expired; which of them is not said.
    BadInvite,
    /// You have as many open invites as you may: revoke one.
    TooManyInvites,
    /// The server has as many connections as it may. Closes the connection.
    ServerFull,
    /// The server failed to do it; its log says why.
    Internal,
}

/// Why the server ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoodbyeReason {
    /// The user logged out.
    LoggedOut,
    /// The same user logged in elsewhere and took over.
    TakenOver,
    /// The server is going down.
    ServerShutdown,
    /// A time limit before login passed.
    TooSlow,
    /// The client did not read what was sent to it.
    SlowReader,
}

/// Servers that help calls through NATs and firewalls (W3C `RTCIceServer`). Does not print its credential.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// Ways to one server: `stun:`, `turn:` and `turns:` URIs (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// Login at a TURN server: name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Login at a TURN server: password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// From client to server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientMessage {
    /// First message of a connection.
    Hello {
        /// [`VERSION`].
        version: u32,
        /// Name and version of the program, for the server's log.
        client: String,
    },
    /// Registration, first step: OPAQUE `RegistrationRequest`, base64.
    RegisterStart {
        /// The wanted name.
        user: String,
        /// Base64.
        request: String,
    },
    /// Registration, second step: OPAQUE `RegistrationRecord`, base64.
    RegisterFinish {
        /// Base64.
        record: String,
    },
    /// Login, first step: OPAQUE `KE1`, base64.
    LoginStart {
        /// Whose account.
        user: String,
        /// Base64.
        request: String,
    },
    /// Login, second step: OPAQUE `KE3`, base64.
    LoginFinish {
        /// Base64.
        finalization: String,
        /// End another session of the same user instead of being refused.
        #[serde(default)]
        take_over: bool,
    },
    /// Continues a session without a password, after a lost connection.
    Resume {
        /// From [`ServerMessage::LoggedIn`].
        token: String,
    },
    /// Asks who invites by a link, without using it up.
    LookUpInvite {
        /// The last part of the link.
        invite: String,
    },
    /// Logs in as a guest, by a link that is used up with that. A guest sees and calls nobody but the inviter.
    Join {
        /// The last part of the link.
        invite: String,
        /// What the guest wants to be called.
        name: String,
    },
    /// Ends the session; its token becomes void.
    LogOut,
    /// Asks for a link that brings one guest here, once.
    Invite,
    /// Asks for the links that nobody has used yet.
    ListInvites,
    /// Takes a link back that was not used yet.
    RevokeInvite {
        /// From [`ServerMessage::Invited`] or [`ServerMessage::Invites`].
        invite: String,
    },
    /// Asks for the servers that help calls through NATs and firewalls.
    GetIceServers,
    /// Calls a user.
    Call {
        /// Whom.
        user: String,
    },
    /// Takes an incoming call.
    Accept {
        /// Which.
        call: CallId,
    },
    /// Refuses an incoming call.
    Decline {
        /// Which.
        call: CallId,
        /// Why.
        reason: DeclineReason,
    },
    /// Takes back a call that was not accepted yet.
    Cancel {
        /// Which.
        call: CallId,
    },
    /// Ends an accepted call.
    HangUp {
        /// Which.
        call: CallId,
    },
    /// After a resume at a server that does not know the call: it goes on, and the other party says so too.
    Reclaim {
        /// The call's name, from the server's earlier run.
        call: CallId,
        /// The other party.
        user: String,
        /// Whether you were the caller.
        caller: bool,
    },
    /// A session description for the other party (RFC 8866).
    Description {
        /// Which call.
        call: CallId,
        /// Offer or answer.
        kind: DescriptionKind,
        /// The SDP.
        sdp: String,
    },
    /// A trickled ICE candidate for the other party (RFC 8838); an empty one ends the candidates.
    Candidate {
        /// Which call.
        call: CallId,
        /// `candidate:…` (RFC 8839 §5.1), or empty.
        candidate: String,
        /// The `mid` it belongs to.
        mid: String,
    },
    /// Heartbeat: the server answers [`ServerMessage::Pong`].
    Ping,
    /// Answers [`ServerMessage::Ping`].
    Pong,
}

/// From server to client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerMessage {
    /// Answers [`ClientMessage::Hello`].
    Welcome {
        /// [`VERSION`].
        version: u32,
        /// Name and version of the server.
        server: String,
        /// Send something at least this often.
        heartbeat_ms: u64,
    },
    /// Answers [`ClientMessage::RegisterStart`]: OPAQUE `RegistrationResponse`, base64.
    RegisterResponse {
        /// Base64.
        response: String,
    },
    /// The account exists; log in now.
    Registered {
        /// Its name.
        user: String,
    },
    /// Answers [`ClientMessage::LoginStart`]: OPAQUE `KE2`, base64.
    LoginResponse {
        /// Base64.
        response: String,
    },
    /// The session is open (after login or resume).
    LoggedIn {
        /// Who you are.
        user: String,
        /// Resumes this session after a lost connection; a secret.
        token: String,
        /// Everybody but you.
        users: Vec<UserPresence>,
        /// The call this session is still in, after a resume.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<OngoingCall>,
    },
    /// Answers [`ClientMessage::LookUpInvite`].
    Invitation {
        /// Who invites.
        inviter: String,
        /// How long the link is still good, seconds.
        expires_in_s: u64,
    },
    /// Answers [`ClientMessage::Invite`].
    Invited {
        /// Names the invite. No secret: nobody joins by it.
        invite: String,
        /// The link, a secret until it is used.
        url: String,
        /// How long it is good, seconds.
        expires_in_s: u64,
    },
    /// Answers [`ClientMessage::ListInvites`].
    Invites {
        /// Those that are still good, the first to expire first.
        invites: Vec<OpenInvite>,
    },
    /// Answers [`ClientMessage::RevokeInvite`].
    InviteRevoked {
        /// Which.
        invite: String,
    },
    /// Answers [`ClientMessage::GetIceServers`].
    IceServers {
        /// STUN and TURN servers; maybe none.
        servers: Vec<IceServer>,
        /// How long their logins are good, seconds; ask again before.
        ttl_s: u64,
    },
    /// A user's state changed, or a new user registered.
    PresenceChanged {
        /// Who.
        user: String,
        /// The new state.
        presence: Presence,
    },
    /// Your call rings at the other side.
    Ringing {
        /// The call's name from here on.
        call: CallId,
        /// Whom you called.
        user: String,
    },
    /// Somebody calls you.
    Incoming {
        /// The call's name.
        call: CallId,
        /// Who calls.
        user: String,
    },
    /// The call is accepted; to both parties. The caller sends the offer now.
    Accepted {
        /// Which.
        call: CallId,
    },
    /// The call is over; to both parties.
    Ended {
        /// Which.
        call: CallId,
        /// Why.
        reason: EndReason,
    },
    /// The other party has lost its connection. It may come back until the time is over; then the call ends with
    /// [`EndReason::PeerLost`].
    PeerAway {
        /// Which.
        call: CallId,
        /// How long the server waits from now on.
        wait_ms: u64,
    },
    /// The other party is there again; if its client was started anew, an offer follows.
    PeerBack {
        /// Which.
        call: CallId,
    },
    /// Both parties have reclaimed the call: the server knows it again.
    Reclaimed {
        /// Which.
        call: CallId,
    },
    /// The other party's session description.
    Description {
        /// Which call.
        call: CallId,
        /// Offer or answer.
        kind: DescriptionKind,
        /// The SDP.
        sdp: String,
    },
    /// The other party's trickled candidate.
    Candidate {
        /// Which call.
        call: CallId,
        /// `candidate:…`, or empty at the end of candidates.
        candidate: String,
        /// The `mid` it belongs to.
        mid: String,
    },
    /// Something was refused.
    Error {
        /// What.
        code: ErrorCode,
        /// For a log, in English; clients make their own sentences from `code`.
        message: String,
        /// The call it is about, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<CallId>,
        /// With [`ErrorCode::TooManyAttempts`]: when to try again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// Heartbeat: answer with [`ClientMessage::Pong`].
    Ping,
    /// Answers [`ClientMessage::Ping`].
    Pong,
    /// The last message of a connection.
    Goodbye {
        /// Why.
        reason: GoodbyeReason,
    },
}

/// A call a resumed session is still in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OngoingCall {
    /// Its name.
    pub call: CallId,
    /// The other party.
    pub user: String,
    /// Whether it was accepted (otherwise it still rings).
    pub accepted: bool,
    /// Whether you are the caller.
    pub caller: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_an_object_tagged_by_its_type_and_unknown_fields_are_left_aside() {
        let text = r#"{"type":"decline","call":7,"reason":"unable","since":"a later version"}"#;
        let decline = ClientMessage::Decline {
            call: CallId(7),
            reason: DeclineReason::Unable,
        };
        assert_eq!(serde_json::from_str::<ClientMessage>(text).ok(), Some(decline));
        let json = serde_json::to_string(&ServerMessage::Accepted { call: CallId(7) });
        assert_eq!(json.ok().as_deref(), Some(r#"{"type":"accepted","call":7}"#));
    }

    /// Something like a message: the right names with any values.
    fn nearly_a_message() -> impl Strategy<Value = String> {
        let kind = prop_oneof![
            Just("hello"),
            Just("call"),
            Just("candidate"),
            Just("login_finish"),
            Just("zzz")
        ];
        let key = prop_oneof![
            Just("call"),
            Just("user"),
            Just("version"),
            Just("mid"),
            Just("take_over")
        ];
        let value = prop_oneof![
            Just("7"),
            Just("-1"),
            Just("1e99"),
            Just("null"),
            Just("\"x\""),
            Just("[{}]")
        ];
        (kind, proptest::collection::vec((key, value), 0..6)).prop_map(|(kind, fields)| {
            let fields: String = fields
                .iter()
                .map(|(key, value)| format!(r#","{key}":{value}"#))
                .collect();
            format!(r#"{{"type":"{kind}"{fields}}}"#)
        })
    }

    proptest! {
        #[test]
        fn no_text_hurts_and_what_is_read_is_written_the_same(text in prop_oneof![nearly_a_message(), ".{0,100}"]) {
            if let Ok(message) = serde_json::from_str::<ClientMessage>(&text) {
                let written = serde_json::to_string(&message).expect("a message is JSON");
                prop_assert_eq!(serde_json::from_str::<ClientMessage>(&written).ok(), Some(message));
            }
        }

        #[test]
        fn no_bytes_hurt(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = serde_json::from_slice::<ClientMessage>(&bytes);
        }
    }
}
