//! How codecs fill RTP packets, and how a receiver makes frames of packets again.
//!
//! [`Packetizer`] cuts an encoded frame into [`Fragment`]s that share the frame's memory; [`Assembler`] joins the
//! payloads of one frame. A file a format: [`h264`] (RFC 6184), [`vp8`] (RFC 7741), [`opus`] (RFC 7587).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Error;
use crate::VideoCodec;
use crate::recording::media::keep_only;

pub mod h264;
pub mod opus;
pub mod vp8;

/// Ticks of the RTP timestamp a second, whatever the codec of the pictures: RFC 6184 §8.2.1 and RFC 7741 §6.1 say "The
/// clock rate … MUST be 90000."
pub const VIDEO_CLOCK_RATE: u32 = 90_000;

/// The payload formats of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PayloadFormat {
    /// RFC 6184, packetization-mode 1.
    H264,
    /// RFC 7741.
    Vp8,
    /// RFC 7587.
    Opus,
}

impl PayloadFormat {
    /// Ticks of the RTP timestamp a second.
    pub fn clock_rate(self) -> u32 {
        match self {
            PayloadFormat::H264 | PayloadFormat::Vp8 => VIDEO_CLOCK_RATE,
            // RFC 7587 §4.1: "Opus … the RTP timestamp is incremented with a 48000 Hz clock rate".
            PayloadFormat::Opus => 48_000,
        }
    }
}

impl From<VideoCodec> for PayloadFormat {
    fn from(codec: VideoCodec) -> Self {
        match codec {
            VideoCodec::H264 => PayloadFormat::H264,
            VideoCodec::Vp8 => PayloadFormat::Vp8,
        }
    }
}

/// One packet's payload: a few bytes of the payload format, then a piece of the frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fragment {
    prefix: [u8; Fragment::MAX_PREFIX],
    prefix_len: u8,
    #[serde(with = "crate::recording::media::length")]
    body: Bytes,
}

impl Fragment {
    /// The longest prefix: VP8's descriptor with a 15-bit PictureID.
    const MAX_PREFIX: usize = 4;

    fn new<const N: usize>(prefix: [u8; N], body: Bytes) -> Self {
        const { assert!(N <= Fragment::MAX_PREFIX) };
        let mut padded = [0; Fragment::MAX_PREFIX];
        padded[..N].copy_from_slice(&prefix);
        Fragment {
            prefix: padded,
            prefix_len: N as u8,
            body,
        }
    }

    /// Bytes of payload.
    #[allow(clippy::len_without_is_empty, reason = "a fragment is never empty")]
    pub fn len(&self) -> usize {
        usize::from(self.prefix_len) + self.body.len()
    }

    /// Appends the payload as it goes on the wire.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.prefix[..usize::from(self.prefix_len)]);
        out.extend_from_slice(&self.body);
    }
}

/// Cuts encoded frames into payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Packetizer {
    /// H.264 access units in Annex B form.
    H264,
    /// VP8 frames, each under its own PictureID.
    Vp8 {
        /// The 15-bit PictureID of the next frame.
        picture_id: u16,
    },
    /// Opus packets.
    Opus,
}

impl Packetizer {
    /// For a format; `picture_id` is where VP8 starts counting (RFC 7741 §4.2: "SHOULD be random").
    pub fn new(format: PayloadFormat, picture_id: u16) -> Self {
        match format {
            PayloadFormat::H264 => Packetizer::H264,
            PayloadFormat::Vp8 => Packetizer::Vp8 { picture_id },
            PayloadFormat::Opus => Packetizer::Opus,
        }
    }

    /// Appends the payloads of a frame, none longer than `max` bytes.
    ///
    /// # Errors
    /// [`Error::Empty`]; [`Error::TooLarge`] for sound.
    pub fn packetize(&mut self, frame: &Bytes, max: usize, out: &mut Vec<Fragment>) -> Result<(), Error> {
        match self {
            Packetizer::H264 => h264::packetize(frame, max, out),
            Packetizer::Vp8 { picture_id } => {
                vp8::packetize(frame, *picture_id, max, out)?;
                *picture_id = picture_id.wrapping_add(1) & vp8::PICTURE_ID_MASK;
                Ok(())
            }
            Packetizer::Opus => opus::packetize(frame, max, out),
        }
    }
}

/// An encoded picture, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssembledPicture {
    /// An H.264 access unit in Annex B form, or a VP8 frame.
    pub data: Bytes,
    /// Whether a decoder can start here.
    pub key: bool,
}

/// Makes pictures of payloads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Assembler {
    /// Remembers the parameter sets, for senders that do not repeat them with each key frame.
    H264(h264::ParameterSets),
    /// Remembers nothing.
    Vp8,
}

impl Assembler {
    /// For a codec.
    pub fn new(codec: VideoCodec) -> Self {
        match codec {
            VideoCodec::H264 => Assembler::H264(h264::ParameterSets::default()),
            VideoCodec::Vp8 => Assembler::Vp8,
        }
    }

    /// The format it is for.
    pub fn format(&self) -> PayloadFormat {
        match self {
            Assembler::H264(_) => PayloadFormat::H264,
            Assembler::Vp8 => PayloadFormat::Vp8,
        }
    }

    /// Joins the payloads of one picture, all of them and in order. Empty payloads (padding) may be among them.
    ///
    /// # Errors
    /// When the payloads are no picture.
    pub fn assemble<'a>(
        &mut self,
        payloads: impl Iterator<Item = &'a Bytes>,
    ) -> Result<AssembledPicture, Error> {
        match self {
            Assembler::H264(sets) => h264::assemble(sets, payloads),
            Assembler::Vp8 => vp8::assemble(payloads),
        }
    }
}

/// Which bytes of a payload tell of its format, and nothing of the media in it.
pub fn telling(format: PayloadFormat, payload: &[u8]) -> Vec<usize> {
    match format {
        PayloadFormat::H264 => h264::telling(payload),
        PayloadFormat::Vp8 => vp8::telling(payload),
        PayloadFormat::Opus => (0..payload.len().min(opus::TELLING)).collect(),
    }
}

/// A frame that is cut into the same packets and has nothing in it.
pub fn mask_frame(format: PayloadFormat, frame: &Bytes) -> Bytes {
    let told = match format {
        PayloadFormat::H264 => h264::telling_in_stream(frame),
        // The first bit of a VP8 frame tells a key frame.
        PayloadFormat::Vp8 => vec![0],
        PayloadFormat::Opus => telling(format, frame),
    };
    keep_only(frame, told).into()
}

/// What one payload tells of its place in a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Certainly the first of a key frame.
    KeyStart,
    /// Part of a key frame, perhaps its first.
    KeyPart,
    /// Anything else.
    Other,
}

impl Place {
    /// That of a payload.
    pub fn of(codec: VideoCodec, payload: &[u8]) -> Self {
        match codec {
            VideoCodec::H264 => h264::place(payload),
            VideoCodec::Vp8 => vp8::place(payload),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// The payloads of a frame as a receiver gets them.
    pub(super) fn wire(fragments: &[Fragment]) -> Vec<Bytes> {
        fragments
            .iter()
            .map(|fragment| {
                let mut bytes = Vec::new();
                fragment.write(&mut bytes);
                assert_eq!(bytes.len(), fragment.len());
                Bytes::from(bytes)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn any_payloads_are_safe(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let payloads: Vec<Bytes> = payloads.into_iter().map(Bytes::from).collect();
            for codec in [VideoCodec::H264, VideoCodec::Vp8] {
                let mut assembler = Assembler::new(codec);
                let _ = assembler.assemble(payloads.iter());
                for payload in &payloads {
                    Place::of(codec, payload);
                }
            }
        }

        #[test]
        fn damaged_payloads_are_safe(
            frame in proptest::collection::vec(any::<u8>(), 1..3000),
            hit in any::<prop::sample::Index>(), flip in 1u8.., cut in any::<prop::sample::Index>(),
        ) {
            for (codec, format) in [(VideoCodec::H264, PayloadFormat::H264), (VideoCodec::Vp8, PayloadFormat::Vp8)] {
                let mut fragments = Vec::new();
                let with_start = Bytes::from([&[0, 0, 0, 1][..], &frame].concat());
                if Packetizer::new(format, 7).packetize(&with_start, 500, &mut fragments).is_err() {
                    continue;
                }
                let mut payloads = wire(&fragments);
                let at = hit.index(payloads.len());
                let mut damaged = payloads[at].to_vec();
                damaged[0] ^= flip;
                damaged.truncate(cut.index(damaged.len() + 1));
                payloads[at] = damaged.into();
                let _ = Assembler::new(codec).assemble(payloads.iter());
            }
        }
    }
}
