//! What a call survives, one story for each way of dying.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use roomrtc_tests::chaos;
use roomrtc_tests::harness::stories::{MEDIA, hears_and_sees, number, write_file};
use roomrtc_tests::harness::turn_server::SEEN_BY_RELAY_ALONE;
use roomrtc_tests::harness::{Admin, Headless, Server, TurnServer};
use serde_json::{Value, json};

const CHAOS: [&str; 2] = ["--set", "debug.chaos=true"];

/// For the chaos, unless `ROOMRTC_SEED` says otherwise.
const SEED: u64 = 20_261_126;

/// Two in a call: ana has called ben.
fn pair(server: &Server, caller: &[&str], callee: &[&str]) -> Result<[Headless; 2]> {
    let callee = [&MEDIA[..], &["--answer", "any"], callee].concat();
    let mut ben = server.client("ben", &callee)?;
    ben.wait_for("online")?;
    let mut ana = server.client("ana", &[&MEDIA[..], &["--call", "ben"], caller].concat())?;
    ana.wait_for("connected")?;
    ben.wait_for("connected")?;
    Ok([ana, ben])
}

/// Kills a part so that nothing of it is left.
fn lose(client: &mut Headless, actor: &str) -> Result<()> {
    client.order(&json!({"do": "crash", "actor": actor, "how": "forget"}))
}

/// The call ends in good order.
fn hangs_up(ana: &mut Headless, ben: &mut Headless) -> Result<()> {
    ana.order(&json!({"do": "hangup"}))?;
    for client in [ana, ben] {
        let ended = client.wait_for("ended")?;
        ensure!(ended["reason"] == "hung_up", "{ended}");
    }
    Ok(())
}

/// A killed client is started again and rejoins; how its call goes on at both ends.
fn comes_back(server: &Server, user: &str, peer: &mut Headless) -> Result<Headless> {
    peer.wait_for("peer_away")?;
    let mut again = server.client(user, &[&MEDIA[..], &["--rejoin"]].concat())?;
    again.wait_for("rejoining")?;
    again.wait_for("connected")?;
    peer.wait_for("resumed")?;
    hears_and_sees(&mut again)?;
    hears_and_sees(peer)?;
    Ok(again)
}

#[test]
fn a_client_that_was_killed_rejoins_its_call_whichever_side_it_was() -> Result<()> {
    let server = Server::start(&[])?;
    let [mut ana, mut ben] = pair(&server, &[], &[])?;
    ana.kill()?;
    let mut ana = comes_back(&server, "ana", &mut ben)?;
    ben.kill()?;
    let mut ben = comes_back(&server, "ben", &mut ana)?;
    ensure!(ana.events("ended").count() == 0, "the call ended");
    hangs_up(&mut ana, &mut ben)
}

#[test]
fn a_call_in_which_both_clients_were_killed_goes_on_when_both_are_back() -> Result<()> {
    let server = Server::start(&[])?;
    let mut clients = pair(&server, &[], &[])?;
    for client in &mut clients {
        client.kill()?;
    }
    let rejoin = [&MEDIA[..], &["--rejoin"]].concat();
    let mut ana = server.client("ana", &rejoin)?;
    ana.wait_for("rejoining")?;
    let mut ben = server.client("ben", &rejoin)?;
    for client in [&mut ana, &mut ben] {
        client.wait_for("connected")?;
        hears_and_sees(client)?;
    }
    Ok(())
}

#[test]
fn a_killed_client_that_does_not_come_back_is_lost_after_the_time_the_server_gives_it() -> Result<()> {
    let server = Server::start(&["server.rejoin_timeout_ms=2000"])?;
    let [mut ana, mut ben] = pair(&server, &[], &[])?;
    ana.kill()?;
    ben.wait_for("peer_away")?;
    let ended = ben.wait_for("ended")?;
    ensure!(ended["reason"] == "peer_lost", "{ended}");
    let mut ana = server.client("ana", &[&MEDIA[..], &["--rejoin"]].concat())?;
    let ended = ana.wait_for("ended")?;
    ensure!(ended["reason"] == "peer_lost", "{ended}");
    Ok(())
}

/// Neither of the two ended the call or lost anything else.
fn check(clients: &mut [Headless; 2], restarts: usize) -> Result<()> {
    let mut seen = 0;
    for client in clients {
        client.read();
        ensure!(
            client.events("ended").count() == 0,
            "the call ended: {:#?}",
            client.said
        );
        seen += client.events("restarted").count();
    }
    ensure!(seen == restarts, "{seen} parts died instead of {restarts}");
    Ok(())
}

/// A part is lost on either side, one after the other, and comes again by itself. The other side may not even notice.
fn survives_the_loss_of(actor: &str) -> Result<()> {
    let server = Server::start(&[])?;
    let mut clients = pair(&server, &CHAOS, &CHAOS)?;
    for side in 0..2 {
        lose(&mut clients[side], actor)?;
        for event in ["interrupted", "resumed", "restarted"] {
            clients[side].wait_for(event)?;
        }
        for client in &mut clients {
            hears_and_sees(client)?;
        }
    }
    check(&mut clients, 2)
}

#[test]
fn a_call_finds_another_path_when_the_ice_agent_dies_with_its_sockets() -> Result<()> {
    survives_the_loss_of("call/ice_agent")
}

#[test]
fn a_call_agrees_on_other_keys_when_the_dtls_session_dies_with_its_own() -> Result<()> {
    survives_the_loss_of("call/dtls_session")
}

#[test]
fn a_call_opens_another_association_when_that_of_the_data_channels_dies() -> Result<()> {
    survives_the_loss_of("call/sctp_association")
}

/// A part hangs its whole thread; everybody on it lives on in another.
fn survives_the_hang_of(actor: &str, neighbour: &str) -> Result<()> {
    let server = Server::start(&[])?;
    let watchful = [&CHAOS[..], &["--set", "client.hang_timeout_ms=1000"]].concat();
    let mut clients = pair(&server, &watchful, &[])?;
    clients[0].order(&json!({"do": "crash", "actor": actor, "how": "hang"}))?;
    for (part, why) in [
        (actor, "failed: hung for 1s".to_owned()),
        (
            neighbour,
            format!("was moved to another thread, for {actor} hung"),
        ),
    ] {
        clients[0].has_said(&format!("that {part} is replaced"), |line| {
            line["event"] == "restarted" && line["actor"] == part && line["reason"] == why
        })?;
    }
    for client in &mut clients {
        hears_and_sees(client)?;
    }
    clients[0].order(&json!({"do": "hangup"}))?;
    let ended = clients[1].wait_for("ended")?;
    ensure!(ended["reason"] == "hung_up", "{ended}");
    Ok(())
}

#[test]
fn a_call_goes_on_when_an_encoder_hangs_the_thread_of_all_media() -> Result<()> {
    survives_the_hang_of("call/encoder/video", "call/playout/audio")
}

#[test]
fn a_call_goes_on_when_the_reporter_hangs_the_thread_of_the_network() -> Result<()> {
    survives_the_hang_of("call/rtcp_reporter", "call/ice_agent")
}

#[test]
fn a_client_whose_supervisors_hang_starts_itself_anew_and_goes_back_to_its_call() -> Result<()> {
    let server = Server::start(&[])?;
    let watchful = [&CHAOS[..], &["--set", "client.hang_timeout_ms=1000"]].concat();
    let [mut ana, mut ben] = pair(&server, &watchful, &[])?;
    ana.order(&json!({"do": "crash", "actor": "client/root", "how": "hang"}))?;
    // The same process, which its script goes on reading.
    for event in ["rejoining", "connected"] {
        ana.wait_for(event)?;
    }
    ben.wait_for("resumed")?;
    hears_and_sees(&mut ana)?;
    hears_and_sees(&mut ben)?;
    hangs_up(&mut ana, &mut ben)
}

#[test]
fn a_server_whose_supervisors_hang_starts_itself_anew_and_knows_the_running_call() -> Result<()> {
    let mut server = Server::start(&["debug.chaos=true", "server.hang_timeout_ms=1000"])?;
    // A port that it keeps.
    server.kill()?;
    server.start_again()?;
    let [mut ana, mut ben] = pair(&server, &[], &[])?;
    let hang = json!({"do": "crash", "actor": "server/calls", "how": "hang"});
    // Whoever would answer hangs too.
    let _ = Admin::of(&server)?.ask(&hang.to_string());
    ana.wait_for("offline")?;
    stays_known(&mut ana, &mut ben)
}

#[test]
fn two_who_lose_their_keys_at_once_agree_on_others() -> Result<()> {
    let server = Server::start(&[])?;
    let mut clients = pair(&server, &CHAOS, &CHAOS)?;
    for client in &mut clients {
        lose(client, "call/dtls_session")?;
    }
    for client in &mut clients {
        client.wait_for("resumed")?;
        client.wait_for("restarted")?;
        hears_and_sees(client)?;
    }
    check(&mut clients, 2)
}

/// A file is sent, and a part of either client dies each time that some more of it has come.
fn a_file_survives(loss: &str, losses: [(usize, &str); 2]) -> Result<()> {
    let server = Server::start(&[])?;
    let received = server.folder().join("received");
    let accept = ["--accept-files", received.to_str().context("path")?];
    let watchful = [&CHAOS[..], &["--set", "client.hang_timeout_ms=1000"]].concat();
    let mut clients = pair(&server, &watchful, &[&watchful[..], &accept].concat())?;
    let file = server.folder().join("film.bin");
    let hash = write_file(&file, 256)?;
    clients[0].order(&json!({"do": "send", "path": file}))?;
    for (side, part) in losses {
        clients[1].wait_until("that some of it has come", |line| line["state"] == "progress")?;
        clients[side].order(&json!({"do": "crash", "actor": part, "how": loss}))?;
        clients[1].wait_for("resumed")?;
    }
    let completed = clients[1].wait_until("that it is complete", |line| {
        line["event"] == "file" && line["state"] == "completed"
    })?;
    ensure!(completed["hash"] == hash.to_hex().as_str(), "{completed}");
    let offered = clients[1].said.iter().filter(|line| line["state"] == "incoming");
    ensure!(offered.count() == 1, "it was asked for again");
    for client in &mut clients {
        hears_and_sees(client)?;
        ensure!(client.events("ended").count() == 0, "the call ended");
    }
    Ok(())
}

#[test]
fn a_file_in_flight_arrives_whole_although_its_association_is_lost_on_either_side() -> Result<()> {
    a_file_survives("forget", [(0, "call/sctp_association"), (1, "call/dtls_session")])
}

#[test]
fn a_file_in_flight_arrives_whole_although_the_transfers_themselves_are_lost_on_either_side() -> Result<()> {
    a_file_survives("forget", [(0, "call/file_transfer"), (1, "call/file_transfer")])
}

#[test]
fn a_file_in_flight_arrives_whole_although_the_thread_of_the_network_hangs_on_either_side() -> Result<()> {
    a_file_survives("hang", [(0, "call/rtcp_reporter"), (1, "call/file_transfer")])
}

/// The server, or what it knew of the call, was lost: both resume their sessions and reclaim the call, whose media are
/// not disturbed, and which ends like any other.
fn stays_known(ana: &mut Headless, ben: &mut Headless) -> Result<()> {
    for client in [&mut *ana, &mut *ben] {
        client.wait_until("that the session goes on", |line| {
            line["event"] == "online" && line["resumed"] == true
        })?;
        client.wait_until("that the other is in a call", |line| {
            line["event"] == "users" && line["users"][0]["presence"] == "busy"
        })?;
    }
    ana.order(&json!({"do": "hangup"}))?;
    for client in [ana, ben] {
        let ended = client.wait_for("ended")?;
        ensure!(ended["reason"] == "hung_up", "{ended}");
        ensure!(
            client.events("interrupted").count() == 0,
            "the media were disturbed"
        );
        ensure!(client.events("restarted").count() == 0, "something died");
    }
    Ok(())
}

#[test]
fn a_server_that_was_killed_and_started_again_knows_the_running_call() -> Result<()> {
    let mut server = Server::start(&[])?;
    let [mut ana, mut ben] = pair(&server, &[], &[])?;
    server.kill()?;
    ana.wait_for("offline")?;
    server.start_again()?;
    stays_known(&mut ana, &mut ben)
}

#[test]
fn a_call_whose_server_and_one_client_were_killed_together_goes_on_when_both_are_back() -> Result<()> {
    for killed in 0..2 {
        let mut server = Server::start(&[])?;
        let mut clients = pair(&server, &[], &[])?;
        server.kill()?;
        clients[killed].kill()?;
        server.start_again()?;
        let rejoin = [&MEDIA[..], &["--rejoin"]].concat();
        clients[killed] = server.client(["ana", "ben"][killed], &rejoin)?;
        for event in ["rejoining", "connected"] {
            clients[killed].wait_for(event)?;
        }
        for client in &mut clients {
            hears_and_sees(client)?;
            ensure!(client.events("ended").count() == 0, "the call ended");
        }
        clients[killed].order(&json!({"do": "hangup"}))?;
        for client in &mut clients {
            let ended = client.wait_for("ended")?;
            ensure!(ended["reason"] == "hung_up", "{ended}");
        }
    }
    Ok(())
}

#[test]
fn a_call_goes_on_and_stays_known_when_the_servers_registry_of_calls_crashes() -> Result<()> {
    let server = Server::start(&["debug.chaos=true"])?;
    let [mut ana, mut ben] = pair(&server, &[], &[])?;
    Admin::of(&server)?.crash("server/calls")?;
    stays_known(&mut ana, &mut ben)
}

#[test]
fn a_call_goes_on_after_the_machine_of_one_side_has_slept() -> Result<()> {
    let server = Server::start(&[])?;
    let [mut ana, mut ben] = pair(&server, &[], &[])?;
    ana.sleep(Duration::from_secs(12))?;
    for event in ["interrupted", "resumed"] {
        ben.wait_for(event)?;
    }
    hears_and_sees(&mut ben)?;
    hears_and_sees(&mut ana)?;
    ensure!(
        ana.events("notice").count() == 0,
        "the devices slept too: {:#?}",
        ana.said
    );
    hangs_up(&mut ana, &mut ben)
}

#[test]
fn a_call_goes_on_when_the_server_is_gone() -> Result<()> {
    let server = Server::start(&[])?;
    let [_ana, mut ben] = pair(&server, &[], &[])?;
    server.kill()?;
    for _ in 0..8 {
        let stats = ben.wait_for("stats")?;
        ensure!(stats["video"]["fps_decoded"].is_number(), "{stats}");
    }
    let stats = ben.wait_for("stats")?;
    ensure!(number(&stats, ["video", "fps_decoded"]) > 20.0, "{stats}");
    Ok(())
}

#[test]
fn a_call_goes_on_without_a_camera_that_keeps_failing_until_it_is_switched_on_again() -> Result<()> {
    let server = Server::start(&[])?;
    let fragile = ["--set", "debug.chaos=true", "--set", "client.restart_limit=0"];
    let [mut ana, mut ben] = pair(&server, &fragile, &[])?;
    ben.wait_until("that pictures flow", |line| {
        number(line, ["video", "fps_decoded"]) > 20.0
    })?;
    ana.order(&json!({"do": "crash", "actor": "call/capture/video"}))?;
    ana.wait_until("that the camera is given up", |line| {
        line["event"] == "notice" && line["notice"] == "camera_given_up"
    })?;
    ben.wait_until("that there are no pictures, and sound", |line| {
        line["event"] == "stats"
            && number(line, ["video", "fps_received"]) == 0.0
            && number(line, ["audio", "level_dbfs"]) > -30.0
    })?;
    ana.order(&json!({"do": "camera_on"}))?;
    ben.wait_until("that pictures are back", |line| {
        number(line, ["video", "fps_decoded"]) > 20.0
    })?;
    ensure!(ana.events("ended").count() == 0, "the call ended");
    Ok(())
}

#[test]
fn a_call_goes_on_and_its_files_arrive_while_a_part_dies_every_half_second() -> Result<()> {
    let seed = std::env::var("ROOMRTC_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(SEED);
    println!("ROOMRTC_SEED={seed}");
    let outcome = chaos::run(Duration::from_secs(30), seed)?;
    println!("{outcome:?}");
    Ok(())
}

#[test]
fn a_relayed_call_goes_on_by_the_same_relay_when_the_ice_agent_dies_and_by_another_when_all_is_lost()
-> Result<()> {
    let turn = TurnServer::start()?;
    for way in ["udp", "tcp"] {
        let server = turn.server(&[way])?;
        let options = [&SEEN_BY_RELAY_ALONE[..], &CHAOS].concat();
        let mut clients = pair(&server, &options, &options)?;
        let relay = |line: &Value| {
            (
                line["transport"]["pair"].clone(),
                line["transport"]["local"].clone(),
            )
        };
        let before = relay(&hears_and_sees(&mut clients[0])?);
        ensure!(before.0 == "relay/relay", "{before:?}");

        clients[0].order(&json!({"do": "crash", "actor": "call/ice_agent"}))?;
        clients[0].wait_for("restarted")?;
        let after = relay(&hears_and_sees(&mut clients[0])?);
        ensure!(after == before, "by {way}: {before:?} became {after:?}");
        hears_and_sees(&mut clients[1])?;
        ensure!(
            clients[0].events("interrupted").count() == 0,
            "by {way}: interrupted"
        );

        lose(&mut clients[0], "call/ice_agent")?;
        clients[0].wait_for("restarted")?;
        clients[0].wait_until("that another relay is used", |line| {
            let now = relay(line);
            now.0 == "relay/relay" && now.1 != before.1
        })?;
        for client in &mut clients {
            hears_and_sees(client)?;
            ensure!(client.events("ended").count() == 0, "by {way}: the call ended");
        }
    }
    Ok(())
}

/// Whichever of the two is in use.
#[test]
fn a_relayed_call_goes_on_when_either_of_two_relays_dies() -> Result<()> {
    let mut turns = [TurnServer::start()?, TurnServer::start()?];
    let uris = turns.each_ref().map(TurnServer::over_udp).join(",");
    let mut settings = turns[0].settings(&["udp"]);
    settings[0] = format!("server.turn_servers={uris}");
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let server = Server::start(&settings)?;
    let mut clients = pair(&server, &SEEN_BY_RELAY_ALONE, &SEEN_BY_RELAY_ALONE)?;
    let ways = |clients: &mut [Headless; 2]| -> Result<Vec<Value>> {
        let way = |client| Ok(hears_and_sees(client)?["transport"]["local"].clone());
        clients.iter_mut().map(way).collect()
    };
    let mut before = ways(&mut clients)?;
    let mut others = 0;
    for turn in &mut turns {
        turn.kill()?;
        for client in &mut clients {
            // Long enough for a path that has died to be noticed.
            for _ in 0..8 {
                client.wait_for("stats")?;
            }
        }
        let now = ways(&mut clients)?;
        others += usize::from(now != before);
        before = now;
        for client in &clients {
            ensure!(client.events("ended").count() == 0, "the call ended");
        }
        turn.start_again()?;
    }
    ensure!(others > 0, "neither relay was in use");
    Ok(())
}

#[test]
fn a_call_relayed_over_tcp_goes_on_by_another_relay_when_the_thread_of_the_network_hangs() -> Result<()> {
    let turn = TurnServer::start()?;
    let server = turn.server(&["tcp"])?;
    let watchful = ["--set", "client.hang_timeout_ms=1000"];
    let options = [&SEEN_BY_RELAY_ALONE[..], &CHAOS, &watchful].concat();
    let mut clients = pair(&server, &options, &options)?;
    let before = hears_and_sees(&mut clients[0])?["transport"]["local"].clone();
    clients[0].order(&json!({"do": "crash", "actor": "call/rtcp_reporter", "how": "hang"}))?;
    clients[0].wait_until("that another relay is used", |line| {
        let transport = &line["transport"];
        transport["pair"] == "relay/relay" && transport["local"] != before
    })?;
    for client in &mut clients {
        hears_and_sees(client)?;
        ensure!(client.events("ended").count() == 0, "the call ended");
    }
    Ok(())
}
