//! Finding the path between the peers, and noticing its loss.

use super::section::{any, each, is_host_and_port, matching, range, section};

/// Whether a text is a STUN URI with host and port.
fn is_stun_server(text: &str) -> bool {
    is_host_and_port(text.strip_prefix("stun:").unwrap_or(text))
}

section! {
    /// Finding the path between the peers (RFC 8445, RFC 8838), and noticing its loss (RFC 7675).
    Ice, "ice" {
        /// STUN servers that tell the public address (server-reflexive candidates).
        stun_servers: Vec<String> = Vec::new(), each(matching("HOST:PORT or stun:HOST:PORT", is_stun_server));

        /// Let the peer see and reach this machine by TURN servers alone, so that it learns no address of it. Where the
        /// server names no TURN server, calls find no path then.
        relay_only: bool = false, any();

        /// Look in the local network for the addresses that browsers hide behind names (`UUID.local`), by multicast DNS.
        mdns: bool = true, any();

        /// Connect to the peer over TCP, and let it connect to this machine, where no UDP gets through (RFC 6544).
        tcp: bool = true, any();

        /// Time UDP has before TCP is tried, from the beginning of the checks or the peer's last address; four times as
        /// long while an address is looked up by multicast DNS.
        tcp_after_ms: u64 = 500, range(0..=30_000), from_millis(tcp_after);

        /// Time the connection to a TURN server over TCP or TLS may take.
        relay_connect_timeout_ms: u64 = 5000, range(100..=60_000), from_millis(relay_connect_timeout);

        /// Pace of the checks, Ta (RFC 8445 §14.2: 50 unless the path is known to bear more).
        ta_ms: u64 = 5, range(5..=500), from_millis(ta);

        /// First wait for an answer of a STUN server or a check (RFC 8489 §6.2.1); doubles each time.
        stun_rto_ms: u64 = 100, range(50..=3000), from_millis(stun_rto);

        /// Times a STUN server is asked before it is given up (RFC 8489 §6.2.1, Rc).
        stun_requests: u32 = 7, range(1..=16);

        /// Time candidates are gathered at most.
        gather_timeout_ms: u64 = 3000, range(100..=60_000), from_millis(gather_timeout);

        /// Own candidates offered at most.
        max_local_candidates: usize = 32, range(1..=256);

        /// Candidates of the peer taken at most.
        max_remote_candidates: usize = 64, range(1..=256);

        /// Candidate pairs checked at most (RFC 8445 §6.1.2.5).
        max_pairs: usize = 100, range(1..=1000);

        /// Mean time between two consent checks (RFC 7675 §5.1: 5000).
        consent_interval_ms: u64 = 5000, range(100..=15_000), from_millis(consent_interval);

        /// Time without consent after which nothing is sent any more (RFC 7675 §5.1: 30000).
        consent_timeout_ms: u64 = 30_000, range(500..=30_000), from_millis(consent_timeout);

        /// Silence after which the call shows that the connection is interrupted. Media and their reports come at least
        /// once a second; a path of data alone is silent for up to 1.2 consent intervals.
        disconnected_timeout_ms: u64 = 2500, range(200..=60_000), from_millis(disconnected_timeout);

        /// Time between two looks at the interfaces of this machine: one that comes or goes is noticed within it.
        interface_poll_ms: u64 = 250, range(50..=60_000), from_millis(interface_poll);

        /// Further silence after which the peers look for another path (ICE restart).
        restart_after_ms: u64 = 500, range(0..=60_000), from_millis(restart_after);

        /// Time the checks may find no working pair.
        failed_timeout_ms: u64 = 30_000, range(500..=300_000), from_millis(failed_timeout);
    }
}
