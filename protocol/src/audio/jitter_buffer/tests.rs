#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

const SPEECH: &[u8] = &[0xfc, 1, 2, 3];
const TICK: u64 = 10;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A playout with a clock of its own: every 10 ms the speaker takes 10 ms of sound.
struct Playout {
    start: Instant,
    buffer: AudioJitterBuffer,
    now_ms: u64,
    fifo: i64,
    decisions: Vec<Decision>,
}

impl Playout {
    fn new() -> Self {
        Playout {
            start: Instant::now(),
            buffer: AudioJitterBuffer::new(AudioBufferSettings::default()),
            now_ms: 0,
            fifo: 0,
            decisions: vec![],
        }
    }

    /// Packet `n` of 20 ms arrives.
    fn arrive(&mut self, n: u64, at_ms: u64) {
        self.arrive_as(n, n * 960, at_ms, SPEECH);
    }

    fn arrive_as(&mut self, sequence: u64, timestamp: u64, at_ms: u64, payload: &'static [u8]) {
        self.run_to(at_ms);
        self.buffer.insert(AudioPacket {
            sequence,
            timestamp: 1_000_000 + timestamp,
            payload: Bytes::from_static(payload),
            received_at: self.start + ms(at_ms),
        });
    }

    fn run_to(&mut self, until_ms: u64) {
        while self.now_ms < until_ms {
            while self.fifo < 480 {
                let decision = self.buffer.next(self.start + ms(self.now_ms));
                self.fifo += match &decision {
                    Decision::Play { samples, pace, .. } => {
                        // A voice of 200 Hz: one period is 240 samples.
                        i64::from(*samples)
                            + match pace {
                                Pace::Normal => 0,
                                Pace::Faster => -240,
                                Pace::Slower => 240,
                            }
                    }
                    Decision::Recover { samples, .. }
                    | Decision::Conceal { samples }
                    | Decision::ComfortNoise { samples }
                    | Decision::Silence { samples } => i64::from(*samples),
                };
                self.decisions.push(decision);
            }
            self.fifo -= 480;
            self.now_ms += TICK;
        }
    }

    fn count(&self, wanted: impl Fn(&Decision) -> bool) -> usize {
        self.decisions.iter().filter(|decision| wanted(decision)).count()
    }
}

#[test]
fn on_a_good_path_everything_is_played_after_a_short_delay() {
    let mut playout = Playout::new();
    for n in 0..500 {
        playout.arrive(n, n * 20 + 3);
    }
    let counts = playout.buffer.counts();
    assert!(counts.played >= 497, "{counts:?}");
    assert_eq!((counts.late, counts.concealed_samples, counts.dropped), (0, 0, 0));
    assert!(
        (ms(15)..ms(40)).contains(&playout.buffer.delay()),
        "{:?}",
        playout.buffer.delay()
    );
}

#[test]
fn a_lost_packet_is_recovered_from_the_next_and_a_burst_concealed_up_to_its_last() {
    let mut playout = Playout::new();
    for n in (0..200).filter(|n| *n != 50 && !(100..103).contains(n)) {
        playout.arrive(n, n * 20 + n % 2);
    }
    let counts = playout.buffer.counts();
    // While nothing is there yet sound is made up, which may cover a whole lost packet.
    assert!((1..=2).contains(&counts.recovered), "{counts:?}");
    assert!((960..=4 * 960).contains(&counts.concealed_samples), "{counts:?}");
    assert_eq!(counts.late, 0);
}

#[test]
fn jitter_makes_the_delay_grow_and_calm_makes_it_shrink() {
    let mut playout = Playout::new();
    for n in 0..500 {
        playout.arrive(n, n * 20 + [0, 0, 60, 41, 22, 3][n as usize % 6]);
    }
    let shaky = playout.buffer.delay();
    assert!((ms(50)..ms(110)).contains(&shaky), "{shaky:?}");
    let concealed = playout.buffer.counts().concealed_samples;
    for n in 500..1000 {
        playout.arrive(n, n * 20 + [0, 0, 60, 41, 22, 3][n as usize % 6]);
    }
    assert_eq!(
        playout.buffer.counts().concealed_samples,
        concealed,
        "in steady jitter nothing is made up"
    );
    for n in 1000..2000 {
        playout.arrive(n, n * 20);
    }
    let calm = playout.buffer.delay();
    assert!(calm <= ms(40), "{calm:?} after {shaky:?}");
}

#[test]
fn a_pause_of_the_network_is_bridged_and_nothing_that_came_late_is_lost() {
    let mut playout = Playout::new();
    for n in 0..100 {
        playout.arrive(n, n * 20);
    }
    for n in 100..105 {
        playout.arrive(n, 2100);
    }
    for n in 105..400 {
        playout.arrive(n, n * 20);
    }
    let counts = playout.buffer.counts();
    assert_eq!((counts.late, counts.dropped), (0, 0));
    assert!(counts.concealed_samples > 0 && counts.played >= 395, "{counts:?}");
    assert!(playout.buffer.delay() < ms(60), "{:?}", playout.buffer.delay());
}

#[test]
fn a_sender_whose_clock_stood_still_with_its_sound_is_heard_as_before() {
    let mut playout = Playout::new();
    for n in 0..100 {
        playout.arrive(n, n * 20);
    }
    playout.run_to(6000);
    let held = playout.buffer.counts();
    for n in 100..400 {
        playout.arrive(n, 4000 + n * 20);
    }
    let counts = playout.buffer.counts();
    assert_eq!(
        (counts.late, counts.dropped, counts.concealed_samples),
        (0, 0, held.concealed_samples)
    );
    assert!(playout.buffer.delay() < ms(40), "{:?}", playout.buffer.delay());
}

#[test]
fn a_silent_sender_is_no_loss() {
    let mut playout = Playout::new();
    for n in 0..50 {
        playout.arrive(n, n * 20);
    }
    // DTX: one tiny packet, then one every 400 ms.
    for n in 0..5 {
        playout.arrive_as(50 + n, 50 * 960 + n * 19_200, 1000 + n * 400, &[0xf8]);
    }
    for n in 0..50 {
        playout.arrive_as(55 + n, 50 * 960 + 5 * 19_200 + n * 960, 3000 + n * 20, SPEECH);
    }
    let counts = playout.buffer.counts();
    assert_eq!(
        (counts.concealed_samples, counts.late, counts.dropped),
        (0, 0, 0),
        "{counts:?}"
    );
    assert!(counts.played >= 102 && playout.count(|d| matches!(d, Decision::ComfortNoise { .. })) > 100);
}

#[test]
fn clocks_that_drift_apart_are_followed_without_gaps() {
    // 300 ppm, either way, for five minutes.
    for period_us in [19_994, 20_006] {
        let mut playout = Playout::new();
        for n in 0..15_000u64 {
            playout.run_to(n * period_us / 1000);
            let at = playout.start + Duration::from_micros(n * period_us);
            playout.buffer.insert(AudioPacket {
                sequence: n,
                timestamp: n * 960,
                payload: Bytes::from_static(SPEECH),
                received_at: at,
            });
        }
        let counts = playout.buffer.counts();
        assert!(
            counts.concealed_samples <= 4800 && counts.dropped == 0,
            "{period_us}: {counts:?}"
        );
        assert!(
            playout.buffer.delay() < ms(50),
            "{period_us}: {:?}",
            playout.buffer.delay()
        );
    }
}

#[test]
fn after_the_speaker_stood_still_old_sound_is_dropped() {
    let mut playout = Playout::new();
    for n in 0..50 {
        playout.arrive(n, n * 20);
    }
    playout.now_ms = 2000; // nobody asked for a second
    for n in 50..200 {
        let at = playout.start + ms(n * 20);
        if n * 20 < 2000 {
            playout.buffer.insert(AudioPacket {
                sequence: n,
                timestamp: 1_000_000 + n * 960,
                payload: Bytes::from_static(SPEECH),
                received_at: at,
            });
        } else {
            playout.arrive(n, n * 20);
        }
    }
    assert!(playout.buffer.counts().dropped > 40);
    assert!(playout.buffer.delay() < ms(60), "{:?}", playout.buffer.delay());
}

#[test]
fn a_packet_after_its_turn_is_late() {
    let mut playout = Playout::new();
    for n in (0..20).filter(|n| *n != 5) {
        playout.arrive(n, n * 20);
    }
    playout.arrive(5, 400);
    assert_eq!(playout.buffer.counts().late, 1);
}

proptest! {
    #[test]
    fn any_packets_are_safe(packets in proptest::collection::vec(
        (0u64..300, any::<u64>(), proptest::collection::vec(any::<u8>(), 0..4), 0u64..100), 0..300)) {
        let mut now = Instant::now();
        let mut buffer = AudioJitterBuffer::new(AudioBufferSettings { packets: 10, ..AudioBufferSettings::default() });
        for (sequence, timestamp, payload, wait) in packets {
            now += ms(wait);
            let timestamp = timestamp % (1 << 40);
            buffer.insert(AudioPacket { sequence, timestamp, payload: payload.into(), received_at: now });
            prop_assert!(buffer.packets.len() <= 10);
            buffer.next(now);
        }
    }
}
