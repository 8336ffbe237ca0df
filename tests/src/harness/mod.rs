//! The programs themselves, started as a user's script would start them.

pub mod admin;
pub mod aiortc;
pub mod browser;
pub mod firefox;
pub mod guest;
pub mod internet;
pub mod namespaces;
pub mod neighbours;
pub mod page;
pub mod programs;
pub mod sound_devices;
pub mod stories;
pub mod turn_server;
pub mod virtual_screen;

pub use admin::Admin;
pub use browser::Browser;
pub use firefox::Firefox;
pub use page::Page;
pub use programs::{Headless, Server, program};
pub use sound_devices::Room;
pub use turn_server::TurnServer;
pub use virtual_screen::VirtualScreen;
