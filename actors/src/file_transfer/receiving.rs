//! Files on their way in: offered, recognised if they were interrupted, taken.

use std::path::PathBuf;
use std::sync::Arc;

use roomrtc_kit::deadline::now;
use roomrtc_protocol::data_channel::ChannelId;
use roomrtc_protocol::file_transfer::control::Offer;
use roomrtc_protocol::file_transfer::name::safe_name;
use roomrtc_protocol::file_transfer::receiver::Receiver;
use tracing::debug;

use super::disk::Writing;
use super::transfer::{Incoming, Transfer, Way};
use super::{FileTransfers, State};
use crate::sctp_association::ChannelOrder;
use crate::ui_bridge::TransferId;

impl FileTransfers {
    /// A file is offered; perhaps one that was interrupted, or one that is here already.
    pub(super) fn recognise(&mut self, fresh: TransferId) {
        let State {
            transfers,
            unconfirmed,
            ..
        } = &mut *self.state;
        let Some(Transfer {
            way: Way::In(Incoming { machine, .. }),
            channel,
            ..
        }) = transfers.get_mut(&fresh)
        else {
            return;
        };
        let (Some(offer), channel) = (machine.offer().cloned(), *channel) else {
            return;
        };
        let known = |(at, file): &(Option<ChannelId>, Offer)| at.is_none() && *file == offer;
        if let Some(at) = unconfirmed.iter().position(known) {
            unconfirmed.remove(at);
            return machine.have();
        }
        let interrupted = transfers.values_mut().find_map(|entry| match &mut entry.way {
            Way::In(incoming) if incoming.machine.awaits(&offer) => Some((&mut entry.channel, incoming)),
            Way::In(_) | Way::Out(_) => None,
        });
        if let Some((its_channel, incoming)) = interrupted {
            *its_channel = channel;
            incoming.machine.resume(now());
            self.remove(fresh);
        }
    }

    pub(super) fn opened(&mut self, channel: ChannelId) {
        // One that was interrupted comes back before its former entry is given up.
        let interrupted = self
            .state
            .transfers
            .values()
            .filter(|entry| entry.channel.is_none());
        let most = self.setup.settings.max_concurrent + interrupted.count();
        if self.state.transfers.len() >= most {
            debug!(?channel, "one file too many");
            return self.setup.sctp.tell(ChannelOrder::Close(channel));
        }
        let machine = Receiver::new(now(), self.setup.settings.transfer.clone());
        let way = Way::In(Incoming {
            machine,
            disk: None,
            path: PathBuf::new(),
        });
        self.insert(self.setup.ids.next(), way, Some(channel));
    }

    pub(super) fn accept(&mut self, transfer: TransferId, directory: PathBuf) {
        let disk_reports = self.setup.me.port();
        if let Some(Transfer {
            way: Way::In(incoming),
            started,
            ..
        }) = self.state.transfers.get_mut(&transfer)
            && let Some(offer) = incoming.machine.offer()
            && incoming.disk.is_none()
        {
            *started = now();
            match Writing::begin(transfer, directory, safe_name(&offer.name), disk_reports) {
                Ok(disk) => {
                    incoming.disk = Some(Arc::new(disk));
                    incoming.machine.accept(now(), 0);
                }
                Err(error) => incoming.machine.handle_written(now(), Err(error.to_string())),
            }
        }
        self.keep();
    }
}
