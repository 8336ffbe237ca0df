//! Where STUN and TURN servers are: `stun:HOST`, `turn:HOST:PORT?transport=tcp`, `turns:HOST` (RFC 7064, RFC 7065).

/// RFC 8489 §18.5 and RFC 8656 §18.
const PORT: u16 = 3478;
/// The same, over TLS.
const TLS_PORT: u16 = 5349;

/// How to speak to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServerKind {
    /// STUN over UDP.
    Stun,
    /// TURN over UDP.
    TurnUdp,
    /// TURN over TCP.
    TurnTcp,
    /// TURN over TLS over TCP.
    TurnTls,
}

/// One way to one server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerUri {
    /// How to speak to it.
    pub kind: ServerKind,
    /// Name or address; one of IPv6 has no brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl ServerUri {
    /// Reads a URI; a text without a scheme is a STUN server. `None` for what is none, or is not spoken here (TURN over
    /// DTLS, STUN over TLS).
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = match text.split_once(':') {
            Some((scheme @ ("stun" | "stuns" | "turn" | "turns"), rest)) => (scheme, rest),
            Some(_) | None => ("stun", text),
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let kind = match (scheme, query) {
            ("stun", "") => ServerKind::Stun,
            ("turn", "" | "transport=udp") => ServerKind::TurnUdp,
            ("turn", "transport=tcp") => ServerKind::TurnTcp,
            ("turns", "" | "transport=tcp") => ServerKind::TurnTls,
            _ => return None,
        };
        let (host, port) = match place.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed.split_once(']')?;
                (host, rest.strip_prefix(':').or(rest.is_empty().then_some(""))?)
            }
            None => place.split_once(':').unwrap_or((place, "")),
        };
        let port = match (port, kind) {
            ("", ServerKind::TurnTls) => TLS_PORT,
            ("", ServerKind::Stun | ServerKind::TurnUdp | ServerKind::TurnTcp) => PORT,
            (port, _) => port.parse().ok().filter(|port| *port != 0)?,
        };
        let named = !host.is_empty() && !host.contains([' ', '/', '@']);
        named.then(|| ServerUri {
            kind,
            host: host.to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_is_read() {
        let read = |text: &str| ServerUri::parse(text).map(|uri| (uri.kind, uri.host, uri.port));
        let is = |kind, host: &str, port| Some((kind, host.to_owned(), port));
        assert_eq!(read("stun:a.example"), is(ServerKind::Stun, "a.example", 3478));
        assert_eq!(read("192.0.2.1:19302"), is(ServerKind::Stun, "192.0.2.1", 19302));
        assert_eq!(read("turn:a.example"), is(ServerKind::TurnUdp, "a.example", 3478));
        assert_eq!(
            read("turn:[::1]:7?transport=udp"),
            is(ServerKind::TurnUdp, "::1", 7)
        );
        assert_eq!(read("turn:a:80?transport=tcp"), is(ServerKind::TurnTcp, "a", 80));
        assert_eq!(
            read("turns:a:443?transport=tcp"),
            is(ServerKind::TurnTls, "a", 443)
        );
        assert_eq!(
            read("turns:[2001:db8::1]"),
            is(ServerKind::TurnTls, "2001:db8::1", 5349)
        );
    }

    #[test]
    fn what_is_no_server_is_not() {
        for text in [
            "",
            "turn:",
            "turn:a:0",
            "turn:a:x",
            "stuns:a",
            "turns:a?transport=udp",
            "turn:a?x=y",
            "turn:[::1",
            "turn:[::1]x",
            "http://a",
        ] {
            assert_eq!(ServerUri::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in ".{0,60}") {
            let _ = ServerUri::parse(&text);
            let _ = ServerUri::parse(&format!("turn:{text}"));
        }
    }
}
