//! Keys nobody else wanted, as messages.

use iced::keyboard::key::Named;
use iced::keyboard::{Event, Key, Modifiers};

/// What a key asks for; what it means depends on what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shortcut {
    /// To the next button or field.
    Next,
    /// To the one before.
    Previous,
    /// Yes, or go.
    Enter,
    /// No, or close.
    Escape,
    /// Search people.
    Search,
    /// Call the chosen person.
    Call,
    /// Mute or unmute.
    Microphone,
    /// Camera on or off.
    Camera,
    /// Share the screen, or no longer.
    Screen,
    /// Hold the call, or go on.
    Hold,
    /// Send a file.
    SendFile,
    /// Hang up.
    HangUp,
    /// Figures.
    Figures,
    /// The actors.
    Actors,
    /// The one above.
    Up,
    /// The one below.
    Down,
    /// Settings.
    Settings,
    /// The list of keys.
    Help,
    /// Scroll up.
    PageUp,
    /// Scroll down.
    PageDown,
}

/// What an event asks for.
pub(super) fn shortcut(event: &Event) -> Option<Shortcut> {
    let Event::KeyPressed {
        key,
        modified_key,
        physical_key,
        modifiers,
        repeat,
        ..
    } = event
    else {
        return None;
    };
    if let Key::Named(named) = key {
        return by_name(*named, *modifiers, *repeat);
    }
    if *repeat || modifiers.alt() || modifiers.logo() {
        return None;
    }
    // "?" needs Shift on some keyboards and not on others
    if let Key::Character(c) = modified_key
        && c == "?"
    {
        return Some(Shortcut::Help);
    }
    if !modifiers.control() {
        return None;
    }
    let letter = key.to_latin(*physical_key)?.to_ascii_lowercase();
    match (letter, modifiers.shift()) {
        ('d', false) => Some(Shortcut::Microphone),
        ('e', false) => Some(Shortcut::Camera),
        ('s', false) => Some(Shortcut::Screen),
        ('p', false) => Some(Shortcut::Hold),
        ('o', false) => Some(Shortcut::SendFile),
        ('f', false) => Some(Shortcut::Search),
        ('i', false) => Some(Shortcut::Figures),
        ('h', true) => Some(Shortcut::HangUp),
        (',', false) => Some(Shortcut::Settings),
        ('/', _) => Some(Shortcut::Help),
        _ => None,
    }
}

fn by_name(named: Named, modifiers: Modifiers, repeat: bool) -> Option<Shortcut> {
    match named {
        Named::Tab if modifiers.shift() => Some(Shortcut::Previous),
        Named::Tab if modifiers.is_empty() => Some(Shortcut::Next),
        Named::PageUp => Some(Shortcut::PageUp),
        Named::PageDown => Some(Shortcut::PageDown),
        Named::ArrowUp => Some(Shortcut::Up),
        Named::ArrowDown => Some(Shortcut::Down),
        _ if repeat => None,
        Named::Enter if modifiers.control() => Some(Shortcut::Call),
        Named::Enter if modifiers.is_empty() => Some(Shortcut::Enter),
        Named::Escape => Some(Shortcut::Escape),
        Named::F12 => Some(Shortcut::Actors),
        _ => None,
    }
}
