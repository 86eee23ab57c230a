//! Where a blob's bytes come from: read on a thread that may block, while they are sent.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::error::{Error, Kind, Result};
use crate::operation::Meter;
use crate::registry::transport::{CHUNK, RequestBody, RequestStream};

/// The bytes of a blob, to be read again for another attempt.
pub trait BlobSource: Send + Sync {
    /// A reader of the bytes from `offset` on.
    fn open(&self, offset: u64) -> Result<Box<dyn Read + Send>>;
}

/// A blob in memory.
pub struct BytesSource(pub Bytes);

impl BlobSource for BytesSource {
    fn open(&self, offset: u64) -> Result<Box<dyn Read + Send>> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        Ok(Box::new(std::io::Cursor::new(self.0.slice(start..))))
    }
}

/// The body of `length` bytes from `start` on. The reader's thread ends with the request.
pub(super) fn body(source: &Arc<dyn BlobSource>, start: u64, length: u64, meter: &Arc<Meter>) -> RequestBody {
    if length == 0 {
        return RequestBody::Empty;
    }
    let (sender, chunks) = mpsc::channel(2);
    let source = source.clone();
    let refused = sender.clone();
    let started = crate::thread::post(move || {
        let mut reader = match source.open(start) {
            Ok(reader) => reader,
            Err(error) => return drop(sender.blocking_send(Err(error.into()))),
        };
        let mut left = length;
        let mut buffers = Buffers::default();
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            let mut chunk = buffers.take(want);
            let sent = match fill(&mut reader, &mut chunk) {
                Ok(read) if read < want => {
                    let why = format!("the blob's source ended {} bytes early", left - read as u64);
                    Err(Error::new(Kind::Changed, why).into())
                }
                Ok(_) => Ok(buffers.lend(chunk)),
                Err(error) => Err(error),
            };
            let failed = sent.is_err();
            // Nobody listens any more: the request is over.
            if sender.blocking_send(sent).is_err() || failed {
                return;
            }
            left -= want as u64;
        }
    });
    if let Err(error) = started {
        // The channel is empty, so there is room.
        let _ = refused.try_send(Err(error.into()));
    }
    RequestBody::Stream(RequestStream { length: Some(length), chunks, meter: meter.clone(), start })
}

/// Reads until the buffer is full or the source at its end; how much there was. `read_to_end` would begin each
/// chunk with small reads anew.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match reader.read(room) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The buffers of chunks that are on their way, oldest first: one that is out is used again, since fresh pages
/// would cost a quarter of an upload's CPU time.
#[derive(Default)]
struct Buffers(VecDeque<Bytes>);

impl Buffers {
    fn take(&mut self, size: usize) -> Vec<u8> {
        match self.0.pop_front().map(Bytes::try_into_mut) {
            Some(Ok(mut sent)) => {
                sent.resize(size, 0);
                return sent.into();
            }
            Some(Err(on_its_way)) => self.0.push_front(on_its_way),
            None => {}
        }
        vec![0; size]
    }

    fn lend(&mut self, chunk: Vec<u8>) -> Bytes {
        let chunk = Bytes::from(chunk);
        self.0.push_back(chunk.clone());
        chunk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_once_it_is_out_and_not_before() {
        let mut buffers = Buffers::default();
        let mut fill = |byte| {
            let mut chunk = buffers.take(CHUNK);
            chunk.fill(byte);
            buffers.lend(chunk)
        };
        let (first, second) = (fill(1), fill(2));
        assert_ne!(first.as_ptr(), second.as_ptr());
        let place = first.as_ptr();
        drop(first);
        let third = fill(3);
        assert_eq!(third.as_ptr(), place);
        assert!(second.iter().all(|byte| *byte == 2) && third.iter().all(|byte| *byte == 3));
    }
}
