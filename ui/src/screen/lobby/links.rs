//! The links for guests that nobody has used yet: how long each is good, and what can be done with it.

use iced::widget::{Column, column, container, row, text};
use iced::{Center, Element, Fill};

use super::{Looks, Message};
use crate::theme::{size, space};
use crate::widget::{action, link, scroll, section};
use crate::{icon, theme, words};

/// More of them are scrolled.
const ROOM: f32 = 132.0;

/// Somebody without an account joins from a browser.
pub(super) fn links(looks: Looks<'_>) -> Element<'_, Message> {
    let invite = action(
        Some(icon::person_add()),
        "Invite by link",
        theme::secondary,
        looks.session.is_online().then_some(Message::Invite),
    );
    column![open(looks), invite.id("lobby/invite")]
        .spacing(space::S)
        .into()
}

fn open(looks: Looks<'_>) -> Option<Element<'_, Message>> {
    let rows: Vec<_> = looks
        .links
        .open(looks.now)
        .map(|(open, left)| {
            let invite = &open.invite;
            let copy = looks.links.url(invite).map(|_| {
                link("Copy", Message::CopyLink(invite.clone())).id_of(format!("link/copy/{invite}"))
            });
            let revoke =
                link("Revoke", Message::RevokeLink(invite.clone())).id_of(format!("link/revoke/{invite}"));
            let good = text(format!("Good for {}", words::span(left)))
                .size(size::SMALL)
                .style(theme::muted)
                .wrapping(text::Wrapping::None);
            row![good.width(Fill), copy, revoke].align_y(Center).into()
        })
        .collect();
    if rows.is_empty() {
        return None;
    }
    let list = scroll(Column::with_children(rows).padding([0.0, space::S]));
    Some(column![section("LINKS FOR GUESTS"), container(list).max_height(ROOM)].into())
}
