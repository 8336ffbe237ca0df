//! The client's actors, a file each: they drive the machines of `protocol` and the codecs of `media`, and own
//! sockets, timers and threads.
//!
//! ```text
//! client (one_for_one)
//! ├ ui_bridge · signaling_connection
//! └ call#N (temporary)
//!    ├ ice       one_for_one   ice_agent
//!    ├ secure    rest_for_one  dtls_session → sctp_association → file_transfer
//!    ├ rtp       one_for_one   rtp_sender, rtp_receiver (audio and video each), rtcp_reporter
//!    └ media     one_for_one   capture, encoder, decoder, playout (audio and video each), stats
//! ```

use std::time::Instant;

use bytes::Bytes;

mod brief;
pub mod call;
pub mod call_events;
pub mod call_port;
pub mod capture;
pub mod client;
pub mod codec_care;
pub mod counters;
pub mod decoder;
pub mod dtls_session;
pub mod echo_care;
pub mod encoder;
pub mod file_transfer;
pub mod ice_agent;
pub mod playout;
pub mod recorder;
pub mod rtcp_reporter;
pub mod rtp_receiver;
pub mod rtp_sender;
pub mod sctp_association;
pub mod sent_packets;
pub mod server_trust;
pub mod signaling_connection;
pub mod slot;
pub mod srtp;
pub mod stats;
mod trouble;
pub mod ui_bridge;
pub mod unfinished_call;
mod whole_file;

/// One UDP payload that arrived.
#[derive(Clone, Debug)]
pub struct Datagram {
    /// The payload.
    pub data: Bytes,
    /// When the socket delivered it.
    pub received_at: Instant,
}
