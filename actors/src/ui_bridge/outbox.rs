//! Events that wait for a slow front end: in order, merged where a newer one makes an older one void, and bounded.

use std::collections::VecDeque;

use super::{Event, FileEvent};

/// What may wait; far above what a call produces in an hour once merged, so that reaching it means the front end
/// is stuck.
const CAPACITY: usize = 4096;

/// The waiting events.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    events: VecDeque<Event>,
    dropped: u64,
}

impl Outbox {
    /// Adds the newest event; an older one it makes void goes.
    pub fn push(&mut self, event: Event) {
        if let Some(void) = self.events.iter().position(|older| replaces(&event, older)) {
            self.events.remove(void);
        }
        if self.events.len() == CAPACITY {
            self.events.pop_front();
            self.dropped += 1;
            tracing::warn!(dropped = self.dropped, "the front end does not listen");
        }
        self.events.push_back(event);
    }

    /// Takes the oldest.
    pub fn pop(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Puts back what could not be passed on.
    pub fn put_back(&mut self, event: Event) {
        self.events.push_front(event);
    }
}

/// Whether nobody needs to hear `older` once `newer` is known.
fn replaces(newer: &Event, older: &Event) -> bool {
    match (newer, older) {
        (Event::Users(_), Event::Users(_)) => true,
        (
            Event::File(FileEvent::Progress { transfer: a, .. }),
            Event::File(FileEvent::Progress { transfer: b, .. }),
        ) => a == b,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui_bridge::TransferId;

    fn progress(transfer: u64, done: u64) -> Event {
        Event::File(FileEvent::Progress {
            transfer: TransferId(transfer),
            done,
            size: 100,
        })
    }

    fn drain(outbox: &mut Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.pop())
            .map(|event| format!("{event:?}"))
            .collect()
    }

    #[test]
    fn a_slow_front_end_hears_only_the_newest_list_and_progress_and_everything_else_in_order() {
        let mut outbox = Outbox::default();
        let registered = Event::Registered { user: "ana".into() };
        for event in [
            Event::Users(Vec::new()),
            progress(1, 10),
            registered.clone(),
            progress(2, 5),
            progress(1, 20),
            Event::Users(Vec::new()),
        ] {
            outbox.push(event);
        }
        let expected: Vec<_> = [
            registered,
            progress(2, 5),
            progress(1, 20),
            Event::Users(Vec::new()),
        ]
        .iter()
        .map(|event| format!("{event:?}"))
        .collect();
        assert_eq!(drain(&mut outbox), expected);
    }

    #[test]
    fn a_stuck_front_end_costs_bounded_memory_and_loses_the_oldest() {
        let mut outbox = Outbox::default();
        for number in 0..CAPACITY + 3 {
            outbox.push(Event::Registered {
                user: number.to_string(),
            });
        }
        let events = drain(&mut outbox);
        assert_eq!(events.len(), CAPACITY);
        assert!(events[0].contains("\"3\""), "{}", events[0]);
    }
}
