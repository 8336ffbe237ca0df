//! Sound. Opus takes a fifth of a millisecond for a block, so it works right here.

use actix::{Actor, Context, Handler};
use bytes::Bytes;
use roomrtc_kit::{Directory, Exit, Keep, Port};
use roomrtc_media::audio_codec::{self, AudioCodecError, OpusSettings};

use super::{EncodeAudio, SetBitrate, SetExpectedLoss};
use crate::rtp_sender::SendFrame;

/// RFC 6716 §2.1.9: with DTX, "only one frame is encoded every 400 milliseconds"; what libopus gives for the others is
/// no longer than this and need not be sent.
const SILENT_PACKET: usize = 2;

/// What an encoder is made from.
#[derive(Clone)]
pub struct AudioEncoderSetup {
    /// How Opus is set.
    pub settings: OpusSettings,
    /// Takes the packets.
    pub output: Port<SendFrame>,
    /// The settings as they were changed since, over restarts.
    pub keep: Keep<OpusSettings>,
}

/// The actor.
pub struct AudioEncoder {
    setup: AudioEncoderSetup,
    settings: OpusSettings,
    codec: Option<audio_codec::AudioEncoder>,
    silent: bool,
}

impl AudioEncoder {
    /// An encoder whose codec is started with the actor.
    pub fn new(setup: AudioEncoderSetup) -> Self {
        AudioEncoder {
            settings: setup.keep.get().unwrap_or(setup.settings),
            setup,
            codec: None,
            silent: false,
        }
    }

    fn encode(&mut self, EncodeAudio(sound): &EncodeAudio) -> Result<(), AudioCodecError> {
        let Some(codec) = &mut self.codec else {
            return Ok(());
        };
        let packet = codec.encode(&sound.samples)?;
        // The first of them is sent: it tells the receiver that silence follows.
        let silent = packet.len() <= SILENT_PACKET;
        if !(silent && std::mem::replace(&mut self.silent, silent)) {
            self.silent = silent;
            self.setup.output.tell(SendFrame {
                data: Bytes::copy_from_slice(packet),
                key: true,
                captured_at: sound.at,
            });
        }
        Ok(())
    }

    fn change(&mut self, settings: OpusSettings, ctx: &mut Context<Self>) {
        self.settings = settings;
        self.setup.keep.put(settings);
        let OpusSettings {
            bitrate,
            expected_loss_percent: loss,
            ..
        } = settings;
        Directory::note_resume(|| format!("{} kbit/s, {loss} % loss expected", bitrate / 1000));
        let Some(codec) = &mut self.codec else { return };
        let changed = codec
            .set_bitrate(settings.bitrate)
            .and_then(|()| codec.set_expected_loss(settings.expected_loss_percent));
        if let Err(error) = changed {
            ctx.fail(error);
        }
    }
}

impl Actor for AudioEncoder {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        match audio_codec::AudioEncoder::new(self.settings) {
            Ok(codec) => self.codec = Some(codec),
            Err(error) => ctx.fail(error),
        }
    }
}

impl Handler<EncodeAudio> for AudioEncoder {
    type Result = ();

    fn handle(&mut self, sound: EncodeAudio, ctx: &mut Self::Context) {
        if let Err(error) = self.encode(&sound) {
            ctx.fail(error);
        }
    }
}

impl Handler<SetBitrate> for AudioEncoder {
    type Result = ();

    fn handle(&mut self, SetBitrate(bitrate): SetBitrate, ctx: &mut Self::Context) {
        let bitrate = u32::try_from(bitrate).unwrap_or(u32::MAX);
        self.change(
            OpusSettings {
                bitrate,
                ..self.settings
            },
            ctx,
        );
    }
}

impl Handler<SetExpectedLoss> for AudioEncoder {
    type Result = ();

    fn handle(&mut self, SetExpectedLoss(percent): SetExpectedLoss, ctx: &mut Self::Context) {
        let settings = OpusSettings {
            expected_loss_percent: percent,
            ..self.settings
        };
        self.change(settings, ctx);
    }
}
