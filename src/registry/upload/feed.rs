//! Where a blob's bytes come from: read on a thread that may block, while they are sent.

use std::io::Read;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::error::{Error, Kind, Result};
use crate::operation::Meter;
use crate::registry::transport::{CHUNK, Outflow, Payload};

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
pub(super) fn payload(source: &Arc<dyn BlobSource>, start: u64, length: u64, meter: &Arc<Meter>) -> Payload {
    if length == 0 {
        return Payload::Empty;
    }
    let (sender, chunks) = mpsc::channel(2);
    let source = source.clone();
    tokio::task::spawn_blocking(move || {
        let mut reader = match source.open(start) {
            Ok(reader) => reader,
            Err(error) => return drop(sender.blocking_send(Err(error.into()))),
        };
        let mut left = length;
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            let mut chunk = Vec::with_capacity(want);
            let sent = match reader.by_ref().take(want as u64).read_to_end(&mut chunk) {
                Ok(read) if read < want => {
                    let why = format!("the blob's source ended {} bytes early", left - read as u64);
                    Err(Error::new(Kind::Changed, why).into())
                }
                Ok(_) => Ok(Bytes::from(chunk)),
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
    Payload::Stream(Outflow { length, chunks, meter: meter.clone(), start })
}
