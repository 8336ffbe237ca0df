//! The data channels of a call (RFC 8831): SCTP between the DTLS session and those who talk to the peer.
//!
//! Hears [`StartAssociation`] and [`SendPeerMedia`] from the call, [`SctpPackets`] from the DTLS session and
//! [`ChannelOrder`] from the file transfers and, through the call, [`UseDataChannel`] from the front end; tells the DTLS session what to send, the file transfers
//! [`ChannelNews`], the call what happens to channels of neither ([`DataReport`]), what the peer sends at the moment ([`PeerMedia`]) and that the association is gone
//! ([`AssociationLost`]): then the call negotiates another transport.
//!
//! Besides the channels of files there is one named `control`, opened by the offerer: JSON texts such as
//! `{"type":"media","microphone":true,"camera":false}`.

mod plain;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use actix::{Actor, Context, Handler};
use bytes::Bytes;
use roomrtc_kit::deadline::now;
use roomrtc_kit::{Deadline, Directory, Keep, Legacy, Port, Timed, mail};
use roomrtc_protocol::data_channel::dcep::Reliability;
use roomrtc_protocol::data_channel::{ChannelId, DataChannels, Event, Message, Output};
use roomrtc_protocol::{file_transfer, sctp};
use serde::{Deserialize, Serialize};
use tracing::{debug, info, warn};

use self::plain::PlainChannels;
use crate::brief;
use crate::call_events::{AssociationLost, DataReport, PeerMedia};
use crate::dtls_session::SendRecords;
use crate::file_transfer::ChannelNews;
use crate::ui_bridge::TransferId;
use crate::ui_bridge::data::{DataEvent, DataOrder};

/// The channel for what the two clients tell each other about the call.
const CONTROL_LABEL: &str = "control";
const CONTROL_PROTOCOL: &str = "roomrtc-control";

/// Longest control message taken.
const MAX_CONTROL: usize = 1024;

/// Packets that came before the association was started and are kept; more push out the oldest, which may belong to one
/// that is gone.
const EARLY_PACKETS: usize = 16;

/// SCTP packets from the DTLS session.
pub struct SctpPackets(pub Vec<Bytes>);

/// Begin: the descriptions are known. An earlier association is given up; the peer does the same.
#[derive(Clone, Copy, Debug)]
pub struct StartAssociation {
    /// Whether we are the DTLS client, who connects and has the even streams.
    pub client: bool,
    /// Whether we made the offer, and so open the control channel.
    pub offerer: bool,
    /// Largest message the peer takes (`a=max-message-size`); 0 means any (RFC 8841 §6.1).
    pub max_message_size: usize,
}

/// Tell the peer what we send at the moment.
#[derive(Clone, Copy, Debug)]
pub struct SendPeerMedia {
    /// Whether sound is sent.
    pub microphone: bool,
    /// Whether pictures are sent.
    pub camera: bool,
}

/// What the file transfers want of their channels.
#[derive(Clone, Debug)]
pub enum ChannelOrder {
    /// Open one; [`ChannelNews::Ready`] answers.
    Open(TransferId),
    /// Send a message.
    Send(ChannelId, Message),
    /// Stop (true) or go on taking messages.
    Pause(ChannelId, bool),
    /// Close it once all that was sent has arrived.
    Close(ChannelId),
    /// Give up the association for another: nobody knows any more what was said on its channels.
    Renew,
}

/// What the front end wants of a channel of its own.
#[derive(Clone, Debug)]
pub struct UseDataChannel(pub DataOrder);

mail! {
    UseDataChannel, |order| brief::variant(&order.0);
    SctpPackets: newest(1024), |packets| brief::batch(&packets.0);
    StartAssociation;
    SendPeerMedia;
    ChannelOrder, brief::variant;
}

/// What all lives of an association share.
#[derive(Clone)]
pub struct SctpSetup {
    /// Where packets go.
    pub dtls: Port<SendRecords>,
    /// Where the news of files' channels goes.
    pub files: Port<ChannelNews>,
    /// Where the peer's state goes.
    pub peer_media: Port<PeerMedia>,
    /// Where the news of other channels goes.
    pub data: Port<DataReport>,
    /// Limits of the association.
    pub settings: sctp::Settings,
    /// Channels open at one time.
    pub max_channels: usize,
    /// Where the loss of the association goes.
    pub lost: Port<AssociationLost>,
    /// Whether an association was begun; the peer may have it still.
    pub begun: Arc<AtomicBool>,
    /// The association itself, unless a life died at work on it.
    pub state: Keep<State>,
}

/// What is said on the control channel.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ControlMessage {
    Media { microphone: bool, camera: bool },
}

/// A channel of a file.
#[derive(Default)]
pub(crate) struct FileChannel {
    /// Bytes of pieces given to it, and how many of them the file transfers know to have arrived.
    given: u64,
    reported: u64,
}

/// The association and its channels.
#[derive(Default)]
pub struct State {
    channels: Option<DataChannels>,
    early: Vec<Bytes>,
    control: Option<ChannelId>,
    /// What the peer should know, once it can be told.
    media: Option<SendPeerMedia>,
    files: BTreeMap<ChannelId, FileChannel>,
    plain: PlainChannels,
}

/// The actor.
pub struct SctpAssociation {
    setup: SctpSetup,
    state: Legacy<State>,
    inherited: bool,
    deadline: Deadline,
}

impl SctpAssociation {
    /// An association that waits for [`StartAssociation`], or goes on where its last life was.
    pub fn new(setup: SctpSetup) -> Self {
        let (state, inherited) = Legacy::inherit(&setup.state, State::default);
        SctpAssociation {
            setup,
            state,
            inherited,
            deadline: Deadline::default(),
        }
    }

    /// Lets the machine say all it has to say; its packets leave together.
    fn drive(&mut self, ctx: &mut Context<Self>) {
        let now = now();
        let mut packets = Vec::new();
        while let Some(output) = self
            .state
            .channels
            .as_mut()
            .and_then(|channels| channels.poll_output(now))
        {
            match output {
                Output::Transmit(packet) => packets.push(packet),
                Output::Event(event) => self.hear(event),
            }
        }
        if !packets.is_empty() {
            self.setup.dtls.tell(SendRecords(packets));
        }
        self.report_acknowledged();
        let next = self.state.channels.as_ref().and_then(DataChannels::next_timeout);
        self.deadline.arm(next, ctx);
        self.state.settle();
        if Directory::watched() {
            let files = self.state.files.len();
            Directory::note_resume(|| format!("the association, {files} channels of files"));
        }
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Connected => {
                info!("SCTP connected");
                self.setup.files.tell(ChannelNews::Connected);
            }
            Event::Opened {
                channel,
                reliability,
                label,
                protocol,
            } => self.opened(channel, reliability, label, protocol),
            Event::Message { channel, message } if self.state.files.contains_key(&channel) => {
                self.setup.files.tell(ChannelNews::Message(channel, message));
            }
            Event::Message { channel, message } if self.state.control == Some(channel) => {
                self.hear_control(&message)
            }
            Event::Message { channel, message } => {
                let heard = self.state.plain.heard(channel, message);
                self.tell_data(heard);
            }
            Event::BufferedAmountLow(_) => {}
            Event::Closed(channel) => {
                if self.state.control == Some(channel) {
                    self.state.control = None;
                }
                if self.state.files.remove(&channel).is_some() {
                    self.setup.files.tell(ChannelNews::Closed(channel));
                }
                let gone = self.state.plain.closed(channel);
                self.tell_data(gone);
            }
            Event::Ended { reason } => {
                warn!(%reason, "SCTP ended");
                self.forget();
                self.setup.lost.tell(AssociationLost::Peers);
            }
        }
    }

    /// All channels are gone.
    fn forget(&mut self) {
        self.state.channels = None;
        self.state.control = None;
        self.state.files.clear();
        let gone = self.state.plain.forget();
        self.tell_data(gone);
        self.setup.begun.store(false, Ordering::Relaxed);
        self.setup.files.tell(ChannelNews::Ended);
    }

    fn tell_data(&self, events: impl IntoIterator<Item = DataEvent>) {
        for event in events {
            self.setup.data.tell(DataReport(event));
        }
    }

    fn opened(&mut self, channel: ChannelId, reliability: Reliability, label: String, protocol: String) {
        debug!(?channel, label, protocol, "channel opened by the peer");
        match (label.as_str(), protocol.as_str()) {
            (file_transfer::LABEL, file_transfer::PROTOCOL) => {
                self.state.files.insert(channel, FileChannel::default());
                self.setup.files.tell(ChannelNews::Opened(channel));
            }
            (CONTROL_LABEL, CONTROL_PROTOCOL) if self.state.control.is_none() => {
                self.state.control = Some(channel);
                self.tell_media();
            }
            _ => {
                let opened = self.state.plain.opened(channel, reliability, [label, protocol]);
                self.tell_data([opened]);
            }
        }
    }

    fn hear_control(&mut self, message: &Message) {
        let Message::Text(text) = message else { return };
        if text.len() > MAX_CONTROL {
            return;
        }
        match serde_json::from_str(text) {
            Ok(ControlMessage::Media { microphone, camera }) => {
                self.setup.peer_media.tell(PeerMedia { microphone, camera });
            }
            Err(error) => debug!(%error, "control message not understood"),
        }
    }

    fn tell_media(&mut self) {
        let state = &mut *self.state;
        let (Some(channels), Some(control), Some(media)) = (&mut state.channels, state.control, state.media)
        else {
            return;
        };
        let message = ControlMessage::Media {
            microphone: media.microphone,
            camera: media.camera,
        };
        if let Ok(text) = serde_json::to_string(&message) {
            let _ = channels.send(control, Message::Text(text));
        }
    }

    fn report_acknowledged(&mut self) {
        let state = &mut *self.state;
        let Some(channels) = &mut state.channels else {
            return;
        };
        for (&channel, file) in &mut state.files {
            if file.given == file.reported {
                continue;
            }
            let acknowledged = file
                .given
                .saturating_sub(channels.buffered_amount(channel) as u64);
            if acknowledged > file.reported {
                file.reported = acknowledged;
                self.setup
                    .files
                    .tell(ChannelNews::Acknowledged(channel, acknowledged));
            }
        }
    }

    fn obey(&mut self, order: ChannelOrder) {
        let State { channels, files, .. } = &mut *self.state;
        let Some(channels) = channels else {
            if let ChannelOrder::Open(transfer) = order {
                self.setup.files.tell(ChannelNews::Refused(transfer));
            }
            return;
        };
        match order {
            ChannelOrder::Open(transfer) => {
                let opened = channels.open(file_transfer::LABEL, file_transfer::PROTOCOL);
                self.setup.files.tell(match opened {
                    Ok(channel) => {
                        files.insert(channel, FileChannel::default());
                        ChannelNews::Ready(transfer, channel)
                    }
                    Err(_) => ChannelNews::Refused(transfer),
                });
            }
            ChannelOrder::Send(channel, message) => {
                if let (Message::Binary(data), Some(file)) = (&message, files.get_mut(&channel)) {
                    file.given += data.len() as u64;
                }
                if let Err(error) = channels.send(channel, message) {
                    debug!(%error, ?channel, "message not sent");
                }
            }
            ChannelOrder::Pause(channel, paused) => channels.set_paused(channel, paused),
            ChannelOrder::Close(channel) => {
                files.remove(&channel);
                channels.close(channel);
            }
            ChannelOrder::Renew => {
                self.forget();
                self.setup.lost.tell(AssociationLost::Ours);
            }
        }
    }
}

impl Actor for SctpAssociation {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if self.inherited {
            self.drive(ctx);
        } else if self.setup.begun.load(Ordering::Relaxed) {
            // The earlier life died at work, or could leave nothing.
            self.forget();
            self.setup.lost.tell(AssociationLost::Ours);
        }
    }
}

impl Timed for SctpAssociation {
    fn deadline(&mut self) -> &mut Deadline {
        &mut self.deadline
    }

    fn due(&mut self, now: Instant, ctx: &mut Self::Context) {
        if let Some(channels) = &mut self.state.channels {
            channels.handle_timeout(now);
        }
        self.drive(ctx);
    }
}

impl Handler<StartAssociation> for SctpAssociation {
    type Result = ();

    fn handle(&mut self, start: StartAssociation, ctx: &mut Self::Context) {
        if self.state.channels.is_some() {
            self.forget();
        }
        let ours = self.setup.settings.max_message;
        let max_send_message = if start.max_message_size == 0 {
            ours
        } else {
            start.max_message_size.min(ours)
        };
        let settings = self.setup.settings.clone();
        let mut channels =
            DataChannels::new(settings, self.setup.max_channels, start.client, max_send_message);
        if start.offerer {
            self.state.control = channels.open(CONTROL_LABEL, CONTROL_PROTOCOL).ok();
        }
        let now = now();
        for packet in std::mem::take(&mut self.state.early) {
            channels.handle_input(now, packet);
        }
        self.state.channels = Some(channels);
        self.setup.begun.store(true, Ordering::Relaxed);
        self.tell_media();
        self.drive(ctx);
    }
}

impl Handler<SctpPackets> for SctpAssociation {
    type Result = ();

    fn handle(&mut self, SctpPackets(packets): SctpPackets, ctx: &mut Self::Context) {
        let State { channels, early, .. } = &mut *self.state;
        match channels {
            Some(channels) => {
                let now = now();
                packets
                    .into_iter()
                    .for_each(|packet| channels.handle_input(now, packet));
            }
            None => {
                early.extend(packets);
                let excess = early.len().saturating_sub(EARLY_PACKETS);
                early.drain(..excess);
            }
        }
        self.drive(ctx);
    }
}

impl Handler<SendPeerMedia> for SctpAssociation {
    type Result = ();

    fn handle(&mut self, media: SendPeerMedia, ctx: &mut Self::Context) {
        self.state.media = Some(media);
        self.tell_media();
        self.drive(ctx);
    }
}

impl Handler<ChannelOrder> for SctpAssociation {
    type Result = ();

    fn handle(&mut self, order: ChannelOrder, ctx: &mut Self::Context) {
        self.obey(order);
        self.drive(ctx);
    }
}

impl Handler<UseDataChannel> for SctpAssociation {
    type Result = ();

    fn handle(&mut self, UseDataChannel(order): UseDataChannel, ctx: &mut Self::Context) {
        let State { channels, plain, .. } = &mut *self.state;
        let news = plain.obey(channels.as_mut(), order);
        self.tell_data(news);
        self.drive(ctx);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_control_message_is_the_agreed_one() {
        let text = r#"{"type":"media","microphone":true,"camera":false}"#;
        let message = ControlMessage::Media {
            microphone: true,
            camera: false,
        };
        assert_eq!(serde_json::to_string(&message).unwrap(), text);
        assert_eq!(serde_json::from_str::<ControlMessage>(text).unwrap(), message);
    }
}
