//! Work that blocks, from asynchronous code.

use crate::error::{Error, Kind, Result};

/// Bytes that are read from a file at once.
pub(super) const CHUNK: usize = 256 << 10;

/// Runs blocking work on the runtime's blocking threads and waits for its end, also when cancelled: the work
/// asks the operation itself, and nothing may go on behind the caller's back.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => {
            Err(Error::new(Kind::Panic, "a defect was caught in a worker thread"))
        }
        Err(_) => Err(Error::new(Kind::Cancelled, "cancelled: the runtime ended")),
    }
}
