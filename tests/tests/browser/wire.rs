//! What goes over the wire between Chromium and the client, each piece in both roles where the role matters: the browser
//! has offered the call, and has answered it.

use anyhow::{Context, Result, ensure};
use roomrtc_tests::harness::guest::{
    call_back, guest_hears_and_sees, hang_up, host_hears_and_sees, inviter, inviter_at, join,
};
use roomrtc_tests::harness::neighbours::{self, Neighbours};
use roomrtc_tests::harness::stories::number;
use roomrtc_tests::harness::{Browser, Headless, Page, Server};
use serde_json::{Value, json};

/// Counts who has said that there will be no more candidates: `window.ended`.
const ENDS_OF_CANDIDATES: &str = "
    window.ended = { page: 0, client: 0 };
    const note = (who, text) => {
        const { type, candidate } = JSON.parse(text);
        if (type === 'candidate' && candidate === '') window.ended[who] += 1;
    };
    const Plain = window.WebSocket;
    window.WebSocket = class extends Plain {
        constructor(...words) {
            super(...words);
            this.addEventListener('message', ({ data }) => note('client', data));
        }
        send(text) {
            note('page', text);
            super.send(text);
        }
    };";

/// What was negotiated (W3C webrtc-stats), and which lines both descriptions have.
const AGREED: &str = "
    const peer = window.roomrtc.peer;
    const said = { transports: [], ended: window.ended, signaling: peer.signalingState };
    (await peer.getStats()).forEach(({ type, dtlsRole, tlsVersion, dtlsState }) => {
        if (type === 'transport') said.transports.push({ dtlsRole, tlsVersion, dtlsState });
    });
    for (const side of ['localDescription', 'remoteDescription']) {
        const sections = peer[side].sdp.split('\\r\\nm=').slice(1);
        const all = (line) => sections.filter((text) => !text.startsWith('application'))
            .every((text) => text.includes(`\\r\\na=${line}\\r\\n`));
        said[side] = { bundle: /a=group:BUNDLE( \\S+){3}/.test(peer[side].sdp), mux: all('rtcp-mux'),
            reduced: all('rtcp-rsize'), resent: /a=rtpmap:\\d+ rtx\\/90000/.test(peer[side].sdp),
            ufrag: /a=ice-ufrag:(\\S+)/.exec(peer[side].sdp)[1] };
    }
    return said;";

/// What the page's pictures say of lost packets and key frames (W3C webrtc-stats).
const REPAIRS: &str = "
    const said = {};
    (await window.roomrtc.peer.getStats()).forEach((report) => {
        if (report.kind !== 'video') return;
        if (report.type === 'inbound-rtp')
            said.in = { asked: report.nackCount, resent: report.retransmittedPacketsReceived, by: report.rtxSsrc,
                keys: report.keyFramesDecoded, wanted: report.pliCount };
        if (report.type === 'outbound-rtp')
            said.out = { asked: report.nackCount, resent: report.retransmittedPacketsSent, by: report.rtxSsrc,
                keys: report.keyFramesEncoded, wanted: report.pliCount, fir: report.firCount };
    });
    return said;";

/// Asks for a key frame, as a page does that records or passes on what it receives (W3C webrtc-encoded-transform).
const ASK_FOR_A_KEY_FRAME: &str = "
    const work = `onrtctransform = ({ transformer }) => {
        transformer.readable.pipeTo(transformer.writable);
        onmessage = () => transformer.sendKeyFrameRequest();
        postMessage('ready');
    }`;
    const worker = new Worker(URL.createObjectURL(new Blob([work])));
    const ready = new Promise((is) => { worker.onmessage = is; });
    const { receiver } = window.roomrtc.peer.getTransceivers().find((one) => one.receiver.track.kind === 'video');
    receiver.transform = new RTCRtpScriptTransform(worker, {});
    await ready;
    worker.postMessage('ask');";

/// Takes these lines (a regular expression) out of both descriptions on their way.
fn without(lines: &str) -> String {
    format!(
        "const cut = (sdp) => sdp.replace(/^(?:{lines})\\r\\n/gm, '');
         const {{ send }} = WebSocket.prototype;
         WebSocket.prototype.send = function (text) {{
             const message = JSON.parse(text);
             if (message.sdp) message.sdp = cut(message.sdp);
             send.call(this, JSON.stringify(message));
         }};
         const {{ setRemoteDescription }} = RTCPeerConnection.prototype;
         RTCPeerConnection.prototype.setRemoteDescription = function ({{ type, sdp }}) {{
             return setRemoteDescription.call(this, {{ type, sdp: cut(sdp) }});
         }};"
    )
}

/// So that a key frame tells of a request.
const NO_KEY_FRAME_UNASKED: [&str; 4] = [
    "--set",
    "media.keyframe_max_pictures=100000",
    "--set",
    "debug.chaos=true",
];

/// Tells the story twice: of a call the browser has offered, and of one it has answered.
fn in_both_roles(
    client: &mut Headless,
    browser: &mut Browser,
    url: &str,
    mut story: impl FnMut(&mut Headless, &mut Browser, Role) -> Result<()>,
) -> Result<()> {
    join(browser, url)?;
    story(client, browser, Role::Offerer).context("the browser has offered")?;
    hang_up(client, browser)?;
    call_back(client, browser)?;
    story(client, browser, Role::Answerer).context("the browser has answered")
}

/// Of the browser.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Offerer,
    Answerer,
}

fn both_hear_and_see(client: &mut Headless, browser: &mut Browser) -> Result<()> {
    client.read();
    host_hears_and_sees(client)?;
    guest_hears_and_sees(browser)?;
    Ok(())
}

#[test]
fn one_transport_is_agreed_on_with_either_role_in_dtls_and_both_end_their_candidates() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    browser.prepare(ENDS_OF_CANDIDATES)?;
    let mut calls = 0;
    in_both_roles(&mut ana, &mut browser, &url, |_, browser, role| {
        calls += 1;
        let said = browser.wait_until("the ends of the candidates", AGREED, |said| {
            number(said, ["ended", "page"]) >= f64::from(calls)
                && number(said, ["ended", "client"]) >= f64::from(calls)
        })?;
        // Of DTLS 1.2 whoever begins: the number of RFC 6347 §4.1 in hexadecimal.
        let handshake = match role {
            Role::Offerer => "server",
            Role::Answerer => "client",
        };
        let expected = json!([{"dtlsRole": handshake, "tlsVersion": "FEFD", "dtlsState": "connected"}]);
        ensure!(said["transports"] == expected, "{said}");
        for side in ["localDescription", "remoteDescription"] {
            for line in ["bundle", "mux", "reduced", "resent"] {
                ensure!(said[side][line] == true, "{side}, {line}: {said}");
            }
        }
        Ok(())
    })
}

#[test]
fn the_browsers_first_words_of_dtls_come_in_pieces_and_are_put_together() -> Result<()> {
    /// RFC 5246 §7.4.
    const CLIENT_HELLO: u64 = 1;
    let Some(neighbours) = Neighbours::build()? else {
        return Ok(());
    };
    let server = Server::start_at(neighbours.ana(), neighbours::ANA, &[])?;
    let (mut ana, url) = inviter_at(neighbours.ana(), &server, &[])?;
    let mut browser = Browser::start_at(neighbours.ben())?;
    join(&mut browser, &url)?;
    hang_up(&mut ana, &mut browser)?;

    let mut cable = neighbours.handshakes()?;
    call_back(&mut ana, &mut browser)?;
    both_hear_and_see(&mut ana, &mut browser)?;
    cable.read();
    let hellos: Vec<&Value> = cable
        .events("handshake")
        .filter(|piece| piece["from"] == neighbours::BEN && piece["message"] == CLIENT_HELLO)
        .collect();
    println!("the browser's ClientHello: {hellos:?}");
    let (first, rest) = hellos.split_first().context("a ClientHello")?;
    ensure!(first["offset"] == 0, "{first}");
    let in_another =
        |piece: &&&Value| piece["datagram"] != first["datagram"] && piece["offset"] == first["part"];
    ensure!(
        rest.iter().any(|piece| in_another(&piece)),
        "it came in one piece: {hellos:?}"
    );
    Ok(())
}

#[test]
fn lost_packets_are_asked_for_and_sent_again_in_streams_of_their_own() -> Result<()> {
    const ONE_IN: u32 = 30;
    let Some(neighbours) = Neighbours::build()? else {
        return Ok(());
    };
    let server = Server::start_at(neighbours.ana(), neighbours::ANA, &[])?;
    let (mut ana, url) = inviter_at(neighbours.ana(), &server, &[])?;
    let mut browser = Browser::start_at(neighbours.ben())?;
    neighbours.lose_one_in(ONE_IN)?;
    in_both_roles(&mut ana, &mut browser, &url, |ana, browser, _| {
        let said = browser.wait_until("repairs both ways", REPAIRS, |said| {
            ["in", "out"]
                .into_iter()
                .all(|way| number(said, [way, "asked"]) > 5.0 && number(said, [way, "resent"]) > 5.0)
        })?;
        println!("the page's repairs: {said}");
        ensure!(said["in"]["by"].is_u64() && said["out"]["by"].is_u64(), "{said}");
        ana.read();
        ana.wait_until("repairs both ways", |line| {
            number(line, ["video", "nack"]) > 5.0 && number(line, ["video", "resent"]) > 5.0
        })?;
        both_hear_and_see(ana, browser)
    })
}

#[test]
fn who_needs_a_key_frame_asks_for_it_and_gets_it() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &NO_KEY_FRAME_UNASKED)?;
    let mut browser = Browser::start()?;
    browser.allow_scripts()?;
    in_both_roles(&mut ana, &mut browser, &url, |ana, browser, _| {
        both_hear_and_see(ana, browser)?;
        for (way, ask) in [("in", true), ("out", false)] {
            let before = browser.run(REPAIRS)?;
            if ask {
                browser.run(ASK_FOR_A_KEY_FRAME)?;
            } else {
                ana.order(&json!({"do": "crash", "actor": "call/decoder/video", "how": "forget"}))?;
            }
            browser.wait_until("a key frame after a request", REPAIRS, |said| {
                ["wanted", "keys"]
                    .into_iter()
                    .all(|what| number(said, [way, what]) > number(&before, [way, what]))
            })?;
        }
        both_hear_and_see(ana, browser)
    })
}

#[test]
fn where_intra_requests_are_the_only_way_they_are_obeyed() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &NO_KEY_FRAME_UNASKED)?;
    let mut browser = Browser::start()?;
    browser.prepare(&without("a=rtcp-fb:\\S+ nack pli"))?;
    in_both_roles(&mut ana, &mut browser, &url, |ana, browser, _| {
        both_hear_and_see(ana, browser)?;
        for _ in 0..2 {
            let before = browser.run(REPAIRS)?;
            ana.order(&json!({"do": "crash", "actor": "call/decoder/video", "how": "forget"}))?;
            let after = browser.wait_until("a key frame after a request", REPAIRS, |said| {
                ["fir", "keys"]
                    .into_iter()
                    .all(|what| number(said, ["out", what]) > number(&before, ["out", what]))
            })?;
            ensure!(number(&after, ["out", "wanted"]) == 0.0, "{after}");
        }
        both_hear_and_see(ana, browser)
    })
}

#[test]
fn where_the_browser_estimates_the_path_we_send_no_faster_than_it_says() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    browser.prepare(&without("a=rtcp-fb:\\S+ transport-cc"))?;
    in_both_roles(&mut ana, &mut browser, &url, |ana, browser, _| {
        let mut limits = 0;
        for _ in 0..5 {
            let second = ana.wait_until("an estimate", |line| line["transport"]["remb_kbps"].is_number())?;
            let rate = |name| number(&second, ["transport", name]);
            ensure!(rate("feedback_received") == 0.0, "{second}");
            // Changes of less than 2 % are not worth an encoder's while.
            let estimate = rate("remb_kbps") * 0.97..rate("remb_kbps") * 1.03;
            ensure!(rate("available_kbps") < estimate.end, "{second}");
            limits += u32::from(estimate.contains(&rate("available_kbps")));
        }
        ensure!(limits > 0, "the estimate was never the limit: {:#?}", ana.said);
        both_hear_and_see(ana, browser)
    })
}

/// Both ufrags have changed, and the streams go on.
fn restarted(client: &mut Headless, browser: &mut Browser, before: &Value) -> Result<()> {
    let other = |said: &Value, side: &str| {
        said[side]["ufrag"].is_string() && said[side]["ufrag"] != before[side]["ufrag"]
    };
    let after = browser.wait_until("other credentials", AGREED, |said| {
        said["signaling"] == "stable" && other(said, "localDescription") && other(said, "remoteDescription")
    })?;
    ensure!(after["transports"] == before["transports"], "{before} {after}");
    client.read();
    host_hears_and_sees(client)?;
    let frames = |said: &Value| number(said, ["video", "frames"]);
    let so_far = frames(&guest_hears_and_sees(browser)?);
    browser.wait_until(
        "more pictures",
        "let frames = 0;
         (await window.roomrtc.peer.getStats()).forEach((report) => {
             if (report.type === 'inbound-rtp' && report.kind === 'video') frames = report.framesDecoded;
         });
         return frames;",
        |now| now.as_f64() > Some(so_far + 20.0),
    )?;
    Ok(())
}

#[test]
fn either_restarts_ice_in_mid_call() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &["--set", "debug.chaos=true"])?;
    let mut browser = Browser::start()?;
    in_both_roles(&mut ana, &mut browser, &url, |ana, browser, _| {
        both_hear_and_see(ana, browser)?;
        let before = browser.run(AGREED)?;
        browser.run("window.roomrtc.peer.restartIce()")?;
        restarted(ana, browser, &before).context("the browser restarts")?;

        let before = browser.run(AGREED)?;
        ana.order(&json!({"do": "crash", "actor": "call/ice_agent", "how": "forget"}))?;
        ana.wait_for("resumed")?;
        restarted(ana, browser, &before).context("the client restarts")
    })?;
    ensure!(ana.events("ended").count() == 1, "only the first call ended");
    Ok(())
}

#[test]
fn an_offer_of_simulcast_is_answered_by_one_stream() -> Result<()> {
    let server = Server::start(&[])?;
    let (mut ana, url) = inviter(&server, &[])?;
    let mut browser = Browser::start()?;
    browser.prepare(
        "const { addTrack } = RTCPeerConnection.prototype;
         RTCPeerConnection.prototype.addTrack = function (track, ...streams) {
             if (track.kind !== 'video') return addTrack.call(this, track, ...streams);
             const sendEncodings = [{ rid: 'h' }, { rid: 'l', scaleResolutionDownBy: 4 }];
             return this.addTransceiver(track, { streams, sendEncodings }).sender;
         };",
    )?;
    join(&mut browser, &url)?;
    both_hear_and_see(&mut ana, &mut browser)?;
    let said = browser.run(
        "const { localDescription, remoteDescription } = window.roomrtc.peer;
         const has = ({ sdp }) => sdp.includes('a=simulcast:');
         const sent = [];
         (await window.roomrtc.peer.getStats()).forEach((report) => {
             if (report.type === 'outbound-rtp' && report.kind === 'video' && report.framesSent > 0) sent.push(report.rid);
         });
         return { offered: has(localDescription), answered: has(remoteDescription), sent: sent.length };",
    )?;
    ensure!(
        said == json!({"offered": true, "answered": false, "sent": 1}),
        "{said}"
    );
    Ok(())
}
