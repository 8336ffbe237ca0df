//! Which medium a packet of the shared transport belongs to (RFC 9143 §9.2): its stream tells if the peer has announced it,
//! else the media section it names, else its payload type. Several media may share payload types.

use bytes::Bytes;

use super::extension::StreamExtensions;
use super::packet::{self, Header};
use crate::MediaKind;

/// Streams of which no description tells, learnt from the packets themselves; more are told by their payload type.
const LEARNT: usize = 16;
/// Payload types have 7 bits.
const PAYLOAD_TYPES: usize = 128;

/// What tells the packets of one medium.
#[derive(Clone, Debug)]
pub struct Route {
    /// Which medium.
    pub kind: MediaKind,
    /// Its payload types, those of retransmissions included.
    pub payload_types: Vec<u8>,
    /// The peer's streams, those of retransmissions included, as far as they are announced.
    pub streams: Vec<u32>,
    /// How its packets name their media section.
    pub extensions: StreamExtensions,
}

/// The routes of a transport.
#[derive(Clone, Debug)]
pub struct Routes {
    routes: Vec<Route>,
    by_payload_type: [Option<MediaKind>; PAYLOAD_TYPES],
    learnt: Vec<(u32, MediaKind)>,
}

impl Default for Routes {
    /// None: no packet belongs to anything.
    fn default() -> Self {
        Routes::new(Vec::new())
    }
}

impl Routes {
    /// Where media share a payload type, the first has it.
    pub fn new(routes: Vec<Route>) -> Self {
        let mut by_payload_type = [None; PAYLOAD_TYPES];
        for route in &routes {
            for payload_type in &route.payload_types {
                if let Some(of) = by_payload_type.get_mut(usize::from(*payload_type)) {
                    of.get_or_insert(route.kind);
                }
            }
        }
        Routes {
            routes,
            by_payload_type,
            learnt: Vec::new(),
        }
    }

    /// The medium of a protected RTP packet; of these, header and extensions can be read by anybody (RFC 3711 §3.1).
    pub fn of(&mut self, datagram: &Bytes) -> Option<MediaKind> {
        let header = Header::read(datagram).ok()?;
        let announced = |route: &&Route| route.streams.contains(&header.ssrc);
        if let Some(route) = self.routes.iter().find(announced) {
            return Some(route.kind);
        }
        let by_payload_type = self.by_payload_type[usize::from(header.payload_type)]?;
        if self.routes.len() < 2 {
            return Some(by_payload_type);
        }
        let known = self.learnt.iter().find(|(ssrc, _)| *ssrc == header.ssrc);
        if let Some((_, kind)) = known {
            return Some(*kind);
        }
        match self.named(datagram) {
            Some(kind) => {
                if self.learnt.len() < LEARNT {
                    self.learnt.push((header.ssrc, kind));
                }
                Some(kind)
            }
            None => Some(by_payload_type),
        }
    }

    /// The medium whose section the packet names.
    fn named(&self, datagram: &Bytes) -> Option<MediaKind> {
        let block = packet::extensions(datagram)?;
        let names = |route: &&Route| {
            let mid = block.read(&route.extensions.ids).mid;
            mid.is_some() && mid == route.extensions.mid
        };
        self.routes.iter().find(names).map(|route| route.kind)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::rtp::extension::{Extension, ExtensionIds, Extensions, Mid};

    const VP8: u8 = 96;
    const OPUS: u8 = 111;

    fn route(kind: MediaKind, payload_type: u8, streams: &[u32], mid: &str) -> Route {
        let mut ids = ExtensionIds::default();
        ids.set(Extension::Mid, 4);
        Route {
            kind,
            payload_types: vec![payload_type],
            streams: streams.into(),
            extensions: StreamExtensions {
                ids,
                mid: Mid::new(mid.as_bytes()),
            },
        }
    }

    fn packet(payload_type: u8, ssrc: u32, mid: Option<&str>) -> Bytes {
        let header = Header {
            marker: false,
            payload_type,
            sequence_number: 1,
            timestamp: 2,
            ssrc,
        };
        let mut bytes = Vec::new();
        header.write(&mut bytes);
        let said = Extensions {
            mid: mid.and_then(|mid| Mid::new(mid.as_bytes())),
            ..Extensions::default()
        };
        if said.write(&route(MediaKind::Audio, 0, &[], "").extensions.ids, &mut bytes) {
            bytes[0] |= Header::EXTENSION;
        }
        bytes.extend_from_slice(&[0xff; 20]);
        bytes.into()
    }

    fn call(screen: &[u32]) -> Routes {
        Routes::new(vec![
            route(MediaKind::Audio, OPUS, &[1], "0"),
            route(MediaKind::Video, VP8, &[2, 3], "1"),
            route(MediaKind::Screen, VP8, screen, "3"),
        ])
    }

    #[test]
    fn announced_streams_are_told_apart_though_they_share_a_payload_type() {
        let mut routes = call(&[4, 5]);
        assert_eq!(routes.of(&packet(OPUS, 1, None)), Some(MediaKind::Audio));
        for ssrc in [2, 3] {
            assert_eq!(routes.of(&packet(VP8, ssrc, None)), Some(MediaKind::Video));
        }
        for ssrc in [4, 5] {
            // Whatever section it claims to be of.
            assert_eq!(routes.of(&packet(VP8, ssrc, Some("1"))), Some(MediaKind::Screen));
        }
    }

    #[test]
    fn a_stream_that_is_not_announced_names_its_section_once() {
        let mut routes = call(&[]);
        assert_eq!(routes.of(&packet(VP8, 9, None)), Some(MediaKind::Video));
        assert_eq!(routes.of(&packet(VP8, 9, Some("3"))), Some(MediaKind::Screen));
        assert_eq!(routes.of(&packet(VP8, 9, None)), Some(MediaKind::Screen));
        assert_eq!(
            routes.of(&packet(VP8, 10, Some("unheard of"))),
            Some(MediaKind::Video)
        );
    }

    #[test]
    fn what_is_learnt_is_bounded() {
        let mut routes = call(&[]);
        for ssrc in 100..10_000 {
            assert_eq!(routes.of(&packet(VP8, ssrc, Some("3"))), Some(MediaKind::Screen));
        }
        assert_eq!(routes.learnt.len(), LEARNT);
    }

    #[test]
    fn what_nobody_has_agreed_on_belongs_to_nothing() {
        assert_eq!(call(&[]).of(&packet(77, 9, None)), None);
        assert_eq!(Routes::default().of(&packet(VP8, 2, None)), None);
        assert_eq!(call(&[]).of(&Bytes::from_static(&[0x80, 96, 0])), None);
    }
}
