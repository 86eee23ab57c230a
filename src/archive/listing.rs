//! The names in one directory, sorted by bytes, in memory of their own size.

use std::collections::BTreeMap;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use crate::os::RawDir;

/// How many bytes of entries one system call gives.
const BUFFER: usize = 32 << 10;

/// A directory's names with their types.
#[derive(Default)]
pub(super) struct Listing {
    names: Vec<u8>,
    entries: Vec<(usize, usize, FileType)>,
}

impl Listing {
    /// Reads the directory, which must be at its start.
    pub(super) fn read(directory: BorrowedFd<'_>) -> Result<Self, Errno> {
        let mut listing = Self::default();
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        let mut entries = RawDir::new(directory, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    FileType::from_raw_mode(statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode)
                }
                kind => kind,
            };
            let start = listing.names.len();
            listing.names.extend_from_slice(name.to_bytes());
            listing.entries.push((start, listing.names.len(), kind));
        }
        let names = &listing.names;
        listing.entries.sort_unstable_by_key(|&(start, end, _)| names.get(start..end));
        Ok(listing)
    }

    /// The name and type at `index`.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], FileType)> {
        let &(start, end, kind) = self.entries.get(index)?;
        Some((self.names.get(start..end)?, kind))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Keeps only the entries that `keep` wants.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&[u8], FileType) -> bool) {
        let names = &self.names;
        self.entries.retain(|&(start, end, kind)| keep(names.get(start..end).unwrap_or_default(), kind));
    }

    /// Pairs of names that are one name on a system that folds case or normalises (case B-07).
    pub(super) fn collisions(&self) -> Vec<(&[u8], &[u8])> {
        let mut pairs = Vec::new();
        let mut folded: BTreeMap<Vec<u8>, &[u8]> = BTreeMap::new();
        for &(start, end, _) in &self.entries {
            let name = self.names.get(start..end).unwrap_or_default();
            if let Some(other) = folded.insert(fold(name), name) {
                pairs.push((other, name));
            }
        }
        pairs
    }
}

/// What is the same for names that may collide: composed and in one case. Bytes that are not text stay.
fn fold(name: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(name) else { return name.to_ascii_lowercase() };
    if text.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let decompose = icu_normalizer::DecomposingNormalizerBorrowed::new_nfd();
    // Upper case first: it writes out what has more than one lower form (ß, ﬁ, ς).
    let lower = decompose.normalize(text).to_uppercase().to_lowercase();
    decompose.normalize(&lower).into_owned().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b_07_names_that_fold_to_one() {
        for (one, other) in [
            ("File", "file"),
            ("\u{e9}", "e\u{301}"),
            ("\u{c9}", "e\u{301}"),
            ("stra\u{df}e", "STRASSE"),
            ("\u{fb01}x", "FIx"),
            ("\u{3c2}", "\u{3a3}"),
            ("\u{212b}", "\u{e5}"),
        ] {
            assert_eq!(fold(one.as_bytes()), fold(other.as_bytes()), "{one} {other}");
        }
        for (one, other) in [("a", "b"), ("e", "\u{e9}"), ("a.", "a"), ("\u{df}", "s")] {
            assert_ne!(fold(one.as_bytes()), fold(other.as_bytes()), "{one} {other}");
        }
        assert_ne!(fold(b"\xff"), fold(b"\xfe"));
    }
}
