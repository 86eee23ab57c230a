//! The two structs of the interface. They only go out, begin with their size, and grow only at their end.

use super::support::sized::SizedOut;
use crate::operation::{Counters, Phase, Progress};

/// It has not begun, and waits for its turn.
pub const CLDOCI_PHASE_WAITING: i32 = 0;
/// It finds out what to do.
pub const CLDOCI_PHASE_RESOLVING: i32 = 1;
/// It packs a directory.
pub const CLDOCI_PHASE_PACKING: i32 = 2;
/// It sends blobs. A copy is in this phase while it moves blobs, to a registry or to a layout.
pub const CLDOCI_PHASE_UPLOADING: i32 = 3;
/// It receives blobs.
pub const CLDOCI_PHASE_DOWNLOADING: i32 = 4;
/// It makes the result visible.
pub const CLDOCI_PHASE_PUBLISHING: i32 = 5;
/// It has ended.
pub const CLDOCI_PHASE_DONE: i32 = 6;

/// The progress of an operation. No number in it ever goes down, not even when a transfer is retried; but a copy
/// with the option `recursive` uploads again after it has published.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct cldoci_progress {
    /// Set it to `sizeof(cldoci_progress)` before a call that fills the struct.
    pub struct_size: usize,
    /// CLDOCI_PHASE_…; a later version may have more of them.
    pub phase: i32,
    /// Always 0.
    pub reserved: i32,
    /// Bytes that are done.
    pub bytes_done: u64,
    /// Bytes in all as far as is known, never less than `bytes_done`; it can grow. 0 = not known, as while a tree is
    /// packed.
    pub bytes_total: u64,
    /// Files, directories and links that are done.
    pub entries_done: u64,
    /// Entries that are known of, never less than `entries_done`: those of the directories that a build has listed,
    /// or that the archive has shown to a pull. It grows as they go, and stays 0 in all other verbs.
    pub entries_total: u64,
}

/// What an operation did.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub struct cldoci_counters {
    /// Set it to `sizeof(cldoci_counters)` before a call that fills the struct.
    pub struct_size: usize,
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
    /// Milliseconds from start to end.
    pub elapsed_ms: u64,
}

impl cldoci_progress {
    pub(super) fn of(progress: &Progress) -> Self {
        let phase = match progress.phase {
            Phase::Waiting => CLDOCI_PHASE_WAITING,
            Phase::Resolving => CLDOCI_PHASE_RESOLVING,
            Phase::Packing => CLDOCI_PHASE_PACKING,
            Phase::Uploading => CLDOCI_PHASE_UPLOADING,
            Phase::Downloading => CLDOCI_PHASE_DOWNLOADING,
            Phase::Publishing => CLDOCI_PHASE_PUBLISHING,
            Phase::Done => CLDOCI_PHASE_DONE,
        };
        Self {
            struct_size: size_of::<Self>(),
            phase,
            reserved: 0,
            bytes_done: progress.bytes_done,
            bytes_total: progress.bytes_total,
            entries_done: progress.entries_done,
            entries_total: progress.entries_total,
        }
    }
}

impl cldoci_counters {
    pub(super) fn of(counters: &Counters) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            requests: counters.requests,
            bytes_sent: counters.bytes_sent,
            bytes_received: counters.bytes_received,
            blobs_skipped: counters.blobs_skipped,
            blobs_mounted: counters.blobs_mounted,
            blobs_uploaded: counters.blobs_uploaded,
            retries: counters.retries,
            elapsed_ms: counters.elapsed_ms,
        }
    }
}

// SAFETY: `repr(C)`, all integers, and `struct_size` comes first.
unsafe impl SizedOut for cldoci_progress {}
// SAFETY: `repr(C)`, all integers, and `struct_size` comes first.
unsafe impl SizedOut for cldoci_counters {}
