//! What of the network may reach the handshake machine, and what it may cost.
//!
//! Until the handshake has finished nothing that arrives is authentic: anybody who can send a datagram to our
//! port can write records. `webrtc-dtls` 0.12 can be ended, filled up or crashed by such records; the guard
//! stands before it, bounds everything and counts what it drops:
//!
//! | what comes | what the crate would do | what the guard does |
//! |---|---|---|
//! | a plaintext alert | end the session | drops it, remembers a fatal one as a hint |
//! | records of epoch 2, or many of epoch 1 | keep them all | drops, or holds back a bounded number |
//! | a message in thousands of tiny fragments | overflow the stack | drops unreasonable fragments |
//! | an encrypted record shorter than its tag | compute with a negative length | drops it |
//! | the peer's last flight again | (as server) nothing, the peer waits for ever | asks for our last flight again |

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::sealed::OVERHEAD;
use super::{ContentType, HEADER_LENGTH, Header, records};

/// RFC 6347 §4.2.2: type, length, message sequence, fragment offset, fragment length.
const MESSAGE_HEADER_LENGTH: usize = 12;

/// The longest handshake message: certificates of WebRTC have 300 to 2,000 bytes.
const MAX_MESSAGE_LENGTH: usize = 16 * 1024;

/// A full handshake has 7 messages a side.
const MAX_MESSAGE_SEQUENCE: u16 = 15;

/// All plaintext the peer may send us during a handshake: about 40 times what it needs, for retransmissions.
const MAX_HANDSHAKE_BYTES: usize = 192 * 1024;
const MAX_HANDSHAKE_RECORDS: u32 = 1_000;

/// Encrypted handshake records (Finished, and its retransmissions) let through.
const MAX_ENCRYPTED_RECORDS: u32 = 64;

/// The last flight is not sent again more often than this.
const FLIGHT_INTERVAL: Duration = Duration::from_millis(20);

/// RFC 5246 §7.2: the level of an alert that ends the session.
const FATAL: u8 = 2;

/// What may be configured.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Application records held back until the handshake has finished.
    pub held_records: usize,
    /// Fragments one handshake message may come in; all but its last must be large enough for that.
    pub fragments: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            held_records: 64,
            fragments: 64,
        }
    }
}

/// What the guard has dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Not DTLS 1.2 records, or damaged ones.
    pub malformed: u64,
    /// Records of an epoch that nobody uses.
    pub unexpected_epoch: u64,
    /// Alerts without authentication.
    pub plaintext_alerts: u64,
    /// Handshake fragments that make no sense or are unreasonably small.
    pub bad_fragments: u64,
    /// What went over a limit.
    pub excess: u64,
}

impl Dropped {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.malformed + self.unexpected_epoch + self.plaintext_alerts + self.bad_fragments + self.excess
    }
}

/// What to do with a datagram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Records for the handshake machine, as one datagram; empty if none.
    pub handshake: Vec<u8>,
    /// Encrypted records for [`super::sealed::Records`], each with its header.
    pub sealed: Vec<Bytes>,
    /// Our last flight seems to be lost: send it again.
    pub resend_last_flight: bool,
}

enum Phase {
    Handshaking {
        bytes: usize,
        plain: u32,
        encrypted: u32,
        held: Vec<Bytes>,
        alert: Option<u8>,
    },
    Established {
        last_resend: Option<Instant>,
    },
}

/// Stands before one DTLS session.
pub struct Guard {
    limits: Limits,
    phase: Phase,
    dropped: Dropped,
}

impl Default for Guard {
    fn default() -> Self {
        Guard::new(Limits::default())
    }
}

impl Guard {
    /// Before a handshake.
    pub fn new(limits: Limits) -> Self {
        let phase = Phase::Handshaking {
            bytes: 0,
            plain: 0,
            encrypted: 0,
            held: Vec::new(),
            alert: None,
        };
        Guard {
            limits,
            phase,
            dropped: Dropped::default(),
        }
    }

    /// Judges a datagram.
    pub fn inspect(&mut self, now: Instant, datagram: &Bytes) -> Verdict {
        let mut verdict = Verdict::default();
        for parsed in records(datagram) {
            match parsed {
                Ok((header, record)) => self.inspect_record(now, header, record, datagram, &mut verdict),
                Err(_) => self.dropped.malformed += 1,
            }
        }
        verdict
    }

    /// The handshake has finished: gives back the application records that were held until now.
    pub fn establish(&mut self) -> Vec<Bytes> {
        match std::mem::replace(&mut self.phase, Phase::Established { last_resend: None }) {
            Phase::Handshaking { held, .. } => held,
            Phase::Established { .. } => Vec::new(),
        }
    }

    /// What was dropped so far.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// A fatal alert that came during the handshake (RFC 5246 §7.2). Nothing proves who sent it.
    pub fn alert(&self) -> Option<u8> {
        match self.phase {
            Phase::Handshaking { alert, .. } => alert,
            Phase::Established { .. } => None,
        }
    }

    fn inspect_record(
        &mut self,
        now: Instant,
        header: Header,
        record: &[u8],
        datagram: &Bytes,
        verdict: &mut Verdict,
    ) {
        let content = &record[HEADER_LENGTH..];
        let sealed = header.epoch == 1 && content.len() >= OVERHEAD;
        match header.epoch {
            0 => {}
            1 if sealed => {}
            1 => return self.dropped.malformed += 1,
            _ => return self.dropped.unexpected_epoch += 1,
        }
        match &mut self.phase {
            Phase::Handshaking {
                bytes,
                plain,
                encrypted,
                held,
                alert,
            } => match header.content_type {
                ContentType::Alert if sealed => return self.dropped.unexpected_epoch += 1,
                ContentType::Alert => {
                    if let [FATAL, description] = *content {
                        *alert = Some(description);
                    }
                    return self.dropped.plaintext_alerts += 1;
                }
                ContentType::ApplicationData if !sealed => return self.dropped.unexpected_epoch += 1,
                ContentType::ApplicationData if held.len() >= self.limits.held_records => {
                    return self.dropped.excess += 1;
                }
                ContentType::ApplicationData => return held.push(datagram.slice_ref(record)),
                ContentType::Handshake if sealed => {
                    *encrypted += 1;
                    if *encrypted > MAX_ENCRYPTED_RECORDS {
                        return self.dropped.excess += 1;
                    }
                }
                ContentType::Handshake | ContentType::ChangeCipherSpec => {
                    if header.content_type == ContentType::Handshake
                        && !fragments_are_sane(content, self.limits.fragments)
                        || header.content_type == ContentType::ChangeCipherSpec && (content != [1] || sealed)
                    {
                        return self.dropped.bad_fragments += 1;
                    }
                    *plain += 1;
                    *bytes += record.len();
                    if *plain > MAX_HANDSHAKE_RECORDS || *bytes > MAX_HANDSHAKE_BYTES {
                        return self.dropped.excess += 1;
                    }
                }
            },
            Phase::Established { last_resend } => {
                return match header.content_type {
                    ContentType::ApplicationData | ContentType::Alert if sealed => {
                        verdict.sealed.push(datagram.slice_ref(record));
                    }
                    // RFC 6347 §4.2.4: in FINISHED "read retransmit: retransmit last flight".
                    ContentType::Handshake => {
                        if last_resend.is_none_or(|at| now.saturating_duration_since(at) >= FLIGHT_INTERVAL) {
                            *last_resend = Some(now);
                            verdict.resend_last_flight = true;
                        }
                    }
                    ContentType::Alert => self.dropped.plaintext_alerts += 1,
                    ContentType::ChangeCipherSpec => {}
                    ContentType::ApplicationData => self.dropped.unexpected_epoch += 1,
                };
            }
        }
        verdict.handshake.extend_from_slice(record);
    }
}

/// Whether the content of a plaintext handshake record is whole messages, or one reasonable fragment.
///
/// ```text
/// | type | length (24) | message_seq (16) | fragment_offset (24) | fragment_length (24) | body
/// ```
fn fragments_are_sane(content: &[u8], most: usize) -> bool {
    let mut rest = content;
    while !rest.is_empty() {
        let Some(header) = rest.first_chunk::<MESSAGE_HEADER_LENGTH>() else {
            return false;
        };
        let uint24 = |at: usize| u32::from_be_bytes([0, header[at], header[at + 1], header[at + 2]]) as usize;
        let (length, offset, fragment) = (uint24(1), uint24(6), uint24(9));
        let sequence = u16::from_be_bytes([header[4], header[5]]);
        let body = rest.len() - MESSAGE_HEADER_LENGTH;
        if length > MAX_MESSAGE_LENGTH || sequence > MAX_MESSAGE_SEQUENCE || offset + fragment > length {
            return false;
        }
        if fragment < length {
            // The crate takes all that is left of the record for this fragment, so it must be its end.
            let last = offset + fragment == length;
            return fragment == body && fragment > 0 && (last || fragment * most >= length);
        }
        if fragment > body {
            return false;
        }
        rest = &rest[MESSAGE_HEADER_LENGTH + fragment..];
    }
    !content.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::record;
    use super::*;

    fn message(length: usize, sequence: u16, offset: usize, fragment: usize) -> Vec<u8> {
        let uint24 = |value: usize| (value as u32).to_be_bytes()[1..].to_vec();
        let mut bytes = vec![1];
        bytes.extend(uint24(length));
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(uint24(offset));
        bytes.extend(uint24(fragment));
        bytes.resize(MESSAGE_HEADER_LENGTH + fragment, 0);
        bytes
    }

    fn handshake(content: &[u8]) -> Bytes {
        record(ContentType::Handshake, 0, 0, content).into()
    }

    fn encrypted(content_type: ContentType, sequence: u64) -> Bytes {
        record(content_type, 1, sequence, &[0; OVERHEAD]).into()
    }

    #[test]
    fn a_hello_passes_whole_or_in_fragments() {
        let mut guard = Guard::default();
        let now = Instant::now();
        for content in [
            message(300, 0, 0, 300),
            message(1400, 0, 0, 1100),
            message(1400, 0, 1100, 300),
        ] {
            let datagram = handshake(&content);
            assert_eq!(guard.inspect(now, &datagram).handshake, datagram);
        }
        let two = [message(40, 1, 0, 40), message(0, 2, 0, 0)].concat();
        assert!(!guard.inspect(now, &handshake(&two)).handshake.is_empty());
        assert_eq!(guard.dropped(), Dropped::default());
    }

    #[test]
    fn a_message_in_one_byte_fragments_never_gets_in() {
        let mut guard = Guard::default();
        for offset in 0..10_000 {
            let verdict = guard.inspect(Instant::now(), &handshake(&message(16_000, 0, offset, 1)));
            assert!(verdict.handshake.is_empty());
        }
        assert_eq!(guard.dropped().bad_fragments, 10_000);
    }

    #[test]
    fn fragments_that_lie_about_their_length_never_get_in() {
        let mut too_long = message(100, 0, 0, 100);
        too_long.pop();
        let mut with_a_tail = message(1000, 0, 0, 500);
        with_a_tail.push(0);
        let bad = [
            too_long,
            with_a_tail,
            message(100, 0, 50, 60),
            message(70_000, 0, 0, 100),
            vec![1; 11],
            vec![],
        ];
        for content in bad {
            assert!(!fragments_are_sane(&content, 64), "{content:?}");
        }
        assert!(!fragments_are_sane(&message(100, 999, 0, 100), 64));
        assert!(!fragments_are_sane(&message(100, 0, 0, 0), 64));
    }

    #[test]
    fn a_flood_of_plausible_messages_ends_at_the_budget() {
        let mut guard = Guard::default();
        let datagram = handshake(&message(1100, 3, 0, 1100));
        let passed: usize = (0..5_000)
            .map(|_| guard.inspect(Instant::now(), &datagram).handshake.len())
            .sum();
        assert!(passed <= MAX_HANDSHAKE_BYTES);
        assert!(guard.dropped().excess > 4_000);
    }

    #[test]
    fn a_spoofed_alert_ends_nothing_before_or_after_the_handshake() {
        let mut guard = Guard::default();
        let alert = Bytes::from(record(ContentType::Alert, 0, 3, &[FATAL, 40]));
        assert_eq!(guard.inspect(Instant::now(), &alert), Verdict::default());
        assert_eq!(guard.alert(), Some(40));
        guard.establish();
        assert_eq!(guard.inspect(Instant::now(), &alert), Verdict::default());
        assert_eq!(guard.alert(), None);
        assert_eq!(guard.dropped().plaintext_alerts, 2);
    }

    #[test]
    fn records_of_unused_epochs_are_dropped_and_early_application_data_waits_its_turn() {
        let mut guard = Guard::default();
        let now = Instant::now();
        for _ in 0..50_000 {
            let future = record(ContentType::ApplicationData, 2, 0, &[0; 8_000]).into();
            assert_eq!(guard.inspect(now, &future), Verdict::default());
        }
        for sequence in 0..100 {
            let early = encrypted(ContentType::ApplicationData, sequence);
            assert_eq!(guard.inspect(now, &early), Verdict::default());
        }
        assert_eq!(guard.establish().len(), Limits::default().held_records);
        assert_eq!(guard.dropped().unexpected_epoch, 50_000);
        let data = encrypted(ContentType::ApplicationData, 101);
        assert_eq!(guard.inspect(now, &data).sealed, [data]);
    }

    #[test]
    fn a_peer_that_repeats_its_last_flight_gets_ours_again_but_not_faster_than_it_should() {
        let mut guard = Guard::default();
        guard.establish();
        let start = Instant::now();
        let finished = encrypted(ContentType::Handshake, 1);
        let key_exchange = handshake(&message(66, 3, 0, 66));
        assert!(guard.inspect(start, &key_exchange).resend_last_flight);
        assert!(!guard.inspect(start, &finished).resend_last_flight);
        assert!(
            guard
                .inspect(start + FLIGHT_INTERVAL, &finished)
                .resend_last_flight
        );
    }

    #[test]
    fn an_encrypted_record_without_room_for_its_tag_is_dropped() {
        let mut guard = Guard::default();
        for length in 0..OVERHEAD {
            let short = Bytes::from(record(ContentType::Handshake, 1, 0, &vec![0; length]));
            assert_eq!(guard.inspect(Instant::now(), &short), Verdict::default());
        }
        assert_eq!(guard.dropped().malformed, OVERHEAD as u64);
    }

    proptest! {
        #[test]
        fn whatever_comes_the_guard_stands_and_lets_through_only_whole_records(
            datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
            established: bool,
        ) {
            let mut guard = Guard::default();
            if established {
                guard.establish();
            }
            for bytes in datagrams {
                let verdict = guard.inspect(Instant::now(), &Bytes::from(bytes));
                prop_assert!(records(&verdict.handshake).all(|record| record.is_ok()));
            }
        }

        #[test]
        fn records_of_every_kind_are_judged_without_harm(
            kind in 20_u8..24, epoch in 0_u16..3, content in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let Some(content_type) = ContentType::parse(kind) else { return Ok(()) };
            let mut guard = Guard::default();
            let datagram = Bytes::from(record(content_type, epoch, 0, &content));
            let verdict = guard.inspect(Instant::now(), &datagram);
            prop_assert!(verdict.sealed.is_empty());
            guard.establish();
            prop_assert!(guard.inspect(Instant::now(), &datagram).handshake.is_empty());
        }
    }
}
