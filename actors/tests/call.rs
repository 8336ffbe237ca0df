//! Whole calls between two engines of this process, over real sockets: no server, a wire between them instead.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix::{Actor, Context, Handler, System};
use actix_rt::Arbiter;
use roomrtc_actors::call::engine::Engine;
use roomrtc_actors::call_port::{CallEngine, CallNews, CallOrder, CallReport, CallSetup, RunningCall};
use roomrtc_actors::slot::VideoSlot;
use roomrtc_actors::stats::CallStats;
use roomrtc_actors::ui_bridge::{AudioChoice, CallEnd, CallEvent, MediaChoice, VideoChoice};
use roomrtc_kit::config::Config;
use roomrtc_kit::{Addr, Spec};
use roomrtc_media::frame::VideoFrame;
use roomrtc_protocol::signaling::messages::CallId;
use tokio::sync::{mpsc, watch};

/// A call that has not got there by then never will.
const PATIENCE: Duration = Duration::from_secs(20);

/// Changes what travels between the two.
type Tamper = fn(String) -> String;

/// Carries one party's descriptions and candidates to the other, and its events to the test.
struct Wire {
    peer: Arc<Mutex<Option<Box<dyn RunningCall>>>>,
    events: mpsc::UnboundedSender<CallEvent>,
    tamper: Tamper,
}

impl Actor for Wire {
    type Context = Context<Self>;
}

impl Handler<CallReport> for Wire {
    type Result = ();

    fn handle(&mut self, report: CallReport, _: &mut Self::Context) {
        let order = match report.news {
            CallNews::LocalDescription { kind, sdp } => CallOrder::RemoteDescription {
                kind,
                sdp: (self.tamper)(sdp),
            },
            CallNews::LocalCandidate(candidate) => CallOrder::RemoteCandidate(candidate),
            CallNews::Event(event) => return self.events.send(event).unwrap_or(()),
            CallNews::File(_)
            | CallNews::Data(_)
            | CallNews::Notice(_)
            | CallNews::Restarted { .. }
            | CallNews::Closed => return,
        };
        if let Some(peer) = &*self.peer.lock().expect("the wire") {
            peer.tell(order);
        }
    }
}

/// One end of a call.
struct Party {
    call: Arc<Mutex<Option<Box<dyn RunningCall>>>>,
    events: mpsc::UnboundedReceiver<CallEvent>,
    remote: VideoSlot,
    screen: VideoSlot,
    stats: watch::Receiver<CallStats>,
}

impl Party {
    async fn until(&mut self, wanted: impl Fn(&CallEvent) -> bool) -> CallEvent {
        let event = async {
            loop {
                let event = self.events.recv().await.expect("the wire is there");
                if wanted(&event) {
                    return event;
                }
            }
        };
        tokio::time::timeout(PATIENCE, event).await.expect("in time")
    }

    fn tell(&self, order: CallOrder) {
        let call = self.call.lock().expect("the wire");
        call.as_ref().expect("a call").tell(order);
    }

    async fn connected(&mut self) {
        self.until(|event| matches!(event, CallEvent::Connected { .. }))
            .await;
    }

    /// Waits until these screens are shared.
    async fn screens(&mut self, wanted: [bool; 2]) {
        self.until(|event| matches!(event, CallEvent::Screen { ours, peers } if [*ours, *peers] == wanted))
            .await;
    }

    /// Waits until these hold the call.
    async fn hold(&mut self, wanted: [bool; 2]) {
        self.until(|event| matches!(event, CallEvent::Hold { ours, peers } if [*ours, *peers] == wanted))
            .await;
    }

    async fn sees_a_screen(&self) -> VideoFrame {
        let picture = async {
            loop {
                if let Some(picture) = self.screen.latest().1 {
                    return picture;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, picture).await.expect("in time")
    }

    async fn figures(&mut self, wanted: impl Fn(&CallStats) -> bool) -> CallStats {
        let figures = self.stats.wait_for(wanted);
        let figures = tokio::time::timeout(PATIENCE, figures).await.expect("in time");
        figures.expect("figures").clone()
    }

    fn hang_up(&self) {
        *self.call.lock().expect("the wire") = None;
    }
}

/// A running call between two engines; the second is the caller.
fn call(tamper: Tamper) -> [Party; 2] {
    let config = Arc::new(Config::default());
    let ends = [Arc::default(), Arc::default()];
    [0, 1].map(|index: usize| {
        let (events, heard) = mpsc::unbounded_channel();
        let wire = Addr::<Wire>::new(format!("wire{index}"));
        let peer: Arc<Mutex<Option<Box<dyn RunningCall>>>> = Arc::clone(&ends[1 - index]);
        let spec = Spec::new(&wire, &Arbiter::current(), move || Wire {
            peer: peer.clone(),
            events: events.clone(),
            tamper,
        });
        spec.launch(Addr::<Deaf>::new("deaf").port());
        let (figures, stats) = watch::channel(CallStats::default());
        let (remote, screen) = (VideoSlot::new(), VideoSlot::new());
        let setup = CallSetup {
            call: CallId(1),
            user: "somebody".into(),
            caller: index == 1,
            rejoin: false,
            accepted_at: Instant::now(),
            media: MediaChoice {
                video: VideoChoice::Test,
                audio: AudioChoice::Test,
                codec: None,
            },
            microphone: true,
            camera: true,
            ice_servers: Vec::new(),
            local: VideoSlot::new(),
            remote: remote.clone(),
            screen: screen.clone(),
            stats: Arc::new(figures),
            client: wire.port(),
        };
        let running = Engine::new(config.clone())
            .expect("a certificate")
            .start_call(setup);
        *ends[index].lock().expect("the wire") = Some(running);
        Party {
            call: Arc::clone(&ends[index]),
            events: heard,
            remote,
            screen,
            stats,
        }
    })
}

/// Hears how a wire ended.
struct Deaf;

impl Actor for Deaf {
    type Context = Context<Self>;
}

impl Handler<roomrtc_kit::Down> for Deaf {
    type Result = ();

    fn handle(&mut self, _: roomrtc_kit::Down, _: &mut Self::Context) {}
}

#[test]
fn two_parties_see_and_hear_each_other() {
    System::new().block_on(async {
        let mut parties = call(|sdp| sdp);
        for party in &mut parties {
            let connected = party
                .until(|event| matches!(event, CallEvent::Connected { .. }))
                .await;
            let CallEvent::Connected { setup, .. } = connected else {
                panic!("{connected:?}")
            };
            println!("{setup:?}");
            tokio::time::timeout(PATIENCE, party.remote.rung())
                .await
                .expect("a picture reaches the screen");
        }
        for party in &mut parties {
            let good = |stats: &CallStats| {
                stats.video.fps_decoded > 20.0
                    && stats.audio.tone_hz.is_some_and(|hz| (hz - 440.0).abs() < 5.0)
            };
            let stats = tokio::time::timeout(PATIENCE, party.stats.wait_for(good))
                .await
                .expect("in time")
                .expect("figures")
                .clone();
            assert_eq!(stats.transport.srtp, "SRTP_AEAD_AES_128_GCM");
            println!("{:?}\n{:?}\n{:?}", stats.video, stats.audio, stats.transport);
        }
        parties[0].hang_up();
        tokio::time::sleep(Duration::from_millis(300)).await;
    });
}

#[test]
fn a_screen_comes_and_goes_beside_the_camera_and_both_may_share_at_once() {
    System::new().block_on(async {
        let mut parties = call(|sdp| sdp);
        for party in &mut parties {
            party.connected().await;
        }
        let [ana, ben] = &mut parties;
        for _ in 0..2 {
            ana.tell(CallOrder::SetScreen(Some(VideoChoice::Test)));
            ana.screens([true, false]).await;
            ben.screens([false, true]).await;
            let picture = ben.sees_a_screen().await;
            assert_eq!((picture.width, picture.height), (1920, 1080));
            ana.tell(CallOrder::SetScreen(None));
            ana.screens([false, false]).await;
            ben.screens([false, false]).await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(ben.screen.latest().1.is_none());
        }
        for party in [&*ana, &*ben] {
            party.tell(CallOrder::SetScreen(Some(VideoChoice::Test)));
        }
        for party in [&mut *ana, &mut *ben] {
            party.screens([true, true]).await;
            let stats = party.figures(|stats| stats.screen.fps_decoded > 5.0).await;
            assert!(stats.screen.kbps_sent > 0.0 && stats.video.fps_decoded > 10.0);
            assert_eq!(stats.video.barcode_errors, 0, "the cameras go on as before");
        }
        ana.hang_up();
        tokio::time::sleep(Duration::from_millis(300)).await;
    });
}

#[test]
fn a_call_is_held_and_taken_up_again() {
    System::new().block_on(async {
        let mut parties = call(|sdp| sdp);
        for party in &mut parties {
            party.connected().await;
        }
        let [ana, ben] = &mut parties;
        ana.tell(CallOrder::SetHold(true));
        ana.hold([true, false]).await;
        ben.hold([false, true]).await;
        ben.tell(CallOrder::SetHold(true));
        ben.hold([true, true]).await;
        let silent = |stats: &CallStats| {
            stats.video.kbps_sent == 0.0 && stats.video.fps_encoded == 0.0 && stats.audio.kbps_sent == 0.0
        };
        for party in [&mut *ana, &mut *ben] {
            party.figures(silent).await;
        }
        ana.tell(CallOrder::SetHold(false));
        ben.tell(CallOrder::SetHold(false));
        for party in [&mut *ana, &mut *ben] {
            party.hold([false, false]).await;
            let flowing = |stats: &CallStats| stats.video.fps_decoded > 20.0 && stats.audio.kbps > 10.0;
            party.figures(flowing).await;
        }
        ana.hang_up();
        tokio::time::sleep(Duration::from_millis(300)).await;
    });
}

#[test]
fn a_wrong_fingerprint_means_no_media() {
    // Some hexadecimal digit of every announced fingerprint is changed on the way, as a dishonest server would.
    fn forge(sdp: String) -> String {
        let forge_line = |line: &str| match line.strip_prefix("a=fingerprint:sha-256 ") {
            Some(hex) if hex.starts_with("00") => format!("a=fingerprint:sha-256 11{}", &hex[2..]),
            Some(hex) => format!("a=fingerprint:sha-256 00{}", &hex[2..]),
            None => line.to_string(),
        };
        sdp.lines().map(forge_line).collect::<Vec<_>>().join("\r\n") + "\r\n"
    }
    System::new().block_on(async {
        let mut parties = call(forge);
        let mut wrong = 0;
        for party in &mut parties {
            let ended = party
                .until(|event| matches!(event, CallEvent::Ended { .. } | CallEvent::Connected { .. }))
                .await;
            let CallEvent::Ended { reason, .. } = ended else {
                panic!("{ended:?}")
            };
            wrong += usize::from(reason == CallEnd::WrongFingerprint);
            assert!(party.remote.latest().1.is_none(), "no picture of a stranger");
        }
        assert!(wrong >= 1, "at least one end says why");
    });
}
