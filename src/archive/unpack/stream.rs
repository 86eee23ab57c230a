//! The decoded stream between the thread that decodes and the one that reads the archive.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use crate::error::{Error, Kind, Result};
use crate::oci::{Digest, Hasher};
use crate::operation::Operation;

use super::buffer_pool::{Chunk, Piece, Pool};

/// The decoder's end. Counts what goes through against `max_unpacked_bytes`, wherever in the archive it lies
/// (G-01, G-02).
pub(super) struct Output {
    pub(super) pool: Arc<Pool>,
    /// For a buffer; else what finds none fails.
    pub(super) waits: bool,
    pub(super) sender: SyncSender<Result<Chunk>>,
    pub(super) left: u64,
    pub(super) limit: u64,
    pub(super) operation: Operation,
    /// Hashes what goes through, where that is wanted (G-10).
    pub(super) hasher: Option<Hasher>,
}

impl Output {
    /// An empty buffer.
    pub(super) fn buffer(&self) -> Result<Chunk> {
        self.operation.check()?;
        if self.waits { self.pool.get() } else { self.pool.try_get() }.ok_or_else(stopped)
    }

    /// Passes data on.
    pub(super) fn send(&mut self, chunk: Chunk) -> Result<()> {
        let length = chunk.len() as u64;
        if length == 0 {
            return Ok(());
        }
        if length > self.left {
            return Err(over(self.limit));
        }
        self.left -= length;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(chunk.data());
        }
        self.sender.send(Ok(chunk)).map_err(|_| stopped())
    }

    /// Tells the reader how it ended; the digest of what went through, where that is wanted.
    pub(super) fn end(self, decoded: Result<()>) -> Option<Digest> {
        match decoded {
            Ok(()) => self.hasher.map(Hasher::finish),
            Err(error) => {
                // Where nobody listens, there is an error already.
                let _ = self.sender.send(Err(error));
                None
            }
        }
    }
}

/// The layer unpacks to more than is allowed.
pub(super) fn over(limit: u64) -> Error {
    Error::new(Kind::Limit, format!("the layer unpacks to more than max_unpacked_bytes {limit}"))
}

/// Nobody reads any more, for a reason that is known elsewhere.
fn stopped() -> Error {
    Error::new(Kind::Cancelled, "the archive is not read on")
}

/// The reader's end.
pub(super) struct Input {
    receiver: Receiver<Result<Chunk>>,
    operation: Operation,
    current: Option<Arc<Chunk>>,
    at: usize,
}

impl Input {
    pub(super) fn new(receiver: Receiver<Result<Chunk>>, operation: Operation) -> Self {
        Self { receiver, operation, current: None, at: 0 }
    }

    /// Up to `most` bytes (more than 0) without a copy; `None` at the end.
    pub(super) fn piece(&mut self, most: u64) -> Result<Option<Piece>> {
        loop {
            if let Some(chunk) = &self.current {
                let left = chunk.len().saturating_sub(self.at);
                if left > 0 {
                    let length = left.min(usize::try_from(most).unwrap_or(usize::MAX));
                    let start = self.at;
                    self.at += length;
                    return Ok(Some(Piece { chunk: chunk.clone(), start, end: start + length }));
                }
            }
            self.current = None;
            self.operation.check()?;
            match self.receiver.recv() {
                Ok(chunk) => self.current = Some(Arc::new(chunk?)),
                Err(_) => return Ok(None),
            }
            self.at = 0;
        }
    }

    /// Fills `buffer` as far as the stream goes and says how far.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            let Some(piece) = self.piece(room.len() as u64)? else { break };
            if let Some(room) = room.get_mut(..piece.len()) {
                room.copy_from_slice(piece.bytes());
            }
            filled += piece.len();
        }
        Ok(filled)
    }
}
