//! A small internet: two homes, each behind a router, and a server in the open. Needs root, and a kernel that allows it.

use anyhow::Result;

use super::namespaces::{ip, machines, route, run, take_down};

/// Where the server and the TURN server are.
pub const SERVER: &str = "198.51.100.1";
/// The same over IPv6.
pub const SERVER_V6: &str = "2001:db8::1";

/// How a home is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Router {
    /// Translates addresses: one port outside for one inside, open to whom was sent to (RFC 4787: endpoint-independent
    /// mapping, address- and port-dependent filtering).
    PortRestricted,
    /// Translates addresses: another port outside for everyone sent to (RFC 4787: address- and port-dependent mapping).
    Symmetric,
    /// Translates addresses, and lets no UDP through.
    WithoutUdp,
    /// Passes IPv6 on, and there is no IPv4.
    Ipv6,
}

/// Five machines. Taken down when dropped.
///
/// ```text
/// ana 192.168.1.2 ── router 203.0.113.2 ──┐
///                                         hub 198.51.100.1, routes
/// ben 192.168.2.2 ── router 203.0.113.6 ──┘
/// ```
pub struct Internet {
    names: [String; 5],
}

impl Internet {
    /// Builds it with these routers of ana and ben. `None`, with a line that says so, where that is not permitted.
    ///
    /// # Errors
    /// If it is permitted and fails all the same.
    pub fn build(routers: [Router; 2]) -> Result<Option<Self>> {
        let Some(names) = machines(["hub", "ana", "ben", "anas-router", "bens-router"])? else {
            return Ok(None);
        };
        let internet = Internet { names };
        route(internet.hub())?;
        let loopback = |address: &str, length: u8| {
            ip(&[
                "-n",
                internet.hub(),
                "addr",
                "add",
                &format!("{address}/{length}"),
                "dev",
                "lo",
            ])
        };
        loopback(SERVER, 32)?;
        loopback(SERVER_V6, 128)?;
        for (home, router) in routers.into_iter().enumerate() {
            internet.connect(home, router)?;
        }
        Ok(Some(internet))
    }

    /// The machine in the open.
    pub fn hub(&self) -> &str {
        &self.names[0]
    }

    /// The machine in the first home.
    pub fn ana(&self) -> &str {
        &self.names[1]
    }

    /// The machine in the second home.
    pub fn ben(&self) -> &str {
        &self.names[2]
    }

    fn connect(&self, home: usize, router: Router) -> Result<()> {
        let (host, box_, hub) = (&self.names[1 + home], &self.names[3 + home], self.hub());
        let port = format!("home{home}");
        ip(&[
            "-n", host, "link", "add", "net", "type", "veth", "peer", "name", "in", "netns", box_,
        ])?;
        ip(&[
            "-n", box_, "link", "add", "out", "type", "veth", "peer", "name", &port, "netns", hub,
        ])?;
        let place = |machine: &str, device: &str, address: &str| {
            ip(&["-n", machine, "addr", "add", address, "dev", device, "nodad"])?;
            ip(&["-n", machine, "link", "set", device, "up"])
        };
        route(box_)?;
        let inside = home + 1;
        let outside = home * 4;
        if router == Router::Ipv6 {
            place(host, "net", &format!("2001:db8:{inside}::2/64"))?;
            place(box_, "in", &format!("2001:db8:{inside}::1/64"))?;
            place(box_, "out", &format!("2001:db8:f{inside}::2/64"))?;
            place(hub, &port, &format!("2001:db8:f{inside}::1/64"))?;
            let (gateway, way) = (format!("2001:db8:{inside}::1"), format!("2001:db8:f{inside}::1"));
            ip(&["-n", host, "-6", "route", "add", "default", "via", &gateway])?;
            ip(&["-n", box_, "-6", "route", "add", "default", "via", &way])?;
            let (net, back) = (
                format!("2001:db8:{inside}::/64"),
                format!("2001:db8:f{inside}::2"),
            );
            return ip(&["-n", hub, "-6", "route", "add", &net, "via", &back]);
        }
        place(host, "net", &format!("192.168.{inside}.2/24"))?;
        place(box_, "in", &format!("192.168.{inside}.1/24"))?;
        place(box_, "out", &format!("203.0.113.{}/30", outside + 2))?;
        place(hub, &port, &format!("203.0.113.{}/30", outside + 1))?;
        let (gateway, way) = (
            format!("192.168.{inside}.1"),
            format!("203.0.113.{}", outside + 1),
        );
        ip(&["-n", host, "route", "add", "default", "via", &gateway])?;
        ip(&["-n", box_, "route", "add", "default", "via", &way])?;
        self.translate(box_, router)
    }

    fn translate(&self, machine: &str, router: Router) -> Result<()> {
        let rule = |words: &str| {
            let words: Vec<&str> = ["iptables"].into_iter().chain(words.split(' ')).collect();
            run(machine, &words)
        };
        match router {
            Router::Symmetric => rule("-t nat -A POSTROUTING -o out -j MASQUERADE --random-fully")?,
            Router::PortRestricted | Router::WithoutUdp => {
                rule("-t nat -A POSTROUTING -o out -j MASQUERADE")?
            }
            Router::Ipv6 => {}
        }
        if router == Router::WithoutUdp {
            rule("-A FORWARD -p udp -j DROP")?;
        }
        // Nothing of what comes unasked is for the router itself either; an answer from it would spoil the mapping.
        rule("-A INPUT -i out -m conntrack --ctstate NEW -j DROP")?;
        rule("-A FORWARD -i out -m conntrack --ctstate NEW -j DROP")
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        take_down(&self.names);
    }
}
