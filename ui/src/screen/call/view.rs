//! How a call looks.

use iced::widget::{Text, center, column, container, row, space as gap, stack, text};
use iced::{Center, Element, Fill};

use super::{Call, Looks, Message, Phase, Side};
use crate::theme::{self, Control, Ground, Tone, dim, radius, size, space};
use crate::widget::{avatar, control, glass_chip, tab, tip, video};
use crate::{font, icon, words};

/// The part of the peer's picture that stays visible when it fills the stage; if it were less, it gets margins.
const LEAST_VISIBLE: f32 = 0.8;
/// Loss from which a call is called poor, 0 to 1.
const POOR_LOSS: f64 = 0.05;
/// Loss from which a call is called fair, 0 to 1.
const FAIR_LOSS: f64 = 0.01;
/// Round trip from which a call is called poor.
const POOR_RTT_MS: f64 = 400.0;
/// Round trip from which a call is called fair.
const FAIR_RTT_MS: f64 = 200.0;
/// Pictures a second below which a call is called poor.
const POOR_FPS: f64 = 10.0;
/// Pictures a second below which a call is called fair.
const FAIR_FPS: f64 = 22.0;

impl Call {
    /// The screen.
    pub fn view<'a>(&'a self, looks: Looks<'a>) -> Element<'a, Message> {
        let stage = container(
            container(self.stage(looks))
                .style(theme::stage)
                .width(Fill)
                .height(Fill),
        )
        .padding(space::M)
        .width(Fill);
        row![stage, self.side.map(|side| self.panel(side, looks))].into()
    }

    fn stage<'a>(&'a self, looks: Looks<'a>) -> Element<'a, Message> {
        let narrow = looks.width < dim::NARROW || (self.side.is_some() && looks.width < dim::NARROW + 280.0);
        let top = row![
            self.chips(looks, narrow),
            gap().width(Fill),
            self.peer_screen.then(|| self.peer_view(looks, narrow)),
            self.self_view(looks, narrow)
        ]
        .spacing(space::M);
        let bottom = container(self.bar()).center_x(Fill);
        let middle = self.between(looks);
        let controls = column![top, gap().height(Fill), bottom]
            .padding(space::L)
            .width(Fill)
            .height(Fill);
        stack![self.large(looks), middle, controls, self.dropping.then(drop_here),]
            .width(Fill)
            .height(Fill)
            .into()
    }

    /// The peer's screen, of which everything is to be seen, or else its camera.
    fn large<'a>(&'a self, looks: Looks<'a>) -> Element<'a, Message> {
        const ALL: f32 = 1.0;
        let (slot, keep, shown) = match self.peer_screen {
            true => (looks.screen, ALL, true),
            false => (looks.remote, LEAST_VISIBLE, self.peer_camera),
        };
        video(slot, looks.scale)
            .keep(keep)
            .shown(shown)
            .radius(radius::L)
            .into()
    }

    /// The peer's camera beside its screen.
    fn peer_view<'a>(&'a self, looks: Looks<'a>, narrow: bool) -> Element<'a, Message> {
        let picture: Element<'a, Message> = if self.peer_camera {
            video(looks.remote, looks.scale).radius(radius::M).into()
        } else {
            center(avatar(&self.peer, 48.0, None, Ground::Card)).into()
        };
        small(
            picture,
            words::shortened(&self.peer, 18),
            !self.peer_microphone,
            narrow,
        )
    }

    /// What stands in the middle while there is no picture of the peer, or over a frozen one.
    fn between<'a>(&'a self, looks: Looks<'a>) -> Option<Element<'a, Message>> {
        let (mark, tone, state) = match self.phase {
            Phase::Connecting => (icon::shield(), Tone::Accent, "Connecting securely…".to_owned()),
            Phase::Reconnecting { .. } if self.peer_away => (
                icon::retry(),
                Tone::Warning,
                format!(
                    "{} has lost the connection. Waiting for them to come back…",
                    self.peer
                ),
            ),
            Phase::Reconnecting { .. } => (
                icon::retry(),
                Tone::Warning,
                "Nothing arrives just now. Trying to reconnect…".to_owned(),
            ),
            Phase::Active { .. } if self.holding => (
                icon::pause(),
                Tone::Neutral,
                "You hold the call. Nobody hears or sees you.".to_owned(),
            ),
            Phase::Active { .. } if self.held => (
                icon::pause(),
                Tone::Neutral,
                format!("{} holds the call", self.peer),
            ),
            Phase::Active { .. } if self.peer_screen => return None,
            Phase::Active { .. } if !self.peer_camera => {
                (icon::camera_off(), Tone::Neutral, "The camera is off".to_owned())
            }
            Phase::Active { .. } if looks.remote.latest().1.is_none() => {
                (icon::camera_off(), Tone::Neutral, "No picture".to_owned())
            }
            Phase::Active { .. } => return None,
        };
        let who = column![
            avatar(&self.peer, 112.0, None, Ground::Card),
            text(&self.peer)
                .size(size::HEADING)
                .font(font::SEMIBOLD)
                .align_x(Center),
            glass_chip(mark, tone, state),
        ];
        Some(
            container(center(who.spacing(space::L).align_x(Center)))
                .style(theme::veil)
                .into(),
        )
    }

    fn chips<'a>(&'a self, looks: Looks<'a>, narrow: bool) -> Element<'a, Message> {
        let time = match self.length(looks.now) {
            Some(length) => words::clock(length),
            None => "Connecting…".to_owned(),
        };
        let name = row![
            text(words::shortened(&self.peer, if narrow { 14 } else { 26 }))
                .size(size::BODY)
                .font(font::SEMIBOLD)
                .wrapping(text::Wrapping::None),
            (!self.peer_microphone).then(|| {
                tip(
                    icon::microphone_off()
                        .size(13)
                        .style(theme::on_video_toned(Tone::Bad)),
                    "Muted over there",
                )
            }),
        ];
        let who = container(
            row![
                avatar(&self.peer, 30.0, None, Ground::Card),
                column![
                    name.spacing(space::S).align_y(Center),
                    text(time).size(size::CAPTION).style(theme::on_video_muted)
                ]
            ]
            .spacing(10)
            .align_y(Center),
        )
        .padding([6.0, 16.0])
        .style(theme::glass);
        let (encrypted, quality) = (self.encrypted(), self.quality());
        if narrow {
            column![who, encrypted, quality].spacing(space::S).into()
        } else {
            row![who, encrypted, quality].spacing(10).align_y(Center).into()
        }
    }

    fn encrypted<'a>(&'a self) -> Option<Element<'a, Message>> {
        let transport = &self.stats().transport;
        (!transport.srtp.is_empty()).then(|| {
            tip(
                glass_chip(icon::shield(), Tone::Good, "Encrypted"),
                format!("{} · {}", transport.dtls, transport.srtp),
            )
        })
    }

    fn quality<'a>(&'a self) -> Option<Element<'a, Message>> {
        let stats = self.stats();
        let video = &stats.video;
        if video.height == 0 || self.holding || self.held {
            return None;
        }
        let loss = stats
            .rtcp_sent
            .video_fraction_lost
            .max(stats.rtcp_received.video_fraction_lost);
        let rtt = stats.transport.rtt_ms.unwrap_or_default();
        let fps = video.fps_decoded;
        let (mark, tone, word): (Text<'a>, _, _) =
            if loss >= POOR_LOSS || rtt >= POOR_RTT_MS || fps < POOR_FPS {
                (icon::signal_low(), Tone::Bad, "Poor")
            } else if loss >= FAIR_LOSS || rtt >= FAIR_RTT_MS || fps < FAIR_FPS {
                (icon::signal_medium(), Tone::Warning, "Fair")
            } else {
                (icon::signal_full(), Tone::Good, "Good")
            };
        let label = format!("{}p · {fps:.0} fps", video.height);
        let more = format!(
            "{word}: {:.1} % lost, {rtt:.0} ms there and back, {} in",
            loss * 100.0,
            words::bit_rate(video.kbps_received)
        );
        Some(tip(glass_chip(mark, tone, label), more))
    }

    fn self_view<'a>(&'a self, looks: Looks<'a>, narrow: bool) -> Element<'a, Message> {
        let picture: Element<'a, Message> = if self.camera {
            video(looks.local, looks.scale)
                .mirror(looks.mirror)
                .radius(radius::M)
                .into()
        } else {
            center(
                column![
                    icon::camera_off().size(20),
                    text("Your camera is off").size(size::CAPTION)
                ]
                .spacing(space::S)
                .align_x(Center),
            )
            .into()
        };
        let you = if self.microphone { "You" } else { "You, muted" };
        small(picture, you.to_owned(), !self.microphone, narrow)
    }

    fn bar(&self) -> Element<'_, Message> {
        let switch = |on: bool| if on { Control::Plain } else { Control::Off };
        let open = |side| {
            if self.side == Some(side) {
                Control::Open
            } else {
                Control::Plain
            }
        };
        let microphone = if self.microphone {
            (icon::microphone(), "Mute (Ctrl+D)")
        } else {
            (icon::microphone_off(), "Unmute (Ctrl+D)")
        };
        let camera = if self.camera {
            (icon::camera(), "Camera off (Ctrl+E)")
        } else {
            (icon::camera_off(), "Camera on (Ctrl+E)")
        };
        let screen = if self.sharing {
            (icon::screen_off(), "Stop sharing your screen (Ctrl+S)")
        } else {
            (icon::screen(), "Share your screen (Ctrl+S)")
        };
        container(
            row![
                control(
                    microphone.0,
                    microphone.1,
                    "call/microphone",
                    switch(self.microphone),
                    Message::Microphone
                ),
                control(
                    camera.0,
                    camera.1,
                    "call/camera",
                    switch(self.camera),
                    Message::Camera
                ),
                control(
                    screen.0,
                    screen.1,
                    "call/screen",
                    if self.sharing {
                        Control::Open
                    } else {
                        Control::Plain
                    },
                    Message::Screen
                ),
                control(
                    icon::pause(),
                    if self.holding {
                        "Go on (Ctrl+P)"
                    } else {
                        "Hold (Ctrl+P)"
                    },
                    "call/hold",
                    if self.holding {
                        Control::Open
                    } else {
                        Control::Plain
                    },
                    Message::Hold
                ),
                control(
                    icon::clip(),
                    "Files (send one: Ctrl+O)",
                    "call/files",
                    open(Side::Files),
                    Message::Side(Side::Files)
                ),
                control(
                    icon::activity(),
                    "Figures (Ctrl+I)",
                    "call/figures",
                    open(Side::Figures),
                    Message::Side(Side::Figures)
                ),
                gap().width(space::XS),
                control(
                    icon::phone_off(),
                    "Hang up (Ctrl+Shift+H)",
                    "call/hang-up",
                    Control::End,
                    Message::HangUp
                ),
            ]
            .spacing(10)
            .align_y(Center),
        )
        .padding([10.0, 14.0])
        .style(theme::glass)
        .into()
    }

    fn panel<'a>(&'a self, side: Side, looks: Looks<'a>) -> Element<'a, Message> {
        let tabs = container(
            row![
                tab("Files", side == Side::Files, Message::Side(Side::Files)).id("call/tab-files"),
                tab("Figures", side == Side::Figures, Message::Side(Side::Figures)).id("call/tab-figures"),
            ]
            .spacing(space::XS),
        )
        .padding(space::XS)
        .style(theme::card);
        let body = match side {
            Side::Files => self
                .files
                .view(&self.peer, looks.downloads, looks.now)
                .map(Message::Files),
            Side::Figures => self.figures.view(),
        };
        container(column![tabs, body].spacing(space::L))
            .padding(space::L)
            .width(dim::PANEL)
            .height(Fill)
            .style(theme::panel)
            .into()
    }
}

/// A small picture with a name, in a corner of the stage.
fn small<'a>(picture: Element<'a, Message>, name: String, muted: bool, narrow: bool) -> Element<'a, Message> {
    let measure = if narrow {
        dim::SELF_VIEW_NARROW
    } else {
        dim::SELF_VIEW
    };
    let muted = muted.then(|| {
        icon::microphone_off()
            .size(11)
            .style(theme::on_video_toned(Tone::Bad))
    });
    let label = row![muted, text(name).size(size::CAPTION).font(font::MEDIUM)];
    let label = container(
        container(label.spacing(5).align_y(Center))
            .padding([3.0, 8.0])
            .style(theme::glass_label),
    )
    .padding(space::S)
    .align_bottom(Fill);
    container(stack![picture, label])
        .padding(2)
        .width(measure.width)
        .height(measure.height)
        .style(theme::self_view)
        .into()
}

fn drop_here<'a>() -> Element<'a, Message> {
    let words = column![
        icon::upload().size(34),
        text("Drop to send").size(size::HEADING).font(font::SEMIBOLD),
        text("The other side is asked first.")
            .size(size::BODY)
            .style(theme::on_video_muted),
    ];
    container(center(words.spacing(space::M).align_x(Center)))
        .style(theme::veil)
        .into()
}
