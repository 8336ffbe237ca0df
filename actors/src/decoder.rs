//! Decodes pictures. The codec works on a thread of its own and hands its pictures straight to the playout's mailbox.
//!
//! Told by: the RTP receiver ([`DecodeFrame`]). Tells: [`playout`](crate::playout), the RTCP reporter
//! ([`RequestKeyframe`]) when it cannot go on.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::{Actor, AsyncContext, Context, Handler};
use bytes::Bytes;
use roomrtc_kit::{Exit, Port, mail};
use roomrtc_media::frame::VideoFrame;
use roomrtc_media::video_codec::{self, CodecError, Decoder, Origin};
use roomrtc_protocol::MediaKind;

use crate::brief;
use crate::codec_care::{CodecCare, Named, Progress};
use crate::counters::Counters;
use crate::playout::ShowFrame;
use crate::rtcp_reporter::RequestKeyframe;
use crate::trouble::trouble;

/// A whole frame in decoding order.
#[derive(Clone, Debug)]
pub struct DecodeFrame {
    /// The bitstream.
    pub data: Bytes,
    /// Whether a decoder can start here.
    pub key: bool,
    /// Its media time.
    pub rtp_timestamp: u32,
    /// When its first packet came.
    pub received_at: Instant,
}

mail! { DecodeFrame: newest(32), |frame| brief::frame(frame.data.len(), frame.key); }

/// A key frame that does not come is asked for again after this.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// What a decoder is made from.
#[derive(Clone)]
pub struct VideoDecoderSetup {
    /// Who decodes.
    pub decoder: Decoder,
    /// Who decodes when that one keeps failing.
    pub care: CodecCare<Decoder>,
    /// Threads it may use.
    pub threads: u32,
    /// Takes the pictures.
    pub output: Port<ShowFrame>,
    /// Takes requests for a key frame.
    pub keyframes: Port<RequestKeyframe>,
    /// What is counted.
    pub counters: Arc<Counters>,
}

impl Named for Decoder {
    fn name(self) -> &'static str {
        Decoder::name(self)
    }

    fn other(self) -> Option<Self> {
        Decoder::other(self)
    }
}

/// The actor.
pub struct VideoDecoder {
    setup: VideoDecoderSetup,
    codec: Option<video_codec::VideoDecoder>,
    progress: Progress,
    /// Nothing can be decoded before the first key frame of a life.
    synchronised: bool,
    asked: Option<Instant>,
}

impl VideoDecoder {
    /// A decoder whose codec is started with the actor.
    pub fn new(setup: VideoDecoderSetup) -> Self {
        VideoDecoder {
            progress: setup.care.progress(),
            setup,
            codec: None,
            synchronised: false,
            asked: None,
        }
    }

    fn start_codec(&mut self, ctx: &mut Context<Self>) -> Result<(), CodecError> {
        let VideoDecoderSetup {
            threads,
            output,
            counters,
            ..
        } = self.setup.clone();
        let gives = self.progress.counter();
        let on_picture = move |frame: VideoFrame, origin: Origin| {
            gives();
            counters.video.decoded.one();
            counters.video.width.set(u64::from(frame.width));
            counters.video.height.set(u64::from(frame.height));
            output.tell(ShowFrame {
                frame,
                rtp_timestamp: origin.rtp_timestamp,
            });
        };
        let (on_trouble, heard) = trouble();
        self.codec = Some(video_codec::VideoDecoder::new(
            self.decoder(),
            threads,
            on_picture,
            on_trouble,
        )?);
        let failed = heard.into_actor(self).map(|words, actor, ctx| {
            if let Ok(words) = words {
                actor.fail(words, ctx);
            }
        });
        ctx.spawn(failed);
        Ok(())
    }

    /// Who decodes in this life.
    fn decoder(&self) -> Decoder {
        self.setup.care.who(self.setup.decoder)
    }

    /// The codec does not work.
    fn fail(&mut self, why: impl Display, ctx: &mut Context<Self>) {
        self.setup.care.failed(self.decoder());
        ctx.fail(why);
    }

    fn watch(&mut self, ctx: &mut Context<Self>) {
        if self.progress.stalled(Instant::now()) {
            self.fail("the decoder takes frames and gives no picture", ctx);
        }
    }

    /// Waits for a key frame, and asks for one now and then.
    fn ask_for_a_key(&mut self, now: Instant) {
        if self
            .asked
            .is_none_or(|asked| now.saturating_duration_since(asked) >= ASK_AGAIN)
        {
            self.asked = Some(now);
            self.setup.keyframes.tell(RequestKeyframe {
                kind: MediaKind::Video,
            });
        }
    }
}

impl Actor for VideoDecoder {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Err(error) = self.start_codec(ctx) {
            self.fail(error, ctx);
        }
        ctx.run_interval(self.setup.care.look(), Self::watch);
    }
}

impl Handler<DecodeFrame> for VideoDecoder {
    type Result = ();

    fn handle(&mut self, frame: DecodeFrame, ctx: &mut Self::Context) {
        self.synchronised |= frame.key;
        if !self.synchronised {
            return self.ask_for_a_key(Instant::now());
        }
        let origin = Origin {
            rtp_timestamp: frame.rtp_timestamp,
            received_at: frame.received_at,
        };
        self.progress.took(Instant::now());
        if let Some(codec) = &mut self.codec
            && let Err(error) = codec.decode(frame.data, origin)
        {
            self.fail(error, ctx);
        }
    }
}
