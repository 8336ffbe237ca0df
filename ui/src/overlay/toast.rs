//! Short sentences that come and go.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use iced::widget::{column, container, row, text};
use iced::{Center, Element, Fill, Right};

use crate::icon;
use crate::theme::{self, Tone, dim, size, space};
use crate::widget::icon_button;

/// How long a sentence stays; long enough to read it twice.
const STAY: Duration = Duration::from_secs(8);
/// The most at once; the oldest goes first.
const LIMIT: usize = 4;

/// The sentences on the screen, oldest first.
#[derive(Default)]
pub struct Toasts {
    shown: VecDeque<Toast>,
    next: u64,
}

struct Toast {
    id: u64,
    tone: Tone,
    words: String,
    until: Instant,
}

/// What the user does.
#[derive(Clone, Copy, Debug)]
pub enum Message {
    /// Has read it.
    Dismiss(u64),
}

impl Toasts {
    /// Says something. The same sentence is not shown twice at once.
    pub fn say(&mut self, tone: Tone, words: impl Into<String>, now: Instant) {
        let words = words.into();
        self.shown.retain(|toast| toast.words != words);
        if self.shown.len() == LIMIT {
            self.shown.pop_front();
        }
        self.next += 1;
        self.shown.push_back(Toast {
            id: self.next,
            tone,
            words,
            until: now + STAY,
        });
    }

    /// What the user does.
    pub fn update(&mut self, message: Message) {
        let Message::Dismiss(id) = message;
        self.shown.retain(|toast| toast.id != id);
    }

    /// Takes away what has been shown long enough.
    pub fn tick(&mut self, now: Instant) {
        self.shown.retain(|toast| toast.until > now);
    }

    /// Whether there is anything.
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// The sentences, in the lower right corner; `above` keeps them clear of the bar of a call.
    pub fn view(&self, above: f32) -> Element<'_, Message> {
        let list = self.shown.iter().map(|toast| {
            let mark = match toast.tone {
                Tone::Good => icon::done(),
                Tone::Neutral | Tone::Accent => icon::info(),
                Tone::Warning | Tone::Bad => icon::warning(),
            };
            let content = row![
                mark.size(18).style(theme::toned(toast.tone)),
                text(&toast.words).size(size::BODY).width(Fill),
                icon_button(
                    icon::close(),
                    "Dismiss",
                    "toast/dismiss",
                    false,
                    Message::Dismiss(toast.id)
                ),
            ];
            container(content.spacing(space::M).align_y(Center))
                .padding([space::S, space::L])
                .width(dim::TOAST)
                .style(theme::floating)
                .into()
        });
        container(column(list).spacing(space::S).align_x(Right))
            .align_right(Fill)
            .align_bottom(Fill)
            .padding(iced::Padding::new(space::XL).bottom(above))
            .into()
    }
}
