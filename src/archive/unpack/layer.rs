//! One layer through the pipeline: read and decode | read the archive | write files. Every stage has its own
//! threads, every queue between them an end; for a small layer, which is over before threads have started, the stages
//! follow one another on the thread that asks.

use std::io::Read;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, OnceLock};

use rustix::fs::{Mode, fchmod, fstat};

use crate::archive::{BlockTable, blocks::BLOCK_SIZE};
use crate::error::{Error, Kind, Result, printable};
use crate::oci::{Algorithm, Descriptor, Digest, Hasher, media_type};
use crate::operation::Operation;
use crate::thread::{join_all, spawn_scoped};

use super::UnpackOptions;
use super::buffer_pool::Pool;
use super::directories::Directories;
use super::extract::Extract;
use super::fingerprint::Contents;
use super::gzip::{self, Source};
use super::layer_kind::LayerKind;
use super::name;
use super::read::{Reader, Rules};
use super::stream::{Input, Output, over};
use super::tree::DeferredChecks;
use super::write::{NewFile, Shared, Writers, work};
use super::{inflate, zstd};

/// Buffers of what has no blocks of its own.
const CHUNK: usize = 256 << 10;

/// A layer of at most so many bytes, of at most so many chunks of content, needs no threads.
const SMALL_LAYER: u64 = 128 << 10;
const SMALL_CONTENT: usize = 32;
const SMALL_CHUNK: usize = 32 << 10;

/// A layer that is to be unpacked.
pub(super) struct Layer<'a> {
    pub(super) form: &'a LayerKind,
    pub(super) layer: &'a Descriptor,
    pub(super) options: &'a UnpackOptions,
    /// Beneath an empty one.
    pub(super) directories: &'a mut Directories,
    pub(super) deferred: &'a mut DeferredChecks,
    /// Takes what is known of its files, as far as that costs nothing.
    pub(super) contents: Option<&'a mut Contents>,
    pub(super) operation: &'a Operation,
}

impl Layer<'_> {
    /// Gives the decoded content's digest where the options want it and the layer is an archive.
    pub(super) fn unpack(&mut self, input: &mut (dyn Read + Send)) -> Result<Option<Digest>> {
        if let LayerKind::File(path) = self.form {
            file(path, self.layer.size, input, self.options, self.directories, self.operation)?;
            return Ok(None);
        }
        let start = self.start(input)?;
        let content = match self.alone(&start)? {
            Some(content) => content,
            None => self.in_threads(&mut start.as_slice().chain(input))?,
        };
        match content {
            // A check that was asked for must not be left out.
            None if self.options.hash_content => {
                Err(Error::new(Kind::Internal, "the layer was not read to its end"))
            }
            digest => Ok(digest),
        }
    }

    /// All of a small layer, and nothing of a larger one.
    fn start(&self, input: &mut (dyn Read + Send)) -> Result<Vec<u8>> {
        if self.layer.size > SMALL_LAYER {
            return Ok(Vec::new());
        }
        // One more than it should have, to see its end.
        let mut start = vec![0; self.layer.size as usize + 1];
        let length = gzip::fill(input, &mut start)?;
        start.truncate(length);
        Ok(start)
    }

    fn output(&self, pool: &Arc<Pool>, waits: bool, queue: usize) -> (Output, Input) {
        let (sender, receiver) = sync_channel(queue);
        let (limit, operation) = (self.options.max_unpacked_bytes, self.operation.clone());
        let hasher = self.options.hash_content.then(|| Hasher::new(Algorithm::Sha256));
        let output = Output {
            pool: pool.clone(),
            waits,
            sender,
            left: limit,
            limit,
            operation: operation.clone(),
            hasher,
        };
        (output, Input::new(receiver, operation))
    }

    /// Unpacks a small layer on this thread. Nothing where `whole` is not that, or holds more than fits into memory;
    /// else its content's digest, if it is wanted.
    fn alone(&mut self, whole: &[u8]) -> Result<Option<Option<Digest>>> {
        if self.layer.size > SMALL_LAYER || whole.len() as u64 > self.layer.size || self.says_more(whole) {
            return Ok(None);
        }
        let pool = Pool::new(SMALL_CHUNK, SMALL_CONTENT);
        let (mut output, input) = self.output(&pool, false, SMALL_CONTENT + 1);
        let mut bytes = whole;
        let decoded =
            decode(self.form, None, 1, self.options, &mut Source::new(&mut bytes, whole.len()), &mut output);
        if decoded.is_err() && pool.try_get().is_none() {
            return Ok(None);
        }
        let content = output.end(decoded);
        // Of two entries of one name only the last stays.
        let contents = self.contents.take().filter(|_| !self.options.last_wins);
        self.extract(input, Writers::here(contents))?;
        Ok(Some(content))
    }

    /// Whether its last gzip member says that it holds more than fits: to try would only take time.
    fn says_more(&self, whole: &[u8]) -> bool {
        let length = whole.last_chunk().map_or(0, |length| u32::from_le_bytes(*length));
        *self.form == LayerKind::TarGzip && length as usize > SMALL_CONTENT * SMALL_CHUNK
    }

    fn in_threads(&mut self, input: &mut (dyn Read + Send)) -> Result<Option<Digest>> {
        let table = self
            .layer
            .annotations
            .get(media_type::ANNOTATION_BLOCKS)
            .filter(|_| *self.form == LayerKind::TarGzip)
            .and_then(|value| BlockTable::parse(value, self.layer.size))
            .filter(inflate::usable);
        let (form, options) = (self.form, self.options);
        let threads = options.threads.max(1);
        // Enough that no stage waits for want of a buffer: some wait for each writer and for each that inflates.
        let pool = match table {
            Some(_) => Pool::new(BLOCK_SIZE, 3 * threads + 4),
            None => Pool::new(CHUNK, 4 * threads + 16),
        };
        let (mut output, reading) = self.output(&pool, true, 2);
        let (jobs, queue) = sync_channel(2 * threads);
        let (queue, shared) = (Mutex::new(queue), Shared::default());
        let content = OnceLock::new();
        let result = std::thread::scope(|scope| {
            let hashed = &content;
            let decode = move || {
                let mut source = Source::new(input, CHUNK);
                let decoded = decode(form, table.as_ref(), threads, options, &mut source, &mut output);
                if let Some(digest) = output.end(decoded) {
                    let _ = hashed.set(digest);
                }
            };
            let mut started = Vec::new();
            let run = || -> Result<()> {
                started.push(spawn_scoped(scope, "cldoci-decode", decode)?);
                // The last of two entries wins only if they are written in order.
                for _ in 0..if options.last_wins { 1 } else { threads } {
                    started.push(spawn_scoped(scope, "cldoci-write", || work(&queue, &shared))?);
                }
                self.extract(reading, Writers::new(jobs, &shared))
            };
            let result = run();
            pool.close();
            join_all(started);
            result
        });
        match shared.failure() {
            Some(error) => return Err(error),
            None => result?,
        }
        Ok(content.into_inner())
    }

    fn extract(&mut self, input: Input, writers: Writers<'_>) -> Result<()> {
        let Self { options, operation, .. } = *self;
        let mask = permissions_left(self.directories)?;
        let mut reader = Reader::new(input, options.rules());
        let (directories, deferred) = (&mut *self.directories, &mut *self.deferred);
        Extract { options, directories, writers, deferred, operation, mask }.run(&mut reader)
    }
}

/// Decodes all of a layer.
fn decode(
    form: &LayerKind,
    table: Option<&BlockTable>,
    threads: usize,
    options: &UnpackOptions,
    source: &mut Source<'_>,
    output: &mut Output,
) -> Result<()> {
    match (form, table) {
        (LayerKind::TarGzip, table) => {
            gzip::check_type(source)?;
            match table {
                Some(table) => inflate::stream(source, output, table, threads),
                None => gzip::stream(source, output),
            }
        }
        (LayerKind::TarZstd, _) => zstd::stream(source, output, options.max_zstd_window_bytes),
        _ => plain(source, output),
    }
}

/// Which of 0755 the umask leaves: the root was made with it.
fn permissions_left(directories: &Directories) -> Result<u32> {
    let failed = |error: rustix::io::Errno| Error::io("staging directory", error.into());
    let mode = fstat(directories.root()).map_err(failed)?.st_mode & 0o755;
    if mode & 0o700 != 0o700 {
        fchmod(directories.root(), Mode::from_raw_mode(mode | 0o700)).map_err(failed)?;
    }
    Ok(mode | 0o700)
}

fn plain(source: &mut Source<'_>, output: &mut Output) -> Result<()> {
    loop {
        let mut chunk = output.buffer()?;
        let read = source.fill(chunk.room())?;
        if read == 0 {
            return Ok(());
        }
        chunk.grow(read);
        output.send(chunk)?;
    }
}

/// A layer that is one file.
fn file(
    path: &[u8],
    size: u64,
    input: &mut (dyn Read + Send),
    options: &UnpackOptions,
    directories: &mut Directories,
    operation: &Operation,
) -> Result<()> {
    let failed = |error: std::io::Error| Error::io(format_args!("file '{}'", printable(path)), error);
    let directory = directories.open_or_make(name::split(path).0).map_err(failed)?;
    let new = NewFile { directory, path: path.to_vec(), mode: 0o644, mtime: None, replace: false };
    let handle = super::write::create(&new)?;
    let mut buffer = vec![0; (size as usize).clamp(1, CHUNK)];
    let mut total: u64 = 0;
    loop {
        operation.check()?;
        let read = gzip::read(input, &mut buffer)?;
        if read == 0 {
            operation.expect_entry();
            operation.advance_entry();
            return Ok(());
        }
        total += read as u64;
        if total > options.max_unpacked_bytes {
            return Err(over(options.max_unpacked_bytes));
        }
        super::write::write_all(&handle, path, buffer.get(..read).unwrap_or_default())?;
    }
}

impl UnpackOptions {
    fn rules(&self) -> Rules {
        Rules { max_entries: self.max_entries, lenient_end: self.lenient_end }
    }
}
