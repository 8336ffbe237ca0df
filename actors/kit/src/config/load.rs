//! From the command line to a [`Config`]: which file, what it says, what `--set` changes.

use std::io;
use std::path::{Path, PathBuf};

use super::problem::{self, ConfigError, Place, Problem};
use super::section::Fault;
use super::{Config, tables};

/// The name of the file, in the current folder or in the configuration folder.
const FILE: &str = "config.ron";

/// A configuration and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The file they came from; none where only the defaults are used.
    pub file: Option<PathBuf>,
}

impl Config {
    /// Loads the file named, else `./config.ron`, else `roomrtc/config.ron` in the user's configuration folder,
    /// else the defaults; then applies the overrides, each `section.key=VALUE`.
    pub fn load(named: Option<&Path>, overrides: &[String]) -> Result<Loaded, ConfigError> {
        let (mut config, file) = match named {
            Some(path) => (Self::from_file(path)?, Some(path.to_path_buf())),
            None => Self::from_first(&places())?,
        };
        for text in overrides {
            config.apply(text)?;
        }
        // The file alone was right, so the overrides made it so.
        let all = overrides.join(" --set ");
        config
            .agree()
            .map_err(|(section, fault)| wrong_override(&all, section, fault))?;
        Ok(Loaded { config, file })
    }

    fn from_first(places: &[PathBuf]) -> Result<(Self, Option<PathBuf>), ConfigError> {
        for path in places {
            match Self::from_file(path) {
                Err(ConfigError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                result => return Ok((result?, Some(path.clone()))),
            }
        }
        Ok((Self::default(), None))
    }

    fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_path_buf(),
            source,
        })?;
        Ok(Self::parse(&text, path)?)
    }

    /// Reads a text; `path` is what an error calls it.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Problem> {
        let config: Config = ron::from_str(text).map_err(|error| problem::from_reader(path, text, &error))?;
        config
            .check()
            .and_then(|()| config.agree())
            .map_err(|(section, fault)| problem::from_check(path, text, section, fault))?;
        Ok(config)
    }

    /// Applies one override, `section.key=VALUE`. VALUE is RON; the quotation marks of a text may be left out.
    pub fn apply(&mut self, text: &str) -> Result<(), Problem> {
        let malformed = || Problem {
            place: Place::Override(text.into()),
            key: None,
            why: "this is no override".into(),
            hint: Some("write section.key=VALUE".into()),
        };
        let (path, value) = text.split_once('=').ok_or_else(malformed)?;
        let (section, key) = path.trim().split_once('.').ok_or_else(malformed)?;
        match self.set(section, key, value) {
            Some(result) => result.map_err(|fault| wrong_override(text, section, fault)),
            None => {
                let names: Vec<_> = tables().iter().map(|table| table.name).collect();
                let fault = Fault {
                    key: key.into(),
                    why: "there is no such section".into(),
                    hint: problem::nearest(section, &names),
                };
                Err(wrong_override(text, section, fault))
            }
        }
    }
}

fn wrong_override(text: &str, section: &str, fault: Fault) -> Problem {
    Problem {
        place: Place::Override(text.into()),
        key: Some(format!("{section}.{}", fault.key)),
        why: fault.why,
        hint: fault.hint,
    }
}

/// Where a file is looked for when none is named.
fn places() -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from(FILE)];
    places.extend(super::folders().map(|folders| folders.config_dir().join(FILE)));
    places
}
