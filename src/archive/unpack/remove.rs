//! Removes what a directory holds: confined to descriptors, without recursion, at any depth.

use std::io;
use std::ops::ControlFlow;

use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fchmod, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::listing::each;
use crate::os::THROUGH;

/// Removes everything in `root`, a directory of ours alone. Directories that are not empty are moved up into
/// the root before their own content is, so that depth costs neither stack nor descriptors (T-07).
pub(super) fn empty(root: impl AsFd) -> io::Result<()> {
    let root = root.as_fd();
    let mut moved: u64 = 0;
    loop {
        let (mut seen, mut gone) = (false, false);
        // Entries that come while others go are seen in the next round.
        each(root, |name, kind| {
            seen = true;
            if kind != FileType::Directory {
                unlinkat(root, name, AtFlags::empty())?;
            } else if unlinkat(root, name, AtFlags::REMOVEDIR).is_err() {
                gone |= flatten(root, name, &mut moved)?;
                match unlinkat(root, name, AtFlags::REMOVEDIR) {
                    Err(Errno::NOTEMPTY | Errno::EXIST) => return Ok(ControlFlow::Continue(())),
                    result => result?,
                }
            }
            gone = true;
            Ok(ControlFlow::Continue(()))
        })?;
        match (seen, gone) {
            (false, _) => return Ok(()),
            (true, true) => {}
            (true, false) => return Err(Errno::NOTEMPTY.into()),
        }
    }
}

/// Empties the directory `name` in `root`: what is in it is removed, or moved up. Says whether anything was.
fn flatten(root: BorrowedFd<'_>, name: &[u8], moved: &mut u64) -> io::Result<bool> {
    let directory = open(root, name)?;
    let mut gone = false;
    each(&directory, |inner, kind| {
        gone = true;
        if kind != FileType::Directory {
            unlinkat(&directory, inner, AtFlags::empty())?;
        } else if unlinkat(&directory, inner, AtFlags::REMOVEDIR).is_err() {
            // Moving a directory rewrites its "..", for which its owner needs to write to it.
            drop(open(&directory, inner)?);
            loop {
                *moved += 1;
                match renameat(&directory, inner, root, format!("removed-{moved}")) {
                    Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                    result => break result?,
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(gone)
}

/// Opens a directory that is to be removed, with all rights for its owner.
fn open(at: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match openat(&at, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            // A descriptor that needs no permission does not take a change of mode; the way through /proc does.
            let path = THROUGH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let closed = openat(&at, name, path, Mode::empty())?;
            let way = format!("/proc/self/fd/{}", closed.as_raw_fd());
            rustix::fs::chmod(way, Mode::RWXU)?;
            openat(&at, name, flags, Mode::empty())?
        }
        result => result?,
    };
    let mode = rustix::fs::fstat(&directory)?.st_mode;
    if mode & 0o700 != 0o700 {
        fchmod(&directory, Mode::from_raw_mode(mode & 0o7777 | 0o700))?;
    }
    Ok(directory)
}

/// Removes the directory `name` with all it holds.
pub(super) fn tree(at: impl AsFd, name: &str) -> io::Result<()> {
    empty(open(&at, name.as_bytes())?)?;
    Ok(unlinkat(at, name, AtFlags::REMOVEDIR)?)
}
