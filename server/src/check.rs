//! `roomrtc-server check`: whether all that a server needs is there, and in words how to mend what is not.
//!
//! Reading order: this file (the report), `certificate`, `door` (the port), `helpers` (STUN and TURN servers), `relay` (an
//! allocation that is really used).

mod certificate;
mod door;
mod helpers;
mod relay;

use std::io::{self, Write};

use anyhow::{Context, Result};
use roomrtc_kit::config::Config;

/// What was found of one thing.
enum Finding {
    /// It works.
    Good(String),
    /// It works, with a consequence to know of.
    Note(String),
    /// It does not work.
    Problem {
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: String,
    },
}

impl Finding {
    fn problem(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Finding::Problem {
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// Checks certificate, port, STUN and TURN servers, and prints what it finds, a line each. Returns whether all is well.
///
/// # Errors
/// If the report cannot be written, or nothing can be checked at all.
pub fn run(config: &Config, out: &mut impl Write) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the system gives no runtime")?;
    let mut report = Report { out, problems: 0 };
    report.say("certificate", &certificate::check(config))?;
    for (name, finding) in runtime.block_on(door::check(config)) {
        report.say(&name, &finding)?;
    }
    for server in helpers::servers(config) {
        let finding = runtime.block_on(helpers::check(config, &server));
        report.say(&server, &finding)?;
    }
    let problems = report.problems;
    match problems {
        0 => writeln!(out, "All is well.")?,
        1 => writeln!(out, "One problem.")?,
        more => writeln!(out, "{more} problems.")?,
    }
    Ok(problems == 0)
}

struct Report<'a, W> {
    out: &'a mut W,
    problems: usize,
}

impl<W: Write> Report<'_, W> {
    fn say(&mut self, name: &str, finding: &Finding) -> io::Result<()> {
        match finding {
            Finding::Good(what) => writeln!(self.out, "ok       {name}: {what}"),
            Finding::Note(what) => writeln!(self.out, "note     {name}: {what}"),
            Finding::Problem { what, remedy } => {
                self.problems += 1;
                writeln!(self.out, "PROBLEM  {name}: {what}\n         {remedy}")
            }
        }
    }
}
