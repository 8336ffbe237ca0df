//! The session against a foreign peer: OpenSSL's command, over UDP.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use roomrtc_protocol::srtp::Contexts;

use super::*;

/// The `openssl` command at the other end of a socket of ours.
struct Foreigner {
    process: Child,
    /// What it prints, line by line.
    lines: mpsc::UnboundedReceiver<String>,
}

fn openssl(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments).stderr(Stdio::null());
    command
}

/// Makes its key and certificate, and tells the fingerprint.
fn identity(folder: &Path) -> Fingerprint {
    let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem \
                   -days 2 -subj /CN=foreigner";
    let made = openssl(folder, &request.split_whitespace().collect::<Vec<_>>()).status();
    assert!(made.expect("the openssl command is needed").success());
    let shown = openssl(
        folder,
        &["x509", "-in", "cert.pem", "-noout", "-fingerprint", "-sha256"],
    )
    .output();
    let text = String::from_utf8(shown.unwrap().stdout).unwrap();
    format!("sha-256 {}", text.trim().split_once('=').unwrap().1)
        .parse()
        .unwrap()
}

impl Foreigner {
    fn start(folder: &Path, profile: &str, role: &[&str]) -> Self {
        let common = [
            "-dtls1_2",
            "-cert",
            "cert.pem",
            "-key",
            "key.pem",
            "-use_srtp",
            profile,
        ];
        let export = ["-keymatexport", "EXTRACTOR-dtls_srtp", "-keymatexportlen"];
        let length = if profile.contains("GCM") { "56" } else { "60" };
        let arguments = [role, &common, &export, &[length]].concat();
        let mut process = openssl(folder, &arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (said, lines) = mpsc::unbounded_channel();
        thread::spawn(move || {
            output
                .lines()
                .map_while(Result::ok)
                .all(|line| said.send(line).is_ok())
        });
        Foreigner { process, lines }
    }

    /// Waits for a line with this in it and gives what follows.
    async fn says(&mut self, part: &str) -> String {
        loop {
            let line = tokio::time::timeout(Duration::from_secs(10), self.lines.recv()).await;
            let line = line.expect("it says nothing more").expect("it has ended");
            if let Some((_, rest)) = line.split_once(part) {
                return rest.to_owned();
            }
        }
    }
}

impl Drop for Foreigner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Connects a session of ours to the foreigner through `socket` and lets both talk.
async fn meet(client: bool, profile: &str) {
    let folder = tempfile::tempdir().unwrap();
    let remote = identity(folder.path());
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
    let peer: Arc<Mutex<Option<SocketAddr>>> = Arc::default();
    let mut foreigner = if client {
        let port = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        *peer.lock().unwrap() = Some(SocketAddr::from(([127, 0, 0, 1], port)));
        let role = ["s_server", "-Verify", "1", "-port", &port.to_string()];
        let mut foreigner = Foreigner::start(folder.path(), profile, &role);
        foreigner.says("ACCEPT").await;
        foreigner
    } else {
        let address = socket.local_addr().unwrap().to_string();
        Foreigner::start(folder.path(), profile, &["s_client", "-connect", &address])
    };
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let (session, srtp, mut news) = session(&socket, &peer);
    let certificate = Certificate::generate().unwrap();
    session.tell(StartHandshake {
        client,
        remote,
        certificate,
    });
    let mut next = async || {
        let news = tokio::time::timeout(Duration::from_secs(10), news.recv()).await;
        news.expect("nothing happens").unwrap()
    };
    let connected = next().await;
    assert!(
        matches!(connected, News::Event(DtlsEvent::Connected { .. })),
        "{connected:?}"
    );

    // The same keys on both sides, told by the foreigner's own export.
    let material = hex::decode(foreigner.says("Keying material: ").await).unwrap();
    let ours = if profile.contains("GCM") {
        Profile::AeadAes128Gcm
    } else {
        Profile::Aes128CmHmacSha1_80
    };
    let mut theirs = Contexts::new(ours, &material, !client).unwrap();
    let packet = [0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 42];
    assert_eq!(
        theirs.unprotect_rtp(&srtp.protect_rtp(&packet).unwrap()).unwrap(),
        &packet[..]
    );

    // Records of our own, both ways.
    session.tell(SendRecords(vec![Bytes::from_static(b"hello foreigner\n")]));
    foreigner.says("hello foreigner").await;
    foreigner
        .process
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"greetings\n")
        .unwrap();
    let News::Packets(packets) = next().await else {
        panic!("no packet")
    };
    assert_eq!(packets, [&b"greetings\n"[..]]);
}

/// A session whose network is a socket.
fn session(
    socket: &Arc<UdpSocket>,
    peer: &Arc<Mutex<Option<SocketAddr>>>,
) -> (Addr<DtlsSession>, Srtp, mpsc::UnboundedReceiver<News>) {
    let session = Addr::<DtlsSession>::new("dtls_session");
    let (told, news) = mpsc::unbounded_channel();
    let told_too = told.clone();
    let (out, to) = (socket.clone(), peer.clone());
    let srtp = Srtp::default();
    let setup = DtlsSetup {
        srtp: srtp.clone(),
        ice: Port::new(move |SendDatagrams(datagrams)| {
            let to = to.lock().unwrap().unwrap();
            datagrams
                .iter()
                .for_each(|datagram| drop(out.send_to(datagram, to)));
        }),
        sctp: Port::new(move |SctpPackets(packets)| drop(told.send(News::Packets(packets)))),
        events: Port::new(move |event| drop(told_too.send(News::Event(event)))),
        settings: DtlsSettings::default(),
        counters: Arc::default(),
        session: Keep::default(),
        begun: Arc::default(),
    };
    Spec::new(&session, &Arbiter::current(), move || {
        DtlsSession::new(setup.clone())
    })
    .launch(Port::new(|_: Down| {}));
    let (inbound, socket, peer) = (session.clone(), socket.clone(), peer.clone());
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            *peer.lock().unwrap() = Some(from);
            inbound.tell(DtlsDatagrams(vec![Bytes::copy_from_slice(&buffer[..length])]));
        }
    });
    (session, srtp, news)
}

#[test]
fn openssl_is_met_as_client_and_as_server_with_either_profile() {
    for profile in ["SRTP_AEAD_AES_128_GCM", "SRTP_AES128_CM_SHA1_80"] {
        for client in [true, false] {
            run(meet(client, profile));
        }
    }
}
