//! What a front end (the window, the headless client, a test) and the actors say to each other.
//!
//! Commands go in, events come out in order; pictures wait in [`VideoSlot`]s and figures in a watch. This file is
//! the vocabulary; [`bridge`] is the actor that passes events on, [`outbox`] what it does when nobody listens.

use std::path::PathBuf;
use std::time::Duration;

use roomrtc_media::capture::PictureSize;
use roomrtc_protocol::VideoCodec;
use roomrtc_protocol::signaling::messages::{EndReason, ErrorCode, GoodbyeReason, OpenInvite, UserPresence};
use serde::Serialize;

#[cfg(doc)]
use crate::slot::VideoSlot;
use crate::stats::MediaGaps;

pub mod bridge;
pub mod data;
pub mod outbox;

pub use bridge::{TellUi, UiBridge};
use data::{DataEvent, DataOrder};

/// Where pictures come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VideoChoice {
    /// A camera: this one, or the system's first.
    Camera(Option<String>),
    /// The test picture with its barcode.
    Test,
    /// A still picture that says that there is no camera: stands in for one that failed.
    Still,
    /// The screen of this X11 session.
    Screen,
    /// A media file, over and over.
    File(PathBuf),
    /// None.
    None,
}

/// Where sound comes from. With [`AudioChoice::Microphone`] received sound is played on the speakers; otherwise
/// it is decoded and measured, and played only where `play` says so in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioChoice {
    /// A microphone: this one, or the system's default.
    Microphone(Option<String>),
    /// The test tone.
    Test,
    /// A media file, over and over.
    File(PathBuf),
    /// None.
    None,
}

/// What a client sends in its calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaChoice {
    /// Pictures.
    pub video: VideoChoice,
    /// Sound.
    pub audio: AudioChoice,
    /// Offered first, or alone accepted.
    pub codec: Option<VideoCodec>,
}

/// Names one file transfer of this client run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct TransferId(pub u64);

/// What a user can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Connect to a server: `HOST`, `HOST:PORT` or `wss://HOST:PORT`. Ends an earlier connection.
    Connect {
        /// The address.
        server: String,
    },
    /// Trust the certificate of [`Event::UnknownServer`] from now on and go on connecting.
    TrustServer {
        /// As shown to the user: `sha256:…`.
        fingerprint: String,
    },
    /// Close the connection and forget the session.
    Disconnect,
    /// Make an account.
    Register {
        /// Its name.
        user: String,
        /// Its password; never leaves this process.
        password: Password,
    },
    /// Open a session.
    LogIn {
        /// Whose.
        user: String,
        /// The password; never leaves this process.
        password: Password,
        /// End another session of the same user.
        take_over: bool,
    },
    /// Close the session.
    LogOut,
    /// Go on with the call in which an earlier run of this client died: resumes its session and rejoins.
    Rejoin,
    /// End that call instead; the session is resumed.
    LeaveUnfinished,
    /// Call somebody.
    Call {
        /// Whom.
        user: String,
    },
    /// Take back a call that still rings.
    CancelCall,
    /// Ask for a link that brings one guest here from a browser; answered by [`Event::Invited`].
    Invite,
    /// Ask which links nobody has used yet; answered by [`Event::Invites`].
    ListInvites,
    /// Take such a link back.
    RevokeInvite {
        /// From [`Event::Invited`] or [`Event::Invites`].
        invite: String,
    },
    /// Take the incoming call.
    Accept,
    /// Refuse the incoming call.
    Decline,
    /// End the call.
    HangUp,
    /// Microphone on (true) or muted.
    SetMicrophone(bool),
    /// Camera on (true) or off.
    SetCamera(bool),
    /// Put the call on hold (true): nothing is sent or received. Or take it up again.
    SetHold(bool),
    /// Show the peer a screen beside the camera, or no longer.
    SetScreen(Option<VideoChoice>),
    /// Show the camera's picture in the local slot outside of a call.
    SetPreview(bool),
    /// Use other devices from now on.
    ChooseMedia(MediaChoice),
    /// Take pictures of this size in the present call.
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
    /// End everything.
    Quit,
}

/// A password on its way to OPAQUE; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub String);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// What a front end hears, in order.
#[derive(Clone, Debug)]
pub enum Event {
    /// The connection to the server.
    Connection(ConnectionState),
    /// The server's certificate is self-signed and not known yet: compare, then [`Command::TrustServer`].
    UnknownServer {
        /// `sha256:…`.
        fingerprint: String,
    },
    /// The server's certificate is not the one trusted before; the connection was refused.
    ServerChanged {
        /// Trusted before.
        expected: String,
        /// Shown now.
        actual: String,
    },
    /// The account exists.
    Registered {
        /// Its name.
        user: String,
    },
    /// The session is open.
    LoggedIn {
        /// Whose.
        user: String,
        /// Whether a lost session was resumed.
        resumed: bool,
    },
    /// The session is over.
    LoggedOut {
        /// Why.
        reason: GoodbyeReason,
    },
    /// Everybody but oneself, after login and after every change.
    Users(Vec<UserPresence>),
    /// A link that brings one guest here.
    Invited {
        /// Names the invite.
        invite: String,
        /// The link, a secret until it is used.
        url: String,
        /// How long it is good.
        expires_in: Duration,
    },
    /// The links that nobody has used yet, the first to expire first.
    Invites(Vec<OpenInvite>),
    /// An invite is void.
    InviteRevoked {
        /// Which.
        invite: String,
    },
    /// The server refused something.
    Refused {
        /// What.
        code: ErrorCode,
        /// When to try again, if said.
        retry_after: Option<Duration>,
    },
    /// The call.
    Call(CallEvent),
    /// A file.
    File(FileEvent),
    /// A data channel.
    Data(DataEvent),
    /// Something the user should know, such as a missing camera.
    Notice(Notice),
    /// A component died and was restarted.
    Restarted {
        /// Its name.
        actor: String,
        /// Why.
        reason: String,
        /// What that cost a call.
        gap_ms: MediaGaps,
    },
}

/// The connection to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// None, and none wanted.
    Disconnected,
    /// The first attempt is under way.
    Connecting,
    /// Ready to log in.
    Connected,
    /// The first attempt failed, with a cause for a log.
    Failed(String),
    /// Lost; trying again.
    Reconnecting {
        /// Which attempt comes next, from 1.
        attempt: u32,
        /// When.
        after: Duration,
    },
}

/// The life of a call.
#[derive(Clone, Debug)]
pub enum CallEvent {
    /// We call somebody; the server has not answered yet.
    Outgoing {
        /// Whom.
        user: String,
    },
    /// It rings over there.
    Ringing {
        /// At whom.
        user: String,
    },
    /// Somebody calls.
    Incoming {
        /// Who.
        user: String,
    },
    /// Accepted; the peers are finding each other.
    Connecting {
        /// The other party.
        user: String,
    },
    /// The first remote picture (or, without video, sound) was decoded.
    Connected {
        /// The other party.
        user: String,
        /// How long it took.
        setup: SetupTimes,
    },
    /// An earlier run died in this call; the session is being resumed to rejoin.
    Rejoining {
        /// The other party.
        user: String,
    },
    /// The other party's client has lost its connection to the server, and most likely to us.
    PeerAway {
        /// The other party.
        user: String,
        /// How long it is waited for.
        wait: Duration,
    },
    /// The other party is there again.
    PeerBack {
        /// The other party.
        user: String,
    },
    /// Media stopped arriving; the client is working on it.
    Reconnecting,
    /// Media flows again.
    Resumed,
    /// The peer muted or unmuted, switched the camera off or on.
    PeerMedia {
        /// Whether sound is sent.
        microphone: bool,
        /// Whether pictures are sent.
        camera: bool,
    },
    /// The call was put on hold, or taken up again.
    Hold {
        /// Whether we hold it.
        ours: bool,
        /// Whether the peer holds it.
        peers: bool,
    },
    /// A screen is shared, or no longer.
    Screen {
        /// Whether ours is on its way.
        ours: bool,
        /// Whether the peer's is.
        peers: bool,
    },
    /// Over.
    Ended {
        /// With whom.
        user: String,
        /// Why.
        reason: CallEnd,
    },
}

/// Why a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// As the server or the peer said.
    Signaled(EndReason),
    /// The call could not be placed.
    Refused(ErrorCode),
    /// No path between the peers was found or kept.
    NoPath,
    /// The peer's certificate is not the one it announced: no media was accepted.
    WrongFingerprint,
    /// The secure connection could not be made.
    HandshakeFailed,
    /// The two clients have nothing in common to send.
    NothingInCommon,
    /// A component kept failing.
    Broken {
        /// Which.
        actor: String,
        /// How it died last.
        reason: String,
    },
}

/// From accept to the first decoded remote frame, by phase, in ms; each phase ends where the next begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SetupTimes {
    /// Accept to both descriptions known.
    pub signaling: f64,
    /// To a selected candidate pair.
    pub ice: f64,
    /// To the end of the DTLS handshake.
    pub dtls: f64,
    /// To the first media packet.
    pub first_packet: f64,
    /// To the first decoded frame.
    pub first_frame: f64,
    /// All of it.
    pub total: f64,
}

/// The life of a file transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileEvent {
    /// We offered a file.
    Offered {
        /// Which.
        transfer: TransferId,
        /// Its name.
        name: String,
        /// Bytes.
        size: u64,
    },
    /// The peer offers a file.
    Incoming {
        /// Which.
        transfer: TransferId,
        /// Its name, made safe.
        name: String,
        /// Bytes.
        size: u64,
        /// Media type (RFC 6838), may be empty.
        media_type: String,
    },
    /// Bytes moved, a few times a second.
    Progress {
        /// Which.
        transfer: TransferId,
        /// Bytes so far.
        done: u64,
        /// Bytes in all.
        size: u64,
    },
    /// Whole and verified.
    Completed {
        /// Which.
        transfer: TransferId,
        /// Where it lies.
        path: PathBuf,
        /// Bytes.
        size: u64,
        /// BLAKE3, hex.
        hash: String,
        /// How long the bytes took.
        took: Duration,
    },
    /// It will not arrive.
    Failed {
        /// Which.
        transfer: TransferId,
        /// Why.
        reason: FileEnd,
    },
}

/// Why a file did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileEnd {
    /// The receiver declined.
    Declined,
    /// This side cancelled.
    Cancelled,
    /// The other side cancelled.
    CancelledByPeer,
    /// The hash is wrong.
    Corrupt,
    /// The call ended first.
    CallEnded,
    /// The disk refused, with the system's words.
    Disk(String),
    /// The peer broke the protocol.
    Protocol(String),
}

/// Something the user should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// There is no camera; another one or a still picture is sent instead.
    NoCamera,
    /// There is no microphone; another one or silence is sent instead.
    NoMicrophone,
    /// There is no speaker; sound is not played.
    NoSpeaker,
    /// There is no screen that could be shared.
    NoScreen,
    /// The pictures of a screen kept failing, with how they failed last; the call goes on without.
    ScreenGivenUp(String),
    /// A device stopped, with the system's words.
    DeviceLost(String),
    /// A device of this name stands in for one that failed.
    OtherDevice(String),
    /// This codec kept failing; that one takes over.
    OtherCodec {
        /// Which failed.
        failed: String,
        /// Which takes over.
        instead: String,
    },
    /// The echo canceller kept failing and is off now, with how it failed last.
    NoEchoCanceller(String),
    /// The camera kept failing and is off now, with how it failed last.
    CameraGivenUp(String),
    /// The microphone kept failing and is off now, with how it failed last.
    MicrophoneGivenUp(String),
}
