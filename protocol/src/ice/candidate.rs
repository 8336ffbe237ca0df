//! Candidates as they are signaled: `candidate:…` (RFC 8839 §5.1).

use std::net::{IpAddr, SocketAddr};

use is::{Candidate, CandidateKind, Protocol};
use str0m_proto::TcpType;

/// Longest candidate that is read, bytes; real ones have about 150.
const MAX_LENGTH: usize = 512;

/// Why a candidate of the peer is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CandidateError {
    /// Not `candidate:…` as in RFC 8839 §5.1.
    #[error("the candidate is malformed")]
    Malformed,
    /// A host name; only addresses are used, and what [`mdns`](super::mdns) makes of names.
    #[error("the candidate has a host name instead of an address")]
    HostName,
    /// Neither UDP nor one end of a TCP connection, or TCP where it is not used.
    #[error("the candidate is for a transport that is not used")]
    OtherTransport,
    /// An address nobody can be reached at: unspecified, multicast, broadcast, link-local, or port 0.
    #[error("the candidate's address cannot be used")]
    BadAddress,
    /// As many candidates as are taken from one peer were given.
    #[error("too many candidates")]
    TooMany,
}

/// Reads a candidate of the peer.
///
/// # Errors
/// If it is malformed or cannot be used here; candidates of later inventions are no reason to end a call.
pub fn parse(text: &str) -> Result<Candidate, CandidateError> {
    let text = text.trim();
    let text = text.strip_prefix("a=").unwrap_or(text);
    let address = address_field(text).ok_or(CandidateError::Malformed)?;
    if address.parse::<IpAddr>().is_err() {
        return Err(CandidateError::HostName);
    }
    let candidate = Candidate::from_sdp_string(text).map_err(|_| CandidateError::Malformed)?;
    match (candidate.proto(), candidate.tcptype()) {
        (Protocol::Udp, _) | (Protocol::Tcp, Some(TcpType::Active | TcpType::Passive)) => {}
        _ => return Err(CandidateError::OtherTransport),
    }
    if !is_usable(candidate.addr()) {
        return Err(CandidateError::BadAddress);
    }
    Ok(candidate)
}

/// The address of a candidate, or the name in its place; `None` if there is none, or the text is too long.
pub(super) fn address_field(text: &str) -> Option<&str> {
    const ADDRESS_FIELD: usize = 4;
    let text = Some(text).filter(|text| text.len() <= MAX_LENGTH)?;
    text.split_whitespace().nth(ADDRESS_FIELD)
}

/// Whether checks may be sent to an address a peer names. Link-local IPv6 would need the name of an interface.
fn is_usable(address: SocketAddr) -> bool {
    let usable = match address.ip() {
        IpAddr::V4(ip) => !(ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast()),
        IpAddr::V6(ip) => !(ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local()),
    };
    usable && address.port() != 0
}

/// `host`, `srflx`, `prflx` or `relay`.
pub(super) fn kind_name(kind: CandidateKind) -> &'static str {
    match kind {
        CandidateKind::Host => "host",
        CandidateKind::ServerReflexive => "srflx",
        CandidateKind::PeerReflexive => "prflx",
        CandidateKind::Relayed => "relay",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_browsers_candidate_is_read() {
        let text =
            "candidate:3014233128 1 udp 2122260223 192.0.2.17 54321 typ host generation 0 network-id 1";
        let candidate = parse(text).expect("well formed");
        assert_eq!(candidate.addr(), "192.0.2.17:54321".parse().expect("address"));
        assert_eq!(candidate.kind(), CandidateKind::Host);
        assert!(parse(&format!("a={text}")).is_ok());
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_its_reason() {
        let with = |transport: &str, address: &str| {
            parse(&format!(
                "candidate:1 1 {transport} 2113937151 {address} typ host"
            ))
            .map(|_| ())
        };
        assert_eq!(with("udp", "6a1f8f0e.local 50123"), Err(CandidateError::HostName));
        assert_eq!(with("tcp", "192.0.2.17 9"), Err(CandidateError::OtherTransport));
        let simultaneous = "candidate:1 1 tcp 1518280447 192.0.2.17 5000 typ host tcptype so";
        assert_eq!(
            parse(simultaneous).map(|_| ()),
            Err(CandidateError::OtherTransport)
        );
        assert_eq!(with("udp", "224.0.0.1 5000"), Err(CandidateError::BadAddress));
        assert_eq!(
            with("udp", "255.255.255.255 5000"),
            Err(CandidateError::BadAddress)
        );
        assert_eq!(with("udp", "fe80::1 5000"), Err(CandidateError::BadAddress));
        assert_eq!(with("udp", "192.0.2.17 0"), Err(CandidateError::BadAddress));
        assert_eq!(with("udp", "192.0.2.17 70000"), Err(CandidateError::Malformed));
        assert_eq!(parse("candidate:").map(|_| ()), Err(CandidateError::Malformed));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in ".{0,200}") {
            let _ = parse(&text);
            let _ = parse(&format!("candidate:1 1 udp 1 192.0.2.1 1 {text}"));
        }
    }
}
