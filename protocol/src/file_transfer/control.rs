//! The text messages on a file's channel: JSON objects with a `type`.

use serde::{Deserialize, Serialize};

/// Longest control message taken.
const MAX_LENGTH: usize = 8 * 1024;

/// Longest name taken, before it is made safe.
const MAX_NAME: usize = 1024;

/// RFC 6838 §4.2: 127 characters a part.
const MAX_MEDIA_TYPE: usize = 255;

/// RFC 8259 §6: whole numbers up to here mean the same to everybody.
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A control message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Control {
    /// From the sender, first: what would come.
    Offer(Offer),
    /// From the receiver: send, beginning with this byte.
    Accept {
        /// Bytes the receiver already has.
        #[serde(default)]
        offset: u64,
    },
    /// From the receiver: do not send.
    Decline,
    /// From either: it ends here.
    Cancel {
        /// Why.
        #[serde(default)]
        reason: CancelReason,
    },
    /// From the receiver, last: all bytes are there, and they are the right ones.
    Received,
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Its name, without a path.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// RFC 6838; may be empty.
    #[serde(default)]
    pub media_type: String,
    /// BLAKE3 of all its bytes.
    pub hash: Hash,
}

/// A BLAKE3 digest; 64 hexadecimal digits in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash(pub [u8; 32]);

impl std::fmt::Display for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut digest = [0; 32];
        hex::decode_to_slice(text, &mut digest).map_err(serde::de::Error::custom)?;
        Ok(Hash(digest))
    }
}

/// Why a transfer is cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// The hash is wrong.
    Corrupt,
    /// A disk refused.
    Disk,
    /// The other side did not keep to the protocol.
    Protocol,
    /// The user wants it so. Reasons we do not know count as this.
    #[default]
    #[serde(other)]
    User,
}

/// Why a text is no [`Control`] message.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Longer than any message.
    #[error("{0} bytes are too long")]
    TooLong(usize),
    /// Not JSON, or not of this form.
    #[error(transparent)]
    Malformed(#[from] serde_json::Error),
    /// A field is beyond its limits.
    #[error("the {0} is out of range")]
    OutOfRange(&'static str),
}

impl Control {
    /// Reads a message.
    pub fn parse(text: &str) -> Result<Self, ControlError> {
        if text.len() > MAX_LENGTH {
            return Err(ControlError::TooLong(text.len()));
        }
        let control: Control = serde_json::from_str(text)?;
        match &control {
            Control::Offer(offer) if offer.size > MAX_INTEGER => Err(ControlError::OutOfRange("size")),
            Control::Offer(offer) if offer.name.len() > MAX_NAME => Err(ControlError::OutOfRange("name")),
            Control::Offer(offer) if !is_media_type(&offer.media_type) => {
                Err(ControlError::OutOfRange("media type"))
            }
            Control::Accept { offset } if *offset > MAX_INTEGER => Err(ControlError::OutOfRange("offset")),
            _ => Ok(control),
        }
    }

    /// The message as it is sent.
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers always become JSON")
    }
}

/// Empty, or printable ASCII of a sane length.
fn is_media_type(text: &str) -> bool {
    text.len() <= MAX_MEDIA_TYPE && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_messages_are_those_of_the_documentation() {
        let documented = [
            r#"{"type":"offer","name":"holiday.jpg","size":482133,"media_type":"image/jpeg","hash":"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"}"#,
            r#"{"type":"accept","offset":0}"#,
            r#"{"type":"decline"}"#,
            r#"{"type":"cancel","reason":"user"}"#,
            r#"{"type":"cancel","reason":"corrupt"}"#,
            r#"{"type":"received"}"#,
        ];
        let page = include_str!("../../../docs/file-transfer.md");
        for text in documented {
            assert_eq!(Control::parse(text).unwrap().to_text(), text);
            assert!(page.contains(text), "not documented: {text}");
        }
    }

    #[test]
    fn what_may_be_left_out_may_be_left_out_and_what_is_unknown_is_passed_over() {
        assert_eq!(
            Control::parse(r#"{"type":"accept"}"#).unwrap(),
            Control::Accept { offset: 0 }
        );
        let user = Control::Cancel {
            reason: CancelReason::User,
        };
        assert_eq!(Control::parse(r#"{"type":"cancel"}"#).unwrap(), user);
        assert_eq!(
            Control::parse(r#"{"type":"cancel","reason":"moon","phase":3}"#).unwrap(),
            user
        );
    }

    #[test]
    fn nonsense_is_refused() {
        let hash = "00".repeat(32);
        for text in [
            String::new(),
            r#"{"type":"steal"}"#.to_owned(),
            format!(r#"{{"type":"offer","name":"a","size":-1,"hash":"{hash}"}}"#),
            format!(r#"{{"type":"offer","name":"a","size":9007199254740992,"hash":"{hash}"}}"#),
            format!(
                r#"{{"type":"offer","name":"a","size":1,"hash":"{}"}}"#,
                &hash[2..]
            ),
            format!(
                r#"{{"type":"offer","name":"{}","size":1,"hash":"{hash}"}}"#,
                "a".repeat(2_000)
            ),
            format!(r#"{{"type":"offer","name":"a","size":1,"media_type":"a\n","hash":"{hash}"}}"#),
            " ".repeat(9_000),
        ] {
            assert!(Control::parse(&text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_hurts(text in ".{0,200}") {
            let _ = Control::parse(&text);
        }

        #[test]
        fn an_offer_survives_the_wire(name in ".{0,60}", size in 0..=MAX_INTEGER, digest: [u8; 32]) {
            let offer = Control::Offer(Offer { name, size, media_type: "text/plain".to_owned(), hash: Hash(digest) });
            prop_assert_eq!(Control::parse(&offer.to_text()).unwrap(), offer);
        }
    }
}
