//! The sender in recordings: frames keep what decides how they are cut into packets.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Output, RtpSender};
use crate::recording::Recorded;
use crate::rtp::Error;
use crate::rtp::payload;

/// What a sender is fed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// [`RtpSender::send_frame`].
    Frame {
        /// The bitstream.
        #[serde(with = "crate::recording::media::digits")]
        data: Bytes,
        /// When it was captured.
        #[serde(with = "crate::recording::moment")]
        captured_at: Instant,
    },
    /// [`RtpSender::allow`].
    Allow {
        /// The rate, bit/s.
        rate: u64,
        /// Whether the path is narrow.
        narrow: bool,
    },
    /// [`RtpSender::resend`].
    Resend {
        /// The packets.
        sequences: Vec<u16>,
        /// How long an answer takes.
        round_trip: Duration,
    },
}

impl Recorded for RtpSender {
    const NAME: &'static str = "rtp_sender";
    const PACED: bool = true;
    type Input = Input;
    /// How many packets are sent again.
    type Answer = Result<usize, Error>;
    type Output = Output;

    fn feed(&mut self, at: Instant, input: Input) -> Result<usize, Error> {
        match input {
            Input::Frame { data, captured_at } => self.send_frame(at, &data, captured_at)?,
            Input::Allow { rate, narrow } => self.allow(rate, narrow),
            Input::Resend {
                sequences,
                round_trip,
            } => return Ok(self.resend(at, &sequences, round_trip)),
        }
        Ok(0)
    }

    fn drain(&mut self, at: Instant) -> Vec<Output> {
        std::iter::from_fn(|| self.poll_output(at)).collect()
    }

    fn mask(&self, input: &Input) -> Input {
        match input {
            Input::Frame { data, captured_at } => Input::Frame {
                data: payload::mask_frame(self.settings.format, data),
                captured_at: *captured_at,
            },
            Input::Allow { .. } | Input::Resend { .. } => input.clone(),
        }
    }

    fn tell(answer: &Result<usize, Error>) -> Option<String> {
        match answer {
            Ok(0) => None,
            Ok(again) => Some(format!("{again} again")),
            Err(error) => Some(error.to_string()),
        }
    }
}
