//! Calls with another stack: aiortc, which shares nothing with ours or with a browser's (its own ICE and SCTP, DTLS by
//! OpenSSL, codecs by FFmpeg).

use anyhow::{Context, Result, ensure};
use roomrtc_tests::harness::guest::{GUEST, inviter};
use roomrtc_tests::harness::stories::{number, write_file};
use roomrtc_tests::harness::{Headless, Server, aiortc};
use serde_json::{Value, json};

/// The next second in which the client gets the peer's picture and its tone of 440 Hz.
fn client_hears_and_sees(client: &mut Headless) -> Result<Value> {
    client.read();
    client.wait_until("the peer's picture and tone", |line| {
        line["event"] == "stats"
            && number(line, ["video", "fps_decoded"]) > 10.0
            && number(line, ["video", "width"]) == 640.0
            && (number(line, ["audio", "tone_hz"]) - 440.0).abs() < 5.0
    })
}

/// A report of the peer that it gets the client's picture and its tone of 440 Hz.
fn peer_hears_and_sees(peer: &mut Headless) -> Result<Value> {
    peer.read();
    peer.wait_until("the client's picture and tone", |line| {
        line["event"] == "stats"
            && number(line, ["video", "frames"]) > 30.0
            && number(line, ["video", "width"]) == 1280.0
            && (number(line, ["audio", "tone_hz"]) - 440.0).abs() < 10.0
    })
}

/// What each tells the other about its microphone arrives.
fn both_tell_what_they_send(client: &mut Headless, peer: &mut Headless) -> Result<()> {
    for microphone in [false, true] {
        client.wait_until("what the peer says of its microphone", |line| {
            line["event"] == "peer_media" && line["microphone"] == microphone
        })?;
    }
    client.order(&json!({"do": "mute"}))?;
    peer.wait_until("that the client is muted", |line| {
        line["event"] == "heard" && line["says"]["type"] == "media" && line["says"]["microphone"] == false
    })?;
    client.order(&json!({"do": "unmute"}))
}

/// The client hangs up, and both hear of it.
fn hang_up(client: &mut Headless, peer: &mut Headless) -> Result<()> {
    client.order(&json!({"do": "hangup"}))?;
    client.wait_for("ended")?;
    peer.wait_for("ended")?;
    Ok(())
}

#[test]
fn aiortc_calls_and_is_called_with_sound_pictures_and_data() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut peer = aiortc::join(&server, &url, &[])?;
    both_tell_what_they_send(&mut ana, &mut peer)?;
    let second = client_hears_and_sees(&mut ana)?;
    println!("aiortc offers: {second}");
    peer_hears_and_sees(&mut peer)?;
    hang_up(&mut ana, &mut peer)?;

    ana.order(&json!({"do": "call", "user": GUEST}))?;
    both_tell_what_they_send(&mut ana, &mut peer)?;
    let second = client_hears_and_sees(&mut ana)?;
    println!("aiortc answers: {second}");
    peer_hears_and_sees(&mut peer)?;
    Ok(())
}

#[test]
fn a_peer_that_only_answers_checks_calls_and_is_called() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut peer = aiortc::join(&server, &url, &["--lite"])?;
    for round in ["it offers", "it answers"] {
        both_tell_what_they_send(&mut ana, &mut peer).context(round)?;
        client_hears_and_sees(&mut ana).context(round)?;
        peer_hears_and_sees(&mut peer).context(round)?;
        hang_up(&mut ana, &mut peer)?;
        if round == "it offers" {
            ana.order(&json!({"do": "call", "user": GUEST}))?;
        }
    }
    let wrong = peer.events("error").count();
    ensure!(wrong == 0, "it sent checks: {:#?}", peer.said);
    Ok(())
}

#[test]
fn aiortc_speaks_vp8_too() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut peer = aiortc::join(&server, &url, &["--codec", "vp8"])?;
    let second = client_hears_and_sees(&mut ana)?;
    ensure!(second["video"]["codec"] == "vp8", "{second}");
    peer_hears_and_sees(&mut peer)?;
    Ok(())
}

#[test]
fn files_go_both_ways_between_aiortc_and_the_client() -> Result<()> {
    let server = Server::start(&[])?;
    let [to_ana, to_peer, received, saved] =
        ["out.bin", "in.bin", "received", "saved"].map(|name| server.folder().join(name));
    std::fs::create_dir(&saved)?;
    let hashes = [write_file(&to_ana, 1)?, write_file(&to_peer, 2)?];
    let path = |path: &std::path::Path| path.to_str().map(str::to_owned).context("a path");
    let (mut ana, url) = inviter(&server, &["--accept-files", &path(&received)?])?;
    let (hash, from, to) = (hashes[0].to_hex(), path(&to_ana)?, path(&saved)?);
    let options = ["--send", &from, "--hash", hash.as_str(), "--save", &to];
    let mut peer = aiortc::join(&server, &url, &options)?;
    let whole = |line: &Value| line["event"] == "file" && line["state"] == "completed";
    let completed = ana.wait_until("that the peer's file is complete", whole)?;
    ensure!(completed["hash"] == hash.as_str(), "{completed}");
    ensure!(
        blake3::hash(&std::fs::read(received.join("out.bin"))?) == hashes[0],
        "the file differs on disk"
    );

    ana.order(&json!({"do": "send", "path": to_peer}))?;
    ana.wait_until("that its own file is complete", whole)?;
    peer.has_said("that the file is there", |line| {
        line["event"] == "file" && line["direction"] == "in"
    })?;
    ensure!(
        blake3::hash(&std::fs::read(saved.join("in.bin"))?) == hashes[1],
        "the file differs at the peer"
    );
    Ok(())
}
