#![allow(clippy::unwrap_used)]
use super::*;
use crate::rtp::extension::{ExtensionIds, Mid};

const EXTENSIONS: StreamExtensions = StreamExtensions {
    ids: ExtensionIds {
        mid: Some(4),
        abs_send_time: Some(2),
        transport_sequence: Some(3),
        abs_capture_time: Some(5),
    },
    mid: None,
};
/// The numbers Chromium gives.
const FORMATS: [PictureFormat; 2] = [
    PictureFormat {
        codec: VideoCodec::Vp8,
        payload_type: 96,
        rtx_payload_type: Some(97),
    },
    PictureFormat {
        codec: VideoCodec::H264,
        payload_type: 108,
        rtx_payload_type: Some(109),
    },
];

fn video() -> ReceiverSettings {
    let medium = Medium::Video {
        formats: FORMATS.to_vec(),
        rtx_ssrc: Some(8),
        limits: BufferLimits::default(),
    };
    ReceiverSettings {
        medium,
        ssrc: Some(7),
        extensions: EXTENSIONS,
        round_trip: Duration::from_millis(50),
    }
}

fn datagram(payload_type: u8, ssrc: u32, sequence_number: u16, payload: &[u8]) -> Bytes {
    let header = Header {
        marker: true,
        payload_type,
        sequence_number,
        timestamp: 3000,
        ssrc,
    };
    let mut out = vec![];
    header.write(&mut out);
    out.extend_from_slice(payload);
    out.into()
}

/// The same, saying something of itself.
fn saying(said: &Extensions, datagram: &Bytes) -> Bytes {
    let (header, payload) = datagram.split_at(Header::LEN);
    let mut out = header.to_vec();
    if said.write(&EXTENSIONS.ids, &mut out) {
        out[0] |= Header::EXTENSION;
    }
    out.extend_from_slice(payload);
    out.into()
}

fn drain(receiver: &mut RtpReceiver) -> Vec<Output> {
    std::iter::from_fn(|| receiver.poll_output()).collect()
}

/// A VP8 key frame in one packet.
const KEY: &[u8] = &[0x10, 0x00, 0xaa];
/// Any other frame.
const INTER: &[u8] = &[0x10, 0x01, 0xbb];

#[test]
fn a_retransmission_takes_the_place_of_the_lost_packet() {
    let now = Instant::now();
    let mut receiver = RtpReceiver::new(video(), None, now);
    receiver
        .handle_datagram(now, &datagram(96, 7, 65_535, KEY))
        .unwrap();
    receiver.handle_datagram(now, &datagram(96, 7, 1, INTER)).unwrap();
    assert_eq!(drain(&mut receiver).len(), 1);
    let soon = receiver.next_timeout().unwrap();
    receiver.handle_timeout(soon);
    assert_eq!(drain(&mut receiver), [Output::RequestResend(vec![0])]);
    let again = [&[0, 0][..], INTER].concat();
    receiver
        .handle_datagram(now, &datagram(97, 8, 500, &again))
        .unwrap();
    assert_eq!(drain(&mut receiver).len(), 2);
    assert_eq!(receiver.counts().retransmissions, 1);
    // RFC 4588: the loss stays a loss in the reports about the stream itself.
    assert_eq!(receiver.figures().unwrap().1.lost(), 1);
}

/// An H.264 key frame in one packet: parameter sets and a slice (RFC 6184 §5.7.1, STAP-A).
const H264_KEY: &[u8] = &[0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce, 0, 2, 0x65, 0x88];
/// Any other H.264 frame.
const H264_INTER: &[u8] = &[0x61, 0x9a];

/// Frame after frame, each with a time of its own.
fn frame(payload_type: u8, number: u16, payload: &[u8]) -> Bytes {
    let header = Header {
        marker: true,
        payload_type,
        sequence_number: number,
        timestamp: u32::from(number) * 3000,
        ssrc: 7,
    };
    let mut out = vec![];
    header.write(&mut out);
    out.extend_from_slice(payload);
    out.into()
}

fn codecs(outputs: Vec<Output>) -> Vec<VideoCodec> {
    let codec = |output| match output {
        Output::Picture(picture) => Some(picture.codec),
        _ => None,
    };
    outputs.into_iter().filter_map(codec).collect()
}

#[test]
fn a_peer_may_change_the_codec_and_change_it_back() {
    let now = Instant::now();
    let mut receiver = RtpReceiver::new(video(), None, now);
    for (number, (payload_type, payload)) in [
        (108, H264_KEY),
        (108, H264_INTER),
        (96, KEY),
        (96, INTER),
        (108, H264_KEY),
        (108, H264_INTER),
    ]
    .into_iter()
    .enumerate()
    {
        let datagram = frame(payload_type, number as u16, payload);
        receiver.handle_datagram(now, &datagram).unwrap();
    }
    let expected = [VideoCodec::H264, VideoCodec::Vp8, VideoCodec::H264].map(|codec| [codec; 2]);
    assert_eq!(codecs(drain(&mut receiver)), expected.as_flattened());
    assert_eq!(receiver.counts().refused, 0);
}

#[test]
fn another_codec_is_shown_from_its_first_key_frame_on() {
    let now = Instant::now();
    let mut receiver = RtpReceiver::new(video(), None, now);
    for (number, (payload_type, payload)) in [(96, KEY), (108, H264_INTER)].into_iter().enumerate() {
        let datagram = frame(payload_type, number as u16, payload);
        receiver.handle_datagram(now, &datagram).unwrap();
    }
    assert_eq!(codecs(drain(&mut receiver)), [VideoCodec::Vp8]);
    let soon = receiver.next_timeout().unwrap();
    receiver.handle_timeout(soon);
    assert_eq!(drain(&mut receiver), [Output::RequestKeyFrame]);
    receiver.handle_datagram(now, &frame(108, 2, H264_KEY)).unwrap();
    assert_eq!(codecs(drain(&mut receiver)), [VideoCodec::H264]);
}

#[test]
fn a_retransmission_is_of_the_codec_whose_type_it_repairs() {
    let now = Instant::now();
    let mut receiver = RtpReceiver::new(video(), None, now);
    receiver.handle_datagram(now, &frame(96, 0, KEY)).unwrap();
    receiver.handle_datagram(now, &frame(108, 2, H264_INTER)).unwrap();
    assert_eq!(codecs(drain(&mut receiver)), [VideoCodec::Vp8]);
    let again = [&[0, 1][..], H264_KEY].concat();
    receiver
        .handle_datagram(now, &datagram(109, 8, 500, &again))
        .unwrap();
    assert_eq!(codecs(drain(&mut receiver)), [VideoCodec::H264; 2]);
}

#[test]
fn every_packet_on_the_transport_is_an_arrival_and_the_capture_time_is_remembered() {
    let now = Instant::now();
    let mut receiver = RtpReceiver::new(video(), None, now);
    let numbered = |sequence| Extensions {
        transport_sequence: Some(sequence),
        ..Extensions::default()
    };
    let captured = Extensions {
        abs_capture_time: Some(NtpTime(77)),
        ..numbered(65_535)
    };
    let probe = datagram(97, 8, 1, &[]);
    for (said, datagram) in [
        (captured, datagram(96, 7, 1, KEY)),
        (numbered(0), probe),
        (Extensions::default(), datagram(96, 7, 2, INTER)),
        (numbered(1), datagram(98, 7, 3, INTER)),
    ] {
        receiver.handle_datagram(now, &saying(&said, &datagram)).unwrap();
    }
    let outputs = drain(&mut receiver);
    let Some(Output::Arrived(arrivals)) = outputs.last() else {
        panic!("{outputs:?}")
    };
    let numbers: Vec<u16> = arrivals.iter().map(|came| came.sequence).collect();
    assert_eq!(numbers, [65_535, 0, 1]);
    let expected = Captured {
        timestamp: 3000,
        ntp: NtpTime(77),
    };
    assert_eq!(receiver.captured(), Some(expected));
    assert_eq!(outputs.len(), 3, "two pictures besides");
    assert_eq!(drain(&mut receiver), [], "told once");
}

#[test]
fn a_packet_of_another_section_is_refused_and_one_of_none_is_told_by_its_payload_type() {
    let now = Instant::now();
    let extensions = StreamExtensions {
        mid: Mid::new(b"1"),
        ..EXTENSIONS
    };
    let settings = ReceiverSettings {
        extensions,
        ..video()
    };
    let mut receiver = RtpReceiver::new(settings, None, now);
    for (number, mid) in [(1, Some(&b"1"[..])), (2, Some(b"0")), (2, None)] {
        let said = Extensions {
            mid: mid.and_then(Mid::new),
            ..Extensions::default()
        };
        let datagram = saying(&said, &datagram(96, 7, number, KEY));
        receiver.handle_datagram(now, &datagram).unwrap();
    }
    assert_eq!((receiver.counts().packets, receiver.counts().refused), (2, 1));
}

#[test]
fn more_arrivals_than_are_kept_count_as_lost() {
    let now = Instant::now();
    let mut receiver = RtpReceiver::new(video(), None, now);
    for number in 0..2000 {
        let said = Extensions {
            transport_sequence: Some(number),
            ..Extensions::default()
        };
        let datagram = saying(&said, &datagram(96, 7, number, INTER));
        receiver.handle_datagram(now, &datagram).unwrap();
    }
    let told = drain(&mut receiver).into_iter().map(|output| match output {
        Output::Arrived(arrivals) => arrivals.len(),
        _ => 0,
    });
    assert_eq!(told.sum::<usize>(), ARRIVALS);
}

#[test]
fn strangers_and_probes_change_nothing() {
    let now = Instant::now();
    let mut receiver = RtpReceiver::new(video(), None, now);
    for stranger in [
        datagram(97, 8, 1, &[]),
        datagram(97, 8, 1, KEY),
        datagram(96, 9, 1, KEY),
        datagram(98, 7, 1, KEY),
    ] {
        receiver.handle_datagram(now, &stranger).unwrap();
    }
    assert!(
        receiver
            .handle_datagram(now, &Bytes::from_static(b"not RTP"))
            .is_err()
    );
    assert_eq!((drain(&mut receiver), receiver.figures()), (vec![], None));
    assert_eq!(receiver.counts().refused, 4);
}

#[test]
fn sound_goes_on_at_once_with_its_numbers_unrolled() {
    let now = Instant::now();
    let settings = ReceiverSettings {
        medium: Medium::Audio { payload_type: 111 },
        ssrc: None,
        extensions: StreamExtensions::default(),
        round_trip: Duration::from_millis(50),
    };
    let mut receiver = RtpReceiver::new(settings, None, now);
    for number in [65_535, 0] {
        receiver
            .handle_datagram(now, &datagram(111, 5, number, b"sound"))
            .unwrap();
    }
    let numbers: Vec<u64> = drain(&mut receiver)
        .into_iter()
        .map(|output| match output {
            Output::Sound(sound) => sound.sequence,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(numbers[1], numbers[0] + 1);
    assert_eq!(receiver.figures().unwrap().0, 5, "the first stream was learned");
}

#[test]
fn a_next_life_counts_on_and_asks_for_one_key_frame() {
    let now = Instant::now();
    let mut first = RtpReceiver::new(video(), None, now);
    first.handle_datagram(now, &datagram(96, 7, 65_535, KEY)).unwrap();
    let mut second = RtpReceiver::new(video(), Some(first.resume()), now);
    second.handle_datagram(now, &datagram(96, 7, 0, INTER)).unwrap();
    let soon = second.next_timeout().unwrap();
    second.handle_timeout(soon);
    assert_eq!(drain(&mut second), [Output::RequestKeyFrame]);
    let (_, figures) = second.figures().unwrap();
    assert_eq!((figures.expected, figures.lost()), (2, 0));
    assert_eq!(figures.highest_sequence, 1 << 16);
}
