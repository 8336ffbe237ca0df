//! Calls across networks: machines of their own, joined by virtual cables and routers.

use anyhow::{Context, Result, ensure};
use roomrtc_tests::harness::guest::{guest_hears_and_sees, inviter_at, join};
use roomrtc_tests::harness::internet::{self, Internet, Router};
use roomrtc_tests::harness::neighbours::{self, Neighbours};
use roomrtc_tests::harness::stories::{MEDIA, hears_and_sees};
use roomrtc_tests::harness::{Browser, Server, TurnServer};
use roomrtc_tests::interface_switch;
use serde_json::Value;

#[test]
fn a_call_goes_on_over_another_interface_when_the_callers_is_pulled_out() -> Result<()> {
    println!("{:?}", interface_switch::run(true)?);
    Ok(())
}

#[test]
fn a_call_goes_on_over_another_interface_when_the_callees_is_pulled_out() -> Result<()> {
    println!("{:?}", interface_switch::run(false)?);
    Ok(())
}

/// ana calls ben, each from behind a router of this kind; a TURN server is there over these ways. Both hear and see each
/// other over a pair of candidates of the kinds wanted, such as `host/srflx`.
fn call_from_behind(routers: [Router; 2], ways: &[&str], wanted: impl Fn(&str) -> bool) -> Result<()> {
    let Some(internet) = Internet::build(routers)? else {
        return Ok(());
    };
    let address = match routers[0] {
        Router::Ipv6 => internet::SERVER_V6,
        Router::PortRestricted | Router::Symmetric | Router::WithoutUdp => internet::SERVER,
    };
    let turn = TurnServer::start_at(internet.hub(), address)?;
    let settings = turn.settings(ways);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let listen = if address.contains(':') {
        format!("[{address}]")
    } else {
        address.to_owned()
    };
    let mut server = Server::start_at(internet.hub(), &listen, &settings)?;
    server.roots = Some(turn.certificate());
    let options = [&MEDIA[..], &["--answer", "any"]].concat();
    let mut ben = server.client_at(internet.ben(), "ben", &options)?;
    ben.wait_for("online")?;
    let options = [&MEDIA[..], &["--call", "ben"]].concat();
    let mut ana = server.client_at(internet.ana(), "ana", &options)?;
    for client in [&mut ana, &mut ben] {
        client.wait_for("connected")?;
        hears_and_sees(client)?;
        let pair = |line: &Value| line["transport"]["pair"].as_str().is_some_and(&wanted);
        let second = client.wait_until("that it uses such a pair", pair)?;
        println!("{}: {}", client.name(), second["transport"]["pair"]);
    }
    Ok(())
}

#[test]
fn behind_port_restricted_routers_a_stun_server_is_enough() -> Result<()> {
    call_from_behind([Router::PortRestricted; 2], &["udp"], |pair| {
        !pair.contains("relay")
    })
}

#[test]
fn behind_symmetric_routers_the_call_is_relayed() -> Result<()> {
    call_from_behind([Router::Symmetric; 2], &["udp"], |pair| pair.contains("relay"))
}

#[test]
fn where_udp_is_blocked_on_both_sides_the_call_is_relayed_over_tcp() -> Result<()> {
    call_from_behind([Router::WithoutUdp; 2], &["udp", "tcp"], |pair| {
        pair == "relay/relay"
    })
}

#[test]
fn where_only_tls_on_port_443_gets_through_the_call_is_relayed_over_that() -> Result<()> {
    let routers = [Router::WithoutUdp, Router::Symmetric];
    call_from_behind(routers, &["tls"], |pair| pair.contains("relay"))
}

#[test]
fn where_there_is_only_ipv6_nothing_is_missing() -> Result<()> {
    // A check may come before the candidate that it comes from is told (RFC 8445 §7.3.1.3).
    call_from_behind([Router::Ipv6; 2], &["udp"], |pair| {
        ["host/host", "host/prflx"].contains(&pair)
    })
}

fn is_over_tcp(line: &Value) -> bool {
    line["transport"]["pair"]
        .as_str()
        .is_some_and(|pair| pair.ends_with(" tcp"))
}

#[test]
fn where_udp_is_blocked_and_nobody_relays_the_call_goes_over_tcp_and_survives_a_reset() -> Result<()> {
    let Some(neighbours) = Neighbours::build()? else {
        return Ok(());
    };
    neighbours.block_udp()?;
    let server = Server::start_at(neighbours.ana(), neighbours::ANA, &[])?;
    let mut ben = server.client_at(
        neighbours.ben(),
        "ben",
        &[&MEDIA[..], &["--answer", "any"]].concat(),
    )?;
    ben.wait_for("online")?;
    let mut ana = server.client_at(
        neighbours.ana(),
        "ana",
        &[&MEDIA[..], &["--call", "ben"]].concat(),
    )?;
    for client in [&mut ana, &mut ben] {
        client.wait_for("connected")?;
        hears_and_sees(client)?;
        let second = client.wait_until("that it uses such a pair", is_over_tcp)?;
        println!("{}: {}", client.name(), second["transport"]["pair"]);
    }
    let port = server.url.rsplit(':').next().context("a port")?;
    neighbours.reset_streams(port, true)?;
    ana.wait_for("interrupted")?;
    neighbours.reset_streams(port, false)?;
    ana.wait_for("resumed")?;
    for client in [&mut ana, &mut ben] {
        hears_and_sees(client)?;
        client.wait_until("that it uses such a pair", is_over_tcp)?;
    }
    Ok(())
}

/// A browser connects to the passive candidates of others, and cannot be connected to.
fn guest_over_tcp(browser_at: impl Fn(&str) -> Result<Browser>) -> Result<()> {
    let Some(neighbours) = Neighbours::build()? else {
        return Ok(());
    };
    neighbours.block_udp()?;
    let server = Server::start_at(neighbours.ana(), neighbours::ANA, &[])?;
    let (mut ana, url) = inviter_at(neighbours.ana(), &server, &[])?;
    let mut browser = browser_at(neighbours.ben())?;
    join(&mut browser, &url)?;
    guest_hears_and_sees(&mut browser)?;
    let second = ana.wait_for("stats")?;
    ensure!(second["transport"]["pair"] == "host/prflx tcp", "{second}");
    Ok(())
}

#[test]
fn a_guest_without_udp_connects_over_tcp() -> Result<()> {
    guest_over_tcp(Browser::start_at)
}

#[test]
fn a_guest_without_udp_and_devices_connects_over_tcp() -> Result<()> {
    guest_over_tcp(Browser::refusing_at)
}

/// The inviter's machine lets nothing in that it has not asked for, and the guest's browser, which may not use any device,
/// tells a name in the place of its address.
#[test]
fn a_guest_whose_browser_hides_its_address_is_found_by_name() -> Result<()> {
    let Some(neighbours) = Neighbours::build()? else {
        return Ok(());
    };
    let server = Server::start_at(neighbours.ana(), neighbours::ANA, &[])?;
    // TCP would get through, and be there first where the browser is slow to answer.
    let (mut ana, url) = inviter_at(neighbours.ana(), &server, &["--set", "ice.tcp=false"])?;
    neighbours.close_ana()?;
    let mut browser = Browser::refusing_at(neighbours.ben())?;
    join(&mut browser, &url)?;
    guest_hears_and_sees(&mut browser)?;
    let second = ana.wait_for("stats")?;
    ensure!(second["transport"]["pair"] == "host/host", "{second}");
    Ok(())
}
