//! Every colour and size of the window, and the style functions made of them. Nothing else in this crate names
//! a colour or a pixel.
//!
//! Reading order: [`Tokens`] (the two palettes), [`size`] · [`space`] · [`radius`] · [`dim`] (`measure`), then the style
//! functions by kind of widget: surfaces, texts, buttons, inputs. What lies over a picture (`glass…`,
//! `over_video…`) is dark in both themes, because pictures are.

use std::sync::LazyLock;

use iced::theme::Palette;
use iced::widget::{button, container, progress_bar, scrollable, text, text_input};
use iced::{Background, Border, Color, Theme, border, color};

mod measure;

pub use measure::{dim, radius, size, space};

/// The colours of one theme.
#[derive(Debug)]
pub struct Tokens {
    /// Behind everything.
    pub app: Color,
    /// Side panels.
    pub panel: Color,
    /// Cards and inputs.
    pub card: Color,
    /// What lies on a card.
    pub raised: Color,
    /// The same under the pointer, and tracks of bars.
    pub hover: Color,
    /// Hairlines and outlines.
    pub line: Color,
    /// Text.
    pub text: Color,
    /// Second lines.
    pub muted: Color,
    /// Heads of columns, hints.
    pub faint: Color,
    /// What to do next.
    pub accent: Color,
    /// Good.
    pub green: Color,
    /// Look at this.
    pub amber: Color,
    /// Bad, and ending things.
    pub red: Color,
    /// Filled buttons that take a call.
    pub take: Color,
}

static DARK: Tokens = Tokens {
    app: color!(0x0b0d12),
    panel: color!(0x10131a),
    card: color!(0x171b24),
    raised: color!(0x1f2430),
    hover: color!(0x2a3040),
    line: color!(0x232938),
    text: color!(0xe8ebf2),
    muted: color!(0xa3adc1),
    faint: color!(0x7d889f),
    accent: color!(0x6c8cff),
    green: color!(0x3dd68c),
    amber: color!(0xf5b84b),
    red: color!(0xf0525f),
    take: color!(0x1f9d5b),
};

static LIGHT: Tokens = Tokens {
    app: color!(0xf1f3f9),
    panel: color!(0xfafbfe),
    card: color!(0xffffff),
    raised: color!(0xeef1f8),
    hover: color!(0xe0e5f1),
    line: color!(0xdce1ec),
    text: color!(0x151a26),
    muted: color!(0x505b72),
    faint: color!(0x6a758c),
    accent: color!(0x4866e6),
    green: color!(0x0e8a50),
    amber: color!(0xa06200),
    red: color!(0xd2323f),
    take: color!(0x17894e),
};

/// Text and icons on filled buttons and over pictures.
pub const ON_FILL: Color = Color::WHITE;
/// Second lines over pictures.
const ON_VIDEO_MUTED: Color = color!(0xb4bccd);
/// Surfaces over pictures.
const GLASS: Color = color!(0x0d1017);
/// A control that is switched off, over pictures.
const OFF_ON_VIDEO: Color = color!(0xff9aa2);

fn named(name: &str, t: &Tokens) -> Theme {
    Theme::custom(
        name.to_owned(),
        Palette {
            background: t.app,
            text: t.text,
            primary: t.accent,
            success: t.green,
            warning: t.amber,
            danger: t.red,
        },
    )
}

static DARK_THEME: LazyLock<Theme> = LazyLock::new(|| named("RoomRTC Dark", &DARK));
static LIGHT_THEME: LazyLock<Theme> = LazyLock::new(|| named("RoomRTC Light", &LIGHT));

/// The dark theme.
pub fn dark() -> Theme {
    DARK_THEME.clone()
}

/// The light theme.
pub fn light() -> Theme {
    LIGHT_THEME.clone()
}

/// The colours of a theme.
pub fn tokens(theme: &Theme) -> &'static Tokens {
    if theme.extended_palette().is_dark {
        &DARK
    } else {
        &LIGHT
    }
}

/// What a colour says; never alone, a word or a shape always says it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Nothing in particular.
    Neutral,
    /// What to do next.
    Accent,
    /// Good.
    Good,
    /// Look at this.
    Warning,
    /// Bad.
    Bad,
}

impl Tone {
    fn color(self, t: &Tokens) -> Color {
        match self {
            Tone::Neutral => t.muted,
            Tone::Accent => t.accent,
            Tone::Good => t.green,
            Tone::Warning => t.amber,
            Tone::Bad => t.red,
        }
    }
}

fn alpha(color: Color, a: f32) -> Color {
    Color { a, ..color }
}

fn surface(background: Color, radius: f32) -> container::Style {
    container::Style::default()
        .background(background)
        .border(border::rounded(radius))
}

fn outlined(background: Color, radius: f32, line: Color) -> container::Style {
    container::Style::default()
        .background(background)
        .border(border::rounded(radius).width(dim::HAIRLINE).color(line))
}

// ---- surfaces ---------------------------------------------------------------------------------------------

/// The window itself. Not a surface of its own: one as large as the window would be drawn again behind every
/// picture.
pub fn window(theme: &Theme) -> iced::theme::Style {
    let t = tokens(theme);
    iced::theme::Style {
        background_color: t.app,
        text_color: t.text,
    }
}

/// A side panel.
pub fn panel(theme: &Theme) -> container::Style {
    container::Style::default().background(tokens(theme).panel)
}

/// A card.
pub fn card(theme: &Theme) -> container::Style {
    let t = tokens(theme);
    outlined(t.card, radius::M, t.line)
}

/// A field on a card.
pub fn raised(theme: &Theme) -> container::Style {
    surface(tokens(theme).raised, radius::S)
}

/// What floats above everything: toasts, modals. Without a shadow: iced's software renderer draws the whole of one again
/// with every picture that changes below or beside it, so that the window grows darker and darker.
pub fn floating(theme: &Theme) -> container::Style {
    let t = tokens(theme);
    outlined(t.card, radius::L, t.hover)
}

/// The card of an incoming call.
pub fn incoming(theme: &Theme) -> container::Style {
    let t = tokens(theme);
    outlined(t.raised, radius::L, alpha(t.accent, 0.65))
}

/// Dims what lies below a modal.
pub fn scrim(_: &Theme) -> container::Style {
    container::Style::default().background(alpha(Color::BLACK, 0.55))
}

/// The stage a call's picture stands on; black in both themes.
pub fn stage(_: &Theme) -> container::Style {
    surface(color!(0x07090d), radius::L).color(ON_FILL)
}

/// Darkens a picture so that text on it can be read.
pub fn veil(_: &Theme) -> container::Style {
    surface(alpha(color!(0x07090d), 0.72), radius::L).color(ON_FILL)
}

/// A pill over a picture. Without a shadow, as [`floating`].
pub fn glass(_: &Theme) -> container::Style {
    outlined(alpha(GLASS, 0.82), radius::PILL, alpha(Color::WHITE, 0.10)).color(ON_FILL)
}

/// A small label over a picture.
pub fn glass_label(_: &Theme) -> container::Style {
    surface(alpha(GLASS, 0.72), radius::S).color(ON_FILL)
}

/// The frame of the self view.
pub fn self_view(_: &Theme) -> container::Style {
    outlined(color!(0x12161f), radius::M + 2.0, alpha(Color::WHITE, 0.16)).color(ON_FILL)
}

/// A picture's place while there is none.
pub fn picture(theme: &Theme) -> container::Style {
    surface(tokens(theme).raised, radius::M)
}

/// A line that separates.
pub fn hairline(theme: &Theme) -> container::Style {
    container::Style::default().background(tokens(theme).line)
}

/// A tinted pill with a word in it.
pub fn chip(tone: Tone) -> impl Fn(&Theme) -> container::Style {
    move |theme| {
        let c = tone.color(tokens(theme));
        surface(alpha(c, 0.14), radius::PILL).color(c)
    }
}

/// A tinted square behind an icon.
pub fn badge(tone: Tone) -> impl Fn(&Theme) -> container::Style {
    move |theme| {
        let c = tone.color(tokens(theme));
        surface(alpha(c, 0.14), radius::S).color(c)
    }
}

/// A tinted strip across the window.
pub fn banner(tone: Tone) -> impl Fn(&Theme) -> container::Style {
    move |theme| {
        let t = tokens(theme);
        let c = tone.color(t);
        outlined(alpha(c, 0.12), radius::M, alpha(c, 0.35)).color(t.text)
    }
}

/// A key of the keyboard.
pub fn key_cap(theme: &Theme) -> container::Style {
    let t = tokens(theme);
    outlined(t.raised, 6.0, t.hover).color(t.muted)
}

/// The brand's mark.
pub fn brand(theme: &Theme) -> container::Style {
    surface(tokens(theme).accent, radius::S).color(ON_FILL)
}

/// The large panel beside the login form.
pub fn hero(theme: &Theme) -> container::Style {
    let (from, to) = if theme.extended_palette().is_dark {
        (color!(0x1b2450), color!(0x10131f))
    } else {
        (color!(0x4866e6), color!(0x2d3f9c))
    };
    container::Style::default()
        .background(
            iced::gradient::Linear::new(iced::Degrees(160.0))
                .add_stop(0.0, from)
                .add_stop(1.0, to),
        )
        .border(border::rounded(radius::L))
        .color(ON_FILL)
}

/// The disc behind a person's initials; the same person keeps the same colour.
pub fn avatar(name: &str) -> impl Fn(&Theme) -> container::Style + use<> {
    const HUES: [Color; 8] = [
        color!(0x4f6bdc),
        color!(0x8a5bd6),
        color!(0x2b8578),
        color!(0xb45a36),
        color!(0xb54a78),
        color!(0x477539),
        color!(0x3279a8),
        color!(0x8d6a1f),
    ];
    // djb2: small, and spreads short names well
    let hash = name
        .bytes()
        .fold(5381_u32, |h, b| h.wrapping_mul(33) ^ u32::from(b));
    let hue = HUES[hash as usize % HUES.len()];
    move |_| surface(hue, radius::PILL).color(ON_FILL)
}

/// The ring between an avatar and its mark, in the colour of what lies below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// On a side panel.
    Panel,
    /// On a card.
    Card,
}

/// The disc of an avatar's mark.
pub fn mark_ring(ground: Ground) -> impl Fn(&Theme) -> container::Style {
    move |theme| {
        let t = tokens(theme);
        let color = match ground {
            Ground::Panel => t.panel,
            Ground::Card => t.card,
        };
        surface(color, radius::PILL)
    }
}

/// The mark itself: a full disc.
pub fn mark(tone: Tone) -> impl Fn(&Theme) -> container::Style {
    move |theme| surface(tone.color(tokens(theme)), radius::PILL).color(tokens(theme).panel)
}

/// The mark of somebody who is not there: a hollow disc.
pub fn mark_hollow(theme: &Theme) -> container::Style {
    let t = tokens(theme);
    container::Style::default().border(border::rounded(radius::PILL).width(2).color(t.faint))
}

/// The ring around what has the keyboard's focus.
pub fn focus_ring(theme: &Theme) -> Border {
    border::rounded(radius::S).width(2).color(tokens(theme).accent)
}

// ---- texts ------------------------------------------------------------------------------------------------

fn colored(color: Color) -> text::Style {
    text::Style { color: Some(color) }
}

/// Main text, where what is around has another colour.
pub fn plain(theme: &Theme) -> text::Style {
    colored(tokens(theme).text)
}

/// Second lines.
pub fn muted(theme: &Theme) -> text::Style {
    colored(tokens(theme).muted)
}

/// Hints and heads of columns.
pub fn faint(theme: &Theme) -> text::Style {
    colored(tokens(theme).faint)
}

/// A word with a tone.
pub fn toned(tone: Tone) -> impl Fn(&Theme) -> text::Style {
    move |theme| colored(tone.color(tokens(theme)))
}

/// Text on filled surfaces and pictures.
pub fn on_fill(_: &Theme) -> text::Style {
    colored(ON_FILL)
}

/// Second lines on pictures.
pub fn on_video_muted(_: &Theme) -> text::Style {
    colored(ON_VIDEO_MUTED)
}

/// A word with a tone on a picture: the dark palette's, whatever the theme.
pub fn on_video_toned(tone: Tone) -> impl Fn(&Theme) -> text::Style {
    move |_| colored(tone.color(&DARK))
}

// ---- buttons ----------------------------------------------------------------------------------------------

fn shift(base: Color, status: button::Status) -> Color {
    match status {
        button::Status::Active => base,
        button::Status::Hovered => Color {
            r: (base.r + 0.06).min(1.0),
            g: (base.g + 0.06).min(1.0),
            b: (base.b + 0.06).min(1.0),
            a: (base.a + 0.06).min(1.0),
        },
        button::Status::Pressed => Color {
            r: base.r * 0.85,
            g: base.g * 0.85,
            b: base.b * 0.85,
            ..base
        },
        button::Status::Disabled => alpha(base, base.a * 0.4),
    }
}

fn filled(base: Color, text_color: Color, radius: f32, status: button::Status) -> button::Style {
    let text_color = match status {
        button::Status::Disabled => alpha(text_color, 0.55),
        button::Status::Active | button::Status::Hovered | button::Status::Pressed => text_color,
    };
    button::Style {
        background: Some(Background::Color(shift(base, status))),
        text_color,
        border: border::rounded(radius),
        ..button::Style::default()
    }
}

/// What to do next.
pub fn primary(theme: &Theme, status: button::Status) -> button::Style {
    let t = tokens(theme);
    let fill = if theme.extended_palette().is_dark {
        color!(0x5575f0)
    } else {
        t.accent
    };
    filled(fill, ON_FILL, radius::PILL, status)
}

/// Takes a call.
pub fn take(theme: &Theme, status: button::Status) -> button::Style {
    filled(tokens(theme).take, ON_FILL, radius::PILL, status)
}

/// Ends something.
pub fn danger(_: &Theme, status: button::Status) -> button::Style {
    filled(color!(0xd93b49), ON_FILL, radius::PILL, status)
}

/// Something else that can be done.
pub fn secondary(theme: &Theme, status: button::Status) -> button::Style {
    let t = tokens(theme);
    let fill = match status {
        button::Status::Hovered => t.hover,
        button::Status::Active | button::Status::Pressed | button::Status::Disabled => t.raised,
    };
    button::Style {
        border: border::rounded(radius::PILL).width(dim::HAIRLINE).color(t.hover),
        ..filled(fill, t.text, radius::PILL, status)
    }
}

/// A row or tab; `active` is the chosen one.
pub fn ghost(active: bool) -> impl Fn(&Theme, button::Status) -> button::Style {
    move |theme, status| {
        let t = tokens(theme);
        let fill = match (active, status) {
            (true, _) => Some(t.hover),
            (false, button::Status::Hovered | button::Status::Pressed) => Some(t.raised),
            (false, button::Status::Active | button::Status::Disabled) => None,
        };
        button::Style {
            background: fill.map(Background::Color),
            text_color: if active { t.text } else { t.muted },
            border: border::rounded(radius::S),
            ..button::Style::default()
        }
    }
}

/// How a control of the call's bar stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// As usual.
    Plain,
    /// Its panel is open.
    Open,
    /// Its device is off.
    Off,
    /// Ends the call.
    End,
}

/// A button of the call's bar.
pub fn control(kind: Control) -> impl Fn(&Theme, button::Status) -> button::Style {
    move |_, status| match kind {
        Control::Plain => filled(alpha(Color::WHITE, 0.12), ON_FILL, radius::PILL, status),
        Control::Open => filled(color!(0x5575f0), ON_FILL, radius::PILL, status),
        Control::Off => filled(alpha(DARK.red, 0.26), OFF_ON_VIDEO, radius::PILL, status),
        Control::End => filled(color!(0xe0404e), ON_FILL, radius::PILL, status),
    }
}

// ---- inputs and bars --------------------------------------------------------------------------------------

/// A text input.
pub fn input(theme: &Theme, status: text_input::Status) -> text_input::Style {
    let t = tokens(theme);
    let (line, width) = match status {
        text_input::Status::Focused { .. } => (t.accent, 2.0),
        text_input::Status::Hovered => (t.faint, dim::HAIRLINE),
        text_input::Status::Active | text_input::Status::Disabled => (t.hover, dim::HAIRLINE),
    };
    text_input::Style {
        background: Background::Color(t.card),
        border: border::rounded(radius::S).width(width).color(line),
        icon: t.faint,
        placeholder: t.faint,
        value: t.text,
        selection: alpha(t.accent, 0.4),
    }
}

/// A progress bar.
pub fn progress(tone: Tone) -> impl Fn(&Theme) -> progress_bar::Style {
    move |theme| {
        let t = tokens(theme);
        progress_bar::Style {
            background: Background::Color(t.hover),
            bar: Background::Color(tone.color(t)),
            border: border::rounded(3),
        }
    }
}

/// The line and the area of a sparkline.
pub fn spark(theme: &Theme, tone: Tone) -> (Color, Color) {
    let c = tone.color(tokens(theme));
    (c, alpha(c, 0.16))
}

/// The colours of a graph.
#[derive(Clone, Copy, Debug)]
pub struct Graph {
    /// Heads.
    pub head: Color,
    /// A box.
    pub fill: Color,
    /// Its outline.
    pub line: Color,
    /// Its words.
    pub text: Color,
    /// A curve.
    pub stream: Color,
    /// A curve on which little happens.
    pub quiet: Color,
}

/// A graph.
pub fn graph(theme: &Theme) -> Graph {
    let t = tokens(theme);
    Graph {
        head: t.faint,
        fill: t.raised,
        line: t.line,
        text: t.text,
        stream: alpha(t.accent, 0.55),
        quiet: alpha(t.faint, 0.35),
    }
}

/// A scrollable list.
pub fn scroll(theme: &Theme, status: scrollable::Status) -> scrollable::Style {
    let t = tokens(theme);
    let mut style = scrollable::default(theme, status);
    style.vertical_rail.background = None;
    style.vertical_rail.scroller.background = Background::Color(alpha(t.faint, 0.45));
    style.vertical_rail.scroller.border = border::rounded(3);
    style
}
