//! How the files of a call look.

use std::path::Path;
use std::time::Instant;

use iced::widget::{column, container, progress_bar, row, space as gap, text};
use iced::{Center, Element, Fill};

use super::{Files, Message, State, Transfer};
use crate::theme::{self, Tone, dim, radius, size, space};
use crate::widget::labels::PAGE;
use crate::widget::press::press;
use crate::widget::{action, empty, icon_button, line, link, scroll, tip};
use crate::{font, icon, words};

impl Files {
    /// The panel.
    pub fn view<'a>(&'a self, peer: &'a str, downloads: &'a Path, now: Instant) -> Element<'a, Message> {
        let list: Element<'a, Message> = if self.transfers.is_empty() {
            empty(
                icon::clip(),
                "No files yet",
                format!("Drop a file on the window, or choose one. {peer} is asked before anything is sent."),
            )
        } else {
            let newest_first = self.transfers.iter().rev().map(|transfer| transfer.view(now));
            scroll(column(newest_first).spacing(space::S).width(Fill))
                .id(PAGE)
                .height(Fill)
                .into()
        };
        let folder = row![
            icon::folder().size(15).style(theme::muted),
            column![
                text("Received files go to")
                    .size(size::CAPTION)
                    .style(theme::faint),
                text(downloads.display().to_string())
                    .size(size::SMALL)
                    .style(theme::muted)
                    .wrapping(text::Wrapping::None),
            ]
            .width(Fill)
            .clip(true),
            link("Change", Message::ChooseFolder).id("files/folder"),
        ];
        let send = press(
            row![
                icon::upload().size(16),
                text("Send a file").size(size::BODY).font(font::SEMIBOLD)
            ]
            .spacing(space::S)
            .align_y(Center),
            Some(Message::Choose),
            radius::PILL,
            |b| b.padding([11.0, 20.0]).style(theme::primary),
        );
        let by_path = icon_button(
            icon::pencil(),
            "Type the path instead",
            "files/path",
            false,
            Message::TypePath,
        );
        column![
            list,
            line(),
            folder.spacing(space::M).align_y(Center),
            row![send.id("files/send"), gap().width(Fill), by_path]
                .spacing(space::S)
                .align_y(Center),
        ]
        .spacing(space::M)
        .height(Fill)
        .into()
    }
}

impl Transfer {
    fn view(&self, now: Instant) -> Element<'_, Message> {
        let (mark, tone) = match (&self.state, self.incoming) {
            (State::Arrived { .. }, _) => (icon::check(), Tone::Good),
            (State::Failed(_), _) => (icon::close(), Tone::Bad),
            (State::Asked, _) | (State::Waiting | State::Running { .. }, true) => {
                (icon::download(), Tone::Accent)
            }
            (State::Waiting | State::Running { .. }, false) => (icon::upload(), Tone::Accent),
        };
        let name = text(&self.name)
            .size(size::BODY)
            .font(font::MEDIUM)
            .wrapping(text::Wrapping::Glyph);
        let bar = match self.state {
            State::Running { done, .. } => Some(
                progress_bar(0.0..=1.0, part(done, self.size))
                    .girth(dim::PROGRESS)
                    .style(theme::progress(Tone::Accent)),
            ),
            State::Asked | State::Waiting | State::Arrived { .. } | State::Failed(_) => None,
        };
        let words = column![
            name,
            bar,
            text(self.words(now)).size(size::SMALL).style(theme::muted)
        ];
        let head = row![
            container(mark.size(16)).padding(9).style(theme::badge(tone)),
            words.spacing(5).width(Fill),
            self.side_button(),
        ];
        let answers = (self.state == State::Asked).then(|| {
            row![
                action(
                    Some(icon::check()),
                    "Accept",
                    theme::primary,
                    Some(Message::Accept(self.id))
                )
                .id_of(format!("files/accept/{}", self.id.0)),
                action(
                    Some(icon::close()),
                    "Decline",
                    theme::secondary,
                    Some(Message::Decline(self.id))
                )
                .id_of(format!("files/decline/{}", self.id.0)),
            ]
            .spacing(space::S)
        });
        container(column![head.spacing(space::M).align_y(Center), answers].spacing(space::M))
            .padding(space::M)
            .width(Fill)
            .style(theme::card)
            .into()
    }

    fn side_button(&self) -> Option<Element<'_, Message>> {
        let small = |mark: iced::widget::Text<'static>, label, message, id: String| {
            let button = press(
                iced::widget::center(mark.size(15)),
                Some(message),
                radius::S,
                |b| {
                    b.width(dim::ICON_BUTTON)
                        .height(dim::ICON_BUTTON)
                        .padding(0)
                        .style(theme::ghost(false))
                },
            );
            tip(button.id_of(id), label)
        };
        match &self.state {
            State::Waiting | State::Running { .. } => Some(small(
                icon::close(),
                "Cancel",
                Message::Cancel(self.id),
                format!("files/cancel/{}", self.id.0),
            )),
            State::Arrived { path, .. } if self.incoming => Some(small(
                icon::folder(),
                "Show in its folder",
                Message::Open(path.clone()),
                format!("files/open/{}", self.id.0),
            )),
            State::Asked | State::Arrived { .. } | State::Failed(_) => None,
        }
    }

    fn words(&self, now: Instant) -> String {
        let size = words::bytes(self.size);
        match &self.state {
            State::Asked => format!("{size} · do you want it?"),
            State::Waiting if self.incoming => format!("{size} · about to start"),
            State::Waiting => format!("{size} · waiting for an answer"),
            State::Running { done, .. } => {
                let done = words::bytes(*done);
                match self.rate(now) {
                    Some(rate) => format!("{done} of {size} · {}/s", words::bytes(rate as u64)),
                    None => format!("{done} of {size}"),
                }
            }
            State::Arrived { took, .. } => {
                let verb = if self.incoming { "received" } else { "sent" };
                format!("{size} · {verb} in {:.1} s, hash verified", took.as_secs_f64())
            }
            State::Failed(why) => format!("{size} · {why}"),
        }
    }
}

fn part(done: u64, size: u64) -> f32 {
    if size == 0 {
        return 1.0;
    }
    (done as f64 / size as f64).clamp(0.0, 1.0) as f32
}
