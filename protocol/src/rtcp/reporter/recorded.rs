//! The reporter in recordings, with the congestion controller in it: reports keep all their figures, and nothing of what
//! they say in words.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Output, Reporter};
use crate::MediaKind;
use crate::congestion::sent_log::Delivered;
use crate::recording::Recorded;
use crate::rtcp::Error;
use crate::rtcp::masking::mask_words;
use crate::rtp::receiver::{Arrival, Captured};
use crate::rtp::sender::SentFigures;
use crate::rtp::sequence::ReceptionFigures;

/// What a reporter is fed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// [`Reporter::handle_datagram`].
    Datagram(#[serde(with = "crate::recording::media::digits")] Vec<u8>),
    /// [`Reporter::handle_timeout`].
    Timeout,
    /// [`Reporter::sent`].
    Sent(MediaKind, SentFigures),
    /// [`Reporter::received`].
    Received(MediaKind, u32, ReceptionFigures),
    /// [`Reporter::captured`].
    Captured(MediaKind, Captured),
    /// [`Reporter::request_resend`].
    RequestResend(MediaKind, Vec<u16>),
    /// [`Reporter::request_key_frame`].
    RequestKeyFrame(MediaKind),
    /// [`Reporter::arrived`].
    Arrived(Vec<Arrival>),
    /// [`Reporter::delivered`].
    Delivered(Vec<Delivered>),
    /// [`Reporter::goodbye`].
    Goodbye,
}

impl Recorded for Reporter {
    const NAME: &'static str = "rtcp_reporter";
    type Input = Input;
    type Answer = Result<(), Error>;
    type Output = Output;

    fn feed(&mut self, at: Instant, input: Input) -> Result<(), Error> {
        match input {
            Input::Datagram(datagram) => return self.handle_datagram(at, &datagram),
            Input::Timeout => self.handle_timeout(at),
            Input::Sent(kind, figures) => self.sent(at, kind, figures),
            Input::Received(kind, ssrc, figures) => self.received(at, kind, ssrc, figures),
            Input::Captured(kind, captured) => self.captured(kind, captured),
            Input::RequestResend(kind, sequences) => self.request_resend(kind, sequences),
            Input::RequestKeyFrame(kind) => self.request_key_frame(at, kind),
            Input::Arrived(arrivals) => self.arrived(at, &arrivals),
            Input::Delivered(packets) => self.delivered(at, &packets),
            Input::Goodbye => self.goodbye(at),
        }
        Ok(())
    }

    fn drain(&mut self, _: Instant) -> Vec<Output> {
        std::iter::from_fn(|| self.poll_output()).collect()
    }

    fn mask(&self, input: &Input) -> Input {
        match input {
            Input::Datagram(datagram) => Input::Datagram(mask_words(datagram)),
            other => other.clone(),
        }
    }

    fn tell(answer: &Result<(), Error>) -> Option<String> {
        answer.as_ref().err().map(ToString::to_string)
    }
}
