//! The SCTP association below the data channels (RFC 9260, RFC 8261, RFC 8831).
//!
//! Reading order: [`Settings`] and [`Ppid`], then [`Association`], which hides `sctp-proto` so that a machine of
//! our own can take its place. Data channels are one floor up, in [`crate::data_channel`].

mod association;
#[cfg(test)]
pub(crate) mod link;
#[cfg(test)]
mod tests;

pub use self::association::{Association, Event, Limit};

use std::time::Duration;

/// What a message is (RFC 8831 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ppid {
    /// A message of the channel establishment protocol (RFC 8832).
    Dcep,
    /// UTF-8.
    String,
    /// Bytes.
    Binary,
    /// An empty string, sent as one byte because SCTP has no empty messages.
    StringEmpty,
    /// No bytes, sent as one.
    BinaryEmpty,
}

/// Limits of an association.
#[derive(Clone, Debug)]
pub struct Settings {
    /// RFC 8841 §5; both ends use the one of their description.
    pub port: u16,
    /// Largest UDP payload; packets leave room for DTLS.
    pub max_datagram: usize,
    /// Largest message taken (`a=max-message-size`, RFC 8841 §6).
    pub max_message: usize,
    /// Unread data taken before the peer must pause.
    pub receive_window: u32,
    /// Data given to the machine and not yet acknowledged. The machine walks over all of it whenever it sends, so
    /// more makes it slow.
    pub flight: usize,
    /// RFC 9260 §6.3.1. The RFC asks for 1 s twice; on the paths of calls that is an age.
    pub initial_rto: Duration,
    /// Above the 200 ms for which a peer may delay an acknowledgement (RFC 9260 §6.2).
    pub min_rto: Duration,
    /// Longest pause between attempts.
    pub max_rto: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            port: 5000,
            max_datagram: 1200,
            max_message: 256 * 1024,
            receive_window: 1024 * 1024,
            flight: 256 * 1024,
            initial_rto: Duration::from_millis(500),
            min_rto: Duration::from_millis(300),
            max_rto: Duration::from_secs(5),
        }
    }
}

/// Why something cannot be sent or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The association has ended.
    #[error("the association has ended")]
    Closed,
    /// There is no such stream or channel.
    #[error("there is no such channel")]
    UnknownChannel,
    /// The peer does not take messages of this size.
    #[error("a message of {size} bytes, at most {limit} are allowed")]
    TooLong {
        /// Of the message.
        size: usize,
        /// As the peer said.
        limit: usize,
    },
    /// Another channel has the stream, or is just leaving it.
    #[error("stream {0} is in use")]
    StreamInUse(u16),
    /// No more channels.
    #[error("too many channels")]
    TooManyChannels,
}
