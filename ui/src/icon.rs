//! Lucide pictograms, a function each.

use iced::widget::{Text, text};

use crate::font;

fn glyph<'a>(code: char) -> Text<'a> {
    text(code)
        .font(font::ICONS)
        .line_height(1.0)
        .shaping(text::Shaping::Basic)
}

macro_rules! icons {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        $($(#[$doc])* pub fn $name<'a>() -> Text<'a> { glyph($code) })*
    };
}

icons! {
    /// Lucide `activity`.
    activity = '\u{e038}',
    /// Lucide `arrow-left`.
    back = '\u{e048}',
    /// Lucide `video`.
    camera = '\u{e1a5}',
    /// Lucide `video-off`.
    camera_off = '\u{e1a6}',
    /// Lucide `check`.
    check = '\u{e06c}',
    /// Lucide `paperclip`.
    clip = '\u{e12d}',
    /// Lucide `clock`.
    clock = '\u{e087}',
    /// Lucide `x`.
    close = '\u{e1b2}',
    /// Lucide `cpu`.
    cpu = '\u{e0a9}',
    /// Lucide `circle-check`.
    done = '\u{e226}',
    /// Lucide `download`.
    download = '\u{e0b2}',
    /// Lucide `eye`.
    eye = '\u{e0ba}',
    /// Lucide `eye-off`.
    eye_off = '\u{e0bb}',
    /// Lucide `file-text`.
    file = '\u{e0cc}',
    /// Lucide `folder`.
    folder = '\u{e0d7}',
    /// Lucide `info`.
    info = '\u{e0f9}',
    /// Lucide `key-round`.
    key = '\u{e4a3}',
    /// Lucide `keyboard`.
    keyboard = '\u{e284}',
    /// Lucide `log-out`.
    log_out = '\u{e10e}',
    /// Lucide `mic`.
    microphone = '\u{e118}',
    /// Lucide `mic-off`.
    microphone_off = '\u{e119}',
    /// Lucide `minus`.
    minus = '\u{e11c}',
    /// Lucide `monitor`.
    monitor = '\u{e11d}',
    /// Lucide `moon`.
    moon = '\u{e11e}',
    /// Lucide `wifi-off`.
    offline = '\u{e1af}',
    /// Lucide `pencil`.
    pencil = '\u{e1f9}',
    /// Lucide `user-plus`.
    person_add = '\u{e1a2}',
    /// Lucide `pause`.
    pause = '\u{e12e}',
    /// Lucide `phone`.
    phone = '\u{e133}',
    /// Lucide `phone-incoming`.
    phone_incoming = '\u{e136}',
    /// Lucide `phone-missed`.
    phone_missed = '\u{e137}',
    /// Lucide `phone-off`.
    phone_off = '\u{e138}',
    /// Lucide `phone-outgoing`.
    phone_outgoing = '\u{e139}',
    /// Lucide `refresh-cw`.
    retry = '\u{e145}',
    /// Lucide `screen-share`.
    screen = '\u{e14f}',
    /// Lucide `screen-share-off`.
    screen_off = '\u{e150}',
    /// Lucide `search`.
    search = '\u{e151}',
    /// Lucide `server`.
    server = '\u{e153}',
    /// Lucide `settings`.
    settings = '\u{e154}',
    /// Lucide `shield-check`.
    shield = '\u{e1ff}',
    /// Lucide `shield-alert`.
    shield_alert = '\u{e1fe}',
    /// Lucide `shield-question-mark`.
    shield_question = '\u{e40e}',
    /// Lucide `signal`.
    signal_full = '\u{e25f}',
    /// Lucide `signal-low`.
    signal_low = '\u{e261}',
    /// Lucide `signal-medium`.
    signal_medium = '\u{e262}',
    /// Lucide `volume-2`.
    speaker = '\u{e1ab}',
    /// Lucide `sun`.
    sun = '\u{e178}',
    /// Lucide `upload`.
    upload = '\u{e19e}',
    /// Lucide `user`.
    user = '\u{e19f}',
    /// Lucide `users`.
    users = '\u{e1a4}',
    /// Lucide `triangle-alert`.
    warning = '\u{e193}',
}
