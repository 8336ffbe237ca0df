//! What the death of a component cost: the longest pause in sound and pictures around it, told with the restart.

use std::time::Duration;

use actix::{AsyncContext, Context};
use roomrtc_kit::Down;
use tracing::warn;

use super::Call;
use crate::call_port::CallNews;
use crate::counters::{Beat, Counters};
use crate::stats::MediaGaps;

/// How long after a death the media are looked at.
const LOOK_AFTER: Duration = Duration::from_millis(1000);
/// Looks in all, as long as nothing flows again.
const LOOKS: u32 = 3;
/// A medium that was silent for so long before the death was not flowing.
const FLOWING: Duration = Duration::from_millis(500);

/// Components that died since, and which media were flowing when the first of them did.
#[derive(Clone, Default)]
pub(super) struct Restarts {
    dead: Vec<Down>,
    flowing: [bool; BEATS],
}

/// Sound sent and played, pictures sent and shown.
const BEATS: usize = 4;

fn beats(counters: &Counters) -> [&Beat; BEATS] {
    let Counters { audio, video, .. } = counters;
    [&audio.sent, &audio.played, &video.sent, &video.on_screen]
}

impl Call {
    /// A component died and is being restarted: what it cost is told with it, a little later.
    pub(super) fn restarted(&mut self, down: Down, ctx: &mut Context<Self>) {
        warn!(actor = %down.name, reason = %down.reason, "restarted");
        if self.restarts.dead.is_empty() {
            let beats = beats(self.plan.tree.counters());
            self.restarts.flowing = beats.map(|beat| beat.pause().is_some_and(|pause| pause < FLOWING));
            beats.into_iter().for_each(|beat| {
                beat.take_longest_since_death();
            });
            ctx.run_later(LOOK_AFTER, |this, ctx| this.look(1, ctx));
        }
        self.restarts.dead.push(down);
        self.plan.restarts.put(self.restarts.clone());
    }

    /// Looks at what died before this life began.
    pub(super) fn look_after_the_dead(&mut self, ctx: &mut Context<Self>) {
        if !self.restarts.dead.is_empty() {
            ctx.run_later(LOOK_AFTER, |this, ctx| this.look(1, ctx));
        }
    }

    fn look(&mut self, looks: u32, ctx: &mut Context<Self>) {
        let beats = beats(self.plan.tree.counters());
        let flowing = self.restarts.flowing;
        let flows = |(beat, was): (&Beat, bool)| !was || beat.pause().is_some_and(|pause| pause < FLOWING);
        if looks < LOOKS && !beats.into_iter().zip(flowing).all(flows) {
            ctx.run_later(LOOK_AFTER, move |this, ctx| this.look(looks + 1, ctx));
            return;
        }
        let pause = |index: usize| {
            let longest = beats[index].take_longest_since_death().max(beats[index].pause());
            longest.filter(|_| flowing[index])
        };
        let longest = |one, other| {
            pause(one)
                .max(pause(other))
                .map(|gap: Duration| gap.as_millis() as u64)
        };
        let gap_ms = MediaGaps {
            audio: longest(0, 1),
            video: longest(2, 3),
        };
        self.plan.restarts.clear();
        for down in std::mem::take(&mut self.restarts.dead) {
            self.tell(CallNews::Restarted {
                actor: down.name,
                reason: down.reason.to_string(),
                gap_ms,
            });
        }
    }
}
