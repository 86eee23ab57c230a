//! Threads that write files: small ones whole, large ones piece by piece. What waits for them is bounded by
//! the pool of chunks and by the queue.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, futimens, openat, unlinkat};
use rustix::io::Errno;

use crate::error::{Error, Kind, Result, printable};
use crate::oci::{Algorithm, Hasher};

use super::buffer_pool::Piece;
use super::directories::kind_of;
use super::fingerprint::Contents;
use super::name;

/// A file to make: where, how, and for messages its path.
pub(super) struct NewFile {
    pub(super) directory: Arc<OwnedFd>,
    pub(super) path: Vec<u8>,
    pub(super) mode: u32,
    pub(super) mtime: Option<(i64, u32)>,
    /// An entry of the archive that is there already is replaced, unless it is a directory.
    pub(super) replace: bool,
}

/// A large file that is open.
pub(super) struct Large {
    file: OwnedFd,
    path: Vec<u8>,
}

/// Work for a writer.
pub(super) enum Job {
    /// A whole file.
    Whole(NewFile, Vec<Piece>),
    /// A part of a large one.
    Part(Arc<Large>, u64, Piece),
}

/// The most that one batch holds, so that handing it over costs little and holds little.
const BATCH_FILES: usize = 32;
const BATCH_BYTES: usize = 256 << 10;
const BATCH_DIRECTORIES: usize = 4;
/// The decoder waits for a buffer as long as it takes, so a batch that waits itself keeps few of them: with what
/// the reader has in hand fewer than the smallest pool has.
const BATCH_CHUNKS: usize = 4;

/// What the writers share.
#[derive(Default)]
pub(super) struct Shared {
    failed: AtomicBool,
    failure: Mutex<Option<Error>>,
    busy: Mutex<usize>,
    idle: Condvar,
}

impl Shared {
    /// The first failure of a writer.
    pub(super) fn failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn fail(&self, error: Error) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.failed.store(true, Ordering::Release);
    }
}

/// One batch is done, also where its thread panics.
struct Finished<'a>(&'a Shared);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        let mut busy = self.0.busy.lock().unwrap_or_else(PoisonError::into_inner);
        *busy -= 1;
        if *busy == 0 {
            self.0.idle.notify_all();
        }
    }
}

/// One writer: works until the queue is closed. After a failure it only empties the queue.
pub(super) fn work(queue: &Mutex<Receiver<Vec<Job>>>, shared: &Shared) {
    loop {
        let batch = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(batch) = batch else { return };
        let _finished = Finished(shared);
        for job in batch {
            if shared.failed.load(Ordering::Acquire) {
                break;
            }
            let result = match job {
                Job::Whole(file, pieces) => whole(&file, &pieces),
                Job::Part(large, offset, piece) => part(&large, offset, &piece),
            };
            if let Err(error) = result {
                shared.fail(error);
            }
        }
    }
}

/// The archive reader's end: collects jobs into batches for threads, or does them at once.
pub(super) struct Writers<'a> {
    /// None where the reader's own thread writes.
    threads: Option<(SyncSender<Vec<Job>>, &'a Shared)>,
    /// Hears of each small file that it writes.
    contents: Option<&'a mut Contents>,
    batch: Vec<Job>,
    bytes: usize,
    directories: usize,
    chunks: usize,
}

impl<'a> Writers<'a> {
    pub(super) fn new(queue: SyncSender<Vec<Job>>, shared: &'a Shared) -> Self {
        Self { threads: Some((queue, shared)), ..Self::here(None) }
    }

    /// Without threads.
    pub(super) fn here(contents: Option<&'a mut Contents>) -> Self {
        Self { threads: None, contents, batch: Vec::new(), bytes: 0, directories: 0, chunks: 0 }
    }

    /// An error, of no account itself, once a writer has failed.
    pub(super) fn check(&self) -> Result<()> {
        match self.threads {
            Some((_, shared)) if shared.failed.load(Ordering::Acquire) => Err(stopped()),
            _ => Ok(()),
        }
    }

    /// Takes a small file.
    pub(super) fn whole(&mut self, file: NewFile, pieces: Vec<Piece>) -> Result<()> {
        if self.threads.is_none() {
            whole(&file, &pieces)?;
            if let Some(contents) = &mut self.contents {
                let mut hasher = Hasher::new(Algorithm::Sha256);
                pieces.iter().for_each(|piece| hasher.update(piece.bytes()));
                contents.insert(file.path, hasher.finish());
            }
            return Ok(());
        }
        let another = match self.batch.last() {
            Some(Job::Whole(last, _)) => !Arc::ptr_eq(&last.directory, &file.directory),
            _ => true,
        };
        self.directories += usize::from(another);
        self.bytes += pieces.iter().map(Piece::len).sum::<usize>();
        self.chunks += self.new_chunks(&pieces);
        self.batch.push(Job::Whole(file, pieces));
        let full = self.batch.len() >= BATCH_FILES
            || self.bytes >= BATCH_BYTES
            || self.directories >= BATCH_DIRECTORIES
            || self.chunks >= BATCH_CHUNKS;
        if full { self.send() } else { Ok(()) }
    }

    /// How many buffers these pieces keep that the batch does not keep yet.
    fn new_chunks(&self, pieces: &[Piece]) -> usize {
        let last = self.batch.iter().rev().find_map(|job| match job {
            Job::Whole(_, pieces) => pieces.last(),
            Job::Part(_, _, piece) => Some(piece),
        });
        let shared = last.zip(pieces.first()).is_some_and(|(a, b)| Arc::ptr_eq(&a.chunk, &b.chunk));
        pieces.len() - usize::from(shared)
    }

    /// Makes a large file, whose parts follow.
    pub(super) fn begin(&mut self, file: &NewFile) -> Result<Arc<Large>> {
        self.send()?;
        Ok(Arc::new(Large { file: create(file)?, path: file.path.clone() }))
    }

    /// Takes a part of a large file.
    pub(super) fn part(&mut self, large: &Arc<Large>, offset: u64, piece: Piece) -> Result<()> {
        if self.threads.is_none() {
            return part(large, offset, &piece);
        }
        self.batch.push(Job::Part(large.clone(), offset, piece));
        self.send()
    }

    /// A large file is whole; its time is set after its last part.
    pub(super) fn end(&mut self, large: &Arc<Large>, mtime: Option<(i64, u32)>) -> Result<()> {
        if mtime.is_some() {
            self.flush()?;
        }
        touch(&large.file, &large.path, mtime)
    }

    fn send(&mut self) -> Result<()> {
        let Some((queue, shared)) = self.threads.as_ref().filter(|_| !self.batch.is_empty()) else {
            return Ok(());
        };
        *shared.busy.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        (self.bytes, self.directories, self.chunks) = (0, 0, 0);
        queue.send(std::mem::take(&mut self.batch)).map_err(|_| stopped())
    }

    /// Waits until everything that was taken is written.
    pub(super) fn flush(&mut self) -> Result<()> {
        self.send()?;
        let Some((_, shared)) = self.threads else { return Ok(()) };
        let mut busy = shared.busy.lock().unwrap_or_else(PoisonError::into_inner);
        while *busy > 0 {
            busy = shared.idle.wait(busy).unwrap_or_else(PoisonError::into_inner);
        }
        drop(busy);
        self.check()
    }
}

fn stopped() -> Error {
    Error::new(Kind::Internal, "a writer has failed")
}

fn entry(path: &[u8], error: Errno) -> Error {
    Error::io(format_args!("entry '{}'", printable(path)), error.into())
}

/// Creates a file that must not be there, and follows nothing.
pub(super) fn create(file: &NewFile) -> Result<OwnedFd> {
    let name = name::split(&file.path).1;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let open = || openat(&file.directory, name, flags, Mode::from_raw_mode(file.mode));
    match open() {
        Err(Errno::EXIST) if file.replace && make_way(&file.directory, &file.path)? => {
            open().map_err(|error| entry(&file.path, error))
        }
        Err(Errno::EXIST) => Err(taken(&file.directory, &file.path, "file")),
        result => result.map_err(|error| entry(&file.path, error)),
    }
}

/// Removes what is at `path` unless it is a directory, and says whether it did.
pub(super) fn make_way(directory: impl AsFd, path: &[u8]) -> Result<bool> {
    match unlinkat(directory, name::split(path).1, AtFlags::empty()) {
        Ok(()) => Ok(true),
        Err(Errno::ISDIR | Errno::PERM) => Ok(false),
        Err(error) => Err(entry(path, error)),
    }
}

/// The error for an entry whose name is taken by another of the same archive.
pub(super) fn taken(directory: impl AsFd, path: &[u8], what: &str) -> Error {
    let there = match kind_of(directory, name::split(path).1) {
        Ok(FileType::RegularFile) => "file",
        Ok(FileType::Directory) => "directory",
        Ok(FileType::Symlink) => "symbolic link",
        _ => "entry",
    };
    let path = printable(path);
    Error::new(
        Kind::Unsafe,
        if there == what {
            format!("entry '{path}': a duplicate, the {what} is in the archive already (option duplicates)")
        } else {
            format!("entry '{path}': a type conflict, a {what} where a {there} is")
        },
    )
}

fn whole(file: &NewFile, pieces: &[Piece]) -> Result<()> {
    let handle = create(file)?;
    for piece in pieces {
        write_all(&handle, &file.path, piece.bytes())?;
    }
    touch(&handle, &file.path, file.mtime)
}

/// Writes all of `bytes` to a file that is at `path` in the tree.
pub(super) fn write_all(file: &OwnedFd, path: &[u8], bytes: &[u8]) -> Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(file, rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(entry(path, error)),
        }
    }
    Ok(())
}

fn part(large: &Large, offset: u64, piece: &Piece) -> Result<()> {
    let (mut rest, mut offset) = (piece.bytes(), offset);
    while !rest.is_empty() {
        match rustix::io::pwrite(&large.file, rest, offset) {
            Ok(written) => {
                rest = rest.get(written..).unwrap_or_default();
                offset += written as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(entry(&large.path, error)),
        }
    }
    Ok(())
}

fn touch(file: impl AsFd, path: &[u8], mtime: Option<(i64, u32)>) -> Result<()> {
    let Some(mtime) = mtime else { return Ok(()) };
    futimens(file, &timestamps(mtime)).map_err(|error| entry(path, error))
}

/// A modification time within what file systems keep; the access time stays (T-29).
pub(super) fn timestamps((seconds, nanoseconds): (i64, u32)) -> Timestamps {
    let seconds = seconds.clamp(i64::from(i32::MIN), (1 << 34) - 1);
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: nanoseconds.min(999_999_999).into() },
    }
}
