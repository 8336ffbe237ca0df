//! Words without names and addresses.
//!
//! What messages say of themselves has neither by itself ([`brief`](crate::brief)); why an actor died may have: an error
//! of the system names a file, one of a library a host.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

/// What stands around a word.
const AROUND: &[char] = &['"', '\'', '(', ')', ',', ';', '<', '>', '=', '`'];
/// Addresses that are told apart; any more are all the same.
const ADDRESSES: usize = 1000;

/// Takes names and addresses out of words.
pub(super) struct Mask {
    addresses: bool,
    names: Vec<String>,
    /// The same address is the same letter and number each time.
    known: HashMap<IpAddr, usize>,
}

impl Mask {
    /// Leaves addresses in if that is asked for; names it never does.
    pub(super) fn new(addresses: bool, names: Vec<String>) -> Self {
        Mask {
            addresses,
            names,
            known: HashMap::new(),
        }
    }

    /// One more name to take out.
    pub(super) fn hide(&mut self, name: &str) {
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
    }

    /// The text without them. What looks like a place in this program's source stays.
    pub(super) fn text(&mut self, text: &str) -> String {
        let parts = text.split_inclusive(|c: char| c.is_whitespace() || AROUND.contains(&c));
        let mut masked = String::with_capacity(text.len());
        for part in parts {
            let word = part.trim_end_matches(|c: char| c.is_whitespace() || AROUND.contains(&c));
            let bare = word.trim_end_matches(['.', ':', '!', '?']);
            match self.instead_of(bare) {
                Some(instead) => {
                    masked.push_str(&instead);
                    masked.push_str(&part[bare.len()..]);
                }
                None => masked.push_str(part),
            }
        }
        masked
    }

    /// What stands for a word, unless the word itself may.
    fn instead_of(&mut self, word: &str) -> Option<String> {
        if self.names.iter().any(|name| name == word) {
            return Some("(name)".into());
        }
        if let Some((ip, port)) = address(word) {
            return (!self.addresses).then(|| self.number(ip, port));
        }
        let source = word.contains(".rs:") && !word.starts_with('/');
        let number = word.parse::<f64>().is_ok();
        if word.starts_with('/') || word.contains('@') {
            return Some("(name)".into());
        }
        let host = word.trim_matches('.').contains('.') && !source && !number;
        (host && !(self.addresses && word.split('.').all(|label| !label.is_empty()))).then(|| "(name)".into())
    }

    fn number(&mut self, ip: IpAddr, port: Option<u16>) -> String {
        let next = self.known.len() + 1;
        let number = match self.known.get(&ip) {
            Some(number) => *number,
            None if next > ADDRESSES => next,
            None => *self.known.entry(ip).or_insert(next),
        };
        match port {
            Some(port) => format!("(address {number}):{port}"),
            None => format!("(address {number})"),
        }
    }
}

/// Whether a word is an address, with or without a port.
fn address(word: &str) -> Option<(IpAddr, Option<u16>)> {
    let with_port = word
        .parse::<SocketAddr>()
        .map(|addr| (addr.ip(), Some(addr.port())));
    let bare = || {
        word.trim_matches(['[', ']'])
            .split('%')
            .next()?
            .parse::<IpAddr>()
            .ok()
    };
    with_port.ok().or_else(|| bare().map(|ip| (ip, None)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_numbered_and_names_are_gone() {
        let mut mask = Mask::new(false, vec!["ana".into()]);
        for (text, masked) in [
            (
                "panicked: no such key at actors/src/call/mod.rs:12:5",
                "panicked: no such key at actors/src/call/mod.rs:12:5",
            ),
            ("bind 192.0.2.7:4000 failed", "bind (address 1):4000 failed"),
            (
                "from 192.0.2.7, to [2001:db8::1]:9.",
                "from (address 1), to (address 2):9.",
            ),
            ("fe80::1%eth0 is gone", "(address 3) is gone"),
            ("ana hung up, anabel did not", "(name) hung up, anabel did not"),
            ("open /home/ana/a.pdf: not found", "open (name): not found"),
            ("lookup turn.example.org: no", "lookup (name): no"),
            ("ben@example.org", "(name)"),
            ("host/srflx after 0.25 s", "host/srflx after 0.25 s"),
        ] {
            assert_eq!(mask.text(text), masked);
        }
    }

    #[test]
    fn addresses_stay_where_they_are_asked_for_and_names_do_not() {
        let mut mask = Mask::new(true, vec!["ana".into()]);
        let text = "192.0.2.7:4000 of turn.example.org";
        assert_eq!(mask.text(text), text);
        assert_eq!(mask.text("ana at /home/ana"), "(name) at (name)");
    }
}
