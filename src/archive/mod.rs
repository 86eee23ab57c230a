//! Directory ↔ tar.gz: filter, pack, unpack. No network.

#[allow(dead_code, reason = "the writer comes next")]
mod blocks;
mod link;

use std::path::PathBuf;

pub use blocks::BlockTable;
pub use link::link_stays_inside;

/// A path that a build left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Relative to the directory that was built.
    pub path: PathBuf,
    /// Which rule left it out.
    pub reason: String,
}
