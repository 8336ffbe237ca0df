//! The sections of our own descriptions: what we offer, and how we answer what is offered.

use super::codec::{Codec, H264Profile, OPUS_CLOCK_RATE};
use super::continuity::RunningSection;
use super::description::SessionDescription;
use super::extmap::{self, Extmap};
use super::negotiation::{TRANSPORT_FEEDBACK, best, rtx_of};
use super::parameters::{LocalMedia, LocalParameters, NegotiatedData};
use super::section::{Direction, MediaSection, Role, SectionKind, Setup, Source};
use crate::VideoCodec;
use crate::rtp::payload::VIDEO_CLOCK_RATE;

/// The feedback we offer and understand for pictures: NACK (RFC 4585), PLI (RFC 4585), FIR (RFC 5104), the receiver's
/// estimate (draft-alvestrand-rmcat-remb-03).
const VIDEO_FEEDBACK: [&str; 5] = ["nack", "nack pli", "ccm fir", "goog-remb", TRANSPORT_FEEDBACK];
/// What an Opus receiver tells the sender (RFC 7587 §6.1).
const OPUS_PARAMETERS: &str = "minptime=10;useinbandfec=1;stereo=1";

impl LocalParameters {
    fn offered(&self, codec: VideoCodec) -> [Codec; 2] {
        let numbers = &self.payload_types;
        let (mut media, rtx_payload_type) = match codec {
            VideoCodec::H264 => {
                let parameters = h264_parameters(H264Profile::OURS);
                (
                    Codec::new(numbers.h264, "H264", VIDEO_CLOCK_RATE).with_parameters(parameters),
                    numbers.h264_rtx,
                )
            }
            VideoCodec::Vp8 => (Codec::new(numbers.vp8, "VP8", VIDEO_CLOCK_RATE), numbers.vp8_rtx),
        };
        media.feedback = VIDEO_FEEDBACK.map(str::to_owned).into();
        let rtx = rtx(rtx_payload_type, media.payload_type);
        [media, rtx]
    }

    /// What we bring into a section.
    pub(super) fn media(&self, role: Role) -> Option<&LocalMedia> {
        match role {
            Role::Sound => self.audio.as_ref(),
            Role::Camera => self.video.as_ref(),
            Role::Screen => self.screen.as_ref(),
            Role::Data => None,
        }
    }

    /// A section of ours to be added to an offer, if we take part in this.
    pub(super) fn offer_section(&self, role: Role, offer: &SessionDescription) -> Option<MediaSection> {
        let kind = match role {
            Role::Sound => SectionKind::Audio,
            Role::Camera | Role::Screen => SectionKind::Video,
            Role::Data => SectionKind::Data,
        };
        let mut section = MediaSection::new(kind, &offer.free_mid());
        section.slides = role == Role::Screen;
        if let Role::Data = role {
            self.data.as_ref()?.describe(&mut section);
        } else {
            let media = self.media(role)?;
            (section.codecs, section.extensions) = self.offered_formats(role, offer);
            self.describe_media(&mut section, media, media.direction);
        }
        // RFC 8842 §5.2: the offerer lets the answerer choose.
        self.describe_transport(&mut section, Setup::ActPass);
        Some(section)
    }

    /// Offers a screen that we send and that has no section yet.
    pub(super) fn offer_screen(&self, offer: &mut SessionDescription) {
        let sent = self.screen.is_some_and(|screen| screen.direction.send);
        let there = |section: &MediaSection| !section.rejected && section.role() == Some(Role::Screen);
        if sent
            && !offer.sections.iter().any(there)
            && let Some(section) = self.offer_section(Role::Screen, offer)
        {
            offer.add(section);
        }
    }

    /// Within a group a number means the same in each section (RFC 9143 §9.1, §14): what is in use for pictures or, of
    /// header extensions, for sound is used again.
    fn offered_formats(&self, role: Role, offer: &SessionDescription) -> (Vec<Codec>, Vec<Extmap>) {
        let used = |kind| {
            offer
                .sections
                .iter()
                .find(move |section| !section.rejected && section.kind == kind)
        };
        let extensions = used(SectionKind::Video).or_else(|| used(SectionKind::Audio));
        let extensions = extensions.map_or_else(extmap::offered, |section| section.extensions.clone());
        let codecs = match (role, used(SectionKind::Video)) {
            (Role::Sound, _) => vec![opus(self.payload_types.opus)],
            (_, Some(pictures)) => pictures.codecs.clone(),
            (_, None) => self
                .codecs
                .iter()
                .flat_map(|&codec| self.offered(codec))
                .collect(),
        };
        (codecs, extensions)
    }

    /// Our answer to one section, if we take it for this; `last` is what runs in it.
    pub(super) fn answer_section(
        &self,
        role: Role,
        offered: &MediaSection,
        last: Option<RunningSection<'_>>,
    ) -> Option<MediaSection> {
        if offered.rejected {
            return None;
        }
        let mut section = MediaSection {
            protocol: offered.protocol.clone(),
            slides: role == Role::Screen,
            ..MediaSection::new(offered.kind, &offered.mid)
        };
        match role {
            Role::Sound => {
                let theirs = offered
                    .codecs
                    .iter()
                    .find(|codec| codec.is("opus", OPUS_CLOCK_RATE))?;
                let mut ours = opus(theirs.payload_type);
                ours.feedback.retain(|feedback| theirs.has_feedback(feedback));
                section.codecs = vec![ours];
            }
            Role::Camera | Role::Screen => {
                // RFC 3264 §6.1: every format we can take, what runs first, then our favourite; the peer may change
                // between them.
                let running = last.and_then(|last| last.codec());
                let others = self
                    .codecs
                    .iter()
                    .copied()
                    .filter(|&codec| Some(codec) != running);
                section.codecs = running
                    .into_iter()
                    .chain(others)
                    .filter_map(|codec| {
                        let same = last.and_then(|last| last.listed(offered, codec));
                        self.answer_codec(offered, codec, same.or_else(|| best(offered, codec))?)
                    })
                    .flatten()
                    .collect();
                if section.codecs.is_empty() {
                    return None;
                }
            }
            Role::Data => {
                NegotiatedData::of(offered)?;
                self.data.as_ref()?.describe(&mut section);
            }
        }
        if role != Role::Data {
            self.answer_media(&mut section, offered, self.media(role)?)?;
            if let Some(last) = last {
                // RFC 8829 §5.3.1: a stream that was announced once stays so while it is not sent.
                section.msid = section.msid.or_else(|| last.ours.msid.clone());
                if section.sources.is_empty() {
                    section.sources.clone_from(&last.ours.sources);
                }
            }
        }
        Some(section)
    }

    /// RFC 3264 §6.1: the answer keeps the offer's payload type numbers.
    fn answer_codec(&self, offered: &MediaSection, codec: VideoCodec, theirs: &Codec) -> Option<Vec<Codec>> {
        let mut ours = Codec::new(theirs.payload_type, &theirs.name, theirs.clock_rate);
        ours.feedback = theirs.feedback.clone();
        ours.feedback
            .retain(|feedback| VIDEO_FEEDBACK.contains(&feedback.as_str()));
        if codec == VideoCodec::H264 {
            // RFC 6184 §8.2.2: the profile must be the same in both; the level may differ where both say so.
            let profile = theirs.h264_profile()?;
            let level = match theirs.parameter("level-asymmetry-allowed") {
                Some("1") => H264Profile::OURS.level,
                _ => profile.level.min(H264Profile::OURS.level),
            };
            ours.parameters = h264_parameters(H264Profile { level, ..profile });
        }
        let rtx =
            rtx_of(offered, ours.payload_type).map(|theirs| rtx(theirs.payload_type, ours.payload_type));
        Some([Some(ours), rtx].into_iter().flatten().collect())
    }

    fn answer_media(
        &self,
        section: &mut MediaSection,
        offered: &MediaSection,
        media: &LocalMedia,
    ) -> Option<()> {
        // RTP and RTCP must share the one port, or there is no place for RTCP (RFC 8834 §4.5).
        let secured = offered.rtcp_mux && offered.protocol.contains("SAVP");
        self.describe_media(section, media, media.direction.and(offered.direction.reversed()));
        section.rtcp_rsize = offered.rtcp_rsize;
        section.extensions = extmap::answered(&offered.extensions);
        secured.then_some(())
    }

    pub(super) fn describe_media(
        &self,
        section: &mut MediaSection,
        media: &LocalMedia,
        direction: Direction,
    ) {
        section.direction = direction;
        section.rtcp_mux = true;
        section.rtcp_rsize = true;
        self.describe_stream(section, media);
    }

    /// Announces our stream where we send.
    pub(super) fn describe_stream(&self, section: &mut MediaSection, media: &LocalMedia) {
        if section.direction.send {
            let has_rtx = section
                .codecs
                .iter()
                .any(|codec| codec.associated_payload_type().is_some());
            // RFC 8830 §2: stream and track; a screen is a stream of its own.
            section.msid = Some(match section.slides {
                true => format!("{0}-screen screen", self.cname),
                false => format!("{} {}", self.cname, section.media),
            });
            section.sources = vec![Source {
                ssrc: media.ssrc,
                rtx_ssrc: media.rtx_ssrc.filter(|_| has_rtx),
                cname: self.cname.clone(),
            }];
        }
    }

    pub(super) fn describe_transport(&self, section: &mut MediaSection, setup: Setup) {
        section.ice = Some(self.ice.clone());
        section.trickle = true;
        section.candidates = self.candidates.clone();
        section.fingerprint = Some(self.fingerprint);
        section.setup = Some(setup);
    }

    pub(super) fn describe_session(&self, sections: Vec<MediaSection>) -> SessionDescription {
        const NO_NAME: &str = "-"; // RFC 8866 §5.3 recommends it where there is none
        // RFC 9143 §7.3.3: a rejected section is in no group.
        let used = sections
            .iter()
            .filter(|section| !section.rejected && !section.mid.is_empty());
        SessionDescription {
            session_id: self.session_id,
            session_version: self.session_version,
            session_name: NO_NAME.to_owned(),
            ice_lite: false,
            bundle: used.map(|section| section.mid.clone()).collect(),
            sections,
        }
    }
}

fn opus(payload_type: u8) -> Codec {
    const STEREO: u16 = 2; // RFC 7587 §7: always 2, whatever is sent
    let codec = Codec::new(payload_type, "opus", OPUS_CLOCK_RATE).with_parameters(OPUS_PARAMETERS);
    Codec {
        channels: Some(STEREO),
        feedback: vec![TRANSPORT_FEEDBACK.to_owned()],
        ..codec
    }
}

fn rtx(payload_type: u8, of: u8) -> Codec {
    Codec::new(payload_type, "rtx", VIDEO_CLOCK_RATE).with_parameters(format!("apt={of}"))
}

fn h264_parameters(profile: H264Profile) -> String {
    format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}")
}
