//! Where received sound goes: a speaker, or nowhere at the same pace.
//!
//! A sink asks for the next block when it is due, through a callback on a thread of its own, and is then given it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gstreamer::prelude::*;

use crate::OnTrouble;
use crate::device::{self, DeviceBuffer, DeviceError, DeviceKind};
use crate::frame::SAMPLE_RATE;
use crate::pipeline::{self, Input, Pipeline, PipelineError};
use crate::ticker::{Ticking, ticking};

/// Where sound goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioOutput {
    /// A speaker by its id, or the system's default.
    Speaker(Option<String>),
    /// Nowhere; it is only measured.
    Nowhere,
}

/// Channels of what is played.
pub const CHANNELS: u8 = 2;

/// Takes sound, a block each time it asked for one.
pub trait AudioSink: Send {
    /// Plays interleaved samples of [`CHANNELS`] channels after what it was given before.
    fn play(&mut self, samples: &[i16]) -> Result<(), PlayoutError>;

    /// How long after [`AudioSink::play`] a sample is heard.
    fn delay(&self) -> Duration;
}

/// Called when the next block is due. It may send a message, and must not drop the sink.
pub type OnDue = Box<dyn FnMut() + Send>;

/// Why sound cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum PlayoutError {
    /// There is no such speaker.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Its pipeline does not run.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// No thread for it.
    #[error("no thread for the sink")]
    Thread(#[source] std::io::Error),
}

/// Opens a sink that asks for blocks of `block_ms`. May take as long as a device takes: not on an actor's thread.
pub fn open(
    output: &AudioOutput,
    block_ms: u32,
    buffer: DeviceBuffer,
    on_due: OnDue,
    on_trouble: OnTrouble,
) -> Result<Box<dyn AudioSink>, PlayoutError> {
    match output {
        AudioOutput::Nowhere => Ok(Box::new(Nowhere::new(block_ms, on_due)?)),
        AudioOutput::Speaker(id) => Ok(Box::new(Speaker::new(id.as_deref(), buffer, on_due, on_trouble)?)),
    }
}

/// Plays to nobody, as fast as a speaker would.
struct Nowhere {
    _ticking: Ticking,
}

impl Nowhere {
    fn new(block_ms: u32, mut on_due: OnDue) -> Result<Self, PlayoutError> {
        /// Milliseconds in a second.
        const SECOND_MS: u64 = 1000;
        let rate = SECOND_MS / u64::from(block_ms.max(1));
        let ticking =
            ticking("silent speaker", rate, move |_, _, _| on_due()).map_err(PlayoutError::Thread)?;
        Ok(Nowhere { _ticking: ticking })
    }
}

impl AudioSink for Nowhere {
    fn play(&mut self, _: &[i16]) -> Result<(), PlayoutError> {
        Ok(())
    }

    fn delay(&self) -> Duration {
        Duration::ZERO
    }
}

/// A sound device. It takes a block whenever there is room in its own short buffer.
struct Speaker {
    // Declared before `_pipeline`: nothing is pushed any more when it stops.
    input: Input,
    asked: Arc<AtomicBool>,
    delay: Duration,
    _pipeline: Pipeline,
}

impl Speaker {
    fn new(
        id: Option<&str>,
        buffer: DeviceBuffer,
        mut on_due: OnDue,
        on_trouble: OnTrouble,
    ) -> Result<Self, PlayoutError> {
        let caps =
            format!("audio/x-raw,format=S16LE,rate={SAMPLE_RATE},channels={CHANNELS},layout=interleaved");
        let front = "appsrc name=src format=time max-bytes=0 ! audioconvert ! audioresample";
        let happening = pipeline::once(move |words| on_trouble(words));
        // Not in step with a clock: the device takes samples one after the other, at its own pace, without gaps.
        let pipeline = match id {
            Some(_) => {
                let sink = device::find(DeviceKind::Speaker, id)?
                    .create_element(Some("speaker"))
                    .map_err(|e| PipelineError::Build(e.to_string()))?;
                pipeline::set_buffer(&sink, buffer);
                sink.set_property("sync", false);
                Pipeline::before(front, &sink, happening)?
            }
            None => {
                let description = format!("{front} ! pulsesink name=speaker sync=false");
                let pipeline = Pipeline::launch(&description, happening)?;
                pipeline.set_buffer("speaker", buffer)?;
                pipeline
            }
        };
        let pipeline = pipeline.slow_to_stop();
        let input = pipeline.input("src")?;
        input.set_caps(&caps)?;
        let asked = Arc::new(AtomicBool::new(false));
        let asking = asked.clone();
        input.on_hunger(move || {
            if !asking.swap(true, Ordering::AcqRel) {
                on_due();
            }
        });
        pipeline.play()?;
        Ok(Speaker {
            input,
            asked,
            delay: buffer.length,
            _pipeline: pipeline,
        })
    }
}

impl AudioSink for Speaker {
    fn play(&mut self, samples: &[i16]) -> Result<(), PlayoutError> {
        let bytes: Bytes = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        self.asked.store(false, Ordering::Release);
        self.input.push_next(bytes)?;
        Ok(())
    }

    fn delay(&self) -> Duration {
        self.delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Instant;

    #[test]
    fn nowhere_asks_at_the_pace_of_a_speaker() {
        let (tell, hear) = mpsc::channel();
        let on_due: OnDue = Box::new(move || tell.send(Instant::now()).unwrap_or_default());
        let mut sink = open(
            &AudioOutput::Nowhere,
            20,
            DeviceBuffer::default(),
            on_due,
            Arc::new(|_| {}),
        )
        .expect("nowhere is always there");
        let asked: Vec<_> = hear
            .iter()
            .take(6)
            .inspect(|_| drop(sink.play(&[0; 1920])))
            .collect();
        let took = asked[5] - asked[0];
        assert!(took >= Duration::from_millis(90), "{took:?}");
    }

    #[test]
    fn a_machine_without_that_speaker_says_so() {
        let output = AudioOutput::Speaker(Some("no such speaker".into()));
        let refused = open(
            &output,
            20,
            DeviceBuffer::default(),
            Box::new(|| {}),
            Arc::new(|_| {}),
        );
        assert!(matches!(refused.err(), Some(PlayoutError::Device(_))));
    }
}
