#![allow(clippy::unwrap_used)]
use super::*;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Numbers and the milliseconds at which they came.
fn record(arrivals: &mut Arrivals, start: Instant, came: &[(u16, u64)]) {
    for &(sequence, at) in came {
        arrivals.record(Arrival {
            sequence,
            at: start + ms(at),
        });
    }
}

fn told(arrivals: &mut Arrivals) -> Vec<TransportFeedback> {
    std::iter::from_fn(|| arrivals.feedback(1, 2)).collect()
}

#[test]
fn the_peer_is_told_once_what_came_and_when() {
    let start = Instant::now();
    let mut arrivals = Arrivals::default();
    assert!(!arrivals.any());
    record(&mut arrivals, start, &[(65_534, 0), (65_535, 10), (1, 70)]);
    assert!(arrivals.any());
    let first = told(&mut arrivals);
    assert_eq!(first.len(), 1);
    assert_eq!(
        (first[0].base, first[0].reference, first[0].count),
        (65_534, 0, 0)
    );
    assert_eq!(first[0].packets, [Some(0), Some(40), None, Some(240)]);
    assert!(!arrivals.any() && told(&mut arrivals).is_empty());

    record(&mut arrivals, start, &[(4, 130)]);
    let second = told(&mut arrivals);
    assert_eq!((second[0].base, second[0].reference, second[0].count), (2, 2, 1));
    assert_eq!(second[0].packets, [None, None, Some(8)]);
}

#[test]
fn a_late_packet_is_told_together_with_those_behind_it() {
    let start = Instant::now();
    let mut arrivals = Arrivals::default();
    record(&mut arrivals, start, &[(10, 0), (12, 20)]);
    told(&mut arrivals);
    record(&mut arrivals, start, &[(11, 30), (11, 31), (10, 32)]);
    let again = told(&mut arrivals);
    assert_eq!((again.len(), again[0].base), (1, 11));
    assert_eq!(again[0].packets, [Some(120), Some(-40)]);
}

#[test]
fn after_a_pause_there_is_another_reference() {
    let start = Instant::now();
    let mut arrivals = Arrivals::default();
    record(&mut arrivals, start, &[(1, 0), (2, 64_000)]);
    let told = told(&mut arrivals);
    assert_eq!(told.len(), 2);
    assert_eq!((told[1].base, told[1].reference, told[1].count), (2, 1000, 1));
    assert_eq!(told[1].packets, [Some(0)]);
}

#[test]
fn however_much_came_each_feedback_fits_a_datagram_and_nothing_is_left_out() {
    let start = Instant::now();
    let mut arrivals = Arrivals::default();
    for n in 0..1500u16 {
        // Every other 100 ms later than the one before, so that each time takes two bytes.
        record(&mut arrivals, start, &[(n, u64::from(n % 2) * 100)]);
    }
    let told = told(&mut arrivals);
    let mut next = 0;
    for feedback in &told {
        assert_eq!(feedback.base, next);
        next += feedback.packets.len() as u16;
        let mut bytes = vec![];
        feedback.write(&mut bytes);
        assert!(bytes.len() < 1100, "{}", bytes.len());
        assert!(feedback.packets.iter().all(Option::is_some));
    }
    assert_eq!(next, 1500);
}

#[test]
fn a_gap_too_wide_for_a_feedback_is_passed_over() {
    let start = Instant::now();
    let mut arrivals = Arrivals::default();
    record(&mut arrivals, start, &[(0, 0)]);
    told(&mut arrivals);
    record(&mut arrivals, start, &[(2500, 10), (2501, 11)]);
    let told = told(&mut arrivals);
    assert_eq!((told.len(), told[0].base), (1, 2500));
    assert_eq!(told[0].packets.len(), 2);
}

#[test]
fn what_is_remembered_has_a_bound_and_is_forgotten_with_time() {
    let start = Instant::now();
    let mut arrivals = Arrivals::default();
    for n in 0..3000u16 {
        record(&mut arrivals, start, &[(n, 0)]);
    }
    assert_eq!(arrivals.came.len(), MAX_REMEMBERED);
    let first = told(&mut arrivals).remove(0);
    assert_eq!(usize::from(first.base), 3000 - MAX_REMEMBERED);
    record(&mut arrivals, start, &[(3000, 1000)]);
    let second = told(&mut arrivals).remove(0);
    // 1000 ms are 15 units of 64 ms and 160 ticks.
    assert_eq!((second.reference, &second.packets[..]), (15, &[Some(160)][..]));
    assert_eq!(arrivals.came.len(), 1);
}
