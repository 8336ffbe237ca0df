//! The typefaces of the window, embedded so that it looks the same everywhere.

use iced::Font;
use iced::font::Weight;

/// Running text: Inter (SIL Open Font License, see `assets/fonts`).
pub const SANS: Font = Font::with_name("Inter");

/// Names and labels.
pub const MEDIUM: Font = Font {
    weight: Weight::Medium,
    ..SANS
};

/// Headings and buttons.
pub const SEMIBOLD: Font = Font {
    weight: Weight::Semibold,
    ..SANS
};

/// Pictograms: Lucide (ISC licence, see `assets/icons`).
pub const ICONS: Font = Font::with_name("lucide");

/// What has to be loaded before the first frame.
pub const FILES: [&[u8]; 4] = [
    include_bytes!("../../assets/fonts/Inter-Regular.otf"),
    include_bytes!("../../assets/fonts/Inter-Medium.otf"),
    include_bytes!("../../assets/fonts/Inter-SemiBold.otf"),
    include_bytes!("../../assets/icons/lucide.ttf"),
];
