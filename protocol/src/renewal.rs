//! When there is something to offer in a running call, for its transport or for what goes over it: a plain value that
//! hears what was lost, found and changed, and says when to offer what. No actor, no clock.
//!
//! A transport has a path (ICE) and keys (DTLS, with SRTP and SCTP on it). What is lost is renegotiated with the peer:
//! the path alone by an ICE restart (RFC 8445 §9), the keys by a new certificate with everything below it
//! (RFC 8842 §5). It is tried again, less and less often, until the time is over. An offer that is not answered is
//! repeated word for word, so that an answer always belongs to the only offer there is. When both offer at once, the
//! callee gives way (perfect negotiation, W3C WebRTC §10.7).

pub mod recorded;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How much of the transport is made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Depth {
    /// Nothing: what is sent over it changes.
    Nothing,
    /// Another path for the same keys.
    Path,
    /// Other keys too, on another path.
    Keys,
}

/// What happens to the transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Nothing has come over the path for a while.
    PathSilent,
    /// There is no path.
    PathLost,
    /// The path works.
    PathFound,
    /// The keys, or what they protected, are lost.
    KeysLost,
    /// The peer has closed its side, most likely because the call is over, which somebody else will tell.
    KeysClosed,
    /// There are keys.
    KeysReady,
    /// We want to send or receive something else.
    Changed,
    /// The peer's answer to our offer; whether new keys must be agreed on.
    Answered {
        /// Whether they are.
        new_keys: bool,
    },
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Send the peer an offer.
    Offer(Depth),
    /// Send it once more: its receiver may have died before it could answer.
    Repeat,
    /// The call is interrupted.
    Interrupted,
    /// It goes on.
    Resumed,
    /// It cannot be mended.
    GiveUp,
}

/// Times.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Patience {
    /// From the silence of the path to the search for another.
    pub silence: Duration,
    /// From the first loss to the end of the call.
    pub total: Duration,
}

/// What the peer's close of its side usually precedes: the news that the call is over.
const CLOSE_GRACE: Duration = Duration::from_secs(1);
/// From an offer to the next, if the first leads to nothing; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(3);
const LONGEST_PAUSE: Duration = Duration::from_secs(12);
/// Before what was just renewed and is lost again is renewed once more; one more each time.
const FLAP_PAUSE: Duration = Duration::from_secs(1);
/// The callee waits this much longer, so that two who miss the path together seldom offer together.
const COURTESY: Duration = Duration::from_millis(300);
/// A transport that held for so long was mended, and its next loss is another one.
const HELD: Duration = Duration::from_secs(1);

/// The state of the transport.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Renewal {
    patience: Patience,
    /// Whether we give way when both offer.
    polite: bool,
    path: bool,
    keys: bool,
    /// The peer has closed its side; when to believe that it did not mean the call.
    #[serde(with = "crate::recording::moment")]
    closed: Option<Instant>,
    /// Since when something is missing.
    #[serde(with = "crate::recording::moment")]
    broken: Option<Instant>,
    /// Our offer, while it has no answer.
    offered: Option<Depth>,
    /// Whether it tells of a change in what we send or receive.
    carries: bool,
    /// Whether such a change waits to be offered.
    changed: bool,
    /// When to offer (again).
    #[serde(with = "crate::recording::moment")]
    next: Option<Instant>,
    /// Offers since the transport was last whole for long.
    attempts: u32,
    #[serde(with = "crate::recording::moment")]
    whole_since: Option<Instant>,
}

impl Renewal {
    /// A transport that has been settled for the first time and is whole as far as anybody knows.
    pub fn new(patience: Patience, polite: bool) -> Self {
        Renewal {
            patience,
            polite,
            path: true,
            keys: true,
            closed: None,
            broken: None,
            offered: None,
            carries: false,
            changed: false,
            next: None,
            attempts: 0,
            whole_since: None,
        }
    }

    /// Takes what happened.
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Output> {
        let mut outputs = self.take(now, input);
        outputs.extend(self.offer_change(now));
        outputs
    }

    fn take(&mut self, now: Instant, input: Input) -> Vec<Output> {
        match input {
            Input::PathSilent => {
                self.path = false;
                let courtesy = if self.polite { COURTESY } else { Duration::ZERO };
                self.broke(now, self.patience.silence + courtesy)
            }
            Input::PathLost => {
                self.path = false;
                self.broke(now, Duration::ZERO)
            }
            Input::KeysLost => {
                self.keys = false;
                self.broke(now, Duration::ZERO)
            }
            Input::KeysClosed => {
                self.closed = Some(now + CLOSE_GRACE);
                Vec::new()
            }
            Input::PathFound => {
                self.path = true;
                self.mended(now)
            }
            Input::KeysReady => {
                self.keys = true;
                self.closed = None;
                self.mended(now)
            }
            Input::Changed => {
                self.changed = true;
                Vec::new()
            }
            Input::Answered { new_keys } => {
                self.settled(now, new_keys);
                self.mended(now)
            }
        }
    }

    /// The peer offers; whether new keys must be agreed on. `None`: ours stands, for the peer gives way.
    pub fn offered(&mut self, now: Instant, new_keys: bool) -> Option<Vec<Output>> {
        if self.offered.is_some() && !self.polite {
            return None;
        }
        // What ours was to tell is told by another.
        self.changed |= self.offered.is_some() && self.carries;
        // Whatever was to be asked for may come by the peer's offer.
        self.closed = None;
        self.next = self.broken.map(|_| now + self.pause());
        self.settled(now, new_keys);
        let mut outputs = match new_keys {
            true => self.broke(now, self.pause()),
            false => Vec::new(),
        };
        outputs.extend(self.offer_change(now));
        Some(outputs)
    }

    /// Offer and answer are exchanged. What was lost meanwhile and is not agreed on with them is asked for next.
    fn settled(&mut self, now: Instant, new_keys: bool) {
        let lost = match self.offered.take() {
            Some(Depth::Nothing) => !self.path || !self.keys,
            Some(Depth::Path | Depth::Keys) | None => !self.keys,
        };
        if lost && !new_keys {
            self.next = Some(now);
        }
        self.keys &= !new_keys;
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<Output> {
        if self.gives_up().is_some_and(|at| now >= at) {
            self.next = None;
            self.broken = None;
            return vec![Output::GiveUp];
        }
        if self.closed.is_some_and(|at| now >= at) {
            self.closed = None;
            return self.handle(now, Input::KeysLost);
        }
        if self.next.is_none_or(|at| now < at) {
            return Vec::new();
        }
        self.next = Some(now + self.pause());
        self.attempts += 1;
        if self.offered.is_some() {
            return vec![Output::Repeat];
        }
        vec![self.offer(if self.keys { Depth::Path } else { Depth::Keys })]
    }

    /// Whatever the offer is for, it says what we want to send and receive.
    fn offer(&mut self, depth: Depth) -> Output {
        self.offered = Some(depth);
        self.carries = std::mem::take(&mut self.changed);
        Output::Offer(depth)
    }

    /// Offers a change that waits, once nothing else is under way or missing.
    fn offer_change(&mut self, now: Instant) -> Option<Output> {
        let free = self.offered.is_none() && self.broken.is_none();
        (free && self.changed).then(|| {
            self.next = Some(now + self.pause());
            self.offer(Depth::Nothing)
        })
    }

    /// When [`Renewal::handle_timeout`] wants to be called.
    pub fn next_timeout(&self) -> Option<Instant> {
        [self.next, self.closed, self.gives_up()]
            .into_iter()
            .flatten()
            .min()
    }

    fn gives_up(&self) -> Option<Instant> {
        self.broken.map(|since| since + self.patience.total)
    }

    fn pause(&self) -> Duration {
        (FIRST_PAUSE * 2_u32.saturating_pow(self.attempts)).min(LONGEST_PAUSE)
    }

    /// Something is missing: an offer is due after `wait`, unless one is under way.
    fn broke(&mut self, now: Instant, wait: Duration) -> Vec<Output> {
        let held = self.whole_since.take();
        if held.is_some_and(|since| now.saturating_duration_since(since) >= HELD) {
            self.attempts = 0;
        }
        // What is lost again and again waits longer each time.
        let again = FLAP_PAUSE * self.attempts.saturating_sub(1);
        let at = now + wait.max(again.min(LONGEST_PAUSE));
        self.next = match self.next {
            Some(already) if self.offered.is_some() => Some(already),
            Some(already) => Some(already.min(at)),
            None => Some(at),
        };
        match self.broken {
            Some(_) => Vec::new(),
            None => {
                self.broken = Some(now);
                vec![Output::Interrupted]
            }
        }
    }

    /// Something is there again.
    fn mended(&mut self, now: Instant) -> Vec<Output> {
        // An offer of another transport leaves nothing settled before its answer.
        if !self.path || !self.keys || self.offered.is_some_and(|depth| depth != Depth::Nothing) {
            return Vec::new();
        }
        self.next = self.next.filter(|_| self.offered.is_some());
        match self.broken.take() {
            Some(_) => {
                self.whole_since = Some(now);
                vec![Output::Resumed]
            }
            None => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
