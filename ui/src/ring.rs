//! The ring of an incoming call.

use std::any::Any;

/// Starts the sound, over and over; it plays until what is returned is dropped.
pub type Play = fn() -> Option<Box<dyn Any + Send>>;

/// Rings, or does not.
pub struct Ring {
    play: Option<Play>,
    playing: Option<Box<dyn Any + Send>>,
}

impl Ring {
    /// A ring that plays like this.
    pub fn new(play: Play) -> Self {
        Ring {
            play: Some(play),
            playing: None,
        }
    }

    /// A ring nobody hears, for tests.
    pub fn silent() -> Self {
        Ring {
            play: None,
            playing: None,
        }
    }

    /// Starts to ring.
    pub fn start(&mut self) {
        if self.playing.is_none() {
            self.playing = self.play.and_then(|play| play());
        }
    }

    /// Stops.
    pub fn stop(&mut self) {
        self.playing = None;
    }
}
