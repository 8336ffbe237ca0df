//! What the user wants sent and received, and what of it the peer lets through: microphone, camera, hold, screen.
//!
//! What the descriptions have to say is offered to the peer at once (W3C WebRTC §4.7.3, "negotiation needed"); what the
//! user wants to keep to himself does not wait for the answer.

use actix::Context;
use roomrtc_protocol::renewal::Input;
use roomrtc_protocol::sdp::{Direction, Negotiated, NegotiatedVideo};

use super::description::Wanted;
use super::{Call, Progress, Stage};
use crate::ui_bridge::{CallEvent, VideoChoice};

/// Who holds the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hold {
    ours: bool,
    peers: bool,
}

impl Hold {
    /// The peer holds us where nothing of what we want to send may be sent. Held by ourselves, we do not know better than
    /// before.
    fn of(agreed: &Negotiated, wanted: Wanted, before: Hold) -> Self {
        let refused = |direction: Option<Direction>| direction.is_some_and(|direction| !direction.send);
        let sound = wanted
            .sound
            .then(|| agreed.audio.as_ref().map(|audio| audio.direction));
        let pictures = wanted
            .pictures
            .then(|| agreed.video.as_ref().map(|video| video.direction));
        let mut sent = [sound, pictures].into_iter().flatten().peekable();
        let peers = match wanted.held {
            true => before.peers,
            false => sent.peek().is_some() && sent.all(refused),
        };
        Hold {
            ours: wanted.held,
            peers,
        }
    }
}

/// What of our own goes to the peer at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) sound: bool,
    pub(super) pictures: bool,
    pub(super) screen: bool,
}

impl Sent {
    fn of(agreed: &Negotiated, wanted: Wanted) -> Self {
        let sent = |wants: bool, direction: Option<Direction>| {
            wants && !wanted.held && direction.is_some_and(|direction| direction.send)
        };
        let of_pictures = |pictures: &Option<NegotiatedVideo>| pictures.as_ref().map(|p| p.direction);
        Sent {
            sound: sent(wanted.sound, agreed.audio.as_ref().map(|audio| audio.direction)),
            pictures: sent(wanted.pictures, of_pictures(&agreed.video)),
            screen: sent(wanted.screen, of_pictures(&agreed.screen)),
        }
    }
}

/// Whose screens are on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sharing {
    ours: bool,
    peers: bool,
}

impl Call {
    /// Microphone and camera, on or off.
    pub(super) fn switch(&mut self, microphone: bool, camera: bool) {
        (self.now.microphone, self.now.camera) = (microphone, camera);
        self.keep();
        self.turn_capture();
        self.peer_media();
    }

    /// From now on this is wanted.
    pub(super) fn want(&mut self, wanted: Wanted, ctx: &mut Context<Self>) {
        if wanted == self.now.wanted || self.now.stage == Stage::Ended {
            return;
        }
        self.now.wanted = wanted;
        self.turn_capture();
        match self.now.negotiation.agreed() {
            Some(_) => {
                self.turn_media();
                self.transport(Input::Changed, ctx);
            }
            None => self.now.wanted_early = true,
        }
        self.keep();
    }

    /// Shows the peer a screen, or no longer.
    pub(super) fn share(&mut self, source: Option<VideoChoice>, ctx: &mut Context<Self>) {
        let screen = source.is_some();
        if let Some(source) = source {
            self.plan.tree.choose_screen(source.clone());
            self.now.screen_source = source;
        }
        self.want(
            Wanted {
                screen,
                ..self.now.wanted
            },
            ctx,
        );
    }

    /// Whether microphone and camera are on: nothing is captured while we hold the call.
    pub(super) fn capturing(&self) -> [bool; 2] {
        let Progress {
            microphone,
            camera,
            wanted,
            ..
        } = self.now;
        [microphone, camera].map(|on| on && !wanted.held)
    }

    fn turn_capture(&self) {
        let [microphone, camera] = self.capturing();
        self.plan.tree.set_microphone(microphone);
        self.plan.tree.set_camera(camera);
    }

    /// Opens and closes what is agreed on and wanted, and tells who holds the call.
    pub(super) fn turn_media(&mut self) {
        let Some(agreed) = self.now.negotiation.agreed() else {
            return;
        };
        let sent = Sent::of(agreed, self.now.wanted);
        let tree = &self.plan.tree;
        tree.turn_media(agreed, sent);
        let ours = sent.screen.then(|| self.now.screen_source.clone());
        let screens = Sharing {
            ours: ours.is_some(),
            peers: tree.turn_screens(agreed, ours),
        };
        let hold = Hold::of(agreed, self.now.wanted, self.now.hold);
        if hold != self.now.hold {
            self.now.hold = hold;
            self.event(CallEvent::Hold {
                ours: hold.ours,
                peers: hold.peers,
            });
        }
        if screens != self.now.screens {
            self.now.screens = screens;
            self.event(CallEvent::Screen {
                ours: screens.ours,
                peers: screens.peers,
            });
        }
    }
}
