//! Candidates that hide their address behind a name, `UUID.local`, as browsers give them
//! (draft-ietf-mmusic-mdns-ice-candidates): the name is asked for by multicast DNS (RFC 6762) in the local network, and the
//! candidate goes on with the address.
//!
//! Only names of that form are asked for, and only answers to what was asked are believed. Whoever answers falsely gains
//! nothing: a pair works only with the password of the descriptions.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, TYPE};

use super::candidate;

/// Where questions go, and answers come from and to (RFC 6762 §3).
pub const GROUP: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(224, 0, 0, 251), 5353));
/// Names asked for at one time; further candidates are not used.
const MAX_NAMES: usize = 16;
/// Candidates that wait for one name.
const MAX_CANDIDATES: usize = 8;
/// Times a name is asked for.
const QUESTIONS: u32 = 4;
/// From the first question to the second; doubles each time (RFC 6762 §5.2).
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` (RFC 9562 §4).
const UUID_LENGTH: usize = 36;

/// What comes of the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamesOutput {
    /// Send this to [`GROUP`] from port 5353 of every interface.
    Ask(Vec<u8>),
    /// A candidate with its address.
    Candidate(String),
}

/// The names a session waits for.
#[derive(Debug, Default)]
pub struct Names {
    wanted: Vec<Wanted>,
    outputs: VecDeque<NamesOutput>,
}

#[derive(Debug)]
struct Wanted {
    name: String,
    candidates: Vec<String>,
    asked: u32,
    next: Instant,
}

impl Names {
    /// Takes a candidate of the peer if its address is such a name; otherwise it is none of our business (false).
    pub fn take(&mut self, now: Instant, candidate: &str) -> bool {
        let Some(name) = candidate::address_field(candidate).filter(|name| is_hidden(name)) else {
            return false;
        };
        if let Some(wanted) = self.wanted.iter_mut().find(|wanted| wanted.name == name) {
            if wanted.candidates.len() < MAX_CANDIDATES
                && !wanted.candidates.iter().any(|one| one == candidate)
            {
                wanted.candidates.push(candidate.to_owned());
            }
        } else if self.wanted.len() < MAX_NAMES {
            self.wanted.push(Wanted {
                name: name.to_owned(),
                candidates: vec![candidate.to_owned()],
                asked: 0,
                next: now,
            });
            self.handle_timeout(now);
        }
        true
    }

    /// Takes a datagram that came from the group. What is no answer, or not to us, is passed over.
    pub fn handle_input(&mut self, datagram: &[u8]) {
        let Ok(packet) = Packet::parse(datagram) else {
            return;
        };
        for record in packet.answers.iter().filter(|record| record.class == CLASS::IN) {
            let address = match &record.rdata {
                RData::A(a) => IpAddr::V4(a.address.into()),
                RData::AAAA(aaaa) => IpAddr::V6(aaaa.address.into()),
                _ => continue,
            };
            let name = record.name.to_string();
            let Some(at) = self
                .wanted
                .iter()
                .position(|wanted| wanted.name.eq_ignore_ascii_case(&name))
            else {
                continue;
            };
            let wanted = self.wanted.swap_remove(at);
            let address = address.to_string();
            let found = wanted.candidates.iter();
            self.outputs.extend(
                found.map(|candidate| NamesOutput::Candidate(candidate.replacen(&wanted.name, &address, 1))),
            );
        }
    }

    /// Asks for what is due, once more or for the last time.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.wanted
            .retain(|wanted| wanted.next > now || wanted.asked < QUESTIONS);
        let mut query = Packet::new_query(0);
        for wanted in self.wanted.iter_mut().filter(|wanted| wanted.next <= now) {
            wanted.next = now + FIRST_PAUSE * 2u32.pow(wanted.asked);
            wanted.asked += 1;
            for kind in [TYPE::A, TYPE::AAAA] {
                if let Ok(name) = Name::new(&wanted.name) {
                    let class = QCLASS::CLASS(CLASS::IN);
                    let question = Question::new(name.into_owned(), QTYPE::TYPE(kind), class, false);
                    query.questions.push(question);
                }
            }
        }
        if !query.questions.is_empty()
            && let Ok(query) = query.build_bytes_vec_compressed()
        {
            self.outputs.push_back(NamesOutput::Ask(query));
        }
    }

    /// When [`Names::handle_timeout`] wants to be called next.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.wanted.iter().map(|wanted| wanted.next).min()
    }

    /// Whether there is a name that may still be found.
    pub fn is_waiting(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<NamesOutput> {
        self.outputs.pop_front()
    }
}

/// Whether a name is one label, a UUID, in `local`: what else a peer may want looked up is not for it to say.
fn is_hidden(name: &str) -> bool {
    let Some((uuid, local)) = name.split_once('.') else {
        return false;
    };
    local.eq_ignore_ascii_case("local")
        && uuid.len() == UUID_LENGTH
        && uuid.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::{A, AAAA};

    use super::*;

    const NAME: &str = "4748028a-903d-4918-8232-24f04394d901.local";

    fn hidden(name: &str, port: u16) -> String {
        format!("candidate:1208116477 1 udp 2113937151 {name} {port} typ host generation 0")
    }

    fn answer(name: &str, rdata: RData<'_>) -> Vec<u8> {
        let mut reply = Packet::new_reply(0);
        let name = Name::new(name).unwrap();
        reply
            .answers
            .push(ResourceRecord::new(name, CLASS::IN, 120, rdata));
        reply.build_bytes_vec().unwrap()
    }

    fn outputs(names: &mut Names) -> Vec<NamesOutput> {
        std::iter::from_fn(|| names.poll_output()).collect()
    }

    fn questions(output: &NamesOutput) -> Vec<String> {
        let NamesOutput::Ask(query) = output else {
            panic!("{output:?}")
        };
        let packet = Packet::parse(query).unwrap();
        packet
            .questions
            .iter()
            .map(|question| question.qname.to_string())
            .collect()
    }

    #[test]
    fn a_hidden_candidate_goes_on_with_the_address_that_is_answered() {
        let (now, mut names) = (Instant::now(), Names::default());
        assert!(names.take(now, &hidden(NAME, 5000)));
        assert!(names.take(now, &hidden(NAME, 5001)));
        assert_eq!(questions(&outputs(&mut names)[0]), [NAME, NAME]);
        let address = A {
            address: Ipv4Addr::new(192, 0, 2, 7).into(),
        };
        names.handle_input(&answer(&NAME.to_uppercase(), RData::A(address)));
        assert_eq!(
            outputs(&mut names),
            [5000, 5001].map(|port| NamesOutput::Candidate(hidden("192.0.2.7", port)))
        );
        assert_eq!(names.next_timeout(), None);
    }

    #[test]
    fn an_answer_of_the_other_family_will_do() {
        let (now, mut names) = (Instant::now(), Names::default());
        names.take(now, &hidden(NAME, 5000));
        outputs(&mut names);
        let address = AAAA {
            address: "2001:db8::7".parse::<std::net::Ipv6Addr>().unwrap().into(),
        };
        names.handle_input(&answer(NAME, RData::AAAA(address)));
        let found = NamesOutput::Candidate(hidden("2001:db8::7", 5000));
        assert_eq!(outputs(&mut names), [found]);
    }

    #[test]
    fn only_names_of_that_form_are_asked_for_and_only_answers_to_them_believed() {
        let (now, mut names) = (Instant::now(), Names::default());
        for name in [
            "printer.local",
            "192.0.2.1",
            "4748028a-903d-4918-8232-24f04394d901.example",
            "4748028a-903d-4918-8232-24f04394d901.evil.local",
        ] {
            assert!(!names.take(now, &hidden(name, 5000)), "{name}");
        }
        assert!(!names.take(now, "candidate:"));
        assert!(names.take(now, &hidden(NAME, 5000)));
        outputs(&mut names);
        let other = "00000000-903d-4918-8232-24f04394d901.local";
        let address = A {
            address: Ipv4Addr::new(192, 0, 2, 7).into(),
        };
        names.handle_input(&answer(other, RData::A(address)));
        assert_eq!(outputs(&mut names), []);
    }

    #[test]
    fn a_name_that_nobody_knows_is_asked_for_four_times_and_given_up() {
        let (start, mut names) = (Instant::now(), Names::default());
        names.take(start, &hidden(NAME, 5000));
        let mut asked_at = Vec::new();
        let mut now = start;
        loop {
            let asked = outputs(&mut names).iter().map(questions).count();
            asked_at.extend((0..asked).map(|_| (now - start).as_secs()));
            let Some(next) = names.next_timeout() else { break };
            now = next;
            names.handle_timeout(now);
        }
        assert_eq!(asked_at, [0, 1, 3, 7]);
        assert_eq!((now - start).as_secs(), 15);
    }

    #[test]
    fn no_more_than_sixteen_names_are_asked_for() {
        let (now, mut names) = (Instant::now(), Names::default());
        for number in 0..40 {
            names.take(
                now,
                &hidden(&format!("{number:08}-903d-4918-8232-24f04394d901.local"), 1),
            );
        }
        assert_eq!(names.wanted.len(), MAX_NAMES);
    }

    proptest! {
        #[test]
        fn arbitrary_datagrams_never_panic(datagram in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut names = Names::default();
            names.take(Instant::now(), &hidden(NAME, 5000));
            names.handle_input(&datagram);
        }
    }
}
