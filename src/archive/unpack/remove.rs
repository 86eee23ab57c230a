//! Removes what a directory holds: confined to descriptors, without recursion, at any depth.

use std::io;

use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fchmod, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::directories::list;

/// Removes everything in `root`, a directory of ours alone. Directories that are not empty are moved up into
/// the root before their own content is, so that depth costs neither stack nor descriptors (T-07).
pub(super) fn empty(root: impl AsFd) -> io::Result<()> {
    let root = root.as_fd();
    let mut moved: u64 = 0;
    loop {
        let entries = list(root)?;
        if entries.is_empty() {
            return Ok(());
        }
        for (name, kind) in entries {
            if kind != FileType::Directory {
                unlinkat(root, &*name, AtFlags::empty())?;
                continue;
            }
            if unlinkat(root, &*name, AtFlags::REMOVEDIR).is_ok() {
                continue;
            }
            let directory = open(root, &name)?;
            for (inner, kind) in list(&directory)? {
                if kind != FileType::Directory {
                    unlinkat(&directory, &*inner, AtFlags::empty())?;
                } else if unlinkat(&directory, &*inner, AtFlags::REMOVEDIR).is_err() {
                    // Moving a directory rewrites its "..", for which its owner needs to write to it.
                    drop(open(&directory, &inner)?);
                    loop {
                        moved += 1;
                        let name = format!("removed-{moved}");
                        match renameat(&directory, &*inner, root, &name) {
                            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                            result => break result?,
                        }
                    }
                }
            }
            unlinkat(root, &*name, AtFlags::REMOVEDIR)?;
        }
    }
}

/// Opens a directory that is to be removed, with all rights for its owner.
fn open(at: impl AsFd, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match openat(&at, name, flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            // A descriptor that needs no permission does not take a change of mode; the way through /proc does.
            let path = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
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
