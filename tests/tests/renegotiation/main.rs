//! What changes in mid-call without a new call: a browser holds, switches its video off by direction, and adds sections,
//! while everything else goes on; then [`ours`] does likewise. Chromium has offered the call, and has answered it.

mod ours;

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use roomrtc_tests::harness::guest::{
    call_back, guest_hears_and_sees, hang_up, host_hears_and_sees, inviter, join,
};
use roomrtc_tests::harness::stories::number;
use roomrtc_tests::harness::{Browser, Headless, Page, Server};
use serde_json::{Value, json};

/// The page's streams of sound and cameras, by direction and kind (W3C webrtc-stats), and what was negotiated last.
const FIGURES: &str = "
    const peer = window.roomrtc.peer;
    const mids = peer.getTransceivers().slice(0, 2).map((one) => one.mid);
    const figures = { state: peer.signalingState, in_audio: {}, in_video: {}, out_audio: {}, out_video: {} };
    for (const report of (await peer.getStats()).values()) {
        const way = { 'inbound-rtp': 'in', 'outbound-rtp': 'out' }[report.type];
        if (!way || !mids.includes(report.mid)) continue;
        figures[`${way}_${report.kind}`] = {
            ssrc: report.ssrc, packets: report.packetsReceived ?? report.packetsSent,
            frames: report.framesDecoded ?? report.framesEncoded ?? 0,
            keys: report.keyFramesDecoded ?? 0, asked: (report.pliCount ?? 0) + (report.firCount ?? 0),
        };
    }
    const sections = (description) => description.sdp.split('\\r\\nm=').slice(1).map((text) => text.split(' ')[0]);
    figures.offered = sections(peer.localDescription);
    figures.answered = sections(peer.remoteDescription);
    figures.directions = peer.getTransceivers().map((one) => one.currentDirection);
    return figures;";

/// A key frame nobody asked for tells of an encoder that was started anew; and four videos at once are enough work for a
/// small machine.
const SETTINGS: [&str; 8] = [
    "--set",
    "media.keyframe_max_pictures=100000",
    "--set",
    "media.screen_width=960",
    "--set",
    "media.screen_height=540",
    "--set",
    "media.screen_fps=5",
];
/// So is one of these stories at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn figures(browser: &mut Browser) -> Result<Value> {
    browser.run(FIGURES)
}

/// Sets the direction of the page's transceivers of these kinds; the page offers by itself.
fn turn(browser: &mut Browser, kinds: &[&str], direction: &str) -> Result<()> {
    browser.run(&format!(
        "for (const one of window.roomrtc.peer.getTransceivers().slice(0, 2))
             if ({}.includes(one.receiver.track.kind)) one.direction = '{direction}';",
        json!(kinds)
    ))?;
    Ok(())
}

/// The page's figures once sound and pictures have these directions.
fn settled(browser: &mut Browser, wanted: [&str; 2]) -> Result<Value> {
    browser.wait_until(&format!("{wanted:?}"), FIGURES, |figures| {
        figures["state"] == "stable"
            && figures["directions"][0] == wanted[0]
            && figures["directions"][1] == wanted[1]
    })
}

/// The page's figures once so many pictures and packets of sound more have come than `before`; nothing was started anew
/// meanwhile.
fn goes_on(browser: &mut Browser, before: &Value) -> Result<Value> {
    let more = |figures: &Value, of: [&str; 2], many: f64| number(figures, of) > number(before, of) + many;
    let after = browser.wait_until("that everything goes on", FIGURES, |figures| {
        more(figures, ["in_video", "frames"], 15.0) && more(figures, ["in_audio", "packets"], 25.0)
    })?;
    same_streams(before, &after)?;
    Ok(after)
}

fn same_streams(before: &Value, after: &Value) -> Result<()> {
    for stream in ["in_audio", "in_video", "out_audio", "out_video"] {
        ensure!(
            before[stream]["ssrc"] == after[stream]["ssrc"],
            "another {stream}: {before} {after}"
        );
    }
    Ok(())
}

/// No word of trouble since `from`.
fn without_trouble(client: &mut Headless, from: usize) -> Result<()> {
    client.read();
    let said = &client.said[from..];
    let trouble = ["restarted", "ended", "error"];
    let told = |line: &Value| trouble.iter().any(|name| line["event"] == *name);
    ensure!(!said.iter().any(told), "{said:#?}");
    Ok(())
}

/// Everything is held, and nothing is sent either way until it is taken up again.
fn hold_and_resume(client: &mut Headless, browser: &mut Browser) -> Result<()> {
    let from = client.said.len();
    let before = figures(browser)?;
    turn(browser, &["audio", "video"], "inactive")?;
    settled(browser, ["inactive", "inactive"])?;
    client.wait_until("that nothing is sent either way", |line| {
        let rates = [
            ["audio", "kbps"],
            ["audio", "kbps_sent"],
            ["video", "kbps_received"],
            ["video", "kbps_sent"],
        ];
        line["event"] == "stats" && rates.into_iter().all(|rate| number(line, rate) == 0.0)
    })?;
    client.has_said("that the guest sends nothing", |line| {
        line["event"] == "peer_media" && line["microphone"] == false && line["camera"] == false
    })?;

    turn(browser, &["audio", "video"], "sendrecv")?;
    let resumed = settled(browser, ["sendrecv", "sendrecv"])?;
    same_streams(&before, &resumed)?;
    goes_on(browser, &resumed)?;
    client.read();
    host_hears_and_sees(client)?;
    without_trouble(client, from)
}

/// The page stops its pictures by direction and sends them again; the sound and our pictures go on.
fn video_off_and_on(client: &mut Headless, browser: &mut Browser) -> Result<()> {
    let from = client.said.len();
    let before = figures(browser)?;
    turn(browser, &["video"], "recvonly")?;
    let off = settled(browser, ["sendrecv", "recvonly"])?;
    client.wait_until("that no pictures come", |line| {
        line["event"] == "stats" && number(line, ["video", "kbps_received"]) == 0.0
    })?;
    goes_on(browser, &off)?;
    turn(browser, &["video"], "sendrecv")?;
    settled(browser, ["sendrecv", "sendrecv"])?;
    host_hears_and_sees(client)?;
    let after = goes_on(browser, &before)?;
    ours_goes_on(&before, &after)?;
    without_trouble(client, from)
}

/// Our encoder and sender were not started anew: they begin with a key frame, and every other was asked for.
fn ours_goes_on(before: &Value, after: &Value) -> Result<()> {
    let more = |figure: &str| number(after, ["in_video", figure]) - number(before, ["in_video", figure]);
    ensure!(more("keys") <= more("asked"), "{before} {after}");
    Ok(())
}

/// A second picture in a section of its own is a screen beside the camera; it pauses, comes again, and a third is refused.
fn second_video(client: &mut Headless, browser: &mut Browser) -> Result<()> {
    const ADD: &str = "
        const peer = window.roomrtc.peer;
        const track = peer.getSenders().find(({ track }) => track?.kind === 'video').track.clone();
        window.added = peer.addTransceiver(track, { direction: 'sendonly' });";
    const ADDED: &str = "
        const { mid, currentDirection } = window.added;
        return { state: window.roomrtc.peer.signalingState, mid, direction: currentDirection };";
    let becomes = |browser: &mut Browser, wanted: &str| {
        browser.wait_until(&format!("that the second video is {wanted}"), ADDED, |added| {
            added["state"] == "stable" && added["direction"] == wanted
        })
    };
    let from = client.said.len();
    let before = figures(browser)?;
    browser.run(ADD)?;
    for round in ["first", "again"] {
        becomes(browser, "sendonly")?;
        client.wait_until(&format!("the guest's screen, {round}"), |line| {
            line["event"] == "stats" && number(line, ["screen", "fps_decoded"]) > 10.0
        })?;
        let added = figures(browser)?;
        let after = goes_on(browser, &added)?;
        let kinds = json!(["audio", "video", "application", "video"]);
        ensure!(after["offered"] == kinds && after["answered"] == kinds, "{after}");
        ours_goes_on(&before, &after)?;
        client.has_said("that the guest shares a screen", |line| {
            line["event"] == "screen" && line["peers"] == true && line["ours"] == false
        })?;
        browser.run("window.added.direction = 'inactive';")?;
        client.wait_until("the end of the guest's screen", |line| {
            line["event"] == "screen" && line["peers"] == false
        })?;
        becomes(browser, "inactive")?;
        browser.run("window.added.direction = 'sendonly';")?;
    }
    becomes(browser, "sendonly")?;
    browser.run(&format!("window.second = window.added; {ADD}"))?;
    becomes(browser, "stopped")?;
    browser.run("window.second.stop();")?;
    client.wait_until("the end of the guest's screen", |line| {
        line["event"] == "screen" && line["peers"] == false
    })?;
    client.read();
    host_hears_and_sees(client)?;
    without_trouble(client, from)
}

fn everything_in_turn(client: &mut Headless, browser: &mut Browser) -> Result<()> {
    host_hears_and_sees(client)?;
    guest_hears_and_sees(browser)?;
    video_off_and_on(client, browser).context("video off and on")?;
    second_video(client, browser).context("a second video")?;
    hold_and_resume(client, browser).context("hold and resume")?;
    ours::everything_in_turn(client, browser)
}

#[test]
fn a_call_that_a_browser_has_offered_changes_while_the_rest_goes_on() -> Result<()> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &SETTINGS)?;
    let mut browser = Browser::start()?;
    join(&mut browser, &url)?;
    everything_in_turn(&mut ana, &mut browser)
}

#[test]
fn a_call_that_a_browser_has_answered_changes_while_the_rest_goes_on() -> Result<()> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &SETTINGS)?;
    let mut browser = Browser::start()?;
    join(&mut browser, &url)?;
    hang_up(&mut ana, &mut browser)?;
    ana.said.clear();
    call_back(&mut ana, &mut browser)?;
    everything_in_turn(&mut ana, &mut browser)
}
