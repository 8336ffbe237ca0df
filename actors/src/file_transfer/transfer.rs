//! One file under way: carries out what its machine asks for.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use roomrtc_kit::Port;
use roomrtc_kit::deadline::now;
use roomrtc_protocol::data_channel::ChannelId;
use roomrtc_protocol::file_transfer::Failure;
use roomrtc_protocol::file_transfer::control::Offer;
use roomrtc_protocol::file_transfer::name::safe_name;
use roomrtc_protocol::file_transfer::receiver::{self, Receiver};
use roomrtc_protocol::file_transfer::sender::{self, Sender};

use super::FileSetup;
use super::disk::{Reading, Writing};
use crate::sctp_association::ChannelOrder;
use crate::ui_bridge::{FileEnd, FileEvent, TransferId};

/// A file on its way out.
pub(super) struct Outgoing {
    pub(super) path: PathBuf,
    pub(super) disk: Reading,
    /// Known once the file is hashed.
    pub(super) offer: Option<Offer>,
    /// A channel was asked for.
    pub(super) asked: bool,
    /// There once the channel is.
    pub(super) machine: Option<Sender>,
}

/// A file on its way in.
pub(super) struct Incoming {
    pub(super) machine: Receiver,
    pub(super) disk: Option<Arc<Writing>>,
    /// Where the file lies at last.
    pub(super) path: PathBuf,
}

/// Which of the two.
pub(super) enum Way {
    Out(Outgoing),
    In(Incoming),
}

/// A file, its channel and its times.
pub(super) struct Transfer {
    pub(super) way: Way,
    pub(super) channel: Option<ChannelId>,
    pub(super) started: Instant,
    pub(super) reported: (Instant, u64),
    /// Lives of the transfers that died at work meanwhile.
    pub(super) deaths: u32,
}

impl Transfer {
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match &self.way {
            Way::Out(outgoing) => outgoing.machine.as_ref().and_then(Sender::next_timeout),
            Way::In(incoming) => incoming.machine.next_timeout(),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        match &mut self.way {
            Way::Out(Outgoing {
                machine: Some(machine),
                ..
            }) => machine.handle_timeout(now),
            Way::Out(_) => {}
            Way::In(incoming) => incoming.machine.handle_timeout(now),
        }
    }

    pub(super) fn handle_closed(&mut self) {
        match &mut self.way {
            Way::Out(Outgoing {
                machine: Some(machine),
                ..
            }) => machine.handle_closed(),
            Way::Out(_) => {}
            Way::In(incoming) => incoming.machine.handle_closed(),
        }
    }

    /// The association is gone.
    pub(super) fn interrupt(&mut self, now: Instant) {
        self.channel = None;
        match &mut self.way {
            Way::Out(outgoing) => {
                outgoing.asked = false;
                if let Some(machine) = &mut outgoing.machine {
                    machine.interrupt(now);
                }
            }
            Way::In(incoming) => incoming.machine.interrupt(now),
        }
    }

    pub(super) fn ended(&self) -> bool {
        match &self.way {
            Way::Out(outgoing) => outgoing.machine.as_ref().is_some_and(Sender::ended),
            Way::In(incoming) => incoming.machine.ended(),
        }
    }

    pub(super) fn carry_out(&mut self, id: TransferId, setup: &FileSetup, news: &mut Vec<FileEvent>) {
        // Without a channel there is nobody to say anything to: what goes on without one goes on.
        let channel = Channel(self.channel, &setup.sctp);
        match &mut self.way {
            Way::Out(outgoing) => outgoing.carry_out(id, &channel, &mut self.started, news),
            Way::In(incoming) => incoming.carry_out(id, &channel, self.started, news),
        }
    }

    pub(super) fn report_progress(
        &mut self,
        transfer: TransferId,
        interval: Duration,
        news: &mut Vec<FileEvent>,
    ) {
        let (done, size) = match &self.way {
            Way::Out(Outgoing {
                machine: Some(machine),
                offer: Some(offer),
                ..
            }) => (machine.acknowledged(), offer.size),
            Way::Out(_) => return,
            Way::In(incoming) => (
                incoming.machine.written(),
                incoming.machine.offer().map_or(0, |offer| offer.size),
            ),
        };
        let now = now();
        let (at, before) = self.reported;
        if done != before && now.saturating_duration_since(at) >= interval && !self.ended() {
            self.reported = (now, done);
            news.push(FileEvent::Progress { transfer, done, size });
        }
    }
}

/// The channel of a file, while there is one.
struct Channel<'a>(Option<ChannelId>, &'a Port<ChannelOrder>);

impl Channel<'_> {
    fn order(&self, order: impl FnOnce(ChannelId) -> ChannelOrder) {
        if let Some(channel) = self.0 {
            self.1.tell(order(channel));
        }
    }
}

impl Outgoing {
    fn carry_out(
        &mut self,
        transfer: TransferId,
        channel: &Channel<'_>,
        started: &mut Instant,
        news: &mut Vec<FileEvent>,
    ) {
        let (Some(machine), Some(offer)) = (&mut self.machine, &self.offer) else {
            return;
        };
        while let Some(output) = machine.poll_output() {
            match output {
                sender::Output::Send(message) => channel.order(|id| ChannelOrder::Send(id, message)),
                sender::Output::Read { offset, length } => {
                    if self.disk.piece(offset, length).is_err() {
                        machine.handle_read(offset, Err("the disk does not answer".to_owned()));
                    }
                }
                sender::Output::Accepted if machine.acknowledged() == 0 => *started = now(),
                sender::Output::Accepted => {}
                sender::Output::Completed => news.push(FileEvent::Completed {
                    transfer,
                    path: self.path.clone(),
                    size: offer.size,
                    hash: offer.hash.to_string(),
                    took: now().saturating_duration_since(*started),
                }),
                sender::Output::Failed(failure) => {
                    news.push(FileEvent::Failed {
                        transfer,
                        reason: file_end(failure),
                    });
                }
                sender::Output::Close => channel.order(ChannelOrder::Close),
            }
        }
    }
}

impl Incoming {
    fn carry_out(
        &mut self,
        transfer: TransferId,
        channel: &Channel<'_>,
        started: Instant,
        news: &mut Vec<FileEvent>,
    ) {
        while let Some(output) = self.machine.poll_output() {
            let order = match output {
                receiver::Output::Send(message) => {
                    channel.order(|id| ChannelOrder::Send(id, message));
                    continue;
                }
                receiver::Output::Offered(offer) => {
                    let name = safe_name(&offer.name);
                    news.push(FileEvent::Incoming {
                        transfer,
                        name,
                        size: offer.size,
                        media_type: offer.media_type,
                    });
                    continue;
                }
                receiver::Output::Pause(paused) => {
                    channel.order(|id| ChannelOrder::Pause(id, paused));
                    continue;
                }
                receiver::Output::Discard => {
                    self.disk = None;
                    continue;
                }
                receiver::Output::Completed => {
                    news.push(self.completed(transfer, started));
                    continue;
                }
                receiver::Output::Failed(failure) => {
                    news.push(FileEvent::Failed {
                        transfer,
                        reason: file_end(failure),
                    });
                    continue;
                }
                receiver::Output::Close => {
                    channel.order(ChannelOrder::Close);
                    continue;
                }
                receiver::Output::Write(data) => self.disk.as_ref().map(|disk| disk.piece(data)),
                receiver::Output::Verify => self.disk.as_ref().map(|disk| disk.verify()),
                receiver::Output::Store => self.disk.as_ref().map(|disk| disk.store()),
            };
            if !matches!(order, Some(Ok(()))) {
                self.machine
                    .handle_written(now(), Err("the disk does not keep up".to_owned()));
            }
        }
    }

    fn completed(&self, transfer: TransferId, started: Instant) -> FileEvent {
        let offer = self.machine.offer();
        FileEvent::Completed {
            transfer,
            path: self.path.clone(),
            size: offer.map_or(0, |offer| offer.size),
            hash: offer.map(|offer| offer.hash.to_string()).unwrap_or_default(),
            took: now().saturating_duration_since(started),
        }
    }
}

fn file_end(failure: Failure) -> FileEnd {
    match failure {
        Failure::Declined => FileEnd::Declined,
        Failure::Cancelled => FileEnd::Cancelled,
        Failure::CancelledByPeer => FileEnd::CancelledByPeer,
        Failure::Corrupt => FileEnd::Corrupt,
        Failure::ChannelClosed => FileEnd::CallEnded,
        Failure::Disk(words) => FileEnd::Disk(words),
        Failure::Stalled => FileEnd::Protocol(failure.to_string()),
        Failure::Protocol(what) => FileEnd::Protocol(what),
    }
}

/// By the ending of the name; a hint for the peer's screen, nothing more.
pub(super) fn media_type(path: &Path) -> &'static str {
    let extension = path
        .extension()
        .map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref().unwrap_or_default() {
        "gif" => "image/gif",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "webp" => "image/webp",
        "flac" => "audio/flac",
        "mp3" => "audio/mpeg",
        "ogg" | "opus" => "audio/ogg",
        "wav" => "audio/wav",
        "mkv" => "video/matroska",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "gz" => "application/gzip",
        "json" => "application/json",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        "csv" => "text/csv",
        "html" => "text/html",
        "md" => "text/markdown",
        "txt" => "text/plain",
        _ => "application/octet-stream",
    }
}
