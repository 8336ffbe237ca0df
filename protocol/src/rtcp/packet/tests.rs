#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

const BLOCK: ReportBlock = ReportBlock {
    ssrc: 9,
    fraction_lost: 12,
    lost: -3,
    highest_sequence: 70_000,
    jitter: 44,
    last_report: 0x1234_5678,
    delay: 65_536,
};

fn one_of_each() -> Vec<RtcpPacket> {
    vec![
        RtcpPacket::SenderReport {
            ssrc: 7,
            sent: SenderInfo {
                ntp: NtpTime(0x0102_0304_0506_0708),
                timestamp: 90_000,
                packets: 3,
                octets: 3000,
            },
            reports: vec![BLOCK],
        },
        RtcpPacket::ReceiverReport {
            ssrc: 7,
            reports: vec![BLOCK, ReportBlock::default()],
        },
        RtcpPacket::SourceDescription(vec![(7, "ana".into()), (8, "x".into()), (9, "four".into())]),
        RtcpPacket::Nack {
            sender: 7,
            media: 9,
            sequences: vec![65_530, 65_535, 3, 30],
        },
        RtcpPacket::PictureLoss { sender: 7, media: 9 },
        RtcpPacket::FullIntraRequest {
            sender: 7,
            requests: vec![(9, 255)],
        },
        RtcpPacket::TransportFeedback(TransportFeedback {
            sender: 7,
            media: 9,
            base: 65_535,
            reference: 3,
            count: 4,
            packets: vec![Some(0), None, Some(-7)],
        }),
        RtcpPacket::Remb(Remb {
            sender: 7,
            bitrate: 2_000_000,
            ssrcs: vec![9],
        }),
        RtcpPacket::Goodbye(vec![7, 8]),
    ]
}

#[test]
fn what_is_written_is_read_back() {
    let packets = one_of_each();
    assert_eq!(parse_compound(&write_compound(&packets)).unwrap(), packets);
}

#[test]
fn the_rtcp_crate_reads_the_same() {
    let bytes = write_compound(&one_of_each());
    let packets = rtcp::packet::unmarshal(&mut &bytes[..]).unwrap();
    let names: Vec<String> = packets.iter().map(|packet| format!("{packet}")).collect();
    assert_eq!(packets.len(), 9, "{names:?}");
    let nack = packets[3]
        .as_any()
        .downcast_ref::<rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack>()
        .unwrap();
    let asked: Vec<u16> = nack.nacks.iter().flat_map(|pair| pair.packet_list()).collect();
    assert_eq!(asked, [65_530, 65_535, 3, 30]);
    let report = packets[0]
        .as_any()
        .downcast_ref::<rtcp::sender_report::SenderReport>()
        .unwrap();
    assert_eq!(
        (report.ntp_time, report.rtp_time),
        (0x0102_0304_0506_0708, 90_000)
    );
}

#[test]
fn neighbours_share_a_nack_item() {
    let packet = RtcpPacket::Nack {
        sender: 1,
        media: 2,
        sequences: (0..17).collect(),
    };
    let mut out = vec![];
    packet.write(&mut out);
    assert_eq!(out.len(), 16);
    assert_eq!(out[12..], [0, 0, 0xff, 0xff]);
}

#[test]
fn unknown_packets_are_left_out_and_padding_is_taken_off() {
    let mut bytes = vec![0x80, 207, 0, 1, 1, 2, 3, 4];
    // PLI with one word of padding.
    bytes.extend_from_slice(&[0xa1, 206, 0, 3, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 4]);
    let packets = parse_compound(&bytes).unwrap();
    assert_eq!(packets, [RtcpPacket::PictureLoss { sender: 7, media: 9 }]);
}

#[test]
fn lies_about_lengths_are_refused() {
    let refused = |bytes: &[u8]| parse_compound(bytes).unwrap_err();
    assert_eq!(refused(&[0x40, 200, 0, 0]), Error::Version(1));
    assert!(matches!(refused(&[0x80, 200, 0, 9, 0]), Error::Truncated { .. }));
    assert!(
        matches!(refused(&[0x9f, 201, 0, 1, 0, 0, 0, 1]), Error::Truncated { .. }),
        "31 blocks"
    );
    assert_eq!(refused(&[0xa0, 201, 0, 1, 0, 0, 0, 9]), Error::Padding);
    assert_eq!(
        refused(&[0xa0, 201, 0, 1, 0, 0, 0, 4, 0x80, 201, 0, 1, 0, 0, 0, 1]),
        Error::Padding
    );
    // A description whose item runs over the end.
    assert!(matches!(
        refused(&[0x81, 202, 0, 2, 0, 0, 0, 1, 1, 200, 65, 65]),
        Error::Truncated { .. }
    ));
}

proptest! {
    #[test]
    fn any_bytes_are_safe(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_compound(&bytes);
    }

    #[test]
    fn damaged_packets_are_safe(hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>()) {
        let mut bytes = write_compound(&one_of_each());
        for (at, value) in hits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = parse_compound(&bytes);
        bytes.truncate(cut.index(bytes.len()));
        let _ = parse_compound(&bytes);
    }

    #[test]
    fn any_request_survives_the_wire(start in any::<u16>(), steps in proptest::collection::vec(1u16..40, 0..60)) {
        let mut sequence = start;
        let sequences: Vec<u16> = steps.iter().map(|step| { sequence = sequence.wrapping_add(*step); sequence }).collect();
        let packet = RtcpPacket::Nack { sender: 1, media: 2, sequences };
        prop_assert_eq!(parse_compound(&write_compound(std::slice::from_ref(&packet))).unwrap(), vec![packet]);
    }

    #[test]
    fn any_name_survives_the_wire(name in "[a-z0-9@-]{0,255}") {
        let packet = RtcpPacket::SourceDescription(vec![(1, name)]);
        let mut out = vec![];
        packet.write(&mut out);
        prop_assert_eq!(out.len() % 4, 0);
        prop_assert_eq!(parse_compound(&out).unwrap(), vec![packet]);
    }
}
