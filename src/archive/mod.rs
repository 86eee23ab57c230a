//! Directory ↔ tar.gz: filter, pack, unpack. No network.

use std::path::PathBuf;

/// A path that a build left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Relative to the directory that was built.
    pub path: PathBuf,
    /// Which rule left it out.
    pub reason: String,
}
