//! Sound: to the encoder, that of a microphone without the echo of the speakers. While muted, silence takes its place: the stream goes on, its timing with it.

use std::sync::Arc;

use roomrtc_kit::Port;
use roomrtc_media::capture::{self, AudioFormat, AudioSource, CaptureError};
use roomrtc_media::device::DeviceKind;
use roomrtc_media::frame::AudioFrame;
use roomrtc_media::measure;
use roomrtc_media::{OnTrouble, Running};

use super::{Capture, Gate, Medium};
use crate::counters::Counters;
use crate::echo_care::EchoCare;
use crate::encoder::EncodeAudio;
use crate::rtp_sender;
use crate::ui_bridge::{AudioChoice, Notice};

/// Captures sound.
pub type AudioCapture = Capture<Sound>;

/// Where captured sound goes.
#[derive(Clone)]
pub struct Sound {
    /// Its channels and the length of its blocks.
    pub format: AudioFormat,
    /// The encoder.
    pub output: Port<EncodeAudio>,
    /// Nothing is encoded while it is closed.
    pub sent: rtp_sender::Gate,
    /// Cleans the sound of a microphone.
    pub echo: EchoCare,
    /// What is counted.
    pub counters: Arc<Counters>,
}

impl Medium for Sound {
    type Choice = AudioChoice;

    const RUNS_WHILE_DISABLED: bool = true;
    const MISSING: Notice = Notice::NoMicrophone;
    /// Silence, as the user is told.
    const SUBSTITUTE: AudioChoice = AudioChoice::None;

    fn others(&self, choice: &AudioChoice) -> Vec<(AudioChoice, String)> {
        super::others(
            DeviceKind::Microphone,
            match choice {
                AudioChoice::Microphone(id) => Some(id.as_deref()),
                AudioChoice::Test | AudioChoice::File(_) | AudioChoice::None => None,
            },
        )
        .map(|device| (AudioChoice::Microphone(Some(device.id)), device.name))
        .collect()
    }

    fn open(
        &self,
        choice: &AudioChoice,
        gate: Gate,
        on_trouble: OnTrouble,
    ) -> Result<Option<Box<dyn Running>>, CaptureError> {
        let source = match choice {
            AudioChoice::Microphone(id) => AudioSource::Microphone(id.clone()),
            AudioChoice::Test => AudioSource::Test,
            AudioChoice::File(path) => AudioSource::File(path.clone()),
            AudioChoice::None => AudioSource::Silence,
        };
        let Sound {
            format,
            output,
            sent,
            echo,
            counters,
        } = self.clone();
        let echo = matches!(source, AudioSource::Microphone(_)).then_some(echo);
        let on_sound = Box::new(move |mut sound: AudioFrame| {
            let passes = gate.pass();
            if let Some(echo) = &echo {
                echo.clean(&mut sound.samples);
            }
            if !passes {
                sound.samples.fill(0);
            }
            let level = measure::level_dbfs(&sound.samples);
            counters.audio.input_level_dbfs.set(level);
            if sent.is_open() {
                output.tell(EncodeAudio(sound));
            }
        });
        capture::open_audio(&source, format, on_sound, on_trouble).map(Some)
    }

    fn withdraw(&self) {}
}
