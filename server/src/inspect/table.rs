//! A look at the actors as lines of text.

use std::time::Duration;

use roomrtc_kit::Status;
use roomrtc_kit::watch::{Actor, Column};

/// What can be sorted by, in the order of the key `s`.
pub(super) const COLUMNS: [Column; 10] = [
    Column::Actor,
    Column::Status,
    Column::Queue,
    Column::Rate,
    Column::Wait,
    Column::Work,
    Column::Dropped,
    Column::Dead,
    Column::Restarts,
    Column::Thread,
];

/// The heads of the columns.
pub(super) fn heads() -> String {
    line([
        "ACTOR".into(),
        "STATUS".into(),
        "QUEUE".into(),
        "MSG/S".into(),
        "WAITING p50 p99 max".into(),
        "HANDLING p50 p99 max".into(),
        "DROPPED".into(),
        "DEAD".into(),
        "RESTARTS".into(),
        "THREAD".into(),
        String::new(),
    ])
}

/// One actor.
pub(super) fn row(actor: &Actor, tree: bool) -> String {
    let view = &actor.view;
    let status = match (actor.stuck_in(), view.status) {
        (Some(busy), _) => format!("stuck {}", short(busy.time)),
        (None, Status::Waiting) => "waiting".into(),
        (None, Status::Running) => "running".into(),
        (None, Status::Restarting) => "restarting".into(),
        (None, Status::Closed) => "closed".into(),
    };
    let indent = "  ".repeat(if tree { actor.level } else { 0 });
    line([
        format!("{indent}{}", view.name),
        status,
        format!("{} / {}", view.depth, view.deepest),
        format!("{:.0}", actor.rate),
        times(view.wait()),
        times(view.work()),
        view.dropped().to_string(),
        view.dead_letters().to_string(),
        view.restarts().to_string(),
        view.thread.clone(),
        view.last_error.clone().unwrap_or_default(),
    ])
}

fn line(
    [
        name,
        status,
        queue,
        rate,
        wait,
        work,
        dropped,
        dead,
        restarts,
        thread,
        error,
    ]: [String; 11],
) -> String {
    let line = format!(
        "{name:<34} {status:<10} {queue:>9} {rate:>7} {wait:>20} {work:>20} {dropped:>8} {dead:>5} {restarts:>8}  {thread:<9} \
         {error}"
    );
    line.trim_end().to_owned()
}

fn times([median, p99, max]: [Duration; 3]) -> String {
    format!("{} {} {}", short(median), short(p99), short(max))
}

fn short(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        ..999.5 => format!("{micros:.0}µs"),
        ..999_500.0 => format!("{:.1}ms", micros / 1e3),
        _ => format!("{:.1}s", micros / 1e6),
    }
}
