//! Opus (RFC 7587): one Opus packet is one payload, as it is. Its first byte (RFC 6716 §3.1) tells how long it
//! sounds:
//!
//! ```text
//!  0 1 2 3 4 5 6 7
//! +-+-+-+-+-+-+-+-+
//! | config  |s| c |
//! +-+-+-+-+-+-+-+-+
//! ```

use bytes::Bytes;

use super::Fragment;
use crate::rtp::Error;

/// RFC 6716 §3.2.5, R5: "the audio duration contained within a packet MUST NOT exceed 120 ms", at 48 kHz.
const MAX_SAMPLES: u32 = 5760;
/// The first byte, and where the second counts frames that one.
pub(super) const TELLING: usize = 2;
/// An encoder in silence sends packets of one or two bytes (RFC 6716 §2.1.9: DTX), and most of the time none.
const DTX_BYTES: usize = 2;

pub(super) fn packetize(packet: &Bytes, max: usize, out: &mut Vec<Fragment>) -> Result<(), Error> {
    match packet.len() {
        0 => Err(Error::Empty),
        // RFC 7587 §4.2: "An RTP payload MUST contain exactly one Opus packet".
        len if len > max => Err(Error::TooLarge(len)),
        _ => {
            out.push(Fragment::new([], packet.clone()));
            Ok(())
        }
    }
}

/// Samples at 48 kHz in a packet; `None` if it is not an Opus packet.
pub fn samples(packet: &[u8]) -> Option<u32> {
    let toc = *packet.first()?;
    let frames = match toc & 0x03 {
        0 => 1,
        1 | 2 => 2,
        // RFC 6716 §3.2.5: the frame count is in the low 6 bits of the next byte.
        _ => u32::from(*packet.get(1)? & 0x3f),
    };
    let total = frames * frame_samples(toc >> 3);
    (1..=MAX_SAMPLES).contains(&total).then_some(total)
}

/// RFC 6716 table 2: samples of one frame by configuration.
fn frame_samples(config: u8) -> u32 {
    match config {
        // SILK: 10, 20, 40, 60 ms
        0..=11 => [480, 960, 1920, 2880][usize::from(config % 4)],
        // Hybrid: 10, 20 ms
        12..=15 => [480, 960][usize::from(config % 2)],
        // CELT: 2.5, 5, 10, 20 ms
        _ => [120, 240, 480, 960][usize::from(config % 4)],
    }
}

/// Whether a packet only says that there is silence.
pub fn is_silence(packet: &[u8]) -> bool {
    packet.len() <= DTX_BYTES
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::wire;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_packet_tells_its_length() {
        assert_eq!(samples(&[0xfc, 1, 2]), Some(960), "CELT fullband 20 ms, stereo");
        assert_eq!(samples(&[0x78]), Some(960), "hybrid 20 ms");
        assert_eq!(samples(&[3 << 3]), Some(2880), "SILK 60 ms");
        assert_eq!(samples(&[(18 << 3) | 1]), Some(960), "two of 10 ms");
        assert_eq!(samples(&[(19 << 3) | 3, 6]), Some(5760), "six of 20 ms");
        assert_eq!(samples(&[(19 << 3) | 3, 7]), None, "longer than 120 ms");
        assert_eq!(samples(&[(19 << 3) | 3]), None);
        assert_eq!(samples(&[(19 << 3) | 3, 0]), None);
        assert_eq!(samples(&[]), None);
    }

    #[test]
    fn a_packet_too_large_for_a_datagram_is_refused() {
        let mut out = Vec::new();
        assert_eq!(
            packetize(&Bytes::from(vec![0; 11]), 10, &mut out),
            Err(Error::TooLarge(11))
        );
        assert_eq!(packetize(&Bytes::new(), 10, &mut out), Err(Error::Empty));
    }

    proptest! {
        #[test]
        fn a_packet_goes_as_it_is(packet in proptest::collection::vec(any::<u8>(), 1..1100)) {
            let mut out = Vec::new();
            let packet = Bytes::from(packet);
            packetize(&packet, 1200, &mut out).unwrap();
            prop_assert_eq!(wire(&out), vec![packet.clone()]);
            let _ = (samples(&packet), is_silence(&packet));
        }
    }
}
