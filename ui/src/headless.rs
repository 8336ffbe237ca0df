//! The client without a window, for scripts, tests and bots (`roomrtc headless`).
//!
//! Reading order: this file (the loop), [`agenda`] (what was asked for and what comes of it), [`report`] (what is
//! printed), [`order`] (what can be told), [`screenshot`]. What a script sees is described in `docs/headless.md`.

use std::collections::HashMap;
use std::io::{BufRead, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use roomrtc_actors::client::ClientHandle;
use roomrtc_actors::recorder::State;
use roomrtc_actors::stats::CallStats;
use roomrtc_actors::ui_bridge::{Command, MediaChoice, Password};
use roomrtc_actors::unfinished_call::UnfinishedCall;
use roomrtc_kit::config::Config;
use roomrtc_kit::inspect::Request;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

mod agenda;
mod channels;
mod order;
mod report;
mod screenshot;

use agenda::{Agenda, Asked, Files, Step, Timer};
use order::{Meaning, Order, View};
use report::Report;

use crate::cli;
use crate::recording::CallRecorder;

/// How long the client may take to say goodbye.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Orders that may wait; a script that gives more waits.
const ORDERS: usize = 64;

/// A figure may come this much before its time, for the clock that prints is not the one that counts.
const STATS_SLACK: Duration = Duration::from_millis(100);

/// Runs until what the command line asks for has happened, or cannot.
pub fn run(
    client: ClientHandle,
    recorder: CallRecorder,
    cli: &cli::Headless,
    config: &Config,
    password: Password,
) -> ExitCode {
    let asked = asked(cli, config, password);
    recorder.hide(&cli.user);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print(&Report::error("internal", error.to_string()));
            return ExitCode::FAILURE;
        }
    };
    let media = cli.media.choice(config);
    let run = Headless::new(client, recorder, media, asked, cli.stats_interval);
    let verdict = runtime.block_on(run.live());
    // A thread that waits for the standard input is left behind.
    runtime.shutdown_background();
    match verdict {
        Ok(()) => ExitCode::SUCCESS,
        Err(missing) => {
            print(&Report::error("not_done", missing));
            ExitCode::FAILURE
        }
    }
}

fn asked(cli: &cli::Headless, config: &Config, password: Password) -> Asked {
    let files = match (&cli.accept_files, cli.reject_files) {
        (Some(directory), _) => Files::Accept(directory.clone()),
        (None, true) => Files::Reject,
        (None, false) => Files::Wait,
    };
    Asked {
        server: cli.server.clone().unwrap_or_else(|| config.client.server.clone()),
        user: cli.user.clone(),
        password,
        register: cli.register,
        take_over: cli.take_over,
        rejoin: cli.rejoin && UnfinishedCall::load(&config.client.data_folder()).is_some(),
        call: cli.call.clone(),
        answer: cli.answer.clone(),
        stay: cli.stay,
        duration: cli.duration,
        wait: cli.wait,
        send: cli.send.clone(),
        files,
        screenshot: cli.screenshot_remote.clone(),
    }
}

/// A run.
struct Headless {
    client: ClientHandle,
    recorder: CallRecorder,
    /// What is sent.
    media: MediaChoice,
    agenda: Agenda,
    first: Vec<Step>,
    timers: HashMap<Timer, Instant>,
    stats_interval: Duration,
    stats_at: Option<Instant>,
    connected_at: Option<Instant>,
    /// Set when the run is over: how long the client may still talk.
    ending: Option<Instant>,
    pictures: mpsc::Sender<Saved>,
    saved: mpsc::Receiver<Saved>,
}

/// A picture that was saved, or was not.
struct Saved {
    report: Report,
    ok: bool,
}

impl Headless {
    fn new(
        client: ClientHandle,
        recorder: CallRecorder,
        media: MediaChoice,
        asked: Asked,
        stats_interval: Duration,
    ) -> Self {
        let (agenda, first) = Agenda::new(asked);
        let (pictures, saved) = mpsc::channel(ORDERS);
        Headless {
            client,
            recorder,
            media,
            agenda,
            first,
            timers: HashMap::new(),
            stats_interval,
            stats_at: None,
            connected_at: None,
            ending: None,
            pictures,
            saved,
        }
    }

    /// The loop: what the client, the script, the system and the clock say, one after the other.
    async fn live(mut self) -> Result<(), String> {
        let Some(mut events) = self.client.take_events() else {
            return Err("somebody else listens to the client".into());
        };
        let mut stats = self.client.stats();
        let mut recording = self.recorder.state();
        recording.mark_changed();
        let mut orders = listen();
        let (mut interrupt, mut terminate) =
            match (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) {
                (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
                (Err(error), _) | (_, Err(error)) => return Err(error.to_string()),
            };
        let first = std::mem::take(&mut self.first);
        self.take(first);
        loop {
            let next = self.next_timer();
            let wake = next.map_or_else(far, |(at, _)| at);
            let steps = tokio::select! {
                biased;
                event = events.recv() => match event {
                    Some(event) => self.agenda.event(event),
                    None => break,
                },
                Some(saved) = self.saved.recv() => {
                    self.agenda.saved(saved.ok);
                    vec![Step::Report(saved.report)]
                }
                Some(line) = orders.recv() => self.order(&line),
                _ = interrupt.recv() => self.agenda.quit(),
                _ = terminate.recv() => self.agenda.quit(),
                Ok(()) = recording.changed() => recorded(&mut recording),
                Ok(()) = stats.changed() => self.figures(&mut stats),
                () = sleep_until(wake) => match next {
                    Some((_, Some(timer))) => {
                        self.timers.remove(&timer);
                        self.agenda.timer(timer)
                    }
                    // The client does not end: its thread is left behind.
                    Some((_, None)) => break,
                    None => Vec::new(),
                },
            };
            self.take(steps);
        }
        self.recorder.stop();
        if recording.has_changed().unwrap_or_default() {
            let last = recorded(&mut recording);
            self.take(last);
        }
        self.agenda.verdict()
    }

    /// When to come back, and for which timer; none of them means that the client has talked long enough.
    fn next_timer(&self) -> Option<(Instant, Option<Timer>)> {
        let timers = self.timers.iter().map(|(&timer, &at)| (at, Some(timer)));
        timers
            .chain(self.ending.map(|at| (at, None)))
            .min_by_key(|&(at, _)| at)
    }

    fn take(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Report(report) => self.report(report),
                Step::Command(command) => self.client.send(command),
                Step::Arm(timer, after) => {
                    self.timers.insert(timer, Instant::now() + after);
                }
                Step::Screenshot(view, path) => self.screenshot(view, path),
                Step::Finish => {
                    self.ending = Some(Instant::now() + LAST_WORDS);
                    self.client.send(Command::Quit);
                }
            }
        }
    }

    fn report(&mut self, mut report: Report) {
        match &mut report {
            Report::Connected { .. } => self.connected_at = Some(Instant::now()),
            Report::Ended { duration_ms, .. } => {
                *duration_ms = self.connected_at.take().map(|at| at.elapsed().as_millis() as u64);
                self.timers.remove(&Timer::Elapsed);
                self.stats_at = None;
            }
            _ => {}
        }
        print(&report);
    }

    fn figures(&mut self, stats: &mut watch::Receiver<CallStats>) -> Vec<Step> {
        let due = self
            .stats_at
            .is_none_or(|at| at.elapsed() + STATS_SLACK >= self.stats_interval);
        if !self.agenda.in_call() || self.stats_interval.is_zero() || !due {
            stats.mark_unchanged();
            return Vec::new();
        }
        self.stats_at = Some(Instant::now());
        vec![Step::Report(Report::Stats(Box::new(
            stats.borrow_and_update().clone(),
        )))]
    }

    fn order(&mut self, line: &str) -> Vec<Step> {
        match Order::parse(line).and_then(Order::meaning) {
            Ok(Meaning::Command(command)) => vec![Step::Command(command)],
            Ok(Meaning::ChooseVideo(video)) => {
                self.media.video = video;
                vec![Step::Command(Command::ChooseMedia(self.media.clone()))]
            }
            Ok(Meaning::Screenshot(view, path)) => vec![Step::Screenshot(view, path)],
            Ok(Meaning::Inspect(request)) => inspect(request).into_iter().collect(),
            Ok(Meaning::Record(file, addresses)) => {
                // What goes wrong is told as what became of it.
                let _ = self.recorder.start(&file, addresses);
                Vec::new()
            }
            Ok(Meaning::StopRecording) => {
                self.recorder.stop();
                Vec::new()
            }
            Ok(Meaning::Quit) => self.agenda.quit(),
            Err(error) => vec![Step::Report(Report::error("bad_command", error))],
        }
    }

    /// Saves the peer's picture, away from this thread.
    fn screenshot(&self, view: View, path: PathBuf) {
        let slot = match view {
            View::Camera => self.client.remote(),
            View::Screen => self.client.screen(),
        };
        let (frame, done) = (slot.latest().1, self.pictures.clone());
        let save = move || {
            let Some(frame) = frame else {
                return Saved {
                    report: Report::error("screenshot_failed", "there is no picture"),
                    ok: false,
                };
            };
            match screenshot::save(&frame, &path) {
                Ok(()) => {
                    let report = Report::Screenshot {
                        path,
                        width: frame.width,
                        height: frame.height,
                    };
                    Saved { report, ok: true }
                }
                Err(error) => {
                    let message = format!("{}: {error}", path.display());
                    Saved {
                        report: Report::error("screenshot_failed", message),
                        ok: false,
                    }
                }
            }
        };
        tokio::spawn(async move {
            if let Ok(saved) = tokio::task::spawn_blocking(save).await {
                // Nobody listens any more once the run is over.
                let _ = done.send(saved).await;
            }
        });
    }
}

/// What became of the recording.
fn recorded(recording: &mut watch::Receiver<State>) -> Vec<Step> {
    let state = recording.borrow_and_update();
    Report::of_recording(&state)
        .map(Step::Report)
        .into_iter()
        .collect()
}

/// Asks about the actors, or orders one about; the answer is a report.
fn inspect(request: Request) -> Option<Step> {
    let report = match request.carry_out() {
        Ok(actors) => Report::Actors { actors: actors? },
        Err(refusal) => Report::error(refusal.code(), refusal.to_string()),
    };
    Some(Step::Report(report))
}

/// Long after any run.
fn far() -> Instant {
    Instant::now() + Duration::from_secs(365 * 24 * 3600)
}

/// Prints one line, whole and at once. Without a reader the run goes on.
fn print(report: &Report) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", report.line()).and_then(|()| out.flush());
}

/// The lines of the standard input, read by a thread of their own; its end is no order.
fn listen() -> mpsc::Receiver<String> {
    let (lines, orders) = mpsc::channel(ORDERS);
    let read = move || {
        let mut input = std::io::stdin().lock();
        while let Ok(Some(line)) = read_line(&mut input) {
            if !line.trim().is_empty() && lines.blocking_send(line).is_err() {
                return;
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("orders".into()).spawn(read) {
        tracing::warn!(%error, "no orders can be taken");
    }
    orders
}

/// A line without its end; of one that is too long, just enough to be refused. None at the end of the input.
fn read_line(input: &mut impl BufRead) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    let limit = order::MAX_LINE as u64 + 1;
    if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 == limit {
        skip_line(input)?;
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}

/// Reads up to the end of the line and forgets it.
fn skip_line(input: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let (used, over) = match buffer.iter().position(|&byte| byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        input.consume(used);
        if over {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_refused_and_the_next_one_read() {
        let long = "x".repeat(order::MAX_LINE * 3);
        let text = format!("{long}\n{{\"do\":\"quit\"}}\nlast");
        let mut input = std::io::BufReader::with_capacity(100, text.as_bytes());
        let first = read_line(&mut input).unwrap().unwrap();
        assert!(Order::parse(&first).is_err());
        assert_eq!(
            Order::parse(&read_line(&mut input).unwrap().unwrap()),
            Ok(Order::Quit {})
        );
        assert_eq!(read_line(&mut input).unwrap().as_deref(), Some("last"));
        assert_eq!(read_line(&mut input).unwrap(), None);
    }
}
