//! How fast to send: [`estimator`] says how much the path carries, [`pacer`] spreads the bursts a picture makes.

pub mod estimator;
pub mod pacer;
