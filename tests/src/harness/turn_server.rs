//! coturn, with the configuration that `docs/self-hosting.md` recommends.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::programs::{PATIENCE, Server};

/// The recommended configuration.
const CONFIGURATION: &str = include_str!("../../../docs/turnserver.conf");
/// What the tests' servers share with it.
const SECRET: &str = "the secret of the tests, which nobody else has";

/// The options of a client that is seen by its relays alone, on the address where [`TurnServer::start`] puts the server.
pub const SEEN_BY_RELAY_ALONE: [&str; 4] = [
    "--set",
    "ice.relay_only=true",
    "--set",
    "network.bind_addresses=127.0.0.1",
];

/// The ports of the configuration, for plain TURN and for TURN over TLS.
const PORTS: [u16; 2] = [3478, 443];

/// A running TURN server, ended when dropped.
pub struct TurnServer {
    child: Child,
    address: String,
    ports: [u16; 2],
    folder: TempDir,
}

impl TurnServer {
    /// Starts one at this address on a machine of its own.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_at(machine: &str, address: &str) -> Result<Self> {
        TurnServer::launch(Some(machine), address, PORTS, &[])
    }

    /// Starts one on free loopback ports, which lets through to this machine too.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start() -> Result<Self> {
        let free = [
            TcpListener::bind("127.0.0.1:0")?,
            TcpListener::bind("127.0.0.1:0")?,
        ];
        let ports = [free[0].local_addr()?.port(), free[1].local_addr()?.port()];
        drop(free);
        let open = ["allow-loopback-peers", "allowed-peer-ip=0.0.0.0-255.255.255.255"];
        TurnServer::launch(None, "127.0.0.1", ports, &open)
    }

    fn launch(machine: Option<&str>, address: &str, ports: [u16; 2], further: &[&str]) -> Result<Self> {
        let folder = TempDir::new()?;
        let place = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(place("secret"), SECRET)?;
        make_certificate(address, &place("certificate.pem"), &place("key.pem"))?;
        let mut configuration = CONFIGURATION.to_owned();
        for (word, value) in [
            ("PUBLIC_ADDRESS", address),
            ("REALM", "rtc.example"),
            ("SECRET", SECRET),
            ("CERTIFICATE_FILE", &place("certificate.pem")),
            ("PRIVATE_KEY_FILE", &place("key.pem")),
        ] {
            ensure!(configuration.contains(word), "{word} is not in the configuration");
            configuration = configuration.replace(word, value);
        }
        for (key, standard, port) in [
            ("\nlistening-port", PORTS[0], ports[0]),
            ("\ntls-listening-port", PORTS[1], ports[1]),
        ] {
            configuration = configuration.replace(&format!("{key}={standard}"), &format!("{key}={port}"));
        }
        for line in further {
            configuration += &format!("{line}\n");
        }
        for (key, name) in [("pidfile", "pid"), ("userdb", "users")] {
            configuration += &format!("{key}={}\n", place(name));
        }
        configuration += "log-file=stdout\n";
        std::fs::write(place("turnserver.conf"), configuration)?;
        Ok(TurnServer {
            child: spawn(machine, &place("turnserver.conf"))?,
            address: address.to_owned(),
            ports,
            folder,
        })
    }

    /// Ends it without a goodbye.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts one that was on this machine and [killed](TurnServer::kill), on its former ports.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start_again(&mut self) -> Result<()> {
        let configuration = self.folder.path().join("turnserver.conf");
        self.child = spawn(None, &configuration.display().to_string())?;
        Ok(())
    }

    /// The URI by which it is reached over UDP.
    pub fn over_udp(&self) -> String {
        format!("turn:{}:{}?transport=udp", self.address, self.ports[0])
    }

    /// `--set` values by which a server hands out logins for it, over these ways: `udp`, `tcp`, `tls`.
    pub fn settings(&self, ways: &[&str]) -> Vec<String> {
        let host = match self.address.contains(':') {
            true => format!("[{}]", self.address),
            false => self.address.clone(),
        };
        let uri = |way: &&str| match *way {
            "tls" => format!("turns:{host}:{}", self.ports[1]),
            way => format!("turn:{host}:{}?transport={way}", self.ports[0]),
        };
        let uris: Vec<String> = ways.iter().map(uri).collect();
        vec![
            format!("server.turn_servers={}", uris.join(",")),
            format!(
                "server.turn_secret={}",
                self.folder.path().join("secret").display()
            ),
        ]
    }

    /// A server on this machine that hands out logins for it, over these ways.
    ///
    /// # Errors
    /// If that does not come up.
    pub fn server(&self, ways: &[&str]) -> Result<Server> {
        let settings = self.settings(ways);
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        Server::start(&settings)
    }

    /// The certificate that vouches for it.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }
}

impl Drop for TurnServer {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts coturn, and waits until it serves.
fn spawn(machine: Option<&str>, configuration: &str) -> Result<Child> {
    let mut command = match machine {
        None => Command::new("turnserver"),
        Some(machine) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", machine, "turnserver"]);
            command
        }
    };
    let mut child = command
        .args(["-c", configuration])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("turnserver: install the package coturn")?;
    let said = child.stdout.take().context("stdout is piped")?;
    let (up, is_up) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            // The last thing it says before it serves; the rest is read so that it is never held up.
            if line.contains("DB connection success") {
                let _ = up.send(());
            }
        }
    });
    if let Err(error) = is_up.recv_timeout(PATIENCE) {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error).context("coturn does not come up");
    }
    Ok(child)
}

fn make_certificate(address: &str, certificate: &str, key: &str) -> Result<()> {
    let names = format!("subjectAltName=IP:{address}");
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args(["-days", "2", "-subj", "/CN=turn.rtc.example", "-addext", &names])
        .args(["-out", certificate, "-keyout", key])
        .output()
        .context("openssl")?;
    ensure!(
        made.status.success() && Path::new(key).exists(),
        "openssl: {}",
        String::from_utf8_lossy(&made.stderr)
    );
    Ok(())
}
