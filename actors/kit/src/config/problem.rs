//! What is wrong with a configuration, where, and what was probably meant.

use std::fmt;
use std::path::{Path, PathBuf};

use super::outline::{self, Mark};
use super::section::Fault;

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file named on the command line cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key or a value is wrong.
    #[error(transparent)]
    Wrong(Box<Problem>),
}

/// One wrong key or value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it is written.
    pub place: Place,
    /// `section.key`, as far as known.
    pub key: Option<String>,
    /// What is wrong.
    pub why: String,
    /// What would be right.
    pub hint: Option<String>,
}

/// Where a value is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File {
        /// Which.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// On the command line.
    Override(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Place::Override(text) => write!(f, "--set {text}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.why)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        ConfigError::Wrong(Box::new(problem))
    }
}

/// Turns what the RON reader says into a problem with its key and a hint.
pub(super) fn from_reader(path: &Path, text: &str, error: &ron::error::SpannedError) -> Problem {
    let marks = outline::marks(text);
    let end = &error.span.end;
    let here = outline::at(&marks, end.line, end.col);
    let (place, key, hint) = match &error.code {
        ron::Error::NoSuchStructField { expected, found, .. } => {
            let mark = marks
                .iter()
                .rfind(|mark| mark.name() == found && (mark.line, mark.column) <= (end.line, end.col));
            (
                mark.or(here),
                mark.map(Mark::path).or(Some(found.clone())),
                nearest(found, expected),
            )
        }
        ron::Error::NoSuchEnumVariant { expected, found, .. } => {
            let hint = nearest(found, expected);
            (here, here.map(Mark::path), hint)
        }
        _ => (here, here.map(Mark::path), here.and_then(allowed)),
    };
    let (line, column) = match place {
        Some(mark) if mark.line == end.line => (mark.line, mark.column),
        _ => (end.line, end.col),
    };
    let why = match &error.code {
        ron::Error::NoSuchStructField { .. } => "there is no such key".into(),
        ron::Error::DuplicateStructField { .. } => "the key is there twice".into(),
        ron::Error::NoSuchEnumVariant { found, .. } => format!("`{found}` is not allowed"),
        code => in_lower_case(&code.to_string()),
    };
    let path = path.to_path_buf();
    let place = Place::File { path, line, column };
    Problem {
        place,
        key,
        why,
        hint,
    }
}

/// Turns a value that is not allowed into a problem at its line.
pub(super) fn from_check(path: &Path, text: &str, section: &str, fault: Fault) -> Problem {
    let marks = outline::marks(text);
    let mark = marks
        .iter()
        .rfind(|mark| mark.section == section && mark.key.as_deref() == Some(&fault.key));
    let (line, column) = mark.map_or((1, 1), |mark| (mark.line, mark.column));
    let path = path.to_path_buf();
    Problem {
        place: Place::File { path, line, column },
        key: Some(format!("{section}.{}", fault.key)),
        why: fault.why,
        hint: fault.hint,
    }
}

fn allowed(mark: &Mark) -> Option<String> {
    let keys = super::tables()
        .into_iter()
        .find(|table| table.name == mark.section)?;
    let key = keys
        .keys
        .into_iter()
        .find(|key| Some(key.name) == mark.key.as_deref())?;
    Some(format!("{}, allowed: {}", key.kind, key.values))
}

fn in_lower_case(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The most changes of a letter that still count as a slip of the fingers.
const SLIPS: usize = 3;

/// A hint at the known word that looks most like this one; all of them when none does.
pub(super) fn nearest(word: &str, known: &[&str]) -> Option<String> {
    let scored = known
        .iter()
        .map(|candidate| (distance(word, candidate), *candidate));
    match scored.min() {
        Some((slips, candidate)) if slips <= SLIPS.min(word.chars().count().div_ceil(2)) => {
            Some(format!("did you mean `{candidate}`?"))
        }
        Some(_) => Some(format!("known: {}", known.join(", "))),
        None => None,
    }
}

/// Levenshtein's edit distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, r) in right.iter().enumerate() {
            let changed = diagonal + usize::from(l != *r);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_fingers_finds_the_key_that_was_meant() {
        let known = ["listen", "data_dir", "ring_timeout_ms"];
        assert_eq!(
            nearest("lisen", &known).as_deref(),
            Some("did you mean `listen`?")
        );
        assert_eq!(
            nearest("datadir", &known).as_deref(),
            Some("did you mean `data_dir`?")
        );
        let far = nearest("colour", &known);
        assert_eq!(far.as_deref(), Some("known: listen, data_dir, ring_timeout_ms"));
    }
}
