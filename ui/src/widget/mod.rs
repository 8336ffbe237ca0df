//! The small pieces screens are made of. Reading order: [`press`] (buttons the keyboard reaches), [`buttons`],
//! [`people`], [`labels`], [`mod@spark`], [`mod@video`].

pub mod buttons;
pub mod labels;
pub mod people;
pub mod press;
pub mod spark;
pub mod video;

pub use buttons::{action, control, icon_button, link, row_button, tab};
pub use labels::{caption, chip, empty, field, glass_chip, key_cap, line, modal, scroll, section, tip};
pub use people::{avatar, presence_line};
pub use spark::metric;
pub use video::video;
