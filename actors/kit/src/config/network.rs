//! Sockets, and the encryption right above them.

use std::net::IpAddr;

use super::section::{any, choice, range, section, some_of};

choice! {
    /// An SRTP protection profile (RFC 5764 §4.1.2, RFC 7714 §14.2).
    SrtpProfile {
        /// AEAD_AES_128_GCM.
        AeadAes128Gcm = "aead_aes_128_gcm",
        /// AES128_CM_SHA1_80.
        Aes128CmSha1_80 = "aes128_cm_sha1_80",
    }
}

section! {
    /// The UDP sockets of a call, and DTLS and SRTP on them.
    Network, "network" {
        /// Addresses the UDP sockets of a call are bound to; none means those of all interfaces.
        bind_addresses: Vec<IpAddr> = Vec::new(), any();

        /// Interfaces calls do not use, such as those of a VPN; a name may end in `*`, as in `tun*`.
        exclude_interfaces: Vec<String> = Vec::new(), any();

        /// First port a call may use, for UDP and, with `ice.tcp`, for TCP; 0 leaves the choice to the system.
        udp_port_min: u16 = 0, any();

        /// Last port a call may use, likewise; 0 leaves the choice to the system.
        udp_port_max: u16 = 0, any();

        /// Use IPv4.
        ipv4: bool = true, any();

        /// Use IPv6.
        ipv6: bool = true, any();

        /// Offer loopback addresses even where there are others. On a machine without any other address they are
        /// always offered.
        include_loopback: bool = false, any();

        /// Receive buffer of each UDP socket (SO_RCVBUF). The system may grant less; too little loses bursts.
        receive_buffer_bytes: usize = 4 << 20, range(65_536..=268_435_456);

        /// Send buffer of each UDP socket (SO_SNDBUF). The system may grant less.
        send_buffer_bytes: usize = 4 << 20, range(65_536..=268_435_456);

        /// Largest UDP payload sent: fits the paths of the Internet without fragments (RFC 8831 §5 and RFC 8899).
        max_datagram_bytes: usize = 1200, range(576..=1472);

        /// Send and receive several datagrams in one system call where the kernel can (GSO, GRO).
        offload: bool = true, any();

        /// Time a DTLS handshake may take before the call fails.
        dtls_handshake_timeout_ms: u64 = 10_000, range(500..=120_000), from_millis(dtls_handshake_timeout);

        /// Wait before a DTLS flight is sent again; doubles each time. RFC 6347 §4.2.4.1 starts at 1000 and allows
        /// less where delays are short.
        dtls_flight_interval_ms: u64 = 200, range(20..=60_000), from_millis(dtls_flight_interval);

        /// DTLS records of an epoch whose keys are not there yet that wait for them; more are dropped.
        dtls_max_pending_records: usize = 64, range(0..=1024);

        /// Fragments one DTLS handshake message may come in; a message in more is dropped.
        dtls_max_fragments: usize = 64, range(1..=1024);

        /// Protection of media, offered in this order (RFC 5764 §4.1.2).
        srtp_profiles: Vec<SrtpProfile> = vec![SrtpProfile::AeadAes128Gcm, SrtpProfile::Aes128CmSha1_80], some_of();

        /// Packets the SRTP replay list remembers (RFC 3711 §3.3.2: at least 64).
        srtp_replay_window: usize = 1024, range(64..=32_768);

        /// Packets the SRTCP replay list remembers (RFC 3711 §3.3.2: at least 64).
        srtcp_replay_window: usize = 128, range(64..=32_768);

        /// Sources (SSRC) accepted in a call beyond the signaled ones.
        srtp_max_sources: usize = 8, range(0..=256);
    }
}
