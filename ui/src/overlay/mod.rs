//! What lies above a screen, or pushes it aside.

pub mod actors;
pub mod banner;
pub mod incoming;
pub mod path;
pub mod shortcuts;
pub mod toast;
