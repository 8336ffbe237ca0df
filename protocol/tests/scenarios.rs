//! Whole protocol stacks against each other, in virtual time, over a network that misbehaves as it is told.
//!
//! Reading order: `link` (the network), `call` (two ends of a call and what is measured), then the stories.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests"
)]

#[path = "scenarios/call.rs"]
mod call;
#[path = "scenarios/link.rs"]
mod link;
#[path = "scenarios/media.rs"]
mod media;
