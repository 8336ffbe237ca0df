//! Offers and answers of a call: the first exchange, which starts the media, and those in mid-call, which renew the
//! transport below them or change who sends what ([`wishes`](super::wishes)). Media that go on as before do not notice.

use std::sync::Arc;
use std::time::Instant;

use actix::{AsyncContext, Context};
use roomrtc_protocol::renewal::recorded::Event;
use roomrtc_protocol::renewal::{Depth, Input, Output, Renewal};
use roomrtc_protocol::sdp::{
    Fingerprint, LocalParameters, Negotiated, Running, SdpError, SessionDescription, answer, carry_on,
    complete, offer, reanswer, reoffer,
};
use roomrtc_protocol::signaling::messages::DescriptionKind;
use tracing::{info, warn};

use super::description::Transport;
use super::setup_clock::Moment;
use super::{Call, Progress, Stage};
use crate::call_events::PeerMedia;
use crate::call_port::CallNews;
use crate::dtls_session::Certificate;
use crate::ui_bridge::{CallEnd, CallEvent};

/// Our candidates that are remembered, to be told again; more push out the oldest.
const TOLD_CANDIDATES: usize = 64;

/// What offers and answers have come to.
#[derive(Clone)]
pub(super) struct Negotiation {
    /// Our end of the transport, as in our last description.
    transport: Transport,
    /// Our offer that waits for its answer.
    pending: Option<SessionDescription>,
    /// The offer we have answered last, as it came, and our answer.
    answered: Option<(Arc<str>, SessionDescription)>,
    /// Our candidates for the present transport, as far as they are told.
    candidates: Vec<String>,
    /// The last exchange.
    settled: Option<Settled>,
}

/// An exchange.
#[derive(Clone)]
struct Settled {
    ours: SessionDescription,
    /// Whose keys are in use, or are being agreed on: our certificate and the peer's.
    certificates: (Fingerprint, Fingerprint),
    negotiated: Negotiated,
    /// Names the peer's run of its program (RFC 8866 §5.2).
    peer: u64,
}

impl Negotiation {
    /// What the last exchange came to.
    pub(super) fn agreed(&self) -> Option<&Negotiated> {
        self.settled.as_ref().map(|settled| &settled.negotiated)
    }

    pub(super) fn new(transport: Transport) -> Self {
        Negotiation {
            transport,
            pending: None,
            answered: None,
            candidates: Vec::new(),
            settled: None,
        }
    }
}

impl Call {
    /// The first offer of a call.
    pub(super) fn offer_call(&mut self) {
        self.offer(offer(&self.local()));
    }

    /// Our side of a description at this moment.
    fn local(&self) -> LocalParameters {
        let Progress {
            negotiation, wanted, ..
        } = &self.now;
        self.plan.local.parameters(&negotiation.transport, *wanted)
    }

    fn offer(&mut self, offer: SessionDescription) {
        self.describe(DescriptionKind::Offer, &offer);
        self.now.negotiation.answered = None;
        self.now.negotiation.pending = Some(offer);
        self.keep();
    }

    fn describe(&self, kind: DescriptionKind, description: &SessionDescription) {
        self.tell(CallNews::LocalDescription {
            kind,
            sdp: description.to_string(),
        });
    }

    pub(super) fn remote_description(&mut self, kind: DescriptionKind, sdp: &str, ctx: &mut Context<Self>) {
        if let Some((offer, answer)) = &self.now.negotiation.answered
            && kind == DescriptionKind::Offer
            && **offer == *sdp
        {
            // The peer could not know that it has arrived, or has not got what we said.
            self.describe(DescriptionKind::Answer, &answer.clone());
            return self.repeat_candidates();
        }
        let limits = self.plan.limits;
        let remote = SessionDescription::parse_within(sdp, limits.description, limits.sections);
        let taken = remote.and_then(|remote| match (kind, self.now.stage) {
            (_, Stage::New | Stage::Ended) => Ok(()),
            (DescriptionKind::Answer, _) => match self.now.negotiation.pending.take() {
                Some(ours) => self.answered(ours, &remote, ctx),
                None => {
                    info!("an answer that is there already, or that nobody asked for");
                    Ok(())
                }
            },
            (DescriptionKind::Offer, Stage::Describing) => self.first_offer(sdp, &remote, ctx),
            (DescriptionKind::Offer, _) => self.peer_renews(sdp, &remote, ctx),
        });
        match (taken, self.now.stage) {
            (Ok(()), _) => {}
            (Err(error), Stage::Describing) => {
                warn!(%error, "the peer's description cannot be used");
                self.end(CallEnd::NothingInCommon, ctx);
            }
            // The call goes on as it was settled before; what is missing is asked for again.
            (Err(error), _) => {
                warn!(%error, "the peer's description cannot be used");
                if kind == DescriptionKind::Answer {
                    self.transport(Input::Answered { new_keys: false }, ctx);
                }
            }
        }
    }

    fn first_offer(
        &mut self,
        sdp: &str,
        remote: &SessionDescription,
        ctx: &mut Context<Self>,
    ) -> Result<(), SdpError> {
        if self.plan.setup.caller {
            // To one that was there before us, most likely: ours replaces it.
            info!("an offer came before the answer to ours");
            return Ok(());
        }
        let (ours, negotiated) = self.answer(sdp, remote)?;
        self.connect(ours, negotiated, remote.session_id, ctx);
        Ok(())
    }

    /// Answers an offer; one of ours that has no answer yet gives way to it.
    fn answer(
        &mut self,
        sdp: &str,
        remote: &SessionDescription,
    ) -> Result<(SessionDescription, Negotiated), SdpError> {
        let negotiation = &mut self.now.negotiation;
        if negotiation.settled.is_some() {
            negotiation.transport.next_version();
        }
        let (ours, negotiated) = self.would_answer(remote)?;
        let negotiation = &mut self.now.negotiation;
        negotiation.pending = None;
        negotiation.answered = Some((sdp.into(), ours.clone()));
        self.describe(DescriptionKind::Answer, &ours);
        Ok((ours, negotiated))
    }

    /// The answer to an offer, which changes nothing yet.
    fn would_answer(
        &self,
        remote: &SessionDescription,
    ) -> Result<(SessionDescription, Negotiated), SdpError> {
        let local = self.local();
        match &self.now.negotiation.settled {
            Some(settled) if settled.peer == remote.session_id => {
                let running = Running {
                    ours: &settled.ours,
                    negotiated: &settled.negotiated,
                };
                reanswer(&local, running, remote)
            }
            // RFC 8866 §5.2: another run of the peer's program, which knows nothing of the one before.
            Some(_) | None => answer(&local, remote),
        }
    }

    fn answered(
        &mut self,
        ours: SessionDescription,
        remote: &SessionDescription,
        ctx: &mut Context<Self>,
    ) -> Result<(), SdpError> {
        let negotiated = complete(&ours, remote)?;
        if self.now.negotiation.settled.is_none() {
            self.connect(ours, negotiated, remote.session_id, ctx);
            return Ok(());
        }
        let new_keys = self.renew(ours, negotiated, remote.session_id);
        self.transport(Input::Answered { new_keys }, ctx);
        Ok(())
    }

    /// Both descriptions are known for the first time.
    fn connect(
        &mut self,
        ours: SessionDescription,
        negotiated: Negotiated,
        peer: u64,
        ctx: &mut Context<Self>,
    ) {
        self.now.clock.note(Moment::Negotiated, Instant::now());
        self.now.expects_media = negotiated.receives_audio() || negotiated.receives_video();
        let tree = self.plan.tree.clone();
        self.use_path(&negotiated);
        self.use_keys(&negotiated);
        tree.start_media(&negotiated);
        self.peer_media();
        self.now.negotiation.settled = Some(Settled {
            certificates: self.certificates(&negotiated),
            ours,
            negotiated,
            peer,
        });
        let renewal = Renewal::new(self.plan.limits.patience, !self.plan.setup.caller);
        self.now.renewal = Some(renewal.clone());
        self.renewal = Some(self.plan.recorded(renewal));
        self.event(CallEvent::Connecting { user: self.user() });
        self.enter(Stage::Connecting);
        self.turn_media();
        self.await_renewal(ctx);
        if std::mem::take(&mut self.now.wanted_early) {
            self.transport(Input::Changed, ctx);
        }
    }

    /// The peer looks for the transport of `negotiated`; so do we.
    fn use_path(&mut self, negotiated: &Negotiated) {
        let tree = &self.plan.tree;
        tree.set_remote_ice(negotiated);
        let early = std::mem::take(&mut self.now.early_candidates);
        let candidates = negotiated.candidates.iter().cloned().chain(early);
        candidates.for_each(|candidate| tree.add_remote_candidate(candidate));
    }

    fn use_keys(&mut self, negotiated: &Negotiated) {
        let transport = &mut self.now.negotiation.transport;
        transport.role = Some(negotiated.dtls_role);
        let tree = &self.plan.tree;
        tree.start_handshake(negotiated, transport.certificate.clone());
        tree.start_data(negotiated);
    }

    fn certificates(&self, negotiated: &Negotiated) -> (Fingerprint, Fingerprint) {
        let ours = self.now.negotiation.transport.certificate.fingerprint();
        (ours, negotiated.fingerprint)
    }

    // --- another transport below a running call ----------------------------------------------------------------

    /// Something of the transport was lost or found.
    pub(super) fn transport(&mut self, input: Input, ctx: &mut Context<Self>) {
        if self.now.stage == Stage::Ended {
            return;
        }
        if let Some(outputs) = self.feed_renewal(Event::Happened(input)) {
            self.carry_out(outputs, ctx);
        }
        self.keep();
    }

    /// What is to be done about it; nothing where there is nothing to renew yet, or our own offer stands.
    fn feed_renewal(&mut self, event: Event) -> Option<Vec<Output>> {
        let renewal = self.renewal.as_mut()?;
        let outputs = renewal.feed(Instant::now(), event);
        self.now.renewal = Some(Renewal::clone(renewal));
        outputs
    }

    /// Sets the timer of the renewal.
    pub(super) fn await_renewal(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.renewal_timer.take() {
            ctx.cancel_future(timer);
        }
        let next = self.renewal.as_ref().and_then(|renewal| renewal.next_timeout());
        self.renewal_timer = next.filter(|_| self.now.stage != Stage::Ended).map(|at| {
            let left = at.saturating_duration_since(Instant::now());
            ctx.run_later(left, |this, ctx| {
                this.renewal_timer = None;
                if let Some(outputs) = this.feed_renewal(Event::Timeout) {
                    this.carry_out(outputs, ctx);
                }
            })
        });
    }

    fn carry_out(&mut self, outputs: Vec<Output>, ctx: &mut Context<Self>) {
        for output in outputs {
            match (output, self.now.stage) {
                (Output::Offer(depth), _) => self.offer_again(depth),
                (Output::Repeat, _) => self.repeat_offer(),
                (Output::Interrupted, Stage::Connected) => {
                    self.enter(Stage::Interrupted);
                    self.event(CallEvent::Reconnecting);
                }
                (Output::Resumed, Stage::Interrupted) => {
                    self.enter(Stage::Connected);
                    self.event(CallEvent::Resumed);
                }
                (Output::Interrupted | Output::Resumed, _) => {}
                (Output::GiveUp, _) => self.end(CallEnd::NoPath, ctx),
            }
        }
        self.keep();
        self.await_renewal(ctx);
    }

    /// Offers the peer what we want now, and another transport if asked to; the one in use serves until there is an answer,
    /// and the path of it until another is found.
    fn offer_again(&mut self, depth: Depth) {
        info!(?depth, "an offer in mid-call");
        if depth != Depth::Nothing {
            self.restart_transport(depth);
        }
        self.now.negotiation.transport.next_version();
        if let Some(settled) = &self.now.negotiation.settled {
            let offer = reoffer(&self.local(), &settled.ours);
            self.offer(offer);
        }
    }

    fn repeat_offer(&self) {
        if let Some(offer) = &self.now.negotiation.pending {
            self.describe(DescriptionKind::Offer, offer);
            self.repeat_candidates();
        }
    }

    fn repeat_candidates(&self) {
        for candidate in &self.now.negotiation.candidates {
            self.tell(CallNews::LocalCandidate(candidate.clone()));
        }
    }

    /// A candidate of ours, for the peer.
    pub(super) fn local_candidate(&mut self, candidate: String) {
        let told = &mut self.now.negotiation.candidates;
        if told.len() == TOLD_CANDIDATES {
            told.remove(0);
        }
        told.push(candidate.clone());
        self.tell(CallNews::LocalCandidate(candidate));
        self.keep();
    }

    /// The connection to the server was lost and is there again: what was said into the old one may be lost. Whoever has
    /// heard it already passes over it.
    pub(super) fn signaling_resumed(&self) {
        let negotiation = &self.now.negotiation;
        match (&negotiation.pending, &negotiation.answered) {
            (Some(_), _) => self.repeat_offer(),
            (None, Some((_, answer))) if self.now.stage != Stage::Connected => {
                self.describe(DescriptionKind::Answer, answer);
                self.repeat_candidates();
            }
            (None, _) => {}
        }
    }

    fn restart_transport(&mut self, depth: Depth) {
        self.now.negotiation.candidates.clear();
        let transport = &mut self.now.negotiation.transport;
        transport.restart();
        if depth == Depth::Keys {
            match Certificate::generate() {
                Ok(certificate) => transport.certificate = certificate,
                Err(error) => warn!(%error, "no other keys"),
            }
        }
        self.plan.tree.restart_ice(transport.credentials.clone());
    }

    /// The peer offers another transport, or other directions or sections.
    fn peer_renews(
        &mut self,
        sdp: &str,
        remote: &SessionDescription,
        ctx: &mut Context<Self>,
    ) -> Result<(), SdpError> {
        let Some(settled) = &self.now.negotiation.settled else {
            return Ok(());
        };
        // Tried first: what cannot be answered changes nothing.
        let (_, negotiated) = self.would_answer(remote)?;
        let new_keys = self.certificates(&negotiated) != settled.certificates;
        let other_run = remote.session_id != settled.peer;
        let other_path = negotiated.ice != settled.negotiated.ice;
        let Some(outputs) = self.feed_renewal(Event::Offered { new_keys }) else {
            info!("the peer's offer crossed ours, which stands");
            if other_run {
                // It was started anew and may never have got it.
                self.repeat_offer();
            }
            return Ok(());
        };
        info!(new_keys, "the peer offers in mid-call");
        // RFC 8839 §4.4.1.1.1: ICE starts over where the offer has other credentials, and only there.
        if other_path {
            self.restart_transport(Depth::Path);
        }
        let (ours, negotiated) = self.answer(sdp, remote)?;
        self.renew(ours, negotiated, remote.session_id);
        self.carry_out(outputs, ctx);
        Ok(())
    }

    /// Goes over to what was agreed on; tells whether with other keys.
    fn renew(&mut self, ours: SessionDescription, mut negotiated: Negotiated, peer: u64) -> bool {
        let certificates = self.certificates(&negotiated);
        let Some(before) = self.now.negotiation.settled.take() else {
            return false;
        };
        let new_keys = certificates != before.certificates;
        let (audio, other_audio) = carry_on(before.negotiated.audio.as_ref(), negotiated.audio);
        let (video, other_video) = carry_on(before.negotiated.video.as_ref(), negotiated.video);
        (negotiated.audio, negotiated.video) = (audio, video);
        self.use_path(&negotiated);
        if new_keys {
            self.use_keys(&negotiated);
            self.peer_media();
        }
        if other_audio || other_video {
            info!("the peer's streams are others now");
            self.plan.tree.stop_for_other_media();
        }
        self.now.negotiation.settled = Some(Settled {
            ours,
            certificates,
            negotiated,
            peer,
        });
        self.turn_media();
        let sends = self.peer_sends();
        if sends != self.now.peer_told {
            self.tell_peer_media(sends);
        }
        self.keep();
        new_keys
    }

    /// What the peer sends at the moment: it must both want to and be allowed to by the descriptions.
    pub(super) fn peer_sends(&self) -> PeerMedia {
        let PeerMedia { microphone, camera } = self.now.peer_media;
        match self.now.negotiation.agreed() {
            Some(agreed) => PeerMedia {
                microphone: microphone && agreed.receives_audio(),
                camera: camera && agreed.receives_video(),
            },
            None => self.now.peer_media,
        }
    }

    pub(super) fn tell_peer_media(&mut self, media: PeerMedia) {
        self.now.peer_told = media;
        self.event(CallEvent::PeerMedia {
            microphone: media.microphone,
            camera: media.camera,
        });
        self.keep();
    }

    /// A supervisor has ended in good order: that of the former media or of a screen, or the call is over.
    pub(super) fn stopped(&mut self, name: &str) {
        let tree = &self.plan.tree;
        if self.now.stage == Stage::Ended {
            return;
        }
        if tree.former_media_gone(name)
            && let Some(agreed) = self.now.negotiation.agreed()
        {
            tree.start_media(agreed);
            self.turn_media();
        } else if tree.screen_ended(name, false).is_some() {
            self.turn_media();
        }
    }
}
