//! What each component of a call is made from: the configuration, our description, what was negotiated.
//!
//! Plain functions from settings to settings; [`tree`](super::tree) adds the addresses.

use std::time::Duration;

use roomrtc_kit::config::{Config, H264Encoder, Play, SrtpProfile};
use roomrtc_media::audio_codec::OpusSettings;
use roomrtc_media::capture::{AudioFormat, VideoFormat};
use roomrtc_media::device::DeviceBuffer;
use roomrtc_media::echo::CleaningSettings;
use roomrtc_media::playout::AudioOutput;
use roomrtc_media::video_codec::{Codec, Encoder, EncoderSettings};
use roomrtc_protocol::audio::jitter_buffer::AudioBufferSettings;
use roomrtc_protocol::congestion::estimator::EstimatorSettings;
use roomrtc_protocol::dtls_record::guard;
use roomrtc_protocol::rtcp::reporter::KeyFramesBy;
use roomrtc_protocol::rtp::payload::PayloadFormat;
use roomrtc_protocol::rtp::receiver::{Medium, ReceiverSettings};
use roomrtc_protocol::rtp::routing::Route;
use roomrtc_protocol::rtp::sender::{Rtx, SenderSettings};
use roomrtc_protocol::sdp::{LocalMedia, Negotiated, NegotiatedAudio, NegotiatedVideo, Source};
use roomrtc_protocol::srtp::Profile;
use roomrtc_protocol::time::WallClock;
use roomrtc_protocol::{MediaKind, VideoCodec, file_transfer, sctp, srtp};

use crate::dtls_session::DtlsSettings;
use crate::file_transfer::FileSettings;
use crate::rtp_receiver::buffer_limits;
use crate::rtp_sender;
use crate::ui_bridge::AudioChoice;

pub(super) fn dtls(config: &Config) -> DtlsSettings {
    DtlsSettings {
        handshake_timeout: config.network.dtls_handshake_timeout(),
        flight_interval: config.network.dtls_flight_interval(),
        max_datagram: config.network.max_datagram_bytes,
        srtp_profiles: config
            .network
            .srtp_profiles
            .iter()
            .map(|profile| match profile {
                SrtpProfile::AeadAes128Gcm => Profile::AeadAes128Gcm,
                SrtpProfile::Aes128CmSha1_80 => Profile::Aes128CmHmacSha1_80,
            })
            .collect(),
        guard: guard::Limits {
            held_records: config.network.dtls_max_pending_records,
            fragments: config.network.dtls_max_fragments,
        },
        srtp: srtp::Limits {
            replay_window: config.network.srtp_replay_window,
            rtcp_replay_window: config.network.srtcp_replay_window,
            unsignaled_sources: config.network.srtp_max_sources,
        },
    }
}

pub(super) fn sctp(config: &Config) -> sctp::Settings {
    sctp::Settings {
        port: config.data_channels.sctp_port,
        max_datagram: config.network.max_datagram_bytes,
        max_message: config.data_channels.max_message_bytes as usize,
        receive_window: config.data_channels.receive_window_bytes,
        flight: config.data_channels.buffered_high_bytes,
        ..sctp::Settings::default()
    }
}

pub(super) fn files(config: &Config) -> FileSettings {
    FileSettings {
        transfer: file_transfer::Settings {
            chunk: config.data_channels.chunk_bytes,
            buffered_high: config.data_channels.buffered_high_bytes,
            disk_queue: config.data_channels.disk_queue_chunks,
            max_file: config.data_channels.max_file_bytes,
            offer_timeout: config.data_channels.offer_timeout(),
            stall_timeout: config.data_channels.stall_timeout(),
        },
        max_concurrent: config.data_channels.max_concurrent_files,
        progress_interval: config.data_channels.progress_interval(),
    }
}

pub(super) fn pictures(config: &Config) -> VideoFormat {
    VideoFormat {
        width: config.media.width,
        height: config.media.height,
        fps: config.media.fps,
    }
}

pub(super) fn screen(config: &Config) -> VideoFormat {
    VideoFormat {
        width: config.media.screen_width,
        height: config.media.screen_height,
        fps: config.media.screen_fps,
    }
}

pub(super) fn sound(config: &Config) -> AudioFormat {
    AudioFormat {
        channels: config.media.audio_channels,
        block_ms: config.media.frame_ms,
        buffer: DeviceBuffer {
            length: config.media.microphone_buffer(),
            period: config.media.microphone_period(),
        },
    }
}

/// What is taken out of the microphone's sound.
pub(super) fn cleaning(config: &Config) -> CleaningSettings {
    CleaningSettings {
        echo: config.media.echo_cancellation,
        noise: config.media.noise_suppression,
        channels: config.media.audio_channels,
    }
}

pub(super) fn video_encoder(config: &Config, codec: VideoCodec, format: VideoFormat) -> EncoderSettings {
    EncoderSettings {
        encoder: Encoder::named(encoder_name(config.media.h264_encoder), video_codec(codec)),
        format,
        bitrate: config.media.start_bitrate_kbps * 1000,
        threads: config.media.encoder_threads,
        key_distance: config.media.keyframe_max_pictures,
    }
}

fn encoder_name(encoder: H264Encoder) -> &'static str {
    match encoder {
        H264Encoder::Auto => "auto",
        H264Encoder::OpenH264 => "openh264",
        H264Encoder::X264 => "x264",
    }
}

pub(super) fn video_codec(codec: VideoCodec) -> Codec {
    match codec {
        VideoCodec::H264 => Codec::H264,
        VideoCodec::Vp8 => Codec::Vp8,
    }
}

pub(super) fn payload_format(codec: VideoCodec) -> PayloadFormat {
    match codec {
        VideoCodec::H264 => PayloadFormat::H264,
        VideoCodec::Vp8 => PayloadFormat::Vp8,
    }
}

pub(super) fn opus(config: &Config, negotiated: &NegotiatedAudio) -> OpusSettings {
    OpusSettings {
        channels: config.media.audio_channels,
        bitrate: config.media.audio_bitrate_kbps * 1000,
        fec: config.media.fec && negotiated.fec,
        dtx: config.media.dtx,
        expected_loss_percent: config.media.expected_loss_percent,
        complexity: config.media.audio_complexity,
    }
}

/// Received sound is played where somebody listens: beside a microphone, or as configured.
pub(super) fn output(config: &Config, audio: &AudioChoice) -> AudioOutput {
    let speaker = config.media.speaker.clone();
    let speaker = AudioOutput::Speaker((!speaker.is_empty()).then_some(speaker));
    match (config.media.play, audio) {
        (Play::Always, _) | (Play::Auto, AudioChoice::Microphone(_)) => speaker,
        (Play::Never, _) | (Play::Auto, _) => AudioOutput::Nowhere,
    }
}

pub(super) fn speaker(config: &Config) -> DeviceBuffer {
    DeviceBuffer {
        length: config.media.speaker_buffer(),
        period: config.media.speaker_period(),
    }
}

pub(super) fn jitter_buffer(config: &Config) -> AudioBufferSettings {
    AudioBufferSettings {
        min_delay: config.rtp.audio_min_delay(),
        max_delay: config.rtp.audio_max_delay(),
        packets: config.rtp.audio_max_packets,
        ..AudioBufferSettings::default()
    }
}

pub(super) fn audio_sender(
    config: &Config,
    ours: LocalMedia,
    negotiated: &NegotiatedAudio,
    wall: WallClock,
) -> SenderSettings {
    let stream = rtp_sender::Stream {
        format: PayloadFormat::Opus,
        payload_type: negotiated.payload_type,
        ssrc: ours.ssrc,
        rtx: None,
        extensions: negotiated.send_extensions,
    };
    rtp_sender::settings(&config.rtp, stream, wall)
}

pub(super) fn video_sender(
    config: &Config,
    ours: LocalMedia,
    negotiated: &NegotiatedVideo,
    wall: WallClock,
) -> SenderSettings {
    let rtx = negotiated
        .rtx_payload_type
        .zip(ours.rtx_ssrc)
        .map(|(payload_type, ssrc)| Rtx { payload_type, ssrc });
    let stream = rtp_sender::Stream {
        format: payload_format(negotiated.codec),
        payload_type: negotiated.payload_type,
        ssrc: ours.ssrc,
        rtx,
        extensions: negotiated.send_extensions,
    };
    rtp_sender::settings(&config.rtp, stream, wall)
}

pub(super) fn audio_receiver(config: &Config, negotiated: &NegotiatedAudio) -> ReceiverSettings {
    ReceiverSettings {
        medium: Medium::Audio {
            payload_type: negotiated.receive_payload_type,
        },
        ssrc: ssrc(&negotiated.sources),
        extensions: negotiated.receive_extensions,
        round_trip: config.rtcp.initial_rtt(),
    }
}

pub(super) fn video_receiver(config: &Config, negotiated: &NegotiatedVideo) -> ReceiverSettings {
    ReceiverSettings {
        medium: Medium::Video {
            formats: negotiated.receive.clone(),
            rtx_ssrc: negotiated.sources.first().and_then(|source| source.rtx_ssrc),
            limits: buffer_limits(&config.rtp, &config.rtcp, negotiated.nack),
        },
        ssrc: ssrc(&negotiated.sources),
        extensions: negotiated.receive_extensions,
        round_trip: config.rtcp.initial_rtt(),
    }
}

/// The peer's stream, if it announced one.
pub(super) fn ssrc(sources: &[Source]) -> Option<u32> {
    sources.first().map(|source| source.ssrc)
}

/// The peer's only way, where it has one.
pub(super) fn key_frames_by(negotiated: &NegotiatedVideo) -> KeyFramesBy {
    match (negotiated.pli, negotiated.fir) {
        (false, true) => KeyFramesBy::IntraRequest,
        (true, _) | (false, false) => KeyFramesBy::PictureLoss,
    }
}

pub(super) fn estimator(config: &Config) -> EstimatorSettings {
    EstimatorSettings {
        start: config.media.start_bitrate_kbps * 1000,
        min: config.media.min_bitrate_kbps * 1000,
        max: config.media.max_bitrate_kbps * 1000,
        little_loss: config.rtcp.loss_low_percent / 100.0,
        heavy_loss: config.rtcp.loss_high_percent / 100.0,
        growth: config.rtcp.increase_percent / 100.0,
    }
}

/// How often the peer is told which of its packets came, if it wants to know of any.
pub(super) fn feedback_interval(
    config: &Config,
    audio: Option<&NegotiatedAudio>,
    video: Option<&NegotiatedVideo>,
) -> Option<Duration> {
    let audio = audio.map(|audio| audio.receive_extensions);
    let video = video.map(|video| video.receive_extensions);
    let mut streams = [audio, video].into_iter().flatten();
    streams
        .any(|extensions| extensions.ids.transport_sequence.is_some())
        .then(|| config.rtcp.transport_feedback_interval())
}

/// Whether RTCP may go without a report in front: all media share one transport, so all have to agree.
pub(super) fn reduced_size(audio: Option<&NegotiatedAudio>, video: Option<&NegotiatedVideo>) -> bool {
    audio.is_none_or(|audio| audio.reduced_size) && video.is_none_or(|video| video.reduced_size)
}

/// Which packets are whose, retransmissions included.
pub(super) fn routes(settled: &Negotiated) -> Vec<Route> {
    let audio = settled.audio.as_ref().map(|audio| Route {
        kind: MediaKind::Audio,
        payload_types: vec![audio.receive_payload_type],
        streams: streams(&audio.sources),
        extensions: audio.receive_extensions,
    });
    let pictures = |kind, pictures: &NegotiatedVideo| Route {
        kind,
        payload_types: payload_types(pictures),
        streams: streams(&pictures.sources),
        extensions: pictures.receive_extensions,
    };
    let video = settled
        .video
        .as_ref()
        .map(|video| pictures(MediaKind::Video, video));
    let screen = settled
        .screen
        .as_ref()
        .map(|screen| pictures(MediaKind::Screen, screen));
    [audio, video, screen].into_iter().flatten().collect()
}

fn payload_types(pictures: &NegotiatedVideo) -> Vec<u8> {
    let formats = pictures.receive.iter();
    formats
        .flat_map(|format| [Some(format.payload_type), format.rtx_payload_type])
        .flatten()
        .collect()
}

/// Every stream the peer announced; others are refused. None where it has left one unannounced, as browsers do with pictures
/// they have offered in layers (RFC 8853): then the first few that are authentic are taken.
pub(super) fn announced(settled: &Negotiated) -> Vec<u32> {
    let routes = routes(settled);
    if routes.iter().any(|route| route.streams.is_empty()) {
        return Vec::new();
    }
    routes.into_iter().flat_map(|route| route.streams).collect()
}

fn streams(sources: &[Source]) -> Vec<u32> {
    let all = sources
        .iter()
        .flat_map(|source| [Some(source.ssrc), source.rtx_ssrc]);
    all.flatten().collect()
}
