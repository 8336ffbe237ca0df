//! What messages say of themselves in the actors panel: one line, without secrets, names or addresses.

use std::fmt::Debug;
use std::time::Instant;

use bytes::Bytes;

use crate::Datagram;

/// Longest name of a variant that is shown.
const LONGEST: usize = 40;

/// How many there are, and how large together.
pub(crate) fn batch(parts: &[Bytes]) -> String {
    sum(parts.len(), parts.iter().map(Bytes::len).sum())
}

/// The same of datagrams with their time.
pub(crate) fn datagrams(parts: &[Datagram]) -> String {
    sum(parts.len(), parts.iter().map(|part| part.data.len()).sum())
}

fn sum(count: usize, bytes: usize) -> String {
    format!("{count} of {bytes} bytes together")
}

/// Which variant of an enum it is, and nothing of what it holds.
pub(crate) fn variant(message: &impl Debug) -> String {
    let text = format!("{message:?}");
    let name = text
        .split(|c: char| !c.is_alphanumeric())
        .next()
        .unwrap_or_default();
    name.chars().take(LONGEST).collect()
}

/// A frame of a codec.
pub(crate) fn frame(bytes: usize, key: bool) -> String {
    let kind = if key { "key frame" } else { "frame" };
    format!("{kind} of {bytes} bytes")
}

/// A picture and its age.
pub(crate) fn picture(width: u32, height: u32, at: Instant) -> String {
    format!("{width}×{height}, {} ms old", at.elapsed().as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call_events::IceEvent;

    #[test]
    fn a_variant_is_named_and_what_it_holds_is_not() {
        let candidate = IceEvent::LocalCandidate("candidate:1 1 udp 1 192.0.2.1 9 typ host".to_owned());
        assert_eq!(variant(&candidate), "LocalCandidate");
        assert_eq!(variant(&IceEvent::Failed), "Failed");
    }

    #[test]
    fn a_batch_is_counted() {
        let parts = [Bytes::from_static(b"abc"), Bytes::from_static(b"de")];
        assert_eq!(batch(&parts), "2 of 5 bytes together");
    }
}
