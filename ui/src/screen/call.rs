//! A call: the peer large, oneself small, the bar of controls, and beside it files or figures.

mod view;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use roomrtc_actors::slot::VideoSlot;
use roomrtc_actors::stats::CallStats;
use roomrtc_actors::ui_bridge::{CallEvent, Command, FileEvent, Notice, SetupTimes, TransferId, VideoChoice};

use crate::panel::figures::Figures;
use crate::panel::files::{self, Files};

/// What is beside the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Files.
    Files,
    /// Figures of the call and the actors' mailboxes.
    Figures,
}

/// How far the call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting,
    Active { since: Instant },
    Reconnecting { since: Instant },
}

/// A call that was accepted.
pub struct Call {
    peer: String,
    incoming: bool,
    phase: Phase,
    microphone: bool,
    camera: bool,
    peer_microphone: bool,
    peer_camera: bool,
    /// We hold the call.
    holding: bool,
    /// The peer holds it.
    held: bool,
    /// We share our screen, or are about to.
    sharing: bool,
    /// The peer shares its screen.
    peer_screen: bool,
    /// The peer's client is gone; the call waits for it.
    peer_away: bool,
    side: Option<Side>,
    dropping: bool,
    files: Files,
    figures: Figures,
}

/// What the user does.
#[derive(Clone, Debug)]
pub enum Message {
    /// Mute or unmute.
    Microphone,
    /// Camera on or off.
    Camera,
    /// Share the screen, or no longer.
    Screen,
    /// Hold the call, or go on.
    Hold,
    /// Open a side panel, or close it.
    Side(Side),
    /// Choose a file to send.
    ChooseFile,
    /// Something with files.
    Files(files::Message),
    /// End the call.
    HangUp,
}

/// What `app` shall do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    None,
    /// Ask the client.
    Send(Command),
    /// Take an offered file; where it goes is not the call's to know.
    AcceptFile(TransferId),
    /// Let the user choose a file to send.
    ChooseFile,
    /// Let the user type the path of a file to send.
    TypePath,
    /// Let the user choose where received files go.
    ChooseFolder,
    /// Show a received file in the desktop's file manager.
    Open(PathBuf),
}

/// What the screen shows that is not its own.
#[derive(Clone, Copy)]
pub struct Looks<'a> {
    /// Our own picture.
    pub local: &'a VideoSlot,
    /// The peer's picture.
    pub remote: &'a VideoSlot,
    /// The peer's screen.
    pub screen: &'a VideoSlot,
    /// Whether we see ourselves as in a mirror.
    pub mirror: bool,
    /// Where received files go.
    pub downloads: &'a std::path::Path,
    /// The window's width.
    pub width: f32,
    /// The window's scale factor.
    pub scale: f32,
    /// Now.
    pub now: Instant,
}

impl Call {
    /// A call that was just accepted.
    pub fn new(peer: String, incoming: bool) -> Self {
        Call {
            peer,
            incoming,
            phase: Phase::Connecting,
            microphone: true,
            camera: true,
            peer_microphone: true,
            peer_camera: true,
            holding: false,
            held: false,
            sharing: false,
            peer_screen: false,
            peer_away: false,
            side: None,
            dropping: false,
            files: Files::default(),
            figures: Figures::default(),
        }
    }

    /// The other party.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Whether we were called.
    pub fn is_incoming(&self) -> bool {
        self.incoming
    }

    /// How long it has lasted; nothing before media flowed.
    pub fn length(&self, now: Instant) -> Option<Duration> {
        match self.phase {
            Phase::Connecting => None,
            Phase::Active { since } | Phase::Reconnecting { since } => {
                Some(now.saturating_duration_since(since))
            }
        }
    }

    /// What the user does.
    pub fn update(&mut self, message: Message) -> Action {
        match message {
            Message::Microphone => {
                self.microphone = !self.microphone;
                Action::Send(Command::SetMicrophone(self.microphone))
            }
            Message::Camera => {
                self.camera = !self.camera;
                Action::Send(Command::SetCamera(self.camera))
            }
            Message::Screen => {
                self.sharing = !self.sharing;
                Action::Send(Command::SetScreen(self.sharing.then_some(VideoChoice::Screen)))
            }
            Message::Hold => {
                self.holding = !self.holding;
                Action::Send(Command::SetHold(self.holding))
            }
            Message::Side(side) => {
                self.side = (self.side != Some(side)).then_some(side);
                Action::None
            }
            Message::ChooseFile => {
                self.side = Some(Side::Files);
                Action::ChooseFile
            }
            Message::Files(message) => self.files.update(message),
            Message::HangUp => Action::Send(Command::HangUp),
        }
    }

    /// What the client says about the call.
    pub fn hear(&mut self, event: &CallEvent, now: Instant) {
        let since = match self.phase {
            Phase::Connecting => now,
            Phase::Active { since } | Phase::Reconnecting { since } => since,
        };
        match event {
            CallEvent::Connected { setup, .. } => {
                self.phase = Phase::Active { since };
                self.figures.set_up(*setup);
            }
            CallEvent::Reconnecting => self.phase = Phase::Reconnecting { since },
            CallEvent::Resumed => self.phase = Phase::Active { since },
            CallEvent::PeerMedia { microphone, camera } => {
                self.peer_microphone = *microphone;
                self.peer_camera = *camera;
            }
            CallEvent::Hold { ours, peers } => (self.holding, self.held) = (*ours, *peers),
            // Ours may still be on its way, or wait for the end of a hold.
            CallEvent::Screen { peers, .. } => self.peer_screen = *peers,
            CallEvent::PeerAway { .. } => self.peer_away = true,
            CallEvent::PeerBack { .. } => self.peer_away = false,
            CallEvent::Rejoining { .. }
            | CallEvent::Outgoing { .. }
            | CallEvent::Ringing { .. }
            | CallEvent::Incoming { .. }
            | CallEvent::Connecting { .. }
            | CallEvent::Ended { .. } => {}
        }
    }

    /// What the user should know; a device that was given up is off.
    pub fn note(&mut self, notice: &Notice) {
        match notice {
            Notice::CameraGivenUp(_) => self.camera = false,
            Notice::MicrophoneGivenUp(_) => self.microphone = false,
            Notice::NoScreen | Notice::ScreenGivenUp(_) => self.sharing = false,
            Notice::NoCamera
            | Notice::NoMicrophone
            | Notice::NoSpeaker
            | Notice::DeviceLost(_)
            | Notice::OtherDevice(_)
            | Notice::NoEchoCanceller(_)
            | Notice::OtherCodec { .. } => {}
        }
    }

    /// What the client says about a file; opens the panel when there is something to answer or to see.
    pub fn hear_file(&mut self, event: &FileEvent, now: Instant) -> Option<files::Finished> {
        if let FileEvent::Incoming { .. } | FileEvent::Offered { .. } = event {
            self.side = Some(Side::Files);
        }
        self.files.hear(event, now)
    }

    /// A second's figures.
    pub fn measure(&mut self, stats: CallStats) {
        self.figures.add(stats);
    }

    /// Files hover over the window, or no longer.
    pub fn set_dropping(&mut self, dropping: bool) {
        self.dropping = dropping;
    }

    /// The figures of the last second.
    fn stats(&self) -> &CallStats {
        self.figures.latest()
    }

    /// The phases of the set-up, once media flows.
    pub fn set_up_times(&self) -> Option<SetupTimes> {
        self.figures.set_up_times()
    }
}
