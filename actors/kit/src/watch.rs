//! What several looks at all mailboxes say together: the tree, rates, and the last minute of each actor. For whoever
//! shows actors to people: the client's overlay, the server's `inspect`.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::meter::Status;
use crate::view::{Busy, MeterView, Note};

/// Time between two looks.
pub const LOOK: Duration = Duration::from_millis(500);
/// Looks in a minute.
const MINUTE: usize = (60_000 / LOOK.as_millis()) as usize;
/// Messages listed of one actor.
pub const MESSAGES: usize = 200;

/// What the list can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Its name, in the tree's order.
    Actor,
    /// Waiting, running, restarting or closed.
    Status,
    /// Messages waiting.
    Queue,
    /// Messages handled a second.
    Rate,
    /// Time in the queue.
    Wait,
    /// Time in the handler.
    Work,
    /// Messages dropped.
    Dropped,
    /// Dead letters.
    Dead,
    /// Restarts.
    Restarts,
    /// The thread.
    Thread,
}

/// A handler that takes longer holds up everybody on its thread.
const STUCK: Duration = Duration::from_secs(1);

/// One actor.
#[derive(Clone, Debug)]
pub struct Actor {
    /// As it was at the last look.
    pub view: MeterView,
    /// Supervisors above it.
    pub level: usize,
    /// Messages handled a second.
    pub rate: f64,
}

impl Actor {
    /// The message it has been handling for too long, if there is one.
    pub fn stuck_in(&self) -> Option<&Busy> {
        self.view.busy.as_ref().filter(|busy| busy.time >= STUCK)
    }
}

/// The last minute of one actor.
#[derive(Debug, Default)]
pub struct History {
    /// Messages waiting.
    pub depth: VecDeque<f64>,
    /// Messages handled a second.
    pub rate: VecDeque<f64>,
    /// 99th percentile of the time in a handler, in µs.
    pub work: VecDeque<f64>,
}

/// One message in or out, for the list of an actor.
#[derive(Clone, Debug)]
pub struct Exchange<'a> {
    /// Whether the actor sent it.
    pub out: bool,
    /// The other actor.
    pub other: &'a str,
    /// What is known of it.
    pub note: &'a Note,
}

/// How much one actor sends another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stream {
    /// The sender's id.
    pub from: u32,
    /// The receiver's id.
    pub to: u32,
    /// Messages a second since the last look.
    pub rate: f64,
}

/// All actors.
#[derive(Default)]
pub struct Model {
    at: Option<Instant>,
    /// In the tree's order.
    actors: Vec<Actor>,
    /// What each had handled, and from whom, at the last look.
    handled: HashMap<u32, u64>,
    sent: HashMap<(u32, u32), u64>,
    streams: Vec<Stream>,
    histories: HashMap<u32, History>,
    by: Option<Column>,
    words: String,
    selected: Option<u32>,
}

impl Model {
    /// Another look.
    pub fn take(&mut self, now: Instant, views: Vec<MeterView>) {
        if self
            .at
            .is_some_and(|at| now.saturating_duration_since(at) < LOOK / 4)
        {
            return self.refresh(views); // too soon for rates
        }
        let since = self.at.replace(now).map(|at| now.saturating_duration_since(at));
        let seconds = since.map_or(0.0, |since| since.as_secs_f64());
        let per_second = |before: Option<&u64>, now: u64| match before {
            Some(before) if seconds > 0.0 => now.saturating_sub(*before) as f64 / seconds,
            Some(_) | None => 0.0,
        };
        let rates: HashMap<u32, f64> = views
            .iter()
            .map(|view| (view.id, per_second(self.handled.get(&view.id), view.handled())))
            .collect();
        let flows = views
            .iter()
            .flat_map(|view| view.senders.iter().map(|&(from, count)| ((from, view.id), count)));
        let sent: HashMap<(u32, u32), u64> = flows.collect();
        self.streams = sent
            .iter()
            .map(|(&(from, to), &count)| Stream {
                from,
                to,
                rate: per_second(self.sent.get(&(from, to)), count),
            })
            .collect();
        self.streams.sort_by_key(|stream| (stream.from, stream.to));
        self.sent = sent;
        self.handled = views.iter().map(|view| (view.id, view.handled())).collect();
        self.actors = in_tree_order(views)
            .into_iter()
            .map(|(view, level)| Actor {
                rate: rates[&view.id],
                view,
                level,
            })
            .collect();
        self.remember();
    }

    /// The same actors with their messages; rates stay as they are.
    fn refresh(&mut self, views: Vec<MeterView>) {
        let mut views: HashMap<u32, MeterView> = views.into_iter().map(|view| (view.id, view)).collect();
        for actor in &mut self.actors {
            if let Some(view) = views.remove(&actor.view.id) {
                actor.view = view;
            }
        }
    }

    fn remember(&mut self) {
        let alive: HashSet<u32> = self.actors.iter().map(|actor| actor.view.id).collect();
        self.histories.retain(|id, _| alive.contains(id));
        for actor in &self.actors {
            let history = self.histories.entry(actor.view.id).or_default();
            push(&mut history.depth, f64::from(actor.view.depth));
            push(&mut history.rate, actor.rate);
            push(&mut history.work, actor.view.work_p99().as_secs_f64() * 1e6);
        }
    }

    /// The actors to list.
    pub fn rows(&self) -> Vec<&Actor> {
        let words = self.words.to_lowercase();
        let mut rows: Vec<&Actor> = self
            .actors
            .iter()
            .filter(|actor| actor.view.name.to_lowercase().contains(&words))
            .collect();
        if let Some(column) = self.by {
            rows.sort_by(|a, b| compare(column, a, b));
        }
        rows
    }

    /// Whether the list shows the tree.
    pub fn is_tree(&self) -> bool {
        self.by.is_none() && self.words.is_empty()
    }

    /// What the list is sorted by, if not by the tree.
    pub fn sorted_by(&self) -> Option<Column> {
        self.by
    }

    /// Sorts by a column; the same again, or by name, leads back to the tree.
    pub fn sort(&mut self, column: Column) {
        self.by = (column != Column::Actor && self.by != Some(column)).then_some(column);
    }

    /// Lists only actors with these words in their names.
    pub fn filter(&mut self, words: String) {
        self.words = words;
    }

    /// The words of the filter.
    pub fn filter_words(&self) -> &str {
        &self.words
    }

    /// Chooses an actor.
    pub fn select(&mut self, id: Option<u32>) {
        self.selected = id;
    }

    /// Chooses the next or the previous of the list.
    pub fn step(&mut self, by: i32) {
        let rows = self.rows();
        let last = rows.len() as i32 - 1;
        let at = rows.iter().position(|row| Some(row.view.id) == self.selected);
        let next = at.map_or(0, |at| at as i32 + by).clamp(0, last.max(0));
        self.selected = rows.get(next as usize).map(|row| row.view.id);
    }

    /// Whether one is chosen.
    pub fn has_selected(&self) -> bool {
        self.selected.is_some()
    }

    /// The chosen actor.
    pub fn selected(&self) -> Option<&Actor> {
        self.actor(self.selected?)
    }

    /// The supervisor the chosen actor lives under, or itself if it is one.
    pub fn supervisor_of_selected(&self) -> Option<&Actor> {
        let chosen = self.selected()?;
        match chosen.view.strategy {
            Some(_) => Some(chosen),
            None => self
                .actor(chosen.view.parent)
                .filter(|parent| parent.view.strategy.is_some()),
        }
    }

    /// An actor by its id.
    pub fn actor(&self, id: u32) -> Option<&Actor> {
        self.actors.iter().find(|actor| actor.view.id == id)
    }

    /// All actors, in the tree's order.
    pub fn actors(&self) -> &[Actor] {
        &self.actors
    }

    /// The last minute of an actor.
    pub fn history(&self, id: u32) -> Option<&History> {
        self.histories.get(&id)
    }

    /// Who sends whom how much.
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// The latest messages to and from an actor, newest first.
    pub fn exchanges(&self, id: u32) -> Vec<Exchange<'_>> {
        let name = |id| self.actor(id).map_or("outside", |actor| actor.view.name.as_str());
        let mut all: Vec<Exchange<'_>> = Vec::new();
        for actor in &self.actors {
            let own = actor.view.id == id;
            let notes = actor.view.notes.iter().filter(|note| own || note.from == id);
            all.extend(notes.map(|note| Exchange {
                out: !own,
                other: if own { name(note.from) } else { &actor.view.name },
                note,
            }));
        }
        all.sort_by_key(|exchange| std::cmp::Reverse(exchange.note.at));
        all.truncate(MESSAGES);
        all
    }

    /// The whole in a few words.
    pub fn sum(&self) -> String {
        let running = self
            .actors
            .iter()
            .filter(|actor| actor.view.status == Status::Running);
        let rate: f64 = self.actors.iter().map(|actor| actor.rate).sum();
        let restarts: u32 = self.actors.iter().map(|actor| actor.view.restarts()).sum();
        format!(
            "{} running · {rate:.0} messages/s · {restarts} restarts",
            running.count()
        )
    }
}

fn push(values: &mut VecDeque<f64>, value: f64) {
    if values.len() == MINUTE {
        values.pop_front();
    }
    values.push_back(value);
}

/// Children behind their supervisors, with their level.
fn in_tree_order(views: Vec<MeterView>) -> Vec<(MeterView, usize)> {
    let ids: HashSet<u32> = views.iter().map(|view| view.id).collect();
    let mut children: HashMap<u32, VecDeque<MeterView>> = HashMap::new();
    for view in views {
        let parent = if ids.contains(&view.parent) && view.parent != view.id {
            view.parent
        } else {
            0
        };
        children.entry(parent).or_default().push_back(view);
    }
    let mut ordered = Vec::new();
    let mut path = vec![0];
    while let Some(&parent) = path.last() {
        match children.get_mut(&parent).and_then(VecDeque::pop_front) {
            Some(child) => {
                let id = child.id;
                ordered.push((child, path.len() - 1));
                path.push(id);
            }
            None => {
                path.pop();
            }
        }
    }
    ordered
}

/// Names upwards, everything else from the largest down.
fn compare(column: Column, a: &Actor, b: &Actor) -> Ordering {
    let p99 = |times: [Duration; 3]| times[1];
    let (x, y) = (&a.view, &b.view);
    match column {
        Column::Actor => x.name.cmp(&y.name),
        Column::Thread => x.thread.cmp(&y.thread),
        Column::Status => (x.status as u8).cmp(&(y.status as u8)).reverse(),
        Column::Queue => (y.depth, y.deepest).cmp(&(x.depth, x.deepest)),
        Column::Rate => b.rate.total_cmp(&a.rate),
        Column::Wait => p99(y.wait()).cmp(&p99(x.wait())),
        Column::Work => p99(y.work()).cmp(&p99(x.work())),
        Column::Dropped => y.dropped().cmp(&x.dropped()),
        Column::Dead => y.dead_letters().cmp(&x.dead_letters()),
        Column::Restarts => y.restarts().cmp(&x.restarts()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::borrow::Cow;

    use super::*;
    use crate::mail::Room;
    use crate::view::KindView;

    /// An actor that has handled so many messages, all of them from one sender.
    fn view(id: u32, name: &str, parent: u32, handled: u64, from: u32) -> MeterView {
        let kind = KindView {
            name: Cow::Borrowed("Frame"),
            room: Room::Newest(2),
            accepted: handled,
            handled,
            dropped: u64::from(id),
            dead: 0,
            waiting: 0,
            wait: [Duration::ZERO; 3],
            work: [Duration::from_micros(u64::from(id)); 3],
        };
        MeterView {
            id,
            name: name.into(),
            parent,
            strategy: (parent == 0).then_some(Cow::Borrowed("one for one")),
            thread: "media".into(),
            resume: None,
            status: Status::Running,
            lives: 1,
            depth: 0,
            deepest: 1,
            busy: None,
            last_error: None,
            kinds: vec![kind],
            notes: Vec::new(),
            senders: vec![(from, handled)],
        }
    }

    /// A call of two, after two looks a second apart; the encoder handles 30 messages a second of the capture's.
    fn call() -> Model {
        let (mut model, start) = (Model::default(), Instant::now());
        for second in 0..2 {
            let views = vec![
                view(1, "call", 0, 0, 0),
                view(3, "encoder", 1, 30 * second, 2),
                view(2, "capture", 1, 0, 0),
            ];
            model.take(start + Duration::from_secs(second), views);
        }
        model
    }

    fn names(model: &Model) -> Vec<&str> {
        model
            .rows()
            .iter()
            .map(|actor| actor.view.name.as_str())
            .collect()
    }

    #[test]
    fn children_stand_below_their_supervisor_and_orphans_at_the_top() {
        let mut model = call();
        let levels: Vec<_> = model.actors().iter().map(|actor| actor.level).collect();
        assert_eq!(
            (names(&model), levels),
            (vec!["call", "encoder", "capture"], vec![0, 1, 1])
        );
        model.take(Instant::now(), vec![view(9, "orphan", 77, 0, 0)]);
        assert_eq!(model.actors()[0].level, 0);
    }

    #[test]
    fn a_rate_is_the_difference_of_two_looks_and_a_look_too_soon_changes_none() {
        let mut model = call();
        assert_eq!(model.actor(3).unwrap().rate, 30.0);
        let stream = model.streams().iter().find(|stream| stream.to == 3).unwrap();
        assert_eq!((stream.from, stream.rate), (2, 30.0));
        let at = model.at.unwrap() + Duration::from_millis(1);
        model.take(at, vec![view(3, "encoder", 1, 31, 2)]);
        assert_eq!(model.actor(3).unwrap().rate, 30.0);
        assert_eq!(
            model.actor(3).unwrap().view.handled(),
            31,
            "its messages are fresh all the same"
        );
    }

    #[test]
    fn a_column_sorts_from_the_largest_down_and_pressed_again_leads_back_to_the_tree() {
        let mut model = call();
        model.sort(Column::Dropped);
        assert_eq!(names(&model), ["encoder", "capture", "call"]);
        model.sort(Column::Dropped);
        assert_eq!(names(&model), ["call", "encoder", "capture"]);
        model.filter("CAP".into());
        assert_eq!(names(&model), ["capture"]);
    }

    #[test]
    fn the_chosen_actor_has_a_supervisor_and_neighbours() {
        let mut model = call();
        model.step(1);
        assert_eq!(model.selected().unwrap().view.name, "call");
        model.step(1);
        assert_eq!(model.selected().unwrap().view.name, "encoder");
        assert_eq!(model.supervisor_of_selected().unwrap().view.name, "call");
        model.step(9);
        assert_eq!(model.selected().unwrap().view.name, "capture");
    }

    #[test]
    fn messages_in_and_out_are_listed_together_newest_first() {
        let note = |at, from| Note {
            at: Duration::from_secs(at),
            kind: Cow::Borrowed("Frame"),
            from,
            wait: Duration::ZERO,
            work: Duration::ZERO,
            brief: String::new(),
        };
        let mut capture = view(2, "capture", 1, 0, 0);
        capture.notes = vec![note(5, 0)];
        let mut encoder = view(3, "encoder", 1, 0, 2);
        encoder.notes = vec![note(7, 2), note(6, 9)];
        let mut model = Model::default();
        model.take(Instant::now(), vec![view(1, "call", 0, 0, 0), capture, encoder]);
        let exchanges = model.exchanges(2);
        let told: Vec<_> = exchanges
            .iter()
            .map(|told| (told.out, told.other, told.note.at.as_secs()))
            .collect();
        assert_eq!(told, [(true, "encoder", 7), (false, "outside", 5)]);
    }
}
