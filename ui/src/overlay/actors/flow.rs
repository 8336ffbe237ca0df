//! Who sends whom how much: a column of boxes for each thread, a curve for each stream of messages, the wider the
//! more messages a second.

use std::collections::HashMap;

use iced::widget::canvas::{self, Canvas, Frame, Geometry, Path, Stroke, Text};
use iced::{Element, Fill, Point, Rectangle, Renderer, Size, Theme, mouse};
use roomrtc_kit::Status;
use roomrtc_kit::watch::{Actor, Model};

use super::Message;
use crate::font;
use crate::theme::{self, size};

/// Height of a box with the space below it, at most.
const STEP: f32 = 44.0;
/// The part of a step that the box takes.
const BOX: f32 = 0.62;
/// The part of a column that the box takes; the rest is for the curves.
const SHARE: f32 = 0.62;
/// How far a curve bends, as a part of a box's width: curves within a column stay beside it.
const BEND: f32 = 0.36;
/// Room for the name of a thread above its column.
const HEAD: f32 = 28.0;
/// Width of the widest curve.
const WIDEST: f32 = 7.0;
/// Messages a second below which a stream is drawn as a hairline.
const QUIET: f64 = 0.5;
/// Width of a hairline.
const HAIR: f32 = 0.8;

struct Flow<'a>(&'a Model);

/// The graph.
pub(super) fn view(model: &Model) -> Element<'_, Message> {
    Canvas::new(Flow(model)).width(Fill).height(Fill).into()
}

/// Where every actor's box is, and the heads of the columns.
fn lay_out(actors: &[Actor], area: Size) -> (Vec<(String, f32)>, HashMap<u32, Rectangle>) {
    let mut threads: Vec<&str> = Vec::new();
    let drawn = || actors.iter().filter(|actor| actor.view.status == Status::Running);
    for actor in drawn() {
        if !threads.contains(&actor.view.thread.as_str()) {
            threads.push(&actor.view.thread);
        }
    }
    let column = area.width / threads.len().max(1) as f32;
    let mut places = HashMap::new();
    for (index, thread) in threads.iter().enumerate() {
        let members: Vec<&Actor> = drawn().filter(|actor| actor.view.thread == *thread).collect();
        let step = ((area.height - HEAD) / members.len() as f32).min(STEP);
        for (row, actor) in members.iter().enumerate() {
            let corner = Point::new(
                column * (index as f32 + (1.0 - SHARE) / 2.0),
                HEAD + step * row as f32,
            );
            let place = Rectangle::new(corner, Size::new(column * SHARE, step * BOX));
            places.insert(actor.view.id, place);
        }
    }
    let heads = threads
        .iter()
        .enumerate()
        .map(|(index, thread)| ((*thread).to_owned(), column * (index as f32 + 0.5)));
    (heads.collect(), places)
}

/// From the side of one box to the side of another; within a column it bends outwards.
fn curve(from: Rectangle, to: Rectangle) -> Path {
    let right = |place: Rectangle| Point::new(place.x + place.width, place.center_y());
    let left = |place: Rectangle| Point::new(place.x, place.center_y());
    let bend = from.width * BEND;
    let (start, end, out, back) = if (from.x - to.x).abs() < 1.0 {
        (right(from), right(to), bend, bend)
    } else if from.x < to.x {
        (right(from), left(to), bend, -bend)
    } else {
        (left(from), right(to), -bend, bend)
    };
    Path::new(|path| {
        path.move_to(start);
        path.bezier_curve_to(
            Point::new(start.x + out, start.y),
            Point::new(end.x + back, end.y),
            end,
        );
    })
}

impl canvas::Program<Message> for Flow<'_> {
    type State = ();

    fn draw(
        &self,
        _state: &(),
        renderer: &Renderer,
        theme: &Theme,
        bounds: Rectangle,
        _cursor: mouse::Cursor,
    ) -> Vec<Geometry> {
        let mut frame = Frame::new(renderer, bounds.size());
        let (heads, places) = lay_out(self.0.actors(), bounds.size());
        let ink = theme::graph(theme);
        let most = self
            .0
            .streams()
            .iter()
            .map(|stream| stream.rate)
            .fold(1.0, f64::max);
        for stream in self.0.streams() {
            let (Some(from), Some(to)) = (places.get(&stream.from), places.get(&stream.to)) else {
                continue;
            };
            let (color, width) = if stream.rate < QUIET {
                (ink.quiet, HAIR)
            } else {
                let share = (stream.rate / most).sqrt() as f32;
                (ink.stream, HAIR + share * WIDEST)
            };
            frame.stroke(
                &curve(*from, *to),
                Stroke::default().with_color(color).with_width(width),
            );
        }
        for (name, x) in heads {
            frame.fill_text(label(name, Point::new(x, 4.0), ink.head, size::CAPTION));
        }
        for actor in self.0.actors() {
            let Some(place) = places.get(&actor.view.id) else {
                continue;
            };
            let shape = Path::rounded_rectangle(place.position(), place.size(), 8.0.into());
            frame.fill(&shape, ink.fill);
            frame.stroke(&shape, Stroke::default().with_color(ink.line).with_width(1.0));
            let name = actor
                .view
                .name
                .rsplit_once("call/")
                .map_or(actor.view.name.as_str(), |(_, name)| name);
            let words = match actor.rate {
                rate if rate >= QUIET => format!("{name}  {rate:.0}/s"),
                _ => name.to_owned(),
            };
            let at = Point::new(place.center_x(), place.center_y() - size::CAPTION * 0.65);
            frame.fill_text(label(words, at, ink.text, size::CAPTION));
        }
        vec![frame.into_geometry()]
    }
}

fn label(content: String, position: Point, color: iced::Color, size: f32) -> Text {
    Text {
        content,
        position,
        color,
        size: size.into(),
        font: font::MEDIUM,
        align_x: iced::widget::text::Alignment::Center,
        ..Text::default()
    }
}
