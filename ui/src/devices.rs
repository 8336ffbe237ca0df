//! Which cameras, microphones and speakers there are, and what the chosen ones are called.

use roomrtc_actors::ui_bridge::{AudioChoice, MediaChoice, VideoChoice};

use crate::saved::{Device, Saved};

/// Names of devices, the system's default first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// Cameras.
    pub cameras: Vec<String>,
    /// Microphones.
    pub microphones: Vec<String>,
    /// Speakers.
    pub speakers: Vec<String>,
}

/// What is sent in calls: what the program was started with, but for what the user chose since.
pub fn media(given: &MediaChoice, saved: &Saved) -> MediaChoice {
    let video = match &saved.camera {
        Device::Given => given.video.clone(),
        Device::Named(name) => VideoChoice::Camera(Some(name.clone())),
        Device::Test => VideoChoice::Test,
        Device::Off => VideoChoice::None,
    };
    let audio = match &saved.microphone {
        Device::Given => given.audio.clone(),
        Device::Named(name) => AudioChoice::Microphone(Some(name.clone())),
        Device::Test => AudioChoice::Test,
        Device::Off => AudioChoice::None,
    };
    MediaChoice {
        video,
        audio,
        codec: given.codec,
    }
}

impl Devices {
    /// Asks the system; can take a second.
    pub fn look() -> Self {
        Devices::default()
    }

    /// What the pictures come from, in words.
    pub fn camera(&self, choice: &VideoChoice) -> String {
        match choice {
            VideoChoice::Camera(Some(name)) => name.clone(),
            VideoChoice::Camera(None) => match self.cameras.first() {
                Some(name) => name.clone(),
                None => "No camera found; the test picture is sent".into(),
            },
            VideoChoice::Test => "Test picture".into(),
            VideoChoice::File(path) => file_name(path),
            VideoChoice::None => "No pictures".into(),
        }
    }

    /// What the sound comes from, in words.
    pub fn microphone(&self, choice: &AudioChoice) -> String {
        match choice {
            AudioChoice::Microphone(Some(name)) => name.clone(),
            AudioChoice::Microphone(None) => match self.microphones.first() {
                Some(name) => name.clone(),
                None => "No microphone found; silence is sent".into(),
            },
            AudioChoice::Test => "Test tone".into(),
            AudioChoice::File(path) => file_name(path),
            AudioChoice::None => "No sound".into(),
        }
    }

    /// What received sound is played on, in words.
    pub fn speaker(&self, choice: &AudioChoice) -> String {
        match (choice, self.speakers.first()) {
            (AudioChoice::Microphone(_), Some(name)) => name.clone(),
            (AudioChoice::Microphone(_), None) => "No speaker found".into(),
            (AudioChoice::Test | AudioChoice::File(_) | AudioChoice::None, _) => {
                "Played only as the configuration says".into()
            }
        }
    }
}

fn file_name(path: &std::path::Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
