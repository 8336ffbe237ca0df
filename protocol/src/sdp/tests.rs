//! The exchange, told as stories; the browser's texts are in `testdata`.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::VideoCodec;
use crate::rtp::extension::{Extension, Mid};

const CHROMIUM_OFFER: &str = include_str!("testdata/chromium_offer.sdp");
const CHROMIUM_ANSWER: &str = include_str!("testdata/chromium_answer.sdp");

pub(super) fn client(name: u8) -> LocalParameters {
    let ssrc = 1_000 * u32::from(name);
    let media = |ssrc| LocalMedia {
        ssrc,
        rtx_ssrc: None,
        direction: Direction::BOTH,
    };
    LocalParameters {
        session_id: name.into(),
        session_version: 2,
        dtls_role: None,
        ice: IceParameters {
            ufrag: format!("uf{name}"),
            pwd: format!("a password of 22 chars {name}"),
        },
        candidates: Vec::new(),
        fingerprint: Fingerprint::from_digest([name; 32]),
        cname: format!("client{name}"),
        audio: Some(media(ssrc)),
        video: Some(LocalMedia {
            rtx_ssrc: Some(ssrc + 2),
            ..media(ssrc + 1)
        }),
        screen: Some(LocalMedia {
            direction: Direction {
                send: false,
                receive: true,
            },
            rtx_ssrc: Some(ssrc + 4),
            ..media(ssrc + 3)
        }),
        codecs: vec![VideoCodec::H264, VideoCodec::Vp8],
        payload_types: PayloadTypes::default(),
        data: Some(NegotiatedData {
            port: 5000,
            max_message_size: 262_144,
        }),
    }
}

/// Offer, answer and both views of them, all as text in between.
fn exchange(
    caller: &LocalParameters,
    callee: &LocalParameters,
) -> Result<(Negotiated, Negotiated), SdpError> {
    let ours = offer(caller);
    let (theirs, callee_view) = answer(callee, &ours.to_string().parse()?)?;
    let caller_view = complete(&ours, &theirs.to_string().parse()?)?;
    Ok((caller_view, callee_view))
}

#[test]
fn a_renewed_transport_has_other_keys_and_the_same_media_and_roles() {
    let (caller, callee) = (client(1), client(2));
    let first = offer(&caller);
    let (last_answer, before) = answer(&callee, &first).unwrap();
    assert_eq!(before.dtls_role, DtlsRole::Client);

    // The callee offers now; it was the DTLS client, and stays it although the caller may choose.
    let renewed = LocalParameters {
        session_version: 3,
        ice: client(8).ice,
        fingerprint: client(8).fingerprint,
        dtls_role: Some(DtlsRole::Client),
        ..callee
    };
    let offered: SessionDescription = reoffer(&renewed, &last_answer).to_string().parse().unwrap();
    let caller = LocalParameters {
        session_version: 3,
        dtls_role: Some(DtlsRole::Server),
        ..caller
    };
    let (answered, seen_by_caller) = answer(&caller, &offered).unwrap();
    let seen_by_callee = complete(&offered, &answered.to_string().parse().unwrap()).unwrap();

    assert_eq!(offered.session_id, last_answer.session_id);
    assert_eq!(offered.session_version, 3);
    assert_eq!(seen_by_caller.ice, client(8).ice);
    assert_eq!(seen_by_caller.fingerprint, client(8).fingerprint);
    assert_eq!(seen_by_caller.dtls_role, DtlsRole::Server);
    assert_eq!(seen_by_callee.dtls_role, DtlsRole::Client);
    assert_eq!(seen_by_callee.audio, before.audio);
    assert_eq!(seen_by_callee.video, before.video);
    assert_eq!(seen_by_callee.mid, before.mid);
}

#[test]
fn two_clients_agree_on_everything() {
    let (caller, callee) = (client(1), client(2));
    let (at_caller, at_callee) = exchange(&caller, &callee).unwrap();
    assert_eq!(at_caller.ice, callee.ice);
    assert_eq!(at_callee.ice, caller.ice);
    assert_eq!(at_caller.fingerprint, callee.fingerprint);
    assert_eq!(at_callee.fingerprint, caller.fingerprint);
    assert_eq!(
        (at_caller.dtls_role, at_callee.dtls_role),
        (DtlsRole::Server, DtlsRole::Client)
    );
    assert_eq!(at_caller.mid, "0");
    assert_eq!(at_caller.data, callee.data);

    let video = at_caller.video.unwrap();
    assert_eq!(
        (video.codec, video.payload_type, video.rtx_payload_type),
        (VideoCodec::H264, 102, Some(103))
    );
    assert!(video.nack && video.pli && video.fir);
    let source = Source {
        ssrc: 2001,
        rtx_ssrc: Some(2002),
        cname: "client2".into(),
    };
    assert_eq!(video.sources, [source]);
    assert_eq!(video.direction, Direction::BOTH);

    for extension in Extension::ALL {
        let id = video.send_extensions.ids.id(extension);
        assert_eq!(id, video.receive_extensions.ids.id(extension));
    }
    assert_eq!(video.send_extensions.ids.abs_capture_time, Some(5));

    let audio = at_callee.audio.unwrap();
    assert_eq!((audio.payload_type, audio.fec, audio.stereo), (111, true, true));
    assert_eq!(audio.sources[0].ssrc, 1000);
}

#[test]
fn the_callee_takes_the_codec_it_prefers_among_what_is_offered() {
    let (caller, mut callee) = (client(1), client(2));
    callee.codecs = vec![VideoCodec::Vp8];
    let (at_caller, at_callee) = exchange(&caller, &callee).unwrap();
    assert_eq!(at_caller.video.unwrap().codec, VideoCodec::Vp8);
    assert_eq!(at_callee.video.unwrap().payload_type, 96);
}

#[test]
fn without_a_common_codec_the_call_has_sound_only() {
    let (mut caller, mut callee) = (client(1), client(2));
    caller.codecs = vec![VideoCodec::H264];
    callee.codecs = vec![VideoCodec::Vp8];
    let (at_caller, at_callee) = exchange(&caller, &callee).unwrap();
    assert!(at_caller.video.is_none() && at_callee.video.is_none());
    assert!(at_caller.audio.is_some() && at_caller.data.is_some());
}

#[test]
fn a_call_may_have_only_sound_only_pictures_or_only_data() {
    let full = client(2);
    let sound = LocalParameters {
        video: None,
        data: None,
        ..client(1)
    };
    let pictures = LocalParameters {
        audio: None,
        data: None,
        ..client(1)
    };
    let data = LocalParameters {
        audio: None,
        video: None,
        ..client(1)
    };
    for (one, kinds) in [
        (sound, (true, false, false)),
        (pictures, (false, true, false)),
        (data, (false, false, true)),
    ] {
        for (caller, callee) in [(&one, &full), (&full, &one)] {
            let (a, b) = exchange(caller, callee).unwrap();
            assert_eq!((a.audio.is_some(), a.video.is_some(), a.data.is_some()), kinds);
            assert_eq!((b.audio.is_some(), b.video.is_some(), b.data.is_some()), kinds);
        }
    }
}

#[test]
fn with_nothing_in_common_there_is_no_call() {
    let sound = LocalParameters {
        video: None,
        data: None,
        ..client(1)
    };
    let data = LocalParameters {
        audio: None,
        video: None,
        ..client(2)
    };
    assert_eq!(exchange(&sound, &data).unwrap_err(), SdpError::NothingInCommon);
}

#[test]
fn a_client_without_a_camera_still_sees_the_other() {
    let (mut caller, callee) = (client(1), client(2));
    caller.video.as_mut().unwrap().direction = Direction {
        send: false,
        receive: true,
    };
    let (at_caller, at_callee) = exchange(&caller, &callee).unwrap();
    let (at_caller, at_callee) = (at_caller.video.unwrap(), at_callee.video.unwrap());
    assert_eq!(
        at_caller.direction,
        Direction {
            send: false,
            receive: true
        }
    );
    assert_eq!(
        at_callee.direction,
        Direction {
            send: true,
            receive: false
        }
    );
    assert!(at_callee.sources.is_empty());
}

#[test]
fn a_chromium_offer_is_answered() {
    let offered: SessionDescription = CHROMIUM_OFFER.parse().unwrap();
    let (answered, settled) = answer(&client(2), &offered).unwrap();
    assert_eq!(settled.ice.ufrag, "5nP0");
    assert_eq!(settled.ice.pwd, "8Bx4mYIkVqfXkqAFJp1tU1Gs");
    assert_eq!(settled.dtls_role, DtlsRole::Client);
    assert!(settled.fingerprint.to_string().starts_with("sha-256 6E:5A:"));
    assert_eq!(
        settled.data,
        Some(NegotiatedData {
            port: 5000,
            max_message_size: 262_144
        })
    );

    let video = settled.video.unwrap();
    // 42e01f with packetization-mode 1 is 108; 42001f with mode 1 (102) would do, 42e01f with mode 0 (109) not
    assert_eq!(
        (video.codec, video.payload_type, video.rtx_payload_type),
        (VideoCodec::H264, 108, Some(127))
    );
    assert_eq!(video.sources.len(), 1);
    assert_eq!(
        (video.sources[0].ssrc, video.sources[0].rtx_ssrc),
        (2734561901, Some(3350816224))
    );
    assert!(video.nack && video.pli && video.fir);
    let audio = settled.audio.unwrap();
    assert_eq!((audio.payload_type, audio.fec, audio.stereo), (111, true, false));

    assert_eq!(answered.bundle, ["0", "1", "2"]);
    let text = answered.to_string();
    assert!(text.contains("a=setup:active\r\n"));
    assert!(text.contains("m=video 9 UDP/TLS/RTP/SAVPF 108 127 96 97\r\n"));
    assert!(
        text.contains(
            "a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n"
        )
    );
    assert!(text.contains("a=rtcp-mux\r\n") && text.contains("a=mid:2\r\n"));
    // The identifiers are the browser's, and what is not known here is not taken.
    let extensions = video.receive_extensions;
    assert_eq!(extensions.mid, Mid::new(b"1"));
    assert_eq!(
        (extensions.ids.mid, extensions.ids.abs_send_time),
        (Some(4), Some(2))
    );
    assert_eq!(video.send_extensions, extensions);
    assert_eq!(audio.receive_extensions.mid, Mid::new(b"0"));
    assert!(text.contains("a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n"));
    assert!(!text.contains("toffset") && !text.contains("video-orientation"));
    for feedback in ["111 transport-cc", "108 transport-cc", "108 goog-remb"] {
        assert!(text.contains(&format!("a=rtcp-fb:{feedback}\r\n")), "{feedback}");
    }
    assert_eq!(extensions.ids.transport_sequence, Some(3));
    assert_eq!(audio.send_extensions.ids.transport_sequence, Some(3));
    assert!(audio.reduced_size && video.reduced_size);
}

#[test]
fn a_peer_that_only_answers_checks_says_so_for_the_whole_session() {
    let lite = CHROMIUM_OFFER.replacen("a=group:BUNDLE", "a=ice-lite\r\na=group:BUNDLE", 1);
    let offered: SessionDescription = lite.parse().unwrap();
    assert!(offered.to_string().contains("a=ice-lite\r\n"));
    let (answered, settled) = answer(&client(2), &offered).unwrap();
    assert!(settled.ice_lite && !answered.ice_lite);
    let full: SessionDescription = CHROMIUM_OFFER.parse().unwrap();
    assert!(!answer(&client(2), &full).unwrap().1.ice_lite);
}

#[test]
fn a_simulcast_offer_is_answered_as_one_stream() {
    // RFC 8853 §5.3.2: who does not understand it answers without it, and one stream comes.
    let layers = "a=rid:h send\r\na=rid:l send\r\na=simulcast:send h;l\r\n";
    let marker = "m=video";
    let place = CHROMIUM_OFFER.find(marker).unwrap();
    let end = place + CHROMIUM_OFFER[place..].find("a=mid").unwrap();
    let offer = format!("{}{layers}{}", &CHROMIUM_OFFER[..end], &CHROMIUM_OFFER[end..]);
    let (answered, settled) = answer(&client(2), &offer.parse().unwrap()).unwrap();
    let text = answered.to_string();
    assert!(!text.contains("simulcast") && !text.contains("a=rid"), "{text}");
    assert!(settled.receives_video());
}

/// Our own offer, its data channels told as before RFC 8841.
fn offer_with_sctpmap() -> String {
    offer(&client(1))
        .to_string()
        .replace("UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5007")
        .replace("a=sctp-port:5000", "a=sctpmap:5007 webrtc-datachannel 65535")
}

#[test]
fn data_channels_offered_in_the_older_way_are_answered_that_way() {
    let (answered, settled) = answer(&client(2), &offer_with_sctpmap().parse().unwrap()).unwrap();
    let data = NegotiatedData {
        port: 5007,
        max_message_size: 262_144,
    };
    assert_eq!(settled.data, Some(data));
    // RFC 3264 §6: the answer's protocol is the offer's; the port is the answerer's own.
    let text = answered.to_string();
    assert!(text.contains("m=application 9 DTLS/SCTP 5000\r\n"), "{text}");
    assert!(text.contains("a=sctpmap:5000 webrtc-datachannel\r\n"), "{text}");
    assert!(!text.contains("sctp-port"), "{text}");
    assert_eq!(text.parse::<SessionDescription>().unwrap(), answered);
}

#[test]
fn an_association_for_something_else_is_refused() {
    let text = offer_with_sctpmap().replace("5007 webrtc-datachannel", "5007 webrtc-telepathy");
    let (answered, settled) = answer(&client(2), &text.parse().unwrap()).unwrap();
    assert!(settled.data.is_none() && settled.audio.is_some());
    assert!(answered.sections[2].rejected);
}

#[test]
fn a_chromium_offer_is_answered_with_vp8_where_that_is_preferred() {
    let offered: SessionDescription = CHROMIUM_OFFER.parse().unwrap();
    let vp8 = LocalParameters {
        codecs: vec![VideoCodec::Vp8, VideoCodec::H264],
        ..client(2)
    };
    let video = answer(&vp8, &offered).unwrap().1.video.unwrap();
    assert_eq!(
        (video.codec, video.payload_type, video.rtx_payload_type),
        (VideoCodec::Vp8, 96, Some(97))
    );
}

#[test]
fn a_chromium_answer_completes_our_offer() {
    let settled = complete(&offer(&client(1)), &CHROMIUM_ANSWER.parse().unwrap()).unwrap();
    assert_eq!(settled.dtls_role, DtlsRole::Server);
    assert_eq!(settled.ice.ufrag, "Qv3h");
    let video = settled.video.unwrap();
    assert_eq!(
        (video.codec, video.payload_type, video.rtx_payload_type),
        (VideoCodec::H264, 102, Some(103))
    );
    assert!(video.nack && video.pli && video.fir);
    assert_eq!(settled.audio.unwrap().payload_type, 111);
    assert_eq!(settled.data.unwrap().port, 5000);
}

#[test]
fn without_the_feedback_or_the_small_reports_of_the_peer_there_are_none() {
    let mut offered = offer(&client(1));
    for section in &mut offered.sections {
        section.rtcp_rsize = false;
        section.codecs.iter_mut().for_each(|codec| codec.feedback.clear());
    }
    let (answered, settled) = answer(&client(2), &offered).unwrap();
    let text = answered.to_string();
    assert!(!text.contains("rtcp-fb") && !text.contains("rtcp-rsize"));
    let (audio, video) = (settled.audio.unwrap(), settled.video.unwrap());
    assert!(!audio.reduced_size && !video.reduced_size && !video.nack);
    for extensions in [
        audio.send_extensions,
        video.send_extensions,
        video.receive_extensions,
    ] {
        assert_eq!(extensions.ids.transport_sequence, None);
        assert_eq!(extensions.ids.mid, Some(4));
    }
}

#[test]
fn the_first_camera_is_taken_the_second_as_a_screen_and_the_third_refused() {
    let ours = client(1);
    let mut offered = offer(&ours);
    for mid in ["3", "4"] {
        let mut another = offered.sections[1].clone();
        another.mid = mid.into();
        offered.sections.push(another);
        offered.bundle.push(mid.into());
    }
    let (answered, settled) = answer(&client(2), &offered).unwrap();
    let rejected: Vec<bool> = answered.sections.iter().map(|section| section.rejected).collect();
    assert_eq!(rejected, [false, false, false, false, true]);
    assert_eq!(answered.bundle, ["0", "1", "2", "3"]);
    assert!(
        answered
            .to_string()
            .contains("m=video 0 UDP/TLS/RTP/SAVPF 102\r\n")
    );
    assert!(settled.video.is_some() && settled.screen.is_some());
}

#[test]
fn a_section_offered_as_rejected_stays_rejected() {
    let text = offer(&client(1)).to_string().replace("m=video 9", "m=video 0");
    let (answered, settled) = answer(&client(2), &text.parse().unwrap()).unwrap();
    assert!(answered.sections[1].rejected);
    assert!(settled.video.is_none() && settled.audio.is_some());
}

#[test]
fn a_bundle_only_section_is_not_rejected_though_its_port_is_zero() {
    let text = offer(&client(1)).to_string().replace("m=video 9", "m=video 0");
    let text = text.replace("a=mid:1\r\n", "a=mid:1\r\na=bundle-only\r\n");
    let (_, settled) = answer(&client(2), &text.parse().unwrap()).unwrap();
    assert!(settled.video.is_some());
}

#[test]
fn without_bundle_only_one_section_is_taken() {
    let text = offer(&client(1))
        .to_string()
        .replace("a=group:BUNDLE 0 1 2\r\n", "");
    let (answered, settled) = answer(&client(2), &text.parse().unwrap()).unwrap();
    assert_eq!(
        answered
            .sections
            .iter()
            .filter(|section| !section.rejected)
            .count(),
        1
    );
    assert!(settled.audio.is_some() && settled.video.is_none() && settled.data.is_none());
}

#[test]
fn credentials_and_fingerprint_may_stand_at_the_session() {
    let text = offer(&client(1)).to_string();
    let mut transport: Vec<&str> = Vec::new();
    let rest: Vec<&str> = text
        .lines()
        .filter(|line| {
            let shared = ["a=ice-", "a=fingerprint", "a=setup"]
                .iter()
                .any(|prefix| line.starts_with(prefix));
            if shared && !transport.contains(line) {
                transport.push(line);
            }
            !shared
        })
        .collect();
    let text = rest
        .join("\r\n")
        .replace("m=audio", &format!("{}\r\nm=audio", transport.join("\r\n")))
        + "\r\n";
    let (_, settled) = answer(&client(2), &text.parse().unwrap()).unwrap();
    assert_eq!(settled.ice, client(1).ice);
    assert_eq!(settled.fingerprint, client(1).fingerprint);
}

#[test]
fn an_offer_that_secures_nothing_is_refused() {
    let without = |prefix: &str| {
        let text = offer(&client(1)).to_string();
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with(prefix)).collect();
        answer(&client(2), &(lines.join("\r\n") + "\r\n").parse().unwrap()).unwrap_err()
    };
    assert_eq!(without("a=fingerprint"), SdpError::NoFingerprint);
    assert_eq!(without("a=ice-pwd"), SdpError::NoIceCredentials);
}

#[test]
fn an_answer_must_fit_the_offer() {
    let ours = offer(&client(1));
    let (mut short, _) = answer(&client(2), &ours).unwrap();
    let mut swapped = short.clone();
    swapped.sections.swap(0, 1);
    short.sections.pop();
    assert!(matches!(complete(&ours, &short), Err(SdpError::BadAnswer(_))));
    assert!(matches!(complete(&ours, &swapped), Err(SdpError::BadAnswer(_))));
    let undecided = answer(&client(2), &ours)
        .unwrap()
        .0
        .to_string()
        .replace("setup:active", "setup:actpass");
    assert!(matches!(
        complete(&ours, &undecided.parse().unwrap()),
        Err(SdpError::BadAnswer(_))
    ));
}

#[test]
fn our_own_descriptions_read_back_as_written() {
    let mut caller = client(1);
    caller.candidates = vec!["candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host".into()];
    let ours = offer(&caller);
    assert_eq!(ours.to_string().parse::<SessionDescription>().unwrap(), ours);
    let (answered, settled) = answer(&client(2), &ours).unwrap();
    assert_eq!(settled.candidates, caller.candidates);
    assert_eq!(
        answered.to_string().parse::<SessionDescription>().unwrap(),
        answered
    );
}

#[test]
fn a_description_without_end_is_not_read() {
    let text = format!("{CHROMIUM_OFFER}{}", "a=x:y\r\n".repeat(20_000));
    assert_eq!(text.parse::<SessionDescription>(), Err(SdpError::TooLong));
}

#[test]
fn limits_are_the_callers() {
    let text = offer(&client(1)).to_string();
    let within = SessionDescription::parse_within;
    assert!(within(&text, text.len(), 3).is_ok());
    assert_eq!(within(&text, text.len() - 1, 3), Err(SdpError::TooLong));
    assert_eq!(within(&text, text.len(), 2), Err(SdpError::TooManySections));
}

/// What a hostile peer could do to a real text.
fn mutate(text: &str, cuts: &[(prop::sample::Index, u8)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (index, what) in cuts {
        let at = index.index(lines.len().max(1));
        match what % 5 {
            0 if lines.len() > 1 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[at].clone()),
            2 => lines.swap(0, at),
            3 => {
                let half = lines[at].chars().count() / 2;
                lines[at] = lines[at].chars().take(half).collect();
            }
            _ => lines[at] = lines[at].replace(['1', '9', ':'], "4294967296"),
        }
    }
    lines.join("\r\n") + "\r\n"
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "(?s).{0,400}") {
        let _ = text.parse::<SessionDescription>();
        let _ = format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n{text}").parse::<SessionDescription>();
    }

    #[test]
    fn a_mutilated_offer_is_answered_or_refused(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        if let Ok(offered) = mutate(CHROMIUM_OFFER, &cuts).parse::<SessionDescription>()
            && let Ok((answered, _)) = answer(&client(2), &offered)
        {
            let reread: SessionDescription = answered.to_string().parse().unwrap();
            prop_assert_eq!(reread.sections.len(), offered.sections.len());
        }
    }

    #[test]
    fn a_mutilated_answer_completes_or_is_refused(
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        if let Ok(answered) = mutate(CHROMIUM_ANSWER, &cuts).parse::<SessionDescription>() {
            let _ = complete(&offer(&client(1)), &answered);
        }
    }
}
