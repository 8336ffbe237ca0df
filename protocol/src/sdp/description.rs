//! A whole session description, typed: crate `sdp` reads and writes the lines, this says what they mean.

use std::fmt;
use std::io::Cursor;
use std::str::FromStr;

use ::sdp::description::common::Attribute;
use ::sdp::description::session::{Origin, SessionDescription as Lines, TimeDescription};

use serde::{Deserialize, Serialize};

use super::section::{Inherited, MediaSection};

/// Longest description that is read where nothing else is said, bytes; a Chromium offer with everything has about 8,000.
pub const MAX_LENGTH: usize = 64 * 1024;
/// Most media sections that are read where nothing else is said; a call has three.
pub const MAX_SECTIONS: usize = 16;

const ICE_LITE: &str = "ice-lite";

/// Why a description cannot be used.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum SdpError {
    /// Longer than is read, such as [`MAX_LENGTH`].
    #[error("the description is too long")]
    TooLong,
    /// More media sections than are read, such as [`MAX_SECTIONS`].
    #[error("the description has too many media sections")]
    TooManySections,
    /// Not SDP.
    #[error("the description is malformed")]
    Malformed(#[source] ::sdp::Error),
    /// A section in use has no `a=ice-ufrag` and `a=ice-pwd`.
    #[error("the description has no ICE credentials")]
    NoIceCredentials,
    /// A section in use has no SHA-256 `a=fingerprint`.
    #[error("the description has no SHA-256 fingerprint")]
    NoFingerprint,
    /// The offer does not fit what was settled before (RFC 3264 §8).
    #[error("the offer does not fit the one before: {0}")]
    BadOffer(&'static str),
    /// The answer does not fit the offer (RFC 3264 §6).
    #[error("the answer does not fit the offer: {0}")]
    BadAnswer(&'static str),
    /// Nothing is left to send or receive.
    #[error("the two parties have nothing in common")]
    NothingInCommon,
}

/// A session description. Only what a call needs is kept; unknown attributes are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionDescription {
    /// Names the session (RFC 8866 §5.2); random.
    pub session_id: u64,
    /// Counts the descriptions of one party in a session.
    pub session_version: u64,
    /// The session's name (RFC 8866 §5.3); means nothing here.
    pub session_name: String,
    /// The party only answers checks (`a=ice-lite`, RFC 8839 §5.3).
    pub ice_lite: bool,
    /// The `mid`s that share one transport, in order: the first BUNDLE group (RFC 9143).
    pub bundle: Vec<String>,
    /// The media sections. Their order is the same in offer and answer.
    pub sections: Vec<MediaSection>,
}

impl SessionDescription {
    /// An identification tag (RFC 5888 §4) that no section has.
    pub(super) fn free_mid(&self) -> String {
        let taken = |mid: &String| self.sections.iter().any(|section| section.mid == *mid);
        let mut mids = (self.sections.len()..).map(|number| number.to_string());
        mids.find(|mid| !taken(mid)).unwrap_or_default()
    }

    /// One more section, over the transport of the others.
    pub(super) fn add(&mut self, section: MediaSection) {
        self.bundle.push(section.mid.clone());
        self.sections.push(section);
    }

    /// Reads a description within limits.
    ///
    /// # Errors
    /// If it is malformed or exceeds a limit.
    pub fn parse_within(text: &str, max_length: usize, max_sections: usize) -> Result<Self, SdpError> {
        if text.len() > max_length {
            return Err(SdpError::TooLong);
        }
        let lines = Lines::unmarshal(&mut Cursor::new(text.as_bytes())).map_err(SdpError::Malformed)?;
        if lines.media_descriptions.len() > max_sections {
            return Err(SdpError::TooManySections);
        }
        let mut inherited = Inherited::default();
        lines
            .attributes
            .iter()
            .for_each(|attribute| inherited.take(attribute));
        let sections = lines
            .media_descriptions
            .iter()
            .map(|media| MediaSection::parse(media, &inherited));
        Ok(SessionDescription {
            session_id: lines.origin.session_id,
            session_version: lines.origin.session_version,
            ice_lite: lines.attributes.iter().any(|attribute| attribute.key == ICE_LITE),
            bundle: lines.attributes.iter().find_map(bundle_group).unwrap_or_default(),
            sections: sections.collect(),
            session_name: lines.session_name,
        })
    }
}

/// Within [`MAX_LENGTH`] and [`MAX_SECTIONS`].
impl FromStr for SessionDescription {
    type Err = SdpError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse_within(text, MAX_LENGTH, MAX_SECTIONS)
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
        if self.ice_lite {
            attributes.push(Attribute::new(ICE_LITE.to_owned(), None));
        }
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
            session_name: self.session_name.clone(),
            time_descriptions: vec![TimeDescription::default()],
            attributes,
            media_descriptions: self.sections.iter().map(MediaSection::print).collect(),
            ..Lines::default()
        };
        write!(f, "{lines}")
    }
}
