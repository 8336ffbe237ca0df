#![allow(clippy::unwrap_used)]
use super::*;
use crate::congestion::sent_log::{SentLog, Size};
use crate::rtcp::remb::Remb;
use crate::rtp::payload::PayloadFormat;
use crate::time::MediaClock;

const OURS: u32 = 1;
const THEIRS: u32 = 2;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn reporter(now: Instant, local: u32, remote: u32) -> Reporter {
    let mut reporter = Reporter::new(ReporterSettings {
        cname: "ana".into(),
        streams: vec![StreamSettings::new(
            MediaKind::Video,
            PayloadFormat::Vp8,
            local,
            Some(remote),
        )],
        wall: WallClock::new(now, Duration::from_secs(1_800_000_000 + u64::from(local))),
        min_interval: ms(500),
        feedback_interval: Some(ms(50)),
        reduced_size: false,
        estimator: EstimatorSettings::default(),
        seed: u64::from(local),
    });
    assert_eq!(reporter.poll_output(), Some(Output::Available(1_500_000)));
    reporter
}

fn sent(now: Instant, ssrc: u32, octets: u32) -> SentFigures {
    let clock = MediaClock {
        rate: 90_000,
        base: now,
        base_timestamp: 1000,
    };
    SentFigures {
        ssrc,
        packets: 10,
        octets,
        clock,
    }
}

fn received(expected: u64, lost: u64) -> ReceptionFigures {
    ReceptionFigures {
        expected,
        received: expected - lost,
        highest_sequence: expected as u32,
        jitter: 90,
        clock_rate: 90_000,
    }
}

fn outputs(reporter: &mut Reporter) -> Vec<Output> {
    std::iter::from_fn(|| reporter.poll_output()).collect()
}

fn transmitted(reporter: &mut Reporter) -> Vec<Vec<u8>> {
    outputs(reporter)
        .into_iter()
        .filter_map(|output| match output {
            Output::Transmit(bytes) => Some(bytes),
            _ => None,
        })
        .collect()
}

#[test]
fn the_first_report_leaves_at_once_and_tells_time_and_name() {
    let now = Instant::now();
    let mut reporter = reporter(now, OURS, THEIRS);
    assert_eq!(reporter.next_timeout(), None, "nothing to report");
    reporter.sent(now, MediaKind::Video, sent(now, OURS, 1000));
    assert_eq!(reporter.next_timeout(), Some(now));
    reporter.handle_timeout(now);
    let packets = parse_compound(&transmitted(&mut reporter)[0]).unwrap();
    let RtcpPacket::SenderReport { ssrc, sent, reports } = &packets[0] else {
        panic!("{packets:?}")
    };
    assert_eq!(
        (*ssrc, sent.timestamp, sent.octets, reports.len()),
        (OURS, 1000, 1000, 0)
    );
    assert_eq!(
        packets[1],
        RtcpPacket::SourceDescription(vec![(OURS, "ana".into())])
    );
    let wait = reporter.next_timeout().unwrap() - now;
    assert!((ms(250)..=ms(750)).contains(&wait), "{wait:?}");
}

#[test]
fn two_ends_measure_the_round_trip_and_the_loss() {
    let start = Instant::now();
    let (mut ana, mut ben) = (reporter(start, OURS, THEIRS), reporter(start, THEIRS, OURS));
    ana.sent(start, MediaKind::Video, sent(start, OURS, 1000));
    ana.handle_timeout(start);
    // 30 ms there, Ben waits 200 ms, 30 ms back.
    ben.handle_datagram(start + ms(30), &transmitted(&mut ana)[0])
        .unwrap();
    let clock = SenderClock {
        ntp: ana.settings.wall.ntp(start),
        timestamp: 1000,
        rate: 90_000,
    };
    assert_eq!(
        outputs(&mut ben),
        [Output::Clock {
            kind: MediaKind::Video,
            clock
        }]
    );
    ben.received(start + ms(230), MediaKind::Video, OURS, received(100, 10));
    ben.handle_timeout(start + ms(230));
    ana.handle_datagram(start + ms(260), &transmitted(&mut ben)[0])
        .unwrap();
    let told = outputs(&mut ana);
    let Output::PeerReport { report, .. } = &told[0] else {
        panic!("{told:?}")
    };
    assert_eq!((report.lost, report.jitter_ms), (10, 1.0));
    assert!((report.fraction_lost - 0.1).abs() < 0.01);
    let off = ana.round_trip().unwrap().abs_diff(ms(60));
    assert!(off < Duration::from_micros(100), "{off:?}");
}

#[test]
fn a_capture_time_serves_until_the_first_sender_report() {
    let start = Instant::now();
    let (mut ana, mut ben) = (reporter(start, OURS, THEIRS), reporter(start, THEIRS, OURS));
    let captured = Captured {
        timestamp: 500,
        ntp: NtpTime(9 << 32),
    };
    ben.captured(MediaKind::Video, captured);
    ben.captured(MediaKind::Video, captured);
    let told = outputs(&mut ben);
    assert!(
        matches!(told[..], [Output::Clock { clock, .. }] if clock.ntp == captured.ntp && clock.timestamp == 500)
    );
    ana.sent(start, MediaKind::Video, sent(start, OURS, 1000));
    ana.handle_timeout(start);
    ben.handle_datagram(start, &transmitted(&mut ana)[0]).unwrap();
    assert_eq!(outputs(&mut ben).len(), 1);
    let later = Captured {
        timestamp: 600,
        ..captured
    };
    ben.captured(MediaKind::Video, later);
    assert_eq!(outputs(&mut ben), []);
}

#[test]
fn requests_reach_the_sender() {
    let now = Instant::now();
    let (mut ana, mut ben) = (reporter(now, OURS, THEIRS), reporter(now, THEIRS, OURS));
    ben.request_resend(MediaKind::Video, vec![65_535, 0]);
    ben.request_key_frame(now, MediaKind::Video);
    ben.request_key_frame(now, MediaKind::Audio); // not in this call
    for datagram in transmitted(&mut ben) {
        ana.handle_datagram(now, &datagram).unwrap();
    }
    let resend = Output::Resend {
        kind: MediaKind::Video,
        sequences: vec![65_535, 0],
    };
    assert_eq!(
        outputs(&mut ana),
        [
            resend,
            Output::ForceKeyFrame {
                kind: MediaKind::Video
            }
        ]
    );
}

/// The numbers of the intra requests in what was transmitted.
fn intra_requests(reporter: &mut Reporter) -> Vec<u8> {
    transmitted(reporter)
        .iter()
        .flat_map(|datagram| parse_compound(datagram).unwrap())
        .filter_map(|packet| match packet {
            RtcpPacket::FullIntraRequest { requests, .. } => Some(requests),
            RtcpPacket::PictureLoss { .. } => panic!("the peer takes none"),
            _ => None,
        })
        .flatten()
        .map(|(ssrc, number)| {
            assert_eq!(ssrc, THEIRS);
            number
        })
        .collect()
}

#[test]
fn a_peer_that_takes_only_intra_requests_gets_a_number_for_each_and_the_same_within_a_round_trip() {
    let start = Instant::now();
    let mut ana = reporter(start, OURS, THEIRS);
    ana.streams[0].settings.key_frames_by = KeyFramesBy::IntraRequest;
    // Nothing tells a repetition while the round trip is not known.
    for _ in 0..2 {
        ana.request_key_frame(start, MediaKind::Video);
    }
    ana.round_trip = Some(ms(100));
    for at in [99, 100, 199, 200, 5000] {
        ana.request_key_frame(start + ms(at), MediaKind::Video);
    }
    assert_eq!(intra_requests(&mut ana), [0, 1, 1, 2, 2, 3, 4]);

    for n in 5..257 {
        ana.request_key_frame(start + ms(5000 + n * 100), MediaKind::Video);
    }
    let numbers = intra_requests(&mut ana);
    assert_eq!((numbers[250], numbers[251]), (255, 0), "8 bits");

    let mut ben = reporter(start, THEIRS, OURS);
    ana.request_key_frame(start + ms(60_000), MediaKind::Video);
    ben.handle_datagram(start, &transmitted(&mut ana)[0]).unwrap();
    let kind = MediaKind::Video;
    assert_eq!(outputs(&mut ben), [Output::ForceKeyFrame { kind }]);
}

#[test]
fn an_intra_request_counts_once_however_often_it_is_sent() {
    let now = Instant::now();
    let mut reporter = reporter(now, OURS, THEIRS);
    for number in [4, 4, 5, 5] {
        let packet = RtcpPacket::FullIntraRequest {
            sender: THEIRS,
            requests: vec![(OURS, number)],
        };
        reporter.handle_datagram(now, &write_compound(&[packet])).unwrap();
    }
    assert_eq!(
        outputs(&mut reporter),
        [
            Output::ForceKeyFrame {
                kind: MediaKind::Video
            },
            Output::ForceKeyFrame {
                kind: MediaKind::Video
            }
        ]
    );
}

#[test]
fn requests_for_the_streams_of_others_are_ignored() {
    let now = Instant::now();
    let mut reporter = reporter(now, OURS, THEIRS);
    let packets = [
        RtcpPacket::Nack {
            sender: THEIRS,
            media: 77,
            sequences: vec![1],
        },
        RtcpPacket::PictureLoss {
            sender: THEIRS,
            media: 77,
        },
        RtcpPacket::Goodbye(vec![77]),
    ];
    reporter.handle_datagram(now, &write_compound(&packets)).unwrap();
    assert_eq!(outputs(&mut reporter), []);
    reporter
        .handle_datagram(now, &write_compound(&[RtcpPacket::Goodbye(vec![THEIRS])]))
        .unwrap();
    assert_eq!(outputs(&mut reporter), [Output::Goodbye]);
}

#[test]
fn heavy_loss_lowers_the_rate() {
    let start = Instant::now();
    let mut reporter = reporter(start, OURS, THEIRS);
    for n in 0..4u32 {
        let now = start + ms(u64::from(n) * 1000);
        reporter.sent(now, MediaKind::Video, sent(start, OURS, n * 150_000));
        let block = ReportBlock {
            ssrc: OURS,
            fraction_lost: 77,
            ..ReportBlock::default()
        };
        let report = RtcpPacket::ReceiverReport {
            ssrc: THEIRS,
            reports: vec![block],
        };
        reporter.handle_datagram(now, &write_compound(&[report])).unwrap();
    }
    let rates: Vec<u64> = outputs(&mut reporter)
        .iter()
        .filter_map(|output| match output {
            Output::Available(rate) => Some(*rate),
            _ => None,
        })
        .collect();
    assert!(rates.len() == 3 && rates[2] < 1_000_000, "{rates:?}");
}

#[test]
fn a_goodbye_is_a_whole_compound() {
    let now = Instant::now();
    let mut reporter = reporter(now, OURS, THEIRS);
    reporter.goodbye(now);
    let packets = parse_compound(&transmitted(&mut reporter)[0]).unwrap();
    assert!(matches!(
        packets[0],
        RtcpPacket::ReceiverReport { ssrc: OURS, .. }
    ));
    assert_eq!(packets[2], RtcpPacket::Goodbye(vec![OURS]));
}

fn arrivals(numbers: std::ops::Range<u16>, at: Instant) -> Vec<Arrival> {
    numbers.map(|sequence| Arrival { sequence, at }).collect()
}

#[test]
fn the_peer_is_told_what_came_in_short_intervals_between_the_reports() {
    let start = Instant::now();
    let mut ana = reporter(start, OURS, THEIRS);
    ana.arrived(start, &arrivals(0..3, start));
    assert_eq!(ana.next_timeout(), Some(start));
    ana.handle_timeout(start);
    let packets = parse_compound(&transmitted(&mut ana)[0]).unwrap();
    assert!(matches!(
        packets[0],
        RtcpPacket::ReceiverReport { ssrc: OURS, .. }
    ));
    assert!(matches!(packets[1], RtcpPacket::SourceDescription(_)));
    let RtcpPacket::TransportFeedback(feedback) = &packets[2] else {
        panic!("{packets:?}")
    };
    assert_eq!((feedback.sender, feedback.media), (OURS, THEIRS));
    assert_eq!(feedback.packets.len(), 3);

    ana.arrived(start + ms(10), &arrivals(3..5, start + ms(10)));
    assert_eq!(ana.next_timeout(), Some(start + ms(50)));
    ana.handle_timeout(start + ms(49));
    assert_eq!(outputs(&mut ana), []);
    ana.handle_timeout(start + ms(50));
    assert_eq!(transmitted(&mut ana).len(), 1);
    assert_eq!(ana.next_timeout(), None, "nothing more came, nothing to report");
}

#[test]
fn where_it_was_agreed_requests_and_feedback_go_without_a_report_in_front() {
    let now = Instant::now();
    let mut ana = Reporter::new(ReporterSettings {
        reduced_size: true,
        ..reporter(now, OURS, THEIRS).settings
    });
    ana.request_key_frame(now, MediaKind::Video);
    ana.arrived(now, &arrivals(0..3, now));
    ana.handle_timeout(now);
    let sizes: Vec<usize> = transmitted(&mut ana)
        .iter()
        .map(|datagram| parse_compound(datagram).unwrap().len())
        .collect();
    assert_eq!(sizes, [1, 1]);
    ana.sent(now, MediaKind::Video, sent(now, OURS, 1000));
    ana.handle_timeout(now);
    // RFC 5506 §4.1: reports stay whole compounds.
    assert_eq!(parse_compound(&transmitted(&mut ana)[0]).unwrap().len(), 2);
}

#[test]
fn where_no_feedback_was_agreed_none_is_sent() {
    let now = Instant::now();
    let mut ana = Reporter::new(ReporterSettings {
        feedback_interval: None,
        ..reporter(now, OURS, THEIRS).settings
    });
    ana.arrived(now, &arrivals(0..3, now));
    assert_eq!(ana.next_timeout(), None);
    ana.handle_timeout(now);
    assert_eq!(transmitted(&mut ana).len(), 0);
}

#[test]
fn the_peers_estimate_is_a_ceiling_and_that_of_other_streams_is_not() {
    let now = Instant::now();
    let mut ana = reporter(now, OURS, THEIRS);
    for (ssrc, bitrate) in [(77, 200_000), (OURS, 400_000), (OURS, 900_000)] {
        let remb = Remb {
            sender: THEIRS,
            bitrate,
            ssrcs: vec![ssrc],
        };
        ana.handle_datagram(now, &write_compound(&[RtcpPacket::Remb(remb)]))
            .unwrap();
    }
    assert_eq!(
        outputs(&mut ana),
        [
            Output::Ceiling(400_000),
            Output::Available(400_000),
            Output::Ceiling(900_000),
            Output::Available(900_000)
        ]
    );
}

#[test]
fn feedback_of_the_peer_is_passed_on_and_a_queue_it_shows_lowers_the_rate() {
    let now = Instant::now();
    let (mut ana, mut ben) = (reporter(now, OURS, THEIRS), reporter(now, THEIRS, OURS));
    let mut log = SentLog::default();
    let mut rates = vec![];
    for n in 0..80u16 {
        let sent_at = now + ms(10) * u32::from(n);
        let size = Size {
            total: 1200,
            picture: 1200,
        };
        log.sent(sent_at, size);
        // Each 3 ms later than the one before.
        let came = sent_at + ms(20) + ms(3) * u32::from(n);
        ben.arrived(came, &arrivals(n..n + 1, came));
        ben.handle_timeout(came);
        for datagram in transmitted(&mut ben) {
            ana.handle_datagram(came, &datagram).unwrap();
        }
        for output in outputs(&mut ana) {
            match output {
                Output::Feedback(feedback) => ana.delivered(came, &log.resolve(&feedback)),
                Output::Available(rate) => rates.push(rate),
                Output::Narrow(narrow) => assert!(narrow),
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(rates.last().is_some_and(|rate| *rate < 900_000), "{rates:?}");
}
