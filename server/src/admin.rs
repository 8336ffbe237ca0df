//! The admin socket: a Unix socket in the server's folder on which its owner asks about the actors, a JSON object a line
//! in, a JSON object a line out ([`roomrtc_kit::inspect`]). `roomrtc-server inspect` is its usual client.
//!
//! Without it the server serves as ever, so what goes wrong here is logged and no reason to end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use actix::{Actor, AsyncContext, Context, WrapFuture};
use roomrtc_kit::inspect::Request;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Who may be connected at one time; more wait.
const GUESTS: usize = 4;
/// Longest request.
const MAX_LINE: u64 = 4096;

/// The actor.
pub(crate) struct Admin {
    path: PathBuf,
}

impl Admin {
    pub(crate) fn new(path: PathBuf) -> Self {
        Admin { path }
    }
}

impl Actor for Admin {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        match listen(&self.path) {
            Ok(socket) => {
                ctx.spawn(serve(socket).into_actor(self));
            }
            Err(error) => {
                tracing::warn!(%error, path = %self.path.display(), "there is no admin socket");
            }
        }
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        // Gone already if it was never there.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Opens the socket, for its owner alone: the folder is, too.
fn listen(path: &Path) -> io::Result<UnixListener> {
    // What a killed server left behind.
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let socket = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(socket)
}

/// Lets guests in; they leave with the actor.
async fn serve(socket: UnixListener) {
    let places = Arc::new(Semaphore::new(GUESTS));
    let mut guests = JoinSet::new();
    while let Ok(place) = places.clone().acquire_owned().await {
        while guests.try_join_next().is_some() {}
        match socket.accept().await {
            Ok((guest, _)) => {
                guests.spawn(async move {
                    if let Err(error) = converse(guest).await {
                        tracing::debug!(%error, "an admin left");
                    }
                    drop(place);
                });
            }
            Err(error) => tracing::warn!(%error, "no admin can be let in"),
        }
    }
}

async fn converse(guest: UnixStream) -> io::Result<()> {
    let (read, mut write) = guest.into_split();
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = (&mut read).take(MAX_LINE).read_until(b'\n', &mut line).await?;
        if length == 0 {
            return Ok(());
        }
        let mut words = answer(&line).to_string();
        words.push('\n');
        write.write_all(words.as_bytes()).await?;
        if length as u64 == MAX_LINE {
            return Ok(()); // the rest of the line is no request
        }
    }
}

/// What a line is answered with.
fn answer(line: &[u8]) -> Value {
    let refused = |code: &str, message: String| json!({"event": "error", "code": code, "message": message});
    match serde_json::from_slice::<Request>(line).map(Request::carry_out) {
        Ok(Ok(Some(actors))) => json!({"event": "actors", "actors": actors}),
        Ok(Ok(None)) => json!({"event": "done"}),
        Ok(Err(refusal)) => refused(refusal.code(), refusal.to_string()),
        Err(error) => refused("bad_command", error.to_string()),
    }
}
