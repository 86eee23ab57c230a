//! What a tree shows without a file of it being read, so that a build can tell that nothing has changed.

use std::path::Path;

use super::exclusions::LeftOut;
use super::identity::Identity;
use super::options::PackOptions;
use super::walk::{Found, Walk};
use crate::error::Result;
use crate::oci::{Algorithm, Digest, Hasher};
use crate::operation::Operation;

/// The version of the layer's bytes (`docs/archive-format.md`): another would be another layer.
const FORMAT: &str = "1";
/// File systems keep times in steps, the coarsest of 2 s: what changes twice in one step looks unchanged.
const COARSEST_STEP: i64 = 2;

/// The state of a tree as [`super::pack`] sees it: of everything that goes in its path, and of files device,
/// inode, mode, size, mtime and ctime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeState {
    /// A digest over all of it, and over the options that the layer depends on.
    pub digest: Digest,
    latest_change: i64,
}

impl TreeState {
    /// Whether every change before `time` (seconds since 1970) shows in the state. Not so for a tree that was
    /// changed just before: another change might leave the same times.
    pub fn is_settled(&self, time: i64) -> bool {
        self.latest_change.saturating_add(COARSEST_STEP) < time
    }
}

/// Collects a [`TreeState`] while a tree is walked.
pub(super) struct Watch {
    hasher: Hasher,
    latest_change: i64,
}

impl Watch {
    pub(super) fn new(options: &PackOptions) -> Self {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        // Any number of threads makes the same layer.
        let options = PackOptions { threads: 0, ..options.clone() };
        hasher.update(format!("{FORMAT} {options:?}").as_bytes());
        Self { hasher, latest_change: i64::MIN }
    }

    pub(super) fn see(&mut self, path: &[u8], found: &Found) {
        self.bytes(path);
        match found {
            Found::Directory => self.bytes(b"/"),
            Found::Link(target) => {
                self.bytes(b"@");
                self.bytes(target);
            }
            Found::File(identity, _) => self.file(identity),
        }
    }

    fn file(&mut self, identity: &Identity) {
        for number in identity.numbers() {
            self.hasher.update(&number.to_le_bytes());
        }
        self.latest_change = self.latest_change.max(identity.change_time());
    }

    /// Its length goes first, so that two neighbours can't pass for two others.
    fn bytes(&mut self, bytes: &[u8]) {
        self.hasher.update(&(bytes.len() as u64).to_le_bytes());
        self.hasher.update(bytes);
    }

    pub(super) fn finish(self) -> TreeState {
        TreeState { digest: self.hasher.finish(), latest_change: self.latest_change }
    }
}

/// The state of a tree, and what a build of it leaves out; the errors of a build but for those of reading.
pub fn tree_state(
    directory: &Path,
    options: &PackOptions,
    operation: &Operation,
) -> Result<(TreeState, Vec<LeftOut>, u64)> {
    let mut walk = Walk::new(directory, options, operation)?;
    let mut watch = Watch::new(options);
    while let Some(found) = walk.next()? {
        watch.see(walk.path(), &found);
    }
    let (left_out, total) = walk.into_left_out();
    Ok((watch.finish(), left_out, total))
}
