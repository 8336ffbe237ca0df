//! While it rings over there.

use iced::widget::{center, column, container, stack, text};
use iced::{Center, Element, Fill};
use roomrtc_actors::slot::VideoSlot;

use crate::theme::{self, Ground, Tone, dim, radius, size, space};
use crate::widget::{action, avatar, glass_chip, video};
use crate::{font, icon};

/// An outgoing call nobody has taken yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Whom.
    pub user: String,
    /// Whether it rings there yet.
    pub ringing: bool,
}

/// What the user does.
#[derive(Clone, Debug)]
pub enum Message {
    /// Takes the call back.
    Cancel,
}

/// What `app` shall do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Take the call back.
    Cancel,
}

impl Outgoing {
    /// What the user does.
    pub fn update(&mut self, message: Message) -> Action {
        match message {
            Message::Cancel => Action::Cancel,
        }
    }

    /// The screen: who is being called, and our own picture where it will be in the call.
    pub fn view<'a>(&'a self, local: &'a VideoSlot, mirror: bool, scale: f32) -> Element<'a, Message> {
        let (mark, tone, state) = if self.ringing {
            (icon::phone_outgoing(), Tone::Good, "Ringing…")
        } else {
            (icon::server(), Tone::Neutral, "Asking the server…")
        };
        let who = column![
            avatar(&self.user, 128.0, None, Ground::Card),
            text(&self.user)
                .size(size::DISPLAY)
                .font(font::SEMIBOLD)
                .align_x(Center),
            glass_chip(mark, tone, state),
            action(
                Some(icon::phone_off()),
                "Cancel",
                theme::danger,
                Some(Message::Cancel)
            )
            .id("outgoing/cancel"),
            text("Esc cancels").size(size::SMALL).style(theme::on_video_muted),
        ];
        let picture = container(video(local, scale).mirror(mirror).radius(radius::M))
            .padding(2)
            .width(dim::SELF_VIEW.width)
            .height(dim::SELF_VIEW.height)
            .style(theme::self_view);
        let layers = stack![
            center(who.spacing(space::XL).align_x(Center)).padding(space::XL),
            container(picture).padding(space::L).align_right(Fill),
        ];
        container(
            container(layers.width(Fill).height(Fill))
                .style(theme::stage)
                .width(Fill)
                .height(Fill),
        )
        .padding(space::M)
        .into()
    }
}
