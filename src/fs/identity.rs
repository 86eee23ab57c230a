//! Which file it is, whatever its name.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::Stat;

/// Device and inode: what tells a file from every other one as long as it exists.
pub(crate) type FileId = (u64, u64);

/// The file of a `stat`.
#[expect(clippy::unnecessary_cast, reason = "the fields' types differ between systems")]
pub(crate) fn file_id(stat: &Stat) -> FileId {
    (stat.st_dev as u64, stat.st_ino as u64)
}

/// The file at a path, links followed, where there is one.
pub(crate) fn id_at(path: &Path) -> Option<FileId> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}
