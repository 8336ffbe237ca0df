#![allow(clippy::unwrap_used)]
use super::*;
use crate::rtp::extension::{ExtensionIds, Mid};
use crate::rtp::packet::Packet;

const IDS: ExtensionIds = ExtensionIds {
    mid: Some(4),
    abs_send_time: Some(2),
    transport_sequence: Some(3),
    abs_capture_time: Some(5),
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn sender(format: PayloadFormat, rtx: Option<Rtx>, now: Instant) -> RtpSender {
    let settings = SenderSettings {
        format,
        payload_type: 96,
        ssrc: 7,
        rtx,
        extensions: StreamExtensions {
            ids: IDS,
            mid: Mid::new(b"1"),
        },
        wall: WallClock::new(now, Duration::from_secs(1_800_000_000)),
        max_packet: 1180,
        resend: ResendLimits::default(),
        pacing: Pacing::default(),
    };
    let random = [0xff, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00];
    RtpSender::new(settings, Resume::from_random(format, now, random))
}

/// Everything the sender gives until it has nothing left.
fn drain(sender: &mut RtpSender, mut now: Instant) -> Vec<OutgoingPacket> {
    let mut packets = vec![];
    loop {
        match sender.poll_output(now) {
            Some(Output::Send(packet)) => packets.push(packet),
            Some(Output::Repeat(sequence)) => panic!("{sequence} repeated"),
            None => match sender.next_timeout() {
                Some(at) => now = at,
                None => return packets,
            },
        }
    }
}

#[test]
fn a_first_number_is_in_the_lower_half_and_numbers_wrap() {
    let now = Instant::now();
    let mut sender = sender(PayloadFormat::Vp8, None, now);
    assert_eq!(sender.resume().next_sequence, 0x7ffe);
    sender.resume.next_sequence = u16::MAX;
    sender.send_frame(now, &Bytes::from(vec![0; 2000]), now).unwrap();
    let packets = drain(&mut sender, now);
    let numbers: Vec<_> = packets
        .iter()
        .map(|p| (p.header.sequence_number, p.header.marker))
        .collect();
    assert_eq!(numbers, [(u16::MAX, false), (0, true)]);
    assert_eq!((sender.figures().packets, sender.figures().octets), (2, 2008));
}

#[test]
fn no_packet_outgrows_its_limit_even_as_a_retransmission() {
    let now = Instant::now();
    let rtx = Rtx {
        payload_type: 97,
        ssrc: 8,
    };
    let mut sender = sender(PayloadFormat::H264, Some(rtx), now);
    let frame = [&[0, 0, 0, 1, 0x41][..], &[9; 100_000]].concat();
    sender.send_frame(now, &frame.into(), now).unwrap();
    let packets = drain(&mut sender, now);
    let wanted: Vec<u16> = packets.iter().map(|p| p.header.sequence_number).collect();
    assert_eq!(sender.resend(now, &wanted, Duration::ZERO), packets.len());
    for (original, again) in packets.iter().zip(drain(&mut sender, now)) {
        let mut bytes = vec![];
        sender.write(&again, now, Some(1), &mut bytes);
        assert!(bytes.len() <= 1180);
        let again = Packet::parse(&bytes.into()).unwrap();
        assert_eq!((again.header.payload_type, again.header.ssrc), (97, 8));
        assert_eq!(again.payload[..2], original.header.sequence_number.to_be_bytes());
        let mut payload = vec![];
        original.payload.write(&mut payload);
        assert_eq!(again.payload[2..], payload);
    }
}

fn said(sender: &RtpSender, packet: &OutgoingPacket, now: Instant, number: u16) -> Extensions {
    let mut bytes = vec![];
    sender.write(packet, now, Some(number), &mut bytes);
    Packet::parse(&bytes.into())
        .unwrap()
        .extensions
        .unwrap()
        .read(&IDS)
}

#[test]
fn a_retransmission_says_when_it_is_sent_and_has_a_number_of_its_own() {
    let now = Instant::now();
    let rtx = Rtx {
        payload_type: 97,
        ssrc: 8,
    };
    let mut sender = sender(PayloadFormat::Vp8, Some(rtx), now);
    sender
        .send_frame(now, &Bytes::from_static(b"picture"), now - ms(20))
        .unwrap();
    let original = drain(&mut sender, now).remove(0);
    let first = said(&sender, &original, now, 65_535);
    let later = now + ms(250);
    sender.resend(later, &[original.header.sequence_number], Duration::ZERO);
    let again = drain(&mut sender, later).remove(0);
    let second = said(&sender, &again, later, 0);
    let wall = sender.settings.wall;
    assert_eq!(first.abs_send_time, Some(AbsSendTime::new(wall.ntp(now))));
    assert_eq!(second.abs_send_time, Some(AbsSendTime::new(wall.ntp(later))));
    assert_eq!(
        (first.transport_sequence, second.transport_sequence),
        (Some(65_535), Some(0))
    );
    assert_eq!((first.mid, second.mid), (Mid::new(b"1"), Mid::new(b"1")));
    assert_eq!(first.abs_capture_time, Some(wall.ntp(now - ms(20))));
    assert_eq!(second.abs_capture_time, first.abs_capture_time);
}

#[test]
fn the_capture_time_is_told_once_a_second_by_the_first_packet_of_a_frame() {
    let start = Instant::now();
    let mut sender = sender(PayloadFormat::Vp8, None, start);
    let mut told = vec![];
    for n in 0..25 {
        let now = start + ms(n * 100);
        sender.send_frame(now, &Bytes::from(vec![0; 2000]), now).unwrap();
        for (at, packet) in drain(&mut sender, now).iter().enumerate() {
            if said(&sender, packet, now, 0).abs_capture_time.is_some() {
                told.push((n, at));
            }
        }
    }
    assert_eq!(told, [(0, 0), (10, 0), (20, 0)]);
}

#[test]
fn without_rtx_a_packet_is_repeated_as_it_was() {
    let now = Instant::now();
    let mut sender = sender(PayloadFormat::Vp8, None, now);
    sender
        .send_frame(now, &Bytes::from_static(b"picture"), now)
        .unwrap();
    let number = drain(&mut sender, now)[0].header.sequence_number;
    assert_eq!(sender.resend(now, &[number, number + 1], Duration::ZERO), 1);
    assert_eq!(sender.poll_output(now), Some(Output::Repeat(number)));
}

#[test]
fn a_next_life_goes_on_with_the_next_number_and_the_same_clock() {
    let now = Instant::now();
    let mut first = sender(PayloadFormat::Vp8, None, now);
    first.send_frame(now, &Bytes::from_static(b"one"), now).unwrap();
    let before = drain(&mut first, now)[0].header;
    let mut second = RtpSender::new(first.settings, first.resume());
    second
        .send_frame(now + ms(100), &Bytes::from_static(b"two"), now + ms(100))
        .unwrap();
    let after = drain(&mut second, now + ms(100))[0].header;
    assert_eq!(after.sequence_number, before.sequence_number.wrapping_add(1));
    assert_eq!(after.timestamp.wrapping_sub(before.timestamp), 9000);
}

#[test]
fn sound_counts_samples_and_the_reports_follow_the_drift() {
    let now = Instant::now();
    let mut sender = sender(PayloadFormat::Opus, None, now);
    let packet = Bytes::from_static(&[0xfc, 1, 2, 3]);
    let mut stamps = vec![];
    let mut last = now;
    for n in 0..1000u64 {
        // The sound card is 100 ppm slow, and each packet up to 3 ms late.
        last = now + Duration::from_micros(n * 20_002 + (n % 4) * 1000);
        sender.send_frame(last, &packet, last).unwrap();
        stamps.push(drain(&mut sender, last)[0].header.timestamp);
    }
    assert!(stamps.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == 960));
    let reported = sender.figures().clock.timestamp(last);
    let off = reported.wrapping_sub(stamps[999]) as i32;
    assert!(off.abs() < 48 * 3, "{off} samples off");
}

#[test]
fn after_a_pause_in_the_sound_the_timestamp_jumps_with_the_clock() {
    let now = Instant::now();
    let mut sender = sender(PayloadFormat::Opus, None, now);
    let packet = Bytes::from_static(&[0xfc, 1, 2, 3]);
    sender.send_frame(now, &packet, now).unwrap();
    let later = now + ms(420);
    sender.send_frame(later, &packet, later).unwrap();
    let stamps: Vec<_> = drain(&mut sender, later)
        .iter()
        .map(|p| p.header.timestamp)
        .collect();
    assert_eq!(stamps[1].wrapping_sub(stamps[0]), 48 * 420);
}

#[test]
fn pictures_of_the_same_instant_still_differ() {
    let now = Instant::now();
    let mut sender = sender(PayloadFormat::Vp8, None, now);
    for _ in 0..2 {
        sender
            .send_frame(now, &Bytes::from_static(b"picture"), now)
            .unwrap();
    }
    let stamps: Vec<_> = drain(&mut sender, now)
        .iter()
        .map(|p| p.header.timestamp)
        .collect();
    assert_eq!(stamps[1].wrapping_sub(stamps[0]), 1);
}
