//! Draws the newest picture of a [`VideoSlot`].
//!
//! Pictures never travel as messages: a bell rings (see `bridge`), the window is drawn again, and this widget
//! takes whatever is newest then. With a GPU the planes go through a shader ([`shader`]), without one they are
//! converted straight to the pixels they will cover ([`convert`]). What does not fit is cropped in the picture,
//! not clipped on the screen, so rounded corners stay where they belong.

mod convert;
mod shader;

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};

use iced::advanced::image::{self, Renderer as _};
use iced::advanced::widget::{Tree, tree};
use iced::advanced::{Layout, Widget, layout, mouse, renderer};
use iced::{ContentFit, Element, Length, Rectangle, Size};
use iced_wgpu::primitive::Renderer as _;
use roomrtc_actors::slot::VideoSlot;

use convert::{Scratch, View};

/// Pictures drawn so far, by all views.
static DRAWN: AtomicU64 = AtomicU64::new(0);

/// How many pictures were drawn so far, by all views together; one drawn twice counts once.
pub fn drawn() -> u64 {
    DRAWN.load(Ordering::Relaxed)
}

/// See [`video`].
pub struct Video<'a> {
    slot: &'a VideoSlot,
    keep: f32,
    aspect: Option<f32>,
    mirror: bool,
    shown: bool,
    radius: f32,
    scale: f32,
}

/// Shows a slot. `scale` is the window's scale factor, so that a picture is converted to the pixels it covers.
pub fn video(slot: &VideoSlot, scale: f32) -> Video<'_> {
    Video {
        slot,
        keep: 0.0,
        aspect: None,
        mirror: false,
        shown: true,
        radius: 0.0,
        scale,
    }
}

impl Video<'_> {
    /// Fill the room as long as at least this part of the picture stays visible, 0 to 1; otherwise show all of it,
    /// with margins.
    pub fn keep(mut self, part: f32) -> Self {
        self.keep = part;
        self
    }

    /// Take the largest room of this shape instead of all there is.
    pub fn aspect(mut self, aspect: f32) -> Self {
        self.aspect = Some(aspect);
        self
    }

    /// Swap left and right, as people expect of themselves.
    pub fn mirror(mut self, mirror: bool) -> Self {
        self.mirror = mirror;
        self
    }

    /// Draw nothing, but take the room, if not.
    pub fn shown(mut self, shown: bool) -> Self {
        self.shown = shown;
        self
    }

    /// Round the corners.
    pub fn radius(mut self, radius: f32) -> Self {
        self.radius = radius;
        self
    }

    /// Where the picture lies in `bounds`, in whole pixels of the screen, and which part of it is visible.
    fn place(&self, picture: Size, bounds: Rectangle) -> (Rectangle, [f32; 2]) {
        let filled = ContentFit::Cover.fit(picture, bounds.size());
        let visible = (bounds.width / filled.width) * (bounds.height / filled.height);
        let fitted = if visible >= self.keep {
            filled
        } else {
            ContentFit::Contain.fit(picture, bounds.size())
        };
        let whole = |length: f32| ((length * self.scale).round() / self.scale).max(1.0 / self.scale);
        let size = Size::new(
            whole(fitted.width.min(bounds.width)),
            whole(fitted.height.min(bounds.height)),
        );
        let at = Rectangle {
            x: ((bounds.center_x() - size.width / 2.0) * self.scale).round() / self.scale,
            y: ((bounds.center_y() - size.height / 2.0) * self.scale).round() / self.scale,
            width: size.width,
            height: size.height,
        };
        let crop = [
            (size.width / fitted.width).min(1.0),
            (size.height / fitted.height).min(1.0),
        ];
        (at, crop)
    }
}

/// What was converted last, so that a redraw for another reason costs nothing.
#[derive(Default)]
struct State {
    seen: Cell<Option<(usize, u64)>>,
    converted: RefCell<Converted>,
}

#[derive(Default)]
struct Converted {
    of: Option<(usize, u64, View)>,
    image: Option<image::Handle>,
    scratch: Scratch,
}

impl<Message, Theme> Widget<Message, Theme, iced::Renderer> for Video<'_> {
    fn tag(&self) -> tree::Tag {
        tree::Tag::of::<State>()
    }

    fn state(&self) -> tree::State {
        tree::State::new(State::default())
    }

    fn size(&self) -> Size<Length> {
        let height = if self.aspect.is_some() {
            Length::Shrink
        } else {
            Length::Fill
        };
        Size::new(Length::Fill, height)
    }

    fn layout(
        &mut self,
        _tree: &mut Tree,
        _renderer: &iced::Renderer,
        limits: &layout::Limits,
    ) -> layout::Node {
        let Some(aspect) = self.aspect else {
            return layout::atomic(limits, Length::Fill, Length::Fill);
        };
        let room = limits.max();
        let width = room.width.min(room.height * aspect);
        layout::Node::new(Size::new(width, width / aspect))
    }

    fn draw(
        &self,
        tree: &Tree,
        renderer: &mut iced::Renderer,
        _theme: &Theme,
        _style: &renderer::Style,
        layout: Layout<'_>,
        _cursor: mouse::Cursor,
        _viewport: &Rectangle,
    ) {
        // answered before looking: what comes in between rings again
        self.slot.answer();
        if !self.shown {
            return;
        }
        let (sequence, Some(frame)) = self.slot.latest() else {
            return;
        };
        let bounds = layout.bounds();
        let picture = Size::new(frame.width as f32, frame.height as f32);
        if picture.width < 1.0 || picture.height < 1.0 || bounds.width < 1.0 || bounds.height < 1.0 {
            return;
        }
        let (at, crop) = self.place(picture, bounds);
        let state = tree.state.downcast_ref::<State>();
        if state.seen.replace(Some((self.slot.id(), sequence))) != Some((self.slot.id(), sequence)) {
            DRAWN.fetch_add(1, Ordering::Relaxed);
        }
        if let iced::Renderer::Primary(_) = renderer {
            let picture = shader::Picture {
                slot: self.slot.id(),
                sequence,
                frame,
                crop,
                mirror: self.mirror,
                radius: self.radius,
            };
            renderer.draw_primitive(at, picture);
            return;
        }
        let view = View {
            width: (at.width * self.scale).round() as u32,
            height: (at.height * self.scale).round() as u32,
            crop,
            mirror: self.mirror,
            radius: self.radius * self.scale,
        };
        let mut converted = state.converted.borrow_mut();
        let of = Some((self.slot.id(), sequence, view));
        if converted.of != of {
            converted.of = of;
            converted.image = convert::to_rgba(&frame, &view, &mut converted.scratch)
                .map(|rgba| image::Handle::from_rgba(view.width, view.height, rgba));
        }
        if let Some(handle) = &converted.image {
            let image = image::Image::new(handle.clone())
                .filter_method(image::FilterMethod::Nearest)
                .snap(true);
            renderer.draw_image(image, at, at);
        }
    }
}

impl<'a, Message: 'a, Theme: 'a> From<Video<'a>> for Element<'a, Message, Theme, iced::Renderer> {
    fn from(video: Video<'a>) -> Self {
        Element::new(video)
    }
}
