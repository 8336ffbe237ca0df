//! The lines of a recording: one JSON object each, `{"kind": {…}}`. docs/recording.md describes them.
//!
//! JSON lines, for a recording is read by people and their tools (`jq`, `grep`) as well as by [`Replay`](super::Replay),
//! a line at a time, however long the call was and wherever the file was cut off. All times are nanoseconds since the
//! beginning of the recording.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What this program writes, and reads.
pub const VERSION: u32 = 1;

/// A line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first line.
    Recording(Recording),
    /// A machine begins, or is recorded from here on.
    Begin(Begin),
    /// A machine was fed, and drained.
    Step(Step),
    /// What a machine's state was.
    Check(Check),
    /// An actor handled a control message.
    Message(Message),
    /// A life of an actor began or ended.
    Life(Life),
    /// An actor's timer went off.
    Timer(Timer),
    /// Something worth knowing, in words.
    Note(Note),
    /// Lines that are missing.
    Lost(Lost),
    /// The last line.
    End(End),
}

/// What the file is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Of the format: [`VERSION`].
    pub version: u32,
    /// The version of the program that wrote it.
    pub program: String,
    /// When it began, Unix time in milliseconds.
    pub unix_ms: u64,
    /// Whether addresses are in it.
    pub addresses: bool,
}

/// A machine as it was before the first step that is recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begin {
    /// Numbers the machine within the file; another life of its actor has another.
    pub m: u32,
    /// The actor that drives it.
    pub actor: String,
    /// Which machine it is.
    pub machine: String,
    /// When.
    pub at: i64,
    /// Its whole state, without media.
    pub state: Box<RawValue>,
}

/// Inputs of a machine, and what came of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// The machine.
    pub m: u32,
    /// What it was fed since the last step.
    #[serde(rename = "in")]
    pub inputs: Vec<Input>,
    /// When it was drained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<i64>,
    /// What came out; absent where its life ended before it was drained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out: Option<Vec<Box<RawValue>>>,
}

/// When a machine was fed, with what, and what it answered at once, if that is worth telling.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Input(pub i64, pub Box<RawValue>, pub Option<String>);

/// The state of a machine in a few letters: each part of it has a digest of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The machine.
    pub m: u32,
    /// When.
    pub at: i64,
    /// The parts of its state, by name.
    pub state: BTreeMap<String, String>,
}

/// A control message that was handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// When its handler began.
    pub at: i64,
    /// The actor.
    pub to: String,
    /// Who sent it; absent if that was no actor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it was.
    pub kind: String,
    /// What it says of itself, without names and addresses.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub brief: String,
    /// Time in the mailbox, µs.
    pub wait_us: u64,
    /// Time in the handler, µs.
    pub work_us: u64,
}

/// A life of an actor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// When.
    pub at: i64,
    /// Whose.
    pub actor: String,
    /// Which: 1 is the first, 2 follows a restart.
    pub life: u32,
    /// Why it ended; absent when it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
}

/// A timer that went off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// When.
    pub at: i64,
    /// Whose.
    pub actor: String,
}

/// Something worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When.
    pub at: i64,
    /// About what.
    pub about: String,
    /// What.
    pub text: String,
}

/// The disk was slower than the call: lines are missing here. A machine they belong to begins anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// When that was noticed.
    pub at: i64,
    /// How many.
    pub lines: u64,
}

/// The recording is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When.
    pub at: i64,
    /// Why it ended.
    pub why: Why,
    /// Lines that are missing in all.
    pub lost: u64,
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Somebody asked.
    Stopped,
    /// It was as large as it may be.
    Full,
}

impl Line {
    /// The line with its end.
    pub fn text(&self) -> String {
        let mut text = serde_json::to_string(self).expect("a line is plain data");
        text.push('\n');
        text
    }
}
