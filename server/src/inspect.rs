//! `roomrtc-server inspect`: the actors of a running server in a terminal, as `top` shows processes.
//!
//! Reading order: this file (asking the server), `table` (a look as lines), `screen` (the terminal).

mod screen;
mod table;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use roomrtc_kit::MeterView;
use roomrtc_kit::inspect::Request;
use roomrtc_kit::watch::{LOOK, Model};
use serde::Deserialize;

/// A server that does not answer by then does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The server's end of the socket.
struct Server {
    read: BufReader<UnixStream>,
    write: UnixStream,
}

/// What the server says.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Answer {
    Actors { actors: Vec<MeterView> },
    Error { message: String },
    Done {},
}

impl Server {
    fn connect(path: &Path) -> Result<Self> {
        let write = UnixStream::connect(path)
            .with_context(|| format!("no server answers at {} (is it running?)", path.display()))?;
        write.set_read_timeout(Some(PATIENCE))?;
        let read = BufReader::new(write.try_clone()?);
        Ok(Server { read, write })
    }

    fn actors(&mut self) -> Result<Vec<MeterView>> {
        serde_json::to_writer(&mut self.write, &Request::Actors {})?;
        self.write.write_all(b"\n")?;
        let mut line = String::new();
        self.read
            .read_line(&mut line)
            .context("the server does not answer")?;
        match serde_json::from_str(&line).context("the server has ended")? {
            Answer::Actors { actors } => Ok(actors),
            Answer::Error { message } => bail!(message),
            Answer::Done {} => bail!("the server answered something else"),
        }
    }

    fn look(&mut self, model: &mut Model) -> Result<()> {
        let actors = self.actors()?;
        model.take(Instant::now(), actors);
        Ok(())
    }
}

/// Shows the actors of the server whose admin socket is at `path`: once, as plain lines, or until the user leaves.
///
/// # Errors
/// If no server answers there, or the terminal cannot be used.
pub fn run(path: &Path, once: bool) -> Result<()> {
    let mut server = Server::connect(path)?;
    let mut model = Model::default();
    server.look(&mut model)?;
    if !once {
        return screen::run(&mut server, &mut model);
    }
    std::thread::sleep(LOOK);
    server.look(&mut model)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\n{}", model.sum(), table::heads())?;
    for actor in model.rows() {
        writeln!(out, "{}", table::row(actor, model.is_tree()))?;
    }
    Ok(())
}
