//! How a source, sink or codec tells the actor that owns it that it failed.

use std::sync::{Arc, Mutex};

use roomrtc_media::OnTrouble;
use tokio::sync::oneshot;

use crate::counters::lock;

/// A callback to hand over, and the first words it will be called with. Nothing is heard once the callback is gone.
pub(crate) fn trouble() -> (OnTrouble, oneshot::Receiver<String>) {
    let (tell, heard) = oneshot::channel();
    let tell = Mutex::new(Some(tell));
    let on_trouble: OnTrouble = Arc::new(move |words| {
        if let Some(tell) = lock(&tell).take() {
            let _ = tell.send(words);
        }
    });
    (on_trouble, heard)
}
