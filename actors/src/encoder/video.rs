//! Pictures. The codec works on a thread of its own and hands its frames straight to the RTP sender's mailbox.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::{Actor, AsyncContext, Context, Handler};
use roomrtc_kit::{Directory, Exit, Keep, Port};
use roomrtc_media::frame::{EncodedFrame, VideoFrame};
use roomrtc_media::video_codec::{self, CodecError, Encoder, EncoderSettings};

use super::{EncodeFrame, ForceKeyframe, SetBitrate};
use crate::codec_care::{CodecCare, Named, Progress};
use crate::counters::Counters;
use crate::rtp_sender::SendFrame;
use crate::trouble::trouble;

/// A picture captured longer ago is encoded once more when a key frame is asked for: the peer need not wait for the next.
const STALE_AFTER: Duration = Duration::from_millis(5);

/// An older picture is not: the camera is off.
const LIVE_WITHIN: Duration = Duration::from_millis(250);

/// What an encoder is made from.
#[derive(Clone)]
pub struct VideoEncoderSetup {
    /// Who encodes, what, and how many bits at first.
    pub settings: EncoderSettings,
    /// Least time between two key frames made on request.
    pub key_interval: Duration,
    /// Takes the frames.
    pub output: Port<SendFrame>,
    /// The bit rate, over restarts.
    pub bitrate: Keep<u64>,
    /// Who encodes when the one of the settings keeps failing.
    pub care: CodecCare<Encoder>,
    /// What is counted.
    pub counters: Arc<Counters>,
}

impl Named for Encoder {
    fn name(self) -> &'static str {
        Encoder::name(self)
    }

    fn other(self) -> Option<Self> {
        Encoder::other(self)
    }
}

/// The actor.
pub struct VideoEncoder {
    setup: VideoEncoderSetup,
    codec: Option<video_codec::VideoEncoder>,
    progress: Progress,
    last_picture: Option<VideoFrame>,
    last_request: Option<Instant>,
    key_waits: bool,
}

impl VideoEncoder {
    /// An encoder whose codec is started with the actor.
    pub fn new(setup: VideoEncoderSetup) -> Self {
        VideoEncoder {
            progress: setup.care.progress(),
            setup,
            codec: None,
            last_picture: None,
            last_request: None,
            key_waits: false,
        }
    }

    fn start_codec(&mut self, ctx: &mut Context<Self>) -> Result<(), CodecError> {
        let VideoEncoderSetup {
            mut settings,
            output,
            bitrate,
            counters,
            ..
        } = self.setup.clone();
        settings.bitrate = bitrate.get().unwrap_or(settings.bitrate);
        settings.encoder = self.encoder();
        let gives = self.progress.counter();
        let on_frame = move |EncodedFrame {
                                 data,
                                 key,
                                 captured_at,
                             }| {
            gives();
            counters.video.encoded.one();
            output.tell(SendFrame {
                data,
                key,
                captured_at,
            });
        };
        let (on_trouble, heard) = trouble();
        self.codec = Some(video_codec::VideoEncoder::new(settings, on_frame, on_trouble)?);
        let failed = heard.into_actor(self).map(|words, actor, ctx| {
            if let Ok(words) = words {
                actor.fail(words, ctx);
            }
        });
        ctx.spawn(failed);
        Ok(())
    }

    /// Who encodes in this life.
    fn encoder(&self) -> Encoder {
        self.setup.care.who(self.setup.settings.encoder)
    }

    /// The codec does not work.
    fn fail(&mut self, why: impl Display, ctx: &mut Context<Self>) {
        self.setup.care.failed(self.encoder());
        ctx.fail(why);
    }

    fn watch(&mut self, ctx: &mut Context<Self>) {
        if self.progress.stalled(Instant::now()) {
            self.fail("the encoder takes pictures and gives none", ctx);
        }
    }

    fn encode(&mut self, picture: &VideoFrame, ctx: &mut Context<Self>) {
        self.progress.took(Instant::now());
        if let Some(codec) = &mut self.codec
            && let Err(error) = codec.encode(picture)
        {
            self.fail(error, ctx);
        }
    }

    fn force_key(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        self.key_waits = false;
        self.last_request = Some(now);
        if let Some(codec) = &self.codec
            && let Err(error) = codec.force_key()
        {
            return self.fail(error, ctx);
        }
        let age = |picture: &VideoFrame| now.saturating_duration_since(picture.at);
        let again = self
            .last_picture
            .as_ref()
            .filter(|picture| (STALE_AFTER..LIVE_WITHIN).contains(&age(picture)))
            .map(|picture| picture.retimed(now));
        if let Some(picture) = again {
            self.encode(&picture, ctx);
        }
    }
}

impl Actor for VideoEncoder {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Err(error) = self.start_codec(ctx) {
            self.fail(error, ctx);
        }
        ctx.run_interval(self.setup.care.look(), Self::watch);
    }
}

impl Handler<EncodeFrame> for VideoEncoder {
    type Result = ();

    fn handle(&mut self, EncodeFrame(picture): EncodeFrame, ctx: &mut Self::Context) {
        self.encode(&picture, ctx);
        self.last_picture = Some(picture);
    }
}

impl Handler<ForceKeyframe> for VideoEncoder {
    type Result = ();

    fn handle(&mut self, _: ForceKeyframe, ctx: &mut Self::Context) {
        let next = self.last_request.map(|last| last + self.setup.key_interval);
        let wait = next.map_or(Duration::ZERO, |next| {
            next.saturating_duration_since(Instant::now())
        });
        if wait.is_zero() {
            self.force_key(ctx);
        } else if !self.key_waits {
            self.key_waits = true;
            ctx.run_later(wait, Self::force_key);
        }
    }
}

impl Handler<SetBitrate> for VideoEncoder {
    type Result = ();

    fn handle(&mut self, SetBitrate(bitrate): SetBitrate, _: &mut Self::Context) {
        self.setup.bitrate.put(bitrate);
        Directory::note_resume(|| format!("{} kbit/s", bitrate / 1000));
        if let Some(codec) = &self.codec {
            codec.set_bitrate(bitrate);
        }
    }
}
