//! Where the sections and keys of a configuration text are, even of a broken one: for the line in an error.

use std::iter::Peekable;
use std::str::Chars;

/// A name followed by a colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) section: String,
    pub(super) key: Option<String>,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Mark {
    /// The last part of its path.
    pub(super) fn name(&self) -> &str {
        self.key.as_deref().unwrap_or(&self.section)
    }

    /// `section` or `section.key`.
    pub(super) fn path(&self) -> String {
        match &self.key {
            Some(key) => format!("{}.{key}", self.section),
            None => self.section.clone(),
        }
    }
}

/// The last mark at or before a place.
pub(super) fn at(marks: &[Mark], line: usize, column: usize) -> Option<&Mark> {
    marks
        .iter()
        .rfind(|mark| (mark.line, mark.column) <= (line, column))
}

/// Depth of parentheses at which sections and keys stand.
const SECTION_DEPTH: usize = 1;
const KEY_DEPTH: usize = 2;

/// All sections and keys, in order.
pub(super) fn marks(text: &str) -> Vec<Mark> {
    let mut scanner = Scanner {
        rest: text.chars().peekable(),
        line: 1,
        column: 1,
    };
    let (mut marks, mut depth, mut word) = (Vec::<Mark>::new(), 0_usize, None);
    loop {
        let (line, column) = (scanner.line, scanner.column);
        let Some(c) = scanner.next() else { return marks };
        match c {
            '/' => scanner.comment(),
            '"' => scanner.string(),
            '(' | '[' | '{' => (depth, word) = (depth + 1, None),
            ')' | ']' | '}' => (depth, word) = (depth.saturating_sub(1), None),
            ':' => {
                if let Some((name, line, column)) = word.take() {
                    let section = marks.last().map(|mark| mark.section.clone());
                    let (section, key) = match (depth, section) {
                        (SECTION_DEPTH, _) => (name, None),
                        (KEY_DEPTH, Some(section)) => (section, Some(name)),
                        _ => continue,
                    };
                    marks.push(Mark {
                        section,
                        key,
                        line,
                        column,
                    });
                }
            }
            c if c.is_alphanumeric() || c == '_' => word = Some((scanner.word(c), line, column)),
            c if c.is_whitespace() => {}
            _ => word = None,
        }
    }
}

struct Scanner<'a> {
    rest: Peekable<Chars<'a>>,
    line: usize,
    column: usize,
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        (self.line, self.column) = match c {
            '\n' => (self.line + 1, 1),
            _ => (self.line, self.column + 1),
        };
        Some(c)
    }

    fn word(&mut self, first: char) -> String {
        let mut word = String::from(first);
        while let Some(&c) = self.rest.peek()
            && (c.is_alphanumeric() || c == '_')
        {
            word.push(c);
            self.next();
        }
        word
    }

    /// The rest of a comment whose first slash is read.
    fn comment(&mut self) {
        match self.next() {
            Some('/') => while !matches!(self.next(), Some('\n') | None) {},
            Some('*') => {
                let mut star = false;
                while let Some(c) = self.next()
                    && !(star && c == '/')
                {
                    star = c == '*';
                }
            }
            _ => {}
        }
    }

    /// The rest of a text whose first quotation mark is read.
    fn string(&mut self) {
        while let Some(c) = self.next() {
            match c {
                '"' => return,
                '\\' => _ = self.next(),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_are_found_between_comments_texts_and_lists() {
        let text = "// a: 1\n(\n  ice: (stun_servers: [\"b: (\"], /* c: */ ta_ms :\n 5),\n  sdp: (),\n)";
        let found: Vec<_> = marks(text).iter().map(|m| (m.path(), m.line, m.column)).collect();
        assert_eq!(
            found,
            [
                ("ice".into(), 3, 3),
                ("ice.stun_servers".into(), 3, 9),
                ("ice.ta_ms".into(), 3, 42),
                ("sdp".into(), 5, 3),
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_has_an_outline(text in ".{0,400}") {
            let lines = text.split('\n').count();
            prop_assert!(marks(&text).iter().all(|mark| mark.line <= lines));
        }
    }
}
