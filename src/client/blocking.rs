//! Work that blocks, from asynchronous code.

pub(super) use crate::thread::blocking;

/// Bytes that are read from a file at once.
pub(super) const CHUNK: usize = 256 << 10;
