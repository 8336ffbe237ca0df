//! What the page says where something fails, and what it does with devices, with the screen and after it was loaded anew.

use anyhow::{Context, Result, ensure};
use roomrtc_tests::harness::guest::{
    await_state, guest_hears_and_sees, hang_up, host_hears_and_sees, inviter, join,
};
use roomrtc_tests::harness::stories::{MEDIA, number};
use roomrtc_tests::harness::{Browser, Headless, Page, Server};
use serde_json::json;

/// What the page says at its head.
const STATUS: &str = "return document.getElementById('status').textContent";
/// Cameras and microphones are asked for in vain until `window.allow()`, as long as the page remembers a session.
const UNDECIDED: &str = "
    if (sessionStorage.getItem('session')) {
        const decided = new Promise((allow) => { window.allow = allow; });
        const { getUserMedia } = MediaDevices.prototype;
        MediaDevices.prototype.getUserMedia = async function (...words) {
            await decided;
            return getUserMedia.apply(this, words);
        };
    }";

/// The page comes to this state and says this.
fn says(browser: &mut Browser, state: &str, words: &str) -> Result<()> {
    await_state(browser, state)?;
    browser.wait_until(words, STATUS, |said| {
        said.as_str().is_some_and(|said| said.contains(words))
    })?;
    Ok(())
}

fn asks_to_join(browser: &mut Browser) -> Result<()> {
    browser.fill("name", "Gus")?;
    browser.click("join")
}

/// A client that lets calls ring, and a link it gives out.
fn undecided(server: &Server) -> Result<(Headless, String)> {
    let mut ana = server.client("ana", &MEDIA)?;
    ana.wait_for("online")?;
    ana.order(&json!({"do": "invite"}))?;
    let invited = ana.wait_for("invited")?;
    Ok((ana, invited["url"].as_str().context("a link")?.to_owned()))
}

#[test]
fn the_page_names_the_inviter_and_sends_from_the_chosen_camera() -> Result<()> {
    const LABEL: &str = "return document.getElementById('local').srcObject.getVideoTracks()[0].label";
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    browser.visit(&url)?;
    await_state(&mut browser, "ready")?;
    let title = browser.run("return document.getElementById('inviter').textContent")?;
    ensure!(title == "ana invites you to a call", "{title}");
    ensure!(browser.run(LABEL)? == "fake_device_0");
    // Chromium 156 shows the second one's pictures and puts none into calls, so the first is chosen again.
    for (chosen, label) in [(1, "fake_device_1"), (0, "fake_device_0")] {
        browser.run(&format!(
            "const list = document.getElementById('camera');
             list.selectedIndex = {chosen};
             list.dispatchEvent(new Event('change'));"
        ))?;
        browser.wait_until("the chosen camera", LABEL, |said| said == label)?;
    }
    asks_to_join(&mut browser)?;
    await_state(&mut browser, "connected")?;
    host_hears_and_sees(&mut ana)?;
    Ok(())
}

#[test]
fn a_guest_without_a_camera_is_told_so_and_is_heard() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::without_camera()?;
    browser.visit(&url)?;
    says(&mut browser, "ready", "there is no camera to use")?;
    asks_to_join(&mut browser)?;
    says(&mut browser, "connected", "there is no camera to use")?;
    guest_hears_and_sees(&mut browser)?;
    ana.wait_until("the guest's sound", |line| {
        line["event"] == "stats" && number(line, ["audio", "kbps"]) > 10.0
    })?;
    Ok(())
}

#[test]
fn a_link_that_was_taken_back_or_has_expired_is_told_on_the_page() -> Result<()> {
    const NO_GOOD: &str = "This link is not good any more";
    let mut browser = Browser::start()?;
    let server = Server::start(&["server.invite_life_s=8"])?;
    let (mut ana, url) = inviter(&server, &[])?;
    browser.visit(&url)?;
    await_state(&mut browser, "ready")?;
    // It expires under the guest's eyes.
    browser.run("await new Promise((later) => setTimeout(later, 9000))")?;
    asks_to_join(&mut browser)?;
    says(&mut browser, "failed", NO_GOOD)?;
    browser.reload()?;
    says(&mut browser, "failed", NO_GOOD)?;

    ana.order(&json!({"do": "invite"}))?;
    let invited = ana.wait_for("invited")?;
    ana.order(&json!({"do": "revoke_invite", "invite": invited["invite"]}))?;
    ana.wait_for("invite_revoked")?;
    browser.visit(invited["url"].as_str().context("a link")?)?;
    says(&mut browser, "failed", NO_GOOD)
}

#[test]
fn an_inviter_who_is_gone_declines_or_has_lost_the_server_is_told_on_the_page() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = undecided(&server)?;
    let mut browser = Browser::start()?;
    browser.visit(&url)?;
    await_state(&mut browser, "ready")?;
    ana.order(&json!({"do": "quit"}))?;
    ana.finish()?;
    asks_to_join(&mut browser)?;
    says(&mut browser, "ended", "They are not there at the moment")?;

    // The button stays for when they are back.
    let mut ana = server.client("ana", &MEDIA)?;
    ana.wait_for("online")?;
    browser.click("again")?;
    ana.wait_for("incoming")?;
    ana.order(&json!({"do": "decline"}))?;
    says(&mut browser, "ended", "They declined the call")?;

    server.kill()?;
    says(
        &mut browser,
        "interrupted",
        "The connection to the server is lost",
    )?;
    browser.reload()?;
    Ok(())
}

#[test]
fn an_inviter_who_is_in_a_call_already_is_told_on_the_page() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut ben = server.client("ben", &MEDIA)?;
    ben.wait_for("online")?;
    ben.order(&json!({"do": "call", "user": "ana"}))?;
    ben.wait_for("connected")?;
    let mut browser = Browser::start()?;
    browser.visit(&url)?;
    await_state(&mut browser, "ready")?;
    asks_to_join(&mut browser)?;
    says(
        &mut browser,
        "ended",
        "They are in another call. Try again later.",
    )?;

    ben.order(&json!({"do": "hangup"}))?;
    ben.wait_for("ended")?;
    ana.wait_for("ended")?;
    browser.click("again")?;
    says(&mut browser, "connected", "In a call with ana")?;
    host_hears_and_sees(&mut ana)?;
    Ok(())
}

#[test]
fn a_camera_that_another_program_uses_is_told_on_the_page() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    browser.prepare(
        "const { getUserMedia } = MediaDevices.prototype;
         MediaDevices.prototype.getUserMedia = async function (wish) {
             if (wish.video) throw new DOMException('Could not start video source', 'NotReadableError');
             return getUserMedia.call(this, wish);
         };",
    )?;
    browser.visit(&url)?;
    says(&mut browser, "ready", "another program uses the camera")?;
    asks_to_join(&mut browser)?;
    says(&mut browser, "connected", "another program uses the camera")?;
    ana.wait_until("the guest's sound", |line| {
        line["event"] == "stats" && number(line, ["audio", "kbps"]) > 10.0
    })?;
    Ok(())
}

#[test]
fn a_page_that_may_use_no_devices_tells_why_and_what_to_do() -> Result<()> {
    let server = Server::start(&[])?;
    let (_ana, url) = inviter(&server, &[])?;
    for (gone, words) in [
        (
            "Object.defineProperty(window, 'isSecureContext', { value: false });
             Object.defineProperty(navigator, 'mediaDevices', { value: undefined });",
            "Browsers make calls only from pages whose address begins with https. Ask for such a link.",
        ),
        (
            "Object.defineProperty(navigator, 'mediaDevices', { value: undefined });",
            "This browser cannot make calls. Please use a current Firefox, Chromium or Safari.",
        ),
        (
            "delete window.RTCPeerConnection;",
            "This browser cannot make calls. Please use a current Firefox, Chromium or Safari.",
        ),
    ] {
        let mut browser = Browser::start()?;
        browser.prepare(gone)?;
        browser.visit(&url)?;
        says(&mut browser, "failed", words).context(gone)?;
    }
    Ok(())
}

#[test]
fn a_browser_that_plays_nothing_before_a_click_is_told_on_the_page() -> Result<()> {
    let server = Server::start(&[])?;
    let (_ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    browser.prepare(
        "window.quiet = true;
         const { play } = HTMLMediaElement.prototype;
         HTMLMediaElement.prototype.play = async function () {
             if (window.quiet) throw new DOMException('play() failed', 'NotAllowedError');
             return play.call(this);
         };",
    )?;
    join(&mut browser, &url)?;
    says(&mut browser, "connected", "Click anywhere to hear and see ana")?;
    browser.run("window.quiet = false")?;
    browser.click("status")?;
    browser.wait_until("no word of a click", STATUS, |said| said == "In a call with ana")?;
    guest_hears_and_sees(&mut browser)?;
    Ok(())
}

#[test]
fn a_server_that_is_not_there_is_told_on_the_page() -> Result<()> {
    let server = Server::start(&[])?;
    let (_ana, url) = undecided(&server)?;
    let mut browser = Browser::start()?;
    browser.visit(&url)?;
    await_state(&mut browser, "ready")?;
    server.kill()?;
    asks_to_join(&mut browser)?;
    says(&mut browser, "ready", "The server cannot be reached")
}

#[test]
fn the_button_of_the_page_shows_the_guests_screen_and_ends_it() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    join(&mut browser, &url)?;
    host_hears_and_sees(&mut ana)?;
    for seen in [true, false] {
        browser.click("share")?;
        let pressed = "return document.getElementById('share').getAttribute('aria-pressed')";
        browser.wait_until("the button's state", pressed, |said| said == &seen.to_string())?;
        ana.wait_until("whether there is a screen", |line| {
            line["event"] == "stats" && (number(line, ["screen", "fps_decoded"]) > 0.0) == seen
        })?;
        // The camera is seen all the while.
        host_hears_and_sees(&mut ana)?;
    }
    hang_up(&mut ana, &mut browser)
}

#[test]
fn a_page_that_is_loaded_anew_is_back_before_devices_are_allowed_and_as_silent_as_it_was() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    browser.prepare(UNDECIDED)?;
    join(&mut browser, &url)?;
    browser.click("mute")?;
    ana.wait_until("that the guest is mute", |line| {
        line["event"] == "peer_media" && line["microphone"] == false
    })?;
    browser.reload()?;
    browser.wait_until("a new page", "return !!window.allow", |new| new == true)?;
    await_state(&mut browser, "connected")?;
    guest_hears_and_sees(&mut browser)?;
    ana.wait_until("a guest without devices", |line| {
        line["event"] == "peer_media" && line["microphone"] == false && line["camera"] == false
    })?;

    browser.run("window.allow()")?;
    ana.wait_until("the camera, and no sound", |line| {
        line["event"] == "peer_media" && line["microphone"] == false && line["camera"] == true
    })?;
    host_hears_and_sees(&mut ana)?;
    ensure!(ana.events("ended").count() == 0, "{:#?}", ana.said);
    browser.click("mute")?;
    ana.wait_until("that the guest is heard", |line| {
        line["event"] == "peer_media" && line["microphone"] == true
    })?;
    Ok(())
}

#[test]
fn a_page_that_is_loaded_anew_after_a_call_asks_for_devices_only_to_call_again() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    browser.prepare(UNDECIDED)?;
    join(&mut browser, &url)?;
    hang_up(&mut ana, &mut browser)?;
    browser.reload()?;
    browser.wait_until("a new page", "return !!window.allow", |new| new == true)?;
    await_state(&mut browser, "ended")?;
    browser.run("window.allow()")?;
    browser.click("again")?;
    await_state(&mut browser, "connected")?;
    host_hears_and_sees(&mut ana)?;
    Ok(())
}
