//! Words with a shape around them.

use iced::widget::scrollable::{Direction, Scrollbar};
use iced::widget::text::IntoFragment;
use iced::widget::{
    Scrollable, Text, center, column, container, opaque, row, scrollable, space as gap, stack, text, tooltip,
};
use iced::{Center, Element, Fill, Theme};

use crate::font;
use crate::theme::{self, Tone, dim, size, space};

/// Names what the page keys scroll.
pub const PAGE: &str = "page";
/// Size of an icon in a chip.
const CHIP_ICON: f32 = 14.0;
/// Size of the icon of an empty place.
const EMPTY_ICON: f32 = 26.0;

/// Says what something does when the pointer rests on it.
pub fn tip<'a, M: 'a>(content: impl Into<Element<'a, M>>, label: impl IntoFragment<'a>) -> Element<'a, M> {
    let label = container(text(label).size(size::SMALL).style(theme::plain))
        .padding([5.0, 9.0])
        .style(theme::card);
    tooltip(content, label, tooltip::Position::Top)
        .gap(space::S)
        .into()
}

/// The head of a group.
pub fn section<'a, M: 'a>(label: impl IntoFragment<'a>) -> Element<'a, M> {
    container(caption(label)).padding([space::XS, space::S]).into()
}

/// A small head.
pub fn caption<'a>(label: impl IntoFragment<'a>) -> Text<'a> {
    text(label)
        .size(size::CAPTION)
        .font(font::SEMIBOLD)
        .style(theme::faint)
}

/// A word in a tinted pill.
pub fn chip<'a, M: 'a>(icon: Option<Text<'a>>, label: impl IntoFragment<'a>, tone: Tone) -> Element<'a, M> {
    let label = text(label).size(size::SMALL).font(font::MEDIUM);
    container(
        row![icon.map(|icon| icon.size(CHIP_ICON)), label]
            .spacing(6.0)
            .align_y(Center),
    )
    .padding([4.0, 10.0])
    .style(theme::chip(tone))
    .into()
}

/// A word in a pill over a picture.
pub fn glass_chip<'a, M: 'a>(icon: Text<'a>, tone: Tone, label: impl IntoFragment<'a>) -> Element<'a, M> {
    let label = text(label)
        .size(size::SMALL)
        .font(font::MEDIUM)
        .wrapping(text::Wrapping::None);
    container(
        row![icon.size(15).style(theme::on_video_toned(tone)), label]
            .spacing(7.0)
            .align_y(Center),
    )
    .padding([9.0, 14.0])
    .style(theme::glass)
    .into()
}

/// The name of a key.
pub fn key_cap<'a, M: 'a>(label: impl IntoFragment<'a>) -> Element<'a, M> {
    container(text(label).size(size::CAPTION).font(font::SEMIBOLD))
        .padding([3.0, 7.0])
        .style(theme::key_cap)
        .into()
}

/// A horizontal line.
pub fn line<'a, M: 'a>() -> Element<'a, M> {
    container(gap())
        .width(Fill)
        .height(dim::HAIRLINE)
        .style(theme::hairline)
        .into()
}

/// A labelled place of a form.
pub fn field<'a, M: 'a>(label: &'a str, input: impl Into<Element<'a, M>>) -> Element<'a, M> {
    let label = text(label).size(size::SMALL).font(font::MEDIUM);
    column![label.style(theme::muted), input.into()]
        .spacing(6.0)
        .into()
}

/// What stands where there is nothing yet: what would be here, and what to do about it.
pub fn empty<'a, M: 'a>(
    icon: Text<'a>,
    title: impl IntoFragment<'a>,
    hint: impl IntoFragment<'a>,
) -> Element<'a, M> {
    let badge = container(icon.size(EMPTY_ICON))
        .padding(space::L)
        .style(theme::badge(Tone::Accent));
    let words = column![
        text(title).size(size::TITLE).font(font::SEMIBOLD),
        text(hint)
            .size(size::BODY)
            .style(theme::muted)
            .align_x(Center)
            .width(Fill),
    ];
    let words = words.spacing(6.0).align_x(Center).max_width(dim::FORM);
    center(column![badge, words].spacing(space::L).align_x(Center))
        .padding(space::L)
        .into()
}

/// Scrolls what is too high, with a thin bar beside it.
pub fn scroll<'a, M: 'a>(content: impl Into<Element<'a, M>>) -> Scrollable<'a, M> {
    let bar = Scrollbar::new()
        .width(dim::SCROLL_BAR)
        .scroller_width(dim::SCROLL_BAR)
        .spacing(space::XS);
    scrollable(content)
        .direction(Direction::Vertical(bar))
        .style(theme::scroll)
}

/// Puts a card above a dimmed window; nothing below can be reached by the pointer.
pub fn modal<'a, M: 'a>(below: Element<'a, M>, card: Element<'a, M>) -> Element<'a, M> {
    let above = center(card)
        .padding(space::XL)
        .style(|theme: &Theme| theme::scrim(theme));
    stack![below, opaque(above)].into()
}
