//! H.264 (RFC 6184, packetization-mode 1): single NAL units, STAP-A and FU-A.
//!
//! ```text
//! +---------------+  NAL unit header (§1.3)      FU header (§5.8)
//! |0|1|2|3|4|5|6|7|                              +---------------+
//! +-+-+-+-+-+-+-+-+                              |0|1|2|3|4|5|6|7|
//! |F|NRI|  Type   |                              +-+-+-+-+-+-+-+-+
//! +---------------+                              |S|E|R|  Type   |
//! ```
//!
//! Encoders and decoders speak Annex B: each NAL unit behind a start code. The wire has none.

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::{AssembledPicture, Fragment, Place};
use crate::rtp::Error;

/// The start code this side writes; three-byte ones are read as well (H.264 annex B).
const START_CODE: [u8; 4] = [0, 0, 0, 1];
const TYPE_MASK: u8 = 0x1f;
/// The F and NRI bits of a NAL unit header.
const IMPORTANCE_MASK: u8 = 0xe0;

/// NAL unit types (H.264 table 7-1, RFC 6184 table 1).
mod nal {
    pub(super) const IDR: u8 = 5;
    pub(super) const SPS: u8 = 7;
    pub(super) const PPS: u8 = 8;
    pub(super) const ACCESS_UNIT_DELIMITER: u8 = 9;
    pub(super) const LAST_SINGLE: u8 = 23;
    pub(super) const STAP_A: u8 = 24;
    pub(super) const FU_A: u8 = 28;
}

/// Start and end bits of a FU header.
const FU_START: u8 = 0x80;
const FU_END: u8 = 0x40;
/// FU indicator and FU header.
const FU_PREFIX: usize = 2;
/// A STAP-A's size field before each NAL unit.
const STAP_SIZE: usize = 2;

/// Cuts an access unit in Annex B form. Small neighbours (parameter sets) share a STAP-A, large NAL units are cut
/// into equal pieces.
pub(super) fn packetize(frame: &Bytes, max: usize, out: &mut Vec<Fragment>) -> Result<(), Error> {
    let before = out.len();
    let mut small: Vec<Bytes> = Vec::new();
    let mut small_len = 1;
    for unit in nal_units(frame) {
        // The delimiter tells a byte stream what the marker bit tells here.
        if unit[0] & TYPE_MASK == nal::ACCESS_UNIT_DELIMITER {
            continue;
        }
        if small_len + STAP_SIZE + unit.len() > max {
            flush_small(&mut small, out);
            small_len = 1;
        }
        if unit.len() > max {
            fragment(&unit, max, out);
        } else {
            small_len += STAP_SIZE + unit.len();
            small.push(unit);
        }
    }
    flush_small(&mut small, out);
    match out.len() > before {
        true => Ok(()),
        false => Err(Error::Empty),
    }
}

/// One NAL unit goes as it is, several go as one STAP-A.
fn flush_small(units: &mut Vec<Bytes>, out: &mut Vec<Fragment>) {
    if units.len() > 1 {
        // RFC 6184 §5.7.1: the F bit is the OR, "the value of NRI MUST be the maximum of all the NAL units carried".
        let importance = units.iter().map(|unit| unit[0] & 0x60).max().unwrap_or(0);
        let forbidden = units.iter().fold(0, |bits, unit| bits | (unit[0] & 0x80));
        let mut body = BytesMut::new();
        for unit in units.iter() {
            // Each fits a packet, and a packet's length fits 16 bits.
            body.extend_from_slice(&(unit.len() as u16).to_be_bytes());
            body.extend_from_slice(unit);
        }
        out.push(Fragment::new(
            [forbidden | importance | nal::STAP_A],
            body.freeze(),
        ));
        units.clear();
    }
    out.extend(units.drain(..).map(|unit| Fragment::new([], unit)));
}

/// RFC 6184 §5.8: the NAL unit header is not sent itself, its bits are in the FU indicator and header.
fn fragment(unit: &Bytes, max: usize, out: &mut Vec<Fragment>) {
    let header = unit[0];
    let body = unit.slice(1..);
    let room = max.saturating_sub(FU_PREFIX).max(1);
    // Equal pieces: no tiny last packet, and one size for segmentation offload.
    let piece = body.len().div_ceil(body.len().div_ceil(room));
    let mut start = 0;
    while start < body.len() {
        let end = (start + piece).min(body.len());
        let first = if start == 0 { FU_START } else { 0 };
        let last = if end == body.len() { FU_END } else { 0 };
        let prefix = [
            (header & IMPORTANCE_MASK) | nal::FU_A,
            first | last | (header & TYPE_MASK),
        ];
        out.push(Fragment::new(prefix, body.slice(start..end)));
        start = end;
    }
}

/// The NAL units of an Annex B byte stream, none of them empty.
fn nal_units(stream: &Bytes) -> impl Iterator<Item = Bytes> {
    let mut start = next_start_code(stream, 0).map(|at| at + 3);
    std::iter::from_fn(move || {
        let from = start?;
        let next = next_start_code(stream, from);
        start = next.map(|at| at + 3);
        Some(from..next.unwrap_or(stream.len()))
    })
    .map(|range| {
        // H.264 annex B: a NAL unit never ends with a zero byte, so these belong to the next start code.
        let zeros = stream[range.clone()]
            .iter()
            .rev()
            .take_while(|b| **b == 0)
            .count();
        stream.slice(range.start..range.end - zeros)
    })
    .filter(|unit| !unit.is_empty())
}

/// Where the next `00 00 01` begins. Looks at every third byte as long as it is larger than 1.
fn next_start_code(stream: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(&third) = stream.get(at + 2) {
        match third {
            0 => at += 1,
            1 if stream[at] == 0 && stream[at + 1] == 0 => return Some(at),
            _ => at += 3,
        }
    }
    None
}

/// The latest parameter sets, for key frames that come without.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ParameterSets {
    #[serde(with = "crate::recording::media::optional_length")]
    sequence: Option<Bytes>,
    #[serde(with = "crate::recording::media::optional_length")]
    picture: Option<Bytes>,
}

/// An access unit in the making.
#[derive(Default)]
struct AccessUnit {
    stream: BytesMut,
    key: bool,
    has_sequence_set: bool,
    has_picture_set: bool,
    /// The FU-A under way: where its NAL unit begins in `stream`, and its type.
    open: Option<(usize, u8)>,
}

/// Joins the payloads of one access unit into Annex B form.
pub(super) fn assemble<'a>(
    sets: &mut ParameterSets,
    payloads: impl Iterator<Item = &'a Bytes>,
) -> Result<AssembledPicture, Error> {
    let mut unit = AccessUnit::default();
    for payload in payloads {
        let Some(&header) = payload.first() else { continue };
        match header & TYPE_MASK {
            nal::FU_A => unit.add_fragment(sets, payload)?,
            _ if unit.open.is_some() => return Err(Error::Incomplete),
            nal::STAP_A => unit.add_aggregate(sets, payload)?,
            1..=nal::LAST_SINGLE => unit.add_nal(sets, payload),
            other => return Err(Error::Unsupported(other)),
        }
    }
    unit.finish(sets)
}

impl AccessUnit {
    fn add_nal(&mut self, sets: &mut ParameterSets, nal: &[u8]) {
        self.stream.extend_from_slice(&START_CODE);
        let start = self.stream.len();
        self.stream.extend_from_slice(nal);
        self.note(sets, start);
    }

    /// Learns from the NAL unit that ends the stream.
    fn note(&mut self, sets: &mut ParameterSets, start: usize) {
        let nal = &self.stream[start..];
        match nal.first().map_or(0, |header| header & TYPE_MASK) {
            nal::IDR => self.key = true,
            nal::SPS => {
                self.has_sequence_set = true;
                remember(&mut sets.sequence, nal);
            }
            nal::PPS => {
                self.has_picture_set = true;
                remember(&mut sets.picture, nal);
            }
            _ => {}
        }
    }

    /// RFC 6184 §5.7.1: 16-bit sizes, each before its NAL unit.
    fn add_aggregate(&mut self, sets: &mut ParameterSets, payload: &[u8]) -> Result<(), Error> {
        let mut rest = &payload[1..];
        while let Some((size, after)) = rest.split_first_chunk::<STAP_SIZE>() {
            let needed = usize::from(u16::from_be_bytes(*size));
            let nal = after.get(..needed).ok_or(Error::Truncated {
                needed,
                left: after.len(),
            })?;
            if !nal.is_empty() {
                self.add_nal(sets, nal);
            }
            rest = &after[needed..];
        }
        Ok(())
    }

    /// RFC 6184 §5.8.
    fn add_fragment(&mut self, sets: &mut ParameterSets, payload: &[u8]) -> Result<(), Error> {
        let Some((&[indicator, header], body)) = payload.split_first_chunk::<FU_PREFIX>() else {
            return Err(Error::Truncated {
                needed: FU_PREFIX,
                left: payload.len(),
            });
        };
        let kind = header & TYPE_MASK;
        let start = match (header & FU_START != 0, self.open) {
            (true, None) => {
                self.stream.extend_from_slice(&START_CODE);
                let start = self.stream.len();
                self.stream
                    .extend_from_slice(&[(indicator & IMPORTANCE_MASK) | kind]);
                start
            }
            (false, Some((start, open))) if open == kind => start,
            _ => return Err(Error::Incomplete),
        };
        self.stream.extend_from_slice(body);
        self.open = Some((start, kind));
        if header & FU_END != 0 {
            self.open = None;
            self.note(sets, start);
        }
        Ok(())
    }

    fn finish(self, sets: &ParameterSets) -> Result<AssembledPicture, Error> {
        if self.open.is_some() || self.stream.is_empty() {
            return Err(Error::Incomplete);
        }
        if !self.key || (self.has_sequence_set && self.has_picture_set) {
            return Ok(AssembledPicture {
                data: self.stream.freeze(),
                key: self.key,
            });
        }
        let (Some(sequence), Some(picture)) = (&sets.sequence, &sets.picture) else {
            return Err(Error::NoParameterSets);
        };
        let parts = [&START_CODE[..], sequence, &START_CODE, picture, &self.stream];
        Ok(AssembledPicture {
            data: parts.concat().into(),
            key: true,
        })
    }
}

/// Stores a parameter set where it is new.
fn remember(known: &mut Option<Bytes>, nal: &[u8]) {
    if known.as_deref() != Some(nal) {
        *known = Some(Bytes::copy_from_slice(nal));
    }
}

/// What a payload tells of its place: a sequence parameter set begins a key frame, an IDR slice is part of one.
pub(super) fn place(payload: &[u8]) -> Place {
    let kind = |header: &u8| header & TYPE_MASK;
    let inner = match payload.first().map(kind) {
        Some(nal::STAP_A) => payload.get(1 + STAP_SIZE).map(kind),
        Some(nal::FU_A) => payload.get(1).map(kind),
        other => other,
    };
    match inner {
        Some(nal::SPS) => Place::KeyStart,
        Some(nal::IDR | nal::PPS) => Place::KeyPart,
        _ => Place::Other,
    }
}

/// Headers, and in an aggregate sizes too.
pub(super) fn telling(payload: &[u8]) -> Vec<usize> {
    let kind = payload.first().map_or(0, |header| header & TYPE_MASK);
    if kind != nal::STAP_A {
        let headers = if kind == nal::FU_A { FU_PREFIX } else { 1 };
        return (0..headers).collect();
    }
    let mut told = vec![0];
    let mut at = 1;
    while let Some(&[high, low]) = payload.get(at..at + STAP_SIZE) {
        told.extend(at..=at + STAP_SIZE);
        at += STAP_SIZE + usize::from(u16::from_be_bytes([high, low]));
    }
    told
}

/// Start codes with the zeros before them, and the header behind each.
pub(super) fn telling_in_stream(stream: &[u8]) -> Vec<usize> {
    let zeros_before = |at: usize| stream[..at].iter().rev().take_while(|byte| **byte == 0).count();
    let mut told: Vec<usize> = (stream.len() - zeros_before(stream.len())..stream.len()).collect();
    let mut from = 0;
    while let Some(at) = next_start_code(stream, from) {
        told.extend(at - zeros_before(at)..=at + 3);
        from = at + 3;
    }
    told
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::wire;
    use super::*;
    use proptest::prelude::*;

    const SPS: &[u8] = &[0x67, 0x42, 0xe0, 0x1f];
    const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

    fn annex_b(units: &[&[u8]]) -> Bytes {
        units
            .iter()
            .flat_map(|unit| [&START_CODE, *unit].concat())
            .collect::<Vec<u8>>()
            .into()
    }

    fn packets(frame: &Bytes, max: usize) -> Vec<Bytes> {
        let mut out = Vec::new();
        packetize(frame, max, &mut out).unwrap();
        wire(&out)
    }

    #[test]
    fn a_key_frame_goes_as_a_stap_a_and_equal_fu_as() {
        let slice = [&[0x65][..], &[0xab; 2500]].concat();
        let frame = annex_b(&[&[0x09, 0x10], SPS, PPS, &slice]);
        let packets = packets(&frame, 1000);
        assert_eq!(packets[0][..], [&[0x78, 0, 4], SPS, &[0, 4], PPS].concat());
        let headers: Vec<_> = packets[1..].iter().map(|p| (p[0], p[1], p.len())).collect();
        // NRI 3 and type 28; S, neither and E with type 5.
        assert_eq!(headers, [(0x7c, 0x85, 836), (0x7c, 0x05, 836), (0x7c, 0x45, 834)]);
        assert_eq!(place(&packets[0]), Place::KeyStart);
        assert_eq!(place(&packets[1]), Place::KeyPart);

        let picture = assemble(&mut ParameterSets::default(), packets.iter()).unwrap();
        assert!(picture.key);
        assert_eq!(
            picture.data,
            annex_b(&[SPS, PPS, &slice]),
            "all but the delimiter"
        );
    }

    #[test]
    fn three_byte_start_codes_and_trailing_zeros_are_read() {
        let stream = Bytes::from_static(&[0, 0, 1, 0x41, 1, 0, 0, 0, 1, 0x41, 2, 0, 0, 0, 0, 1, 0x41, 3, 0]);
        let units: Vec<Bytes> = nal_units(&stream).collect();
        assert_eq!(units, [&[0x41, 1][..], &[0x41, 2], &[0x41, 3]]);
    }

    #[test]
    fn a_key_frame_without_parameter_sets_gets_the_last_ones() {
        let mut sets = ParameterSets::default();
        let idr = Bytes::from_static(&[0x65, 1, 2, 3]);
        assert_eq!(
            assemble(&mut sets, [&idr].into_iter()),
            Err(Error::NoParameterSets)
        );
        let first = packets(&annex_b(&[SPS, PPS, &idr]), 1000);
        let whole = assemble(&mut sets, first.iter()).unwrap();
        assert_eq!(assemble(&mut sets, [&idr].into_iter()).unwrap(), whole);
    }

    #[test]
    fn a_picture_with_a_hole_is_refused() {
        let frame = annex_b(&[&[&[0x41][..], &[7; 3000]].concat()]);
        let packets = packets(&frame, 1000);
        assert_eq!(packets.len(), 4);
        for hole in [0, 3] {
            let rest = packets
                .iter()
                .enumerate()
                .filter(|(n, _)| *n != hole)
                .map(|(_, p)| p);
            assert_eq!(
                assemble(&mut ParameterSets::default(), rest),
                Err(Error::Incomplete)
            );
        }
    }

    #[test]
    fn what_was_not_negotiated_is_refused() {
        for kind in [0u8, 25, 26, 27, 29, 30, 31] {
            let payload = Bytes::from(vec![kind, 0, 0]);
            assert_eq!(
                assemble(&mut ParameterSets::default(), [&payload].into_iter()),
                Err(Error::Unsupported(kind))
            );
        }
    }

    /// A NAL unit as an encoder writes it: a single type, no start code inside, no zero at the end.
    fn nal_unit() -> impl Strategy<Value = Vec<u8>> {
        let kinds = prop::sample::select(vec![1u8, 5, 6, 7, 8]);
        (kinds, proptest::collection::vec(1u8.., 0..4000)).prop_map(|(kind, mut body)| {
            body.insert(0, 0x60 | kind);
            body
        })
    }

    proptest! {
        #[test]
        fn packetizing_loses_nothing(units in proptest::collection::vec(nal_unit(), 1..6), max in 20usize..1500) {
            let frame = annex_b(&units.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let packets = packets(&frame, max);
            prop_assert!(packets.iter().all(|packet| packet.len() <= max && !packet.is_empty()));
            let mut sets = ParameterSets { sequence: Some(SPS.into()), picture: Some(PPS.into()) };
            let kinds: Vec<u8> = units.iter().map(|unit| unit[0] & TYPE_MASK).collect();
            let picture = assemble(&mut sets, packets.iter()).unwrap();
            prop_assert_eq!(picture.key, kinds.contains(&nal::IDR));
            if !picture.key || (kinds.contains(&nal::SPS) && kinds.contains(&nal::PPS)) {
                prop_assert_eq!(picture.data, frame);
            } else {
                prop_assert!(picture.data.ends_with(&frame));
            }
        }

        #[test]
        fn any_stream_is_cut_safely(stream in proptest::collection::vec(0u8..4, 0..200), max in 1usize..50) {
            let mut out = Vec::new();
            let _ = packetize(&stream.into(), max, &mut out);
        }
    }
}
