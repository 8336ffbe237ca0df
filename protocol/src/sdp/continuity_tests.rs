//! Offers in mid-call: who holds, adds and takes away, and what must not notice.

#![allow(clippy::unwrap_used)]

use super::tests::client;
use super::*;
use crate::VideoCodec;

const SENDONLY: Direction = Direction {
    send: true,
    receive: false,
};
const RECVONLY: Direction = Direction {
    send: false,
    receive: true,
};

/// The side of a running call that answers.
struct Party {
    local: LocalParameters,
    exchange: Exchange,
}

impl Party {
    /// Answers an offer of the peer, as text, and goes over to it; tells whether sound and pictures had to start anew.
    fn takes(&mut self, offered: &SessionDescription) -> [bool; 2] {
        let offered = offered.to_string().parse().unwrap();
        self.local.session_version += 1;
        let Settled {
            ours,
            other_audio,
            other_video,
            ..
        } = self.exchange.answer(&self.local, &offered).unwrap().clone();
        self.check_answer(&offered, &ours.to_string().parse().unwrap());
        [other_audio, other_video]
    }

    fn negotiated(&self) -> &Negotiated {
        &self.exchange.settled().unwrap().negotiated
    }

    /// Its next offer, as text.
    fn offers(&mut self) -> SessionDescription {
        self.exchange.offer(&self.local).to_string().parse().unwrap()
    }

    /// RFC 3264 §6: as many sections, in the same order; RFC 9143 §7.3.3: refused ones are in no group, others are.
    fn check_answer(&self, offered: &SessionDescription, answered: &SessionDescription) {
        assert_eq!(offered.sections.len(), answered.sections.len());
        for (theirs, ours) in offered.sections.iter().zip(&answered.sections) {
            assert_eq!((&ours.media, &ours.mid), (&theirs.media, &theirs.mid));
            assert_eq!(answered.bundle.contains(&ours.mid), !ours.rejected, "{answered}");
            assert!(ours.rejected || !theirs.rejected, "{answered}");
        }
        assert_eq!(answered.session_version, self.local.session_version);
    }

    fn directions(&self) -> [Direction; 2] {
        [
            self.negotiated().audio.as_ref().unwrap().direction,
            self.negotiated().video.as_ref().unwrap().direction,
        ]
    }

    fn answered(&self, index: usize) -> &MediaSection {
        &self.exchange.settled().unwrap().ours.sections[index]
    }
}

/// The callee of a running call, and the offer of the caller, to be changed and offered again.
fn call() -> (Party, SessionDescription) {
    let (caller, local) = (client(1), client(2));
    let offered = offer(&caller);
    let mut exchange = Exchange::default();
    exchange.answer(&local, &offered).unwrap();
    let party = Party { local, exchange };
    (party, offered)
}

fn turn(offered: &mut SessionDescription, audio: Direction, video: Direction) {
    offered.sections[0].direction = audio;
    offered.sections[1].direction = video;
}

/// A video section of another stream in the offer's group.
fn second_video(offered: &SessionDescription, mid: &str) -> MediaSection {
    let mut section = offered.sections[1].clone();
    section.mid = mid.into();
    section.sources[0].ssrc += 500;
    section.sources[0].rtx_ssrc = None;
    section
}

#[test]
fn who_is_held_answers_the_mirror_image_and_goes_on_afterwards_with_the_same_streams() {
    let (mut callee, mut offered) = call();
    let streams = callee.negotiated().clone();
    for (held, answered) in [
        (SENDONLY, RECVONLY),
        (Direction::NEITHER, Direction::NEITHER),
        (RECVONLY, SENDONLY),
        (Direction::BOTH, Direction::BOTH),
    ] {
        turn(&mut offered, held, held);
        assert_eq!(callee.takes(&offered), [false, false]);
        assert_eq!(callee.directions(), [answered; 2]);
        assert_eq!(callee.answered(0).direction, answered);
        assert_eq!(
            callee.answered(0).sources[0].ssrc,
            2000,
            "our stream stays announced"
        );
    }
    assert_eq!(*callee.negotiated(), streams);
}

#[test]
fn a_stream_that_is_not_announced_while_it_is_held_is_the_same_when_it_comes_back() {
    let (mut callee, first) = call();
    let mut held = first.clone();
    turn(&mut held, Direction::NEITHER, Direction::NEITHER);
    for section in &mut held.sections {
        section.sources.clear();
        section.msid = None;
    }
    assert_eq!(callee.takes(&held), [false, false]);
    assert_eq!(callee.negotiated().audio.as_ref().unwrap().sources[0].ssrc, 1000);
    assert_eq!(callee.takes(&first), [false, false]);
    assert_eq!(callee.directions(), [Direction::BOTH; 2]);
}

#[test]
fn a_camera_that_is_switched_off_by_its_direction_leaves_the_sound_alone() {
    let (mut callee, mut offered) = call();
    turn(&mut offered, Direction::BOTH, RECVONLY);
    assert_eq!(callee.takes(&offered), [false, false]);
    assert_eq!(callee.directions(), [Direction::BOTH, SENDONLY]);
    turn(&mut offered, Direction::BOTH, Direction::BOTH);
    assert_eq!(callee.takes(&offered), [false, false]);
    assert_eq!(callee.directions(), [Direction::BOTH; 2]);
}

#[test]
fn a_second_video_is_a_screen_that_comes_goes_and_comes_back_beside_the_running_camera() {
    let (mut callee, mut offered) = call();
    let second = second_video(&offered, "3");
    offered.sections.push(second);
    offered.bundle.push("3".into());
    assert_eq!(callee.takes(&offered), [false, false]);
    assert_eq!(callee.answered(3).direction, RECVONLY);
    assert!(callee.answered(3).slides && !callee.answered(1).slides);
    let screen = |callee: &Party| callee.negotiated().screen.clone();
    assert_eq!(screen(&callee).unwrap().sources[0].ssrc, 1501);
    assert_eq!(screen(&callee).unwrap().direction, RECVONLY);

    // It pauses, and is refused from then on with port 0, in no group (RFC 8829 §5.2.2).
    offered.sections[3].direction = Direction::NEITHER;
    assert_eq!(callee.takes(&offered), [false, false]);
    assert_eq!(screen(&callee).unwrap().direction, Direction::NEITHER);
    offered.sections[3].rejected = true;
    offered.bundle.pop();
    assert_eq!(callee.takes(&offered), [false, false]);
    assert!(screen(&callee).is_none() && callee.answered(3).rejected);

    // Its place is used again, under another tag.
    offered.sections[3] = second_video(&offered, "4");
    offered.bundle.push("4".into());
    assert_eq!(callee.takes(&offered), [false, false]);
    assert!(screen(&callee).is_some());
    assert_eq!(callee.directions(), [Direction::BOTH; 2]);
    assert_eq!(callee.answered(1).sources[0].ssrc, 2001);
}

#[test]
fn a_third_video_is_refused() {
    let (mut callee, mut offered) = call();
    for mid in ["3", "4"] {
        let another = second_video(&offered, mid);
        offered.sections.push(another);
        offered.bundle.push(mid.into());
    }
    assert_eq!(callee.takes(&offered), [false, false]);
    assert!(!callee.answered(3).rejected && callee.answered(4).rejected);
}

#[test]
fn a_screen_stays_one_when_the_camera_beside_it_is_given_up() {
    let (mut callee, mut offered) = call();
    let second = second_video(&offered, "3");
    offered.sections.push(second);
    offered.bundle.push("3".into());
    callee.takes(&offered);
    offered.sections[1].rejected = true;
    offered.bundle.retain(|mid| mid != "1");
    assert_eq!(callee.takes(&offered), [false, false]);
    assert_eq!(callee.directions(), [Direction::BOTH, Direction::NEITHER]);
    assert!(callee.answered(3).slides);
    assert!(callee.negotiated().screen.is_some());
}

#[test]
fn our_screen_gets_a_section_of_its_own_with_the_numbers_in_use_and_keeps_it() {
    let (mut callee, mut offered) = call();
    // The numbers of another stack.
    offered.sections[1].codecs.remove(0);
    offered.sections[1].codecs.remove(0);
    offered.sections[1].codecs[0].payload_type = 120;
    offered.sections[1].codecs[1].payload_type = 121;
    offered.sections[1].codecs[1].parameters = "apt=120".into();
    callee.takes(&offered);
    callee.local.screen.as_mut().unwrap().direction.send = true;
    let offer = callee.offers();
    assert_eq!(offer.bundle, ["0", "1", "2", "3"]);
    let screen = &offer.sections[3];
    assert!(screen.slides);
    assert_eq!(screen.direction, Direction::BOTH);
    assert_eq!(screen.sources[0].ssrc, 2003);
    assert_eq!(screen.sources[0].rtx_ssrc, Some(2004));
    let numbers = |section: &MediaSection| -> Vec<u8> {
        section.codecs.iter().map(|codec| codec.payload_type).collect()
    };
    assert_eq!(numbers(screen), [120, 121]);
    assert_eq!(screen.extensions, offer.sections[1].extensions);

    // The peer takes it for a screen; when it is over, the section stays for the next.
    let (answered, seen_by_peer) = answer(&client(1), &offer).unwrap();
    assert_eq!(seen_by_peer.screen.unwrap().direction, RECVONLY);
    let settled = complete(&offer, &answered).unwrap();
    assert_eq!(settled.screen.unwrap().direction, SENDONLY);
    callee.local.screen.as_mut().unwrap().direction.send = false;
    let over = reoffer(&callee.local, &offer);
    assert_eq!((over.sections.len(), over.sections[3].direction), (4, RECVONLY));
    callee.local.screen.as_mut().unwrap().direction.send = true;
    assert_eq!(reoffer(&callee.local, &over).sections.len(), 4);
}

#[test]
fn a_video_in_the_place_of_a_former_sound_does_not_take_over_from_the_running_one() {
    let (mut callee, mut offered) = call();
    offered.sections[0].rejected = true;
    offered.bundle.retain(|mid| mid != "0");
    assert_eq!(callee.takes(&offered), [false, false]);
    assert_eq!(callee.directions(), [Direction::NEITHER, Direction::BOTH]);
    assert_eq!(
        callee.negotiated().mid,
        "1",
        "the transport goes on in the next section"
    );

    offered.sections[0] = second_video(&offered, "5");
    offered.bundle.push("5".into());
    assert_eq!(callee.takes(&offered), [false, false]);
    assert!(callee.answered(0).slides && !callee.answered(1).slides);
    assert_eq!(callee.negotiated().video.as_ref().unwrap().sources[0].ssrc, 1001);
}

#[test]
fn another_stream_in_the_place_of_the_running_one_is_noticed() {
    let (mut callee, mut offered) = call();
    offered.sections[1].sources[0].ssrc = 77;
    assert_eq!(callee.takes(&offered), [false, true]);
    offered.sections[1] = second_video(&offered, "7");
    offered.bundle[1] = "7".into();
    assert_eq!(callee.takes(&offered), [false, true]);
}

#[test]
fn the_running_codec_stays_when_others_are_offered_beside_it() {
    let (mut callee, mut offered) = call();
    // As a browser that had to answer before does: what was agreed on, then everything else.
    let codecs = &mut offered.sections[1].codecs;
    let mut other = codecs[0].clone();
    other.payload_type = 39;
    codecs.insert(0, other);
    assert_eq!(callee.takes(&offered), [false, false]);
    assert_eq!(callee.answered(1).codecs[0].payload_type, 102);
    let vp8 = |codec: &Codec| codec.is("VP8", 90_000);
    let at = offered.sections[1].codecs.iter().position(vp8).unwrap();
    offered.sections[1].codecs.swap(0, at);
    callee.local.codecs = vec![VideoCodec::Vp8, VideoCodec::H264];
    assert_eq!(callee.takes(&offered), [false, false]);
}

#[test]
fn our_own_next_offer_asks_for_what_we_want_though_the_peer_has_held_us() {
    let (mut callee, mut offered) = call();
    turn(&mut offered, SENDONLY, Direction::NEITHER);
    callee.takes(&offered);
    let ours = callee.offers();
    for section in &ours.sections[..2] {
        assert_eq!(section.direction, Direction::BOTH);
        assert_eq!(section.sources.len(), 1);
    }
    assert_eq!(ours.bundle, ["0", "1", "2"]);
}

#[test]
fn an_offer_with_fewer_sections_than_before_is_refused() {
    let (callee, mut offered) = call();
    offered.sections.pop();
    let refused = callee.exchange.would_answer(&callee.local, &offered).unwrap_err();
    assert!(matches!(refused, SdpError::BadOffer(_)));
}
