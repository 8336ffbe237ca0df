//! What several looks at all mailboxes say together: the tree, rates, and the last minute of each actor. For whoever
//! shows actors to people: the client's overlay, the server's `inspect`.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::meter::Status;
use crate::view::{MeterView, Note};

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
