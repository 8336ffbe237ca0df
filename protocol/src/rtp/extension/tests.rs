#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

const SHORT: ExtensionIds = ExtensionIds {
    mid: Some(4),
    abs_send_time: Some(2),
    transport_sequence: Some(3),
    abs_capture_time: Some(13),
};
const LONG: ExtensionIds = ExtensionIds {
    abs_capture_time: Some(200),
    ..SHORT
};

fn all() -> Extensions {
    Extensions {
        mid: Mid::new(b"video0"),
        abs_send_time: Some(AbsSendTime(0x0012_3456)),
        transport_sequence: Some(0xfffe),
        abs_capture_time: Some(NtpTime(0x0102_0304_0506_0708)),
    }
}

fn written(extensions: &Extensions, ids: &ExtensionIds) -> Option<ExtensionBlock> {
    let mut out = vec![];
    extensions.write(ids, &mut out).then(|| {
        assert_eq!(out.len() % 4, 0);
        assert_eq!(
            usize::from(u16::from_be_bytes([out[2], out[3]])),
            out.len() / 4 - 1
        );
        block(&out)
    })
}

fn block(bytes: &[u8]) -> ExtensionBlock {
    ExtensionBlock {
        profile: u16::from_be_bytes([bytes[0], bytes[1]]),
        body: Bytes::copy_from_slice(&bytes[4..]),
    }
}

#[test]
fn both_forms_are_read_as_they_were_written() {
    for ids in [SHORT, LONG] {
        assert_eq!(written(&all(), &ids).unwrap().read(&ids), all());
    }
    assert_eq!(written(&all(), &SHORT).unwrap().profile, 0xbede);
    assert_eq!(written(&all(), &LONG).unwrap().profile, 0x1000);
}

#[test]
fn the_bytes_are_those_of_the_standards() {
    let ids = ExtensionIds {
        abs_capture_time: None,
        ..SHORT
    };
    let mut out = vec![];
    let small = Extensions {
        mid: Mid::new(b"1"),
        ..all()
    };
    assert!(small.write(&ids, &mut out));
    let expected = [
        0xbe, 0xde, 0, 3, 0x22, 0x12, 0x34, 0x56, 0x31, 0xff, 0xfe, 0x40, b'1', 0, 0, 0,
    ];
    assert_eq!(out, expected);
}

#[test]
fn without_identifiers_there_is_no_block() {
    let mut out = vec![7];
    assert!(!all().write(&ExtensionIds::default(), &mut out));
    assert_eq!(out, [7]);
    assert_eq!(StreamExtensions::default().longest(), 0);
}

#[test]
fn no_block_is_longer_than_the_longest() {
    for ids in [SHORT, LONG] {
        let stream = StreamExtensions {
            ids,
            mid: Mid::new(b"video0"),
        };
        assert_eq!(stream.longest(), 4 + written(&all(), &ids).unwrap().body.len());
    }
}

#[test]
fn what_is_unknown_or_padding_is_stepped_over_and_the_reserved_identifier_ends_the_reading() {
    // An unknown element of 2 bytes, padding, the transport's number, the reserved identifier, a name.
    let bytes = [
        0xbe, 0xde, 0, 3, 0x11, 9, 9, 0, 0x31, 0, 7, 0xf0, 0x40, b'1', 0, 0,
    ];
    let read = block(&bytes).read(&SHORT);
    assert_eq!((read.transport_sequence, read.mid), (Some(7), None));
}

#[test]
fn wrong_lengths_and_other_profiles_say_nothing() {
    for bytes in [
        &[0xbe, 0xde, 0, 1, 0x21, 1, 2, 0][..], // a sending time of two bytes
        &[0xbe, 0xde, 0, 1, 0x30, 1, 0, 0],     // a number of one
        &[0xbe, 0xde, 0, 1, 0x4f, 1, 2, 3],     // a name that is cut short
        &[0x10, 0x00, 0, 1, 3, 200, 1, 2],
        &[0x12, 0x34, 0, 1, 0x31, 0, 7, 0],
        &[0xbe, 0xde, 0, 0],
    ] {
        assert_eq!(block(bytes).read(&SHORT), Extensions::default(), "{bytes:02x?}");
    }
    assert_eq!((Mid::new(b""), Mid::new(&[b'x'; 17])), (None, None));
}

#[test]
fn a_sending_time_has_eighteen_bits_of_fraction_and_wraps_after_a_minute() {
    let half = AbsSendTime::new(NtpTime(1 << 31));
    assert_eq!(half, AbsSendTime(1 << 17));
    assert_eq!(AbsSendTime::new(NtpTime((64 << 32) + (1 << 31))), half);
}

#[test]
fn every_extension_is_found_by_its_name() {
    for extension in Extension::ALL {
        assert_eq!(Extension::of(extension.uri()), Some(extension));
    }
    assert_eq!(Extension::of("urn:3gpp:video-orientation"), None);
}

#[test]
fn the_rtp_crate_reads_what_we_write() {
    use webrtc_util::marshal::Unmarshal;
    for ids in [SHORT, LONG] {
        let mut packet = vec![0x90, 96, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        all().write(&ids, &mut packet);
        let header = rtp::header::Header::unmarshal(&mut &packet[..]).unwrap();
        assert_eq!(header.get_extension(4).unwrap(), &b"video0"[..]);
        assert_eq!(header.get_extension(3).unwrap(), &[0xff, 0xfe][..]);
        let capture = header.get_extension(ids.abs_capture_time.unwrap()).unwrap();
        assert_eq!(capture, &[1, 2, 3, 4, 5, 6, 7, 8][..]);
    }
}

proptest! {
    #[test]
    fn any_block_is_safe(profile in prop_oneof![Just(0xbede), Just(0x1000), any::<u16>()],
                         body in proptest::collection::vec(any::<u8>(), 0..120)) {
        let block = ExtensionBlock { profile, body: body.into() };
        block.read(&SHORT);
        block.read(&LONG);
    }

    #[test]
    fn any_values_come_back(mid in proptest::option::of(proptest::collection::vec(any::<u8>(), 1..=16)),
                            sent in proptest::option::of(0u32..1 << 24), number in any::<Option<u16>>(),
                            captured in any::<Option<u64>>(), ids in proptest::sample::subsequence((1..=14u8).collect::<Vec<_>>(), 4),
                            long in any::<bool>()) {
        let extensions = Extensions {
            mid: mid.and_then(|mid| Mid::new(&mid)),
            abs_send_time: sent.map(AbsSendTime),
            transport_sequence: number,
            abs_capture_time: captured.map(NtpTime),
        };
        let ids = ExtensionIds {
            mid: Some(ids[0] + if long { 100 } else { 0 }),
            abs_send_time: Some(ids[1]),
            transport_sequence: Some(ids[2]),
            abs_capture_time: Some(ids[3]),
        };
        let read = written(&extensions, &ids).map(|block| block.read(&ids)).unwrap_or_default();
        prop_assert_eq!(read, extensions);
    }
}
