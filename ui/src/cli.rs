//! The command line of `roomrtc`: the window, or `roomrtc headless`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::{Args, Parser, Subcommand, ValueEnum};
use roomrtc_actors::ui_bridge::{AudioChoice, MediaChoice, VideoChoice};
use roomrtc_kit::config::{AudioSource, Config, VideoSource};
use roomrtc_protocol::VideoCodec;
use roomrtc_protocol::signaling::CertificateHash;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::BrightBlue.on_default().bold())
    .usage(AnsiColor::BrightBlue.on_default().bold())
    .literal(AnsiColor::BrightCyan.on_default())
    .placeholder(AnsiColor::Cyan.on_default())
    .error(AnsiColor::BrightRed.on_default().bold());

const EXAMPLES: &str = "\
Examples:
  roomrtc                                      open the window
  roomrtc config.ron rtc.example.org           … with these settings, at this server
  roomrtc --video test --audio test            … and send the test picture and tone
  roomrtc record call.jsonl                    … and record its calls, for a bug report
  roomrtc replay call.jsonl                    run a recorded call again
  roomrtc headless --help                      the same client for scripts, without a window

Without CONFIG the settings come from ./config.ron, else from roomrtc/config.ron in your configuration
folder, else they are the built-in ones.";

const HEADLESS_EXAMPLES: &str = "\
Examples:
  PASSWORD=secret roomrtc headless --server wss://127.0.0.1:8443 --user bot --password-env PASSWORD \\
      --register --answer any --video test --audio test --accept-files received
  PASSWORD=secret roomrtc headless --user ana --password-env PASSWORD --call bot --duration 10 \\
      --video test --audio test --send report.pdf --screenshot-remote bot.png

Every line of output is one JSON object; commands are read from the standard input, one JSON object a line:
  {\"do\":\"mute\"}  {\"do\":\"send\",\"path\":\"a.txt\"}  {\"do\":\"hangup\"}  {\"do\":\"quit\"}
docs/headless.md lists them all.

Exit status: 0 if what was asked for happened, 1 if not, 2 if the command line or the settings are wrong.";

const RECORD_HELP: &str = "\
A recording has every control message, the headers of media packets, timers and restarts, each with its time. It has
no picture, no sound, no name, no password and no key, and addresses only if you ask for them. In the window the
actors (F12) have a button that records the running call.";

const REPLAY_HELP: &str = "\
Exit status: 0 if the machines of this program do what those of the recording did, 1 if not; the first difference is
printed. 2 if the file is no recording; the line that is wrong is named.";

/// Video calls over a server of your own.
#[derive(Debug, Parser)]
#[command(name = "roomrtc", version, styles = STYLES, after_help = EXAMPLES, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct Cli {
    /// Something else than the window.
    #[command(subcommand)]
    pub mode: Option<Mode>,
    /// The window.
    #[command(flatten)]
    pub window: Window,
}

/// What the program can be besides a window.
#[derive(Debug, Subcommand)]
pub enum Mode {
    /// The same client without a window, for scripts, tests and bots
    #[command(after_help = HEADLESS_EXAMPLES)]
    Headless(Box<Headless>),
    /// The window, with its calls recorded into a file: what a bug report needs
    #[command(after_help = RECORD_HELP)]
    Record(Box<Record>),
    /// Run the machines of a recorded call again, and tell the first difference
    #[command(after_help = REPLAY_HELP)]
    Replay(Replay),
}

/// `roomrtc record FILE`.
#[derive(Args, Debug)]
pub struct Record {
    /// The recording; a file that is there is replaced
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Write addresses too: of this machine, the other party and the servers
    #[arg(long)]
    pub addresses: bool,
    /// See [`Window`].
    #[command(flatten)]
    pub window: Window,
}

/// `roomrtc replay FILE`.
#[derive(Args, Debug)]
pub struct Replay {
    /// The recording
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Settings and server, as every mode takes them.
#[derive(Args, Debug)]
pub struct Settings {
    /// Change one setting; may be repeated (docs/configuration.md lists them)
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
    /// Accept only the server with this certificate, without asking
    #[arg(long, value_name = "sha256:…")]
    pub server_fingerprint: Option<CertificateHash>,
}

/// What is sent in calls.
#[derive(Args, Debug)]
pub struct Media {
    /// Pictures: `camera`, `camera:NAME`, `test`, `none`, or a media file
    #[arg(long, value_name = "SOURCE", value_parser = video, help_heading = "Media")]
    pub video: Option<VideoChoice>,
    /// Sound: `mic`, `mic:NAME`, `test`, `none`, or a media file
    #[arg(long, value_name = "SOURCE", value_parser = audio, help_heading = "Media")]
    pub audio: Option<AudioChoice>,
    /// The video codec to prefer
    #[arg(long, help_heading = "Media")]
    pub codec: Option<Codec>,
}

/// Who to be.
#[derive(Args, Debug)]
pub struct Account {
    /// Log in as this user
    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Account",
        requires = "password_env"
    )]
    pub user: Option<String>,
    /// The environment variable that holds the password
    #[arg(long, value_name = "VARIABLE", help_heading = "Account", requires = "user")]
    pub password_env: Option<String>,
    /// Make the account first, if the name is free
    #[arg(long, help_heading = "Account", requires = "user")]
    pub register: bool,
}

/// `roomrtc [CONFIG] [SERVER]`.
#[derive(Args, Debug)]
pub struct Window {
    /// The settings file
    #[arg(value_name = "CONFIG")]
    pub config: Option<PathBuf>,
    /// The server: HOST, HOST:PORT or wss://HOST:PORT
    #[arg(value_name = "SERVER")]
    pub server: Option<String>,
    /// See [`Settings`].
    #[command(flatten)]
    pub settings: Settings,
    /// See [`Account`].
    #[command(flatten)]
    pub account: Account,
    /// Call this user as soon as they are available
    #[arg(long, value_name = "NAME", help_heading = "Account", requires = "user")]
    pub call: Option<String>,
    /// Go back at once to the call in which an earlier run died, if there is one
    #[arg(long, help_heading = "Account")]
    pub rejoin: bool,
    /// Open with the actors panel (F12)
    #[arg(long)]
    pub actors: bool,
    /// Take the first incoming call by itself, after it has rung for so long
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Account", requires = "user")]
    pub answer_after: Option<Duration>,
    /// See [`Media`].
    #[command(flatten)]
    pub media: Media,
    /// Where the window shall be, in pixels
    #[arg(long, value_name = "X,Y", value_parser = pair::<i32, ','>, help_heading = "Window", allow_hyphen_values = true)]
    pub window_at: Option<(i32, i32)>,
    /// How large the window shall be, in pixels
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = pair::<u32, 'x'>, help_heading = "Window")]
    pub window_size: Option<(u32, u32)>,
}

/// `roomrtc headless`.
#[derive(Args, Debug)]
pub struct Headless {
    /// The settings file
    #[arg(value_name = "CONFIG")]
    pub config: Option<PathBuf>,
    /// The server: HOST, HOST:PORT or wss://HOST:PORT [default: client.server of the settings]
    #[arg(long, value_name = "SERVER")]
    pub server: Option<String>,
    /// See [`Settings`].
    #[command(flatten)]
    pub settings: Settings,

    /// Log in as this user
    #[arg(long, value_name = "NAME", help_heading = "Account")]
    pub user: String,
    /// The environment variable that holds the password
    #[arg(long, value_name = "VARIABLE", help_heading = "Account")]
    pub password_env: String,
    /// Make the account first, if the name is free
    #[arg(long, help_heading = "Account")]
    pub register: bool,
    /// End another session of this user instead of failing
    #[arg(long, help_heading = "Account")]
    pub take_over: bool,

    /// Go on with the call in which an earlier run of this client died, if there is one
    #[arg(long, help_heading = "Call")]
    pub rejoin: bool,
    /// Call this user
    #[arg(long, value_name = "NAME", help_heading = "Call", conflicts_with = "answer")]
    pub call: Option<String>,
    /// Take calls of `any` user or of this one only; `decline` refuses them
    #[arg(long, value_name = "WHOM", value_parser = answer, help_heading = "Call")]
    pub answer: Option<Answer>,
    /// Hang up and end after this long in a call; without --call and --answer: after this long online
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Call")]
    pub duration: Option<Duration>,
    /// How long to wait for the called user to be available, or for a call to answer
    /// [default: 10 with --call; 60 with --answer and --duration; else without end]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Call")]
    pub wait: Option<Duration>,
    /// With --answer: stay for further calls when one is over
    #[arg(long, help_heading = "Call", requires = "answer")]
    pub stay: bool,

    /// See [`Media`].
    #[command(flatten)]
    pub media: Media,
    /// Save the peer's picture one second into the call
    #[arg(long, value_name = "FILE.png", help_heading = "Media")]
    pub screenshot_remote: Option<PathBuf>,

    /// Send this file once the call is connected; may be repeated
    #[arg(long, value_name = "FILE", help_heading = "Files")]
    pub send: Vec<PathBuf>,
    /// Take offered files into this folder
    #[arg(
        long,
        value_name = "DIR",
        help_heading = "Files",
        conflicts_with = "reject_files"
    )]
    pub accept_files: Option<PathBuf>,
    /// Refuse offered files
    #[arg(long, help_heading = "Files")]
    pub reject_files: bool,

    /// Record the calls into this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub record: Option<PathBuf>,
    /// Write addresses into the recording too
    #[arg(long, help_heading = "Output", requires = "record")]
    pub record_addresses: bool,
    /// Time between two `stats` lines; 0 for none
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1", help_heading = "Output")]
    pub stats_interval: Duration,
}

/// Whose calls to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Everybody's.
    Any,
    /// This user's; all others are refused.
    Only(String),
    /// Nobody's.
    Decline,
}

/// The video codecs by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Codec {
    /// H.264, constrained baseline
    H264,
    /// VP8
    Vp8,
}

impl Media {
    /// What to send: as the command line says, else as the settings say.
    pub fn choice(&self, config: &Config) -> MediaChoice {
        let device = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        let settings = &config.media;
        let video = self.video.clone().unwrap_or_else(|| match settings.video {
            VideoSource::Camera => VideoChoice::Camera(device(&settings.camera)),
            VideoSource::Test => VideoChoice::Test,
            VideoSource::None => VideoChoice::None,
        });
        let audio = self.audio.clone().unwrap_or_else(|| match settings.audio {
            AudioSource::Microphone => AudioChoice::Microphone(device(&settings.microphone)),
            AudioSource::Test => AudioChoice::Test,
            AudioSource::None => AudioChoice::None,
        });
        let codec = self.codec.map(|codec| match codec {
            Codec::H264 => VideoCodec::H264,
            Codec::Vp8 => VideoCodec::Vp8,
        });
        MediaChoice { video, audio, codec }
    }
}

fn video(text: &str) -> Result<VideoChoice, String> {
    Ok(match text {
        "camera" => VideoChoice::Camera(None),
        "test" => VideoChoice::Test,
        "none" => VideoChoice::None,
        other => match other.strip_prefix("camera:") {
            Some(name) => VideoChoice::Camera(Some(name.to_owned())),
            None => VideoChoice::File(media_file(other)?),
        },
    })
}

fn audio(text: &str) -> Result<AudioChoice, String> {
    Ok(match text {
        "mic" => AudioChoice::Microphone(None),
        "test" => AudioChoice::Test,
        "none" => AudioChoice::None,
        other => match other.strip_prefix("mic:") {
            Some(name) => AudioChoice::Microphone(Some(name.to_owned())),
            None => AudioChoice::File(media_file(other)?),
        },
    })
}

fn media_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.is_file() {
        true => Ok(path),
        false => Err(format!("there is no such source, and no file {text:?}")),
    }
}

fn answer(text: &str) -> Result<Answer, String> {
    Ok(match text {
        "" => return Err("whose calls?".into()),
        "any" => Answer::Any,
        "decline" => Answer::Decline,
        name => Answer::Only(name.to_owned()),
    })
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "expected a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

/// Two numbers with a separator between them.
fn pair<T: FromStr, const SEPARATOR: char>(text: &str) -> Result<(T, T), String> {
    let read = |number: &str| number.trim().parse().ok();
    text.split_once(SEPARATOR)
        .and_then(|(a, b)| Some((read(a)?, read(b)?)))
        .ok_or_else(|| format!("expected two numbers with {SEPARATOR:?} between them"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    fn headless(line: &str) -> Headless {
        match parse(line).unwrap().mode {
            Some(Mode::Headless(headless)) => *headless,
            _ => panic!("not headless"),
        }
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_window_takes_a_configuration_and_a_server() {
        let fingerprint = CertificateHash::of_der(b"x").to_string();
        let cli = parse(&format!(
            "roomrtc config.ron 127.0.0.1:8443 --set media.fps=15 --server-fingerprint {fingerprint} \
             --user ana --password-env P --register --window-at 10,-20 --window-size 960x720 --call ben"
        ))
        .unwrap();
        assert!(cli.mode.is_none());
        assert_eq!(cli.window.config, Some("config.ron".into()));
        assert_eq!(cli.window.server.as_deref(), Some("127.0.0.1:8443"));
        assert_eq!(cli.window.window_at, Some((10, -20)));
        assert_eq!(cli.window.window_size, Some((960, 720)));
        assert_eq!(
            cli.window.settings.server_fingerprint.unwrap().to_string(),
            fingerprint
        );
    }

    #[test]
    fn a_script_says_all_it_wants_in_one_line() {
        let asked = headless(
            "roomrtc headless --server wss://h:1 --user ana --password-env P --register --call ben --video test \
             --audio none --codec vp8 --send a --send b --accept-files d --duration 2.5 --stats-interval 0 \
             --screenshot-remote x.png",
        );
        assert_eq!(asked.call.as_deref(), Some("ben"));
        assert_eq!(asked.duration, Some(Duration::from_millis(2500)));
        assert_eq!(asked.send, [PathBuf::from("a"), PathBuf::from("b")]);
        let media = asked.media.choice(&Config::default());
        assert_eq!(media.video, VideoChoice::Test);
        assert_eq!(media.audio, AudioChoice::None);
        assert_eq!(media.codec, Some(VideoCodec::Vp8));
    }

    #[test]
    fn a_recording_is_made_in_the_window_and_without_it_and_run_again() {
        let cli =
            parse("roomrtc record call.jsonl --addresses config.ron host:1 --user ana --password-env P")
                .unwrap();
        let Some(Mode::Record(record)) = cli.mode else {
            panic!("not recording")
        };
        assert_eq!((record.file, record.addresses), ("call.jsonl".into(), true));
        assert_eq!(record.window.server.as_deref(), Some("host:1"));
        let asked = headless("roomrtc headless --user ana --password-env P --record call.jsonl");
        assert_eq!(asked.record, Some("call.jsonl".into()));
        let Some(Mode::Replay(replay)) = parse("roomrtc replay call.jsonl").unwrap().mode else {
            panic!("no replay")
        };
        assert_eq!(replay.file, PathBuf::from("call.jsonl"));
    }

    #[test]
    fn whose_calls_are_taken() {
        for (word, expected) in [
            ("any", Answer::Any),
            ("decline", Answer::Decline),
            ("ben", Answer::Only("ben".into())),
        ] {
            let asked = headless(&format!(
                "roomrtc headless --user a --password-env P --answer {word}"
            ));
            assert_eq!(asked.answer, Some(expected));
        }
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for line in [
            "roomrtc headless",
            "roomrtc headless --user a",
            "roomrtc headless --user a --password-env P --call b --answer any",
            "roomrtc headless --user a --password-env P --accept-files d --reject-files",
            "roomrtc headless --user a --password-env P --video no-such-file.mp4",
            "roomrtc headless --user a --password-env P --duration -1",
            "roomrtc --user ana",
            "roomrtc record",
            "roomrtc replay",
            "roomrtc headless --user a --password-env P --record-addresses",
            "roomrtc --server-fingerprint sha256:12",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
