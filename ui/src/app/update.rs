//! What the user does, and what follows from it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use iced::widget::operation::AbsoluteOffset;
use iced::{Task, clipboard, keyboard, window};
use roomrtc_actors::ui_bridge::{Command, TransferId};

use super::dialogs::{self, Answer};
use super::keys::{Shortcut, shortcut};
use super::{App, Message, Overlay, Screen};
use crate::bridge::{Actors, ServerProcess};
use crate::devices;
use crate::overlay::actors::{self, ActorsPanel};
use crate::overlay::path::{self, PathPrompt, Purpose};
use crate::overlay::{incoming, shortcuts};
use crate::saved::Preview;
use crate::screen::call::Side;
use crate::screen::{call, lobby, login, outgoing, settings};
use crate::theme::Tone;
use crate::widget::labels::PAGE;
use crate::words;

impl App {
    /// One message.
    pub fn update(&mut self, message: Message) -> Task<Message> {
        let task = self.handle(message);
        self.set_preview();
        task
    }

    fn handle(&mut self, message: Message) -> Task<Message> {
        match message {
            Message::Login(message) => self.login(message),
            Message::Lobby(message) => return self.lobby(message),
            Message::Settings(message) => return self.settings(message),
            Message::Outgoing(message) => self.outgoing(message),
            Message::Call(message) => return self.call(message),
            Message::Incoming(message) => self.answer(message),
            Message::Toast(message) => self.toasts.update(message),
            Message::Shortcuts(shortcuts::Message::Close) => self.overlay = None,
            Message::Path(message) => return self.path(message),
            Message::Actors(message) => self.actors(message),
            Message::Event(event) => return self.hear(event),
            Message::Stats(stats) => {
                if let Screen::Call(call) = &mut self.screen {
                    call.measure(*stats);
                }
            }
            Message::Bell => {}
            Message::Tick(now) => {
                self.now = now;
                self.toasts.tick(now);
            }
            Message::Key(event) => return self.key(&event),
            Message::Window(id, event) => return self.window(id, event),
            Message::Scale(scale) => self.scale = scale,
            Message::System(mode) => self.system = mode,
            Message::Devices(devices) => self.devices = devices,
            Message::Picked(answer) => return self.picked(answer),
        }
        Task::none()
    }

    fn login(&mut self, message: login::Message) {
        if let Screen::Login(login) = &mut self.screen
            && let login::Action::Send(command) = login.update(message)
        {
            self.bridge.send(command);
        }
    }

    fn lobby(&mut self, message: lobby::Message) -> Task<Message> {
        match self.lobby.update(message, &self.session) {
            lobby::Action::None => {}
            lobby::Action::Call(user) => self.bridge.send(Command::Call { user }),
            lobby::Action::TogglePreview => {
                self.saved.preview = match self.saved.preview {
                    Preview::On => Preview::Off,
                    Preview::Off => Preview::On,
                };
                self.keep();
            }
            lobby::Action::Invite => self.bridge.send(Command::Invite),
            lobby::Action::CopyLink(invite) => {
                if let Some(url) = self.links.url(&invite) {
                    self.toasts.say(Tone::Good, words::COPIED, self.now);
                    return clipboard::write(url.to_owned());
                }
            }
            lobby::Action::RevokeLink(invite) => self.bridge.send(Command::RevokeInvite { invite }),
            lobby::Action::Settings => self.screen = Screen::Settings(settings::Settings),
            lobby::Action::LogOut => self.bridge.send(Command::LogOut),
        }
        Task::none()
    }

    fn settings(&mut self, message: settings::Message) -> Task<Message> {
        let Screen::Settings(screen) = &mut self.screen else {
            return Task::none();
        };
        match screen.update(message) {
            settings::Action::Appearance(appearance) => self.saved.appearance = Some(appearance),
            settings::Action::Camera(device) => {
                self.saved.camera = device;
                self.choose_media();
            }
            settings::Action::Microphone(device) => {
                self.saved.microphone = device;
                self.choose_media();
            }
            settings::Action::Refresh => return dialogs::look_for_devices(),
            settings::Action::ChooseFolder => return dialogs::pick(Purpose::Downloads, self.downloads()),
            settings::Action::TypeFolder => return self.prompt(Purpose::Downloads),
            settings::Action::Shortcuts => self.overlay = Some(Overlay::Shortcuts),
            settings::Action::LogOut => self.bridge.send(Command::LogOut),
            settings::Action::Back => self.screen = Screen::Lobby,
        }
        self.keep();
        Task::none()
    }

    fn choose_media(&mut self) {
        self.media = devices::media(&self.given, &self.saved);
        self.bridge.send(Command::ChooseMedia(self.media.clone()));
    }

    fn outgoing(&mut self, message: outgoing::Message) {
        if let Screen::Outgoing(outgoing) = &mut self.screen {
            match outgoing.update(message) {
                outgoing::Action::Cancel => self.bridge.send(Command::CancelCall),
            }
        }
    }

    fn call(&mut self, message: call::Message) -> Task<Message> {
        let Screen::Call(call) = &mut self.screen else {
            return Task::none();
        };
        match call.update(message) {
            call::Action::None => Task::none(),
            call::Action::Send(command) => {
                self.bridge.send(command);
                Task::none()
            }
            call::Action::AcceptFile(transfer) => {
                self.accept_file(transfer);
                Task::none()
            }
            call::Action::ChooseFile => dialogs::pick(Purpose::Send, &home()),
            call::Action::TypePath => self.prompt(Purpose::Send),
            call::Action::ChooseFolder => dialogs::pick(Purpose::Downloads, self.downloads()),
            call::Action::Open(path) => {
                show_in_folder(path);
                Task::none()
            }
        }
    }

    fn accept_file(&self, transfer: TransferId) {
        self.bridge.send(Command::AcceptFile {
            transfer,
            directory: self.downloads().to_owned(),
        });
    }

    fn answer(&mut self, message: incoming::Message) {
        if self.incoming.is_none() {
            return;
        }
        self.ring.stop();
        match message {
            incoming::Message::Accept => self.bridge.send(Command::Accept),
            incoming::Message::Decline => {
                self.incoming = None;
                self.bridge.send(Command::Decline);
            }
        }
    }

    fn prompt(&mut self, purpose: Purpose) -> Task<Message> {
        let proposal = match purpose {
            Purpose::Send => home(),
            Purpose::Downloads => self.downloads().to_owned(),
        };
        self.overlay = Some(Overlay::Path(PathPrompt::new(purpose, &proposal)));
        iced::widget::operation::focus(path::FIELD)
    }

    /// Opens or closes the actors.
    pub(super) fn toggle_actors(&mut self) {
        match &self.overlay {
            Some(Overlay::Actors(_)) => self.actors(actors::Message::Close),
            Some(Overlay::Shortcuts | Overlay::Path(_)) | None => {
                let server = self.admin_socket.as_deref().and_then(ServerProcess::at);
                let server = server.map(|server| Arc::new(server) as Arc<dyn Actors>);
                let panel = ActorsPanel::open(self.bridge.actors.clone(), server, Instant::now());
                self.overlay = Some(Overlay::Actors(Box::new(panel)));
            }
        }
    }

    fn actors(&mut self, message: actors::Message) {
        if let Some(Overlay::Actors(panel)) = &mut self.overlay {
            match panel.update(message) {
                actors::Action::None => {}
                actors::Action::Close => self.overlay = None,
            }
        }
    }

    fn path(&mut self, message: path::Message) -> Task<Message> {
        let Some(Overlay::Path(prompt)) = &mut self.overlay else {
            return Task::none();
        };
        match prompt.update(message) {
            path::Action::None => Task::none(),
            path::Action::Close => {
                self.overlay = None;
                Task::none()
            }
            path::Action::Use(purpose, path) => {
                self.overlay = None;
                self.picked(Answer::Chosen(purpose, vec![path]))
            }
        }
    }

    fn picked(&mut self, answer: Answer) -> Task<Message> {
        match answer {
            Answer::Chosen(Purpose::Send, paths) => self.send_files(paths),
            Answer::Chosen(Purpose::Downloads, mut paths) => {
                self.saved.downloads = paths.pop();
                self.keep();
            }
            Answer::Cancelled => {}
            Answer::NoDialog(purpose) => return self.prompt(purpose),
        }
        Task::none()
    }

    /// Offers files to the peer; outside of a call there is nobody to offer them to.
    fn send_files(&mut self, paths: Vec<PathBuf>) {
        let Screen::Call(_) = self.screen else {
            self.toasts.say(
                Tone::Neutral,
                "Files go to the person you are in a call with. Call somebody first.",
                Instant::now(),
            );
            return;
        };
        for path in paths {
            if path.is_file() {
                self.bridge.send(Command::SendFile(path));
            } else {
                self.toasts.say(
                    Tone::Warning,
                    format!(
                        "{} is not a file. Pack a folder into one file to send it.",
                        path.display()
                    ),
                    Instant::now(),
                );
            }
        }
    }

    fn window(&mut self, id: window::Id, event: window::Event) -> Task<Message> {
        match event {
            window::Event::Opened { size, .. } => {
                self.window = Some(id);
                self.size = size;
                return window::scale_factor(id).map(Message::Scale);
            }
            window::Event::Resized(size) => self.size = size,
            window::Event::Rescaled(scale) => self.scale = scale,
            window::Event::FileHovered(_) => self.set_dropping(true),
            window::Event::FilesHoveredLeft => self.set_dropping(false),
            window::Event::FileDropped(path) => {
                self.set_dropping(false);
                self.send_files(vec![path]);
            }
            window::Event::Closed
            | window::Event::Moved(_)
            | window::Event::RedrawRequested(_)
            | window::Event::CloseRequested
            | window::Event::Focused
            | window::Event::Unfocused => {}
        }
        Task::none()
    }

    fn set_dropping(&mut self, dropping: bool) {
        if let Screen::Call(call) = &mut self.screen {
            call.set_dropping(dropping);
        }
    }

    fn key(&mut self, event: &keyboard::Event) -> Task<Message> {
        let Some(shortcut) = shortcut(event) else {
            return Task::none();
        };
        match shortcut {
            Shortcut::Next => return iced::widget::operation::focus_next(),
            Shortcut::Previous => return iced::widget::operation::focus_previous(),
            Shortcut::Help => {
                self.overlay = match self.overlay {
                    Some(Overlay::Shortcuts) => None,
                    Some(Overlay::Path(_) | Overlay::Actors(_)) | None => Some(Overlay::Shortcuts),
                };
            }
            Shortcut::Enter if self.overlay.is_none() => self.answer(incoming::Message::Accept),
            Shortcut::Escape => self.escape(),
            Shortcut::Enter => {}
            Shortcut::PageUp => return scroll(-PAGE_STEP),
            Shortcut::PageDown => return scroll(PAGE_STEP),
            Shortcut::Search => {
                let field = match self.overlay {
                    Some(Overlay::Actors(_)) => actors::FILTER,
                    Some(Overlay::Shortcuts | Overlay::Path(_)) | None => lobby::SEARCH,
                };
                return iced::widget::operation::focus(field);
            }
            Shortcut::Call => return self.lobby_only(lobby::Message::Call),
            Shortcut::Settings => return self.lobby_only(lobby::Message::Settings),
            Shortcut::Microphone => return self.call(call::Message::Microphone),
            Shortcut::Camera => return self.call(call::Message::Camera),
            Shortcut::Screen => return self.call(call::Message::Screen),
            Shortcut::Hold => return self.call(call::Message::Hold),
            Shortcut::SendFile => return self.call(call::Message::ChooseFile),
            Shortcut::HangUp => return self.call(call::Message::HangUp),
            Shortcut::Figures => return self.call(call::Message::Side(Side::Figures)),
            Shortcut::Actors => self.toggle_actors(),
            Shortcut::Up => self.actors(actors::Message::Move(-1)),
            Shortcut::Down => self.actors(actors::Message::Move(1)),
        }
        Task::none()
    }

    fn lobby_only(&mut self, message: lobby::Message) -> Task<Message> {
        if let Screen::Lobby = self.screen {
            return self.lobby(message);
        }
        Task::none()
    }

    /// Closes, declines or cancels whatever is in front.
    fn escape(&mut self) {
        if let Some(Overlay::Actors(panel)) = &self.overlay {
            let message = if panel.has_selected() {
                actors::Message::Deselect
            } else {
                actors::Message::Close
            };
            self.actors(message);
        } else if self.overlay.is_some() {
            self.overlay = None;
        } else if self.incoming.is_some() {
            self.answer(incoming::Message::Decline);
        } else {
            match &self.screen {
                Screen::Login(_) => self.login(login::Message::Back),
                Screen::Outgoing(_) => self.outgoing(outgoing::Message::Cancel),
                Screen::Settings(_) => self.screen = Screen::Lobby,
                Screen::Lobby | Screen::Call(_) => {}
            }
        }
    }
}

/// How far a page key scrolls.
const PAGE_STEP: f32 = 320.0;

fn scroll(by: f32) -> Task<Message> {
    iced::widget::operation::scroll_by(PAGE, AbsoluteOffset { x: 0.0, y: by })
}

fn home() -> PathBuf {
    directories::UserDirs::new().map_or_else(|| PathBuf::from("/"), |dirs| dirs.home_dir().to_owned())
}

/// Opens the folder of a file in the desktop's file manager.
fn show_in_folder(path: PathBuf) {
    let folder = path.parent().map_or_else(|| path.clone(), PathBuf::from);
    if let Err(error) = open::that_detached(folder) {
        tracing::warn!(%error, "the folder could not be shown");
    }
}
