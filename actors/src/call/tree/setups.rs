//! What each component of a call is given: its settings from [`recipes`] and the addresses it tells.

use std::sync::Arc;

use roomrtc_kit::Keep;
use roomrtc_protocol::rtcp::reporter::{ReporterSettings, StreamSettings};
use roomrtc_protocol::rtp::payload::PayloadFormat;
use roomrtc_protocol::sdp::{Direction, NegotiatedAudio, NegotiatedVideo};
use roomrtc_protocol::{MediaKind, VideoCodec};

use super::Tree;
use crate::call::recipes;
use crate::codec_care::CodecCare;
use crate::decoder::{DecoderCare, VideoDecoderSetup};
use crate::encoder::VideoEncoderSetup;
use crate::file_transfer::FileSetup;
use crate::ice_agent::IceSetup;
use crate::playout::{AudioPlayoutSetup, VideoPlayoutSetup};
use crate::rtcp_reporter::{EncoderPorts, RtcpReporterSetup};
use crate::rtp_receiver::{RtpReceiverSetup, Sink};
use crate::rtp_sender::RtpSenderSetup;
use crate::sctp_association::SctpSetup;

impl Tree {
    pub(super) fn ice_setup(&self) -> IceSetup {
        IceSetup {
            controlling: self.soil.setup.caller,
            credentials: self.soil.credentials.clone(),
            network: self.soil.config.network.clone(),
            ice: self.soil.config.ice.clone(),
            ice_servers: self.soil.setup.ice_servers.clone(),
            events: self.soil.call.port(),
            dtls: self.dtls_session.port(),
            rtp_audio: self.audio_receiver.port(),
            rtp_video: self.video_receiver.port(),
            rtp_screen: self.screens.receiver.port(),
            rtcp: self.rtcp_reporter.port(),
            sockets: Keep::default(),
            begun: Arc::default(),
            counters: self.counters.clone(),
            recorder: self.soil.recorder.clone(),
        }
    }

    pub(super) fn sctp_setup(&self) -> SctpSetup {
        let config = &self.soil.config;
        SctpSetup {
            dtls: self.dtls_session.port(),
            files: self.file_transfer.port(),
            peer_media: self.soil.call.port(),
            data: self.soil.call.port(),
            settings: recipes::sctp(config),
            max_channels: usize::from(config.data_channels.max_channels),
            lost: self.soil.call.port(),
            begun: Arc::default(),
            state: Keep::default(),
        }
    }

    pub(super) fn file_setup(&self) -> FileSetup {
        FileSetup {
            me: self.file_transfer.clone(),
            sctp: self.sctp_association.port(),
            events: self.soil.call.port(),
            ids: self.soil.transfers.clone(),
            settings: recipes::files(&self.soil.config),
            promises: Keep::lasting(),
            state: Keep::default(),
        }
    }

    pub(super) fn reporter_setup(
        &self,
        audio: Option<&NegotiatedAudio>,
        video: Option<&NegotiatedVideo>,
    ) -> RtcpReporterSetup {
        let (config, local) = (&self.soil.config, &self.soil.local);
        let sound = local.audio().zip(audio).map(|(ours, theirs)| {
            StreamSettings::new(
                MediaKind::Audio,
                PayloadFormat::Opus,
                ours.ssrc,
                recipes::ssrc(&theirs.sources),
            )
        });
        let pictures = local.video().zip(video).map(|(ours, theirs)| {
            let (format, ssrc) = (
                recipes::payload_format(theirs.codec),
                recipes::ssrc(&theirs.sources),
            );
            StreamSettings {
                key_frames_by: recipes::key_frames_by(theirs),
                ..StreamSettings::new(MediaKind::Video, format, ours.ssrc, ssrc)
            }
        });
        // The peer's stream is known once it comes.
        let screen = local.screen().zip(video).map(|(ours, theirs)| StreamSettings {
            key_frames_by: recipes::key_frames_by(theirs),
            ..StreamSettings::new(MediaKind::Screen, PayloadFormat::Vp8, ours.ssrc, None)
        });
        RtcpReporterSetup {
            settings: ReporterSettings {
                cname: local.cname().into(),
                streams: [sound, screen, pictures].into_iter().flatten().collect(),
                wall: self.wall,
                min_interval: config.rtcp.report_interval(),
                feedback_interval: recipes::feedback_interval(config, audio, video),
                reduced_size: recipes::reduced_size(audio, video),
                estimator: recipes::estimator(config),
                seed: local.seed(),
            },
            srtp: self.srtp.clone(),
            sent: self.sent.clone(),
            keep: Keep::default(),
            ice: self.ice_agent.port(),
            encoder: video.map(|_| EncoderPorts {
                key_frame: self.video_encoder.port(),
                bitrate: self.video_encoder.port(),
            }),
            screen: video.map(|_| self.screens.ports()),
            expected_loss: audio.map(|_| self.audio_encoder.port()),
            resend: video.map(|_| self.video_sender.port()),
            clocks: vec![self.video_playout.port()],
            counters: self.counters.clone(),
            reel: Some(self.soil.recorder.reel()),
        }
    }

    pub(super) fn audio_sender_setup(&self, audio: &NegotiatedAudio) -> Option<RtpSenderSetup> {
        let ours = self.soil.local.audio()?;
        let settings = recipes::audio_sender(&self.soil.config, ours, audio, self.wall);
        Some(self.sender_setup(MediaKind::Audio, settings))
    }

    pub(super) fn video_sender_setup(&self, video: &NegotiatedVideo) -> Option<RtpSenderSetup> {
        let ours = self.soil.local.video()?;
        let settings = recipes::video_sender(&self.soil.config, ours, video, self.wall);
        Some(RtpSenderSetup {
            key_frames: Some(self.video_encoder.port()),
            ..self.sender_setup(MediaKind::Video, settings)
        })
    }

    pub(super) fn sender_setup(
        &self,
        kind: MediaKind,
        settings: roomrtc_protocol::rtp::sender::SenderSettings,
    ) -> RtpSenderSetup {
        let (gate, keep) = match kind {
            MediaKind::Audio => (self.audio_gate.clone(), self.audio_numbers.clone()),
            // A screen's sender has its own.
            MediaKind::Video | MediaKind::Screen => (self.video_gate.clone(), self.video_numbers.clone()),
        };
        RtpSenderSetup {
            kind,
            settings,
            gate,
            srtp: self.srtp.clone(),
            sent: self.sent.clone(),
            keep,
            ice: self.ice_agent.port(),
            reporter: self.rtcp_reporter.port(),
            key_frames: None,
            counters: self.counters.clone(),
            reel: Some(self.soil.recorder.reel()),
        }
    }

    pub(super) fn audio_receiver_setup(&self, audio: &NegotiatedAudio) -> RtpReceiverSetup {
        let settings = recipes::audio_receiver(&self.soil.config, audio);
        self.receiver_setup(settings, Sink::Audio(self.audio_playout.port()))
    }

    pub(super) fn video_receiver_setup(&self, video: &NegotiatedVideo) -> RtpReceiverSetup {
        let settings = recipes::video_receiver(&self.soil.config, video);
        self.receiver_setup(settings, Sink::Video(self.video_decoder.port()))
    }

    pub(super) fn receiver_setup(
        &self,
        settings: roomrtc_protocol::rtp::receiver::ReceiverSettings,
        sink: Sink,
    ) -> RtpReceiverSetup {
        RtpReceiverSetup {
            settings,
            srtp: self.srtp.clone(),
            keep: Keep::default(),
            sink,
            reporter: (&self.rtcp_reporter).into(),
            first_packet: self.soil.call.port(),
            counters: self.counters.clone(),
            reel: Some(self.soil.recorder.reel()),
        }
    }

    /// `pictures` is their direction, if there are any in the call.
    pub(super) fn audio_playout_setup(&self, pictures: Option<Direction>) -> AudioPlayoutSetup {
        let seen = pictures.is_some_and(|direction| direction.receive);
        let config = &self.soil.config;
        AudioPlayoutSetup {
            output: recipes::output(config, &self.soil.setup.media.audio),
            buffer: recipes::speaker(config),
            jitter_buffer: recipes::jitter_buffer(config),
            me: self.audio_playout.port(),
            first: (!seen).then(|| self.soil.call.port()),
            heard: pictures.map(|_| self.video_playout.port()),
            bursts: pictures.map(|_| self.video_playout.port()),
            notices: self.soil.call.port(),
            echo: self.echo.clone(),
            counters: self.counters.clone(),
            reel: Some(self.soil.recorder.reel()),
        }
    }

    pub(super) fn video_playout_setup(&self) -> VideoPlayoutSetup {
        let config = &self.soil.config;
        VideoPlayoutSetup {
            slot: self.soil.setup.remote.clone(),
            first: self.soil.call.port(),
            tolerance: config.media.lip_sync_tolerance(),
            longest_wait: config.media.lip_sync_max_delay(),
            freeze_threshold: config.media.freeze_threshold(),
            counters: self.counters.clone(),
        }
    }

    pub(super) fn decoder_setup(&self, codec: VideoCodec) -> VideoDecoderSetup {
        VideoDecoderSetup {
            kind: MediaKind::Video,
            codec,
            care: DecoderCare::new(&self.soil.call.port(), self.soil.config.media.codec_stall()),
            threads: self.soil.config.media.decoder_threads,
            output: self.video_playout.port(),
            keyframes: self.rtcp_reporter.port(),
            counters: self.counters.clone(),
        }
    }

    pub(super) fn encoder_setup(&self, codec: VideoCodec) -> VideoEncoderSetup {
        let config = &self.soil.config;
        VideoEncoderSetup {
            settings: recipes::video_encoder(config, codec, recipes::pictures(config)),
            key_interval: config.media.keyframe_min_interval(),
            output: self.video_sender.port(),
            bitrate: Keep::default(),
            care: CodecCare::new(self.soil.call.port(), config.media.codec_stall()),
            counters: self.counters.clone(),
        }
    }
}
