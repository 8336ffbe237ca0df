//! The audio jitter buffer in recordings: of an Opus packet its length and the bytes that tell how long it sounds.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{AudioJitterBuffer, AudioPacket, Decision};
use crate::recording::Recorded;

/// What a buffer is fed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// [`AudioJitterBuffer::insert`].
    Packet(AudioPacket),
    /// [`AudioJitterBuffer::next`].
    Next,
}

impl Recorded for AudioJitterBuffer {
    const NAME: &'static str = "audio_jitter_buffer";
    const DRAINED: bool = false;
    type Input = Input;
    /// What to play, where that was asked.
    type Answer = Option<Decision>;
    type Output = ();

    fn feed(&mut self, at: Instant, input: Input) -> Option<Decision> {
        match input {
            Input::Packet(packet) => {
                self.insert(packet);
                None
            }
            Input::Next => Some(self.next(at)),
        }
    }

    fn drain(&mut self, _: Instant) -> Vec<()> {
        Vec::new()
    }

    fn mask(&self, input: &Input) -> Input {
        input.clone()
    }

    fn tell(answer: &Option<Decision>) -> Option<String> {
        let decision = answer.as_ref()?;
        serde_json::to_string(decision).ok()
    }
}

/// The payload of a packet without its sound.
pub(super) mod payload {
    use bytes::Bytes;
    use serde::{Deserializer, Serializer};

    use crate::recording::media::{digits, keep_only};
    use crate::rtp::payload::{PayloadFormat, telling};

    pub(in crate::audio::jitter_buffer) fn serialize<S: Serializer>(
        payload: &Bytes,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let told = keep_only(payload, telling(PayloadFormat::Opus, payload));
        digits::serialize(&told, serializer)
    }

    pub(in crate::audio::jitter_buffer) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Bytes, D::Error> {
        digits::deserialize(deserializer)
    }
}
