//! What goes into the agent besides datagrams, and what comes out of it.

use std::net::SocketAddr;
use std::time::Duration;

use super::consent::{CONSENT_INTERVAL, CONSENT_TIMEOUT, DISCONNECTED_TIMEOUT};
use super::relay::Transport;

/// RFC 8445 §14.2: all transactions together go out no more often than once every 5 ms. Nothing here needs it longer.
const TA: Duration = Duration::from_millis(5);
/// First retransmission of a check. RFC 8445 §14.3 says 500 ms, browsers 250 ms.
const INITIAL_RTO: Duration = Duration::from_millis(250);
/// Without a working pair after this time there is none. RFC 8863 warns of haste: candidates nobody signaled may still
/// show up as peer-reflexive ones.
const CHECKING_TIMEOUT: Duration = Duration::from_secs(30);
/// STUN servers that are silent this long are given up.
const GATHERING_TIMEOUT: Duration = Duration::from_secs(3);
/// A STUN server is asked so often (RFC 8489 §6.2.1, Rc).
const STUN_REQUESTS: u32 = 7;
/// RFC 8445 §6.1.2.5: 100 "but the value MUST be configurable".
const MAX_PAIRS: usize = 100;
/// Candidates taken from a peer, signaled and peer-reflexive together; with ours they make the pairs.
const MAX_REMOTE_CANDIDATES: usize = 32;

/// Enough for a check over UDP, its first repetition and a round trip of 200 ms.
const TCP_AFTER: Duration = Duration::from_millis(500);

/// The timing of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Least time between two checks (Ta).
    pub ta: Duration,
    /// First retransmission of a check.
    pub initial_rto: Duration,
    /// Mean time between two consent checks.
    pub consent_interval: Duration,
    /// Consent ends so long after the last response.
    pub consent_timeout: Duration,
    /// Silence that makes a pair disconnected.
    pub disconnected_timeout: Duration,
    /// Checks are given up so long after they began.
    pub checking_timeout: Duration,
    /// STUN servers are given up so long after they were asked.
    pub gathering_timeout: Duration,
    /// A STUN server is asked so often.
    pub stun_requests: u32,
    /// Pairs that are checked; those of the least priority are left out.
    pub max_pairs: usize,
    /// Candidates taken from a peer.
    pub max_remote_candidates: usize,
    /// The peer sees and reaches us by TURN servers alone, and learns no other address of ours.
    pub relay_only: bool,
    /// TCP is tried if no pair over UDP works so long after checks began or the last candidate came (RFC 6544); `None`
    /// where it never is.
    pub tcp_after: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            ta: TA,
            initial_rto: INITIAL_RTO,
            consent_interval: CONSENT_INTERVAL,
            consent_timeout: CONSENT_TIMEOUT,
            disconnected_timeout: DISCONNECTED_TIMEOUT,
            checking_timeout: CHECKING_TIMEOUT,
            gathering_timeout: GATHERING_TIMEOUT,
            stun_requests: STUN_REQUESTS,
            max_pairs: MAX_PAIRS,
            max_remote_candidates: MAX_REMOTE_CANDIDATES,
            relay_only: false,
            tcp_after: Some(TCP_AFTER),
        }
    }
}

/// A datagram to send, or a frame of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// How.
    pub transport: Transport,
    /// From this local address; port 9 stands for any port of it.
    pub local: SocketAddr,
    /// To this address.
    pub remote: SocketAddr,
    /// The payload.
    pub data: Vec<u8>,
}

/// The pair in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectedPair {
    /// Datagrams, or frames of a stream.
    pub transport: Transport,
    /// Our address; port 9 stands for that of a stream we have opened.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// Candidate types, such as `host/host`; ` tcp` follows where it is a stream.
    pub kinds: String,
    /// Round trip of the last answered check.
    pub rtt: Option<Duration>,
}

/// What the agent's owner hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Signal this to the peer.
    LocalCandidate(String),
    /// There will be no more of them.
    GatheringComplete,
    /// Checks begin.
    Checking,
    /// Send over this pair from now on. Also when a silent pair speaks again.
    Selected(SelectedPair),
    /// The selected pair is silent.
    Disconnected,
    /// No pair works; only [`restart`](super::IceAgent::restart) helps. Nothing may be sent.
    Failed,
}

/// What comes out of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send it.
    Transmit(Transmit),
    /// Tell it.
    Event(Event),
}

/// Where the agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The peer's credentials are not known.
    New,
    /// Looking for a pair.
    Checking,
    /// A pair is selected and speaks.
    Connected,
    /// The selected pair is silent.
    Disconnected,
    /// Given up.
    Failed,
}
