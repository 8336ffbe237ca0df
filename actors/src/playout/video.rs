//! Pictures: each goes into the screen's slot at once, unless its sound is much later.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::{Actor, AsyncContext, Context, Handler};
use roomrtc_kit::Port;
use roomrtc_media::frame::VideoFrame;

use super::lip_sync::{Bounds, LipSync, Marks, signed_ms};
use super::tap::PictureTap;
use super::{BurstHeard, ClockMapping, SetPeerCamera, ShowFrame, SoundHeard};
use crate::call_events::FirstFrame;
use crate::counters::Counters;
use crate::slot::VideoSlot;

/// More pictures than this never wait: at 30 a second, half a second.
const MAX_WAITING: usize = 16;

/// Timers have a grain of a millisecond; what is due within it is shown now.
const GRAIN: Duration = Duration::from_millis(1);

/// While test bursts are heard at least this often, lip sync is taken from them, not from the reports.
const BURSTS_COUNT_FOR: Duration = Duration::from_secs(3);

/// What a playout is made from.
#[derive(Clone)]
pub struct VideoPlayoutSetup {
    /// The screen.
    pub slot: VideoSlot,
    /// Hears of the first picture.
    pub first: Port<FirstFrame>,
    /// Sound may be this much later than the picture before the picture waits.
    pub tolerance: Duration,
    /// Longest time a picture waits for its sound.
    pub longest_wait: Duration,
    /// A picture that stands still this much longer than usual is a freeze.
    pub freeze_threshold: Duration,
    /// What is counted.
    pub counters: Arc<Counters>,
}

/// The actor.
pub struct VideoPlayout {
    setup: VideoPlayoutSetup,
    sync: LipSync,
    marks: Marks,
    last_mark: Option<Instant>,
    tap: PictureTap,
    waiting: VecDeque<Waiting>,
    begun: bool,
    /// Pictures that were under way when the peer switched its camera off are not shown.
    peer_camera: bool,
}

/// A picture that waits for its sound.
struct Waiting {
    due: Instant,
    frame: VideoFrame,
    rtp_timestamp: u32,
}

impl VideoPlayout {
    /// A playout that has shown nothing.
    pub fn new(setup: VideoPlayoutSetup) -> Self {
        VideoPlayout {
            sync: LipSync::default(),
            marks: Marks::default(),
            last_mark: None,
            tap: PictureTap::new(setup.counters.clone(), setup.freeze_threshold),
            waiting: VecDeque::new(),
            begun: false,
            peer_camera: true,
            setup,
        }
    }

    /// Shows the newest picture that is due.
    fn show_due(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        let due = self.waiting.iter().take_while(|w| w.due <= now + GRAIN).count();
        let skipped = due.saturating_sub(1);
        self.setup.counters.video.skipped.add(skipped as u64);
        self.waiting.drain(..skipped);
        if due > 0
            && let Some(picture) = self.waiting.pop_front()
        {
            self.show(picture, now);
        }
        if let Some(next) = self.waiting.front() {
            ctx.run_later(next.due.saturating_duration_since(now), Self::show_due);
        }
    }

    fn show(&mut self, picture: Waiting, now: Instant) {
        let marked = self.tap.shown(&picture.frame, now);
        self.setup.slot.put(picture.frame);
        if marked {
            let late = self.marks.seen(now);
            self.measured(late, now);
        }
        let bursts = self.last_mark.is_some_and(|last| now - last < BURSTS_COUNT_FOR);
        if !bursts && let Some(sound) = self.sync.sound_of(picture.rtp_timestamp) {
            self.setup.counters.audio.lip_sync_ms.set(signed_ms(now, sound));
        }
    }

    fn measured(&mut self, late_ms: Option<f64>, now: Instant) {
        if let Some(late_ms) = late_ms {
            self.last_mark = Some(now);
            self.setup.counters.audio.lip_sync_ms.set(late_ms);
        }
    }
}

impl Actor for VideoPlayout {
    type Context = Context<Self>;
}

impl Handler<ShowFrame> for VideoPlayout {
    type Result = ();

    fn handle(&mut self, ShowFrame { frame, rtp_timestamp }: ShowFrame, ctx: &mut Self::Context) {
        if !std::mem::replace(&mut self.begun, true) {
            self.setup.first.tell(FirstFrame);
        }
        if !self.peer_camera {
            return;
        }
        let now = Instant::now();
        let bounds = Bounds {
            tolerance: self.setup.tolerance,
            longest_wait: self.setup.longest_wait,
        };
        let due = now + self.sync.wait(rtp_timestamp, now, bounds);
        if self.waiting.len() == MAX_WAITING {
            self.waiting.pop_front();
            self.setup.counters.video.skipped.one();
        }
        let idle = self.waiting.is_empty();
        self.waiting.push_back(Waiting {
            due,
            frame,
            rtp_timestamp,
        });
        if idle {
            self.show_due(ctx);
        }
    }
}

impl Handler<ClockMapping> for VideoPlayout {
    type Result = ();

    fn handle(&mut self, mapping: ClockMapping, _: &mut Self::Context) {
        self.sync.map(mapping);
    }
}

impl Handler<SoundHeard> for VideoPlayout {
    type Result = ();

    fn handle(&mut self, heard: SoundHeard, _: &mut Self::Context) {
        self.sync.heard(heard);
    }
}

impl Handler<BurstHeard> for VideoPlayout {
    type Result = ();

    fn handle(&mut self, BurstHeard(at): BurstHeard, _: &mut Self::Context) {
        let late = self.marks.heard(at);
        self.measured(late, at);
    }
}

impl Handler<SetPeerCamera> for VideoPlayout {
    type Result = ();

    fn handle(&mut self, SetPeerCamera(on): SetPeerCamera, _: &mut Self::Context) {
        self.peer_camera = on;
        self.tap.pause();
        if !on {
            self.waiting.clear();
            self.setup.slot.clear();
        }
    }
}
