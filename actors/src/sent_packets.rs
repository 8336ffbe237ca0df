//! What was sent on the transport of a call, as its actors share it: the senders number their packets from here, the
//! RTCP reporter looks up what feedback speaks of.
//!
//! It lives here, not in an actor: the numbers go on when a sender starts anew, and both media count together.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use roomrtc_protocol::congestion::sent_log::{Delivered, SentLog, Size};
use roomrtc_protocol::rtcp::transport_feedback::TransportFeedback;

/// UDP and IP headers take of the path as well.
const LOWER_HEADERS: usize = 28;

/// A handle to the log of one call; clones share it.
#[derive(Clone, Default)]
pub struct SentPackets(Arc<Mutex<SentLog>>);

impl SentPackets {
    /// Makes a packet under the next number, which is used up only if there is one. `picture` is how many of its bytes
    /// are of a picture that is sent for the first time.
    pub fn number(
        &self,
        now: Instant,
        picture: usize,
        make: impl FnOnce(u16) -> Option<Bytes>,
    ) -> Option<Bytes> {
        // A panic within leaves the log as it was.
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let packet = make(log.number())?;
        log.sent(
            now,
            Size {
                total: packet.len() + LOWER_HEADERS,
                picture,
            },
        );
        Some(packet)
    }

    /// The packets that arrived, by the peer's feedback.
    pub fn resolve(&self, feedback: &TransportFeedback) -> Vec<Delivered> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .resolve(feedback)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_media_count_together_and_what_was_not_sent_has_no_number() {
        let sound = SentPackets::default();
        let pictures = sound.clone();
        let now = Instant::now();
        let mut numbers = vec![];
        for (sender, made) in [
            (&sound, true),
            (&pictures, false),
            (&pictures, true),
            (&sound, true),
        ] {
            sender.number(now, 0, |number| {
                numbers.push(number);
                made.then(|| Bytes::from_static(b"packet"))
            });
        }
        assert_eq!(numbers, [0, 1, 1, 2]);
        let feedback = TransportFeedback {
            sender: 1,
            media: 2,
            base: 0,
            reference: 0,
            count: 0,
            packets: vec![Some(0); 3],
        };
        assert_eq!(sound.resolve(&feedback).len(), 3);
        assert_eq!(pictures.resolve(&feedback).len(), 0, "told already");
    }
}
