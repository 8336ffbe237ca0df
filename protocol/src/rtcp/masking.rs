//! RTCP without words: names, reasons, and whatever other programs put into packets of their own. What they say in
//! numbers stays, and so do all lengths.

use super::packet::kind;
use crate::recording::media::FILLER;

/// The fixed part of a packet.
const HEADER: usize = 4;
/// A source at the front of a chunk, or in a goodbye.
const SOURCE: usize = 4;
/// The bit that tells of padding.
const PADDED: u8 = 0x20;

/// A copy of a datagram in which words are replaced.
pub(crate) fn mask_words(datagram: &[u8]) -> Vec<u8> {
    let mut masked = datagram.to_vec();
    let mut at = 0;
    while let Some(&[flags, kind, high, low]) = datagram.get(at..at + HEADER) {
        let end = at + HEADER + 4 * usize::from(u16::from_be_bytes([high, low]));
        // The last byte counts the padding, if there is any.
        let last = end.min(datagram.len()) - usize::from(flags & PADDED != 0);
        if let Some(body) = masked.get_mut(at + HEADER..last) {
            mask_body(flags & 0x1f, kind, body);
        }
        at = end;
    }
    masked
}

fn mask_body(count: u8, kind: u8, body: &mut [u8]) {
    match kind {
        kind::SENDER_REPORT | kind::RECEIVER_REPORT | kind::TRANSPORT_FEEDBACK | kind::PAYLOAD_FEEDBACK => {}
        kind::SOURCE_DESCRIPTION => mask_descriptions(count, body),
        kind::GOODBYE => {
            let sources = SOURCE * usize::from(count);
            body.iter_mut().skip(sources).for_each(|byte| *byte = FILLER);
        }
        _ => body.fill(FILLER),
    }
}

/// RFC 3550 §6.5: chunks of a source and items, each a type, a length and its text, ended by a zero and padding.
fn mask_descriptions(count: u8, body: &mut [u8]) {
    let mut at = 0;
    for _ in 0..count {
        at += SOURCE;
        while let Some(&[item, length]) = body.get(at..at + 2)
            && item != 0
        {
            let text = at + 2..at + 2 + usize::from(length);
            at = text.end;
            match body.get_mut(text) {
                Some(text) => text.fill(FILLER),
                None => return,
            }
        }
        at = (at / 4 + 1) * 4;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::rtcp::packet::{RtcpPacket, parse_compound, write_compound};

    #[test]
    fn names_go_and_numbers_stay() {
        let name =
            |text: &str| RtcpPacket::SourceDescription(vec![(7, text.into()), (8, "b@192.0.2.7".into())]);
        let report = RtcpPacket::ReceiverReport {
            ssrc: 7,
            reports: vec![],
        };
        let leave = RtcpPacket::Goodbye(vec![7, 8]);
        let datagram = write_compound(&[report.clone(), name("ana@example.org"), leave.clone()]);
        let masked = mask_words(&datagram);
        let packets = parse_compound(&masked).unwrap();
        assert_eq!((&packets[0], &packets[2]), (&report, &leave));
        let RtcpPacket::SourceDescription(named) = &packets[1] else {
            panic!("{packets:?}")
        };
        assert_eq!(named.iter().map(|(ssrc, _)| *ssrc).collect::<Vec<_>>(), [7, 8]);
        assert!(!masked.windows(3).any(|three| three == b"ana" || three == b"192"));
    }

    #[test]
    fn packets_of_other_programs_lose_everything() {
        let mut application = vec![0x80, 204, 0, 2];
        application.extend_from_slice(b"password");
        assert_eq!(mask_words(&application)[4..], [FILLER; 8]);
    }

    proptest! {
        #[test]
        fn what_is_masked_is_read_or_refused_as_before(bytes in proptest::collection::vec(any::<u8>(), 0..80), kind in 200..208u8, words in 0..20u8) {
            let mut datagram = vec![0x82, kind, 0, words];
            datagram.extend_from_slice(&bytes);
            let masked = mask_words(&datagram);
            prop_assert_eq!(masked.len(), datagram.len());
            let (now, before) = (parse_compound(&masked), parse_compound(&datagram));
            prop_assert_eq!(now.as_ref().err(), before.as_ref().err());
        }
    }
}
