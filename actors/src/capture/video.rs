//! Pictures: to the encoder and to the self view.

use std::sync::Arc;

use actix::Handler;
use roomrtc_kit::{Keep, Port, mail};
use roomrtc_media::capture::{self, CaptureError, PictureSize, VideoFormat, VideoSource};
use roomrtc_media::device::DeviceKind;
use roomrtc_media::{OnTrouble, Running};

use super::{Capture, Gate, Medium};
use crate::counters::Counters;
use crate::encoder::EncodeFrame;
use crate::rtp_sender;
use crate::slot::VideoSlot;
use crate::ui_bridge::{Notice, VideoChoice};

/// Take pictures of this size from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resize(pub PictureSize);

mail! { Resize, |size| size.0.to_string(); }

/// Captures pictures.
pub type VideoCapture = Capture<Pictures>;

/// Where captured pictures go.
#[derive(Clone)]
pub struct Pictures {
    /// Their size and rate at first.
    pub format: VideoFormat,
    /// Their size since, over restarts.
    pub size: Keep<PictureSize>,
    /// The self view.
    pub slot: VideoSlot,
    /// The encoder; none for a preview.
    pub output: Option<Port<EncodeFrame>>,
    /// Nothing is encoded while it is closed.
    pub sent: rtp_sender::Gate,
    /// What is counted.
    pub counters: Arc<Counters>,
}

impl Medium for Pictures {
    type Choice = VideoChoice;

    /// A camera that is off is closed, its lamp with it.
    const RUNS_WHILE_DISABLED: bool = false;
    const MISSING: Notice = Notice::NoCamera;
    const SUBSTITUTE: VideoChoice = VideoChoice::Still;

    fn others(&self, choice: &VideoChoice) -> Vec<(VideoChoice, String)> {
        super::others(
            DeviceKind::Camera,
            match choice {
                VideoChoice::Camera(id) => Some(id.as_deref()),
                VideoChoice::Test
                | VideoChoice::Still
                | VideoChoice::Screen
                | VideoChoice::File(_)
                | VideoChoice::None => None,
            },
        )
        .map(|device| (VideoChoice::Camera(Some(device.id)), device.name))
        .collect()
    }

    fn open(
        &self,
        choice: &VideoChoice,
        gate: Gate,
        on_trouble: OnTrouble,
    ) -> Result<Option<Box<dyn Running>>, CaptureError> {
        let source = match choice {
            VideoChoice::Camera(id) => VideoSource::Camera(id.clone()),
            VideoChoice::Test => VideoSource::Test,
            VideoChoice::Still => VideoSource::Still,
            VideoChoice::Screen => VideoSource::Screen,
            VideoChoice::File(path) => VideoSource::File(path.clone()),
            VideoChoice::None => return Ok(None),
        };
        let Pictures {
            format,
            size,
            slot,
            output,
            sent,
            counters,
        } = self.clone();
        let on_picture = Box::new(move |frame: roomrtc_media::frame::VideoFrame| {
            if !gate.pass() {
                return;
            }
            counters.video.captured.one();
            slot.put(frame.clone());
            if let Some(output) = &output
                && sent.is_open()
            {
                output.tell(EncodeFrame(frame));
            }
        });
        let format = size.get().map_or(format, |size| format.sized(size));
        capture::open_video(&source, format, on_picture, on_trouble).map(Some)
    }

    fn withdraw(&self) {
        self.slot.clear();
    }
}

impl Handler<Resize> for VideoCapture {
    type Result = ();

    fn handle(&mut self, Resize(size): Resize, ctx: &mut Self::Context) {
        let kept = &self.setup.medium.size;
        if kept.get() != Some(size) {
            kept.put(size);
            self.restart(ctx);
        }
    }
}
