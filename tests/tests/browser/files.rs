//! Files between a guest's page and the client, in both roles.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use roomrtc_tests::harness::guest::{call_back, hang_up, inviter, join};
use roomrtc_tests::harness::stories::write_file;
use roomrtc_tests::harness::{Browser, Headless, Page, Server};
use serde_json::json;

/// Looks until a downloaded file is whole: Chromium gives it its name then.
fn saved(browser: &mut Browser, name: &str) -> Result<Vec<u8>> {
    let path = browser.downloads().join(name);
    browser.wait_until("the end of the file", "return true", |_| path.exists())?;
    std::fs::read(&path).with_context(|| path.display().to_string())
}

fn completed(client: &mut Headless) -> Result<serde_json::Value> {
    client.wait_until("that the file is complete", |line| {
        line["event"] == "file" && line["state"] == "completed"
    })
}

/// One file from the page to the client, and one back; what was saved is what was sent.
fn files_both_ways(
    client: &mut Headless,
    browser: &mut Browser,
    folder: &Path,
    names: [&str; 2],
) -> Result<()> {
    let [to_client, to_guest] = names.map(|name| folder.join(name));
    let hash = write_file(&to_client, 5)?;
    browser.choose_file("file", &to_client)?;
    let told = completed(client)?;
    ensure!(told["hash"] == hash.to_hex().as_str(), "{told}");
    let received = std::fs::read(folder.join("received").join(names[0]))?;
    ensure!(
        blake3::hash(&received) == hash,
        "the client's file differs on disk"
    );

    let hash = write_file(&to_guest, 7)?;
    client.order(&json!({"do": "send", "path": to_guest}))?;
    browser.wait_until(
        "an offered file",
        "return !!document.querySelector('[data-accept]')",
        |there| there == true,
    )?;
    browser.run("document.querySelector('[data-accept]').click()")?;
    completed(client)?;
    let received = saved(browser, names[1])?;
    ensure!(
        blake3::hash(&received) == hash,
        "the guest's file differs on disk"
    );
    Ok(())
}

#[test]
fn files_go_both_ways_between_a_guest_and_the_client_whoever_offers_the_call() -> Result<()> {
    let server = Server::start(&[])?;
    let folder = server.folder();
    let received = folder.join("received");
    let (mut ana, url) = inviter(&server, &["--accept-files", received.to_str().context("path")?])?;
    let mut browser = Browser::start()?;
    join(&mut browser, &url)?;
    files_both_ways(
        &mut ana,
        &mut browser,
        folder,
        ["from the guest.bin", "to the guest.bin"],
    )?;
    hang_up(&mut ana, &mut browser)?;

    call_back(&mut ana, &mut browser)?;
    files_both_ways(
        &mut ana,
        &mut browser,
        folder,
        ["another from the guest.bin", "another to the guest.bin"],
    )
}
