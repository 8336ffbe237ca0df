//! Which picture belongs to which sound, and when both should be out.
//!
//! Sender reports tie the media times of both streams to one clock, the sender's (RFC 3550 §6.4.1). The audio playout tells
//! when the sound of a media time is heard. From both follows when the sound that belongs to a picture is heard:
//! the picture waits if that is much later. Sound never waits for pictures: it already has the longer way.

use std::time::{Duration, Instant};

use roomrtc_protocol::MediaKind;
use roomrtc_protocol::time::{NtpTime, SenderClock};

use super::{ClockMapping, SoundHeard};

/// Bounds of the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Sound may be later than the picture by this.
    pub(super) tolerance: Duration,
    /// A picture never waits longer.
    pub(super) longest_wait: Duration,
}

/// A mark and its burst are one event if they are no further apart than this.
const SAME_SECOND: f64 = 450.0;

/// What is known about the two streams.
#[derive(Debug, Default)]
pub(super) struct LipSync {
    audio: Option<SenderClock>,
    video: Option<SenderClock>,
    heard: Option<SoundHeard>,
}

impl LipSync {
    pub(super) fn map(&mut self, mapping: ClockMapping) {
        let clock = SenderClock {
            ntp: NtpTime(mapping.ntp),
            timestamp: mapping.rtp_timestamp,
            rate: mapping.clock_rate,
        };
        match mapping.kind {
            MediaKind::Audio => self.audio = Some(clock),
            MediaKind::Video => self.video = Some(clock),
            // A screen is shown as it comes.
            MediaKind::Screen => {}
        }
    }

    pub(super) fn heard(&mut self, heard: SoundHeard) {
        self.heard = Some(heard);
    }

    /// When the sound that belongs to a picture is heard, as far as anybody knows.
    pub(super) fn sound_of(&self, picture_timestamp: u32) -> Option<Instant> {
        let (audio, video, heard) = (self.audio.as_ref()?, self.video.as_ref()?, self.heard?);
        let picture = video.ntp_of(picture_timestamp);
        let later = picture.nanos_since(audio.ntp_of(heard.rtp_timestamp));
        let distance = Duration::from_nanos(later.unsigned_abs());
        if later >= 0 {
            heard.at.checked_add(distance)
        } else {
            heard.at.checked_sub(distance)
        }
    }

    /// How long a picture that could be shown now should wait for its sound.
    pub(super) fn wait(&self, picture_timestamp: u32, now: Instant, bounds: Bounds) -> Duration {
        let Some(sound) = self.sound_of(picture_timestamp) else {
            return Duration::ZERO;
        };
        let late = sound.saturating_duration_since(now);
        late.saturating_sub(bounds.tolerance).min(bounds.longest_wait)
    }
}

/// Pairs the white border of a whole second with the burst of the same second.
#[derive(Debug, Default)]
pub(super) struct Marks {
    seen: Option<Instant>,
    heard: Option<Instant>,
}

impl Marks {
    /// The border was shown; answers by how many ms sound is late if the burst was heard already.
    pub(super) fn seen(&mut self, at: Instant) -> Option<f64> {
        self.seen = Some(at);
        self.pair()
    }

    /// The burst is heard then; answers by how many ms sound is late if the border was shown already.
    pub(super) fn heard(&mut self, at: Instant) -> Option<f64> {
        self.heard = Some(at);
        self.pair()
    }

    fn pair(&mut self) -> Option<f64> {
        let (seen, heard) = (self.seen?, self.heard?);
        let late = signed_ms(seen, heard);
        if late.abs() > SAME_SECOND {
            return None;
        }
        (self.seen, self.heard) = (None, None);
        Some(late)
    }
}

/// Milliseconds from one instant to another.
pub(super) fn signed_ms(from: Instant, to: Instant) -> f64 {
    let later = to.saturating_duration_since(from).as_secs_f64();
    let earlier = from.saturating_duration_since(to).as_secs_f64();
    (later - earlier) * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    const BOUNDS: Bounds = Bounds {
        tolerance: Duration::from_millis(30),
        longest_wait: Duration::from_millis(250),
    };

    /// Both streams began at second 7 of the sender's clock; the sound of second 8 is heard at `heard`.
    fn known(heard: Instant) -> LipSync {
        let mut sync = LipSync::default();
        sync.map(ClockMapping {
            kind: MediaKind::Audio,
            rtp_timestamp: u32::MAX - 1000,
            ntp: 7 << 32,
            clock_rate: 48_000,
        });
        sync.map(ClockMapping {
            kind: MediaKind::Video,
            rtp_timestamp: 5_000,
            ntp: 7 << 32,
            clock_rate: 90_000,
        });
        sync.heard(SoundHeard {
            rtp_timestamp: (u32::MAX - 1000).wrapping_add(48_000),
            at: heard,
        });
        sync
    }

    #[test]
    fn a_picture_waits_until_its_sound_is_no_more_than_the_tolerance_late() {
        let now = Instant::now();
        let sync = known(now + ms(100));
        let picture = 5_000 + 90_000;
        assert_eq!(sync.wait(picture, now, BOUNDS), ms(70));
        assert_eq!(sync.wait(picture, now + ms(80), BOUNDS), ms(0));
    }

    #[test]
    fn the_sound_of_an_earlier_or_later_picture_is_heard_earlier_or_later() {
        let now = Instant::now() + ms(5000);
        let sync = known(now);
        let off = |timestamp| signed_ms(now, sync.sound_of(timestamp).expect("all is known"));
        assert!((off(5_000 + 90_000 + 3_000) - 33.333).abs() < 0.01);
        assert!((off(5_000) + 1000.0).abs() < 0.01);
    }

    #[test]
    fn nobody_waits_for_long_or_without_knowing() {
        let now = Instant::now();
        assert_eq!(LipSync::default().wait(5_000, now, BOUNDS), ms(0));
        assert_eq!(known(now + ms(3000)).wait(5_000 + 90_000, now, BOUNDS), ms(250));
    }

    #[test]
    fn a_border_is_paired_with_the_burst_of_its_own_second() {
        let start = Instant::now() + ms(5000);
        let mut marks = Marks::default();
        assert_eq!(marks.seen(start), None);
        let late = marks.heard(start + ms(25)).expect("the same second");
        assert!((late - 25.0).abs() < 0.01);
        assert_eq!(marks.heard(start + ms(1000)), None);
        let late = marks.seen(start + ms(1040)).expect("the same second");
        assert!((late + 40.0).abs() < 0.01);
        assert_eq!(marks.seen(start + ms(2000)), None);
        assert_eq!(marks.heard(start + ms(3000)), None, "one of each was lost");
    }
}
