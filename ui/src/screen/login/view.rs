//! How the way in looks: a promise on the left, on the right the form or the question in its way.

use iced::widget::{column, container, row, space as gap, text, text_input};
use iced::{Center, Element, Fill, FillPortion, Theme};

use super::{AGAIN, Login, Message, Mode, PASSWORD, SERVER, Step, USER};
use crate::theme::{self, Tone, dim, radius, size, space};
use crate::widget::{field, icon_button, scroll, tab};
use crate::{font, icon, words};

impl Login {
    /// The screen, for a window of this width.
    pub fn view(&self, width: f32) -> Element<'_, Message> {
        let card = match &self.step {
            Step::Filling | Step::Connecting { .. } | Step::Entering => self.form(),
            Step::UnknownServer { fingerprint, .. } => self.unknown_server(fingerprint),
            Step::ServerChanged { expected, actual } => self.server_changed(expected, actual),
            Step::TakeOver => self.take_over(),
        };
        let form = container(scroll(container(card).center_x(Fill).padding(space::XL)))
            .center_y(Fill)
            .width(Fill);
        if width < dim::NARROW - 150.0 {
            return form.into();
        }
        row![
            container(hero()).padding(space::L).width(FillPortion(5)),
            container(form).width(FillPortion(6))
        ]
        .into()
    }

    fn form(&self) -> Element<'_, Message> {
        let input = |hint: &'static str, value: &str| {
            text_input(hint, value)
                .size(size::BODY)
                .padding([12.0, 14.0])
                .style(theme::input)
        };
        let register = self.mode == Mode::Register;
        let password = row![
            input(
                if register {
                    "At least one you do not use elsewhere"
                } else {
                    "Your password"
                },
                &self.password
            )
            .id(PASSWORD)
            .secure(!self.visible)
            .on_input(Message::Password)
            .on_submit(Message::Submit),
            if self.visible {
                icon_button(
                    icon::eye_off(),
                    "Hide the password",
                    "login/eye",
                    false,
                    Message::ToggleVisible,
                )
            } else {
                icon_button(
                    icon::eye(),
                    "Show the password",
                    "login/eye",
                    false,
                    Message::ToggleVisible,
                )
            }
        ]
        .spacing(space::XS)
        .align_y(Center);
        let again = register.then(|| {
            field(
                "Password again",
                input("The same password", &self.again)
                    .id(AGAIN)
                    .secure(!self.visible)
                    .on_input(Message::Again)
                    .on_submit(Message::Submit),
            )
        });
        let head = if register { "Make an account" } else { "Welcome" };
        column![
            text(head).size(size::DISPLAY).font(font::SEMIBOLD),
            self.unfinished.as_ref().map(|(user, _)| unfinished_call(user)),
            container(
                row![
                    tab("Log in", !register, Message::Mode(Mode::LogIn)).id("login/mode-log-in"),
                    tab("Register", register, Message::Mode(Mode::Register)).id("login/mode-register"),
                ]
                .spacing(space::XS)
            )
            .padding(space::XS)
            .style(theme::card),
            field(
                "Server",
                input("calls.example.org:8443", &self.server)
                    .id(SERVER)
                    .on_input(Message::Server)
                    .on_submit(Message::Submit)
            ),
            field(
                "User name",
                input("Your name on this server", &self.user)
                    .id(USER)
                    .on_input(Message::User)
                    .on_submit(Message::Submit)
            ),
            field("Password", password),
            again,
            self.error.as_deref().map(problem),
            self.submit_button(),
        ]
        .spacing(space::L)
        .max_width(dim::FORM)
        .into()
    }

    fn submit_button(&self) -> Element<'_, Message> {
        let label = match (&self.step, self.mode) {
            (Step::Connecting { .. }, _) => "Connecting…",
            (Step::Entering, Mode::LogIn) => "Logging in…",
            (Step::Entering, Mode::Register) => "Making your account…",
            (_, Mode::LogIn) => "Log in and connect",
            (_, Mode::Register) => "Register and connect",
        };
        let go = wide(label, theme::primary, (!self.busy()).then_some(Message::Submit)).id("login/submit");
        let stop = matches!(self.step, Step::Connecting { .. })
            .then(|| wide("Stop", theme::secondary, Some(Message::Back)).id("login/stop"));
        column![go, stop].spacing(space::S).into()
    }

    fn unknown_server<'a>(&'a self, fingerprint: &'a str) -> Element<'a, Message> {
        question(
            icon::shield_question(),
            Tone::Warning,
            "Is this your server?",
            format!(
                "You connect to {} for the first time, and its certificate is its own. Compare this fingerprint with the one your server printed when it started. Only if they are the same is it really your server.",
                self.server
            ),
            column![fingerprint_card("Fingerprint (SHA-256)", fingerprint)],
            row![
                wide("It is the same: trust it", theme::primary, Some(Message::Trust)).id("login/trust"),
                wide("Do not connect", theme::secondary, Some(Message::Back)).id("login/back"),
            ],
        )
    }

    fn server_changed<'a>(&'a self, expected: &'a str, actual: &'a str) -> Element<'a, Message> {
        question(
            icon::shield_alert(),
            Tone::Bad,
            "Not the server you trusted",
            format!(
                "{} shows another certificate than before, so the connection was refused and nothing was sent. If its administrator renewed the certificate, remove the server from known_servers.ron and compare the new fingerprint. Otherwise somebody may be in between.",
                self.server
            ),
            column![
                fingerprint_card("Trusted before", expected),
                fingerprint_card("Shown now", actual)
            ],
            row![wide("Back", theme::secondary, Some(Message::Back)).id("login/back")],
        )
    }

    fn take_over(&self) -> Element<'_, Message> {
        question(
            icon::monitor(),
            Tone::Accent,
            "You are logged in elsewhere",
            format!(
                "{} has a session on another computer or window. Continue here to end it there; a call it is in ends too.",
                self.user.trim()
            ),
            column![],
            row![
                wide("Continue here", theme::primary, Some(Message::TakeOver)).id("login/take-over"),
                wide("Leave it", theme::secondary, Some(Message::Back)).id("login/back"),
            ],
        )
    }
}

fn wide<'a>(
    label: &'a str,
    style: impl Fn(&Theme, iced::widget::button::Status) -> iced::widget::button::Style + 'a,
    message: Option<Message>,
) -> crate::widget::press::Press<'a, Message> {
    let label = text(label)
        .size(size::BODY)
        .font(font::SEMIBOLD)
        .width(Fill)
        .align_x(Center);
    crate::widget::press::press(label, message, radius::PILL, |b| {
        b.width(Fill).padding([12.0, 16.0]).style(style)
    })
}

/// The client died in a call and was started again.
fn unfinished_call(user: &str) -> Element<'_, Message> {
    let words = row![
        icon::retry().size(16).style(theme::toned(Tone::Accent)),
        text(format!(
            "Your call with {user} was cut off. It may still be going on."
        ))
        .size(size::BODY)
        .width(Fill)
    ]
    .spacing(space::M)
    .align_y(Center);
    let choice = row![
        wide("Rejoin", theme::primary, Some(Message::Rejoin)).id("login/rejoin"),
        wide("Leave the call", theme::secondary, Some(Message::LeaveCall)).id("login/leave-call"),
    ]
    .spacing(space::M);
    container(column![words, choice].spacing(space::M))
        .padding([space::M, space::L])
        .style(theme::card)
        .into()
}

fn problem(words: &str) -> Element<'_, Message> {
    container(
        row![
            icon::warning().size(16).style(theme::toned(Tone::Bad)),
            text(words).size(size::BODY).width(Fill)
        ]
        .spacing(space::M)
        .align_y(Center),
    )
    .padding([space::M, space::L])
    .width(Fill)
    .style(theme::banner(Tone::Bad))
    .into()
}

fn fingerprint_card<'a>(label: &'a str, fingerprint: &str) -> Element<'a, Message> {
    container(
        column![
            text(label).size(size::SMALL).style(theme::muted),
            text(words::fingerprint(fingerprint))
                .size(size::TITLE)
                .font(font::MEDIUM)
                .line_height(1.5)
        ]
        .spacing(6.0),
    )
    .padding(space::L)
    .width(Fill)
    .style(theme::raised)
    .into()
}

fn question<'a>(
    mark: iced::widget::Text<'a>,
    tone: Tone,
    head: &'a str,
    words: String,
    facts: iced::widget::Column<'a, Message>,
    answers: iced::widget::Row<'a, Message>,
) -> Element<'a, Message> {
    container(
        column![
            container(mark.size(26))
                .padding(space::M)
                .style(theme::badge(tone)),
            text(head).size(size::HEADING).font(font::SEMIBOLD),
            text(words).size(size::BODY).style(theme::muted).line_height(1.5),
            facts.spacing(space::S),
            answers.spacing(space::S),
        ]
        .spacing(space::L),
    )
    .padding(space::XL)
    .max_width(dim::FORM + 80.0)
    .style(theme::floating)
    .into()
}

fn hero<'a>() -> Element<'a, Message> {
    let promise = |mark: iced::widget::Text<'a>, head: &'a str, words: &'a str| {
        row![
            container(mark.size(17)).padding(10).style(theme::glass_label),
            column![
                text(head).size(size::BODY).font(font::SEMIBOLD),
                text(words)
                    .size(size::SMALL)
                    .style(theme::on_video_muted)
                    .line_height(1.4)
            ]
            .spacing(space::XXS)
        ]
        .spacing(space::M)
        .align_y(Center)
    };
    container(
        column![
            row![
                container(icon::camera().size(16))
                    .padding(8)
                    .style(theme::glass_label),
                text("RoomRTC").size(size::TITLE).font(font::SEMIBOLD)
            ]
            .spacing(space::M)
            .align_y(Center),
            gap().height(FillPortion(1)),
            text("Face to face,\non your own server.")
                .size(36)
                .font(font::SEMIBOLD)
                .line_height(1.2),
            gap().height(space::L),
            promise(
                icon::shield(),
                "Encrypted from you to them",
                "Picture and sound by DTLS-SRTP, files by DTLS, straight between the two of you."
            ),
            promise(
                icon::key(),
                "Your password stays here",
                "The server proves it knows you without ever seeing it."
            ),
            promise(
                icon::clip(),
                "Files of any size",
                "Straight to the other side, checked by their hash on arrival."
            ),
            gap().height(FillPortion(1)),
        ]
        .spacing(space::L),
    )
    .padding(space::XXL)
    .width(Fill)
    .height(Fill)
    .style(theme::hero)
    .into()
}
