//! Devices, codecs and playing.

use super::section::{any, choice, length, one_of, range, section};

choice! {
    /// A video codec.
    VideoCodec {
        /// H.264, constrained baseline (RFC 6184).
        H264 = "h264",
        /// VP8 (RFC 7741).
        Vp8 = "vp8",
    }
}

choice! {
    /// Where pictures come from.
    VideoSource {
        /// A camera, or the test picture where there is none.
        Camera = "camera",
        /// The test picture.
        Test = "test",
        /// Nowhere.
        None = "none",
    }
}

choice! {
    /// Where sound comes from.
    AudioSource {
        /// A microphone, or the test tone where there is none.
        Microphone = "mic",
        /// The test tone.
        Test = "test",
        /// Nowhere.
        None = "none",
    }
}

choice! {
    /// The GStreamer element that encodes H.264.
    H264Encoder {
        /// openh264enc, else x264enc.
        Auto = "auto",
        /// openh264enc.
        OpenH264 = "openh264",
        /// x264enc.
        X264 = "x264",
    }
}

choice! {
    /// When received sound goes to the speakers.
    Play {
        /// When the own sound comes from a microphone.
        Auto = "auto",
        /// In every call.
        Always = "always",
        /// In no call; sound is decoded and measured all the same.
        Never = "never",
    }
}

section! {
    /// Cameras, microphones, speakers and codecs.
    Media, "media" {
        /// Where pictures come from, unless the command line says so.
        video: VideoSource = VideoSource::Camera, any();

        /// Where sound comes from, unless the command line says so.
        audio: AudioSource = AudioSource::Microphone, any();

        /// The camera, by the name or identifier the settings screen shows; empty means the system's first.
        camera: String = String::new(), length(0..=512);

        /// The microphone, likewise; empty means the system's default.
        microphone: String = String::new(), length(0..=512);

        /// The speakers, likewise; empty means the system's default.
        speaker: String = String::new(), length(0..=512);

        /// Width of the picture sent, in pixels.
        width: u32 = 1280, range(160..=3840);

        /// Height of the picture sent, in pixels.
        height: u32 = 720, range(120..=2160);

        /// Pictures a second.
        fps: u32 = 30, range(1..=60);

        /// Width of the picture of a shared screen, in pixels.
        screen_width: u32 = 1920, range(160..=3840);

        /// Height of the picture of a shared screen, in pixels.
        screen_height: u32 = 1080, range(120..=2160);

        /// Pictures of a shared screen a second.
        screen_fps: u32 = 10, range(1..=60);

        /// The video codec offered first.
        video_codec: VideoCodec = VideoCodec::H264, any();

        /// What encodes H.264.
        h264_encoder: H264Encoder = H264Encoder::Auto, any();

        /// Threads of the video encoder.
        encoder_threads: u32 = 1, range(1..=16);

        /// Threads of the video decoder.
        decoder_threads: u32 = 1, range(1..=16);

        /// Video bit rate a call starts with.
        start_bitrate_kbps: u64 = 1500, range(50..=50_000);

        /// Video bit rate that is kept even on a bad path.
        min_bitrate_kbps: u64 = 150, range(50..=50_000);

        /// Video bit rate that is never passed.
        max_bitrate_kbps: u64 = 2500, range(50..=50_000);

        /// Least time between two key frames made at the peer's request.
        keyframe_min_interval_ms: u64 = 250, range(0..=10_000), from_millis(keyframe_min_interval);

        /// Pictures after which a key frame is made unasked.
        keyframe_max_pictures: u32 = 3000, range(1..=100_000);

        /// Time a video codec may take pictures without giving any before it counts as failed.
        codec_stall_ms: u64 = 2000, range(200..=60_000), from_millis(codec_stall);

        /// Time without a picture after which a camera counts as lost.
        camera_timeout_ms: u64 = 2000, range(200..=60_000), from_millis(camera_timeout);

        /// Pause before a lost camera or microphone is tried again.
        device_retry_ms: u64 = 2000, range(100..=60_000), from_millis(device_retry);

        /// Opus bit rate (RFC 7587 §3.1.1).
        audio_bitrate_kbps: u32 = 48, range(6..=510);

        /// Channels sent: 1 mono, 2 stereo.
        audio_channels: u8 = 1, one_of([1, 2]);

        /// Sound in one packet, in ms (RFC 7587 §4.2).
        frame_ms: u32 = 20, one_of([10, 20, 40, 60]);

        /// Put a coarse copy of each frame into the next packet (Opus in-band FEC, RFC 6716 §2.1.7).
        fec: bool = true, any();

        /// Send next to nothing while it is silent (Opus DTX, RFC 6716 §2.1.9).
        dtx: bool = false, any();

        /// Loss the Opus encoder reckons with before the first report, in percent.
        expected_loss_percent: u8 = 5, range(0..=100);

        /// Effort of the Opus encoder: 0 least CPU, 10 best sound.
        audio_complexity: u8 = 5, range(0..=10);

        /// Take what the speakers play out of the microphone's sound, so that the other side does not hear itself.
        echo_cancellation: bool = true, any();

        /// Take steady noise out of the microphone's sound.
        noise_suppression: bool = true, any();

        /// When received sound goes to the speakers.
        play: Play = Play::Auto, any();

        /// Sound the microphone's driver may hold back.
        microphone_buffer_ms: u64 = 40, range(10..=500), from_millis(microphone_buffer);

        /// Sound the microphone hands over at a time.
        microphone_period_ms: u64 = 10, range(5..=100), from_millis(microphone_period);

        /// Sound the speakers' driver may hold.
        speaker_buffer_ms: u64 = 40, range(10..=500), from_millis(speaker_buffer);

        /// Sound the speakers take at a time.
        speaker_period_ms: u64 = 10, range(5..=100), from_millis(speaker_period);

        /// Sound may be this much later than the picture before the picture waits.
        lip_sync_tolerance_ms: u64 = 30, range(0..=500), from_millis(lip_sync_tolerance);

        /// Longest time a picture waits for its sound.
        lip_sync_max_delay_ms: u64 = 250, range(0..=2000), from_millis(lip_sync_max_delay);

        /// A picture that stands still this much longer than three picture times is a freeze in the figures.
        freeze_threshold_ms: u64 = 150, range(0..=5000), from_millis(freeze_threshold);
    }
}
