//! The media actors: capture, encoders, decoder, playout.
//!
//! Each story starts real actors under a supervisor on a thread of their own and listens at the ports they tell. There is
//! no network: what goes in and out is in the hands of the test.

mod capture;
mod chain;
mod encoder;
mod stage;
