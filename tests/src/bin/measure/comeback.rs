//! How long it takes until all is well again after a whole program was killed: the server, or a client in a call.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use roomrtc_tests::harness::{Headless, Server};
use serde_json::Value;

use super::{MEDIA, at, pair};

/// From the server being back to the sessions of both clients, ms.
const SESSION: f64 = 2000.0;
/// From the start of the client to its call, ms.
const CALL: f64 = 5000.0;

pub(super) fn run(runs: usize) -> Result<()> {
    println!("time until all is well again, ms, of {runs} kills each");
    println!("| what is killed and started again | what is back | median | max | |\n|---|---|---|---|---|");
    let mut missed = Vec::new();
    let mut row = |what: &str, back: &str, mut times: Vec<f64>, target: f64| {
        let (median, max) = (at(&mut times, 0.5), at(&mut times, 1.0));
        let verdict = if max <= target { "" } else { "**missed**" };
        println!("| {what} | {back} | {median:.0} | {max:.0} | {verdict} |");
        if max > target {
            missed.push(what.to_owned());
        }
    };
    row("server", "sessions of both clients", server(runs)?, SESSION);
    let [caller, callee] = client(runs)?;
    row("caller's client", "pictures and sound", caller, CALL);
    row("callee's client", "pictures and sound", callee, CALL);
    ensure!(missed.is_empty(), "missed: {}", missed.join(", "));
    Ok(())
}

/// Kills the server below a call, which must not notice.
fn server(runs: usize) -> Result<Vec<f64>> {
    let mut server = Server::start(&[])?;
    let mut clients = pair(&server, 0, &MEDIA, &MEDIA)?;
    for client in &mut clients {
        client.wait_for("connected")?;
    }
    let mut times = Vec::new();
    for _ in 0..runs {
        server.kill()?;
        for client in &mut clients {
            client.wait_for("offline")?;
        }
        server.start_again()?;
        let back = now_ms();
        let mut last = 0.0;
        for client in &mut clients {
            let online = client.wait_until("that the session goes on", |line| {
                line["event"] == "online" && line["resumed"] == true
            })?;
            last = at_ms(&online)?.max(last);
        }
        times.push((last - back).max(0.0));
    }
    for client in &clients {
        ensure!(
            client.events("interrupted").count() == 0,
            "the media were disturbed"
        );
        ensure!(client.events("ended").count() == 0, "the call ended");
    }
    Ok(times)
}

/// Kills one client of a call and starts it again, in turn.
fn client(runs: usize) -> Result<[Vec<f64>; 2]> {
    let server = Server::start(&[])?;
    let mut clients = pair(&server, 0, &MEDIA, &MEDIA)?;
    for client in &mut clients {
        client.wait_for("connected")?;
    }
    let mut times = [Vec::new(), Vec::new()];
    for run in 0..2 * runs {
        let (dies, stays) = (run % 2, 1 - run % 2);
        clients[dies].kill()?;
        clients[stays].wait_for("peer_away")?;
        let start = now_ms();
        let user = clients[dies].name().to_owned();
        clients[dies] = server.client(&user, &[&MEDIA[..], &["--rejoin"]].concat())?;
        let connected = clients[dies].wait_for("connected")?;
        let resumed = clients[stays].wait_for("resumed")?;
        let seen = picture(&mut clients[stays])?;
        times[dies].push(
            [at_ms(&connected)?, at_ms(&resumed)?, seen]
                .into_iter()
                .fold(0.0, f64::max)
                - start,
        );
    }
    Ok(times)
}

/// When pictures arrived again at the side that stayed, to the second in which its figures say so.
fn picture(client: &mut Headless) -> Result<f64> {
    let stats = client.wait_until("that pictures arrive", |line| {
        line["video"]["fps_decoded"].as_f64().is_some_and(|fps| fps > 0.0)
    })?;
    at_ms(&stats)
}

fn at_ms(line: &Value) -> Result<f64> {
    line["at_ms"].as_f64().with_context(|| format!("at_ms in {line}"))
}

fn now_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64() * 1e3
}
