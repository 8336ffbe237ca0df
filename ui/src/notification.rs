//! Desktop notifications; without a notification service there are none, and that is all.

use notify_rust::{Notification, Timeout, Urgency};

/// How long a call's notification stays, in ms: as long as a server lets it ring at most.
const RING_MS: u32 = 60_000;

/// Tells the desktop that somebody calls. Returns at once; the session bus is spoken to elsewhere.
pub fn incoming_call(user: &str) {
    let mut notification = Notification::new();
    notification
        .appname("RoomRTC")
        .summary(&format!("{user} is calling"))
        .body("Open RoomRTC to answer.")
        .icon("call-start")
        .urgency(Urgency::Critical)
        .timeout(Timeout::Milliseconds(RING_MS));
    let spawned = std::thread::Builder::new()
        .name("notification".into())
        .spawn(move || {
            if let Err(error) = notification.show() {
                tracing::debug!(%error, "no desktop notification");
            }
        });
    if let Err(error) = spawned {
        tracing::warn!(%error, "no thread for a notification");
    }
}
