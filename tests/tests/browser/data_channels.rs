//! Data channels of any kind with Chromium, opened by either side (RFC 8831, RFC 8832, W3C webrtc `RTCDataChannel`).

use anyhow::{Context, Result, ensure};
use roomrtc_tests::harness::guest::{call_back, hang_up, inviter, join};
use roomrtc_tests::harness::{Browser, Headless, Page, Server};
use serde_json::{Value, json};

/// The largest message Chromium takes and we do (`a=max-message-size`).
const LARGEST: usize = 262_144;

/// Notes what happens to the page's channels: `window.channels`, by label.
const WATCH: &str = "
    window.channels = {};
    const tell = async (data) => {
        if (typeof data === 'string') return { kind: 'text', size: data.length, text: data.slice(0, 100) };
        const bytes = new Uint8Array(data instanceof Blob ? await data.arrayBuffer() : data);
        return { kind: 'binary', size: bytes.length, sum: bytes.reduce((sum, byte) => (sum + byte) % 65521, 0) };
    };
    window.watch = (channel) => {
        const { id, label, protocol, ordered, maxRetransmits, maxPacketLifeTime, negotiated } = channel;
        const seen = { channel, said: { id, label, protocol, ordered, maxRetransmits, maxPacketLifeTime, negotiated },
            open: channel.readyState === 'open', closed: false, heard: [] };
        channel.binaryType = 'arraybuffer';
        channel.addEventListener('open', () => { seen.open = true; seen.said.id = channel.id; });
        channel.addEventListener('close', () => { seen.closed = true; });
        channel.addEventListener('message', async ({ data }) => { seen.heard.push(await tell(data)); });
        window.channels[label] = seen;
        return channel;
    };
    window.roomrtc.peer.addEventListener('datachannel', ({ channel }) => window.watch(channel));";

/// Both ends in a call, and the page's channels watched.
struct Ends {
    server: Server,
    ana: Headless,
    browser: Browser,
}

impl Ends {
    fn start() -> Result<Self> {
        let server = Server::start(&[])?;
        let (ana, url) = inviter(&server, &[])?;
        let mut browser = Browser::start()?;
        join(&mut browser, &url)?;
        let mut ends = Ends { server, ana, browser };
        ends.watch()?;
        Ok(ends)
    }

    /// Channels wait for the association; it stands once the client has heard what the page sends.
    fn watch(&mut self) -> Result<()> {
        self.browser.run(WATCH)?;
        self.ana.wait_for("peer_media")?;
        Ok(())
    }

    /// The page opens a channel; what the client hears of it.
    fn page_opens(&mut self, label: &str, options: &Value) -> Result<Value> {
        self.browser.run(&format!(
            "window.watch(window.roomrtc.peer.createDataChannel({}, {options}))",
            json!(label)
        ))?;
        let opened = self.opened(label)?;
        // The page hears of our answer a little later.
        self.page_sees(label, "an open channel", |seen| seen["open"] == true)?;
        Ok(opened)
    }

    /// The client opens a channel; its number.
    fn client_opens(&mut self, label: &str, options: &Value) -> Result<u64> {
        let mut order = options.clone();
        order["do"] = json!("open_channel");
        order["label"] = json!(label);
        self.ana.order(&order)?;
        let opened = self.opened(label)?;
        opened["channel"].as_u64().context("a number")
    }

    fn opened(&mut self, label: &str) -> Result<Value> {
        self.ana.wait_until(&format!("that {label} is open"), |line| {
            line["event"] == "channel_opened" && line["label"] == label
        })
    }

    /// What the page has seen of a channel, once it is as wanted.
    fn page_sees(&mut self, label: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let look = format!(
            "const {{ said, open, closed, heard }} = window.channels[{}]; return {{ said, open, closed, heard }};",
            json!(label)
        );
        self.browser.wait_until(what, &look, wanted)
    }

    fn page_says(&mut self, label: &str, script: &str) -> Result<Value> {
        self.browser.run(&format!(
            "const {{ channel }} = window.channels[{}]; {script}",
            json!(label)
        ))
    }

    fn client_says(&mut self, channel: u64, message: &Value) -> Result<()> {
        let mut order = message.clone();
        order["do"] = json!("send_data");
        order["channel"] = json!(channel);
        self.ana.order(&order)
    }

    fn client_hears(&mut self, channel: u64) -> Result<Value> {
        self.ana.wait_until("a message of the page", |line| {
            line["event"] == "data_message" && line["channel"] == channel
        })
    }

    /// Texts, bytes and nothing, both ways.
    fn talk(&mut self, label: &str, channel: u64) -> Result<()> {
        for (script, expected) in [
            (
                "channel.send('grüße')",
                json!({"kind": "text", "size": 7, "text": "grüße"}),
            ),
            ("channel.send('')", json!({"kind": "text", "size": 0, "text": ""})),
            (
                "channel.send(Uint8Array.of(0, 1, 255))",
                json!({"kind": "binary", "size": 3, "base64": "AAH/"}),
            ),
            (
                "channel.send(new ArrayBuffer(0))",
                json!({"kind": "binary", "size": 0, "base64": ""}),
            ),
        ] {
            self.page_says(label, script)?;
            let heard = self.client_hears(channel)?;
            for (field, value) in expected.as_object().context("fields")? {
                ensure!(heard[field] == *value, "{script}: {heard}");
            }
        }
        let messages = [
            json!({"text": "hello"}),
            json!({"text": ""}),
            json!({"base64": "AAH/"}),
            json!({"base64": ""}),
        ];
        for message in &messages {
            self.client_says(channel, message)?;
        }
        let seen = self.page_sees(label, "four messages", |seen| {
            seen["heard"].as_array().map(Vec::len) == Some(messages.len())
        })?;
        let mut heard = seen["heard"].as_array().context("messages")?.clone();
        // On an unordered channel they may come in any order.
        heard.sort_by_key(ToString::to_string);
        let mut expected = [
            json!({"kind": "text", "size": 5, "text": "hello"}),
            json!({"kind": "text", "size": 0, "text": ""}),
            json!({"kind": "binary", "size": 3, "sum": 256}),
            json!({"kind": "binary", "size": 0, "sum": 0}),
        ];
        expected.sort_by_key(ToString::to_string);
        ensure!(heard == expected, "{seen}");
        Ok(())
    }
}

#[test]
fn channels_of_every_kind_that_the_browser_opens_carry_messages_both_ways() -> Result<()> {
    let mut ends = Ends::start()?;
    for (label, options, told) in [
        ("plain", json!({}), json!({"ordered": true, "protocol": ""})),
        ("loose", json!({"ordered": false}), json!({"ordered": false})),
        (
            "lossy",
            json!({"ordered": false, "maxRetransmits": 3, "protocol": "game"}),
            json!({"ordered": false, "max_retransmits": 3, "protocol": "game"}),
        ),
        (
            "brief",
            json!({"maxPacketLifeTime": 4000}),
            json!({"ordered": true, "max_packet_life_time_ms": 4000}),
        ),
        (
            "once",
            json!({"maxRetransmits": 0}),
            json!({"ordered": true, "max_retransmits": 0}),
        ),
        (
            "at once",
            json!({"maxPacketLifeTime": 0}),
            json!({"ordered": true, "max_packet_life_time_ms": 0}),
        ),
    ] {
        let opened = ends.page_opens(label, &options)?;
        ensure!(opened["by_peer"] == true, "{opened}");
        for (field, value) in told.as_object().context("fields")? {
            ensure!(opened[field] == *value, "{opened}");
        }
        let channel = opened["channel"].as_u64().context("a number")?;
        ends.talk(label, channel)?;
    }
    Ok(())
}

#[test]
fn channels_of_every_kind_that_the_client_opens_carry_messages_both_ways() -> Result<()> {
    let mut ends = Ends::start()?;
    for (label, options, told) in [
        (
            "plain",
            json!({}),
            json!({"ordered": true, "maxRetransmits": null}),
        ),
        ("loose", json!({"ordered": false}), json!({"ordered": false})),
        (
            "lossy",
            json!({"ordered": false, "max_retransmits": 3, "protocol": "game"}),
            json!({"ordered": false, "maxRetransmits": 3, "protocol": "game"}),
        ),
        (
            "brief",
            json!({"max_packet_life_time_ms": 4000}),
            json!({"ordered": true, "maxPacketLifeTime": 4000}),
        ),
        (
            "once",
            json!({"max_retransmits": 0}),
            json!({"ordered": true, "maxRetransmits": 0}),
        ),
        (
            "at once",
            json!({"max_packet_life_time_ms": 0}),
            json!({"ordered": true, "maxPacketLifeTime": 0}),
        ),
    ] {
        let channel = ends.client_opens(label, &options)?;
        let seen = ends.page_sees(label, "an open channel", |seen| seen["open"] == true)?;
        for (field, value) in told.as_object().context("fields")? {
            ensure!(seen["said"][field] == *value, "{seen}");
        }
        ensure!(seen["said"]["id"] == channel, "{seen}");
        ends.talk(label, channel)?;
    }
    Ok(())
}

/// The browser has answered the offer, and is the client of DTLS, so the numbers of its channels are the even ones.
#[test]
fn a_browser_that_answers_has_channels_too_whoever_opens_them() -> Result<()> {
    let mut ends = Ends::start()?;
    hang_up(&mut ends.ana, &mut ends.browser)?;
    call_back(&mut ends.ana, &mut ends.browser)?;
    ends.watch()?;
    let theirs = ends.page_opens("theirs", &json!({"ordered": false, "maxRetransmits": 0}))?;
    let theirs = theirs["channel"].as_u64().context("a number")?;
    ensure!(theirs.is_multiple_of(2), "{theirs}");
    ends.talk("theirs", theirs)?;
    let ours = ends.client_opens("ours", &json!({"max_packet_life_time_ms": 4000}))?;
    ends.page_sees("ours", "an open channel", |seen| seen["open"] == true)?;
    ensure!(!ours.is_multiple_of(2), "{ours}");
    ends.talk("ours", ours)
}

#[test]
fn a_channel_agreed_on_beforehand_needs_no_word_on_the_wire() -> Result<()> {
    let mut ends = Ends::start()?;
    let channel = ends.client_opens("agreed", &json!({"negotiated": 500}))?;
    ensure!(channel == 500, "{channel}");
    ends.browser.run(
        "window.watch(window.roomrtc.peer.createDataChannel('agreed', { negotiated: true, id: 500 }))",
    )?;
    ends.page_sees("agreed", "an open channel", |seen| seen["open"] == true)?;
    ends.talk("agreed", channel)?;
    ends.page_says("agreed", "channel.close()")?;
    ends.ana.wait_until("that it is closed", |line| {
        line["event"] == "channel_closed" && line["channel"] == 500
    })?;
    Ok(())
}

#[test]
fn the_largest_message_goes_both_ways_and_a_larger_one_is_refused() -> Result<()> {
    let mut ends = Ends::start()?;
    let opened = ends.page_opens("large", &json!({}))?;
    let channel = opened["channel"].as_u64().context("a number")?;
    ends.page_says(
        "large",
        &format!("channel.send(Uint8Array.from({{ length: {LARGEST} }}, (_, at) => at % 251))"),
    )?;
    let bytes: Vec<u8> = (0..LARGEST).map(|at| (at % 251) as u8).collect();
    let heard = ends.client_hears(channel)?;
    ensure!(heard["size"] == LARGEST, "{heard}");
    ensure!(heard["hash"] == blake3::hash(&bytes).to_hex().as_str(), "{heard}");

    let path = ends.server.folder().join("large.bin");
    std::fs::write(&path, &bytes)?;
    ends.client_says(channel, &json!({"path": path}))?;
    let seen = ends.page_sees("large", "a large message", |seen| {
        seen["heard"].as_array().is_some_and(|heard| !heard.is_empty())
    })?;
    let sum = bytes
        .iter()
        .fold(0_u32, |sum, &byte| (sum + u32::from(byte)) % 65_521);
    ensure!(
        seen["heard"] == json!([{"kind": "binary", "size": LARGEST, "sum": sum}]),
        "{seen}"
    );

    std::fs::write(&path, [&bytes[..], &[0]].concat())?;
    ends.client_says(channel, &json!({"path": path}))?;
    let refused = ends.ana.wait_for("error")?;
    ensure!(refused["code"] == "data_refused", "{refused}");
    ensure!(
        refused["message"]
            .as_str()
            .is_some_and(|words| words.contains("at most 262144")),
        "{refused}"
    );
    let too_large = format!(
        "try {{ channel.send(new Uint8Array({LARGEST} + 1)); return 'sent'; }} catch (error) {{ return error.name; }}"
    );
    let name = ends.page_says("large", &too_large)?;
    ensure!(name != "sent", "our max-message-size is not honoured");
    // Nothing of all this has hurt the channel.
    ends.page_says("large", "channel.send('still here')")?;
    let heard = ends.client_hears(channel)?;
    ensure!(heard["text"] == "still here", "{heard}");
    Ok(())
}

#[test]
fn channels_are_closed_by_either_side_and_opened_again() -> Result<()> {
    let mut ends = Ends::start()?;
    for round in 0..3 {
        let label = format!("page {round}");
        let opened = ends.page_opens(&label, &json!({}))?;
        let channel = opened["channel"].as_u64().context("a number")?;
        ends.page_says(&label, "channel.send('last words'); channel.close()")?;
        let heard = ends.client_hears(channel)?;
        ensure!(heard["text"] == "last words", "{heard}");
        ends.ana.wait_until("that it is closed", |line| {
            line["event"] == "channel_closed" && line["channel"] == channel
        })?;
        ends.page_sees(&label, "that it is closed", |seen| seen["closed"] == true)?;

        let label = format!("client {round}");
        let channel = ends.client_opens(&label, &json!({}))?;
        ends.client_says(channel, &json!({"text": "last words"}))?;
        ends.ana
            .order(&json!({"do": "close_channel", "channel": channel}))?;
        // The page reads a message while the channel may already be closed.
        ends.page_sees(&label, "the last words, and that it is closed", |seen| {
            seen["closed"] == true && seen["heard"][0]["text"] == "last words"
        })?;
    }
    Ok(())
}
