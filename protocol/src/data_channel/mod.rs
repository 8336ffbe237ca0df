//! Data channels on one SCTP association (RFC 8831), opened by RFC 8832.
//!
//! Reading order: [`dcep`] (the two messages that open a channel), [`DataChannels`].

pub mod dcep;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;

use self::dcep::{Dcep, Reliability};
use crate::sctp::{self, Association, Error, Ppid, Settings};

/// RFC 8831 §6.4: normal.
const PRIORITY: u16 = 256;

/// The highest stream used: Chromium takes 1024 of them (RFC 9260 §3.3.2, number of inbound streams).
const LAST_STREAM: u16 = 1023;

/// Names a channel: its SCTP stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(pub u16);

/// What travels on a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// UTF-8.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

/// What the channels tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Channels can be used. Ones opened before are on their way now.
    Connected,
    /// The peer has opened a channel.
    Opened {
        /// Which.
        channel: ChannelId,
        /// How it delivers.
        reliability: Reliability,
        /// Names it.
        label: String,
        /// What is spoken on it.
        protocol: String,
    },
    /// A message arrived.
    Message {
        /// On this channel.
        channel: ChannelId,
        /// The message.
        message: Message,
    },
    /// Less than the threshold waits to be sent (W3C: bufferedamountlow).
    BufferedAmountLow(ChannelId),
    /// The channel is gone.
    Closed(ChannelId),
    /// The association has ended, and all channels with it.
    Ended {
        /// Why, for a log.
        reason: String,
    },
}

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a packet.
    Transmit(Bytes),
    /// Tell.
    Event(Event),
}

#[derive(Default)]
struct Channel {
    /// Set until the peer has heard of the channel, if it must.
    unheard: Option<Reliability>,
    /// As `bufferedAmountLowThreshold`; an event comes when the amount falls to it.
    low_threshold: usize,
    above: bool,
}

/// All channels of a call.
pub struct DataChannels {
    association: Association,
    first_stream: u16,
    max_channels: usize,
    channels: BTreeMap<u16, Channel>,
    events: VecDeque<Event>,
}

impl DataChannels {
    /// On an association whose end was the DTLS client, or not. `max_send_message` is the peer's limit.
    pub fn new(settings: Settings, max_channels: usize, client: bool, max_send_message: usize) -> Self {
        DataChannels {
            association: Association::new(settings, client, max_send_message),
            // RFC 8832 §6: "the side acting as the DTLS client MUST use Streams with even Stream Identifiers".
            first_stream: if client { 0 } else { 1 },
            max_channels,
            channels: BTreeMap::new(),
            events: VecDeque::new(),
        }
    }

    /// Opens an ordered, reliable channel. Messages may be sent at once (RFC 8832 §6).
    ///
    /// # Errors
    /// [`Error::TooManyChannels`], [`Error::Closed`].
    pub fn open(&mut self, label: &str, protocol: &str) -> Result<ChannelId, Error> {
        self.open_as(label, protocol, Reliability::default())
    }

    /// Opens a channel that delivers in this way.
    ///
    /// # Errors
    /// As [`DataChannels::open`].
    pub fn open_as(
        &mut self,
        label: &str,
        protocol: &str,
        reliability: Reliability,
    ) -> Result<ChannelId, Error> {
        let stream = self.free_stream()?;
        let open = Dcep::Open {
            reliability,
            priority: PRIORITY,
            label: label.to_owned(),
            protocol: protocol.to_owned(),
        };
        self.association
            .send(stream, Ppid::Dcep, open.to_bytes().into())?;
        // RFC 8832 §6: before the peer has answered, "the endpoint MUST send user messages … ordered", lest they overtake
        // the one that opens the channel.
        self.association.set_reliability(stream, false, reliability.limit);
        let channel = Channel {
            unheard: Some(reliability),
            ..Channel::default()
        };
        self.channels.insert(stream, channel);
        Ok(ChannelId(stream))
    }

    /// Opens a channel that the peer opens too, with the same number and without a word on the wire (W3C: `negotiated`).
    ///
    /// # Errors
    /// [`Error::StreamInUse`], [`Error::TooManyChannels`].
    pub fn open_negotiated(&mut self, stream: u16, reliability: Reliability) -> Result<ChannelId, Error> {
        if self.channels.len() >= self.max_channels || stream > LAST_STREAM {
            return Err(Error::TooManyChannels);
        }
        if self.channels.contains_key(&stream) || self.association.is_closing(stream) {
            return Err(Error::StreamInUse(stream));
        }
        self.association.declare(stream);
        self.association
            .set_reliability(stream, reliability.unordered, reliability.limit);
        self.channels.insert(stream, Channel::default());
        Ok(ChannelId(stream))
    }

    /// The lowest stream of ours that no channel has.
    fn free_stream(&self) -> Result<u16, Error> {
        if self.channels.len() >= self.max_channels {
            return Err(Error::TooManyChannels);
        }
        (self.first_stream..=LAST_STREAM)
            .step_by(2)
            .find(|stream| !self.channels.contains_key(stream) && !self.association.is_closing(*stream))
            .ok_or(Error::TooManyChannels)
    }

    /// Sends a message.
    pub fn send(&mut self, channel: ChannelId, message: Message) -> Result<(), Error> {
        let entry = self.channels.get_mut(&channel.0).ok_or(Error::UnknownChannel)?;
        entry.above = true;
        // RFC 8831 §6.6: "SCTP does not support the sending of empty user messages": one zero byte instead.
        let empty = Bytes::from_static(&[0]);
        let (ppid, data) = match message {
            Message::Text(text) if text.is_empty() => (Ppid::StringEmpty, empty),
            Message::Text(text) => (Ppid::String, text.into()),
            Message::Binary(data) if data.is_empty() => (Ppid::BinaryEmpty, empty),
            Message::Binary(data) => (Ppid::Binary, data),
        };
        self.association.send(channel.0, ppid, data)
    }

    /// Bytes not acknowledged by the peer.
    pub fn buffered_amount(&mut self, channel: ChannelId) -> usize {
        self.association.buffered_amount(channel.0)
    }

    /// [`Event::BufferedAmountLow`] comes when so many bytes, or fewer, are left.
    pub fn set_low_threshold(&mut self, channel: ChannelId, bytes: usize) {
        if let Some(entry) = self.channels.get_mut(&channel.0) {
            entry.low_threshold = bytes;
        }
    }

    /// Stops or resumes taking messages; meanwhile the peer slows down.
    pub fn set_paused(&mut self, channel: ChannelId, paused: bool) {
        self.association.set_paused(channel.0, paused);
    }

    /// Closes a channel once all that was sent has arrived (RFC 8831 §6.7).
    pub fn close(&mut self, channel: ChannelId) {
        if self.channels.remove(&channel.0).is_some() {
            self.association.set_paused(channel.0, false);
            self.association.reset(channel.0);
        }
    }

    /// Takes a packet of the peer.
    pub fn handle_input(&mut self, now: Instant, packet: Bytes) {
        self.association.handle_input(now, packet);
    }

    /// Tells that time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.association.handle_timeout(now);
    }

    /// When [`DataChannels::handle_timeout`] wants to be called next.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.association.next_timeout()
    }

    /// What is to be done next.
    pub fn poll_output(&mut self, now: Instant) -> Option<Output> {
        while let Some(event) = self.association.poll_event(now) {
            self.hear(event);
        }
        self.notice_low();
        let event = self.events.pop_front().map(Output::Event);
        event.or_else(|| self.association.poll_transmit(now).map(Output::Transmit))
    }

    fn hear(&mut self, event: sctp::Event) {
        match event {
            sctp::Event::Connected => self.events.push_back(Event::Connected),
            sctp::Event::Closed { reason } => {
                self.channels.clear();
                self.events.push_back(Event::Ended { reason });
            }
            sctp::Event::Reset { stream } => {
                if self.channels.remove(&stream).is_some() {
                    self.events.push_back(Event::Closed(ChannelId(stream)));
                }
            }
            sctp::Event::Message {
                stream,
                ppid: Ppid::Dcep,
                data,
            } => self.hear_dcep(stream, &data),
            sctp::Event::Message { stream, ppid, data } => {
                if !self.channels.contains_key(&stream) {
                    return;
                }
                let message = match ppid {
                    Ppid::String => match String::from_utf8(data.into()) {
                        Ok(text) => Message::Text(text),
                        Err(_) => return self.close_and_tell(stream),
                    },
                    Ppid::StringEmpty => Message::Text(String::new()),
                    Ppid::BinaryEmpty => Message::Binary(Bytes::new()),
                    Ppid::Binary | Ppid::Dcep => Message::Binary(data),
                };
                self.events.push_back(Event::Message {
                    channel: ChannelId(stream),
                    message,
                });
            }
        }
    }

    fn hear_dcep(&mut self, stream: u16, data: &[u8]) {
        match Dcep::parse(data) {
            Ok(Dcep::Ack) => self.acknowledged(stream),
            Ok(Dcep::Open {
                reliability,
                label,
                protocol,
                ..
            }) => {
                // RFC 8832 §6: a stream of our parity, or one in use, is an error; the channel is closed.
                let theirs = stream % 2 != self.first_stream % 2;
                if !theirs || self.channels.contains_key(&stream) || self.channels.len() >= self.max_channels
                {
                    return self.close_and_tell(stream);
                }
                if self
                    .association
                    .send(stream, Ppid::Dcep, Dcep::Ack.to_bytes().into())
                    .is_err()
                {
                    return;
                }
                self.association
                    .set_reliability(stream, reliability.unordered, reliability.limit);
                self.channels.insert(stream, Channel::default());
                self.events.push_back(Event::Opened {
                    channel: ChannelId(stream),
                    reliability,
                    label,
                    protocol,
                });
            }
            Err(error) => {
                tracing::debug!(%error, stream, "no channel message");
                self.close_and_tell(stream);
            }
        }
    }

    /// The peer knows the channel: messages may overtake each other from now on, if they may at all.
    fn acknowledged(&mut self, stream: u16) {
        let channel = self.channels.get_mut(&stream);
        if let Some(reliability) = channel.and_then(|channel| channel.unheard.take()) {
            self.association
                .set_reliability(stream, reliability.unordered, reliability.limit);
        }
    }

    fn close_and_tell(&mut self, stream: u16) {
        self.association.reset(stream);
        if self.channels.remove(&stream).is_some() {
            self.events.push_back(Event::Closed(ChannelId(stream)));
        }
    }

    fn notice_low(&mut self) {
        for (&stream, channel) in &mut self.channels {
            if channel.above && self.association.buffered_amount(stream) <= channel.low_threshold {
                channel.above = false;
                self.events.push_back(Event::BufferedAmountLow(ChannelId(stream)));
            }
        }
    }
}

#[cfg(test)]
mod tests;
