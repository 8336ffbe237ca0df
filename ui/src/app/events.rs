//! What the client says, and what follows from it.

use std::time::Instant;

use iced::{Task, clipboard, window};
use roomrtc_actors::ui_bridge::{CallEnd, CallEvent, Command, ConnectionState, Event, FileEvent};
use roomrtc_protocol::signaling::UserName;
use roomrtc_protocol::signaling::messages::{EndReason, GoodbyeReason, Presence, UserPresence};

use super::{App, Message, Overlay, Screen};
use crate::overlay::incoming::{self, Incoming};
use crate::recent::{What, unix_now};
use crate::screen::call::Call;
use crate::screen::login::{self, Login};
use crate::screen::outgoing::Outgoing;
use crate::theme::Tone;
use crate::{notification, words};

impl App {
    pub(super) fn hear(&mut self, event: Option<Event>) -> Task<Message> {
        let Some(event) = event else {
            // the client has ended; so does the window
            return iced::exit();
        };
        let now = Instant::now();
        self.now = now;
        if let Screen::Login(login) = &mut self.screen
            && let login::Action::Send(command) = login.hear(&event)
        {
            self.bridge.send(command);
        }
        match event {
            Event::Connection(state) => self.session.connection = state,
            Event::UnknownServer { .. } | Event::ServerChanged { .. } => self.ask_about_server(&event),
            Event::Registered { .. } => {}
            Event::LoggedIn { user, resumed } => self.logged_in(user, resumed, now),
            Event::LoggedOut { reason } => self.logged_out(reason),
            Event::Users(users) => self.users(users),
            Event::Invited {
                invite,
                url,
                expires_in,
            } => {
                self.links.made(invite, url.clone());
                self.bridge.send(Command::ListInvites);
                self.toasts.say(Tone::Good, words::invited(expires_in), now);
                return clipboard::write(url);
            }
            Event::Invites(open) => self.links.replace(open, unix_now()),
            Event::InviteRevoked { .. } => {
                self.bridge.send(Command::ListInvites);
                self.toasts.say(Tone::Good, words::REVOKED, now);
            }
            Event::Refused { code, retry_after } => {
                if !matches!(self.screen, Screen::Login(_)) {
                    self.toasts
                        .say(Tone::Warning, words::refused(code, retry_after), now);
                }
            }
            Event::Call(event) => return self.hear_call(event, now),
            Event::File(event) => self.hear_file(&event, now),
            // The window has no channels of its own; what a peer says on one of its is not for people.
            Event::Data(_) => {}
            Event::Notice(notice) => {
                if let Screen::Call(call) = &mut self.screen {
                    call.note(&notice);
                }
                self.toasts.say(Tone::Warning, words::notice(&notice), now);
            }
            Event::Restarted { actor, reason, .. } => {
                tracing::info!(actor, reason, "a part of the client was restarted");
                let words = format!("A part of the client ({actor}) failed and was restarted.");
                self.toasts.say(Tone::Warning, words, now);
            }
        }
        Task::none()
    }

    /// A question about the certificate outside of the login: back there, where it can be answered.
    fn ask_about_server(&mut self, event: &Event) {
        if matches!(self.screen, Screen::Login(_) | Screen::Call(_)) {
            return;
        }
        let mut login = Login::new(self.session.server.clone(), self.session.user.clone());
        login.hear(event);
        self.show_login(login);
    }

    fn show_login(&mut self, login: Login) {
        self.incoming = None;
        self.ring.stop();
        self.session.users.clear();
        self.links.forget();
        self.screen = Screen::Login(Box::new(login));
    }

    fn logged_in(&mut self, user: String, resumed: bool, now: Instant) {
        self.session.user.clone_from(&user);
        self.bridge.actors.hide(&user);
        self.session.connection = ConnectionState::Connected;
        self.bridge.send(Command::ListInvites);
        if let Screen::Login(login) = &self.screen {
            self.session.server = login.server().to_owned();
            self.saved.server.clone_from(&self.session.server);
            self.saved.user = user;
            self.keep();
            self.screen = Screen::Lobby;
        } else if resumed {
            self.toasts.say(Tone::Good, "Back online.", now);
        }
    }

    fn logged_out(&mut self, reason: GoodbyeReason) {
        let connected = self.session.is_online() && reason == GoodbyeReason::LoggedOut;
        let login = Login::after(
            self.session.server.clone(),
            self.session.user.clone(),
            connected,
            words::goodbye(reason),
        );
        self.show_login(login);
    }

    fn users(&mut self, users: Vec<UserPresence>) {
        self.session.set_users(users);
        // an errand's call, as soon as it can be made
        let callee = self.errand.as_ref().and_then(|errand| errand.call.clone());
        if let Some(user) = callee
            && matches!(self.screen, Screen::Lobby)
            && self.session.presence(&user) == Presence::Available
        {
            self.errand = None;
            self.bridge.send(Command::Call { user });
        }
    }

    fn hear_call(&mut self, event: CallEvent, now: Instant) -> Task<Message> {
        match &event {
            CallEvent::Outgoing { user } | CallEvent::Ringing { user } => {
                self.screen = Screen::Outgoing(Outgoing {
                    user: user.clone(),
                    ringing: matches!(event, CallEvent::Ringing { .. }),
                });
            }
            CallEvent::Incoming { user } => {
                // Perhaps by a link, which is used up then.
                if UserName::is_guest(user) {
                    self.bridge.send(Command::ListInvites);
                }
                return self.rings(user);
            }
            CallEvent::Connecting { user } => self.start_call(user),
            CallEvent::Connected { user, .. } => {
                if !matches!(self.screen, Screen::Call(_)) {
                    self.start_call(user);
                }
                self.tell_call(&event, now);
            }
            // The call's own screen follows as soon as the session is open.
            CallEvent::Rejoining { .. } => {}
            CallEvent::Reconnecting
            | CallEvent::Resumed
            | CallEvent::PeerAway { .. }
            | CallEvent::PeerBack { .. }
            | CallEvent::PeerMedia { .. }
            | CallEvent::Hold { .. }
            | CallEvent::Screen { .. } => {
                self.tell_call(&event, now);
            }
            CallEvent::Ended { user, reason } => return self.call_ended(user, reason, now),
        }
        Task::none()
    }

    fn tell_call(&mut self, event: &CallEvent, now: Instant) {
        if let Screen::Call(call) = &mut self.screen {
            call.hear(event, now);
        }
    }

    fn start_call(&mut self, user: &str) {
        let incoming = self.incoming.take().is_some();
        self.ring.stop();
        if !matches!(self.overlay, Some(Overlay::Actors(_))) {
            self.overlay = None;
        }
        // the call has taken the camera over
        self.previewing = false;
        self.screen = Screen::Call(Box::new(Call::new(user.to_owned(), incoming)));
    }

    fn rings(&mut self, user: &str) -> Task<Message> {
        self.incoming = Some(Incoming {
            user: user.to_owned(),
        });
        self.ring.start();
        if self.notify {
            notification::incoming_call(user);
        }
        let attention = self.attention(Some(window::UserAttention::Critical));
        // an errand's answer, given once
        let Some(after) = self.errand.as_mut().and_then(|errand| errand.answer_after.take()) else {
            return attention;
        };
        let answer = Task::future(async move {
            tokio::time::sleep(after).await;
            Message::Incoming(incoming::Message::Accept)
        });
        Task::batch([attention, answer])
    }

    fn attention(&self, attention: Option<window::UserAttention>) -> Task<Message> {
        match self.window {
            Some(id) => window::request_user_attention(id, attention),
            None => Task::none(),
        }
    }

    fn call_ended(&mut self, user: &str, reason: &CallEnd, now: Instant) -> Task<Message> {
        self.ring.stop();
        self.bridge.actors.call_over();
        let missed = self.incoming.take().is_some();
        let answered = match &self.screen {
            Screen::Call(call) => Some((call.is_incoming(), call.length(now).unwrap_or_default())),
            Screen::Login(_) | Screen::Lobby | Screen::Settings(_) | Screen::Outgoing(_) => None,
        };
        let what = match (answered, missed, &self.screen) {
            (Some((true, length)), ..) => Some(What::Incoming {
                seconds: length.as_secs(),
            }),
            (Some((false, length)), ..) => Some(What::Outgoing {
                seconds: Some(length.as_secs()),
            }),
            (None, true, _) => Some(What::Missed),
            (None, false, Screen::Outgoing(_)) => Some(What::Outgoing { seconds: None }),
            (None, false, _) => None,
        };
        if let Some(what) = what {
            self.remember(user.to_owned(), what);
        }
        self.say_end(user, reason, missed, now);
        if !matches!(self.screen, Screen::Login(_) | Screen::Settings(_)) {
            self.lobby.select(user);
            self.screen = Screen::Lobby;
        }
        self.attention(None)
    }

    fn say_end(&mut self, user: &str, reason: &CallEnd, missed: bool, now: Instant) {
        let tone = match reason {
            CallEnd::Signaled(EndReason::HungUp | EndReason::Cancelled | EndReason::Declined) => {
                Tone::Neutral
            }
            CallEnd::WrongFingerprint | CallEnd::Broken { .. } => Tone::Bad,
            CallEnd::Signaled(_)
            | CallEnd::Refused(_)
            | CallEnd::NoPath
            | CallEnd::HandshakeFailed
            | CallEnd::NothingInCommon => Tone::Warning,
        };
        if missed {
            self.toasts
                .say(Tone::Neutral, format!("You missed a call from {user}."), now);
        } else if let Some(words) = words::call_end(user, reason) {
            self.toasts.say(tone, words, now);
        }
    }

    fn hear_file(&mut self, event: &FileEvent, now: Instant) {
        let Screen::Call(call) = &mut self.screen else {
            return;
        };
        let Some(file) = call.hear_file(event, now) else {
            return;
        };
        let (name, size) = (file.name, file.size);
        let what = if file.incoming {
            What::Received { name, size }
        } else {
            What::Sent { name, size }
        };
        let peer = call.peer().to_owned();
        self.remember(peer, what);
    }
}
