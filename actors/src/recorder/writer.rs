//! The thread that owns the file of a recording.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use roomrtc_protocol::recording::line::{End, Line, Why};
use roomrtc_protocol::recording::moment::nanos;

use super::{Room, State};

/// What was written is on the disk after this long, should the program die.
const FLUSH: Duration = Duration::from_millis(200);

/// What the thread is told.
pub(super) enum Sheet {
    /// Whole lines.
    Lines(String),
    /// The end.
    Stop,
}

/// Writes one recording.
pub(super) struct Writer {
    out: BufWriter<File>,
    file: PathBuf,
    limit: u64,
    bytes: u64,
    room: Arc<Room>,
    origin: Instant,
}

impl Writer {
    pub(super) fn new(out: File, file: PathBuf, limit: u64, room: Arc<Room>, origin: Instant) -> Self {
        Writer {
            out: BufWriter::new(out),
            file,
            limit,
            bytes: 0,
            room,
            origin,
        }
    }

    /// Writes until the end, and tells how it was.
    pub(super) fn run(mut self, sheets: &Receiver<Sheet>) -> State {
        match self.write_all(sheets) {
            Ok(why) => State::Done {
                bytes: self.bytes,
                lost: self.room.lost_in_all.load(Relaxed),
                full: why == Why::Full,
                file: self.file,
            },
            Err(error) => {
                tracing::warn!(%error, "the recording ends");
                State::Failed {
                    file: self.file,
                    why: error.to_string(),
                }
            }
        }
    }

    fn write_all(&mut self, sheets: &Receiver<Sheet>) -> io::Result<Why> {
        let mut flush_at = Instant::now() + FLUSH;
        let why = loop {
            match sheets.recv_timeout(flush_at.saturating_duration_since(Instant::now())) {
                Ok(Sheet::Lines(text)) => {
                    self.room.waiting.fetch_sub(text.len(), Relaxed);
                    if self.bytes + text.len() as u64 > self.limit {
                        break Why::Full;
                    }
                    self.write(&text)?;
                }
                Ok(Sheet::Stop) | Err(RecvTimeoutError::Disconnected) => break Why::Stopped,
                Err(RecvTimeoutError::Timeout) => {
                    self.out.flush()?;
                    flush_at = Instant::now() + FLUSH;
                }
            }
        };
        let end = Line::End(End {
            at: nanos(self.origin, Instant::now()),
            why,
            lost: self.room.lost_in_all.load(Relaxed),
        });
        self.write(&end.text())?;
        self.out.flush()?;
        Ok(why)
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.bytes += text.len() as u64;
        Ok(())
    }
}
