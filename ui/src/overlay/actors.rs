//! The actors of the client, live: their tree with every mailbox, one of them in detail, who writes to whom.
//!
//! Reading order: this file (what the user does), `table`, `detail` and `flow` (how it looks); what the
//! looks at the mailboxes say is in [`roomrtc_kit::watch`]. Nothing here costs anything while it is closed.

mod detail;
mod flow;
mod table;

use std::sync::Arc;
use std::time::{Duration, Instant};

use iced::widget::{column, container, row, space as gap, text};
use iced::{Center, Element, Fill};
use roomrtc_actors::recorder::State;
use roomrtc_kit::Order;
use roomrtc_kit::watch::{Column, Model};

use crate::bridge::Actors;
use crate::recording::words;
use crate::theme::{self, Tone, dim, size, space};
use crate::widget::{action, icon_button, key_cap, line, tab};
use crate::{font, icon};

/// Names the field that filters.
pub const FILTER: &str = "actors/filter";
/// How long a paused actor pauses.
const PAUSE: Duration = Duration::from_secs(1);
/// Width of the two tabs.
const TABS: f32 = 220.0;
/// Width of the choice between client and server.
const WHOSE: f32 = 170.0;
/// A window of this width has room for that choice and the sum.
const ROOMY: f32 = 1400.0;

/// What is shown of the actors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Page {
    /// The tree.
    #[default]
    Tree,
    /// The graph of messages.
    Flow,
}

/// Whose actors are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whose {
    /// Those of this window's client.
    #[default]
    Client,
    /// Those of the server on this machine.
    Server,
}

/// The overlay while it is open; the actors are watched as long as it lives.
pub struct ActorsPanel {
    actors: Arc<dyn Actors>,
    /// Those that are not shown.
    others: Option<Arc<dyn Actors>>,
    whose: Whose,
    model: Model,
    page: Page,
    frozen: bool,
}

/// What the user does, and the clock.
#[derive(Clone, Debug)]
pub enum Message {
    /// Time for another look.
    Look(Instant),
    /// Show the actors of the client or of the server.
    Of(Whose),
    /// Show the tree or the graph.
    Show(Page),
    /// Sort by a column, or by the tree again.
    Sort(Column),
    /// Show only actors whose name contains this.
    Filter(String),
    /// Stand still, or go on.
    Freeze,
    /// One actor in detail.
    Select(u32),
    /// The next or the previous actor of the list.
    Move(i32),
    /// No actor in detail.
    Deselect,
    /// Order the chosen actor.
    Order(Order),
    /// Order the supervisor of the chosen actor to end, and everything below it.
    StopSubtree,
    /// Record the running call, or end that.
    Record,
    /// Close the overlay.
    Close,
}

/// What the window has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// Close the overlay.
    Close,
}

impl ActorsPanel {
    /// Opens it with a first look at the client's actors; those of a server, if there is one, are a press away.
    pub fn open(actors: Arc<dyn Actors>, server: Option<Arc<dyn Actors>>, now: Instant) -> Self {
        actors.watch(true);
        let mut panel = ActorsPanel {
            actors,
            others: server,
            whose: Whose::default(),
            model: Model::default(),
            page: Page::default(),
            frozen: false,
        };
        panel.look(now);
        panel
    }

    fn look(&mut self, now: Instant) {
        if !self.frozen {
            let with_messages = self.model.has_selected();
            self.model.take(now, self.actors.mailboxes(with_messages));
        }
    }

    /// What the user does.
    pub fn update(&mut self, message: Message) -> Action {
        match message {
            // Looks that were late come together: each counts from when it is taken.
            Message::Look(now) => self.look(now.max(Instant::now())),
            Message::Of(whose) => self.show_those_of(whose),
            Message::Show(page) => self.page = page,
            Message::Sort(column) => self.model.sort(column),
            Message::Filter(words) => self.model.filter(words),
            Message::Freeze => self.frozen = !self.frozen,
            Message::Select(id) => {
                self.model.select(Some(id));
                self.look(Instant::now());
            }
            Message::Move(by) => {
                self.model.step(by);
                self.look(Instant::now());
            }
            Message::Deselect => self.model.select(None),
            Message::Order(order) => {
                if let Some(actor) = self.model.selected() {
                    self.actors.order(&actor.view.name, order);
                }
            }
            Message::StopSubtree => {
                if let Some(supervisor) = self.model.supervisor_of_selected() {
                    self.actors.order(&supervisor.view.name, Order::Stop);
                }
            }
            Message::Record => {
                let recording = matches!(self.actors.recording(), Some(State::Recording { .. }));
                self.actors.record(!recording);
            }
            Message::Close => return Action::Close,
        }
        Action::None
    }

    fn show_those_of(&mut self, whose: Whose) {
        if whose == self.whose {
            return;
        }
        if let Some(others) = self.others.take() {
            self.actors.watch(false);
            others.watch(true);
            self.others = Some(std::mem::replace(&mut self.actors, others));
            (self.whose, self.model, self.frozen) = (whose, Model::default(), false);
            self.look(Instant::now());
        }
    }

    /// Whether one actor is shown in detail.
    pub fn has_selected(&self) -> bool {
        self.model.has_selected()
    }

    /// The overlay, for a window of this width.
    pub fn view(&self, width: f32) -> Element<'_, Message> {
        let body: Element<'_, Message> = match (self.page, self.model.selected()) {
            (Page::Flow, _) => flow::view(&self.model),
            (Page::Tree, None) => table::view(&self.model, width),
            (Page::Tree, Some(actor)) => column![
                container(table::view(&self.model, width)).height(Fill),
                line(),
                container(detail::view(&self.model, actor, self.actors.may_order())).height(Fill),
            ]
            .spacing(space::M)
            .into(),
        };
        container(column![self.head(width), self.recording(), body].spacing(space::M))
            .padding(space::L)
            .width(Fill)
            .height(Fill)
            .style(theme::floating)
            .into()
    }

    /// The button that records, and what there is to say about it; nothing where there is nothing to record.
    fn recording(&self) -> Option<Element<'_, Message>> {
        let state = self.actors.recording()?;
        let recording = matches!(state, State::Recording { .. });
        let (label, style): (_, fn(&_, _) -> _) = match recording {
            true => ("Stop recording", theme::primary),
            false => ("Record", theme::secondary),
        };
        let words = text(words(&state)).size(size::SMALL);
        let words = match state {
            State::Failed { .. } => words.style(theme::toned(Tone::Warning)),
            State::Off | State::Recording { .. } | State::Done { .. } => words.style(theme::muted),
        };
        let button = action(None, label, style, Some(Message::Record)).id("actors/record");
        let strip = row![button, words].spacing(space::M).align_y(Center);
        Some(strip.into())
    }

    fn head(&self, width: f32) -> Element<'_, Message> {
        let tabs = row![
            tab("Tree", self.page == Page::Tree, Message::Show(Page::Tree)).id("actors/tree"),
            tab("Messages", self.page == Page::Flow, Message::Show(Page::Flow)).id("actors/flow"),
        ];
        let whose = self.others.is_some().then(|| {
            let one = |name, whose, id| tab(name, self.whose == whose, Message::Of(whose)).id(id);
            container(row![
                one("Client", Whose::Client, "actors/client"),
                one("Server", Whose::Server, "actors/server"),
            ])
            .width(WHOSE)
        });
        let filter = iced::widget::text_input("Filter by name", self.model.filter_words())
            .id(FILTER)
            .on_input(Message::Filter)
            .size(size::BODY)
            .padding([space::S, space::M])
            .width(TABS)
            .style(theme::input);
        let (label, style): (_, fn(&_, _) -> _) = if self.frozen {
            ("Go on", theme::primary)
        } else {
            ("Freeze", theme::secondary)
        };
        let room = if whose.is_some() { ROOMY } else { dim::NARROW };
        let wide = (width >= room).then(|| text(self.model.sum()).size(size::SMALL).style(theme::muted));
        row![
            icon::cpu().size(20),
            text("Actors").size(size::TITLE).font(font::SEMIBOLD),
            container(tabs).width(TABS),
            whose,
            wide,
            gap().width(Fill),
            filter,
            action(None, label, style, Some(Message::Freeze)).id("actors/freeze"),
            key_cap("F12"),
            icon_button(
                icon::close(),
                "Close (F12)",
                "actors/close",
                false,
                Message::Close
            ),
        ]
        .spacing(space::M)
        .align_y(Center)
        .into()
    }
}

impl Drop for ActorsPanel {
    fn drop(&mut self) {
        self.actors.watch(false);
    }
}
