//! The exchange in recordings: descriptions without passwords and candidates. Nothing in it depends on those.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Exchange, Settled};
use crate::ice::IceCredentials;
use crate::recording::Recorded;
use crate::sdp::{LocalParameters, SdpError, SessionDescription};

/// What stands for each character of a password.
const FILLER: &str = "x";

/// What an exchange is fed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// [`Exchange::offer`].
    Offer(Box<LocalParameters>),
    /// [`Exchange::answer`].
    Answer(Box<LocalParameters>, SessionDescription),
    /// [`Exchange::complete`].
    Complete(SessionDescription),
}

impl Recorded for Exchange {
    const NAME: &'static str = "exchange";
    const DRAINED: bool = false;
    type Input = Event;
    /// Whether anything was said or settled, which [`Exchange::pending`] and [`Exchange::settled`] tell.
    type Answer = Result<Said, SdpError>;
    type Output = ();

    fn feed(&mut self, _: Instant, event: Event) -> Self::Answer {
        match event {
            Event::Offer(local) => Ok(Said::Offered(self.offer(&local))),
            Event::Answer(local, remote) => self.answer(&local, &remote).cloned().map(Said::settled),
            Event::Complete(remote) => {
                let settled = self.complete(&remote)?.cloned();
                Ok(settled.map_or(Said::Nothing, Said::settled))
            }
        }
    }

    fn drain(&mut self, _: Instant) -> Vec<()> {
        Vec::new()
    }

    fn mask(&self, event: &Event) -> Event {
        let mut event = event.clone();
        match &mut event {
            Event::Offer(local) => hide_ours(local),
            Event::Answer(local, remote) => {
                hide_ours(local);
                hide(remote);
            }
            Event::Complete(remote) => hide(remote),
        }
        event
    }

    fn tell(answer: &Self::Answer) -> Option<String> {
        let words = match answer {
            Ok(said) => serde_json::to_string(&said.masked()),
            Err(error) => Ok(error.to_string()),
        };
        words.ok()
    }

    fn state(&self) -> Result<Value, serde_json::Error> {
        let mut exchange = self.clone();
        exchange.pending.iter_mut().for_each(hide);
        exchange.settled = exchange.settled.map(|settled| masked(&settled));
        serde_json::to_value(exchange)
    }
}

/// What came of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// An answer to no offer of ours.
    Nothing,
    /// Our offer.
    Offered(SessionDescription),
    /// An offer with its answer.
    Settled(Box<Settled>),
}

impl Said {
    fn settled(settled: Settled) -> Self {
        Said::Settled(Box::new(settled))
    }

    fn masked(&self) -> Said {
        match self {
            Said::Nothing => Said::Nothing,
            Said::Offered(offer) => {
                let mut offer = offer.clone();
                hide(&mut offer);
                Said::Offered(offer)
            }
            Said::Settled(settled) => Said::settled(masked(settled)),
        }
    }
}

fn masked(settled: &Settled) -> Settled {
    let mut settled = settled.clone();
    hide(&mut settled.ours);
    hide_password(&mut settled.negotiated.ice);
    settled.negotiated.candidates.clear();
    settled
}

fn hide_ours(local: &mut LocalParameters) {
    hide_password(&mut local.ice);
    local.candidates.clear();
}

fn hide(description: &mut SessionDescription) {
    description.session_name.clear();
    for section in &mut description.sections {
        section.ice.iter_mut().for_each(hide_password);
        section.candidates.clear();
    }
}

fn hide_password(credentials: &mut IceCredentials) {
    credentials.pwd = FILLER.repeat(credentials.pwd.len());
}
