//! What a key is: a name, a Rust type, a default, the values allowed, and what it means.
//!
//! [`section!`] makes of one declaration a key everything that must agree about it: the field, its default, its
//! row in the documentation, its check, and how `--set` changes it.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What the documentation says of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name within the section.
    pub name: &'static str,
    /// What it is for.
    pub meaning: String,
    /// The type, in words.
    pub kind: String,
    /// The values allowed, in words.
    pub values: String,
    /// The default as RON.
    pub default: String,
}

/// A wrong value: which key, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) key: String,
    pub(crate) why: String,
    pub(crate) hint: Option<String>,
}

/// A group of keys.
pub(crate) trait Section {
    /// Its name in the file.
    const NAME: &'static str;

    /// What its keys are about.
    fn about() -> String;

    /// Its keys, as declared.
    fn keys() -> Vec<Key>;

    /// Every value is allowed; the first that is not is told.
    fn check(&self) -> Result<(), Fault>;

    /// Changes one key.
    fn set(&mut self, key: &str, text: &str) -> Result<(), Fault>;
}

/// A type a key can have.
pub(crate) trait Value: Serialize + DeserializeOwned {
    /// Its name in words.
    fn kind() -> String;

    /// All its values in words.
    fn values() -> String;

    /// Reads a word without quotation marks as one.
    fn bare(_text: &str) -> Option<String> {
        None
    }
}

/// What cannot be narrowed down in words.
const ANY: &str = "any";

macro_rules! values {
    ($($type:ty: $kind:literal, $values:expr $(, $bare:ident)?;)*) => {$(
        impl Value for $type {
            fn kind() -> String {
                $kind.into()
            }

            fn values() -> String {
                $values.into()
            }

            $(fn bare(text: &str) -> Option<String> {
                $bare(text)
            })?
        }
    )*};
}

values! {
    bool: "true or false", "true, false";
    u8: "whole number", format!("0 to {}", u8::MAX);
    u16: "whole number", format!("0 to {}", u16::MAX);
    u32: "whole number", format!("0 to {}", u32::MAX);
    u64: "whole number", "0 or more";
    usize: "whole number", "0 or more";
    f32: "number", ANY;
    f64: "number", ANY;
    String: "text", ANY, quote;
    PathBuf: "path", ANY, quote;
    IpAddr: "IP address", ANY, quote;
    SocketAddr: "ADDRESS:PORT", ANY, quote;
}

impl<T: Value> Value for Vec<T> {
    fn kind() -> String {
        format!("list; each: {}", T::kind())
    }

    fn values() -> String {
        match T::values() {
            values if values == ANY => values,
            values => format!("each of {values}"),
        }
    }

    /// `a,b` stands for `["a", "b"]`.
    fn bare(text: &str) -> Option<String> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let quoted: Vec<_> = items
            .map(|item| T::bare(item).unwrap_or_else(|| item.into()))
            .collect();
        Some(format!("[{}]", quoted.join(", ")))
    }
}

fn quote(text: &str) -> Option<String> {
    ron::to_string(text).ok()
}

/// A default or a value as the file would have it.
pub(crate) fn in_ron<T: Value>(value: &T) -> String {
    ron::to_string(value).expect("a plain value has a text")
}

/// Reads the text of a value; quotation marks may be left out.
pub(crate) fn read<T: Value>(text: &str) -> Result<T, String> {
    let text = text.trim();
    ron::from_str(text)
        .or_else(|error| {
            let quoted = T::bare(text).ok_or(error.clone())?;
            ron::from_str(&quoted).map_err(|_| error)
        })
        .map_err(|_| format!("`{text}` is no value of this key, which is a {}", T::kind()))
}

/// Which values of a type are allowed.
pub(crate) struct Rule<T> {
    /// In words.
    pub(crate) values: String,
    pub(crate) holds: Box<dyn Fn(&T) -> bool>,
}

impl<T> Rule<T> {
    fn new(values: impl Into<String>, holds: impl Fn(&T) -> bool + 'static) -> Self {
        Rule {
            values: values.into(),
            holds: Box::new(holds),
        }
    }
}

/// Whatever the type can hold.
pub(crate) fn any<T: Value>() -> Rule<T> {
    Rule::new(T::values(), |_| true)
}

/// From the first to the last, both included.
pub(crate) fn range<T: PartialOrd + Display + 'static>(range: RangeInclusive<T>) -> Rule<T> {
    Rule::new(format!("{} to {}", range.start(), range.end()), move |value| {
        range.contains(value)
    })
}

/// One of a few.
pub(crate) fn one_of<T: PartialEq + Display + 'static>(list: impl Into<Vec<T>>) -> Rule<T> {
    let list = list.into();
    let texts: Vec<_> = list.iter().map(T::to_string).collect();
    Rule::new(texts.join(", "), move |value| list.contains(value))
}

/// Text of some length, in characters.
pub(crate) fn length(characters: RangeInclusive<usize>) -> Rule<String> {
    let values = match characters.start() {
        0 => format!("up to {} characters", characters.end()),
        least => format!("{least} to {} characters", characters.end()),
    };
    Rule::new(values, move |text: &String| {
        characters.contains(&text.chars().count())
    })
}

/// Text of a fixed pattern, described in words.
pub(crate) fn matching(values: &str, holds: fn(&str) -> bool) -> Rule<String> {
    Rule::new(values, move |text: &String| holds(text))
}

/// At least one item, none of them twice.
pub(crate) fn some_of<T: Value + Ord + 'static>() -> Rule<Vec<T>> {
    Rule::new(
        format!("one or more of {}, best first", T::values()),
        |list: &Vec<T>| !list.is_empty() && list.iter().collect::<BTreeSet<_>>().len() == list.len(),
    )
}

/// A list whose every item keeps the rule.
pub(crate) fn each<T: 'static>(rule: Rule<T>) -> Rule<Vec<T>> {
    let Rule { values, holds } = rule;
    Rule::new(format!("each {values}"), move |list: &Vec<T>| {
        list.iter().all(&holds)
    })
}

/// Whether a text is `HOST:PORT` or `[IPv6]:PORT`.
pub(crate) fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let host_is_one = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_alphanumeric() || "-._".contains(c)),
    };
    host_is_one && port.parse::<u16>().is_ok()
}

/// Joins the lines of a doc comment into one paragraph.
pub(crate) fn paragraph(lines: &[&str]) -> String {
    let words = lines.iter().flat_map(|line| line.split_whitespace());
    words.collect::<Vec<_>>().join(" ")
}

/// Declares a section: per key its meaning, name, type, default, the values allowed and, for a time, the unit
/// and the name of the accessor that gives it as a `Duration`.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $section:ident, $name:literal {
            $(
                $(#[doc = $meaning:literal])+
                $key:ident: $type:ty = $default:expr, $rule:expr $(, $unit:ident($accessor:ident))?;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $section {
            $($(#[doc = $meaning])+ pub $key: $type,)+
        }

        impl Default for $section {
            fn default() -> Self {
                $section { $($key: $default,)+ }
            }
        }

        impl $section {
            $($(
                #[doc = concat!("[`", stringify!($section), "::", stringify!($key), "`] as a duration.")]
                pub fn $accessor(&self) -> std::time::Duration {
                    std::time::Duration::$unit(self.$key)
                }
            )?)+
        }

        impl $crate::config::section::Section for $section {
            const NAME: &'static str = $name;

            fn about() -> String {
                $crate::config::section::paragraph(&[$($about),+])
            }

            fn keys() -> Vec<$crate::config::section::Key> {
                let default = Self::default();
                vec![$({
                    let rule: $crate::config::section::Rule<$type> = $rule;
                    $crate::config::section::Key {
                        name: stringify!($key),
                        meaning: $crate::config::section::paragraph(&[$($meaning),+]),
                        kind: <$type as $crate::config::section::Value>::kind(),
                        values: rule.values,
                        default: $crate::config::section::in_ron(&default.$key),
                    }
                }),+]
            }

            fn check(&self) -> Result<(), $crate::config::section::Fault> {
                $({
                    let rule: $crate::config::section::Rule<$type> = $rule;
                    if !(rule.holds)(&self.$key) {
                        return Err($crate::config::section::Fault {
                            key: stringify!($key).into(),
                            why: format!("{} is not allowed", $crate::config::section::in_ron(&self.$key)),
                            hint: Some(format!("allowed: {}", rule.values)),
                        });
                    }
                })+
                Ok(())
            }

            fn set(&mut self, key: &str, text: &str) -> Result<(), $crate::config::section::Fault> {
                match key {
                    $(stringify!($key) => {
                        let rule: $crate::config::section::Rule<$type> = $rule;
                        self.$key = $crate::config::section::read(text).map_err(|why| {
                            let hint = Some(format!("allowed: {}", rule.values));
                            $crate::config::section::Fault { key: key.into(), why, hint }
                        })?;
                        self.check()
                    })+
                    _ => Err($crate::config::section::Fault {
                        key: key.into(),
                        why: "there is no such key".into(),
                        hint: $crate::config::problem::nearest(key, &[$(stringify!($key)),+]),
                    }),
                }
            }
        }
    };
}

/// Declares a type of few values, written as bare words.
macro_rules! choice {
    (
        $(#[doc = $about:literal])+
        $name:ident { $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+ }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Its word in the file.
            pub fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }
        }

        impl $crate::config::section::Value for $name {
            fn kind() -> String {
                "word".into()
            }

            fn values() -> String {
                [$($word),+].join(", ")
            }
        }
    };
}

pub(crate) use {choice, section};
