//! A file's content on its way into the archive, and what is said of a file that can't be read or has changed.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::{Errno, read};

use super::identity::Identity;
use crate::error::{Error, Kind, Result, printable};
use crate::os::{Links, open_beneath};

/// How files and directories of the tree are opened: what was swapped for a FIFO or a terminal harms nobody.
pub(super) const OPEN: OFlags =
    OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// A file that is not read yet: whoever compresses the block that it goes into opens and reads it.
pub(super) struct Content {
    /// The root of the tree, from where the path leads to the file through no link.
    pub(super) root: Arc<OwnedFd>,
    pub(super) path: Vec<u8>,
    /// What `stat` said of it when its header was made.
    pub(super) identity: Identity,
}

impl Content {
    /// Reads all of it into `room`, which has its length.
    pub(super) fn read(&self, room: &mut [u8]) -> Result<()> {
        let file = self.open().map_err(|errno| not_opened(&self.path, errno))?;
        let mut rest = room;
        while !rest.is_empty() {
            let count = read_some(&file, &self.path, rest)?;
            rest = rest.get_mut(count..).unwrap_or_default();
        }
        unchanged(&file, &self.path, &self.identity)
    }

    /// Another file that came to this path by a link is told by its identity, where `openat2` is not to be had.
    fn open(&self) -> rustix::io::Result<OwnedFd> {
        let (root, path) = (self.root.as_fd(), self.path.as_slice());
        match open_beneath(root, path, OPEN, Links::None)? {
            Some(file) => Ok(file),
            None => openat(root, path, OPEN | OFlags::NOFOLLOW, Mode::empty()),
        }
    }
}

/// Reads what one call gives.
pub(super) fn read_some(file: &OwnedFd, path: &[u8], room: &mut [u8]) -> Result<usize> {
    loop {
        match read(file, &mut *room) {
            // It was longer when its header was made.
            Ok(0) => return Err(changed(path)),
            Ok(count) => return Ok(count),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(failed(path, errno)),
        }
    }
}

/// Fails where the file is not what it was any more.
pub(super) fn unchanged(file: &OwnedFd, path: &[u8], identity: &Identity) -> Result<()> {
    let now = Identity::of(file).map_err(|errno| failed(path, errno))?;
    if now == *identity { Ok(()) } else { Err(changed(path)) }
}

/// The error of an entry that was just listed with its type and could not be opened as such.
pub(super) fn not_opened(path: &[u8], errno: Errno) -> Error {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::NXIO | Errno::LOOP => changed(path),
        errno => failed(path, errno),
    }
}

/// The error of an entry that changed while it was read.
pub(super) fn changed(path: &[u8]) -> Error {
    Error::new(Kind::Changed, format!("{}: changed while it was read", shown(path)))
}

/// The error of a system call on an entry. What can't be read is UNSAFE (case B-04).
pub(super) fn failed(path: &[u8], errno: Errno) -> Error {
    let error = Error::io(shown(path), errno.into());
    if matches!(errno, Errno::ACCESS | Errno::PERM) { error.with_kind(Kind::Unsafe) } else { error }
}

fn shown(path: &[u8]) -> String {
    if path.is_empty() { ".".to_owned() } else { printable(path) }
}
