//! What the client says about the server and its users; screens look, only `app` writes.

use roomrtc_actors::ui_bridge::ConnectionState;
use roomrtc_protocol::signaling::messages::{Presence, UserPresence};

/// The present session.
#[derive(Clone, Debug)]
pub struct Session {
    /// The server's address, as typed.
    pub server: String,
    /// Who is logged in; empty before login.
    pub user: String,
    /// Everybody else, by name.
    pub users: Vec<UserPresence>,
    /// The connection.
    pub connection: ConnectionState,
}

impl Default for Session {
    fn default() -> Self {
        Session {
            server: String::new(),
            user: String::new(),
            users: Vec::new(),
            connection: ConnectionState::Disconnected,
        }
    }
}

impl Session {
    /// Takes a new list of users.
    pub fn set_users(&mut self, mut users: Vec<UserPresence>) {
        users.sort_by_cached_key(|user| user.user.to_lowercase());
        self.users = users;
    }

    /// A user's state; offline if there is no such user.
    pub fn presence(&self, user: &str) -> Presence {
        self.users
            .iter()
            .find(|other| other.user == user)
            .map_or(Presence::Offline, |other| other.presence)
    }

    /// Whether the server can be asked something.
    pub fn is_online(&self) -> bool {
        self.connection == ConnectionState::Connected
    }
}
