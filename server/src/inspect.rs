//! `roomrtc-server inspect`: the actors of a running server in a terminal, as `top` shows processes.
//!
//! Reading order: this file (asking the server), `table` (a look as lines), `screen` (the terminal).

mod screen;
mod table;

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use roomrtc_kit::inspect::AdminSocket;
use roomrtc_kit::watch::{LOOK, Model};

/// The server's end of the socket.
struct Server(AdminSocket);

impl Server {
    fn connect(path: &Path) -> Result<Self> {
        let socket = AdminSocket::connect(path)
            .with_context(|| format!("no server answers at {} (is it running?)", path.display()))?;
        Ok(Server(socket))
    }

    fn look(&mut self, model: &mut Model) -> Result<()> {
        let actors = self.0.actors().context("the server does not answer")?;
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
