//! What the death of a part costs a call: kills each in turn on alternating sides of a call, and reads the pauses.

use anyhow::{Result, ensure};
use roomrtc_tests::harness::{Headless, Server};
use serde_json::{Value, json};

use super::{MEDIA, at, pair};

/// The longest pauses allowed, ms: median and maximum.
#[derive(Clone, Copy)]
struct Target {
    median: f64,
    max: f64,
}

const SOUND: Target = Target {
    median: 150.0,
    max: 400.0,
};
const PICTURES: Target = Target {
    median: 300.0,
    max: 800.0,
};

/// What is killed.
const PARTS: [&str; 14] = [
    "call/capture/video",
    "call/capture/audio",
    "call/encoder/video",
    "call/encoder/audio",
    "call/rtp_sender/video",
    "call/rtp_sender/audio",
    "call/rtp_receiver/video",
    "call/rtp_receiver/audio",
    "call/decoder/video",
    "call/playout/video",
    "call/playout/audio",
    "call/rtcp_reporter",
    "client/ui_bridge",
    "client/signaling_connection",
];

/// What is killed whose death may take the whole transport along, and the pause allowed. By a mere panic the next life
/// inherits it; by one that leaves nothing it is negotiated anew with the peer.
const TRANSPORT: [(&str, f64); 3] = [
    ("call/ice_agent", 1000.0),
    ("call/dtls_session", 1500.0),
    ("call/sctp_association", 1500.0),
];

pub(super) fn run(runs: usize, only: Option<&str>) -> Result<()> {
    let server = Server::start(&[])?;
    // Deaths are the subject here: they are forgotten at once, so that none waits for its restart.
    let settings = [
        "--set",
        "debug.chaos=true",
        "--set",
        "client.restart_limit=1000",
        "--set",
        "client.restart_period_s=1",
    ];
    let options = [&MEDIA[..], &settings].concat();
    let mut clients = pair(&server, 0, &options, &options)?;
    for client in &mut clients {
        client.wait_for("connected")?;
    }
    for _ in 0..3 {
        clients[0].wait_for("stats")?;
    }
    println!(
        "longest pause in sound and pictures around a death, at either end, ms, of {runs} deaths on alternating sides"
    );
    println!("| what dies | sound: median | max | pictures: median | max | |\n|---|---|---|---|---|---|");
    let mut missed = Vec::new();
    let whole = |limit| Target {
        median: limit,
        max: limit,
    };
    let parts = PARTS.iter().map(|&part| (part, SOUND, PICTURES));
    let parts = parts.map(|(part, sound, pictures)| (part, "panic", [sound, pictures]));
    let transport = |how| {
        TRANSPORT
            .iter()
            .map(move |&(part, limit)| (part, how, [whole(limit); 2]))
    };
    for (part, how, targets) in parts.chain(transport("panic")).chain(transport("forget")) {
        if only.is_none_or(|only| part.contains(only)) && !row(&mut clients, part, how, runs, targets)? {
            missed.push(part);
        }
    }
    ensure!(missed.is_empty(), "missed: {}", missed.join(", "));
    Ok(())
}

/// Kills one part again and again; whether the pauses stay within the targets.
fn row(
    clients: &mut [Headless; 2],
    part: &str,
    how: &str,
    runs: usize,
    targets: [Target; 2],
) -> Result<bool> {
    let mut pauses = [Vec::new(), Vec::new()];
    for run in 0..runs {
        let [sound, pictures] = death(clients, run % 2, part, how)?;
        pauses[0].push(sound);
        pauses[1].push(pictures);
    }
    let [sound, pictures] = &mut pauses;
    let figures = [
        at(sound, 0.5),
        at(sound, 1.0),
        at(pictures, 0.5),
        at(pictures, 1.0),
    ];
    let within = |target: Target, median, max| median <= target.median && max <= target.max;
    let met = within(targets[0], figures[0], figures[1]) && within(targets[1], figures[2], figures[3]);
    let [a, b, c, d] = figures;
    let verdict = if met { "" } else { "**missed**" };
    let what = if how == "forget" { " with all it kept" } else { "" };
    println!("| {part}{what} | {a:.0} | {b:.0} | {c:.0} | {d:.0} | {verdict} |");
    Ok(met)
}

/// Kills a part on one side; the longest pauses at either end.
fn death(clients: &mut [Headless; 2], side: usize, part: &str, how: &str) -> Result<[f64; 2]> {
    let [here, there] = match clients {
        [a, b] if side == 0 => [a, b],
        [a, b] => [b, a],
    };
    // what was said before belongs to the last death
    here.read();
    there.read();
    let seen = [here.said.len(), there.said.len()];
    let before = there.events("restarted").count();
    here.order(&json!({"do": "crash", "actor": part, "how": how}))?;
    let restarted = here.wait_until("that the part is restarted", |line| {
        line["event"] == "restarted" && line["actor"] == part
    })?;
    let mut pauses = [
        number(&restarted["gap_ms"]["audio"]),
        number(&restarted["gap_ms"]["video"]),
    ];
    // The second in which it died is over by now, and the next one at the other end, too.
    there.wait_for("stats")?;
    for (client, seen) in [&*here, &*there].into_iter().zip(seen) {
        for figures in client.said[seen..].iter().filter(|line| line["event"] == "stats") {
            pauses[0] = pauses[0].max(number(&figures["audio"]["gap_ms"]));
            pauses[1] = pauses[1].max(number(&figures["video"]["gap_ms"]));
        }
    }
    ensure!(
        there.events("restarted").count() == before,
        "{part} died here, and something else over there"
    );
    Ok(pauses)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_default()
}
