//! A codec of a media section: its `a=rtpmap`, `a=fmtp` and `a=rtcp-fb` lines together.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::VideoCodec;
use crate::rtp::payload::VIDEO_CLOCK_RATE;

/// RTP clock of Opus, whatever the sampling rate (RFC 7587 §4.1).
pub const OPUS_CLOCK_RATE: u32 = 48_000;

/// One payload type of a media section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codec {
    /// The RTP payload type, 0–127.
    pub payload_type: u8,
    /// Encoding name as written; compare with [`Codec::is`].
    pub name: String,
    /// RTP clock in Hz.
    pub clock_rate: u32,
    /// Encoding parameters after the clock rate; for audio the number of channels.
    pub channels: Option<u16>,
    /// Format parameters, `key=value` between semicolons; empty if there are none.
    pub parameters: String,
    /// RTCP feedback (RFC 4585 §4.2): `nack`, `nack pli`, `ccm fir`, ….
    pub feedback: Vec<String>,
}

impl Codec {
    /// A codec without parameters and feedback.
    pub fn new(payload_type: u8, name: &str, clock_rate: u32) -> Self {
        Codec {
            payload_type,
            name: name.to_owned(),
            clock_rate,
            channels: None,
            parameters: String::new(),
            feedback: Vec::new(),
        }
    }

    /// With format parameters.
    pub fn with_parameters(mut self, parameters: impl Into<String>) -> Self {
        self.parameters = parameters.into();
        self
    }

    /// Whether it is this encoding at this clock. RFC 8866 §6.6: names are not case-sensitive.
    pub fn is(&self, name: &str, clock_rate: u32) -> bool {
        self.name.eq_ignore_ascii_case(name) && self.clock_rate == clock_rate
    }

    /// A format parameter by its name, without regard to case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self.parameters.split(';').filter_map(|pair| pair.split_once('='));
        let mut found = pairs.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.trim())
    }

    /// Whether this RTCP feedback is announced.
    pub fn has_feedback(&self, feedback: &str) -> bool {
        self.feedback.iter().any(|known| known == feedback)
    }

    /// The payload type it repairs, if it is a retransmission format (RFC 4588 §8.6).
    pub fn associated_payload_type(&self) -> Option<u8> {
        self.name
            .eq_ignore_ascii_case("rtx")
            .then(|| self.parameter("apt")?.parse().ok())
            .flatten()
    }

    /// How well it serves as this codec: `None` not at all, otherwise less is better.
    pub fn rank(&self, codec: VideoCodec) -> Option<u8> {
        match codec {
            VideoCodec::Vp8 => self.is("VP8", VIDEO_CLOCK_RATE).then_some(0),
            VideoCodec::H264 => {
                let packetized = self.parameter("packetization-mode") == Some("1");
                let profile = self.h264_profile()?;
                (self.is("H264", VIDEO_CLOCK_RATE) && packetized)
                    .then(|| profile.rank())
                    .flatten()
            }
        }
    }

    /// The H.264 profile of `profile-level-id`; RFC 6184 §8.1: without it, Baseline at level 1.
    pub fn h264_profile(&self) -> Option<H264Profile> {
        let bytes = match self.parameter("profile-level-id") {
            Some(text) => {
                let mut bytes = [0; 3];
                hex::decode_to_slice(text, &mut bytes).ok()?;
                bytes
            }
            None => [H264Profile::BASELINE_IDC, 0, 0x0A],
        };
        let [idc, constraints, level] = bytes;
        Some(H264Profile {
            idc,
            constraints,
            level,
        })
    }
}

/// The three bytes of H.264's `profile-level-id` (RFC 6184 §8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct H264Profile {
    /// `profile_idc`.
    pub idc: u8,
    /// `profile-iop`: the constraint flags.
    pub constraints: u8,
    /// `level_idc`: ten times the level.
    pub level: u8,
}

impl H264Profile {
    const BASELINE_IDC: u8 = 66;
    const CONSTRAINT_SET_1: u8 = 0x40;

    /// Constrained Baseline, level 3.1: 720p30, what every WebRTC endpoint must speak (RFC 7742 §6.2).
    pub const OURS: H264Profile = H264Profile {
        idc: Self::BASELINE_IDC,
        constraints: 0xE0,
        level: 0x1F,
    };

    /// We send Constrained Baseline, which every Baseline decoder plays too.
    fn rank(self) -> Option<u8> {
        let constrained = self.constraints & Self::CONSTRAINT_SET_1 != 0;
        (self.idc == Self::BASELINE_IDC).then_some(if constrained { 0 } else { 1 })
    }
}

/// Six lower-case hexadecimal digits.
impl fmt::Display for H264Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}{:02x}{:02x}", self.idc, self.constraints, self.level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn h264(parameters: &str) -> Codec {
        Codec::new(102, "H264", VIDEO_CLOCK_RATE).with_parameters(parameters)
    }

    #[test]
    fn constrained_baseline_is_better_than_baseline_and_main_is_none_of_ours() {
        let rank = |profile| {
            h264(&format!("packetization-mode=1;profile-level-id={profile}")).rank(VideoCodec::H264)
        };
        assert_eq!(rank("42e01f"), Some(0));
        assert_eq!(rank("42001f"), Some(1));
        assert_eq!(rank("4d001f"), None);
        assert_eq!(rank("nonsense"), None);
    }

    #[test]
    fn packetization_mode_0_is_not_taken() {
        assert_eq!(
            h264("packetization-mode=0;profile-level-id=42e01f").rank(VideoCodec::H264),
            None
        );
        assert_eq!(h264("profile-level-id=42e01f").rank(VideoCodec::H264), None);
    }

    #[test]
    fn parameters_are_found_whatever_their_case_and_spaces() {
        let codec = h264("Packetization-Mode = 1; profile-level-id=42E01F");
        assert_eq!(codec.parameter("packetization-mode"), Some("1"));
        assert_eq!(codec.rank(VideoCodec::H264), Some(0));
    }

    #[test]
    fn a_retransmission_format_names_what_it_repairs() {
        let rtx = Codec::new(97, "rtx", VIDEO_CLOCK_RATE).with_parameters("apt=96");
        assert_eq!(rtx.associated_payload_type(), Some(96));
        let lost = Codec::new(97, "rtx", VIDEO_CLOCK_RATE).with_parameters("apt=many");
        assert_eq!(lost.associated_payload_type(), None);
    }
}
