//! Recognises a destination that nobody has touched since it was published.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, fstat, readlinkat, statat};

use crate::error::{Error, Kind, Result, printable};
use crate::oci::{Algorithm, Digest, Hasher};
use crate::operation::Operation;

use super::directories::{Confinement, Directories};
use super::{place, tree};

/// The device and inode of the directory at a path; `None` where there is none, or a link.
pub fn destination_identity(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::symlink_metadata(path).ok()?;
    found.is_dir().then(|| (found.dev(), found.ino()))
}

/// A digest over what a tree shows without reading a file: path, type, permissions, inode, size, mtime and
/// ctime of everything in it, and the targets of links. No change goes unseen, since nobody can set a ctime.
/// Memory grows with the largest directory.
pub fn fingerprint(destination: &Path, operation: &Operation) -> Result<Digest> {
    let root = place::open_directory(destination).map_err(place::failed(destination))?;
    if destination_identity(destination) != fstat(&root).ok().map(|stat| (stat.st_dev, stat.st_ino)) {
        return Err(Error::new(Kind::Unsafe, format!("{} is a symbolic link", place::show(destination))));
    }
    of_tree(root, operation)
}

/// The fingerprint of the tree below `root`, which does not change when `root` is renamed.
pub(super) fn of_tree(root: OwnedFd, operation: &Operation) -> Result<Digest> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    let mut directories = Directories::new(root, Confinement::Kernel);
    tree::walk(&mut directories, |directory, path, kind| {
        operation.check()?;
        let failed =
            |error: rustix::io::Errno| Error::io(format_args!("'{}'", printable(path)), error.into());
        let own = super::name::split(path).1;
        let stat = statat(directory, own, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        hasher.update(&(path.len() as u64).to_le_bytes());
        hasher.update(path);
        hasher.update(&stat.st_mode.to_le_bytes());
        hasher.update(&stat.st_ino.to_le_bytes());
        // A directory's size and times change with the names in it, which are all here.
        for number in [stat.st_size, stat.st_mtime, stat.st_ctime] {
            hasher.update(&number.to_le_bytes());
        }
        for nanoseconds in [stat.st_mtime_nsec, stat.st_ctime_nsec] {
            hasher.update(&nanoseconds.to_le_bytes());
        }
        if kind == FileType::Symlink {
            let target = readlinkat(directory, own, Vec::new()).map_err(failed)?.into_bytes();
            hasher.update(&(target.len() as u64).to_le_bytes());
            hasher.update(&target);
        }
        Ok(())
    })?;
    Ok(hasher.finish())
}
