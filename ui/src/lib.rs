//! The RoomRTC desktop client: the window, and the same client without one for scripts.
//!
//! Reading order for the window: [`app`] (the root), [`bridge`] (its end of the client), [`session`], [`screen`],
//! [`panel`], [`overlay`], then the pieces: [`widget`], [`theme`], [`font`], [`icon`], [`words`]. Without a window:
//! [`headless`]. Both are asked for on the command line: [`cli`]. Calls are recorded by either ([`recording`]) and run
//! again ([`replay`]).

pub mod app;
pub mod bridge;
pub mod cli;
pub mod devices;
pub mod environment;
pub mod font;
pub mod habits;
pub mod headless;
pub mod icon;
pub mod links;
pub mod notification;
pub mod overlay;
pub mod panel;
pub mod recent;
pub mod recording;
pub mod replay;
pub mod ring;
pub mod saved;
pub mod screen;
pub mod session;
pub mod theme;
pub mod widget;
pub mod words;
