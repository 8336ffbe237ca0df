//! Calls across networks: machines of their own, joined by virtual cables.

use anyhow::{Result, ensure};
use roomrtc_tests::harness::namespaces::{Machines, SERVER};
use roomrtc_tests::harness::{Headless, Server};
use serde_json::Value;

const MEDIA: [&str; 4] = ["--video", "test", "--audio", "test"];

fn number(line: &Value, path: [&str; 2]) -> f64 {
    line[path[0]][path[1]].as_f64().unwrap_or_default()
}

/// The next second in which pictures and sound of the other arrive.
fn hears_and_sees(client: &mut Headless) -> Result<Value> {
    client.wait_until("that pictures and sound arrive", |line| {
        number(line, ["video", "fps_decoded"]) > 20.0 && number(line, ["audio", "level_dbfs"]) > -30.0
    })
}

/// ana, who has two cables, is in a call with ben; she called him, or he her. Then one cable is pulled out.
fn survives_the_loss_of_an_interface(ana_calls: bool) -> Result<()> {
    let Some(machines) = Machines::build()? else {
        return Ok(());
    };
    let server = Server::start_at(machines.hub(), SERVER)?;
    let (answers, calls) = (["--answer", "any"], |whom| ["--call", whom]);
    let ana = |options: &[&str]| server.client_at(machines.ana(), "ana", &[&MEDIA, options].concat());
    let ben = |options: &[&str]| server.client_at(machines.ben(), "ben", &[&MEDIA, options].concat());
    let (mut ana, mut ben) = if ana_calls {
        let mut ben = ben(&answers)?;
        ben.wait_for("online")?;
        (ana(&calls("ben"))?, ben)
    } else {
        let mut ana = ana(&answers)?;
        ana.wait_for("online")?;
        (ana, ben(&calls("ana"))?)
    };
    for client in [&mut ana, &mut ben] {
        client.wait_for("connected")?;
    }
    let before = hears_and_sees(&mut ana)?;
    let address = |line: &Value| line["transport"]["local"].as_str().unwrap_or_default().to_owned();
    let used = address(&before);
    let (device, other) = match used.starts_with("10.77.1.2:") {
        true => ("a0", "10.77.2.2:"),
        false => ("a1", "10.77.1.2:"),
    };
    machines.unplug(machines.ana(), device)?;
    ana.wait_for("interrupted")?;
    ana.wait_for("resumed")?;
    for client in [&mut ana, &mut ben] {
        // What was said before is about the former path.
        client.read();
        hears_and_sees(client)?;
        ensure!(client.events("ended").count() == 0, "the call ended");
    }
    ana.wait_until("that the other interface is used", |line| {
        line["event"] == "stats" && address(line).starts_with(other)
    })?;
    let gap = |medium: &str| {
        let stats = ben.events("stats").map(|line| number(line, [medium, "gap_ms"]));
        stats.fold(0.0, f64::max)
    };
    println!(
        "longest pause at the other side: sound {} ms, pictures {} ms",
        gap("audio"),
        gap("video")
    );
    Ok(())
}

#[test]
fn a_call_goes_on_over_another_interface_when_the_callers_is_pulled_out() -> Result<()> {
    survives_the_loss_of_an_interface(true)
}

#[test]
fn a_call_goes_on_over_another_interface_when_the_callees_is_pulled_out() -> Result<()> {
    survives_the_loss_of_an_interface(false)
}
