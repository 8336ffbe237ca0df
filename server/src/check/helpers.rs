//! STUN and TURN servers, asked as clients ask them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use roomrtc_kit::config::Config;
use roomrtc_protocol::ice::{RelayLogin, ServerKind, ServerUri};
use roomrtc_protocol::signaling::UserName;
use stun_proto::types::attribute::XorMappedAddress;
use stun_proto::types::message::{BINDING, Message, MessageWrite, MessageWriteExt, MessageWriteVec};
use tokio::net::UdpSocket;

use super::Finding;
use super::relay::{self, Trouble};
use crate::ice_servers::IceServers;

/// Requests over UDP get lost: so many are sent.
const ATTEMPTS: u32 = 5;
const ATTEMPT: Duration = Duration::from_millis(500);
/// Longest answer that is read, bytes.
const ANSWER_BYTES: usize = 1500;

/// What is configured.
pub(super) fn servers(config: &Config) -> Vec<String> {
    let (stun, turn) = (&config.ice.stun_servers, &config.server.turn_servers);
    stun.iter().chain(turn).cloned().collect()
}

pub(super) async fn check(config: &Config, server: &str) -> Finding {
    let Some(uri) = ServerUri::parse(server) else {
        return Finding::problem(
            "it is no URI of such a server",
            "See server.turn_servers in docs/configuration.md.",
        );
    };
    let found = tokio::net::lookup_host((uri.host.as_str(), uri.port)).await;
    let Some(address) = found.ok().and_then(|mut found| found.next()) else {
        return Finding::problem(
            format!("{} has no address", uri.host),
            "Correct the name, or its entry in the DNS.",
        );
    };
    if uri.kind == ServerKind::Stun {
        return match ask(address).await {
            Some(mapped) => Finding::Good(format!("it sees this machine as {mapped}")),
            None => silent(&uri),
        };
    }
    let login = match login(config) {
        Ok(login) => login,
        Err(error) => {
            return Finding::problem(
                error,
                "Put the secret of the TURN server's configuration into that file.",
            );
        }
    };
    match relay::echo(&uri, address, &login).await {
        Ok(took) => Finding::Good(format!("it relays; there and back took {} ms", took.as_millis())),
        Err(trouble) => explain(&uri, &trouble),
    }
}

/// A login as a user would get it.
fn login(config: &Config) -> Result<RelayLogin, String> {
    let servers =
        IceServers::load(config, &config.server.data_folder()).map_err(|error| error.to_string())?;
    let user = UserName::parse("check").map_err(|error| error.to_string())?;
    let (handed_out, _) = servers.hand_out(&user, SystemTime::now());
    let login = handed_out
        .into_iter()
        .find_map(|server| Some((server.username?, server.credential?)));
    let (username, password) = login.ok_or("there is no login")?;
    Ok(RelayLogin { username, password })
}

fn explain(uri: &ServerUri, trouble: &Trouble) -> Finding {
    match trouble {
        Trouble::Silent => silent(uri),
        Trouble::Unreachable(error) => Finding::problem(
            format!("no connection to TCP port {}: {error}", uri.port),
            "Start the TURN server there, let the firewall pass it, and give it a certificate that an authority vouches \
             for if this is a turns: URI.",
        ),
        Trouble::Refused(Some(401)) => Finding::problem(
            "it refuses the login",
            "Its static-auth-secret must be what the file in server.turn_secret holds, with use-auth-secret set, and both \
             clocks must agree.",
        ),
        Trouble::Refused(Some(486)) => Finding::problem(
            "it has no room for another allocation (486)",
            "Raise user-quota or total-quota in its configuration.",
        ),
        Trouble::Refused(code) => Finding::problem(
            match code {
                Some(code) => format!("it allocates nothing (error {code})"),
                None => "it allocates nothing".to_owned(),
            },
            "Its log says why.",
        ),
        Trouble::NotRelayed => Finding::problem(
            "it allocates, and relays nothing between its own addresses",
            "Let the firewall pass its UDP ports from min-port to max-port; behind a NAT set external-ip; and no \
             denied-peer-ip may cover its own address.",
        ),
    }
}

fn silent(uri: &ServerUri) -> Finding {
    Finding::problem(
        format!("no answer on UDP port {}", uri.port),
        "Start it there, and let the firewall pass UDP to that port.",
    )
}

/// What a STUN server sees this machine as.
async fn ask(server: SocketAddr) -> Option<SocketAddr> {
    let socket = UdpSocket::bind(any_local(server)).await.ok()?;
    socket.connect(server).await.ok()?;
    let request = Message::builder_request(BINDING, MessageWriteVec::new());
    let transaction = request.transaction_id();
    let request = request.finish();
    let mut answer = [0; ANSWER_BYTES];
    for _ in 0..ATTEMPTS {
        let _ = socket.send(&request).await;
        if let Ok(Ok(length)) = tokio::time::timeout(ATTEMPT, socket.recv(&mut answer)).await
            && let Ok(message) = Message::from_bytes(&answer[..length])
            && message.transaction_id() == transaction
            && let Ok(mapped) = message.attribute::<XorMappedAddress>()
        {
            return Some(mapped.addr(transaction));
        }
    }
    None
}

/// Any address of ours of the server's family.
pub(super) fn any_local(server: SocketAddr) -> SocketAddr {
    let ip: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(ip, 0)
}
