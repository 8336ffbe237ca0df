//! Opus (RFC 6716) as RFC 7587 puts it into RTP: 48 kHz, in-band error correction, discontinuous transmission.

use opus::{Application, Bitrate, Channels};

use crate::frame::SAMPLE_RATE;

/// The longest packet Opus makes: 120 ms (RFC 6716 §2.1.4), in samples of one channel.
const LONGEST_PACKET: usize = SAMPLE_RATE as usize * 120 / 1000;

/// Room for any packet we make: RFC 6716 §3.2.1 bounds a frame at 1275 bytes.
const MAX_PACKET_BYTES: usize = 1275;

/// What to encode into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpusSettings {
    /// 1 or 2.
    pub channels: u8,
    /// Bits a second.
    pub bitrate: u32,
    /// Whether each packet also carries a coarse copy of the one before (RFC 6716 §2.1.7).
    pub fec: bool,
    /// Whether silence is sent as next to nothing (RFC 6716 §2.1.9).
    pub dtx: bool,
    /// The loss the redundancy is made for, percent.
    pub expected_loss_percent: u8,
    /// Effort, 0 to 10: 5 is within a hair of 10 for speech at half its CPU.
    pub complexity: u8,
}

/// Why there is no sound.
#[derive(Debug, thiserror::Error)]
pub enum AudioCodecError {
    /// Opus refuses, with its own words.
    #[error("opus refuses")]
    Opus(#[from] opus::Error),
    /// A packet of no bytes.
    #[error("an empty packet")]
    Empty,
}

fn layout(channels: u8) -> Channels {
    if channels > 1 {
        Channels::Stereo
    } else {
        Channels::Mono
    }
}

/// Encodes sound.
pub struct AudioEncoder {
    opus: opus::Encoder,
    packet: Vec<u8>,
}

impl AudioEncoder {
    /// An encoder that has heard nothing.
    pub fn new(settings: OpusSettings) -> Result<Self, AudioCodecError> {
        // Only in this mode do packets of speech carry error correction at our bit rates.
        let mut opus = opus::Encoder::new(SAMPLE_RATE, layout(settings.channels), Application::Voip)?;
        opus.set_bitrate(Bitrate::Bits(i32::try_from(settings.bitrate).unwrap_or(i32::MAX)))?;
        opus.set_complexity(i32::from(settings.complexity.min(10)))?;
        opus.set_inband_fec(settings.fec)?;
        opus.set_packet_loss_perc(i32::from(settings.expected_loss_percent.min(100)))?;
        opus.set_dtx(settings.dtx)?;
        Ok(AudioEncoder {
            opus,
            packet: vec![0; MAX_PACKET_BYTES],
        })
    }

    /// Encodes a block of 10, 20, 40 or 60 ms of interleaved samples.
    pub fn encode(&mut self, samples: &[i16]) -> Result<&[u8], AudioCodecError> {
        let length = self.opus.encode(samples, &mut self.packet)?;
        Ok(&self.packet[..length])
    }

    /// Bits a second from the next block on.
    pub fn set_bitrate(&mut self, bitrate: u32) -> Result<(), AudioCodecError> {
        Ok(self
            .opus
            .set_bitrate(Bitrate::Bits(i32::try_from(bitrate).unwrap_or(i32::MAX)))?)
    }

    /// The loss to make the redundancy for, as the peer's reports tell it.
    pub fn set_expected_loss(&mut self, percent: u8) -> Result<(), AudioCodecError> {
        Ok(self.opus.set_packet_loss_perc(i32::from(percent.min(100)))?)
    }
}

/// Decodes sound, and makes it up where it is missing.
pub struct AudioDecoder {
    opus: opus::Decoder,
    channels: usize,
    samples: Vec<i16>,
}

impl AudioDecoder {
    /// A decoder that has heard nothing.
    pub fn new(channels: u8) -> Result<Self, AudioCodecError> {
        let channels = channels.clamp(1, 2);
        Ok(AudioDecoder {
            opus: opus::Decoder::new(SAMPLE_RATE, layout(channels))?,
            channels: usize::from(channels),
            samples: vec![0; LONGEST_PACKET * usize::from(channels)],
        })
    }

    /// The sound of a packet, interleaved.
    pub fn decode(&mut self, packet: &[u8]) -> Result<&[i16], AudioCodecError> {
        if packet.is_empty() {
            // To libopus this means "lost", for as long as there is room.
            return Err(AudioCodecError::Empty);
        }
        let length = self.opus.decode(packet, &mut self.samples, false)?;
        Ok(&self.samples[..length * self.channels])
    }

    /// The sound of the lost packet before `next`, from the copy in it, or made up where there is none; `length` samples
    /// of one channel.
    pub fn recover(&mut self, next: &[u8], length: usize) -> Result<&[i16], AudioCodecError> {
        self.fill(next, length, true)
    }

    /// Sound in the place of a packet that is lost; `length` samples of one channel, a multiple of 2.5 ms.
    pub fn conceal(&mut self, length: usize) -> Result<&[i16], AudioCodecError> {
        self.fill(&[], length, false)
    }

    fn fill(&mut self, packet: &[u8], length: usize, fec: bool) -> Result<&[i16], AudioCodecError> {
        let room = length.min(LONGEST_PACKET) * self.channels;
        let length = self.opus.decode(packet, &mut self.samples[..room], fec)?;
        Ok(&self.samples[..length * self.channels])
    }

    /// Samples of one channel in a packet, if it is one.
    pub fn packet_samples(&self, packet: &[u8]) -> Option<usize> {
        self.opus.get_nb_samples(packet).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{level_dbfs, share_at};
    use crate::synthetic::tone::Tone;
    use proptest::prelude::*;

    const SETTINGS: OpusSettings = OpusSettings {
        channels: 1,
        bitrate: 32_000,
        fec: true,
        dtx: false,
        expected_loss_percent: 10,
        complexity: 5,
    };
    const BLOCK: usize = 960;

    fn packets(count: usize, sample: impl Fn(usize) -> i16) -> Vec<Vec<u8>> {
        let mut encoder = AudioEncoder::new(SETTINGS).expect("opus takes these");
        (0..count)
            .map(|block| {
                let samples: Vec<i16> = (0..BLOCK).map(|i| sample(block * BLOCK + i)).collect();
                encoder.encode(&samples).expect("opus encodes").to_vec()
            })
            .collect()
    }

    /// Something like a voice: a pitch that glides, with its harmonics, getting louder and softer.
    fn voice(n: usize) -> i16 {
        let t = n as f64 / f64::from(SAMPLE_RATE);
        let pitch = 140.0 + 30.0 * (t * 5.0).sin();
        let loud = 0.6 + 0.4 * (t * 11.0).sin();
        let wave: f64 = (1..12)
            .map(|k| (t * pitch * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k))
            .sum();
        (wave * loud * 5000.0) as i16
    }

    #[test]
    fn the_test_tone_survives_opus() {
        let tone = Tone::new().block(0, 48_000, 1);
        let mut decoder = AudioDecoder::new(2).expect("opus decodes stereo");
        let mut heard = Vec::new();
        for packet in packets(50, |n| tone[n]) {
            heard.extend_from_slice(decoder.decode(&packet).expect("a good packet"));
        }
        assert_eq!(heard.len(), 2 * 48_000);
        let left: Vec<f64> = heard
            .iter()
            .step_by(2)
            .skip(24_000)
            .map(|&s| f64::from(s))
            .collect();
        assert!(share_at(&left[..4800], 440.0) > 0.9);
        assert!((level_dbfs(&heard[48_000..]) + 18.0).abs() < 1.0);
    }

    #[test]
    fn a_lost_packet_is_better_recovered_from_the_next_than_made_up() {
        let packets = packets(100, voice);
        let error = |repair: &dyn Fn(&mut AudioDecoder, &[u8]) -> Vec<i16>| -> f64 {
            let mut whole = AudioDecoder::new(1).expect("opus");
            let mut lossy = AudioDecoder::new(1).expect("opus");
            let mut error = 0.0;
            for (index, packet) in packets.iter().enumerate() {
                let exact = whole.decode(packet).expect("a good packet").to_vec();
                let heard = match index % 10 {
                    7 => repair(&mut lossy, &packets[index + 1]),
                    _ => lossy.decode(packet).expect("a good packet").to_vec(),
                };
                assert_eq!(heard.len(), exact.len());
                let pairs = exact.iter().zip(&heard);
                error += pairs
                    .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
                    .sum::<f64>();
            }
            error
        };
        let recovered = error(&|d, next| d.recover(next, BLOCK).expect("the copy").to_vec());
        let concealed = error(&|d, _| d.conceal(BLOCK).expect("made up").to_vec());
        assert!(
            recovered < concealed / 2.0,
            "recovered {recovered:.3e}, concealed {concealed:.3e}"
        );
    }

    #[test]
    fn a_lower_bit_rate_makes_smaller_packets_at_once() {
        let mut encoder = AudioEncoder::new(SETTINGS).expect("opus");
        let block = |index: usize| -> Vec<i16> { (0..BLOCK).map(|i| voice(index * BLOCK + i)).collect() };
        let bytes = |encoder: &mut AudioEncoder, from: usize| -> usize {
            (from..from + 25)
                .map(|i| encoder.encode(&block(i)).expect("opus encodes").len())
                .sum()
        };
        let before = bytes(&mut encoder, 0);
        encoder.set_bitrate(12_000).expect("a fair rate");
        encoder.set_expected_loss(0).expect("a fair loss");
        let after = bytes(&mut encoder, 25);
        assert!(
            after * 3 < before * 2,
            "{before} then {after} bytes in half a second"
        );
    }

    #[test]
    fn silence_costs_next_to_nothing() {
        let mut encoder = AudioEncoder::new(OpusSettings {
            dtx: true,
            ..SETTINGS
        })
        .expect("opus");
        let lengths: Vec<usize> = (0..100)
            .map(|_| encoder.encode(&[0; BLOCK]).expect("opus encodes").len())
            .collect();
        let tiny = lengths[50..].iter().filter(|&&l| l <= 2).count();
        assert!(tiny > 40, "{lengths:?}");
    }

    proptest! {
        #[test]
        fn no_packet_makes_the_decoder_panic(packet in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut decoder = AudioDecoder::new(2).expect("opus");
            let _ = decoder.decode(&packet).map(<[i16]>::len);
            let _ = decoder.recover(&packet, BLOCK).map(<[i16]>::len);
            let _ = decoder.packet_samples(&packet);
        }
    }
}
