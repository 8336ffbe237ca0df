//! A whole session description, typed: crate `sdp` reads and writes the lines, this says what they mean.

use std::fmt;
use std::io::Cursor;
use std::str::FromStr;

use ::sdp::description::common::Attribute;
use ::sdp::description::session::{Origin, SessionDescription as Lines, TimeDescription};

use super::section::{Inherited, MediaSection};

/// Longest description that is read, bytes; a Chromium offer with everything has about 8,000.
pub const MAX_LENGTH: usize = 64 * 1024;

/// Why a description cannot be used.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum SdpError {
    /// Longer than [`MAX_LENGTH`].
    #[error("the description is longer than {MAX_LENGTH} bytes")]
    TooLong,
    /// Not SDP.
    #[error("the description is malformed")]
    Malformed(#[source] ::sdp::Error),
    /// A section in use has no `a=ice-ufrag` and `a=ice-pwd`.
    #[error("the description has no ICE credentials")]
    NoIceCredentials,
    /// A section in use has no SHA-256 `a=fingerprint`.
    #[error("the description has no SHA-256 fingerprint")]
    NoFingerprint,
    /// The answer does not fit the offer (RFC 3264 §6).
    #[error("the answer does not fit the offer: {0}")]
    BadAnswer(&'static str),
    /// Nothing is left to send or receive.
    #[error("the two parties have nothing in common")]
    NothingInCommon,
}

/// A session description. Only what a call needs is kept; unknown attributes are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    /// Names the session (RFC 8866 §5.2); random.
    pub session_id: u64,
    /// Counts the descriptions of one party in a session.
    pub session_version: u64,
    /// The `mid`s that share one transport, in order: the first BUNDLE group (RFC 9143).
    pub bundle: Vec<String>,
    /// The media sections. Their order is the same in offer and answer.
    pub sections: Vec<MediaSection>,
}

impl FromStr for SessionDescription {
    type Err = SdpError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_LENGTH {
            return Err(SdpError::TooLong);
        }
        let lines = Lines::unmarshal(&mut Cursor::new(text.as_bytes())).map_err(SdpError::Malformed)?;
        let mut inherited = Inherited::default();
        lines
            .attributes
            .iter()
            .for_each(|attribute| inherited.take(attribute));
        let bundle = lines.attributes.iter().find_map(bundle_group).unwrap_or_default();
        Ok(SessionDescription {
            session_id: lines.origin.session_id,
            session_version: lines.origin.session_version,
            bundle,
            sections: lines
                .media_descriptions
                .iter()
                .map(|m| MediaSection::parse(m, &inherited))
                .collect(),
        })
    }
}

/// `a=group:BUNDLE <mid> …` (RFC 5888 §5).
fn bundle_group(attribute: &Attribute) -> Option<Vec<String>> {
    let value = attribute.value.as_deref().filter(|_| attribute.key == "group")?;
    let mids = value.strip_prefix("BUNDLE")?;
    Some(mids.split_whitespace().map(str::to_owned).collect())
}

impl fmt::Display for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut attributes = Vec::new();
        if !self.bundle.is_empty() {
            let group = format!("BUNDLE {}", self.bundle.join(" "));
            attributes.push(Attribute::new("group".to_owned(), Some(group)));
        }
        let lines = Lines {
            // RFC 8829 §5.2.1: no user name, and an address that says nothing.
            origin: Origin {
                username: "-".to_owned(),
                session_id: self.session_id,
                session_version: self.session_version,
                network_type: "IN".to_owned(),
                address_type: "IP4".to_owned(),
                unicast_address: "127.0.0.1".to_owned(),
            },
            session_name: "-".to_owned(),
            time_descriptions: vec![TimeDescription::default()],
            attributes,
            media_descriptions: self.sections.iter().map(MediaSection::print).collect(),
            ..Lines::default()
        };
        write!(f, "{lines}")
    }
}
