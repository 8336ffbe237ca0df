//! Which addresses of this machine a call uses.

use std::io;
use std::net::{IpAddr, SocketAddr};

use if_addrs::IfOperStatus;
use roomrtc_kit::config::Network;

/// The addresses to bind, the best first: as configured, or those of all interfaces; loopback only where there is
/// nothing else or where it is asked for.
pub(super) fn addresses(network: &Network, limit: usize) -> Vec<IpAddr> {
    let found = if network.bind_addresses.is_empty() {
        present(&network.exclude_interfaces)
    } else {
        network.bind_addresses.clone()
    };
    choose(found, network, limit)
}

/// Every address of this machine whose interface is up and not among these.
pub(crate) fn present(excluded: &[String]) -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let usable = interfaces
        .iter()
        .filter(|interface| interface.oper_status != IfOperStatus::Down)
        .filter(|interface| !excluded.iter().any(|pattern| matches(pattern, &interface.name)));
    usable.map(|interface| interface.ip()).collect()
}

/// Whether a name is the pattern, or begins as it does before its `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

fn choose(found: Vec<IpAddr>, network: &Network, limit: usize) -> Vec<IpAddr> {
    let wanted = |ip: &IpAddr| if ip.is_ipv4() { network.ipv4 } else { network.ipv6 };
    let (loopback, mut chosen): (Vec<IpAddr>, Vec<IpAddr>) = found
        .into_iter()
        .filter(|ip| wanted(ip) && !needs_scope(ip))
        .partition(IpAddr::is_loopback);
    let asked_for = network.include_loopback || !network.bind_addresses.is_empty();
    if asked_for || chosen.is_empty() {
        chosen.extend(loopback);
    }
    let mut unique = Vec::new();
    chosen.retain(|ip| {
        !unique.contains(ip) && {
            unique.push(*ip);
            true
        }
    });
    chosen.truncate(limit);
    chosen
}

/// Link-local addresses mean nothing without the name of an interface, which a candidate cannot carry.
fn needs_scope(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// Binds a socket, or a listener, within the configured ports; `start` says where to begin, so that calls do not collide.
pub(super) fn bind<S>(
    ip: IpAddr,
    network: &Network,
    start: u16,
    bind_at: impl Fn(SocketAddr) -> io::Result<S>,
) -> io::Result<S> {
    let (first, last) = (network.udp_port_min, network.udp_port_max);
    if first == 0 || last == 0 {
        return bind_at(SocketAddr::new(ip, 0));
    }
    let ports = u32::from(last.saturating_sub(first)) + 1;
    let mut refused = io::Error::from(io::ErrorKind::AddrInUse);
    for step in 0..ports {
        let offset = (u32::from(start) + step) % ports;
        let port = first.saturating_add(u16::try_from(offset).unwrap_or_default());
        match bind_at(SocketAddr::new(ip, port)) {
            Ok(socket) => return Ok(socket),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::net::UdpSocket;

    use super::*;

    fn ips(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    const ALL: [&str; 6] = [
        "127.0.0.1",
        "::1",
        "192.0.2.2",
        "fd00::2",
        "fe80::1",
        "169.254.3.4",
    ];

    #[test]
    fn loopback_is_used_only_where_there_is_nothing_else() {
        let network = Network::default();
        assert_eq!(choose(ips(&ALL), &network, 32), ips(&["192.0.2.2", "fd00::2"]));
        assert_eq!(
            choose(ips(&["127.0.0.1", "fe80::1"]), &network, 32),
            ips(&["127.0.0.1"])
        );
        let asked = Network {
            include_loopback: true,
            ..Network::default()
        };
        assert_eq!(
            choose(ips(&ALL), &asked, 32),
            ips(&["192.0.2.2", "fd00::2", "127.0.0.1", "::1"])
        );
    }

    #[test]
    fn interfaces_are_left_out_by_name_or_beginning() {
        assert!(matches("tun*", "tun0") && matches("wg0", "wg0") && matches("*", "eth0"));
        assert!(!matches("tun*", "eth0") && !matches("wg0", "wg01"));
        assert_eq!(present(&["*".to_owned()]), ips(&[]));
    }

    #[test]
    fn families_and_number_are_as_configured() {
        let network = Network {
            ipv6: false,
            ..Network::default()
        };
        assert_eq!(choose(ips(&ALL), &network, 32), ips(&["192.0.2.2"]));
        assert_eq!(choose(ips(&ALL), &Network::default(), 1), ips(&["192.0.2.2"]));
        assert_eq!(
            choose(ips(&["192.0.2.2", "192.0.2.2"]), &Network::default(), 9),
            ips(&["192.0.2.2"])
        );
    }

    #[test]
    fn a_call_finds_a_free_port_within_the_range() {
        let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().min(u16::MAX - 20);
        let network = Network {
            udp_port_min: port,
            udp_port_max: port + 20,
            ..Network::default()
        };
        let socket = bind("127.0.0.1".parse().unwrap(), &network, 0, UdpSocket::bind).unwrap();
        let found = socket.local_addr().unwrap().port();
        assert!((port..=port + 20).contains(&found));
    }
}
