//! What the tests, load programs and measurements that need more than one crate have in common.

pub mod chaos;
pub mod harness;
pub mod interface_switch;
