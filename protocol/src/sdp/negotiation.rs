//! Offer, answer, and what the two settled (RFC 3264, RFC 8829 §5).
//!
//! The caller sends [`offer`]; the callee gives it to [`answer`], which returns the text to send back and what was
//! [`Negotiated`]; the caller hears the same from [`complete`]. The answerer is the DTLS client whenever it may be.
//!
//! Later in the call either side sends a [`reoffer`], which the other gives to [`reanswer`]: what runs stays in its
//! section, with its codec and its streams, whatever else the offer changes ([`continuity`](super::continuity)).

use super::codec::{Codec, OPUS_CLOCK_RATE};
use super::continuity::Running;
use super::description::{SdpError, SessionDescription};
use super::extmap;
use super::parameters::{
    DtlsRole, LocalParameters, Negotiated, NegotiatedAudio, NegotiatedData, NegotiatedVideo,
};
use super::section::{MediaSection, Role, Setup};
use crate::VideoCodec;
use crate::rtp::receiver::PictureFormat;

/// RFC 8841 §6.1: "If the SDP 'max-message-size' attribute is not present, the default value is 64K."
const DEFAULT_MAX_MESSAGE_SIZE: u64 = 65_536;
/// RFC 8841 §6.1: zero means messages of any size.
const ANY_MESSAGE_SIZE: u64 = 0;
/// Which packets of the transport came (draft-holmer-rmcat-transport-wide-cc-extensions-01).
pub(super) const TRANSPORT_FEEDBACK: &str = "transport-cc";
/// Proposes a call: sound, pictures with all our codecs, data channels, and a screen if we send one, all over one
/// transport.
pub fn offer(local: &LocalParameters) -> SessionDescription {
    let mut offer = local.describe_session(Vec::new());
    for role in [Role::Sound, Role::Camera, Role::Data] {
        if let Some(section) = local.offer_section(role, &offer) {
            offer.add(section);
        }
    }
    local.offer_screen(&mut offer);
    offer
}

/// Proposes to go on with what was settled: our last description with the credentials, the certificate and the
/// directions of `local` (RFC 8829 §5.2.2, RFC 8839 §4.4.1.1.1). Sections, formats and streams stay as they were; a screen
/// that we begin to send gets a section of its own behind them, unless there is one.
///
/// A direction is what we want, also where the peer has allowed less of late (RFC 8829 §4.2.4).
pub fn reoffer(local: &LocalParameters, last: &SessionDescription) -> SessionDescription {
    let mut offer = SessionDescription {
        session_version: local.session_version,
        ..last.clone()
    };
    for section in offer.sections.iter_mut().filter(|section| !section.rejected) {
        local.describe_transport(section, Setup::ActPass);
        if let Some(media) = section.role().and_then(|role| local.media(role)) {
            section.direction = media.direction;
            local.describe_stream(section, media);
        }
    }
    local.offer_screen(&mut offer);
    offer
}

/// Answers the first offer of a peer: takes the first section of each kind both sides can do, refuses every other one.
///
/// # Errors
/// If the offer lacks what secures the transport, or nothing in it can be taken.
pub fn answer(
    local: &LocalParameters,
    offer: &SessionDescription,
) -> Result<(SessionDescription, Negotiated), SdpError> {
    answer_with(local, None, offer)
}

/// Answers a later offer of the same peer: what runs stays in its section with its codec; besides as [`answer`].
///
/// # Errors
/// As [`answer`], and if the offer has fewer sections than the one before.
pub fn reanswer(
    local: &LocalParameters,
    running: Running<'_>,
    offer: &SessionDescription,
) -> Result<(SessionDescription, Negotiated), SdpError> {
    // RFC 3264 §8: "the number of 'm=' lines in the new SDP will either equal or exceed" those of the one before.
    if offer.sections.len() < running.ours.sections.len() {
        return Err(SdpError::BadOffer("fewer sections than before"));
    }
    answer_with(local, Some(running), offer)
}

fn answer_with(
    local: &LocalParameters,
    running: Option<Running<'_>>,
    offer: &SessionDescription,
) -> Result<(SessionDescription, Negotiated), SdpError> {
    let mut chosen: Vec<Option<MediaSection>> = vec![None; offer.sections.len()];
    for role in Role::ALL {
        let camera = chosen
            .iter()
            .flatten()
            .any(|section| section.role() == Some(Role::Camera));
        let mut candidates: Vec<_> = offer
            .sections
            .iter()
            .enumerate()
            .filter(|(index, _)| chosen[*index].is_none())
            .map(|(index, section)| (index, section, running.and_then(|last| last.at(index, section))))
            .filter(|(_, section, last)| match last {
                Some(last) => last.role == role,
                None => role.suits(section, camera),
            })
            .collect();
        candidates.sort_by_key(|(_, _, last)| last.is_none());
        for (index, offered, last) in candidates {
            let taken = in_bundle(offer, offered)
                .then(|| local.answer_section(role, offered, last))
                .flatten();
            if let Some(section) = taken {
                chosen[index] = Some(section);
                break;
            }
        }
    }
    // RFC 9143 §7.3: what is not bundled needs a transport of its own, and there is only one.
    if offer.bundle.is_empty() {
        chosen
            .iter_mut()
            .filter(|section| section.is_some())
            .skip(1)
            .for_each(|section| *section = None);
    }
    let transport = transport_section(offer, |index| chosen[index].is_some())?;
    let (setup, dtls_role) = match transport.setup {
        Some(Setup::Active) => (Setup::Passive, DtlsRole::Server),
        Some(Setup::ActPass) if local.dtls_role == Some(DtlsRole::Server) => {
            (Setup::Passive, DtlsRole::Server)
        }
        Some(Setup::Passive | Setup::ActPass) | None => (Setup::Active, DtlsRole::Client),
    };
    let sections = offer
        .sections
        .iter()
        .zip(chosen)
        .map(|(offered, taken)| match taken {
            Some(mut section) => {
                local.describe_transport(&mut section, setup);
                section
            }
            None => MediaSection::rejection(offered),
        });
    let answer = local.describe_session(sections.collect());
    let negotiated = settle(&answer, offer, Answerer::Us, transport, dtls_role)?;
    Ok((answer, negotiated))
}

/// What our offer and its answer settled.
///
/// # Errors
/// If the answer does not fit the offer, lacks what secures the transport, or refuses everything.
pub fn complete(offer: &SessionDescription, answer: &SessionDescription) -> Result<Negotiated, SdpError> {
    // RFC 3264 §6: "The answer MUST contain exactly the same number of 'm=' lines as the offer", in the same order.
    let same = |(ours, theirs): (&MediaSection, &MediaSection)| ours.kind == theirs.kind;
    if offer.sections.len() != answer.sections.len() {
        return Err(SdpError::BadAnswer("another number of sections"));
    }
    if !offer.sections.iter().zip(&answer.sections).all(same) {
        return Err(SdpError::BadAnswer("other kinds of sections"));
    }
    let transport = transport_section(answer, |index| !answer.sections[index].rejected)?;
    let dtls_role = match transport.setup {
        Some(Setup::Active) | None => DtlsRole::Server,
        Some(Setup::Passive) => DtlsRole::Client,
        // RFC 8842 §5.3: the answerer has to decide.
        Some(Setup::ActPass) => return Err(SdpError::BadAnswer("setup:actpass")),
    };
    settle(offer, answer, Answerer::Peer, transport, dtls_role)
}

/// Whose description is the answer.
#[derive(Clone, Copy)]
enum Answerer {
    Us,
    Peer,
}

/// Whether a section shares the transport, or there is no group at all.
fn in_bundle(description: &SessionDescription, section: &MediaSection) -> bool {
    description.bundle.is_empty() || description.bundle.contains(&section.mid)
}

/// The section whose transport everything goes over: the first of the group in use (RFC 9143 §7.3.1).
fn transport_section(
    description: &SessionDescription,
    in_use: impl Fn(usize) -> bool,
) -> Result<&MediaSection, SdpError> {
    let used = || {
        description
            .sections
            .iter()
            .enumerate()
            .filter(|&(index, _)| in_use(index))
            .map(|(_, s)| s)
    };
    let tagged = description
        .bundle
        .iter()
        .find_map(|mid| used().find(|section| section.mid == *mid));
    tagged.or_else(|| used().next()).ok_or(SdpError::NothingInCommon)
}

/// Reads off what two descriptions agree on.
fn settle(
    ours: &SessionDescription,
    theirs: &SessionDescription,
    answerer: Answerer,
    transport: &MediaSection,
    dtls_role: DtlsRole,
) -> Result<Negotiated, SdpError> {
    let pairs = || {
        ours.sections
            .iter()
            .zip(&theirs.sections)
            .filter(|(a, b)| !a.rejected && !b.rejected)
    };
    let pair = |role| pairs().find(move |(ours, _)| ours.role() == Some(role));
    let pictures = |role| pair(role).and_then(|(ours, theirs)| NegotiatedVideo::of(ours, theirs, answerer));
    let data = pair(Role::Data).and_then(|(_, theirs)| NegotiatedData::of(theirs));
    let negotiated = Negotiated {
        mid: transport.mid.clone(),
        ice: transport.ice.clone().ok_or(SdpError::NoIceCredentials)?,
        ice_lite: theirs.ice_lite,
        candidates: transport.candidates.clone(),
        fingerprint: transport.fingerprint.ok_or(SdpError::NoFingerprint)?,
        dtls_role,
        audio: pair(Role::Sound).and_then(|(ours, theirs)| NegotiatedAudio::of(ours, theirs)),
        video: pictures(Role::Camera),
        screen: pictures(Role::Screen),
        data,
    };
    let Negotiated {
        audio,
        video,
        screen,
        data,
        ..
    } = &negotiated;
    match (audio, video, screen, data) {
        (None, None, None, None) => Err(SdpError::NothingInCommon),
        _ => Ok(negotiated),
    }
}

/// The retransmission format of a payload type within a section.
pub(super) fn rtx_of(section: &MediaSection, payload_type: u8) -> Option<&Codec> {
    section
        .codecs
        .iter()
        .find(|codec| codec.associated_payload_type() == Some(payload_type))
}

/// The codec that a payload type is, if it is one of ours.
fn video_codec(listed: &Codec) -> Option<VideoCodec> {
    [VideoCodec::H264, VideoCodec::Vp8]
        .into_iter()
        .find(|&codec| listed.rank(codec).is_some())
}

/// Every format of pictures that a section of ours declares, by payload type: their order says nothing about what arrives.
fn picture_formats(section: &MediaSection) -> Vec<PictureFormat> {
    let formats = section.codecs.iter().filter_map(|listed| {
        let payload_type = listed.payload_type;
        Some(PictureFormat {
            codec: video_codec(listed)?,
            payload_type,
            rtx_payload_type: rtx_of(section, payload_type).map(|rtx| rtx.payload_type),
        })
    });
    let mut formats: Vec<_> = formats.collect();
    formats.sort_by_key(|format| format.payload_type);
    formats
}

/// The payload type of a section that serves best as a codec.
pub(super) fn best(section: &MediaSection, codec: VideoCodec) -> Option<&Codec> {
    let ranked = section
        .codecs
        .iter()
        .filter_map(|offered| Some((offered.rank(codec)?, offered)));
    ranked.min_by_key(|(rank, _)| *rank).map(|(_, offered)| offered)
}

impl NegotiatedAudio {
    fn of(ours: &MediaSection, theirs: &MediaSection) -> Option<Self> {
        let find = |section: &MediaSection| {
            section
                .codecs
                .iter()
                .find(|codec| codec.is("opus", OPUS_CLOCK_RATE))
                .cloned()
        };
        let (receive, send) = (find(ours)?, find(theirs)?);
        let feedback = receive.has_feedback(TRANSPORT_FEEDBACK) && send.has_feedback(TRANSPORT_FEEDBACK);
        let (send_extensions, receive_extensions) = extmap::settled(ours, theirs, feedback);
        Some(NegotiatedAudio {
            payload_type: send.payload_type,
            receive_payload_type: receive.payload_type,
            sources: theirs.sources.clone(),
            send_extensions,
            receive_extensions,
            reduced_size: ours.rtcp_rsize && theirs.rtcp_rsize,
            fec: send.parameter("useinbandfec") == Some("1"),
            stereo: send.parameter("stereo") == Some("1"),
            direction: ours.direction.and(theirs.direction.reversed()),
        })
    }
}

impl NegotiatedVideo {
    fn of(ours: &MediaSection, theirs: &MediaSection, answerer: Answerer) -> Option<Self> {
        let shared = |listed: &Codec| {
            video_codec(listed).filter(|&codec| best(ours, codec).is_some() && best(theirs, codec).is_some())
        };
        // RFC 3264 §6.1: the formats of a section stand in order of preference; the answer's first counts.
        let answer = match answerer {
            Answerer::Us => ours,
            Answerer::Peer => theirs,
        };
        let codec = answer.codecs.iter().find_map(shared)?;
        let receive = best(ours, codec)?;
        // An answer keeps the offer's numbers, of which there may be several for one codec.
        let same = theirs
            .codecs
            .iter()
            .find(|theirs| theirs.payload_type == receive.payload_type && theirs.rank(codec).is_some());
        let send = same.or_else(|| best(theirs, codec))?;
        let both = |feedback| receive.has_feedback(feedback) && send.has_feedback(feedback);
        let number = |codec: &Codec| codec.payload_type;
        let (send_extensions, receive_extensions) = extmap::settled(ours, theirs, both(TRANSPORT_FEEDBACK));
        Some(NegotiatedVideo {
            codec,
            payload_type: send.payload_type,
            rtx_payload_type: rtx_of(theirs, send.payload_type).map(number),
            receive: picture_formats(ours),
            sources: theirs.sources.clone(),
            send_extensions,
            receive_extensions,
            reduced_size: ours.rtcp_rsize && theirs.rtcp_rsize,
            nack: both("nack"),
            pli: both("nack pli"),
            fir: both("ccm fir"),
            direction: ours.direction.and(theirs.direction.reversed()),
        })
    }
}

impl NegotiatedData {
    pub(super) fn of(theirs: &MediaSection) -> Option<Self> {
        let max_message_size = match theirs.max_message_size.unwrap_or(DEFAULT_MAX_MESSAGE_SIZE) {
            ANY_MESSAGE_SIZE => u64::MAX,
            size => size,
        };
        Some(NegotiatedData {
            port: theirs.sctp_port?,
            max_message_size,
        })
    }

    pub(super) fn describe(&self, section: &mut MediaSection) {
        section.sctp_port = Some(self.port);
        section.max_message_size = Some(self.max_message_size);
    }
}
