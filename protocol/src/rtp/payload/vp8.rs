//! VP8 (RFC 7741). Each packet starts with a descriptor:
//!
//! ```text
//!       0 1 2 3 4 5 6 7
//!      +-+-+-+-+-+-+-+-+
//!      |X|R|N|S|R| PID | (REQUIRED)
//!      +-+-+-+-+-+-+-+-+
//! X:   |I|L|T|K| RSV   | (OPTIONAL)
//!      +-+-+-+-+-+-+-+-+
//! I:   |M| PictureID   | (OPTIONAL)
//!      +-+-+-+-+-+-+-+-+
//! M:   |   PictureID   |
//!      +-+-+-+-+-+-+-+-+
//! L:   |   TL0PICIDX   | (OPTIONAL)
//!      +-+-+-+-+-+-+-+-+
//! T/K: |TID|Y| KEYIDX  | (OPTIONAL)
//!      +-+-+-+-+-+-+-+-+
//! ```

use bytes::{Bytes, BytesMut};

use super::{AssembledPicture, Fragment, Place};
use crate::rtp::Error;

/// PictureIDs of this side have 15 bits.
pub(super) const PICTURE_ID_MASK: u16 = 0x7fff;
/// X: an extension byte follows.
const EXTENDED: u8 = 0x80;
/// S: the first packet of a partition.
const PARTITION_START: u8 = 0x10;
/// PID: which partition.
const PARTITION_MASK: u8 = 0x07;
/// I: a PictureID follows.
const HAS_PICTURE_ID: u8 = 0x80;
/// L: TL0PICIDX follows.
const HAS_TL0_INDEX: u8 = 0x40;
/// T and K: a byte of temporal layer and key index follows.
const HAS_LAYER_OR_KEY_INDEX: u8 = 0x30;
/// M: the PictureID has 15 bits.
const LONG_PICTURE_ID: u8 = 0x80;
/// RFC 7741 §4.3, the payload header's P: "Inverse key frame flag. When set to 0, the current frame is a key frame."
const INTER_FRAME: u8 = 0x01;
/// The descriptor this side writes.
const PREFIX: usize = 4;

/// Cuts a frame into equal pieces.
pub(super) fn packetize(
    frame: &Bytes,
    picture_id: u16,
    max: usize,
    out: &mut Vec<Fragment>,
) -> Result<(), Error> {
    if frame.is_empty() {
        return Err(Error::Empty);
    }
    let room = max.saturating_sub(PREFIX).max(1);
    let piece = frame.len().div_ceil(frame.len().div_ceil(room));
    let [high, low] = (picture_id & PICTURE_ID_MASK).to_be_bytes();
    for start in (0..frame.len()).step_by(piece) {
        let first = if start == 0 { PARTITION_START } else { 0 };
        let prefix = [EXTENDED | first, HAS_PICTURE_ID, LONG_PICTURE_ID | high, low];
        let end = (start + piece).min(frame.len());
        out.push(Fragment::new(prefix, frame.slice(start..end)));
    }
    Ok(())
}

/// A packet's descriptor, as far as a receiver without layers needs it.
struct Descriptor {
    /// The first packet of the first partition: the frame starts here.
    starts_frame: bool,
    /// Bytes of the descriptor.
    len: usize,
}

impl Descriptor {
    fn parse(payload: &[u8]) -> Result<Descriptor, Error> {
        let byte = |at: usize| {
            payload.get(at).copied().ok_or(Error::Truncated {
                needed: at + 1,
                left: payload.len(),
            })
        };
        let required = byte(0)?;
        let mut len = 1;
        if required & EXTENDED != 0 {
            let optional = byte(1)?;
            len += 1;
            if optional & HAS_PICTURE_ID != 0 {
                len += if byte(len)? & LONG_PICTURE_ID != 0 { 2 } else { 1 };
            }
            len += usize::from(optional & HAS_TL0_INDEX != 0);
            len += usize::from(optional & HAS_LAYER_OR_KEY_INDEX != 0);
        }
        // RFC 7741 §4.2: a payload without any VP8 data is malformed.
        byte(len)?;
        Ok(Descriptor {
            starts_frame: required & PARTITION_START != 0 && required & PARTITION_MASK == 0,
            len,
        })
    }
}

/// Joins the payloads of one frame.
pub(super) fn assemble<'a>(payloads: impl Iterator<Item = &'a Bytes>) -> Result<AssembledPicture, Error> {
    let mut data = BytesMut::new();
    for payload in payloads.filter(|payload| !payload.is_empty()) {
        let descriptor = Descriptor::parse(payload)?;
        if descriptor.starts_frame != data.is_empty() {
            return Err(Error::Incomplete);
        }
        data.extend_from_slice(&payload[descriptor.len..]);
    }
    let first = *data.first().ok_or(Error::Incomplete)?;
    Ok(AssembledPicture {
        key: first & INTER_FRAME == 0,
        data: data.freeze(),
    })
}

/// A frame's first packet tells whether the frame is a key frame; the others tell nothing.
pub(super) fn place(payload: &[u8]) -> Place {
    match Descriptor::parse(payload) {
        Ok(descriptor) if descriptor.starts_frame && payload[descriptor.len] & INTER_FRAME == 0 => {
            Place::KeyStart
        }
        _ => Place::Other,
    }
}

/// The descriptor, and the first byte of the frame, which tells a key frame.
pub(super) fn telling(payload: &[u8]) -> Vec<usize> {
    let descriptor = Descriptor::parse(payload);
    (0..=descriptor.map_or(0, |descriptor| descriptor.len)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::wire;
    use super::*;
    use proptest::prelude::*;

    fn packets(frame: &Bytes, picture_id: u16, max: usize) -> Vec<Bytes> {
        let mut out = Vec::new();
        packetize(frame, picture_id, max, &mut out).unwrap();
        wire(&out)
    }

    #[test]
    fn a_frame_starts_with_s_and_carries_its_picture_id() {
        let packets = packets(&Bytes::from_static(&[0x10; 10]), 0x1234, 9);
        assert_eq!(packets.len(), 2);
        assert_eq!(packets[0][..4], [0x90, 0x80, 0x92, 0x34]);
        assert_eq!(packets[1][..4], [0x80, 0x80, 0x92, 0x34]);
        assert_eq!(
            (place(&packets[0]), place(&packets[1])),
            (Place::KeyStart, Place::Other)
        );
    }

    #[test]
    fn every_form_of_descriptor_is_stepped_over() {
        let forms: [&[u8]; 6] = [
            &[0x10],
            &[0x90, 0x00],
            &[0x90, 0x80, 0x11],
            &[0x90, 0x80, 0x91, 0x22],
            &[0x90, 0xe0, 0x91, 0x22, 0x33, 0x44],
            &[0x90, 0x10, 0x44],
        ];
        for form in forms {
            let payload = Bytes::from([form, &[0x01, 0xaa]].concat());
            let picture = assemble([&payload].into_iter()).unwrap();
            assert_eq!(picture.data[..], [0x01, 0xaa]);
            assert!(!picture.key);
        }
    }

    #[test]
    fn a_later_partition_continues_a_frame() {
        let first = Bytes::from_static(&[0x10, 0x00, 1]);
        let second = Bytes::from_static(&[0x11, 2]); // S with PID 1
        let picture = assemble([&first, &second].into_iter()).unwrap();
        assert_eq!(picture.data[..], [0, 1, 2]);
    }

    #[test]
    fn a_frame_without_its_start_is_refused() {
        let packets = packets(&Bytes::from(vec![0; 3000]), 1, 1000);
        assert_eq!(assemble(packets[1..].iter()), Err(Error::Incomplete));
        let twice = [&packets[0], &packets[0]];
        assert_eq!(
            assemble(twice.into_iter()),
            Err(Error::Incomplete),
            "two frames in one"
        );
    }

    proptest! {
        #[test]
        fn packetizing_loses_nothing(frame in proptest::collection::vec(any::<u8>(), 1..6000), id in any::<u16>(), max in 5usize..1500) {
            let frame = Bytes::from(frame);
            let packets = packets(&frame, id, max);
            prop_assert!(packets.iter().all(|packet| packet.len() <= max));
            let picture = assemble(packets.iter()).unwrap();
            prop_assert_eq!(picture.key, frame[0] & 1 == 0);
            prop_assert_eq!(picture.data, frame);
        }
    }
}
