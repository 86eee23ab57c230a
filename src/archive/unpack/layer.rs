//! One layer through the pipeline: read and decode | read the archive | write files. Every stage has its own
//! threads, every queue between them an end.

use std::io::Read;
use std::sync::mpsc::sync_channel;
use std::sync::{Mutex, OnceLock};

use rustix::fs::{Mode, fchmod, fstat};

use crate::archive::{BlockTable, blocks::BLOCK_SIZE};
use crate::error::{Error, Kind, Result, printable};
use crate::oci::{Algorithm, Descriptor, Digest, Hasher, media_type};
use crate::operation::Operation;
use crate::thread::spawn_scoped;

use super::UnpackOptions;
use super::buffer_pool::Pool;
use super::directories::Directories;
use super::extract::Extract;
use super::gzip::{self, Source};
use super::layer_kind::LayerKind;
use super::name;
use super::read::{Reader, Rules};
use super::stream::{Input, Output, over};
use super::tree::DeferredChecks;
use super::write::{NewFile, Shared, Writers, work};
use super::{inflate, zstd};

/// Buffers of what has no blocks of its own.
const SMALL_CHUNK: usize = 256 << 10;

/// Unpacks one layer into an empty directory. Gives the decoded content's digest where the options want it and
/// the layer is an archive.
pub(super) fn unpack(
    form: &LayerKind,
    layer: &Descriptor,
    input: &mut (dyn Read + Send),
    options: &UnpackOptions,
    directories: &mut Directories,
    deferred: &mut DeferredChecks,
    operation: &Operation,
) -> Result<Option<Digest>> {
    if let LayerKind::File(path) = form {
        file(path, input, options, directories, operation)?;
        return Ok(None);
    }
    let table = layer
        .annotations
        .get(media_type::ANNOTATION_BLOCKS)
        .filter(|_| *form == LayerKind::TarGzip)
        .and_then(|value| BlockTable::parse(value, layer.size))
        .filter(inflate::usable);
    let threads = options.threads.max(1);
    // Enough that no stage waits for want of a buffer: some wait for each writer and for each that inflates.
    let pool = match table {
        Some(_) => Pool::new(BLOCK_SIZE, 3 * threads + 4),
        None => Pool::new(SMALL_CHUNK, 4 * threads + 16),
    };
    let (sender, receiver) = sync_channel(2);
    let (jobs, queue) = sync_channel(2 * threads);
    let (queue, shared) = (Mutex::new(queue), Shared::default());
    let limit = options.max_unpacked_bytes;
    let hasher = options.hash_content.then(|| Hasher::new(Algorithm::Sha256));
    let mut output =
        Output { pool: pool.clone(), sender, left: limit, limit, operation: operation.clone(), hasher };
    let content = OnceLock::new();
    let mask = permissions_left(directories)?;
    let result = std::thread::scope(|scope| {
        let hashed = &content;
        let decode = move || {
            let mut source = Source::new(input);
            let result = match (form, &table) {
                (LayerKind::TarGzip, table) => gzip::check_type(&mut source).and_then(|()| match table {
                    Some(table) => inflate::stream(&mut source, &mut output, table, threads),
                    None => gzip::stream(&mut source, &mut output),
                }),
                (LayerKind::TarZstd, _) => {
                    zstd::stream(&mut source, &mut output, options.max_zstd_window_bytes)
                }
                _ => plain(&mut source, &mut output),
            };
            match (result, output.hasher.take()) {
                (Ok(()), Some(hasher)) => drop(hashed.set(hasher.finish())),
                (Ok(()), None) => {}
                // Where nobody listens, there is an error already.
                (Err(error), _) => drop(output.sender.send(Err(error))),
            }
        };
        let reading = Input::new(receiver, operation.clone());
        let run = || -> Result<()> {
            spawn_scoped(scope, "cldoci-decode", decode)?;
            // The last of two entries wins only if they are written in order.
            for _ in 0..if options.last_wins { 1 } else { threads } {
                spawn_scoped(scope, "cldoci-write", || work(&queue, &shared))?;
            }
            let mut reader = Reader::new(reading, options.rules());
            let writers = Writers::new(jobs, &shared);
            Extract { options, directories, writers, deferred, operation, mask }.run(&mut reader)
        };
        let result = run();
        pool.close();
        result
    });
    match shared.failure() {
        Some(error) => return Err(error),
        None => result?,
    }
    match content.into_inner() {
        // A check that was asked for must not be left out.
        None if options.hash_content => Err(Error::new(Kind::Internal, "the layer was not read to its end")),
        digest => Ok(digest),
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
    input: &mut (dyn Read + Send),
    options: &UnpackOptions,
    directories: &mut Directories,
    operation: &Operation,
) -> Result<()> {
    let failed = |error: std::io::Error| Error::io(format_args!("file '{}'", printable(path)), error);
    let directory = directories.open_or_make(name::split(path).0).map_err(failed)?;
    let new = NewFile { directory, path: path.to_vec(), mode: 0o644, mtime: None, replace: false };
    let handle = super::write::create(&new)?;
    let mut buffer = vec![0; SMALL_CHUNK];
    let mut total: u64 = 0;
    loop {
        operation.check()?;
        let read = gzip::read(input, &mut buffer)?;
        if read == 0 {
            operation.advance_entries(1);
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
