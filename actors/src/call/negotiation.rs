//! Offers and answers of a call: the first exchange, which starts the media, and those in mid-call, which renew the
//! transport below them or change who sends what ([`wishes`](super::wishes)). Media that go on as before do not notice.

use std::sync::Arc;
use std::time::Instant;

use actix::{AsyncContext, Context};
use roomrtc_protocol::renewal::recorded::Event;
use roomrtc_protocol::renewal::{Depth, Input, Output, Renewal};
use roomrtc_protocol::sdp::exchange::recorded::{Event as Description, Said};
use roomrtc_protocol::sdp::{
    Exchange, Fingerprint, LocalParameters, Negotiated, SdpError, SessionDescription, Settled,
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
    /// The descriptions so far.
    pub(super) exchange: Exchange,
    /// The offer we have answered last, as it came; none once we have offered ourselves.
    answered: Option<Arc<str>>,
    /// Our candidates for the present transport, as far as they are told.
    candidates: Vec<String>,
    /// Whose keys are in use, or are being agreed on: our certificate and the peer's.
    certificates: Option<(Fingerprint, Fingerprint)>,
}

impl Negotiation {
    /// What the last exchange came to.
    pub(super) fn agreed(&self) -> Option<&Negotiated> {
        self.exchange.settled().map(|settled| &settled.negotiated)
    }

    pub(super) fn new(transport: Transport) -> Self {
        Negotiation {
            transport,
            exchange: Exchange::default(),
            answered: None,
            candidates: Vec::new(),
            certificates: None,
        }
    }

    /// Our answer to the last offer, while it is the last word.
    fn answer(&self) -> Option<&SessionDescription> {
        let settled = self.exchange.settled().filter(|_| self.answered.is_some());
        settled.map(|settled| &settled.ours)
    }
}

impl Call {
    /// Feeds the machine of offers and answers.
    fn exchange(&mut self, description: Description) -> Result<Said, SdpError> {
        let said = self.exchange.feed(Instant::now(), description);
        self.now.negotiation.exchange = Exchange::clone(&self.exchange);
        said
    }

    /// Our side of a description at this moment.
    fn local(&self) -> LocalParameters {
        let Progress {
            negotiation, wanted, ..
        } = &self.now;
        self.plan.local.parameters(&negotiation.transport, *wanted)
    }

    /// Offers what we want, for the first time or later.
    pub(super) fn offer(&mut self) {
        let local = Box::new(self.local());
        if let Ok(Said::Offered(offer)) = self.exchange(Description::Offer(local)) {
            self.describe(DescriptionKind::Offer, &offer);
        }
        self.now.negotiation.answered = None;
        self.keep();
    }

    fn describe(&self, kind: DescriptionKind, description: &SessionDescription) {
        self.tell(CallNews::LocalDescription {
            kind,
            sdp: description.to_string(),
        });
    }

    pub(super) fn remote_description(&mut self, kind: DescriptionKind, sdp: &str, ctx: &mut Context<Self>) {
        if kind == DescriptionKind::Offer && self.now.negotiation.answered.as_deref() == Some(sdp) {
            // The peer could not know that it has arrived, or has not got what we said.
            return self.repeat_answer();
        }
        let limits = self.plan.limits;
        let remote = SessionDescription::parse_within(sdp, limits.description, limits.sections);
        let taken = remote.and_then(|remote| match (kind, self.now.stage) {
            (_, Stage::New | Stage::Ended) => Ok(()),
            (DescriptionKind::Answer, _) => self.answered(remote, ctx),
            (DescriptionKind::Offer, Stage::Describing) => self.first_offer(sdp, remote, ctx),
            (DescriptionKind::Offer, _) => self.peer_renews(sdp, remote, ctx),
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
        remote: SessionDescription,
        ctx: &mut Context<Self>,
    ) -> Result<(), SdpError> {
        if self.plan.setup.caller {
            // To one that was there before us, most likely: ours replaces it.
            info!("an offer came before the answer to ours");
            return Ok(());
        }
        if let Some(settled) = self.answer(sdp, remote)? {
            self.connect(&settled.negotiated, ctx);
        }
        Ok(())
    }

    /// Answers an offer; one of ours that has no answer yet gives way to it.
    fn answer(&mut self, sdp: &str, remote: SessionDescription) -> Result<Option<Box<Settled>>, SdpError> {
        let negotiation = &mut self.now.negotiation;
        if negotiation.exchange.settled().is_some() {
            negotiation.transport.next_version();
        }
        let local = Box::new(self.local());
        let Said::Settled(settled) = self.exchange(Description::Answer(local, remote))? else {
            return Ok(None);
        };
        self.now.negotiation.answered = Some(sdp.into());
        self.describe(DescriptionKind::Answer, &settled.ours);
        Ok(Some(settled))
    }

    fn answered(&mut self, remote: SessionDescription, ctx: &mut Context<Self>) -> Result<(), SdpError> {
        let first = self.now.negotiation.exchange.settled().is_none();
        match self.exchange(Description::Complete(remote))? {
            Said::Settled(settled) if first => self.connect(&settled.negotiated, ctx),
            Said::Settled(settled) => {
                let new_keys = self.renew(&settled);
                self.transport(Input::Answered { new_keys }, ctx);
            }
            Said::Offered(_) | Said::Nothing => {
                info!("an answer that is there already, or that nobody asked for");
            }
        }
        Ok(())
    }

    /// Both descriptions are known for the first time.
    fn connect(&mut self, negotiated: &Negotiated, ctx: &mut Context<Self>) {
        self.now.clock.note(Moment::Negotiated, Instant::now());
        self.now.expects_media = negotiated.receives_audio() || negotiated.receives_video();
        let tree = self.plan.tree.clone();
        self.use_path(negotiated);
        self.use_keys(negotiated);
        tree.start_media(negotiated);
        self.peer_media();
        self.now.negotiation.certificates = Some(self.certificates(negotiated));
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
        self.offer();
    }

    fn repeat_offer(&self) {
        if let Some(offer) = self.now.negotiation.exchange.pending() {
            self.describe(DescriptionKind::Offer, offer);
            self.repeat_candidates();
        }
    }

    fn repeat_answer(&self) {
        if let Some(answer) = self.now.negotiation.answer() {
            self.describe(DescriptionKind::Answer, answer);
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
        match self.now.negotiation.exchange.pending() {
            Some(_) => self.repeat_offer(),
            None if self.now.stage != Stage::Connected => self.repeat_answer(),
            None => {}
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
        remote: SessionDescription,
        ctx: &mut Context<Self>,
    ) -> Result<(), SdpError> {
        let negotiation = &self.now.negotiation;
        let Some(before) = negotiation.exchange.settled() else {
            return Ok(());
        };
        // Tried first: what cannot be answered changes nothing.
        let next = negotiation.exchange.would_answer(&self.local(), &remote)?;
        let new_keys = Some(self.certificates(&next.negotiated)) != negotiation.certificates;
        let other_run = next.peer != before.peer;
        let other_path = next.negotiated.ice != before.negotiated.ice;
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
        if let Some(settled) = self.answer(sdp, remote)? {
            self.renew(&settled);
        }
        self.carry_out(outputs, ctx);
        Ok(())
    }

    /// Goes over to what was agreed on; tells whether with other keys.
    fn renew(&mut self, settled: &Settled) -> bool {
        let certificates = Some(self.certificates(&settled.negotiated));
        let before = std::mem::replace(&mut self.now.negotiation.certificates, certificates);
        let new_keys = before != certificates;
        self.use_path(&settled.negotiated);
        if new_keys {
            self.use_keys(&settled.negotiated);
            self.peer_media();
        }
        if settled.other_audio || settled.other_video {
            info!("the peer's streams are others now");
            self.plan.tree.stop_for_other_media();
        }
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
