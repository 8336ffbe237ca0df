//! A screen: to the encoder. Nothing stands in for one that cannot be seen.

use roomrtc_media::capture::CaptureError;
use roomrtc_media::{OnTrouble, Running};

use super::{Capture, Gate, Medium, Pictures};
use crate::ui_bridge::{Notice, VideoChoice};

/// Captures a screen.
pub type ScreenCapture = Capture<Screen>;

/// Where its pictures go.
#[derive(Clone)]
pub struct Screen(pub Pictures);

impl Medium for Screen {
    type Choice = VideoChoice;

    const RUNS_WHILE_DISABLED: bool = false;
    const MISSING: Notice = Notice::NoScreen;
    const SUBSTITUTE: VideoChoice = VideoChoice::None;

    fn others(&self, _: &VideoChoice) -> Vec<(VideoChoice, String)> {
        Vec::new()
    }

    fn open(
        &self,
        choice: &VideoChoice,
        gate: Gate,
        on_trouble: OnTrouble,
    ) -> Result<Option<Box<dyn Running>>, CaptureError> {
        self.0.open(choice, gate, on_trouble)
    }

    fn withdraw(&self) {
        self.0.withdraw();
    }
}
