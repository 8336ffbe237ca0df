//! How long a call takes from accept to the first decoded frame, by phase.

use std::time::Instant;

use crate::ui_bridge::SetupTimes;

/// The moments of a call's set-up; each is noted once, later ones are ignored (a reconnection is no set-up).
#[derive(Clone, Copy, Debug)]
pub(super) struct SetupClock {
    accepted: Instant,
    moments: [Option<Instant>; PHASES],
}

/// What ends a phase, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Both descriptions are known.
    Negotiated,
    /// A candidate pair is selected.
    PairSelected,
    /// The DTLS handshake is over.
    Secured,
    /// The first media packet passed authentication.
    FirstPacket,
    /// The first frame was decoded.
    FirstFrame,
}

const PHASES: usize = 5;

impl SetupClock {
    pub(super) fn new(accepted: Instant) -> Self {
        SetupClock {
            accepted,
            moments: [None; PHASES],
        }
    }

    pub(super) fn note(&mut self, moment: Moment, now: Instant) {
        self.moments[moment as usize].get_or_insert(now);
    }

    pub(super) fn has_seen(&self, moment: Moment) -> bool {
        self.moments[moment as usize].is_some()
    }

    /// The phases so far. Phases overlap (media may overtake the news of the handshake): a phase that ended
    /// before its predecessor counts as 0.
    pub(super) fn times(&self) -> SetupTimes {
        let mut from = self.accepted;
        let [signaling, ice, dtls, first_packet, first_frame] = self.moments.map(|moment| {
            let end = moment.unwrap_or(from).max(from);
            let phase = end.duration_since(from);
            from = end;
            milliseconds(phase)
        });
        let total = milliseconds(from.duration_since(self.accepted));
        SetupTimes {
            signaling,
            ice,
            dtls,
            first_packet,
            first_frame,
            total,
        }
    }
}

/// To a tenth, as people read it.
fn milliseconds(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_phases_add_up_to_the_total() {
        let start = Instant::now();
        let after = |ms| start + Duration::from_millis(ms);
        let mut clock = SetupClock::new(start);
        clock.note(Moment::Negotiated, after(10));
        clock.note(Moment::PairSelected, after(15));
        clock.note(Moment::Secured, after(40));
        clock.note(Moment::FirstPacket, after(38));
        clock.note(Moment::FirstFrame, after(90));
        clock.note(Moment::FirstFrame, after(500));
        let times = clock.times();
        assert_eq!(
            times,
            SetupTimes {
                signaling: 10.0,
                ice: 5.0,
                dtls: 25.0,
                first_packet: 0.0,
                first_frame: 50.0,
                total: 90.0
            }
        );
    }
}
