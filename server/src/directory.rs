//! The directory: who is there, and the way to every session.
//!
//! The listener attaches each connection; the call registry hands over what to tell whom; the end of a session's
//! life is reported here and passed on. Every change of presence reaches every logged-in client: at once, and under
//! a storm of changes gathered, so that telling everybody never takes the whole machine.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler};
use bytes::Bytes;
use roomrtc_kit::{Addr, Port, Reason, mail};
use roomrtc_protocol::signaling::messages::{GoodbyeReason, Presence, ServerMessage, UserPresence};
use roomrtc_protocol::signaling::switchboard::{Output, SessionId};
use roomrtc_protocol::signaling::{UserName, framing};

use crate::calls::{self, CallRegistry};
use crate::session::Deliver;

/// A connection was made.
pub(crate) struct Attach {
    pub(crate) session: SessionId,
    pub(crate) to: Port<Deliver>,
}

/// A session's life ended, for whatever reason.
pub(crate) struct SessionEnded {
    pub(crate) session: SessionId,
    pub(crate) reason: Reason,
}

/// What the switchboard wants done.
pub(crate) struct Carry(pub(crate) Vec<Output>);

/// Say goodbye to everybody.
pub(crate) struct SayGoodbye(pub(crate) GoodbyeReason);

/// Cut every connection: what was known of them is lost, and the clients shall come back and resume.
pub(crate) struct CutAll;

mail! { Attach; SessionEnded; Carry; SayGoodbye; CutAll; }

/// Telling one listener of changes costs less than this. After a round the next one waits that long a listener,
/// which leaves more than half of a core for everything else.
const COST_OF_A_LISTENER: Duration = Duration::from_micros(25);

/// What the directory knows. It outlives the directory's lives, so that a crash disturbs nobody.
#[derive(Clone, Default)]
pub(crate) struct Roster(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    routes: HashMap<SessionId, Route>,
    presence: BTreeMap<UserName, Presence>,
    /// Guests who are there, each with its host, and no one else's business.
    guests: BTreeMap<UserName, (UserName, Presence)>,
}

struct Route {
    to: Port<Deliver>,
    /// Once it is logged in.
    user: Option<UserName>,
    /// Of a guest: the only one it may see.
    host: Option<UserName>,
}

impl Roster {
    /// Each use is one insertion, removal or look-up, so a panic leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The actor.
pub(crate) struct Directory {
    calls: Addr<CallRegistry>,
    roster: Roster,
    /// What changed since everybody was told last.
    changes: BTreeMap<UserName, Presence>,
    next_round: Instant,
    round_due: bool,
}

impl Directory {
    pub(crate) fn new(calls: Addr<CallRegistry>, roster: Roster) -> Self {
        // A later life tells everybody everything once: what was to be told may have been lost.
        let changes = roster.lock().presence.clone();
        Directory {
            calls,
            roster,
            changes,
            next_round: Instant::now(),
            round_due: false,
        }
    }

    fn deliver(&self, session: SessionId, what: Deliver) {
        if let Some(route) = self.roster.lock().routes.get(&session) {
            route.to.tell(what);
        }
    }

    fn carry(&mut self, output: Output) {
        match output {
            Output::Admitted {
                session,
                user,
                call,
                host,
            } => {
                let users = self.visible_to(&user, host.as_ref());
                if let Some(route) = self.roster.lock().routes.get_mut(&session) {
                    route.user = Some(user.clone());
                    route.host = host;
                }
                self.deliver(session, Deliver::Admitted { user, users, call });
            }
            Output::Refused { session } => self.deliver(session, Deliver::Refused),
            Output::Send { session, message } => self.deliver(session, Deliver::Frame(encode(&message))),
            Output::Expelled { session, reason } => {
                if let Some(route) = self.roster.lock().routes.get_mut(&session) {
                    route.user = None;
                    route.host = None;
                }
                self.deliver(session, Deliver::Goodbye(reason));
            }
            Output::Presence {
                user,
                presence,
                host: None,
            } => {
                self.roster.lock().presence.insert(user.clone(), presence);
                self.changes.insert(user, presence);
            }
            Output::Presence {
                user,
                presence,
                host: Some(host),
            } => self.guest_changed(user, presence, host),
        }
    }

    /// Only its host hears of a guest; one who is gone is forgotten.
    fn guest_changed(&self, guest: UserName, presence: Presence, host: UserName) {
        let mut known = self.roster.lock();
        let frame = encode(&ServerMessage::PresenceChanged {
            user: guest.to_string(),
            presence,
        });
        for route in known.routes.values() {
            if route.user.as_ref() == Some(&host) {
                route.to.tell(Deliver::Frame(frame.clone()));
            }
        }
        match presence {
            Presence::Offline => known.guests.remove(&guest),
            Presence::Available | Presence::Busy => known.guests.insert(guest, (host, presence)),
        };
    }

    /// Everybody else and one's own guests; for a guest only its host.
    fn visible_to(&self, me: &UserName, host: Option<&UserName>) -> Vec<UserPresence> {
        let known = self.roster.lock();
        let others = known
            .presence
            .iter()
            .filter(|(user, _)| host.map_or(*user != me, |host| *user == host));
        let guests = known.guests.iter().filter(|(_, (host, _))| host == me);
        let guests = guests.map(|(guest, (_, presence))| (guest, presence));
        others
            .chain(guests)
            .map(|(user, &presence)| UserPresence {
                user: user.to_string(),
                presence,
            })
            .collect()
    }

    /// Tells everybody what changed, now or when the last round is long enough ago.
    fn arrange_round(&mut self, ctx: &mut Context<Self>) {
        if self.changes.is_empty() || self.round_due {
            return;
        }
        let wait = self.next_round.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return self.tell_everybody();
        }
        self.round_due = true;
        ctx.run_later(wait, |this, _| {
            this.round_due = false;
            this.tell_everybody();
        });
    }

    fn tell_everybody(&mut self) {
        let changes: Vec<(UserName, Bytes)> = std::mem::take(&mut self.changes)
            .into_iter()
            .map(|(name, presence)| {
                let message = ServerMessage::PresenceChanged {
                    user: name.to_string(),
                    presence,
                };
                (name, encode(&message))
            })
            .collect();
        let all: Arc<[Bytes]> = changes.iter().map(|(_, frame)| frame.clone()).collect();
        let known = self.roster.lock();
        let listeners = known
            .routes
            .values()
            .filter_map(|route| Some((route.user.as_ref()?, route.host.as_ref(), &route.to)));
        let mut count = 0;
        for (user, host, to) in listeners {
            count += 1;
            if let Some(host) = host {
                if let Ok(one) = changes.binary_search_by(|(name, _)| name.cmp(host)) {
                    to.tell(Deliver::Frame(changes[one].1.clone()));
                }
                continue;
            }
            // Nobody is told of himself.
            let frames = match changes.binary_search_by(|(name, _)| name.cmp(user)) {
                Ok(_) if changes.len() == 1 => continue,
                Ok(own) => changes[..own]
                    .iter()
                    .chain(&changes[own + 1..])
                    .map(|(_, f)| f.clone())
                    .collect(),
                Err(_) => all.clone(),
            };
            to.tell(Deliver::Frames(frames));
        }
        drop(known);
        self.next_round = Instant::now() + COST_OF_A_LISTENER * count;
    }
}

/// A message as it goes over the wire.
pub(crate) fn encode(message: &ServerMessage) -> Bytes {
    let json = serde_json::to_string(message).expect("the vocabulary has nothing that JSON has not");
    framing::text(&json)
}

impl Actor for Directory {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.arrange_round(ctx);
    }
}

impl Handler<Attach> for Directory {
    type Result = ();

    fn handle(&mut self, msg: Attach, _: &mut Self::Context) {
        self.roster.lock().routes.insert(
            msg.session,
            Route {
                to: msg.to,
                user: None,
                host: None,
            },
        );
    }
}

impl Handler<Carry> for Directory {
    type Result = ();

    fn handle(&mut self, Carry(outputs): Carry, ctx: &mut Self::Context) {
        outputs.into_iter().for_each(|output| self.carry(output));
        self.arrange_round(ctx);
    }
}

impl Handler<SessionEnded> for Directory {
    type Result = ();

    fn handle(&mut self, SessionEnded { session, reason }: SessionEnded, _: &mut Self::Context) {
        if reason.abnormal() {
            tracing::warn!(session = session.0, %reason, "a session failed");
        }
        let route = self.roster.lock().routes.remove(&session);
        if route.is_some_and(|route| route.user.is_some()) {
            self.calls.tell(calls::Lose(session));
        }
    }
}

impl Handler<SayGoodbye> for Directory {
    type Result = ();

    fn handle(&mut self, SayGoodbye(reason): SayGoodbye, _: &mut Self::Context) {
        self.roster
            .lock()
            .routes
            .values()
            .for_each(|route| route.to.tell(Deliver::Goodbye(reason)));
    }
}

impl Handler<CutAll> for Directory {
    type Result = ();

    fn handle(&mut self, _: CutAll, ctx: &mut Self::Context) {
        // Whoever was there is not, as far as the new registry knows.
        let mut known = self.roster.lock();
        for (user, presence) in &mut known.presence {
            *presence = Presence::Offline;
            self.changes.insert(user.clone(), Presence::Offline);
        }
        known.guests.clear();
        known
            .routes
            .values()
            .for_each(|route| route.to.tell(Deliver::Cut));
        drop(known);
        self.arrange_round(ctx);
    }
}
