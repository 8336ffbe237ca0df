//! What our side changes in mid-call: it holds, sends no pictures, shares a screen, while everything else goes on.

use anyhow::{Context, Result, ensure};
use roomrtc_tests::harness::guest::host_hears_and_sees;
use roomrtc_tests::harness::stories::number;
use roomrtc_tests::harness::{Browser, Headless, Page};
use serde_json::{Value, json};

use super::{FIGURES, figures, goes_on, ours_goes_on, same_streams, settled, without_trouble};

/// What the page sees of the client's screen, and shows of it.
const WATCHING: &str = "
    const said = { shown: document.body.classList.contains('watching'), frames: 0, width: 0 };
    const [, section] = window.roomrtc.peer.getTransceivers()
        .filter((one) => one.receiver.track.kind === 'video' && one.currentDirection !== 'stopped');
    if (!section) return said;
    said.direction = section.currentDirection;
    for (const report of (await section.receiver.getStats()).values()) {
        if (report.type !== 'inbound-rtp') continue;
        said.frames = report.framesDecoded ?? 0;
        said.width = report.frameWidth ?? 0;
    }
    return said;";

pub(super) fn everything_in_turn(client: &mut Headless, browser: &mut Browser) -> Result<()> {
    hold_and_resume(client, browser).context("we hold and resume")?;
    no_pictures_for_a_while(client, browser).context("we send no pictures for a while")?;
    our_screen(client, browser).context("we share a screen")?;
    both_screens_at_once(client, browser).context("both share a screen at once")
}

/// We hold: nothing is sent either way, the page says who holds, and everything is as before afterwards.
fn hold_and_resume(client: &mut Headless, browser: &mut Browser) -> Result<()> {
    let from = client.said.len();
    let before = figures(browser)?;
    client.order(&json!({"do": "hold"}))?;
    settled(browser, ["inactive", "inactive"])?;
    let words = "return document.getElementById('status').textContent";
    browser.wait_until("who holds", words, |said| said == "ana holds the call")?;
    client.wait_until("that nothing is sent either way", |line| {
        let rates = [
            ["audio", "kbps"],
            ["audio", "kbps_sent"],
            ["video", "kbps_received"],
            ["video", "kbps_sent"],
            ["video", "fps_captured"],
            ["video", "fps_encoded"],
        ];
        line["event"] == "stats" && rates.into_iter().all(|rate| number(line, rate) == 0.0)
    })?;
    client.has_said("that we hold", |line| {
        line["event"] == "hold" && line["ours"] == true && line["peers"] == false
    })?;
    client.order(&json!({"do": "resume"}))?;
    let resumed = settled(browser, ["sendrecv", "sendrecv"])?;
    same_streams(&before, &resumed)?;
    goes_on(browser, &resumed)?;
    browser.wait_until("that nobody holds", words, |said| said == "In a call with ana")?;
    client.read();
    host_hears_and_sees(client)?;
    without_trouble(client, from)
}

/// We take our pictures away and bring them back; the page's go on, and the sound of both.
fn no_pictures_for_a_while(client: &mut Headless, browser: &mut Browser) -> Result<()> {
    let from = client.said.len();
    let before = figures(browser)?;
    client.order(&json!({"do": "choose_video", "source": "none"}))?;
    settled(browser, ["sendrecv", "sendonly"])?;
    let without = host_hears_and_sees(client)?;
    ensure!(number(&without, ["audio", "kbps_sent"]) > 10.0, "{without}");
    client.order(&json!({"do": "choose_video", "source": "test"}))?;
    let back = settled(browser, ["sendrecv", "sendrecv"])?;
    same_streams(&before, &back)?;
    goes_on(browser, &back)?;
    without_trouble(client, from)
}

/// Waits until the page shows so many pictures of our screen more than `before`.
fn seen(browser: &mut Browser, before: f64) -> Result<Value> {
    browser.wait_until("our screen on the page", WATCHING, |said| {
        said["shown"] == true && said["width"] == 960 && said["frames"].as_f64() > Some(before + 10.0)
    })
}

/// Our screen comes beside our camera, goes, and comes again in the same section.
fn our_screen(client: &mut Headless, browser: &mut Browser) -> Result<()> {
    let from = client.said.len();
    let before = figures(browser)?;
    let mut frames = 0.0;
    for _ in 0..2 {
        client.order(&json!({"do": "share_screen", "source": "test"}))?;
        let said = seen(browser, frames)?;
        frames = said["frames"].as_f64().unwrap_or_default();
        let with = figures(browser)?;
        goes_on(browser, &with)?;
        client.has_said("that we share a screen", |line| {
            line["event"] == "screen" && line["ours"] == true && line["peers"] == false
        })?;
        client.order(&json!({"do": "unshare_screen"}))?;
        browser.wait_until("the end of our screen", WATCHING, |said| said["shown"] == false)?;
    }
    let after = figures(browser)?;
    same_streams(&before, &after)?;
    ours_goes_on(&before, &after)?;
    without_trouble(client, from)
}

/// Two screens, of which offers cross each other, and two cameras.
fn both_screens_at_once(client: &mut Headless, browser: &mut Browser) -> Result<()> {
    let from = client.said.len();
    let before = figures(browser)?;
    client.order(&json!({"do": "share_screen", "source": "test"}))?;
    browser.click("share")?;
    seen(browser, 0.0)?;
    client.wait_until("the guest's screen", |line| {
        line["event"] == "stats" && number(line, ["screen", "fps_decoded"]) > 1.0
    })?;
    let both = figures(browser)?;
    goes_on(browser, &both)?;
    browser.click("share")?;
    client.wait_until("the end of the guest's screen", |line| {
        line["event"] == "screen" && line["peers"] == false
    })?;
    client.order(&json!({"do": "unshare_screen"}))?;
    browser.wait_until("the end of our screen", WATCHING, |said| said["shown"] == false)?;
    browser.wait_until("that all is settled", FIGURES, |figures| {
        figures["state"] == "stable"
    })?;
    let after = figures(browser)?;
    same_streams(&before, &after)?;
    client.read();
    host_hears_and_sees(client)?;
    without_trouble(client, from)
}
