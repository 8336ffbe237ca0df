//! What a machine was fed and what it answered, written down so that the same machine can be run again.
//!
//! A machine that can be recorded says how ([`Recorded`]): its state as data, its inputs without the media in them, its
//! outputs as they are compared. Its actor holds it as a [`Taped`], which is the machine itself while nothing is
//! recorded. [`Replay`] reads the lines back, makes each machine from the state it began with, feeds it the same inputs
//! at the same times, and tells the first difference.
//!
//! Reading order: [`mod@line`] (the lines of a file), [`track`] (how a machine is recorded), [`replay`], then [`moment`] and
//! [`media`] (how times and payloads are written). The machines' own parts are beside them, in files named `recorded`.
//!
//! What is never written: media, beyond the first bytes that tell a payload's format; keys, passwords and tokens, which
//! no recorded machine has.

pub mod line;
pub mod media;
pub mod moment;
pub mod replay;
pub mod track;

pub use line::Line;
pub use replay::{Difference, Replay, ReplayError, Summary};
pub use track::{Recorded, Reel, Taped};

#[cfg(test)]
pub(crate) mod tests;
