//! The sending end of one file: offers it, reads it piece by piece as fast as the channel takes it, and waits to
//! hear that it arrived.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::control::{CancelReason, Control, Offer};
use super::{Failure, Settings};
use crate::data_channel::Message;

/// What the sender asks for or tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this on the channel.
    Send(Message),
    /// Read a piece; answer with [`Sender::handle_read`], in order.
    Read {
        /// From here.
        offset: u64,
        /// So many bytes.
        length: usize,
    },
    /// The receiver wants the file.
    Accepted,
    /// The receiver has it, whole.
    Completed,
    /// It will not arrive.
    Failed(Failure),
    /// Close the channel once all that was sent has arrived. Comes last.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Offered,
    Sending,
    /// All is sent, the receiver verifies.
    Verifying,
    /// The channel is gone; another may come.
    Interrupted,
    Ended,
}

/// One file on its way out.
pub struct Sender {
    settings: Settings,
    offer: Offer,
    size: u64,
    state: State,
    /// Where the receiver asked us to begin, and the next byte to be read, sent and acknowledged.
    start: u64,
    read: u64,
    sent: u64,
    acknowledged: u64,
    reading: usize,
    deadline: Instant,
    outputs: VecDeque<Output>,
}

impl Sender {
    /// Offers a file whose hash is known, on a fresh channel.
    pub fn new(now: Instant, offer: Offer, settings: Settings) -> Self {
        let mut sender = Sender {
            size: offer.size,
            offer: offer.clone(),
            state: State::Offered,
            start: 0,
            read: 0,
            sent: 0,
            acknowledged: 0,
            reading: 0,
            deadline: now + settings.offer_timeout,
            outputs: VecDeque::new(),
            settings,
        };
        sender.say(&Control::Offer(offer));
        sender
    }

    /// Takes a message of the receiver.
    pub fn handle_message(&mut self, now: Instant, message: &Message) {
        let Message::Text(text) = message else {
            return self.give_up(
                CancelReason::Protocol,
                Failure::Protocol("bytes instead of an answer".into()),
            );
        };
        match (Control::parse(text), self.state) {
            (_, State::Ended) => {}
            (Ok(Control::Accept { offset }), State::Offered) if offset <= self.size => {
                (self.start, self.read, self.sent, self.acknowledged) = (offset, offset, offset, offset);
                self.state = State::Sending;
                self.deadline = now + self.settings.stall_timeout;
                self.outputs.push_back(Output::Accepted);
                self.go_on();
            }
            (Ok(Control::Decline), State::Offered) => self.end(Failure::Declined),
            (Ok(Control::Received), State::Verifying) => {
                self.state = State::Ended;
                self.outputs.extend([Output::Completed, Output::Close]);
            }
            (
                Ok(Control::Cancel {
                    reason: CancelReason::Corrupt,
                }),
                _,
            ) => self.end(Failure::Corrupt),
            (Ok(Control::Cancel { .. }), _) => self.end(Failure::CancelledByPeer),
            (Ok(unexpected), state) => {
                let what = format!("{} while {state:?}", unexpected.to_text());
                self.give_up(CancelReason::Protocol, Failure::Protocol(what));
            }
            (Err(error), _) => {
                self.give_up(CancelReason::Protocol, Failure::Protocol(error.to_string()));
            }
        }
    }

    /// A piece asked for by [`Output::Read`], in order, and where it begins; shorter than asked for means that the file
    /// has changed. Answers to what was asked before an interruption are passed over.
    pub fn handle_read(&mut self, offset: u64, piece: Result<Bytes, String>) {
        if self.state != State::Sending || offset != self.sent {
            return;
        }
        self.reading = self.reading.saturating_sub(1);
        match piece {
            Ok(data) if data.len() as u64 == self.piece_length(self.sent) => {
                self.sent += data.len() as u64;
                self.outputs.push_back(Output::Send(Message::Binary(data)));
                self.go_on();
            }
            Ok(_) => self.give_up(CancelReason::Disk, Failure::Disk("the file has changed".into())),
            Err(error) => self.give_up(CancelReason::Disk, Failure::Disk(error)),
        }
    }

    /// So many bytes of all pieces given to the channel have arrived at the peer.
    pub fn handle_acknowledged(&mut self, now: Instant, bytes: u64) {
        let acknowledged = (self.start + bytes).min(self.sent);
        if acknowledged > self.acknowledged {
            self.acknowledged = acknowledged;
            self.deadline = now + self.settings.stall_timeout;
            self.go_on();
        }
    }

    /// The user stops it.
    pub fn cancel(&mut self) {
        self.give_up(CancelReason::User, Failure::Cancelled);
    }

    /// The channel is gone with the whole association; [`Sender::resume`] follows on another, or the time runs out.
    pub fn interrupt(&mut self, now: Instant) {
        if self.state != State::Ended {
            self.state = State::Interrupted;
            self.reading = 0;
            self.outputs.clear();
            self.deadline = now + self.settings.offer_timeout;
        }
    }

    /// There is another channel: offers the file again. The receiver knows it by its hash and says where to go on.
    pub fn resume(&mut self, now: Instant) {
        if self.state == State::Interrupted {
            self.state = State::Offered;
            self.deadline = now + self.settings.offer_timeout;
            self.say(&Control::Offer(self.offer.clone()));
        }
    }

    /// The channel is gone.
    pub fn handle_closed(&mut self) {
        if self.state != State::Ended {
            self.state = State::Ended;
            self.outputs.push_back(Output::Failed(Failure::ChannelClosed));
        }
    }

    /// Tells that time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now >= self.deadline {
            self.give_up(CancelReason::User, Failure::Stalled);
        }
    }

    /// When [`Sender::handle_timeout`] wants to be called next.
    pub fn next_timeout(&self) -> Option<Instant> {
        (self.state != State::Ended).then_some(self.deadline)
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Bytes the peer has for certain.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Whether it is over, well or not.
    pub fn ended(&self) -> bool {
        self.state == State::Ended
    }

    fn piece_length(&self, offset: u64) -> u64 {
        (self.size - offset).min(self.settings.chunk as u64)
    }

    /// Asks for pieces while disk and channel have room.
    fn go_on(&mut self) {
        while self.state == State::Sending
            && self.read < self.size
            && self.reading < self.settings.disk_queue
            && self.read - self.acknowledged < self.settings.buffered_high as u64
        {
            let (offset, length) = (self.read, self.piece_length(self.read));
            self.read += length;
            self.reading += 1;
            self.outputs.push_back(Output::Read {
                offset,
                length: length as usize,
            });
        }
        if self.state == State::Sending && self.sent == self.size {
            self.state = State::Verifying;
        }
    }

    fn say(&mut self, control: &Control) {
        self.outputs
            .push_back(Output::Send(Message::Text(control.to_text())));
    }

    fn give_up(&mut self, reason: CancelReason, failure: Failure) {
        if self.state != State::Ended {
            self.say(&Control::Cancel { reason });
            self.end(failure);
        }
    }

    fn end(&mut self, failure: Failure) {
        self.state = State::Ended;
        self.outputs.extend([Output::Failed(failure), Output::Close]);
    }
}
