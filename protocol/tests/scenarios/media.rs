//! Stories of pictures and sound on bad networks.

use std::time::{Duration, Instant};

use roomrtc_protocol::VideoCodec::{H264, Vp8};
use roomrtc_protocol::audio::jitter_buffer::Decision;

use crate::call::Call;
use crate::link::{Link, ms, percent, seed};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The same both ways.
fn both(seed: u64, shape: impl Fn(Link) -> Link) -> impl FnOnce(Instant) -> (Link, Link) {
    move |_| (shape(Link::new(seed)), shape(Link::new(seed + 1)))
}

/// All pictures but the last ones, which may be under way.
fn assert_all_seen(call: &Call) {
    let seen = call.seen();
    assert!(call.pictures_sent.len() > 100, "{}", call.pictures_sent.len());
    assert!(
        seen.len() + 15 >= call.pictures_sent.len(),
        "{} of {}",
        seen.len(),
        call.pictures_sent.len()
    );
    assert!(
        seen.iter().enumerate().all(|(n, at)| n == *at),
        "none was left out"
    );
}

#[test]
fn on_a_clean_path_every_picture_arrives_at_once() {
    let seed = seed(1);
    let mut call = Call::new(seed, H264, both(seed, |link| link.delay(ms(10))));
    call.run(secs(5));
    assert_all_seen(&call);
    let slowest = call
        .pictures
        .iter()
        .zip(&call.pictures_sent)
        .map(|(seen, sent)| seen.at - sent.at)
        .max()
        .unwrap();
    assert!(
        slowest <= ms(10 + 5),
        "spreading a key frame takes at most 5 ms: {slowest:?}"
    );
    assert_eq!((call.nacks, call.plis, call.resent), (0, 0, 0));
    assert!(call.round_trip.abs_diff(ms(20)) < ms(3), "{:?}", call.round_trip);
}

#[test]
fn at_five_percent_loss_every_picture_arrives_whole() {
    for (codec, rtx) in [(H264, true), (Vp8, true), (H264, false), (Vp8, false)] {
        let seed = seed(2);
        let shape = |link: Link| link.delay(ms(25)).jitter(ms(4)).loss(percent(5.0));
        let mut call = Call::new(seed, codec, both(seed, shape));
        if !rtx {
            call = call.without_rtx();
        }
        call.run(secs(20));
        assert_all_seen(&call);
        assert!(
            call.resent > 50 && call.plis == 0,
            "{} resent, {} PLI",
            call.resent,
            call.plis
        );
        // A repaired packet costs a round trip and the wait for the next picture, more only if lost again.
        let mut delays: Vec<_> = call
            .pictures
            .iter()
            .zip(&call.pictures_sent)
            .map(|(p, s)| p.at - s.at)
            .collect();
        delays.sort();
        assert!(
            delays[delays.len() * 19 / 20] < ms(250),
            "{:?}",
            delays[delays.len() * 19 / 20]
        );
    }
}

#[test]
fn a_reordering_path_is_no_lossy_path() {
    let seed = seed(3);
    let mut call = Call::new(seed, Vp8, both(seed, |link| link.delay(ms(20)).jitter(ms(5))));
    call.run(secs(10));
    assert_all_seen(&call);
    assert_eq!((call.nacks, call.plis), (0, 0));
}

#[test]
fn counts_wrap_in_the_middle_of_it_all() {
    let seed = seed(4);
    let shape = |link: Link| link.delay(ms(20)).jitter(ms(10)).loss(percent(5.0));
    let mut call = Call::new(seed, H264, both(seed, shape)).near_the_wraps();
    call.run(secs(10));
    assert_all_seen(&call);
    let sequences: Vec<u64> = call.sounds.iter().map(|sound| sound.sequence).collect();
    assert!(sequences.iter().max().unwrap() - sequences.iter().min().unwrap() >= 490);
    assert!(call.speaker.counts().late * 20 < call.sounds.len() as u64);
    let (_, figures) = call.receivers[1].figures().unwrap();
    assert!(figures.highest_sequence > 1 << 16, "a whole cycle and more");
}

#[test]
fn after_an_outage_the_picture_returns_with_a_key_frame_and_is_never_broken() {
    let seed = seed(5);
    let mut call = Call::new(seed, H264, |start| {
        let outage = start + ms(2000)..start + ms(3500);
        let link = |seed| Link::new(seed).delay(ms(20)).outage(outage.clone());
        (link(seed), link(seed + 1))
    });
    call.run(secs(6));
    let seen = call.seen();
    let back = call
        .pictures
        .iter()
        .find(|picture| picture.at > call.start + ms(3500))
        .unwrap();
    assert!(
        back.key && back.at < call.start + ms(3500 + 700),
        "{:?}",
        back.at - call.start
    );
    assert!((1..=5).contains(&call.plis), "{}", call.plis);
    let jump = seen.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    assert_eq!(jump, 1, "one freeze");
}

#[test]
fn a_key_frame_lost_with_all_its_repairs_is_replaced_by_another() {
    let seed = seed(6);
    // Ana's first pictures vanish; what comes first at Ben's is no key frame.
    let mut call = Call::new(seed, Vp8, |start| {
        (
            Link::new(seed).delay(ms(20)).outage(start..start + ms(100)),
            Link::new(seed + 1).delay(ms(20)),
        )
    });
    call.run(secs(3));
    let seen = call.seen();
    assert!(call.pictures[0].key && seen[0] > 0);
    assert!(
        call.pictures[0].at < call.start + ms(250),
        "{:?}",
        call.pictures[0].at - call.start
    );
    assert!(seen.windows(2).all(|pair| pair[1] == pair[0] + 1));
    assert_eq!(call.plis, 1);
}

#[test]
fn at_thirty_percent_loss_pictures_go_on_and_the_rate_falls() {
    let seed = seed(7);
    let shape = |link: Link| link.delay(ms(30)).jitter(ms(10)).loss(percent(30.0));
    let mut call = Call::new(seed, Vp8, both(seed, shape));
    call.run(secs(20));
    let seen = call.seen();
    assert!(
        seen.len() * 3 > call.pictures_sent.len(),
        "{} of {}",
        seen.len(),
        call.pictures_sent.len()
    );
    assert!(*call.available.last().unwrap() < 700_000, "{:?}", call.available);
}

#[test]
fn lost_sound_is_recovered_or_concealed_and_counted() {
    let seed = seed(8);
    let shape = |link: Link| link.delay(ms(20)).jitter(ms(10)).loss(percent(10.0));
    let mut call = Call::new(seed, Vp8, both(seed, shape));
    call.run(secs(30));
    let lost = (call.sounds_sent.len() - call.sounds.len()) as u64;
    let counts = call.speaker.counts();
    let replaced = counts.recovered + counts.concealed_samples.div_ceil(960);
    assert!(
        (lost * 8 / 10..=lost * 12 / 10 + 5).contains(&replaced),
        "{lost} lost, {counts:?}"
    );
    assert!(
        counts.recovered > counts.concealed_samples / 960,
        "most are single losses: {counts:?}"
    );
    assert_eq!((counts.late, counts.dropped), (0, 0));
    let silent = call
        .decisions
        .iter()
        .filter(|d| matches!(d, Decision::Silence { .. }))
        .count();
    assert!(silent <= 6, "only before the first packet: {silent}");
}

#[test]
fn sound_and_picture_are_lined_up_within_a_millisecond() {
    let seed = seed(9);
    let mut call = Call::new(
        seed,
        H264,
        both(seed, |link| link.delay(ms(40)).jitter(ms(20)).loss(percent(2.0))),
    );
    call.run(secs(10));
    let [sound_clock, picture_clock] = call.clocks.map(Option::unwrap);
    let wall = call.wall();
    for picture in &call.pictures_sent {
        let off = picture_clock
            .ntp_of(picture.timestamp)
            .nanos_since(wall.ntp(picture.at));
        assert!(off.abs() < 1_000_000, "picture {off} ns off");
    }
    let first = call.sounds[0].sequence;
    for sound in &call.sounds {
        let Some(at) = call.sounds_sent.get((sound.sequence - first) as usize) else {
            break;
        };
        let off = sound_clock
            .ntp_of(sound.timestamp as u32)
            .nanos_since(wall.ntp(*at));
        assert!(off.abs() < 1_000_000, "sound {off} ns off");
    }
}

#[test]
fn when_the_path_narrows_pictures_are_not_late_for_long() {
    let seed = seed(9);
    // 3 Mbit/s for 6 s, 0.6 Mbit/s for 14 s, then 3 again.
    let mut call = Call::new(seed, Vp8, |start| {
        let there = Link::new(seed)
            .delay(ms(25))
            .bottleneck(start, 3_000_000.0)
            .bottleneck(start + ms(6000), 600_000.0)
            .bottleneck(start + ms(20_000), 3_000_000.0);
        (there, Link::new(seed + 1).delay(ms(25)))
    });
    call.run(secs(6));
    let before = *call.available.last().unwrap();
    call.run(secs(14));
    let narrow = *call.available.last().unwrap();
    assert!(before > 1_500_000 && narrow < 600_000, "{before}, then {narrow}");
    // Once the rate has followed, pictures come within a quarter of a second.
    let settled = call.start + ms(10_000);
    let late = |call: &Call, from: Instant| {
        let came = call.pictures.iter().filter(|picture| picture.at > from);
        let sent_at = |timestamp| {
            call.pictures_sent
                .iter()
                .find(|sent| sent.timestamp == timestamp)
                .unwrap()
                .at
        };
        let mut delays: Vec<_> = came
            .map(|picture| picture.at - sent_at(picture.timestamp))
            .collect();
        delays.sort();
        (delays.len(), delays[delays.len() * 19 / 20])
    };
    let (pictures, slowest) = late(&call, settled);
    assert!(
        pictures > 200 && slowest < ms(250),
        "{pictures} pictures, {slowest:?}"
    );
    call.run(secs(20));
    let after = *call.available.last().unwrap();
    assert!(after > 2 * narrow, "{narrow}, then {after}");
}
