//! One media section (`m=`) of a session description, typed.

use std::fmt;
use std::str::FromStr;

use ::sdp::description::common::{Address, Attribute, ConnectionInformation};
use ::sdp::description::media::{MediaDescription, MediaName, RangedPort};

use serde::{Deserialize, Serialize};

use super::codec::Codec;
use super::extmap::Extmap;
use super::fingerprint::Fingerprint;
use crate::ice::IceCredentials as IceParameters;

/// RFC 8839 §4.2.5 and RFC 8829 §5.2.1: the "discard" port stands in until a candidate is chosen.
const DISCARD_PORT: isize = 9;
/// RFC 8841 §4.3: what an association carries here.
const DATA_CHANNELS: &str = "webrtc-datachannel";
/// The transport of the drafts before RFC 8841 (draft-ietf-mmusic-sctp-sdp-07 and earlier), where the port is the
/// format and `a=sctpmap` says what it carries. Some stacks still offer that.
const SCTPMAP_PROTOCOL: &str = "DTLS/SCTP";

/// RFC 4796 §5: "The media stream includes presentation slides."
const SLIDES: &str = "slides";

/// What a section carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SectionKind {
    /// `m=audio`.
    Audio,
    /// `m=video`.
    Video,
    /// `m=application`: data channels (RFC 8841).
    Data,
    /// Anything else; always rejected.
    Other,
}

/// What a section of ours is for; a call has one of each at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Sound.
    Sound,
    /// The picture of the one who calls.
    Camera,
    /// The picture of a screen.
    Screen,
    /// Data channels.
    Data,
}

impl Role {
    pub(super) const ALL: [Role; 4] = [Role::Sound, Role::Camera, Role::Screen, Role::Data];

    /// Whether an offered section can be taken for this. Where there is a `camera` already, other pictures are a screen's.
    pub(super) fn suits(self, offered: &MediaSection, camera: bool) -> bool {
        match self {
            Role::Sound => offered.kind == SectionKind::Audio,
            Role::Camera => offered.kind == SectionKind::Video && !offered.slides,
            Role::Screen => offered.kind == SectionKind::Video && (offered.slides || camera),
            Role::Data => offered.kind == SectionKind::Data,
        }
    }
}

/// Who sends (RFC 3264 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Direction {
    /// The party whose description this is sends.
    pub send: bool,
    /// The party whose description this is receives.
    pub receive: bool,
}

impl Direction {
    /// `a=sendrecv`, also where nothing is said.
    pub const BOTH: Direction = Direction {
        send: true,
        receive: true,
    };

    /// `a=inactive`.
    pub const NEITHER: Direction = Direction {
        send: false,
        receive: false,
    };

    /// What this direction allows the other party.
    pub fn reversed(self) -> Self {
        Direction {
            send: self.receive,
            receive: self.send,
        }
    }

    /// What both allow.
    pub fn and(self, other: Direction) -> Self {
        Direction {
            send: self.send && other.send,
            receive: self.receive && other.receive,
        }
    }

    pub(super) fn attribute(self) -> &'static str {
        match (self.send, self.receive) {
            (true, true) => "sendrecv",
            (true, false) => "sendonly",
            (false, true) => "recvonly",
            (false, false) => "inactive",
        }
    }

    pub(super) fn parse(attribute: &str) -> Option<Self> {
        let (send, receive) = match attribute {
            "sendrecv" => (true, true),
            "sendonly" => (true, false),
            "recvonly" => (false, true),
            "inactive" => (false, false),
            _ => return None,
        };
        Some(Direction { send, receive })
    }
}

/// Who begins the DTLS handshake (RFC 4145 §4, RFC 8842 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Setup {
    /// The DTLS client.
    Active,
    /// The DTLS server.
    Passive,
    /// Either; only in offers.
    ActPass,
}

impl Setup {
    fn attribute(self) -> &'static str {
        match self {
            Setup::Active => "active",
            Setup::Passive => "passive",
            Setup::ActPass => "actpass",
        }
    }

    fn parse(value: &str) -> Option<Self> {
        match value {
            "active" => Some(Setup::Active),
            "passive" => Some(Setup::Passive),
            "actpass" => Some(Setup::ActPass),
            _ => None,
        }
    }
}

/// One RTP stream that a section announces (`a=ssrc`, RFC 5576).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its SSRC.
    pub ssrc: u32,
    /// The SSRC of its retransmissions (`a=ssrc-group:FID`, RFC 4588 §8).
    pub rtx_ssrc: Option<u32>,
    /// Its canonical name.
    pub cname: String,
}

/// One `m=` section. What a description says once for the whole session stands in each section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaSection {
    /// What it carries.
    pub kind: SectionKind,
    /// `audio`, `video`, … as written.
    pub media: String,
    /// The transport protocol as written, such as `UDP/TLS/RTP/SAVPF`.
    pub protocol: String,
    /// Whether it is refused, or no longer used (port 0 without `a=bundle-only`).
    pub rejected: bool,
    /// Its name in BUNDLE groups and for candidates; empty if it has none.
    pub mid: String,
    /// Who sends.
    pub direction: Direction,
    /// ICE credentials.
    pub ice: Option<IceParameters>,
    /// Whether candidates may follow later (`a=ice-options:trickle`, RFC 8840).
    pub trickle: bool,
    /// `candidate:…` lines, as written.
    pub candidates: Vec<String>,
    /// No more candidates will follow.
    pub end_of_candidates: bool,
    /// The certificate's SHA-256 fingerprint, the first where there are several.
    pub fingerprint: Option<Fingerprint>,
    /// DTLS role.
    pub setup: Option<Setup>,
    /// RTP and RTCP share one port (RFC 5761).
    pub rtcp_mux: bool,
    /// Reduced-size RTCP is understood (RFC 5506).
    pub rtcp_rsize: bool,
    /// Payload types in order of preference.
    pub codecs: Vec<Codec>,
    /// Header extensions that are known here.
    pub extensions: Vec<Extmap>,
    /// `a=content:slides` (RFC 4796): the pictures are a screen, not a camera's.
    pub slides: bool,
    /// `a=msid`: stream and track (RFC 8830).
    pub msid: Option<String>,
    /// RTP streams, in the order announced.
    pub sources: Vec<Source>,
    /// SCTP port of data channels (RFC 8841 §5).
    pub sctp_port: Option<u16>,
    /// Largest data channel message the party takes (RFC 8841 §6), bytes.
    pub max_message_size: Option<u64>,
}

/// Attributes a session states once for all of its sections (RFC 8829 §5.2.1).
#[derive(Clone, Debug, Default)]
pub(super) struct Inherited {
    ufrag: Option<String>,
    pwd: Option<String>,
    fingerprint: Option<Fingerprint>,
    setup: Option<Setup>,
    trickle: bool,
    direction: Option<Direction>,
}

impl Inherited {
    pub(super) fn take(&mut self, attribute: &Attribute) {
        let value = attribute.value.as_deref().unwrap_or_default();
        match attribute.key.as_str() {
            "ice-ufrag" => self.ufrag = Some(value.to_owned()),
            "ice-pwd" => self.pwd = Some(value.to_owned()),
            "fingerprint" => self.fingerprint = self.fingerprint.or(Fingerprint::from_str(value).ok()),
            "setup" => self.setup = Setup::parse(value),
            "ice-options" => self.trickle |= value.split_whitespace().any(|option| option == "trickle"),
            key => self.direction = Direction::parse(key).or(self.direction),
        }
    }
}

impl MediaSection {
    /// A section of ours, still without codecs, sources and transport.
    pub(super) fn new(kind: SectionKind, mid: &str) -> Self {
        let (media, protocol) = match kind {
            SectionKind::Audio => ("audio", "UDP/TLS/RTP/SAVPF"),
            SectionKind::Video => ("video", "UDP/TLS/RTP/SAVPF"),
            SectionKind::Data | SectionKind::Other => ("application", "UDP/DTLS/SCTP"),
        };
        MediaSection {
            kind,
            media: media.to_owned(),
            protocol: protocol.to_owned(),
            rejected: false,
            mid: mid.to_owned(),
            direction: Direction::BOTH,
            ice: None,
            trickle: false,
            candidates: Vec::new(),
            end_of_candidates: false,
            fingerprint: None,
            setup: None,
            rtcp_mux: false,
            rtcp_rsize: false,
            codecs: Vec::new(),
            extensions: Vec::new(),
            slides: false,
            msid: None,
            sources: Vec::new(),
            sctp_port: None,
            max_message_size: None,
        }
    }

    /// What this section of ours is for.
    pub(super) fn role(&self) -> Option<Role> {
        match self.kind {
            SectionKind::Audio => Some(Role::Sound),
            SectionKind::Video if self.slides => Some(Role::Screen),
            SectionKind::Video => Some(Role::Camera),
            SectionKind::Data => Some(Role::Data),
            SectionKind::Other => None,
        }
    }

    /// The refusal of an offered section (RFC 3264 §6).
    pub(super) fn rejection(offered: &MediaSection) -> Self {
        MediaSection {
            media: offered.media.clone(),
            protocol: offered.protocol.clone(),
            rejected: true,
            direction: Direction::NEITHER,
            // RFC 3264 §6: a format must stand there, but means nothing.
            codecs: offered.codecs.first().cloned().into_iter().collect(),
            ..MediaSection::new(offered.kind, &offered.mid)
        }
    }

    pub(super) fn parse(media: &MediaDescription, session: &Inherited) -> Self {
        let protocol = media.media_name.protos.join("/");
        let kind = match media.media_name.media.as_str() {
            "audio" => SectionKind::Audio,
            "video" => SectionKind::Video,
            "application" if protocol.ends_with("DTLS/SCTP") => SectionKind::Data,
            _ => SectionKind::Other,
        };
        let mut section = MediaSection {
            media: media.media_name.media.clone(),
            protocol,
            direction: session.direction.unwrap_or(Direction::BOTH),
            ..MediaSection::new(kind, "")
        };
        section.codecs = media
            .media_name
            .formats
            .iter()
            .filter_map(|format| parse_format(format))
            .collect();
        let mut transport = session.clone();
        let mut bundle_only = false;
        let mut retransmissions = Vec::new();
        for attribute in &media.attributes {
            bundle_only |= attribute.key == "bundle-only";
            transport.take(attribute);
            section.take(attribute, &mut retransmissions);
        }
        section.rejected = media.media_name.port.value == 0 && !bundle_only;
        section.adopt(transport, &retransmissions);
        section
    }

    fn adopt(&mut self, transport: Inherited, retransmissions: &[(u32, u32)]) {
        self.ice = transport
            .ufrag
            .zip(transport.pwd)
            .map(|(ufrag, pwd)| IceParameters { ufrag, pwd });
        self.fingerprint = transport.fingerprint;
        self.setup = transport.setup;
        self.trickle = transport.trickle;
        self.direction = transport.direction.unwrap_or(Direction::BOTH);
        // RFC 8866 §6.6: payload types without a map are of the static table; none of ours are there.
        self.codecs.retain(|codec| !codec.name.is_empty());
        for &(primary, rtx) in retransmissions {
            self.sources.retain(|source| source.ssrc != rtx);
            if let Some(source) = self.sources.iter_mut().find(|source| source.ssrc == primary) {
                source.rtx_ssrc = Some(rtx);
            }
        }
    }

    /// Takes one attribute; what is unknown or malformed is ignored.
    fn take(&mut self, attribute: &Attribute, retransmissions: &mut Vec<(u32, u32)>) {
        let value = attribute.value.as_deref().unwrap_or_default();
        match attribute.key.as_str() {
            "mid" => self.mid = value.to_owned(),
            "candidate" => self.candidates.push(format!("candidate:{value}")),
            "end-of-candidates" => self.end_of_candidates = true,
            "rtcp-mux" => self.rtcp_mux = true,
            "rtcp-rsize" => self.rtcp_rsize = true,
            "msid" => self.msid = Some(value.to_owned()),
            "content" => self.slides = value.split(',').any(|content| content.trim() == SLIDES),
            "sctp-port" => self.sctp_port = value.parse().ok(),
            "sctpmap" => self.sctp_port = self.sctp_port.or(parse_sctpmap(value)),
            "max-message-size" => self.max_message_size = value.parse().ok(),
            "rtpmap" => drop(self.take_rtpmap(value)),
            "fmtp" => drop(self.take_fmtp(value)),
            "rtcp-fb" => drop(self.take_feedback(value)),
            "extmap" => self.extensions.extend(Extmap::parse(value)),
            "ssrc" => drop(self.take_source(value)),
            "ssrc-group" => retransmissions.extend(parse_flow(value)),
            _ => {}
        }
    }

    fn codec(&mut self, payload_type: &str) -> Option<&mut Codec> {
        let payload_type: u8 = payload_type.parse().ok()?;
        self.codecs
            .iter_mut()
            .find(|codec| codec.payload_type == payload_type)
    }

    /// `a=rtpmap:<payload type> <encoding name>/<clock rate>[/<encoding parameters>]` (RFC 8866 §6.6).
    fn take_rtpmap(&mut self, value: &str) -> Option<()> {
        let (payload_type, map) = value.split_once(' ')?;
        let mut parts = map.trim().split('/');
        let (name, clock_rate) = (parts.next()?, parts.next()?.parse().ok()?);
        let channels = parts.next().and_then(|channels| channels.parse().ok());
        let codec = self.codec(payload_type)?;
        (codec.name, codec.clock_rate, codec.channels) = (name.to_owned(), clock_rate, channels);
        Some(())
    }

    /// `a=fmtp:<format> <format specific parameters>` (RFC 8866 §6.15).
    fn take_fmtp(&mut self, value: &str) -> Option<()> {
        let (payload_type, parameters) = value.split_once(' ')?;
        parameters
            .trim()
            .clone_into(&mut self.codec(payload_type)?.parameters);
        Some(())
    }

    /// `a=rtcp-fb:<payload type or *> <value>` (RFC 4585 §4.2).
    fn take_feedback(&mut self, value: &str) -> Option<()> {
        let (payload_type, feedback) = value.split_once(' ')?;
        let feedback = feedback.trim();
        if payload_type == "*" {
            self.codecs
                .iter_mut()
                .for_each(|codec| codec.feedback.push(feedback.to_owned()));
        } else {
            self.codec(payload_type)?.feedback.push(feedback.to_owned());
        }
        Some(())
    }

    /// `a=ssrc:<ssrc-id> <attribute>[:<value>]` (RFC 5576 §4.1).
    fn take_source(&mut self, value: &str) -> Option<()> {
        let (ssrc, attribute) = value.split_once(' ').unwrap_or((value, ""));
        let ssrc: u32 = ssrc.parse().ok()?;
        let cname = attribute.trim().strip_prefix("cname:");
        match self.sources.iter_mut().find(|source| source.ssrc == ssrc) {
            Some(source) => cname?.clone_into(&mut source.cname),
            None => self.sources.push(Source {
                ssrc,
                rtx_ssrc: None,
                cname: cname.unwrap_or_default().to_owned(),
            }),
        }
        Some(())
    }

    pub(super) fn print(&self) -> MediaDescription {
        let formats = match self.kind {
            SectionKind::Audio | SectionKind::Video if !self.codecs.is_empty() => self
                .codecs
                .iter()
                .map(|codec| codec.payload_type.to_string())
                .collect(),
            SectionKind::Data => vec![match self.sctpmap_port() {
                Some(port) => port.to_string(),
                None => DATA_CHANNELS.to_owned(),
            }],
            SectionKind::Audio | SectionKind::Video | SectionKind::Other => vec!["0".to_owned()],
        };
        let port = if self.rejected { 0 } else { DISCARD_PORT };
        let anywhere = Address {
            address: "0.0.0.0".to_owned(),
            ttl: None,
            range: None,
        };
        MediaDescription {
            media_name: MediaName {
                media: self.media.clone(),
                port: RangedPort {
                    value: port,
                    range: None,
                },
                protos: self.protocol.split('/').map(str::to_owned).collect(),
                formats,
            },
            connection_information: Some(ConnectionInformation {
                network_type: "IN".to_owned(),
                address_type: "IP4".to_owned(),
                address: Some(anywhere),
            }),
            attributes: self.attributes(),
            ..MediaDescription::default()
        }
    }

    /// The SCTP port where it is told as before RFC 8841, which an answer then does as well.
    fn sctpmap_port(&self) -> Option<u16> {
        self.sctp_port.filter(|_| self.protocol == SCTPMAP_PROTOCOL)
    }

    fn attributes(&self) -> Vec<Attribute> {
        let mut lines = Lines::default();
        if !self.mid.is_empty() {
            lines.add("mid", &self.mid);
        }
        for candidate in &self.candidates {
            lines.add(
                "candidate",
                candidate.strip_prefix("candidate:").unwrap_or(candidate),
            );
        }
        lines.flag("end-of-candidates", self.end_of_candidates);
        if let Some(ice) = &self.ice {
            lines.add("ice-ufrag", &ice.ufrag);
            lines.add("ice-pwd", &ice.pwd);
        }
        if self.trickle {
            lines.add("ice-options", "trickle");
        }
        if let Some(fingerprint) = &self.fingerprint {
            lines.add("fingerprint", fingerprint);
        }
        if let Some(setup) = self.setup {
            lines.add("setup", setup.attribute());
        }
        if matches!(self.kind, SectionKind::Audio | SectionKind::Video) {
            lines.flag(self.direction.attribute(), true);
        }
        if self.slides {
            lines.add("content", SLIDES);
        }
        if let Some(msid) = &self.msid {
            lines.add("msid", msid);
        }
        lines.flag("rtcp-mux", self.rtcp_mux);
        lines.flag("rtcp-rsize", self.rtcp_rsize);
        self.extensions.iter().for_each(|map| lines.add("extmap", map));
        self.codecs.iter().for_each(|codec| lines.codec(codec));
        self.sources.iter().for_each(|source| lines.source(source));
        if let Some(port) = self.sctpmap_port() {
            lines.add("sctpmap", format_args!("{port} {DATA_CHANNELS}"));
        } else if let Some(port) = self.sctp_port {
            lines.add("sctp-port", port);
        }
        if let Some(size) = self.max_message_size {
            lines.add("max-message-size", size);
        }
        lines.0
    }
}

/// The attribute lines of a section being printed.
#[derive(Default)]
struct Lines(Vec<Attribute>);

impl Lines {
    fn add(&mut self, key: &str, value: impl fmt::Display) {
        self.0
            .push(Attribute::new(key.to_owned(), Some(value.to_string())));
    }

    fn flag(&mut self, key: &str, set: bool) {
        if set {
            self.0.push(Attribute::new(key.to_owned(), None));
        }
    }

    fn codec(&mut self, codec: &Codec) {
        let payload_type = codec.payload_type;
        let channels = codec
            .channels
            .map(|channels| format!("/{channels}"))
            .unwrap_or_default();
        self.add(
            "rtpmap",
            format_args!("{payload_type} {}/{}{channels}", codec.name, codec.clock_rate),
        );
        for feedback in &codec.feedback {
            self.add("rtcp-fb", format_args!("{payload_type} {feedback}"));
        }
        if !codec.parameters.is_empty() {
            self.add("fmtp", format_args!("{payload_type} {}", codec.parameters));
        }
    }

    fn source(&mut self, source: &Source) {
        if let Some(rtx) = source.rtx_ssrc {
            self.add("ssrc-group", format_args!("FID {} {rtx}", source.ssrc));
        }
        for ssrc in [Some(source.ssrc), source.rtx_ssrc].into_iter().flatten() {
            self.add("ssrc", format_args!("{ssrc} cname:{}", source.cname));
        }
    }
}

/// A payload type of an `m=` line, still without its map.
fn parse_format(format: &str) -> Option<Codec> {
    const HIGHEST_PAYLOAD_TYPE: u8 = 127;
    let payload_type: u8 = format.parse().ok()?;
    (payload_type <= HIGHEST_PAYLOAD_TYPE).then(|| Codec::new(payload_type, "", 0))
}

/// `FID <primary> <retransmission>` (RFC 5576 §4.2, RFC 4588 §8).
fn parse_flow(value: &str) -> Option<(u32, u32)> {
    let mut words = value.split_whitespace();
    let semantics = words.next()?;
    let (primary, rtx) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (semantics == "FID" && primary != rtx).then_some((primary, rtx))
}

/// The port of `<port> webrtc-datachannel [streams]`, of the drafts before RFC 8841.
fn parse_sctpmap(value: &str) -> Option<u16> {
    let mut words = value.split_whitespace();
    let port = words.next()?.parse().ok()?;
    (words.next()? == DATA_CHANNELS).then_some(port)
}
