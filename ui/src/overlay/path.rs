//! A path typed by hand, where the desktop has no file dialog or the hand is faster.

use std::path::{Path, PathBuf};

use iced::widget::{column, container, row, text, text_input};
use iced::{Element, Fill};

use crate::font;
use crate::theme::{self, Tone, dim, size, space};
use crate::widget::action;

/// Names the field.
pub const FIELD: &str = "path/field";

/// What the path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A file to send.
    Send,
    /// The folder received files go to.
    Downloads,
}

/// The question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPrompt {
    purpose: Purpose,
    path: String,
    error: Option<String>,
}

/// What the user does.
#[derive(Clone, Debug)]
pub enum Message {
    /// Typed.
    Typed(String),
    /// Done.
    Submit,
    /// Leave it.
    Close,
}

/// What `app` shall do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// Close the question.
    Close,
    /// Use the path.
    Use(Purpose, PathBuf),
}

impl PathPrompt {
    /// Asks, with a first proposal.
    pub fn new(purpose: Purpose, proposal: &Path) -> Self {
        PathPrompt {
            purpose,
            path: proposal.display().to_string(),
            error: None,
        }
    }

    /// What the user does.
    pub fn update(&mut self, message: Message) -> Action {
        match message {
            Message::Typed(path) => {
                self.path = path;
                self.error = None;
                Action::None
            }
            Message::Close => Action::Close,
            Message::Submit => {
                let path = expand(self.path.trim());
                let problem = match self.purpose {
                    Purpose::Send if !path.is_file() => Some("There is no such file."),
                    Purpose::Downloads if !path.is_dir() => Some("There is no such folder."),
                    Purpose::Send | Purpose::Downloads => None,
                };
                match problem {
                    Some(problem) => {
                        self.error = Some(problem.to_owned());
                        Action::None
                    }
                    None => Action::Use(self.purpose, path),
                }
            }
        }
    }

    /// The card.
    pub fn view(&self) -> Element<'_, Message> {
        let (head, hint, go) = match self.purpose {
            Purpose::Send => ("Send a file", "/home/you/report.pdf", "Send"),
            Purpose::Downloads => (
                "Where received files go",
                "/home/you/Downloads",
                "Use this folder",
            ),
        };
        let input = text_input(hint, &self.path)
            .id(FIELD)
            .on_input(Message::Typed)
            .on_submit(Message::Submit)
            .size(size::BODY)
            .padding([12.0, 14.0])
            .style(theme::input);
        let answers = row![
            action(None, go, theme::primary, Some(Message::Submit)).id("path/submit"),
            action(None, "Cancel", theme::secondary, Some(Message::Close)).id("path/close"),
        ];
        container(
            column![
                text(head).size(size::TITLE).font(font::SEMIBOLD),
                text("Type its full path; ~ stands for your home folder.")
                    .size(size::SMALL)
                    .style(theme::muted),
                input,
                self.error
                    .as_deref()
                    .map(|error| text(error).size(size::SMALL).style(theme::toned(Tone::Bad))),
                answers.spacing(space::S),
            ]
            .spacing(space::M)
            .width(Fill),
        )
        .padding(space::XL)
        .max_width(dim::FORM + 120.0)
        .style(theme::floating)
        .into()
    }
}

/// `~/x` → the home folder's `x`.
fn expand(path: &str) -> PathBuf {
    match (path.strip_prefix("~"), directories::UserDirs::new()) {
        (Some(rest), Some(dirs)) if rest.is_empty() || rest.starts_with('/') => {
            dirs.home_dir().join(rest.trim_start_matches('/'))
        }
        _ => PathBuf::from(path),
    }
}
