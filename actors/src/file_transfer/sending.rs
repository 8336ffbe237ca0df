//! Files on their way out: hashed, offered, and offered again on the channels of another association.

use roomrtc_kit::deadline::now;
use roomrtc_protocol::data_channel::ChannelId;
use roomrtc_protocol::file_transfer::control::{Hash, Offer};
use roomrtc_protocol::file_transfer::sender::Sender;

use super::disk::Reading;
use super::transfer::{Outgoing, Transfer, Way, media_type};
use super::{FileTransfers, SendFile};
use crate::sctp_association::ChannelOrder;
use crate::ui_bridge::{FileEnd, FileEvent, TransferId};

impl FileTransfers {
    /// Begins with a file, or lets it wait for its turn.
    pub(super) fn begin(&mut self, order: SendFile) {
        if self.state.transfers.len() >= self.setup.settings.max_concurrent {
            self.state.waiting.push_back(order);
            return self.keep();
        }
        let SendFile { transfer, path } = order;
        match Reading::begin(transfer, path.clone(), true, self.setup.me.port()) {
            Ok(disk) => {
                let way = Way::Out(Outgoing {
                    path,
                    disk,
                    offer: None,
                    asked: false,
                    machine: None,
                });
                self.insert(transfer, way, None);
            }
            Err(error) => self.failed(transfer, FileEnd::Disk(error.to_string())),
        }
    }

    pub(super) fn hashed(&mut self, transfer: TransferId, result: Result<(u64, Hash), String>) {
        let Some(Transfer {
            way: Way::Out(outgoing),
            ..
        }) = self.state.transfers.get_mut(&transfer)
        else {
            return;
        };
        match result {
            // An earlier life's disk has said it too.
            Ok(_) if outgoing.offer.is_some() => {}
            Ok((size, hash)) => {
                let name = outgoing
                    .path
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned());
                let name = name.unwrap_or_default();
                let media_type = media_type(&outgoing.path).to_owned();
                outgoing.offer = Some(Offer {
                    name: name.clone(),
                    size,
                    media_type,
                    hash,
                });
                outgoing.asked = true;
                self.keep();
                self.setup.sctp.tell(ChannelOrder::Open(transfer));
                self.tell(FileEvent::Offered { transfer, name, size });
            }
            Err(error) => {
                self.remove(transfer);
                self.failed(transfer, FileEnd::Disk(error));
            }
        }
    }

    pub(super) fn ready(&mut self, transfer: TransferId, channel: ChannelId) {
        let settings = self.setup.settings.transfer.clone();
        let Some(entry) = self.state.transfers.get_mut(&transfer) else {
            // Cancelled meanwhile.
            return self.setup.sctp.tell(ChannelOrder::Close(channel));
        };
        if let Way::Out(outgoing) = &mut entry.way
            && let Some(offer) = &outgoing.offer
        {
            match &mut outgoing.machine {
                Some(interrupted) => interrupted.resume(now()),
                None => outgoing.machine = Some(Sender::new(now(), offer.clone(), settings)),
            }
            entry.channel = Some(channel);
        }
    }

    /// There is no channel for this file: at present, or at all.
    pub(super) fn refused(&mut self, transfer: TransferId) {
        if !self.state.interrupted {
            self.remove(transfer);
            return self.failed(transfer, FileEnd::Protocol("there is no data channel".to_owned()));
        }
        if let Some(Transfer {
            way: Way::Out(outgoing),
            ..
        }) = self.state.transfers.get_mut(&transfer)
        {
            outgoing.asked = false;
        }
    }

    /// Offers what is on its way out again.
    pub(super) fn reconnect(&mut self) {
        self.state.interrupted = false;
        for (&transfer, entry) in &mut self.state.transfers {
            if let Way::Out(outgoing) = &mut entry.way
                && outgoing.offer.is_some()
                && !std::mem::replace(&mut outgoing.asked, true)
            {
                self.setup.sctp.tell(ChannelOrder::Open(transfer));
            }
        }
    }
}
