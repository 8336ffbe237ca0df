//! Events that wait for a slow front end: in order, merged where a newer one makes an older one void, and bounded.

use std::collections::VecDeque;

use super::{Event, FileEvent};

/// What may wait; far above what a call produces in an hour once merged, so that reaching it means the front end
/// is stuck.
const CAPACITY: usize = 4096;

/// What may wait of data channels: a peer that says much there must not push out anything else.
const DATA_CAPACITY: usize = 256;

/// The waiting events.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    events: VecDeque<Event>,
    /// How many of them are of data channels.
    data: usize,
    dropped: u64,
}

impl Outbox {
    /// Adds the newest event; an older one it makes void goes.
    pub fn push(&mut self, event: Event) {
        if matches!(event, Event::Data(_)) {
            if self.data == DATA_CAPACITY {
                return self.note_dropped();
            }
            self.data += 1;
        }
        if let Some(void) = self.events.iter().position(|older| replaces(&event, older)) {
            self.events.remove(void);
        }
        if self.events.len() == CAPACITY {
            self.pop();
            self.note_dropped();
        }
        self.events.push_back(event);
    }

    /// Takes the oldest.
    pub fn pop(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        self.data -= usize::from(matches!(event, Some(Event::Data(_))));
        event
    }

    /// Puts back what could not be passed on.
    pub fn put_back(&mut self, event: Event) {
        self.data += usize::from(matches!(event, Event::Data(_)));
        self.events.push_front(event);
    }

    fn note_dropped(&mut self) {
        self.dropped += 1;
        tracing::warn!(dropped = self.dropped, "the front end does not listen");
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
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::ui_bridge::TransferId;
    use crate::ui_bridge::data::DataEvent;

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
    fn much_said_on_data_channels_pushes_nothing_else_out() {
        let mut outbox = Outbox::default();
        outbox.push(Event::Registered { user: "ana".into() });
        for channel in 0..2 * CAPACITY as u16 {
            outbox.push(Event::Data(DataEvent::Closed { channel }));
        }
        let first = outbox.pop().unwrap();
        assert!(matches!(first, Event::Registered { .. }), "{first:?}");
        let mut waiting = drain(&mut outbox);
        assert_eq!(waiting.len(), DATA_CAPACITY);
        outbox.push(Event::Data(DataEvent::Closed { channel: 7 }));
        waiting = drain(&mut outbox);
        assert_eq!(waiting.len(), 1, "there is room again");
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
