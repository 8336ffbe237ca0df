//! What the receiver reckons the path carries at most (draft-alvestrand-rmcat-remb-03 §2.2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |V=2|P| FMT=15  |   PT=206      |             length            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                  SSRC of packet sender                        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                  SSRC of media source, 0                      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Unique identifier 'R' 'E' 'M' 'B'                            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Num SSRC     | BR Exp    |  BR Mantissa                      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   SSRC feedback …                                             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::Error;
use super::packet::Reader;

/// Tells it from the other uses of application layer feedback.
const IDENTIFIER: [u8; 4] = *b"REMB";
/// The mantissa has 18 bits.
const MANTISSA_BITS: u32 = 18;
const MAX_MANTISSA: u64 = (1 << MANTISSA_BITS) - 1;

/// A receiver's estimate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remb {
    /// Who reckons.
    pub sender: u32,
    /// The total of the streams, bit/s; what does not fit 64 bits is as much as does.
    pub bitrate: u64,
    /// The streams.
    pub ssrcs: Vec<u32>,
}

impl Remb {
    /// `None` for another use of application layer feedback (RFC 4585 §6.4).
    pub(super) fn parse(body: &mut Reader<'_>) -> Result<Option<Self>, Error> {
        let sender = body.u32()?;
        body.u32()?; // "SSRC of media source … always 0"
        if !matches!(body.array(), Ok(IDENTIFIER)) {
            return Ok(None);
        }
        let [streams, m0, m1, m2] = body.array()?;
        let (exponent, mantissa) = (m0 >> 2, u64::from(u32::from_be_bytes([0, m0 & 0b11, m1, m2])));
        let bitrate = u128::from(mantissa) << exponent;
        let ssrcs: Result<_, _> = (0..streams).map(|_| body.u32()).collect();
        Ok(Some(Remb {
            sender,
            bitrate: u64::try_from(bitrate).unwrap_or(u64::MAX),
            ssrcs: ssrcs?,
        }))
    }

    /// Appends everything behind the first word; of the rate the 18 highest bits.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let exponent = (u64::BITS - self.bitrate.leading_zeros()).saturating_sub(MANTISSA_BITS);
        let mantissa = (self.bitrate >> exponent).min(MAX_MANTISSA) as u32;
        let ssrcs = &self.ssrcs[..self.ssrcs.len().min(usize::from(u8::MAX))];
        out.extend_from_slice(&self.sender.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&IDENTIFIER);
        out.extend_from_slice(
            &((ssrcs.len() as u32) << 24 | exponent << MANTISSA_BITS | mantissa).to_be_bytes(),
        );
        for ssrc in ssrcs {
            out.extend_from_slice(&ssrc.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::rtcp::packet::{RtcpPacket, parse_compound, write_compound};

    fn there_and_back(bitrate: u64) -> (Vec<u8>, Remb) {
        let remb = Remb {
            sender: 1,
            bitrate,
            ssrcs: vec![5, 6],
        };
        let bytes = write_compound(&[RtcpPacket::Remb(remb)]);
        match parse_compound(&bytes).unwrap().remove(0) {
            RtcpPacket::Remb(read) => (bytes, read),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_draft() {
        let (bytes, read) = there_and_back(1_000_000);
        // 1,000,000 = 250,000 << 2
        let expected = [
            &[0x8f, 206, 0, 6, 0, 0, 0, 1, 0, 0, 0, 0][..],
            b"REMB",
            &[2, 0x0b, 0xd0, 0x90, 0, 0, 0, 5, 0, 0, 0, 6],
        ];
        assert_eq!(bytes, expected.concat());
        assert_eq!((read.bitrate, read.ssrcs), (1_000_000, vec![5, 6]));
    }

    #[test]
    fn the_rtcp_crate_reads_the_same() {
        let (bytes, _) = there_and_back(2_500_000);
        let packets = rtcp::packet::unmarshal(&mut &bytes[..]).unwrap();
        type Theirs =
            rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
        let theirs = packets[0].as_any().downcast_ref::<Theirs>().unwrap();
        assert_eq!((theirs.bitrate as u64, &theirs.ssrcs), (2_500_000, &vec![5, 6]));
    }

    #[test]
    fn a_rate_beyond_all_bounds_is_the_largest_and_other_feedback_is_passed_over() {
        let mut bytes = there_and_back(1).0;
        bytes[17..20].copy_from_slice(&[0xff; 3]);
        let read = parse_compound(&bytes).unwrap();
        assert!(
            matches!(
                &read[0],
                RtcpPacket::Remb(Remb {
                    bitrate: u64::MAX,
                    ..
                })
            ),
            "{read:?}"
        );
        bytes[12] = b'X';
        assert_eq!(parse_compound(&bytes).unwrap(), []);
        bytes[12] = b'R';
        bytes[16] = 200;
        assert!(matches!(parse_compound(&bytes), Err(Error::Truncated { .. })));
    }

    proptest! {
        #[test]
        fn any_rate_comes_back_within_a_hundred_thousandth(rate in any::<u64>()) {
            let read = there_and_back(rate).1.bitrate;
            prop_assert!(read <= rate && rate - read <= rate / 100_000);
        }

        #[test]
        fn any_bytes_are_safe(body in proptest::collection::vec(any::<u8>(), 0..100)) {
            let length = (body.len() / 4) as u16;
            let mut bytes = vec![0x8f, 206];
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&body[..4 * usize::from(length)]);
            let _ = parse_compound(&bytes);
        }
    }
}
