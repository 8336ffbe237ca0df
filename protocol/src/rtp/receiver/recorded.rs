//! The receiver in recordings: datagrams keep their headers and what tells of a payload's format.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Load, ORIGINAL_SEQUENCE, Output, RtpReceiver};
use crate::recording::Recorded;
use crate::recording::media::keep_only;
use crate::rtp::Error;
use crate::rtp::packet::{Header, Packet};
use crate::rtp::payload::{self, PayloadFormat};

/// Of a datagram that is no packet, what its refusal depends on: header, sources and the length of the extensions.
const LONGEST_HEADER: usize = Header::LEN + 4 * 15 + 4;

/// What a receiver is fed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// [`RtpReceiver::handle_datagram`].
    Datagram(#[serde(with = "crate::recording::media::digits")] Bytes),
    /// [`RtpReceiver::set_round_trip`].
    RoundTrip(Duration),
    /// [`RtpReceiver::handle_timeout`].
    Timeout,
}

impl Recorded for RtpReceiver {
    const NAME: &'static str = "rtp_receiver";
    type Input = Input;
    type Answer = Result<(), Error>;
    type Output = Output;

    fn feed(&mut self, at: Instant, input: Input) -> Result<(), Error> {
        match input {
            Input::Datagram(datagram) => return self.handle_datagram(at, &datagram),
            Input::RoundTrip(round_trip) => self.set_round_trip(round_trip),
            Input::Timeout => self.handle_timeout(at),
        }
        Ok(())
    }

    fn drain(&mut self, _: Instant) -> Vec<Output> {
        std::iter::from_fn(|| self.poll_output()).collect()
    }

    fn mask(&self, input: &Input) -> Input {
        match input {
            Input::Datagram(datagram) => Input::Datagram(self.mask_datagram(datagram)),
            Input::RoundTrip(_) | Input::Timeout => input.clone(),
        }
    }

    fn tell(answer: &Result<(), Error>) -> Option<String> {
        answer.as_ref().err().map(ToString::to_string)
    }

    fn state(&self) -> Result<Value, serde_json::Error> {
        let mut masked = self.clone();
        if let Some(video) = &mut masked.video {
            video.mask();
        }
        serde_json::to_value(masked)
    }
}

impl RtpReceiver {
    fn mask_datagram(&self, datagram: &Bytes) -> Bytes {
        let Ok(packet) = Packet::parse(datagram) else {
            let length = datagram.len();
            let header = (0..LONGEST_HEADER.min(length)).chain(length.checked_sub(1));
            return keep_only(datagram, header).into();
        };
        // The payload shares the datagram's memory.
        let start = packet.payload.as_ptr() as usize - datagram.as_ptr() as usize;
        let end = start + packet.payload.len();
        let (format, repeated) = match self.settings.medium.load(&packet.header) {
            Some(Load::Picture(codec)) => (codec.into(), 0),
            Some(Load::Retransmission(codec)) => (codec.into(), ORIGINAL_SEQUENCE.min(packet.payload.len())),
            Some(Load::Sound) | None => (PayloadFormat::Opus, 0),
        };
        let told = payload::telling(format, &packet.payload[repeated..]);
        let told = told.into_iter().map(|at| start + repeated + at);
        // What is behind the payload is padding, whose last byte counts it.
        keep_only(
            datagram,
            (0..start + repeated).chain(told).chain(end..datagram.len()),
        )
        .into()
    }
}
