//! The receiving end of one file: hears the offer, asks the user, writes the pieces and verifies the whole.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use super::control::{CancelReason, Control, Hash, Offer};
use super::{Failure, Settings};
use crate::data_channel::Message;

/// What the receiver asks for or tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this on the channel.
    Send(Message),
    /// The peer offers a file: answer with [`Receiver::accept`] or [`Receiver::decline`].
    Offered(Offer),
    /// Append a piece to the partial file; answer with [`Receiver::handle_written`], in order.
    Write(Bytes),
    /// Stop (true) or go on taking messages of the channel: the disk is behind.
    Pause(bool),
    /// All pieces are written: answer with [`Receiver::handle_hash`].
    Verify,
    /// The file is right: give it its name, then answer with [`Receiver::handle_stored`].
    Store,
    /// Delete the partial file.
    Discard,
    /// It is there.
    Completed,
    /// It will not arrive.
    Failed(Failure),
    /// Close the channel once all that was sent has arrived. Comes last.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was said yet.
    Fresh,
    /// The user has to decide.
    Offered,
    Receiving,
    Verifying,
    Storing,
    Ended,
}

/// One file on its way in.
pub struct Receiver {
    settings: Settings,
    state: State,
    offer: Option<Offer>,
    received: u64,
    written: u64,
    writing: usize,
    paused: bool,
    /// The channel is gone; another may come.
    interrupted: bool,
    deadline: Instant,
    outputs: VecDeque<Output>,
}

impl Receiver {
    /// On a channel the peer has opened for a file.
    pub fn new(now: Instant, settings: Settings) -> Self {
        Receiver {
            state: State::Fresh,
            offer: None,
            received: 0,
            written: 0,
            writing: 0,
            paused: false,
            interrupted: false,
            deadline: now + settings.stall_timeout,
            outputs: VecDeque::new(),
            settings,
        }
    }

    /// One that goes on in the place of another, which is lost: interrupted, with the offer it had, and, if the user has
    /// taken the file, how many bytes the disk was given. All of them count as written: what the disk is still at
    /// comes before whatever it is told next.
    pub fn restored(now: Instant, settings: Settings, offer: Offer, given: Option<u64>) -> Self {
        let mut receiver = Receiver::new(now, settings);
        receiver.offer = Some(offer);
        receiver.state = State::Offered;
        receiver.interrupt(now);
        if let Some(given) = given {
            receiver.accept(now, given);
        }
        receiver
    }

    /// Takes a message of the sender.
    pub fn handle_message(&mut self, now: Instant, message: Message) {
        match message {
            _ if self.state == State::Ended => {}
            Message::Binary(data) => self.take_piece(now, data),
            Message::Text(text) => match (Control::parse(&text), self.state) {
                (Ok(Control::Offer(offer)), State::Fresh) => self.take_offer(now, offer),
                (Ok(Control::Cancel { .. }), _) => self.end(Failure::CancelledByPeer),
                (Ok(unexpected), state) => self.blame(format!("{} while {state:?}", unexpected.to_text())),
                (Err(error), _) => self.blame(error.to_string()),
            },
        }
    }

    /// The user wants the file; the partial file holds its first `offset` bytes already.
    pub fn accept(&mut self, now: Instant, offset: u64) {
        if self.state == State::Offered && offset <= self.size() {
            self.state = State::Receiving;
            (self.received, self.written) = (offset, offset);
            if !self.interrupted {
                self.deadline = now + self.settings.stall_timeout;
            }
            self.say(&Control::Accept { offset });
            self.verify_if_whole();
        }
    }

    /// The channel is gone with the whole association. What came over it goes on to the disk; [`Receiver::resume`]
    /// follows on another channel, or the time runs out.
    pub fn interrupt(&mut self, now: Instant) {
        match self.state {
            State::Fresh => self.state = State::Ended,
            State::Offered | State::Receiving | State::Verifying | State::Storing => {
                self.interrupted = true;
                self.paused = false;
                self.deadline = now + self.settings.offer_timeout;
                self.outputs
                    .retain(|output| !matches!(output, Output::Send(_) | Output::Pause(_)));
            }
            State::Ended => {}
        }
    }

    /// Whether this file was interrupted and `offer` offers it again.
    pub fn awaits(&self, offer: &Offer) -> bool {
        self.interrupted && self.state != State::Ended && self.offer.as_ref() == Some(offer)
    }

    /// The file is offered again on another channel: says from where to go on. If the user has not decided yet, that
    /// waits for the user as before.
    pub fn resume(&mut self, now: Instant) {
        self.interrupted = false;
        match self.state {
            State::Offered => self.deadline = now + self.settings.offer_timeout,
            State::Receiving | State::Verifying | State::Storing => {
                self.deadline = now + self.settings.stall_timeout;
                self.say(&Control::Accept {
                    offset: self.received,
                });
                if self.writing >= self.settings.disk_queue {
                    self.paused = true;
                    self.outputs.push_back(Output::Pause(true));
                }
            }
            State::Fresh | State::Ended => {}
        }
    }

    /// A file that is already stored is offered again, for the sender has not heard of it: says so.
    pub fn have(&mut self) {
        if self.state == State::Offered {
            self.outputs.clear();
            let size = self.size();
            self.say(&Control::Accept { offset: size });
            self.say(&Control::Received);
            self.state = State::Ended;
        }
    }

    /// The user does not want the file.
    pub fn decline(&mut self) {
        if self.state == State::Offered {
            self.say(&Control::Decline);
            self.end(Failure::Declined);
        }
    }

    /// The user stops it.
    pub fn cancel(&mut self) {
        match self.state {
            State::Offered => self.decline(),
            State::Ended | State::Storing => {}
            State::Fresh | State::Receiving | State::Verifying => {
                self.give_up(CancelReason::User, Failure::Cancelled);
            }
        }
    }

    /// A piece asked for by [`Output::Write`] is on the disk, which holds so many bytes now, or the disk refused.
    pub fn handle_written(&mut self, now: Instant, result: Result<u64, String>) {
        match result {
            Ok(_) if self.state != State::Receiving => {}
            Ok(bytes) => {
                self.writing = self.writing.saturating_sub(1);
                self.written = self.written.max(bytes);
                if !self.interrupted {
                    self.deadline = now + self.settings.stall_timeout;
                }
                if self.paused && self.writing <= self.settings.disk_queue / 2 {
                    self.paused = false;
                    self.outputs.push_back(Output::Pause(false));
                }
                self.verify_if_whole();
            }
            Err(error) => self.give_up(CancelReason::Disk, Failure::Disk(error)),
        }
    }

    /// The BLAKE3 hash of the partial file.
    pub fn handle_hash(&mut self, hash: Hash) {
        if self.state != State::Verifying {
            return;
        }
        if self.offer.as_ref().is_some_and(|offer| offer.hash == hash) {
            self.state = State::Storing;
            self.outputs.push_back(Output::Store);
        } else {
            self.give_up(CancelReason::Corrupt, Failure::Corrupt);
        }
    }

    /// The file has its name, or the disk refused.
    pub fn handle_stored(&mut self, result: Result<(), String>) {
        match (self.state, result) {
            (State::Storing, Ok(())) => {
                self.state = State::Ended;
                self.say(&Control::Received);
                self.outputs.push_back(Output::Completed);
                // The sender closes the channel when it has heard.
            }
            (State::Storing, Err(error)) => self.give_up(CancelReason::Disk, Failure::Disk(error)),
            _ => {}
        }
    }

    /// The channel is gone.
    pub fn handle_closed(&mut self) {
        if self.state != State::Ended {
            self.discard();
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

    /// When [`Receiver::handle_timeout`] wants to be called next.
    pub fn next_timeout(&self) -> Option<Instant> {
        (self.state != State::Ended).then_some(self.deadline)
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Bytes on the disk.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// What the peer offered.
    pub fn offer(&self) -> Option<&Offer> {
        self.offer.as_ref()
    }

    /// Whether it is over, well or not.
    pub fn ended(&self) -> bool {
        self.state == State::Ended
    }

    fn size(&self) -> u64 {
        self.offer.as_ref().map_or(0, |offer| offer.size)
    }

    fn take_offer(&mut self, now: Instant, offer: Offer) {
        if offer.size > self.settings.max_file {
            self.state = State::Offered;
            return self.decline();
        }
        self.state = State::Offered;
        self.deadline = now + self.settings.offer_timeout;
        self.outputs.push_back(Output::Offered(offer.clone()));
        self.offer = Some(offer);
    }

    fn take_piece(&mut self, now: Instant, data: Bytes) {
        let left = self.size() - self.received.min(self.size());
        if self.state != State::Receiving || data.is_empty() || data.len() as u64 > left {
            return self.blame(format!(
                "{} bytes where {left} are left while {:?}",
                data.len(),
                self.state
            ));
        }
        self.received += data.len() as u64;
        self.writing += 1;
        self.deadline = now + self.settings.stall_timeout;
        self.outputs.push_back(Output::Write(data));
        if !self.paused && self.writing >= self.settings.disk_queue {
            self.paused = true;
            self.outputs.push_back(Output::Pause(true));
        }
    }

    fn verify_if_whole(&mut self) {
        if self.state == State::Receiving && self.written == self.size() {
            self.state = State::Verifying;
            self.outputs.push_back(Output::Verify);
        }
    }

    /// To the peer, while there is a channel.
    fn say(&mut self, control: &Control) {
        if !self.interrupted {
            self.outputs
                .push_back(Output::Send(Message::Text(control.to_text())));
        }
    }

    fn blame(&mut self, what: String) {
        self.give_up(CancelReason::Protocol, Failure::Protocol(what));
    }

    fn give_up(&mut self, reason: CancelReason, failure: Failure) {
        if self.state != State::Ended {
            self.say(&Control::Cancel { reason });
            self.end(failure);
        }
    }

    fn end(&mut self, failure: Failure) {
        self.discard();
        self.state = State::Ended;
        self.outputs.extend([Output::Failed(failure), Output::Close]);
    }

    fn discard(&mut self) {
        if self.paused {
            self.paused = false;
            self.outputs.push_back(Output::Pause(false));
        }
        if matches!(self.state, State::Receiving | State::Verifying | State::Storing) {
            self.outputs.push_back(Output::Discard);
        }
    }
}
