//! Crashes of every kind, told as stories: on a paused clock and one arbiter, so without sleeping and without luck.
#![allow(clippy::unwrap_used, missing_docs)]

mod call;
mod chaos;
mod dynamic;
mod hang;
mod mail;
mod stage;
mod strategies;
mod time;
