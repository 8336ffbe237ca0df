//! The whole picture path of one machine without a network: test picture → encoder → decoder → barcode.
//!
//! `cargo run --release -p roomrtc-media --example local_chain -- [h264|x264|vp8] [SECONDS]` prints what it costs and how
//! long a picture takes.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use roomrtc_media::OnTrouble;
use roomrtc_media::capture::{self, VideoFormat, VideoSource};
use roomrtc_media::clock::WallClock;
use roomrtc_media::frame::VideoFrame;
use roomrtc_media::synthetic::barcode;
use roomrtc_media::video_codec::{
    Codec, Decoder, Encoder, EncoderSettings, Origin, VideoDecoder, VideoEncoder,
};

const FORMAT: VideoFormat = VideoFormat {
    width: 1280,
    height: 720,
    fps: 30,
};
const BITRATE: u64 = 1_500_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "h264".into());
    let seconds: u64 = arguments.next().map_or(Ok(10), |s| s.parse())?;
    let codec = if name == "vp8" { Codec::Vp8 } else { Codec::H264 };
    let trouble: OnTrouble = Arc::new(|words| eprintln!("trouble: {words}"));

    let (tell, shown) = mpsc::channel();
    let on_picture = move |frame: VideoFrame, origin: Origin| drop(tell.send((frame, origin)));
    let mut decoder = VideoDecoder::new(Decoder::of(codec), 1, on_picture, trouble.clone())?;
    let (tell, encoded) = mpsc::channel();
    let started = Instant::now();
    let settings = EncoderSettings {
        encoder: Encoder::named(&name, codec),
        format: FORMAT,
        bitrate: BITRATE,
        threads: 1,
        key_distance: 3000,
    };
    let mut encoder = VideoEncoder::new(settings, move |frame| drop(tell.send(frame)), trouble.clone())?;
    println!("encoder started in {:?}", started.elapsed());

    std::thread::spawn(move || {
        for (index, frame) in encoded.into_iter().enumerate() {
            let origin = Origin {
                rtp_timestamp: index as u32,
                received_at: Instant::now(),
            };
            let _ = decoder.decode(frame.data, origin);
        }
    });
    let on_picture = Box::new(move |frame: VideoFrame| drop(encoder.encode(&frame)));
    let source = capture::open_video(&VideoSource::Test, FORMAT, on_picture, trouble)?;

    measure(&shown, Duration::from_secs(seconds));
    drop(source);
    Ok(())
}

/// Prints the figures of so long a stretch.
fn measure(shown: &mpsc::Receiver<(VideoFrame, Origin)>, length: Duration) {
    let clock = WallClock::here();
    let (began, cpu) = (Instant::now(), cpu_seconds());
    let (mut glass, mut decode, mut unread) = (Vec::new(), Vec::new(), 0);
    while began.elapsed() < length {
        let Ok((frame, origin)) = shown.recv() else { break };
        match barcode::read(&frame) {
            Some(painted) => glass.push(barcode::elapsed_ms(
                painted,
                barcode::time_ms(clock.wall(frame.at)),
            )),
            None => unread += 1,
        }
        decode.push((frame.at - origin.received_at).as_micros());
    }
    let (took, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    glass.sort_unstable();
    decode.sort_unstable();
    println!(
        "{:.1} fps, {:.1} % of a core, glass to glass p50 {} p95 {} ms, decode p50 {:.1} p95 {:.1} ms, {unread} unreadable",
        glass.len() as f64 / took,
        100.0 * cpu / took,
        quantile(&glass, 50),
        quantile(&glass, 95),
        quantile(&decode, 50) as f64 / 1000.0,
        quantile(&decode, 95) as f64 / 1000.0,
    );
}

fn quantile<T: Copy + Default>(sorted: &[T], percent: usize) -> T {
    sorted
        .get(sorted.len() * percent / 100)
        .copied()
        .unwrap_or_default()
}

/// CPU time of this process so far: user and system time of /proc/self/stat, in ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let times = after_name.split_whitespace().skip(11).take(2);
    times.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
}
