//! Two whole stacks, from the disk down to the DTLS records, with a pipe where the network would be.
#![allow(clippy::unwrap_used)]

use std::future::Future;

use actix_rt::{Arbiter, System};
use roomrtc_kit::{Backoff, Directory, Down, Intensity, Order, Spec, Strategy, Supervisor};
use tokio::sync::mpsc;

use super::*;
use crate::call_events::{AssociationLost, DtlsEvent, PeerMedia};
use crate::dtls_session::{Certificate, DtlsDatagrams, DtlsSession, DtlsSettings, DtlsSetup, StartHandshake};
use crate::ice_agent::SendDatagrams;
use crate::sctp_association::{SctpAssociation, SctpSetup, SendPeerMedia, StartAssociation};
use crate::srtp::Srtp;

enum News {
    File(FileEvent),
    AssociationLost,
    PeerMedia(PeerMedia),
}

/// One user's end.
struct End {
    dtls: Addr<DtlsSession>,
    sctp: Addr<SctpAssociation>,
    files: Addr<FileTransfers>,
    certificate: Certificate,
    ids: TransferIds,
    news: mpsc::UnboundedReceiver<News>,
    folder: tempfile::TempDir,
}

fn end(dtls: Addr<DtlsSession>, peer: Addr<DtlsSession>) -> End {
    let (told, news) = mpsc::unbounded_channel();
    let (files, sctp) = (
        Addr::<FileTransfers>::new(format!("{} files", dtls.name())),
        Addr::<SctpAssociation>::new(format!("{} sctp", dtls.name())),
    );
    let certificate = Certificate::generate().unwrap();
    let ids = TransferIds::default();
    let told_of_loss = told.clone();
    let (told_too, pipe) = (
        told.clone(),
        Port::new(move |SendDatagrams(sent)| peer.tell(DtlsDatagrams(sent))),
    );
    let dtls_setup = DtlsSetup {
        srtp: Srtp::default(),
        ice: pipe,
        sctp: sctp.port(),
        events: Port::new(|_: DtlsEvent| {}),
        settings: DtlsSettings::default(),
        counters: Arc::default(),
        session: Keep::default(),
        begun: Arc::default(),
    };
    let sctp_setup = SctpSetup {
        dtls: dtls.port(),
        files: files.port(),
        peer_media: Port::new(move |media| drop(told_too.send(News::PeerMedia(media)))),
        data: Port::new(|_| {}),
        settings: roomrtc_protocol::sctp::Settings::default(),
        max_channels: 64,
        lost: Port::new(move |_: AssociationLost| drop(told_of_loss.send(News::AssociationLost))),
        begun: Arc::default(),
        state: Keep::default(),
    };
    let file_setup = FileSetup {
        me: files.clone(),
        sctp: sctp.port(),
        events: Port::new(move |FileReport(event)| drop(told.send(News::File(event)))),
        ids: ids.clone(),
        settings: FileSettings {
            progress_interval: Duration::ZERO,
            ..FileSettings::default()
        },
        promises: Keep::lasting(),
        state: Keep::default(),
    };
    let here = Arbiter::current();
    let intensity = Intensity {
        restarts: 1000,
        period: Duration::from_secs(60),
    };
    let backoff = Backoff {
        first: Duration::ZERO,
        max: Duration::ZERO,
    };
    Supervisor::new(&Addr::new("secure"), Strategy::RestForOne, intensity, backoff)
        .child(Spec::new(&dtls, &here, move || {
            DtlsSession::new(dtls_setup.clone())
        }))
        .child(Spec::new(&sctp, &here, move || {
            SctpAssociation::new(sctp_setup.clone())
        }))
        .child(Spec::new(&files, &here, move || {
            FileTransfers::new(file_setup.clone())
        }))
        .launch(&here, Port::new(|_: Down| {}));
    End {
        dtls,
        sctp,
        files,
        certificate,
        ids,
        news,
        folder: tempfile::tempdir().unwrap(),
    }
}

/// Two ends in a call: the caller made the offer and is the DTLS server.
fn call() -> [End; 2] {
    // Tests run side by side: each has actors of its own name.
    let story = std::thread::current().id();
    let [a, b] = ["caller", "callee"].map(|end| Addr::<DtlsSession>::new(format!("{story:?} {end}")));
    let ends = [end(a.clone(), b.clone()), end(b, a)];
    connect(&ends);
    ends
}

/// What offer and answer lead to, the first and every other time.
fn connect([caller, callee]: &[End; 2]) {
    caller.dtls.tell(StartHandshake {
        client: false,
        remote: callee.certificate.fingerprint(),
        certificate: caller.certificate.clone(),
    });
    callee.dtls.tell(StartHandshake {
        client: true,
        remote: caller.certificate.fingerprint(),
        certificate: callee.certificate.clone(),
    });
    for (end, offerer) in [(caller, true), (callee, false)] {
        end.sctp.tell(StartAssociation {
            client: !offerer,
            offerer,
            max_message_size: 256 * 1024,
        });
    }
}

impl End {
    async fn next(&mut self) -> News {
        tokio::time::timeout(Duration::from_secs(20), self.news.recv())
            .await
            .unwrap()
            .unwrap()
    }

    /// The next event of a file that is not its progress.
    async fn event(&mut self) -> FileEvent {
        loop {
            match self.next().await {
                News::File(FileEvent::Progress { .. }) | News::PeerMedia(_) | News::AssociationLost => {}
                News::File(event) => return event,
            }
        }
    }

    fn offer(&self, name: &str, content: &[u8]) -> TransferId {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let transfer = self.ids.next();
        self.files.tell(SendFile { transfer, path });
        transfer
    }

    async fn offered(&mut self) {
        assert!(matches!(self.event().await, FileEvent::Offered { .. }));
    }

    async fn incoming(&mut self) -> (TransferId, String) {
        match self.event().await {
            FileEvent::Incoming { transfer, name, .. } => (transfer, name),
            other => panic!("{other:?}"),
        }
    }

    fn accept(&self, transfer: TransferId) {
        self.files.tell(AcceptFile {
            transfer,
            directory: self.folder.path().to_owned(),
        });
    }

    async fn failed(&mut self) -> FileEnd {
        match self.event().await {
            FileEvent::Failed { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    }

    fn listing(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 7 + at / 999) as u8).collect()
}

fn run(story: impl Future<Output = ()>) {
    System::new().block_on(story);
}

#[test]
fn a_file_goes_from_disk_to_disk_and_keeps_its_hash() {
    run(async {
        let [mut caller, mut callee] = call();
        let sent = content(8 * 1024 * 1024 + 5);
        std::fs::write(callee.folder.path().join("film.mp4"), "another film").unwrap();
        caller.offer("film.mp4", &sent);
        caller.offered().await;
        let (transfer, name) = callee.incoming().await;
        assert_eq!(name, "film.mp4");
        callee.accept(transfer);
        let FileEvent::Completed {
            path,
            size,
            hash,
            took,
            ..
        } = callee.event().await
        else {
            panic!()
        };
        println!("{size} bytes in {took:?}");
        assert_eq!(path, callee.folder.path().join("film (2).mp4"));
        assert_eq!(hash, blake3::hash(&sent).to_hex().as_str());
        assert!(std::fs::read(path).unwrap() == sent);
        assert!(matches!(caller.event().await, FileEvent::Completed { .. }));
        assert_eq!(callee.listing(), ["film (2).mp4", "film.mp4"]);
    });
}

#[test]
fn a_file_in_flight_arrives_whole_although_every_part_below_it_dies_again_and_again() {
    Directory::allow_chaos(true);
    run(async {
        let [mut caller, mut callee] = call();
        let sent = content(24 * 1024 * 1024 + 3);
        caller.offer("film.mp4", &sent);
        caller.offered().await;
        let (transfer, _) = callee.incoming().await;
        callee.accept(transfer);
        let parts: Vec<String> = [&caller, &callee]
            .into_iter()
            .flat_map(|end| [end.files.name(), end.sctp.name(), end.dtls.name()].map(str::to_owned))
            .collect();
        let mut deaths = 0;
        let hash = loop {
            match callee.next().await {
                News::File(FileEvent::Progress { .. }) => {
                    assert!(Directory::order(&parts[deaths % parts.len()], Order::Panic));
                    deaths += 1;
                }
                News::File(FileEvent::Completed { hash, .. }) => break hash,
                News::File(other) => panic!("after {deaths} deaths: {other:?}"),
                News::PeerMedia(_) | News::AssociationLost => {}
            }
        };
        assert!(deaths >= parts.len(), "only {deaths} deaths");
        assert_eq!(hash, blake3::hash(&sent).to_hex().as_str());
        assert!(matches!(caller.event().await, FileEvent::Completed { .. }));
    });
}

/// Loses every association a file goes over after some of it, and renews it; returns how often.
async fn lose_and_renew(ends: &mut [End; 2], losers: &[String]) -> (usize, String) {
    let (mut losses, mut whole) = (0, true);
    loop {
        let [caller, callee] = ends;
        let news = tokio::select! {
            news = caller.next() => news,
            news = callee.next() => news,
        };
        match news {
            News::File(FileEvent::Progress { .. }) if whole && losses < losers.len() => {
                assert!(Directory::order(&losers[losses], Order::Forget));
                (losses, whole) = (losses + 1, false);
            }
            News::AssociationLost => {
                ends.iter_mut()
                    .for_each(|end| end.certificate = Certificate::generate().unwrap());
                connect(ends);
                whole = true;
            }
            News::File(FileEvent::Completed { hash, .. }) => return (losses, hash),
            News::File(FileEvent::Progress { .. }) | News::PeerMedia(_) => {}
            News::File(other) => panic!("after {losses} losses: {other:?}"),
        }
    }
}

#[test]
fn a_file_goes_on_where_it_was_when_the_association_or_the_transfers_themselves_are_lost() {
    Directory::allow_chaos(true);
    run(async {
        let mut ends = call();
        let sent = content(24 * 1024 * 1024 + 3);
        let [caller, callee] = &mut ends;
        caller.offer("film.mp4", &sent);
        caller.offered().await;
        let (transfer, _) = callee.incoming().await;
        callee.accept(transfer);
        let losers = [
            callee.sctp.name(),
            caller.sctp.name(),
            callee.files.name(),
            caller.files.name(),
        ];
        let losers = losers.map(str::to_owned);
        let (losses, hash) = lose_and_renew(&mut ends, &losers).await;
        assert_eq!(losses, losers.len());
        assert_eq!(hash, blake3::hash(&sent).to_hex().as_str());
        let [caller, callee] = &mut ends;
        assert_eq!(callee.listing(), ["film.mp4"]);
        assert_eq!(caller.listing(), ["film.mp4"]);
        // It is known to be the same file: nobody was asked again, and a second one is another file.
        caller.offer("film.mp4", &sent);
        let other = async {
            loop {
                if let FileEvent::Incoming { name, .. } = callee.event().await {
                    return name;
                }
            }
        };
        assert_eq!(other.await, "film.mp4");
    });
}

#[test]
fn a_file_the_user_has_not_decided_on_can_be_taken_after_the_transfers_were_lost() {
    Directory::allow_chaos(true);
    run(async {
        let mut ends = call();
        let [caller, callee] = &mut ends;
        caller.offer("film.mp4", b"pictures");
        caller.offered().await;
        let (transfer, _) = callee.incoming().await;
        for loser in [callee.files.name(), caller.files.name()].map(str::to_owned) {
            assert!(Directory::order(&loser, Order::Forget));
            let [caller, callee] = &mut ends;
            let lost = async |end: &mut End| while !matches!(end.next().await, News::AssociationLost) {};
            tokio::select! {
                () = lost(caller) => {}
                () = lost(callee) => {}
            }
            for end in &mut ends {
                end.certificate = Certificate::generate().unwrap();
            }
            connect(&ends);
        }
        let [caller, callee] = &mut ends;
        callee.accept(transfer);
        assert!(matches!(callee.event().await, FileEvent::Completed { .. }));
        assert!(matches!(caller.event().await, FileEvent::Completed { .. }));
        assert_eq!(callee.listing(), ["film.mp4"]);
    });
}

#[test]
fn the_end_of_the_call_ends_its_transfers() {
    run(async {
        let [mut caller, mut callee] = call();
        caller.offer("a.txt", b"abc");
        caller.offered().await;
        callee.incoming().await;
        caller.files.tell(EndAll);
        assert_eq!(caller.failed().await, FileEnd::CallEnded);
    });
}

#[test]
fn files_go_both_ways_at_once_and_empty_ones_too() {
    run(async {
        let [mut caller, mut callee] = call();
        caller.offer("a.bin", &content(2_000_000));
        callee.offer("empty.txt", &[]);
        // Each sends one and receives one, in whatever order that happens.
        let mut completed = 0;
        while completed < 4 {
            let (end, event) = tokio::select! {
                event = caller.event() => (&caller, event),
                event = callee.event() => (&callee, event),
            };
            match event {
                FileEvent::Incoming { transfer, .. } => end.accept(transfer),
                FileEvent::Completed { .. } => completed += 1,
                FileEvent::Offered { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn declining_and_cancelling_are_heard_on_the_other_side_and_leave_no_partial_file() {
    run(async {
        let [mut caller, mut callee] = call();
        caller.offer("unwanted.zip", &content(100));
        caller.offered().await;
        let (transfer, _) = callee.incoming().await;
        callee.files.tell(DeclineFile(transfer));
        assert_eq!(caller.failed().await, FileEnd::Declined);
        assert_eq!(callee.failed().await, FileEnd::Declined);

        let outgoing = caller.offer("long.bin", &content(64 * 1024 * 1024));
        caller.offered().await;
        let (transfer, _) = callee.incoming().await;
        callee.accept(transfer);
        while !matches!(callee.next().await, News::File(FileEvent::Progress { .. })) {}
        caller.files.tell(CancelFile(outgoing));
        assert_eq!(caller.failed().await, FileEnd::Cancelled);
        assert_eq!(callee.failed().await, FileEnd::CancelledByPeer);
        while !callee.listing().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
}

#[test]
fn a_file_that_cannot_be_read_or_written_is_reported_with_the_systems_words() {
    run(async {
        let [mut caller, mut callee] = call();
        let transfer = caller.ids.next();
        caller.files.tell(SendFile {
            transfer,
            path: caller.folder.path().join("missing"),
        });
        assert!(matches!(caller.failed().await, FileEnd::Disk(_)));
        caller.offer("a.txt", b"text");
        caller.offered().await;
        let (transfer, _) = callee.incoming().await;
        let blocked = callee.folder.path().join("blocked");
        std::fs::write(&blocked, "a file, not a folder").unwrap();
        callee.files.tell(AcceptFile {
            transfer,
            directory: blocked,
        });
        assert!(matches!(callee.failed().await, FileEnd::Disk(_)));
        assert_eq!(caller.failed().await, FileEnd::CancelledByPeer);
    });
}

#[test]
fn the_peer_hears_what_is_muted() {
    run(async {
        let [caller, mut callee] = call();
        caller.sctp.tell(SendPeerMedia {
            microphone: false,
            camera: true,
        });
        let News::PeerMedia(media) = callee.next().await else {
            panic!()
        };
        assert_eq!(
            media,
            PeerMedia {
                microphone: false,
                camera: true
            }
        );
    });
}
