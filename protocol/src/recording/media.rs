//! Payloads without what they carry.
//!
//! Machines look at the first bytes of a payload, which tell its format, and at its length; the rest passes through them
//! unread. A recording has [`FILLER`] in its place, and writes a run of it as its length: `907f*1180.` is two bytes and
//! 1180 of something.

use bytes::Bytes;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

/// What stands for a byte of media: it is neither part of an H.264 start code nor does it end like one.
pub const FILLER: u8 = 0xff;
/// A shorter run of it is written like any other bytes.
const RUN: usize = 4;
/// No run is longer: a recording that says so is broken.
const LONGEST: usize = 1 << 24;

/// Bytes of which only the length is written: `#[serde(with = "crate::recording::media::length")]`.
pub mod length {
    use super::*;

    /// Writes the length.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(bytes.len() as u64)
    }

    /// Reads a length, and makes as much [`FILLER`].
    ///
    /// # Errors
    /// If it is no length, or too long.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        let length = usize::deserialize(deserializer)?;
        let filler = (length <= LONGEST).then(|| vec![FILLER; length].into());
        filler.ok_or_else(|| D::Error::custom("too long"))
    }
}

/// Bytes of which the length is written, where there are any.
pub mod optional_length {
    use super::*;

    /// Writes the length.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(bytes: &Option<Bytes>, serializer: S) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_some(&(bytes.len() as u64)),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a length, and makes as much [`FILLER`].
    ///
    /// # Errors
    /// If it is no length, or too long.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Bytes>, D::Error> {
        let length = Option::<usize>::deserialize(deserializer)?;
        if length.is_some_and(|length| length > LONGEST) {
            return Err(D::Error::custom("too long"));
        }
        Ok(length.map(|length| vec![FILLER; length].into()))
    }
}

/// All bytes, in hexadecimal digits and runs; for what has no media in it, or had it taken out. Put before a field as
/// `#[serde(with = "crate::recording::media::digits")]`.
pub mod digits {
    use super::*;

    /// Writes every byte.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<B: AsRef<[u8]>, S: Serializer>(bytes: &B, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&write(bytes.as_ref()))
    }

    /// Reads them.
    ///
    /// # Errors
    /// If these are no digits and runs.
    pub fn deserialize<'de, B: From<Vec<u8>>, D: Deserializer<'de>>(deserializer: D) -> Result<B, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = read(&text).ok_or_else(|| D::Error::custom("no hexadecimal digits"))?;
        Ok(bytes.into())
    }
}

/// A copy with all but some of its bytes replaced.
pub fn keep_only(bytes: &[u8], kept: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let mut out = vec![FILLER; bytes.len()];
    for at in kept {
        if let (Some(to), Some(from)) = (out.get_mut(at), bytes.get(at)) {
            *to = *from;
        }
    }
    out
}

fn write(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for run in bytes.chunk_by(|a, b| a == b) {
        match run {
            [FILLER, ..] if run.len() >= RUN => {
                // Two runs never meet, so digits end it.
                text.push('*');
                text.push_str(&run.len().to_string());
                text.push('.');
            }
            run => text.push_str(&hex::encode(run)),
        }
    }
    text
}

fn read(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first == '*' {
            let (length, behind) = rest[1..].split_once('.')?;
            let length: usize = length.parse().ok().filter(|length| *length <= LONGEST)?;
            bytes.resize(bytes.len() + length, FILLER);
            rest = behind;
        } else {
            let (digits, behind) = rest.split_at(rest.find('*').unwrap_or(rest.len()));
            bytes.extend(hex::decode(digits).ok()?);
            rest = behind;
        }
        if bytes.len() > LONGEST {
            return None;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_run_is_written_as_its_length() {
        let payload = keep_only(&[0x90; 1200], 0..2);
        assert_eq!(write(&payload), "9090*1198.");
        assert_eq!(write(&[0xff, 0xff, 0xff, 1]), "ffffff01");
        assert_eq!(read("9090*1198."), Some(payload));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            "9",
            "xx",
            "*5",
            "*.",
            "*-1.",
            "*99999999999999999999.",
            "*20000000.",
            "ü0",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_byte_comes_back(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(FILLER)], 0..200)) {
            prop_assert_eq!(read(&write(&bytes)), Some(bytes));
        }

        #[test]
        fn any_text_is_safe(text in ".{0,40}") {
            let _ = read(&text);
        }
    }
}
