//! A call in miniature: every part is crashed again and again; the peer must never see a packet index twice, and
//! the file must arrive whole.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use actix::{Actor, ActorFutureExt, AsyncContext, AtomicResponse, Context, Handler, WrapFuture};
use actix_rt::{Arbiter, ArbiterHandle};
use roomrtc_kit::{
    Addr, Backoff, Directory, Down, Intensity, Keep, Order, Port, Spec, Strategy, Supervisor, mail,
};
use tokio::time::sleep;

use crate::stage::{ms, tell, unique};

/// Pieces of the file.
const PIECES: u64 = 400;
const FIRST_INDEX: u64 = 65_000;
const FRAME_TIME_MS: u64 = 33;
const PACKETS_A_FRAME: u64 = 3;

struct Frame;
struct SetBitrate(u32);
struct Packet;
struct Acknowledged(u64);
struct Piece(u64);
mail! {
    Frame: newest(2);
    SetBitrate;
    Packet: newest(64);
    Acknowledged;
    Piece: paced(8);
}

/// What the other side sees.
#[derive(Default)]
struct Peer {
    indices: Mutex<Vec<u64>>,
    file: Mutex<BTreeSet<u64>>,
    bitrates: Mutex<Vec<u32>>,
}

struct Capture {
    encoder: Port<Frame>,
}

impl Actor for Capture {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(ms(FRAME_TIME_MS), |this, _| {
            this.encoder.tell(Frame);
        });
    }
}

struct Encoder {
    rtp_sender: Port<Packet>,
    bitrate: u32,
    keep: Keep<u32>,
    peer: Arc<Peer>,
}

impl Actor for Encoder {
    type Context = Context<Self>;
}

impl Handler<SetBitrate> for Encoder {
    type Result = ();

    fn handle(&mut self, set: SetBitrate, _: &mut Self::Context) {
        self.bitrate = set.0;
        self.keep.put(set.0);
    }
}

impl Handler<Frame> for Encoder {
    type Result = ();

    fn handle(&mut self, _: Frame, _: &mut Self::Context) {
        self.peer.bitrates.lock().unwrap().push(self.bitrate);
        (0..PACKETS_A_FRAME).for_each(|_| self.rtp_sender.tell(Packet));
    }
}

/// Owns the packet index (sequence number and rollover counter in one): the one thing that may never go back,
/// because under the same key a repeated index repeats the key stream (RFC 3711 §9.1).
struct RtpSender {
    next: u64,
    keep: Keep<u64>,
    peer: Arc<Peer>,
}

impl Actor for RtpSender {
    type Context = Context<Self>;
}

impl Handler<Packet> for RtpSender {
    type Result = ();

    fn handle(&mut self, _: Packet, _: &mut Self::Context) {
        self.keep.put(self.next + 1); // before use: a crash in between costs one number, never a repeat
        self.peer.indices.lock().unwrap().push(self.next);
        self.next += 1;
    }
}

struct FileSender {
    sctp: Addr<Sctp>,
    acknowledged: u64,
    keep: Keep<u64>,
}

impl Actor for FileSender {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let (sctp, from) = (self.sctp.clone(), self.acknowledged);
        let send = async move {
            for piece in from..PIECES {
                if sctp.push(Piece(piece)).await.is_err() {
                    return;
                }
            }
        };
        ctx.spawn(send.into_actor(self));
    }
}

impl Handler<Acknowledged> for FileSender {
    type Result = ();

    /// Counts only what arrived without a gap.
    fn handle(&mut self, piece: Acknowledged, _: &mut Self::Context) {
        if piece.0 == self.acknowledged {
            self.acknowledged += 1;
            self.keep.put(self.acknowledged);
        }
    }
}

struct Sctp {
    peer: Arc<Peer>,
    file_sender: Port<Acknowledged>,
}

impl Actor for Sctp {
    type Context = Context<Self>;
}

impl Handler<Piece> for Sctp {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, piece: Piece, _: &mut Self::Context) -> Self::Result {
        let sent = sleep(ms(20)).into_actor(self).map(move |(), this, _| {
            this.peer.file.lock().unwrap().insert(piece.0);
            this.file_sender.tell(Acknowledged(piece.0));
        });
        AtomicResponse::new(Box::pin(sent))
    }
}

const OFTEN: Intensity = Intensity {
    restarts: 1000,
    period: std::time::Duration::from_secs(10),
};
const SOON: Backoff = Backoff {
    first: std::time::Duration::from_millis(5),
    max: std::time::Duration::from_millis(50),
};

/// The media half of the call.
fn media(
    me: &Addr<Supervisor>,
    encoder: &Addr<Encoder>,
    names: &mut Vec<String>,
    here: &ArbiterHandle,
    peer: &Arc<Peer>,
) -> Spec<Supervisor> {
    let capture = Addr::<Capture>::new(unique("capture"));
    let rtp_sender = Addr::<RtpSender>::new(unique("rtp_sender"));
    names.extend([capture.name(), encoder.name(), rtp_sender.name(), me.name()].map(String::from));
    let (index, bitrate) = (Keep::<u64>::default(), Keep::<u32>::default());
    let (own, encoder, on, peer) = (me.clone(), encoder.clone(), here.clone(), peer.clone());
    let factory = move || {
        let (keep, to) = (index.clone(), peer.clone());
        let send = Spec::new(&rtp_sender, &on, move || RtpSender {
            next: keep.get().unwrap_or(FIRST_INDEX),
            keep: keep.clone(),
            peer: to.clone(),
        });
        let (keep, packets, to) = (bitrate.clone(), rtp_sender.port(), peer.clone());
        let encode = Spec::new(&encoder, &on, move || Encoder {
            rtp_sender: packets.clone(),
            bitrate: keep.get().unwrap_or(300),
            keep: keep.clone(),
            peer: to.clone(),
        });
        let frames = encoder.port();
        let film = Spec::new(&capture, &on, move || Capture {
            encoder: frames.clone(),
        });
        Supervisor::new(&own, Strategy::OneForOne, OFTEN, SOON)
            .child(send)
            .child(encode)
            .child(film)
    };
    Spec::new(me, here, factory)
}

/// The file's half of the call.
fn data(
    me: &Addr<Supervisor>,
    names: &mut Vec<String>,
    here: &ArbiterHandle,
    peer: &Arc<Peer>,
) -> Spec<Supervisor> {
    let sctp = Addr::<Sctp>::new(unique("sctp"));
    let file_sender = Addr::<FileSender>::new(unique("file_sender"));
    names.extend([sctp.name(), file_sender.name(), me.name()].map(String::from));
    let acknowledged = Keep::<u64>::default();
    let (own, on, peer) = (me.clone(), here.clone(), peer.clone());
    let factory = move || {
        let (to, progress) = (peer.clone(), file_sender.port());
        let associate = Spec::new(&sctp, &on, move || Sctp {
            peer: to.clone(),
            file_sender: progress.clone(),
        });
        let (keep, pieces) = (acknowledged.clone(), sctp.clone());
        let send = Spec::new(&file_sender, &on, move || FileSender {
            sctp: pieces.clone(),
            acknowledged: keep.get().unwrap_or(0),
            keep: keep.clone(),
        });
        Supervisor::new(&own, Strategy::RestForOne, OFTEN, SOON)
            .child(associate)
            .child(send)
    };
    Spec::new(me, here, factory)
}

#[test]
fn a_call_survives_the_death_of_every_part() {
    Directory::allow_chaos(true);
    tell(async {
        let here = Arbiter::current();
        let peer = Arc::new(Peer::default());
        let [call, media_tree, data_tree] =
            ["call", "media", "data"].map(|n| Addr::<Supervisor>::new(unique(n)));
        let encoder = Addr::<Encoder>::new(unique("encoder"));
        let mut names = Vec::new();
        let ended = Port::new(|down: Down| panic!("call ended: {}", down.reason));
        Supervisor::new(&call, Strategy::OneForOne, OFTEN, SOON)
            .child(media(&media_tree, &encoder, &mut names, &here, &peer))
            .child(data(&data_tree, &mut names, &here, &peer))
            .launch(&here, ended);
        sleep(ms(1000)).await;
        encoder.tell(SetBitrate(1200));
        sleep(ms(100)).await;

        let mut seed = 7_u64;
        for _ in 0..100 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let name = &names[(seed >> 33) as usize % names.len()];
            let order = if seed >> 40 & 1 == 0 {
                Order::Panic
            } else {
                Order::Fail
            };
            assert!(Directory::order(name, order));
            sleep(ms(seed >> 50 & 127)).await;
        }
        sleep(ms(30_000)).await;

        let indices = peer.indices.lock().unwrap();
        assert!(
            indices.windows(2).all(|pair| pair[0] < pair[1]),
            "an index was repeated"
        );
        assert_eq!(
            peer.file.lock().unwrap().len() as u64,
            PIECES,
            "the whole file arrived"
        );
        assert_eq!(
            peer.bitrates.lock().unwrap().last(),
            Some(&1200),
            "the encoder kept its bit rate"
        );
        let views = Directory::view();
        let ours = views.iter().filter(|view| names.contains(&view.name));
        let lives: u32 = ours.map(|view| view.lives).sum();
        assert!(lives > 80, "{lives}");
    });
}
