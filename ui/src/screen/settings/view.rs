//! How the settings look: one column of cards.

use iced::widget::{Text, center_x, column, container, row, space as gap, text};
use iced::{Center, Element, Fill};

use super::{Looks, Message, Settings};
use crate::saved::{Appearance, Device};
use crate::theme::{self, Tone, dim, size, space};
use crate::widget::labels::PAGE;
use crate::widget::{action, icon_button, link, row_button, scroll, tab};
use crate::{font, icon};

impl Settings {
    /// The screen.
    pub fn view<'a>(&'a self, looks: Looks<'a>) -> Element<'a, Message> {
        let head = row![
            icon_button(icon::back(), "Back (Esc)", "settings/back", false, Message::Back),
            text("Settings").size(size::HEADING).font(font::SEMIBOLD),
            gap().width(Fill),
            link("Keyboard shortcuts", Message::Shortcuts).id("settings/shortcuts"),
        ];
        let page = column![
            head.spacing(space::M).align_y(Center),
            appearance(looks),
            cameras(looks),
            microphones(looks),
            downloads(looks),
            account(looks),
        ];
        scroll(center_x(page.spacing(space::L).max_width(dim::PAGE)).padding(space::XL))
            .id(PAGE)
            .height(Fill)
            .into()
    }
}

fn card<'a>(
    mark: Text<'a>,
    head: &'a str,
    hint: &'a str,
    side: Option<Element<'a, Message>>,
    body: Element<'a, Message>,
) -> Element<'a, Message> {
    let words = column![
        text(head).size(size::TITLE).font(font::SEMIBOLD),
        text(hint).size(size::SMALL).style(theme::muted)
    ];
    let head = row![
        container(mark.size(17))
            .padding(10)
            .style(theme::badge(Tone::Accent)),
        words.spacing(space::XXS).width(Fill),
        side,
    ];
    container(column![head.spacing(space::M).align_y(Center), body].spacing(space::L))
        .padding(space::L)
        .width(Fill)
        .style(theme::card)
        .into()
}

fn appearance(looks: Looks<'_>) -> Element<'_, Message> {
    let now = looks.appearance;
    let choice =
        |label, appearance, id| tab(label, now == appearance, Message::Appearance(appearance)).id(id);
    let choices = row![
        choice("As the desktop", Appearance::System, "settings/system"),
        choice("Dark", Appearance::Dark, "settings/dark"),
        choice("Light", Appearance::Light, "settings/light"),
    ];
    card(
        if now == Appearance::Light {
            icon::sun()
        } else {
            icon::moon()
        },
        "Appearance",
        "Dark or light, or as your desktop has it.",
        None,
        container(choices.spacing(space::XS))
            .padding(space::XS)
            .style(theme::raised)
            .into(),
    )
}

/// The rows of a choice of devices.
fn choices<'a>(
    now: &Device,
    given: String,
    devices: &'a [roomrtc_media::device::Device],
    test: &'a str,
    off: &'a str,
    message: fn(Device) -> Message,
) -> Element<'a, Message> {
    let option = |label: String, device: Device| -> Element<'a, Message> {
        let chosen = *now == device;
        let mark = if chosen {
            icon::check().size(15).style(theme::toned(Tone::Accent))
        } else {
            text("").size(15)
        };
        let content = row![
            container(mark).width(18),
            text(label).size(size::BODY).style(theme::plain).width(Fill)
        ];
        row_button(content.spacing(space::S).align_y(Center), chosen, message(device)).into()
    };
    let mut list = column![option(given, Device::Given)].spacing(space::XXS);
    for device in devices {
        list = list.push(option(device.name.clone(), Device::Named(device.id.clone())));
    }
    // a chosen device that was unplugged stays chosen
    if let Device::Named(id) = now
        && devices.iter().all(|device| device.id != *id)
    {
        list = list.push(option(format!("{id} (not connected)"), now.clone()));
    }
    list.push(option(test.to_owned(), Device::Test))
        .push(option(off.to_owned(), Device::Off))
        .into()
}

fn cameras(looks: Looks<'_>) -> Element<'_, Message> {
    card(
        icon::camera(),
        "Camera",
        "Used from the next call on; the lobby's preview follows at once.",
        Some(link("Look again", Message::Refresh).id("settings/refresh").into()),
        choices(
            &looks.saved.camera,
            format!("As started: {}", looks.devices.camera(&looks.given.video)),
            &looks.devices.cameras,
            "Test picture",
            "No pictures",
            Message::Camera,
        ),
    )
}

fn microphones(looks: Looks<'_>) -> Element<'_, Message> {
    card(
        icon::microphone(),
        "Microphone",
        "Used from the next call on.",
        None,
        choices(
            &looks.saved.microphone,
            format!("As started: {}", looks.devices.microphone(&looks.given.audio)),
            &looks.devices.microphones,
            "Test tone",
            "No sound",
            Message::Microphone,
        ),
    )
}

fn downloads(looks: Looks<'_>) -> Element<'_, Message> {
    let buttons = row![
        action(
            Some(icon::folder()),
            "Choose",
            theme::secondary,
            Some(Message::ChooseFolder)
        )
        .id("settings/folder"),
        icon_button(
            icon::pencil(),
            "Type the path",
            "settings/type-folder",
            false,
            Message::TypeFolder
        ),
    ];
    card(
        icon::download(),
        "Received files",
        "Every file is asked for before it comes; none is ever overwritten.",
        Some(buttons.spacing(space::S).align_y(Center).into()),
        text(looks.downloads.display().to_string())
            .size(size::BODY)
            .font(font::MEDIUM)
            .into(),
    )
}

fn account(looks: Looks<'_>) -> Element<'_, Message> {
    card(
        icon::user(),
        "Account",
        "Your session on this server.",
        Some(
            action(
                Some(icon::log_out()),
                "Log out",
                theme::secondary,
                Some(Message::LogOut),
            )
            .id("settings/log-out")
            .into(),
        ),
        text(format!("{} at {}", looks.session.user, looks.session.server))
            .size(size::BODY)
            .font(font::MEDIUM)
            .into(),
    )
}
