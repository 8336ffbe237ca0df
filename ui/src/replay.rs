//! `roomrtc replay FILE`: runs the machines of a recording again and tells what came of it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use roomrtc_actors::recorder;
use roomrtc_protocol::recording::{Difference, Summary};

/// Longest line that is read: the state of a machine is long, but not that long.
const LONGEST: u64 = 64 << 20;

/// Prints what is in the file, and the first difference if there is one.
///
/// # Errors
/// If it cannot be read; the line that is wrong is named.
pub fn run(file: &Path) -> anyhow::Result<ExitCode> {
    let open = File::open(file).with_context(|| file.display().to_string())?;
    let played = play(BufReader::new(open)).with_context(|| file.display().to_string())?;
    println!("{}", played.told());
    Ok(match played.difference {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    })
}

/// What came of a recording.
struct Played {
    summary: Summary,
    difference: Option<Difference>,
    /// The last line has no end.
    cut: bool,
}

fn play(mut text: impl BufRead) -> anyhow::Result<Played> {
    let mut replay = recorder::replay();
    let mut line = Vec::new();
    loop {
        line.clear();
        text.by_ref().take(LONGEST).read_until(b'\n', &mut line)?;
        let whole = line.last() == Some(&b'\n');
        let text = String::from_utf8_lossy(&line);
        if !whole && line.len() as u64 == LONGEST {
            bail!(
                "line {}: longer than any line of a recording",
                replay.summary().lines + 1
            );
        }
        // A program that was killed leaves half a line.
        if !whole && replay.summary().lines > 0 {
            return Ok(Played {
                summary: replay.summary().clone(),
                difference: None,
                cut: !line.is_empty(),
            });
        }
        if let Some(difference) = replay.take(text.trim_end())? {
            return Ok(Played {
                summary: replay.summary().clone(),
                difference: Some(difference),
                cut: false,
            });
        }
    }
}

impl Played {
    fn told(&self) -> String {
        let Summary {
            recording,
            lines,
            length,
            machines,
            messages,
            timers,
            ended,
            lost,
            end,
        } = &self.summary;
        let program = recording
            .as_ref()
            .map_or("?", |recording| recording.program.as_str());
        let mut told = format!(
            "recorded by roomrtc {program}: {:.1} s, {lines} lines, {messages} messages, {timers} timers\n",
            length.as_secs_f64()
        );
        for ((actor, machine), figures) in machines {
            let _ = writeln!(
                told,
                "  {actor:<24} {machine:<20} begun {:>2} times, {:>6} inputs, {:>6} outputs, {:>4} states compared",
                figures.begun, figures.inputs, figures.outputs, figures.checks
            );
        }
        for (actor, why) in ended.iter().filter(|(_, why)| why != recorder::IN_GOOD_ORDER) {
            let _ = writeln!(told, "  {actor} died: {why}");
        }
        if *lost > 0 {
            let _ = writeln!(
                told,
                "  {lost} lines are missing: the disk was slower than the call"
            );
        }
        if self.cut || (end.is_none() && self.difference.is_none()) {
            told.push_str("  it has no end: the program was killed, or the file was cut off\n");
        }
        match &self.difference {
            None => told.push_str("no difference"),
            Some(difference) => told.push_str(&difference.to_string()),
        }
        told
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Instant;

    use roomrtc_actors::recorder::{Recorder, RecorderSettings};
    use roomrtc_protocol::audio::jitter_buffer::recorded::Input;
    use roomrtc_protocol::audio::jitter_buffer::{AudioBufferSettings, AudioJitterBuffer};
    use roomrtc_protocol::recording::Taped;

    use super::*;

    fn recorded() -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("call");
        let recorder = Recorder::default();
        let settings = RecorderSettings {
            addresses: false,
            limit: 1 << 20,
        };
        recorder.start(&file, settings).unwrap();
        let machine = AudioJitterBuffer::new(AudioBufferSettings::default());
        let mut machine = Taped::new("call/playout/audio", machine, Some(recorder.reel()));
        for _ in 0..5 {
            assert!(machine.feed(Instant::now(), Input::Next).is_some());
        }
        recorder.stop();
        std::fs::read_to_string(file).unwrap()
    }

    #[test]
    fn a_recording_is_summed_up() {
        let told = play(recorded().as_bytes()).unwrap().told();
        assert!(told.contains("begun  1 times,      5 inputs"), "{told}");
        assert!(
            told.ends_with("\nno difference") && !told.contains("no end"),
            "{told}"
        );
    }

    #[test]
    fn half_a_line_at_the_end_is_no_error_and_is_told() {
        let text = recorded();
        let cut = &text[..text.trim_end().len() - 5];
        let told = play(cut.as_bytes()).unwrap().told();
        assert!(
            told.contains("it has no end") && told.ends_with("no difference"),
            "{told}"
        );
    }

    #[test]
    fn what_is_different_is_told_with_its_place() {
        let altered = recorded().replacen("silence", "conceal", 1);
        let played = play(altered.as_bytes()).unwrap();
        let told = played.told();
        assert!(
            told.contains("first difference: audio_jitter_buffer of call/playout/audio"),
            "{told}"
        );
        assert!(told.contains("expected") && told.contains("conceal"), "{told}");
    }

    #[test]
    fn what_is_no_recording_is_an_error_that_names_the_line() {
        for (text, words) in [
            ("", "line 1: this is no recording"),
            ("hello\n", "line 1: this is no recording"),
            ("{\"step\"", "line 1: this is no recording"),
        ] {
            let error = play(text.as_bytes()).err().unwrap().to_string();
            assert!(error.starts_with(words), "{error}");
        }
        let broken = recorded().replacen("\"step\"", "\"stop\"", 1);
        let error = play(broken.as_bytes()).err().unwrap().to_string();
        assert!(error.starts_with("line ") && error.contains("stop"), "{error}");
    }
}
