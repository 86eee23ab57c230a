//! What `stat` tells of a file or directory, kept to see whether it changed while it was read.

use std::os::fd::AsFd;

use rustix::fs::{FileType, Stat, fstat};
use rustix::io::Errno;

/// The fields that change with the content (cases B-01, B-02).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    mode: u32,
    changed: [i64; 4],
}

impl Identity {
    #[expect(clippy::unnecessary_cast, reason = "the fields' types differ between systems")]
    pub(super) fn new(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mode: stat.st_mode as u32,
            changed: [
                stat.st_mtime as i64,
                stat.st_mtime_nsec as i64,
                stat.st_ctime as i64,
                stat.st_ctime_nsec as i64,
            ],
        }
    }

    pub(super) fn of(file: impl AsFd) -> Result<Self, Errno> {
        Ok(Self::new(&fstat(file)?))
    }

    /// Device and inode: the same file, whatever became of it.
    pub(super) fn key(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// All of it, for a digest.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u64> {
        let changed = self.changed.map(i64::cast_unsigned);
        [self.device, self.inode, self.size, u64::from(self.mode)].into_iter().chain(changed)
    }

    /// The ctime, in seconds since 1970: when content, mode or name were last changed, which nobody can set.
    pub(super) fn change_time(&self) -> i64 {
        let [_, _, seconds, _] = self.changed;
        seconds
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The owner's executable bit: the one that no umask of use takes away.
    pub(super) fn executable(&self) -> bool {
        self.mode & 0o100 != 0
    }

    pub(super) fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }
}
