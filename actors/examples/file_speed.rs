//! How fast a file goes from one process to another over UDP loopback: disk, data channel, DTLS and ICE as in a
//! call, without the media.
//!
//! `cargo run --release -p roomrtc-actors --example file_speed -- [MiB]`
//!
//! Starts itself a second time as the receiver; the two signal to each other in lines over its standard streams.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use actix_rt::{Arbiter, System};
use roomrtc_actors::call_events::{AssociationLost, DtlsEvent, FileReport, IceEvent, PeerMedia};
use roomrtc_actors::dtls_session::{Certificate, DtlsSession, DtlsSettings, DtlsSetup, StartHandshake};
use roomrtc_actors::file_transfer::{
    AcceptFile, FileSettings, FileSetup, FileTransfers, SendFile, TransferIds,
};
use roomrtc_actors::ice_agent::{AddRemoteCandidate, IceAgent, IceSetup, SetRemoteCredentials};
use roomrtc_actors::recorder::Recorder;
use roomrtc_actors::rtcp_reporter::RtcpDatagrams;
use roomrtc_actors::rtp_receiver::RtpDatagrams;
use roomrtc_actors::sctp_association::{SctpAssociation, SctpSetup, StartAssociation};
use roomrtc_actors::srtp::Srtp;
use roomrtc_actors::ui_bridge::FileEvent;
use roomrtc_kit::config::{Ice, Network};
use roomrtc_kit::{Addr, Down, Keep, Port, Spec};
use roomrtc_protocol::ice::IceCredentials;
use roomrtc_protocol::sctp;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

type Failure = Box<dyn Error + Send + Sync>;

/// What an end hears from its actors and from the other process.
enum News {
    Line(String),
    File(FileEvent),
    Ice(IceEvent),
    Dtls(DtlsEvent),
}

fn main() -> Result<(), Failure> {
    let argument = std::env::args().nth(1);
    match argument.as_deref() {
        Some("--receive") => receive(),
        other => send(other.map_or(Ok(256), str::parse)?),
    }
}

/// The transport and file actors of one end.
struct End {
    ice: Addr<IceAgent>,
    dtls: Addr<DtlsSession>,
    sctp: Addr<SctpAssociation>,
    files: Addr<FileTransfers>,
    certificate: Certificate,
    /// What the other end has to know first.
    introduction: String,
}

fn start(offerer: bool, told: &UnboundedSender<News>) -> Result<End, Failure> {
    let ice = Addr::<IceAgent>::new("ice_agent");
    let dtls = Addr::<DtlsSession>::new("dtls_session");
    let sctp = Addr::<SctpAssociation>::new("sctp_association");
    let files = Addr::<FileTransfers>::new("file_transfer");
    let (certificate, credentials) = (Certificate::generate()?, IceCredentials::generate());
    let introduction = format!(
        "hello {} {} {}",
        credentials.ufrag,
        credentials.pwd,
        certificate.fingerprint()
    );
    let news = |told: &UnboundedSender<News>| told.clone();
    let (ice_news, dtls_news, file_news) = (news(told), news(told), news(told));
    let ice_setup = IceSetup {
        controlling: offerer,
        credentials,
        network: Network {
            bind_addresses: vec![[127, 0, 0, 1].into()],
            ..Network::default()
        },
        ice: Ice::default(),
        ice_servers: Vec::new(),
        events: Port::new(move |event| drop(ice_news.send(News::Ice(event)))),
        dtls: dtls.port(),
        rtp_audio: Port::new(|_: RtpDatagrams| {}),
        rtp_video: Port::new(|_: RtpDatagrams| {}),
        rtp_screen: Port::new(|_: RtpDatagrams| {}),
        rtcp: Port::new(|_: RtcpDatagrams| {}),
        sockets: Keep::default(),
        begun: Arc::default(),
        counters: Arc::default(),
        recorder: Recorder::default(),
    };
    let dtls_setup = DtlsSetup {
        srtp: Srtp::default(),
        ice: ice.port(),
        sctp: sctp.port(),
        events: Port::new(move |event| drop(dtls_news.send(News::Dtls(event)))),
        settings: DtlsSettings::default(),
        counters: Arc::default(),
        session: Keep::default(),
        begun: Arc::default(),
    };
    let sctp_setup = SctpSetup {
        dtls: dtls.port(),
        files: files.port(),
        peer_media: Port::new(|_: PeerMedia| {}),
        data: Port::new(|_| {}),
        settings: sctp::Settings::default(),
        max_channels: 64,
        lost: Port::new(|_: AssociationLost| {}),
        begun: Arc::default(),
        state: Keep::default(),
    };
    let file_setup = FileSetup {
        me: files.clone(),
        sctp: sctp.port(),
        events: Port::new(move |FileReport(event)| drop(file_news.send(News::File(event)))),
        ids: TransferIds::default(),
        settings: FileSettings::default(),
        promises: Keep::lasting(),
        state: Keep::default(),
    };
    let here = Arbiter::current();
    let end = || Port::new(|_: Down| {});
    Spec::new(&ice, &here, move || IceAgent::new(ice_setup.clone())).launch(end());
    Spec::new(&dtls, &here, move || DtlsSession::new(dtls_setup.clone())).launch(end());
    Spec::new(&sctp, &here, move || SctpAssociation::new(sctp_setup.clone())).launch(end());
    Spec::new(&files, &here, move || FileTransfers::new(file_setup.clone())).launch(end());
    Ok(End {
        ice,
        dtls,
        sctp,
        files,
        certificate,
        introduction,
    })
}

impl End {
    /// What the other process said.
    fn hear(&self, line: &str, offerer: bool) -> Result<(), Failure> {
        if let Some(candidate) = line.strip_prefix("candidate ") {
            self.ice.tell(AddRemoteCandidate {
                candidate: candidate.to_owned(),
            });
        } else if let Some(hello) = line.strip_prefix("hello ") {
            let mut words = hello.splitn(3, ' ');
            let mut word = || words.next().ok_or("a short introduction");
            self.ice.tell(SetRemoteCredentials {
                ufrag: word()?.to_owned(),
                pwd: word()?.to_owned(),
                lite: false,
            });
            self.dtls.tell(StartHandshake {
                client: !offerer,
                remote: word()?.parse()?,
                certificate: self.certificate.clone(),
            });
            self.sctp.tell(StartAssociation {
                client: !offerer,
                offerer,
                max_message_size: 256 * 1024,
            });
        }
        Ok(())
    }

    /// Plays its part until a file has arrived or failed; returns how long it took and how much it was.
    async fn play(
        &self,
        offerer: bool,
        mut news: UnboundedReceiver<News>,
        mut to_other: impl Write,
        directory: &Path,
    ) -> Result<(Duration, u64), Failure> {
        writeln!(to_other, "{}", self.introduction)?;
        while let Some(news) = news.recv().await {
            match news {
                News::Line(line) => self.hear(&line, offerer)?,
                News::Ice(IceEvent::LocalCandidate(candidate)) => {
                    writeln!(to_other, "candidate {candidate}")?
                }
                News::Ice(IceEvent::Failed) => return Err("no path".into()),
                News::Dtls(DtlsEvent::Failed(error)) => return Err(error.into()),
                News::File(FileEvent::Incoming { transfer, .. }) => {
                    self.files.tell(AcceptFile {
                        transfer,
                        directory: directory.to_owned(),
                    });
                }
                News::File(FileEvent::Completed { took, size, .. }) => return Ok((took, size)),
                News::File(FileEvent::Failed { reason, .. }) => return Err(format!("{reason:?}").into()),
                News::Ice(_) | News::Dtls(_) | News::File(_) => {}
            }
            to_other.flush()?;
        }
        Err("nobody is left".into())
    }
}

/// Passes on lines, from a thread of its own.
fn listen(lines: impl BufRead + Send + 'static, told: UnboundedSender<News>) {
    std::thread::spawn(move || {
        for line in lines.lines().map_while(Result::ok) {
            let _ = told.send(News::Line(line));
        }
    });
}

fn receive() -> Result<(), Failure> {
    System::new().block_on(async {
        let (told, news) = unbounded_channel();
        listen(BufReader::new(std::io::stdin()), told.clone());
        let end = start(false, &told)?;
        let folder = tempfile::tempdir()?;
        end.play(false, news, std::io::stdout(), folder.path()).await?;
        println!("cpu {:.2}", cpu_seconds());
        // The last word has to reach the sender.
        actix_rt::time::sleep(Duration::from_millis(200)).await;
        Ok(())
    })
}

fn send(mebibytes: usize) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("speed.bin");
    let content: Vec<u8> = (0..mebibytes << 20).map(|at| (at ^ at >> 11) as u8).collect();
    std::fs::write(&path, content)?;
    let mut other = Command::new(std::env::current_exe()?)
        .arg("--receive")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let to_other = other.stdin.take().ok_or("no way to the receiver")?;
    let from_other = other.stdout.take().ok_or("no way from the receiver")?;
    let (took, size, hashing) = System::new().block_on(async {
        let (told, news) = unbounded_channel();
        listen(BufReader::new(from_other), told.clone());
        let end = start(true, &told)?;
        let begun = std::time::Instant::now();
        end.files.tell(SendFile {
            transfer: TransferIds::default().next(),
            path,
        });
        let (took, size) = end.play(true, news, to_other, folder.path()).await?;
        Ok::<_, Failure>((took, size, begun.elapsed().saturating_sub(took)))
    })?;
    let speed = size as f64 / took.as_secs_f64() / 1e6;
    println!(
        "{} MiB in {:.2} s: {speed:.1} MB/s (before: {:.2} s)",
        size >> 20,
        took.as_secs_f64(),
        hashing.as_secs_f64()
    );
    println!("sender: {:.2} s CPU", cpu_seconds());
    other.kill()?;
    other.wait()?;
    Ok(())
}

/// User and system time of this process so far, where the system tells.
fn cpu_seconds() -> f64 {
    /// `sysconf(_SC_CLK_TCK)` of Linux.
    const TICKS: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: f64 = stat
        .split(' ')
        .skip(13)
        .take(2)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum();
    ticks / TICKS
}
