//! What the headless client prints: one JSON object a line. `docs/headless.md` describes each of them, and a test
//! keeps the two in step.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use roomrtc_actors::recorder::State;
use roomrtc_actors::stats::{CallStats, MediaGaps};
use roomrtc_actors::ui_bridge::{CallEnd, FileEnd, FileEvent, Notice, SetupTimes, TransferId};
use roomrtc_kit::MeterView;
use roomrtc_protocol::signaling::messages::{ErrorCode, OpenInvite, UserPresence};
use serde::Serialize;

use super::channels::{ChannelLine, DataLine};

/// One line.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    event: &'static str,
    /// Unix time in ms, comparable between programs of one machine.
    at_ms: u64,
    #[serde(flatten)]
    report: &'a Report,
}

/// What a line tells.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Report {
    /// The session is open.
    Online {
        user: String,
        server: String,
        resumed: bool,
    },
    /// The connection to the server is lost; the client comes back by itself.
    Offline { attempt: u32, after_ms: u64 },
    /// Everybody else.
    Users { users: Vec<UserPresence> },
    /// A link for a guest.
    Invited {
        invite: String,
        url: String,
        expires_in_s: u64,
    },
    /// The links that nobody has used yet.
    Invites { invites: Vec<OpenInvite> },
    /// It is void.
    InviteRevoked { invite: String },
    /// Somebody calls.
    Incoming { user: String },
    /// It rings over there.
    Ringing { user: String },
    /// An earlier run died in this call; this one goes on with it.
    Rejoining { user: String },
    /// The other party's client has lost its connection; the call waits for it.
    PeerAway { user: String, wait_ms: u64 },
    /// It is there again.
    PeerBack { user: String },
    /// Both agreed; the peers look for each other.
    Connecting { user: String },
    /// The first remote picture was decoded.
    Connected { user: String, setup_ms: SetupTimes },
    /// Media stopped arriving.
    Interrupted {},
    /// Media flows again.
    Resumed {},
    /// What the peer sends.
    PeerMedia { microphone: bool, camera: bool },
    /// Who holds the call.
    Hold { ours: bool, peers: bool },
    /// Whose screens are shared.
    Screen { ours: bool, peers: bool },
    /// The figures of the last second.
    Stats(Box<CallStats>),
    /// A transfer.
    File(FileLine),
    /// A data channel can be used.
    ChannelOpened(ChannelLine),
    /// A message arrived on one.
    DataMessage(DataLine),
    /// A data channel is gone.
    ChannelClosed { channel: u16 },
    /// A picture was saved.
    Screenshot { path: PathBuf, width: u32, height: u32 },
    /// Something the user of a window would be told.
    Notice {
        notice: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// A part of the client died and was restarted.
    Restarted {
        actor: String,
        reason: String,
        gap_ms: MediaGaps,
    },
    /// What becomes of a recording.
    Recording {
        file: PathBuf,
        state: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        lost: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// Every actor's mailbox.
    Actors { actors: Vec<MeterView> },
    /// A call is over.
    Ended {
        user: String,
        reason: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
        /// Time since `connected`.
        #[serde(skip_serializing_if = "Option::is_none")]
        duration_ms: Option<u64>,
    },
    /// Something was refused or failed.
    Error {
        code: String,
        message: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        fingerprint: Option<String>,
    },
}

/// A step of a transfer.
#[derive(Clone, Debug, Serialize)]
pub(super) struct FileLine {
    transfer: TransferId,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    took_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Report {
    /// An error without details.
    pub(super) fn error(code: impl Into<String>, message: impl Into<String>) -> Self {
        Report::Error {
            code: code.into(),
            message: message.into(),
            retry_after_ms: None,
            fingerprint: None,
        }
    }

    /// What the field `event` says.
    pub(super) fn event(&self) -> &'static str {
        match self {
            Report::Online { .. } => "online",
            Report::Offline { .. } => "offline",
            Report::Users { .. } => "users",
            Report::Invited { .. } => "invited",
            Report::Invites { .. } => "invites",
            Report::InviteRevoked { .. } => "invite_revoked",
            Report::Incoming { .. } => "incoming",
            Report::Ringing { .. } => "ringing",
            Report::Rejoining { .. } => "rejoining",
            Report::PeerAway { .. } => "peer_away",
            Report::PeerBack { .. } => "peer_back",
            Report::Connecting { .. } => "connecting",
            Report::Connected { .. } => "connected",
            Report::Interrupted {} => "interrupted",
            Report::Resumed {} => "resumed",
            Report::PeerMedia { .. } => "peer_media",
            Report::Hold { .. } => "hold",
            Report::Screen { .. } => "screen",
            Report::Stats(_) => "stats",
            Report::File(_) => "file",
            Report::ChannelOpened(_) => "channel_opened",
            Report::DataMessage(_) => "data_message",
            Report::ChannelClosed { .. } => "channel_closed",
            Report::Screenshot { .. } => "screenshot",
            Report::Notice { .. } => "notice",
            Report::Restarted { .. } => "restarted",
            Report::Recording { .. } => "recording",
            Report::Actors { .. } => "actors",
            Report::Ended { .. } => "ended",
            Report::Error { .. } => "error",
        }
    }

    /// The line, without its end.
    pub(super) fn line(&self) -> String {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = Line {
            event: self.event(),
            at_ms: since.as_millis() as u64,
            report: self,
        };
        serde_json::to_string(&line).expect("reports hold nothing that is not JSON")
    }
}

impl Report {
    /// What there is to say of a recorder, unless it never did anything.
    pub(super) fn of_recording(recorder: &State) -> Option<Self> {
        let report = |file: &PathBuf, state| Report::Recording {
            file: file.clone(),
            state,
            bytes: None,
            lost: None,
            detail: None,
        };
        Some(match recorder {
            State::Off => return None,
            State::Recording { file } => report(file, "recording"),
            State::Done {
                file,
                bytes,
                lost,
                full,
            } => Report::Recording {
                file: file.clone(),
                state: if *full { "full" } else { "done" },
                bytes: Some(*bytes),
                lost: Some(*lost),
                detail: None,
            },
            State::Failed { file, why } => Report::Recording {
                file: file.clone(),
                state: "failed",
                bytes: None,
                lost: None,
                detail: Some(why.clone()),
            },
        })
    }
}

impl From<FileEvent> for FileLine {
    fn from(event: FileEvent) -> Self {
        let line = |transfer, state| FileLine {
            transfer,
            state,
            name: None,
            media_type: None,
            done: None,
            size: None,
            path: None,
            hash: None,
            took_ms: None,
            reason: None,
            detail: None,
        };
        match event {
            FileEvent::Offered { transfer, name, size } => FileLine {
                name: Some(name),
                size: Some(size),
                ..line(transfer, "offered")
            },
            FileEvent::Incoming {
                transfer,
                name,
                size,
                media_type,
            } => FileLine {
                name: Some(name),
                size: Some(size),
                media_type: Some(media_type),
                ..line(transfer, "incoming")
            },
            FileEvent::Progress { transfer, done, size } => FileLine {
                done: Some(done),
                size: Some(size),
                ..line(transfer, "progress")
            },
            FileEvent::Completed {
                transfer,
                path,
                size,
                hash,
                took,
            } => FileLine {
                path: Some(path),
                size: Some(size),
                hash: Some(hash),
                took_ms: Some(took.as_millis() as u64),
                ..line(transfer, "completed")
            },
            FileEvent::Failed { transfer, reason } => {
                let (reason, detail) = match reason {
                    FileEnd::Declined => ("declined", None),
                    FileEnd::Cancelled => ("cancelled", None),
                    FileEnd::CancelledByPeer => ("cancelled_by_peer", None),
                    FileEnd::Corrupt => ("corrupt", None),
                    FileEnd::CallEnded => ("call_ended", None),
                    FileEnd::Disk(detail) => ("disk", Some(detail)),
                    FileEnd::Protocol(detail) => ("protocol", Some(detail)),
                };
                FileLine {
                    reason: Some(reason),
                    detail,
                    ..line(transfer, "failed")
                }
            }
        }
    }
}

impl From<Notice> for Report {
    fn from(notice: Notice) -> Self {
        let (notice, detail) = match notice {
            Notice::NoCamera => ("no_camera", None),
            Notice::NoMicrophone => ("no_microphone", None),
            Notice::NoSpeaker => ("no_speaker", None),
            Notice::CameraGivenUp(detail) => ("camera_given_up", Some(detail)),
            Notice::MicrophoneGivenUp(detail) => ("microphone_given_up", Some(detail)),
            Notice::NoScreen => ("no_screen", None),
            Notice::ScreenGivenUp(detail) => ("screen_given_up", Some(detail)),
            Notice::DeviceLost(detail) => ("device_lost", Some(detail)),
            Notice::OtherDevice(name) => ("other_device", Some(name)),
            Notice::NoEchoCanceller(detail) => ("no_echo_canceller", Some(detail)),
            Notice::OtherCodec { failed, instead } => {
                ("other_codec", Some(format!("{instead} instead of {failed}")))
            }
        };
        Report::Notice { notice, detail }
    }
}

/// Why a call ended, in a word, and more if there is more to say.
pub(super) fn why(end: &CallEnd) -> (String, Option<String>) {
    match end {
        CallEnd::Signaled(reason) => (word(reason), None),
        CallEnd::Refused(code) => ("refused".into(), Some(word(code))),
        CallEnd::NoPath => ("no_path".into(), None),
        CallEnd::WrongFingerprint => ("wrong_fingerprint".into(), None),
        CallEnd::HandshakeFailed => ("handshake_failed".into(), None),
        CallEnd::NothingInCommon => ("nothing_in_common".into(), None),
        CallEnd::Broken { actor, reason } => ("broken".into(), Some(format!("{actor}: {reason}"))),
    }
}

/// A word of the signaling vocabulary, as it is on the wire.
pub(super) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// An error of the server, in a sentence for whoever reads the script's output.
pub(super) fn sentence(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::BadMessage => "the server did not understand a message",
        ErrorCode::UnsupportedVersion => "the server does not speak this version",
        ErrorCode::NotAllowed => "the server does not allow this now",
        ErrorCode::BadUserName => "this is no user name",
        ErrorCode::UserNameTaken => "somebody has this name",
        ErrorCode::BadCredentials => "the user name or the password is wrong",
        ErrorCode::AlreadyLoggedIn => "this user is logged in elsewhere (see --take-over)",
        ErrorCode::BadToken => "the server does not know the session any more",
        ErrorCode::TooManyAttempts => "too many attempts; try again later",
        ErrorCode::UnknownUser => "there is no such user",
        ErrorCode::UserOffline => "the user is offline",
        ErrorCode::UserBusy => "the user is in another call",
        ErrorCode::CalledSelf => "nobody can call themselves",
        ErrorCode::AlreadyInCall => "there is a call already",
        ErrorCode::UnknownCall => "the call is over",
        ErrorCode::BadInvite => "the invite is unknown, used, revoked or expired",
        ErrorCode::TooManyInvites => "too many invites are open; revoke one",
        ErrorCode::ServerFull => "the server has as many connections as it may",
        ErrorCode::Internal => "the server failed; its log says why",
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
