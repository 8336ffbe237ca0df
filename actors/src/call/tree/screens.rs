//! The screens of a call: ours, from its capture to its packets, and the peer's, from its packets to the picture. Each is
//! a branch of its own, which comes and goes while the rest of the call runs.

use std::sync::{Arc, Mutex};

use roomrtc_kit::{Addr, Keep, Port, Shutdown, Spec, Strategy, Supervisor};
use roomrtc_protocol::MediaKind;
use roomrtc_protocol::rtp::sender::Resume as SenderResume;
use roomrtc_protocol::sdp::{Direction, Negotiated, NegotiatedVideo};

use super::Tree;
use crate::call::recipes;
use crate::call_events::{FirstFrame, FirstPacket};
use crate::capture::{CaptureSetup, Choose, Pictures, Screen, ScreenCapture};
use crate::counters::{Counters, lock};
use crate::decoder::{VideoDecoder, VideoDecoderSetup};
use crate::encoder::{VideoEncoder, VideoEncoderSetup};
use crate::playout::{VideoPlayout, VideoPlayoutSetup};
use crate::rtcp_reporter::{EncoderPorts, ScreenPorts, ShareRate};
use crate::rtp_receiver::{RtpReceiver, RtpReceiverSetup, Sink};
use crate::rtp_sender::{Gate, RtpSender, RtpSenderSetup};
use crate::slot::VideoSlot;
use crate::ui_bridge::VideoChoice;

/// The addresses of both branches.
pub(super) struct Screens {
    counters: Arc<Counters>,
    ours: Branch,
    peers: Branch,
    gate: Gate,
    numbers: Keep<SenderResume>,
    capture: Addr<ScreenCapture>,
    encoder: Addr<VideoEncoder>,
    sender: Addr<RtpSender>,
    pub(super) receiver: Addr<RtpReceiver>,
    decoder: Addr<VideoDecoder>,
    playout: Addr<VideoPlayout>,
}

impl Screens {
    pub(super) fn new(counters: &Counters) -> Self {
        let gate = Gate::default();
        gate.set_open(false);
        Screens {
            counters: Arc::new(counters.of_screen()),
            ours: Branch::new("call/screen"),
            peers: Branch::new("call/peers_screen"),
            gate,
            numbers: Keep::default(),
            capture: Addr::new("call/capture/screen"),
            encoder: Addr::new("call/encoder/screen"),
            sender: Addr::new("call/rtp_sender/screen"),
            receiver: Addr::new("call/rtp_receiver/screen"),
            decoder: Addr::new("call/decoder/screen"),
            playout: Addr::new("call/playout/screen"),
        }
    }

    /// What the reporter tells of ours.
    pub(super) fn ports(&self) -> ScreenPorts {
        ScreenPorts {
            sent: self.gate.clone(),
            encoder: EncoderPorts {
                key_frame: self.encoder.port(),
                bitrate: self.encoder.port(),
            },
            resend: self.sender.port(),
        }
    }

    pub(super) fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }
}

/// A supervisor that comes and goes.
struct Branch {
    supervisor: Addr<Supervisor>,
    state: Mutex<BranchState>,
}

#[derive(Default)]
struct BranchState {
    /// What it was started with, whatever the direction.
    there: Option<NegotiatedVideo>,
    /// It was told to end and has not yet.
    leaving: bool,
    /// It kept failing, and is not tried again before it is wanted anew.
    given_up: bool,
}

impl Branch {
    fn new(name: &str) -> Self {
        Branch {
            supervisor: Addr::new(name),
            state: Mutex::default(),
        }
    }

    /// Starts it, ends it, or ends it to be started with other settings: [`Branch::ended`] tells when.
    fn turn(&self, wanted: Option<&NegotiatedVideo>, start: impl FnOnce(&NegotiatedVideo)) {
        let mut state = lock(&self.state);
        let wanted = wanted.map(|wanted| NegotiatedVideo {
            direction: Direction::NEITHER,
            ..wanted.clone()
        });
        state.given_up &= wanted.is_some();
        if state.leaving || state.given_up || state.there == wanted {
            return;
        }
        if state.there.take().is_some() {
            state.leaving = true;
            return self.supervisor.tell(Shutdown);
        }
        if let Some(wanted) = wanted {
            start(&wanted);
            state.there = Some(wanted);
        }
    }

    /// Whether the supervisor of this name was its own; it has ended then.
    fn ended(&self, name: &str, given_up: bool) -> bool {
        let ours = name == self.supervisor.name();
        if ours {
            *lock(&self.state) = BranchState {
                there: None,
                leaving: false,
                given_up,
            };
        }
        ours
    }

    fn is_given_up(&self) -> bool {
        lock(&self.state).given_up
    }
}

impl Tree {
    /// Goes over to what was settled; `ours` is what we show of our screen. Tells whether there is one of the peer's.
    pub(crate) fn turn_screens(&self, settled: &Negotiated, ours: Option<VideoChoice>) -> bool {
        let screen = settled.screen.as_ref();
        let sent = ours.is_some();
        let shared = self.screens.gate.is_open();
        self.screens.gate.set_open(sent);
        if sent != shared {
            self.rtcp_reporter.tell(ShareRate);
        }
        let source = ours.unwrap_or(VideoChoice::None);
        self.screens.ours.turn(screen.filter(|_| sent), |screen| {
            self.start_sharing(screen, source)
        });
        let received = screen.filter(|screen| screen.direction.receive);
        if received.is_none() {
            self.soil.setup.screen.clear();
        }
        self.screens
            .peers
            .turn(received, |screen| self.start_watching(screen));
        received.is_some() && !self.screens.peers.is_given_up()
    }

    /// Whether the supervisor that has ended was that of a screen, and if so, whether of ours.
    pub(crate) fn screen_ended(&self, name: &str, given_up: bool) -> Option<bool> {
        let Screens { ours, peers, .. } = &self.screens;
        if ours.ended(name, given_up) {
            return Some(true);
        }
        peers.ended(name, given_up).then(|| {
            // A last picture may have come after the news that there is no screen any more.
            self.soil.setup.screen.clear();
            false
        })
    }

    pub(crate) fn choose_screen(&self, source: VideoChoice) {
        self.screens.capture.tell(Choose(source));
    }

    pub(super) fn stop_screens(&self) {
        let Screens { ours, peers, .. } = &self.screens;
        for branch in [ours, peers] {
            if lock(&branch.state).there.is_some() {
                branch.supervisor.tell(Shutdown);
            }
        }
    }

    fn start_sharing(&self, screen: &NegotiatedVideo, source: VideoChoice) {
        let Some(sender) = self.screen_sender_setup(screen) else {
            return;
        };
        let (capture, encoder) = (
            self.screen_capture_setup(source),
            self.screen_encoder_setup(screen),
        );
        let Screens { capture: camera, .. } = &self.screens;
        let (media, network) = (&self.soil.arbiters.media, &self.soil.arbiters.network);
        self.supervisor(&self.screens.ours.supervisor, Strategy::OneForOne)
            .child(Spec::new(&self.screens.sender, network, move || {
                RtpSender::new(sender.clone())
            }))
            .child(Spec::new(&self.screens.encoder, media, move || {
                VideoEncoder::new(encoder.clone())
            }))
            .child(Spec::new(camera, media, move || {
                ScreenCapture::new(capture.clone())
            }))
            .launch(&self.soil.arbiters.control, self.news());
    }

    fn start_watching(&self, screen: &NegotiatedVideo) {
        let receiver = self.screen_receiver_setup(screen);
        let (decoder, playout) = (self.screen_decoder_setup(screen), self.screen_playout_setup());
        let (media, network) = (&self.soil.arbiters.media, &self.soil.arbiters.network);
        self.supervisor(&self.screens.peers.supervisor, Strategy::OneForOne)
            .child(Spec::new(&self.screens.playout, media, move || {
                VideoPlayout::new(playout.clone())
            }))
            .child(Spec::new(&self.screens.decoder, media, move || {
                VideoDecoder::new(decoder.clone())
            }))
            .child(Spec::new(&self.screens.receiver, network, move || {
                RtpReceiver::new(receiver.clone())
            }))
            .launch(&self.soil.arbiters.control, self.news());
    }

    fn screen_capture_setup(&self, source: VideoChoice) -> CaptureSetup<Screen> {
        let config = &self.soil.config;
        CaptureSetup {
            medium: Screen(Pictures {
                format: recipes::screen(config),
                size: Keep::default(),
                slot: VideoSlot::new(),
                output: Some(self.screens.encoder.port()),
                sent: self.screens.gate.clone(),
                counters: self.screens.counters.clone(),
            }),
            choice: source,
            enabled: true,
            timeout: config.media.camera_timeout(),
            retry: config.media.device_retry(),
            notices: self.soil.call.port(),
            keep: Keep::default(),
        }
    }

    fn screen_encoder_setup(&self, screen: &NegotiatedVideo) -> VideoEncoderSetup {
        let config = &self.soil.config;
        VideoEncoderSetup {
            settings: recipes::video_encoder(config, screen.codec, recipes::screen(config)),
            output: self.screens.sender.port(),
            counters: self.screens.counters.clone(),
            ..self.encoder_setup(screen.codec)
        }
    }

    fn screen_sender_setup(&self, screen: &NegotiatedVideo) -> Option<RtpSenderSetup> {
        let ours = self.soil.local.screen()?;
        let settings = recipes::video_sender(&self.soil.config, ours, screen, self.wall);
        Some(RtpSenderSetup {
            gate: self.screens.gate.clone(),
            keep: self.screens.numbers.clone(),
            key_frames: Some(self.screens.encoder.port()),
            counters: self.screens.counters.clone(),
            ..self.sender_setup(MediaKind::Screen, settings)
        })
    }

    fn screen_receiver_setup(&self, screen: &NegotiatedVideo) -> RtpReceiverSetup {
        let settings = recipes::video_receiver(&self.soil.config, screen);
        RtpReceiverSetup {
            counters: self.screens.counters.clone(),
            first_packet: Port::new(|_: FirstPacket| {}),
            ..self.receiver_setup(settings, Sink::Screen(self.screens.decoder.port()))
        }
    }

    fn screen_decoder_setup(&self, screen: &NegotiatedVideo) -> VideoDecoderSetup {
        VideoDecoderSetup {
            kind: MediaKind::Screen,
            output: self.screens.playout.port(),
            counters: self.screens.counters.clone(),
            ..self.decoder_setup(screen.codec)
        }
    }

    fn screen_playout_setup(&self) -> VideoPlayoutSetup {
        VideoPlayoutSetup {
            slot: self.soil.setup.screen.clone(),
            first: Port::new(|_: FirstFrame| {}),
            counters: self.screens.counters.clone(),
            ..self.video_playout_setup()
        }
    }
}
