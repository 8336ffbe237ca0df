//! Video encoders and decoders: H.264 constrained baseline (RFC 6184 profile 42e01f) and VP8 (RFC 6386).
//!
//! Both run on a GStreamer thread of their own, without any queue but the one picture that waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gstreamer::prelude::*;

use crate::OnTrouble;
use crate::capture::VideoFormat;
use crate::frame::{EncodedFrame, VideoFrame};
use crate::pipeline::{self, Input, Pipeline, PipelineError};

/// What a bitstream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// H.264, access units in Annex B form.
    H264,
    /// VP8.
    Vp8,
}

/// Who encodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoder {
    /// Cisco's, the default: little CPU, exact bit rate.
    OpenH264,
    /// For machines without openh264.
    X264,
    /// libvpx.
    Vp8,
}

impl Encoder {
    /// The default encoder of a codec.
    pub fn of(codec: Codec) -> Self {
        match codec {
            Codec::H264 => Encoder::OpenH264,
            Codec::Vp8 => Encoder::Vp8,
        }
    }

    /// The encoder with a configured name (`openh264`, `x264`), if it speaks this codec; otherwise the default one that
    /// is installed.
    pub fn named(name: &str, codec: Codec) -> Self {
        match (name, codec) {
            ("x264", Codec::H264) => Encoder::X264,
            ("openh264", Codec::H264) => Encoder::OpenH264,
            (_, Codec::H264) if !pipeline::installed("openh264enc") => Encoder::X264,
            _ => Encoder::of(codec),
        }
    }
}

impl Encoder {
    /// Who can take over from this one, if somebody is installed.
    pub fn other(self) -> Option<Self> {
        match self {
            Encoder::OpenH264 => pipeline::installed("x264enc").then_some(Encoder::X264),
            Encoder::X264 => pipeline::installed("openh264enc").then_some(Encoder::OpenH264),
            Encoder::Vp8 => None,
        }
    }

    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Encoder::OpenH264 => "openh264",
            Encoder::X264 => "x264",
            Encoder::Vp8 => "libvpx",
        }
    }
}

/// Who decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decoder {
    /// FFmpeg's H.264.
    Avdec,
    /// Cisco's H.264.
    OpenH264,
    /// libvpx.
    Vp8,
    /// FFmpeg's VP8.
    AvdecVp8,
}

impl Decoder {
    /// The default decoder of a codec.
    pub fn of(codec: Codec) -> Self {
        match codec {
            Codec::H264 if !pipeline::installed("avdec_h264") => Decoder::OpenH264,
            Codec::H264 => Decoder::Avdec,
            Codec::Vp8 => Decoder::Vp8,
        }
    }

    /// Who can take over from this one, if somebody is installed.
    pub fn other(self) -> Option<Self> {
        let (other, element) = match self {
            Decoder::Avdec => (Decoder::OpenH264, "openh264dec"),
            Decoder::OpenH264 => (Decoder::Avdec, "avdec_h264"),
            Decoder::Vp8 => (Decoder::AvdecVp8, "avdec_vp8"),
            Decoder::AvdecVp8 => (Decoder::Vp8, "vp8dec"),
        };
        pipeline::installed(element).then_some(other)
    }

    /// Its usual name.
    pub fn name(self) -> &'static str {
        match self {
            Decoder::Avdec | Decoder::AvdecVp8 => "ffmpeg",
            Decoder::OpenH264 => "openh264",
            Decoder::Vp8 => "libvpx",
        }
    }

    /// What it takes, and the element.
    fn elements(self, threads: u32) -> (&'static str, String) {
        const H264: &str = "video/x-h264,stream-format=byte-stream,alignment=au";
        /// It wants to be told; the profile is the one that was negotiated.
        const BASELINE: &str = H264_CAPS;
        const VP8: &str = "video/x-vp8";
        match self {
            Decoder::Avdec => (H264, format!("avdec_h264 max-threads={threads}")),
            Decoder::OpenH264 => (BASELINE, "openh264dec".to_owned()),
            Decoder::Vp8 => (VP8, format!("vp8dec threads={threads}")),
            Decoder::AvdecVp8 => (VP8, format!("avdec_vp8 max-threads={threads}")),
        }
    }
}

impl EncoderSettings {
    /// The element: key frames only when asked for, no delay.
    fn element(&self) -> String {
        let EncoderSettings {
            bitrate,
            threads,
            key_distance,
            ..
        } = self;
        let kbits = bitrate / BITS_IN_KBIT;
        match self.encoder {
            Encoder::OpenH264 => format!(
                "openh264enc name=enc bitrate={bitrate} max-bitrate={bitrate} rate-control=bitrate complexity=low \
                 gop-size={key_distance} multi-thread={threads} ! {H264_CAPS}"
            ),
            Encoder::X264 => format!(
                "x264enc name=enc tune=zerolatency bitrate={kbits} vbv-buf-capacity=200 key-int-max={key_distance} \
                 byte-stream=true aud=false speed-preset=superfast threads={threads} ! {H264_CAPS}"
            ),
            Encoder::Vp8 => format!(
                "vp8enc name=enc deadline=1 cpu-used=12 threads={threads} end-usage=cbr target-bitrate={bitrate} \
                 keyframe-max-dist={key_distance} lag-in-frames=0 buffer-initial-size=300 buffer-optimal-size=400 \
                 buffer-size=600 max-intra-bitrate=300 ! video/x-vp8"
            ),
        }
    }
}

impl Encoder {
    fn apply_bitrate(self, encoder: &gstreamer::Element, bitrate: u64) {
        let bits = u32::try_from(bitrate).unwrap_or(u32::MAX);
        match self {
            Encoder::OpenH264 => {
                // The upper limit first when raising, last when lowering: otherwise lowering inserts a key frame.
                let raising = encoder.property::<u32>("bitrate") < bits;
                let order = if raising {
                    ["max-bitrate", "bitrate"]
                } else {
                    ["bitrate", "max-bitrate"]
                };
                order.iter().for_each(|name| encoder.set_property(name, bits));
            }
            Encoder::X264 => encoder.set_property("bitrate", bits / BITS_IN_KBIT as u32),
            Encoder::Vp8 => encoder.set_property("target-bitrate", i32::try_from(bits).unwrap_or(i32::MAX)),
        }
    }
}

const BITS_IN_KBIT: u64 = 1000;

const H264_CAPS: &str = "video/x-h264,profile=constrained-baseline,stream-format=byte-stream,alignment=au";

/// What to encode into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderSettings {
    /// Who encodes.
    pub encoder: Encoder,
    /// The pictures that will come; others are taken too, at the price of a key frame.
    pub format: VideoFormat,
    /// Bits a second.
    pub bitrate: u64,
    /// Threads it may use.
    pub threads: u32,
    /// Pictures after which a key frame comes unasked.
    pub key_distance: u32,
}

/// Why a codec does not work.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Its pipeline does not run.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
}

/// Encodes pictures as they come.
pub struct VideoEncoder {
    pipeline: Pipeline,
    input: Input,
    settings: EncoderSettings,
    size: (u32, u32),
    epoch: Instant,
    wanted_bitrate: Arc<AtomicU64>,
}

impl VideoEncoder {
    /// Starts an encoder (8 to 28 ms, VP8's first 69). `on_frame` is called on its thread for each picture.
    pub fn new(
        settings: EncoderSettings,
        mut on_frame: impl FnMut(EncodedFrame) + Send + 'static,
        on_trouble: OnTrouble,
    ) -> Result<Self, CodecError> {
        let description = format!(
            "appsrc name=src is-live=true format=time max-buffers=2 max-bytes=0 leaky-type=downstream \
             ! {} ! appsink name=sink sync=false",
            settings.element()
        );
        let pipeline = Pipeline::launch(&description, pipeline::once(move |words| on_trouble(words)))?;
        let epoch = Instant::now();
        pipeline.on_sample("sink", move |sample| {
            if let (Some(time), Some(data)) = (pipeline::running_time(&sample), pipeline::bytes(&sample)) {
                on_frame(EncodedFrame {
                    data,
                    key: pipeline::is_key(&sample),
                    captured_at: epoch + time,
                });
            }
        })?;
        let wanted_bitrate = Arc::new(AtomicU64::new(settings.bitrate));
        let wanted = wanted_bitrate.clone();
        let applied = AtomicU64::new(settings.bitrate);
        pipeline.before_each("enc", move |encoder| {
            let wanted = wanted.load(Ordering::Relaxed);
            if applied.swap(wanted, Ordering::Relaxed) != wanted {
                settings.encoder.apply_bitrate(encoder, wanted);
            }
        })?;
        let size = (settings.format.width, settings.format.height);
        let input = pipeline.input("src")?;
        input.set_caps(&raw_caps(size, settings.format.fps))?;
        pipeline.play()?;
        Ok(VideoEncoder {
            pipeline,
            input,
            settings,
            size,
            epoch,
            wanted_bitrate,
        })
    }

    /// Encodes a picture; the oldest waiting one makes room if the encoder is behind. Another size than before gives
    /// a key frame.
    pub fn encode(&mut self, frame: &VideoFrame) -> Result<(), CodecError> {
        let size = (frame.width, frame.height);
        if size != self.size {
            self.input.set_caps(&raw_caps(size, self.settings.format.fps))?;
            self.size = size;
        }
        let pts = frame.at.saturating_duration_since(self.epoch);
        self.input.push_picture(frame, pts)?;
        Ok(())
    }

    /// Makes the next picture a key frame.
    pub fn force_key(&self) -> Result<(), CodecError> {
        Ok(self.pipeline.force_key("enc")?)
    }

    /// Bits a second from the next picture on.
    pub fn set_bitrate(&self, bitrate: u64) {
        self.wanted_bitrate.store(bitrate, Ordering::Relaxed);
    }
}

fn raw_caps((width, height): (u32, u32), fps: u32) -> String {
    format!(
        "video/x-raw,format=I420,width={width},height={height},framerate={fps}/1,interlace-mode=progressive,\
         pixel-aspect-ratio=1/1,colorimetry=bt601"
    )
}

/// What a decoded picture came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The RTP timestamp of its packets.
    pub rtp_timestamp: u32,
    /// When the first of them arrived.
    pub received_at: Instant,
}

/// Decodes pictures as they come.
pub struct VideoDecoder {
    // Declared before `_pipeline`: nothing is pushed any more when it stops.
    input: Input,
    epoch: Instant,
    in_flight: Arc<Mutex<InFlight>>,
    _pipeline: Pipeline,
}

/// The times given to pictures inside the decoder, and where they came from.
type InFlight = VecDeque<(Duration, Origin)>;

/// More pictures than this are never inside a decoder that puts out one for each.
const MAX_IN_FLIGHT: usize = 32;

impl VideoDecoder {
    /// Starts a decoder. `on_picture` is called on its thread for each picture.
    pub fn new(
        decoder: Decoder,
        threads: u32,
        mut on_picture: impl FnMut(VideoFrame, Origin) + Send + 'static,
        on_trouble: OnTrouble,
    ) -> Result<Self, CodecError> {
        let (caps, element) = decoder.elements(threads);
        let description = format!(
            "appsrc name=src is-live=true format=time max-bytes=0 max-buffers={MAX_IN_FLIGHT} ! {element} \
             ! video/x-raw,format=I420 ! appsink name=sink sync=false"
        );
        let pipeline = Pipeline::launch(&description, pipeline::once(move |words| on_trouble(words)))?;
        let in_flight = Arc::new(Mutex::new(InFlight::new()));
        let inside = in_flight.clone();
        pipeline.on_sample("sink", move |sample| {
            let Some(frame) = pipeline::picture(&sample, Instant::now()) else {
                return;
            };
            let origin = pipeline::running_time(&sample).and_then(|time| origin_of(&inside, time));
            if let Some(origin) = origin {
                on_picture(frame, origin);
            }
        })?;
        let input = pipeline.input("src")?;
        input.set_caps(caps)?;
        pipeline.play()?;
        Ok(VideoDecoder {
            input,
            epoch: Instant::now(),
            in_flight,
            _pipeline: pipeline,
        })
    }

    /// Decodes one frame.
    pub fn decode(&mut self, data: Bytes, origin: Origin) -> Result<(), CodecError> {
        let pts = origin.received_at.saturating_duration_since(self.epoch);
        let pts = self.input.next_pts(pts);
        {
            let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
            if in_flight.len() >= MAX_IN_FLIGHT {
                in_flight.pop_front();
            }
            in_flight.push_back((pts, origin));
        }
        self.input.push_bytes(data, pts)?;
        Ok(())
    }
}

/// Where the picture with this time came from; earlier ones will not come out any more.
fn origin_of(in_flight: &Mutex<InFlight>, time: Duration) -> Option<Origin> {
    let mut in_flight = in_flight.lock().unwrap_or_else(PoisonError::into_inner);
    while let Some((pts, origin)) = in_flight.pop_front() {
        if pts == time {
            return Some(origin);
        }
        if pts > time {
            in_flight.push_front((pts, origin));
            break;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::barcode;
    use crate::synthetic::picture::Painter;
    use std::sync::mpsc::{Receiver, channel};

    const FORMAT: VideoFormat = VideoFormat {
        width: 1280,
        height: 720,
        fps: 30,
    };
    const BITRATE: u64 = 1_500_000;
    const FRAME_MS: u64 = 33;

    /// A call's picture path on one bench: painter, encoder, decoder.
    struct Bench {
        painter: Painter,
        start: Instant,
        painted: u64,
        encoder: VideoEncoder,
        encoded: Receiver<EncodedFrame>,
        decoder: VideoDecoder,
        decoded: Receiver<(VideoFrame, Origin)>,
    }

    fn bench(encoder: Encoder, decoder: Decoder) -> Bench {
        let settings = EncoderSettings {
            encoder,
            format: FORMAT,
            bitrate: BITRATE,
            threads: 1,
            key_distance: 3000,
        };
        let trouble: OnTrouble = Arc::new(|words| panic!("{words}"));
        let (tell, encoded) = channel();
        let encoder = VideoEncoder::new(settings, move |frame| drop(tell.send(frame)), trouble.clone())
            .expect("the encoder starts");
        let (tell, decoded) = channel();
        let decoder = VideoDecoder::new(
            decoder,
            1,
            move |frame, origin| drop(tell.send((frame, origin))),
            trouble,
        )
        .expect("the decoder starts");
        Bench {
            painter: Painter::new(FORMAT.width, FORMAT.height),
            start: Instant::now(),
            painted: 0,
            encoder,
            encoded,
            decoder,
            decoded,
        }
    }

    impl Bench {
        fn paint(&mut self) -> VideoFrame {
            self.painted += 1;
            let time = Duration::from_millis(self.painted * FRAME_MS);
            self.painter.paint(time, false, self.start + time)
        }

        fn encode(&mut self, frame: &VideoFrame) -> EncodedFrame {
            self.encoder.encode(frame).expect("the encoder runs");
            self.encoded.recv().expect("a frame for each picture")
        }

        fn decode(&mut self, frame: EncodedFrame) -> (VideoFrame, Origin) {
            let origin = Origin {
                rtp_timestamp: self.painted as u32 * 3000,
                received_at: frame.captured_at,
            };
            self.decoder.decode(frame.data, origin).expect("the decoder runs");
            self.decoded.recv().expect("a picture for each frame")
        }

        /// The bytes and the number of key frames of the next so many pictures.
        fn encode_many(&mut self, count: usize) -> (usize, usize) {
            let frames: Vec<_> = (0..count)
                .map(|_| {
                    let frame = self.paint();
                    self.encode(&frame)
                })
                .collect();
            let bytes = frames.iter().map(|f| f.data.len()).sum();
            (bytes, frames.iter().filter(|f| f.key).count())
        }
    }

    /// Peak signal to noise of luma in dB.
    fn psnr(one: &VideoFrame, other: &VideoFrame) -> f64 {
        let [a, _, _] = one.planes();
        let [b, _, _] = other.planes();
        let mut error = 0u64;
        for row in 0..one.height as usize {
            let columns = one.width as usize;
            let (a, b) = (
                &a.data[row * a.stride..][..columns],
                &b.data[row * b.stride..][..columns],
            );
            error += a
                .iter()
                .zip(b)
                .map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2))
                .sum::<u64>();
        }
        let mean = error as f64 / f64::from(one.width * one.height);
        10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
    }

    fn round_trip(encoder: Encoder, decoder: Decoder) {
        let mut bench = bench(encoder, decoder);
        let mut quality = 0.0;
        for index in 0..60 {
            let painted = bench.paint();
            let encoded = bench.encode(&painted);
            assert_eq!(
                encoded.key,
                index == 0,
                "a key frame first, and no other: {index}"
            );
            assert_eq!(encoded.captured_at, painted.at);
            let (shown, origin) = bench.decode(encoded);
            assert_eq!(origin.rtp_timestamp, bench.painted as u32 * 3000);
            assert_eq!(barcode::read(&shown), barcode::read(&painted));
            quality = psnr(&painted, &shown);
        }
        assert!(quality > 32.0, "{quality:.1} dB");
    }

    #[test]
    fn the_test_picture_survives_h264_at_a_webcams_bit_rate() {
        round_trip(Encoder::OpenH264, Decoder::Avdec);
    }

    #[test]
    fn the_test_picture_survives_x264_at_a_webcams_bit_rate() {
        round_trip(Encoder::X264, Decoder::Avdec);
    }

    #[test]
    fn the_test_picture_survives_vp8_at_a_webcams_bit_rate() {
        round_trip(Encoder::Vp8, Decoder::Vp8);
    }

    #[test]
    fn who_takes_over_from_a_decoder_decodes_the_same() {
        round_trip(Encoder::OpenH264, Decoder::OpenH264);
        round_trip(Encoder::Vp8, Decoder::AvdecVp8);
    }

    fn key_frames(encoder: Encoder, decoder: Decoder) {
        let mut bench = bench(encoder, decoder);
        assert_eq!(bench.encode_many(10).1, 1);
        bench.encoder.force_key().expect("the encoder runs");
        let frame = bench.paint();
        assert!(bench.encode(&frame).key, "the very next frame");
        assert_eq!(bench.encode_many(10).1, 0, "and only that");
    }

    #[test]
    fn a_key_frame_comes_when_asked_for_and_only_then() {
        key_frames(Encoder::OpenH264, Decoder::Avdec);
        key_frames(Encoder::Vp8, Decoder::Vp8);
    }

    fn bit_rates(encoder: Encoder, decoder: Decoder) {
        /// Encoders settle within this many frames.
        const SETTLE: usize = 20;
        let mut bench = bench(encoder, decoder);
        bench.encode_many(SETTLE);
        bench.encoder.set_bitrate(400_000);
        bench.encode_many(SETTLE);
        let (low, low_keys) = bench.encode_many(30);
        bench.encoder.set_bitrate(2_500_000);
        bench.encode_many(SETTLE);
        let (high, high_keys) = bench.encode_many(30);
        assert!(low < 400_000 / 8 * 3 / 2, "{low} bytes in a second of 400 kbit/s");
        assert!(high > low * 5 / 4, "{low} then {high} bytes");
        assert_eq!((low_keys, high_keys), (0, 0));
    }

    #[test]
    fn the_bit_rate_follows_without_a_key_frame() {
        bit_rates(Encoder::OpenH264, Decoder::Avdec);
        bit_rates(Encoder::Vp8, Decoder::Vp8);
    }

    #[test]
    fn a_new_picture_size_starts_with_a_key_frame_and_the_decoder_follows() {
        let mut bench = bench(Encoder::OpenH264, Decoder::Avdec);
        bench.encode_many(3);
        let start = bench.start;
        let small =
            Painter::new(640, 360).paint(Duration::from_secs(5), false, start + Duration::from_secs(5));
        let encoded = bench.encode(&small);
        assert!(encoded.key);
        let (shown, _) = bench.decode(encoded);
        assert_eq!((shown.width, shown.height), (640, 360));
        assert_eq!(barcode::read(&shown), Some(5000));
    }

    #[test]
    fn garbage_between_good_frames_does_not_stop_the_decoder() {
        let mut bench = bench(Encoder::OpenH264, Decoder::Avdec);
        let first = bench.paint();
        let first = bench.encode(&first);
        bench.decode(first);
        let origin = Origin {
            rtp_timestamp: 1,
            received_at: Instant::now(),
        };
        let garbage: Vec<u8> = (0..500u32).map(|i| (i * 7919 % 251) as u8).collect();
        bench.decoder.decode(garbage.into(), origin).expect("it is taken");
        bench.encoder.force_key().expect("the encoder runs");
        let good = bench.paint();
        let encoded = bench.encode(&good);
        let (shown, _) = bench.decode(encoded);
        assert!(barcode::read(&shown).is_some());
    }
}
