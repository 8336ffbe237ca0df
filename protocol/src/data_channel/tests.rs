#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;
use crate::sctp::link::{Link, Pair};

fn text(text: &str) -> Message {
    Message::Text(text.to_owned())
}

#[test]
fn channels_of_both_ends_open_talk_and_close() {
    let mut pair = Pair::new(Link::perfect());
    // A channel may be opened before the association stands; even and odd streams tell the ends apart.
    let ours = pair.ends[0].open("control", "roomrtc-control").unwrap();
    let theirs = pair.ends[1].open("file", "roomrtc-file").unwrap();
    assert_eq!((ours, theirs), (ChannelId(0), ChannelId(1)));
    pair.ends[0].send(ours, text("first")).unwrap();
    let mut heard = Vec::new();
    pair.run_until(|pair, end, event| {
        heard.push((end, event.clone()));
        if let Event::Message { channel, message } = event
            && end == 1
        {
            assert_eq!((channel, message), (ours, text("first")));
            pair.ends[1]
                .send(channel, Message::Binary(Bytes::from_static(b"second")))
                .unwrap();
        } else if let Event::Message { .. } = heard.last().unwrap().1 {
            pair.ends[0].close(ours);
        }
        heard.contains(&(1, Event::Closed(ours)))
    });
    let opened = |channel, label: &str, protocol: &str| Event::Opened {
        channel,
        reliability: Reliability::default(),
        label: label.to_owned(),
        protocol: protocol.to_owned(),
    };
    assert!(heard.contains(&(1, opened(ours, "control", "roomrtc-control"))));
    assert!(heard.contains(&(0, opened(theirs, "file", "roomrtc-file"))));
    assert_eq!(pair.ends[0].send(ours, text("late")), Err(Error::UnknownChannel));
}

#[test]
fn messages_of_every_size_arrive_whole_and_in_order_over_a_lossy_link() {
    let mut pair = Pair::new(Link::lossy(5));
    let channel = pair.ends[1].open("sizes", "").unwrap();
    let sizes = [0, 1, 2, 1_100, 1_200, 65_536, 0, 256 * 1024];
    let messages: Vec<Message> = sizes
        .iter()
        .enumerate()
        .map(|(number, &size)| match number {
            0 => text(""),
            _ => Message::Binary((0..size).map(|byte| (byte + number) as u8).collect()),
        })
        .collect();
    for message in &messages {
        pair.ends[1].send(channel, message.clone()).unwrap();
    }
    let mut arrived = Vec::new();
    pair.run_until(|_, end, event| {
        if let Event::Message { message, .. } = event {
            assert_eq!(end, 0);
            arrived.push(message);
        }
        arrived.len() == messages.len()
    });
    assert_eq!(arrived, messages);
}

#[test]
fn the_connection_is_made_although_half_of_all_packets_are_lost() {
    let mut pair = Pair::new(Link::lossy(50));
    let mut connected = [false; 2];
    pair.run_until(|_, end, event| {
        connected[end] |= event == Event::Connected;
        connected == [true, true]
    });
}

#[test]
fn a_sender_hears_when_little_is_left_and_a_paused_reader_slows_it_down() {
    let mut pair = Pair::new(Link::perfect());
    let channel = pair.ends[0].open("bulk", "").unwrap();
    let piece = Bytes::from(vec![7; 64 * 1024]);
    for _ in 0..64 {
        pair.ends[0]
            .send(channel, Message::Binary(piece.clone()))
            .unwrap();
    }
    pair.ends[0].set_low_threshold(channel, 100_000);
    let mut received = 0;
    let mut paused = false;
    for _ in 0..10_000 {
        pair.drain(0);
        for event in pair.drain(1) {
            if let Event::Message {
                message: Message::Binary(data),
                ..
            } = event
            {
                received += data.len();
                pair.ends[1].set_paused(channel, true);
                paused = true;
            }
        }
        if !pair.step() || paused && pair.sent_nothing_for(Duration::from_secs(3)) {
            break;
        }
    }
    // The rest of 4 MiB waits at the sender: the receive window holds about 1 MiB.
    let waiting = pair.ends[0].buffered_amount(channel);
    assert!(waiting > 2 * 1024 * 1024, "{waiting}");
    pair.ends[1].set_paused(channel, false);
    let mut low = false;
    pair.run_until(|pair, end, event| {
        match event {
            Event::BufferedAmountLow(_) => {
                low = true;
                assert!(end == 0 && pair.ends[0].buffered_amount(channel) <= 100_000);
            }
            Event::Message {
                message: Message::Binary(data),
                ..
            } => received += data.len(),
            _ => {}
        }
        low && received == 64 * piece.len()
    });
}

#[test]
fn late_and_repeated_first_packets_do_not_end_the_association() {
    let mut pair = Pair::new(Link::perfect());
    let mut first_packets = Vec::new();
    while let Some(Output::Transmit(packet)) = pair.ends[0].poll_output(pair.now) {
        pair.ends[1].handle_input(pair.now, packet.clone());
        first_packets.push(packet);
    }
    let channel = pair.ends[0].open("control", "").unwrap();
    pair.run_until(|_, end, event| end == 1 && matches!(event, Event::Opened { .. }));
    for packet in first_packets {
        for end in [0, 1] {
            let now = pair.now;
            pair.ends[end].handle_input(now, packet.clone());
        }
    }
    pair.ends[0].send(channel, text("still here")).unwrap();
    pair.run_until(|_, end, event| end == 1 && matches!(event, Event::Message { .. }));
}

#[test]
fn what_the_peer_does_not_take_is_refused_here() {
    let mut channels = DataChannels::new(Settings::default(), 2, true, 1_000);
    let channel = channels.open("a", "").unwrap();
    channels.open("b", "").unwrap();
    assert_eq!(channels.open("c", ""), Err(Error::TooManyChannels));
    let long = Message::Binary(Bytes::from(vec![0; 1_001]));
    assert_eq!(
        channels.send(channel, long),
        Err(Error::TooLong {
            size: 1_001,
            limit: 1_000
        })
    );
}

/// Runs until both ends are connected.
fn connected(link: Link) -> Pair {
    let mut pair = Pair::new(link);
    let mut connected = [false; 2];
    pair.run_until(|_, end, event| {
        connected[end] |= event == Event::Connected;
        connected == [true; 2]
    });
    pair
}

/// Opens a channel at the first end and waits until the second knows it.
fn opened(pair: &mut Pair, reliability: Reliability) -> ChannelId {
    let channel = pair.ends[0].open_as("plain", "", reliability).unwrap();
    pair.run_until(|_, end, event| {
        if let Event::Opened {
            reliability: told, ..
        } = event
        {
            assert_eq!((end, told), (1, reliability));
            return true;
        }
        false
    });
    channel
}

fn numbered(number: u32) -> Message {
    Message::Binary(number.to_be_bytes().to_vec().into())
}

fn number(message: &Message) -> u32 {
    match message {
        Message::Binary(data) => u32::from_be_bytes(data[..].try_into().unwrap()),
        Message::Text(text) => panic!("{text}"),
    }
}

/// Sends a numbered message every 2 ms for a while, then nothing for long; what arrived, and how long after it was sent.
fn stream_over(pair: &mut Pair, channel: ChannelId, count: u32) -> Vec<(u32, Duration)> {
    let began = pair.now;
    let due = |number: u32| began + Duration::from_millis(2) * number;
    let (mut sent, mut arrived) = (0, vec![]);
    while pair.now < due(count) + Duration::from_secs(30) {
        while sent < count && due(sent) <= pair.now {
            pair.ends[0].send(channel, numbered(sent)).unwrap();
            sent += 1;
        }
        pair.drain(0);
        for event in pair.drain(1) {
            if let Event::Message { message, .. } = event {
                let number = number(&message);
                arrived.push((number, pair.now - due(number)));
            }
        }
        let next = (sent < count).then(|| due(sent));
        if !pair.step_until(next) {
            break;
        }
    }
    arrived
}

#[test]
fn an_unordered_channel_without_retransmissions_loses_and_waits_for_nothing() {
    let mut pair = connected(Link::lossy(10));
    let reliability = Reliability {
        unordered: true,
        limit: Some(sctp::Limit::Retransmissions(0)),
    };
    let channel = opened(&mut pair, reliability);
    let arrived = stream_over(&mut pair, channel, 2000);
    // A tenth is lost, and what is not has waited for nothing but the path and the window.
    assert!((1600..1950).contains(&arrived.len()), "{}", arrived.len());
    let slowest = arrived.iter().map(|(_, took)| *took).max().unwrap();
    assert!(slowest < Duration::from_millis(600), "{slowest:?}");
    assert!(
        !arrived.is_sorted_by_key(|(number, _)| *number),
        "some overtook others"
    );
}

#[test]
fn a_reliable_unordered_channel_loses_nothing() {
    let mut pair = connected(Link::lossy(10));
    let reliability = Reliability {
        unordered: true,
        limit: None,
    };
    let channel = opened(&mut pair, reliability);
    let mut arrived: Vec<u32> = stream_over(&mut pair, channel, 1000)
        .into_iter()
        .map(|(number, _)| number)
        .collect();
    assert!(!arrived.is_sorted(), "some overtook others");
    arrived.sort_unstable();
    assert_eq!(arrived, (0..1000).collect::<Vec<u32>>());
}

#[test]
fn an_ordered_channel_with_a_lifetime_loses_and_keeps_the_order() {
    let mut pair = connected(Link::lossy(30));
    let reliability = Reliability {
        unordered: false,
        limit: Some(sctp::Limit::Lifetime(Duration::from_millis(50))),
    };
    let channel = opened(&mut pair, reliability);
    let arrived = stream_over(&mut pair, channel, 2000);
    assert!((200..2000).contains(&arrived.len()), "{}", arrived.len());
    assert!(arrived.is_sorted_by_key(|(number, _)| *number));
    // After all that the channel is as good as new: what is sent now is among the last to arrive.
    assert!(arrived.last().unwrap().0 > 1900, "{:?}", arrived.last());
}

#[test]
fn a_message_that_may_take_no_time_is_sent_once() {
    let mut pair = connected(Link::perfect());
    let reliability = Reliability {
        unordered: false,
        limit: Some(sctp::Limit::Lifetime(Duration::ZERO)),
    };
    let channel = opened(&mut pair, reliability);
    assert_eq!(stream_over(&mut pair, channel, 100).len(), 100);
}

#[test]
fn a_channel_agreed_on_beforehand_carries_messages_both_ways_and_is_closed_by_either() {
    for closer in [0, 1] {
        let mut pair = connected(Link::perfect());
        let id = ChannelId(100);
        for end in &mut pair.ends {
            assert_eq!(end.open_negotiated(100, Reliability::default()), Ok(id));
            assert_eq!(
                end.open_negotiated(100, Reliability::default()),
                Err(Error::StreamInUse(100))
            );
        }
        // Only the closer has anything to say; the other end may never have sent a word.
        pair.ends[closer].send(id, text("only this")).unwrap();
        pair.run_until(
            |_, end, event| matches!(event, Event::Message { channel, .. } if channel == id && end != closer),
        );
        pair.ends[closer].close(id);
        pair.run_until(|_, end, event| end != closer && event == Event::Closed(id));
    }
}

#[test]
fn a_stream_is_used_again_after_its_channel_was_closed() {
    let mut pair = connected(Link::lossy(10));
    for round in 0..40 {
        let channel = opened(&mut pair, Reliability::default());
        // One whose reset is still under way is passed over.
        assert!(channel.0 < 20, "{channel:?}");
        let said = text(&round.to_string());
        pair.ends[0].send(channel, said.clone()).unwrap();
        pair.ends[0].close(channel);
        let mut heard = vec![];
        pair.run_until(|_, end, event| {
            if let Event::Message { message, .. } = &event {
                assert_eq!(end, 1);
                heard.push(message.clone());
            }
            end == 1 && event == Event::Closed(channel)
        });
        assert_eq!(heard, [said], "what was sent before the close arrives");
    }
}

proptest::proptest! {
    #[test]
    fn no_packet_hurts(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..120), at in 0_usize..4) {
        let mut pair = Pair::new(Link { seed: 1, ..Link::perfect() });
        for _ in 0..at * 4 {
            pair.drain(0);
            pair.drain(1);
            pair.step();
        }
        // With a right checksum it gets further.
        let mut packet = bytes.clone();
        if packet.len() >= 12 {
            packet[8..12].fill(0);
            let checksum = crc32c(&packet).to_le_bytes();
            packet[8..12].copy_from_slice(&checksum);
        }
        for end in [0, 1] {
            let now = pair.now;
            pair.ends[end].handle_input(now, Bytes::from(bytes.clone()));
            pair.ends[end].handle_input(now, Bytes::from(packet.clone()));
            pair.drain(end);
        }
    }
}

/// RFC 9260 appendix A, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            crc >> 1 ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    })
}
