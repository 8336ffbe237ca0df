//! Runs the machines of a recording again.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;

use super::line::{Begin, Check, End, Line, Recording, Step, VERSION};
use super::moment::{counting_from, instant};
use super::track::{Recorded, digests, raw};

/// Machines of one recording; each restart of an actor and each loss makes one more.
const MAX_MACHINES: usize = 100_000;

/// Reads a recording line by line.
pub struct Replay {
    origin: Instant,
    known: HashMap<&'static str, Maker>,
    machines: BTreeMap<u32, Running>,
    line: u64,
    summary: Summary,
}

type Maker = fn(&RawValue) -> Result<Box<dyn Player>, serde_json::Error>;

struct Running {
    actor: String,
    player: Box<dyn Player>,
}

/// What is in a recording.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The first line.
    pub recording: Option<Recording>,
    /// Lines read.
    pub lines: u64,
    /// From the beginning to the last time told.
    pub length: Duration,
    /// By actor and machine.
    pub machines: BTreeMap<(String, String), Figures>,
    /// Control messages.
    pub messages: u64,
    /// Timers that went off.
    pub timers: u64,
    /// Lives that ended: whose, and why.
    pub ended: Vec<(String, String)>,
    /// Lines that are missing.
    pub lost: u64,
    /// The last line, if the file has one.
    pub end: Option<End>,
}

/// What was run again of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Times it began.
    pub begun: u64,
    /// Inputs.
    pub inputs: u64,
    /// Outputs compared.
    pub outputs: u64,
    /// Looks at its whole state compared.
    pub checks: u64,
}

/// Where the machine of today parts from the one of the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The line.
    pub line: u64,
    /// The actor.
    pub actor: String,
    /// The machine.
    pub machine: String,
    /// Its number.
    pub number: u32,
    /// When, since the beginning of the recording.
    pub at: Duration,
    /// What it had been fed last.
    pub after: Option<String>,
    /// What is in the recording.
    pub expected: String,
    /// What came now.
    pub got: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference {
            line,
            actor,
            machine,
            number,
            ..
        } = self;
        let at = self.at.as_secs_f64();
        writeln!(
            f,
            "first difference: {machine} of {actor} (machine {number}) at {at:.6} s, line {line}"
        )?;
        if let Some(after) = &self.after {
            writeln!(f, "  after    {after}")?;
        }
        writeln!(f, "  expected {}", self.expected)?;
        write!(f, "  got      {}", self.got)
    }
}

/// Why a recording cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The first line is another.
    #[error("line 1: this is no recording: {0}")]
    NotARecording(String),
    /// Another format.
    #[error("line 1: the recording has version {0} of the format, this program reads version {VERSION}")]
    Version(u32),
    /// A line that makes no sense.
    #[error("line {line}: {why}")]
    Line {
        /// Which.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
}

/// Where a step parted.
struct Parted {
    after: Option<String>,
    at: i64,
    expected: String,
    got: String,
}

/// A machine under replay.
trait Player {
    fn step(&mut self, origin: Instant, step: &Step) -> Result<Option<Parted>, String>;
    fn check(&self, check: &Check) -> Option<(String, String)>;
    fn name(&self) -> &'static str;
}

struct Play<M>(M);

impl Replay {
    /// A replay whose time begins at `origin`; any instant will do.
    pub fn new(origin: Instant) -> Self {
        Replay {
            origin,
            known: HashMap::new(),
            machines: BTreeMap::new(),
            line: 0,
            summary: Summary::default(),
        }
    }

    /// Recordings may have this machine in them.
    #[must_use]
    pub fn with<M: Recorded + 'static>(mut self) -> Self {
        self.known.insert(M::NAME, |state| {
            let machine: M = serde_json::from_str(state.get())?;
            Ok(Box::new(Play(machine)))
        });
        self
    }

    /// Takes the next line; tells where it parts from what is recorded. After that nothing else is to be learned.
    ///
    /// # Errors
    /// If the line makes no sense.
    pub fn take(&mut self, text: &str) -> Result<Option<Difference>, ReplayError> {
        self.line += 1;
        self.summary.lines = self.line;
        let line: Line = serde_json::from_str(text).map_err(|error| match self.line {
            1 => ReplayError::NotARecording(error.to_string()),
            _ => self.wrong(error.to_string()),
        })?;
        match (self.line, line) {
            (1, Line::Recording(recording)) if recording.version == VERSION => {
                self.summary.recording = Some(recording);
                Ok(None)
            }
            (1, Line::Recording(recording)) => Err(ReplayError::Version(recording.version)),
            (1, _) => Err(ReplayError::NotARecording("it begins in the middle".into())),
            (_, line) => counting_from(self.origin, || self.follow(line)),
        }
    }

    /// What was read so far.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    fn wrong(&self, why: impl Into<String>) -> ReplayError {
        ReplayError::Line {
            line: self.line,
            why: why.into(),
        }
    }

    fn follow(&mut self, line: Line) -> Result<Option<Difference>, ReplayError> {
        match line {
            Line::Recording(_) => return Err(self.wrong("a second beginning")),
            Line::Begin(begin) => self.begin(&begin)?,
            Line::Step(step) => return self.step(&step),
            Line::Check(check) => return self.check(&check),
            Line::Message(message) => {
                self.summary.messages += 1;
                self.passed(message.at);
            }
            Line::Timer(timer) => {
                self.summary.timers += 1;
                self.passed(timer.at);
            }
            Line::Life(life) => {
                self.passed(life.at);
                if let Some(why) = life.ended {
                    self.summary.ended.push((life.actor, why));
                }
            }
            Line::Note(note) => self.passed(note.at),
            Line::Lost(lost) => self.summary.lost += lost.lines,
            Line::End(end) => {
                self.passed(end.at);
                self.summary.end = Some(end);
            }
        }
        Ok(None)
    }

    fn passed(&mut self, at: i64) {
        self.summary.length = self.summary.length.max(span(at));
    }

    fn begin(&mut self, begin: &Begin) -> Result<(), ReplayError> {
        let unknown = || self.wrong(format!("there is no machine `{}`", begin.machine));
        let make = self.known.get(begin.machine.as_str()).ok_or_else(unknown)?;
        if self.machines.len() >= MAX_MACHINES {
            return Err(self.wrong("more machines than a call can have"));
        }
        let player = make(&begin.state).map_err(|error| self.wrong(format!("the state: {error}")))?;
        let actor = begin.actor.clone();
        self.figures(&actor, &begin.machine).begun += 1;
        self.machines.insert(begin.m, Running { actor, player });
        self.passed(begin.at);
        Ok(())
    }

    fn figures(&mut self, actor: &str, machine: &str) -> &mut Figures {
        let name = (actor.to_owned(), machine.to_owned());
        self.summary.machines.entry(name).or_default()
    }

    fn step(&mut self, step: &Step) -> Result<Option<Difference>, ReplayError> {
        let last = step.inputs.last().map(|input| input.0).max(step.at);
        self.passed(last.unwrap_or_default());
        let origin = self.origin;
        let machine = self.machines.get_mut(&step.m);
        let parted = machine.map(|machine| {
            let (actor, name) = (machine.actor.clone(), machine.player.name());
            (actor, name, machine.player.step(origin, step))
        });
        let (actor, name, parted) =
            parted.ok_or_else(|| self.wrong(format!("machine {} has not begun", step.m)))?;
        let parted = parted.map_err(|why| self.wrong(why))?;
        let figures = self.figures(&actor, name);
        figures.inputs += step.inputs.len() as u64;
        figures.outputs += step.out.as_ref().map_or(0, |out| out.len() as u64);
        Ok(parted.map(|parted| Difference {
            line: self.line,
            actor,
            machine: name.to_owned(),
            number: step.m,
            at: span(parted.at),
            after: parted.after,
            expected: parted.expected,
            got: parted.got,
        }))
    }

    fn check(&mut self, check: &Check) -> Result<Option<Difference>, ReplayError> {
        let Some(machine) = self.machines.get(&check.m) else {
            return Err(self.wrong(format!("machine {} has not begun", check.m)));
        };
        let (actor, name) = (machine.actor.clone(), machine.player.name());
        let parted = machine.player.check(check);
        self.figures(&actor, name).checks += 1;
        Ok(parted.map(|(expected, got)| Difference {
            line: self.line,
            actor,
            machine: name.to_owned(),
            number: check.m,
            at: span(check.at),
            after: None,
            expected,
            got,
        }))
    }
}

impl<M: Recorded> Play<M> {
    fn feed(&mut self, origin: Instant, step: &Step) -> Result<Option<Parted>, String> {
        for input in &step.inputs {
            let at = instant(origin, input.0).ok_or("a time out of reach")?;
            let fed = serde_json::from_str(input.1.get()).map_err(|error| format!("an input: {error}"))?;
            let answer = caught(|| M::tell(&self.0.feed(at, fed)));
            if answer.as_ref() != Ok(&input.2) {
                return Ok(Some(Parted {
                    after: Some(input.1.get().to_owned()),
                    at: input.0,
                    expected: words(input.2.clone()),
                    got: answer.map_or_else(|panic| panic, words),
                }));
            }
        }
        Ok(None)
    }
}

impl<M: Recorded> Player for Play<M> {
    fn step(&mut self, origin: Instant, step: &Step) -> Result<Option<Parted>, String> {
        if let Some(parted) = self.feed(origin, step)? {
            return Ok(Some(parted));
        }
        let (Some(at), Some(expected)) = (step.at, &step.out) else {
            return Ok(None);
        };
        let now = instant(origin, at).ok_or("a time out of reach")?;
        let parted = |number: usize, expected: Option<&RawValue>, got: String| Parted {
            after: step.inputs.last().map(|input| input.1.get().to_owned()),
            at,
            expected: expected.map_or_else(
                || format!("{number} outputs, no more"),
                |expected| expected.get().to_owned(),
            ),
            got,
        };
        let outputs = match M::DRAINED {
            true => caught(|| self.0.drain(now)),
            false => Ok(Vec::new()),
        };
        let got: Vec<_> = match outputs {
            Ok(outputs) => outputs.iter().map(raw).collect(),
            Err(panic) => return Ok(Some(parted(0, expected.first().map(AsRef::as_ref), panic))),
        };
        for number in 0..expected.len().max(got.len()) {
            let (expected, got) = (expected.get(number), got.get(number));
            if expected.map(|text| text.get()) != got.map(|text| text.get()) {
                let got = got.map_or_else(
                    || format!("{number} outputs, no more"),
                    |got| got.get().to_owned(),
                );
                return Ok(Some(parted(number, expected.map(AsRef::as_ref), got)));
            }
        }
        Ok(None)
    }

    fn check(&self, check: &Check) -> Option<(String, String)> {
        let state = self.0.state().unwrap_or_default();
        let now = digests(&state);
        if now == check.state {
            return None;
        }
        let names: Vec<&String> = check
            .state
            .keys()
            .chain(now.keys().filter(|name| !check.state.contains_key(*name)))
            .filter(|name| check.state.get(*name) != now.get(*name))
            .collect();
        let list = |digests: &BTreeMap<String, String>| {
            let parts = names
                .iter()
                .map(|name| format!("{name} {}", digests.get(*name).map_or("-", String::as_str)));
            format!("the state: {}", parts.collect::<Vec<_>>().join(", "))
        };
        let values = names.iter().filter_map(|name| Some((name, state.get(name)?)));
        let values: Vec<_> = values.map(|(name, value)| format!("{name} = {value}")).collect();
        Some((
            list(&check.state),
            format!("{}; now {}", list(&now), values.join(", ")),
        ))
    }

    fn name(&self) -> &'static str {
        M::NAME
    }
}

fn words(answer: Option<String>) -> String {
    answer.unwrap_or_else(|| "nothing to tell".to_owned())
}

/// Runs a machine; a panic in it is told in words.
fn caught<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| {
        let payload: &(dyn Any + Send) = &*payload;
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        format!("a panic: {}", text.unwrap_or("no message"))
    })
}

fn span(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
}
