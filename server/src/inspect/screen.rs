//! The terminal: draws the table again with every look, and takes keys.

use std::time::{Duration, Instant};

use anyhow::Result;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Text};
use ratatui::widgets::Paragraph;
use roomrtc_kit::Status;
use roomrtc_kit::watch::{Actor, Model};

use super::{Server, table};

/// Time between two looks.
const REFRESH: Duration = Duration::from_secs(1);

/// What the keys have changed.
#[derive(Default)]
struct View {
    frozen: bool,
    /// The filter is being typed.
    typing: bool,
    sorted_by: usize,
    scrolled: usize,
}

/// Shows the actors until the user leaves.
pub(super) fn run(server: &mut Server, model: &mut Model) -> Result<()> {
    let mut terminal = ratatui::try_init()?;
    let outcome = watch(&mut terminal, server, model);
    ratatui::restore();
    outcome
}

fn watch(terminal: &mut DefaultTerminal, server: &mut Server, model: &mut Model) -> Result<()> {
    let mut view = View::default();
    let mut looked = Instant::now();
    loop {
        terminal.draw(|frame| {
            let height = usize::from(frame.area().height);
            frame.render_widget(Paragraph::new(picture(model, &view, height)), frame.area());
        })?;
        let left = REFRESH.saturating_sub(looked.elapsed());
        if event::poll(left)?
            && let Event::Key(key) = event::read()?
            && key.kind == KeyEventKind::Press
        {
            let interrupt = key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c');
            if interrupt || !view.take(key.code, model) {
                return Ok(());
            }
        }
        if looked.elapsed() >= REFRESH {
            looked = Instant::now();
            if !view.frozen {
                server.look(model)?;
            }
        }
    }
}

fn picture<'a>(model: &Model, view: &View, height: usize) -> Text<'a> {
    let frozen = if view.frozen { " · frozen" } else { "" };
    let filter = match (view.typing, model.filter_words()) {
        (false, "") => String::new(),
        (_, words) => format!(" · filter: {words}"),
    };
    let head = format!("{}{filter}{frozen}", model.sum());
    let keys = "q leave · s sort · / filter · f freeze · ↑ ↓ scroll";
    let rows = model.rows();
    let room = height.saturating_sub(4);
    let first = view.scrolled.min(rows.len().saturating_sub(room));
    let shown = rows.into_iter().skip(first).take(room);
    let mut lines = vec![Line::from(head).bold(), Line::from(table::heads()).reversed()];
    lines.extend(shown.map(|actor| Line::styled(table::row(actor, model.is_tree()), style(actor))));
    lines.resize(height.saturating_sub(1).max(2), Line::default());
    lines.push(Line::from(keys).dim());
    Text::from(lines)
}

/// What needs a look stands out; words and numbers say the same.
fn style(actor: &Actor) -> Style {
    match actor.view.status {
        Status::Restarting => Style::new().red(),
        Status::Closed | Status::Waiting => Style::new().dim(),
        Status::Running if actor.view.restarts() > 0 => Style::new().yellow(),
        Status::Running => Style::new(),
    }
}

impl View {
    /// False when the user leaves.
    fn take(&mut self, key: KeyCode, model: &mut Model) -> bool {
        if self.typing {
            self.type_filter(key, model);
            return true;
        }
        match key {
            KeyCode::Char('q') | KeyCode::Esc => return false,
            KeyCode::Char('f') => self.frozen = !self.frozen,
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Char('s') => {
                self.sorted_by = (self.sorted_by + 1) % table::COLUMNS.len();
                model.sort(table::COLUMNS[self.sorted_by]);
            }
            KeyCode::Down => self.scrolled += 1,
            KeyCode::Up => self.scrolled = self.scrolled.saturating_sub(1),
            _ => {}
        }
        true
    }

    fn type_filter(&mut self, key: KeyCode, model: &mut Model) {
        let mut words = model.filter_words().to_owned();
        match key {
            KeyCode::Char(letter) => words.push(letter),
            KeyCode::Backspace => drop(words.pop()),
            KeyCode::Esc => words.clear(),
            _ => {}
        }
        self.typing = !matches!(key, KeyCode::Enter | KeyCode::Esc);
        model.filter(words);
    }
}
