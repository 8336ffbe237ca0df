//! Devices, codecs and the test picture, behind small traits.

pub mod frame;
