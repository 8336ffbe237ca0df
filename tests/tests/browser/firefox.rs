//! The same with Firefox, which speaks VP8 where the system brings no H.264 for it.

use anyhow::{Context, Result, ensure};
use roomrtc_tests::harness::guest::{
    call_back, guest_hears_and_sees, hang_up, host_hears_and_sees, inviter, join,
};
use roomrtc_tests::harness::stories::{number, write_file};
use roomrtc_tests::harness::{Firefox, Page, Server};
use serde_json::json;

/// Of both sides, as they were agreed on last.
const UFRAGS: &str = "
    const { localDescription, remoteDescription } = window.roomrtc.peer;
    return [localDescription, remoteDescription].map(({ sdp }) => /^a=ice-ufrag:(.*)$/m.exec(sdp)[1].trim());";
/// Whether a screen has the page's stage.
const WATCHES: &str = "return document.body.classList.contains('watching')";

#[test]
fn a_guest_joins_by_firefox_and_is_called_back() -> Result<()> {
    let server = Server::start(&[])?;
    let received = server.folder().join("received");
    let (mut ana, url) = inviter(&server, &["--accept-files", received.to_str().context("path")?])?;
    let mut firefox = Firefox::start()?;
    join(&mut firefox, &url)?;
    let stats = host_hears_and_sees(&mut ana)?;
    ensure!(stats["video"]["codec_received"] == "vp8", "{stats}");
    let said = guest_hears_and_sees(&mut firefox)?;
    ensure!(number(&said, ["video", "width"]) == 1280.0, "{said}");
    let offer = firefox.run("return window.roomrtc.peer.localDescription.sdp")?;
    ensure!(offer.as_str().context("an offer")?.contains(".local "), "{offer}");

    let file = server.folder().join("from Firefox.bin");
    let hash = write_file(&file, 5)?;
    firefox.choose_file("file", &file)?;
    let completed = ana.wait_until("that the guest's file is complete", |line| {
        line["event"] == "file" && line["state"] == "completed"
    })?;
    ensure!(completed["hash"] == hash.to_hex().as_str(), "{completed}");

    hang_up(&mut ana, &mut firefox)?;
    call_back(&mut ana, &mut firefox)?;
    host_hears_and_sees(&mut ana)?;
    guest_hears_and_sees(&mut firefox)?;
    hang_up(&mut ana, &mut firefox)?;
    let gone = firefox.run("return document.getElementById('remote').srcObject === null")?;
    ensure!(gone == true, "the last picture stays");
    Ok(())
}

#[test]
fn after_a_hold_firefox_is_heard_as_before_although_its_clock_stood_still() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut firefox = Firefox::start()?;
    join(&mut firefox, &url)?;
    host_hears_and_sees(&mut ana)?;
    ana.order(&json!({"do": "hold"}))?;
    ana.wait_until("that nothing comes", |line| {
        line["event"] == "stats" && number(line, ["audio", "gap_ms"]) > 2000.0
    })?;
    ana.order(&json!({"do": "resume"}))?;
    host_hears_and_sees(&mut ana)?;
    let second = host_hears_and_sees(&mut ana)?;
    // Of a delay of seconds it would think that it has to be shortened, and drop what it has.
    ensure!(number(&second, ["audio", "jitter_buffer_ms"]) < 500.0, "{second}");
    Ok(())
}

#[test]
fn firefox_shows_a_screen_beside_the_camera_and_follows_ice_restarts_of_either_side() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &["--set", "debug.chaos=true"])?;
    let mut firefox = Firefox::start()?;
    join(&mut firefox, &url)?;
    host_hears_and_sees(&mut ana)?;
    for (order, shown) in [
        (json!({"do": "share_screen", "source": "test"}), true),
        (json!({"do": "unshare_screen"}), false),
    ] {
        ana.order(&order)?;
        firefox.wait_until("whether it shows a screen", WATCHES, |watches| *watches == shown)?;
        ana.read();
        host_hears_and_sees(&mut ana)?;
    }
    for ours in [false, true] {
        let before = firefox.run(UFRAGS)?;
        if ours {
            ana.order(&json!({"do": "crash", "actor": "call/ice_agent", "how": "forget"}))?;
            ana.wait_for("resumed")?;
        } else {
            firefox.run("window.roomrtc.peer.restartIce()")?;
        }
        firefox.wait_until("other credentials", UFRAGS, |now| {
            now[0] != before[0] && now[1] != before[1]
        })?;
        ana.read();
        host_hears_and_sees(&mut ana)?;
    }
    Ok(())
}
