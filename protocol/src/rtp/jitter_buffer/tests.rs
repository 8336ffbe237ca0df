#![allow(clippy::unwrap_used)]
use super::*;
use crate::rtp::payload::{Packetizer, PayloadFormat};
use proptest::prelude::*;

const FIRST: u64 = 65_530;
const PICTURE_BYTES: usize = 2500;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// VP8 pictures of three packets each; those in `keys` are key frames.
fn pictures(count: u8, keys: &[u8]) -> Vec<VideoPacket> {
    let mut packetizer = Packetizer::new(PayloadFormat::Vp8, 0);
    let mut packets = vec![];
    for n in 0..count {
        let mut data = vec![n; PICTURE_BYTES];
        data[0] = u8::from(!keys.contains(&n));
        let mut fragments = vec![];
        packetizer.packetize(&data.into(), 1000, &mut fragments).unwrap();
        let last = fragments.len() - 1;
        for (at, fragment) in fragments.iter().enumerate() {
            let mut payload = vec![];
            fragment.write(&mut payload);
            packets.push(VideoPacket {
                sequence: FIRST + packets.len() as u64,
                codec: VideoCodec::Vp8,
                timestamp: u32::from(n) * 3000,
                marker: at == last,
                payload: payload.into(),
            });
        }
    }
    packets
}

fn buffer() -> VideoJitterBuffer {
    VideoJitterBuffer::new(BufferLimits::default())
}

/// The numbers of the pictures that are ready.
fn shown(buffer: &mut VideoJitterBuffer) -> Vec<u8> {
    std::iter::from_fn(|| buffer.poll_picture())
        .map(|picture| {
            assert_eq!(picture.data.len(), PICTURE_BYTES, "whole");
            picture.data[1]
        })
        .collect()
}

#[test]
fn pictures_come_out_whole_and_in_order_whatever_the_order_of_packets() {
    let now = Instant::now();
    let mut buffer = buffer();
    let mut packets = pictures(3, &[0]);
    packets.swap(0, 2);
    packets.swap(4, 7);
    for packet in packets {
        assert_eq!(buffer.insert(now, packet), Verdict::Taken);
    }
    assert_eq!(shown(&mut buffer), [0, 1, 2]);
    assert_eq!((buffer.next_timeout(), buffer.bytes), (None, 0));
}

#[test]
fn behind_a_gap_pictures_wait_for_the_packet_that_was_asked_for() {
    let now = Instant::now();
    let mut buffer = buffer();
    let mut packets = pictures(4, &[0]);
    let lost = packets.remove(4);
    for packet in packets {
        buffer.insert(now, packet);
    }
    assert_eq!(shown(&mut buffer), [0]);
    assert_eq!(buffer.resend_requests(now + ms(5)), [lost.sequence as u16]);
    buffer.insert(now + ms(25), lost.clone());
    assert_eq!(shown(&mut buffer), [1, 2, 3]);
    assert_eq!(buffer.insert(now + ms(26), lost), Verdict::Duplicate);
}

#[test]
fn when_hope_ends_the_stream_is_frozen_until_a_key_frame() {
    let start = Instant::now();
    let mut buffer = buffer();
    let mut packets = pictures(6, &[0, 4]);
    let lost = packets.remove(4);
    let rest = packets.split_off(8);
    for packet in packets {
        buffer.insert(start, packet);
    }
    assert_eq!(shown(&mut buffer), [0]);
    assert!(!buffer.key_frame_request(start + ms(499)));
    let end = start + ms(500);
    buffer.handle_timeout(end);
    assert!(buffer.is_frozen() && buffer.key_frame_request(end));
    assert!(!buffer.key_frame_request(end), "asked once, then after a while");
    assert_eq!(buffer.insert(end, lost), Verdict::Late);
    for packet in rest {
        buffer.insert(end + ms(30), packet);
    }
    assert_eq!(shown(&mut buffer), [4, 5]);
    assert!(!buffer.is_frozen());
    assert_eq!(buffer.next_timeout(), None);
}

#[test]
fn a_gap_before_a_key_frame_is_not_waited_for_long() {
    let now = Instant::now();
    let mut buffer = buffer();
    buffer.set_round_trip(ms(20));
    let mut packets = pictures(3, &[0, 2]);
    packets.remove(4);
    for packet in packets {
        buffer.insert(now, packet);
    }
    assert_eq!(shown(&mut buffer), [0]);
    buffer.handle_timeout(now + ms(89));
    assert!(shown(&mut buffer).is_empty());
    buffer.handle_timeout(now + ms(90));
    assert_eq!(shown(&mut buffer), [2]);
    assert_eq!(buffer.next_timeout(), None);
}

#[test]
fn over_a_very_long_way_a_key_frame_is_asked_for_instead() {
    let now = Instant::now();
    let mut buffer = buffer();
    let mut packets = pictures(3, &[0, 2]);
    packets.remove(4);
    let key = packets.split_off(5);
    for packet in packets {
        buffer.insert(now, packet);
    }
    buffer.set_round_trip(ms(500));
    buffer.handle_timeout(now + ms(5));
    assert!(buffer.key_frame_request(now + ms(5)));
    for packet in key {
        buffer.insert(now + ms(520), packet);
    }
    assert_eq!(shown(&mut buffer), [0, 2]);
}

#[test]
fn a_key_frame_is_asked_for_when_the_first_one_was_missed() {
    let now = Instant::now();
    let mut buffer = buffer();
    for packet in pictures(2, &[0]).into_iter().skip(1) {
        buffer.insert(now, packet);
    }
    assert!(!buffer.key_frame_request(now), "the start may only be late");
    assert!(buffer.key_frame_request(now + ms(5)));
    assert!(shown(&mut buffer).is_empty());
    assert!(buffer.key_frame_request(now + ms(255)), "and again");
}

#[test]
fn a_jump_in_the_numbers_is_not_asked_for_packet_by_packet() {
    let now = Instant::now();
    let mut buffer = buffer();
    for packet in pictures(1, &[0]) {
        buffer.insert(now, packet);
    }
    let mut jumped = pictures(2, &[0, 1]);
    for packet in &mut jumped {
        packet.sequence += 2500;
    }
    assert_eq!(shown(&mut buffer), [0]);
    for packet in jumped.split_off(3) {
        buffer.insert(now, packet);
    }
    assert_eq!(buffer.resend_requests(now + ms(5)), Vec::<u16>::new());
    assert_eq!(
        shown(&mut buffer),
        [1],
        "a key frame after the jump is shown at once"
    );
}

#[test]
fn a_picture_that_is_none_freezes_the_stream() {
    let now = Instant::now();
    let mut buffer = buffer();
    let mut packets = pictures(3, &[0, 2]);
    packets[3].payload = Bytes::from_static(b"\x00not the start of a frame");
    for packet in packets {
        buffer.insert(now, packet);
    }
    assert_eq!(shown(&mut buffer), [0, 2]);
}

#[test]
fn padding_between_and_inside_pictures_is_no_picture() {
    let now = Instant::now();
    let mut buffer = buffer();
    let mut packets = pictures(2, &[0]);
    for packet in &mut packets[3..] {
        packet.sequence += 1;
    }
    packets.insert(
        3,
        VideoPacket {
            sequence: FIRST + 3,
            codec: VideoCodec::Vp8,
            timestamp: 0,
            marker: false,
            payload: Bytes::new(),
        },
    );
    for packet in packets {
        buffer.insert(now, packet);
    }
    assert_eq!(shown(&mut buffer), [0, 1]);
}

#[test]
fn the_buffer_never_outgrows_its_bounds() {
    let now = Instant::now();
    let limits = BufferLimits {
        packets: 20,
        bytes: 8000,
        ..BufferLimits::default()
    };
    let mut buffer = VideoJitterBuffer::new(limits);
    for packet in pictures(100, &[0, 90])
        .into_iter()
        .filter(|packet| packet.sequence != FIRST + 4)
    {
        buffer.insert(now, packet);
        assert!(buffer.packets.len() <= 20 && buffer.bytes <= 8000);
    }
    assert_eq!(
        shown(&mut buffer),
        std::iter::once(0).chain(90..100).collect::<Vec<_>>()
    );
}

fn codec() -> impl Strategy<Value = VideoCodec> {
    prop::sample::select(vec![VideoCodec::H264, VideoCodec::Vp8])
}

proptest! {
    #[test]
    fn any_packets_in_any_order_are_safe(
        packets in proptest::collection::vec(
            (0u64..600, codec(), 0u32..4, any::<bool>(), proptest::collection::vec(any::<u8>(), 0..8), 0u64..200),
            0..300),
    ) {
        let mut now = Instant::now();
        let limits = BufferLimits { packets: 50, bytes: 300, ..BufferLimits::default() };
        let mut buffer = VideoJitterBuffer::new(limits);
        for (sequence, codec, timestamp, marker, payload, wait) in packets {
            now += ms(wait);
            buffer.handle_timeout(now);
            buffer.insert(now, VideoPacket { sequence, codec, timestamp, marker, payload: payload.into() });
            buffer.resend_requests(now);
            buffer.key_frame_request(now);
            prop_assert!(buffer.packets.len() <= 50 && buffer.bytes <= 300);
            prop_assert_eq!(buffer.bytes, buffer.packets.values().map(|p| p.payload.len()).sum::<usize>());
        }
    }

    #[test]
    fn shuffled_packets_give_every_picture(seed in proptest::collection::vec(any::<prop::sample::Index>(), 30)) {
        let now = Instant::now();
        let mut buffer = buffer();
        let mut packets = pictures(10, &[0]);
        for (at, index) in seed.iter().enumerate().skip(3) {
            packets.swap(at, 3 + index.index(27));
        }
        for packet in packets {
            buffer.insert(now, packet);
        }
        prop_assert_eq!(shown(&mut buffer), (0..10).collect::<Vec<u8>>());
    }
}
