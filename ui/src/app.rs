//! The root of the window: which screen is shown, what the client said, and the only place that talks to it.
//!
//! Reading order: this file (state, messages, [`run`]), `app/update.rs` (what the user does), `app/events.rs`
//! (what the client says), `app/keys.rs` (shortcuts), `app/view.rs`.

mod dialogs;
mod events;
mod keys;
mod update;
mod view;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use iced::{Point, Size, Subscription, Task, Theme, keyboard, window};
use roomrtc_actors::client::ClientHandle;
use roomrtc_actors::stats::CallStats;
use roomrtc_actors::ui_bridge::{Command, Event, MediaChoice, VideoChoice};
use roomrtc_actors::unfinished_call::UnfinishedCall;
use roomrtc_kit::watch::LOOK;

use crate::bridge::{Bridge, Process};
use crate::devices::{self, Devices};
use crate::habits::Habits;
use crate::links::Links;
use crate::overlay::actors::ActorsPanel;
use crate::overlay::incoming::Incoming;
use crate::overlay::path::PathPrompt;
use crate::overlay::toast::Toasts;
use crate::overlay::{actors, incoming, path, shortcuts, toast};
use crate::recent::What;
use crate::recording::CallRecorder;
use crate::ring::Ring;
use crate::saved::{Appearance, Keeper, Preview, Saved};
use crate::screen::call::Call;
use crate::screen::lobby::Lobby;
use crate::screen::login::Login;
use crate::screen::outgoing::Outgoing;
use crate::screen::{call, lobby, login, outgoing, settings};
use crate::session::Session;
use crate::theme::{self, dim};
use crate::{font, saved};

/// How the window starts.
#[derive(Clone, Debug)]
pub struct WindowSettings {
    /// The client's data folder; the window keeps its settings there.
    pub data_dir: PathBuf,
    /// Where received files go until the user chooses another place.
    pub download_dir: PathBuf,
    /// Connect there at once.
    pub server: Option<String>,
    /// What is sent in calls, until the user chooses other devices.
    pub media: MediaChoice,
    /// Where a server on this machine can be asked about its actors.
    pub admin_socket: Option<PathBuf>,
    /// The call in which an earlier run died: the window offers to go back to it.
    pub unfinished: Option<UnfinishedCall>,
    /// Go back to it without asking.
    pub rejoin: bool,
    /// Show the actors from the start.
    pub actors: bool,
    /// Enter, and perhaps call, without being asked to: for demonstrations and tests.
    pub errand: Option<Errand>,
    /// Where the window shall be, in pixels.
    pub position: Option<(i32, i32)>,
    /// What the configuration says of it.
    pub habits: Habits,
}

/// What the window does by itself once it is open.
#[derive(Clone, PartialEq, Eq)]
pub struct Errand {
    /// Who enters.
    pub user: String,
    /// With which password.
    pub password: String,
    /// Make the account if there is none.
    pub register: bool,
    /// Whom to call as soon as they are available.
    pub call: Option<String>,
    /// Take the first incoming call after it has rung for so long.
    pub answer_after: Option<Duration>,
}

impl std::fmt::Debug for Errand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Errand")
            .field("user", &self.user)
            .field("call", &self.call)
            .field("answer_after", &self.answer_after)
            .finish_non_exhaustive()
    }
}

/// What is shown.
enum Screen {
    Login(Box<Login>),
    Lobby,
    Settings(settings::Settings),
    Outgoing(Outgoing),
    Call(Box<Call>),
}

/// What lies above it.
enum Overlay {
    Shortcuts,
    Path(PathPrompt),
    Actors(Box<ActorsPanel>),
}

/// The window's state.
pub struct App {
    bridge: Bridge,
    admin_socket: Option<PathBuf>,
    given: MediaChoice,
    media: MediaChoice,
    download_dir: PathBuf,
    saved: Saved,
    keeper: Option<Keeper>,
    ring: Ring,
    habits: Habits,
    notify: bool,
    session: Session,
    links: Links,
    devices: Devices,
    screen: Screen,
    lobby: Lobby,
    incoming: Option<Incoming>,
    overlay: Option<Overlay>,
    toasts: Toasts,
    errand: Option<Errand>,
    /// The client was told that the lobby's preview is wanted.
    previewing: bool,
    system: iced::theme::Mode,
    size: Size,
    scale: f32,
    now: Instant,
    window: Option<window::Id>,
}

/// Everything that can happen to the window.
#[derive(Clone, Debug)]
pub enum Message {
    /// On the way in.
    Login(login::Message),
    /// In the lobby.
    Lobby(lobby::Message),
    /// In the settings.
    Settings(settings::Message),
    /// While it rings over there.
    Outgoing(outgoing::Message),
    /// In a call.
    Call(call::Message),
    /// About the incoming call.
    Incoming(incoming::Message),
    /// About a toast.
    Toast(toast::Message),
    /// About the actors.
    Actors(actors::Message),
    /// About the list of keys.
    Shortcuts(shortcuts::Message),
    /// About a typed path.
    Path(path::Message),
    /// The client said something; nothing more once it has ended.
    Event(Option<Event>),
    /// A second's figures.
    Stats(Box<CallStats>),
    /// A new picture is to be drawn; being here is all it does.
    Bell,
    /// Time passes.
    Tick(Instant),
    /// A key nobody else wanted.
    Key(keyboard::Event),
    /// The window.
    Window(window::Id, window::Event),
    /// The window's scale factor.
    Scale(f32),
    /// The desktop's theme.
    System(iced::theme::Mode),
    /// Devices were looked for.
    Devices(Devices),
    /// A file dialog was answered.
    Picked(dialogs::Answer),
}

impl App {
    /// The window's state before anything happened. Without a `keeper` nothing is written to disk.
    pub fn new(
        bridge: Bridge,
        settings: WindowSettings,
        saved: Saved,
        keeper: Option<Keeper>,
        ring: Ring,
    ) -> Self {
        let media = devices::media(&settings.media, &saved);
        if media != settings.media {
            bridge.send(Command::ChooseMedia(media.clone()));
        }
        let habits = settings.habits;
        let server = match (&settings.server, saved.server.is_empty()) {
            (Some(server), _) => server.clone(),
            (None, false) => saved.server.clone(),
            (None, true) => habits.server.clone(),
        };
        let going_back = settings.rejoin && settings.unfinished.is_some();
        let errand = settings.errand.filter(|_| !going_back);
        let user = match &errand {
            Some(errand) => errand.user.clone(),
            None => saved.user.clone(),
        };
        let mut login = Login::new(server, user);
        if errand.is_none()
            && let Some(left) = settings.unfinished
        {
            login.offer_to_rejoin(left.call.user, left.server);
        }
        let action = match (&errand, &settings.server) {
            _ if going_back => login.update(login::Message::Rejoin),
            (Some(errand), _) => {
                login.enter_as(errand.user.clone(), errand.password.clone(), errand.register)
            }
            (None, Some(_)) if !login.has_call_to_rejoin() => login.connect(),
            (None, _) => login::Action::None,
        };
        if let login::Action::Send(command) = action {
            bridge.send(command);
        }
        let mut app = App {
            bridge,
            admin_socket: settings.admin_socket,
            given: settings.media,
            media,
            download_dir: settings.download_dir,
            saved,
            notify: habits.notifications && keeper.is_some(),
            keeper,
            ring,
            session: Session::default(),
            links: Links::default(),
            devices: Devices::default(),
            screen: Screen::Login(Box::new(login)),
            lobby: Lobby::default(),
            incoming: None,
            overlay: None,
            toasts: Toasts::default(),
            errand,
            previewing: false,
            system: iced::theme::Mode::Dark,
            size: habits.size,
            scale: 1.0,
            habits,
            now: Instant::now(),
            window: None,
        };
        if settings.actors {
            app.toggle_actors();
        }
        app
    }

    /// The window's title.
    pub fn title(&self) -> String {
        let user = &self.session.user;
        match (&self.incoming, &self.screen) {
            (Some(incoming), _) => format!("{} is calling – RoomRTC – {user}", incoming.user),
            (None, Screen::Call(call)) => format!("RoomRTC – {user} with {}", call.peer()),
            (None, Screen::Login(_)) => "RoomRTC".into(),
            (None, Screen::Lobby | Screen::Settings(_) | Screen::Outgoing(_)) => {
                format!("RoomRTC – {user}")
            }
        }
    }

    /// The theme it wears.
    pub fn theme(&self) -> Theme {
        let light = match self.appearance() {
            Appearance::Light => true,
            Appearance::Dark => false,
            Appearance::System => self.system == iced::theme::Mode::Light,
        };
        if light { theme::light() } else { theme::dark() }
    }

    /// The chosen theme, else the configured one.
    fn appearance(&self) -> Appearance {
        self.saved.appearance.unwrap_or(self.habits.appearance)
    }

    /// Physical pixels to one of ours.
    fn pixels(&self) -> f32 {
        self.scale * self.habits.scale
    }

    /// Where received files go.
    fn downloads(&self) -> &std::path::Path {
        self.saved.downloads.as_deref().unwrap_or(&self.download_dir)
    }

    /// Whether we see ourselves as in a mirror: from a camera, but not the test picture or a film, which are to be
    /// read.
    fn mirror(&self) -> bool {
        matches!(self.media.video, VideoChoice::Camera(_)) && !self.devices.cameras.is_empty()
    }

    /// Everything the window listens to.
    pub fn subscription(&self) -> Subscription<Message> {
        let mut all = vec![
            self.bridge.events().map(Message::Event),
            self.bridge.stats().map(|stats| Message::Stats(Box::new(stats))),
            keyboard::listen().map(Message::Key),
            window::events().map(|(id, event)| Message::Window(id, event)),
            iced::system::theme_changes().map(Message::System),
        ];
        let ticking = match self.screen {
            Screen::Call(_) => true,
            Screen::Login(_) | Screen::Lobby | Screen::Settings(_) | Screen::Outgoing(_) => {
                !self.toasts.is_empty()
            }
        };
        if ticking {
            all.push(iced::time::every(TICK).map(Message::Tick));
        }
        all.push(match self.overlay {
            // The pictures behind it are drawn as often as it is: it costs no more than it shows.
            Some(Overlay::Actors(_)) => {
                iced::time::every(LOOK).map(|now| Message::Actors(actors::Message::Look(now)))
            }
            Some(Overlay::Shortcuts | Overlay::Path(_)) | None => self.bridge.bells().map(|()| Message::Bell),
        });
        Subscription::batch(all)
    }

    /// Remembers the settings.
    fn keep(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.keep(&self.saved);
        }
    }

    /// Adds a call or a file to those of the past.
    fn remember(&mut self, peer: String, what: What) {
        self.saved.recent.add(peer, what, self.habits.recent_entries);
        self.keep();
    }

    /// Opens or closes the camera for the lobby, as far as that is a change.
    fn set_preview(&mut self) {
        let wanted = match self.screen {
            Screen::Lobby => self.saved.preview == Preview::On,
            Screen::Outgoing(_) => true,
            Screen::Login(_) | Screen::Settings(_) => false,
            // the call has the camera
            Screen::Call(_) => return,
        };
        if wanted != self.previewing {
            self.previewing = wanted;
            self.bridge.send(Command::SetPreview(wanted));
        }
    }
}

/// How often a running call's clock is drawn.
const TICK: Duration = Duration::from_millis(500);

/// Opens the window and stays in it until the user closes it; then ends the client and waits for that.
pub fn run(handle: ClientHandle, recorder: CallRecorder, settings: WindowSettings) -> iced::Result {
    let actors = Arc::new(Process::recorded_by(recorder));
    let result = open(Bridge::to(handle.clone(), actors), settings);
    handle.quit();
    result
}

/// Opens the window on a bridge, whatever is at its other end, and stays in it until it is closed or the client has
/// ended.
pub fn open(bridge: Bridge, settings: WindowSettings) -> iced::Result {
    let path = settings.data_dir.join(saved::FILE);
    let saved = Saved::load(&path);
    let window = window::Settings {
        size: settings.habits.size,
        min_size: Some(dim::WINDOW_MIN),
        position: match settings.position {
            Some((x, y)) => window::Position::Specific(Point::new(x as f32, y as f32)),
            None => window::Position::Default,
        },
        platform_specific: window::settings::PlatformSpecific {
            application_id: "roomrtc".into(),
            ..window::settings::PlatformSpecific::default()
        },
        ..window::Settings::default()
    };
    let boot = move || {
        let keeper = Keeper::start(path.clone());
        let app = App::new(
            bridge.clone(),
            settings.clone(),
            saved.clone(),
            Some(keeper),
            Ring::new(settings.habits.ring.clone()),
        );
        let tasks = Task::batch([
            iced::system::theme().map(Message::System),
            dialogs::look_for_devices(),
        ]);
        (app, tasks)
    };
    let mut application = iced::application(boot, App::update, App::view)
        .title(App::title)
        .theme(App::theme)
        .scale_factor(|app| app.habits.scale)
        .style(|_, theme| theme::window(theme))
        .subscription(App::subscription)
        .default_font(font::SANS)
        .window(window);
    for file in font::FILES {
        application = application.font(file);
    }
    application.run()
}

/// How many pictures the window has drawn so far, both views together.
pub fn pictures_drawn() -> u64 {
    crate::widget::video::drawn()
}
