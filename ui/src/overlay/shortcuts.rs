//! Every key there is.

use iced::widget::{column, container, row, space as gap, text};
use iced::{Center, Element, Fill};

use crate::theme::{self, dim, size, space};
use crate::widget::{action, key_cap, line};
use crate::{font, icon};

/// Keys, and what they do.
const KEYS: [(&[&str], &str); 16] = [
    (&["Tab"], "Next button or field (with Shift: the one before)"),
    (&["Enter"], "Take an incoming call, or press what has the focus"),
    (&["Esc"], "Decline or cancel a call, close what is open"),
    (&["PgUp", "PgDn"], "Scroll"),
    (&["Ctrl", "F"], "Search people"),
    (&["Ctrl", "Enter"], "Call the chosen person"),
    (&["Ctrl", "D"], "Mute or unmute"),
    (&["Ctrl", "E"], "Camera on or off"),
    (&["Ctrl", "S"], "Share your screen, or no longer"),
    (&["Ctrl", "P"], "Hold the call, or go on"),
    (&["Ctrl", "O"], "Send a file"),
    (&["Ctrl", "Shift", "H"], "Hang up"),
    (&["Ctrl", "I"], "Figures of the call"),
    (&["F12"], "The actors: mailboxes, messages, restarts"),
    (&["Ctrl", ","], "Settings"),
    (&["Ctrl", "/"], "This list"),
];

/// What the user does.
#[derive(Clone, Copy, Debug)]
pub enum Message {
    /// Has seen it.
    Close,
}

/// The card.
pub fn view<'a>() -> Element<'a, Message> {
    let rows = KEYS.iter().map(|(keys, does)| {
        let keys = keys.iter().map(|key| key_cap(*key));
        row![
            text(*does).size(size::BODY).width(Fill),
            iced::widget::Row::with_children(keys).spacing(space::XS)
        ]
        .spacing(space::L)
        .align_y(Center)
        .into()
    });
    let head = row![
        icon::keyboard().size(20),
        text("Keyboard").size(size::TITLE).font(font::SEMIBOLD),
        gap().width(Fill),
        action(None, "Close", theme::secondary, Some(Message::Close)).id("shortcuts/close"),
    ];
    container(
        column![
            head.spacing(space::M).align_y(Center),
            line(),
            column(rows).spacing(space::M)
        ]
        .spacing(space::L),
    )
    .padding(space::XL)
    .max_width(dim::FORM + 120.0)
    .style(theme::floating)
    .into()
}
