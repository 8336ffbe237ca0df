//! What goes on unchanged when offer and answer are exchanged in mid-call (RFC 3264 §8, RFC 8829 §3.4.1).
//!
//! A medium that runs is named by its section. As long as codec, payload types, header extensions and the peer's
//! streams in it stay, only its direction is another one: nothing has to be made anew, and the next packet follows the
//! last ([`carry_on`]).

use super::codec::Codec;
use super::description::SessionDescription;
use super::negotiation::best;
use super::parameters::{Negotiated, NegotiatedAudio, NegotiatedVideo};
use super::section::{Direction, MediaSection, Role, Source};
use crate::VideoCodec;

/// What the last exchange settled.
#[derive(Clone, Copy, Debug)]
pub struct Running<'a> {
    /// Our description of it.
    pub ours: &'a SessionDescription,
    /// What it came to.
    pub negotiated: &'a Negotiated,
}

/// A section of it that is in use.
#[derive(Clone, Copy)]
pub(super) struct RunningSection<'a> {
    /// As we described it.
    pub(super) ours: &'a MediaSection,
    /// What it is for.
    pub(super) role: Role,
    negotiated: &'a Negotiated,
}

impl<'a> Running<'a> {
    /// What runs in a section that is offered again; nothing if its place is used for another one now.
    pub(super) fn at(self, index: usize, offered: &MediaSection) -> Option<RunningSection<'a>> {
        let ours = self.ours.sections.get(index)?;
        // RFC 9143 §7.1.3: what takes the place of a refused section has another identification tag.
        let same = !ours.rejected && ours.kind == offered.kind && ours.mid == offered.mid;
        let role = ours.role()?;
        same.then_some(RunningSection {
            ours,
            role,
            negotiated: self.negotiated,
        })
    }
}

impl<'a> RunningSection<'a> {
    /// The codec of the running pictures.
    pub(super) fn codec(&self) -> Option<VideoCodec> {
        self.negotiated.pictures(self.role).map(|video| video.codec)
    }

    /// What is offered again of a codec that we have listed: the same payload type.
    pub(super) fn listed<'o>(&self, offered: &'o MediaSection, codec: VideoCodec) -> Option<&'o Codec> {
        let running = self
            .negotiated
            .pictures(self.role)
            .filter(|video| video.codec == codec);
        let payload_type = match running {
            Some(video) => video.payload_type,
            None => best(self.ours, codec)?.payload_type,
        };
        offered
            .codecs
            .iter()
            .find(|theirs| theirs.payload_type == payload_type && theirs.rank(codec).is_some())
    }
}

/// What there is to continue of a medium.
pub trait Medium: Clone + PartialEq {
    /// Its direction.
    fn direction(&mut self) -> &mut Direction;
    /// The peer's streams.
    fn sources(&mut self) -> &mut Vec<Source>;
}

impl Medium for NegotiatedAudio {
    fn direction(&mut self) -> &mut Direction {
        &mut self.direction
    }

    fn sources(&mut self) -> &mut Vec<Source> {
        &mut self.sources
    }
}

impl Medium for NegotiatedVideo {
    fn direction(&mut self) -> &mut Direction {
        &mut self.direction
    }

    fn sources(&mut self) -> &mut Vec<Source> {
        &mut self.sources
    }
}

/// What was agreed on now, as a continuation of what runs: with the streams of before while the peer announces none, and
/// silent both ways where it was given up. The second value tells whether it has to be started anew: something else than
/// its direction has changed.
pub fn carry_on<M: Medium>(running: Option<&M>, now: Option<M>) -> (Option<M>, bool) {
    let Some(running) = running else {
        let begins = now.is_some();
        return (now, begins);
    };
    let Some(mut now) = now else {
        let mut silent = running.clone();
        *silent.direction() = Direction::NEITHER;
        return (Some(silent), false);
    };
    if now.sources().is_empty() || !now.direction().receive {
        let mut running = running.clone();
        now.sources().clone_from(running.sources());
    }
    let mut same = running.clone();
    *same.direction() = *now.direction();
    let other = same != now;
    (Some(now), other)
}
