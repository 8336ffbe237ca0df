//! What the components of a call count. The counters outlive the components: a restart loses no figure.
//!
//! Written by the actors with plain atomics, read once a second by [`stats`](crate::stats).

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use roomrtc_protocol::MediaKind;

use crate::stats::{Quantiles, RtcpStats};

/// Everything counted in one call; shared as `Arc<Counters>`.
#[derive(Default)]
pub struct Counters {
    /// Pictures.
    pub video: VideoCounters,
    /// Sound.
    pub audio: Arc<AudioCounters>,
    /// RTP and its feedback, video.
    pub video_rtp: RtpCounters,
    /// RTP and its feedback, audio.
    pub audio_rtp: Arc<RtpCounters>,
    /// The path between the peers.
    pub transport: Arc<TransportCounters>,
}

impl Counters {
    /// For pictures of a screen: theirs are counted apart, whatever else they touch with the rest of the call.
    pub fn of_screen(&self) -> Self {
        Counters {
            audio: self.audio.clone(),
            audio_rtp: self.audio_rtp.clone(),
            transport: self.transport.clone(),
            ..Counters::default()
        }
    }

    /// The RTP figures of a medium.
    pub fn rtp(&self, kind: MediaKind) -> &RtpCounters {
        match kind {
            MediaKind::Audio => &self.audio_rtp,
            MediaKind::Video | MediaKind::Screen => &self.video_rtp,
        }
    }

    /// What pictures may take of the path, bit/s, once it is known, and whether the path is narrow.
    pub fn allowed(&self) -> Option<(u64, bool)> {
        let kbps = self.transport.available_kbps.known()?;
        Some(((kbps * 1000.0) as u64, self.transport.narrow.load(Relaxed)))
    }

    /// The round trip, once it has been measured.
    pub fn round_trip(&self) -> Option<Duration> {
        let millis = self.transport.rtt_ms.known()?;
        Duration::try_from_secs_f64(millis / 1000.0).ok()
    }
}

/// Pictures, from the camera to the screen.
#[derive(Default)]
pub struct VideoCounters {
    /// What is sent: `h264` or `vp8`.
    pub codec: Text,
    /// What is received.
    pub codec_received: Text,
    /// Size of the last decoded picture.
    pub width: Count,
    /// Size of the last decoded picture.
    pub height: Count,
    /// Pictures from the camera.
    pub captured: Count,
    /// Pictures encoded.
    pub encoded: Count,
    /// Whole pictures received.
    pub received: Count,
    /// Pictures decoded.
    pub decoded: Count,
    /// Pictures that reached the screen's slot.
    pub shown: Count,
    /// Pictures handed to the network.
    pub sent: Beat,
    /// Pictures handed to the screen.
    pub on_screen: Beat,
    /// Pictures given up before the screen, for a newer one was there.
    pub skipped: Count,
    /// Freezes (see [`VideoStats::freezes`](crate::stats::VideoStats::freezes)).
    pub freezes: Count,
    /// Time in freezes, ms.
    pub freeze_ms: Count,
    /// Camera to screen, ms, from the barcode.
    pub glass_to_glass_ms: Samples,
    /// Barcodes read from shown pictures.
    pub barcodes_read: Count,
    /// Barcoded pictures shown out of order or with a broken check.
    pub barcode_errors: Count,
}

/// Sound, from the microphone to the speaker.
#[derive(Default)]
pub struct AudioCounters {
    /// Level of the captured sound, dBFS.
    pub input_level_dbfs: Gauge,
    /// By how much echo is made softer, dB; 0 without any.
    pub echo_return_loss_enhancement_db: Gauge,
    /// Level of the played sound, dBFS.
    pub level_dbfs: Gauge,
    /// Packets decoded.
    pub decoded: Count,
    /// Packets handed to the network.
    pub sent: Beat,
    /// Packets played.
    pub played: Beat,
    /// Sound made up for lost packets, ms.
    pub concealed_ms: Count,
    /// Present delay of the jitter buffer, ms.
    pub jitter_buffer_ms: Gauge,
    /// Sound relative to picture, ms, measured.
    pub lip_sync_ms: Gauge,
    /// Frequency of the loudest tone in the played sound, Hz; 0 without one.
    pub tone_hz: Gauge,
}

/// One medium's RTP streams.
#[derive(Default)]
pub struct RtpCounters {
    /// Packets sent.
    pub packets_sent: Count,
    /// RTP bytes sent.
    pub bytes_sent: Count,
    /// Packets received.
    pub packets_received: Count,
    /// RTP bytes received.
    pub bytes_received: Count,
    /// Lost on the way here (RFC 3550 §6.4.1).
    pub lost: Signed,
    /// Too late to be used.
    pub late: Count,
    /// Packets that failed authentication, replay protection or parsing.
    pub refused: Count,
    /// Interarrival jitter, ms.
    pub jitter_ms: Gauge,
    /// Packets asked for again.
    pub nack: Count,
    /// Packets sent again.
    pub resent: Count,
    /// Key frames asked for.
    pub pli: Count,
    /// Key frames the peer asked for.
    pub pli_received: Count,
}

/// The path between the peers.
#[derive(Default)]
pub struct TransportCounters {
    /// Round trip, ms; 0 before it is known.
    pub rtt_ms: Gauge,
    /// Whether the path has shown a queue at the rate that is allowed.
    pub narrow: AtomicBool,
    /// Transport-wide feedback of the peer.
    pub feedback_received: Count,
    /// Transport-wide feedback to the peer.
    pub feedback_sent: Count,
    /// Our address of the selected pair.
    pub local: Text,
    /// The peer's address of the selected pair.
    pub remote: Text,
    /// Candidate types of the selected pair.
    pub pair: Text,
    /// DTLS version and cipher suite.
    pub dtls: Text,
    /// SRTP protection profile.
    pub srtp: Text,
    /// What congestion control allows, kbit/s.
    pub available_kbps: Gauge,
    /// What the peer takes at most, by its last estimate, kbit/s.
    pub remb_kbps: Gauge,
    /// Datagrams sent.
    pub datagrams_sent: Count,
    /// Datagrams received.
    pub datagrams_received: Count,
    /// Datagrams that were nothing we know, or came before they could be used.
    pub datagrams_dropped: Count,
    /// Streams to us that were closed: there were too many, or they did not begin with a check.
    pub streams_refused: Count,
    /// RTCP packets that failed authentication, replay protection or parsing.
    pub rtcp_refused: Count,
    /// Handshake records the guard refused.
    pub dtls_refused: Count,
    /// Reports from the peer about what we send.
    pub reports_received: Mutex<RtcpStats>,
    /// Our reports about what we receive.
    pub reports_sent: Mutex<RtcpStats>,
}

/// A number that only grows.
#[derive(Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds one.
    pub fn one(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Replaces the number (for sizes and totals kept elsewhere).
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The present number.
    pub fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A whole number that may shrink.
#[derive(Default)]
pub struct Signed(AtomicI64);

impl Signed {
    /// Replaces the number.
    pub fn set(&self, n: i64) {
        self.0.store(n, Relaxed);
    }

    /// The present number.
    pub fn now(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// A measured value; 0 until set.
#[derive(Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Replaces the value.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    /// The present value.
    pub fn now(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }

    /// The present value, if it was ever set.
    pub fn known(&self) -> Option<f64> {
        let bits = self.0.load(Relaxed);
        (bits != 0).then(|| f64::from_bits(bits))
    }
}

/// Something that happens again and again, and the longest pause in it, for two readers.
pub struct Beat {
    epoch: Instant,
    /// Microseconds since the epoch; 0 before the first.
    last: AtomicU64,
    longest_of_second: AtomicU64,
    longest_since_death: AtomicU64,
}

impl Default for Beat {
    fn default() -> Self {
        Beat {
            epoch: Instant::now(),
            last: AtomicU64::new(0),
            longest_of_second: AtomicU64::new(0),
            longest_since_death: AtomicU64::new(0),
        }
    }
}

impl Beat {
    /// It happened.
    pub fn mark(&self, now: Instant) {
        let at = self.micros(now);
        let last = self.last.swap(at, Relaxed);
        if last != 0 {
            let pause = at.saturating_sub(last);
            self.longest_of_second.fetch_max(pause, Relaxed);
            self.longest_since_death.fetch_max(pause, Relaxed);
        }
    }

    /// Time since it happened last, if ever.
    pub fn pause(&self) -> Option<Duration> {
        let last = self.last.load(Relaxed);
        (last != 0).then(|| Duration::from_micros(self.micros(Instant::now()).saturating_sub(last)))
    }

    /// The longest pause that ended since the last time, for the figures of a second.
    pub fn take_longest_of_second(&self) -> Option<Duration> {
        taken(&self.longest_of_second)
    }

    /// The longest pause that ended since the last time, for what a death cost.
    pub fn take_longest_since_death(&self) -> Option<Duration> {
        taken(&self.longest_since_death)
    }

    fn micros(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.epoch).as_micros() as u64 + 1
    }
}

fn taken(longest: &AtomicU64) -> Option<Duration> {
    let longest = longest.swap(0, Relaxed);
    (longest != 0).then(|| Duration::from_micros(longest))
}

/// A short text; empty until set.
#[derive(Default)]
pub struct Text(Mutex<String>);

impl Text {
    /// Replaces the text.
    pub fn set(&self, text: impl Into<String>) {
        *lock(&self.0) = text.into();
    }

    /// The present text.
    pub fn now(&self) -> String {
        lock(&self.0).clone()
    }
}

/// More samples than one second brings at 120 pictures a second; further ones replace the oldest.
const SAMPLES: usize = 240;

/// Samples since they were last taken.
#[derive(Default)]
pub struct Samples(Mutex<Vec<f64>>);

impl Samples {
    /// Adds a sample.
    pub fn add(&self, value: f64) {
        let mut samples = lock(&self.0);
        if samples.len() == SAMPLES {
            samples.remove(0);
        }
        samples.push(value);
    }

    /// Takes the samples out and tells their quantiles; `None` without any.
    pub fn take(&self) -> Option<Quantiles> {
        let mut samples = std::mem::take(&mut *lock(&self.0));
        samples.sort_by(f64::total_cmp);
        let at = |q: f64| {
            samples
                .get(((samples.len() - 1) as f64 * q).round() as usize)
                .copied()
        };
        if samples.is_empty() {
            None
        } else {
            Some(Quantiles {
                p50: at(0.5)?,
                p95: at(0.95)?,
            })
        }
    }
}

/// Counters stay usable after a panic elsewhere: each holds whole values only.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_a_second_are_taken_once() {
        let samples = Samples::default();
        assert_eq!(samples.take(), None);
        (1..=100).for_each(|n| samples.add(f64::from(n)));
        let taken = samples.take().expect("there are samples");
        assert!(
            (50.0..=51.0).contains(&taken.p50) && (95.0..=96.0).contains(&taken.p95),
            "{taken:?}"
        );
        assert_eq!(samples.take(), None, "taken means gone");
    }

    #[test]
    fn samples_are_bounded() {
        let samples = Samples::default();
        (0..10 * SAMPLES).for_each(|n| samples.add(n as f64));
        assert!(
            samples.take().expect("samples").p50 > (9 * SAMPLES) as f64,
            "the oldest made room"
        );
    }

    #[test]
    fn the_longest_pause_counts_the_one_that_was_under_way() {
        let (beat, start) = (Beat::default(), Instant::now());
        let ms = Duration::from_millis;
        assert_eq!(beat.take_longest_since_death(), None);
        beat.mark(start);
        beat.mark(start + ms(20));
        beat.take_longest_since_death();
        beat.mark(start + ms(140));
        beat.mark(start + ms(160));
        assert_eq!(beat.take_longest_since_death(), Some(ms(120)));
        assert_eq!(
            beat.take_longest_of_second(),
            Some(ms(120)),
            "each reader has its own"
        );
        assert_eq!(beat.take_longest_of_second(), None, "taken means gone");
    }
}
