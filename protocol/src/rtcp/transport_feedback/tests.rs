#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;
use crate::rtcp::packet::{RtcpPacket, parse_compound, write_compound};

fn feedback(packets: Vec<Option<i16>>) -> TransportFeedback {
    TransportFeedback {
        sender: 1,
        media: 2,
        base: 65_530,
        reference: 0x00ab_cdef,
        count: 9,
        packets,
    }
}

fn there_and_back(feedback: &TransportFeedback) -> (Vec<u8>, TransportFeedback) {
    let bytes = write_compound(&[RtcpPacket::TransportFeedback(feedback.clone())]);
    match parse_compound(&bytes).unwrap().remove(0) {
        RtcpPacket::TransportFeedback(read) => (bytes, read),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_bytes_are_those_of_the_draft() {
    let few = feedback(vec![Some(4), None, Some(255)]);
    let (bytes, read) = there_and_back(&few);
    assert_eq!(read, few);
    let expected = [
        0x8f, 205, 0, 5, // FMT 15, five words follow
        0, 0, 0, 1, 0, 0, 0, 2, // who, of what
        0xff, 0xfa, 0, 3, 0xab, 0xcd, 0xef, 9, // from where, how many; when, which
        0xa8, 0x00, 4, 255, // a vector of one-bit symbols 1 0 1, two times
    ];
    assert_eq!(bytes, expected);
}

#[test]
fn runs_and_both_vectors_are_used() {
    for (packets, length) in [
        (vec![None; 5000], 20 + 2 + 2),
        (vec![Some(1); 100], 20 + 2 + 100 + 2),
        ([vec![Some(1); 20], vec![None; 30]].concat(), 20 + 4 + 20),
        // Two vectors of two-bit symbols, then two deltas of two bytes and twelve of one.
        (
            [
                vec![Some(-1)],
                vec![Some(1); 6],
                vec![Some(300)],
                vec![Some(1); 6],
            ]
            .concat(),
            20 + 4 + 16,
        ),
    ] {
        let (bytes, read) = there_and_back(&feedback(packets.clone()));
        assert_eq!(read.packets, packets);
        assert_eq!(bytes.len(), length, "{packets:?}");
    }
}

#[test]
fn lies_are_refused() {
    let mut bytes = there_and_back(&feedback(vec![Some(4); 4])).0;
    let with = |bytes: &[u8], at: usize, to: [u8; 2]| {
        let mut changed = bytes.to_vec();
        changed[at..at + 2].copy_from_slice(&to);
        parse_compound(&changed).unwrap_err()
    };
    assert_eq!(with(&bytes, 14, [0xff, 0xff]), Error::TooMany(0xffff));
    assert_eq!(with(&bytes, 20, [0x60, 3]), Error::Reserved, "symbol 3");
    assert_eq!(with(&bytes, 20, [0, 0]), Error::Reserved, "a run of nothing");
    assert!(matches!(with(&bytes, 20, [0x40, 4]), Error::Truncated { .. }));
    bytes.truncate(20);
    bytes[3] = 4;
    assert!(matches!(parse_compound(&bytes), Err(Error::Truncated { .. })));
}

#[test]
fn the_rtcp_crate_reads_the_same() {
    let ours = feedback(vec![
        Some(4),
        None,
        Some(-3),
        Some(300),
        Some(7),
        None,
        None,
        Some(0),
        Some(1),
    ]);
    let (bytes, _) = there_and_back(&ours);
    let packets = rtcp::packet::unmarshal(&mut &bytes[..]).unwrap();
    let theirs = packets[0]
        .as_any()
        .downcast_ref::<rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc>()
        .unwrap();
    assert_eq!(theirs.base_sequence_number, ours.base);
    assert_eq!(theirs.packet_status_count, 9);
    assert_eq!(theirs.reference_time, ours.reference);
    let deltas: Vec<i64> = theirs.recv_deltas.iter().map(|delta| delta.delta / 250).collect();
    assert_eq!(deltas, [4, -3, 300, 7, 0, 1]);
}

proptest! {
    #[test]
    fn any_feedback_comes_back(packets in proptest::collection::vec(any::<Option<i16>>(), 0..200),
                               run in 0..300usize, delta in proptest::option::of(0..256i16)) {
        let packets = [packets, vec![delta; run]].concat();
        let (bytes, read) = there_and_back(&feedback(packets.clone()));
        prop_assert_eq!(read.packets, packets);
        prop_assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn any_bytes_are_safe(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let length = (body.len() / 4) as u16;
        let mut bytes = vec![0x8f, 205];
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&body[..4 * usize::from(length)]);
        if let Ok(packets) = parse_compound(&bytes)
            && let RtcpPacket::TransportFeedback(read) = &packets[0]
        {
            prop_assert!(read.packets.len() <= usize::from(MAX_PACKETS));
        }
    }

    #[test]
    fn damaged_feedback_is_safe(at in any::<proptest::sample::Index>(), to in any::<u8>(), packets in proptest::collection::vec(any::<Option<i16>>(), 1..60)) {
        let mut bytes = write_compound(&[RtcpPacket::TransportFeedback(feedback(packets))]);
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _ = parse_compound(&bytes);
    }
}
