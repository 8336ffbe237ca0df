//! `docs/signaling.md` and `messages.rs` say the same.

use std::collections::{BTreeMap, BTreeSet};

const PAGE: &str = include_str!("../../../docs/signaling.md");
const SOURCE: &str = include_str!("messages.rs");

/// A message, object or set of values, with its fields or values.
type Entries = BTreeMap<String, BTreeSet<String>>;

/// What a chapter of the page lists: its sections, each with the first column of its table.
fn chapter(title: &str) -> Entries {
    let mut lines = PAGE.lines().skip_while(|line| *line != format!("## {title}"));
    lines
        .next()
        .unwrap_or_else(|| panic!("the page has a chapter {title:?}"));
    let (mut entries, mut section) = (Entries::new(), String::new());
    for line in lines.take_while(|line| !line.starts_with("## ")) {
        if let Some(name) = line.strip_prefix("### ") {
            section = name.trim_matches('`').to_owned();
            assert!(
                entries.insert(section.clone(), BTreeSet::new()).is_none(),
                "{section} twice"
            );
        } else if let Some((name, _)) = line.strip_prefix("| `").and_then(|row| row.split_once('`')) {
            entries
                .entry(section.clone())
                .or_default()
                .insert(name.to_owned());
        }
    }
    entries
}

/// The lines of a type in the source, without comments and attributes.
fn body(keyword: &str, name: &str) -> impl Iterator<Item = &'static str> {
    let head = format!("pub {keyword} {name} {{");
    SOURCE
        .lines()
        .skip_while(move |line| *line != head)
        .skip(1)
        .take_while(|line| *line != "}")
        .filter(|line| !line.trim_start().starts_with(['/', '#']))
}

/// The variants of an enum as JSON names them, with their fields.
fn variants(name: &str) -> Entries {
    let (mut entries, mut variant) = (Entries::new(), String::new());
    for line in body("enum", name) {
        match line.strip_prefix("        ") {
            Some(field) => {
                let field = field.split(':').next().unwrap_or(field);
                entries
                    .entry(variant.clone())
                    .or_default()
                    .insert(field.to_owned());
            }
            None => {
                variant = snake_case(line.trim().trim_end_matches([',', '{', '}', ' ']));
                if !variant.is_empty() {
                    entries.insert(variant.clone(), BTreeSet::new());
                }
            }
        }
    }
    entries
}

fn fields(name: &str) -> BTreeSet<String> {
    let lines = body("struct", name).filter_map(|line| line.trim().strip_prefix("pub "));
    lines
        .filter_map(|line| Some(line.split_once(':')?.0.to_owned()))
        .collect()
}

fn snake_case(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.extend(c.to_lowercase());
    }
    text
}

#[test]
fn every_message_and_field_is_documented_and_nothing_else() {
    assert!(variants("ClientMessage").len() > 15, "the source is read");
    assert_eq!(chapter("From client to server"), variants("ClientMessage"));
    assert_eq!(chapter("From server to client"), variants("ServerMessage"));
}

#[test]
fn every_object_and_value_is_documented_and_nothing_else() {
    let objects = ["UserPresence", "OpenInvite", "OngoingCall", "IceServer"]
        .map(|name| (name.to_owned(), fields(name)));
    assert_eq!(chapter("Objects"), Entries::from(objects));
    let values = [
        "Presence",
        "DeclineReason",
        "EndReason",
        "DescriptionKind",
        "ErrorCode",
        "GoodbyeReason",
    ]
    .map(|name| (name.to_owned(), variants(name).into_keys().collect()));
    assert_eq!(chapter("Values"), Entries::from(values));
}

#[test]
fn no_type_of_the_vocabulary_is_left_out() {
    let types: Vec<&str> = SOURCE
        .lines()
        .filter_map(|line| {
            line.strip_prefix("pub enum ")
                .or_else(|| line.strip_prefix("pub struct "))
        })
        .filter_map(|rest| rest.split([' ', '(']).next())
        .collect();
    for name in types {
        let documented = ["CallId", "ClientMessage", "ServerMessage"].contains(&name)
            || PAGE.contains(&format!("### `{name}`"));
        assert!(documented, "{name}");
    }
}
