//! The memory that the documents and lists of all operations share, beyond the first MiB of each: what a registry sends
//! decides who waits for whom, and not how much the process needs.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, Kind, Result};

/// What each may have without asking.
pub(crate) const FREE: u64 = 1 << 20;
/// What an item takes beside its text, a descriptor's member as well as a tag.
const ITEM: u64 = 64;
/// The pause between two looks whether there is room.
pub(super) const PAUSE: Duration = Duration::from_millis(10);

/// What all of them have of it, in this process: a child of fork begins with nothing.
static TAKEN: AtomicU64 = AtomicU64::new(0);
static PROCESS: AtomicU32 = AtomicU32::new(0);

fn taken() -> &'static AtomicU64 {
    let process = std::process::id();
    if PROCESS.swap(process, Ordering::AcqRel) != process {
        TAKEN.store(0, Ordering::Release);
    }
    &TAKEN
}

/// What JSON of this text takes in memory, text and items.
pub(crate) fn cost(json: &[u8]) -> u64 {
    let items = json.iter().filter(|&&byte| byte == b',').count() as u64;
    json.len() as u64 + ITEM * items
}

/// One operation's part.
#[derive(Default)]
pub(super) struct Part(Mutex<u64>);

impl Part {
    /// Has room for so many bytes in all, if there is; `limit` is that of all operations.
    pub(super) fn take(&self, bytes: u64, limit: u64) -> Result<bool> {
        let mut own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes <= *own || bytes <= FREE {
            return Ok(true);
        }
        if bytes > limit {
            let why = format!(
                "a document or list takes {bytes} bytes of memory, over {limit} (option max_documents_bytes)"
            );
            return Err(Error::new(Kind::Limit, why));
        }
        // Who waits has nothing that another waits for.
        let mine = std::mem::take(&mut *own);
        taken().fetch_sub(mine, Ordering::AcqRel);
        let room = |all: u64| all.checked_add(bytes).filter(|&all| all <= limit);
        let got = taken().fetch_update(Ordering::AcqRel, Ordering::Acquire, room).is_ok();
        if got {
            *own = bytes;
        }
        Ok(got)
    }

    /// Gives it back.
    pub(super) fn end(&self) {
        let mine = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if mine > 0 {
            taken().fetch_sub(mine, Ordering::AcqRel);
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_finds_none_left_waits_and_who_is_alone_over_it_is_told() {
        const MIB: u64 = 1 << 20;
        let (one, other) = (Part::default(), Part::default());
        assert!(one.take(10 * MIB, 16 * MIB).unwrap());
        assert!(other.take(FREE, 16 * MIB).unwrap(), "the first of each is free");
        assert!(!other.take(10 * MIB, 16 * MIB).unwrap());
        assert!(one.take(4 * MIB, 16 * MIB).unwrap(), "it has that already");
        let error = one.take(17 * MIB, 16 * MIB).unwrap_err();
        assert!(error.kind() == Kind::Limit && error.message().contains("max_documents_bytes"), "{error}");
        one.end();
        assert!(other.take(10 * MIB, 16 * MIB).unwrap());
        // One that waits for more holds nothing, so that two can't wait for each other.
        assert!(one.take(6 * MIB, 16 * MIB).unwrap());
        assert!(!other.take(12 * MIB, 16 * MIB).unwrap());
        assert!(one.take(12 * MIB, 16 * MIB).unwrap());
        drop(one);
        assert!(other.take(16 * MIB, 16 * MIB).unwrap());
    }

    #[test]
    fn small_items_cost_more_than_their_text() {
        assert_eq!(cost(b"[]"), 2);
        assert_eq!(cost(br#"["a","b","c"]"#), 13 + 2 * ITEM);
    }
}
