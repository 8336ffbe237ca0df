//! What Firefox 153 says: one fingerprint and one direction for the whole session, VP8 without H.264, redundancy nobody
//! else offers, and the sections in its own order of attributes. Its texts are in `testdata`.

#![allow(clippy::unwrap_used)]

use super::tests::client;
use super::*;
use crate::VideoCodec;
use crate::rtp::extension::Mid;

const OFFER: &str = include_str!("testdata/firefox_offer.sdp");
const ANSWER: &str = include_str!("testdata/firefox_answer.sdp");

#[test]
fn a_firefox_offer_is_answered() {
    let offered: SessionDescription = OFFER.parse().unwrap();
    let (answered, settled) = answer(&client(2), &offered).unwrap();
    assert_eq!(settled.ice.ufrag, "030f549d");
    assert_eq!(settled.ice.pwd, "1dc0c1867b847a8790f7190cfc7f502c");
    assert_eq!(settled.dtls_role, DtlsRole::Client);
    assert!(settled.fingerprint.to_string().starts_with("sha-256 60:6E:"));
    assert_eq!(settled.data.unwrap().port, 5000);

    let (audio, video) = (settled.audio.unwrap(), settled.video.unwrap());
    assert_eq!((audio.payload_type, audio.fec, audio.stereo), (109, true, true));
    assert_eq!(
        (video.codec, video.payload_type, video.rtx_payload_type),
        (VideoCodec::Vp8, 120, Some(124))
    );
    assert_eq!(video.sources.len(), 1);
    assert_eq!(
        (video.sources[0].ssrc, video.sources[0].rtx_ssrc),
        (3095138727, Some(747046092))
    );
    assert!(video.nack && video.pli && video.fir);
    // It takes small reports about pictures only.
    assert!(!audio.reduced_size && video.reduced_size);

    let text = answered.to_string();
    assert_eq!(answered.bundle, ["0", "1", "2"]);
    assert!(text.contains("m=audio 9 UDP/TLS/RTP/SAVPF 109\r\n"), "{text}");
    assert!(text.contains("m=video 9 UDP/TLS/RTP/SAVPF 120 124\r\n"), "{text}");
    for unknown in [
        "ulpfec",
        "red/",
        "VP9",
        "AV1",
        "audio-level",
        "toffset",
        "playout-delay",
    ] {
        assert!(!text.contains(unknown), "{unknown}: {text}");
    }
    let extensions = video.receive_extensions;
    assert_eq!(extensions.mid, Mid::new(b"1"));
    assert_eq!(
        (
            extensions.ids.mid,
            extensions.ids.abs_send_time,
            extensions.ids.transport_sequence
        ),
        (Some(3), Some(4), Some(7))
    );
    assert_eq!(audio.send_extensions.ids.abs_send_time, None);
}

#[test]
fn a_firefox_answer_completes_our_offer() {
    let settled = complete(&offer(&client(1)), &ANSWER.parse().unwrap()).unwrap();
    assert_eq!(settled.dtls_role, DtlsRole::Server);
    assert_eq!(settled.ice.ufrag, "1828b5cb");
    assert!(settled.fingerprint.to_string().starts_with("sha-256 57:2E:"));
    let video = settled.video.unwrap();
    assert_eq!(
        (video.codec, video.payload_type, video.rtx_payload_type),
        (VideoCodec::Vp8, 96, Some(97))
    );
    assert!(video.nack && video.pli && video.fir);
    assert_eq!(settled.audio.unwrap().payload_type, 111);
    assert_eq!(settled.data.unwrap().port, 5000);
}
