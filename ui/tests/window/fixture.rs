//! A window whose client is the test.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::actors::ActorsStage;
use iced::advanced::renderer::Headless;
use iced::advanced::widget::Id;
use iced::advanced::widget::operation::focusable::focus;
use iced::futures::executor::block_on;
use iced::keyboard::key::Named;
use iced::keyboard::{self, Key, Modifiers, key};
use iced::{Settings, Size};
use iced_test::Simulator;
use iced_test::runtime::UserInterface;
use iced_test::runtime::user_interface::Cache;
use iced_test::simulator::tap_key;
use roomrtc::app::{App, Message, WindowSettings};
use roomrtc::bridge::Bridge;
use roomrtc::font;
use roomrtc::habits::Habits;
use roomrtc::ring::{Ring, Sound};
use roomrtc::saved::Saved;
use roomrtc_actors::slot::VideoSlot;
use roomrtc_actors::stats::{ActorStats, CallStats, Quantiles};
use roomrtc_actors::ui_bridge::{
    AudioChoice, CallEvent, Command, ConnectionState, Event, MediaChoice, SetupTimes, VideoChoice,
};
use roomrtc_media::frame::{Pixels, Plane, VideoFrame};
use roomrtc_protocol::signaling::messages::{Presence, UserPresence};
use tokio::sync::watch;

/// A size every story is told at.
pub(crate) const USUAL: Size = Size::new(1180.0, 780.0);

/// The window and what it asked its client to do.
pub(crate) struct Window {
    pub(crate) app: App,
    pub(crate) size: Size,
    asked: Arc<Mutex<Vec<Command>>>,
    pub(crate) local: VideoSlot,
    pub(crate) remote: VideoSlot,
    pub(crate) screen: VideoSlot,
    /// The actors of its client.
    pub(crate) stage: Arc<ActorsStage>,
}

pub(crate) fn settings() -> WindowSettings {
    WindowSettings {
        data_dir: PathBuf::from("/nowhere"),
        download_dir: PathBuf::from("/home/ana/Downloads"),
        server: None,
        media: MediaChoice {
            video: VideoChoice::Test,
            audio: AudioChoice::Test,
            codec: None,
        },
        admin_socket: None,
        unfinished: None,
        rejoin: false,
        actors: false,
        errand: None,
        position: None,
        // most stories type it
        habits: Habits {
            server: String::new(),
            ..Habits::default()
        },
    }
}

impl Window {
    /// A window that was opened for the first time.
    pub(crate) fn opened() -> Self {
        Self::opened_with(settings(), Saved::default())
    }

    pub(crate) fn opened_with(settings: WindowSettings, saved: Saved) -> Self {
        let asked = Arc::<Mutex<Vec<Command>>>::default();
        let (local, remote, screen) = (VideoSlot::new(), VideoSlot::new(), VideoSlot::new());
        let stage = Arc::<ActorsStage>::default();
        let theirs = asked.clone();
        let (_, stats) = watch::channel(CallStats::default());
        let bridge = Bridge::new(
            move |command| theirs.lock().expect("not poisoned").push(command),
            None,
            stats,
            local.clone(),
            remote.clone(),
            screen.clone(),
            stage.clone(),
        );
        let app = App::new(bridge, settings, saved, None, Ring::new(Sound::None));
        let mut window = Window {
            app,
            size: USUAL,
            asked,
            local,
            remote,
            screen,
            stage,
        };
        window.resize(USUAL);
        window
    }

    /// Ana is in the lobby; Ben and some others have accounts too.
    pub(crate) fn in_the_lobby() -> Self {
        let saved = Saved {
            server: "calls.example.org:8443".into(),
            ..Saved::default()
        };
        Window::in_the_lobby_with(settings(), saved)
    }

    /// The same, with what the window remembers from earlier.
    pub(crate) fn in_the_lobby_with(settings: WindowSettings, saved: Saved) -> Self {
        let mut window = Window::opened_with(settings, saved);
        window.hear(Event::Connection(ConnectionState::Connected));
        window.hear(Event::LoggedIn {
            user: "ana".into(),
            resumed: false,
        });
        window.hear(Event::Users(people()));
        window.local.put(portrait(1280, 720, true));
        window.asked();
        window
    }

    /// Ana and Ben are in a call that Ana made.
    pub(crate) fn in_a_call() -> Self {
        let mut window = Window::in_the_lobby();
        let ben = || "ben".to_owned();
        window.call(CallEvent::Outgoing { user: ben() });
        window.call(CallEvent::Ringing { user: ben() });
        window.call(CallEvent::Connecting { user: ben() });
        window.call(CallEvent::Connected {
            user: ben(),
            setup: SetupTimes {
                signaling: 12.0,
                ice: 18.0,
                dtls: 31.0,
                first_packet: 22.0,
                first_frame: 14.0,
                total: 97.0,
            },
        });
        window.remote.put(portrait(1280, 720, false));
        window.asked();
        window
    }

    pub(crate) fn hear(&mut self, event: Event) {
        let _ = self.app.update(Message::Event(Some(event)));
    }

    pub(crate) fn call(&mut self, event: CallEvent) {
        self.hear(Event::Call(event));
    }

    pub(crate) fn resize(&mut self, size: Size) {
        self.size = size;
        let id = iced::window::Id::unique();
        let _ = self
            .app
            .update(Message::Window(id, iced::window::Event::Resized(size)));
    }

    /// What was asked of the client since the last look.
    pub(crate) fn asked(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.asked.lock().expect("not poisoned"))
    }

    fn simulator(&self) -> Simulator<'_, Message> {
        let settings = Settings {
            default_font: font::SANS,
            fonts: font::FILES.iter().map(|file| (*file).into()).collect(),
            ..Settings::default()
        };
        Simulator::with_size(settings, self.size, self.app.view())
    }

    /// Does something with what is on the screen and lets the window react.
    pub(crate) fn with<T>(&mut self, act: impl FnOnce(&mut Simulator<'_, Message>) -> T) -> T {
        let mut simulator = self.simulator();
        let result = act(&mut simulator);
        let messages: Vec<Message> = simulator.into_messages().collect();
        for message in messages {
            let _ = self.app.update(message);
        }
        result
    }

    /// Whether these words are on the screen.
    pub(crate) fn shows(&mut self, words: &str) -> bool {
        self.with(|screen| screen.find(words).is_ok())
    }

    /// Whether something with this name is on the screen and can be pressed.
    pub(crate) fn offers(&mut self, id: &'static str) -> bool {
        self.with(|screen| screen.find(Id::new(id)).is_ok())
    }

    /// Presses what has this name.
    #[track_caller]
    pub(crate) fn press(&mut self, id: &str) {
        let id = Id::from(id.to_owned());
        let clicked = self.with(|screen| screen.click(id.clone()).map(|_| ()));
        clicked.unwrap_or_else(|error| panic!("{id:?} is not there: {error:?}"));
    }

    /// Presses the words.
    #[track_caller]
    pub(crate) fn press_words(&mut self, words: &str) {
        let clicked = self.with(|screen| screen.click(words).map(|_| ()));
        clicked.unwrap_or_else(|error| panic!("{words:?} is not there: {error:?}"));
    }

    /// Clicks the field with this name and types behind what is in it.
    #[track_caller]
    pub(crate) fn type_into(&mut self, id: &'static str, words: &str) {
        // one letter a time: every letter makes the window build its view again
        for letter in words.chars() {
            let there = self.with(|screen| {
                let there = screen.click(Id::new(id)).map(|_| ());
                screen.tap_key(Key::Named(Named::End));
                screen.typewrite(&letter.to_string());
                there
            });
            there.unwrap_or_else(|error| panic!("{id:?} is not there: {error:?}"));
        }
    }

    /// Gives the focus to what has this name, as Tab does, and presses Enter.
    pub(crate) fn focus_and_press_enter(&mut self, id: &'static str) {
        let renderer = <iced::Renderer as Headless>::new(font::SANS, 14.into(), Some("tiny-skia"));
        let mut renderer = block_on(renderer).expect("a renderer");
        let mut screen = UserInterface::build(self.app.view(), self.size, Cache::default(), &mut renderer);
        screen.operate(&renderer, &mut focus::<()>(Id::new(id)));
        let mut messages = Vec::new();
        let enter: Vec<_> = tap_key(Key::Named(Named::Enter), None).collect();
        let _ = screen.update(
            &enter,
            iced::mouse::Cursor::Unavailable,
            &mut renderer,
            &mut iced::advanced::clipboard::Null,
            &mut messages,
        );
        drop(screen);
        for message in messages {
            let _ = self.app.update(message);
        }
    }

    /// A key with its modifiers, as the window gets it when nothing else wants it.
    pub(crate) fn key(&mut self, key: Key, modifiers: Modifiers) {
        let event = keyboard::Event::KeyPressed {
            key: key.clone(),
            modified_key: key,
            physical_key: key::Physical::Unidentified(key::NativeCode::Unidentified),
            location: keyboard::Location::Standard,
            modifiers,
            text: None,
            repeat: false,
        };
        let _ = self.app.update(Message::Key(event));
    }

    pub(crate) fn named(&mut self, named: Named) {
        self.key(Key::Named(named), Modifiers::empty());
    }

    pub(crate) fn ctrl(&mut self, letter: &str) {
        self.key(Key::Character(letter.into()), Modifiers::CTRL);
    }

    /// Writes a picture of the screen and makes sure that it is there.
    #[track_caller]
    pub(crate) fn snapshot(&mut self, name: &str) {
        let _ = self.app.update(Message::Scale(2.0));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("snapshots");
        let theme = self.app.theme();
        let path = folder.join(format!("{name}-tiny-skia.png"));
        // only ever today's picture
        let _ = std::fs::remove_file(&path);
        let snapshot = self.with(|screen| screen.snapshot(&theme)).expect("drawn");
        snapshot
            .matches_image(folder.join(format!("{name}.png")))
            .expect("written");
        let written = std::fs::metadata(&path).expect("the picture is there");
        assert!(written.len() > 10_000, "{name} is nearly empty");
        let _ = self.app.update(Message::Scale(1.0));
    }

    /// A second of a good call.
    pub(crate) fn measure(&mut self, second: u64) {
        let _ = self.app.update(Message::Stats(Box::new(figures(second))));
    }

    /// Lets time pass for the clock on the screen.
    pub(crate) fn wait(&mut self, time: Duration) {
        let _ = self.app.update(Message::Tick(Instant::now() + time));
    }
}

pub(crate) fn people() -> Vec<UserPresence> {
    [
        ("ben", Presence::Available),
        ("carla.mendez", Presence::Available),
        ("dmitri", Presence::Busy),
        ("Elisabeth-Charlotte.von.der.Pfalz", Presence::Available),
        ("farid", Presence::Offline),
        ("grace_hopper", Presence::Offline),
    ]
    .map(|(user, presence)| UserPresence {
        user: user.into(),
        presence,
    })
    .into()
}

fn figures(second: u64) -> CallStats {
    let wave = (second as f64 * 0.7).sin();
    let mut stats = CallStats::default();
    stats.video.codec = "h264".into();
    stats.video.codec_received = "h264".into();
    (stats.video.width, stats.video.height) = (1280, 720);
    (stats.video.fps_captured, stats.video.fps_encoded) = (30.0, 30.0);
    (stats.video.fps_received, stats.video.fps_decoded) = (30.0, 29.0 + wave.round());
    (stats.video.kbps_sent, stats.video.kbps_received) = (1510.0, 1500.0 + 60.0 * wave);
    stats.video.jitter_ms = 1.4;
    stats.video.packets_lost = 2;
    stats.video.glass_to_glass_ms = Some(Quantiles { p50: 28.0, p95: 37.0 });
    (stats.audio.kbps, stats.audio.kbps_sent) = (48.0, 47.0);
    (stats.audio.level_dbfs, stats.audio.input_level_dbfs) = (-18.0, -18.0);
    stats.audio.jitter_buffer_ms = 40.0;
    stats.audio.lip_sync_ms = Some(-6.0);
    stats.transport.rtt_ms = Some(1.8 + 0.4 * wave);
    stats.transport.local = "192.0.2.7:40312".into();
    stats.transport.remote = "192.0.2.9:51820".into();
    stats.transport.pair = "host/host".into();
    stats.transport.dtls = "DTLS 1.2 ECDHE-ECDSA-AES128-GCM".into();
    stats.transport.srtp = "AEAD_AES_128_GCM".into();
    stats.transport.available_kbps = 2500.0;
    stats.rtcp_received.reports = second;
    stats.rtcp_sent.reports = second;
    stats.process.cpu_s = 4.0 + 0.31 * second as f64;
    stats.process.rss_bytes = 121_000_000;
    stats.actors = [
        "ice_agent",
        "dtls_session",
        "sctp_association",
        "rtp_sender/video",
        "encoder/video",
    ]
    .into_iter()
    .enumerate()
    .map(|(i, name)| ActorStats {
        name: format!("call/{name}"),
        depth: if i == 4 { 17 } else { i as u32 % 2 },
        max_depth: 3 + 9 * i as u32,
        handled: second * (31 + 60 * i as u64),
        p99_us: 40.0 + 300.0 * i as f64,
        restarts: u32::from(i == 4),
    })
    .collect();
    stats
}

struct Portrait([Vec<u8>; 3], usize);

impl Pixels for Portrait {
    fn planes(&self) -> [Plane<'_>; 3] {
        [0, 1, 2].map(|i| Plane {
            data: &self.0[i],
            stride: if i == 0 { self.1 } else { self.1 / 2 },
        })
    }
}

/// A head and shoulders before a wall; enough of a picture to judge a screen by.
pub(crate) fn portrait(width: u32, height: u32, mine: bool) -> VideoFrame {
    let (w, h) = (width as usize, height as usize);
    let mut planes = [vec![0; w * h], vec![0; w * h / 4], vec![0; w * h / 4]];
    for y in 0..h {
        for x in 0..w {
            let (fx, fy) = (x as f32 / w as f32 * 16.0 / 9.0, y as f32 / h as f32);
            let [r, g, b] = paint(fx, fy, mine);
            planes[0][y * w + x] = (16.0 + 0.257 * r + 0.504 * g + 0.098 * b) as u8;
            if x % 2 == 0 && y % 2 == 0 {
                let at = y / 2 * (w / 2) + x / 2;
                planes[1][at] = (128.0 - 0.148 * r - 0.291 * g + 0.439 * b) as u8;
                planes[2][at] = (128.0 + 0.439 * r - 0.368 * g - 0.071 * b) as u8;
            }
        }
    }
    VideoFrame::new(width, height, Instant::now(), Arc::new(Portrait(planes, w)))
}

fn paint(x: f32, y: f32, mine: bool) -> [f32; 3] {
    let middle = 8.0 / 9.0;
    let inside = |cx: f32, cy: f32, rx: f32, ry: f32| ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2) < 1.0;
    let (wall, shirt, hair) = if mine {
        ([74.0, 62.0, 104.0], [36.0, 86.0, 74.0], [28.0, 22.0, 20.0])
    } else {
        ([70.0, 88.0, 108.0], [40.0, 62.0, 120.0], [64.0, 42.0, 32.0])
    };
    if inside(middle - 0.07, 0.44, 0.012, 0.016) || inside(middle + 0.07, 0.44, 0.012, 0.016) {
        return [30.0, 24.0, 22.0];
    }
    if inside(middle, 0.57, 0.045, 0.012) {
        return [160.0, 80.0, 76.0];
    }
    if inside(middle, 0.46, 0.155, 0.22) {
        return [214.0, 160.0, 128.0];
    }
    if inside(middle, 0.4, 0.2, 0.25) {
        return hair;
    }
    if inside(middle, 0.7, 0.07, 0.12) {
        return [196.0, 142.0, 112.0];
    }
    if inside(middle, 1.1, 0.42, 0.36) {
        return shirt;
    }
    let light = 1.1 - 0.5 * (x - 0.3).hypot(y - 0.2);
    wall.map(|c| (c * light).clamp(0.0, 255.0))
}
