//! What the browser changes of its pictures while the call runs: their codec, their size.

use anyhow::{Context, Result, ensure};
use roomrtc_tests::harness::guest::{
    call_back, guest_hears_and_sees, hang_up, host_hears_and_sees, inviter, join, send_as,
};
use roomrtc_tests::harness::stories::number;
use roomrtc_tests::harness::{Browser, Headless, Page, Server};
use serde_json::{Value, json};

/// Counts the descriptions that are set: `window.offers`.
const COUNT_OFFERS: &str = "
    window.offers = 0;
    for (const name of ['setLocalDescription', 'setRemoteDescription']) {
        const plain = RTCPeerConnection.prototype[name];
        RTCPeerConnection.prototype[name] = function (...words) {
            window.offers += 1;
            return plain.apply(this, words);
        };
    }";

/// What the page's camera gives. Chromium sends less where the processor is slow.
const CAMERA: &str = "
    const sender = window.roomrtc.peer.getSenders().find(({ track }) => track?.kind === 'video');
    return sender.track.getSettings();";

/// What tells of an encoding that is sent. `codec`: one of those negotiated, whichever was answered first (W3C webrtc-extensions).
fn codec(name: &str) -> String {
    format!(
        "const {{ codecs }} = parameters;
         const wanted = codecs.find(({{ mimeType, sdpFmtpLine }}) =>
             mimeType === {} && !(sdpFmtpLine ?? '').includes('packetization-mode=0'));
         encoding.codec = wanted;",
        json!(name)
    )
}

/// So many times smaller, and no smaller than that where the processor is slow (W3C webrtc, mst-content-hint).
fn scaled_down(times: u32) -> String {
    format!(
        "parameters.degradationPreference = 'maintain-resolution';
         encoding.scaleResolutionDownBy = {times};"
    )
}

/// The next second in which the client shows pictures in this codec.
fn shows_in(client: &mut Headless, codec: &str) -> Result<Value> {
    client.wait_until(&format!("pictures in {codec}"), |line| {
        line["video"]["codec_received"] == codec && number(line, ["video", "fps_decoded"]) > 10.0
    })
}

/// The next second in which the client shows pictures of this height.
fn shows_height(client: &mut Headless, wanted: impl Fn(f64) -> bool) -> Result<Value> {
    client.wait_until("pictures of another size", |line| {
        wanted(number(line, ["video", "height"])) && number(line, ["video", "fps_decoded"]) > 5.0
    })
}

#[test]
fn a_browser_changes_the_codec_of_its_pictures_and_back() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    join(&mut browser, &url)?;
    shows_in(&mut ana, "h264")?;
    for (mime, name) in [("video/VP8", "vp8"), ("video/H264", "h264"), ("video/VP8", "vp8")] {
        send_as(&mut browser, &codec(mime))?;
        let second = shows_in(&mut ana, name)?;
        ensure!(second["video"]["codec"] == "h264", "what is sent stays: {second}");
        guest_hears_and_sees(&mut browser)?;
    }
    host_hears_and_sees(&mut ana)?;
    ensure!(ana.events("restarted").count() == 0, "{:#?}", ana.said);
    Ok(())
}

#[test]
fn a_browser_that_answers_changes_the_codec_too() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    join(&mut browser, &url)?;
    hang_up(&mut ana, &mut browser)?;
    call_back(&mut ana, &mut browser)?;
    shows_in(&mut ana, "h264")?;
    for (mime, name) in [("video/VP8", "vp8"), ("video/H264", "h264")] {
        send_as(&mut browser, &codec(mime))?;
        shows_in(&mut ana, name)?;
    }
    Ok(())
}

#[test]
fn a_browser_follows_when_our_pictures_change_their_size() -> Result<()> {
    /// What the page gets, how many pictures, and how often anything was negotiated.
    const SEEN: &str = "
        const seen = { offers: window.offers };
        (await window.roomrtc.peer.getStats()).forEach((report) => {
            if (report.type === 'inbound-rtp' && report.kind === 'video')
                Object.assign(seen, { width: report.frameWidth, height: report.frameHeight, ssrc: report.ssrc,
                    frames: report.framesDecoded });
        });
        return seen;";
    let server = Server::start(&[])?;
    for codec in ["h264", "vp8"] {
        let (mut ana, url) = inviter(&server, &["--codec", codec])?;
        let mut browser = Browser::start()?;
        browser.prepare(COUNT_OFFERS)?;
        join(&mut browser, &url)?;
        let first = browser.wait_until("pictures", SEEN, |seen| seen["width"] == 1280)?;
        for (width, height) in [(640, 360), (360, 640), (1280, 720)] {
            ana.order(&json!({"do": "resize_video", "width": width, "height": height}))?;
            let changed = browser.wait_until("pictures of another size", SEEN, |seen| {
                seen["width"] == width && seen["height"] == height
            })?;
            let frames = changed["frames"].as_f64().context("a number")?;
            let later = browser.wait_until("more of them", SEEN, |seen| {
                seen["frames"].as_f64() > Some(frames + 20.0)
            })?;
            for same in ["ssrc", "offers"] {
                ensure!(later[same] == first[same], "{first} {later}");
            }
        }
        ensure!(ana.events("restarted").count() == 0, "{:#?}", ana.said);
        ana.order(&json!({"do": "quit"}))?;
        ana.finish()?;
    }
    Ok(())
}

#[test]
fn a_browser_changes_the_size_of_its_pictures() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    join(&mut browser, &url)?;
    let quarter = browser.run(CAMERA)?["height"].as_f64().context("a height")? / 4.0;
    for mime in ["video/H264", "video/VP8"] {
        send_as(&mut browser, &codec(mime))?;
        send_as(&mut browser, &scaled_down(4))?;
        shows_height(&mut ana, |height| height > 0.0 && height <= quarter)?;
        send_as(&mut browser, &scaled_down(1))?;
        shows_height(&mut ana, |height| height > quarter)?;
    }

    // Another source, higher than wide.
    browser.run(
        "const canvas = document.createElement('canvas');
         Object.assign(canvas, { width: 240, height: 426 });
         const pen = canvas.getContext('2d');
         window.drawing = setInterval(() => {
             pen.fillStyle = `hsl(${performance.now() / 10 % 360} 80% 50%)`;
             pen.fillRect(0, 0, 240, 426);
         }, 33);
         const [track] = canvas.captureStream(30).getVideoTracks();
         const sender = window.roomrtc.peer.getSenders().find(({ track }) => track?.kind === 'video');
         await sender.replaceTrack(track);",
    )?;
    let portrait = ana.wait_until("pictures higher than wide", |line| {
        number(line, ["video", "height"]) > number(line, ["video", "width"])
            && number(line, ["video", "fps_decoded"]) > 5.0
    })?;
    ensure!(number(&portrait, ["video", "width"]) <= 240.0, "{portrait}");
    ensure!(ana.events("restarted").count() == 0, "{:#?}", ana.said);
    Ok(())
}
