//! The components of one call and their supervisors.
//!
//! ```text
//! call/ice      one_for_one    ice_agent                              the sockets survive
//! call/secure   rest_for_one   dtls_session → sctp_association → file_transfer
//! call/capture  one_for_one    capture (sound, pictures)
//! call/rtp      one_for_one    rtcp_reporter, rtp_sender and rtp_receiver (sound and pictures each)
//! call/media    one_for_one    playout, decoder, encoder (sound and pictures), stats
//! call/screen, call/peers_screen    see [`screens`]
//! ```
//!
//! Addresses exist before the actors and outlive them, so everybody knows everybody from the start. `ice`, `secure` and
//! `capture` start with the call; `rtp` and `media` once the descriptions have settled what is sent. What each component
//! is given is in [`setups`].

mod screens;
mod setups;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use actix_rt::ArbiterHandle;
use roomrtc_kit::config::Config;
use roomrtc_kit::{Addr, Backoff, Down, Intensity, Keep, Port, Shutdown, Spec, Strategy, Supervisor, Thread};
use roomrtc_media::capture::PictureSize;
use roomrtc_protocol::ice::IceCredentials;
use roomrtc_protocol::recording::Reel;
use roomrtc_protocol::rtp::sender::Resume as SenderResume;
use roomrtc_protocol::sdp::{DtlsRole, Negotiated, NegotiatedAudio, NegotiatedVideo};
use roomrtc_protocol::signaling::messages::IceServer;
use roomrtc_protocol::time::WallClock;

use self::screens::Screens;
use super::description::LocalDescription;
use super::wishes::Sent;
use super::{Call, recipes};
use crate::call_port::CallSetup;
use crate::capture::{AudioCapture, CaptureSetup, Choose, Pictures, Resize, SetEnabled, Sound, VideoCapture};
use crate::counters::Counters;
use crate::decoder::VideoDecoder;
use crate::dtls_session::{Certificate, CloseSession, DtlsSession, DtlsSetup, StartHandshake};
use crate::echo_care::EchoCare;
use crate::encoder::{AudioEncoder, AudioEncoderSetup, VideoEncoder};
use crate::file_transfer::{self, FileTransfers, TransferIds};
use crate::ice_agent::{
    AddRemoteCandidate, IceAgent, RestartIce, RoutePackets, SetRemoteCredentials, UseIceServers,
};
use crate::playout::{AudioPlayout, ChooseOutput, VideoPlayout};
use crate::recorder::Recorder;
use crate::rtcp_reporter::{RtcpReporter, SendBye, wall_clock};
use crate::rtp_receiver::RtpReceiver;
use crate::rtp_sender::{Gate, RtpSender};
use crate::sctp_association::{SctpAssociation, SendPeerMedia, StartAssociation, UseDataChannel};
use crate::sent_packets::SentPackets;
use crate::srtp::Srtp;
use crate::stats::collector::{Stats, StatsSetup};
use crate::ui_bridge::data::DataOrder;
use crate::ui_bridge::{MediaChoice, TransferId};

/// The threads of the client. Supervisors live on the first: when one of the others hangs, they start its actors on a
/// new one.
#[derive(Clone)]
pub(crate) struct Arbiters {
    /// Calls, signaling, figures.
    pub(crate) control: ArbiterHandle,
    /// ICE, DTLS, SCTP, RTP and RTCP: a packet crosses no thread on its way.
    pub(crate) network: Thread,
    /// Capture, codecs, playout.
    pub(crate) media: Thread,
}

/// What a tree is planted with.
pub(crate) struct Soil {
    pub(crate) config: Arc<Config>,
    pub(crate) arbiters: Arbiters,
    pub(crate) setup: CallSetup,
    pub(crate) local: LocalDescription,
    /// Our ICE credentials of the first transport.
    pub(crate) credentials: IceCredentials,
    /// Names the files of this client run.
    pub(crate) transfers: TransferIds,
    pub(crate) call: Addr<Call>,
    pub(crate) recorder: Recorder,
}

/// The addresses of everything in a call.
pub(crate) struct Tree {
    soil: Soil,
    counters: Arc<Counters>,
    srtp: Srtp,
    sent: SentPackets,
    /// The clock of our reports and packets.
    wall: WallClock,
    media_started: AtomicBool,
    /// Supervisors of former media that have not ended yet.
    media_leaving: AtomicUsize,
    screens: Screens,
    echo: EchoCare,
    audio_gate: Gate,
    video_gate: Gate,
    audio_numbers: Keep<SenderResume>,
    video_numbers: Keep<SenderResume>,
    ice: Addr<Supervisor>,
    secure: Addr<Supervisor>,
    capture: Addr<Supervisor>,
    rtp: Addr<Supervisor>,
    media: Addr<Supervisor>,
    ice_agent: Addr<IceAgent>,
    dtls_session: Addr<DtlsSession>,
    sctp_association: Addr<SctpAssociation>,
    file_transfer: Addr<FileTransfers>,
    video_capture: Addr<VideoCapture>,
    audio_capture: Addr<AudioCapture>,
    rtcp_reporter: Addr<RtcpReporter>,
    video_sender: Addr<RtpSender>,
    audio_sender: Addr<RtpSender>,
    video_receiver: Addr<RtpReceiver>,
    audio_receiver: Addr<RtpReceiver>,
    video_encoder: Addr<VideoEncoder>,
    audio_encoder: Addr<AudioEncoder>,
    video_decoder: Addr<VideoDecoder>,
    video_playout: Addr<VideoPlayout>,
    audio_playout: Addr<AudioPlayout>,
    stats: Addr<Stats>,
}

impl Tree {
    pub(crate) fn new(soil: Soil) -> Self {
        let counters = Arc::<Counters>::default();
        Tree {
            echo: EchoCare::new(
                recipes::cleaning(&soil.config),
                soil.call.port(),
                counters.clone(),
            ),
            soil,
            screens: Screens::new(&counters),
            counters,
            srtp: Srtp::default(),
            sent: SentPackets::default(),
            wall: wall_clock(),
            media_started: AtomicBool::new(false),
            media_leaving: AtomicUsize::new(0),
            audio_gate: Gate::default(),
            video_gate: Gate::default(),
            audio_numbers: Keep::default(),
            video_numbers: Keep::default(),
            ice: Addr::new("call/ice"),
            secure: Addr::new("call/secure"),
            capture: Addr::new("call/capture"),
            rtp: Addr::new("call/rtp"),
            media: Addr::new("call/media"),
            ice_agent: Addr::new("call/ice_agent"),
            dtls_session: Addr::new("call/dtls_session"),
            sctp_association: Addr::new("call/sctp_association"),
            file_transfer: Addr::new("call/file_transfer"),
            video_capture: Addr::new("call/capture/video"),
            audio_capture: Addr::new("call/capture/audio"),
            rtcp_reporter: Addr::new("call/rtcp_reporter"),
            video_sender: Addr::new("call/rtp_sender/video"),
            audio_sender: Addr::new("call/rtp_sender/audio"),
            video_receiver: Addr::new("call/rtp_receiver/video"),
            audio_receiver: Addr::new("call/rtp_receiver/audio"),
            video_encoder: Addr::new("call/encoder/video"),
            audio_encoder: Addr::new("call/encoder/audio"),
            video_decoder: Addr::new("call/decoder/video"),
            video_playout: Addr::new("call/playout/video"),
            audio_playout: Addr::new("call/playout/audio"),
            stats: Addr::new("call/stats"),
        }
    }

    // --- starting --------------------------------------------------------------------------------------------

    /// The path and what secures it.
    pub(crate) fn start_transport(&self) {
        let (config, network) = (&self.soil.config, &self.soil.arbiters.network);
        let ice = self.ice_setup();
        self.supervisor(&self.ice, Strategy::OneForOne)
            .child(Spec::new(&self.ice_agent, network, move || {
                IceAgent::new(ice.clone())
            }))
            .launch(&self.soil.arbiters.control, self.news());
        let dtls = DtlsSetup {
            srtp: self.srtp.clone(),
            ice: self.ice_agent.port(),
            sctp: self.sctp_association.port(),
            events: self.soil.call.port(),
            settings: recipes::dtls(config),
            counters: self.counters.clone(),
            session: Keep::default(),
            begun: Arc::default(),
        };
        let sctp = self.sctp_setup();
        let files = self.file_setup();
        self.supervisor(&self.secure, Strategy::RestForOne)
            .child(Spec::new(&self.dtls_session, network, move || {
                DtlsSession::new(dtls.clone())
            }))
            .child(Spec::new(&self.sctp_association, network, move || {
                SctpAssociation::new(sctp.clone())
            }))
            .child(Spec::new(&self.file_transfer, network, move || {
                FileTransfers::new(files.clone())
            }))
            .launch(&self.soil.arbiters.control, self.news());
    }

    /// Camera and microphone.
    pub(crate) fn start_capture(&self, [microphone, camera]: [bool; 2]) {
        let (config, media) = (&self.soil.config, &self.soil.arbiters.media);
        let choice = &self.soil.setup.media;
        let pictures = CaptureSetup {
            medium: Pictures {
                format: recipes::pictures(config),
                size: Keep::default(),
                slot: self.soil.setup.local.clone(),
                output: Some(self.video_encoder.port()),
                sent: self.video_gate.clone(),
                counters: self.counters.clone(),
            },
            choice: choice.video.clone(),
            enabled: camera,
            timeout: config.media.camera_timeout(),
            retry: config.media.device_retry(),
            notices: self.soil.call.port(),
            keep: Keep::default(),
        };
        let sound = CaptureSetup {
            medium: Sound {
                format: recipes::sound(config),
                output: self.audio_encoder.port(),
                sent: self.audio_gate.clone(),
                echo: self.echo.clone(),
                counters: self.counters.clone(),
            },
            choice: choice.audio.clone(),
            enabled: microphone,
            timeout: config.media.camera_timeout(),
            retry: config.media.device_retry(),
            notices: self.soil.call.port(),
            keep: Keep::default(),
        };
        self.supervisor(&self.capture, Strategy::OneForOne)
            .child(Spec::new(&self.video_capture, media, move || {
                VideoCapture::new(pictures.clone())
            }))
            .child(Spec::new(&self.audio_capture, media, move || {
                AudioCapture::new(sound.clone())
            }))
            .launch(&self.soil.arbiters.control, self.news());
    }

    /// Everything that depends on what was negotiated.
    pub(crate) fn start_media(&self, settled: &Negotiated) {
        self.media_started.store(true, Ordering::Release);
        let (audio, video) = (settled.audio.as_ref(), settled.video.as_ref());
        self.start_playing(audio, video);
        self.start_packets(audio, video);
    }

    /// Who sends, and under which numbers the peer does: what may change while the media run.
    pub(crate) fn turn_media(&self, settled: &Negotiated, sent: Sent) {
        self.srtp.allow_ssrcs(&recipes::announced(settled));
        self.audio_gate.set_open(sent.sound);
        self.video_gate.set_open(sent.pictures);
    }

    /// RTP and RTCP.
    fn start_packets(&self, audio: Option<&NegotiatedAudio>, video: Option<&NegotiatedVideo>) {
        let network = &self.soil.arbiters.network;
        let reporter = self.reporter_setup(audio, video);
        let mut rtp = self.supervisor(&self.rtp, Strategy::OneForOne).child(Spec::new(
            &self.rtcp_reporter,
            network,
            move || RtcpReporter::new(reporter.clone()),
        ));
        let senders = [
            audio
                .and_then(|audio| self.audio_sender_setup(audio))
                .map(|setup| (&self.audio_sender, setup)),
            video
                .and_then(|video| self.video_sender_setup(video))
                .map(|setup| (&self.video_sender, setup)),
        ];
        for (addr, setup) in senders.into_iter().flatten() {
            rtp = rtp.child(Spec::new(addr, network, move || RtpSender::new(setup.clone())));
        }
        let receivers = [
            audio.map(|audio| (&self.audio_receiver, self.audio_receiver_setup(audio))),
            video.map(|video| (&self.video_receiver, self.video_receiver_setup(video))),
        ];
        for (addr, setup) in receivers.into_iter().flatten() {
            rtp = rtp.child(Spec::new(addr, network, move || RtpReceiver::new(setup.clone())));
        }
        rtp.launch(&self.soil.arbiters.control, self.news());
    }

    /// Codecs, playout and figures.
    fn start_playing(&self, audio: Option<&NegotiatedAudio>, video: Option<&NegotiatedVideo>) {
        let media = &self.soil.arbiters.media;
        let figures = StatsSetup {
            counters: self.counters.clone(),
            screen: self.screens.counters().clone(),
            figures: self.soil.setup.stats.clone(),
            interval: self.soil.config.client.stats_interval(),
        };
        let control = &self.soil.arbiters.control;
        let mut tree = self.supervisor(&self.media, Strategy::OneForOne).child(Spec::new(
            &self.stats,
            control,
            move || Stats::new(figures.clone()),
        ));
        if let Some(audio) = audio {
            let playout = self.audio_playout_setup(video.map(|video| video.direction));
            let encoder = AudioEncoderSetup {
                settings: recipes::opus(&self.soil.config, audio),
                output: self.audio_sender.port(),
                keep: Keep::default(),
            };
            tree = tree
                .child(Spec::new(&self.audio_playout, media, move || {
                    AudioPlayout::new(playout.clone())
                }))
                .child(Spec::new(&self.audio_encoder, media, move || {
                    AudioEncoder::new(encoder.clone())
                }));
        }
        if let Some(video) = video {
            self.counters.video.codec.set(video.codec.name());
            let (playout, decoder, encoder) = (
                self.video_playout_setup(),
                self.decoder_setup(video.codec),
                self.encoder_setup(video.codec),
            );
            tree = tree
                .child(Spec::new(&self.video_playout, media, move || {
                    VideoPlayout::new(playout.clone())
                }))
                .child(Spec::new(&self.video_decoder, media, move || {
                    VideoDecoder::new(decoder.clone())
                }))
                .child(Spec::new(&self.video_encoder, media, move || {
                    VideoEncoder::new(encoder.clone())
                }));
        }
        tree.launch(&self.soil.arbiters.control, self.news());
    }

    fn supervisor(&self, me: &Addr<Supervisor>, strategy: Strategy) -> Supervisor {
        supervisor(&self.soil.config, me, strategy).reports(self.news())
    }

    /// The call hears of every death.
    fn news(&self) -> Port<Down> {
        self.soil.call.port()
    }

    // --- orders ----------------------------------------------------------------------------------------------

    /// Opens the association of the data channels, if both want them; it begins once DTLS is up.
    pub(crate) fn start_data(&self, settled: &Negotiated) {
        if let Some(data) = &settled.data {
            self.sctp_association.tell(StartAssociation {
                client: settled.dtls_role == DtlsRole::Client,
                offerer: self.soil.setup.caller,
                // Where any size is taken, the largest that can be counted.
                max_message_size: usize::try_from(data.max_message_size).unwrap_or(usize::MAX),
            });
        }
    }

    /// Looks for the peer of these descriptions, and tells apart what comes from there.
    pub(crate) fn set_remote_ice(&self, settled: &Negotiated) {
        self.ice_agent.tell(RoutePackets(recipes::routes(settled)));
        self.ice_agent.tell(SetRemoteCredentials {
            ufrag: settled.ice.ufrag.clone(),
            pwd: settled.ice.pwd.clone(),
            lite: settled.ice_lite,
        });
    }

    pub(crate) fn add_remote_candidate(&self, candidate: String) {
        self.ice_agent.tell(AddRemoteCandidate { candidate });
    }

    /// Our certificate meets the peer's; former keys are given up for those it leads to.
    pub(crate) fn start_handshake(&self, settled: &Negotiated, certificate: Certificate) {
        self.dtls_session.tell(StartHandshake {
            client: settled.dtls_role == DtlsRole::Client,
            remote: settled.fingerprint,
            certificate,
        });
    }

    /// Looks for another path with these credentials.
    pub(crate) fn restart_ice(&self, credentials: IceCredentials) {
        self.ice_agent.tell(RestartIce(credentials));
    }

    pub(super) fn use_ice_servers(&self, servers: Vec<IceServer>) {
        self.ice_agent.tell(UseIceServers(servers));
    }

    /// The media of before make room for others: [`Tree::former_media_gone`] tells when they have.
    pub(crate) fn stop_for_other_media(&self) {
        if self.media_leaving.load(Ordering::Acquire) == 0 && self.media_started.load(Ordering::Acquire) {
            let supervisors = [&self.media, &self.rtp];
            self.media_leaving.store(supervisors.len(), Ordering::Release);
            supervisors
                .into_iter()
                .for_each(|supervisor| supervisor.tell(Shutdown));
        }
    }

    /// Whether the supervisor of this name was the last of the former media to end.
    pub(crate) fn former_media_gone(&self, name: &str) -> bool {
        let leaving = self.media_leaving.load(Ordering::Acquire);
        if leaving == 0 || (name != self.media.name() && name != self.rtp.name()) {
            return false;
        }
        self.media_leaving.store(leaving - 1, Ordering::Release);
        leaving == 1
    }

    /// The supervisor of camera and microphone.
    pub(crate) fn capture_name(&self) -> &str {
        self.capture.name()
    }

    pub(crate) fn camera_name(&self) -> &str {
        self.video_capture.name()
    }

    /// Where the call is recorded, if at all.
    pub(crate) fn reel(&self) -> Arc<dyn Reel> {
        self.soil.recorder.reel()
    }

    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Notes what was settled for the figures.
    pub(crate) fn secured(&self, version_and_cipher: &str, srtp_profile: &str) {
        self.counters.transport.dtls.set(version_and_cipher);
        self.counters.transport.srtp.set(srtp_profile);
    }

    pub(crate) fn set_microphone(&self, on: bool) {
        self.audio_capture.tell(SetEnabled(on));
    }

    pub(crate) fn set_camera(&self, on: bool) {
        self.video_capture.tell(SetEnabled(on));
    }

    pub(crate) fn choose_media(&self, media: MediaChoice) {
        self.audio_playout
            .tell(ChooseOutput(recipes::output(&self.soil.config, &media.audio)));
        self.video_capture.tell(Choose(media.video));
        self.audio_capture.tell(Choose(media.audio));
    }

    pub(crate) fn set_picture_size(&self, size: PictureSize) {
        self.video_capture.tell(Resize(size));
    }

    pub(crate) fn send_peer_media(&self, microphone: bool, camera: bool) {
        self.sctp_association.tell(SendPeerMedia { microphone, camera });
    }

    pub(crate) fn send_file(&self, path: PathBuf) {
        let transfer = self.soil.transfers.next();
        self.file_transfer
            .tell(file_transfer::SendFile { transfer, path });
    }

    pub(crate) fn accept_file(&self, transfer: TransferId, directory: PathBuf) {
        self.file_transfer
            .tell(file_transfer::AcceptFile { transfer, directory });
    }

    pub(crate) fn decline_file(&self, transfer: TransferId) {
        self.file_transfer.tell(file_transfer::DeclineFile(transfer));
    }

    pub(crate) fn cancel_file(&self, transfer: TransferId) {
        self.file_transfer.tell(file_transfer::CancelFile(transfer));
    }

    pub(crate) fn use_data_channel(&self, order: DataOrder) {
        self.sctp_association.tell(UseDataChannel(order));
    }

    /// Stops the media, the producers first, and says goodbye to the peer.
    pub(crate) fn stop_media(&self) {
        self.capture.tell(Shutdown);
        self.stop_screens();
        self.file_transfer.tell(file_transfer::EndAll);
        if self.media_started.load(Ordering::Acquire) {
            self.rtcp_reporter.tell(SendBye);
            self.media.tell(Shutdown);
        }
        self.dtls_session.tell(CloseSession);
    }

    /// Stops what the goodbyes travelled by.
    pub(crate) fn stop_transport(&self) {
        if self.media_started.load(Ordering::Acquire) {
            self.rtp.tell(Shutdown);
        }
        self.secure.tell(Shutdown);
        self.ice.tell(Shutdown);
    }
}

/// A supervisor with the limits of the configuration.
pub(crate) fn supervisor(config: &Config, me: &Addr<Supervisor>, strategy: Strategy) -> Supervisor {
    let intensity = Intensity {
        restarts: config.client.restart_limit,
        period: config.client.restart_period(),
    };
    let backoff = Backoff {
        first: config.client.restart_pause_first(),
        max: config.client.restart_pause_max(),
    };
    Supervisor::new(me, strategy, intensity, backoff).stop_limit(config.client.stop_timeout())
}
