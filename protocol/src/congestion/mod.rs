//! How fast to send: [`pacer`] spreads the bursts a picture makes.

pub mod pacer;
