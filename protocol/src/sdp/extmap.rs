//! Header extensions in a media section: `a=extmap` (RFC 8285 §5).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::section::{Direction, MediaSection};
use crate::rtp::extension::{Extension, Mid, StreamExtensions};

/// The numbers our own offers give to extensions, the same in all sections, as RFC 9143 §10 asks for: those browsers use.
const OFFERED: [(u8, Extension); 4] = [
    (2, Extension::AbsSendTime),
    (3, Extension::TransportSequence),
    (4, Extension::Mid),
    (5, Extension::AbsCaptureTime),
];

/// One extension of a media section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extmap {
    /// Its local identifier, 1 to 255.
    pub id: u8,
    /// Which it is.
    pub extension: Extension,
    /// Who sends it.
    pub direction: Direction,
}

impl Extmap {
    /// Reads `<id>["/"<direction>] <URI> [<attributes>]`; `None` for an extension that is not known here, and for the
    /// identifiers above 255 that are only proposals (RFC 8285 §7).
    pub(super) fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_whitespace();
        let (number, uri) = (words.next()?, words.next()?);
        let (id, direction) = match number.split_once('/') {
            Some((id, direction)) => (id, Direction::parse(direction)?),
            None => (number, Direction::BOTH),
        };
        Some(Extmap {
            id: id.parse().ok().filter(|id| *id != 0)?,
            extension: Extension::of(uri)?,
            direction,
        })
    }

    fn supported(&self) -> bool {
        OFFERED.iter().any(|(_, ours)| *ours == self.extension)
    }
}

/// The value of the attribute.
impl fmt::Display for Extmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if self.direction != Direction::BOTH {
            write!(f, "/{}", self.direction.attribute())?;
        }
        write!(f, " {}", self.extension.uri())
    }
}

/// What an offer of ours proposes.
pub(super) fn offered() -> Vec<Extmap> {
    let map = |(id, extension)| Extmap {
        id,
        extension,
        direction: Direction::BOTH,
    };
    OFFERED.map(map).into()
}

/// Our answer: what we know of what is offered. RFC 8285 §6: the identifiers stay.
pub(super) fn answered(offered: &[Extmap]) -> Vec<Extmap> {
    let supported = offered.iter().filter(|map| map.supported());
    supported
        .map(|map| Extmap {
            direction: map.direction.reversed(),
            ..*map
        })
        .collect()
}

/// What two sections agree on, for what we send and for what we receive. Packets are numbered only where both give
/// `feedback` about the numbers.
pub(super) fn settled(
    ours: &MediaSection,
    theirs: &MediaSection,
    feedback: bool,
) -> (StreamExtensions, StreamExtensions) {
    let mid = Mid::new(ours.mid.as_bytes());
    let nothing = StreamExtensions {
        mid,
        ..StreamExtensions::default()
    };
    let (mut send, mut receive) = (nothing, nothing);
    for map in &ours.extensions {
        let same = |other: &&Extmap| (other.id, other.extension) == (map.id, map.extension);
        let Some(other) = theirs.extensions.iter().find(same) else {
            continue;
        };
        if map.extension == Extension::TransportSequence && !feedback {
            continue;
        }
        let direction = map.direction.and(other.direction.reversed());
        if direction.send {
            send.ids.set(map.extension, map.id);
        }
        if direction.receive {
            receive.ids.set(map.extension, map.id);
        }
    }
    (send, receive)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sdp::section::SectionKind;

    const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

    fn section(extensions: &[&str]) -> MediaSection {
        MediaSection {
            extensions: extensions
                .iter()
                .map(|value| Extmap::parse(value).unwrap())
                .collect(),
            ..MediaSection::new(SectionKind::Video, "1")
        }
    }

    #[test]
    fn what_is_read_is_written_the_same() {
        for value in [format!("4 {MID}"), format!("200/sendonly {MID}")] {
            assert_eq!(Extmap::parse(&value).unwrap().to_string(), value);
        }
        let with_attributes = format!("4 {MID} some attributes");
        assert_eq!(
            Extmap::parse(&with_attributes).unwrap().to_string(),
            format!("4 {MID}")
        );
    }

    #[test]
    fn proposals_strangers_and_nonsense_are_passed_over() {
        for value in ["4096 ", "0 ", "-1 ", "4/sideways ", "four "] {
            assert_eq!(Extmap::parse(&format!("{value}{MID}")), None, "{value}");
        }
        assert_eq!(Extmap::parse("4"), None);
        assert_eq!(Extmap::parse("13 urn:3gpp:video-orientation"), None);
    }

    #[test]
    fn each_direction_has_what_both_say_of_it() {
        let time = Extension::AbsSendTime.uri();
        let ours = section(&[&format!("4 {MID}"), &format!("9/sendonly {time}")]);
        let theirs = section(&[&format!("4/sendonly {MID}"), &format!("9/recvonly {time}")]);
        let (send, receive) = settled(&ours, &theirs, true);
        assert_eq!((send.ids.mid, send.ids.abs_send_time), (None, Some(9)));
        assert_eq!((receive.ids.mid, receive.ids.abs_send_time), (Some(4), None));
        assert_eq!(send.mid, Mid::new(b"1"));
    }

    #[test]
    fn packets_are_numbered_only_where_there_is_feedback() {
        let number = format!("3 {}", Extension::TransportSequence.uri());
        let section = section(&[&number, &format!("4 {MID}")]);
        for feedback in [true, false] {
            let (send, receive) = settled(&section, &section, feedback);
            assert_eq!(send.ids.transport_sequence, feedback.then_some(3));
            assert_eq!((receive, send.ids.mid), (send, Some(4)));
        }
    }

    #[test]
    fn an_identifier_that_was_changed_in_the_answer_does_not_count() {
        let (ours, theirs) = (section(&[&format!("4 {MID}")]), section(&[&format!("5 {MID}")]));
        let (send, receive) = settled(&ours, &theirs, true);
        assert_eq!((send.ids.mid, receive.ids.mid), (None, None));
    }

    #[test]
    fn an_answer_keeps_the_identifiers_and_turns_the_directions() {
        let offered = section(&[&format!("7/sendonly {MID}")]);
        let answer = answered(&offered.extensions);
        assert_eq!(answer[0].to_string(), format!("7/recvonly {MID}"));
    }
}
