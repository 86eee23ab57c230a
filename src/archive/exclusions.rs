//! What a build left out, for its result: so that nothing goes missing unseen.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The most paths that a result lists.
const LIMIT: usize = 1000;

/// A path that a build left out. Of a directory, what is in it is not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Relative to the directory that was built.
    pub path: PathBuf,
    /// Which rule left it out.
    pub reason: String,
}

/// Collects them.
#[derive(Default)]
pub(super) struct Exclusions {
    left_out: Vec<LeftOut>,
    total: u64,
}

impl Exclusions {
    pub(super) fn add(&mut self, path: &[u8], reason: String) {
        self.total += 1;
        if self.left_out.len() < LIMIT {
            self.left_out.push(LeftOut { path: OsStr::from_bytes(path).into(), reason });
        }
    }

    /// The first of them, and how many there were.
    pub(super) fn finish(self) -> (Vec<LeftOut>, u64) {
        (self.left_out, self.total)
    }
}
