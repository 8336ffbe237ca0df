//! How a person looks: initials on a colour of their own, a mark with their state, their state in words.

use iced::widget::{center, container, row, space as gap, stack, text};
use iced::{Center, Element};
use roomrtc_protocol::signaling::messages::Presence;

use crate::theme::{self, Ground, Tone, size, space};
use crate::{font, icon, words};

/// The mark's part of the avatar.
const MARK: f32 = 0.26;
/// The smallest mark that can still be told apart.
const MARK_MIN: f32 = 9.0;
/// The ring that keeps the mark apart from the disc.
const RING: f32 = 2.5;

/// Up to two letters for a name: `ana.perez` → `AP`.
fn initials(name: &str) -> String {
    name.split(|c: char| !c.is_alphanumeric())
        .filter_map(|word| word.chars().next())
        .take(2)
        .flat_map(char::to_uppercase)
        .collect()
}

fn tone(presence: Presence) -> Tone {
    match presence {
        Presence::Available => Tone::Good,
        Presence::Busy => Tone::Bad,
        Presence::Offline => Tone::Neutral,
    }
}

/// A person's disc of a given diameter, with a mark of their state: full, full with a bar, or hollow.
pub fn avatar<'a, M: 'a>(
    name: &str,
    diameter: f32,
    presence: Option<Presence>,
    ground: Ground,
) -> Element<'a, M> {
    let letters = text(initials(name))
        .size(diameter * 0.38)
        .line_height(1.0)
        .font(font::SEMIBOLD);
    let disc = center(letters)
        .width(diameter)
        .height(diameter)
        .style(theme::avatar(name));
    let Some(presence) = presence else {
        return disc.into();
    };
    let mark_size = (diameter * MARK).max(MARK_MIN);
    let mark: Element<'a, M> = match presence {
        Presence::Available => container(gap())
            .width(mark_size)
            .height(mark_size)
            .style(theme::mark(Tone::Good))
            .into(),
        Presence::Busy => center(icon::minus().size(mark_size * 0.9))
            .width(mark_size)
            .height(mark_size)
            .style(theme::mark(Tone::Bad))
            .into(),
        Presence::Offline => container(gap())
            .width(mark_size)
            .height(mark_size)
            .style(theme::mark_hollow)
            .into(),
    };
    let mark = container(mark).padding(RING).style(theme::mark_ring(ground));
    let outer = diameter + RING;
    let corner = container(mark)
        .width(outer)
        .height(outer)
        .align_right(outer)
        .align_bottom(outer);
    stack![disc, corner].width(outer).height(outer).into()
}

/// A person's state in words.
pub fn presence_line<'a, M: 'a>(presence: Presence, body: bool) -> Element<'a, M> {
    let size = if body { size::BODY } else { size::SMALL };
    row![
        text(words::presence(presence))
            .size(size)
            .style(theme::toned(tone(presence)))
    ]
    .spacing(space::S)
    .align_y(Center)
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_letters_of_the_names_words() {
        assert_eq!(initials("ana"), "A");
        assert_eq!(initials("ana.perez"), "AP");
        assert_eq!(initials("żaneta_de_la_cruz"), "ŻD");
        assert_eq!(initials("--"), "");
    }
}
