//! The ring of an incoming call.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use roomrtc_media::sound;

/// Three seconds, and again.
const RING: &[u8] = include_bytes!("../../assets/sounds/ring.ogg");

/// Rings, or does not.
pub struct Ring {
    audible: bool,
    /// Dropping it ends the ringing.
    ringing: Option<Sender<()>>,
}

impl Ring {
    /// A ring on the system's speaker.
    pub fn audible() -> Self {
        Ring {
            audible: true,
            ringing: None,
        }
    }

    /// A ring nobody hears, for tests.
    pub fn silent() -> Self {
        Ring {
            audible: false,
            ringing: None,
        }
    }

    /// Starts to ring; returns at once, the speaker is opened elsewhere.
    pub fn start(&mut self) {
        if !self.audible || self.ringing.is_some() {
            return;
        }
        let (ringing, until) = channel();
        let spawned = std::thread::Builder::new()
            .name("ring".into())
            .spawn(move || ring(&until));
        match spawned {
            Ok(_) => self.ringing = Some(ringing),
            Err(error) => tracing::warn!(%error, "no thread for the ring"),
        }
    }

    /// Stops.
    pub fn stop(&mut self) {
        self.ringing = None;
    }
}

fn ring(until: &Receiver<()>) {
    let on_trouble = Arc::new(|words| tracing::info!(words, "the ring cannot be heard"));
    match sound::play_loop(RING, on_trouble) {
        Ok(_playing) => {
            // ends with an error when the sender is dropped: that is the sign
            let _ = until.recv();
        }
        Err(error) => tracing::info!(%error, "the ring cannot be heard"),
    }
}
