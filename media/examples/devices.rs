//! Lists the devices of this machine and tries them: `cargo run --release -p roomrtc-media --example devices -- [SECONDS]`.
//!
//! Takes pictures from the first camera, and plays the test tone on the default speaker while listening to the default
//! microphone; prints what came.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use roomrtc_media::capture::{self, AudioFormat, AudioSource, VideoFormat, VideoSource};
use roomrtc_media::device::{self, DeviceBuffer};
use roomrtc_media::measure::{ToneMeter, loudest_tone};
use roomrtc_media::playout::{self, AudioOutput, CHANNELS};
use roomrtc_media::synthetic::tone::Tone;
use roomrtc_media::{OnTrouble, Running};

const BLOCK_MS: u32 = 20;
const BLOCK: usize = 960;

/// Devices are closed on threads of their own; one that is cut off may be stuck for the next who opens it.
const CLOSING: Duration = Duration::from_millis(500);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds: u64 = std::env::args().nth(1).map_or(Ok(3), |s| s.parse())?;
    let asked = Instant::now();
    let devices = device::list()?;
    println!("{} devices in {:?}", devices.len(), asked.elapsed());
    for device in devices {
        println!("  {:?} {} ({})", device.kind, device.name, device.id);
    }
    let _watch = device::watch(|| println!("a device was plugged in or out"))?;
    let trouble: OnTrouble = Arc::new(|words| println!("trouble: {words}"));
    let pictures = Arc::new(AtomicU64::new(0));
    let camera = camera(pictures.clone(), trouble.clone());
    let sound = Arc::new(Mutex::new((ToneMeter::new(), Vec::new())));
    let microphone = microphone(sound.clone(), trouble.clone());

    let (due, hear_due) = mpsc::channel();
    let on_due = Box::new(move || due.send(()).unwrap_or_default());
    let opened = playout::open(
        &AudioOutput::Speaker(None),
        BLOCK_MS,
        DeviceBuffer::default(),
        on_due,
        trouble,
    );
    let tone = Tone::new();
    let (began, mut played) = (Instant::now(), 0);
    let (mut last, mut longest) = (began, Duration::ZERO);
    match opened {
        Ok(mut speaker) => {
            while began.elapsed() < Duration::from_secs(seconds) {
                hear_due.recv_timeout(Duration::from_secs(5))?;
                longest = longest.max(last.elapsed());
                last = Instant::now();
                speaker.play(&tone.block(played * BLOCK, BLOCK, CHANNELS))?;
                played += 1;
            }
        }
        Err(error) => {
            println!("no speaker: {error}");
            std::thread::sleep(Duration::from_secs(seconds));
        }
    }
    println!(
        "speaker: {played} blocks of {BLOCK_MS} ms in {:?}, longest pause {longest:?}",
        began.elapsed()
    );
    println!("camera: {} pictures", pictures.load(Ordering::Relaxed));
    let mut sound = sound.lock().unwrap_or_else(PoisonError::into_inner);
    let (meter, samples) = &mut *sound;
    let last = &samples[samples.len().saturating_sub(2400)..];
    println!(
        "microphone: {} samples, {:.1} dBFS, tone {:?}",
        samples.len(),
        meter.take_level(),
        loudest_tone(last)
    );
    drop((camera, microphone));
    std::thread::sleep(CLOSING);
    Ok(())
}

fn camera(count: Arc<AtomicU64>, trouble: OnTrouble) -> Option<Box<dyn Running>> {
    let format = VideoFormat {
        width: 1280,
        height: 720,
        fps: 30,
    };
    let on_picture = Box::new(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    capture::open_video(&VideoSource::Camera(None), format, on_picture, trouble)
        .inspect_err(|error| println!("no camera: {error}"))
        .ok()
}

fn microphone(sound: Arc<Mutex<(ToneMeter, Vec<i16>)>>, trouble: OnTrouble) -> Option<Box<dyn Running>> {
    let format = AudioFormat {
        channels: 1,
        block_ms: BLOCK_MS,
        buffer: DeviceBuffer::default(),
    };
    let on_sound = Box::new(move |frame: roomrtc_media::frame::AudioFrame| {
        let mut sound = sound.lock().unwrap_or_else(PoisonError::into_inner);
        sound.0.listen(&frame);
        sound.1.extend_from_slice(&frame.samples);
    });
    capture::open_audio(&AudioSource::Microphone(None), format, on_sound, trouble)
        .inspect_err(|error| println!("no microphone: {error}"))
        .ok()
}
