//! The files of a call, both ways: each a machine of [`roomrtc_protocol::file_transfer`], a data channel and a
//! thread for the disk.
//!
//! Hears [`SendFile`], [`AcceptFile`], [`DeclineFile`] and [`CancelFile`] from the call, [`ChannelNews`] from the
//! SCTP association and [`DiskReport`] from the [`disk`]'s threads; tells the SCTP association [`ChannelOrder`]
//! and the call [`FileReport`].

mod disk;
mod receiving;
mod sending;
mod surviving;
mod transfer;

pub use surviving::{Promise, Promises};

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use actix::{Actor, Context, Handler};
use bytes::Bytes;
use roomrtc_kit::deadline::now;
use roomrtc_kit::{Addr, Deadline, Keep, Legacy, Port, Timed, mail};
use roomrtc_protocol::data_channel::{ChannelId, Message};
use roomrtc_protocol::file_transfer::Settings;
use roomrtc_protocol::file_transfer::control::{Hash, Offer};
use tracing::info;

use self::transfer::{Outgoing, Transfer, Way};
use crate::brief;
use crate::call_events::FileReport;
use crate::sctp_association::ChannelOrder;
use crate::ui_bridge::{FileEnd, FileEvent, TransferId};

/// Offer a file to the peer.
#[derive(Clone, Debug)]
pub struct SendFile {
    /// Names the transfer, from [`TransferIds`].
    pub transfer: TransferId,
    /// The file.
    pub path: PathBuf,
}

/// Take an offered file into a folder.
#[derive(Clone, Debug)]
pub struct AcceptFile {
    /// Which.
    pub transfer: TransferId,
    /// Where to.
    pub directory: PathBuf,
}

/// Refuse an offered file.
#[derive(Clone, Copy, Debug)]
pub struct DeclineFile(pub TransferId);

/// Stop a transfer.
#[derive(Clone, Copy, Debug)]
pub struct CancelFile(pub TransferId);

/// The call is over: so are its transfers.
#[derive(Clone, Copy, Debug)]
pub struct EndAll;

/// What happens to the channels of files.
#[derive(Clone, Debug)]
pub enum ChannelNews {
    /// The channel asked for by [`ChannelOrder::Open`].
    Ready(TransferId, ChannelId),
    /// There is no channel for this file.
    Refused(TransferId),
    /// The peer has opened a channel for a file.
    Opened(ChannelId),
    /// A message arrived.
    Message(ChannelId, Message),
    /// So many bytes of pieces given to the channel have arrived.
    Acknowledged(ChannelId, u64),
    /// The channel is gone.
    Closed(ChannelId),
    /// All channels are gone; there may be others after the next [`ChannelNews::Connected`].
    Ended,
    /// The association with the peer is up.
    Connected,
}

/// What a disk did.
#[derive(Debug)]
pub struct DiskReport {
    transfer: TransferId,
    news: DiskNews,
}

#[derive(Debug)]
enum DiskNews {
    Hashed(Result<(u64, Hash), String>),
    /// From where on.
    Read(u64, Result<Bytes, String>),
    /// How many bytes there are now.
    Written(Result<u64, String>),
    Verified(Hash),
    Stored(Result<PathBuf, String>),
}

mail! { SendFile; AcceptFile; DeclineFile; CancelFile; EndAll; ChannelNews, brief::variant; DiskReport, |report| brief::variant(&report.news); }

/// Names transfers, for all calls of a client run. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct TransferIds(Arc<AtomicU64>);

impl TransferIds {
    /// One that was not used before.
    pub fn next(&self) -> TransferId {
        TransferId(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

/// Limits of the transfers.
#[derive(Clone, Debug)]
pub struct FileSettings {
    /// Limits of each.
    pub transfer: Settings,
    /// Files under way at one time: more wait here, and more from the peer are declined.
    pub max_concurrent: usize,
    /// Time between two reports of progress.
    pub progress_interval: Duration,
}

impl Default for FileSettings {
    fn default() -> Self {
        let progress_interval = Duration::from_millis(200);
        FileSettings {
            transfer: Settings::default(),
            max_concurrent: 8,
            progress_interval,
        }
    }
}

/// Stored files remembered in case their sender has not heard; more push out the oldest.
const UNCONFIRMED: usize = 16;

/// What all lives of the transfers share.
#[derive(Clone)]
pub struct FileSetup {
    /// This actor: where its disks report to.
    pub me: Addr<FileTransfers>,
    /// Where channels are.
    pub sctp: Port<ChannelOrder>,
    /// Where the news goes.
    pub events: Port<FileReport>,
    /// Names incoming files.
    pub ids: TransferIds,
    /// Limits.
    pub settings: FileSettings,
    /// The files under way: with them goes on a life whose forerunner died at work.
    pub promises: Keep<Promises>,
    /// The transfers themselves, unless a life died at work on them.
    pub state: Keep<State>,
}

/// The transfers.
#[derive(Default)]
pub struct State {
    transfers: BTreeMap<TransferId, Transfer>,
    waiting: VecDeque<SendFile>,
    /// There is no association at the moment, but there was one.
    interrupted: bool,
    /// Files that are stored and whose sender has not closed its channel, or could not before the channel was gone.
    unconfirmed: VecDeque<(Option<ChannelId>, Offer)>,
}

/// The actor.
pub struct FileTransfers {
    setup: FileSetup,
    state: Legacy<State>,
    inherited: bool,
    deadline: Deadline,
}

impl FileTransfers {
    /// No transfers yet, or those of the last life.
    pub fn new(setup: FileSetup) -> Self {
        let (state, inherited) = Legacy::inherit(&setup.state, State::default);
        FileTransfers {
            setup,
            state,
            inherited,
            deadline: Deadline::default(),
        }
    }

    fn tell(&self, event: FileEvent) {
        self.setup.events.tell(FileReport(event));
    }

    fn failed(&self, transfer: TransferId, reason: FileEnd) {
        info!(transfer = transfer.0, ?reason, "file not transferred");
        self.tell(FileEvent::Failed { transfer, reason });
    }

    fn insert(&mut self, transfer: TransferId, way: Way, channel: Option<ChannelId>) {
        let now = now();
        let entry = Transfer {
            way,
            channel,
            started: now,
            reported: (now, 0),
            deaths: 0,
        };
        self.state.transfers.insert(transfer, entry);
        self.keep();
    }

    /// Forgets a transfer; its disk thread ends, and what is not stored is deleted.
    fn remove(&mut self, transfer: TransferId) {
        self.state.transfers.remove(&transfer);
        self.keep();
    }

    fn of_channel(&mut self, channel: ChannelId) -> Option<(TransferId, &mut Transfer)> {
        let mut transfers = self.state.transfers.iter_mut();
        transfers
            .find(|(_, entry)| entry.channel == Some(channel))
            .map(|(&id, entry)| (id, entry))
    }

    /// Carries out what the machines ask for, ends what has ended and begins what waits.
    fn drive(&mut self, ctx: &mut Context<Self>) {
        let ids: Vec<TransferId> = self.state.transfers.keys().copied().collect();
        for id in ids {
            self.drive_one(id);
        }
        while self.state.transfers.len() < self.setup.settings.max_concurrent
            && let Some(order) = self.state.waiting.pop_front()
        {
            self.begin(order);
        }
        let next = self
            .state
            .transfers
            .values()
            .filter_map(Transfer::next_timeout)
            .min();
        self.deadline.arm(next, ctx);
        self.state.settle();
    }

    fn drive_one(&mut self, id: TransferId) {
        let setup = self.setup.clone();
        let Some(entry) = self.state.transfers.get_mut(&id) else {
            return;
        };
        let mut news = Vec::new();
        entry.carry_out(id, &setup, &mut news);
        entry.report_progress(id, setup.settings.progress_interval, &mut news);
        let over = entry.ended();
        if over
            && let Way::In(incoming) = &entry.way
            && let Some(offer) = incoming.machine.offer()
            && news
                .iter()
                .any(|event| matches!(event, FileEvent::Completed { .. }))
        {
            let (channel, offer) = (entry.channel, offer.clone());
            self.stored(channel, offer);
        }
        for event in news {
            match event {
                FileEvent::Failed { transfer, reason } => self.failed(transfer, reason),
                event => self.tell(event),
            }
        }
        if over {
            self.remove(id);
        }
    }

    /// Its sender may not hear of it, and offer it once more.
    fn stored(&mut self, channel: Option<ChannelId>, offer: Offer) {
        self.state.unconfirmed.push_back((channel, offer));
        if self.state.unconfirmed.len() > UNCONFIRMED {
            self.state.unconfirmed.pop_front();
        }
    }

    /// All channels are gone; what is under way waits for others.
    fn interrupt(&mut self) {
        self.state.interrupted = true;
        let now = now();
        for transfer in self.state.transfers.values_mut() {
            transfer.interrupt(now);
        }
        for (channel, _) in &mut self.state.unconfirmed {
            *channel = None;
        }
    }
}

impl Actor for FileTransfers {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if !self.inherited {
            self.restore();
        }
        self.drive(ctx);
    }
}

impl Handler<EndAll> for FileTransfers {
    type Result = ();

    fn handle(&mut self, _: EndAll, ctx: &mut Self::Context) {
        let State {
            transfers, waiting, ..
        } = std::mem::take(&mut *self.state);
        let waiting = waiting.into_iter().map(|order| order.transfer);
        for transfer in transfers.into_keys().chain(waiting) {
            self.failed(transfer, FileEnd::CallEnded);
        }
        self.setup.promises.clear();
        self.drive(ctx);
    }
}

impl Timed for FileTransfers {
    fn deadline(&mut self) -> &mut Deadline {
        &mut self.deadline
    }

    fn due(&mut self, now: Instant, ctx: &mut Self::Context) {
        for entry in self.state.transfers.values_mut() {
            entry.handle_timeout(now);
        }
        self.drive(ctx);
    }
}

impl Handler<SendFile> for FileTransfers {
    type Result = ();

    fn handle(&mut self, order: SendFile, ctx: &mut Self::Context) {
        self.begin(order);
        self.drive(ctx);
    }
}

impl Handler<AcceptFile> for FileTransfers {
    type Result = ();

    fn handle(&mut self, AcceptFile { transfer, directory }: AcceptFile, ctx: &mut Self::Context) {
        self.accept(transfer, directory);
        self.drive(ctx);
    }
}

impl Handler<DeclineFile> for FileTransfers {
    type Result = ();

    fn handle(&mut self, DeclineFile(transfer): DeclineFile, ctx: &mut Self::Context) {
        if let Some(Transfer {
            way: Way::In(incoming),
            ..
        }) = self.state.transfers.get_mut(&transfer)
        {
            incoming.machine.decline();
        }
        self.drive(ctx);
    }
}

impl Handler<CancelFile> for FileTransfers {
    type Result = ();

    fn handle(&mut self, CancelFile(transfer): CancelFile, ctx: &mut Self::Context) {
        let waited = self
            .state
            .waiting
            .iter()
            .position(|order| order.transfer == transfer);
        if let Some(at) = waited {
            self.state.waiting.remove(at);
            self.keep();
            self.failed(transfer, FileEnd::Cancelled);
        }
        match self
            .state
            .transfers
            .get_mut(&transfer)
            .map(|entry| &mut entry.way)
        {
            Some(Way::In(incoming)) => incoming.machine.cancel(),
            Some(Way::Out(Outgoing {
                machine: Some(machine),
                ..
            })) => machine.cancel(),
            Some(Way::Out(_)) => {
                self.remove(transfer);
                self.failed(transfer, FileEnd::Cancelled);
            }
            None => {}
        }
        self.drive(ctx);
    }
}

impl Handler<ChannelNews> for FileTransfers {
    type Result = ();

    fn handle(&mut self, news: ChannelNews, ctx: &mut Self::Context) {
        let now = now();
        match news {
            ChannelNews::Ready(transfer, channel) => self.ready(transfer, channel),
            ChannelNews::Refused(transfer) => self.refused(transfer),
            ChannelNews::Connected => self.reconnect(),
            ChannelNews::Opened(channel) => self.opened(channel),
            ChannelNews::Message(channel, message) => match self.of_channel(channel) {
                Some((
                    id,
                    Transfer {
                        way: Way::In(incoming),
                        ..
                    },
                )) => {
                    let new = incoming.machine.offer().is_none();
                    incoming.machine.handle_message(now, message);
                    if new {
                        self.recognise(id);
                        self.keep();
                    }
                }
                Some((
                    _,
                    Transfer {
                        way:
                            Way::Out(Outgoing {
                                machine: Some(machine),
                                ..
                            }),
                        ..
                    },
                )) => {
                    machine.handle_message(now, &message);
                }
                _ => {}
            },
            ChannelNews::Acknowledged(channel, bytes) => {
                if let Some((
                    _,
                    Transfer {
                        way:
                            Way::Out(Outgoing {
                                machine: Some(machine),
                                ..
                            }),
                        ..
                    },
                )) = self.of_channel(channel)
                {
                    machine.handle_acknowledged(now, bytes);
                }
            }
            ChannelNews::Closed(channel) => {
                self.state.unconfirmed.retain(|(at, _)| *at != Some(channel));
                if let Some((_, entry)) = self.of_channel(channel) {
                    entry.handle_closed();
                }
            }
            ChannelNews::Ended => self.interrupt(),
        }
        self.drive(ctx);
    }
}

impl Handler<DiskReport> for FileTransfers {
    type Result = ();

    fn handle(&mut self, DiskReport { transfer, news }: DiskReport, ctx: &mut Self::Context) {
        if let DiskNews::Hashed(result) = news {
            self.hashed(transfer, result);
            return self.drive(ctx);
        }
        match (
            self.state
                .transfers
                .get_mut(&transfer)
                .map(|entry| &mut entry.way),
            news,
        ) {
            (
                Some(Way::Out(Outgoing {
                    machine: Some(machine),
                    ..
                })),
                DiskNews::Read(offset, piece),
            ) => {
                machine.handle_read(offset, piece);
            }
            (Some(Way::In(incoming)), DiskNews::Written(result)) => {
                incoming.machine.handle_written(now(), result);
            }
            (Some(Way::In(incoming)), DiskNews::Verified(hash)) => incoming.machine.handle_hash(hash),
            (Some(Way::In(incoming)), DiskNews::Stored(result)) => {
                let stored = result.map(|path| incoming.path = path);
                incoming.machine.handle_stored(stored);
            }
            _ => {}
        }
        self.drive(ctx);
    }
}

#[cfg(test)]
mod tests;
