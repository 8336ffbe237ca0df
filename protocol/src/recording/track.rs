//! How a machine is recorded while its actor drives it.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::line::{Begin, Check, Input, Line, Step};
use super::moment::{counting_from, nanos};

/// Time between two looks at the whole state of a machine.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Bytes of a part's digest: enough to tell two states of one call apart.
const DIGEST: usize = 4;

/// A machine that can be recorded and run again.
pub trait Recorded: Serialize + DeserializeOwned {
    /// Names it in recordings.
    const NAME: &'static str;
    /// Whether what it wants done is taken out by [`Recorded::drain`]; otherwise every answer says it.
    const DRAINED: bool = true;
    /// Whether draining it later than it was fed makes a difference.
    const PACED: bool = false;
    /// What it is fed.
    type Input: Serialize + DeserializeOwned;
    /// What it says at once.
    type Answer;
    /// What it wants done.
    type Output: Serialize;

    /// Takes an input.
    fn feed(&mut self, at: Instant, input: Self::Input) -> Self::Answer;

    /// Takes out everything there is to do.
    fn drain(&mut self, at: Instant) -> Vec<Self::Output>;

    /// The input as it is written: without media, and such that the machine does the same.
    fn mask(&self, input: &Self::Input) -> Self::Input;

    /// The answer in words, where it is worth comparing.
    fn tell(_: &Self::Answer) -> Option<String> {
        None
    }

    /// The state as it is written, without media.
    ///
    /// # Errors
    /// Outside of [`counting_from`].
    fn state(&self) -> Result<Value, serde_json::Error> {
        serde_json::to_value(self)
    }
}

/// Where recordings are made.
pub trait Reel: Send + Sync {
    /// Numbers the recording that is being made; 0 while there is none. Asked before every step, so it must cost next to
    /// nothing.
    fn take(&self) -> u32;

    /// A place in the present recording for one more machine: what its times count from and its number there. `None` if
    /// there is no recording, or at the moment no room.
    fn place(&self) -> Option<(Instant, u32)>;

    /// Writes whole lines, how many are given, into the recording of that number; false if there was no room for them.
    fn write(&self, take: u32, lines: u64, text: String) -> bool;
}

/// A machine, and its recording while there is one.
pub struct Taped<M: Recorded> {
    machine: M,
    actor: String,
    reel: Option<Arc<dyn Reel>>,
    track: Option<Track>,
}

/// A machine's part of a recording.
struct Track {
    take: u32,
    origin: Instant,
    number: u32,
    /// What was fed since the last step was written.
    fed: Vec<Input>,
    checked_at: Instant,
}

impl<M: Recorded> Taped<M> {
    /// A machine whose actor has that name, recorded whenever `reel` turns.
    pub fn new(actor: &str, machine: M, reel: Option<Arc<dyn Reel>>) -> Self {
        Taped {
            machine,
            actor: actor.to_owned(),
            reel,
            track: None,
        }
    }

    /// Feeds the machine.
    pub fn feed(&mut self, at: Instant, input: M::Input) -> M::Answer {
        self.turn(at);
        if let Some(track) = &mut self.track {
            track.fed(at, &self.machine.mask(&input));
        }
        let answer = self.machine.feed(at, input);
        if let Some(track) = &mut self.track {
            track.answered(M::tell(&answer));
            if !M::DRAINED {
                self.write::<&M::Output>(at, Some(&[]));
            }
        }
        answer
    }

    /// Takes out everything the machine wants done.
    pub fn drain(&mut self, at: Instant) -> Vec<M::Output> {
        self.turn(at);
        let outputs = self.machine.drain(at);
        let fed = self.track.as_ref().is_some_and(|track| !track.fed.is_empty());
        if fed || M::PACED || !outputs.is_empty() {
            self.write(at, Some(&outputs));
        }
        outputs
    }

    /// Begins, or ends, with the recording.
    fn turn(&mut self, at: Instant) {
        let Some(reel) = &self.reel else { return };
        let take = reel.take();
        if self.track.as_ref().map_or(0, |track| track.take) != take {
            self.begin(take, at);
        }
    }

    fn begin(&mut self, take: u32, at: Instant) {
        self.track = None;
        let place = self
            .reel
            .as_ref()
            .filter(|_| take != 0)
            .and_then(|reel| reel.place());
        let Some((origin, number)) = place else { return };
        let state = counting_from(origin, || self.machine.state());
        let begin = Line::Begin(Begin {
            m: number,
            actor: self.actor.clone(),
            machine: M::NAME.to_owned(),
            at: nanos(origin, at),
            state: raw(&state.unwrap_or_default()),
        });
        if self.push(take, 1, begin.text()) {
            self.track = Some(Track {
                take,
                origin,
                number,
                fed: Vec::new(),
                checked_at: at,
            });
        }
    }

    fn push(&self, take: u32, lines: u64, text: String) -> bool {
        self.reel
            .as_ref()
            .is_some_and(|reel| reel.write(take, lines, text))
    }

    /// Writes what was fed, and what came out of it. Where there is no room for it the machine begins anew once there is.
    fn write<T: Serialize>(&mut self, at: Instant, out: Option<&[T]>) {
        let Some(track) = &mut self.track else { return };
        let mut text = track.step(at, out);
        let mut lines = 1;
        if out.is_some() && at.saturating_duration_since(track.checked_at) >= CHECK_INTERVAL {
            track.checked_at = at;
            let state = counting_from(track.origin, || self.machine.state());
            text.push_str(&track.check(at, &state.unwrap_or_default()).text());
            lines += 1;
        }
        let take = track.take;
        if !self.push(take, lines, text) {
            self.track = None;
        }
    }
}

impl<M: Recorded> Deref for Taped<M> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.machine
    }
}

impl<M: Recorded> Drop for Taped<M> {
    /// What ended the life of its actor may be what the machine was fed last.
    fn drop(&mut self) {
        if let (Some(track), Some(reel)) = (&mut self.track, &self.reel)
            && !track.fed.is_empty()
            && reel.take() == track.take
        {
            let text = track.step::<()>(track.origin, None);
            reel.write(track.take, 1, text);
        }
    }
}

impl Track {
    fn fed(&mut self, at: Instant, input: &impl Serialize) {
        let input = counting_from(self.origin, || raw(input));
        self.fed.push(Input(nanos(self.origin, at), input, None));
    }

    fn answered(&mut self, answer: Option<String>) {
        if let Some(last) = self.fed.last_mut() {
            last.2 = answer;
        }
    }

    fn step<T: Serialize>(&mut self, at: Instant, out: Option<&[T]>) -> String {
        let out = out.map(|out| counting_from(self.origin, || out.iter().map(raw).collect()));
        let step = Step {
            m: self.number,
            inputs: std::mem::take(&mut self.fed),
            at: out.as_ref().map(|_| nanos(self.origin, at)),
            out,
        };
        Line::Step(step).text()
    }

    fn check(&self, at: Instant, state: &Value) -> Line {
        Line::Check(Check {
            m: self.number,
            at: nanos(self.origin, at),
            state: digests(state),
        })
    }
}

/// Anything as the text it is compared by.
pub(super) fn raw(value: &(impl Serialize + ?Sized)) -> Box<RawValue> {
    serde_json::value::to_raw_value(value).unwrap_or_default()
}

/// A digest of each part of a state.
pub(super) fn digests(state: &Value) -> BTreeMap<String, String> {
    let digest = |value: &Value| {
        let hash = blake3::hash(value.to_string().as_bytes());
        hex::encode(&hash.as_bytes()[..DIGEST])
    };
    match state {
        Value::Object(parts) => parts
            .iter()
            .map(|(name, part)| (name.clone(), digest(part)))
            .collect(),
        whole => BTreeMap::from([("state".to_owned(), digest(whole))]),
    }
}
