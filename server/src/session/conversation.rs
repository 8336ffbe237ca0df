//! What each message of a client does, state by state.

use std::time::{Instant, SystemTime};

use actix::{ActorFutureExt, AsyncContext, Context, Handler, WrapFuture};
use roomrtc_kit::{Lost, Mail};
use roomrtc_protocol::signaling::messages::{
    ClientMessage, ErrorCode, GoodbyeReason, OngoingCall, ServerMessage, UserPresence, VERSION,
};
use roomrtc_protocol::signaling::switchboard::Entry;
use roomrtc_protocol::signaling::{UserName, framing};

use super::{Online, Session, State};
use crate::accounts::{self, Accounts, Authenticated, Begun, Invitation, Refusal};
use crate::calls;

/// How the server names itself.
const SERVER: &str = concat!("roomrtc-server ", env!("CARGO_PKG_VERSION"));

/// The longest name of a client that is logged.
const CLIENT_NAME_CHARACTERS: usize = 64;

impl Session {
    /// Reads a message and does what it says, as far as it is allowed now.
    pub(super) fn listen(&mut self, json: &[u8], ctx: &mut Context<Self>) {
        let message = match serde_json::from_slice(json) {
            Ok(message) => message,
            Err(error) => return self.misunderstood(&error),
        };
        // A registration or login that was begun is given up by another: the client noticed a wrong password.
        match (std::mem::replace(&mut self.state, State::Waiting), message) {
            (State::Online(online), message) => self.listen_online(online, message, ctx),
            (state, ClientMessage::Ping) => {
                self.state = state;
                self.send(&ServerMessage::Pong);
            }
            (state, ClientMessage::Pong) => self.state = state,
            (State::Connected, ClientMessage::Hello { version, client }) => self.greet(version, &client),
            (
                State::Greeted | State::Registering(_) | State::LoggingIn(_),
                ClientMessage::RegisterStart { user, request },
            ) => {
                let address = self.address;
                self.ask(
                    accounts::BeginRegistration {
                        address,
                        user,
                        request,
                    },
                    ctx,
                    Self::registration_begun,
                );
            }
            (State::Registering(user), ClientMessage::RegisterFinish { record }) => {
                self.ask(
                    accounts::FinishRegistration { user, record },
                    ctx,
                    Self::registered,
                );
            }
            (
                State::Greeted | State::Registering(_) | State::LoggingIn(_),
                ClientMessage::LoginStart { user, request },
            ) => {
                let (address, certificate) = (self.address, self.certificate);
                let begin = accounts::BeginLogin {
                    address,
                    certificate,
                    user,
                    request,
                };
                self.ask(begin, ctx, Self::login_begun);
            }
            (
                State::LoggingIn(login),
                ClientMessage::LoginFinish {
                    finalization,
                    take_over,
                },
            ) => {
                let finish = accounts::FinishLogin {
                    address: self.address,
                    login,
                    finalization,
                };
                let entry = Entry::Login { take_over };
                self.ask(finish, ctx, move |this, who| this.authenticated(who, entry));
            }
            (
                State::Greeted | State::Registering(_) | State::LoggingIn(_),
                ClientMessage::Resume { token },
            ) => {
                let find = accounts::FindToken {
                    address: self.address,
                    token,
                };
                self.ask(find, ctx, |this, who| this.authenticated(who, Entry::Resume));
            }
            (
                State::Greeted | State::Registering(_) | State::LoggingIn(_),
                ClientMessage::LookUpInvite { invite },
            ) => self.look_up(invite, ctx),
            (
                State::Greeted | State::Registering(_) | State::LoggingIn(_),
                ClientMessage::Join { invite, name },
            ) => self.join(invite, name, ctx),
            (State::Connected, _) => {
                self.error(ErrorCode::NotAllowed, "say hello first");
                self.close(framing::close_code::POLICY_VIOLATION);
            }
            (state, _) => {
                self.state = state;
                self.error(ErrorCode::NotAllowed, "not now: log in first");
            }
        }
    }

    fn listen_online(&mut self, online: Online, message: ClientMessage, ctx: &mut Context<Self>) {
        match message {
            ClientMessage::Ping => self.send(&ServerMessage::Pong),
            ClientMessage::Pong => {}
            ClientMessage::LogOut => {
                self.shared.accounts.tell(accounts::RevokeToken(online.token));
                self.shared.calls.tell(calls::Leave(self.id));
                return self.goodbye(GoodbyeReason::LoggedOut);
            }
            ClientMessage::Invite | ClientMessage::ListInvites | ClientMessage::RevokeInvite { .. }
                if online.guest =>
            {
                self.error(ErrorCode::NotAllowed, "guests do not invite");
            }
            ClientMessage::Invite => {
                let inviter = online.user.clone();
                return self.ask(accounts::Invite { inviter }, ctx, move |this, answer| {
                    this.invited(answer, online);
                });
            }
            ClientMessage::ListInvites => {
                let inviter = online.user.clone();
                return self.ask(accounts::ListInvites { inviter }, ctx, move |this, answer| {
                    this.go_on(online);
                    match answer {
                        Ok(invites) => this.send(&ServerMessage::Invites { invites }),
                        Err(refusal) => this.say(refusal),
                    }
                });
            }
            ClientMessage::RevokeInvite { invite } => {
                let inviter = online.user.clone();
                let revoke = accounts::RevokeInvite { inviter, invite };
                return self.ask(revoke, ctx, move |this, answer| {
                    this.invite_revoked(answer, online);
                });
            }
            ClientMessage::GetIceServers => {
                let (servers, ttl_s) = self.shared.ice_servers.hand_out(&online.user, SystemTime::now());
                self.send(&ServerMessage::IceServers { servers, ttl_s });
            }
            ClientMessage::Call { .. }
            | ClientMessage::Accept { .. }
            | ClientMessage::Decline { .. }
            | ClientMessage::Cancel { .. }
            | ClientMessage::HangUp { .. }
            | ClientMessage::Reclaim { .. }
            | ClientMessage::Description { .. }
            | ClientMessage::Candidate { .. } => {
                let turn = self.turns.take();
                self.shared.calls.tell(calls::Said {
                    session: self.id,
                    message,
                    turn,
                });
            }
            ClientMessage::Hello { .. }
            | ClientMessage::RegisterStart { .. }
            | ClientMessage::RegisterFinish { .. }
            | ClientMessage::LoginStart { .. }
            | ClientMessage::LoginFinish { .. }
            | ClientMessage::Resume { .. }
            | ClientMessage::LookUpInvite { .. }
            | ClientMessage::Join { .. } => self.error(ErrorCode::NotAllowed, "you are logged in"),
        }
        self.go_on(online);
    }

    fn go_on(&mut self, online: Online) {
        if !matches!(self.state, State::Leaving) {
            self.state = State::Online(online);
        }
    }

    /// Whoever cannot speak the language before login is no client of ours.
    fn misunderstood(&mut self, error: &serde_json::Error) {
        self.error(ErrorCode::BadMessage, &error.to_string());
        if !matches!(self.state, State::Online(_)) {
            self.close(framing::close_code::POLICY_VIOLATION);
        }
    }

    fn greet(&mut self, version: u32, client: &str) {
        if version != VERSION {
            let why = format!("version {VERSION} is spoken here");
            self.error(ErrorCode::UnsupportedVersion, &why);
            return self.close(framing::close_code::POLICY_VIOLATION);
        }
        let client: String = client.chars().take(CLIENT_NAME_CHARACTERS).collect();
        tracing::debug!(session = self.id.0, ?client, "hello");
        self.state = State::Greeted;
        self.send(&ServerMessage::Welcome {
            version: VERSION,
            server: SERVER.to_owned(),
            heartbeat_ms: self.settings().heartbeat_interval_ms,
        });
    }

    /// Asks the account store; nothing more is read until `then` has set the next state.
    fn ask<M, T>(
        &mut self,
        question: M,
        ctx: &mut Context<Self>,
        then: impl FnOnce(&mut Self, Result<T, Refusal>) + 'static,
    ) where
        M: Mail<Result = Result<T, Refusal>>,
        T: Send + 'static,
        Accounts: Handler<M>,
    {
        let accounts = self.shared.accounts.clone();
        let answer = async move { accounts.ask(question).await }
            .into_actor(self)
            .map(|answer, this, _| {
                if matches!(this.state, State::Leaving) {
                    return; // too slow, or the server goes down
                }
                let answer =
                    answer.unwrap_or_else(|Lost| Err(Refusal::new(ErrorCode::Internal, "the server failed")));
                then(this, answer);
                this.wake();
            });
        ctx.spawn(answer);
    }

    fn registration_begun(&mut self, begun: Result<Begun<UserName>, Refusal>) {
        match begun {
            Ok(Begun { pending, response }) => {
                self.state = State::Registering(pending);
                self.send(&ServerMessage::RegisterResponse { response });
            }
            Err(refusal) => self.refuse(refusal),
        }
    }

    fn registered(&mut self, user: Result<UserName, Refusal>) {
        match user {
            Ok(user) => {
                self.progressed();
                self.send(&ServerMessage::Registered {
                    user: user.to_string(),
                });
                self.shared.calls.tell(calls::AddUser(user));
            }
            Err(refusal) => self.refuse(refusal),
        }
    }

    fn login_begun(&mut self, begun: Result<Begun<Box<super::PendingLogin>>, Refusal>) {
        match begun {
            Ok(Begun { pending, response }) => {
                self.state = State::LoggingIn(pending);
                self.send(&ServerMessage::LoginResponse { response });
            }
            Err(refusal) => self.refuse(refusal),
        }
    }

    fn look_up(&mut self, invite: String, ctx: &mut Context<Self>) {
        let address = self.address;
        self.ask(
            accounts::LookUpInvite { address, invite },
            ctx,
            Self::invite_found,
        );
    }

    fn join(&mut self, invite: String, name: String, ctx: &mut Context<Self>) {
        let address = self.address;
        let join = accounts::Join {
            address,
            invite,
            name,
        };
        let entry = Entry::Login { take_over: false };
        self.ask(join, ctx, move |this, who| this.authenticated(who, entry));
    }

    fn invite_found(&mut self, found: Result<Invitation, Refusal>) {
        match found {
            Ok(Invitation {
                inviter,
                expires_in_s,
                ..
            }) => {
                self.progressed();
                self.send(&ServerMessage::Invitation {
                    inviter: inviter.to_string(),
                    expires_in_s,
                });
            }
            Err(refusal) => self.refuse(refusal),
        }
    }

    fn invited(&mut self, invited: Result<Invitation, Refusal>, online: Online) {
        self.go_on(online);
        match invited {
            Ok(Invitation {
                name,
                invite,
                expires_in_s,
                ..
            }) => {
                let url = format!("{}/join/{invite}", self.public_url());
                self.send(&ServerMessage::Invited {
                    invite: name,
                    url,
                    expires_in_s,
                });
            }
            Err(refusal) => self.say(refusal),
        }
    }

    fn invite_revoked(&mut self, revoked: Result<String, Refusal>, online: Online) {
        self.go_on(online);
        match revoked {
            Ok(invite) => self.send(&ServerMessage::InviteRevoked { invite }),
            Err(refusal) => self.say(refusal),
        }
    }

    /// Where browsers find this server: as configured, else as this client found it.
    fn public_url(&self) -> String {
        match (self.settings().public_url.as_str(), &self.host) {
            ("", Some(host)) => format!("https://{host}"),
            ("", None) => format!("https://{}", self.settings().listen),
            (url, _) => url.trim_end_matches('/').to_owned(),
        }
    }

    fn authenticated(&mut self, who: Result<Authenticated, Refusal>, entry: Entry) {
        match who {
            Ok(Authenticated { user, token, host }) => {
                let guest = host.is_some();
                self.state = State::Entering { token, guest };
                self.shared.calls.tell(calls::Enter {
                    session: self.id,
                    user,
                    entry,
                    host,
                });
            }
            Err(refusal) => self.refuse(refusal),
        }
    }

    /// The registry let the session in.
    pub(super) fn admitted(&mut self, user: &UserName, users: Vec<UserPresence>, call: Option<OngoingCall>) {
        let State::Entering { token, guest } = std::mem::replace(&mut self.state, State::Leaving) else {
            return; // it is leaving already: its end is reported as any other
        };
        self.shared.accounts.tell(accounts::KeepOnlyToken(token.clone()));
        self.state = State::Online(Online {
            user: user.clone(),
            token: token.clone(),
            guest,
        });
        self.deadline = None;
        self.heard = Instant::now();
        let limit = self.settings().frame_bytes;
        self.socket.set_limit(limit);
        self.send(&ServerMessage::LoggedIn {
            user: user.to_string(),
            token,
            users,
            call,
        });
    }

    /// The registry did not let it in: the user has another session.
    pub(super) fn refused(&mut self) {
        if let State::Entering { token, .. } = std::mem::replace(&mut self.state, State::Leaving) {
            self.shared.accounts.tell(accounts::RevokeToken(token));
            self.progressed();
            self.error(
                ErrorCode::AlreadyLoggedIn,
                "logged in elsewhere: log in again with take_over",
            );
        }
    }

    /// A step is done; the time limit starts anew.
    fn progressed(&mut self) {
        self.state = State::Greeted;
        self.deadline = Some(Instant::now() + self.settings().login_timeout());
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.state = State::Greeted;
        self.say(refusal);
    }

    fn say(&mut self, refusal: Refusal) {
        let retry_after_ms = refusal.retry_after.map(|wait| wait.as_millis() as u64 + 1);
        let Refusal { code, message, .. } = refusal;
        self.send(&ServerMessage::Error {
            code,
            message,
            call: None,
            retry_after_ms,
        });
    }
}
