//! A sparkline: the last minute of a figure as one line.

use std::collections::VecDeque;

use iced::widget::canvas::{self, Canvas, Frame, Geometry, Path, Stroke};
use iced::{Element, Fill, Point, Rectangle, Renderer, Theme, mouse};

use crate::theme::{self, Tone, dim};

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
pub fn spark<'a, M: 'a>(values: &'a VecDeque<f64>, tone: Tone) -> Element<'a, M> {
    Canvas::new(Spark { values, tone })
        .width(Fill)
        .height(dim::SPARK)
        .into()
}
