//! The audio jitter buffer: packets at any time in, a decision for every 20 ms of sound out.
//!
//! The playout calls [`AudioJitterBuffer::next`] whenever it needs sound and does what the [`Decision`] says. The
//! buffer measures the delay between the earliest possible arrival of what it plays and now, and steers it to a
//! target that follows the network's jitter ([`ArrivalModel`]):
//!
//! - a packet is missing although a later one is there: recover it from the later one's in-band FEC (RFC 6716
//!   §2.1.7), or conceal it;
//! - nothing is there at all: conceal for a while, then be silent. Time stands still meanwhile: what comes late
//!   because the network paused is still played, and the delay has grown by itself;
//! - the delay is off its target: play a little faster or slower ([`super::time_stretch`]);
//! - it is far too long (the speaker was stopped): drop.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::SAMPLE_RATE;
use super::arrival::ArrivalModel;
use crate::rtp::payload::opus;
use crate::time::signed_nanos;

/// Sound made up or left silent at a time: 10 ms.
const STEP: u32 = SAMPLE_RATE / 100;
/// Assumed of a packet that never came, if none came before it: 20 ms, the RTP default (RFC 7587 §4.2).
const USUAL_PACKET: u32 = SAMPLE_RATE / 50;
/// Longer made-up sound is a buzz: after this there is silence.
const LONGEST_CONCEALMENT: u32 = SAMPLE_RATE / 1000 * 120;
/// Decisions between two corrections of the delay; it is averaged over them.
const CORRECTION_INTERVAL: u32 = 8;
/// A timestamp this far from the expected one is a new start of the sender's clock: 5 s.
const CLOCK_JUMP: u64 = 5 * SAMPLE_RATE as u64;

/// The bounds of the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioBufferSettings {
    /// The delay is never steered below this: the grain of packets and playout.
    pub min_delay: Duration,
    /// Nor above this.
    pub max_delay: Duration,
    /// The delay may be longer than its target by this before it is shortened.
    pub slack: Duration,
    /// More delay than the target and this is not stretched away but dropped.
    pub excess: Duration,
    /// Packets at most.
    pub packets: usize,
}

impl Default for AudioBufferSettings {
    fn default() -> Self {
        AudioBufferSettings {
            min_delay: Duration::from_millis(20),
            max_delay: Duration::from_millis(300),
            slack: Duration::from_millis(15),
            excess: Duration::from_millis(200),
            packets: 200,
        }
    }
}

/// A packet of sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioPacket {
    /// Its number, unrolled.
    pub sequence: u64,
    /// Its media time, unrolled.
    pub timestamp: u64,
    /// The Opus packet.
    #[serde(with = "recorded::payload")]
    pub payload: Bytes,
    /// When it came.
    #[serde(with = "crate::recording::moment")]
    pub received_at: Instant,
}

/// How fast to play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pace {
    /// As it is.
    Normal,
    /// Shorten it: the delay is too long.
    Faster,
    /// Lengthen it: the delay is too short.
    Slower,
}

/// What to play now, and how many samples it has at 48 kHz.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Decode this packet.
    Play {
        /// The packet.
        #[serde(with = "crate::recording::media::length")]
        payload: Bytes,
        /// Its media time.
        timestamp: u64,
        /// Its length.
        samples: u32,
        /// How to play it.
        pace: Pace,
    },
    /// Decode the lost packet from the FEC in the one that follows it; without FEC the decoder conceals.
    Recover {
        /// The packet that follows; it is played next.
        #[serde(with = "crate::recording::media::length")]
        following: Bytes,
        /// The length of the lost one.
        samples: u32,
    },
    /// Let the decoder make up sound.
    Conceal {
        /// How much.
        samples: u32,
    },
    /// The sender is silent on purpose (DTX): let the decoder make up its background noise.
    ComfortNoise {
        /// How much.
        samples: u32,
    },
    /// Nothing to play yet, or not any more.
    Silence {
        /// How much.
        samples: u32,
    },
}

/// What a buffer counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioBufferCounts {
    /// Packets played.
    pub played: u64,
    /// Packets that came too late.
    pub late: u64,
    /// Packets that had come before.
    pub duplicates: u64,
    /// Packets dropped because the delay was far too long or the buffer full.
    pub dropped: u64,
    /// Packets recovered from FEC.
    pub recovered: u64,
    /// Samples made up without any help.
    pub concealed_samples: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum State {
    /// Nothing plays until the first packet has waited its delay.
    Filling,
    Playing,
}

/// Holds packets until they are due.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AudioJitterBuffer {
    settings: AudioBufferSettings,
    arrival: ArrivalModel,
    packets: BTreeMap<u64, AudioPacket>,
    state: State,
    /// The number of the next packet to play; those before are late.
    next_sequence: Option<u64>,
    next_timestamp: u64,
    packet_samples: u32,
    /// Made up since the last packet while nothing was there.
    waited: u32,
    /// The last packet said that silence follows.
    silent: bool,
    delay_sum: f64,
    delays: u32,
    delay: Duration,
    counts: AudioBufferCounts,
}

impl AudioJitterBuffer {
    /// An empty buffer.
    pub fn new(settings: AudioBufferSettings) -> Self {
        AudioJitterBuffer {
            settings,
            arrival: ArrivalModel::default(),
            packets: BTreeMap::new(),
            state: State::Filling,
            next_sequence: None,
            next_timestamp: 0,
            packet_samples: USUAL_PACKET,
            waited: 0,
            silent: false,
            delay_sum: 0.0,
            delays: 0,
            delay: Duration::ZERO,
            counts: AudioBufferCounts::default(),
        }
    }

    /// Takes a packet in. One whose turn is over is counted and dropped.
    pub fn insert(&mut self, packet: AudioPacket) {
        if opus::samples(&packet.payload).is_none() {
            return;
        }
        if self.next_sequence.is_some() && packet.timestamp.abs_diff(self.next_timestamp) > CLOCK_JUMP {
            self.restart();
        }
        self.arrival.record(packet.timestamp, packet.received_at);
        if self.next_sequence.is_some_and(|next| packet.sequence < next) {
            self.counts.late += 1;
            return;
        }
        if self.packets.insert(packet.sequence, packet).is_some() {
            self.counts.duplicates += 1;
        }
        if self.packets.len() > self.settings.packets {
            self.drop_first();
        }
    }

    /// What to play now. Time goes on by the samples of the decision.
    pub fn next(&mut self, now: Instant) -> Decision {
        if self.state == State::Filling && !self.begin(now) {
            return Decision::Silence { samples: STEP };
        }
        self.drop_excess(now);
        let next = self.next_sequence.unwrap_or_default();
        let Some((&sequence, head)) = self.packets.first_key_value() else {
            return self.wait();
        };
        if sequence == next {
            return match head.timestamp.saturating_sub(self.next_timestamp) {
                0 => self.play(now),
                gap => self.cross_pause(gap),
            };
        }
        let gap = head.timestamp.saturating_sub(self.next_timestamp);
        if gap <= u64::from(self.waited) {
            // What was lost has been made up for while nothing was there.
            self.skip_to_head();
            return self.play(now);
        }
        self.replace_lost(sequence - next)
    }

    /// The delay that is aimed at.
    pub fn target(&self) -> Duration {
        let wanted = self.arrival.spread() + Duration::from_millis(5);
        wanted.clamp(
            self.settings.min_delay,
            self.settings.max_delay.max(self.settings.min_delay),
        )
    }

    /// The present delay, averaged.
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// Media time waiting here.
    pub fn buffered(&self) -> Duration {
        let samples: u64 = self
            .packets
            .values()
            .filter_map(|p| opus::samples(&p.payload))
            .map(u64::from)
            .sum();
        Duration::from_micros(samples * 1_000_000 / u64::from(SAMPLE_RATE))
    }

    /// What was counted so far.
    pub fn counts(&self) -> AudioBufferCounts {
        self.counts
    }

    /// Starts with the first packet, once it has waited as long as the slowest are expected to take.
    fn begin(&mut self, now: Instant) -> bool {
        let Some((&sequence, head)) = self.packets.first_key_value() else {
            return false;
        };
        let timestamp = head.timestamp;
        let due = self
            .arrival
            .earliest(timestamp)
            .map(|earliest| earliest + self.target());
        if due.is_some_and(|due| now < due) {
            return false;
        }
        self.state = State::Playing;
        self.next_sequence = Some(sequence);
        self.next_timestamp = timestamp;
        self.waited = 0;
        self.silent = false;
        self.delays = 0;
        self.delay_sum = 0.0;
        true
    }

    fn play(&mut self, now: Instant) -> Decision {
        let Some((sequence, packet)) = self.packets.pop_first() else {
            return self.wait();
        };
        let samples = opus::samples(&packet.payload).unwrap_or(USUAL_PACKET);
        let pace = self.pace(now, packet.timestamp);
        self.packet_samples = samples;
        self.next_sequence = Some(sequence + 1);
        self.next_timestamp = packet.timestamp + u64::from(samples);
        self.waited = 0;
        self.silent = opus::is_silence(&packet.payload);
        self.counts.played += 1;
        Decision::Play {
            payload: packet.payload,
            timestamp: packet.timestamp,
            samples,
            pace,
        }
    }

    /// Averages the delay, and corrects it now and then.
    fn pace(&mut self, now: Instant, timestamp: u64) -> Pace {
        let Some(earliest) = self.arrival.earliest(timestamp) else {
            return Pace::Normal;
        };
        self.delay_sum += signed_nanos(earliest, now) as f64 / 1e9;
        self.delays += 1;
        if self.delays < CORRECTION_INTERVAL {
            return Pace::Normal;
        }
        let delay = (self.delay_sum / f64::from(self.delays)).max(0.0);
        self.delay = Duration::from_secs_f64(delay);
        (self.delay_sum, self.delays) = (0.0, 0);
        let target = self.target();
        if self.delay > target + self.settings.slack {
            Pace::Faster
        } else if self.delay + self.settings.min_delay / 4 < target {
            Pace::Slower
        } else {
            Pace::Normal
        }
    }

    /// Nothing is there. Time stands still, so that what comes late is still played.
    fn wait(&mut self) -> Decision {
        self.waited = self.waited.saturating_add(STEP);
        if self.silent {
            return Decision::ComfortNoise { samples: STEP };
        }
        if self.waited <= LONGEST_CONCEALMENT {
            self.counts.concealed_samples += u64::from(STEP);
            return Decision::Conceal { samples: STEP };
        }
        // The stream has stopped: when it goes on, it begins with a full buffer.
        self.state = State::Filling;
        Decision::Silence { samples: STEP }
    }

    /// The next packet is there but its time has not come: the sender left out silence (RFC 7587 §3.1.3).
    fn cross_pause(&mut self, gap: u64) -> Decision {
        if self.waited > 0 {
            // The pause was bridged while nothing was there; go on as after a stop.
            self.waited = 0;
            self.state = State::Filling;
            return Decision::ComfortNoise { samples: STEP };
        }
        let samples = u32::try_from(gap).unwrap_or(STEP).min(STEP);
        self.next_timestamp += u64::from(samples);
        Decision::ComfortNoise { samples }
    }

    /// `lost` packets are missing before the first that is there.
    fn replace_lost(&mut self, lost: u64) -> Decision {
        let samples = self.packet_samples;
        self.next_sequence = self.next_sequence.map(|next| next + 1);
        self.next_timestamp += u64::from(samples);
        match self.packets.first_key_value() {
            Some((_, following)) if lost == 1 => {
                // Unless its length differs, time must now be where the following packet begins.
                self.next_timestamp = following.timestamp;
                self.counts.recovered += 1;
                Decision::Recover {
                    following: following.payload.clone(),
                    samples,
                }
            }
            _ => {
                self.counts.concealed_samples += u64::from(samples);
                Decision::Conceal { samples }
            }
        }
    }

    fn skip_to_head(&mut self) {
        if let Some((&sequence, head)) = self.packets.first_key_value() {
            self.next_sequence = Some(sequence);
            self.next_timestamp = head.timestamp;
        }
    }

    /// The speaker stood still, or the network delivered a long pause at once.
    fn drop_excess(&mut self, now: Instant) {
        let limit = self.target() + self.settings.excess;
        let aim = self.target();
        let late = |model: &ArrivalModel, timestamp, by: Duration| {
            model
                .earliest(timestamp)
                .is_some_and(|earliest| earliest + by < now)
        };
        if !late(&self.arrival, self.next_timestamp, limit) {
            return;
        }
        while self.packets.len() > 1 && late(&self.arrival, self.next_timestamp, aim) {
            self.drop_first();
            self.skip_to_head();
        }
    }

    fn drop_first(&mut self) {
        if let Some((sequence, _)) = self.packets.pop_first() {
            self.counts.dropped += 1;
            self.next_sequence = self.next_sequence.map(|next| next.max(sequence + 1));
        }
    }

    /// The sender's clock has jumped: nothing learned of it holds.
    fn restart(&mut self) {
        self.packets.clear();
        self.arrival.reset();
        self.state = State::Filling;
        self.next_sequence = None;
    }
}

pub mod recorded;
#[cfg(test)]
mod tests;
