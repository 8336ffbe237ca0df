//! The offers and answers of one call, one after the other (RFC 3264 §8; the states are those of RFC 8829 §3.2).
//!
//! A machine without time: it is told what this side wants or what the other side has said, and tells what to say to that
//! and what has changed. When to offer, and whose offer stands where two cross, is decided by the
//! [`renewal`](crate::renewal).

pub mod recorded;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::continuity::{Running, carry_on};
use super::description::{SdpError, SessionDescription};
use super::negotiation::{answer, complete, offer, reanswer, reoffer};
use super::parameters::{LocalParameters, Negotiated};

/// What was offered, answered and settled so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// Our offer that waits for its answer.
    pending: Option<SessionDescription>,
    settled: Option<Settled>,
}

/// What the last offer with its answer came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Our description.
    pub ours: SessionDescription,
    /// What the two agree on.
    pub negotiated: Negotiated,
    /// Names the peer's run of its program (RFC 8866 §5.2).
    pub peer: u64,
    /// The sound is another than before, not only its direction: what made it or played it has to be made anew.
    pub other_audio: bool,
    /// The pictures are, likewise.
    pub other_video: bool,
}

impl Exchange {
    /// Our offer that waits for its answer.
    pub fn pending(&self) -> Option<&SessionDescription> {
        self.pending.as_ref()
    }

    /// What the last offer with its answer came to.
    pub fn settled(&self) -> Option<&Settled> {
        self.settled.as_ref()
    }

    /// Proposes what we want: the first time a call, later to go on with it otherwise.
    pub fn offer(&mut self, local: &LocalParameters) -> SessionDescription {
        let offer = match &self.settled {
            Some(settled) => reoffer(local, &settled.ours),
            None => offer(local),
        };
        self.pending = Some(offer.clone());
        offer
    }

    /// What [`Exchange::answer`] would settle.
    ///
    /// # Errors
    /// If the offer cannot be answered.
    pub fn would_answer(
        &self,
        local: &LocalParameters,
        remote: &SessionDescription,
    ) -> Result<Settled, SdpError> {
        let (ours, negotiated) = match &self.settled {
            Some(settled) if settled.peer == remote.session_id => {
                let running = Running {
                    ours: &settled.ours,
                    negotiated: &settled.negotiated,
                };
                reanswer(local, running, remote)?
            }
            // RFC 8866 §5.2: another run of the peer's program, which knows nothing of the one before.
            Some(_) | None => answer(local, remote)?,
        };
        Ok(self.continued(ours, negotiated, remote))
    }

    /// Answers an offer; one of ours that has no answer yet gives way to it.
    ///
    /// # Errors
    /// If the offer cannot be answered. Nothing has changed then.
    pub fn answer(
        &mut self,
        local: &LocalParameters,
        remote: &SessionDescription,
    ) -> Result<&Settled, SdpError> {
        let settled = self.would_answer(local, remote)?;
        self.pending = None;
        Ok(self.settled.insert(settled))
    }

    /// Takes the answer to our offer; `None` where no offer waits for one.
    ///
    /// # Errors
    /// If it does not fit. What was settled before stands, and the offer waits no longer.
    pub fn complete(&mut self, remote: &SessionDescription) -> Result<Option<&Settled>, SdpError> {
        let Some(ours) = self.pending.take() else {
            return Ok(None);
        };
        let negotiated = complete(&ours, remote)?;
        let settled = self.continued(ours, negotiated, remote);
        Ok(Some(self.settled.insert(settled)))
    }

    fn continued(
        &self,
        ours: SessionDescription,
        mut negotiated: Negotiated,
        remote: &SessionDescription,
    ) -> Settled {
        let before = self.settled.as_ref().map(|settled| &settled.negotiated);
        let (mut other_audio, mut other_video) = (false, false);
        if let Some(before) = before {
            (negotiated.audio, other_audio) = carry_on(before.audio.as_ref(), negotiated.audio);
            (negotiated.video, other_video) = carry_on(before.video.as_ref(), negotiated.video);
        }
        Settled {
            ours,
            negotiated,
            peer: remote.session_id,
            other_audio,
            other_video,
        }
    }
}
