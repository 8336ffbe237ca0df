//! Every size and distance of the window.

/// Sizes of text.
pub mod size {
    /// Column heads and footnotes.
    pub const CAPTION: f32 = 11.0;
    /// Second lines.
    pub const SMALL: f32 = 12.5;
    /// Running text.
    pub const BODY: f32 = 14.0;
    /// Heads of cards.
    pub const TITLE: f32 = 16.0;
    /// Heads of screens.
    pub const HEADING: f32 = 22.0;
    /// A person's name, large.
    pub const DISPLAY: f32 = 30.0;
}

/// Distances.
pub mod space {
    /// Between two lines that belong together.
    pub const XXS: f32 = 2.0;
    /// Between an icon and its mark.
    pub const XS: f32 = 4.0;
    /// Between neighbours.
    pub const S: f32 = 8.0;
    /// Inside rows.
    pub const M: f32 = 12.0;
    /// Inside cards.
    pub const L: f32 = 16.0;
    /// Between cards and the window's edge.
    pub const XL: f32 = 24.0;
    /// Between groups.
    pub const XXL: f32 = 32.0;
}

/// Roundness of corners.
pub mod radius {
    /// Inputs and rows.
    pub const S: f32 = 10.0;
    /// Pictures and cards.
    pub const M: f32 = 12.0;
    /// Large surfaces.
    pub const L: f32 = 16.0;
    /// Fully round ends.
    pub const PILL: f32 = 999.0;
}

/// Fixed measures of layout.
pub mod dim {
    use iced::Size;

    /// The smallest window every screen still fits.
    pub const WINDOW_MIN: Size = Size::new(720.0, 540.0);
    /// Below this width the window leaves out what is only nice to have.
    pub const NARROW: f32 = 1000.0;
    /// The list of people.
    pub const SIDEBAR: f32 = 288.0;
    /// Files and figures beside a call.
    pub const PANEL: f32 = 368.0;
    /// A form.
    pub const FORM: f32 = 400.0;
    /// A toast.
    pub const TOAST: f32 = 420.0;
    /// A page of settings.
    pub const PAGE: f32 = 720.0;
    /// The self view in a call, 16:9.
    pub const SELF_VIEW: Size = Size::new(232.0, 130.5);
    /// The self view in a narrow window.
    pub const SELF_VIEW_NARROW: Size = Size::new(168.0, 94.5);
    /// A round button of the control bar.
    pub const CONTROL: f32 = 48.0;
    /// The button that hangs up.
    pub const HANG_UP: f32 = 68.0;
    /// A small square button with an icon.
    pub const ICON_BUTTON: f32 = 36.0;
    /// A text input or button of a form.
    pub const FIELD: f32 = 44.0;
    /// A sparkline.
    pub const SPARK: f32 = 30.0;
    /// A line that separates.
    pub const HAIRLINE: f32 = 1.0;
    /// A progress bar.
    pub const PROGRESS: f32 = 5.0;
    /// A scroll bar.
    pub const SCROLL_BAR: f32 = 6.0;
    /// How wide a letter is for its size, about; Inter is a little narrower for most.
    pub const LETTER: f32 = 0.58;
}
