//! [`UserName`]: a name that has been checked, so that nobody behind the door checks it again.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use thiserror::Error;

/// Longest name, in characters: fits a row of the list of users.
pub const MAX_CHARACTERS: usize = 32;

/// The punctuation a name may contain, though not begin with.
const PUNCTUATION: [char; 3] = ['.', '_', '-'];

/// What follows the name of a guest, before a number and the closing parenthesis.
const GUEST: &str = " (guest";

/// Why a text is no user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UserNameError {
    /// No characters at all.
    #[error("a user name has at least one character")]
    Empty,
    /// More than [`MAX_CHARACTERS`].
    #[error("a user name has at most {MAX_CHARACTERS} characters")]
    TooLong,
    /// A character outside the allowed set.
    #[error("a user name cannot contain {0:?}: Latin letters, digits, and . _ - are allowed")]
    Character(char),
    /// The first character is punctuation.
    #[error("a user name begins with a letter or a digit")]
    Beginning,
}

/// The name of a user: 1 to 32 Latin letters, digits, `.`, `_` and `-`, beginning with a letter or digit.
///
/// It is shown as it was typed, and compared, ordered and hashed in lower case: `Ana` and `ana` are one user.
/// Letters are those of ASCII, Latin-1 and Latin Extended-A, each a single code point: so there are no two
/// spellings of one name (no combining marks) and no look-alikes out of other scripts.
#[derive(Clone)]
pub struct UserName {
    shown: Box<str>,
    /// Only when it differs from what is shown.
    folded: Option<Box<str>>,
}

impl UserName {
    /// Checks a name.
    pub fn parse(text: &str) -> Result<Self, UserNameError> {
        // Bytes first: a hostile text is not walked through.
        if text.len() > MAX_CHARACTERS * 2 || text.chars().count() > MAX_CHARACTERS {
            return Err(UserNameError::TooLong);
        }
        let first = text.chars().next().ok_or(UserNameError::Empty)?;
        if let Some(other) = text
            .chars()
            .find(|&c| !is_letter_or_digit(c) && !PUNCTUATION.contains(&c))
        {
            return Err(UserNameError::Character(other));
        }
        if PUNCTUATION.contains(&first) {
            return Err(UserNameError::Beginning);
        }
        let folded = text.to_lowercase();
        Ok(UserName {
            shown: text.into(),
            folded: (folded != text).then(|| folded.into()),
        })
    }

    /// What a guest is called: the wanted name with a mark that no account can have, and a number where several
    /// guests of that name are there. Spaces become hyphens.
    ///
    /// # Errors
    /// If the rest is no name.
    pub fn guest(wanted: &str, number: u32) -> Result<Self, UserNameError> {
        // Bytes first, as in [`UserName::parse`].
        if wanted.len() > MAX_CHARACTERS * 4 {
            return Err(UserNameError::TooLong);
        }
        let plain = wanted.split_whitespace().collect::<Vec<_>>().join("-");
        let name = UserName::parse(&plain)?;
        let mark = match number {
            0 | 1 => format!("{GUEST})"),
            number => format!("{GUEST} {number})"),
        };
        Ok(UserName {
            folded: Some(format!("{}{mark}", name.folded()).into()),
            shown: format!("{}{mark}", name.shown).into(),
        })
    }

    /// The name of a user or of a guest.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse_any(text: &str) -> Result<Self, UserNameError> {
        match text.split_once(GUEST) {
            Some((name, ")")) => UserName::guest(name, 1),
            Some((name, number)) => {
                let number = number.strip_prefix(' ').and_then(|rest| rest.strip_suffix(')'));
                let number = number.and_then(|number| number.parse().ok());
                UserName::guest(name, number.ok_or(UserNameError::Character(' '))?)
            }
            None => UserName::parse(text),
        }
    }

    /// Whether this is how guests are called.
    pub fn is_guest(name: &str) -> bool {
        name.contains(GUEST)
    }

    /// The name as it was typed at registration.
    pub fn as_str(&self) -> &str {
        &self.shown
    }

    /// The name in lower case: what makes two names equal, and the key of an account.
    pub fn folded(&self) -> &str {
        self.folded.as_deref().unwrap_or(&self.shown)
    }
}

/// Each of these has one lower-case form of one character, which is in the set too.
fn is_letter_or_digit(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        '×' | '÷' => false,
        // Lower case of more than one character, or another spelling of a plain letter.
        '\u{130}' | '\u{149}' | '\u{17f}' => false,
        '\u{c0}'..='\u{17e}' => true,
        _ => false,
    }
}

impl PartialEq for UserName {
    fn eq(&self, other: &Self) -> bool {
        self.folded() == other.folded()
    }
}

impl Eq for UserName {}

impl Hash for UserName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().hash(state);
    }
}

impl PartialOrd for UserName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for UserName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.folded().cmp(other.folded())
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.shown)
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserName({:?})", self.shown)
    }
}

impl FromStr for UserName {
    type Err = UserNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        UserName::parse(text)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ana_and_ana_in_capitals_are_one_user_shown_as_typed() {
        let (typed, shouted) = (
            UserName::parse("Ana-María.2").unwrap(),
            UserName::parse("ANA-MARÍA.2").unwrap(),
        );
        assert_eq!(typed, shouted);
        assert_eq!(typed.to_string(), "Ana-María.2");
        assert_eq!(typed.folded(), "ana-maría.2");
    }

    #[test]
    fn a_guest_has_a_name_that_no_account_can_have() {
        let guest = UserName::guest(" Aunt  María ", 1).unwrap();
        assert_eq!(guest.as_str(), "Aunt-María (guest)");
        assert!(UserName::parse(guest.as_str()).is_err() && UserName::is_guest(guest.as_str()));
        assert_eq!(UserName::parse_any("AUNT-MARÍA (guest)").unwrap(), guest);
        let second = UserName::guest("Gus", 2).unwrap();
        assert_eq!(second.as_str(), "Gus (guest 2)");
        assert_eq!(UserName::parse_any("gus (guest 2)").unwrap(), second);
        assert_eq!(
            UserName::parse_any("gus").unwrap(),
            UserName::parse("Gus").unwrap()
        );
        for wrong in ["", "  ", "a/b", "Gus (guest)", &"g".repeat(33)] {
            assert!(UserName::guest(wrong, 1).is_err(), "{wrong:?}");
        }
        assert!(UserName::parse_any("Gus (guest two)").is_err());
    }

    #[test]
    fn what_is_no_name_says_why() {
        for (text, why) in [
            ("", UserNameError::Empty),
            (".ana", UserNameError::Beginning),
            ("-", UserNameError::Beginning),
            ("ana maria", UserNameError::Character(' ')),
            ("ana\n", UserNameError::Character('\n')),
            // Cyrillic: looks like "ana".
            ("аna", UserNameError::Character('а')),
            // The same name in decomposed form.
            ("Jose\u{301}", UserNameError::Character('\u{301}')),
        ] {
            assert_eq!(UserName::parse(text).unwrap_err(), why, "{text:?}");
        }
    }

    #[test]
    fn a_name_has_up_to_32_characters_however_many_bytes() {
        assert!(UserName::parse(&"ñ".repeat(32)).is_ok());
        assert_eq!(UserName::parse(&"n".repeat(33)), Err(UserNameError::TooLong));
    }

    #[test]
    fn every_allowed_letter_has_one_lower_case_form_of_one_allowed_character() {
        for c in ('\0'..'\u{3000}').filter(|&c| is_letter_or_digit(c)) {
            let folded: Vec<char> = c.to_lowercase().collect();
            assert_eq!(folded.len(), 1, "{c:?}");
            assert!(is_letter_or_digit(folded[0]), "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_name_or_an_error(text in "\\PC{0,40}") {
            if let Ok(name) = UserName::parse(&text) {
                prop_assert_eq!(name.as_str(), &text);
                prop_assert_eq!(&UserName::parse(name.folded()).unwrap(), &name);
            }
        }
    }
}
