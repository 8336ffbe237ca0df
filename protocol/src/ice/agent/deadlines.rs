//! What ends, or begins, when a time has passed.

use std::time::Instant;

use super::super::consent::{Consent, URGENT_INTERVAL};
use super::{IceAgent, State};

impl IceAgent {
    /// When something ends if nothing is heard.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let silent = self.consent.filter(|_| self.state == State::Connected);
        [
            self.consent_expires(),
            self.checking_ends(),
            self.relays_due(),
            self.tcp_due(),
            silent.map(|consent| self.silent(consent)),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn consent_expires(&self) -> Option<Instant> {
        self.consent
            .map(|consent| consent.expires(self.settings.consent_timeout))
    }

    fn consent_overdue(&self) -> Option<Instant> {
        self.consent
            .and_then(|consent| consent.overdue(self.settings.consent_interval))
    }

    fn checking_ends(&self) -> Option<Instant> {
        let since = self.checking_since.filter(|_| self.state == State::Checking)?;
        Some(since + self.settings.checking_timeout)
    }

    /// Until when gathering waits for TURN servers.
    pub(super) fn relays_due(&self) -> Option<Instant> {
        let deadline = self.gathering.deadline()?;
        (self.relays_awaited && !self.gathering_told).then_some(deadline)
    }

    fn silent(&self, consent: Consent) -> Instant {
        consent.silent(self.settings.disconnected_timeout)
    }

    /// Moves on where a deadline has passed.
    pub(super) fn watch(&mut self, now: Instant) {
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|deadline| now >= deadline);
        if passed(self.checking_ends()) {
            return self.fail();
        }
        if passed(self.consent_expires()) {
            if self.state != State::Checking {
                return self.fail();
            }
            // The pair of before a restart; the new checks go on.
            self.selected = None;
            self.consent = None;
        }
        if passed(self.consent_overdue()) {
            self.inner.set_max_stun_rto(URGENT_INTERVAL);
            self.consent.iter_mut().for_each(Consent::hurry);
        }
        if self.state == State::Connected && passed(self.consent.map(|consent| self.silent(consent))) {
            self.set_state(State::Disconnected);
        }
    }

    fn fail(&mut self) {
        self.selected = None;
        self.consent = None;
        self.set_state(State::Failed);
    }
}
