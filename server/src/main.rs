//! `roomrtc-server`: the signaling server as a program.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use roomrtc_kit::config::Config;
use roomrtc_kit::telemetry::{self, Telemetry};
use roomrtc_kit::{Directory, anew};
use roomrtc_server::{RunningServer, Server};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::interval;

/// The signaling server of RoomRTC: accounts, presence and calls, over one port.
///
/// It needs no configuration: without one it listens on port 8443, keeps its accounts in the user's data folder and
/// makes itself a certificate. Clients pin the fingerprint that it prints.
#[derive(Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "\
Examples:
  roomrtc-server
  roomrtc-server /etc/roomrtc/config.ron
  roomrtc-server --set server.listen=127.0.0.1:0 --set server.data_dir=/tmp/roomrtc
  roomrtc-server check /etc/roomrtc/config.ron
  roomrtc-server inspect /etc/roomrtc/config.ron

Signals: SIGTERM and Ctrl-C say goodbye to all clients and end the server; SIGHUP loads the certificate anew."
)]
struct Arguments {
    /// The configuration file [default: ./config.ron, then roomrtc/config.ron in the configuration folder]
    #[arg(value_name = "CONFIG")]
    config: Option<PathBuf>,

    /// Override one key of the configuration; may be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", global = true)]
    overrides: Vec<String>,

    #[command(subcommand)]
    mode: Option<Mode>,
}

#[derive(Subcommand)]
enum Mode {
    /// Check certificate, port, STUN and TURN servers, and say how to mend what is wrong
    Check {
        /// The configuration file of the server
        #[arg(value_name = "CONFIG")]
        config: Option<PathBuf>,
    },

    /// Show the actors of the running server: mailboxes, messages, restarts
    Inspect {
        /// The configuration file of that server
        #[arg(value_name = "CONFIG")]
        config: Option<PathBuf>,

        /// Its admin socket, if not where the configuration says
        #[arg(long, value_name = "PATH")]
        socket: Option<PathBuf>,

        /// Print one look as plain lines, for scripts
        #[arg(long)]
        once: bool,
    },
}

/// Wrong command line, wrong settings, or no way to listen: nothing was begun.
const NOT_BEGUN: u8 = 2;

/// How often the program looks whether the server has ended by itself.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Mode::Inspect { config, socket, once }) = &arguments.mode {
        return match inspect(config.as_deref(), socket.clone(), *once, &arguments.overrides) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("roomrtc-server inspect: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    if let Some(Mode::Check { config }) = &arguments.mode {
        return match check(config.as_deref(), &arguments.overrides) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("roomrtc-server check: {error:#}");
                ExitCode::from(NOT_BEGUN)
            }
        };
    }
    let outcome = match start(&arguments) {
        Ok((server, _telemetry)) => run(server).map_err(|error| (error, ExitCode::FAILURE)),
        Err(error) => Err((error, ExitCode::from(NOT_BEGUN))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err((error, code)) => {
            eprintln!("roomrtc-server: {error:#}");
            code
        }
    }
}

fn inspect(
    config: Option<&Path>,
    socket: Option<PathBuf>,
    once: bool,
    overrides: &[String],
) -> anyhow::Result<()> {
    let path = match socket {
        Some(path) => path,
        None => Config::load(config, overrides)?.config.server.admin_socket_path(),
    };
    roomrtc_server::inspect::run(&path, once)
}

fn check(config: Option<&Path>, overrides: &[String]) -> anyhow::Result<bool> {
    let config = Config::load(config, overrides)?.config;
    roomrtc_server::check::run(&config, &mut std::io::stdout().lock())
}

/// Starts logs and the server; the logs end with the second value.
fn start(arguments: &Arguments) -> anyhow::Result<(RunningServer, Telemetry)> {
    let config = Config::load(arguments.config.as_deref(), &arguments.overrides)?.config;
    // The log lies among the server's secrets, so the folder is made first, for its owner alone.
    let folder = roomrtc_server::data_folder(&config)?;
    let telemetry = telemetry::start(&config.logging, &folder)?;
    Directory::allow_chaos(config.debug.chaos);
    Ok((Server::start(&config)?, telemetry))
}

/// Says where the server listens, and stays until it ends.
fn run(server: RunningServer) -> anyhow::Result<()> {
    server.guard(start_anew).context("the server cannot be guarded")?;
    say_where(&server);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(watch(&server));
    server.stop();
    outcome
}

/// Prints the address, whole and at once. Without a reader the server runs all the same.
fn say_where(server: &RunningServer) {
    let mut stdout = std::io::stdout();
    let (address, fingerprint) = (server.address(), server.fingerprint());
    let _ = writeln!(stdout, "listening on wss://{address} fingerprint {fingerprint}")
        .and_then(|()| stdout.flush());
}

/// Nothing inside can mend a hang of the supervisors; sessions and calls outlive a new start.
fn start_anew() {
    let Err(error) = anew::after_a_hang(None);
    eprintln!("roomrtc-server: nothing moves any more, and it cannot be started anew: {error}");
    std::process::exit(1);
}

/// Returns when the server shall end, or has ended by itself.
async fn watch(server: &RunningServer) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be received")?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut look = interval(WATCH_INTERVAL);
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => match server.reload_certificate() {
                Ok(()) => tracing::info!(fingerprint = %server.fingerprint(), "the certificate was loaded anew"),
                Err(error) => tracing::error!(error = &error as &dyn std::error::Error, "the old certificate stays"),
            },
            _ = look.tick() => anyhow::ensure!(server.is_running(), "the server ended by itself; see its log"),
        }
    }
}
