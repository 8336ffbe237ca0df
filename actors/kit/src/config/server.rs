//! The signaling server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::section::{any, choice, each, is_host_and_port, length, matching, range, section};

choice! {
    /// What accepts TLS connections.
    TlsBackend {
        /// rustls: TLS 1.3 and 1.2.
        Rustls = "rustls",
        /// The system's library: TLS 1.2.
        Native = "native",
    }
}

/// Whether a text is the address of a page's server, or none.
fn is_public_url(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .map(|rest| rest.trim_end_matches('/'));
    text.is_empty()
        || host.is_some_and(|host| is_host_and_port(host) || is_host_and_port(&format!("{host}:0")))
}

/// Whether a text is the URI of a TURN server.
fn is_turn_server(text: &str) -> bool {
    let (way, transport) = text.split_once('?').unwrap_or((text, "transport=udp"));
    let plain = way
        .strip_prefix("turn:")
        .map(|host| (host, ["transport=udp", "transport=tcp"].as_slice()));
    let secure = way
        .strip_prefix("turns:")
        .map(|host| (host, ["transport=tcp"].as_slice()));
    let tls_by_default = secure.is_some() && !text.contains('?');
    plain.or(secure).is_some_and(|(host, transports)| {
        let host = is_host_and_port(host) || is_host_and_port(&format!("{host}:0"));
        host && (tls_by_default || transports.contains(&transport))
    })
}

section! {
    /// The signaling server: accounts, presence, calls.
    Server, "server" {
        /// Address and port it listens on; port 0 leaves the choice to the system.
        listen: SocketAddr = (Ipv4Addr::UNSPECIFIED, 8443).into(), any();

        /// Folder of its accounts, certificate and log; empty means `roomrtc/server` in the user's data folder
        /// ($XDG_DATA_HOME, ~/.local/share).
        data_dir: PathBuf = PathBuf::new(), any();

        /// File of the accounts (SQLite), within `data_dir` unless the path is absolute.
        database: PathBuf = "accounts.sqlite".into(), any();

        /// Certificate chain, PEM, within `data_dir` unless the path is absolute. If neither it nor the key is there,
        /// a self-signed one is made.
        certificate: PathBuf = "certificate.pem".into(), any();

        /// Private key of the certificate, PEM (PKCS #8), likewise.
        private_key: PathBuf = "private_key.pem".into(), any();

        /// Names and addresses in the self-signed certificate.
        certificate_names: Vec<String> = vec!["localhost".into(), "127.0.0.1".into(), "::1".into()], any();

        /// What accepts TLS: rustls speaks TLS 1.3 and 1.2, native (the system's library) only 1.2.
        tls: TlsBackend = TlsBackend::Rustls, any();

        /// Connections the system holds for it to accept.
        backlog: u32 = 1024, range(1..=65_535);

        /// Clients at one time; further ones are told that the server is full.
        max_connections: usize = 10_000, range(1..=1_000_000);

        /// Threads that serve connections; 0 means one a processor.
        threads: usize = 0, range(0..=256);

        /// Time a connection has for the TLS handshake.
        tls_timeout_ms: u64 = 10_000, range(100..=120_000), from_millis(tls_timeout);

        /// Time it then has for its HTTP request.
        header_timeout_ms: u64 = 10_000, range(100..=120_000), from_millis(header_timeout);

        /// Largest HTTP request head.
        header_max_bytes: usize = 8192, range(8192..=65_536);

        /// Time it then has to log in.
        login_timeout_ms: u64 = 10_000, range(100..=600_000), from_millis(login_timeout);

        /// Largest message before login.
        frame_before_login_bytes: usize = 8192, range(4096..=1_048_576);

        /// Largest message after login.
        frame_bytes: usize = 262_144, range(16_384..=16_777_216);

        /// Bytes that wait for a client that reads slowly; with more it is cut off.
        queue_bytes: usize = 262_144, range(16_384..=67_108_864);

        /// Messages that wait for a client that reads slowly; with more it is cut off.
        queue_messages: usize = 1024, range(16..=65_536);

        /// Messages a second a client may send on average.
        message_rate: u32 = 100, range(1..=100_000);

        /// Messages a client may send at once.
        message_burst: u32 = 500, range(1..=100_000);

        /// Time between two heartbeats to a client.
        heartbeat_interval_ms: u64 = 1000, range(50..=60_000), from_millis(heartbeat_interval);

        /// Silence after which a client's connection is closed. Together with `resume_grace_ms` it is the time until a
        /// dead client is offline and the other party of its call knows.
        heartbeat_timeout_ms: u64 = 3000, range(100..=300_000), from_millis(heartbeat_timeout);

        /// Time a lost client has to come back before it is offline, and its call ends if it still rings.
        resume_grace_ms: u64 = 1500, range(0..=300_000), from_millis(resume_grace);

        /// Time an accepted call then waits for the client to be started anew and to rejoin; 0 ends it at once.
        rejoin_timeout_ms: u64 = 45_000, range(0..=3_600_000), from_millis(rejoin_timeout);

        /// Time without progress after which a part of the server, or a whole thread of it, counts as hung and is
        /// replaced. Longer than any one step may take.
        hang_timeout_ms: u64 = 10_000, range(500..=600_000), from_millis(hang_timeout);

        /// Time a call rings.
        ring_timeout_ms: u64 = 45_000, range(100..=600_000), from_millis(ring_timeout);

        /// Time a session token stays good without use.
        token_life_s: u64 = 30 * 24 * 3600, range(60..=31_536_000), from_secs(token_life);

        /// Where browsers find this server, for the links that invite guests; empty means the address the inviting
        /// client uses.
        public_url: String = String::new(), matching("https://HOST or https://HOST:PORT; empty", is_public_url);

        /// Time a link that invites a guest is good.
        invite_life_s: u64 = 24 * 3600, range(1..=31_536_000), from_secs(invite_life);

        /// Time a guest's page can come back to its session; after that its name is free again.
        guest_life_s: u64 = 24 * 3600, range(60..=31_536_000), from_secs(guest_life);

        /// Links a user may have open at one time.
        invites_per_user: usize = 20, range(1..=1_000);

        /// TURN servers that clients get logins for, so that they can call through any NAT or firewall
        /// (docs/self-hosting.md).
        turn_servers: Vec<String> = Vec::new(),
            each(matching("turn:HOST[:PORT][?transport=udp or tcp] or turns:HOST[:PORT]", is_turn_server));

        /// File with the secret the TURN servers know (coturn's `static-auth-secret`), within `data_dir` unless the path
        /// is absolute.
        turn_secret: PathBuf = "turn_secret".into(), any();

        /// Time a login at the TURN servers is good.
        turn_life_s: u64 = 24 * 3600, range(300..=604_800), from_secs(turn_life);

        /// Whether new accounts can be made.
        registration: bool = true, any();

        /// Longest user name, in characters.
        user_name_max_chars: usize = 32, range(1..=64);

        /// Attempts to log in or register per minute from one address (IPv6: one /64).
        attempts_per_address: u32 = 120, range(1..=1_000_000);

        /// Attempts to log in per minute to one account.
        attempts_per_user: u32 = 20, range(1..=1_000_000);

        /// Wait after the first failed login to an account; doubles with each further one.
        login_delay_first_ms: u64 = 100, range(0..=60_000), from_millis(login_delay_first);

        /// Longest such wait.
        login_delay_max_ms: u64 = 5000, range(0..=600_000), from_millis(login_delay_max);

        /// Time clients have to hear the server's goodbye when it ends.
        goodbye_timeout_ms: u64 = 2000, range(0..=60_000), from_millis(goodbye_timeout);

        /// Unix socket on which the server's owner asks about its actors (`roomrtc-server inspect`); empty means
        /// `admin.sock` in the data folder.
        admin_socket: PathBuf = PathBuf::new(), any();

        /// Name the server gives itself to clients.
        name: String = "RoomRTC".into(), length(1..=64);
    }
}

impl Server {
    /// [`Server::data_dir`], or the usual folder.
    pub fn data_folder(&self) -> PathBuf {
        super::data_folder(&self.data_dir, "server")
    }

    /// [`Server::admin_socket`], or the usual one.
    pub fn admin_socket_path(&self) -> PathBuf {
        match self.admin_socket.as_os_str().is_empty() {
            true => self.data_folder().join("admin.sock"),
            false => self.admin_socket.clone(),
        }
    }
}
