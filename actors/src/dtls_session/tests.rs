#![allow(clippy::unwrap_used)]

use std::sync::atomic::AtomicU32;
use std::time::Instant;

use actix_rt::{Arbiter, System};
use roomrtc_kit::{Addr, Backoff, Down, Intensity, Spec, Strategy, Supervisor};
use roomrtc_protocol::dtls_record::{ContentType, records};
use tokio::sync::mpsc;

use super::*;

/// What happened at one end, in order.
#[derive(Debug)]
enum News {
    Event(DtlsEvent),
    Packets(Vec<Bytes>),
}

/// The network as one end sees it: what it sends reaches the other end unless the plan says otherwise.
struct Wire {
    to: Addr<DtlsSession>,
    plan: Arc<dyn Fn(&Bytes) -> bool + Send + Sync>,
    news: mpsc::UnboundedSender<News>,
}

impl Actor for Wire {
    type Context = Context<Self>;
}

impl Handler<SendDatagrams> for Wire {
    type Result = ();

    fn handle(&mut self, SendDatagrams(mut datagrams): SendDatagrams, _: &mut Self::Context) {
        datagrams.retain(|datagram| (self.plan)(datagram));
        self.to.tell(DtlsDatagrams(datagrams));
    }
}

impl Handler<SctpPackets> for Wire {
    type Result = ();

    fn handle(&mut self, SctpPackets(packets): SctpPackets, _: &mut Self::Context) {
        let _ = self.news.send(News::Packets(packets));
    }
}

impl Handler<DtlsEvent> for Wire {
    type Result = ();

    fn handle(&mut self, event: DtlsEvent, _: &mut Self::Context) {
        let _ = self.news.send(News::Event(event));
    }
}

impl Handler<Down> for Wire {
    type Result = ();

    fn handle(&mut self, _: Down, _: &mut Self::Context) {}
}

/// One end of a session on a network of two.
struct End {
    session: Addr<DtlsSession>,
    certificate: Certificate,
    srtp: Srtp,
    news: mpsc::UnboundedReceiver<News>,
}

type Plan = Arc<dyn Fn(&Bytes) -> bool + Send + Sync>;

fn everything() -> Plan {
    Arc::new(|_| true)
}

/// Two ends; each plan decides which of its datagrams get through.
fn ends(plans: [Plan; 2]) -> [End; 2] {
    let arbiter = Arbiter::current();
    let addresses = [
        Addr::<DtlsSession>::new("a/dtls_session"),
        Addr::<DtlsSession>::new("b/dtls_session"),
    ];
    let wires = [Addr::<Wire>::new("a/wire"), Addr::<Wire>::new("b/wire")];
    let mut others = [addresses[1].clone(), addresses[0].clone()].into_iter();
    let mut wire_list = wires.into_iter();
    let mut plan_list = plans.into_iter();
    addresses.map(|session| {
        let (to, wire, plan) = (
            others.next().unwrap(),
            wire_list.next().unwrap(),
            plan_list.next().unwrap(),
        );
        let (news_in, news) = mpsc::unbounded_channel();
        let setup = DtlsSetup {
            srtp: Srtp::default(),
            ice: wire.port(),
            sctp: wire.port(),
            events: wire.port(),
            settings: DtlsSettings {
                handshake_timeout: Duration::from_secs(3),
                flight_interval: Duration::from_millis(50),
                ..DtlsSettings::default()
            },
            counters: Arc::default(),
            session: Keep::default(),
            begun: Arc::default(),
        };
        let (certificate, srtp) = (Certificate::generate().unwrap(), setup.srtp.clone());
        let root = Addr::<Supervisor>::new("supervisor");
        let intensity = Intensity {
            restarts: 3,
            period: Duration::from_secs(5),
        };
        let backoff = Backoff {
            first: Duration::ZERO,
            max: Duration::ZERO,
        };
        let end = wire.port();
        Supervisor::new(&root, Strategy::OneForOne, intensity, backoff)
            .child(Spec::new(&wire, &arbiter, move || Wire {
                to: to.clone(),
                plan: plan.clone(),
                news: news_in.clone(),
            }))
            .child(Spec::new(&session, &arbiter, move || {
                DtlsSession::new(setup.clone())
            }))
            .launch(&arbiter, end);
        End {
            session,
            certificate,
            srtp,
            news,
        }
    })
}

impl End {
    async fn next(&mut self) -> News {
        tokio::time::timeout(Duration::from_secs(10), self.news.recv())
            .await
            .unwrap()
            .unwrap()
    }

    async fn connected(&mut self) {
        let news = self.next().await;
        assert!(
            matches!(news, News::Event(DtlsEvent::Connected { .. })),
            "{news:?}"
        );
    }

    async fn receives(&mut self, packet: &'static [u8]) {
        let news = self.next().await;
        assert!(
            matches!(&news, News::Packets(packets) if packets == &[packet]),
            "{news:?}"
        );
    }
}

fn shake_hands(client: &End, server: &End) {
    let (of_client, of_server) = (client.certificate.fingerprint(), server.certificate.fingerprint());
    server.session.tell(StartHandshake {
        client: false,
        remote: of_client,
        certificate: server.certificate.clone(),
    });
    client.session.tell(StartHandshake {
        client: true,
        remote: of_server,
        certificate: client.certificate.clone(),
    });
}

fn run(story: impl Future<Output = ()>) {
    System::new().block_on(story);
}

#[test]
fn two_ends_that_know_each_other_connect_and_talk_and_say_goodbye() {
    run(async {
        let [mut client, mut server] = ends([everything(), everything()]);
        let start = Instant::now();
        shake_hands(&client, &server);
        client.connected().await;
        server.connected().await;
        println!("handshake, both ends: {:?}", start.elapsed());
        client
            .session
            .tell(SendRecords(vec![Bytes::from_static(b"init")]));
        server.receives(b"init").await;
        server
            .session
            .tell(SendRecords(vec![Bytes::from_static(b"init ack")]));
        client.receives(b"init ack").await;
        let media = client
            .srtp
            .protect_rtp(&[0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 42])
            .unwrap();
        assert_eq!(server.srtp.unprotect_rtp(&media).unwrap()[12], 42);
        client.session.tell(CloseSession);
        assert!(matches!(server.next().await, News::Event(DtlsEvent::Closed)));
        assert!(!client.srtp.ready() && !server.srtp.ready());
    });
}

#[test]
fn a_peer_with_another_certificate_than_announced_gets_no_keys() {
    for stranger_is_server in [true, false] {
        run(async {
            let [mut client, mut server] = ends([everything(), everything()]);
            let (of_client, of_server) = (client.certificate.fingerprint(), server.certificate.fingerprint());
            let wrong = Certificate::generate().unwrap().fingerprint();
            let (seen_by_client, seen_by_server) = if stranger_is_server {
                (wrong, of_client)
            } else {
                (of_server, wrong)
            };
            server.session.tell(StartHandshake {
                client: false,
                remote: seen_by_server,
                certificate: server.certificate.clone(),
            });
            client.session.tell(StartHandshake {
                client: true,
                remote: seen_by_client,
                certificate: client.certificate.clone(),
            });
            let (wary, stranger) = if stranger_is_server {
                (&mut client, &mut server)
            } else {
                (&mut server, &mut client)
            };
            assert!(matches!(
                wary.next().await,
                News::Event(DtlsEvent::WrongFingerprint)
            ));
            assert!(matches!(stranger.next().await, News::Event(DtlsEvent::Failed(_))));
            assert!(!client.srtp.ready() && !server.srtp.ready());
        });
    }
}

#[test]
fn a_lost_last_flight_of_the_server_is_sent_again() {
    run(async {
        let lost = Arc::new(AtomicU32::new(0));
        let counter = lost.clone();
        let first_finished_is_lost: Plan = Arc::new(move |datagram| {
            let last = records(datagram)
                .flatten()
                .any(|(header, _)| header.content_type == ContentType::ChangeCipherSpec);
            !last || counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0
        });
        let [mut client, mut server] = ends([everything(), first_finished_is_lost]);
        shake_hands(&client, &server);
        server.connected().await;
        client.connected().await;
        assert!(lost.load(std::sync::atomic::Ordering::Relaxed) >= 2);
    });
}

#[test]
fn spoofed_records_before_within_and_after_the_handshake_change_nothing() {
    run(async {
        let [mut client, mut server] = ends([everything(), everything()]);
        let alert = Bytes::from_static(&[21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40]);
        let mut fragment = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 13];
        fragment.extend([1, 0, 0x40, 0, 0, 0, 0, 0, 7, 0, 0, 1, 42]);
        let fragment = Bytes::from(fragment);
        let mut future = vec![23, 0xfe, 0xfd, 0, 2, 0, 0, 0, 0, 0, 9, 4, 0];
        future.resize(13 + 1024, 0);
        let future = Bytes::from(future);
        let flood = || {
            for end in [&client.session, &server.session] {
                let burst = [&fragment, &future].into_iter().cycle().take(2_000).cloned();
                end.tell(DtlsDatagrams(burst.collect()));
                end.tell(DtlsDatagrams(vec![alert.clone()]));
            }
        };
        shake_hands(&client, &server);
        flood();
        client.connected().await;
        server.connected().await;
        for end in [&client.session, &server.session] {
            end.tell(DtlsDatagrams(vec![
                alert.clone(),
                fragment.clone(),
                future.clone(),
            ]));
        }
        client
            .session
            .tell(SendRecords(vec![Bytes::from_static(b"still here")]));
        server.receives(b"still here").await;
    });
}

#[test]
fn a_silent_peer_is_given_up() {
    run(async {
        let [mut client, server] = ends([everything(), everything()]);
        let remote = server.certificate.fingerprint();
        client.session.tell(StartHandshake {
            client: true,
            remote,
            certificate: client.certificate.clone(),
        });
        assert!(
            matches!(client.next().await, News::Event(DtlsEvent::Failed(why)) if why.contains("too long"))
        );
        assert!(!client.srtp.ready());
    });
}

#[test]
fn a_handshake_survives_the_loss_of_every_third_datagram() {
    run(async {
        let every_third_is_lost = || -> Plan {
            let sent = AtomicU32::new(0);
            Arc::new(move |_| sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 3 != 1)
        };
        let [mut client, mut server] = ends([every_third_is_lost(), every_third_is_lost()]);
        shake_hands(&client, &server);
        client.connected().await;
        server.connected().await;
    });
}

mod openssl;
