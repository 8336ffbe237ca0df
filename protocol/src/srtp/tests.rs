#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use webrtc_util::marshal::MarshalSize;

use super::*;

const PROFILES: [Profile; 2] = [Profile::Aes128CmHmacSha1_80, Profile::AeadAes128Gcm];

fn pair(profile: Profile) -> (Contexts, Contexts) {
    let material: Vec<u8> = (0..profile.keying_material_length() as u8).collect();
    let make = |client| Contexts::new(profile, &material, client).unwrap();
    (make(true), make(false))
}

fn rtp(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 1]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

/// An empty receiver report (RFC 3550 §6.4.2).
fn receiver_report(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet
}

#[test]
fn what_one_side_protects_the_other_reads() {
    for profile in PROFILES {
        let (mut client, mut server) = pair(profile);
        let packet = rtp(7, 1, b"a picture");
        let wire = client.protect_rtp(&packet).unwrap();
        assert_eq!(wire.len(), packet.len() + profile.rtp_overhead());
        assert_eq!(server.unprotect_rtp(&wire).unwrap(), packet);
        let wire = server.protect_rtcp(&receiver_report(9)).unwrap();
        assert_eq!(wire.len(), 8 + profile.rtcp_overhead());
        assert_eq!(client.unprotect_rtcp(&wire).unwrap(), receiver_report(9));
    }
}

#[test]
fn a_replayed_packet_is_refused_once_and_for_all() {
    for profile in PROFILES {
        let (mut client, mut server) = pair(profile);
        let media = client.protect_rtp(&rtp(7, 1, b"x")).unwrap();
        let report = client.protect_rtcp(&receiver_report(7)).unwrap();
        server.unprotect_rtp(&media).unwrap();
        server.unprotect_rtcp(&report).unwrap();
        for _ in 0..2 {
            assert_eq!(server.unprotect_rtp(&media), Err(Error::Replayed));
            assert_eq!(server.unprotect_rtcp(&report), Err(Error::Replayed));
        }
    }
}

#[test]
fn no_index_is_used_twice_under_one_key() {
    let (mut client, _) = pair(Profile::AeadAes128Gcm);
    client.protect_rtp(&rtp(7, 10, b"x")).unwrap();
    for sequence in [10, 9, 0] {
        let refused = client.protect_rtp(&rtp(7, sequence, b"y"));
        assert_eq!(refused, Err(Error::IndexReused { ssrc: 7, sequence }));
    }
    client.protect_rtp(&rtp(7, 11, b"x")).unwrap();
    client.protect_rtp(&rtp(8, 10, b"another sender")).unwrap();
}

#[test]
fn a_stream_survives_wraps_of_its_sequence_number_with_losses_around_them() {
    for profile in PROFILES {
        let (mut client, mut server) = pair(profile);
        for index in 100_u64..200_000 {
            if index % 7 == 0 {
                continue;
            }
            let wire = client.protect_rtp(&rtp(7, index as u16, b"x")).unwrap();
            // The first and last twenty packets around each wrap are lost.
            if (index + 20) % 65_536 > 40 {
                server.unprotect_rtp(&wire).unwrap();
            }
        }
    }
}

#[test]
fn forged_senders_leave_nothing_behind_and_keep_nobody_out() {
    for profile in PROFILES {
        let (mut client, mut server) = pair(profile);
        for ssrc in 0..1000 {
            assert_eq!(
                server.unprotect_rtp(&rtp(ssrc, 1, &[0; 60])),
                Err(Error::NotAuthentic)
            );
        }
        assert!(server.receiver.admitted_rtp.is_empty());
        for ssrc in 0..Limits::default().unsignaled_sources as u32 {
            let wire = client.protect_rtp(&rtp(ssrc, 1, b"x")).unwrap();
            server.unprotect_rtp(&wire).unwrap();
        }
        let wire = client.protect_rtp(&rtp(99, 1, b"one too many")).unwrap();
        assert_eq!(server.unprotect_rtp(&wire), Err(Error::UnknownSsrc(99)));
    }
}

#[test]
fn a_forged_report_that_claims_to_be_unencrypted_is_refused() {
    for profile in PROFILES {
        let (mut client, mut server) = pair(profile);
        server
            .unprotect_rtcp(&client.protect_rtcp(&receiver_report(7)).unwrap())
            .unwrap();
        let mut forged = receiver_report(7);
        forged.resize(8 + profile.rtcp_overhead(), 0);
        assert_eq!(server.unprotect_rtcp(&forged), Err(Error::NotEncrypted));
    }
}

#[test]
fn where_senders_were_signaled_nobody_else_is_heard() {
    let (mut client, mut server) = pair(Profile::AeadAes128Gcm);
    server.allow_ssrcs(&[7]);
    let known = client.protect_rtp(&rtp(7, 1, b"x")).unwrap();
    let unknown = client.protect_rtp(&rtp(8, 1, b"x")).unwrap();
    server.unprotect_rtp(&known).unwrap();
    assert_eq!(server.unprotect_rtp(&unknown), Err(Error::UnknownSsrc(8)));
}

#[test]
fn header_extensions_of_any_shape_stay_readable() {
    for profile in PROFILES {
        let (mut client, mut server) = pair(profile);
        // One-byte extensions (RFC 8285) with padding between them, and one that ends early at id 15.
        let mut packet = rtp(7, 1, &[0xbe, 0xde, 0, 2, 0, 0x10, 0xaa, 0, 0xf0, 1, 2, 3]);
        packet[0] |= 0x10;
        packet.extend(b"payload");
        let wire = client.protect_rtp(&packet).unwrap();
        assert_eq!(server.unprotect_rtp(&wire).unwrap(), packet);
    }
}

#[test]
fn keys_of_the_wrong_length_are_refused() {
    let error = Contexts::new(Profile::AeadAes128Gcm, &[0; 60], true).err();
    assert_eq!(error, Some(Error::KeyingMaterial { needed: 56, got: 60 }));
}

proptest! {
    #[test]
    fn no_bytes_hurt_the_receiver(packet in prop::collection::vec(any::<u8>(), 0..200)) {
        for profile in PROFILES {
            let (mut client, mut server) = pair(profile);
            prop_assert!(server.unprotect_rtp(&packet).is_err());
            prop_assert!(server.unprotect_rtcp(&packet).is_err());
            let _ = client.protect_rtp(&packet);
            let _ = client.protect_rtcp(&packet);
            client.allow_ssrcs(&[1]);
        }
    }

    #[test]
    fn the_measured_header_is_as_long_as_the_ciphers_believe(
        packet in prop::collection::vec(any::<u8>(), 12..400),
    ) {
        if let Ok(header) = measure_header(&packet) {
            prop_assert_eq!(header.marshal_size(), header_length(&header));
        }
    }
}
