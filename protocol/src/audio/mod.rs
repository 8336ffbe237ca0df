//! Sound on its way to the speaker.
//!
//! The speaker takes a steady stream; the network does not give one. [`jitter_buffer`] decides, each time the
//! speaker needs sound, what to decode or to make up; [`arrival`] learns how long it must hold packets back for
//! that; [`time_stretch`] plays a little faster or slower, without changing the pitch, when the delay is wrong.

pub mod arrival;
pub mod jitter_buffer;
pub mod time_stretch;

/// Samples a second of Opus and of everything here.
pub const SAMPLE_RATE: u32 = 48_000;
