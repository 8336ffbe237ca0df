//! Machines and networks of their own: network namespaces joined by virtual cables. Needs root, and a kernel that allows
//! it.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};

/// Three machines: the server's, which also routes, and two others. Taken down when dropped.
///
/// ```text
/// ana ── a0 10.77.1.2 ──┐
///     └─ a1 10.77.2.2 ──┤ hub (10.77.0.1, routes)
/// ben ── b0 10.77.3.2 ──┘
/// ```
pub struct Machines {
    names: [String; 3],
}

/// The address the server listens at.
pub const SERVER: &str = "10.77.0.1";

/// The cables: whose end, its device, its network, and the preference of the way over it.
const CABLES: [(usize, &str, u8, u8); 3] = [(1, "a0", 1, 10), (1, "a1", 2, 20), (2, "b0", 3, 10)];

impl Machines {
    /// Builds them. `None`, with a line that says so, where that is not permitted.
    ///
    /// # Errors
    /// If it is permitted and fails all the same.
    pub fn build() -> Result<Option<Self>> {
        let Some(names) = machines(["hub", "ana", "ben"])? else {
            return Ok(None);
        };
        let machines = Machines { names };
        machines.cable()?;
        Ok(Some(machines))
    }

    fn cable(&self) -> Result<()> {
        let hub = &self.names[0];
        ip(&["-n", hub, "addr", "add", &format!("{SERVER}/32"), "dev", "lo"])?;
        route(hub)?;
        for (machine, device, network, preference) in CABLES {
            let (machine, far) = (&self.names[machine], format!("hub-{device}"));
            ip(&[
                "-n", machine, "link", "add", device, "type", "veth", "peer", "name", &far, "netns", hub,
            ])?;
            let [here, there] = [2, 1].map(|host| format!("10.77.{network}.{host}/24"));
            ip(&["-n", machine, "addr", "add", &here, "dev", device])?;
            ip(&["-n", hub, "addr", "add", &there, "dev", &far])?;
            ip(&["-n", hub, "link", "set", &far, "up"])?;
            ip(&["-n", machine, "link", "set", device, "up"])?;
            let (way, metric) = (format!("10.77.{network}.1"), preference.to_string());
            ip(&[
                "-n", machine, "route", "add", "default", "via", &way, "metric", &metric,
            ])?;
        }
        Ok(())
    }

    /// The server's machine.
    pub fn hub(&self) -> &str {
        &self.names[0]
    }

    /// The machine with two cables.
    pub fn ana(&self) -> &str {
        &self.names[1]
    }

    /// The machine with one.
    pub fn ben(&self) -> &str {
        &self.names[2]
    }

    /// Pulls a cable out, its device with it.
    ///
    /// # Errors
    /// If it is not there.
    pub fn unplug(&self, machine: &str, device: &str) -> Result<()> {
        ip(&["-n", machine, "link", "del", device])
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        take_down(&self.names);
    }
}

/// Makes machines of these names, which nobody else has. `None`, with a line that says so, where that is not permitted.
pub(super) fn machines<const N: usize>(names: [&str; N]) -> Result<Option<[String; N]>> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let names = names.map(|name| format!("rtc{}-{count}-{name}", std::process::id()));
    let probe = Command::new("ip").args(["netns", "add", &names[0]]).output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        println!("skipped: network namespaces are not permitted here");
        return Ok(None);
    }
    for other in &names[1..] {
        ip(&["netns", "add", other])?;
    }
    for machine in &names {
        ip(&["-n", machine, "link", "set", "lo", "up"])?;
    }
    Ok(Some(names))
}

pub(super) fn take_down(machines: &[String]) {
    for machine in machines {
        // It may never have been made.
        let _ = Command::new("ip").args(["netns", "del", machine]).output();
    }
}

/// Lets a machine pass on what is for others.
pub(super) fn route(machine: &str) -> Result<()> {
    for setting in [
        "net.ipv4.ip_forward=1",
        "net.ipv6.conf.all.forwarding=1",
        "net.ipv4.conf.all.rp_filter=0",
        "net.ipv4.conf.default.rp_filter=0",
    ] {
        run(machine, &["sysctl", "-qw", setting])?;
    }
    Ok(())
}

/// Runs a command on a machine.
pub(super) fn run(machine: &str, words: &[&str]) -> Result<()> {
    ip(&[&["netns", "exec", machine], words].concat())
}

/// `ip` of iproute2.
pub(super) fn ip(words: &[&str]) -> Result<()> {
    let done = Command::new("ip").args(words).output().context("ip")?;
    let complaint = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "ip {}: {complaint}", words.join(" "));
    Ok(())
}
