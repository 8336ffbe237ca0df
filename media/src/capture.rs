//! Where pictures and sound come from: a camera or microphone, a file over and over, or the test picture and tone.
//!
//! Each source calls back on a thread of its own until it is dropped.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::device::{self, DeviceBuffer, DeviceError, DeviceKind};
use crate::frame::{AudioFrame, SAMPLE_RATE, VideoFrame, samples_to_duration};
use crate::pipeline::{self, Happening, OnHappening, Pipeline, PipelineError};
use crate::{OnTrouble, Running, synthetic};

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoSource {
    /// A camera by its id, or the first one.
    Camera(Option<String>),
    /// The test picture.
    Test,
    /// A still picture that says that there is no camera.
    Still,
    /// The screen of this X11 session.
    Screen,
    /// A media file, over and over.
    File(PathBuf),
}

/// Where sound comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioSource {
    /// A microphone by its id, or the system's default.
    Microphone(Option<String>),
    /// The test tone.
    Test,
    /// A media file, over and over.
    File(PathBuf),
    /// Nothing but the passage of time.
    Silence,
}

/// The pictures wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoFormat {
    /// Width in pixels, even.
    pub width: u32,
    /// Height in pixels, even.
    pub height: u32,
    /// Pictures a second.
    pub fps: u32,
}

impl VideoFormat {
    /// The same in another size.
    pub fn sized(self, PictureSize { width, height }: PictureSize) -> Self {
        VideoFormat {
            width,
            height,
            ..self
        }
    }
}

/// How large pictures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureSize {
    width: u32,
    height: u32,
}

impl PictureSize {
    /// Those that can be configured as well.
    const WIDTHS: RangeInclusive<u32> = 160..=3840;
    const HEIGHTS: RangeInclusive<u32> = 120..=2160;

    /// A size that encoders take; `None` for another one.
    pub fn new(width: u32, height: u32) -> Option<Self> {
        let even = width.is_multiple_of(2) && height.is_multiple_of(2);
        let good = even && Self::WIDTHS.contains(&width) && Self::HEIGHTS.contains(&height);
        good.then_some(PictureSize { width, height })
    }
}

impl fmt::Display for PictureSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}×{}", self.width, self.height)
    }
}

/// The sound wanted, 48 kHz always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioFormat {
    /// 1 or 2.
    pub channels: u8,
    /// Length of one [`AudioFrame`], a divisor of 1000.
    pub block_ms: u32,
    /// What the microphone may hold.
    pub buffer: DeviceBuffer,
}

impl AudioFormat {
    /// Samples of all channels in a block.
    fn block_samples(&self) -> usize {
        (SAMPLE_RATE / 1000 * self.block_ms) as usize * usize::from(self.channels)
    }
}

/// Takes pictures.
pub type OnPicture = Box<dyn FnMut(VideoFrame) + Send>;

/// Takes sound.
pub type OnSound = Box<dyn FnMut(AudioFrame) + Send>;

/// Why a source does not run.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// There is no such device, or none at all.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Its pipeline does not run.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// There is no screen, or the desktop shows it to nobody.
    #[error("there is no X11 screen to see")]
    NoScreen,
    /// There is no file to read.
    #[error("cannot read {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No thread for it.
    #[error("no thread for the source")]
    Thread(#[source] std::io::Error),
}

impl Running for Pipeline {}

/// Opens a source of pictures. May take as long as a device takes: not on an actor's thread.
pub fn open_video(
    source: &VideoSource,
    format: VideoFormat,
    on_picture: OnPicture,
    on_trouble: OnTrouble,
) -> Result<Box<dyn Running>, CaptureError> {
    match source {
        VideoSource::Test => {
            let ticking = synthetic::test_picture(format, on_picture).map_err(CaptureError::Thread)?;
            Ok(Box::new(ticking))
        }
        VideoSource::Still => {
            let ticking = synthetic::still_picture(format, on_picture).map_err(CaptureError::Thread)?;
            Ok(Box::new(ticking))
        }
        VideoSource::Camera(id) => camera(id.as_deref(), format, on_picture, on_trouble),
        VideoSource::Screen => screen(format, on_picture, on_trouble),
        VideoSource::File(path) => video_file(path, format, on_picture, on_trouble),
    }
}

/// Opens a source of sound. May take as long as a device takes: not on an actor's thread.
pub fn open_audio(
    source: &AudioSource,
    format: AudioFormat,
    on_sound: OnSound,
    on_trouble: OnTrouble,
) -> Result<Box<dyn Running>, CaptureError> {
    let loud = *source == AudioSource::Test;
    match source {
        AudioSource::Test | AudioSource::Silence => {
            let ticking = synthetic::test_tone(format.channels, format.block_ms, loud, on_sound)
                .map_err(CaptureError::Thread)?;
            Ok(Box::new(ticking))
        }
        AudioSource::Microphone(id) => microphone(id.as_deref(), format, on_sound, on_trouble),
        AudioSource::File(path) => audio_file(path, format, on_sound, on_trouble),
    }
}

/// Behind a camera: the newest frame wins, in the format of the codecs.
fn behind_camera(filter: &str, format: VideoFormat) -> String {
    let VideoFormat { width, height, .. } = format;
    format!(
        "{filter} ! queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0 \
         ! videoconvert ! videoscale ! video/x-raw,format=I420,width={width},height={height},pixel-aspect-ratio=1/1 \
         ! appsink name=sink sync=false max-buffers=1 drop=true"
    )
}

fn camera(
    id: Option<&str>,
    format: VideoFormat,
    on_picture: OnPicture,
    on_trouble: OnTrouble,
) -> Result<Box<dyn Running>, CaptureError> {
    let device = device::find(DeviceKind::Camera, id)?;
    let source = device
        .create_element(Some("camera"))
        .map_err(|e| PipelineError::Build(e.to_string()))?;
    if source.has_property("do-timestamp") {
        source.set_property("do-timestamp", true);
    }
    let filter = camera_filter(device.caps().as_ref(), format);
    let pipeline = Pipeline::behind(
        &source,
        &behind_camera(&filter, format),
        pipeline::once(move |words| on_trouble(words)),
    )?
    .slow_to_stop();
    run_video(pipeline, format, on_picture)
}

/// What to ask a camera for: raw pictures of the wanted size and rate if it has them, else JPEG ones, else raw ones of
/// any size. Without a filter right behind it `pipewiresrc` never links.
fn camera_filter(offered: Option<&gst::Caps>, format: VideoFormat) -> String {
    let VideoFormat { width, height, fps } = format;
    let offers = |wanted: &str| {
        let wanted: Option<gst::Caps> = wanted.parse().ok();
        offered
            .zip(wanted)
            .is_some_and(|(have, want)| have.can_intersect(&want))
    };
    let raw = format!("video/x-raw,width={width},height={height},framerate={fps}/1");
    let jpeg = format!("image/jpeg,width={width},height={height},framerate={fps}/1");
    let sized = format!("video/x-raw,width={width},height={height}");
    if offers(&raw) {
        format!("capsfilter caps=\"{raw}\"")
    } else if offers(&jpeg) {
        format!("capsfilter caps=\"{jpeg}\" ! jpegdec")
    } else if offers(&sized) {
        format!("capsfilter caps=\"{sized}\"")
    } else {
        "capsfilter caps=\"video/x-raw\"".into()
    }
}

/// All of the screen, with the pointer. A Wayland compositor shows an X11 client nothing but black.
fn screen(
    format: VideoFormat,
    on_picture: OnPicture,
    on_trouble: OnTrouble,
) -> Result<Box<dyn Running>, CaptureError> {
    if std::env::var_os("WAYLAND_DISPLAY").is_some() || std::env::var_os("DISPLAY").is_none() {
        return Err(CaptureError::NoScreen);
    }
    let VideoFormat { width, height, fps } = format;
    let description = format!(
        "ximagesrc use-damage=false show-pointer=true ! video/x-raw,framerate={fps}/1 \
         ! queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0 \
         ! videoconvert ! videoscale add-borders=true \
         ! video/x-raw,format=I420,width={width},height={height},pixel-aspect-ratio=1/1 \
         ! appsink name=sink sync=false max-buffers=1 drop=true"
    );
    let pipeline = Pipeline::launch(&description, pipeline::once(move |words| on_trouble(words)))?;
    run_video(pipeline, format, on_picture)
}

fn video_file(
    path: &Path,
    format: VideoFormat,
    on_picture: OnPicture,
    on_trouble: OnTrouble,
) -> Result<Box<dyn Running>, CaptureError> {
    let VideoFormat { width, height, fps } = format;
    let description = format!(
        "filesrc name=file ! decodebin ! videoconvert ! videoscale add-borders=true ! videorate \
         ! video/x-raw,format=I420,width={width},height={height},pixel-aspect-ratio=1/1,framerate={fps}/1 \
         ! appsink name=sink max-buffers=1 drop=true"
    );
    run_video(looped(path, &description, on_trouble)?, format, on_picture)
}

fn run_video(
    pipeline: Pipeline,
    format: VideoFormat,
    mut on_picture: OnPicture,
) -> Result<Box<dyn Running>, CaptureError> {
    let mut pace = Pace::new(format.fps);
    pipeline.on_sample("sink", move |sample| {
        if pace.takes(Instant::now())
            && let Some(frame) = pipeline::picture(&sample, Instant::now())
        {
            on_picture(frame);
        }
    })?;
    pipeline.play()?;
    Ok(Box::new(pipeline))
}

/// Some cameras deliver more pictures than they were asked for: leaves out those that come too soon.
struct Pace {
    least: Duration,
    last: Option<Instant>,
}

impl Pace {
    fn new(fps: u32) -> Self {
        // Three quarters of the wanted distance leave room for jitter.
        let least = Duration::from_secs(3) / (4 * fps.max(1));
        Pace { least, last: None }
    }

    fn takes(&mut self, now: Instant) -> bool {
        let takes = self
            .last
            .is_none_or(|last| now.saturating_duration_since(last) >= self.least);
        if takes {
            self.last = Some(now);
        }
        takes
    }
}

/// A pipeline that plays a file, named `file` in the description, over and over.
fn looped(path: &Path, description: &str, on_trouble: OnTrouble) -> Result<Pipeline, CaptureError> {
    std::fs::File::open(path).map_err(|source| CaptureError::File {
        path: path.to_owned(),
        source,
    })?;
    let rewinder = Arc::new(OnceLock::<pipeline::Rewinder>::new());
    let at_the_end = rewinder.clone();
    let failed = pipeline::once(move |words| on_trouble(words));
    let happening: OnHappening = Box::new(move |happening| match happening {
        Happening::Ended => at_the_end.get().into_iter().for_each(|r| r.rewind()),
        Happening::Failed(_) => failed(happening),
    });
    let pipeline = Pipeline::launch(description, happening)?;
    pipeline.set("file", "location", path.to_string_lossy().as_ref())?;
    let _ = rewinder.set(pipeline.rewinder());
    Ok(pipeline)
}

fn sound_caps(channels: u8) -> String {
    format!("audio/x-raw,format=S16LE,rate={SAMPLE_RATE},channels={channels},layout=interleaved")
}

fn microphone(
    id: Option<&str>,
    format: AudioFormat,
    on_sound: OnSound,
    on_trouble: OnTrouble,
) -> Result<Box<dyn Running>, CaptureError> {
    let caps = sound_caps(format.channels);
    let rest =
        format!("audioconvert ! audioresample ! capsfilter caps=\"{caps}\" ! appsink name=sink sync=false");
    let pipeline = match id {
        Some(_) => {
            let source = device::find(DeviceKind::Microphone, id)?
                .create_element(Some("microphone"))
                .map_err(|e| PipelineError::Build(e.to_string()))?;
            pipeline::set_buffer(&source, format.buffer);
            Pipeline::behind(&source, &rest, pipeline::once(move |words| on_trouble(words)))?
        }
        None => {
            let description = format!("pulsesrc name=microphone ! {rest}");
            let pipeline = Pipeline::launch(&description, pipeline::once(move |words| on_trouble(words)))?;
            pipeline.set_buffer("microphone", format.buffer)?;
            pipeline
        }
    };
    run_audio(pipeline.slow_to_stop(), format, on_sound)
}

fn audio_file(
    path: &Path,
    format: AudioFormat,
    on_sound: OnSound,
    on_trouble: OnTrouble,
) -> Result<Box<dyn Running>, CaptureError> {
    let caps = sound_caps(format.channels);
    let description = format!(
        "filesrc name=file ! decodebin ! audioconvert ! audioresample ! capsfilter caps=\"{caps}\" \
         ! audiobuffersplit output-buffer-duration=1/100 ! appsink name=sink"
    );
    run_audio(looped(path, &description, on_trouble)?, format, on_sound)
}

fn run_audio(
    pipeline: Pipeline,
    format: AudioFormat,
    mut on_sound: OnSound,
) -> Result<Box<dyn Running>, CaptureError> {
    let mut chunker = Chunker::new(format);
    pipeline.on_sample("sink", move |sample| {
        if let Some(bytes) = pipeline::bytes(&sample) {
            chunker.feed(&bytes, Instant::now(), &mut on_sound);
        }
    })?;
    pipeline.play()?;
    Ok(Box::new(pipeline))
}

/// Cuts a stream of samples into blocks of equal length.
struct Chunker {
    format: AudioFormat,
    waiting: Vec<i16>,
}

impl Chunker {
    fn new(format: AudioFormat) -> Self {
        Chunker {
            format,
            waiting: Vec::new(),
        }
    }

    /// Takes little-endian samples, the last of which was heard at `now`.
    fn feed(&mut self, bytes: &[u8], now: Instant, on_sound: &mut OnSound) {
        let samples = bytes
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
        self.waiting.extend(samples);
        let channels = usize::from(self.format.channels.max(1));
        let length = self.format.block_samples().max(channels);
        let mut age = samples_to_duration((self.waiting.len() / channels) as u64);
        while self.waiting.len() >= length {
            let rest = self.waiting.split_off(length);
            let frame = AudioFrame {
                samples: std::mem::replace(&mut self.waiting, rest),
                channels: self.format.channels,
                at: now.checked_sub(age).unwrap_or(now),
            };
            age = age.saturating_sub(frame.duration());
            on_sound(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    fn format() -> AudioFormat {
        AudioFormat {
            channels: 1,
            block_ms: 20,
            buffer: DeviceBuffer::default(),
        }
    }

    #[test]
    fn sound_in_any_portions_comes_out_in_blocks_with_the_times_of_their_first_samples() {
        let (tell, hear) = mpsc::channel();
        let mut on_sound: OnSound = Box::new(move |frame| drop(tell.send(frame)));
        let mut chunker = Chunker::new(format());
        let start = Instant::now();
        let samples: Vec<u8> = (0..4800i16).flat_map(i16::to_le_bytes).collect();
        let mut heard = 0;
        for portion in samples.chunks(2 * 441) {
            heard += portion.len() / 2;
            chunker.feed(portion, start + samples_to_duration(heard as u64), &mut on_sound);
        }
        drop(on_sound);
        let blocks: Vec<_> = hear.iter().collect();
        assert_eq!(blocks.len(), 5);
        for (index, block) in blocks.iter().enumerate() {
            assert_eq!(block.samples[0], index as i16 * 960);
            let off = block.at - start;
            assert!(off.abs_diff(Duration::from_millis(20) * index as u32) < Duration::from_micros(5));
        }
    }

    #[test]
    fn a_camera_that_is_too_fast_is_thinned_out_and_a_jittery_one_is_not() {
        let start = Instant::now();
        let taken = |times: &[u64]| {
            let mut pace = Pace::new(30);
            let at = |ms: &u64| start + Duration::from_millis(*ms);
            times.iter().filter(|ms| pace.takes(at(ms))).count()
        };
        assert_eq!(taken(&[0, 27, 66, 95, 140, 166]), 6);
        assert_eq!(taken(&[0, 11, 22, 33, 44, 55, 66]), 3);
    }

    #[test]
    fn a_machine_without_that_camera_says_so() {
        let source = VideoSource::Camera(Some("no such camera".into()));
        let format = VideoFormat {
            width: 640,
            height: 360,
            fps: 30,
        };
        let refused = open_video(&source, format, Box::new(|_| {}), Arc::new(|_| {}));
        assert!(matches!(
            refused.err(),
            Some(CaptureError::Device(DeviceError::NotFound { .. }))
        ));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let source = VideoSource::File("/no/such/film.webm".into());
        let format = VideoFormat {
            width: 640,
            height: 360,
            fps: 30,
        };
        let refused = open_video(&source, format, Box::new(|_| {}), Arc::new(|_| {})).err();
        let words = refused.expect("there is no such file").to_string();
        assert!(words.contains("/no/such/film.webm"), "{words}");
    }

    /// Writes a film of half a second with sound: ten grey pictures and a tone.
    fn film(path: &Path) {
        let (tell, ended) = mpsc::channel();
        let tell = std::sync::Mutex::new(tell);
        let description = "matroskamux name=mux ! filesink name=file \
             videotestsrc num-buffers=10 pattern=white ! video/x-raw,width=320,height=180,framerate=20/1 ! vp8enc deadline=1 ! mux. \
             audiotestsrc num-buffers=25 samplesperbuffer=960 ! audio/x-raw,rate=48000,channels=1 ! vorbisenc ! mux.";
        let happening: OnHappening = Box::new(move |happening| {
            let _ = tell.lock().expect("one thread at a time").send(happening);
        });
        let pipeline = Pipeline::launch(description, happening).expect("all elements are installed");
        pipeline
            .set("file", "location", &path.to_string_lossy())
            .expect("the sink is there");
        pipeline.play().expect("it runs");
        assert_eq!(ended.recv().expect("it ends"), Happening::Ended);
    }

    #[test]
    fn a_film_is_played_over_and_over_with_its_pictures_and_its_sound() {
        let folder = std::env::temp_dir().join(format!("roomrtc-film-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        let path = folder.join("a film.mkv");
        film(&path);
        let trouble: OnTrouble = Arc::new(|words| panic!("{words}"));
        let (tell, pictures) = mpsc::channel();
        let video = open_video(
            &VideoSource::File(path.clone()),
            VideoFormat {
                width: 640,
                height: 360,
                fps: 20,
            },
            Box::new(move |frame| drop(tell.send(frame))),
            trouble.clone(),
        )
        .expect("it opens");
        let (tell, sound) = mpsc::channel();
        let audio = open_audio(
            &AudioSource::File(path),
            format(),
            Box::new(move |frame| drop(tell.send(frame))),
            trouble,
        )
        .expect("it opens");
        let limit = Duration::from_secs(20);
        for _ in 0..25 {
            let frame = pictures
                .recv_timeout(limit)
                .expect("more pictures than the film has");
            assert_eq!((frame.width, frame.height), (640, 360));
            assert!(frame.planes()[0].data[100 * 640 + 320] > 200, "white");
        }
        for _ in 0..40 {
            assert_eq!(
                sound
                    .recv_timeout(limit)
                    .expect("more sound than the film has")
                    .len(),
                960
            );
        }
        drop((video, audio));
        std::fs::remove_dir_all(&folder).expect("it is ours");
    }
}
