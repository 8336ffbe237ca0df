//! Files over data channels: one channel a file, as `docs/file-transfer.md` describes it for other clients.
//!
//! Reading order: [`control`] (what the two ends say), [`name`] (what a received file may be called),
//! [`sender`], [`receiver`]. Both machines know no disk: they ask for pieces to be read or written and are told
//! when that is done, so a file of any size passes through in constant memory.

pub mod control;
pub mod name;
pub mod receiver;
pub mod sender;
#[cfg(test)]
mod tests;

use std::time::Duration;

/// The label of a channel that carries a file.
pub const LABEL: &str = "file";

/// The subprotocol of such a channel (RFC 8832 §8.3).
pub const PROTOCOL: &str = "roomrtc-file";

/// Limits of a transfer.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes a binary message carries.
    pub chunk: usize,
    /// Data given to the channel and not acknowledged at which reading pauses.
    pub buffered_high: usize,
    /// Pieces being read or written at one time.
    pub disk_queue: usize,
    /// Largest file taken.
    pub max_file: u64,
    /// Time an offer waits for its answer.
    pub offer_timeout: Duration,
    /// Time without progress after which the transfer has failed.
    pub stall_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            chunk: 64 * 1024,
            buffered_high: 512 * 1024,
            disk_queue: 16,
            max_file: 1 << 40,
            offer_timeout: Duration::from_secs(600),
            stall_timeout: Duration::from_secs(30),
        }
    }
}

/// Why a file did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The receiver does not want it.
    #[error("declined")]
    Declined,
    /// This side stopped it.
    #[error("cancelled")]
    Cancelled,
    /// The other side stopped it.
    #[error("cancelled by the peer")]
    CancelledByPeer,
    /// Its bytes are not those that were offered.
    #[error("the hash is wrong")]
    Corrupt,
    /// The channel closed first.
    #[error("the channel closed")]
    ChannelClosed,
    /// This side's disk refused, with the system's words.
    #[error("the disk refused: {0}")]
    Disk(String),
    /// Nothing moved for too long.
    #[error("no progress")]
    Stalled,
    /// The peer did not keep to the protocol.
    #[error("the peer broke the protocol: {0}")]
    Protocol(String),
}
