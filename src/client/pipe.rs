//! A bounded pipe of chunks from a task of the runtime to a reader that blocks.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

use crate::error::{Error, Kind, Result};

/// Chunks that wait in a pipe at most; with chunks of up to 256 KiB that is 2 MiB.
const DEPTH: usize = 8;

/// The writing end; dropping it without [`PipeWriter::finish`] is an error for the reader.
pub(super) struct PipeWriter(mpsc::Sender<Item>);

/// The reading end.
pub(super) struct PipeReader {
    receiver: mpsc::Receiver<Item>,
    chunk: Bytes,
    end: Option<Result<()>>,
}

enum Item {
    Chunk(Bytes),
    End(Result<()>),
}

pub(super) fn pipe() -> (PipeWriter, PipeReader) {
    let (sender, receiver) = mpsc::channel(DEPTH);
    (PipeWriter(sender), PipeReader { receiver, chunk: Bytes::new(), end: None })
}

impl PipeWriter {
    /// Hands on a chunk; false when the reader is gone.
    pub(super) async fn send(&self, chunk: Bytes) -> bool {
        self.0.send(Item::Chunk(chunk)).await.is_ok()
    }

    /// Waits until the reader is gone.
    pub(super) async fn closed(&self) {
        self.0.closed().await;
    }

    /// The end: all is well, or why not.
    pub(super) async fn finish(self, result: Result<()>) {
        let _ = self.0.send(Item::End(result)).await;
    }
}

impl Read for PipeReader {
    /// Once the writer has failed, every further read tells the same error.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            if let Some(end) = &self.end {
                return Ok(end.clone().map(|()| 0)?);
            }
            let lost = || Err(Error::new(Kind::Cancelled, "the transfer was given up"));
            match self.receiver.blocking_recv() {
                Some(Item::Chunk(chunk)) => self.chunk = chunk,
                Some(Item::End(result)) => self.end = Some(result),
                None => self.end = Some(lost()),
            }
        }
        let count = self.chunk.len().min(into.len());
        if let (Some(into), Some(from)) = (into.get_mut(..count), self.chunk.get(..count)) {
            into.copy_from_slice(from);
        }
        self.chunk.advance(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    #[test]
    fn chunks_come_out_in_order_and_the_end_is_told() {
        let (writer, mut reader) = pipe();
        let thread = std::thread::spawn(move || {
            block_on(async {
                for n in 0..20u8 {
                    assert!(writer.send(Bytes::from(vec![n; 3])).await);
                }
                writer.finish(Ok(())).await;
            });
        });
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        thread.join().unwrap();
        assert_eq!(all.len(), 60);
        assert!(all.is_sorted());
    }

    #[test]
    fn a_writer_that_vanishes_is_an_error_and_so_is_its_own() {
        let (writer, mut reader) = pipe();
        drop(writer);
        for _ in 0..2 {
            let error = Error::io("x", reader.read(&mut [0; 1]).unwrap_err());
            assert_eq!((error.kind(), error.message()), (Kind::Cancelled, "the transfer was given up"));
        }
        let (writer, mut reader) = pipe();
        block_on(writer.finish(Err(Error::new(Kind::Digest, "wrong"))));
        let error = Error::io("x", reader.read(&mut [0; 1]).unwrap_err());
        assert_eq!(error.kind(), Kind::Digest);
    }
}
