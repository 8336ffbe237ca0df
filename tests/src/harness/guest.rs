//! A guest in a browser, and the client that invites it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::stories::{MEDIA, number};
use super::{Browser, Headless, Page, Server};

/// Where the page stands (`assets/web/main.js`).
pub const STATE: &str = "return document.body.dataset.state";
/// How the server calls the guest who [`join`]s.
pub const GUEST: &str = "Gus (guest)";
/// What the page's inbound streams say of themselves (W3C webrtc-stats): codec, pictures, width, and how loud they are.
const INBOUND: &str = "
    const said = {};
    const reports = await window.roomrtc.peer.getStats();
    const codecs = new Map();
    reports.forEach((report) => { if (report.type === 'codec') codecs.set(report.id, report.mimeType); });
    reports.forEach((report) => {
        if (report.type !== 'inbound-rtp') return;
        said[report.kind] = {
            codec: codecs.get(report.codecId), frames: report.framesDecoded ?? 0, width: report.frameWidth ?? 0,
            packets: report.packetsReceived, energy: report.totalAudioEnergy ?? 0,
        };
    });
    return said;";
/// Takes every call.
const WELCOMING: [&str; 3] = ["--answer", "any", "--stay"];
/// Observes set-ups and chooses codecs.
const INSTRUMENTS: &str = include_str!("guest.js");

/// A client that sends picture and tone and takes every call, and a link it gives out.
///
/// # Errors
/// If it cannot be started or makes no link.
pub fn inviter(server: &Server, options: &[&str]) -> Result<(Headless, String)> {
    let options = [&MEDIA[..], &WELCOMING, options].concat();
    invitation(server.client("ana", &options)?)
}

/// The same on a machine of its own.
///
/// # Errors
/// As [`inviter`].
pub fn inviter_at(machine: &str, server: &Server, options: &[&str]) -> Result<(Headless, String)> {
    let options = [&MEDIA[..], &WELCOMING, options].concat();
    invitation(server.client_at(machine, "ana", &options)?)
}

fn invitation(mut ana: Headless) -> Result<(Headless, String)> {
    ana.wait_for("online")?;
    ana.order(&json!({"do": "invite"}))?;
    let invited = ana.wait_for("invited")?;
    let url = invited["url"].as_str().context("a link")?.to_owned();
    Ok((ana, url))
}

/// A browser whose pages tell when what happened, and speak the codecs they are told to.
///
/// # Errors
/// As [`Browser::start`].
pub fn instrumented() -> Result<Browser> {
    let mut browser = Browser::start()?;
    browser.prepare(INSTRUMENTS)?;
    Ok(browser)
}

/// Waits for a state of the page.
///
/// # Errors
/// If it does not come in time.
pub fn await_state(browser: &mut impl Page, wanted: &str) -> Result<()> {
    browser.wait_until(&format!("the state {wanted}"), STATE, |state| state == wanted)?;
    Ok(())
}

/// Opens the link and rings the inviter, who takes the call.
///
/// # Errors
/// If one step does not succeed.
pub fn join(browser: &mut impl Page, url: &str) -> Result<()> {
    browser.visit(url)?;
    await_state(browser, "ready")?;
    browser.fill("name", "Gus")?;
    browser.click("join")?;
    await_state(browser, "connected")
}

/// The guest calls once more, after the last call.
///
/// # Errors
/// If the page offers that not.
pub fn call_again(browser: &mut impl Page) -> Result<()> {
    browser.click("again")?;
    await_state(browser, "connected")
}

/// The client calls the guest, who is still there after the last call.
///
/// # Errors
/// If it does not ring there.
pub fn call_back(client: &mut Headless, browser: &mut impl Page) -> Result<()> {
    client.order(&json!({"do": "call", "user": GUEST}))?;
    await_state(browser, "incoming")?;
    browser.click("accept")?;
    await_state(browser, "connected")
}

/// The guest ends the call; both are free again afterwards.
///
/// # Errors
/// If one of them does not hear of it.
pub fn hang_up(client: &mut Headless, browser: &mut impl Page) -> Result<()> {
    browser.click("hang-up")?;
    await_state(browser, "ended")?;
    client.wait_for("ended")?;
    Ok(())
}

/// The next second in which the client gets pictures and sound of the guest.
///
/// # Errors
/// If none comes in time.
pub fn host_hears_and_sees(client: &mut Headless) -> Result<Value> {
    client.wait_until("the guest's pictures and sound", |line| {
        line["event"] == "stats"
            && number(line, ["video", "fps_decoded"]) > 10.0
            && number(line, ["audio", "kbps"]) > 10.0
    })
}

/// The page's streams, once there were pictures and sound of the client.
///
/// # Errors
/// If none come in time.
pub fn guest_hears_and_sees(browser: &mut impl Page) -> Result<Value> {
    browser.wait_until("the inviter's pictures and sound", INBOUND, |said| {
        number(said, ["video", "frames"]) > 30.0 && number(said, ["audio", "energy"]) > 0.0
    })
}

/// From the acceptance of the present call to its first picture on the page, ms: the time at which it was handed to the
/// compositor (`requestVideoFrameCallback`), which is after it was decoded. Needs [`instrumented`].
///
/// # Errors
/// If no picture comes.
pub fn set_up_ms(browser: &mut Browser) -> Result<f64> {
    let seen = browser.wait_until("the first picture", "return window.setUp", |seen| {
        seen["shown"].is_number()
    })?;
    let at = |what: &str| seen[what].as_f64().context("a time");
    let took = at("shown")? - at("accepted")?;
    ensure!(took > 0.0, "a picture of another call: {seen}");
    Ok(took)
}

/// Lets the page speak no other codec for pictures, such as `VP8`, from the next call on. Needs [`instrumented`].
///
/// # Errors
/// If the page cannot be reached.
pub fn speak_only(browser: &mut Browser, codec: &str) -> Result<()> {
    browser.run(&format!("window.onlyCodec = {}", json!(codec)))?;
    Ok(())
}

/// Changes how the page sends its pictures (W3C `RTCRtpSender.setParameters`): a script with `parameters` and their first
/// `encoding`.
///
/// # Errors
/// If the browser does not take it.
pub fn send_as(browser: &mut Browser, change: &str) -> Result<()> {
    browser.run(&format!(
        "const sender = window.roomrtc.peer.getSenders().find(({{ track }}) => track?.kind === 'video');
         const parameters = sender.getParameters();
         const [encoding] = parameters.encodings;
         {change};
         await sender.setParameters(parameters);"
    ))?;
    Ok(())
}
