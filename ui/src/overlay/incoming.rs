//! Somebody calls. The card has a place of its own above the screen: it covers nothing.

use iced::widget::{column, container, row, text};
use iced::{Center, Element, Fill};

use crate::theme::{self, Ground, dim, size, space};
use crate::widget::{action, avatar, key_cap};
use crate::{font, icon, words};

/// A call that waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Who calls.
    pub user: String,
}

/// What the user does.
#[derive(Clone, Copy, Debug)]
pub enum Message {
    /// Takes it.
    Accept,
    /// Refuses it.
    Decline,
}

impl Incoming {
    /// The card.
    pub fn view(&self, width: f32) -> Element<'_, Message> {
        let wide = width >= dim::NARROW;
        let who = column![
            text(words::shortened(&self.user, if wide { 40 } else { 26 }))
                .size(size::TITLE)
                .font(font::SEMIBOLD)
                .wrapping(text::Wrapping::None),
            text("Incoming video call").size(size::SMALL).style(theme::muted),
        ];
        let decline = action(
            Some(icon::phone_off()),
            "Decline",
            theme::danger,
            Some(Message::Decline),
        );
        let accept = action(Some(icon::camera()), "Accept", theme::take, Some(Message::Accept));
        let key = |label: &'static str| wide.then(|| key_cap(label));
        let card = row![
            avatar(&self.user, 46.0, None, Ground::Card),
            who.spacing(3).width(Fill).clip(true),
            key("Esc"),
            decline.id("incoming/decline"),
            key("Enter"),
            accept.id("incoming/accept"),
        ];
        let card = container(card.spacing(space::M).align_y(Center))
            .padding([space::M, space::L])
            .width(Fill)
            .style(theme::incoming);
        container(card)
            .padding(iced::Padding::new(space::M).bottom(0.0))
            .into()
    }
}
