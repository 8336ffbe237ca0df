//! A recorded call is run again to the same states, a part that dies in it included; and nothing is in the recording that
//! must not be.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use roomrtc_tests::harness::stories::{MEDIA, hears_and_sees};
use roomrtc_tests::harness::{Headless, Server, program};
use serde_json::{Value, json};

/// Names that are not part of any other word.
const CALLER: &str = "anastasia";
const CALLEE: &str = "benedikt";
/// Lets a script crash actors.
const CHAOS: [&str; 2] = ["--set", "debug.chaos=true"];

/// What `roomrtc replay` says of a file.
fn replay(file: &Path) -> Result<Output> {
    Ok(Command::new(program("roomrtc")?)
        .arg("replay")
        .arg(file)
        .output()?)
}

/// Waits until the recording is as it should be.
fn recording(client: &mut Headless, state: &str) -> Result<Value> {
    client.wait_until(&format!("that its recording is {state}"), |line| {
        line["event"] == "recording" && line["state"] == state
    })
}

/// A call that the caller records.
fn call(server: &Server, record: &Path, further: &[&str]) -> Result<[Headless; 2]> {
    let callee = [&MEDIA[..], &["--answer", "any"]].concat();
    let mut ben = server.client(CALLEE, &callee)?;
    ben.wait_for("online")?;
    let file = record.to_str().context("path")?;
    let caller = [&MEDIA[..], &CHAOS, further, &["--call", CALLEE, "--record", file]].concat();
    let mut ana = server.client(CALLER, &caller)?;
    recording(&mut ana, "recording")?;
    ana.wait_for("connected")?;
    ben.wait_for("connected")?;
    Ok([ana, ben])
}

/// Ends the actor of that name and waits for its next life.
fn crash(client: &mut Headless, actor: &str) -> Result<()> {
    client.order(&json!({"do": "crash", "actor": actor}))?;
    client.wait_until(&format!("that {actor} was started again"), |line| {
        line["event"] == "restarted" && line["actor"] == actor
    })?;
    Ok(())
}

/// Whether there is an IPv4 address in the text.
fn has_address(text: &str) -> bool {
    let numbers = |word: &&str| word.split('.').filter(|part| part.parse::<u8>().is_ok()).count() == 4;
    text.split(|c: char| !c.is_ascii_digit() && c != '.')
        .any(|word| numbers(&word))
}

#[test]
fn a_call_in_which_parts_die_is_run_again_without_a_difference() -> Result<()> {
    let server = Server::start(&[])?;
    let (file, later) = (
        server.folder().join("call.jsonl"),
        server.folder().join("later.jsonl"),
    );
    let [mut ana, mut ben] = call(&server, &file, &[])?;
    hears_and_sees(&mut ana)?;

    // The callee's begins in the middle of the call.
    ben.order(&json!({"do": "record", "file": later}))?;
    recording(&mut ben, "recording")?;
    for actor in [
        "call/rtp_receiver/video",
        "call/encoder/video",
        "call/rtcp_reporter",
    ] {
        crash(&mut ana, actor)?;
        hears_and_sees(&mut ana)?;
        hears_and_sees(&mut ben)?;
    }
    ben.order(&json!({"do": "stop_recording"}))?;
    recording(&mut ben, "done")?;
    ana.order(&json!({"do": "hangup"}))?;
    ensure!(ana.finish()?.success(), "{:#?}", ana.said);
    let done = ana.has_said("that its recording is done", |line| {
        line["event"] == "recording" && line["state"] == "done"
    })?;
    ensure!(done["lost"] == 0, "{done}");

    for recorded in [&file, &later] {
        let output = replay(recorded)?;
        let said = String::from_utf8(output.stdout)?;
        ensure!(
            output.status.success() && said.ends_with("no difference\n"),
            "{said}"
        );
        for machine in [
            "audio_jitter_buffer",
            "rtcp_reporter",
            "rtp_receiver",
            "rtp_sender",
        ] {
            ensure!(said.contains(machine), "no {machine}: {said}");
        }
    }
    let said = String::from_utf8(replay(&file)?.stdout)?;
    for machine in ["exchange", "renewal"] {
        ensure!(said.contains(machine), "no {machine}: {said}");
    }
    ensure!(
        said.contains("call/encoder/video died: panicked: ordered to panic"),
        "{said}"
    );
    holds_nothing_private(&server, &[&file, &later])?;
    an_altered_recording_is_told(&server, &file)
}

/// Neither names nor addresses, passwords or fingerprints.
fn holds_nothing_private(server: &Server, files: &[&Path]) -> Result<()> {
    let fingerprint = server.fingerprint.trim_start_matches("sha256:");
    let address = server.url.trim_start_matches("wss://");
    for file in files {
        let text = std::fs::read_to_string(file)?;
        let folder = server.folder().to_string_lossy().into_owned();
        for word in [CALLER, CALLEE, "own password", fingerprint, address, &folder] {
            let found = text.lines().find(|line| line.contains(word));
            ensure!(found.is_none(), "{word:?} is in the recording: {found:?}");
        }
        let found = text.lines().find(|line| has_address(line));
        ensure!(found.is_none(), "an address is in the recording: {found:?}");
    }
    Ok(())
}

/// One picture of which the recording says something else.
fn an_altered_recording_is_told(server: &Server, file: &Path) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    let altered = server.folder().join("altered.jsonl");
    std::fs::write(&altered, text.replacen("\"key\":true", "\"key\":false", 1))?;
    let output = replay(&altered)?;
    let said = String::from_utf8(output.stdout)?;
    ensure!(output.status.code() == Some(1), "{said}");
    let line = text
        .lines()
        .position(|line| line.contains("\"key\":true"))
        .context("a picture")?
        + 1;
    ensure!(
        said.contains("first difference: rtp_receiver of call/rtp_receiver/video")
            && said.contains(&format!("line {line}\n"))
            && said.contains("got      {\"picture\":"),
        "{said}"
    );
    std::fs::write(&altered, text.replacen("\"step\"", "\"stop\"", 1))?;
    let output = replay(&altered)?;
    let said = String::from_utf8(output.stderr)?;
    let line = text
        .lines()
        .position(|line| line.contains("\"step\""))
        .context("a step")?
        + 1;
    ensure!(
        output.status.code() == Some(2) && said.contains(&format!("line {line}: ")),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_recording_goes_on_in_another_file_when_the_program_starts_itself_anew() -> Result<()> {
    let server = Server::start(&[])?;
    let file = server.folder().join("call.jsonl");
    let watchful = ["--set", "client.hang_timeout_ms=1000"];
    let [mut ana, mut ben] = call(&server, &file, &watchful)?;
    hears_and_sees(&mut ana)?;
    ana.order(&json!({"do": "crash", "actor": "client/root", "how": "hang"}))?;
    recording(&mut ana, "recording")?;
    ana.wait_for("connected")?;
    hears_and_sees(&mut ana)?;
    hears_and_sees(&mut ben)?;
    ana.order(&json!({"do": "hangup"}))?;
    ana.finish()?;
    for recorded in [file, server.folder().join("call.jsonl.1")] {
        let said = String::from_utf8(replay(&recorded)?.stdout)?;
        ensure!(said.ends_with("no difference\n"), "{recorded:?}: {said}");
        ensure!(said.contains("exchange"), "no offer in {recorded:?}: {said}");
    }
    Ok(())
}
