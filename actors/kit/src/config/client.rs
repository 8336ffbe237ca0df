//! The client: its server, its folders, its window.

use std::path::PathBuf;

use super::section::{any, choice, is_host_and_port, matching, range, section};

choice! {
    /// The colours of the window.
    Theme {
        /// As the system.
        System = "system",
        /// Dark.
        Dark = "dark",
        /// Light.
        Light = "light",
    }
}

/// Whether a text names a server, or none.
fn is_server(text: &str) -> bool {
    let host = text.strip_prefix("wss://").unwrap_or(text);
    text.is_empty() || is_host_and_port(host) || is_host_and_port(&format!("{host}:0"))
}

/// Whether a text is the fingerprint of a certificate, or none.
fn is_fingerprint(text: &str) -> bool {
    let Some(digits) = text.strip_prefix("sha256:") else {
        return text.is_empty();
    };
    let digits: String = digits.chars().filter(|&c| c != ':').collect();
    digits.len() == 64 && digits.chars().all(|c| c.is_ascii_hexdigit())
}

section! {
    /// The client: its server, its folders, its window.
    Client, "client" {
        /// The server, unless the command line names one.
        server: String = "127.0.0.1:8443".into(), matching("HOST, HOST:PORT or wss://HOST:PORT; empty: ask", is_server);

        /// Fingerprint of the server's certificate, trusted without asking; empty means: the system's authorities,
        /// else ask at first use.
        server_fingerprint: String = String::new(), matching("sha256: and 64 hexadecimal digits; empty", is_fingerprint);

        /// Folder of known servers, settings and log; empty means `roomrtc/client` in the user's data folder
        /// ($XDG_DATA_HOME, ~/.local/share).
        data_dir: PathBuf = PathBuf::new(), any();

        /// Folder for received files; empty means the user's download folder.
        download_dir: PathBuf = PathBuf::new(), any();

        /// Time connecting to the server may take, TLS and greeting included.
        connect_timeout_ms: u64 = 10_000, range(100..=120_000), from_millis(connect_timeout);

        /// Time the server has to answer a request.
        request_timeout_ms: u64 = 10_000, range(100..=120_000), from_millis(request_timeout);

        /// First pause before connecting again; doubles each time.
        reconnect_first_ms: u64 = 200, range(10..=60_000), from_millis(reconnect_first);

        /// Longest pause before connecting again. Short, so that a server that was started anew knows its users and
        /// their calls again within two seconds.
        reconnect_max_ms: u64 = 1_500, range(10..=600_000), from_millis(reconnect_max);

        /// The pauses vary by this much, so that clients do not all come at once.
        reconnect_jitter_percent: u32 = 20, range(0..=100);

        /// Time between two heartbeats to the server.
        heartbeat_interval_ms: u64 = 1000, range(50..=60_000), from_millis(heartbeat_interval);

        /// Silence of the server after which the connection counts as lost.
        heartbeat_timeout_ms: u64 = 4000, range(100..=300_000), from_millis(heartbeat_timeout);

        /// Largest message taken from the server.
        frame_bytes: usize = 262_144, range(16_384..=16_777_216);

        /// Messages that wait to be sent to the server; with more the connection counts as lost.
        queue_messages: usize = 1024, range(16..=65_536);

        /// Events that wait for the window or the script.
        event_queue: usize = 1024, range(64..=65_536);

        /// Time from accepting a call to its first media before it fails.
        setup_timeout_ms: u64 = 30_000, range(1000..=300_000), from_millis(setup_timeout);

        /// Time an interrupted call is tried to be connected again before it ends.
        call_reconnect_timeout_s: u64 = 60, range(1..=3600), from_secs(call_reconnect_timeout);

        /// Time between two sets of figures.
        stats_interval_ms: u64 = 1000, range(100..=60_000), from_millis(stats_interval);

        /// Restarts of parts of a call within `restart_period_s`; with one more the call fails.
        restart_limit: usize = 3, range(0..=1000);

        /// See `restart_limit`.
        restart_period_s: u64 = 30, range(1..=3600), from_secs(restart_period);

        /// Pause before the second restart within the period; doubles each time. The first is at once.
        restart_pause_first_ms: u64 = 50, range(0..=60_000), from_millis(restart_pause_first);

        /// Longest pause before a restart.
        restart_pause_max_ms: u64 = 2000, range(0..=60_000), from_millis(restart_pause_max);

        /// Time a part of the client has to stop before it is given up.
        stop_timeout_ms: u64 = 2000, range(10..=60_000), from_millis(stop_timeout);

        /// Time without progress after which a part of the client, or a whole thread of it, counts as hung and is
        /// replaced. Longer than any one step may take.
        hang_timeout_ms: u64 = 5000, range(500..=600_000), from_millis(hang_timeout);

        /// The colours of the window.
        theme: Theme = Theme::System, any();

        /// Width of the window when it opens.
        window_width: f32 = 1180.0, range(640.0..=7680.0);

        /// Height of the window when it opens.
        window_height: f32 = 780.0, range(480.0..=4320.0);

        /// Enlarges everything in the window.
        scale: f32 = 1.0, range(0.5..=4.0);

        /// Play a sound while a call comes in.
        ring_sound: bool = true, any();

        /// Sound file played then; empty means the built-in one.
        ring_file: PathBuf = PathBuf::new(), any();

        /// Tell the desktop of incoming calls and files.
        notifications: bool = true, any();

        /// Largest recording of a call, MiB; one that has become so large ends and says so. A call fills several a minute.
        recording_max_mib: u64 = 128, range(1..=65_536);

        /// Calls and files the lobby remembers.
        recent_entries: usize = 50, range(0..=1000);
    }
}

impl Client {
    /// [`Client::data_dir`], or the usual folder.
    pub fn data_folder(&self) -> PathBuf {
        super::data_folder(&self.data_dir, "client")
    }

    /// [`Client::download_dir`], or the user's.
    pub fn download_folder(&self) -> PathBuf {
        if !self.download_dir.as_os_str().is_empty() {
            return self.download_dir.clone();
        }
        let user = directories::UserDirs::new();
        let downloads = user.as_ref().and_then(|user| user.download_dir());
        downloads.map_or_else(|| self.data_folder().join("downloads"), Into::into)
    }
}
