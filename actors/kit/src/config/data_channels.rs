//! Data channels and the files on them.

use super::section::{range, section};

section! {
    /// Data channels (RFC 8831, RFC 8832) on SCTP (RFC 9260), and the files sent over them.
    DataChannels, "data_channels" {
        /// SCTP port (RFC 8841 §5).
        sctp_port: u16 = 5000, range(1..=65_535);

        /// Largest message taken, as offered in `max-message-size` (RFC 8841 §6).
        max_message_bytes: u32 = 262_144, range(16_384..=1_073_741_823);

        /// Unread data taken before the sender must pause (the receiver window).
        receive_window_bytes: u32 = 1 << 20, range(65_536..=67_108_864);

        /// Channels open at one time.
        max_channels: u16 = 64, range(2..=1024);

        /// Size of the pieces a file is sent in.
        chunk_bytes: usize = 65_536, range(1024..=262_144);

        /// Data handed to SCTP and not yet acknowledged at which a file pauses.
        buffered_high_bytes: usize = 512 << 10, range(16_384..=67_108_864);

        /// Pieces read from disk ahead, and received pieces not yet on disk, per file.
        disk_queue_chunks: usize = 16, range(1..=1024);

        /// Files sent or received at one time; more wait or are refused.
        max_concurrent_files: usize = 8, range(1..=64);

        /// Largest file taken.
        max_file_bytes: u64 = 1 << 40, range(1..=1_u64 << 50);

        /// Time an offered file waits for an answer.
        offer_timeout_s: u64 = 600, range(5..=86_400), from_secs(offer_timeout);

        /// Time without progress after which a file has failed.
        stall_timeout_ms: u64 = 30_000, range(1000..=600_000), from_millis(stall_timeout);

        /// Time between two reports of a file's progress.
        progress_interval_ms: u64 = 200, range(20..=5000), from_millis(progress_interval);
    }
}
