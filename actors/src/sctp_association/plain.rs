//! The channels that are neither files' nor the control channel: what is said on them is the front end's business.

use std::collections::BTreeSet;

use roomrtc_protocol::data_channel::dcep::Reliability;
use roomrtc_protocol::data_channel::{ChannelId, DataChannels, Message};
use roomrtc_protocol::sctp::Error;

use crate::ui_bridge::data::{ChannelWish, DataEvent, DataOrder, cut};

/// What a front end may have on its way to the peer on one channel, bytes.
const WAITING: usize = 16 << 20;

/// The open ones.
#[derive(Default)]
pub(super) struct PlainChannels(BTreeSet<ChannelId>);

impl PlainChannels {
    /// The peer has opened one.
    pub(super) fn opened(
        &mut self,
        channel: ChannelId,
        reliability: Reliability,
        [label, protocol]: [String; 2],
    ) -> DataEvent {
        self.0.insert(channel);
        DataEvent::Opened {
            channel: channel.0,
            label: cut(label),
            protocol: cut(protocol),
            reliability,
            by_peer: true,
        }
    }

    /// A message arrived, perhaps on one of these.
    pub(super) fn heard(&self, channel: ChannelId, message: Message) -> Option<DataEvent> {
        self.0.contains(&channel).then(|| DataEvent::Message {
            channel: channel.0,
            message: message.into(),
        })
    }

    /// A channel is gone, perhaps one of these.
    pub(super) fn closed(&mut self, channel: ChannelId) -> Option<DataEvent> {
        self.0
            .remove(&channel)
            .then_some(DataEvent::Closed { channel: channel.0 })
    }

    /// The association is gone.
    pub(super) fn forget(&mut self) -> Vec<DataEvent> {
        let gone = std::mem::take(&mut self.0).into_iter();
        gone.map(|channel| DataEvent::Closed { channel: channel.0 })
            .collect()
    }

    /// Carries an order out; what there is to tell.
    pub(super) fn obey(
        &mut self,
        channels: Option<&mut DataChannels>,
        order: DataOrder,
    ) -> Option<DataEvent> {
        let Some(channels) = channels else {
            let reason = "there is no connection for data channels".to_owned();
            return Some(DataEvent::Refused { reason });
        };
        let done = match order {
            DataOrder::Open(wish) => self.open(channels, wish).map(Some),
            DataOrder::Send { channel, message } => self.send(channels, channel, message).map(|()| None),
            DataOrder::Close { channel } => self.close(channels, channel).map(Some),
        };
        done.unwrap_or_else(|reason| Some(DataEvent::Refused { reason }))
    }

    fn open(&mut self, channels: &mut DataChannels, wish: ChannelWish) -> Result<DataEvent, String> {
        let ChannelWish {
            label,
            protocol,
            reliability,
            negotiated,
        } = wish;
        let opened = match negotiated {
            Some(stream) => channels.open_negotiated(stream, reliability),
            None => channels.open_as(&label, &protocol, reliability),
        };
        let channel = opened.map_err(|error| format!("the channel {label:?} was not opened: {error}"))?;
        self.0.insert(channel);
        Ok(DataEvent::Opened {
            channel: channel.0,
            label,
            protocol,
            reliability,
            by_peer: false,
        })
    }

    fn send(&self, channels: &mut DataChannels, channel: u16, message: Message) -> Result<(), String> {
        let id = self.known(channel)?;
        let waiting = channels.buffered_amount(id);
        if waiting > WAITING {
            return Err(format!(
                "channel {channel}: {waiting} bytes wait to be sent already"
            ));
        }
        channels
            .send(id, message)
            .map_err(|error| format!("channel {channel}: {error}"))
    }

    fn close(&mut self, channels: &mut DataChannels, channel: u16) -> Result<DataEvent, String> {
        let id = self.known(channel)?;
        channels.close(id);
        self.0.remove(&id);
        Ok(DataEvent::Closed { channel })
    }

    /// Only these: files and the control channel are none of the front end's business.
    fn known(&self, channel: u16) -> Result<ChannelId, String> {
        let id = ChannelId(channel);
        let known = self.0.contains(&id).then_some(id);
        known.ok_or_else(|| format!("channel {channel}: {}", Error::UnknownChannel))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use bytes::Bytes;
    use roomrtc_protocol::sctp::Settings;

    use super::*;

    fn refused(event: Option<DataEvent>) -> String {
        match event {
            Some(DataEvent::Refused { reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    fn wish(negotiated: Option<u16>) -> DataOrder {
        DataOrder::Open(ChannelWish {
            label: "chat".to_owned(),
            negotiated,
            ..ChannelWish::default()
        })
    }

    fn send(channel: u16, size: usize) -> DataOrder {
        let message = Message::Binary(Bytes::from(vec![7; size]));
        DataOrder::Send { channel, message }
    }

    #[test]
    fn what_cannot_be_done_is_told_in_a_sentence() {
        let mut plain = PlainChannels::default();
        assert_eq!(
            refused(plain.obey(None, wish(None))),
            "there is no connection for data channels"
        );
        let mut channels = DataChannels::new(Settings::default(), 4, true, 1000);
        let control = channels.open("control", "").unwrap();
        let opened = plain.obey(Some(&mut channels), wish(Some(7)));
        assert!(matches!(
            opened,
            Some(DataEvent::Opened {
                channel: 7,
                by_peer: false,
                ..
            })
        ));
        assert_eq!(
            refused(plain.obey(Some(&mut channels), wish(Some(7)))),
            "the channel \"chat\" was not opened: stream 7 is in use"
        );
        assert_eq!(
            refused(plain.obey(Some(&mut channels), send(control.0, 1))),
            "channel 0: there is no such channel"
        );
        assert_eq!(
            refused(plain.obey(Some(&mut channels), send(7, 1001))),
            "channel 7: a message of 1001 bytes, at most 1000 are allowed"
        );
        assert_eq!(plain.obey(Some(&mut channels), send(7, 1000)), None);
        let close = DataOrder::Close { channel: 7 };
        assert_eq!(
            plain.obey(Some(&mut channels), close),
            Some(DataEvent::Closed { channel: 7 })
        );
    }

    #[test]
    fn a_front_end_does_not_fill_the_memory_of_a_client_whose_peer_takes_nothing() {
        let mut plain = PlainChannels::default();
        let mut channels = DataChannels::new(Settings::default(), 4, true, 1 << 20);
        plain.obey(Some(&mut channels), wish(Some(7)));
        let taken = (0..100)
            .take_while(|_| plain.obey(Some(&mut channels), send(7, 1 << 20)).is_none())
            .count();
        assert_eq!(taken, (WAITING >> 20) + 1);
    }
}
