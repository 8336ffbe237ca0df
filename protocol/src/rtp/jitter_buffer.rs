//! The video jitter buffer: packets in any order in, whole pictures in the right order out.
//!
//! A decoder fed a picture whose reference is missing shows garbage without a word, so this buffer never lets one
//! through: at a gap the pictures behind it wait, the lost packets are asked for ([`Missing`]), and when that fails
//! the stream is *frozen* until a whole key frame is there, which is asked for too. A sender that goes over to another
//! codec begins with a key frame as well.
//!
//! ```text
//!                 a key frame starts                 pictures flow, those behind a gap wait
//!   ┌────────┐ ────────────────────────► ┌─────────┐
//!   │ Frozen │                           │ Flowing │
//!   └────────┘ ◄──────────────────────── └─────────┘
//!     ask for a key frame      a lost packet is given up, a picture is broken, the buffer is full
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::missing::{Missing, RetryPolicy};
use super::payload::{AssembledPicture, Assembler, Place, telling};
use crate::VideoCodec;
use crate::recording::media::keep_only;

/// A gap of more packets than this is not repaired; a key frame is cheaper.
const MAX_GAP: u64 = 512;

/// With a key frame behind a gap, the gap is given two round trips and this to be filled.
const KEY_FRAME_PATIENCE: Duration = Duration::from_millis(50);

/// The bounds of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BufferLimits {
    /// Packets at most.
    pub packets: usize,
    /// Bytes at most.
    pub bytes: usize,
    /// Requests, and the time the buffer waits for their answers.
    pub retry: RetryPolicy,
    /// Time between two requests for a key frame, at least; a round trip if that is longer.
    pub key_frame_interval: Duration,
}

impl Default for BufferLimits {
    fn default() -> Self {
        BufferLimits {
            packets: 2048,
            bytes: 4 << 20,
            retry: RetryPolicy::default(),
            key_frame_interval: Duration::from_millis(250),
        }
    }
}

/// A packet of the stream, its number unrolled.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VideoPacket {
    /// Its number.
    pub sequence: u64,
    /// What it is encoded in.
    pub codec: VideoCodec,
    /// Its picture.
    pub timestamp: u32,
    /// Whether it ends its picture.
    pub marker: bool,
    /// Its payload.
    #[serde(with = "crate::recording::media::digits")]
    pub payload: Bytes,
}

/// A whole picture, ready to decode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedPicture {
    /// The bitstream.
    #[serde(with = "crate::recording::media::length")]
    pub data: Bytes,
    /// What it is encoded in.
    pub codec: VideoCodec,
    /// Whether a decoder can start here.
    pub key: bool,
    /// When it was captured, in the sender's media clock.
    pub timestamp: u32,
    /// When it was whole and its turn.
    #[serde(with = "crate::recording::moment")]
    pub at: Instant,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is kept or already used.
    Taken,
    /// It came after its picture was given up.
    Late,
    /// It was there before.
    Duplicate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    Frozen,
    Flowing,
}

/// One of each codec.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Assemblers {
    h264: Assembler,
    vp8: Assembler,
}

impl Assemblers {
    fn of(&mut self, codec: VideoCodec) -> &mut Assembler {
        match codec {
            VideoCodec::H264 => &mut self.h264,
            VideoCodec::Vp8 => &mut self.vp8,
        }
    }
}

impl Default for Assemblers {
    fn default() -> Self {
        Assemblers {
            h264: Assembler::new(VideoCodec::H264),
            vp8: Assembler::new(VideoCodec::Vp8),
        }
    }
}

/// Orders packets and joins them to pictures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VideoJitterBuffer {
    limits: BufferLimits,
    assemblers: Assemblers,
    state: State,
    packets: BTreeMap<u64, VideoPacket>,
    bytes: usize,
    missing: Missing,
    /// Flowing: the first packet of the next picture. Frozen: packets below are of no use. `None` before the first.
    next: Option<u64>,
    highest: u64,
    /// The packets that were given up last.
    abandoned: Range<u64>,
    /// A decoder has nothing to go on from until a key frame has been delivered.
    needs_key: bool,
    /// Of the last picture delivered.
    codec: Option<VideoCodec>,
    started: bool,
    #[serde(with = "crate::recording::moment")]
    ask_key_at: Option<Instant>,
    #[serde(with = "crate::recording::moment")]
    asked_key_at: Option<Instant>,
    /// A key frame that waits behind a gap, and until when.
    #[serde(with = "crate::recording::moment")]
    key_behind: Option<(u64, Instant)>,
    round_trip: Duration,
    pictures: VecDeque<ReceivedPicture>,
}

impl VideoJitterBuffer {
    /// An empty buffer that waits for a key frame.
    pub fn new(limits: BufferLimits) -> Self {
        VideoJitterBuffer {
            limits,
            assemblers: Assemblers::default(),
            state: State::Frozen,
            packets: BTreeMap::new(),
            bytes: 0,
            missing: Missing::new(limits.retry),
            next: None,
            highest: 0,
            abandoned: 0..0,
            needs_key: true,
            codec: None,
            started: false,
            ask_key_at: None,
            asked_key_at: None,
            key_behind: None,
            round_trip: Duration::ZERO,
            pictures: VecDeque::new(),
        }
    }

    /// Takes a packet in.
    pub fn insert(&mut self, now: Instant, packet: VideoPacket) -> Verdict {
        let sequence = packet.sequence;
        let next = match self.next {
            Some(next) => self.lowered(now, next, sequence),
            None => self.begin(now, sequence),
        };
        if self.abandoned.contains(&sequence) {
            return Verdict::Late;
        }
        if sequence < next || self.packets.contains_key(&sequence) {
            return Verdict::Duplicate;
        }
        self.note_gap(now, sequence);
        self.missing.found(sequence);
        self.note_key(now, &packet);
        self.bytes += packet.payload.len();
        self.packets.insert(sequence, packet);
        if self.packets.len() > self.limits.packets || self.bytes > self.limits.bytes {
            self.give_up(now, self.highest + 1);
        } else if self.state == State::Frozen {
            self.anchor(sequence..sequence + 2);
        }
        self.deliver(now);
        Verdict::Taken
    }

    /// How long an answer to a request takes.
    pub fn set_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// Gives up what is hopeless, or not worth waiting for.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some((key, _)) = self.key_behind.take_if(|(_, until)| *until <= now)
            && self.missing.first().is_some_and(|first| first < key)
        {
            self.give_up(now, key);
            self.deliver(now);
        }
        while let Some(lost) = self
            .missing
            .hopeless(now)
            .or_else(|| self.missing.beyond_repair(now, self.round_trip))
        {
            self.give_up(now, lost + 1);
            self.deliver(now);
        }
    }

    /// The next whole picture.
    pub fn poll_picture(&mut self) -> Option<ReceivedPicture> {
        self.pictures.pop_front()
    }

    /// The packets to ask for now.
    pub fn resend_requests(&mut self, now: Instant) -> Vec<u16> {
        self.missing.requests(now, self.round_trip)
    }

    /// Whether to ask for a key frame now; asking is noted.
    pub fn key_frame_request(&mut self, now: Instant) -> bool {
        let due = self.ask_key_at.is_some_and(|at| at <= now);
        if due {
            self.asked_key_at = Some(now);
            self.ask_key_at = Some(now + self.limits.key_frame_interval.max(self.round_trip * 3 / 2));
        }
        due
    }

    /// When something is due.
    pub fn next_timeout(&self) -> Option<Instant> {
        let key_frame = self.key_behind.map(|(_, until)| until);
        [self.missing.next_timeout(), self.ask_key_at, key_frame]
            .into_iter()
            .flatten()
            .min()
    }

    /// Takes the pictures out of the packets that wait; what tells of their format stays.
    pub(super) fn mask(&mut self) {
        for packet in self.packets.values_mut() {
            let format = packet.codec.into();
            packet.payload = keep_only(&packet.payload, telling(format, &packet.payload)).into();
        }
    }

    /// Whether pictures are held back until a key frame comes.
    pub fn is_frozen(&self) -> bool {
        self.needs_key
    }

    /// The first packet. It may have been overtaken by others, so a key frame is not missed at once.
    fn begin(&mut self, now: Instant, sequence: u64) -> u64 {
        self.next = Some(sequence);
        self.highest = sequence;
        self.ask_key_at = Some(now + self.limits.retry.reorder_wait);
        sequence
    }

    /// Until the first picture, packets from before the first one seen are welcome.
    fn lowered(&mut self, now: Instant, next: u64, sequence: u64) -> u64 {
        if self.started || self.state == State::Flowing || sequence >= next || next - sequence > MAX_GAP {
            return next;
        }
        self.missing.add(now, sequence + 1..next);
        self.next = Some(sequence);
        sequence
    }

    /// Packets between the highest and this one are missing, unless they are too many.
    fn note_gap(&mut self, now: Instant, sequence: u64) {
        if sequence <= self.highest {
            return;
        }
        if sequence - self.highest > MAX_GAP || self.missing.len() > self.limits.packets {
            self.give_up(now, sequence);
        } else {
            self.missing.add(now, self.highest + 1..sequence);
        }
        self.highest = sequence;
    }

    /// A key frame makes it pointless to wait long for what is missing before it.
    fn note_key(&mut self, now: Instant, packet: &VideoPacket) {
        if self.state == State::Flowing
            && self.key_behind.is_none()
            && self.missing.first().is_some_and(|first| first < packet.sequence)
            && Place::of(packet.codec, &packet.payload) == Place::KeyStart
        {
            self.key_behind = Some((packet.sequence, now + self.round_trip * 2 + KEY_FRAME_PATIENCE));
        }
    }

    /// Everything before `keep_from` is given up; nothing is delivered before the next key frame.
    fn give_up(&mut self, now: Instant, keep_from: u64) {
        let from = match self.state {
            State::Flowing => self.next.unwrap_or(keep_from),
            // The stretch that was given up before goes on.
            State::Frozen if !self.abandoned.is_empty() => self.abandoned.start,
            State::Frozen => self.next.unwrap_or(keep_from),
        };
        if self.state == State::Flowing {
            self.state = State::Frozen;
            let again = self.asked_key_at.map(|at| at + self.limits.key_frame_interval);
            self.ask_key_at = Some(again.map_or(now, |at| at.max(now)));
        }
        self.needs_key = true;
        self.started = true;
        self.drop_before(from, keep_from);
        self.anchor(keep_from..u64::MAX);
    }

    /// Looks for the start of a key frame among packets that may tell of one.
    fn anchor(&mut self, candidates: Range<u64>) {
        let found = self.packets.range(candidates).find(|(sequence, packet)| {
            match Place::of(packet.codec, &packet.payload) {
                Place::KeyStart => true,
                // Its first packet, if the one before belongs to another picture.
                Place::KeyPart => sequence
                    .checked_sub(1)
                    .and_then(|before| self.packets.get(&before))
                    .is_some_and(|before| before.timestamp != packet.timestamp),
                Place::Other => false,
            }
        });
        if let Some((&start, _)) = found {
            let from = match self.abandoned.is_empty() {
                true => start,
                false => self.abandoned.start,
            };
            self.drop_before(from, start);
            self.state = State::Flowing;
            self.ask_key_at = None;
        }
    }

    fn drop_before(&mut self, abandoned_from: u64, keep_from: u64) {
        let kept = self.packets.split_off(&keep_from);
        let dropped = std::mem::replace(&mut self.packets, kept);
        self.bytes -= dropped.values().map(|packet| packet.payload.len()).sum::<usize>();
        self.missing.forget_before(keep_from);
        self.abandoned = abandoned_from..keep_from;
        self.next = Some(keep_from);
    }

    fn deliver(&mut self, now: Instant) {
        while self.state == State::Flowing {
            let Some(picture) = self.complete_picture() else {
                return;
            };
            let Some(first) = self.packets.get(&picture.start) else {
                return;
            };
            let (codec, timestamp) = (first.codec, first.timestamp);
            let payloads = self
                .packets
                .range(picture.clone())
                .map(|(_, packet)| &packet.payload);
            let goes_on = !self.needs_key && self.codec == Some(codec);
            match self.assemblers.of(codec).assemble(payloads) {
                Ok(assembled) if assembled.key || goes_on => {
                    self.consume(picture);
                    self.emit(now, codec, timestamp, assembled);
                }
                // The bytes are no picture, or this is no key frame after all.
                _ => self.give_up(now, picture.end),
            }
        }
    }

    fn emit(&mut self, now: Instant, codec: VideoCodec, timestamp: u32, picture: AssembledPicture) {
        let AssembledPicture { data, key } = picture;
        self.started = true;
        self.needs_key = false;
        self.codec = Some(codec);
        self.pictures.push_back(ReceivedPicture {
            data,
            codec,
            key,
            timestamp,
            at: now,
        });
    }

    /// The packets of the next picture, if all are there. Padding between pictures is consumed on the way.
    fn complete_picture(&mut self) -> Option<Range<u64>> {
        let start = self.skip_padding()?;
        let first = self.packets.get(&start)?;
        let (timestamp, codec) = (first.timestamp, first.codec);
        for (expected, (&sequence, packet)) in (start..).zip(self.packets.range(start..)) {
            if sequence != expected {
                return None;
            }
            if packet.timestamp != timestamp || packet.codec != codec {
                return Some(start..sequence);
            }
            if packet.marker {
                return Some(start..sequence + 1);
            }
        }
        None
    }

    fn skip_padding(&mut self) -> Option<u64> {
        let mut next = self.next?;
        while self
            .packets
            .get(&next)
            .is_some_and(|packet| packet.payload.is_empty())
        {
            self.consume(next..next + 1);
            next += 1;
        }
        Some(next)
    }

    fn consume(&mut self, picture: Range<u64>) {
        self.next = Some(picture.end);
        let rest = self.packets.split_off(&picture.end);
        let used = std::mem::replace(&mut self.packets, rest);
        self.bytes -= used.values().map(|packet| packet.payload.len()).sum::<usize>();
    }
}

#[cfg(test)]
mod tests;
