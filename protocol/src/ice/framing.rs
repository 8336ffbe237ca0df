//! Datagrams in a stream (RFC 4571 §2), as RFC 6544 has it: each after its length.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------------------------------+-------------------------------+
//! |            LENGTH             |  STUN, DTLS, RTP or RTCP ...  |
//! +-------------------------------+-------------------------------+
//! ```

use bytes::{Buf, BufMut, Bytes, BytesMut};

const LENGTH_BYTES: usize = 2;
/// Longest frame that is taken: more than any path carries in a datagram without fragments.
const MAX_FRAME_BYTES: usize = 4096;

/// A datagram as it goes into the stream; `None` if it is too long for it.
pub fn frame(datagram: &[u8]) -> Option<Bytes> {
    let length = u16::try_from(datagram.len()).ok()?;
    let mut framed = BytesMut::with_capacity(LENGTH_BYTES + datagram.len());
    framed.put_u16(length);
    framed.put_slice(datagram);
    Some(framed.freeze())
}

/// Takes a stream apart. Holds the beginning of one frame and no more.
#[derive(Debug, Default)]
pub struct Deframer {
    buffer: BytesMut,
    /// Bytes to come of a frame that is too long.
    skipped: usize,
    refused: u64,
}

impl Deframer {
    /// Takes the next bytes of the stream, and gives the datagrams that are complete with them.
    pub fn push(&mut self, mut bytes: Bytes) -> Vec<Bytes> {
        let mut datagrams = Vec::new();
        while bytes.has_remaining() {
            if self.skipped > 0 {
                let skipped = self.skipped.min(bytes.len());
                bytes.advance(skipped);
                self.skipped -= skipped;
            } else if self.buffer.is_empty()
                && let Some(length) = length(&bytes)
                && bytes.len() >= LENGTH_BYTES + length
            {
                // Whole: no copy.
                let mut framed = bytes.split_to(LENGTH_BYTES + length);
                framed.advance(LENGTH_BYTES);
                self.take(framed, &mut datagrams);
            } else {
                self.gather(&mut bytes, &mut datagrams);
            }
        }
        datagrams
    }

    /// Frames that were too long, or empty, since this was last asked.
    pub fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }

    /// Adds to a frame that comes in pieces.
    fn gather(&mut self, bytes: &mut Bytes, datagrams: &mut Vec<Bytes>) {
        let wanted = length(&self.buffer).map_or(LENGTH_BYTES, |length| LENGTH_BYTES + length);
        let piece = bytes.split_to((wanted - self.buffer.len()).min(bytes.len()));
        self.buffer.put_slice(&piece);
        let Some(length) = length(&self.buffer) else {
            return;
        };
        if length > MAX_FRAME_BYTES {
            self.refused += 1;
            self.skipped = length;
            self.buffer.clear();
        } else if self.buffer.len() == LENGTH_BYTES + length {
            let mut framed = self.buffer.split();
            framed.advance(LENGTH_BYTES);
            self.take(framed.freeze(), datagrams);
        }
    }

    fn take(&mut self, datagram: Bytes, datagrams: &mut Vec<Bytes>) {
        match datagram.len() {
            1..=MAX_FRAME_BYTES => datagrams.push(datagram),
            _ => self.refused += 1,
        }
    }
}

fn length(framed: &[u8]) -> Option<usize> {
    let length = framed.first_chunk().copied().map(u16::from_be_bytes)?;
    Some(usize::from(length))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn stream(datagrams: &[Vec<u8>]) -> Bytes {
        let framed = datagrams.iter().map(|datagram| frame(datagram).unwrap());
        framed.flatten().collect()
    }

    #[test]
    fn what_is_too_long_or_empty_is_counted_and_the_next_frame_is_found() {
        let long = vec![1; MAX_FRAME_BYTES + 1];
        let whole = stream(&[long, Vec::new(), vec![2; 3]]);
        for piece in [1, 1000, whole.len()] {
            let mut deframer = Deframer::default();
            let pieces = whole.chunks(piece).map(Bytes::copy_from_slice);
            let datagrams: Vec<_> = pieces.flat_map(|piece| deframer.push(piece)).collect();
            assert_eq!(datagrams, [Bytes::from(vec![2; 3])], "in pieces of {piece}");
            assert_eq!(deframer.take_refused(), 2);
            assert!(deframer.buffer.is_empty());
        }
        assert_eq!(frame(&vec![0; 65_536]), None);
    }

    proptest! {
        #[test]
        fn however_a_stream_is_cut_the_same_datagrams_come_out(
            datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..20),
            piece in 1_usize..700,
        ) {
            let mut deframer = Deframer::default();
            let whole = stream(&datagrams);
            let pieces = whole.chunks(piece).map(Bytes::copy_from_slice);
            let found: Vec<Vec<u8>> = pieces.flat_map(|piece| deframer.push(piece)).map(Vec::from).collect();
            prop_assert_eq!(found, datagrams);
        }

        #[test]
        fn whatever_comes_no_more_than_one_frame_is_held(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9000), 0..20),
        ) {
            let mut deframer = Deframer::default();
            for piece in pieces {
                let datagrams = deframer.push(piece.into());
                prop_assert!(datagrams.iter().all(|datagram| datagram.len() <= MAX_FRAME_BYTES));
                prop_assert!(deframer.buffer.len() < LENGTH_BYTES + MAX_FRAME_BYTES);
            }
        }
    }
}
