//! [`ServerAddress`]: where a server is, as people write it.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use thiserror::Error;

/// Where RoomRTC servers listen unless told otherwise.
pub const DEFAULT_PORT: u16 = 8443;

/// Longest host name (RFC 1035 §2.3.4, "255 octets or less").
const MAX_HOST: usize = 255;

/// A host and a port, out of `HOST`, `HOST:PORT`, `[IPV6]:PORT` or `wss://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// The text is no server address.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Another scheme than `wss`.
    #[error("a server address begins with wss:// or with the host, not {0}://")]
    Scheme(String),
    /// No host, or characters no host has.
    #[error("{0:?} is no host name")]
    Host(String),
    /// No port number.
    #[error("{0:?} is no port number")]
    Port(String),
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("wss") => rest,
            Some((scheme, _)) => return Err(AddressError::Scheme(scheme.to_owned())),
            None => text,
        };
        let authority = rest.split('/').next().unwrap_or(rest);
        let (host, port) = split(authority)?;
        let port = match port {
            Some(digits) => digits
                .parse()
                .map_err(|_| AddressError::Port(digits.to_owned()))?,
            None => DEFAULT_PORT,
        };
        let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let valid = host.parse::<Ipv6Addr>().is_ok() || !host.is_empty() && host.chars().all(name);
        if !valid || host.len() > MAX_HOST {
            return Err(AddressError::Host(host.to_owned()));
        }
        Ok(ServerAddress {
            host: host.to_ascii_lowercase(),
            port,
        })
    }
}

/// Splits host and port; an IPv6 address has brackets when a port follows.
fn split(authority: &str) -> Result<(&str, Option<&str>), AddressError> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest
            .split_once(']')
            .ok_or_else(|| AddressError::Host(authority.to_owned()))?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(AddressError::Host(authority.to_owned())),
        };
    }
    match authority.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => Ok((authority, None)), // a bare IPv6 address
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((authority, None)),
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_read_as_people_write_it() {
        for (text, expected) in [
            ("rtc.example", "rtc.example:8443"),
            (" RTC.example:443 ", "rtc.example:443"),
            ("wss://127.0.0.1:9000/ws", "127.0.0.1:9000"),
            ("[::1]:9000", "[::1]:9000"),
            ("wss://[2001:db8::1]", "[2001:db8::1]:8443"),
            ("::1", "[::1]:8443"),
        ] {
            assert_eq!(
                text.parse::<ServerAddress>().unwrap().to_string(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_address_says_why() {
        for (text, why) in [
            ("http://a", AddressError::Scheme("http".into())),
            ("", AddressError::Host(String::new())),
            ("a b", AddressError::Host("a b".into())),
            ("a:b", AddressError::Port("b".into())),
            ("a:70000", AddressError::Port("70000".into())),
            ("[::1", AddressError::Host("[::1".into())),
            ("a\":1", AddressError::Host("a\"".into())),
        ] {
            assert_eq!(text.parse::<ServerAddress>().unwrap_err(), why, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_read_is_read_again_the_same(text in "\\PC{0,60}") {
            if let Ok(address) = text.parse::<ServerAddress>() {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
