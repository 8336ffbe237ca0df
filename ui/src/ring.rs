//! The ring of an incoming call.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use roomrtc_media::sound::play_loop;

/// Three seconds, and again.
const BUILT_IN: &[u8] = include_bytes!("../../assets/sounds/ring.ogg");

/// A longer sound is not read: nobody lets it ring that long.
const MAX_FILE: u64 = 16 << 20;

/// What is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sound {
    /// Nothing.
    None,
    /// The sound the program brings along.
    BuiltIn,
    /// A sound file (Ogg, WAV, MP3: whatever GStreamer decodes).
    File(PathBuf),
}

impl Sound {
    /// Its bytes; a file that cannot be read is replaced by the built-in sound, and a log line says so.
    fn read(&self) -> Cow<'static, [u8]> {
        let Sound::File(path) = self else {
            return Cow::Borrowed(BUILT_IN);
        };
        let short = std::fs::metadata(path).and_then(|file| match file.len() {
            0..=MAX_FILE => std::fs::read(path),
            _ => Err(std::io::Error::other("the file is too large")),
        });
        short.map_or_else(
            |error| {
                tracing::warn!(%error, path = %path.display(), "the ring's file cannot be read");
                Cow::Borrowed(BUILT_IN)
            },
            Cow::Owned,
        )
    }
}

/// Rings, or does not.
pub struct Ring {
    sound: Sound,
    /// Dropping it ends the ringing.
    ringing: Option<Sender<()>>,
}

impl Ring {
    /// A ring on the system's speaker.
    pub fn new(sound: Sound) -> Self {
        Ring { sound, ringing: None }
    }

    /// Starts to ring; returns at once, the speaker is opened elsewhere.
    pub fn start(&mut self) {
        if self.sound == Sound::None || self.ringing.is_some() {
            return;
        }
        let (ringing, until) = channel();
        let sound = self.sound.clone();
        let spawned = std::thread::Builder::new()
            .name("ring".into())
            .spawn(move || ring(&sound, &until));
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

fn ring(sound: &Sound, until: &Receiver<()>) {
    let on_trouble = Arc::new(|words| tracing::info!(words, "the ring cannot be heard"));
    match play_loop(&sound.read(), on_trouble) {
        Ok(_playing) => {
            // ends with an error when the sender is dropped: that is the sign
            let _ = until.recv();
        }
        Err(error) => tracing::info!(%error, "the ring cannot be heard"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_that_cannot_be_read_leaves_the_built_in_sound() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ring.wav");
        assert_eq!(*Sound::File(file.clone()).read(), *BUILT_IN);
        std::fs::write(&file, b"a sound").unwrap();
        assert_eq!(*Sound::File(file).read(), *b"a sound");
    }
}
