//! Where a picture waits for the screen: the newest wins, nothing queues.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use roomrtc_media::frame::VideoFrame;
use tokio::sync::Notify;

/// The latest picture of one view, shared by the actor that puts pictures in and the screen that draws them.
#[derive(Clone, Default)]
pub struct VideoSlot(Arc<Inner>);

#[derive(Default)]
struct Inner {
    latest: Mutex<Option<VideoFrame>>,
    sequence: AtomicU64,
    pending: AtomicBool,
    bell: Notify,
}

impl VideoSlot {
    /// An empty slot that rings its own bell.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts in a picture (any thread; never blocks for long) and rings the bell.
    pub fn put(&self, frame: VideoFrame) {
        let previous = self.lock().replace(frame);
        drop(previous);
        self.0.sequence.fetch_add(1, Ordering::Release);
        if !self.0.pending.swap(true, Ordering::AcqRel) {
            self.0.bell.notify_one();
        }
    }

    /// Empties the slot (camera off, call over) and rings the bell.
    pub fn clear(&self) {
        *self.lock() = None;
        self.0.sequence.fetch_add(1, Ordering::Release);
        self.0.bell.notify_one();
    }

    /// The newest picture and its number, counting every change of the slot.
    pub fn latest(&self) -> (u64, Option<VideoFrame>) {
        let frame = self.lock().clone();
        (self.0.sequence.load(Ordering::Acquire), frame)
    }

    /// Waits for a change; at most one ring is outstanding until [`VideoSlot::answer`].
    pub async fn rung(&self) {
        self.0.bell.notified().await;
    }

    /// The screen has drawn: the next picture may ring again.
    pub fn answer(&self) {
        self.0.pending.store(false, Ordering::Release);
    }

    /// Names the slot: equal for clones of one slot.
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<VideoFrame>> {
        self.0.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
