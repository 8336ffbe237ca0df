//! Measures what `docs/performance.md` claims, with the programs as users start them: one server and headless
//! clients, or Chromium, on this machine. `cargo build --release && cargo run --release --bin measure`.

mod browser;
mod comeback;
mod overlay;
mod recover;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use roomrtc_tests::chaos;
use roomrtc_tests::harness::stories::MEDIA;
use roomrtc_tests::harness::turn_server::SEEN_BY_RELAY_ALONE;
use roomrtc_tests::harness::{Headless, Server, TurnServer};
use roomrtc_tests::interface_switch;
use serde_json::{Value, json};

/// Measures calls between two headless clients on this machine.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Accept to the first decoded remote frame.
    Setup {
        /// Calls to make.
        #[arg(long, default_value_t = 20)]
        runs: usize,
        /// Between a client and Chromium, in both directions.
        #[arg(long)]
        browser: bool,
        /// By way of a TURN server alone, spoken to over `udp` or `tcp` (needs the package coturn).
        #[arg(long, value_name = "WAY", value_parser = ["udp", "tcp"], conflicts_with = "browser")]
        relay: Option<String>,
    },
    /// Calls in a row against Chromium, with dice for who calls and the codec of the pictures.
    Calls {
        /// Calls to make.
        #[arg(long, default_value_t = 50)]
        runs: usize,
        /// What the dice start from.
        #[arg(long, env = "ROOMRTC_SEED", default_value_t = 1)]
        seed: u64,
    },
    /// CPU, memory and latency of a 720p30 call with sound, both ways.
    Call {
        /// How long to measure, after five seconds of warming up.
        #[arg(long, default_value_t = 20)]
        seconds: u64,
        /// While both record it.
        #[arg(long)]
        record: bool,
    },
    /// What the actors panel (F12) of a window costs, on a virtual screen (needs Xvfb).
    Overlay {
        /// How long to measure each case.
        #[arg(long, default_value_t = 20)]
        seconds: u64,
    },
    /// A file over the data channel.
    File {
        /// Its size.
        #[arg(long, default_value_t = 256)]
        mib: u64,
        /// With pictures and sound beside it.
        #[arg(long)]
        media: bool,
    },
    /// A call in which a random part dies every half second.
    Chaos {
        /// For how long.
        #[arg(long, default_value_t = 120)]
        seconds: u64,
        /// What the dice start from.
        #[arg(long, env = "ROOMRTC_SEED", default_value_t = 1)]
        seed: u64,
    },
    /// The time until all is well again after the server or a client was killed and started again.
    Comeback {
        /// Kills of each.
        #[arg(long, default_value_t = 20)]
        runs: usize,
    },
    /// The pause in a call when the interface in use goes away and there is another (needs network namespaces).
    Switch {
        /// Switches of the caller and of the callee each.
        #[arg(long, default_value_t = 5)]
        runs: usize,
    },
    /// The pause in a call when one of its parts dies.
    Recover {
        /// Deaths of each part.
        #[arg(long, default_value_t = 20)]
        runs: usize,
        /// Only parts whose names contain this.
        #[arg(long)]
        only: Option<String>,
    },
}

/// Time for bit rate and caches to settle.
const WARM_UP: u64 = 5;
/// The phases of a set-up (`setup_ms` in `docs/headless.md`).
const PHASES: [&str; 6] = ["signaling", "ice", "dtls", "first_packet", "first_frame", "total"];
const NO_MEDIA: [&str; 4] = ["--video", "none", "--audio", "none"];

fn main() -> Result<()> {
    match Arguments::parse().what {
        What::Setup {
            runs, browser: true, ..
        } => browser::setup(runs),
        What::Setup { runs, relay, .. } => setup(runs, relay.as_deref()),
        What::Calls { runs, seed } => browser::calls(runs, seed),
        What::Call { seconds, record } => call(seconds, record),
        What::Overlay { seconds } => overlay::run(seconds),
        What::File { mib, media } => file(mib, media),
        What::Chaos { seconds, seed } => {
            println!("seed {seed}");
            let outcome = chaos::run(Duration::from_secs(seconds), seed)?;
            println!("{outcome:#?}");
            Ok(())
        }
        What::Switch { runs } => switch(runs),
        What::Comeback { runs } => comeback::run(runs),
        What::Recover { runs, only } => recover::run(runs, only.as_deref()),
    }
}

/// Two clients, the first calling the second.
fn pair(server: &Server, run: usize, caller: &[&str], callee: &[&str]) -> Result<[Headless; 2]> {
    let mut ben = server.client(&format!("ben{run}"), &[callee, &["--answer", "any"]].concat())?;
    ben.wait_for("online")?;
    let ana = server.client(
        &format!("ana{run}"),
        &[caller, &["--call", &format!("ben{run}")]].concat(),
    )?;
    Ok([ana, ben])
}

fn switch(runs: usize) -> Result<()> {
    println!("longest pause when the interface in use goes away, ms, of {runs} calls each");
    println!(
        "| who loses it | at whom | sound: median | max | pictures: median | max |\n|---|---|---|---|---|---|"
    );
    for (who, caller) in [("caller", true), ("callee", false)] {
        let mut pauses = [const { Vec::new() }; 4];
        for _ in 0..runs {
            let seen = interface_switch::run(caller)?.context("network namespaces are not permitted here")?;
            let [a, b] = seen.here;
            let [c, d] = seen.there;
            for (all, one) in pauses.iter_mut().zip([a, b, c, d]) {
                all.push(one);
            }
        }
        for (whom, two) in ["the same", "the other"].into_iter().zip(pauses.chunks_mut(2)) {
            let [sound, pictures] = two else { continue };
            println!(
                "| {who} | {whom} | {:.0} | {:.0} | {:.0} | {:.0} |",
                at(sound, 0.5),
                at(sound, 1.0),
                at(pictures, 0.5),
                at(pictures, 1.0)
            );
        }
    }
    Ok(())
}

fn setup(runs: usize, relay: Option<&str>) -> Result<()> {
    let turn = relay.map(|_| TurnServer::start()).transpose()?;
    let (server, options) = match turn.as_ref().zip(relay) {
        Some((turn, way)) => (turn.server(&[way])?, [&MEDIA[..], &SEEN_BY_RELAY_ALONE].concat()),
        None => (Server::start(&[])?, MEDIA.to_vec()),
    };
    let mut seen = PHASES.map(|_| Vec::new());
    for run in 0..runs {
        let mut clients = pair(&server, run, &options, &options)?;
        for client in &mut clients {
            let connected = client.wait_for("connected")?;
            for (phase, times) in PHASES.iter().zip(&mut seen) {
                times.push(
                    connected["setup_ms"][phase]
                        .as_f64()
                        .with_context(|| format!("{phase} in {connected}"))?,
                );
            }
        }
        clients[0].order(&json!({"do": "hangup"}))?;
        clients[0].wait_for("ended")?;
        clients[1].wait_for("ended")?;
    }
    println!("accept to first decoded remote frame, ms, both sides of {runs} calls");
    println!("| phase | median | p95 | max |\n|---|---|---|---|");
    for (phase, times) in PHASES.iter().zip(&mut seen) {
        println!(
            "| {phase} | {:.1} | {:.1} | {:.1} |",
            at(times, 0.5),
            at(times, 0.95),
            at(times, 1.0)
        );
    }
    Ok(())
}

fn call(seconds: u64, record: bool) -> Result<()> {
    let server = Server::start(&[])?;
    let files = ["ana.jsonl", "ben.jsonl"].map(|name| server.folder().join(name));
    let mut options = [MEDIA.to_vec(), MEDIA.to_vec()];
    if record {
        for (options, file) in options.iter_mut().zip(&files) {
            options.extend(["--record", file.to_str().context("path")?]);
        }
    }
    let mut clients = pair(&server, 0, &options[0], &options[1])?;
    for client in &mut clients {
        client.wait_for("connected")?;
    }
    let recorded = || {
        files
            .iter()
            .filter_map(|file| file.metadata().ok())
            .map(|file| file.len())
            .sum::<u64>()
    };
    let (before, since) = (recorded(), Instant::now());
    let mut cpu = 0.0;
    for client in &mut clients {
        let samples: Vec<Value> = (0..WARM_UP + seconds)
            .map(|_| client.wait_for("stats"))
            .collect::<Result<_>>()?;
        let measured = &samples[WARM_UP as usize..];
        cpu += report(client, measured)?;
    }
    println!("\nCPU of both clients together: {cpu:.2} s per s");
    if record {
        let rate = (recorded() - before) as f64 / 1000.0 / since.elapsed().as_secs_f64();
        println!("recordings of both: {rate:.0} kB/s");
    }
    Ok(())
}

/// One side's figures; its CPU seconds per second.
fn report(client: &Headless, measured: &[Value]) -> Result<f64> {
    let (first, last) = (
        measured.first().context("no figures")?,
        measured.last().context("no figures")?,
    );
    let cpu_of = |line: &Value| line["process"]["cpu_s"].as_f64().unwrap_or_default();
    let at_of = |line: &Value| line["at_ms"].as_f64().unwrap_or_default() / 1000.0;
    let cpu = (cpu_of(last) - cpu_of(first)) / (at_of(last) - at_of(first));
    let values = |path: &[&str]| -> Vec<f64> {
        measured
            .iter()
            .filter_map(|line| path.iter().fold(line, |line, key| &line[*key]).as_f64())
            .collect()
    };
    let median = |path: &[&str]| at(&mut values(path), 0.5);
    println!(
        "\n{} ({} → {})",
        client.name(),
        last["transport"]["local"],
        last["transport"]["remote"]
    );
    println!(
        "  CPU {cpu:.2} s/s, memory {:.0} MiB",
        median(&["process", "rss_bytes"]) / f64::from(1 << 20)
    );
    println!(
        "  video {} {}x{}: captured {:.1}, encoded {:.1}, received {:.1}, decoded {:.1} a second, {:.0} kbit/s, \
         lost {}, freezes {}",
        last["video"]["codec"],
        last["video"]["width"],
        last["video"]["height"],
        median(&["video", "fps_captured"]),
        median(&["video", "fps_encoded"]),
        median(&["video", "fps_received"]),
        median(&["video", "fps_decoded"]),
        median(&["video", "kbps_received"]),
        last["video"]["packets_lost"],
        last["video"]["freezes"],
    );
    println!(
        "  glass to glass p50 {:.0} ms, p95 {:.0} ms (medians of the seconds)",
        median(&["video", "glass_to_glass_ms", "p50"]),
        median(&["video", "glass_to_glass_ms", "p95"]),
    );
    println!(
        "  audio {:.0} kbit/s, tone {:.0} Hz at {:.0} dBFS, jitter buffer {:.0} ms, concealed {} ms, sound after \
         picture {:.0} ms",
        median(&["audio", "kbps"]),
        median(&["audio", "tone_hz"]),
        median(&["audio", "level_dbfs"]),
        median(&["audio", "jitter_buffer_ms"]),
        last["audio"]["concealed_ms"],
        median(&["audio", "lip_sync_ms"]),
    );
    Ok(cpu)
}

fn file(mib: u64, media: bool) -> Result<()> {
    let server = Server::start(&[])?;
    let path = write_file(&server, mib)?;
    let received = server.folder().join("received");
    let media = if media { MEDIA } else { NO_MEDIA };
    let send = [&media[..], &["--send", path.to_str().context("path")?]].concat();
    let accept = [
        &media[..],
        &["--accept-files", received.to_str().context("path")?],
    ]
    .concat();
    let [mut ana, mut ben] = pair(&server, 0, &send, &accept)?;
    let done = ben.wait_until("that the file is complete", |line| {
        line["event"] == "file" && (line["state"] == "completed" || line["state"] == "failed")
    })?;
    ensure!(done["state"] == "completed", "the file did not arrive: {done}");
    let took = done["took_ms"].as_f64().context("took_ms")? / 1000.0;
    println!(
        "{mib} MiB in {took:.2} s: {:.1} MB/s",
        (mib << 20) as f64 / 1e6 / took
    );
    ana.order(&json!({"do": "quit"}))?;
    Ok(())
}

/// A file that does not compress and is not all zeros.
fn write_file(server: &Server, mib: u64) -> Result<PathBuf> {
    let path = server.folder().join("file.bin");
    let mut file = File::create(&path)?;
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = vec![0_u8; 1 << 20];
    for _ in 0..mib {
        for word in block.chunks_exact_mut(8) {
            // xorshift64 (Marsaglia 2003)
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        file.write_all(&block)?;
    }
    Ok(path)
}

/// The quantile `q` of the values, 0 without any.
fn at(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1) as f64;
    values
        .get((last * q).round() as usize)
        .copied()
        .unwrap_or_default()
}
