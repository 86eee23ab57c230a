//! What an operation tells of itself: how far it is, and what it cost.

/// Where an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Phase {
    /// Not begun: it waits for its turn.
    Waiting = 0,
    /// Finds out what is to be done.
    Resolving = 1,
    /// Packs a directory.
    Packing = 2,
    /// Sends blobs.
    Uploading = 3,
    /// Receives blobs.
    Downloading = 4,
    /// Makes the result visible.
    Publishing = 5,
    /// Ended.
    Done = 6,
}

/// A snapshot of how far an operation is. The numbers never go back, also when a transfer is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it does now.
    pub phase: Phase,
    /// Bytes that are done.
    pub bytes_done: u64,
    /// Bytes in all as far as is known: never less than are done. It can grow, 0 = not known.
    pub bytes_total: u64,
    /// Files, directories and links that are done.
    pub entries_done: u64,
    /// Entries that are known of: those of the directories that a build has listed, or that the archive has shown to
    /// a pull. It grows as they go; 0 = not known.
    pub entries_total: u64,
}

/// What an operation cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// HTTP requests that were sent.
    pub requests: u64,
    /// Bytes of request bodies that were sent.
    pub bytes_sent: u64,
    /// Bytes of response bodies that were received.
    pub bytes_received: u64,
    /// Blobs that were at the target already.
    pub blobs_skipped: u64,
    /// Blobs that the registry mounted from another repository.
    pub blobs_mounted: u64,
    /// Blobs that were sent whole.
    pub blobs_uploaded: u64,
    /// Requests and transfers that were tried again.
    pub retries: u64,
    /// Milliseconds from start to end (or to now).
    pub elapsed_ms: u64,
}

/// The counters that rise by one event or by a number of bytes.
#[derive(Debug, Clone, Copy)]
pub enum Count {
    /// One HTTP request went out.
    Request,
    /// Bytes of a request body went out.
    Sent(u64),
    /// Bytes of a response body came in.
    Received(u64),
    /// A blob was there already.
    Skipped,
    /// A blob was mounted.
    Mounted,
    /// A blob was uploaded.
    Uploaded,
    /// Something was tried again.
    Retry,
}
