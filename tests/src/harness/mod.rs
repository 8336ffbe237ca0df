//! The programs themselves, started as a user's script would start them.

pub mod browser;
pub mod namespaces;
pub mod programs;
pub mod stories;

pub use browser::Browser;
pub use programs::{Headless, Server, program};
