//! Calls against Chromium: how long the set-up takes, and whether many in a row succeed.

use anyhow::{Context, Error, Result, bail, ensure};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use roomrtc_tests::harness::guest::{
    await_state, call_again, call_back, guest_hears_and_sees, hang_up, host_hears_and_sees, instrumented,
    inviter, join, set_up_ms, speak_only,
};
use roomrtc_tests::harness::{Browser, Headless, Server};
use serde_json::{Value, json};

use super::{PHASES, at};

/// Accept to the first decoded remote picture, median, ms.
const SET_UP: f64 = 250.0;
/// The codecs, in the words of SDP and of the client.
const CODECS: [(&str, &str); 2] = [("H264", "h264"), ("VP8", "vp8")];

/// Who calls, and so sends the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Chromium,
    Client,
}

impl Caller {
    fn name(self) -> &'static str {
        match self {
            Caller::Chromium => "Chromium",
            Caller::Client => "the client",
        }
    }
}

/// A client and a browser that go from call to call.
struct Pair {
    client: Headless,
    browser: Browser,
    // Ends last.
    _server: Server,
}

impl Pair {
    /// Both have had a first call.
    fn new() -> Result<Self> {
        let server = Server::start(&[])?;
        let (client, url) = inviter(&server, &[])?;
        let mut pair = Pair {
            client,
            browser: instrumented()?,
            _server: server,
        };
        join(&mut pair.browser, &url)?;
        pair.see_and_hear()?;
        pair.hang_up()?;
        Ok(pair)
    }

    fn call(&mut self, caller: Caller) -> Result<()> {
        match caller {
            Caller::Chromium => call_again(&mut self.browser),
            Caller::Client => call_back(&mut self.client, &mut self.browser),
        }
    }

    /// What both say of the pictures and the sound they get.
    fn see_and_hear(&mut self) -> Result<[Value; 2]> {
        let here = host_hears_and_sees(&mut self.client)?;
        Ok([here, guest_hears_and_sees(&mut self.browser)?])
    }

    fn hang_up(&mut self) -> Result<()> {
        hang_up(&mut self.client, &mut self.browser)
    }
}

/// Measures the set-up in both directions, at both ends.
pub(super) fn setup(runs: usize) -> Result<()> {
    let mut pair = Pair::new()?;
    println!("accept to first decoded remote picture, ms, client and Chromium, {runs} calls each");
    println!("| who calls | at whom | phase | min | median | max | |\n|---|---|---|---|---|---|---|");
    let mut missed = Vec::new();
    for caller in [Caller::Chromium, Caller::Client] {
        let mut here = PHASES.map(|_| Vec::new());
        let mut there = Vec::new();
        for _ in 0..runs {
            pair.call(caller)?;
            let connected = pair.client.wait_for("connected")?;
            for (phase, times) in PHASES.iter().zip(&mut here) {
                let took = connected["setup_ms"][phase].as_f64();
                times.push(took.with_context(|| format!("{phase} in {connected}"))?);
            }
            there.push(set_up_ms(&mut pair.browser)?);
            pair.hang_up()?;
        }
        let rows = PHASES.iter().map(|&phase| ("the client", phase)).zip(&mut here);
        for ((whom, phase), times) in rows.chain([(("Chromium", "total"), &mut there)]) {
            let [min, median, max] = [0.0, 0.5, 1.0].map(|q| at(times, q));
            let late = phase == "total" && median > SET_UP;
            let verdict = if late { "**missed**" } else { "" };
            let who = caller.name();
            println!("| {who} | {whom} | {phase} | {min:.1} | {median:.1} | {max:.1} | {verdict} |");
            if late {
                missed.push(format!("{who} calls, at {whom}"));
            }
        }
    }
    ensure!(missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

/// Calls in a row with dice for the roles and codecs.
pub(super) fn calls(runs: usize, seed: u64) -> Result<()> {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut pair = Pair::new()?;
    let mut failures = 0;
    let mut done = [[0; CODECS.len()]; 2];
    let mut memory = Vec::new();
    for run in 1..=runs {
        let (caller, role) = [(Caller::Chromium, 0), (Caller::Client, 1)][dice.next_u32() as usize % 2];
        let kind = dice.next_u32() as usize % CODECS.len();
        match one_call(&mut pair, caller, CODECS[kind]) {
            Ok(rss) => {
                done[role][kind] += 1;
                memory.push(rss);
            }
            Err(error) => {
                let (who, codec) = (caller.name(), CODECS[kind].1);
                println!("failed: call {run}, {who} calls, {codec}: {}", brief(&error));
                failures += 1;
                recover(&mut pair)?;
            }
        }
    }
    println!("{runs} calls in a row between one client and one Chromium, seed {seed}");
    println!("| who calls | pictures in | succeeded |\n|---|---|---|");
    for (caller, counts) in [Caller::Chromium, Caller::Client].into_iter().zip(done) {
        for ((_, codec), count) in CODECS.into_iter().zip(counts) {
            println!("| {} | {codec} | {count} |", caller.name());
        }
    }
    let mib = |bytes: Option<&f64>| bytes.copied().unwrap_or_default() / f64::from(1 << 20);
    println!(
        "memory of the client in the first call {:.1} MiB, in the one half-way {:.1} MiB, in the last {:.1} MiB",
        mib(memory.first()),
        mib(memory.get(memory.len() / 2)),
        mib(memory.last())
    );
    println!("{} of {runs} succeeded", runs - failures);
    ensure!(failures == 0, "{failures} of {runs} calls failed");
    Ok(())
}

/// A whole call; the client's resident memory in it, bytes.
fn one_call(pair: &mut Pair, caller: Caller, (theirs, ours): (&str, &str)) -> Result<f64> {
    speak_only(&mut pair.browser, theirs)?;
    pair.call(caller)?;
    let [here, there] = pair.see_and_hear()?;
    let (got, gave) = (&here["video"]["codec"], &there["video"]["codec"]);
    ensure!(
        *got == ours && *gave == format!("video/{theirs}"),
        "wanted {ours}, got {got} and gave {gave}"
    );
    pair.hang_up()?;
    here["process"]["rss_bytes"].as_f64().context("rss_bytes")
}

/// Ends whatever was left of a call.
fn recover(pair: &mut Pair) -> Result<()> {
    pair.client.order(&json!({"do": "hangup"}))?;
    if await_state(&mut pair.browser, "ended").is_err() {
        bail!("the page did not come out of a failed call");
    }
    pair.client.read();
    Ok(())
}

/// What went wrong, without everything that was said before.
fn brief(error: &Error) -> String {
    let words = format!("{error:#}");
    words.split("; it said").next().unwrap_or_default().to_owned()
}
