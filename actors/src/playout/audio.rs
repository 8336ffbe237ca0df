//! Sound: the jitter buffer, the Opus decoder, and the speaker that asks for a block whenever it has room.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::fut::{ActorFutureExt, WrapFuture};
use actix::{Actor, AsyncContext, Context, Handler};
use roomrtc_kit::{Exit, Port};
use roomrtc_media::audio_codec::AudioDecoder;
use roomrtc_media::device::DeviceBuffer;
use roomrtc_media::frame::{AudioFrame, SAMPLE_RATE, samples_to_duration};
use roomrtc_media::playout::{self, AudioOutput, AudioSink, CHANNELS, PlayoutError};
use roomrtc_protocol::audio::jitter_buffer::recorded::Input;
use roomrtc_protocol::audio::jitter_buffer::{
    AudioBufferSettings, AudioJitterBuffer, AudioPacket, Decision, Pace,
};
use roomrtc_protocol::audio::time_stretch;
use roomrtc_protocol::recording::{Reel, Taped};
use tracing::warn;

use super::tap::SoundTap;
use super::{BlockDue, BurstHeard, ChooseOutput, PlayPacket, SoundHeard};
use crate::call_events::{CallNotice, FirstFrame};
use crate::counters::Counters;
use crate::echo_care::EchoCare;
use crate::trouble::trouble;
use crate::ui_bridge::Notice;

/// Sound handed to the speaker at a time.
const BLOCK_MS: u32 = 20;
const BLOCK: usize = (SAMPLE_RATE / 1000 * BLOCK_MS) as usize * CHANNELS as usize;

/// Blocks between two looks at level and buffer: 200 ms.
const BLOCKS_A_LOOK: u32 = 10;

/// Opus looks ahead: what goes into a packet comes out of the decoder so much after its beginning (312 samples).
const OPUS_DELAY: Duration = Duration::from_micros(6500);

/// What a playout is made from.
#[derive(Clone)]
pub struct AudioPlayoutSetup {
    /// Where sound goes.
    pub output: AudioOutput,
    /// What the speaker may hold.
    pub buffer: DeviceBuffer,
    /// The bounds of the jitter buffer.
    pub jitter_buffer: AudioBufferSettings,
    /// This actor, for its speaker.
    pub me: Port<BlockDue>,
    /// Hears of the first sound, in a call without pictures.
    pub first: Option<Port<FirstFrame>>,
    /// Hears when sound is heard, for the pictures that belong to it.
    pub heard: Option<Port<SoundHeard>>,
    /// Hears the bursts of the test tone, likewise.
    pub bursts: Option<Port<BurstHeard>>,
    /// Hears what the user should know.
    pub notices: Port<CallNotice>,
    /// Hears what the speaker plays.
    pub echo: EchoCare,
    /// What is counted.
    pub counters: Arc<Counters>,
    /// Where the jitter buffer is recorded, if at all.
    pub reel: Option<Arc<dyn Reel>>,
}

/// The actor.
pub struct AudioPlayout {
    setup: AudioPlayoutSetup,
    packets: Taped<AudioJitterBuffer>,
    decoder: Option<AudioDecoder>,
    sink: Option<Box<dyn AudioSink>>,
    /// Whether a microphone can hear the sink.
    audible: bool,
    /// Numbers the attempts to open a sink; news of earlier ones is ignored.
    attempt: u64,
    /// Decoded, not yet given to the speaker.
    ready: Vec<i16>,
    tap: SoundTap,
    blocks: u32,
    begun: bool,
}

impl AudioPlayout {
    /// A playout that has played nothing.
    pub fn new(setup: AudioPlayoutSetup) -> Self {
        let packets = AudioJitterBuffer::new(setup.jitter_buffer);
        AudioPlayout {
            packets: Taped::new("call/playout/audio", packets, setup.reel.clone()),
            decoder: None,
            sink: None,
            audible: false,
            attempt: 0,
            ready: Vec::with_capacity(4 * BLOCK),
            tap: SoundTap::new(setup.counters.clone()),
            blocks: 0,
            begun: false,
            setup,
        }
    }

    /// Opens the speaker on a thread that may wait.
    fn open(&mut self, output: AudioOutput, ctx: &mut Context<Self>) {
        self.sink = None;
        self.attempt += 1;
        let attempt = self.attempt;
        let (me, buffer) = (self.setup.me.clone(), self.setup.buffer);
        let (on_trouble, heard) = trouble();
        let silent = output == AudioOutput::Nowhere;
        let opening = tokio::task::spawn_blocking(move || {
            let on_due = Box::new(move || me.tell(BlockDue));
            playout::open(&output, BLOCK_MS, buffer, on_due, on_trouble)
        });
        ctx.spawn(
            opening
                .into_actor(self)
                .map(move |result, actor, ctx| match result {
                    Ok(result) if attempt == actor.attempt => actor.opened(result, silent, ctx),
                    Ok(_) => {}
                    Err(panic) => ctx.fail(panic),
                }),
        );
        ctx.spawn(heard.into_actor(self).map(move |words, actor, ctx| {
            if let Ok(words) = words
                && attempt == actor.attempt
            {
                actor.lost(Notice::DeviceLost(words), ctx);
            }
        }));
    }

    fn opened(
        &mut self,
        result: Result<Box<dyn AudioSink>, PlayoutError>,
        silent: bool,
        ctx: &mut Context<Self>,
    ) {
        match result {
            Ok(sink) => (self.sink, self.audible) = (Some(sink), !silent),
            Err(error) if silent => ctx.fail(error),
            Err(error) => {
                warn!(%error, "no speaker");
                self.lost(Notice::NoSpeaker, ctx);
            }
        }
    }

    /// Without a speaker, sound is decoded and measured all the same.
    fn lost(&mut self, notice: Notice, ctx: &mut Context<Self>) {
        self.setup.notices.tell(CallNotice(notice));
        self.open(AudioOutput::Nowhere, ctx);
    }

    /// Gives the speaker its block.
    fn fill(&mut self, now: Instant) {
        let Some(sink) = &self.sink else { return };
        let delay = sink.delay();
        while self.ready.len() < BLOCK {
            let Some(decision) = self.packets.feed(now, Input::Next) else {
                break; // it decides whenever it is asked
            };
            let heard_at = now + delay + playing_time(self.ready.len());
            self.carry_out(decision, heard_at);
        }
        let rest = self.ready.split_off(BLOCK);
        let block = AudioFrame {
            samples: std::mem::replace(&mut self.ready, rest),
            channels: CHANNELS,
            at: now + delay,
        };
        self.measure(&block);
        if self.audible {
            self.setup.echo.played(&block.samples);
        }
        if let Some(sink) = &mut self.sink
            && let Err(error) = sink.play(&block.samples)
        {
            // Its trouble is on its way and says more.
            warn!(%error, "the speaker takes nothing");
        }
    }

    /// Makes the sound of a decision. What cannot be decoded is a gap like any other: packets come from the network.
    fn carry_out(&mut self, decision: Decision, heard_at: Instant) {
        let Some(decoder) = &mut self.decoder else { return };
        let before = self.ready.len();
        let length = match decision {
            Decision::Play {
                payload,
                timestamp,
                samples,
                pace,
            } => {
                match decoder.decode(&payload) {
                    Ok(sound) => append(&mut self.ready, sound, pace),
                    Err(_) => self
                        .ready
                        .extend_from_slice(decoder.conceal(samples as usize).unwrap_or_default()),
                }
                self.setup.counters.audio.decoded.one();
                self.setup.counters.audio.played.mark(Instant::now());
                self.played(timestamp as u32, heard_at);
                samples
            }
            Decision::Recover { following, samples } => {
                let sound = decoder.recover(&following, samples as usize).unwrap_or_default();
                self.ready.extend_from_slice(sound);
                samples
            }
            Decision::Conceal { samples } | Decision::ComfortNoise { samples } => {
                self.ready
                    .extend_from_slice(decoder.conceal(samples as usize).unwrap_or_default());
                samples
            }
            Decision::Silence { samples } => samples,
        };
        if self.ready.len() == before {
            let silence = length.max(1) as usize * usize::from(CHANNELS);
            self.ready.resize(before + silence, 0);
        }
    }

    /// A packet is heard at that time.
    fn played(&mut self, rtp_timestamp: u32, at: Instant) {
        if !std::mem::replace(&mut self.begun, true)
            && let Some(first) = &self.setup.first
        {
            first.tell(FirstFrame);
        }
        if self.blocks.is_multiple_of(BLOCKS_A_LOOK)
            && let Some(heard) = &self.setup.heard
        {
            let at = at + OPUS_DELAY;
            heard.tell(SoundHeard { rtp_timestamp, at });
        }
    }

    fn measure(&mut self, block: &AudioFrame) {
        self.blocks = self.blocks.wrapping_add(1);
        if let Some(burst) = self.tap.played(block)
            && let Some(bursts) = &self.setup.bursts
        {
            bursts.tell(BurstHeard(burst));
        }
        if self.blocks.is_multiple_of(BLOCKS_A_LOOK) {
            self.tap.look();
            let (audio, counts) = (&self.setup.counters.audio, self.packets.counts());
            audio
                .jitter_buffer_ms
                .set(self.packets.delay().as_secs_f64() * 1000.0);
            audio
                .concealed_ms
                .set(samples_to_duration(counts.concealed_samples).as_millis() as u64);
            self.setup.counters.audio_rtp.late.set(counts.late);
        }
    }
}

/// How long so many interleaved samples last.
fn playing_time(samples: usize) -> Duration {
    samples_to_duration((samples / usize::from(CHANNELS)) as u64)
}

/// Appends a block, a little shorter or longer where that is wanted and cannot be heard.
fn append(ready: &mut Vec<i16>, sound: &[i16], pace: Pace) {
    let channels = usize::from(CHANNELS);
    let stretched = match pace {
        Pace::Normal => None,
        Pace::Faster => time_stretch::shorten(sound, channels),
        Pace::Slower => time_stretch::lengthen(sound, channels),
    };
    ready.extend_from_slice(stretched.as_deref().unwrap_or(sound));
}

impl Actor for AudioPlayout {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        match AudioDecoder::new(CHANNELS) {
            Ok(decoder) => self.decoder = Some(decoder),
            Err(error) => return ctx.fail(error),
        }
        self.open(self.setup.output.clone(), ctx);
    }
}

impl Handler<PlayPacket> for AudioPlayout {
    type Result = ();

    fn handle(&mut self, packet: PlayPacket, _: &mut Self::Context) {
        let packet = AudioPacket {
            sequence: packet.sequence,
            timestamp: packet.rtp_timestamp,
            payload: packet.payload,
            received_at: packet.received_at,
        };
        let _ = self.packets.feed(packet.received_at, Input::Packet(packet)); // nothing was asked
    }
}

impl Handler<BlockDue> for AudioPlayout {
    type Result = ();

    fn handle(&mut self, _: BlockDue, _: &mut Self::Context) {
        self.fill(Instant::now());
    }
}

impl Handler<ChooseOutput> for AudioPlayout {
    type Result = ();

    fn handle(&mut self, ChooseOutput(output): ChooseOutput, ctx: &mut Self::Context) {
        self.open(output, ctx);
    }
}
