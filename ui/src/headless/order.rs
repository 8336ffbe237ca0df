//! What the headless client can be told on its standard input, one JSON object a line (docs/headless.md).

use std::path::PathBuf;

use roomrtc_actors::ui_bridge::data::DataOrder;
use roomrtc_actors::ui_bridge::{Command, TransferId, VideoChoice};
use roomrtc_kit::inspect::{Death, Request};
use roomrtc_media::capture::PictureSize;
use serde::Deserialize;

use super::channels::{OpenChannel, SendData};

/// Longest line that is read.
pub(super) const MAX_LINE: usize = 64 * 1024;

/// One order. Those without fields are written with braces, for only so does serde refuse fields they do not have.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Order {
    /// Call somebody.
    Call { user: String },
    /// Ask for a link for a guest.
    Invite {},
    /// Ask which links nobody has used yet.
    ListInvites {},
    /// Take such a link back.
    RevokeInvite { invite: String },
    /// Take the incoming call.
    Accept {},
    /// Refuse the incoming call.
    Decline {},
    /// End the call, or take it back.
    Hangup {},
    /// Send silence.
    Mute {},
    /// Send sound again.
    Unmute {},
    /// Send pictures again.
    CameraOn {},
    /// Send no pictures.
    CameraOff {},
    /// Send and receive nothing for a while.
    Hold {},
    /// Go on.
    Resume {},
    /// Take pictures from somewhere else.
    ChooseVideo { source: Source },
    /// Take pictures of another size, for the rest of the call.
    ResizeVideo { width: u32, height: u32 },
    /// Show the peer a screen beside the camera.
    ShareScreen {
        #[serde(default)]
        source: Source,
    },
    /// No longer.
    UnshareScreen {},
    /// Offer a file.
    Send { path: PathBuf },
    /// Take an offered file.
    AcceptFile { transfer: u64, directory: PathBuf },
    /// Refuse an offered file.
    DeclineFile { transfer: u64 },
    /// Stop a transfer.
    CancelFile { transfer: u64 },
    /// Open a data channel.
    OpenChannel(OpenChannel),
    /// Send a message on one.
    SendData(SendData),
    /// Close one.
    CloseChannel { channel: u16 },
    /// Save the peer's picture, or its screen.
    Screenshot {
        path: PathBuf,
        #[serde(default)]
        of: View,
    },
    /// List every actor's mailbox.
    Actors {},
    /// End an actor's life, to see what follows.
    Crash {
        actor: String,
        #[serde(default)]
        how: Death,
    },
    /// Let an actor handle nothing for a time.
    Pause { actor: String, ms: u64 },
    /// Record calls into a file, in place of the recording before.
    Record {
        file: PathBuf,
        #[serde(default)]
        addresses: bool,
    },
    /// End the recording.
    StopRecording {},
    /// Hang up, log out and end.
    Quit {},
}

/// Where pictures come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Source {
    /// The system's first camera.
    Camera,
    /// The screen.
    #[default]
    Screen,
    /// The test picture.
    Test,
    /// Nowhere.
    None,
}

impl Source {
    fn choice(self) -> VideoChoice {
        match self {
            Source::Camera => VideoChoice::Camera(None),
            Source::Screen => VideoChoice::Screen,
            Source::Test => VideoChoice::Test,
            Source::None => VideoChoice::None,
        }
    }
}

/// A picture of the peer's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum View {
    /// What its camera shows.
    #[default]
    Camera,
    /// Its screen.
    Screen,
}

/// What an order comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A command for the client.
    Command(Command),
    /// Other pictures to send.
    ChooseVideo(VideoChoice),
    /// A picture to save.
    Screenshot(View, PathBuf),
    /// About the actors.
    Inspect(Request),
    /// A recording to begin, perhaps with addresses.
    Record(PathBuf, bool),
    /// No recording any more.
    StopRecording,
    /// The end.
    Quit,
}

impl Order {
    /// Reads a line.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        if line.len() > MAX_LINE {
            return Err(format!("a line has at most {MAX_LINE} bytes"));
        }
        serde_json::from_str(line).map_err(|error| error.to_string())
    }

    /// What to do about it, if it makes sense.
    pub(super) fn meaning(self) -> Result<Meaning, String> {
        Ok(Meaning::Command(match self {
            Order::Call { user } => Command::Call { user },
            Order::Invite {} => Command::Invite,
            Order::ListInvites {} => Command::ListInvites,
            Order::RevokeInvite { invite } => Command::RevokeInvite { invite },
            Order::Accept {} => Command::Accept,
            Order::Decline {} => Command::Decline,
            Order::Hangup {} => Command::HangUp,
            Order::Mute {} => Command::SetMicrophone(false),
            Order::Unmute {} => Command::SetMicrophone(true),
            Order::CameraOn {} => Command::SetCamera(true),
            Order::CameraOff {} => Command::SetCamera(false),
            Order::Hold {} => Command::SetHold(true),
            Order::Resume {} => Command::SetHold(false),
            Order::ChooseVideo { source } => return Ok(Meaning::ChooseVideo(source.choice())),
            Order::ResizeVideo { width, height } => Command::SetPictureSize(
                PictureSize::new(width, height)
                    .ok_or("width is an even number from 160 to 3840, and height one from 120 to 2160")?,
            ),
            Order::ShareScreen { source } => Command::SetScreen(Some(source.choice())),
            Order::UnshareScreen {} => Command::SetScreen(None),
            Order::Send { path } => Command::SendFile(path),
            Order::AcceptFile { transfer, directory } => Command::AcceptFile {
                transfer: TransferId(transfer),
                directory,
            },
            Order::DeclineFile { transfer } => Command::DeclineFile(TransferId(transfer)),
            Order::CancelFile { transfer } => Command::CancelFile(TransferId(transfer)),
            Order::OpenChannel(open) => Command::Data(open.order()?),
            Order::SendData(send) => Command::Data(send.order()?),
            Order::CloseChannel { channel } => Command::Data(DataOrder::Close { channel }),
            Order::Screenshot { path, of } => return Ok(Meaning::Screenshot(of, path)),
            Order::Actors {} => return Ok(Meaning::Inspect(Request::Actors {})),
            Order::Crash { actor, how } => return Ok(Meaning::Inspect(Request::Crash { actor, how })),
            Order::Pause { actor, ms } => return Ok(Meaning::Inspect(Request::Pause { actor, ms })),
            Order::Record { file, addresses } => return Ok(Meaning::Record(file, addresses)),
            Order::StopRecording {} => return Ok(Meaning::StopRecording),
            Order::Quit {} => return Ok(Meaning::Quit),
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const DOCUMENT: &str = include_str!("../../../docs/headless.md");

    #[test]
    fn the_orders_of_the_document_are_understood_and_no_others() {
        let section = DOCUMENT
            .split("## Commands")
            .nth(1)
            .unwrap()
            .split("\n## ")
            .next()
            .unwrap();
        let examples: Vec<_> = section
            .lines()
            .filter_map(|line| line.trim().strip_prefix("| `")?.split('`').next())
            .collect();
        assert_eq!(examples.len(), 31, "every order has a row: {examples:?}");
        for example in examples {
            Order::parse(example).unwrap_or_else(|error| panic!("{example}: {error}"));
        }
        for wrong in [
            "",
            "{}",
            "{\"do\":\"dance\"}",
            "{\"do\":\"send\"}",
            "{\"do\":\"mute\",\"x\":1}",
            "[]",
        ] {
            assert!(Order::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Order::parse(&" ".repeat(MAX_LINE + 1)).is_err());
    }

    #[test]
    fn pictures_have_only_sizes_that_encoders_take() {
        let resize = |width: u32, height: u32| Order::ResizeVideo { width, height }.meaning();
        assert!(resize(640, 360).is_ok());
        for (width, height) in [(0, 0), (158, 360), (641, 360), (640, 2162)] {
            let refused = resize(width, height).unwrap_err();
            assert_eq!(
                refused,
                "width is an even number from 160 to 3840, and height one from 120 to 2160"
            );
        }
    }

    #[test]
    fn an_order_becomes_a_command() {
        let order = |line: &str| Order::parse(line).unwrap().meaning().unwrap();
        assert_eq!(
            order(r#"{"do":"mute"}"#),
            Meaning::Command(Command::SetMicrophone(false))
        );
        assert_eq!(
            order(r#"{"do":"camera_on"}"#),
            Meaning::Command(Command::SetCamera(true))
        );
        assert_eq!(order(r#"{"do":"quit"}"#), Meaning::Quit);
        assert_eq!(
            order(r#"{"do":"screenshot","path":"a.png"}"#),
            Meaning::Screenshot(View::Camera, "a.png".into())
        );
    }
}
