//! Calls between the programs as users start them: a real server, real sockets, real codecs, synthetic media.

use anyhow::{Context, Result, ensure};
use roomrtc_tests::harness::stories::{MEDIA, number, write_file};
use roomrtc_tests::harness::{Headless, Room, Server};
use serde_json::{Value, json};

/// Of the frames captured on one side, so many must be decoded on the other, however busy the machine is.
const FRAMES_THAT_ARRIVE: f64 = 0.7;
/// Of the pictures looked at, so many may be damaged.
const DAMAGED: f64 = 0.05;
/// The test tone (docs/headless.md).
const TONE_HZ: f64 = 440.0;
/// Seconds until an echo canceller knows the room, and some more.
const SECONDS_OF_ECHO: usize = 6;

fn pair(server: &Server, caller: &[&str], callee: &[&str]) -> Result<[Headless; 2]> {
    let mut ben = server.client("ben", &[&MEDIA[..], callee].concat())?;
    ben.wait_for("online")?;
    let ana = server.client("ana", &[&MEDIA[..], &["--call", "ben"], caller].concat())?;
    Ok([ana, ben])
}

#[test]
fn a_call_carries_pictures_sound_and_a_file() -> Result<()> {
    let server = Server::start(&[])?;
    let file = server.folder().join("holiday.bin");
    let hash = write_file(&file, 64)?;
    let received = server.folder().join("received");
    let [mut ana, mut ben] = pair(
        &server,
        &["--duration", "12", "--send", file.to_str().context("path")?],
        &[
            "--answer",
            "any",
            "--accept-files",
            received.to_str().context("path")?,
        ],
    )?;
    let connected = ben.wait_for("connected")?;
    ensure!(
        connected["setup_ms"]["total"].as_f64().is_some_and(|ms| ms > 0.0),
        "{connected}"
    );

    let completed = ben.wait_until("that the file is complete", |line| {
        line["event"] == "file" && line["state"] == "completed"
    })?;
    ensure!(completed["hash"] == hash.to_hex().as_str(), "{completed}");
    ensure!(
        blake3::hash(&std::fs::read(received.join("holiday.bin"))?) == hash,
        "the file differs on disk"
    );

    ensure!(ana.finish()?.success(), "ana: {:#?}", ana.said);
    ensure!(ben.finish()?.success(), "ben: {:#?}", ben.said);
    for client in [&mut ana, &mut ben] {
        let stats: Vec<&Value> = client.events("stats").skip(2).collect();
        ensure!(stats.len() >= 5, "{} seconds", stats.len());
        let captured: f64 = stats
            .iter()
            .map(|line| number(line, ["video", "fps_captured"]))
            .sum();
        let decoded: f64 = stats
            .iter()
            .map(|line| number(line, ["video", "fps_decoded"]))
            .sum();
        ensure!(
            decoded >= captured * FRAMES_THAT_ARRIVE,
            "{decoded} of {captured} frames arrived"
        );
        let last = stats.last().context("figures")?;
        ensure!(
            number(last, ["video", "width"]) == 1280.0 && number(last, ["video", "height"]) == 720.0,
            "{last}"
        );
        let read = number(last, ["video", "barcodes_read"]);
        let wrong = number(last, ["video", "barcode_errors"]);
        ensure!(
            read > 100.0 && wrong <= read * DAMAGED,
            "{wrong} of {read} barcodes wrong"
        );
        ensure!(
            (number(last, ["audio", "tone_hz"]) - TONE_HZ).abs() < 5.0,
            "tone: {}",
            last["audio"]
        );
        ensure!(
            last["transport"]["srtp"]
                .as_str()
                .is_some_and(|profile| !profile.is_empty()),
            "{last}"
        );
    }
    Ok(())
}

#[test]
fn vp8_is_spoken_too() -> Result<()> {
    let server = Server::start(&[])?;
    let [mut ana, mut ben] = pair(&server, &["--codec", "vp8"], &["--answer", "any"])?;
    ben.wait_for("connected")?;
    let stats = ben.wait_until("that pictures flow", |line| {
        number(line, ["video", "fps_decoded"]) > 20.0
    })?;
    ensure!(stats["video"]["codec"] == "vp8", "{stats}");
    ana.order(&json!({"do": "hangup"}))?;
    ben.wait_for("ended")?;
    Ok(())
}

#[test]
fn a_declined_call_ends_for_both_and_leaves_both_available() -> Result<()> {
    let server = Server::start(&[])?;
    let [mut ana, mut ben] = pair(&server, &[], &["--answer", "decline"])?;
    let ended = ana.wait_for("ended")?;
    ensure!(ended["reason"] == "declined", "{ended}");
    ben.wait_until("that ana is available again", |line| {
        line["event"] == "users"
            && line["users"].as_array().is_some_and(|users| {
                users
                    .iter()
                    .any(|user| user["user"] == "ana" && user["presence"] == "available")
            })
    })?;
    ensure!(
        !ana.finish()?.success(),
        "a declined call is not what was asked for"
    );
    Ok(())
}

#[test]
fn muting_and_switching_the_camera_off_reach_the_other_side() -> Result<()> {
    let server = Server::start(&[])?;
    let [mut ana, mut ben] = pair(&server, &[], &["--answer", "any"])?;
    ben.wait_until("that pictures flow", |line| {
        number(line, ["video", "fps_decoded"]) > 20.0
    })?;
    ana.order(&json!({"do": "camera_off"}))?;
    ana.order(&json!({"do": "mute"}))?;
    ben.wait_until("that neither picture nor tone arrives", |line| {
        line["event"] == "stats"
            && number(line, ["video", "fps_received"]) == 0.0
            && number(line, ["audio", "level_dbfs"]) < -60.0
    })?;
    ana.order(&json!({"do": "camera_on"}))?;
    ana.order(&json!({"do": "unmute"}))?;
    ben.wait_until("that both are back", |line| {
        number(line, ["video", "fps_decoded"]) > 20.0 && number(line, ["audio", "level_dbfs"]) > -30.0
    })?;
    Ok(())
}

#[test]
fn a_file_can_be_refused() -> Result<()> {
    let server = Server::start(&[])?;
    let file = server.folder().join("unwanted.bin");
    write_file(&file, 1)?;
    let [mut ana, _ben] = pair(
        &server,
        &["--send", file.to_str().context("path")?],
        &["--answer", "any", "--reject-files"],
    )?;
    let failed = ana.wait_until("that the file was declined", |line| {
        line["event"] == "file" && line["state"] == "failed"
    })?;
    ensure!(failed["reason"] == "declined", "{failed}");
    Ok(())
}

/// What comes back to ana of her own sound, dBFS: ben's speakers play it, and his microphone hears nothing else.
fn level_that_comes_back(server: &Server, settings: &[&str]) -> Result<f64> {
    let room = Room::start()?;
    let microphone = ["--video", "none", "--audio", "mic", "--answer", "any"];
    let mut ben = server.client_in(&room, "ben", &[&microphone, settings].concat())?;
    ben.wait_for("online")?;
    let mut ana = server.client("ana", &["--video", "none", "--audio", "test", "--call", "ben"])?;
    ben.wait_until("that ana is heard", |line| {
        number(line, ["audio", "level_dbfs"]) > -30.0 && number(line, ["audio", "tone_hz"]) > 0.0
    })?;
    let mut level = 0.0;
    for _ in 0..SECONDS_OF_ECHO {
        level = number(&ana.wait_for("stats")?, ["audio", "level_dbfs"]);
    }
    Ok(level)
}

#[test]
fn who_speaks_does_not_hear_herself_from_the_speakers_of_the_other_side() -> Result<()> {
    let [with, without] = ["true", "false"].map(|on| {
        let echo = format!("media.echo_cancellation={on}");
        let settings = ["--set", &echo, "--set", "media.noise_suppression=false"];
        level_that_comes_back(&Server::start(&[])?, &settings)
    });
    let (with, without) = (with?, without?);
    ensure!(
        without > -30.0 && without - with > 20.0,
        "{with:.0} dBFS with the echo canceller, {without:.0} without"
    );
    Ok(())
}
