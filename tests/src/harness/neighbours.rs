//! Two machines in one local network. Needs root, and a kernel that allows it.

use std::process::Command;

use anyhow::Result;

use super::Headless;
use super::namespaces::{ip, machines, run, take_down};

/// Where ana is.
pub const ANA: &str = "10.88.0.1";
/// Where ben is.
pub const BEN: &str = "10.88.0.2";

/// Two machines. Taken down when dropped.
///
/// ```text
/// ana 10.88.0.1 ── ben 10.88.0.2
/// ```
pub struct Neighbours {
    names: [String; 2],
}

impl Neighbours {
    /// Builds them. `None`, with a line that says so, where that is not permitted.
    ///
    /// # Errors
    /// If it is permitted and fails all the same.
    pub fn build() -> Result<Option<Self>> {
        let Some(names) = machines(["ana", "ben"])? else {
            return Ok(None);
        };
        let neighbours = Neighbours { names };
        let [ana, ben] = &neighbours.names;
        ip(&[
            "-n", ana, "link", "add", "net", "type", "veth", "peer", "name", "net", "netns", ben,
        ])?;
        for (machine, address) in [(ana, "10.88.0.1/24"), (ben, "10.88.0.2/24")] {
            ip(&["-n", machine, "addr", "add", address, "dev", "net"])?;
            ip(&["-n", machine, "link", "set", "net", "up"])?;
        }
        // A browser looks for its address on the way to the world.
        ip(&["-n", ben, "route", "add", "default", "via", ANA])?;
        Ok(Some(neighbours))
    }

    /// The first machine.
    pub fn ana(&self) -> &str {
        &self.names[0]
    }

    /// The second machine.
    pub fn ben(&self) -> &str {
        &self.names[1]
    }

    /// Tells in JSON lines of each piece of a DTLS handshake that passes ana's cable (`handshakes.py`).
    ///
    /// # Errors
    /// If it cannot be watched.
    pub fn handshakes(&self) -> Result<Headless> {
        const SCRIPT: &str = include_str!("handshakes.py");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.ana(), "python3", "-c", SCRIPT, "net"]);
        let mut told = Headless::spawn("the cable", &mut command)?;
        told.wait_for("listening")?;
        Ok(told)
    }

    /// Lets no datagram to ana's machine that it has not asked for, but for those of multicast DNS.
    ///
    /// # Errors
    /// If there is no firewall.
    pub fn close_ana(&self) -> Result<()> {
        let rule = "iptables -A INPUT -p udp ! --dport 5353 -m conntrack --ctstate NEW -j DROP";
        run(self.ana(), &rule.split(' ').collect::<Vec<_>>())
    }

    /// Lets no datagram through any more, whoever asked for it.
    ///
    /// # Errors
    /// If there is no firewall.
    pub fn block_udp(&self) -> Result<()> {
        for machine in &self.names {
            run(
                machine,
                &["iptables", "-A", "INPUT", "-i", "net", "-p", "udp", "-j", "DROP"],
            )?;
        }
        Ok(())
    }

    /// Whatever now comes over TCP to ben's machine is answered with a reset, but for what a server sends from its port;
    /// or no longer.
    ///
    /// # Errors
    /// If there is no firewall.
    pub fn reset_streams(&self, but_of: &str, resets: bool) -> Result<()> {
        let change = if resets { "-I" } else { "-D" };
        let rule = format!("INPUT -i net -p tcp ! --sport {but_of} -j REJECT --reject-with tcp-reset");
        let words = ["iptables", change].into_iter().chain(rule.split(' '));
        run(self.ben(), &words.collect::<Vec<_>>())
    }

    /// From now on one in so many datagrams is lost on the way to either.
    ///
    /// # Errors
    /// If there is no firewall.
    pub fn lose_one_in(&self, many: u32) -> Result<()> {
        let rule = format!(
            "iptables -A INPUT -i net -p udp -m statistic --mode nth --every {many} --packet 0 -j DROP"
        );
        for machine in &self.names {
            run(machine, &rule.split(' ').collect::<Vec<_>>())?;
        }
        Ok(())
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        take_down(&self.names);
    }
}
