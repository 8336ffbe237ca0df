//! The window without a screen: what is said, what is sent, how it looks.
//!
//! Each test is a story of one user. Pictures of every screen are written to `snapshots` beside the test's
//! program, for people to look at.

#[path = "window/actors.rs"]
mod actors;
#[path = "window/call.rs"]
mod call;
#[path = "window/files.rs"]
mod files;
#[path = "window/fixture.rs"]
mod fixture;
#[path = "window/lobby.rs"]
mod lobby;
#[path = "window/login.rs"]
mod login;
#[path = "window/looks.rs"]
mod looks;
