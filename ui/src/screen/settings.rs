//! Appearance, devices, where files go, and the account.

mod view;

use roomrtc_actors::ui_bridge::MediaChoice;

use crate::devices::Devices;
use crate::saved::{Appearance, Device, Saved};
use crate::session::Session;

/// What the user does.
#[derive(Clone, Debug)]
pub enum Message {
    /// Chose a theme.
    Appearance(Appearance),
    /// Chose a camera.
    Camera(Device),
    /// Chose a microphone.
    Microphone(Device),
    /// Look for devices again.
    Refresh,
    /// Choose where received files go.
    ChooseFolder,
    /// Type where received files go.
    TypeFolder,
    /// Show the keys.
    Shortcuts,
    /// Close the session.
    LogOut,
    /// Back to the lobby.
    Back,
}

/// What `app` shall do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Wear another theme.
    Appearance(Appearance),
    /// Use another camera.
    Camera(Device),
    /// Use another microphone.
    Microphone(Device),
    /// Look for devices.
    Refresh,
    /// Let the user choose a folder.
    ChooseFolder,
    /// Let the user type a folder.
    TypeFolder,
    /// Show the keys.
    Shortcuts,
    /// Close the session.
    LogOut,
    /// Show the lobby.
    Back,
}

/// The screen has no state of its own: what it shows is kept in the settings.
#[derive(Default)]
pub struct Settings;

/// What the screen shows.
#[derive(Clone, Copy)]
pub struct Looks<'a> {
    /// The settings.
    pub saved: &'a Saved,
    /// The theme in use: the chosen one, else the configured one.
    pub appearance: Appearance,
    /// The devices there are.
    pub devices: &'a Devices,
    /// What the program was started with.
    pub given: &'a MediaChoice,
    /// Where received files go.
    pub downloads: &'a std::path::Path,
    /// The session.
    pub session: &'a Session,
}

impl Settings {
    /// What the user does.
    pub fn update(&mut self, message: Message) -> Action {
        match message {
            Message::Appearance(appearance) => Action::Appearance(appearance),
            Message::Camera(device) => Action::Camera(device),
            Message::Microphone(device) => Action::Microphone(device),
            Message::Refresh => Action::Refresh,
            Message::ChooseFolder => Action::ChooseFolder,
            Message::TypeFolder => Action::TypeFolder,
            Message::Shortcuts => Action::Shortcuts,
            Message::LogOut => Action::LogOut,
            Message::Back => Action::Back,
        }
    }
}
