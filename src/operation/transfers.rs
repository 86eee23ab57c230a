//! How many bytes an operation has to move, and how many it has moved. What is done never passes what is known to be
//! to do, whatever is tried again, read and written at once, or was there already.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What an operation moves.
#[derive(Default)]
pub(super) struct Transfers {
    bytes: Arc<Bytes>,
    /// By digest, until they are over.
    blobs: Mutex<HashMap<String, Arc<Meter>>>,
    tree: Mutex<Option<Arc<Meter>>>,
}

#[derive(Default)]
struct Bytes {
    done: AtomicU64,
    total: AtomicU64,
}

impl Transfers {
    fn blobs(&self) -> MutexGuard<'_, HashMap<String, Arc<Meter>>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Done, and in all.
    pub(super) fn bytes(&self) -> (u64, u64) {
        // What is done by now was to do by then.
        let done = self.bytes.done.load(Ordering::Acquire);
        (done, self.bytes.total.load(Ordering::Acquire))
    }

    pub(super) fn expect(&self, digest: &str, size: u64) {
        let mut blobs = self.blobs();
        if !blobs.contains_key(digest) {
            self.bytes.total.fetch_add(size, Ordering::AcqRel);
            blobs.insert(digest.to_owned(), Arc::new(Meter::new(self.bytes.clone(), Some(size))));
        }
    }

    pub(super) fn forget(&self, digest: &str) {
        self.blobs().remove(digest);
    }

    pub(super) fn meter(&self, digest: &str) -> Arc<Meter> {
        // One that nobody expects counts for itself.
        self.blobs().get(digest).cloned().unwrap_or_else(|| Arc::new(Meter::new(Arc::default(), None)))
    }

    pub(super) fn tree(&self) -> Arc<Meter> {
        let mut tree = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        tree.get_or_insert_with(|| Arc::new(Meter::new(self.bytes.clone(), None))).clone()
    }
}

/// Counts one transfer's bytes into an operation's progress, wherever they are seen; one that starts again counts
/// nothing until it is past the highest position so far.
pub struct Meter {
    bytes: Arc<Bytes>,
    size: Option<u64>,
    /// The size was found and counted.
    found: AtomicBool,
    highest: AtomicU64,
}

impl Meter {
    fn new(bytes: Arc<Bytes>, size: Option<u64>) -> Self {
        Self { bytes, size, found: AtomicBool::new(false), highest: AtomicU64::new(0) }
    }

    /// The transfer is at `position` bytes.
    pub fn at(&self, position: u64) {
        let position = self.size.map_or(position, |size| position.min(size));
        let before = self.highest.fetch_max(position, Ordering::AcqRel);
        let more = position.saturating_sub(before);
        if self.found.load(Ordering::Acquire) {
            // A tree that grew until it was packed again.
            self.bytes.total.fetch_add(more, Ordering::AcqRel);
        }
        self.bytes.done.fetch_add(more, Ordering::AcqRel);
    }

    /// What nobody knew the size of is over: it has as many bytes as were counted.
    pub fn end(&self) {
        if self.size.is_none() && !self.found.swap(true, Ordering::AcqRel) {
            self.bytes.total.fetch_add(self.highest.load(Ordering::Acquire), Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_counts_once_however_often_it_is_seen() {
        let transfers = Transfers::default();
        transfers.expect("a", 30);
        transfers.expect("a", 30);
        assert_eq!(transfers.bytes(), (0, 30));
        let (read, written) = (transfers.meter("a"), transfers.meter("a"));
        for position in [10, 20, 0, 15] {
            read.at(position);
            written.at(position / 2);
        }
        assert_eq!(transfers.bytes(), (20, 30));
        written.at(31);
        assert_eq!(transfers.bytes(), (30, 30));
        transfers.meter("nobody expects it").at(7);
        assert_eq!(transfers.bytes(), (30, 30));
    }

    #[test]
    fn a_tree_has_no_total_until_it_is_packed_and_counts_once() {
        let transfers = Transfers::default();
        transfers.tree().at(10);
        assert_eq!(transfers.bytes(), (10, 0));
        transfers.tree().end();
        transfers.tree().end();
        transfers.expect("layer", 4);
        assert_eq!(transfers.bytes(), (10, 14));
        // Packed once more, after it grew.
        for position in [5, 10, 12] {
            transfers.tree().at(position);
        }
        transfers.tree().end();
        assert_eq!(transfers.bytes(), (12, 16));
    }
}
