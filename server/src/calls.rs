//! The call registry: drives the [`Switchboard`], which decides everything about presence and calls.
//!
//! Sessions tell it who entered, what they said and that they left; the directory tells it whose connection was
//! lost. What the switchboard wants done goes to the directory, in order.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use actix::{Actor, ActorFutureExt, Context, ContextFutureSpawner, Handler, WrapFuture};
use roomrtc_kit::config::Server as Settings;
use roomrtc_kit::deadline::{Deadline, Timed, now};
use roomrtc_kit::{Addr, Keep, mail};
use roomrtc_protocol::signaling::UserName;
use roomrtc_protocol::signaling::messages::{CallId, ClientMessage};
use roomrtc_protocol::signaling::switchboard::{self, Entry, SessionId, Switchboard};

use crate::accounts::{Accounts, AllUsers};
use crate::directory::{self, Directory};
use crate::session::Turn;

/// A session proved who it is and wants to come in.
pub(crate) struct Enter {
    pub(crate) session: SessionId,
    pub(crate) user: UserName,
    pub(crate) entry: Entry,
    /// Of a guest: who invited it.
    pub(crate) host: Option<UserName>,
}

/// A session that is in said something about calls.
pub(crate) struct Said {
    pub(crate) session: SessionId,
    pub(crate) message: ClientMessage,
    /// Given back when the message has been handled.
    pub(crate) turn: Turn,
}

/// A session's user logged out.
pub(crate) struct Leave(pub(crate) SessionId);

/// A session ended in any other way.
pub(crate) struct Lose(pub(crate) SessionId);

/// Somebody registered.
pub(crate) struct AddUser(pub(crate) UserName);

mail! { Enter; Said; Leave; Lose; AddUser; }

/// Leaves room for two million calls a second between two starts of the server, within the integers that JavaScript
/// can hold (2^53) until the year 2109.
const CALLS_PER_MILLISECOND: u64 = 1 << 11;

/// The actor.
pub(crate) struct CallRegistry {
    switchboard: Switchboard,
    accounts: Addr<Accounts>,
    directory: Addr<Directory>,
    /// An earlier life knew sessions which this one does not.
    lived: Keep<()>,
    deadline: Deadline,
}

impl CallRegistry {
    pub(crate) fn new(
        settings: &Settings,
        accounts: Addr<Accounts>,
        directory: Addr<Directory>,
        lived: Keep<()>,
    ) -> Self {
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let settings = switchboard::Settings {
            ring_timeout: settings.ring_timeout(),
            resume_grace: settings.resume_grace(),
            rejoin: settings.rejoin_timeout(),
            first_call: CallId(began.as_millis() as u64 * CALLS_PER_MILLISECOND),
        };
        CallRegistry {
            switchboard: Switchboard::new(settings),
            accounts,
            directory,
            lived,
            deadline: Deadline::default(),
        }
    }

    /// Carries out what the switchboard wants, then sets the one timer.
    fn drive(&mut self, ctx: &mut Context<Self>) {
        let outputs: Vec<_> = std::iter::from_fn(|| self.switchboard.poll_output()).collect();
        if !outputs.is_empty() {
            self.directory.tell(directory::Carry(outputs));
        }
        let due = self.switchboard.next_timeout();
        self.deadline.arm(due, ctx);
    }
}

impl Timed for CallRegistry {
    fn deadline(&mut self) -> &mut Deadline {
        &mut self.deadline
    }

    fn due(&mut self, now: Instant, ctx: &mut Self::Context) {
        self.switchboard.handle_timeout(now);
        self.drive(ctx);
    }
}

impl Actor for CallRegistry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.lived.get().is_some() {
            // Clients whose connection is cut come back and resume; this life then knows them.
            self.directory.tell(directory::CutAll);
        }
        self.lived.put(());
        // Nobody is served before everybody is known.
        let accounts = self.accounts.clone();
        async move { accounts.ask(AllUsers).await }
            .into_actor(self)
            .map(|users, this, ctx| {
                users
                    .unwrap_or_default()
                    .into_iter()
                    .for_each(|user| this.switchboard.add_user(user));
                this.drive(ctx);
            })
            .wait(ctx);
    }
}

impl Handler<Enter> for CallRegistry {
    type Result = ();

    fn handle(&mut self, msg: Enter, ctx: &mut Self::Context) {
        if let Some(host) = msg.host {
            self.switchboard.add_guest(&msg.user, host);
        }
        self.switchboard.handle_entry(msg.session, &msg.user, msg.entry);
        self.drive(ctx);
    }
}

impl Handler<Said> for CallRegistry {
    type Result = ();

    fn handle(&mut self, msg: Said, ctx: &mut Self::Context) {
        self.switchboard.handle_message(now(), msg.session, msg.message);
        self.drive(ctx);
        drop(msg.turn);
    }
}

impl Handler<Leave> for CallRegistry {
    type Result = ();

    fn handle(&mut self, Leave(session): Leave, ctx: &mut Self::Context) {
        self.switchboard.handle_leave(session);
        self.drive(ctx);
    }
}

impl Handler<Lose> for CallRegistry {
    type Result = ();

    fn handle(&mut self, Lose(session): Lose, ctx: &mut Self::Context) {
        self.switchboard.handle_loss(now(), session);
        self.drive(ctx);
    }
}

impl Handler<AddUser> for CallRegistry {
    type Result = ();

    fn handle(&mut self, AddUser(user): AddUser, ctx: &mut Self::Context) {
        self.switchboard.add_user(user);
        self.drive(ctx);
    }
}
