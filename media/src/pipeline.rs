//! GStreamer pipelines: the only file that builds them and reads their buses.
//!
//! A [`Pipeline`] is launched from a description, fed through an [`Input`] (`appsrc`) and emptied by a callback on its
//! `appsink`, which runs on GStreamer's own streaming thread. Errors arrive as [`Happening`]s. Dropping it stops it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSinkCallbacks, AppSrc, AppSrcCallbacks};

use crate::device::DeviceBuffer;
use crate::frame::{Layout, Pixels, Plane, VideoFrame};

/// Why a pipeline does not run.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// GStreamer itself is not usable.
    #[error("GStreamer does not start")]
    Init(#[source] gst::glib::Error),
    /// A plugin is missing or the description is wrong.
    #[error("the pipeline cannot be built: {0}")]
    Build(String),
    /// A device is busy or refuses its settings.
    #[error("the pipeline does not start: {0}")]
    Start(String),
    /// It takes no more data: it failed or is being stopped.
    #[error("the pipeline takes no more data ({0})")]
    Push(String),
}

/// What a running pipeline reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// It failed, with GStreamer's words.
    Failed(String),
    /// The end of a file.
    Ended,
}

/// Hears what happens in a pipeline, on one of its threads: it may send a message, and must not stop the pipeline.
pub type OnHappening = Box<dyn Fn(Happening) + Send + Sync>;

/// A pipeline that runs until it is dropped.
pub(crate) struct Pipeline {
    gst: gst::Pipeline,
    failure: Arc<Mutex<Option<String>>>,
    slow_to_stop: bool,
}

/// Starts GStreamer once per process.
pub(crate) fn init() -> Result<(), PipelineError> {
    gst::init().map_err(PipelineError::Init)
}

impl Pipeline {
    /// Builds a pipeline from a `gst-launch` description; it does not run yet.
    pub(crate) fn launch(description: &str, happening: OnHappening) -> Result<Self, PipelineError> {
        init()?;
        let built = gst::parse::launch(description).map_err(|e| PipelineError::Build(e.to_string()))?;
        let gst = built
            .downcast::<gst::Pipeline>()
            .map_err(|_| PipelineError::Build("a single element is no pipeline".into()))?;
        Ok(Self::listening(gst, happening))
    }

    /// Builds a pipeline of one source and, behind it, the elements of a description.
    pub(crate) fn behind(
        source: &gst::Element,
        description: &str,
        happening: OnHappening,
    ) -> Result<Self, PipelineError> {
        let build = |e: &dyn std::fmt::Display| PipelineError::Build(e.to_string());
        let gst = gst::Pipeline::new();
        let rest = gst::parse::bin_from_description(description, true).map_err(|e| build(&e))?;
        gst.add(source).map_err(|e| build(&e))?;
        gst.add(&rest).map_err(|e| build(&e))?;
        source.link(&rest).map_err(|e| build(&e))?;
        Ok(Self::listening(gst, happening))
    }

    /// Builds a pipeline of elements of a description and, behind them, one sink.
    pub(crate) fn before(
        description: &str,
        sink: &gst::Element,
        happening: OnHappening,
    ) -> Result<Self, PipelineError> {
        let build = |e: &dyn std::fmt::Display| PipelineError::Build(e.to_string());
        let gst = gst::Pipeline::new();
        let rest = gst::parse::bin_from_description(description, true).map_err(|e| build(&e))?;
        gst.add(&rest).map_err(|e| build(&e))?;
        gst.add(sink).map_err(|e| build(&e))?;
        rest.link(sink).map_err(|e| build(&e))?;
        Ok(Self::listening(gst, happening))
    }

    fn listening(gst: gst::Pipeline, happening: OnHappening) -> Self {
        let failure = Arc::new(Mutex::new(None));
        if let Some(bus) = gst.bus() {
            let failure = failure.clone();
            bus.set_sync_handler(move |_, message| {
                match message.view() {
                    gst::MessageView::Error(error) => {
                        let words = words(error);
                        *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(words.clone());
                        happening(Happening::Failed(words));
                    }
                    gst::MessageView::Eos(_) => happening(Happening::Ended),
                    _ => {}
                }
                gst::BusSyncReply::Drop
            });
        }
        Pipeline {
            gst,
            failure,
            slow_to_stop: false,
        }
    }

    /// Devices may take long to close: stop on another thread when dropped.
    pub(crate) fn slow_to_stop(mut self) -> Self {
        self.slow_to_stop = true;
        self
    }

    /// Calls `f` with each sample that reaches the `appsink` of this name, on a thread of GStreamer.
    pub(crate) fn on_sample(
        &self,
        sink: &str,
        mut f: impl FnMut(gst::Sample) + Send + 'static,
    ) -> Result<(), PipelineError> {
        let callbacks = AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Flushing)?;
                f(sample);
                Ok(gst::FlowSuccess::Ok)
            })
            .build();
        self.element(sink)?
            .downcast::<AppSink>()
            .map_err(|_| PipelineError::Build(format!("{sink} is no appsink")))?
            .set_callbacks(callbacks);
        Ok(())
    }

    /// The way into the `appsrc` of this name.
    pub(crate) fn input(&self, src: &str) -> Result<Input, PipelineError> {
        let src = self
            .element(src)?
            .downcast::<AppSrc>()
            .map_err(|_| PipelineError::Build(format!("{src} is no appsrc")))?;
        Ok(Input {
            src,
            failure: self.failure.clone(),
            last_pts: None,
        })
    }

    /// Calls `f` on the streaming thread before each buffer enters the element of this name, so that its properties
    /// never change under its hands.
    pub(crate) fn before_each(
        &self,
        element: &str,
        f: impl Fn(&gst::Element) + Send + Sync + 'static,
    ) -> Result<(), PipelineError> {
        let element = self.element(element)?;
        let pad = element
            .static_pad("sink")
            .ok_or_else(|| PipelineError::Build("no sink pad".into()))?;
        let weak = element.downgrade();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            if let Some(element) = weak.upgrade() {
                f(&element);
            }
            gst::PadProbeReturn::Ok
        });
        Ok(())
    }

    /// Asks the encoder of this name for a key frame at the next picture.
    pub(crate) fn force_key(&self, encoder: &str) -> Result<(), PipelineError> {
        let pad = self
            .element(encoder)?
            .static_pad("src")
            .ok_or_else(|| PipelineError::Build("no source pad".into()))?;
        let request = gst::Structure::builder("GstForceKeyUnit")
            .field("all-headers", true)
            .build();
        pad.send_event(gst::event::CustomUpstream::new(request));
        Ok(())
    }

    /// Starts it.
    pub(crate) fn play(&self) -> Result<(), PipelineError> {
        match self.gst.set_state(gst::State::Playing) {
            Ok(_) => Ok(()),
            Err(_) => Err(PipelineError::Start(cause(&self.failure))),
        }
    }

    /// Sets the buffer of the sound device of this name.
    pub(crate) fn set_buffer(&self, element: &str, buffer: DeviceBuffer) -> Result<(), PipelineError> {
        set_buffer(&self.element(element)?, buffer);
        Ok(())
    }

    /// Sets a text property of the element of this name.
    pub(crate) fn set(&self, element: &str, property: &str, value: &str) -> Result<(), PipelineError> {
        self.element(element)?.set_property(property, value);
        Ok(())
    }

    /// A handle that can rewind a file to its beginning.
    pub(crate) fn rewinder(&self) -> Rewinder {
        Rewinder(self.gst.downgrade())
    }

    fn element(&self, name: &str) -> Result<gst::Element, PipelineError> {
        self.gst
            .by_name(name)
            .ok_or_else(|| PipelineError::Build(format!("no element named {name}")))
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        let gst = self.gst.clone();
        let stop = move || {
            if let Err(e) = gst.set_state(gst::State::Null) {
                tracing::warn!("a pipeline does not stop: {e}");
            }
        };
        if self.slow_to_stop {
            std::thread::spawn(stop);
        } else {
            stop();
        }
    }
}

/// Plays a file again from its beginning.
#[derive(Clone)]
pub(crate) struct Rewinder(gst::glib::WeakRef<gst::Pipeline>);

impl Rewinder {
    /// Goes back to the beginning; on another thread, for the one that reports the end must be free for it.
    pub(crate) fn rewind(&self) {
        let Some(pipeline) = self.0.upgrade() else { return };
        std::thread::spawn(move || {
            if let Err(e) = pipeline.seek_simple(gst::SeekFlags::FLUSH, gst::ClockTime::ZERO) {
                tracing::warn!("a file cannot be played again: {e}");
            }
        });
    }
}

/// The way into a pipeline.
pub(crate) struct Input {
    src: AppSrc,
    failure: Arc<Mutex<Option<String>>>,
    last_pts: Option<Duration>,
}

/// Wraps what a buffer shares with the rest of the program.
struct Shared<T>(T);

impl AsRef<[u8]> for Shared<VideoFrame> {
    fn as_ref(&self) -> &[u8] {
        self.0.contiguous().unwrap_or_default()
    }
}

impl Input {
    /// Says what comes next.
    pub(crate) fn set_caps(&self, caps: &str) -> Result<(), PipelineError> {
        let caps: gst::Caps = caps
            .parse()
            .map_err(|_| PipelineError::Build(format!("bad caps {caps}")))?;
        self.src.set_caps(Some(&caps));
        Ok(())
    }

    /// Feeds a raw picture, without copying it where its memory allows. Its time is `pts`, moved on if it is not
    /// later than the last one; the time given is returned.
    pub(crate) fn push_picture(
        &mut self,
        frame: &VideoFrame,
        pts: Duration,
    ) -> Result<Duration, PipelineError> {
        let buffer = match frame.contiguous() {
            Some(_) => gst::Buffer::from_slice(Shared(frame.clone())),
            None => gst::Buffer::from_slice(frame.to_contiguous()),
        };
        self.push(buffer, pts)
    }

    /// Feeds what has no time of its own but follows the last.
    pub(crate) fn push_next(&self, data: Bytes) -> Result<(), PipelineError> {
        match self.src.push_buffer(gst::Buffer::from_slice(data)) {
            Ok(_) => Ok(()),
            Err(_) => Err(PipelineError::Push(cause(&self.failure))),
        }
    }

    /// Feeds encoded bytes.
    pub(crate) fn push_bytes(&mut self, data: Bytes, pts: Duration) -> Result<Duration, PipelineError> {
        self.push(gst::Buffer::from_slice(data), pts)
    }

    /// Calls `f` when the pipeline wants more.
    pub(crate) fn on_hunger(&self, mut f: impl FnMut() + Send + 'static) {
        let callbacks = AppSrcCallbacks::builder().need_data(move |_, _| f()).build();
        self.src.set_callbacks(callbacks);
    }

    /// The time a buffer meant for `pts` will have: codecs want times that grow.
    pub(crate) fn next_pts(&self, pts: Duration) -> Duration {
        /// Below every frame distance.
        const STEP: Duration = Duration::from_micros(100);
        self.last_pts.map_or(pts, |last| pts.max(last + STEP))
    }

    fn push(&mut self, mut buffer: gst::Buffer, pts: Duration) -> Result<Duration, PipelineError> {
        let pts = self.next_pts(pts);
        self.last_pts = Some(pts);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_nseconds(pts.as_nanos() as u64));
        }
        match self.src.push_buffer(buffer) {
            Ok(_) => Ok(pts),
            Err(_) => Err(PipelineError::Push(cause(&self.failure))),
        }
    }
}

/// Asks a sound device for short buffers, where it lets us.
pub(crate) fn set_buffer(device: &gst::Element, buffer: DeviceBuffer) {
    for (name, time) in [("buffer-time", buffer.length), ("latency-time", buffer.period)] {
        if device.has_property_with_type(name, gst::glib::Type::I64) {
            device.set_property(name, time.as_micros() as i64);
        }
    }
}

/// Whether there is such an element.
pub(crate) fn installed(element: &str) -> bool {
    init().is_ok() && gst::ElementFactory::find(element).is_some()
}

/// Loads the plugin of an element, if there is one: the first call need not wait for it.
pub(crate) fn preload(element: &str) {
    if let Some(factory) = gst::ElementFactory::find(element)
        && let Err(e) = factory.load()
    {
        tracing::warn!("{element} cannot be loaded: {e}");
    }
}

/// The time of a sample in its pipeline. x264enc shifts its timestamps by 1000 h and says so in the segment, so
/// they are read through the segment.
pub(crate) fn running_time(sample: &gst::Sample) -> Option<Duration> {
    let pts = sample.buffer()?.pts()?;
    let segment = sample.segment()?.downcast_ref::<gst::ClockTime>()?;
    segment
        .to_running_time(pts)
        .map(|t| Duration::from_nanos(t.nseconds()))
}

/// Whether a decoder can start at this sample.
pub(crate) fn is_key(sample: &gst::Sample) -> bool {
    sample
        .buffer()
        .is_some_and(|b| !b.flags().contains(gst::BufferFlags::DELTA_UNIT))
}

/// The bytes of a sample, shared with GStreamer.
pub(crate) fn bytes(sample: &gst::Sample) -> Option<Bytes> {
    let map = sample.buffer_owned()?.into_mapped_buffer_readable().ok()?;
    Some(Bytes::from_owner(map))
}

/// The picture in a sample, its pixels shared with GStreamer; `None` if it is not I420.
pub(crate) fn picture(sample: &gst::Sample, at: Instant) -> Option<VideoFrame> {
    let caps = sample.caps()?.structure(0)?;
    if caps.get::<&str>("format").ok()? != "I420" {
        return None;
    }
    let width = u32::try_from(caps.get::<i32>("width").ok()?).ok()?;
    let height = u32::try_from(caps.get::<i32>("height").ok()?).ok()?;
    let layout = Layout::new(width, height);
    let map = sample.buffer_owned()?.into_mapped_buffer_readable().ok()?;
    if map.len() < layout.size() {
        return None;
    }
    Some(VideoFrame::new(
        width,
        height,
        at,
        Arc::new(Mapped { layout, map }),
    ))
}

/// A GStreamer buffer that holds a picture.
struct Mapped {
    layout: Layout,
    map: gst::MappedBuffer<gst::buffer::Readable>,
}

impl Pixels for Mapped {
    fn planes(&self) -> [Plane<'_>; 3] {
        self.layout.planes(self.map.as_slice())
    }

    fn contiguous(&self) -> Option<&[u8]> {
        self.map.get(..self.layout.size())
    }
}

fn words(error: &gst::message::Error) -> String {
    match error.src() {
        Some(source) => format!("{}: {}", source.name(), error.error()),
        None => error.error().to_string(),
    }
}

fn cause(failure: &Mutex<Option<String>>) -> String {
    failure
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
        .unwrap_or_else(|| "no reason given".into())
}

/// Reports the first trouble only: a broken pipeline tends to say the same in many words.
pub(crate) fn once(f: impl Fn(String) + Send + Sync + 'static) -> OnHappening {
    let told = AtomicBool::new(false);
    Box::new(move |happening| {
        if let Happening::Failed(words) = happening
            && !told.swap(true, Ordering::Relaxed)
        {
            f(words);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_wrong_description_is_an_error_not_a_crash() {
        let wrong = Pipeline::launch("no_such_element ! fakesink", Box::new(|_| {}));
        assert!(matches!(wrong, Err(PipelineError::Build(_))));
    }

    #[test]
    fn a_failing_pipeline_says_why() {
        let (tell, hear) = mpsc::channel();
        let tell = Mutex::new(tell);
        let pipeline = Pipeline::launch(
            "filesrc location=/no/such/file ! fakesink",
            once(move |words| {
                let _ = tell.lock().unwrap_or_else(PoisonError::into_inner).send(words);
            }),
        )
        .expect("filesrc and fakesink are core elements");
        let refused = pipeline.play().expect_err("there is no such file");
        assert!(refused.to_string().contains("filesrc"), "{refused}");
        let words = hear.recv().expect("the failure is reported");
        assert!(words.contains("filesrc"), "{words}");
    }
}
