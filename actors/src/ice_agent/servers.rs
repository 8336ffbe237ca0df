//! Which STUN and TURN servers a call may use, and where they are.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use roomrtc_kit::config::Ice;
use roomrtc_protocol::ice::{RelayLogin, ServerKind, ServerUri};
use roomrtc_protocol::signaling::messages::IceServer;
use tracing::debug;

/// Ways to servers that are used; more are left out.
const MAX_SERVERS: usize = 16;

/// One way to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub uri: ServerUri,
    /// Of a TURN server.
    pub login: Option<RelayLogin>,
    /// Where it is: at most one address of each family.
    pub addresses: Vec<SocketAddr>,
}

/// The configured servers and those the signaling server told of; each once.
pub(super) fn known(ice: &Ice, told: &[IceServer]) -> Vec<Server> {
    let configured = ice.stun_servers.iter().map(|uri| (uri.as_str(), None));
    let told = told.iter().flat_map(|server| {
        let login = server.username.clone().zip(server.credential.clone());
        let login = login.map(|(username, password)| RelayLogin { username, password });
        server.urls.iter().map(move |uri| (uri.as_str(), login.clone()))
    });
    let mut servers: Vec<Server> = Vec::new();
    for (text, login) in configured.chain(told).take(MAX_SERVERS) {
        let Some(uri) = ServerUri::parse(text) else {
            debug!(uri = text, "no such server is spoken to here");
            continue;
        };
        let usable = uri.kind == ServerKind::Stun || login.is_some();
        if usable && !servers.iter().any(|server| server.uri == uri) {
            servers.push(Server {
                uri,
                login,
                addresses: Vec::new(),
            });
        }
    }
    servers
}

/// Looks their addresses up, all at once and within a time; who has none is left out.
pub(super) async fn resolve(servers: Vec<Server>, limit: Duration) -> Vec<Server> {
    let looked_up = join_all(servers.into_iter().map(|server| async move {
        let place = (server.uri.host.as_str(), server.uri.port);
        let found: Vec<_> = match tokio::time::timeout(limit, tokio::net::lookup_host(place)).await {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(error)) => {
                debug!(%error, "a STUN or TURN server has no address");
                Vec::new()
            }
            Err(_) => Vec::new(),
        };
        let (v4, v6) = (
            found.iter().find(|a| a.is_ipv4()),
            found.iter().find(|a| a.is_ipv6()),
        );
        let addresses = v6.into_iter().chain(v4).copied().collect();
        Server { addresses, ..server }
    }));
    let mut found = looked_up.await;
    found.retain(|server| !server.addresses.is_empty());
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn told(urls: &[&str], login: Option<(&str, &str)>) -> IceServer {
        IceServer {
            urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            username: login.map(|(name, _)| name.to_owned()),
            credential: login.map(|(_, password)| password.to_owned()),
        }
    }

    #[test]
    fn each_server_is_used_once_and_turn_servers_only_with_a_login() {
        let ice = Ice {
            stun_servers: vec!["192.0.2.1:3478".into()],
            ..Ice::default()
        };
        let told = [
            told(&["stun:192.0.2.1", "turn:192.0.2.1"], None),
            told(
                &["turn:192.0.2.1", "turns:192.0.2.1", "turns:a?what"],
                Some(("ana", "secret")),
            ),
        ];
        let servers = known(&ice, &told);
        let kinds: Vec<_> = servers.iter().map(|server| server.uri.kind).collect();
        assert_eq!(
            kinds,
            [ServerKind::Stun, ServerKind::TurnUdp, ServerKind::TurnTls]
        );
        assert!(servers[0].login.is_none() && servers[1].login.is_some());
    }

    #[tokio::test]
    async fn addresses_are_looked_up_and_who_has_none_is_left_out() {
        let told = [told(
            &["stun:127.0.0.1:7", "stun:[::1]:8", "stun:nowhere.invalid"],
            None,
        )];
        let servers = resolve(known(&Ice::default(), &told), Duration::from_secs(5)).await;
        let addresses: Vec<_> = servers
            .iter()
            .flat_map(|server| server.addresses.clone())
            .collect();
        assert_eq!(
            addresses,
            ["127.0.0.1:7".parse().unwrap(), "[::1]:8".parse().unwrap()]
        );
    }
}
