//! How the lobby looks: people on the left; on the right the chosen one, the camera, and what happened.

use iced::widget::{Text, center, center_x, column, container, row, space as gap, stack, text, text_input};
use iced::{Center, Element, Fill, FillPortion};
use roomrtc_protocol::signaling::messages::Presence;

use super::links::links;
use super::{GROUPS, Lobby, Looks, Message, SEARCH};
use crate::recent::{Entry, What};
use crate::saved::Preview;
use crate::theme::{self, Ground, Tone, dim, radius, size, space};
use crate::widget::{
    action, avatar, chip, empty, icon_button, line, link, presence_line, row_button, scroll, section, video,
};
use crate::{font, icon, words};

/// Letters of a name that fit into a row of the list.
const ROW_NAME: usize = 23;
/// Letters of one's own name that fit beside the buttons.
const OWN_NAME: usize = 15;
/// What stands beside the name in the head of a person.
const HERO_REST: f32 = 340.0;
/// Shape of the preview.
const PREVIEW_ASPECT: f32 = 16.0 / 9.0;
/// Below this height the names of the devices give way to the picture.
const LOW: f32 = 700.0;

impl Lobby {
    /// The screen.
    pub fn view<'a>(&'a self, looks: Looks<'a>) -> Element<'a, Message> {
        row![self.sidebar(looks), self.main(looks)].into()
    }

    fn sidebar<'a>(&'a self, looks: Looks<'a>) -> Element<'a, Message> {
        let brand = row![
            container(icon::camera().size(15)).padding(7).style(theme::brand),
            text("RoomRTC").size(size::TITLE).font(font::SEMIBOLD),
        ];
        let search = text_input("Search people", &self.query)
            .id(SEARCH)
            .on_input(Message::Query)
            .on_submit(Message::First)
            .size(size::BODY)
            .padding([9.0, 12.0])
            .style(theme::input);
        container(
            column![
                brand.spacing(10).align_y(Center).padding([0.0, space::XS]),
                search,
                self.people(looks),
                links(looks),
                line(),
                you(looks),
            ]
            .spacing(space::M),
        )
        .padding(space::L)
        .width(dim::SIDEBAR)
        .height(Fill)
        .style(theme::panel)
        .into()
    }

    fn people<'a>(&'a self, looks: Looks<'a>) -> Element<'a, Message> {
        let session = looks.session;
        if session.users.is_empty() {
            return container(
                text("Nobody else has an account on this server yet.")
                    .size(size::SMALL)
                    .style(theme::faint),
            )
            .padding(space::S)
            .height(Fill)
            .into();
        }
        if self.found(session).next().is_none() {
            return container(
                text(format!("Nobody is called “{}”.", self.query.trim()))
                    .size(size::SMALL)
                    .style(theme::faint),
            )
            .padding(space::S)
            .height(Fill)
            .into();
        }
        let selected = self.selected(session);
        let mut list = column![].spacing(space::XXS);
        for (presence, head) in GROUPS {
            let mut users = self.group(session, presence).peekable();
            if users.peek().is_none() {
                continue;
            }
            list = list.push(section(head));
            for user in users {
                list = list.push(person(user, presence, selected == Some(user)));
            }
            list = list.push(gap().height(space::S));
        }
        scroll(list).height(Fill).into()
    }

    fn main<'a>(&'a self, looks: Looks<'a>) -> Element<'a, Message> {
        let selected = self.selected(looks.session);
        let hero = match selected {
            Some(user) => hero(user, looks),
            None => nobody(looks),
        };
        let cards = row![
            container(camera_check(looks)).width(FillPortion(7)),
            container(self.recent(selected, looks)).width(FillPortion(6)),
        ];
        container(column![hero, cards.spacing(space::L).height(Fill)].spacing(space::L))
            .padding(space::XL)
            .width(Fill)
            .into()
    }

    fn recent<'a>(&'a self, selected: Option<&'a str>, looks: Looks<'a>) -> Element<'a, Message> {
        let peer = selected.filter(|_| !self.everybody);
        let switch = selected.map(|user| {
            if self.everybody {
                link(format!("Only {user}"), Message::Everybody(false)).id("lobby/recent-one")
            } else {
                link("Everybody", Message::Everybody(true)).id("lobby/recent-all")
            }
        });
        let head = row![
            text(match peer {
                Some(_) => "Recent",
                None => "Recent with everybody",
            })
            .size(size::TITLE)
            .font(font::SEMIBOLD),
            gap().width(Fill),
            switch
        ];
        let mut entries = looks.recent.with(peer).peekable();
        let body: Element<'a, Message> = if entries.peek().is_none() {
            empty(
                icon::clock(),
                "Nothing yet",
                match peer {
                    Some(user) => format!("Calls and files with {user} will be listed here."),
                    None => "Your calls and files will be listed here.".into(),
                },
            )
        } else {
            let mut list = column![].spacing(space::M);
            for (i, entry) in entries.enumerate() {
                if i > 0 {
                    list = list.push(line());
                }
                list = list.push(happened(entry, peer.is_none(), looks.now));
            }
            scroll(list.padding([space::XS, space::S])).height(Fill).into()
        };
        container(column![head.align_y(Center).padding([0.0, space::S]).height(30), body].spacing(space::M))
            .padding(space::M)
            .width(Fill)
            .height(Fill)
            .style(theme::card)
            .into()
    }
}

fn person<'a>(user: &'a str, presence: Presence, selected: bool) -> Element<'a, Message> {
    let name = text(words::shortened(user, ROW_NAME))
        .size(size::BODY)
        .font(font::MEDIUM)
        .style(theme::plain)
        .wrapping(text::Wrapping::None);
    let content = row![
        avatar(user, 36.0, Some(presence), Ground::Panel),
        column![name, presence_line(presence, false)]
            .spacing(space::XXS)
            .width(Fill)
            .clip(true),
    ];
    row_button(
        content.spacing(space::M).align_y(Center),
        selected,
        Message::Select(user.to_owned()),
    )
    .id_of(format!("person/{user}"))
    .into()
}

fn you(looks: Looks<'_>) -> Element<'_, Message> {
    let session = looks.session;
    let name = text(words::shortened(&session.user, OWN_NAME))
        .size(size::BODY)
        .font(font::MEDIUM)
        .wrapping(text::Wrapping::None);
    let server = text(&session.server)
        .size(size::CAPTION)
        .style(theme::faint)
        .wrapping(text::Wrapping::None);
    let presence = if session.is_online() {
        Presence::Available
    } else {
        Presence::Offline
    };
    row![
        avatar(&session.user, 34.0, Some(presence), Ground::Panel),
        column![name, server].spacing(1).width(Fill).clip(true),
        icon_button(
            icon::settings(),
            "Settings",
            "lobby/settings",
            false,
            Message::Settings
        ),
        icon_button(
            icon::log_out(),
            "Log out",
            "lobby/log-out",
            false,
            Message::LogOut
        ),
    ]
    .spacing(space::S)
    .align_y(Center)
    .into()
}

fn hero<'a>(user: &'a str, looks: Looks<'a>) -> Element<'a, Message> {
    let presence = looks.session.presence(user);
    let narrow = looks.width < dim::NARROW;
    let callable = looks.session.is_online() && presence == Presence::Available && !looks.ringing;
    let call = action(
        Some(icon::camera()),
        "Video call",
        theme::primary,
        callable.then_some(Message::Call),
    )
    .id("lobby/call");
    let why = match presence {
        _ if looks.ringing => Some("Answer the incoming call first"),
        _ if !looks.session.is_online() => Some("You are offline"),
        Presence::Available => None,
        Presence::Busy => Some("You can call when they are free"),
        Presence::Offline => Some("You can call when they are back"),
    };
    let state = row![
        presence_line(presence, true),
        why.map(|why| text(format!("· {why}")).size(size::BODY).style(theme::faint)),
    ];
    let name_size = if narrow { size::HEADING } else { size::DISPLAY };
    let room = (looks.width - dim::SIDEBAR - HERO_REST).max(0.0);
    let name = text(words::shortened(
        user,
        (room / (name_size * dim::LETTER)) as usize,
    ))
    .size(name_size)
    .font(font::SEMIBOLD)
    .wrapping(text::Wrapping::None);
    container(
        row![
            avatar(
                user,
                if narrow { 52.0 } else { 72.0 },
                Some(presence),
                Ground::Card
            ),
            column![name, state.spacing(space::S)]
                .spacing(space::XS)
                .width(Fill)
                .clip(true),
            call,
        ]
        .spacing(if narrow { space::L } else { space::XL })
        .align_y(Center),
    )
    .padding(if narrow { space::L } else { space::XL })
    .width(Fill)
    .style(theme::card)
    .into()
}

fn nobody(looks: Looks<'_>) -> Element<'_, Message> {
    let words =
        column![
        text("Nobody else is here yet").size(size::HEADING).font(font::SEMIBOLD),
        text(format!(
            "Ask somebody to register at {}. They appear in the list at once, and then you can call them.",
            looks.session.server
        ))
        .size(size::BODY)
        .style(theme::muted)
        .line_height(1.5),
    ];
    container(
        row![
            container(icon::users().size(28))
                .padding(space::L)
                .style(theme::badge(Tone::Accent)),
            words.spacing(space::XS).width(Fill)
        ]
        .spacing(space::XL)
        .align_y(Center),
    )
    .padding(space::XL)
    .width(Fill)
    .style(theme::card)
    .into()
}

fn camera_check(looks: Looks<'_>) -> Element<'_, Message> {
    let on = looks.preview == Preview::On;
    let has_picture = on && looks.local.latest().1.is_some();
    let (mark, word, tone) = match (on, has_picture) {
        (true, true) => (icon::check(), "Ready", Tone::Good),
        (true, false) => (icon::clock(), "Starting", Tone::Neutral),
        (false, _) => (icon::camera_off(), "Off", Tone::Neutral),
    };
    let toggle = if on { "Turn off" } else { "Turn on" };
    let head = row![
        text("Camera check").size(size::TITLE).font(font::SEMIBOLD),
        gap().width(Fill),
        link(toggle, Message::TogglePreview).id("lobby/preview"),
        (looks.width >= dim::NARROW).then(|| chip(Some(mark), word, tone)),
    ];
    let names = (looks.height >= LOW).then(|| devices(looks));
    container(
        column![
            head.spacing(space::XS)
                .align_y(Center)
                .padding([0.0, space::S])
                .height(30),
            preview(looks, on, has_picture),
            (looks.mirror && has_picture).then(mirror_hint),
            names
        ]
        .spacing(space::M),
    )
    .padding(space::M)
    .width(Fill)
    .height(Fill)
    .style(theme::card)
    .into()
}

fn mirror_hint<'a>() -> Text<'a> {
    text("You see yourself as in a mirror; others see you the right way round.")
        .size(size::SMALL)
        .style(theme::faint)
        .width(Fill)
        .align_x(Center)
}

/// The camera's picture, or why there is none, in the picture's shape.
fn preview(looks: Looks<'_>, on: bool, has_picture: bool) -> Element<'_, Message> {
    let (mark, hint) = if on {
        (icon::camera(), "Waiting for the first picture")
    } else {
        (
            icon::camera_off(),
            "The camera is closed. Others see you only in calls.",
        )
    };
    let hint = column![
        mark.size(26).style(theme::faint),
        text(hint).size(size::SMALL).style(theme::faint).align_x(Center)
    ];
    let picture = video(looks.local, looks.scale)
        .aspect(PREVIEW_ASPECT)
        .radius(radius::M)
        .mirror(looks.mirror)
        .shown(has_picture);
    let hint = (!has_picture).then(|| {
        center(hint.spacing(space::M).align_x(Center))
            .padding(space::L)
            .style(theme::picture)
    });
    center_x(stack![picture, hint]).into()
}

fn devices(looks: Looks<'_>) -> Element<'_, Message> {
    let (known, media) = (looks.devices, looks.media);
    column![
        device(icon::camera(), "Camera", known.camera(&media.video)),
        device(icon::microphone(), "Microphone", known.microphone(&media.audio)),
        device(icon::speaker(), "Speaker", known.speaker(&media.audio)),
    ]
    .spacing(space::XXS)
    .into()
}

fn device<'a>(mark: Text<'a>, label: &'a str, name: String) -> Element<'a, Message> {
    let words = column![
        text(label).size(size::CAPTION).style(theme::faint),
        text(name)
            .size(size::BODY)
            .font(font::MEDIUM)
            .style(theme::plain)
            .wrapping(text::Wrapping::None)
    ];
    let content = row![
        mark.size(16).style(theme::muted),
        words.spacing(1).width(Fill).clip(true),
        icon::settings().size(14).style(theme::faint),
    ];
    row_button(
        content.spacing(space::M).align_y(Center),
        false,
        Message::Settings,
    )
    .into()
}

fn happened(entry: &Entry, with_peer: bool, now: u64) -> Element<'_, Message> {
    let (mark, tone, what, figure) = match &entry.what {
        What::Outgoing {
            seconds: Some(seconds),
        } => (
            icon::phone_outgoing(),
            Tone::Accent,
            "Outgoing call".to_owned(),
            words::length(*seconds),
        ),
        What::Outgoing { seconds: None } => (
            icon::phone_outgoing(),
            Tone::Neutral,
            "Call not taken".to_owned(),
            String::new(),
        ),
        What::Incoming { seconds } => (
            icon::phone_incoming(),
            Tone::Good,
            "Incoming call".to_owned(),
            words::length(*seconds),
        ),
        What::Missed => (
            icon::phone_missed(),
            Tone::Bad,
            "Missed call".to_owned(),
            String::new(),
        ),
        What::Sent { name, size } => (icon::upload(), Tone::Neutral, name.clone(), words::bytes(*size)),
        What::Received { name, size } => (icon::download(), Tone::Neutral, name.clone(), words::bytes(*size)),
    };
    let when = words::ago(entry.at, now);
    let second = if with_peer {
        format!("{} · {when}", entry.peer)
    } else {
        when
    };
    row![
        container(mark.size(15)).padding(9).style(theme::badge(tone)),
        column![
            text(what)
                .size(size::BODY)
                .font(font::MEDIUM)
                .wrapping(text::Wrapping::None),
            text(second)
                .size(size::SMALL)
                .style(theme::faint)
                .wrapping(text::Wrapping::None),
        ]
        .spacing(space::XXS)
        .width(Fill)
        .clip(true),
        text(figure).size(size::SMALL).style(theme::muted),
    ]
    .spacing(space::M)
    .align_y(Center)
    .into()
}
