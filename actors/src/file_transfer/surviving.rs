//! What people were promised, and how the next life keeps it after one that died at work, or hung with its thread.
//!
//! The machines of such a life are lost, and with them what its channels were about. The disks have threads of their own:
//! they outlive it, and know what they were given. So the next life asks for another association, on which both sides
//! offer again what is on its way out, and goes on from there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use roomrtc_kit::Directory;
use roomrtc_kit::deadline::now;
use roomrtc_protocol::file_transfer::control::Offer;
use roomrtc_protocol::file_transfer::receiver::Receiver;
use tracing::info;

use super::disk::{Reading, Writing};
use super::transfer::{Incoming, Outgoing, Way};
use super::{FileTransfers, SendFile};
use crate::sctp_association::ChannelOrder;
use crate::ui_bridge::{FileEnd, FileEvent, TransferId};

/// A file that was under way in so many lives that died at work is not begun again: it may be what they died of.
const MOST_DEATHS: u32 = 5;

/// A file under way, as far as it must not be lost.
#[derive(Clone)]
pub struct Promise {
    way: PromisedWay,
    started: Instant,
    /// Lives that died at work meanwhile.
    deaths: u32,
}

#[derive(Clone)]
enum PromisedWay {
    Out {
        path: PathBuf,
        /// Once it is hashed.
        offer: Option<Offer>,
    },
    In {
        offer: Offer,
        /// Once the user has taken the file.
        disk: Option<Arc<Writing>>,
    },
}

/// All files under way.
pub type Promises = BTreeMap<TransferId, Promise>;

impl FileTransfers {
    /// Writes down what the next life must know; to be called when a file comes, goes, is hashed, offered or taken.
    pub(super) fn keep(&self) {
        let under_way = self.state.transfers.iter().filter_map(|(&transfer, entry)| {
            let promise = Promise {
                way: PromisedWay::of(&entry.way)?,
                started: entry.started,
                deaths: entry.deaths,
            };
            Some((transfer, promise))
        });
        let waiting = self.state.waiting.iter().map(|order| {
            let path = order.path.clone();
            let promise = Promise {
                way: PromisedWay::Out { path, offer: None },
                started: now(),
                deaths: 0,
            };
            (order.transfer, promise)
        });
        self.setup.promises.put(under_way.chain(waiting).collect());
        Directory::note_resume(|| format!("{} transfers with their offsets", self.state.transfers.len()));
    }

    /// Goes on with what an earlier life, of which nothing else is left, had under way.
    pub(super) fn restore(&mut self) {
        let promises = self.setup.promises.get().unwrap_or_default();
        if promises.is_empty() {
            return;
        }
        info!(
            files = promises.len(),
            "transfers are begun again where they were"
        );
        self.state.interrupted = true;
        for (transfer, mut promise) in promises {
            promise.deaths += 1;
            if promise.deaths > MOST_DEATHS {
                let reason = FileEnd::Protocol("it was interrupted too often".to_owned());
                self.failed(transfer, reason);
                continue;
            }
            match promise.way {
                PromisedWay::Out { path, offer: None } => self.begin(SendFile { transfer, path }),
                PromisedWay::Out {
                    path,
                    offer: Some(offer),
                } => self.offer_again(transfer, path, offer),
                PromisedWay::In { offer, disk } => self.expect_again(transfer, offer, disk),
            }
            if let Some(entry) = self.state.transfers.get_mut(&transfer) {
                (entry.started, entry.deaths) = (promise.started, promise.deaths);
            }
        }
        self.keep();
        self.setup.sctp.tell(ChannelOrder::Renew);
    }

    fn offer_again(&mut self, transfer: TransferId, path: PathBuf, offer: Offer) {
        match Reading::begin(transfer, path.clone(), false, self.setup.me.port()) {
            Ok(disk) => {
                let outgoing = Outgoing {
                    path,
                    disk,
                    offer: Some(offer),
                    asked: false,
                    machine: None,
                };
                self.insert(transfer, Way::Out(outgoing), None);
            }
            Err(error) => self.failed(transfer, FileEnd::Disk(error.to_string())),
        }
    }

    fn expect_again(&mut self, transfer: TransferId, offer: Offer, disk: Option<Arc<Writing>>) {
        if let Some(path) = disk.as_ref().and_then(|disk| disk.stored()) {
            // It died while it heard of that.
            self.tell(FileEvent::Completed {
                transfer,
                path,
                size: offer.size,
                hash: offer.hash.to_string(),
                took: std::time::Duration::ZERO,
            });
            return self.stored(None, offer);
        }
        let settings = self.setup.settings.transfer.clone();
        let given = disk.as_ref().map(|disk| disk.given());
        let incoming = Incoming {
            machine: Receiver::restored(now(), settings, offer, given),
            disk,
            path: PathBuf::new(),
        };
        self.insert(transfer, Way::In(incoming), None);
    }
}

impl PromisedWay {
    fn of(way: &Way) -> Option<Self> {
        Some(match way {
            Way::Out(outgoing) => PromisedWay::Out {
                path: outgoing.path.clone(),
                offer: outgoing.offer.clone(),
            },
            // What is not offered yet will be offered again.
            Way::In(incoming) => PromisedWay::In {
                offer: incoming.machine.offer()?.clone(),
                disk: incoming.disk.clone(),
            },
        })
    }
}
