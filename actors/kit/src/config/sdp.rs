//! Session descriptions.

use super::section::{Fault, range, section};

section! {
    /// Session descriptions (RFC 8866, RFC 8829).
    Sdp, "sdp" {
        /// Largest session description accepted.
        max_size_bytes: usize = 65_536, range(1024..=1_048_576);

        /// Most media sections accepted.
        max_media: usize = 16, range(1..=256);

        /// RTP payload type offered for Opus.
        opus_payload_type: u8 = 111, range(96..=127);

        /// RTP payload type offered for H.264.
        h264_payload_type: u8 = 102, range(96..=127);

        /// RTP payload type offered for H.264 packets sent again (RFC 4588).
        h264_rtx_payload_type: u8 = 103, range(96..=127);

        /// RTP payload type offered for VP8.
        vp8_payload_type: u8 = 96, range(96..=127);

        /// RTP payload type offered for VP8 packets sent again (RFC 4588).
        vp8_rtx_payload_type: u8 = 97, range(96..=127);
    }
}

impl Sdp {
    /// One number means one format.
    pub(super) fn payload_types_differ(&self) -> Result<(), Fault> {
        let numbers = [
            ("opus_payload_type", self.opus_payload_type),
            ("h264_payload_type", self.h264_payload_type),
            ("h264_rtx_payload_type", self.h264_rtx_payload_type),
            ("vp8_payload_type", self.vp8_payload_type),
            ("vp8_rtx_payload_type", self.vp8_rtx_payload_type),
        ];
        for (i, (key, number)) in numbers.iter().enumerate() {
            if let Some((other, _)) = numbers[..i].iter().find(|(_, other)| other == number) {
                return Err(Fault {
                    key: (*key).into(),
                    why: format!("{number} is also the `{other}`"),
                    hint: Some("give each format a number of its own, 96 to 127".into()),
                });
            }
        }
        Ok(())
    }
}
