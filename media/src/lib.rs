//! Devices, codecs and the test picture, behind small traits.
//!
//! GStreamer captures, converts, encodes and decodes video and reaches the sound devices; Opus is called directly.
//! Nothing here knows actors: a source or codec runs until it is dropped and hands its product to a callback, on a
//! thread of its own.
//!
//! Reading order: [`frame`] (what travels) → [`pipeline`] (GStreamer, all of it) → [`capture`] with [`device`] and
//! [`synthetic`] (where pictures and sound come from), [`echo`] (what is taken
//! out of a microphone's sound) → [`video_codec`], [`audio_codec`] → [`playout`] (where sound goes)
//! → [`measure`] (what a receiver finds in it) → [`screenshot`].

use std::sync::Arc;

pub mod audio_codec;
pub mod capture;
pub mod clock;
pub mod device;
pub mod echo;
pub mod frame;
pub mod measure;
pub mod pipeline;
pub mod playout;
pub mod screenshot;
pub mod sound;
pub mod synthetic;
pub mod ticker;
pub mod video_codec;

/// A source or sink that works until it is dropped.
pub trait Running: Send {}

/// Hears, on some thread, that a source, sink or codec failed for good, with the system's words. It may send a message
/// and must not drop what failed.
pub type OnTrouble = Arc<dyn Fn(String) + Send + Sync>;

/// Starts GStreamer and loads the codecs. Everything here starts it by itself when needed; a program that does it early,
/// on a thread that may wait, saves up to 100 ms in its first call.
pub fn init() -> Result<(), pipeline::PipelineError> {
    pipeline::init()?;
    [
        "openh264enc",
        "x264enc",
        "vp8enc",
        "avdec_h264",
        "vp8dec",
        "appsrc",
    ]
    .into_iter()
    .for_each(pipeline::preload);
    Ok(())
}
