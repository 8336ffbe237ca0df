//! Application data under the keys of a finished handshake: AES-128-GCM records (RFC 5288, RFC 5246 §6.2.3.3).
//!
//! The handshake machine could do this too, but with random nonces (RFC 5288 §3 asks for unique ones: safe for
//! about 100 MB), copies and several tasks a record. Here the nonce is the record's number and `ring` does the work.

use bytes::{Bytes, BytesMut};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;

use super::{ContentType, HEADER_LENGTH, Header, MAX_SEQUENCE, VERSION_1_2};

/// RFC 5288 §3: the part of the nonce that travels in the record.
const EXPLICIT_NONCE_LENGTH: usize = 8;

/// RFC 5116 §5.1.
const TAG_LENGTH: usize = 16;

/// What a sealed record has besides header and plaintext.
pub const OVERHEAD: usize = EXPLICIT_NONCE_LENGTH + TAG_LENGTH;

/// The most a record carries (RFC 5246 §6.2.1).
const MAX_PLAINTEXT: usize = 1 << 14;

/// The epoch after the only handshake there is: sessions are not renegotiated (RFC 8827 §6.5).
const EPOCH: u16 = 1;

/// RFC 5246 §6.3: two keys and two fixed nonce parts.
const KEY_LENGTH: usize = 16;
const FIXED_NONCE_LENGTH: usize = 4;

/// RFC 5246 §7.2.
const CLOSE_NOTIFY: [u8; 2] = [1, 0];

/// What a finished handshake leaves: everything to derive keys from.
#[derive(Clone)]
pub struct Secrets {
    /// RFC 5246 §8.1, 48 bytes.
    pub master_secret: Vec<u8>,
    /// ClientHello.random.
    pub client_random: [u8; 32],
    /// ServerHello.random.
    pub server_random: [u8; 32],
    /// Whether we were the client.
    pub client: bool,
    /// The next sequence number of ours in epoch 1.
    pub next_sequence: u64,
}

/// Why a record was refused or not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Longer than a record may be.
    #[error("too long for a record")]
    TooLong,
    /// 2^48 records were sent (RFC 6347 §4.1: the sequence number must not wrap).
    #[error("the sequence numbers are used up")]
    Exhausted,
    /// No record of ours: damaged, or of another epoch.
    #[error("malformed")]
    Malformed,
    /// Seen before, or too old to tell (RFC 6347 §4.1.2.6).
    #[error("replayed")]
    Replayed,
    /// Forged or damaged.
    #[error("not authentic")]
    NotAuthentic,
    /// The secrets do not make keys.
    #[error("unusable secrets")]
    BadSecrets,
}

/// What an authentic record carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// An SCTP packet.
    Data(Bytes),
    /// The peer ends the session: close_notify (true) or a fatal alert.
    Closed {
        /// Whether it was polite.
        graceful: bool,
    },
    /// A warning, or anything else without consequence.
    Nothing,
}

/// Seals and opens the records of one session.
pub struct Records {
    ours: Half,
    theirs: Half,
    next_sequence: u64,
    window: ReplayWindow,
}

struct Half {
    key: LessSafeKey,
    fixed_nonce: [u8; FIXED_NONCE_LENGTH],
}

impl Half {
    fn new(key: &[u8], fixed_nonce: &[u8]) -> Result<Self, Error> {
        let key = UnboundKey::new(&AES_128_GCM, key).map_err(|_| Error::BadSecrets)?;
        let fixed_nonce = fixed_nonce.try_into().map_err(|_| Error::BadSecrets)?;
        Ok(Half {
            key: LessSafeKey::new(key),
            fixed_nonce,
        })
    }

    fn nonce(&self, explicit: [u8; EXPLICIT_NONCE_LENGTH]) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[..FIXED_NONCE_LENGTH].copy_from_slice(&self.fixed_nonce);
        nonce[FIXED_NONCE_LENGTH..].copy_from_slice(&explicit);
        Nonce::assume_unique_for_key(nonce)
    }
}

/// RFC 5246 §6.2.3.3: "additional_data = seq_num + TLSCompressed.type + version + length", of the plaintext.
fn additional_data(header: Header, length: usize) -> Aad<[u8; HEADER_LENGTH]> {
    let wire = Header { length, ..header }.to_bytes();
    let mut data = [0; HEADER_LENGTH];
    data[..8].copy_from_slice(&wire[3..11]);
    data[8..11].copy_from_slice(&wire[..3]);
    data[11..].copy_from_slice(&wire[11..]);
    Aad::from(data)
}

impl Records {
    /// Derives the keys (RFC 5246 §6.3).
    pub fn new(secrets: &Secrets) -> Result<Self, Error> {
        // "key_block = PRF(master_secret, "key expansion", server_random + client_random)"
        let seed = [
            b"key expansion".as_slice(),
            &secrets.server_random,
            &secrets.client_random,
        ]
        .concat();
        let block = p_sha256(
            &secrets.master_secret,
            &seed,
            2 * (KEY_LENGTH + FIXED_NONCE_LENGTH),
        );
        let (keys, nonces) = block.split_at(2 * KEY_LENGTH);
        let (client_key, server_key) = keys.split_at(KEY_LENGTH);
        let (client_nonce, server_nonce) = nonces.split_at(FIXED_NONCE_LENGTH);
        let client = Half::new(client_key, client_nonce)?;
        let server = Half::new(server_key, server_nonce)?;
        let (ours, theirs) = if secrets.client {
            (client, server)
        } else {
            (server, client)
        };
        Ok(Records {
            ours,
            theirs,
            next_sequence: secrets.next_sequence,
            window: ReplayWindow::default(),
        })
    }

    /// A record with an SCTP packet.
    pub fn seal(&mut self, packet: &[u8]) -> Result<Bytes, Error> {
        self.seal_as(ContentType::ApplicationData, packet)
    }

    /// The record that ends the session politely.
    pub fn seal_close_notify(&mut self) -> Result<Bytes, Error> {
        self.seal_as(ContentType::Alert, &CLOSE_NOTIFY)
    }

    fn seal_as(&mut self, content_type: ContentType, plaintext: &[u8]) -> Result<Bytes, Error> {
        if plaintext.len() > MAX_PLAINTEXT {
            return Err(Error::TooLong);
        }
        if self.next_sequence > MAX_SEQUENCE {
            return Err(Error::Exhausted);
        }
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let header = Header {
            content_type,
            epoch: EPOCH,
            sequence,
            length: OVERHEAD + plaintext.len(),
        };
        let explicit = header.numbers().to_be_bytes();
        let mut record = BytesMut::with_capacity(HEADER_LENGTH + header.length);
        record.extend_from_slice(&header.to_bytes());
        record.extend_from_slice(&explicit);
        record.extend_from_slice(plaintext);
        let tag = self
            .ours
            .key
            .seal_in_place_separate_tag(
                self.ours.nonce(explicit),
                additional_data(header, plaintext.len()),
                &mut record[HEADER_LENGTH + EXPLICIT_NONCE_LENGTH..],
            )
            .map_err(|_| Error::TooLong)?;
        record.extend_from_slice(tag.as_ref());
        Ok(record.freeze())
    }

    /// Opens a record that the guard let through.
    pub fn open(&mut self, record: Bytes) -> Result<Opened, Error> {
        let header = Header::parse(&record).map_err(|_| Error::Malformed)?;
        let whole = record.len() == HEADER_LENGTH + header.length;
        // The version is authenticated too, so only ours may stand here.
        let ours = record[1..3] == VERSION_1_2.to_be_bytes();
        if header.epoch != EPOCH || header.length < OVERHEAD || !whole || !ours {
            return Err(Error::Malformed);
        }
        if !self.window.admits(header.sequence) {
            return Err(Error::Replayed);
        }
        let body = HEADER_LENGTH + EXPLICIT_NONCE_LENGTH;
        let explicit = record[HEADER_LENGTH..body]
            .try_into()
            .map_err(|_| Error::Malformed)?;
        let length = header.length - OVERHEAD;
        // In place where the datagram is ours alone, otherwise in a copy.
        let mut record = BytesMut::from(record);
        self.theirs
            .key
            .open_in_place(
                self.theirs.nonce(explicit),
                additional_data(header, length),
                &mut record[body..],
            )
            .map_err(|_| Error::NotAuthentic)?;
        self.window.accept(header.sequence);
        let plaintext = record.freeze().slice(body..body + length);
        Ok(match (header.content_type, plaintext.as_ref()) {
            (ContentType::ApplicationData, _) => Opened::Data(plaintext),
            (ContentType::Alert, [_, 0]) => Opened::Closed { graceful: true },
            (ContentType::Alert, [2, _]) => Opened::Closed { graceful: false },
            _ => Opened::Nothing,
        })
    }
}

/// RFC 5246 §5: P_SHA256.
fn p_sha256(secret: &[u8], seed: &[u8], length: usize) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mut a = hmac::sign(&key, seed);
    let mut output = Vec::with_capacity(length + 32);
    while output.len() < length {
        output.extend_from_slice(hmac::sign(&key, &[a.as_ref(), seed].concat()).as_ref());
        a = hmac::sign(&key, a.as_ref());
    }
    output.truncate(length);
    output
}

/// RFC 6347 §4.1.2.6: the right edge is the highest authentic number, each bit below it one record.
#[derive(Default)]
struct ReplayWindow {
    /// One more than the highest number seen.
    next: u64,
    seen: u128,
}

impl ReplayWindow {
    fn admits(&self, sequence: u64) -> bool {
        match self.next.checked_sub(sequence + 1) {
            None => true,
            Some(behind) => behind < u64::from(u128::BITS) && self.seen >> behind & 1 == 0,
        }
    }

    fn accept(&mut self, sequence: u64) {
        if sequence >= self.next {
            let ahead = sequence + 1 - self.next;
            self.seen = u32::try_from(ahead)
                .ok()
                .and_then(|ahead| self.seen.checked_shl(ahead))
                .unwrap_or(0)
                | 1;
            self.next = sequence + 1;
        } else {
            self.seen |= 1 << (self.next - 1 - sequence);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn pair() -> (Records, Records) {
        let secrets = Secrets {
            master_secret: vec![7; 48],
            client_random: [1; 32],
            server_random: [2; 32],
            client: true,
            next_sequence: 1,
        };
        let server = Secrets {
            client: false,
            ..secrets.clone()
        };
        (Records::new(&secrets).unwrap(), Records::new(&server).unwrap())
    }

    #[test]
    fn what_one_end_seals_the_other_opens_once() {
        let (mut client, mut server) = pair();
        let record = client.seal(b"packet").unwrap();
        assert_eq!(record.len(), HEADER_LENGTH + OVERHEAD + 6);
        assert_eq!(
            server.open(record.clone()),
            Ok(Opened::Data(Bytes::from_static(b"packet")))
        );
        assert_eq!(server.open(record), Err(Error::Replayed));
        let record = server.seal(b"").unwrap();
        assert_eq!(client.open(record), Ok(Opened::Data(Bytes::new())));
    }

    #[test]
    fn only_an_authentic_alert_closes_the_session() {
        let (mut client, mut server) = pair();
        let close = client.seal_close_notify().unwrap();
        assert_eq!(server.open(close), Ok(Opened::Closed { graceful: true }));
        let fatal = client.seal_as(ContentType::Alert, &[2, 80]).unwrap();
        assert_eq!(server.open(fatal), Ok(Opened::Closed { graceful: false }));
        let mut forged = client.seal_close_notify().unwrap().to_vec();
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(server.open(forged.into()), Err(Error::NotAuthentic));
    }

    #[test]
    fn a_record_of_one_direction_or_session_is_no_record_of_another() {
        let (mut client, mut server) = pair();
        let record = client.seal(b"packet").unwrap();
        assert_eq!(client.open(record.clone()), Err(Error::NotAuthentic));
        let mut retyped = record.to_vec();
        retyped[0] = 21;
        assert_eq!(server.open(retyped.into()), Err(Error::NotAuthentic));
    }

    #[test]
    fn the_last_sequence_number_is_the_last_record() {
        let (mut client, _) = pair();
        client.next_sequence = MAX_SEQUENCE;
        client.seal(b"last").unwrap();
        assert_eq!(client.seal(b"one more"), Err(Error::Exhausted));
    }

    /// The P_SHA256 test vector that TLS implementers share (mailing list of the TLS working group, 2009-02).
    #[test]
    fn the_pseudorandom_function_is_the_standards() {
        let secret = hex::decode("9bbe436ba940f017b17652849a71db35").unwrap();
        let seed = [
            b"test label".as_slice(),
            &hex::decode("a0ba9f936cda311827a6f796ffd5198c").unwrap(),
        ]
        .concat();
        let output = p_sha256(&secret, &seed, 100);
        assert_eq!(hex::encode(&output[..16]), "e3f229ba727be17b8d122620557cd453");
        assert_eq!(hex::encode(&output[96..]), "87347b66");
    }

    proptest! {
        #[test]
        fn the_window_admits_every_number_once_in_any_order(
            mut order in Just((0_u64..100).collect::<Vec<_>>()).prop_shuffle(), base in 0_u64..1_000_000,
        ) {
            let mut window = ReplayWindow::default();
            order.extend_from_within(..);
            let mut admitted = 0;
            for number in order {
                if window.admits(base + number) {
                    window.accept(base + number);
                    admitted += 1;
                }
            }
            prop_assert_eq!(admitted, 100);
            prop_assert!(base == 0 || base + 99 < 128 || !window.admits(base + 99 - 128));
        }

        #[test]
        fn no_bytes_open(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let (_, mut server) = pair();
            prop_assert!(server.open(Bytes::from(bytes)).is_err());
        }

        #[test]
        fn no_flipped_bit_opens(at in 0_usize..50, bit in 0_u8..8) {
            let (mut client, mut server) = pair();
            let mut record = client.seal(b"thirteen byte").unwrap().to_vec();
            prop_assert_eq!(record.len(), 50);
            record[at] ^= 1 << bit;
            prop_assert!(server.open(record.into()).is_err());
        }
    }
}
