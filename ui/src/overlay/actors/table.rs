//! The list of actors: a row each, in the tree's order or sorted by a column.

use std::time::Duration;

use iced::widget::{Column as Stack, Row, Text, column, container, row, space as gap, text};
use iced::{Center, Element, Fill, Right};
use roomrtc_kit::Status;
use roomrtc_kit::watch::{Actor, Column, Model};

use super::Message;
use crate::theme::{self, Tone, dim, radius, size, space};
use crate::widget::press::press;
use crate::widget::{caption, line, row_button, scroll, tip};
use crate::{font, icon};

/// Messages waiting from which a mailbox is worth a look.
const FULL: u32 = 16;
/// How far a child stands in.
const INDENT: f32 = 14.0;
/// Width of the column of names.
const NAME: f32 = 232.0;
/// Size of the mark before a status.
const MARK: f32 = 12.0;

/// A column: what it is, its head, its width, what it means, and whether a narrow window has it.
struct Head(Column, &'static str, f32, &'static str, bool);

const HEADS: [Head; 9] = [
    Head(
        Column::Status,
        "STATUS",
        92.0,
        "What the actor is doing: waiting for its first life, running, between two lives, or closed for good.",
        true,
    ),
    Head(
        Column::Queue,
        "QUEUE",
        74.0,
        "Messages waiting in the mailbox now, and the most that ever waited.",
        true,
    ),
    Head(Column::Rate, "MSG/S", 62.0, "Messages handled in a second.", true),
    Head(
        Column::Wait,
        "WAITING",
        118.0,
        "Time a message spends in the mailbox: median, 99th percentile and maximum.",
        true,
    ),
    Head(
        Column::Work,
        "HANDLING",
        118.0,
        "Time a handler takes: median, 99th percentile and maximum.",
        true,
    ),
    Head(
        Column::Dropped,
        "DROPPED",
        74.0,
        "Messages that made room for newer ones, or were streams when the actor died.",
        true,
    ),
    Head(
        Column::Dead,
        "DEAD",
        52.0,
        "Messages sent after the actor was closed for good: nobody will ever take them.",
        false,
    ),
    Head(
        Column::Restarts,
        "RESTARTS",
        84.0,
        "Lives after the first. The last reason is shown when the pointer rests on the number.",
        true,
    ),
    Head(
        Column::Thread,
        "THREAD",
        78.0,
        "The thread the actor runs on.",
        false,
    ),
];

/// The table.
pub(super) fn view(model: &Model, width: f32) -> Element<'_, Message> {
    let wide = width >= dim::NARROW;
    let rows = model.rows();
    if rows.is_empty() {
        return text("No actor has such a name.")
            .size(size::BODY)
            .style(theme::muted)
            .into();
    }
    let selected = model.selected().map(|actor| actor.view.id);
    let list = rows.into_iter().map(|actor| {
        let chosen = selected == Some(actor.view.id);
        let level = if model.is_tree() { actor.level } else { 0 };
        let press = if chosen {
            Message::Deselect
        } else {
            Message::Select(actor.view.id)
        };
        row_button(line_of(actor, level, wide), chosen, press)
            .id_of(format!("actor/{}", actor.view.name))
            .into()
    });
    column![
        heads(model, wide),
        line(),
        scroll(Stack::with_children(list)).height(Fill),
    ]
    .spacing(space::XS)
    .into()
}

fn heads(model: &Model, wide: bool) -> Element<'_, Message> {
    let head = |column, label: &'static str, id: &'static str| {
        let mark = (model.sorted_by() == Some(column)).then_some(" ↓");
        let label = caption(format!("{label}{}", mark.unwrap_or_default()));
        press(label, Some(Message::Sort(column)), radius::S, |b| {
            b.padding(space::XS).style(theme::ghost(mark.is_some()))
        })
        .id(id)
    };
    let name = tip(
        head(Column::Actor, "ACTOR", "actors/by-name"),
        "Its name, below its supervisor. Press a head to sort by it.",
    );
    let columns = HEADS
        .iter()
        .filter(|head| wide || head.4)
        .map(|Head(column, label, width, meaning, _)| {
            let head = head(*column, label, label);
            container(tip(head, *meaning)).width(*width).align_x(Right).into()
        });
    let columns = Row::with_children(columns);
    row![container(name).width(NAME), gap().width(Fill), columns]
        .padding([0.0, 10.0])
        .align_y(Center)
        .into()
}

fn line_of(actor: &Actor, level: usize, wide: bool) -> Element<'_, Message> {
    let view = &actor.view;
    let short = view
        .name
        .rsplit_once("call/")
        .map_or(view.name.as_str(), |(_, name)| name);
    let mut name = text(short).size(size::SMALL).wrapping(text::Wrapping::None);
    if view.strategy.is_some() {
        name = name.font(font::SEMIBOLD);
    }
    let strategy = view
        .strategy
        .as_deref()
        .map(|strategy| text(strategy.to_owned()).size(size::CAPTION).style(theme::faint));
    let name = row![gap().width(level as f32 * INDENT), name, strategy]
        .spacing(space::S)
        .align_y(Center);
    let cells = HEADS
        .iter()
        .filter(|head| wide || head.4)
        .map(|Head(column, _, width, ..)| {
            container(cell(*column, actor))
                .width(*width)
                .align_x(Right)
                .into()
        });
    row![
        container(name).width(NAME).clip(true),
        gap().width(Fill),
        Row::with_children(cells)
    ]
    .align_y(Center)
    .into()
}

fn cell(column: Column, actor: &Actor) -> Element<'_, Message> {
    let view = &actor.view;
    let number = |words: String, tone: Option<Tone>| -> Text<'_> {
        let words = text(words).size(size::SMALL);
        match tone {
            Some(tone) => words.font(font::SEMIBOLD).style(theme::toned(tone)),
            None => words,
        }
    };
    let warn = |yes: bool| yes.then_some(Tone::Warning);
    match column {
        Column::Actor => text("").into(),
        Column::Status => status(actor),
        Column::Queue => number(
            format!("{} / {}", view.depth, view.deepest),
            warn(view.depth >= FULL),
        )
        .into(),
        Column::Rate => number(format!("{:.0}", actor.rate), None).into(),
        Column::Wait => number(times(view.wait()), None).into(),
        Column::Work => number(times(view.work()), None).into(),
        Column::Dropped => number(view.dropped().to_string(), warn(view.dropped() > 0)).into(),
        Column::Dead => number(view.dead_letters().to_string(), warn(view.dead_letters() > 0)).into(),
        Column::Restarts => {
            let restarts = number(view.restarts().to_string(), warn(view.restarts() > 0));
            match &view.last_error {
                Some(error) => tip(restarts, error.as_str()),
                None => restarts.into(),
            }
        }
        Column::Thread => text(&view.thread).size(size::SMALL).style(theme::muted).into(),
    }
}

fn status(actor: &Actor) -> Element<'_, Message> {
    if let Some(busy) = actor.stuck_in() {
        let words = format!("stuck {}", short(busy.time));
        let stuck = row![
            icon::warning().size(MARK).style(theme::toned(Tone::Bad)),
            text(words).size(size::SMALL).style(theme::toned(Tone::Bad))
        ];
        let stuck = stuck.spacing(space::XS).align_y(Center);
        return tip(stuck, format!("It has been handling {} for so long.", busy.kind));
    }
    let (mark, word, tone) = match actor.view.status {
        Status::Running => (icon::check(), "running", Tone::Good),
        Status::Waiting => (icon::clock(), "waiting", Tone::Neutral),
        Status::Restarting => (icon::retry(), "restarting", Tone::Warning),
        Status::Closed => (icon::minus(), "closed", Tone::Neutral),
    };
    row![
        mark.size(MARK).style(theme::toned(tone)),
        text(word).size(size::SMALL).style(theme::muted)
    ]
    .spacing(space::XS)
    .align_y(Center)
    .into()
}

fn times([median, p99, max]: [Duration; 3]) -> String {
    format!("{} · {} · {}", short(median), short(p99), short(max))
}

/// A time in at most four letters and its unit.
pub(super) fn short(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        ..0.5 => "0".into(),
        ..999.5 => format!("{micros:.0}µ"),
        ..9_950.0 => format!("{:.1}m", micros / 1e3),
        ..999_500.0 => format!("{:.0}m", micros / 1e3),
        _ => format!("{:.1}s", micros / 1e6),
    }
}
