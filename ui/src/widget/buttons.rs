//! Buttons, all of them reachable by the keyboard.

use iced::widget::text::IntoFragment;
use iced::widget::{Text, button, center, row, text};
use iced::{Center, Element, Fill, Theme};

use super::labels::tip;
use super::press::{Press, press};
use crate::font;
use crate::theme::{self, Control, dim, radius, size, space};

/// Size of an icon beside a label.
const ICON: f32 = 17.0;
/// Size of an icon in the control bar.
const CONTROL_ICON: f32 = 20.0;

/// A pill with an icon and a label. Without `on_press` it is disabled.
pub fn action<'a, M: Clone + 'a>(
    icon: Option<Text<'a>>,
    label: impl IntoFragment<'a>,
    style: impl Fn(&Theme, button::Status) -> button::Style + 'a,
    on_press: Option<M>,
) -> Press<'a, M> {
    let label = text(label)
        .size(size::BODY)
        .font(font::SEMIBOLD)
        .wrapping(text::Wrapping::None);
    let content = row![icon.map(|icon| icon.size(ICON)), label]
        .spacing(space::S)
        .align_y(Center);
    press(content, on_press, radius::PILL, |b| {
        b.padding([11.0, 20.0]).style(style)
    })
}

/// A small square button with an icon; `label` says what it does.
pub fn icon_button<'a, M: Clone + 'a>(
    icon: Text<'a>,
    label: &'a str,
    id: &'static str,
    active: bool,
    on_press: M,
) -> Element<'a, M> {
    let button = press(center(icon.size(ICON)), Some(on_press), radius::S, |b| {
        b.width(dim::ICON_BUTTON)
            .height(dim::ICON_BUTTON)
            .padding(0)
            .style(theme::ghost(active))
    });
    tip(button.id(id), label)
}

/// A round button of the call's bar.
pub fn control<'a, M: Clone + 'a>(
    icon: Text<'a>,
    label: &'a str,
    id: &'static str,
    kind: Control,
    on_press: M,
) -> Element<'a, M> {
    let width = match kind {
        Control::End => dim::HANG_UP,
        Control::Plain | Control::Open | Control::Off => dim::CONTROL,
    };
    let button = press(
        center(icon.size(CONTROL_ICON)),
        Some(on_press),
        radius::PILL,
        |b| {
            b.width(width)
                .height(dim::CONTROL)
                .padding(0)
                .style(theme::control(kind))
        },
    );
    tip(button.id(id), label)
}

/// A tab of a panel or a choice of a few.
pub fn tab<'a, M: Clone + 'a>(label: impl IntoFragment<'a>, active: bool, on_press: M) -> Press<'a, M> {
    let label = text(label)
        .size(size::BODY)
        .font(font::MEDIUM)
        .width(Fill)
        .align_x(Center);
    press(label, Some(on_press), radius::S, |b| {
        b.padding([8.0, 0.0]).width(Fill).style(theme::ghost(active))
    })
}

/// A whole row that can be chosen.
pub fn row_button<'a, M: Clone + 'a>(
    content: impl Into<Element<'a, M>>,
    active: bool,
    on_press: M,
) -> Press<'a, M> {
    press(content, Some(on_press), radius::S, |b| {
        b.padding([8.0, 10.0]).width(Fill).style(theme::ghost(active))
    })
}

/// A word that does something.
pub fn link<'a, M: Clone + 'a>(label: impl IntoFragment<'a>, on_press: M) -> Press<'a, M> {
    let label = text(label).size(size::SMALL).font(font::SEMIBOLD);
    press(label, Some(on_press), radius::S, |b| {
        b.padding([4.0, 8.0]).style(theme::ghost(false))
    })
}
