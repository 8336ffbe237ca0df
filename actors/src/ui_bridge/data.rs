//! Data channels for whatever a front end and its peer agree on: neither files nor the control channel of a call.
//!
//! A channel of the peer is taken whatever its name; who does not care for it lets its messages pass. What a front end
//! hears of a message is bounded: its size and hash, and its content if it is short.

use bytes::Bytes;
use roomrtc_protocol::data_channel::Message;
use roomrtc_protocol::data_channel::dcep::Reliability;

/// Content up to this many bytes is told in full.
pub const TOLD: usize = 1024;

/// What a front end wants of such channels. None of it survives the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataOrder {
    /// Open one; [`DataEvent::Opened`] answers.
    Open(ChannelWish),
    /// Send a message.
    Send {
        /// On this channel.
        channel: u16,
        /// The message.
        message: Message,
    },
    /// Close a channel once all that was sent has arrived.
    Close {
        /// Which.
        channel: u16,
    },
}

/// A channel to be opened (W3C `RTCDataChannelInit`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelWish {
    /// Names it.
    pub label: String,
    /// What is spoken on it.
    pub protocol: String,
    /// How it delivers.
    pub reliability: Reliability,
    /// Its number, if both ends open it without a word on the wire.
    pub negotiated: Option<u16>,
}

/// The life of such channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataEvent {
    /// Messages can be sent.
    Opened {
        /// Its SCTP stream.
        channel: u16,
        /// Names it, cut at [`TOLD`] bytes.
        label: String,
        /// What is spoken on it, cut likewise.
        protocol: String,
        /// How it delivers.
        reliability: Reliability,
        /// Whether the peer opened it.
        by_peer: bool,
    },
    /// A message arrived.
    Message {
        /// On this channel.
        channel: u16,
        /// What it was.
        message: Arrived,
    },
    /// The channel is gone.
    Closed {
        /// Which.
        channel: u16,
    },
    /// An order was not carried out.
    Refused {
        /// Why, in a sentence.
        reason: String,
    },
}

/// A message as a front end hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Bytes.
    pub size: usize,
    /// BLAKE3, hex.
    pub hash: String,
    /// Whether it is text.
    pub text: bool,
    /// All of it, if it has at most [`TOLD`] bytes.
    pub content: Option<Bytes>,
}

impl From<Message> for Arrived {
    fn from(message: Message) -> Self {
        let (text, data) = match message {
            Message::Text(text) => (true, Bytes::from(text)),
            Message::Binary(data) => (false, data),
        };
        Arrived {
            size: data.len(),
            hash: blake3::hash(&data).to_hex().to_string(),
            text,
            content: (data.len() <= TOLD).then_some(data),
        }
    }
}

/// A name of the peer's, cut at [`TOLD`] bytes.
pub(crate) fn cut(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(TOLD));
    name
}
