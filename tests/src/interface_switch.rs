//! A call in which one party loses the interface it uses: two machines of their own, one of them with two cables, and a
//! third for the server between them.

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::harness::namespaces::{Machines, SERVER};
use crate::harness::stories::{MEDIA, hears_and_sees, number};
use crate::harness::{Headless, Server};

/// The longest pauses around the loss, ms.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    /// Sound and pictures, at the party that lost its interface.
    pub here: [f64; 2],
    /// The same at the other.
    pub there: [f64; 2],
}

/// ana, who has two cables, is in a call with ben; she called him, or he her. Then the cable in use is pulled out.
/// `None` where network namespaces are not permitted.
///
/// # Errors
/// If the call does not go on over the other interface.
pub fn run(ana_calls: bool) -> Result<Option<Pauses>> {
    let Some(machines) = Machines::build()? else {
        return Ok(None);
    };
    let server = Server::start_at(machines.hub(), SERVER, &[])?;
    let [mut ana, mut ben] = call(&server, &machines, ana_calls)?;
    let used = address(&hears_and_sees(&mut ana)?);
    let (device, other) = match used.starts_with("10.77.1.2:") {
        true => ("a0", "10.77.2.2:"),
        false => ("a1", "10.77.1.2:"),
    };
    hears_and_sees(&mut ben)?;
    for client in [&mut ana, &mut ben] {
        client.read();
        client.said.clear();
    }
    machines.unplug(machines.ana(), device)?;
    for event in ["interrupted", "resumed"] {
        ana.wait_for(event)?;
    }
    for client in [&mut ana, &mut ben] {
        // What was said before is about the former path.
        client.read();
        hears_and_sees(client)?;
        ensure!(client.events("ended").count() == 0, "the call ended");
    }
    ana.wait_until("that the other interface is used", |line| {
        line["event"] == "stats" && address(line).starts_with(other)
    })?;
    Ok(Some(Pauses {
        here: longest(&ana),
        there: longest(&ben),
    }))
}

fn call(server: &Server, machines: &Machines, ana_calls: bool) -> Result<[Headless; 2]> {
    let ana = |options: &[&str]| server.client_at(machines.ana(), "ana", &[&MEDIA, options].concat());
    let ben = |options: &[&str]| server.client_at(machines.ben(), "ben", &[&MEDIA, options].concat());
    let answer = ["--answer", "any"];
    let mut clients = if ana_calls {
        let mut ben = ben(&answer)?;
        ben.wait_for("online")?;
        [ana(&["--call", "ben"])?, ben]
    } else {
        let mut ana = ana(&answer)?;
        ana.wait_for("online")?;
        [ana, ben(&["--call", "ana"])?]
    };
    for client in &mut clients {
        client.wait_for("connected")?;
    }
    Ok(clients)
}

fn address(line: &Value) -> String {
    line["transport"]["local"].as_str().unwrap_or_default().to_owned()
}

/// The longest pauses it told of.
fn longest(client: &Headless) -> [f64; 2] {
    ["audio", "video"].map(|medium| {
        let pauses = client
            .events("stats")
            .map(|line| number(line, [medium, "gap_ms"]));
        pauses.fold(0.0, f64::max)
    })
}
