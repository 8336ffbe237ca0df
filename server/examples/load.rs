//! The server under load: memory an idle client, logins a second, and how fast messages are relayed.
//!
//! `cargo run --release -p roomrtc-server --example load [CLIENTS]` starts a server process of its own (the example
//! itself, with `--serve`), connects 2,000 clients unless told otherwise, and prints one line a figure. Most accounts
//! are written into the database beforehand: to register them all would mostly measure the clients' Argon2id.

#![allow(clippy::unwrap_used)] // a measurement that cannot go on shall stop

#[path = "../tests/client/mod.rs"]
mod client;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use client::{Client, tls};
use roomrtc_kit::config::Config;
use roomrtc_protocol::signaling::messages::{CallId, ClientMessage, ServerMessage};
use roomrtc_protocol::signaling::{CertificateHash, UserName};
use roomrtc_server::Server;
use roomrtc_server::store::{Account, SqliteStore, Store};
use sha2::{Digest, Sha256};
use tokio::task::{JoinSet, LocalSet};
use tokio_rustls::rustls;

const PASSWORD: &str = "correct horse battery staple";

/// Connects, logs in and disconnects at one time: enough to keep the server busy.
const PARALLEL: usize = 32;

/// Logins by password.
const PASSWORDS: usize = 100;

/// Logins by token that are timed.
const LOGINS: usize = 2_000;

/// Messages a pair sends in the measurement of throughput.
const BURST: usize = 3_000;

/// Pairs of parties in a call.
const PAIRS: usize = 20;

/// Messages whose way is timed, one after another.
const PINGS: usize = 2_000;

/// The size of a usual ICE candidate with its wrapping.
const CANDIDATE: &str =
    "candidate:842163049 1 udp 1677729535 203.0.113.77 46154 typ srflx raddr 10.0.17.1 rport 46154";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let count = |text: &String| text.parse().expect("the number of clients");
    if arguments.first().is_some_and(|first| first == "--serve") {
        return serve(arguments.get(1).map_or(0, count));
    }
    let clients = arguments.first().map_or(2_000, count);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, measure(clients));
}

/// The server's process: ends with its standard input.
fn serve(accounts: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::default();
    let server = &mut config.server;
    server.listen = ([127, 0, 0, 1], 0).into();
    server.data_dir = folder.path().into();
    server.max_connections = 100_000;
    server.attempts_per_address = 1_000_000;
    server.attempts_per_user = 1_000_000;
    server.login_delay_first_ms = 0;
    server.message_rate = 100_000;
    server.message_burst = 100_000;
    // Silent clients stay, so that the figures are of the clients and not of their heartbeats.
    server.heartbeat_interval_ms = 60_000;
    server.heartbeat_timeout_ms = 300_000;
    let mut store = SqliteStore::open(&folder.path().join(&config.server.database)).unwrap();
    for index in 0..accounts {
        let user = UserName::parse(&name(index)).unwrap();
        store
            .add_account(&Account {
                user: user.clone(),
                password_file: vec![0; 192],
            })
            .unwrap();
        let later = SystemTime::now() + Duration::from_secs(3600);
        store
            .add_token(&Sha256::digest(name(index)).into(), &user, later)
            .unwrap();
    }
    drop(store);
    let server = Server::start(&config).unwrap();
    println!("{} {}", server.address(), server.fingerprint());
    let _ = std::io::stdin().read_line(&mut String::new());
    server.stop();
}

/// A user, and the token of that user.
fn name(index: usize) -> String {
    format!("user{index}")
}

/// The server under measurement.
struct Subject {
    process: Child,
    address: SocketAddr,
    certificate: CertificateHash,
    tls: tokio_rustls::TlsConnector,
}

/// What the kernel says of a process.
#[derive(Clone, Copy)]
struct Usage {
    cpu: Duration,
    resident_kb: u64,
}

impl Subject {
    fn start(accounts: usize) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--serve", &accounts.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let (address, certificate) = line.trim().split_once(' ').unwrap();
        let certificate = certificate.parse().unwrap();
        let tls = tls(certificate, rustls::ALL_VERSIONS);
        Subject {
            process,
            address: address.parse().unwrap(),
            certificate,
            tls,
        }
    }

    async fn visitor(&self) -> Client {
        let mut client = Client::connect_silently(self.address, &self.tls, self.certificate).await;
        client.hello().await;
        client
    }

    /// Logs in by the token that was prepared.
    async fn user(&self, index: usize) -> Client {
        let mut client = self.visitor().await;
        client.resume(&name(index)).await.unwrap();
        client
    }

    fn usage(&self) -> Usage {
        let id = self.process.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        let resident_kb = resident.trim().trim_end_matches(" kB").parse().unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        // proc(5): fields 14 and 15 (utime, stime), in hundredths of a second.
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Usage {
            cpu: Duration::from_millis(ticks * 10),
            resident_kb,
        }
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

async fn measure(clients: usize) {
    let subject = Arc::new(Subject::start(clients.max(2 * PAIRS).max(PARALLEL)));
    idle(&subject, clients).await;
    passwords(&subject).await;
    logins(&subject).await;
    relay(&subject).await;
}

/// Logins by password: the client's Argon2id sets the pace, so only the server's CPU says something.
async fn passwords(subject: &Subject) {
    subject
        .visitor()
        .await
        .register("password", PASSWORD)
        .await
        .unwrap();
    let before = subject.usage();
    for _ in 0..PASSWORDS {
        subject
            .visitor()
            .await
            .log_in("password", PASSWORD, true)
            .await
            .unwrap();
    }
    let cpu = subject.usage().cpu - before.cpu;
    println!(
        "connect + login, password  {:>9.2} ms of the server's CPU each",
        cpu.as_secs_f64() * 1e3 / PASSWORDS as f64
    );
}

/// Connections and logins by token, some users again and again.
async fn logins(subject: &Arc<Subject>) {
    let (before, began) = (subject.usage(), Instant::now());
    let mut tasks = JoinSet::new();
    for index in 0..PARALLEL {
        let subject = subject.clone();
        tasks.spawn_local(async move {
            for _ in 0..LOGINS / PARALLEL {
                subject.user(index).await;
            }
        });
    }
    tasks.join_all().await;
    let (count, elapsed) = (LOGINS / PARALLEL * PARALLEL, began.elapsed());
    let cpu = subject.usage().cpu - before.cpu;
    println!(
        "connect + login by token   {:>9.0} a second   {:.2} ms of the server's CPU each",
        count as f64 / elapsed.as_secs_f64(),
        cpu.as_secs_f64() * 1e3 / count as f64
    );
}

/// Messages between the parties of calls.
async fn relay(subject: &Arc<Subject>) {
    let mut pairs = Vec::new();
    for index in 0..PAIRS {
        pairs.push(pair(subject, index).await);
    }
    let (one, other, call) = &mut pairs[0];
    let mut times = Vec::new();
    for _ in 0..PINGS {
        let began = Instant::now();
        one.send(candidate(*call)).await;
        assert!(matches!(other.next().await, ServerMessage::Candidate { .. }));
        times.push(began.elapsed());
    }
    times.sort();
    println!(
        "relay of one message       p50 {:>6.3} ms   p99 {:.3} ms",
        times[PINGS / 2].as_secs_f64() * 1e3,
        times[PINGS * 99 / 100].as_secs_f64() * 1e3
    );
    let (before, began) = (subject.usage(), Instant::now());
    let mut tasks = JoinSet::new();
    for (mut one, mut other, call) in pairs {
        tasks.spawn_local(async move {
            for _ in 0..BURST {
                one.send(candidate(call)).await;
            }
            one
        });
        tasks.spawn_local(async move {
            for _ in 0..BURST {
                assert!(matches!(other.next().await, ServerMessage::Candidate { .. }));
            }
            other
        });
    }
    let parties = tasks.join_all().await;
    let (count, elapsed) = (BURST * PAIRS, began.elapsed());
    let cpu = subject.usage().cpu - before.cpu;
    println!(
        "relay of many messages     {:>9.0} a second   {:.1} us of the server's CPU each",
        count as f64 / elapsed.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / count as f64
    );
    drop(parties);
}

async fn pair(subject: &Subject, index: usize) -> (Client, Client, CallId) {
    let mut one = subject.user(2 * index).await;
    let mut other = subject.user(2 * index + 1).await;
    let call = one.call(&name(2 * index + 1)).await.unwrap();
    other.rings().await;
    other.send(ClientMessage::Accept { call }).await;
    one.hears_accepted(call).await;
    other.hears_accepted(call).await;
    (one, other, call)
}

fn candidate(call: CallId) -> ClientMessage {
    ClientMessage::Candidate {
        call,
        candidate: CANDIDATE.into(),
        mid: "0".into(),
    }
}

/// Clients that are logged in and say nothing.
async fn idle(subject: &Arc<Subject>, clients: usize) {
    let before = subject.usage();
    let mut here = Vec::with_capacity(clients);
    for index in 0..clients {
        here.push(subject.user(index).await);
    }
    // What is still under way arrives.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = subject.usage();
    println!(
        "memory                     {:>9.1} kB an idle client   ({clients} clients, {} MB in all)",
        (after.resident_kb - before.resident_kb) as f64 / clients as f64,
        after.resident_kb / 1024
    );
}
