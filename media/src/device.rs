//! Which cameras, microphones and speakers there are, and when that changes.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::Running;
use crate::pipeline::{self, PipelineError};

/// What a device is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceKind {
    /// Takes pictures.
    Camera,
    /// Hears.
    Microphone,
    /// Sounds.
    Speaker,
}

impl DeviceKind {
    const ALL: [DeviceKind; 3] = [DeviceKind::Camera, DeviceKind::Microphone, DeviceKind::Speaker];

    /// GStreamer's name for it.
    fn class(self) -> &'static str {
        match self {
            DeviceKind::Camera => "Video/Source",
            DeviceKind::Microphone => "Audio/Source",
            DeviceKind::Speaker => "Audio/Sink",
        }
    }
}

/// A device of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// What it is for.
    pub kind: DeviceKind,
    /// Names it in the configuration; stays the same while it is plugged in, mostly also afterwards.
    pub id: String,
    /// For people.
    pub name: String,
}

/// What a sound device may hold, and how often it delivers or takes, where it lets us choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceBuffer {
    /// Sound its driver may hold.
    pub length: Duration,
    /// Sound that changes hands at a time.
    pub period: Duration,
}

impl Default for DeviceBuffer {
    fn default() -> Self {
        DeviceBuffer {
            length: Duration::from_millis(40),
            period: Duration::from_millis(10),
        }
    }
}

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// GStreamer does not start.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// The system does not tell its devices.
    #[error("the devices cannot be listed: {0}")]
    Monitor(String),
    /// It is not there.
    #[error("no {kind:?} {}", id.as_deref().unwrap_or("at all"))]
    NotFound {
        /// What was looked for.
        kind: DeviceKind,
        /// Which one, if not any.
        id: Option<String>,
    },
}

/// All devices, cameras first. Asks the system the first time: not on an actor's thread.
pub fn list() -> Result<Vec<Device>, DeviceError> {
    let monitor = monitor()?;
    let mut devices: Vec<Device> = Vec::new();
    for kind in DeviceKind::ALL {
        for found in monitor.gst.devices() {
            let Some(device) = describe(&found, kind) else {
                continue;
            };
            // PipeWire's sound devices are listed a second time by PulseAudio's view of them.
            let known = devices
                .iter()
                .any(|d| d.kind == kind && (d.id == device.id || d.name == device.name));
            if !known {
                devices.push(device);
            }
        }
    }
    Ok(devices)
}

/// The device of an id (or a name), or the first of its kind.
pub(crate) fn find(kind: DeviceKind, id: Option<&str>) -> Result<gst::Device, DeviceError> {
    let found = monitor()?.gst.devices().into_iter().find(|found| {
        describe(found, kind).is_some_and(|device| id.is_none_or(|id| device.id == id || device.name == id))
    });
    found.ok_or(DeviceError::NotFound {
        kind,
        id: id.map(str::to_owned),
    })
}

/// Calls `on_change` whenever a device is plugged in or out, on a thread of GStreamer, until dropped. `on_change` may send
/// a message, and must not ask for the devices itself.
pub fn watch(on_change: impl Fn() + Send + Sync + 'static) -> Result<Watch, DeviceError> {
    let listener: Listener = Arc::new(on_change);
    monitor()?.listeners().push(Arc::downgrade(&listener));
    Ok(Watch { _listener: listener })
}

/// Watches the devices until dropped.
pub struct Watch {
    _listener: Listener,
}

impl Running for Watch {}

type Listener = Arc<dyn Fn() + Send + Sync>;

/// The one monitor of this process. It is started once and never stopped: stopping PipeWire's part of it while its thread
/// is at work corrupts memory (seen with 0.3.65).
struct Monitor {
    gst: gst::DeviceMonitor,
    listeners: Mutex<Vec<Weak<dyn Fn() + Send + Sync>>>,
}

impl Monitor {
    fn listeners(&self) -> MutexGuard<'_, Vec<Weak<dyn Fn() + Send + Sync>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.listeners().retain(|listener| match listener.upgrade() {
            Some(listener) => {
                listener();
                true
            }
            None => false,
        });
    }
}

fn monitor() -> Result<&'static Monitor, DeviceError> {
    static MONITOR: OnceLock<Monitor> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(monitor) = MONITOR.get() {
        return Ok(monitor);
    }
    pipeline::init()?;
    let gst = gst::DeviceMonitor::new();
    for kind in DeviceKind::ALL {
        // A class no plugin provides is no error: there are just no such devices.
        let _ = gst.add_filter(Some(kind.class()), None);
    }
    gst.bus().set_sync_handler(|_, message| {
        use gst::MessageView::{DeviceAdded, DeviceRemoved};
        if matches!(message.view(), DeviceAdded(_) | DeviceRemoved(_))
            && let Some(monitor) = MONITOR.get()
        {
            monitor.changed();
        }
        gst::BusSyncReply::Drop
    });
    gst.start().map_err(|e| DeviceError::Monitor(e.to_string()))?;
    let listeners = Mutex::default();
    Ok(MONITOR.get_or_init(|| Monitor { gst, listeners }))
}

/// A device as the rest of the program knows it; `None` if it is of another kind, or a speaker's own sound offered as a
/// microphone.
fn describe(found: &gst::Device, kind: DeviceKind) -> Option<Device> {
    if !found.has_classes(kind.class()) {
        return None;
    }
    let properties = found.properties();
    let property = |name: &str| properties.as_ref().and_then(|p| p.get::<String>(name).ok());
    if property("device.class").is_some_and(|class| class == "monitor") {
        return None;
    }
    let internal = || {
        let has = found.has_property_with_type("internal-name", gst::glib::Type::STRING);
        has.then(|| found.property::<Option<String>>("internal-name"))
            .flatten()
    };
    let name = found.display_name().to_string();
    let id = ["node.name", "api.v4l2.path", "device.path", "object.path"]
        .into_iter()
        .find_map(property)
        .or_else(internal)
        .unwrap_or_else(|| name.clone());
    Some(Device { kind, id, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listing_devices_works_without_any() {
        let devices = list().expect("no device is no error");
        for device in devices {
            assert!(!device.id.is_empty());
        }
    }

    #[test]
    fn devices_can_be_watched_and_let_go() {
        drop(watch(|| {}).expect("watching needs no device"));
    }

    #[test]
    fn a_missing_device_is_named() {
        let missing = find(DeviceKind::Microphone, Some("no such thing")).expect_err("it does not exist");
        assert_eq!(missing.to_string(), "no Microphone no such thing");
    }
}
