//! Which cameras, microphones and speakers there are, and what the chosen ones are called.

use roomrtc_actors::ui_bridge::{AudioChoice, MediaChoice, VideoChoice};
use roomrtc_media::device::{self, Device, DeviceKind};

use crate::saved::{self, Saved};

/// The devices of this machine, by kind, the system's first choice first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// Cameras.
    pub cameras: Vec<Device>,
    /// Microphones.
    pub microphones: Vec<Device>,
    /// Speakers.
    pub speakers: Vec<Device>,
}

/// What is sent in calls: what the program was started with, but for what the user chose since.
pub fn media(given: &MediaChoice, saved: &Saved) -> MediaChoice {
    let video = match &saved.camera {
        saved::Device::Given => given.video.clone(),
        saved::Device::Named(id) => VideoChoice::Camera(Some(id.clone())),
        saved::Device::Test => VideoChoice::Test,
        saved::Device::Off => VideoChoice::None,
    };
    let audio = match &saved.microphone {
        saved::Device::Given => given.audio.clone(),
        saved::Device::Named(id) => AudioChoice::Microphone(Some(id.clone())),
        saved::Device::Test => AudioChoice::Test,
        saved::Device::Off => AudioChoice::None,
    };
    MediaChoice {
        video,
        audio,
        codec: given.codec,
    }
}

/// A device's name, if it is there; its id otherwise.
fn name_of(devices: &[Device], id: &str) -> String {
    devices
        .iter()
        .find(|device| device.id == id || device.name == id)
        .map_or_else(|| id.to_owned(), |device| device.name.clone())
}

impl Devices {
    /// Asks the system; can take a second.
    pub fn look() -> Self {
        let mut found = Devices::default();
        match device::list() {
            Ok(devices) => devices.into_iter().for_each(|device| match device.kind {
                DeviceKind::Camera => found.cameras.push(device),
                DeviceKind::Microphone => found.microphones.push(device),
                DeviceKind::Speaker => found.speakers.push(device),
            }),
            Err(error) => tracing::warn!(%error, "the devices cannot be listed"),
        }
        found
    }

    /// What the pictures come from, in words.
    pub fn camera(&self, choice: &VideoChoice) -> String {
        match choice {
            VideoChoice::Camera(Some(id)) => name_of(&self.cameras, id),
            VideoChoice::Camera(None) => match self.cameras.first() {
                Some(camera) => camera.name.clone(),
                None => "None found: still picture".into(),
            },
            VideoChoice::Test => "Test picture".into(),
            VideoChoice::Still => "Still picture".into(),
            VideoChoice::Screen => "The screen".into(),
            VideoChoice::File(path) => file_name(path),
            VideoChoice::None => "No pictures".into(),
        }
    }

    /// What the sound comes from, in words.
    pub fn microphone(&self, choice: &AudioChoice) -> String {
        match choice {
            AudioChoice::Microphone(Some(id)) => name_of(&self.microphones, id),
            AudioChoice::Microphone(None) => match self.microphones.first() {
                Some(microphone) => microphone.name.clone(),
                None => "None found: silence".into(),
            },
            AudioChoice::Test => "Test tone".into(),
            AudioChoice::File(path) => file_name(path),
            AudioChoice::None => "No sound".into(),
        }
    }

    /// What received sound is played on, in words.
    pub fn speaker(&self, choice: &AudioChoice) -> String {
        match (choice, self.speakers.first()) {
            (AudioChoice::Microphone(_), Some(speaker)) => speaker.name.clone(),
            (AudioChoice::Microphone(_), None) => "None found".into(),
            (AudioChoice::Test | AudioChoice::File(_) | AudioChoice::None, _) => {
                "As the configuration says".into()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn webcam() -> Devices {
        Devices {
            cameras: vec![Device {
                kind: DeviceKind::Camera,
                id: "v4l2:/dev/video0".into(),
                name: "Webcam HD".into(),
            }],
            ..Devices::default()
        }
    }

    #[test]
    fn a_device_is_called_by_its_name_and_a_missing_one_by_its_id() {
        let chosen = |id: &str| VideoChoice::Camera(Some(id.into()));
        assert_eq!(webcam().camera(&chosen("v4l2:/dev/video0")), "Webcam HD");
        assert_eq!(webcam().camera(&chosen("v4l2:/dev/video7")), "v4l2:/dev/video7");
        assert_eq!(webcam().camera(&VideoChoice::Camera(None)), "Webcam HD");
        assert_eq!(
            Devices::default().camera(&VideoChoice::Camera(None)),
            "None found: still picture"
        );
    }

    #[test]
    fn what_the_user_chose_goes_before_what_the_program_was_given() {
        let given = MediaChoice {
            video: VideoChoice::Test,
            audio: AudioChoice::Test,
            codec: None,
        };
        assert_eq!(media(&given, &Saved::default()), given);
        let saved = Saved {
            camera: saved::Device::Named("cam".into()),
            microphone: saved::Device::Off,
            ..Saved::default()
        };
        let chosen = media(&given, &saved);
        assert_eq!(chosen.video, VideoChoice::Camera(Some("cam".into())));
        assert_eq!(chosen.audio, AudioChoice::None);
    }
}
