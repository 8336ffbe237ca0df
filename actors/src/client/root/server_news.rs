//! What the signaling connection tells of the server and of the session, and what follows from it.

use std::time::Duration;

use actix::{AsyncContext, Context, Handler};
use roomrtc_kit::Shutdown;
use roomrtc_protocol::signaling::UserName;
use roomrtc_protocol::signaling::messages::{
    ClientMessage, ErrorCode, GoodbyeReason, Presence, ServerMessage,
};

use super::{Client, LEAST_RENEWAL};
use crate::call_port::CallOrder;
use crate::client::call_state::Input;
use crate::signaling_connection::{self as signaling, SignalingNews};
use crate::ui_bridge::{ConnectionState, Event};

impl Handler<SignalingNews> for Client {
    type Result = ();

    fn handle(&mut self, news: SignalingNews, ctx: &mut Self::Context) {
        match news {
            SignalingNews::Connection(state) => {
                if !matches!(state, ConnectionState::Connected) {
                    self.now.online = false;
                }
                self.tell(Event::Connection(state));
            }
            SignalingNews::UnknownServer(shown) => {
                self.tell(Event::UnknownServer {
                    fingerprint: shown.to_string(),
                });
            }
            SignalingNews::ServerChanged { expected, actual } => self.tell(Event::ServerChanged {
                expected: expected.to_string(),
                actual: actual.to_string(),
            }),
            SignalingNews::Registered { user } => self.tell(Event::Registered { user }),
            SignalingNews::LoggedIn {
                user,
                users,
                call,
                resumed,
            } => {
                self.now.online = true;
                self.say(ClientMessage::GetIceServers);
                self.now.users = users.into_iter().map(|row| (row.user, row.presence)).collect();
                self.tell(Event::LoggedIn { user, resumed });
                self.tell_users();
                let before = self.now.call.in_call();
                self.drive(Input::Resumed(call));
                if resumed && before.is_some() && before == self.now.call.in_call() {
                    self.order(CallOrder::SignalingResumed);
                }
            }
            SignalingNews::Unfinished(call) => {
                self.now.left_word = Some(call.clone());
                self.drive(Input::Rejoin(call));
            }
            SignalingNews::LoggedOut(reason) => self.logged_out(reason),
            SignalingNews::Refused(refusal) => self.refused(refusal),
            SignalingNews::Said(message) => self.said(message, ctx),
            SignalingNews::Left => self.setup.tree.tell(Shutdown),
        }
        self.keep();
    }
}

impl Client {
    fn logged_out(&mut self, reason: Option<GoodbyeReason>) {
        self.now.online = false;
        self.now.users.clear();
        self.drive(Input::SessionOver {
            forgotten: reason.is_none(),
        });
        if reason.is_none() {
            self.tell(Event::Refused {
                code: ErrorCode::BadToken,
                retry_after: None,
            });
        }
        self.tell(Event::LoggedOut {
            reason: reason.unwrap_or(GoodbyeReason::LoggedOut),
        });
    }

    /// Asks for the servers anew before their logins end.
    fn renew_ice_servers(&mut self, after: Duration, ctx: &mut Context<Self>) {
        if let Some(renewal) = self.ice_servers_renewal.take() {
            ctx.cancel_future(renewal);
        }
        self.ice_servers_renewal = Some(ctx.run_later(after.max(LEAST_RENEWAL), |client, _| {
            if client.now.online {
                client.say(ClientMessage::GetIceServers);
            }
        }));
    }

    fn refused(&mut self, refusal: signaling::Refusal) {
        let signaling::Refusal {
            code,
            call,
            retry_after_ms,
        } = refusal;
        // Before the session is open, a refusal is about the login.
        if self.now.online && self.now.call.concerns(code, call) {
            return self.drive(Input::Refused { code, call });
        }
        self.tell(Event::Refused {
            code,
            retry_after: retry_after_ms.map(Duration::from_millis),
        });
    }

    fn said(&mut self, message: ServerMessage, ctx: &mut Context<Self>) {
        match message {
            ServerMessage::IceServers { servers, ttl_s } => {
                self.now.ice_servers = servers.clone();
                // One that was rejoined right after the login began without them.
                if let Some(running) = &self.now.running {
                    running.tell(CallOrder::UseIceServers(servers));
                }
                self.renew_ice_servers(Duration::from_secs(ttl_s) / 2, ctx);
            }
            ServerMessage::PresenceChanged { user, presence } => {
                match presence {
                    // A guest who has gone does not come back under that name.
                    Presence::Offline if UserName::is_guest(&user) => self.now.users.remove(&user),
                    Presence::Offline | Presence::Available | Presence::Busy => {
                        self.now.users.insert(user, presence)
                    }
                };
                self.tell_users();
            }
            ServerMessage::Invited {
                invite,
                url,
                expires_in_s,
            } => self.tell(Event::Invited {
                invite,
                url,
                expires_in: Duration::from_secs(expires_in_s),
            }),
            ServerMessage::Invites { invites } => self.tell(Event::Invites(invites)),
            ServerMessage::InviteRevoked { invite } => self.tell(Event::InviteRevoked { invite }),
            ServerMessage::Ringing { call, .. } => self.drive(Input::Ringing { call }),
            ServerMessage::Incoming { call, user } => self.drive(Input::Incoming { call, user }),
            ServerMessage::Reclaimed { call } => {
                let running = self.now.call.in_call() == Some(call);
                self.drive(Input::Reclaimed { call });
                if running {
                    // What was said to a server that did not know the call is lost.
                    self.order(CallOrder::SignalingResumed);
                }
            }
            ServerMessage::PeerAway { call, wait_ms } => {
                let wait = Duration::from_millis(wait_ms);
                self.drive(Input::PeerAway { call, wait });
            }
            ServerMessage::PeerBack { call } => self.drive(Input::PeerBack { call }),
            ServerMessage::Accepted { call } => self.drive(Input::Accepted { call }),
            ServerMessage::Ended { call, reason } => self.drive(Input::Ended { call, reason }),
            ServerMessage::Description { call, kind, sdp } if self.now.call.in_call() == Some(call) => {
                self.order(CallOrder::RemoteDescription { kind, sdp });
            }
            ServerMessage::Candidate { call, candidate, .. } if self.now.call.in_call() == Some(call) => {
                self.order(CallOrder::RemoteCandidate(candidate));
            }
            ServerMessage::Description { call, .. } | ServerMessage::Candidate { call, .. } => {
                tracing::debug!(call = call.0, "about a call that is over");
            }
            ServerMessage::Welcome { .. }
            | ServerMessage::RegisterResponse { .. }
            | ServerMessage::Registered { .. }
            | ServerMessage::LoginResponse { .. }
            | ServerMessage::Invitation { .. }
            | ServerMessage::LoggedIn { .. }
            | ServerMessage::Error { .. }
            | ServerMessage::Ping
            | ServerMessage::Pong
            | ServerMessage::Goodbye { .. } => {
                tracing::debug!("for the signaling connection, not for the root");
            }
        }
    }
}
