#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::control::{Control, Hash, Offer};
use super::receiver::{self, Receiver};
use super::sender::{self, Sender};
use super::{Failure, LABEL, PROTOCOL, Settings};
use crate::data_channel::{ChannelId, Event, Message};
use crate::sctp::link::{Link, Pair};

fn hash_of(bytes: &[u8]) -> Hash {
    Hash(*blake3::hash(bytes).as_bytes())
}

fn offer(content: &[u8]) -> Offer {
    Offer {
        name: "file.bin".to_owned(),
        size: content.len() as u64,
        media_type: String::new(),
        hash: hash_of(content),
    }
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 31 + at / 1_000) as u8).collect()
}

/// When a user or a disk interferes.
#[derive(Clone, Copy, PartialEq)]
enum Twist {
    None,
    Decline,
    /// After so many written bytes.
    ReceiverCancels(u64),
    SenderCancels(u64),
    ReceiversDiskFails(u64),
    SendersFileShrinks(u64),
}

/// Two users, their disks in memory, and a link between them. The client (end 0) sends.
struct Story {
    pair: Pair,
    channel: ChannelId,
    sender: Sender,
    receiver: Option<Receiver>,
    content: Vec<u8>,
    disk: Vec<u8>,
    twist: Twist,
    stored: bool,
    discarded: bool,
    /// How it ended, at the sender and at the receiver.
    ends: [Option<Result<(), Failure>>; 2],
    most_buffered: usize,
    /// Bytes of all pieces given to the channel.
    given: u64,
}

impl Story {
    fn new(link: Link, content: Vec<u8>, offer: Offer, twist: Twist) -> Self {
        let mut pair = Pair::new(link);
        let channel = pair.ends[0].open(LABEL, PROTOCOL).unwrap();
        let sender = Sender::new(pair.now, offer, Settings::default());
        Story {
            pair,
            channel,
            sender,
            receiver: None,
            content,
            disk: Vec::new(),
            twist,
            stored: false,
            discarded: false,
            ends: [None, None],
            most_buffered: 0,
            given: 0,
        }
    }

    /// Goes on until both ends know how it ended.
    fn play(mut self) -> Self {
        for _ in 0..2_000_000 {
            self.drive_sender();
            self.drive_receiver();
            for end in [0, 1] {
                for event in self.pair.drain(end) {
                    self.hear(end, event);
                }
            }
            if self.ends.iter().all(Option::is_some) {
                return self;
            }
            self.drive_sender();
            self.drive_receiver();
            for end in [0, 1] {
                for event in self.pair.drain(end) {
                    self.hear(end, event);
                }
            }
            assert!(self.pair.step(), "nothing happens any more: {:?}", self.ends);
        }
        panic!("no end in sight: {:?}", self.ends);
    }

    fn hear(&mut self, end: usize, event: Event) {
        let now = self.pair.now;
        match (end, event) {
            (0, Event::Message { message, .. }) => self.sender.handle_message(now, &message),
            (0, Event::Closed(_)) => self.sender.handle_closed(),
            (1, Event::Opened { label, protocol, .. }) => {
                assert_eq!((label.as_str(), protocol.as_str()), (LABEL, PROTOCOL));
                self.receiver = Some(Receiver::new(now, Settings::default()));
            }
            (1, Event::Message { message, .. }) => {
                self.receiver.as_mut().unwrap().handle_message(now, message);
            }
            (1, Event::Closed(_)) => self.receiver.as_mut().unwrap().handle_closed(),
            _ => {}
        }
    }

    fn drive_sender(&mut self) {
        let now = self.pair.now;
        let buffered = self.pair.ends[0].buffered_amount(self.channel);
        self.most_buffered = self.most_buffered.max(buffered);
        self.sender
            .handle_acknowledged(now, self.given.saturating_sub(buffered as u64));
        if let Twist::SenderCancels(after) = self.twist
            && self.sender.acknowledged() >= after
        {
            self.sender.cancel();
        }
        while let Some(output) = self.sender.poll_output() {
            match output {
                sender::Output::Send(message) => {
                    if let Message::Binary(data) = &message {
                        self.given += data.len() as u64;
                    }
                    let _ = self.pair.ends[0].send(self.channel, message);
                }
                sender::Output::Read { offset, length } => {
                    let mut end = offset as usize + length;
                    if let Twist::SendersFileShrinks(to) = self.twist {
                        end = end.min(to as usize);
                    }
                    let piece = self.content.get(offset as usize..end).unwrap_or_default();
                    self.sender.handle_read(offset, Ok(Bytes::copy_from_slice(piece)));
                }
                sender::Output::Accepted => {}
                sender::Output::Completed => self.ends[0] = Some(Ok(())),
                sender::Output::Failed(failure) => self.ends[0] = Some(Err(failure)),
                sender::Output::Close => self.pair.ends[0].close(self.channel),
            }
        }
    }

    fn drive_receiver(&mut self) {
        let now = self.pair.now;
        let Some(receiver) = &mut self.receiver else {
            return;
        };
        if let Twist::ReceiverCancels(after) = self.twist
            && receiver.written() >= after
        {
            receiver.cancel();
        }
        while let Some(output) = receiver.poll_output() {
            match output {
                receiver::Output::Send(message) => drop(self.pair.ends[1].send(self.channel, message)),
                receiver::Output::Offered(_) if self.twist == Twist::Decline => receiver.decline(),
                receiver::Output::Offered(_) => receiver.accept(now, 0),
                receiver::Output::Write(_) if matches!(self.twist, Twist::ReceiversDiskFails(at) if self.disk.len() as u64 >= at) =>
                {
                    receiver.handle_written(now, Err("no space left on device".to_owned()));
                }
                receiver::Output::Write(data) => {
                    self.disk.extend_from_slice(&data);
                    receiver.handle_written(now, Ok(self.disk.len() as u64));
                }
                receiver::Output::Pause(paused) => self.pair.ends[1].set_paused(self.channel, paused),
                receiver::Output::Verify => receiver.handle_hash(hash_of(&self.disk)),
                receiver::Output::Store => {
                    self.stored = true;
                    receiver.handle_stored(Ok(()));
                }
                receiver::Output::Discard => self.discarded = true,
                receiver::Output::Completed => self.ends[1] = Some(Ok(())),
                receiver::Output::Failed(failure) => self.ends[1] = Some(Err(failure)),
                receiver::Output::Close => self.pair.ends[1].close(self.channel),
            }
        }
    }
}

fn play(link: Link, size: usize, twist: Twist) -> Story {
    let content = content(size);
    let offer = offer(&content);
    Story::new(link, content, offer, twist).play()
}

#[test]
fn a_file_arrives_whole() {
    let story = play(Link::perfect(), 3_000_000, Twist::None);
    assert_eq!(story.ends, [Some(Ok(())), Some(Ok(()))]);
    assert!(story.stored && story.disk == story.content);
    // In constant memory: never much more in the channel than the limit.
    assert!(story.most_buffered <= Settings::default().buffered_high + Settings::default().chunk);
}

#[test]
fn a_file_arrives_whole_although_one_packet_in_twenty_is_lost() {
    let story = play(Link::lossy(5), 1_000_000, Twist::None);
    assert_eq!(story.ends, [Some(Ok(())), Some(Ok(()))]);
    assert!(story.stored && story.disk == story.content);
}

#[test]
fn a_file_of_no_bytes_arrives_too() {
    let story = play(Link::perfect(), 0, Twist::None);
    assert_eq!(story.ends, [Some(Ok(())), Some(Ok(()))]);
    assert!(story.stored);
}

#[test]
fn a_declined_file_is_not_sent() {
    let story = play(Link::perfect(), 1_000_000, Twist::Decline);
    assert_eq!(
        story.ends,
        [Some(Err(Failure::Declined)), Some(Err(Failure::Declined))]
    );
    assert!(story.disk.is_empty() && !story.discarded);
}

#[test]
fn either_side_can_cancel_in_the_middle() {
    let by_receiver = play(Link::lossy(1), 5_000_000, Twist::ReceiverCancels(1_000_000));
    assert_eq!(
        by_receiver.ends,
        [Some(Err(Failure::CancelledByPeer)), Some(Err(Failure::Cancelled))]
    );
    let by_sender = play(Link::lossy(1), 5_000_000, Twist::SenderCancels(1_000_000));
    assert_eq!(
        by_sender.ends,
        [Some(Err(Failure::Cancelled)), Some(Err(Failure::CancelledByPeer))]
    );
    assert!(by_receiver.discarded && by_sender.discarded && !by_receiver.stored && !by_sender.stored);
}

#[test]
fn a_file_with_another_hash_than_offered_is_thrown_away() {
    let content = content(200_000);
    let wrong = Offer {
        hash: hash_of(b"something else"),
        ..offer(&content)
    };
    let story = Story::new(Link::perfect(), content, wrong, Twist::None).play();
    assert_eq!(
        story.ends,
        [Some(Err(Failure::Corrupt)), Some(Err(Failure::Corrupt))]
    );
    assert!(story.discarded && !story.stored);
}

#[test]
fn a_disk_that_refuses_ends_the_transfer_on_both_sides() {
    let full = play(Link::perfect(), 1_000_000, Twist::ReceiversDiskFails(300_000));
    assert_eq!(full.ends[0], Some(Err(Failure::CancelledByPeer)));
    assert_eq!(
        full.ends[1],
        Some(Err(Failure::Disk("no space left on device".to_owned())))
    );
    assert!(full.discarded);
    let shrunk = play(Link::perfect(), 1_000_000, Twist::SendersFileShrinks(300_000));
    assert_eq!(
        shrunk.ends[0],
        Some(Err(Failure::Disk("the file has changed".to_owned())))
    );
    assert_eq!(shrunk.ends[1], Some(Err(Failure::CancelledByPeer)));
}

/// A receiver that has accepted this many bytes.
fn accepted(size: u64) -> Receiver {
    let mut receiver = Receiver::new(Instant::now(), Settings::default());
    let offer = Offer { size, ..offer(&[]) };
    receiver.handle_message(Instant::now(), Message::Text(Control::Offer(offer).to_text()));
    receiver.accept(Instant::now(), 0);
    receiver
}

fn outputs(receiver: &mut Receiver) -> VecDeque<receiver::Output> {
    std::iter::from_fn(|| receiver.poll_output()).collect()
}

#[test]
fn more_bytes_than_offered_break_the_protocol() {
    let mut receiver = accepted(10);
    receiver.handle_message(
        Instant::now(),
        Message::Binary(Bytes::from_static(b"eleven byte")),
    );
    let outputs = outputs(&mut receiver);
    assert!(
        outputs
            .iter()
            .any(|output| matches!(output, receiver::Output::Failed(Failure::Protocol(_))))
    );
    assert!(outputs.contains(&receiver::Output::Discard));
}

#[test]
fn a_file_larger_than_allowed_is_declined_unasked() {
    let mut receiver = Receiver::new(Instant::now(), Settings::default());
    let offer = Offer {
        size: (1 << 40) + 1,
        ..offer(&[])
    };
    receiver.handle_message(Instant::now(), Message::Text(Control::Offer(offer).to_text()));
    let outputs = outputs(&mut receiver);
    assert!(outputs.contains(&receiver::Output::Send(Message::Text(Control::Decline.to_text()))));
    assert!(
        !outputs
            .iter()
            .any(|output| matches!(output, receiver::Output::Offered(_)))
    );
}

#[test]
fn a_slow_disk_pauses_the_channel_and_a_caught_up_one_resumes_it() {
    let mut receiver = accepted(1_000_000);
    let now = Instant::now();
    for _ in 0..16 {
        receiver.handle_message(now, Message::Binary(Bytes::from_static(&[0; 100])));
    }
    assert!(outputs(&mut receiver).contains(&receiver::Output::Pause(true)));
    for piece in 1..=8 {
        receiver.handle_written(now, Ok(piece * 100));
    }
    assert!(outputs(&mut receiver).contains(&receiver::Output::Pause(false)));
}

#[test]
fn a_transfer_without_progress_is_given_up_on_both_ends() {
    let settings = Settings::default();
    let start = Instant::now();
    let mut receiver = accepted(10);
    assert!(receiver.next_timeout().unwrap() <= Instant::now() + settings.stall_timeout);
    receiver.handle_timeout(Instant::now() + settings.stall_timeout * 2);
    assert!(outputs(&mut receiver).contains(&receiver::Output::Failed(Failure::Stalled)));
    let mut sender = Sender::new(start, offer(b"x"), settings.clone());
    sender.handle_timeout(start + settings.offer_timeout / 2);
    assert!(!sender.ended());
    sender.handle_timeout(start + settings.offer_timeout);
    assert!(sender.ended());
}

#[test]
fn a_sender_resumes_where_the_receiver_asks_it_to() {
    let content = content(200_000);
    let mut sender = Sender::new(Instant::now(), offer(&content), Settings::default());
    let accept = Message::Text(Control::Accept { offset: 150_000 }.to_text());
    sender.handle_message(Instant::now(), &accept);
    let outputs: Vec<_> = std::iter::from_fn(|| sender.poll_output()).collect();
    assert!(outputs.contains(&sender::Output::Read {
        offset: 150_000,
        length: 50_000
    }));
}

proptest::proptest! {
    #[test]
    fn no_message_in_any_state_hurts_either_end(
        texts in proptest::collection::vec("(\\{\"type\":\"(offer|accept|decline|cancel|received)\"[^{}]{0,40}\\}|.{0,20})", 0..6),
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
    ) {
        let now = Instant::now();
        let mut sender = Sender::new(now, offer(b"1234567890"), Settings::default());
        let mut receiver = accepted(20);
        for text in texts {
            sender.handle_message(now, &Message::Text(text.clone()));
            receiver.handle_message(now, Message::Text(text));
            receiver.handle_message(now, Message::Binary(bytes.clone().into()));
            while sender.poll_output().is_some() {}
            while receiver.poll_output().is_some() {}
        }
    }
}

/// What a machine has to say, as texts.
fn said(messages: impl IntoIterator<Item = Message>) -> Vec<String> {
    let texts = messages.into_iter().filter_map(|message| match message {
        Message::Text(text) => Some(text),
        Message::Binary(_) => None,
    });
    texts.collect()
}

fn of_sender(sender: &mut Sender) -> Vec<sender::Output> {
    std::iter::from_fn(|| sender.poll_output()).collect()
}

fn sender_says(sender: &mut Sender) -> Vec<String> {
    said(of_sender(sender).into_iter().filter_map(|output| match output {
        sender::Output::Send(message) => Some(message),
        _ => None,
    }))
}

fn receiver_says(receiver: &mut Receiver) -> Vec<String> {
    said(outputs(receiver).into_iter().filter_map(|output| match output {
        receiver::Output::Send(message) => Some(message),
        _ => None,
    }))
}

#[test]
fn an_interrupted_file_goes_on_where_the_receiver_is() {
    let (now, content) = (Instant::now(), content(200_000));
    let offer = offer(&content);
    let mut sender = Sender::new(now, offer.clone(), Settings::default());
    let mut receiver = Receiver::new(now, Settings::default());
    let hello = sender_says(&mut sender).remove(0);
    receiver.handle_message(now, Message::Text(hello.clone()));
    receiver.accept(now, 0);
    let accept = receiver_says(&mut receiver).remove(0);
    sender.handle_message(now, &Message::Text(accept));
    let asked = of_sender(&mut sender).len() - 1;
    assert!(asked > 1, "several pieces are asked for");
    receiver.handle_message(now, Message::Binary(content[..65_536].to_vec().into()));

    sender.interrupt(now);
    receiver.interrupt(now);
    receiver.handle_written(now, Ok(65_536));
    assert!(receiver.awaits(&offer));
    sender.resume(now);
    assert_eq!(sender_says(&mut sender), [hello]);
    receiver.resume(now);
    let accept = receiver_says(&mut receiver);
    assert_eq!(accept, [r#"{"type":"accept","offset":65536}"#]);
    sender.handle_message(now, &Message::Text(accept[0].clone()));
    // The answers to what was asked for before mean nothing now.
    for piece in 0..asked as u64 {
        if piece != 1 {
            sender.handle_read(piece * 65_536, Ok(Bytes::from_static(b"stale")));
        }
    }
    let reads = of_sender(&mut sender);
    assert!(reads.contains(&sender::Output::Read {
        offset: 65_536,
        length: 65_536
    }));
    sender.handle_read(65_536, Ok(Bytes::copy_from_slice(&content[65_536..131_072])));
    assert!(!sender.ended() && !receiver.ended());
}

#[test]
fn a_receiver_that_was_lost_is_restored_from_what_its_disk_was_given() {
    let (now, content) = (Instant::now(), content(200_000));
    let offer = offer(&content);
    let settings = Settings::default();
    for (given, said) in [
        (65_536, r#"{"type":"accept","offset":65536}"#),
        (200_000, r#"{"type":"accept","offset":200000}"#),
    ] {
        let mut receiver = Receiver::restored(now, settings.clone(), offer.clone(), Some(given));
        let whole = given == offer.size;
        let expected: &[_] = if whole { &[receiver::Output::Verify] } else { &[] };
        assert_eq!(outputs(&mut receiver), expected);
        assert!(receiver.awaits(&offer));
        receiver.resume(now);
        assert_eq!(receiver_says(&mut receiver), [said]);
    }
    // Nobody had decided yet: the user still may.
    let mut receiver = Receiver::restored(now, settings, offer.clone(), None);
    assert!(receiver.awaits(&offer));
    receiver.resume(now);
    receiver.accept(now, 0);
    assert_eq!(receiver_says(&mut receiver), [r#"{"type":"accept","offset":0}"#]);
}

#[test]
fn an_interrupted_file_that_nobody_takes_up_ends() {
    let settings = Settings::default();
    let (now, mut receiver) = (Instant::now(), accepted(10));
    outputs(&mut receiver);
    receiver.interrupt(now);
    receiver.handle_timeout(now + settings.offer_timeout);
    let rest: Vec<_> = outputs(&mut receiver).into();
    assert!(rest.contains(&receiver::Output::Failed(Failure::Stalled)));
    assert!(rest.contains(&receiver::Output::Discard));
}

#[test]
fn a_sender_that_did_not_hear_of_the_end_hears_it_when_it_offers_again() {
    let (now, content) = (Instant::now(), content(10));
    let mut sender = Sender::new(now, offer(&content), Settings::default());
    let mut receiver = Receiver::new(now, Settings::default());
    sender.interrupt(now);
    sender.resume(now);
    let hello = sender_says(&mut sender).remove(0);
    receiver.handle_message(now, Message::Text(hello));
    receiver.have();
    for text in receiver_says(&mut receiver) {
        sender.handle_message(now, &Message::Text(text));
    }
    assert!(receiver.ended());
    assert_eq!(
        of_sender(&mut sender),
        [
            sender::Output::Accepted,
            sender::Output::Completed,
            sender::Output::Close
        ]
    );
}
