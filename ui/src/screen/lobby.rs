//! Between calls: who is there, whom to call, how one looks, what happened lately.

mod links;
mod view;

use roomrtc_actors::slot::VideoSlot;
use roomrtc_actors::ui_bridge::MediaChoice;
use roomrtc_protocol::signaling::messages::Presence;

use crate::devices::Devices;
use crate::links::Links;
use crate::recent::Recent;
use crate::saved::Preview;
use crate::session::Session;

/// Names the field that searches.
pub const SEARCH: &str = "lobby/search";

/// What the lobby remembers while other screens are shown.
#[derive(Default)]
pub struct Lobby {
    query: String,
    selected: Option<String>,
    everybody: bool,
}

/// What the user does.
#[derive(Clone, Debug)]
pub enum Message {
    /// Typed into the search.
    Query(String),
    /// Took the first person the search found.
    First,
    /// Chose a person.
    Select(String),
    /// Calls the chosen person.
    Call,
    /// Show the camera's picture, or stop.
    TogglePreview,
    /// Show what happened with everybody, or with the chosen person.
    Everybody(bool),
    /// Make a link for a guest.
    Invite,
    /// Put a link on the clipboard again.
    CopyLink(String),
    /// Take a link back.
    RevokeLink(String),
    /// Open the settings.
    Settings,
    /// Close the session.
    LogOut,
}

/// What `app` shall do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// Call somebody.
    Call(String),
    /// Turn the preview on or off.
    TogglePreview,
    /// Make a link for a guest.
    Invite,
    /// Put the link of this invite on the clipboard again.
    CopyLink(String),
    /// Take it back.
    RevokeLink(String),
    /// Open the settings.
    Settings,
    /// Close the session.
    LogOut,
}

/// What the lobby shows that is not its own.
#[derive(Clone, Copy)]
pub struct Looks<'a> {
    /// The server and its users.
    pub session: &'a Session,
    /// Links that nobody has used yet.
    pub links: &'a Links,
    /// The camera's picture.
    pub local: &'a VideoSlot,
    /// Whether it is wanted.
    pub preview: Preview,
    /// Names of devices.
    pub devices: &'a Devices,
    /// What is sent in calls.
    pub media: &'a MediaChoice,
    /// What happened lately.
    pub recent: &'a Recent,
    /// Whether we see ourselves as in a mirror.
    pub mirror: bool,
    /// Whether an incoming call waits for an answer.
    pub ringing: bool,
    /// The window's width.
    pub width: f32,
    /// The window's height.
    pub height: f32,
    /// The window's scale factor.
    pub scale: f32,
    /// Seconds of Unix time.
    pub now: u64,
}

impl Lobby {
    /// What the user does.
    pub fn update(&mut self, message: Message, session: &Session) -> Action {
        match message {
            Message::Query(query) => self.query = query,
            Message::First => {
                let first = self.found(session).next().map(str::to_owned);
                self.selected = first.or(self.selected.take());
            }
            Message::Select(user) => {
                self.selected = Some(user);
                self.everybody = false;
            }
            Message::Call => {
                if let Some(user) = self.selected(session)
                    && session.is_online()
                    && session.presence(user) == Presence::Available
                {
                    return Action::Call(user.to_owned());
                }
            }
            Message::TogglePreview => return Action::TogglePreview,
            Message::Everybody(everybody) => self.everybody = everybody,
            Message::Invite if session.is_online() => return Action::Invite,
            Message::CopyLink(invite) => return Action::CopyLink(invite),
            Message::RevokeLink(invite) if session.is_online() => return Action::RevokeLink(invite),
            Message::Invite | Message::RevokeLink(_) => {}
            Message::Settings => return Action::Settings,
            Message::LogOut => return Action::LogOut,
        }
        Action::None
    }

    /// Shows a person, as after a call with them.
    pub fn select(&mut self, user: &str) {
        self.selected = Some(user.to_owned());
    }

    /// The chosen person, while there is such a user; before any choice, the first available one.
    fn selected<'a>(&'a self, session: &'a Session) -> Option<&'a str> {
        let users = &session.users;
        let chosen = self
            .selected
            .as_ref()
            .and_then(|chosen| users.iter().find(|user| user.user == *chosen));
        chosen
            .or_else(|| users.iter().find(|user| user.presence == Presence::Available))
            .or_else(|| users.first())
            .map(|user| user.user.as_str())
    }

    /// Users the search finds, in the order of their groups.
    fn found<'a>(&'a self, session: &'a Session) -> impl Iterator<Item = &'a str> {
        GROUPS
            .into_iter()
            .flat_map(move |(presence, _)| self.group(session, presence))
    }

    fn group<'a>(&'a self, session: &'a Session, presence: Presence) -> impl Iterator<Item = &'a str> {
        let query = self.query.trim().to_lowercase();
        session
            .users
            .iter()
            .filter(move |user| user.presence == presence)
            .map(|user| user.user.as_str())
            .filter(move |name| name.to_lowercase().contains(&query))
    }
}

/// The groups of the list and their heads.
const GROUPS: [(Presence, &str); 3] = [
    (Presence::Available, "AVAILABLE"),
    (Presence::Busy, "IN A CALL"),
    (Presence::Offline, "OFFLINE"),
];
