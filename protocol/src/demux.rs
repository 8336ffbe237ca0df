//! Whose datagram is it? One UDP path carries STUN, DTLS, RTP and RTCP; the first bytes tell (RFC 7983, RFC 5761).

/// Shortest datagram that can be RTP: its fixed header (RFC 3550 §5.1).
const RTP_HEADER: usize = 12;
/// Shortest datagram that can be RTCP: header and sender SSRC (RFC 3550 §6.4).
const RTCP_HEADER: usize = 8;
/// STUN header (RFC 8489 §5).
const STUN_HEADER: usize = 20;
/// DTLS record header (RFC 6347 §4.1).
const DTLS_HEADER: usize = 13;
/// Packet types 192–223 are RTCP where RTP and RTCP share a port (RFC 5761 §4); they lie in the second byte.
const RTCP_PACKET_TYPES: std::ops::RangeInclusive<u8> = 192..=223;

/// What a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A connectivity check or its response (RFC 8489).
    Stun,
    /// A DTLS record (RFC 6347).
    Dtls,
    /// An (S)RTP packet (RFC 3550, RFC 3711).
    Rtp,
    /// An (S)RTCP packet.
    Rtcp,
    /// Nothing that is spoken here, or too short to be it.
    Unknown,
}

/// Tells what a datagram is by its first two bytes and its length. Never looks further, never fails.
///
/// ```text
///             +----------------+
///             |        [0..3] -+--> forward to STUN
///             |                |
/// packet -->  |      [20..63] -+--> forward to DTLS
///             |                |
///             |    [128..191] -+--> forward to RTP/RTCP
///             +----------------+            (RFC 7983 §7)
/// ```
pub fn classify(datagram: &[u8]) -> Kind {
    let (Some(&first), Some(&second)) = (datagram.first(), datagram.get(1)) else {
        return Kind::Unknown;
    };
    let length = datagram.len();
    match first {
        0..=3 if length >= STUN_HEADER => Kind::Stun,
        20..=63 if length >= DTLS_HEADER => Kind::Dtls,
        128..=191 if RTCP_PACKET_TYPES.contains(&second) && length >= RTCP_HEADER => Kind::Rtcp,
        128..=191 if !RTCP_PACKET_TYPES.contains(&second) && length >= RTP_HEADER => Kind::Rtp,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn datagram(first: u8, second: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        bytes[0] = first;
        bytes[1] = second;
        bytes
    }

    #[test]
    fn one_port_carries_four_protocols() {
        assert_eq!(classify(&datagram(0, 1, 20)), Kind::Stun);
        assert_eq!(classify(&datagram(22, 254, 60)), Kind::Dtls);
        assert_eq!(classify(&datagram(0x80, 111, 60)), Kind::Rtp);
        assert_eq!(classify(&datagram(0x80, 0x80 | 96, 60)), Kind::Rtp);
        assert_eq!(classify(&datagram(0x80, 200, 28)), Kind::Rtcp);
        assert_eq!(classify(&datagram(0x81, 206, 12)), Kind::Rtcp);
    }

    #[test]
    fn turn_channels_quic_and_stumps_are_unknown() {
        assert_eq!(classify(&datagram(64, 0, 60)), Kind::Unknown);
        assert_eq!(classify(&datagram(192, 0, 60)), Kind::Unknown);
        assert_eq!(classify(&datagram(0x80, 111, 11)), Kind::Unknown);
        assert_eq!(classify(&datagram(0x80, 200, 7)), Kind::Unknown);
        assert_eq!(classify(&[22]), Kind::Unknown);
        assert_eq!(classify(&[]), Kind::Unknown);
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_kind(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let kind = classify(&bytes);
            prop_assert!(bytes.len() >= RTCP_HEADER || kind == Kind::Unknown);
        }
    }
}
