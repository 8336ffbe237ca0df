//! The keys of a call as its actors share them: `dtls_session` installs them once the peer's certificate has
//! matched, `rtp_sender`, `rtp_receiver` and `rtcp_reporter` use them.
//!
//! The contexts live here, not in an actor, and so do their rollover counters and indices: an RTP actor that
//! crashes and restarts finds them as they were, and no index is used twice under one key.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use roomrtc_kit::deadline::now;
use roomrtc_protocol::srtp::{Contexts, Profile};

pub use roomrtc_protocol::srtp::Error as SrtpError;

/// A handle to the SRTP contexts of one call; clones share them.
#[derive(Clone, Default)]
pub struct Srtp(Arc<Mutex<State>>);

/// How long packets that were on their way when the keys were renewed are still taken.
const STRAGGLERS: Duration = Duration::from_secs(2);

#[derive(Default)]
struct State {
    contexts: Option<Contexts>,
    /// The keys before these, for what is still on its way, and until when.
    former: Option<(Contexts, Instant)>,
    signaled: Vec<u32>,
}

impl Srtp {
    /// Puts in the keys of a finished handshake; those of an earlier one open what is still on its way, and nothing is
    /// sent with them any more.
    pub fn install(&self, mut contexts: Contexts) {
        let mut state = self.lock();
        contexts.allow_ssrcs(&state.signaled);
        let former = state.contexts.replace(contexts);
        state.former = former.map(|former| (former, now() + STRAGGLERS));
    }

    /// Forgets the keys: nothing is sent or accepted until the next handshake.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.contexts = None;
        state.former = None;
    }

    /// Whether there are keys.
    pub fn ready(&self) -> bool {
        self.lock().contexts.is_some()
    }

    /// What was negotiated.
    pub fn profile(&self) -> Option<Profile> {
        self.lock().contexts.as_ref().map(Contexts::profile)
    }

    /// The SSRCs the peer announced (all of them, RTX too), before or after the handshake; RTP of others is
    /// refused from then on. Without any, the first few authentic ones are accepted.
    pub fn allow_ssrcs(&self, ssrcs: &[u32]) {
        let mut state = self.lock();
        state.signaled = ssrcs.to_vec();
        if let Some(contexts) = &mut state.contexts {
            contexts.allow_ssrcs(ssrcs);
        }
    }

    /// Encrypts a whole RTP packet; see [`Contexts::protect_rtp`] for the order it asks for.
    pub fn protect_rtp(&self, packet: &[u8]) -> Result<Bytes, SrtpError> {
        self.with(|contexts| contexts.protect_rtp(packet))
    }

    /// Authenticates and decrypts an SRTP packet.
    pub fn unprotect_rtp(&self, packet: &[u8]) -> Result<Bytes, SrtpError> {
        self.open(|contexts| contexts.unprotect_rtp(packet))
    }

    /// Encrypts a whole compound RTCP packet.
    pub fn protect_rtcp(&self, packet: &[u8]) -> Result<Bytes, SrtpError> {
        self.with(|contexts| contexts.protect_rtcp(packet))
    }

    /// Authenticates and decrypts an SRTCP packet.
    pub fn unprotect_rtcp(&self, packet: &[u8]) -> Result<Bytes, SrtpError> {
        self.open(|contexts| contexts.unprotect_rtcp(packet))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Contexts) -> Result<T, SrtpError>) -> Result<T, SrtpError> {
        self.lock()
            .contexts
            .as_mut()
            .map_or(Err(SrtpError::NotReady), work)
    }

    /// By the present keys or else, for a while, by the former.
    fn open(&self, work: impl Fn(&mut Contexts) -> Result<Bytes, SrtpError>) -> Result<Bytes, SrtpError> {
        let mut state = self.lock();
        let opened = state.contexts.as_mut().map_or(Err(SrtpError::NotReady), &work);
        let Some((former, until)) = &mut state.former else {
            return opened;
        };
        if now() > *until {
            state.former = None;
            return opened;
        }
        opened.or_else(|error| work(former).map_err(|_| error))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const PACKET: [u8; 13] = [0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 42];

    fn contexts(client: bool) -> Contexts {
        Contexts::new(Profile::AeadAes128Gcm, &[3; 56], client).unwrap()
    }

    #[test]
    fn before_the_handshake_nothing_is_sent_or_accepted() {
        let srtp = Srtp::default();
        assert!(!srtp.ready());
        assert_eq!(srtp.protect_rtp(&PACKET), Err(SrtpError::NotReady));
        assert_eq!(srtp.unprotect_rtp(&PACKET), Err(SrtpError::NotReady));
    }

    #[test]
    fn a_restarted_sender_cannot_repeat_an_index_and_a_new_key_starts_afresh() {
        let srtp = Srtp::default();
        srtp.install(contexts(true));
        let first_life = srtp.clone();
        first_life.protect_rtp(&PACKET).unwrap();
        drop(first_life);
        assert_eq!(
            srtp.protect_rtp(&PACKET),
            Err(SrtpError::IndexReused { ssrc: 7, sequence: 1 })
        );
        srtp.install(contexts(true));
        srtp.protect_rtp(&PACKET).unwrap();
    }

    #[test]
    fn what_was_on_its_way_when_the_keys_were_renewed_is_still_opened() {
        let (near, far) = (Srtp::default(), Srtp::default());
        near.install(contexts(false));
        far.install(contexts(true));
        let straggler = far.protect_rtp(&PACKET).unwrap();
        let others = Contexts::new(Profile::AeadAes128Gcm, &[4; 56], false).unwrap();
        near.install(others);
        assert_eq!(near.unprotect_rtp(&straggler).unwrap(), &PACKET[..]);
        assert!(near.unprotect_rtp(&straggler).is_err(), "only once");
        near.clear();
        let straggler = far
            .protect_rtp(&[&PACKET[..3], &[2], &PACKET[4..]].concat())
            .unwrap();
        assert_eq!(near.unprotect_rtp(&straggler), Err(SrtpError::NotReady));
    }

    #[test]
    fn senders_announced_before_the_handshake_hold_after_it() {
        let (near, far) = (Srtp::default(), Srtp::default());
        near.allow_ssrcs(&[8]);
        near.install(contexts(true));
        far.install(contexts(false));
        let wire = far.protect_rtp(&PACKET).unwrap();
        assert_eq!(near.unprotect_rtp(&wire), Err(SrtpError::UnknownSsrc(7)));
        near.allow_ssrcs(&[7]);
        assert_eq!(near.unprotect_rtp(&wire).unwrap(), &PACKET[..]);
    }
}
