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
use roomrtc_protocol::{MediaKind, VideoCodec};

use crate::brief;
use crate::call_events::CallNotice;
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
    /// What it is encoded in.
    pub codec: VideoCodec,
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
    /// Whose pictures.
    pub kind: MediaKind,
    /// What will come first, most likely; the peer may send another one.
    pub codec: VideoCodec,
    /// Who decodes.
    pub care: DecoderCare,
    /// Threads it may use.
    pub threads: u32,
    /// Takes the pictures.
    pub output: Port<ShowFrame>,
    /// Takes requests for a key frame.
    pub keyframes: Port<RequestKeyframe>,
    /// What is counted.
    pub counters: Arc<Counters>,
}

/// Who decodes what, over all lives of the actor.
#[derive(Clone)]
pub struct DecoderCare {
    h264: CodecCare<Decoder>,
    vp8: CodecCare<Decoder>,
}

impl DecoderCare {
    /// Nobody has failed yet; see [`CodecCare::new`].
    pub fn new(notices: &Port<CallNotice>, stall: Duration) -> Self {
        DecoderCare {
            h264: CodecCare::new(notices.clone(), stall),
            vp8: CodecCare::new(notices.clone(), stall),
        }
    }

    fn of(&self, codec: VideoCodec) -> &CodecCare<Decoder> {
        match codec {
            VideoCodec::H264 => &self.h264,
            VideoCodec::Vp8 => &self.vp8,
        }
    }

    /// Whom to use for a codec.
    fn who(&self, codec: VideoCodec) -> Decoder {
        let first = Decoder::of(match codec {
            VideoCodec::H264 => video_codec::Codec::H264,
            VideoCodec::Vp8 => video_codec::Codec::Vp8,
        });
        self.of(codec).who(first)
    }
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
    /// What is decoded at present.
    codec: VideoCodec,
    decoder: Option<video_codec::VideoDecoder>,
    progress: Progress,
    /// Nothing can be decoded before the first key frame of a life.
    synchronised: bool,
    asked: Option<Instant>,
}

impl VideoDecoder {
    /// A decoder whose codec is started with the actor.
    pub fn new(setup: VideoDecoderSetup) -> Self {
        VideoDecoder {
            progress: setup.care.of(setup.codec).progress(),
            codec: setup.codec,
            setup,
            decoder: None,
            synchronised: false,
            asked: None,
        }
    }

    /// Goes over to another codec, whose first frame is a key frame.
    fn change_codec(&mut self, codec: VideoCodec, ctx: &mut Context<Self>) -> Result<(), CodecError> {
        tracing::info!(
            from = self.codec.name(),
            to = codec.name(),
            "the peer sends another codec"
        );
        self.codec = codec;
        self.decoder = None;
        self.progress = self.setup.care.of(codec).progress();
        self.start_decoder(ctx)
    }

    fn start_decoder(&mut self, ctx: &mut Context<Self>) -> Result<(), CodecError> {
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
        self.setup.counters.video.codec_received.set(self.codec.name());
        self.decoder = Some(video_codec::VideoDecoder::new(
            self.setup.care.who(self.codec),
            threads,
            on_picture,
            on_trouble,
        )?);
        let codec = self.codec;
        let failed = heard.into_actor(self).map(move |words, actor, ctx| {
            // The trouble of a decoder that was changed for another is nobody's any more.
            if let Ok(words) = words
                && actor.codec == codec
            {
                actor.fail(words, ctx);
            }
        });
        ctx.spawn(failed);
        Ok(())
    }

    /// The codec does not work.
    fn fail(&mut self, why: impl Display, ctx: &mut Context<Self>) {
        let care = &self.setup.care;
        care.of(self.codec).failed(care.who(self.codec));
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
                kind: self.setup.kind,
            });
        }
    }
}

impl Actor for VideoDecoder {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Err(error) = self.start_decoder(ctx) {
            self.fail(error, ctx);
        }
        ctx.run_interval(self.setup.care.of(self.codec).look(), Self::watch);
    }
}

impl Handler<DecodeFrame> for VideoDecoder {
    type Result = ();

    fn handle(&mut self, frame: DecodeFrame, ctx: &mut Self::Context) {
        self.synchronised = frame.key || self.synchronised && frame.codec == self.codec;
        if !self.synchronised {
            return self.ask_for_a_key(Instant::now());
        }
        if frame.codec != self.codec
            && let Err(error) = self.change_codec(frame.codec, ctx)
        {
            return self.fail(error, ctx);
        }
        let origin = Origin {
            rtp_timestamp: frame.rtp_timestamp,
            received_at: frame.received_at,
        };
        self.progress.took(Instant::now());
        if let Some(decoder) = &mut self.decoder
            && let Err(error) = decoder.decode(frame.data, origin)
        {
            self.fail(error, ctx);
        }
    }
}
