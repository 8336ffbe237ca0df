//! How fast to send: [`controller`] says how much the path carries, [`pacer`] spreads the bursts a picture makes,
//! [`repair`] bounds what is sent again.
//!
//! Reading order: [`estimator`] judges by the losses and the round trip of the peer's reports; [`sent_log`] makes times
//! of transport-wide feedback, in which [`delay`] sees a queue grow, and from which [`delay_rate`] makes a rate;
//! [`controller`] takes the least.

pub mod controller;
pub mod delay;
pub mod delay_rate;
pub mod estimator;
pub mod pacer;
pub mod repair;
pub mod sent_log;
