//! Calls with a guest in a browser: Chromium, the page the server gives it, and the client as users start it.

mod data_channels;
mod files;
mod firefox;
mod formats;
mod page;
mod wire;

use anyhow::{Context, Result, ensure};
use roomrtc_tests::harness::guest::{
    await_state, call_again, call_back, guest_hears_and_sees, hang_up, host_hears_and_sees, inviter, join,
};
use roomrtc_tests::harness::stories::number;
use roomrtc_tests::harness::turn_server::SEEN_BY_RELAY_ALONE;
use roomrtc_tests::harness::{Browser, Headless, Page, Server, TurnServer};
use serde_json::{Value, json};

/// What the page may send and has agreed on (W3C webrtc-stats, webrtc-extensions), and what it hears of the inviter.
const PATH: &str = "
    const peer = window.roomrtc.peer;
    const said = { extensions: {}, captured: 0 };
    (await peer.getStats()).forEach((report) => {
        if (report.availableOutgoingBitrate) said.available = report.availableOutgoingBitrate;
        if (report.type === 'outbound-rtp' && report.kind === 'video')
            said.video = { bytes: report.bytesSent, frames: report.framesEncoded, target: report.targetBitrate };
    });
    for (const one of peer.getTransceivers()) {
        const agreed = one.getNegotiatedHeaderExtensions().filter(({ direction }) => direction === 'sendrecv');
        said.extensions[one.receiver.track.kind] = agreed.map(({ uri }) => uri).sort();
        for (const source of one.receiver.getSynchronizationSources())
            if (source.captureTimestamp) said.captured += 1;
    }
    return said;";

/// Quieter than this is silence, dB relative to full scale.
const SILENCE: f64 = -80.0;
/// What the page says at its head.
const STATUS: &str = "return document.getElementById('status').textContent";

#[test]
fn a_guest_joins_by_a_link_and_both_see_and_hear_each_other() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    join(&mut browser, &url)?;
    host_hears_and_sees(&mut ana)?;
    let said = guest_hears_and_sees(&mut browser)?;
    ensure!(number(&said, ["video", "width"]) == 1280.0, "{said}");
    browser.click("camera-off")?;
    ana.wait_until("that the guest's camera is off", |line| {
        line["event"] == "peer_media" && line["camera"] == false
    })?;
    hang_up(&mut ana, &mut browser)?;

    // A link is good once.
    let mut other = Browser::start()?;
    other.visit(&url)?;
    await_state(&mut other, "failed")?;
    Ok(())
}

#[test]
fn vp8_is_spoken_with_a_browser_too() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &["--codec", "vp8"])?;
    let mut browser = Browser::start()?;
    join(&mut browser, &url)?;
    let stats = host_hears_and_sees(&mut ana)?;
    ensure!(stats["video"]["codec"] == "vp8", "{stats}");
    let said = guest_hears_and_sees(&mut browser)?;
    ensure!(said["video"]["codec"] == "video/VP8", "{said}");
    Ok(())
}

#[test]
fn a_guest_is_called_back_and_the_browser_answers_the_offer() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    join(&mut browser, &url)?;
    hang_up(&mut ana, &mut browser)?;

    call_back(&mut ana, &mut browser)?;
    host_hears_and_sees(&mut ana)?;
    guest_hears_and_sees(&mut browser)?;
    Ok(())
}

/// Both ends say when and under which number they send, and tell each other what came: Chromium sends more than the
/// 300 kbit/s it starts with only where it hears that they arrive.
fn both_know_the_path(browser: &mut Browser, client: &mut Headless) -> Result<Value> {
    let said = browser.wait_until("that it may send more than at first", PATH, |said| {
        said["available"].as_f64() > Some(1_000_000.0)
            && number(said, ["video", "frames"]) > 30.0
            && said["captured"].as_f64() > Some(0.0)
    })?;
    let expected = json!([
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "urn:ietf:params:rtp-hdrext:sdes:mid",
    ]);
    for kind in ["audio", "video"] {
        ensure!(said["extensions"][kind] == expected, "{said}");
    }
    client.read();
    client.wait_until("feedback both ways", |line| {
        number(line, ["transport", "feedback_received"]) > 20.0
            && number(line, ["transport", "feedback_sent"]) > 20.0
            && number(line, ["transport", "available_kbps"]) > 1000.0
    })?;
    Ok(said)
}

#[test]
fn a_browser_and_the_client_tell_each_other_what_arrives_whoever_offers() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    join(&mut browser, &url)?;
    let offered = both_know_the_path(&mut browser, &mut ana)?;
    println!("the browser offers: {offered}");
    hang_up(&mut ana, &mut browser)?;

    call_back(&mut ana, &mut browser)?;
    let answered = both_know_the_path(&mut browser, &mut ana)?;
    println!("the browser answers: {answered}");
    Ok(())
}

#[test]
fn a_guest_calls_again_after_a_call_and_says_so_if_nobody_is_there() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    join(&mut browser, &url)?;
    hang_up(&mut ana, &mut browser)?;
    call_again(&mut browser)?;
    host_hears_and_sees(&mut ana)?;
    guest_hears_and_sees(&mut browser)?;

    // Without the inviter there is nobody to call, and the button stays for when they are back.
    ana.order(&json!({"do": "quit"}))?;
    ana.finish()?;
    await_state(&mut browser, "ended")?;
    browser.click("again")?;
    browser.wait_until("that nobody is there", STATUS, |words| {
        words.as_str().is_some_and(|words| words.contains("not there"))
    })?;
    browser.click("again")?;
    Ok(())
}

#[test]
fn a_used_link_is_told_before_anybody_is_asked_for_a_camera() -> Result<()> {
    const ASKED: &str = "return window.asked";
    let server = Server::start(&[])?;
    let (_ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    browser.prepare(
        "window.asked = 0;
         const { getUserMedia } = MediaDevices.prototype;
         MediaDevices.prototype.getUserMedia = function (...words) {
             window.asked += 1;
             return getUserMedia.apply(this, words);
         };",
    )?;
    join(&mut browser, &url)?;
    ensure!(browser.run(ASKED)? == 2, "the microphone and the camera");
    browser.run("sessionStorage.clear()")?;
    browser.visit(&url)?;
    await_state(&mut browser, "failed")?;
    ensure!(browser.run(ASKED)? == 0, "a used link needs no camera");
    Ok(())
}

#[test]
fn who_mutes_the_page_is_not_heard_until_it_is_unmuted() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    join(&mut browser, &url)?;
    host_hears_and_sees(&mut ana)?;
    for (on, heard) in [
        (false, "that the guest is silent"),
        (true, "that the guest is heard again"),
    ] {
        browser.click("mute")?;
        ana.wait_until("what the guest says of its microphone", |line| {
            line["event"] == "peer_media" && line["microphone"] == on
        })?;
        // The test microphone beeps once a second; silence is all zeros.
        ana.wait_until(heard, |line| {
            line["event"] == "stats" && (number(line, ["audio", "level_dbfs"]) > SILENCE) == on
        })?;
    }
    Ok(())
}

#[test]
fn a_page_that_is_loaded_anew_goes_on_with_the_call() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    join(&mut browser, &url)?;
    host_hears_and_sees(&mut ana)?;
    browser.run("window.former = true")?;
    browser.reload()?;
    browser.wait_until(
        "the call in a new page",
        "return window.former ? '' : document.body.dataset.state",
        |state| state == "connected",
    )?;
    guest_hears_and_sees(&mut browser)?;
    ana.read();
    host_hears_and_sees(&mut ana)?;
    ensure!(
        ana.events("ended").count() == 0,
        "the call ended: {:#?}",
        ana.said
    );
    Ok(())
}

#[test]
fn a_guest_without_camera_and_microphone_is_told_so_and_joins_all_the_same() -> Result<()> {
    let server = Server::start(&[])?;
    let (_ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::refusing()?;
    browser.visit(&url)?;
    browser.wait_until("what is missing", STATUS, |words| {
        words
            .as_str()
            .is_some_and(|words| words.contains("you did not allow the camera"))
    })?;
    browser.fill("name", "Gus")?;
    browser.click("join")?;
    guest_hears_and_sees(&mut browser)?;
    Ok(())
}

#[test]
fn a_name_that_is_none_is_told_and_another_one_joins() -> Result<()> {
    let server = Server::start(&[])?;
    let (_ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    browser.visit(&url)?;
    await_state(&mut browser, "ready")?;
    browser.fill("name", "/")?;
    browser.click("join")?;
    browser.wait_until("what is wrong with the name", STATUS, |words| {
        words
            .as_str()
            .is_some_and(|words| words.contains("letters, digits"))
    })?;
    browser.run("document.getElementById('name').value = ''")?;
    browser.fill("name", "Gus")?;
    browser.click("join")?;
    await_state(&mut browser, "connected")?;
    Ok(())
}

/// Of what kinds the peer's candidates are that the browser has heard from.
const USED: &str = "
    const used = new Set();
    const reports = await window.roomrtc.peer.getStats();
    reports.forEach((report) => {
        if (report.type !== 'candidate-pair' || !report.nominated) return;
        if (report.packetsReceived > 0) used.add(reports.get(report.remoteCandidateId).candidateType);
    });
    return [...used];";
/// The kind of the first candidate that the relays told to the page give it: a browser stops asking them in a call that
/// is connected before they have answered, so they are asked for nothing else here.
const RELAYED: &str = "
    const { iceServers } = window.roomrtc.peer.getConfiguration();
    const probe = new RTCPeerConnection({ iceServers, iceTransportPolicy: 'relay' });
    const first = new Promise((heard) => {
        probe.onicecandidate = ({ candidate }) => heard(candidate?.type ?? 'none');
    });
    probe.createDataChannel('probe');
    await probe.setLocalDescription();
    const type = await first;
    probe.close();
    return type;";

#[test]
fn a_guest_gets_a_relay_and_reaches_a_host_who_is_seen_by_its_relay_alone() -> Result<()> {
    let turn = TurnServer::start()?;
    let server = turn.server(&["udp", "tcp"])?;
    let (mut ana, url) = inviter(&server, &SEEN_BY_RELAY_ALONE)?;
    let mut browser = Browser::start()?;
    join(&mut browser, &url)?;
    let second = host_hears_and_sees(&mut ana)?;
    let pair = second["transport"]["pair"].as_str().context("a pair")?;
    ensure!(pair.starts_with("relay/"), "{pair}");
    guest_hears_and_sees(&mut browser)?;
    browser.wait_until("that it hears the host by the relay", USED, |used| {
        *used == json!(["relay"])
    })?;
    let relayed = browser.run(RELAYED)?;
    ensure!(relayed == "relay", "the guest's own relay gives: {relayed}");
    Ok(())
}
