//! What the window costs: a call screen fed with 720p30 from both sides and no client behind it.
//!
//! `cargo run --release -p roomrtc --example window_cost -- [SECONDS]` opens the window (on a virtual screen too),
//! measures for so long (10 if not said) and prints the processor time it took per second, how many pictures a second
//! were drawn, and its memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use roomrtc::app::{self, WindowSettings};
use roomrtc::bridge::{Bridge, Process};
use roomrtc::environment;
use roomrtc::habits::Habits;
use roomrtc::recording::CallRecorder;
use roomrtc_actors::recorder::Recorder;
use roomrtc_actors::slot::VideoSlot;
use roomrtc_actors::stats::CallStats;
use roomrtc_actors::ui_bridge::{AudioChoice, CallEvent, Event, MediaChoice, SetupTimes, VideoChoice};
use roomrtc_kit::config::Config;
use roomrtc_media::frame::{Pixels, Plane, VideoFrame};
use tokio::sync::{mpsc, watch};

/// Width and height of both pictures.
const SIZE: (usize, usize) = (1280, 720);
/// Pictures a second from each side.
const FPS: u64 = 30;
/// How long the window gets to settle.
const SETTLE: Duration = Duration::from_secs(4);

/// Three planes in one vector.
struct Picture(Vec<u8>);

impl Pixels for Picture {
    fn planes(&self) -> [Plane<'_>; 3] {
        let (luma, chroma) = (SIZE.0 * SIZE.1, SIZE.0 * SIZE.1 / 4);
        let plane = |from: usize, length: usize, stride| Plane {
            data: &self.0[from..from + length],
            stride,
        };
        [
            plane(0, luma, SIZE.0),
            plane(luma, chroma, SIZE.0 / 2),
            plane(luma + chroma, chroma, SIZE.0 / 2),
        ]
    }
}

/// A few pictures of moving stripes, to be shown over and over.
fn pictures() -> Vec<Arc<Picture>> {
    (0..8)
        .map(|i| {
            let (luma, chroma) = (SIZE.0 * SIZE.1, SIZE.0 * SIZE.1 / 4);
            let mut data: Vec<u8> = (0..luma)
                .map(|at| 40 + ((at % SIZE.0 + at / SIZE.0 + i * 20) % 160) as u8)
                .collect();
            data.extend((0..2 * chroma).map(|at| 96 + (at / 977 % 64) as u8));
            Arc::new(Picture(data))
        })
        .collect()
}

/// Processor time of this process in seconds, and its memory in MB.
fn used() -> Option<(f64, f64)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: f64 = pages.split_whitespace().nth(1)?.parse().ok()?;
    Some((ticks / 100.0, pages * 4096.0 / 1e6))
}

/// Feeds both slots; counts the pictures that were still there to be drawn when the next one came.
fn feed(local: &VideoSlot, remote: &VideoSlot, ended: &AtomicBool) {
    let pictures = pictures();
    let start = Instant::now();
    for i in 0.. {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        let due = start + Duration::from_secs(1) * i / FPS as u32;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let picture = pictures[i as usize % pictures.len()].clone();
        let frame = VideoFrame::new(SIZE.0 as u32, SIZE.1 as u32, Instant::now(), picture);
        local.put(frame.clone());
        remote.put(frame);
    }
}

fn main() -> iced::Result {
    environment::choose(true);
    let seconds = std::env::args()
        .nth(1)
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(10);
    let (local, remote) = (VideoSlot::new(), VideoSlot::new());
    let (events, from_client) = mpsc::channel(16);
    let (figures, stats) = watch::channel(CallStats::default());
    let recorder = CallRecorder::new(Recorder::default(), &Config::default());
    let actors = Arc::new(Process::recorded_by(recorder));
    let bridge = Bridge::new(
        |_| {},
        Some(from_client),
        stats,
        local.clone(),
        remote.clone(),
        VideoSlot::new(),
        actors,
    );
    std::thread::spawn(move || {
        let user = || "ben".to_owned();
        for event in [
            Event::LoggedIn {
                user: "ana".into(),
                resumed: false,
            },
            Event::Call(CallEvent::Connecting { user: user() }),
            Event::Call(CallEvent::Connected {
                user: user(),
                setup: SetupTimes::default(),
            }),
        ] {
            let _ = events.blocking_send(event);
        }
        let ended = Arc::new(AtomicBool::new(false));
        let until = ended.clone();
        let feeder = std::thread::spawn(move || feed(&local, &remote, &until));
        std::thread::sleep(SETTLE);
        let before = (used(), app::pictures_drawn());
        std::thread::sleep(Duration::from_secs(seconds));
        if let ((Some((before, _)), drawn), Some((after, memory))) = (before, used()) {
            println!(
                "{:.1} % of a core, {:.1} pictures/s drawn, {memory:.0} MB",
                (after - before) / seconds as f64 * 100.0,
                (app::pictures_drawn() - drawn) as f64 / seconds as f64,
            );
        }
        ended.store(true, Ordering::Relaxed);
        let _ = feeder.join();
        // the end of the events ends the window
        drop((events, figures));
    });
    let media = MediaChoice {
        video: VideoChoice::Test,
        audio: AudioChoice::Test,
        codec: None,
    };
    let folder = std::env::temp_dir().join("roomrtc-window-cost");
    app::open(
        bridge,
        WindowSettings {
            data_dir: folder.clone(),
            download_dir: folder,
            server: None,
            media,
            admin_socket: None,
            unfinished: None,
            rejoin: false,
            actors: false,
            errand: None,
            position: None,
            habits: Habits::default(),
        },
    )
}
