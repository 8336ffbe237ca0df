//! One actor in detail: its last minute, its kinds of messages, its latest messages, and what can be done to it.

use iced::widget::{Column, column, container, row, space as gap, text};
use iced::{Center, Element, Fill, FillPortion, Right};
use roomrtc_kit::watch::{Actor, Exchange, History, Model};
use roomrtc_kit::{KindView, Order, Room};

use super::table::short;
use super::{Message, PAUSE};
use crate::theme::{self, Tone, size, space};
use crate::widget::{action, caption, line, metric, scroll, tip};
use crate::{font, icon};

/// Width of a number.
const NUMBER: f32 = 58.0;

/// The panel of an actor.
pub(super) fn view<'a>(model: &'a Model, actor: &'a Actor, may_order: bool) -> Element<'a, Message> {
    let left = column![
        model.history(actor.view.id).map(minute),
        resume(actor),
        kinds(actor),
    ]
    .spacing(space::M);
    let left = scroll(left).width(FillPortion(1)).height(Fill);
    let right = container(messages(model, actor))
        .width(FillPortion(1))
        .height(Fill);
    column![
        head(model, actor, may_order),
        row![left, right].spacing(space::XL)
    ]
    .spacing(space::M)
    .into()
}

fn head<'a>(model: &'a Model, actor: &'a Actor, may_order: bool) -> Element<'a, Message> {
    let name = text(&actor.view.name).size(size::TITLE).font(font::SEMIBOLD);
    let order = |order| may_order.then_some(Message::Order(order));
    let supervisor = model.supervisor_of_selected();
    let stop = supervisor.filter(|_| may_order).map(|_| Message::StopSubtree);
    let stop_words = supervisor.map_or("Stop subtree".to_owned(), |supervisor| {
        format!("Stop {} and below", supervisor.view.name)
    });
    let acts = row![
        action(Some(icon::warning()), "Crash", theme::danger, order(Order::Panic)).id("actors/crash"),
        action(
            Some(icon::clock()),
            "Pause 1 s",
            theme::secondary,
            order(Order::Pause(PAUSE))
        )
        .id("actors/pause"),
        action(None, stop_words, theme::secondary, stop).id("actors/stop"),
    ]
    .spacing(space::S);
    let acts: Element<'_, Message> = if may_order {
        acts.into()
    } else {
        tip(
            acts,
            "Start the client with --set debug.chaos=true to order actors about.",
        )
    };
    let mut words = column![name].spacing(space::XXS);
    if let Some(error) = &actor.view.last_error {
        let error = format!("Last death: {error}");
        words = words.push(text(error).size(size::SMALL).style(theme::toned(Tone::Warning)));
    } else if !may_order {
        let why = "Crash, pause and stop need debug.chaos=true.";
        words = words.push(text(why).size(size::SMALL).style(theme::faint));
    }
    row![words, gap().width(Fill), acts]
        .spacing(space::M)
        .align_y(Center)
        .into()
}

fn minute(history: &History) -> Element<'_, Message> {
    let last = |values: &std::collections::VecDeque<f64>| values.back().copied().unwrap_or_default();
    row![
        metric(
            "QUEUE",
            format!("{:.0}", last(&history.depth)),
            &history.depth,
            Tone::Warning
        ),
        metric(
            "MESSAGES/S",
            format!("{:.0}", last(&history.rate)),
            &history.rate,
            Tone::Accent
        ),
        metric(
            "HANDLING P99",
            format!("{:.0} µs", last(&history.work)),
            &history.work,
            Tone::Good
        ),
    ]
    .spacing(space::L)
    .into()
}

fn resume(actor: &Actor) -> Element<'_, Message> {
    let words = actor.view.resume.as_deref();
    let words = words.unwrap_or("Nothing was noted: it would start from its recipe.");
    column![
        caption("ITS NEXT LIFE WOULD GO ON WITH"),
        text(words).size(size::SMALL).style(theme::muted)
    ]
    .spacing(space::XS)
    .into()
}

fn kinds(actor: &Actor) -> Element<'_, Message> {
    let head = |label| container(caption(label)).width(NUMBER).align_x(Right);
    let mut table = column![
        row![
            container(caption("MESSAGE")).width(Fill),
            head("HANDLED"),
            head("DROPPED"),
            head("WAIT"),
            head("WORK"),
        ],
        line(),
    ]
    .spacing(space::XS);
    for kind in &actor.view.kinds {
        table = table.push(kind_row(kind));
    }
    table.into()
}

fn kind_row(kind: &KindView) -> Element<'_, Message> {
    let number = |words: String| text(words).size(size::SMALL).width(NUMBER).align_x(Right);
    let room = match kind.room {
        Room::Always => "always taken".to_owned(),
        Room::Newest(most) => format!("newest {most}"),
        Room::Paced(most) => format!("paced, {most}"),
    };
    let name = row![
        text(kind.name.as_ref()).size(size::SMALL),
        text(room).size(size::CAPTION).style(theme::faint)
    ]
    .spacing(space::S)
    .align_y(Center);
    row![
        container(name).width(Fill).clip(true),
        number(kind.handled.to_string()),
        number((kind.dropped + kind.dead).to_string()),
        number(short(kind.wait[1])),
        number(short(kind.work[1])),
    ]
    .align_y(Center)
    .into()
}

fn messages<'a>(model: &'a Model, actor: &'a Actor) -> Element<'a, Message> {
    let all = model.exchanges(actor.view.id);
    let rows = all.into_iter().map(exchange);
    column![
        row![
            container(caption("LATEST MESSAGES, IN AND OUT")).width(Fill),
            container(caption("WAIT")).width(NUMBER).align_x(Right),
            container(caption("WORK")).width(NUMBER).align_x(Right),
        ],
        line(),
        scroll(Column::with_children(rows).spacing(space::XXS)).height(Fill),
    ]
    .spacing(space::XS)
    .into()
}

fn exchange(exchange: Exchange<'_>) -> Element<'_, Message> {
    let note = exchange.note;
    let number = |words: String| text(words).size(size::CAPTION).width(NUMBER).align_x(Right);
    let way = if exchange.out { "→" } else { "←" };
    let words = format!(
        "{:9.3}  {} {way} {} {}",
        note.at.as_secs_f64(),
        note.kind,
        exchange.other,
        note.brief
    );
    row![
        container(text(words).size(size::CAPTION).wrapping(text::Wrapping::None))
            .width(Fill)
            .clip(true),
        number(short(note.wait)),
        number(short(note.work)),
    ]
    .into()
}
