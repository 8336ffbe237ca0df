//! Reports, repair requests, and the bit rate that follows from them.

use super::section::{range, section};

section! {
    /// Reports (RFC 3550 §6), requests for repair (RFC 4585, RFC 5104), and the bit rate that follows from them.
    Rtcp, "rtcp" {
        /// Mean time between two reports (RFC 3550 §6.2; RFC 4585 §3.4 allows less than 5 s between two parties).
        report_interval_ms: u64 = 1000, range(100..=60_000), from_millis(report_interval);

        /// Least time between two messages that tell the peer which of its packets came, by which it judges how fast to
        /// send.
        transport_feedback_interval_ms: u64 = 50, range(20..=500), from_millis(transport_feedback_interval);

        /// Round trip reckoned with before the first is measured.
        initial_rtt_ms: u64 = 100, range(1..=5000), from_millis(initial_rtt);

        /// Largest round trip a repair waits for; beyond it a key frame is asked for instead.
        nack_max_rtt_ms: u64 = 400, range(10..=5000), from_millis(nack_max_rtt);

        /// Least time before a packet is asked for again.
        nack_min_interval_ms: u64 = 10, range(1..=1000), from_millis(nack_min_interval);

        /// Times one packet is asked for.
        nack_retries: u32 = 10, range(0..=100);

        /// Packets asked for at one time; with more missing a key frame is asked for instead.
        nack_max_packets: usize = 250, range(1..=4096);

        /// Least time between two requests for a key frame (RFC 4585 §6.3.1).
        pli_min_interval_ms: u64 = 300, range(10..=10_000), from_millis(pli_min_interval);

        /// Below this loss the video bit rate grows.
        loss_low_percent: f64 = 2.0, range(0.0..=100.0);

        /// Above this loss the video bit rate shrinks by half the loss.
        loss_high_percent: f64 = 10.0, range(0.0..=100.0);

        /// Growth of the video bit rate in a second without loss.
        increase_percent: f64 = 8.0, range(0.0..=100.0);
    }
}
