//! Media packets: how they are sent, kept for repair, and put in order.

use super::section::{any, range, section};

section! {
    /// Media packets (RFC 3550): sending, keeping for repair, putting in order.
    Rtp, "rtp" {
        /// Largest RTP packet sent, before encryption. With the SRTP tag (16) it must fit a datagram.
        max_packet_bytes: usize = 1180, range(300..=1450);

        /// Packets that may go out back to back; a larger picture is spread.
        pacing_burst_packets: usize = 16, range(1..=1000);

        /// Time between two bursts of a picture that is spread.
        pacing_interval_ms: u64 = 1, range(1..=20), from_millis(pacing_interval);

        /// Time within which a picture has gone out, however large, unless the path is narrow.
        pacing_spread_ms: u64 = 4, range(0..=200), from_millis(pacing_spread);

        /// Sent packets kept to send them again.
        resend_cache_packets: usize = 1024, range(0..=32_768);

        /// How long sent packets are kept to send them again.
        resend_cache_ms: u64 = 1000, range(0..=10_000), from_millis(resend_cache);

        /// Least time before the same packet is sent again once more.
        resend_min_interval_ms: u64 = 10, range(0..=1000), from_millis(resend_min_interval);

        /// Send packets again in a stream of their own (RFC 4588) where the peer can; else as they were.
        rtx: bool = true, any();

        /// A missing packet counts as reordered, not lost, this long.
        reorder_wait_ms: u64 = 5, range(0..=500), from_millis(reorder_wait);

        /// Most delay of the video jitter buffer: an incomplete picture is given up after it.
        video_max_delay_ms: u64 = 500, range(10..=5000), from_millis(video_max_delay);

        /// Packets the video jitter buffer holds.
        video_max_packets: usize = 2048, range(64..=32_768);

        /// Bytes the video jitter buffer holds.
        video_max_bytes: usize = 4 << 20, range(65_536..=268_435_456);

        /// Least delay of the audio jitter buffer.
        audio_min_delay_ms: u64 = 20, range(0..=2000), from_millis(audio_min_delay);

        /// Most delay of the audio jitter buffer.
        audio_max_delay_ms: u64 = 400, range(20..=5000), from_millis(audio_max_delay);

        /// Packets the audio jitter buffer holds.
        audio_max_packets: usize = 200, range(8..=4096);
    }
}
