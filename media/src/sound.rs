//! Short sounds of the program itself, such as the ring of a call.

use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::pipeline::{self, Happening, OnHappening, Pipeline, PipelineError};
use crate::{OnTrouble, Running};

/// What decodes a sound and plays it on the system's default speaker.
const PLAYER: &str = "dataurisrc name=sound ! decodebin ! audioconvert ! audioresample ! autoaudiosink";

/// A sound that plays until it is dropped.
struct Playing {
    _pipeline: Pipeline,
}

impl Running for Playing {}

/// Plays an Ogg file, held in memory, over and over. Opening the speaker takes its time: not on an actor's thread,
/// nor on that of a window.
pub fn play_loop(ogg: &[u8], on_trouble: OnTrouble) -> Result<Box<dyn Running>, PipelineError> {
    let rewinder = Arc::new(OnceLock::<pipeline::Rewinder>::new());
    let at_the_end = rewinder.clone();
    let failed = pipeline::once(move |words| on_trouble(words));
    let happening: OnHappening = Box::new(move |happening| match happening {
        Happening::Ended => at_the_end.get().into_iter().for_each(|r| r.rewind()),
        Happening::Failed(_) => failed(happening),
    });
    let pipeline = Pipeline::launch(PLAYER, happening)?.slow_to_stop();
    let uri = format!("data:audio/ogg;base64,{}", STANDARD.encode(ogg));
    pipeline.set("sound", "uri", &uri)?;
    let _ = rewinder.set(pipeline.rewinder());
    pipeline.play()?;
    Ok(Box::new(Playing { _pipeline: pipeline }))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn something_that_is_no_sound_is_trouble_and_no_panic() {
        let (tell, told) = mpsc::channel();
        let tell = Mutex::new(tell);
        let on_trouble: OnTrouble = Arc::new(move |words| {
            let _ = tell.lock().map(|tell| tell.send(words));
        });
        match play_loop(b"no sound at all", on_trouble) {
            Ok(_playing) => {
                let words = told.recv_timeout(Duration::from_secs(10));
                assert!(words.is_ok(), "nobody was told");
            }
            // without a speaker it may not even start
            Err(PipelineError::Start(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
