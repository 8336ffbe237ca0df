//! Orders and lines about data channels that are neither files nor the call's own (docs/headless.md).

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use roomrtc_actors::ui_bridge::data::{Arrived, ChannelWish, DataEvent, DataOrder};
use roomrtc_protocol::data_channel::Message;
use roomrtc_protocol::data_channel::dcep::Reliability;
use roomrtc_protocol::sctp::Limit;
use serde::{Deserialize, Serialize};

use super::report::Report;

/// Of a file that is sent as one message no more is read; peers take far less.
const MAX_FILE: u64 = 16 << 20;

/// `open_channel` (W3C `RTCDataChannelInit`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenChannel {
    label: String,
    #[serde(default)]
    protocol: String,
    #[serde(default = "ordered")]
    ordered: bool,
    max_retransmits: Option<u16>,
    max_packet_life_time_ms: Option<u16>,
    negotiated: Option<u16>,
}

fn ordered() -> bool {
    true
}

impl OpenChannel {
    pub(super) fn order(self) -> Result<DataOrder, String> {
        let limit = match (self.max_retransmits, self.max_packet_life_time_ms) {
            (None, None) => None,
            (Some(count), None) => Some(Limit::Retransmissions(count.into())),
            (None, Some(ms)) => Some(Limit::Lifetime(Duration::from_millis(ms.into()))),
            (Some(_), Some(_)) => {
                return Err("either max_retransmits or max_packet_life_time_ms, not both".to_owned());
            }
        };
        Ok(DataOrder::Open(ChannelWish {
            label: self.label,
            protocol: self.protocol,
            reliability: Reliability {
                unordered: !self.ordered,
                limit,
            },
            negotiated: self.negotiated,
        }))
    }
}

/// `send_data`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SendData {
    channel: u16,
    text: Option<String>,
    base64: Option<String>,
    path: Option<PathBuf>,
}

impl SendData {
    pub(super) fn order(self) -> Result<DataOrder, String> {
        let message = match (self.text, self.base64, self.path) {
            (Some(text), None, None) => Message::Text(text),
            (None, Some(base64), None) => {
                let data = BASE64_STANDARD.decode(base64);
                Message::Binary(data.map_err(|error| format!("base64: {error}"))?.into())
            }
            (None, None, Some(path)) => Message::Binary(read(&path)?.into()),
            _ => return Err("one of text, base64 and path".to_owned()),
        };
        let channel = self.channel;
        Ok(DataOrder::Send { channel, message })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut data = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut data))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    if data.len() as u64 > MAX_FILE {
        return Err(format!("{}: more than {MAX_FILE} bytes", path.display()));
    }
    Ok(data)
}

/// A channel that was opened.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ChannelLine {
    channel: u16,
    label: String,
    protocol: String,
    ordered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_retransmits: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_packet_life_time_ms: Option<u64>,
    by_peer: bool,
}

/// A message that arrived.
#[derive(Clone, Debug, Serialize)]
pub(super) struct DataLine {
    channel: u16,
    kind: &'static str,
    size: usize,
    hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl From<DataEvent> for Report {
    fn from(event: DataEvent) -> Self {
        match event {
            DataEvent::Opened {
                channel,
                label,
                protocol,
                reliability: Reliability { unordered, limit },
                by_peer,
            } => {
                let (max_retransmits, max_packet_life_time_ms) = match limit {
                    None => (None, None),
                    Some(Limit::Retransmissions(count)) => (Some(count), None),
                    Some(Limit::Lifetime(time)) => (None, Some(time.as_millis() as u64)),
                };
                Report::ChannelOpened(ChannelLine {
                    channel,
                    label,
                    protocol,
                    ordered: !unordered,
                    max_retransmits,
                    max_packet_life_time_ms,
                    by_peer,
                })
            }
            DataEvent::Message { channel, message } => Report::DataMessage(DataLine::new(channel, message)),
            DataEvent::Closed { channel } => Report::ChannelClosed { channel },
            DataEvent::Refused { reason } => Report::error("data_refused", reason),
        }
    }
}

impl DataLine {
    fn new(channel: u16, message: Arrived) -> Self {
        let Arrived {
            size,
            hash,
            text,
            content,
        } = message;
        let (kind, content) = match text {
            true => (
                "text",
                content.map(|data| (Some(String::from_utf8_lossy(&data).into_owned()), None)),
            ),
            false => (
                "binary",
                content.map(|data| (None, Some(BASE64_STANDARD.encode(data)))),
            ),
        };
        let (text, base64) = content.unwrap_or_default();
        DataLine {
            channel,
            kind,
            size,
            hash,
            text,
            base64,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn open(line: &str) -> Result<DataOrder, String> {
        serde_json::from_str::<OpenChannel>(line).unwrap().order()
    }

    fn send(line: &str) -> Result<DataOrder, String> {
        serde_json::from_str::<SendData>(line).unwrap().order()
    }

    #[test]
    fn a_channel_is_reliable_and_in_order_unless_said_otherwise() {
        let wish = |line: &str| match open(line).unwrap() {
            DataOrder::Open(wish) => wish.reliability,
            other => panic!("{other:?}"),
        };
        assert_eq!(wish(r#"{"label":"a"}"#), Reliability::default());
        let loose = Reliability {
            unordered: true,
            limit: Some(Limit::Retransmissions(0)),
        };
        assert_eq!(
            wish(r#"{"label":"a","ordered":false,"max_retransmits":0}"#),
            loose
        );
        assert!(open(r#"{"label":"a","max_retransmits":0,"max_packet_life_time_ms":1}"#).is_err());
    }

    #[test]
    fn a_message_is_text_or_bytes_or_a_file() {
        let sent = |line: &str| match send(line).unwrap() {
            DataOrder::Send { channel: 3, message } => message,
            other => panic!("{other:?}"),
        };
        assert_eq!(sent(r#"{"channel":3,"text":""}"#), Message::Text(String::new()));
        assert_eq!(
            sent(r#"{"channel":3,"base64":"AAE="}"#),
            Message::Binary(vec![0, 1].into())
        );
        assert_eq!(sent(r#"{"channel":3,"path":"Cargo.toml"}"#), {
            Message::Binary(std::fs::read("Cargo.toml").unwrap().into())
        });
        for wrong in [
            r#"{"channel":3}"#,
            r#"{"channel":3,"text":"a","base64":""}"#,
            r#"{"channel":3,"base64":"?"}"#,
            r#"{"channel":3,"path":"/nowhere"}"#,
        ] {
            assert!(send(wrong).is_err(), "{wrong}");
        }
    }
}
