//! The document and the lines say the same.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roomrtc_actors::stats::{ActorStats, MediaGaps, Quantiles};
use roomrtc_actors::ui_bridge::data::DataEvent;
use roomrtc_protocol::data_channel::Message;
use roomrtc_protocol::data_channel::dcep::Reliability;
use roomrtc_protocol::sctp::Limit;
use roomrtc_protocol::signaling::messages::{OpenInvite, Presence};
use serde_json::Value;

use super::*;

const DOCUMENT: &str = include_str!("../../../docs/headless.md");

/// An actor's mailbox as it is, with every field it can have.
fn actor() -> MeterView {
    let json = r#"{"id":1,"name":"x","parent":0,"strategy":"x","thread":"x","resume":"x","status":"running","lives":1,
        "depth":0,"deepest":0,"busy":{"kind":"x","for_ns":1},"last_error":"x","senders":[[1,1]],
        "kinds":[{"name":"x","room":"always","accepted":1,"handled":1,"dropped":0,"dead":0,"waiting":0,
        "wait_ns":[1,1,1],"work_ns":[1,1,1]}],
        "notes":[{"at_ns":1,"kind":"x","from":0,"wait_ns":1,"work_ns":1,"brief":"x"}]}"#;
    serde_json::from_str(json).unwrap()
}

/// Every report with every field it can have.
#[expect(clippy::too_many_lines, reason = "a table")]
fn samples() -> Vec<Report> {
    let text = || "x".to_owned();
    let mut stats = CallStats {
        actors: vec![ActorStats::default()],
        ..CallStats::default()
    };
    stats.video.glass_to_glass_ms = Some(Quantiles::default());
    stats.audio.lip_sync_ms = Some(0.0);
    stats.audio.tone_hz = Some(0.0);
    stats.audio.echo_return_loss_enhancement_db = Some(0.0);
    stats.transport.rtt_ms = Some(0.0);
    stats.transport.remb_kbps = Some(0.0);
    let users = vec![UserPresence {
        user: text(),
        presence: Presence::Busy,
    }];
    let transfer = TransferId(1);
    let message = |message: Message| {
        Report::from(DataEvent::Message {
            channel: 1,
            message: message.into(),
        })
    };
    let opened = |limit| {
        Report::from(DataEvent::Opened {
            channel: 1,
            label: text(),
            protocol: text(),
            reliability: Reliability {
                unordered: true,
                limit: Some(limit),
            },
            by_peer: true,
        })
    };
    let failed = |reason| Report::File(FileEvent::Failed { transfer, reason }.into());
    vec![
        Report::Online {
            user: text(),
            server: text(),
            resumed: false,
        },
        Report::Offline {
            attempt: 1,
            after_ms: 1,
        },
        Report::Users { users },
        Report::Invited {
            invite: text(),
            url: text(),
            expires_in_s: 1,
        },
        Report::Invites {
            invites: vec![OpenInvite {
                invite: text(),
                expires_in_s: 1,
            }],
        },
        Report::InviteRevoked { invite: text() },
        Report::Incoming { user: text() },
        Report::Ringing { user: text() },
        Report::Connecting { user: text() },
        Report::Connected {
            user: text(),
            setup_ms: SetupTimes::default(),
        },
        Report::Rejoining { user: text() },
        Report::PeerAway {
            user: text(),
            wait_ms: 1,
        },
        Report::PeerBack { user: text() },
        Report::Interrupted {},
        Report::Resumed {},
        Report::Hold {
            ours: true,
            peers: false,
        },
        Report::Screen {
            ours: true,
            peers: false,
        },
        Report::PeerMedia {
            microphone: true,
            camera: true,
        },
        Report::Stats(Box::new(stats)),
        Report::File(
            FileEvent::Offered {
                transfer,
                name: text(),
                size: 1,
            }
            .into(),
        ),
        Report::File(
            FileEvent::Incoming {
                transfer,
                name: text(),
                size: 1,
                media_type: text(),
            }
            .into(),
        ),
        Report::File(
            FileEvent::Progress {
                transfer,
                done: 1,
                size: 1,
            }
            .into(),
        ),
        Report::File(
            FileEvent::Completed {
                transfer,
                path: "p".into(),
                size: 1,
                hash: text(),
                took: Duration::ZERO,
            }
            .into(),
        ),
        failed(FileEnd::Declined),
        failed(FileEnd::Cancelled),
        failed(FileEnd::CancelledByPeer),
        failed(FileEnd::Corrupt),
        failed(FileEnd::CallEnded),
        failed(FileEnd::Disk(text())),
        failed(FileEnd::Protocol(text())),
        opened(Limit::Retransmissions(1)),
        opened(Limit::Lifetime(Duration::from_millis(1))),
        message(Message::Text(text())),
        message(Message::Binary(vec![1].into())),
        DataEvent::Closed { channel: 1 }.into(),
        Report::Screenshot {
            path: "p".into(),
            width: 1,
            height: 1,
        },
        Notice::DeviceLost(text()).into(),
        Report::Restarted {
            actor: text(),
            reason: text(),
            gap_ms: MediaGaps {
                audio: Some(1),
                video: Some(1),
            },
        },
        Report::Recording {
            file: "p".into(),
            state: "done",
            bytes: Some(1),
            lost: Some(0),
            detail: Some(text()),
        },
        Report::Actors {
            actors: vec![actor()],
        },
        Report::Ended {
            user: text(),
            reason: text(),
            detail: Some(text()),
            duration_ms: Some(1),
        },
        Report::Error {
            code: text(),
            message: text(),
            retry_after_ms: Some(1),
            fingerprint: Some(text()),
        },
    ]
}

/// The fields of an object as paths, `users[].user`; some are maps of figures nobody names one by one.
fn paths(value: &Value, prefix: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if prefix.is_empty() { "" } else { "." };
                paths(value, &format!("{prefix}{dot}{name}"), into);
            }
        }
        Value::Array(items) => {
            items
                .iter()
                .for_each(|item| paths(item, &format!("{prefix}[]"), into));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            into.insert(prefix.to_owned());
        }
    }
}

/// Event → fields, as the types have them.
fn in_types() -> BTreeMap<String, BTreeSet<String>> {
    let mut events = BTreeMap::<String, BTreeSet<String>>::new();
    for sample in samples() {
        let value: Value = serde_json::from_str(&sample.line()).unwrap();
        assert_eq!(value["event"], sample.event());
        let fields = events.entry(sample.event().to_owned()).or_default();
        paths(&value, "", fields);
        fields.remove("event");
        fields.remove("at_ms");
    }
    events
}

/// Event → fields, as the document has them: a heading `### \`event\``, and rows that begin with `| \`field\` |`.
fn in_document() -> BTreeMap<String, BTreeSet<String>> {
    let section = DOCUMENT
        .split("\n## Events")
        .nth(1)
        .unwrap()
        .split("\n## ")
        .next()
        .unwrap();
    let mut events = BTreeMap::<String, BTreeSet<String>>::new();
    let mut event = String::new();
    for line in section.lines() {
        if let Some(name) = line.strip_prefix("### `") {
            event = name.trim_end_matches('`').to_owned();
            events.entry(event.clone()).or_default();
        } else if let Some(row) = line.strip_prefix("| `") {
            let field = row.split('`').next().unwrap().to_owned();
            events.get_mut(&event).unwrap().insert(field);
        }
    }
    events
}

#[test]
fn the_document_names_every_event_and_every_field() {
    let (types, document) = (in_types(), in_document());
    let names = |events: &BTreeMap<String, BTreeSet<String>>| events.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&types), names(&document));
    for (event, fields) in &types {
        assert_eq!(fields, &document[event], "fields of {event}");
    }
}

#[test]
fn the_document_names_every_reason() {
    let ends = [
        CallEnd::Refused(ErrorCode::UserBusy),
        CallEnd::NoPath,
        CallEnd::WrongFingerprint,
        CallEnd::HandshakeFailed,
        CallEnd::NothingInCommon,
        CallEnd::Broken {
            actor: "a".into(),
            reason: "r".into(),
        },
    ];
    for end in ends {
        let (word, _) = why(&end);
        assert!(DOCUMENT.contains(&format!("`{word}`")), "{word}");
    }
}

#[test]
fn a_line_is_one_line_and_begins_with_the_event_and_the_time() {
    for sample in samples() {
        let line = sample.line();
        assert!(!line.contains('\n'));
        assert!(
            line.starts_with(&format!("{{\"event\":\"{}\",\"at_ms\":", sample.event())),
            "{line}"
        );
    }
}
