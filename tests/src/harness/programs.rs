//! `roomrtc-server` and `roomrtc headless` as child processes, spoken to by their documented lines.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::sound_devices::Room;
use super::virtual_screen::VirtualScreen;

/// A program that has not said what it was waited for by then has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Lines that may wait to be read; a client that says more meanwhile waits.
const LINES: usize = 4096;
/// Passwords travel by this environment variable.
const PASSWORD: &str = "ROOMRTC_TEST_PASSWORD";

/// Where cargo put the program of that name: beside the running test or program.
pub fn program(name: &str) -> Result<PathBuf> {
    let here = std::env::current_exe().context("where am I?")?;
    here.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is not built: cargo build --release --bin {name}"))
}

/// The program of that name on a machine of its own, or on this one.
fn command(name: &str, machine: Option<&str>) -> Result<Command> {
    let program = program(name)?;
    Ok(match machine {
        None => Command::new(program),
        Some(machine) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", machine]).arg(program);
            command
        }
    })
}

/// A running server, ended when dropped.
pub struct Server {
    child: Child,
    /// `wss://ADDRESS:PORT`.
    pub url: String,
    /// `sha256:…`.
    pub fingerprint: String,
    /// Certificates the clients' system vouches for, instead of its own.
    pub roots: Option<PathBuf>,
    folder: TempDir,
    settings: Vec<String>,
}

impl Server {
    /// Starts one on a free loopback port with a fresh store; `settings` are `--set` values.
    pub fn start(settings: &[&str]) -> Result<Self> {
        let settings = [&["server.listen=127.0.0.1:0"], settings].concat();
        Server::start_on(None, &settings)
    }

    /// Starts one on a machine of its own, where it listens at `address`.
    pub fn start_at(machine: &str, address: &str, settings: &[&str]) -> Result<Self> {
        let listen = format!("server.listen={address}:0");
        Server::start_on(Some(machine), &[&[listen.as_str()], settings].concat())
    }

    fn start_on(machine: Option<&str>, settings: &[&str]) -> Result<Self> {
        let folder = TempDir::new()?;
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        let (child, url, fingerprint) = Server::launch(machine, folder.path(), &settings)?;
        Ok(Server {
            child,
            url,
            fingerprint,
            roots: None,
            folder,
            settings,
        })
    }

    /// The process, where it listens and its fingerprint.
    fn launch(machine: Option<&str>, folder: &Path, settings: &[String]) -> Result<(Child, String, String)> {
        let mut command = command("roomrtc-server", machine)?;
        set(&mut command, "server.data_dir", &folder.join("server"));
        set(&mut command, "logging.file", &folder.join("server.log"));
        // An empty folder: no configuration file of this machine gets in.
        let mut child = command
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["listening", "on", url, "fingerprint", fingerprint] = words[..] else {
            bail!("the server said: {line:?}");
        };
        Ok((child, url.into(), fingerprint.into()))
    }

    /// Starts it once more after [`Server::kill`], on the same port with the same store and settings.
    pub fn start_again(&mut self) -> Result<()> {
        self.child.wait()?;
        let address = self.url.trim_start_matches("wss://");
        self.settings.push(format!("server.listen={address}"));
        let again = Server::launch(None, self.folder.path(), &self.settings)?;
        (self.child, self.url, self.fingerprint) = again;
        Ok(())
    }

    /// Resident memory of the server, bytes.
    pub fn resident_bytes(&self) -> Result<u64> {
        resident_bytes(self.child.id())
    }

    /// Ends the server without a goodbye; its folder stays.
    pub fn kill(&self) -> Result<()> {
        let killed = Command::new("kill")
            .args(["-KILL", &self.child.id().to_string()])
            .status()?;
        ensure!(killed.success(), "the server had ended already");
        Ok(())
    }

    /// A folder that lives as long as the server.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A client of this server that registers `user` and does what `options` say.
    pub fn client(&self, user: &str, options: &[&str]) -> Result<Headless> {
        self.client_on(None, user, options)
    }

    /// The same on a machine of its own.
    pub fn client_at(&self, machine: &str, user: &str, options: &[&str]) -> Result<Headless> {
        self.client_on(Some(machine), user, options)
    }

    /// The same with the microphone and the speakers of this room.
    pub fn client_in(&self, room: &Room, user: &str, options: &[&str]) -> Result<Headless> {
        let mut command = self.headless(None)?;
        command.env("PULSE_SERVER", room.server());
        self.spawn(command, user, options)
    }

    /// A window of this server's that registers `user`.
    pub fn window(&self, screen: &VirtualScreen, user: &str, options: &[&str]) -> Result<Headless> {
        let mut command = command("roomrtc", None)?;
        let address = format!("client.server={}", self.url.trim_start_matches("wss://"));
        command.args(["--set", &address, "--server-fingerprint", &self.fingerprint]);
        command
            .env("DISPLAY", screen.display())
            .env_remove("WAYLAND_DISPLAY");
        self.spawn(command, user, options)
    }

    fn client_on(&self, machine: Option<&str>, user: &str, options: &[&str]) -> Result<Headless> {
        self.spawn(self.headless(machine)?, user, options)
    }

    fn headless(&self, machine: Option<&str>) -> Result<Command> {
        let mut command = command("roomrtc", machine)?;
        command.args([
            "headless",
            "--server",
            &self.url,
            "--server-fingerprint",
            &self.fingerprint,
        ]);
        Ok(command)
    }

    fn spawn(&self, mut command: Command, user: &str, options: &[&str]) -> Result<Headless> {
        let folder = self.folder.path().join(user);
        command.args(["--user", user, "--password-env", PASSWORD, "--register"]);
        set(&mut command, "client.data_dir", &folder);
        set(&mut command, "logging.file", &folder.join("client.log"));
        command.args(options);
        command.env(PASSWORD, format!("{user}'s own password"));
        if let Some(roots) = &self.roots {
            command.env("SSL_CERT_FILE", roots);
        }
        Headless::spawn(user, command.current_dir(self.folder.path()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A running headless client, or another program that tells in JSON lines what happens; ended when dropped.
pub struct Headless {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    /// Everything it said so far.
    pub said: Vec<Value>,
}

impl Headless {
    pub(super) fn spawn(name: &str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let stdin = child.stdin.take();
        let (sender, lines) = sync_channel(LINES);
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        Ok(Headless {
            name: name.into(),
            child,
            stdin,
            lines,
            said: Vec::new(),
        })
    }

    /// Lets the program do nothing for a while, as if its machine slept.
    pub fn sleep(&self, time: Duration) -> Result<()> {
        for (signal, pause) in [("-STOP", time), ("-CONT", Duration::ZERO)] {
            let id = self.child.id().to_string();
            let sent = Command::new("kill").args([signal, &id]).status()?;
            ensure!(sent.success(), "{} had ended already", self.name);
            std::thread::sleep(pause);
        }
        Ok(())
    }

    /// Ends the program without a goodbye.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// The user's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next event of that name, within [`PATIENCE`].
    pub fn wait_for(&mut self, event: &str) -> Result<Value> {
        self.wait_until(event, |value| value["event"] == event)
    }

    /// The next line `wanted` likes, within [`PATIENCE`].
    pub fn wait_until(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self
                .lines
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(value) => {
                    self.said.push(value.clone());
                    if wanted(&value) {
                        return Ok(value);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{} did not say {what}; it said {:#?}", self.name, self.said)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!(
                        "{} ended without saying {what}; it said {:#?}",
                        self.name,
                        self.said
                    )
                }
            }
        }
    }

    /// A line `wanted` likes: one it has said already, or the next, within [`PATIENCE`].
    pub fn has_said(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        match self.said.iter().find(|line| wanted(line)) {
            Some(line) => Ok(line.clone()),
            None => self.wait_until(what, wanted),
        }
    }

    /// Takes note of everything it has said by now.
    pub fn read(&mut self) {
        self.said.extend(self.lines.try_iter());
    }

    /// Gives an order, one JSON object.
    pub fn order(&mut self, order: &Value) -> Result<()> {
        let stdin = self.stdin.as_mut().context("stdin is open")?;
        writeln!(stdin, "{order}")?;
        Ok(stdin.flush()?)
    }

    /// Waits for the end and tells how it was; collects what was said until then.
    pub fn finish(&mut self) -> Result<ExitStatus> {
        let end = Instant::now() + PATIENCE;
        loop {
            self.said.extend(self.lines.try_iter());
            if let Some(status) = self.child.try_wait()? {
                // The reader ends with the pipe: what is left arrives now.
                self.said.extend(self.lines.iter());
                return Ok(status);
            }
            if Instant::now() > end {
                bail!("{} does not end", self.name);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// CPU time this process has used so far.
    pub fn cpu_seconds(&self) -> Option<f64> {
        self.said
            .iter()
            .rev()
            .find_map(|line| line["process"]["cpu_s"].as_f64())
    }

    /// Processor time as the system counts it, seconds.
    pub fn processor_time(&self) -> Result<f64> {
        /// Ticks of the clock in which it does (`getconf CLK_TCK`), the same on every Linux of today.
        const TICKS: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let (_, fields) = stat.rsplit_once(')').context("stat")?;
        let ticks = |at: usize| -> Result<f64> {
            let field = fields.split_whitespace().nth(at).context("stat")?;
            Ok(field.parse()?)
        };
        Ok((ticks(11)? + ticks(12)?) / TICKS)
    }

    /// All lines of one event so far.
    pub fn events<'a>(&'a self, event: &'a str) -> impl Iterator<Item = &'a Value> {
        self.said.iter().filter(move |line| line["event"] == event)
    }
}

impl Drop for Headless {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

fn set(command: &mut Command, key: &str, path: &Path) {
    command.arg("--set").arg(format!("{key}={}", path.display()));
}

fn end(child: &mut Child) {
    // Both fail only if the program has ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

fn resident_bytes(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}
