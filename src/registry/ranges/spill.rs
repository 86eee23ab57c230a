//! Where a segment lies until its turn comes: in a file, so that it may be far longer than what memory has room for.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_util::future::BoxFuture;

use crate::error::{Error, Result};
use crate::thread::blocking;

/// Makes an empty file that has no name, and goes with its descriptor. Blocks.
pub type Scratch = Arc<dyn Fn() -> Result<File> + Send + Sync>;

/// What is written and read at once.
pub(super) const BATCH: u64 = 256 << 10;

fn failed(error: io::Error) -> Error {
    Error::io("the file for what comes before its turn", error)
}

/// What is done with the file.
enum Done {
    Wrote(Arc<File>),
    Read(Bytes),
}

/// One segment's file: what came first of it.
pub(super) struct Spill {
    scratch: Scratch,
    /// The offset of the file's first byte in the blob.
    start: u64,
    /// Made when it is first needed.
    file: Option<Arc<File>>,
    task: Option<BoxFuture<'static, Result<Done>>>,
    /// What was read back, and where that begins.
    front: Option<(u64, Bytes)>,
    /// Where what is being read begins.
    reading: u64,
}

impl Spill {
    pub(super) fn new(scratch: Scratch, start: u64) -> Self {
        Self { scratch, start, file: None, task: None, front: None, reading: start }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.task.is_some()
    }

    pub(super) fn has_front(&self) -> bool {
        self.front.is_some()
    }

    /// Writes what comes at `at`.
    pub(super) fn write(&mut self, at: u64, chunks: Vec<Bytes>) {
        let (file, scratch, mut place) = (self.file.clone(), self.scratch.clone(), at - self.start);
        self.task = Some(Box::pin(blocking(move || {
            let file = file.map_or_else(|| scratch().map(Arc::new), Ok)?;
            for chunk in chunks {
                file.write_all_at(&chunk, place).map_err(failed)?;
                place += chunk.len() as u64;
            }
            Ok(Done::Wrote(file))
        })));
    }

    /// Reads what lies from `at` to before `end`, or the first of it.
    pub(super) fn read(&mut self, at: u64, end: u64) {
        let Some(file) = self.file.clone() else { return };
        let place = at - self.start;
        let length = usize::try_from((end - at).min(BATCH)).unwrap_or_default();
        self.reading = at;
        self.task = Some(Box::pin(blocking(move || {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, place).map_err(failed)?;
            Ok(Done::Read(bytes.into()))
        })));
    }

    /// Goes on with that; ready where something was done.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let Some(task) = &mut self.task else { return Poll::Pending };
        let done = ready!(task.as_mut().poll(context));
        self.task = None;
        Poll::Ready(done.map(|done| match done {
            Done::Wrote(file) => self.file = Some(file),
            Done::Read(bytes) => self.front = Some((self.reading, bytes)),
        }))
    }

    /// What was read back, from `position` on.
    pub(super) fn take(&mut self, position: u64) -> Option<Bytes> {
        let (at, mut bytes) = self.front.take()?;
        let known = position.saturating_sub(at);
        if known >= bytes.len() as u64 {
            return None;
        }
        bytes.advance(usize::try_from(known).unwrap_or(usize::MAX));
        Some(bytes)
    }
}
