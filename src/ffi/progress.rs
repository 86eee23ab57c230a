//! The two structs of the interface: progress and counters. They only go out, begin with their size, and grow
//! only at their end.

#![allow(non_camel_case_types, reason = "the header's names")]

use crate::error::{Error, Kind, Result};
use crate::operation::{Counters, Phase, Progress};

/// Not begun: it waits for its turn.
pub const CLDOCI_PHASE_WAITING: i32 = 0;
/// Finds out what is to be done.
pub const CLDOCI_PHASE_RESOLVING: i32 = 1;
/// Packs a directory.
pub const CLDOCI_PHASE_PACKING: i32 = 2;
/// Sends blobs.
pub const CLDOCI_PHASE_UPLOADING: i32 = 3;
/// Receives blobs.
pub const CLDOCI_PHASE_DOWNLOADING: i32 = 4;
/// Makes the result visible.
pub const CLDOCI_PHASE_PUBLISHING: i32 = 5;
/// Ended.
pub const CLDOCI_PHASE_DONE: i32 = 6;

/// How far an operation is. No number ever goes back, also when a transfer is tried again.
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
    /// Bytes in all as far as is known; it can grow. 0 = not known.
    pub bytes_total: u64,
    /// Files, directories and links that are done.
    pub entries_done: u64,
    /// Entries in all. 0 = not known, which it is in this version: a build and a pull find their entries as they go.
    pub entries_total: u64,
}

/// What an operation cost.
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

/// A struct that goes out: its first member is its size as the caller knows it.
///
/// # Safety
/// All zero is a value of it, and its first member is the `usize` that says its size.
pub(super) unsafe trait SizedOut: Copy {}

/// The largest struct that a caller from the future may have; beyond it the size is garbage.
const STRUCT_LIMIT: usize = 4096;

/// The caller's struct, all zero but for its size.
pub(super) struct Blank<T>(*mut T);

impl<T: SizedOut> Blank<T> {
    /// Fills it as far as both sides know it.
    pub(super) fn fill(self, value: &T) {
        let head = size_of::<usize>();
        // SAFETY: `blank` found room for a `T`, which the caller keeps for the time of the call; the first member
        // stays as it is.
        unsafe {
            let bytes = self.0.cast::<u8>().add(head);
            std::ptr::from_ref(value)
                .cast::<u8>()
                .add(head)
                .copy_to_nonoverlapping(bytes, size_of::<T>() - head);
        }
    }
}

/// Checks the caller's struct and sets all of it to zero but its size, also what only the caller knows.
///
/// # Safety
/// `place` is NULL, or its first member can be read and as many bytes as that says can be written while the call
/// lasts.
pub(super) unsafe fn blank<T: SizedOut>(place: *mut T, name: &str) -> Result<Blank<T>> {
    let wrong = |why: String| Err(Error::new(Kind::Argument, format!("argument '{name}' {why}")));
    if place.is_null() {
        return wrong("is NULL".to_owned());
    }
    if !place.is_aligned() {
        return wrong("is not aligned".to_owned());
    }
    // SAFETY: not NULL and aligned, and the caller promises that the first member can be read.
    let size = unsafe { place.cast::<usize>().read() };
    let known = size_of::<T>();
    if size < known || size > STRUCT_LIMIT {
        return wrong(format!("has struct_size {size}, wants sizeof of the struct ({known})"));
    }
    let head = size_of::<usize>();
    // SAFETY: the caller promises that `size` bytes can be written; the first member stays as it is.
    unsafe { place.cast::<u8>().add(head).write_bytes(0, size - head) };
    Ok(Blank(place))
}

// SAFETY: `repr(C)`, all integers, and `struct_size` comes first.
unsafe impl SizedOut for cldoci_progress {}
// SAFETY: `repr(C)`, all integers, and `struct_size` comes first.
unsafe impl SizedOut for cldoci_counters {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x_10_sizes_of_structs() {
        #[repr(C)]
        struct Newer {
            known: cldoci_progress,
            later: u64,
        }
        let value = cldoci_progress { bytes_done: 5, ..Default::default() };
        let mut newer = Newer { known: cldoci_progress::default(), later: 9 };
        newer.known.struct_size = size_of::<Newer>();
        // SAFETY: the struct has the size that it says.
        unsafe { blank((&raw mut newer).cast::<cldoci_progress>(), "progress") }.unwrap().fill(&value);
        assert_eq!((newer.known.bytes_done, newer.later), (5, 0));
        for size in [0, size_of::<cldoci_progress>() - 1, STRUCT_LIMIT + 1, usize::MAX] {
            newer.known.struct_size = size;
            // SAFETY: a refused size is not written to.
            let refused = unsafe { blank(&raw mut newer.known, "progress") };
            assert!(refused.err().unwrap().message().contains("struct_size"), "{size}");
        }
    }
}
