//! Garbage collection: what no entry of `index.json` leads to is removed.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use rustix::fs::{FileType, Stat};

use super::super::blob::BLOBS;
use super::index::Entry;
use super::{BLOBS_LOCK, INDEX_LOCK, Layout};
use crate::error::{Error, Kind, Result};
use crate::fs::{FileId, Lock, Mode};
use crate::oci::{Descriptor, Digest, media_type};

/// How deep indexes may lie in indexes.
const NESTING_LIMIT: usize = 8;

/// What the entries lead to, and which documents among it were read.
#[derive(Default)]
struct Marks {
    kept: HashSet<Digest>,
    read: HashSet<Digest>,
}

/// What a collection did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GcReport {
    /// Blobs that something leads to.
    pub kept: u64,
    /// Blobs that were removed.
    pub removed: u64,
    /// Their bytes.
    pub removed_bytes: u64,
    /// Entries of referrers whose subject is gone.
    pub removed_entries: u64,
}

impl Layout {
    /// Removes the blobs that no entry leads to, and the untagged referrers of manifests that are gone. Waits
    /// until nobody adds to the layout. An entry whose content can't be read ends it before anything is
    /// removed, since what that one needs is not known.
    pub fn gc(&self) -> Result<GcReport> {
        let own = self.own()?;
        let _blobs = Lock::wait(&own, BLOBS_LOCK, Mode::Exclusive, &self.call.operation)?;
        let mut marks = Marks::default();
        let mut report = GcReport::default();
        self.change_index(&own, |index| {
            let dropped = self.mark(&index.entries(), &mut marks)?;
            let gone = index.retain(|entry| {
                entry.name.is_some() || entry.digest().is_none_or(|digest| !dropped.contains(digest))
            });
            report.removed_entries = gone as u64;
            Ok(gone > 0)
        })?;
        let _index = Lock::wait(&own, INDEX_LOCK, Mode::Exclusive, &self.call.operation)?;
        self.remove_left_overs(&own)?;
        self.sweep(&marks.kept, &mut report)?;
        Ok(report)
    }

    /// Marks all that the entries lead to; gives the referrers whose subject is not among it.
    fn mark(&self, entries: &[Entry], marks: &mut Marks) -> Result<HashSet<Digest>> {
        let mut waiting = Vec::new();
        for entry in entries {
            let descriptor = self.whole(entry)?;
            let subject = match entry.name {
                Some(_) => None,
                None => {
                    self.known(&descriptor)?.and_then(|document| document.subject().map(|s| s.digest.clone()))
                }
            };
            match subject {
                Some(subject) => waiting.push((subject, descriptor)),
                None => self.follow(&descriptor, marks, 0)?,
            }
        }
        // A referrer may itself be referred to.
        loop {
            let (ready, rest): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|(subject, _)| marks.kept.contains(subject));
            waiting = rest;
            if ready.is_empty() {
                break;
            }
            for (_, descriptor) in ready {
                self.follow(&descriptor, marks, 0)?;
            }
        }
        Ok(waiting
            .into_iter()
            .map(|(_, descriptor)| descriptor.digest)
            .filter(|d| !marks.kept.contains(d))
            .collect())
    }

    /// The document that a descriptor of a manifest's type points to. What has another type is kept for itself: an
    /// index may list anything (Q93).
    fn known(&self, descriptor: &Descriptor) -> Result<Option<crate::oci::Document>> {
        match media_type::may_be_manifest(&descriptor.media_type) {
            true => self.document(descriptor),
            false => Ok(None),
        }
    }

    fn follow(&self, descriptor: &Descriptor, marks: &mut Marks, depth: usize) -> Result<()> {
        self.call.operation.check()?;
        marks.kept.insert(descriptor.digest.clone());
        if !marks.read.insert(descriptor.digest.clone()) {
            return Ok(());
        }
        if depth > NESTING_LIMIT {
            return Err(Error::new(
                Kind::Limit,
                format!("{}: indexes are nested deeper than {NESTING_LIMIT}", descriptor.digest),
            ));
        }
        // What is not there, as in a partial copy of an index, needs nothing.
        let Some(document) = self.known(descriptor)? else { return Ok(()) };
        let is_index = media_type::is_index(document.media_type());
        for child in document.children() {
            if is_index {
                self.follow(child, marks, depth + 1)?;
            } else {
                marks.kept.insert(child.digest.clone());
            }
        }
        Ok(())
    }

    fn sweep(&self, kept: &HashSet<Digest>, report: &mut GcReport) -> Result<()> {
        let Some(blobs) = self.root.child(BLOBS)? else { return Ok(()) };
        let mut spare = Vec::new();
        let mut linked = HashSet::new();
        for algorithm in ["sha256", "sha512"] {
            let Some(directory) = blobs.child(algorithm)?.map(Arc::new) else { continue };
            for name in directory.names()? {
                self.call.operation.check()?;
                // What is not named by a digest is not ours.
                let Ok(digest) = format!("{algorithm}:{name}").parse::<Digest>() else { continue };
                if !kept.contains(&digest) {
                    spare.push((directory.clone(), digest));
                    continue;
                }
                report.kept += 1;
                if directory.stat(&name)?.is_some_and(|stat| is_link(&stat)) {
                    linked.extend(self.file_of(&digest));
                }
            }
        }
        for (directory, digest) in spare {
            self.call.operation.check()?;
            // A blob that stays is a link to this one.
            if !linked.is_empty() && self.file_of(&digest).is_some_and(|file| linked.contains(&file)) {
                continue;
            }
            let size = directory.stat(digest.hex())?.map_or(0, |stat| stat.st_size);
            if directory.remove(digest.hex())? {
                report.removed += 1;
                report.removed_bytes += u64::try_from(size).unwrap_or(0);
            }
        }
        Ok(())
    }

    /// The file that a blob's name leads to, if any.
    fn file_of(&self, digest: &Digest) -> Option<FileId> {
        let (file, _) = self.find_blob(digest).ok().flatten()?;
        file.metadata().ok().map(|data| (data.dev(), data.ino()))
    }
}

fn is_link(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Symlink
}
