//! What stands beside a call.

pub mod figures;
pub mod files;
