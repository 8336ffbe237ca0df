//! A strip that says the server is gone and when it is tried again.

use iced::widget::{container, row, text};
use iced::{Center, Element, Fill};
use roomrtc_actors::ui_bridge::ConnectionState;

use crate::theme::{self, Tone, size, space};
use crate::{font, icon};

/// The strip, while there is something to say.
pub fn view<'a, M: 'a>(connection: &ConnectionState, in_call: bool) -> Option<Element<'a, M>> {
    let words = match connection {
        ConnectionState::Connected => return None,
        ConnectionState::Connecting => "Connecting to the server…".to_owned(),
        ConnectionState::Disconnected => "Not connected to the server.".to_owned(),
        ConnectionState::Failed(cause) => format!("The server cannot be reached ({cause})."),
        ConnectionState::Reconnecting { attempt, after } => {
            let when = match after.as_secs() {
                0 => "now".to_owned(),
                1 => "in a second".to_owned(),
                seconds => format!("in {seconds} seconds"),
            };
            format!("Lost the server. Trying again {when} (attempt {attempt}).")
        }
    };
    let more = in_call.then(|| {
        text("Your call goes on without it.")
            .size(size::BODY)
            .style(theme::muted)
    });
    let strip = row![
        icon::offline().size(17).style(theme::toned(Tone::Warning)),
        text(words).size(size::BODY).font(font::MEDIUM),
        more
    ];
    let strip = container(strip.spacing(space::M).align_y(Center))
        .padding([10.0, space::L])
        .width(Fill)
        .style(theme::banner(Tone::Warning));
    Some(
        container(strip)
            .padding(iced::Padding::new(space::M).bottom(0.0))
            .into(),
    )
}
