//! The seam between the client's root and one call: what starts a call, what a call is told, what it tells.
//!
//! The root knows nothing of media or sockets; a call knows nothing of the server. Tests put a made-up engine in.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use roomrtc_kit::Port;
use roomrtc_media::capture::PictureSize;
use roomrtc_protocol::signaling::messages::{CallId, DescriptionKind, IceServer};
use tokio::sync::watch;

use crate::slot::VideoSlot;
use crate::stats::{CallStats, MediaGaps};
use crate::ui_bridge::data::{DataEvent, DataOrder};
use crate::ui_bridge::{CallEvent, FileEvent, MediaChoice, Notice, TransferId, VideoChoice};

/// What can carry out calls. The real one starts the actors of `call`.
pub trait CallEngine: Send + Sync {
    /// Starts a call whose both parties have agreed to it. Called on the control arbiter.
    fn start_call(&self, setup: CallSetup) -> Box<dyn RunningCall>;

    /// Shows the camera's picture in `local` until the returned value is dropped.
    fn start_preview(
        &self,
        video: &VideoChoice,
        local: VideoSlot,
        notices: Port<CallReport>,
    ) -> Box<dyn Preview>;
}

/// A camera shown outside of a call; dropping it ends it.
pub trait Preview: Send + Sync {}

/// One call, from its acceptance to its end. It ends by [`CallOrder::HangUp`]; dropping it without ends it at once.
pub trait RunningCall: Send + Sync {
    /// Gives an order; never waits.
    fn tell(&self, order: CallOrder);
}

/// Everything a call needs from its surroundings.
#[derive(Clone)]
pub struct CallSetup {
    /// The server's name for the call.
    pub call: CallId,
    /// The other party.
    pub user: String,
    /// Whether we are the caller, who sends the offer (and controls ICE).
    pub caller: bool,
    /// Whether an earlier run of this client died in the call: the peer is in it, and we ask for another transport.
    pub rejoin: bool,
    /// When the acceptance was heard here; set-up times count from it.
    pub accepted_at: Instant,
    /// What to send.
    pub media: MediaChoice,
    /// Whether to send sound from the start.
    pub microphone: bool,
    /// Whether to send pictures from the start.
    pub camera: bool,
    /// STUN and TURN servers the signaling server suggested, besides the configured ones.
    pub ice_servers: Vec<IceServer>,
    /// Where our own picture goes.
    pub local: VideoSlot,
    /// Where the peer's picture goes.
    pub remote: VideoSlot,
    /// Where the peer's screen goes.
    pub screen: VideoSlot,
    /// Where the figures go, once a second.
    pub stats: Arc<watch::Sender<CallStats>>,
    /// Where the call's news goes.
    pub client: Port<CallReport>,
}

/// What a call is told.
#[derive(Clone, Debug, PartialEq)]
pub enum CallOrder {
    /// The peer's session description arrived.
    RemoteDescription {
        /// Offer or answer.
        kind: DescriptionKind,
        /// The SDP.
        sdp: String,
    },
    /// A candidate of the peer arrived; empty at the end of its candidates.
    RemoteCandidate(String),
    /// The connection to the server was lost, and the session goes on: what was said last may not have arrived.
    SignalingResumed,
    /// The signaling server told of other STUN and TURN servers.
    UseIceServers(Vec<IceServer>),
    /// Microphone on (true) or muted.
    SetMicrophone(bool),
    /// Camera on (true) or off.
    SetCamera(bool),
    /// Send and receive nothing for a while (true), or go on.
    SetHold(bool),
    /// Show the peer a screen beside the camera, or no longer.
    SetScreen(Option<VideoChoice>),
    /// Use other devices.
    ChooseMedia(MediaChoice),
    /// Take pictures of this size from now on.
    SetPictureSize(PictureSize),
    /// Offer a file to the peer.
    SendFile(PathBuf),
    /// Take an offered file into a folder.
    AcceptFile {
        /// Which.
        transfer: TransferId,
        /// Where to.
        directory: PathBuf,
    },
    /// Refuse an offered file.
    DeclineFile(TransferId),
    /// Stop a running transfer.
    CancelFile(TransferId),
    /// Use a data channel.
    Data(DataOrder),
    /// Say goodbye to the peer (RTCP BYE, DTLS close) and end.
    HangUp,
}

/// What a call tells.
#[derive(Clone, Debug)]
pub struct CallReport {
    /// Which call; news of an old one is ignored, except about files. A preview uses [`PREVIEW`].
    pub call: CallId,
    /// What.
    pub news: CallNews,
}

/// The call number of a preview; the server never gives it to a call.
pub const PREVIEW: CallId = CallId(0);

/// News of a call.
#[derive(Clone, Debug)]
pub enum CallNews {
    /// Send this description to the peer.
    LocalDescription {
        /// Offer or answer.
        kind: DescriptionKind,
        /// The SDP.
        sdp: String,
    },
    /// Send this candidate to the peer; empty at the end of candidates.
    LocalCandidate(String),
    /// For the front end. With [`CallEvent::Ended`] the call is over: the root tells the server.
    Event(CallEvent),
    /// For the front end.
    File(FileEvent),
    /// For the front end.
    Data(DataEvent),
    /// For the front end.
    Notice(Notice),
    /// An actor of the call died and was restarted.
    Restarted {
        /// Its name.
        actor: String,
        /// Why it died.
        reason: String,
        /// What that cost.
        gap_ms: MediaGaps,
    },
    /// The call has said its goodbyes and taken itself down; the last news of it.
    Closed,
}
