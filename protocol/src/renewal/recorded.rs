//! The renewal in recordings. It holds nothing that must not be written.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Input, Output, Renewal};
use crate::recording::Recorded;

/// What a renewal is fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// [`Renewal::handle`].
    Happened(Input),
    /// [`Renewal::offered`].
    Offered {
        /// Whether new keys must be agreed on.
        new_keys: bool,
    },
    /// [`Renewal::handle_timeout`].
    Timeout,
}

impl Recorded for Renewal {
    const NAME: &'static str = "renewal";
    const DRAINED: bool = false;
    type Input = Event;
    /// `None`: our own offer stands.
    type Answer = Option<Vec<Output>>;
    type Output = Output;

    fn feed(&mut self, at: Instant, event: Event) -> Self::Answer {
        match event {
            Event::Happened(input) => Some(self.handle(at, input)),
            Event::Offered { new_keys } => self.offered(at, new_keys),
            Event::Timeout => Some(self.handle_timeout(at)),
        }
    }

    fn drain(&mut self, _: Instant) -> Vec<Output> {
        Vec::new()
    }

    fn mask(&self, event: &Event) -> Event {
        *event
    }

    fn tell(answer: &Self::Answer) -> Option<String> {
        Some(format!("{answer:?}"))
    }
}
