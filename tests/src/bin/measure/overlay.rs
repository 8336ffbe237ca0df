//! What the actors panel costs a window, in the lobby and in a call.

use std::time::Duration;

use anyhow::Result;
use roomrtc_tests::harness::stories::MEDIA;
use roomrtc_tests::harness::{Server, VirtualScreen};

use super::NO_MEDIA;

/// For the window to open, the call to be set up and the bit rate to settle.
const WARM_UP: Duration = Duration::from_secs(8);

/// Where the window is while it is measured, and the options that bring it there.
const PLACES: [(&str, &[&str]); 2] = [
    ("the lobby, without a camera", &NO_MEDIA),
    ("a call", &["--video", "test", "--audio", "test", "--call", "ben"]),
];

pub(super) fn run(seconds: u64) -> Result<()> {
    let screen = VirtualScreen::start()?;
    println!("processor time of a window without a GPU, % of a core");
    println!("| where | actors panel closed | open |\n|---|---|---|");
    for (place, options) in PLACES {
        let closed = cost(&screen, options, seconds)?;
        let open = cost(&screen, &[options, &["--actors"]].concat(), seconds)?;
        println!("| {place} | {closed:.1} | {open:.1} |");
    }
    Ok(())
}

fn cost(screen: &VirtualScreen, options: &[&str], seconds: u64) -> Result<f64> {
    let server = Server::start(&[])?;
    let mut ben = server.client("ben", &[&MEDIA[..], &["--answer", "any"]].concat())?;
    ben.wait_for("online")?;
    let window = server.window(screen, "ana", options)?;
    if options.contains(&"--call") {
        ben.wait_for("connected")?;
    }
    std::thread::sleep(WARM_UP);
    let before = window.processor_time()?;
    std::thread::sleep(Duration::from_secs(seconds));
    Ok((window.processor_time()? - before) / seconds as f64 * 100.0)
}
