//! What a server's owner asks at its admin socket.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::Server;
use super::programs::PATIENCE;

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The admin socket of a server.
pub struct Admin {
    /// Where it is.
    pub socket: PathBuf,
}

impl Admin {
    /// That of a running server, once it is there: clients are let in a little earlier.
    ///
    /// # Errors
    /// If it does not come in time.
    pub fn of(server: &Server) -> Result<Self> {
        let socket = server.folder().join("server/admin.sock");
        let end = Instant::now() + PATIENCE;
        while UnixStream::connect(&socket).is_err() {
            ensure!(Instant::now() < end, "there is no admin socket");
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(Admin { socket })
    }

    /// Says one line; gives the answer.
    ///
    /// # Errors
    /// If there is none.
    pub fn ask(&self, line: &str) -> Result<Value> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.write_all(format!("{line}\n").as_bytes())?;
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer)?;
        Ok(serde_json::from_str(&answer)?)
    }

    /// Crashes an actor, and waits until its next life has begun.
    ///
    /// # Errors
    /// If it is not allowed, or does not begin.
    pub fn crash(&self, actor: &str) -> Result<()> {
        let before = self.lives(actor)?;
        let order = serde_json::json!({"do": "crash", "actor": actor});
        let done = self.ask(&order.to_string())?;
        ensure!(done["event"] == "done", "{done}");
        let end = Instant::now() + PATIENCE;
        while self.lives(actor)? <= before {
            ensure!(Instant::now() < end, "{actor} was not restarted");
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    fn lives(&self, actor: &str) -> Result<Option<u64>> {
        let list = self.ask("{\"do\":\"actors\"}")?;
        let row = list["actors"]
            .as_array()
            .and_then(|actors| actors.iter().find(|row| row["name"] == actor));
        Ok(row.and_then(|row| row["lives"].as_u64()))
    }
}
