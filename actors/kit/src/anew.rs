//! Starting this program anew in the same process: for what must be chosen before there are threads, and for what
//! nothing inside can mend.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Counts the starts that followed a hang, from one to the next.
const COUNT: &str = "ROOMRTC_STARTED_ANEW";
/// More of them in one process change nothing.
const MOST: u32 = 5;

/// This program with the same arguments. Its [`exec`](CommandExt::exec) keeps the process, its standard streams and
/// whoever waits for it.
///
/// # Errors
/// If the system does not tell which program this is.
pub fn command() -> io::Result<Command> {
    let mut arguments = std::env::args_os();
    let mut command = Command::new(std::env::current_exe()?);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments);
    Ok(command)
}

/// How often this process was started anew after a hang.
pub fn hangs() -> u32 {
    let count = std::env::var(COUNT).ok().and_then(|count| count.parse().ok());
    count.unwrap_or(0)
}

/// Ends everything at once and starts anew, with this argument besides, unless it is there. Only an error comes back.
///
/// # Errors
/// If the program was started anew too often, or cannot be.
pub fn after_a_hang(besides: Option<&str>) -> io::Result<Infallible> {
    let count = hangs() + 1;
    if count > MOST {
        return Err(io::Error::other("it was started anew too often"));
    }
    let mut command = command()?;
    let there = |besides: &&str| std::env::args_os().any(|argument| argument == OsStr::new(besides));
    command.args(besides.filter(|besides| !there(besides)));
    Err(command.env(COUNT, count.to_string()).exec())
}
