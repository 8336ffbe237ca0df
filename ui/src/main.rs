//! `roomrtc`: the desktop client, in a window or, for scripts, without one.
//!
//! The composition root: reads settings, starts logs, builds the engine of calls, and hands all of it to the client.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use iced::Size;
use roomrtc::app::{Errand, WindowSettings};
use roomrtc::cli::{Cli, Headless, Mode, Record, Settings, Window};
use roomrtc::habits::Habits;
use roomrtc::recording::{CallRecorder, words};
use roomrtc::{app, environment, headless, replay};
use roomrtc_actors::call::engine::Engine;
use roomrtc_actors::client::{self, ClientHandle, ClientSetup};
use roomrtc_actors::recorder::Recorder;
use roomrtc_actors::ui_bridge::{MediaChoice, Password};
use roomrtc_actors::unfinished_call::UnfinishedCall;
use roomrtc_kit::config::Config;
use roomrtc_kit::telemetry::Telemetry;
use roomrtc_kit::{Directory, anew, telemetry};

/// Wrong command line, wrong settings, or no screen for a window: nothing was begun.
const NOT_BEGUN: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.mode {
        Some(Mode::Headless(headless)) => without_window(headless),
        Some(Mode::Record(record)) => in_window(&record.window, Some(record)),
        Some(Mode::Replay(asked)) => replay::run(&asked.file),
        None => in_window(&cli.window, None),
    };
    result.unwrap_or_else(|error| {
        eprintln!("roomrtc: {error:#}");
        ExitCode::from(NOT_BEGUN)
    })
}

fn without_window(cli: &Headless) -> anyhow::Result<ExitCode> {
    let config = Config::load(cli.config.as_deref(), &cli.settings.set)?.config;
    // before there are threads: it may start this program anew
    environment::choose(false);
    let password = password(&cli.password_env)?;
    let recorder = Recorder::default();
    let calls = CallRecorder::new(recorder.clone(), &config);
    let (client, _telemetry) = start(&config, &cli.settings, cli.media.choice(&config), recorder)?;
    if let Some(file) = &cli.record {
        calls
            .start_named(file, cli.record_addresses)
            .map_err(anyhow::Error::msg)?;
    }
    Ok(headless::run(client, calls, cli, &config, password))
}

fn in_window(cli: &Window, record: Option<&Record>) -> anyhow::Result<ExitCode> {
    let config = Config::load(cli.config.as_deref(), &cli.settings.set)?.config;
    let screen = ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "DISPLAY"];
    anyhow::ensure!(
        screen
            .iter()
            .any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty())),
        "there is no screen to open a window on (neither DISPLAY nor WAYLAND_DISPLAY is set); \
         `roomrtc headless --help` tells how to do without"
    );
    // before there are threads: it may start this program anew
    environment::choose(true);
    let errand = match (&cli.account.user, &cli.account.password_env) {
        (Some(user), Some(variable)) => Some(Errand {
            user: user.clone(),
            password: password(variable)?.0,
            register: cli.account.register,
            call: cli.call.clone(),
            answer_after: cli.answer_after,
        }),
        _ => None,
    };
    let media = cli.media.choice(&config);
    let mut habits = Habits::from(&config.client);
    if let Some((width, height)) = cli.window_size {
        habits.size = Size::new(width as f32, height as f32);
    }
    let settings = WindowSettings {
        data_dir: config.client.data_folder(),
        download_dir: config.client.download_folder(),
        server: cli.server.clone(),
        media: media.clone(),
        admin_socket: Some(config.server.admin_socket_path()),
        unfinished: UnfinishedCall::load(&config.client.data_folder()),
        rejoin: cli.rejoin,
        actors: cli.actors,
        errand,
        position: cli.window_at,
        habits,
    };
    let recorder = Recorder::default();
    let calls = CallRecorder::new(recorder.clone(), &config);
    let (client, _telemetry) = start(&config, &cli.settings, media, recorder)?;
    if let Some(record) = record {
        calls
            .start_named(&record.file, record.addresses)
            .map_err(anyhow::Error::msg)?;
    }
    app::run(client, calls.clone(), settings)?;
    calls.stop();
    if record.is_some() {
        println!("{}", words(&calls.state().borrow()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts logs and the client; the logs end with the second value.
fn start(
    config: &Config,
    settings: &Settings,
    media: MediaChoice,
    recorder: Recorder,
) -> anyhow::Result<(ClientHandle, Telemetry)> {
    let telemetry = telemetry::start(&config.logging, &config.client.data_folder())?;
    Directory::allow_chaos(config.debug.chaos);
    let config = Arc::new(config.clone());
    let engine = Engine::new(config.clone()).context("no certificate for calls")?;
    let engine = engine.recorded_by(recorder);
    let setup = ClientSetup {
        config,
        media,
        server_fingerprint: settings.server_fingerprint,
        engine: Arc::new(engine),
        hung: Box::new(start_anew),
    };
    Ok((client::start(setup)?, telemetry))
}

/// Nothing inside can mend this.
fn start_anew() {
    let Err(error) = anew::after_a_hang(Some("--rejoin"));
    eprintln!("roomrtc: nothing moves any more, and it cannot be started anew: {error}");
    std::process::exit(1);
}

fn password(variable: &str) -> anyhow::Result<Password> {
    let password =
        std::env::var(variable).with_context(|| format!("the password, environment variable {variable}"))?;
    Ok(Password(password))
}
