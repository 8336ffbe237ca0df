//! The disk's side of a transfer: a thread a file, which answers with [`DiskReport`]s. Actors never wait for a disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;

use bytes::Bytes;
use roomrtc_kit::Port;
use roomrtc_protocol::file_transfer::control::Hash;
use roomrtc_protocol::file_transfer::name::numbered;

use super::{DiskNews, DiskReport};
use crate::ui_bridge::TransferId;

/// Orders that wait for a disk. Reads are far fewer; writes stop at the receive window, unless a peer sends its
/// file in crumbs.
const QUEUE: usize = 4096;

/// Read at one time while hashing.
const HASHED_AT_ONCE: usize = 256 * 1024;

/// Names tried for a file whose name is taken.
const NAMES_TRIED: u32 = 1_000;

/// Added to a file's name until it is whole.
const PARTIAL: &str = ".part";

enum ReadOrder {
    Piece { offset: u64, length: usize },
}

enum WriteOrder {
    Piece(Bytes),
    Verify,
    Store,
}

/// A file being read, on a thread of its own that ends with this value.
pub(super) struct Reading {
    orders: SyncSender<ReadOrder>,
    stop: Arc<AtomicBool>,
}

/// A file being written, on a thread of its own. Dropped before it was stored, the partial file is deleted.
pub(super) struct Writing {
    orders: SyncSender<WriteOrder>,
    /// Bytes of all pieces.
    given: AtomicU64,
    /// Where the file lies at last.
    stored: Arc<OnceLock<PathBuf>>,
}

/// The disk does not keep up, or its thread is gone.
#[derive(Debug)]
pub(super) struct Stuck;

impl Reading {
    /// Opens a file, hashes it if asked for and reports [`DiskNews::Hashed`], then reads pieces.
    pub(super) fn begin(
        transfer: TransferId,
        path: PathBuf,
        hash: bool,
        to: Port<DiskReport>,
    ) -> io::Result<Self> {
        let (orders, queue) = sync_channel(QUEUE);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        thread::Builder::new()
            .name(format!("file-{}", transfer.0))
            .spawn(move || {
                let tell = |news| to.tell(DiskReport { transfer, news });
                let opened = match hash {
                    true => hash_file(&path, &stopped).map(|(file, size, hash)| {
                        tell(DiskNews::Hashed(Ok((size, hash))));
                        file
                    }),
                    false => File::open(&path),
                };
                match opened {
                    Ok(file) => read_pieces(file, &queue, tell),
                    // Nobody waits for it any more, or another thread has taken over.
                    Err(_) if stopped.load(Ordering::Relaxed) => {}
                    Err(error) => tell(DiskNews::Hashed(Err(error.to_string()))),
                }
            })?;
        Ok(Reading { orders, stop })
    }

    pub(super) fn piece(&self, offset: u64, length: usize) -> Result<(), Stuck> {
        self.orders
            .try_send(ReadOrder::Piece { offset, length })
            .map_err(|_| Stuck)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn hash_file(path: &Path, stop: &AtomicBool) -> io::Result<(File, u64, Hash)> {
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; HASHED_AT_ONCE];
    let mut size = 0;
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "cancelled"));
        }
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                hasher.update(&buffer[..length]);
                size += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    file.rewind()?;
    Ok((file, size, Hash(*hasher.finalize().as_bytes())))
}

fn read_pieces(mut file: File, queue: &Receiver<ReadOrder>, tell: impl Fn(DiskNews)) {
    let mut position = 0;
    while let Ok(ReadOrder::Piece { offset, length }) = queue.recv() {
        let piece = (|| {
            if offset != position {
                file.seek(SeekFrom::Start(offset))?;
            }
            let mut piece = Vec::with_capacity(length);
            Read::by_ref(&mut file)
                .take(length as u64)
                .read_to_end(&mut piece)?;
            position = offset + piece.len() as u64;
            Ok(Bytes::from(piece))
        })();
        let piece = piece.map_err(|error: io::Error| error.to_string());
        tell(DiskNews::Read(offset, piece));
    }
}

impl Writing {
    /// Makes a partial file in a folder, which is made too if need be.
    pub(super) fn begin(
        transfer: TransferId,
        directory: PathBuf,
        name: String,
        to: Port<DiskReport>,
    ) -> io::Result<Self> {
        let (orders, queue) = sync_channel(QUEUE);
        let stored = Arc::new(OnceLock::new());
        let place = stored.clone();
        thread::Builder::new()
            .name(format!("file-{}", transfer.0))
            .spawn(move || {
                let tell = |news| to.tell(DiskReport { transfer, news });
                match Partial::create(&directory, &name) {
                    Ok(partial) => write_pieces(partial, &queue, &place, tell),
                    Err(error) => tell(DiskNews::Written(Err(error.to_string()))),
                }
            })?;
        Ok(Writing {
            orders,
            given: AtomicU64::new(0),
            stored,
        })
    }

    pub(super) fn piece(&self, data: Bytes) -> Result<(), Stuck> {
        let length = data.len() as u64;
        self.order(WriteOrder::Piece(data))?;
        self.given.fetch_add(length, Ordering::Relaxed);
        Ok(())
    }

    /// Bytes of all pieces so far; what is not on the disk yet will be there before anything else is done.
    pub(super) fn given(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }

    /// Where the file lies, once it is whole.
    pub(super) fn stored(&self) -> Option<PathBuf> {
        self.stored.get().cloned()
    }

    pub(super) fn verify(&self) -> Result<(), Stuck> {
        self.order(WriteOrder::Verify)
    }

    pub(super) fn store(&self) -> Result<(), Stuck> {
        self.order(WriteOrder::Store)
    }

    fn order(&self, order: WriteOrder) -> Result<(), Stuck> {
        self.orders.try_send(order).map_err(|_| Stuck)
    }
}

/// Ends with the first piece the disk refuses: what is said later is not heard.
fn write_pieces(
    mut partial: Partial,
    queue: &Receiver<WriteOrder>,
    place: &OnceLock<PathBuf>,
    tell: impl Fn(DiskNews),
) {
    let mut written = 0;
    while let Ok(order) = queue.recv() {
        match order {
            WriteOrder::Piece(data) => {
                if let Err(error) = partial.append(&data) {
                    return tell(DiskNews::Written(Err(error.to_string())));
                }
                written += data.len() as u64;
                tell(DiskNews::Written(Ok(written)));
            }
            WriteOrder::Verify => {
                tell(DiskNews::Verified(Hash(*partial.hasher.finalize().as_bytes())));
            }
            WriteOrder::Store => {
                let stored = partial.store().map_err(|error| error.to_string());
                if let Ok(path) = &stored {
                    let _ = place.set(path.clone()); // the first and only time
                }
                return tell(DiskNews::Stored(stored));
            }
        }
    }
}

/// A file that is not whole yet; deleted when dropped.
struct Partial {
    file: File,
    path: PathBuf,
    directory: PathBuf,
    name: String,
    hasher: blake3::Hasher,
    stored: bool,
}

impl Partial {
    fn create(directory: &Path, name: &str) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let (path, file) = create_new(directory, |number| numbered(name, number) + PARTIAL)?;
        Ok(Partial {
            file,
            path,
            directory: directory.to_owned(),
            name: name.to_owned(),
            hasher: blake3::Hasher::new(),
            stored: false,
        })
    }

    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        self.hasher.update(data);
        self.file.write_all(data)
    }

    /// Gives the file its name, or the next free one with a number.
    fn store(mut self) -> io::Result<PathBuf> {
        // Whoever creates a file owns its name: nothing of anybody else is replaced.
        let (path, _) = create_new(&self.directory, |number| numbered(&self.name, number))?;
        match std::fs::rename(&self.path, &path) {
            Ok(()) => {
                self.stored = true;
                Ok(path)
            }
            Err(error) => {
                let _ = std::fs::remove_file(&path);
                Err(error)
            }
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.stored {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn create_new(directory: &Path, name: impl Fn(u32) -> String) -> io::Result<(PathBuf, File)> {
    for number in 1..=NAMES_TRIED {
        let path = directory.join(name(number));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AlreadyExists,
        "too many files of this name",
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_stored_file_replaces_nothing_and_a_dropped_one_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("photo.jpg"), "mine").unwrap();
        let mut partial = Partial::create(folder.path(), "photo.jpg").unwrap();
        let second = Partial::create(folder.path(), "photo.jpg").unwrap();
        partial.append(b"theirs").unwrap();
        assert_eq!(partial.path, folder.path().join("photo.jpg.part"));
        assert_eq!(second.path, folder.path().join("photo (2).jpg.part"));
        drop(second);
        let path = partial.store().unwrap();
        assert_eq!(path, folder.path().join("photo (2).jpg"));
        assert_eq!(std::fs::read(path).unwrap(), b"theirs");
        assert_eq!(std::fs::read(folder.path().join("photo.jpg")).unwrap(), b"mine");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_folder_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        assert!(hash_file(folder.path(), &AtomicBool::new(false)).is_err());
    }
}
