//! How the window behaves as long as its user has not chosen otherwise: what the configuration says of it.

use iced::Size;
use roomrtc_kit::config;

use crate::ring::Sound;
use crate::saved::Appearance;

/// What the configuration says of the window.
#[derive(Clone, Debug)]
pub struct Habits {
    /// The server that is suggested before the first login.
    pub server: String,
    /// How large it opens, in logical pixels.
    pub size: Size,
    /// Enlarges everything in it.
    pub scale: f32,
    /// The theme.
    pub appearance: Appearance,
    /// What is heard while a call comes in.
    pub ring: Sound,
    /// Whether the desktop is told of an incoming call.
    pub notifications: bool,
    /// Past calls and files that are remembered.
    pub recent_entries: usize,
}

impl From<&config::Client> for Habits {
    fn from(client: &config::Client) -> Self {
        let ring = match (client.ring_sound, client.ring_file.as_os_str().is_empty()) {
            (false, _) => Sound::None,
            (true, true) => Sound::BuiltIn,
            (true, false) => Sound::File(client.ring_file.clone()),
        };
        Habits {
            server: client.server.clone(),
            size: Size::new(client.window_width, client.window_height),
            scale: client.scale,
            appearance: match client.theme {
                config::Theme::System => Appearance::System,
                config::Theme::Dark => Appearance::Dark,
                config::Theme::Light => Appearance::Light,
            },
            ring,
            notifications: client.notifications,
            recent_entries: client.recent_entries,
        }
    }
}

impl Default for Habits {
    fn default() -> Self {
        Habits::from(&config::Client::default())
    }
}
