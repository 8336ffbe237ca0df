//! A sparkline: the last minute of a figure as one line, alone or below the figure.

use std::collections::VecDeque;

use iced::widget::canvas::{self, Canvas, Frame, Geometry, Path, Stroke};
use iced::widget::{column, text};
use iced::{Element, Fill, FillPortion, Point, Rectangle, Renderer, Theme, mouse};

use super::labels::caption;
use crate::font;
use crate::theme::{self, Tone, dim, size, space};

/// Distance of the line from the top and bottom edge.
const MARGIN: f32 = 2.0;

struct Spark<'a> {
    values: &'a VecDeque<f64>,
    tone: Tone,
}

impl<M> canvas::Program<M> for Spark<'_> {
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
        if self.values.len() > 1 {
            let (line, area) = theme::spark(theme, self.tone);
            let top = self.values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
            let step = bounds.width / (self.values.len() - 1) as f32;
            let height = bounds.height - 2.0 * MARGIN;
            let points: Vec<Point> = self
                .values
                .iter()
                .enumerate()
                .map(|(i, value)| {
                    let up = (value / top).clamp(0.0, 1.0) as f32;
                    Point::new(i as f32 * step, bounds.height - MARGIN - up * height)
                })
                .collect();
            let below = Path::new(|path| {
                path.move_to(Point::new(0.0, bounds.height));
                points.iter().for_each(|point| path.line_to(*point));
                path.line_to(Point::new(bounds.width, bounds.height));
                path.close();
            });
            frame.fill(&below, area);
            let curve = Path::new(|path| {
                path.move_to(points[0]);
                points[1..].iter().for_each(|point| path.line_to(*point));
            });
            frame.stroke(&curve, Stroke::default().with_color(line).with_width(1.5));
        }
        vec![frame.into_geometry()]
    }
}

/// Draws values, oldest first, over the full width.
fn spark<'a, M: 'a>(values: &'a VecDeque<f64>, tone: Tone) -> Element<'a, M> {
    Canvas::new(Spark { values, tone })
        .width(Fill)
        .height(dim::SPARK)
        .into()
}

/// A figure with its last minute: what it is, what it is now, and the line.
pub fn metric<'a, M: 'a>(
    label: &'a str,
    value: String,
    values: &'a VecDeque<f64>,
    tone: Tone,
) -> Element<'a, M> {
    column![
        caption(label),
        text(value).size(size::BODY).font(font::SEMIBOLD),
        spark(values, tone)
    ]
    .spacing(space::XS)
    .width(FillPortion(1))
    .into()
}
