//! Recognises a destination that nobody has touched since it was published.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, fstat, readlinkat, statat};
use rustix::io::Errno;

use crate::error::{Error, Kind, Result, printable};
use crate::oci::{Algorithm, Digest, Hasher};
use crate::operation::Operation;
use crate::thread::spawn_scoped;

use super::directories::{Confinement, Directories, list};
use super::{name, place, staging};

/// The device and inode of the directory at a path; `None` where there is none, or a link.
pub fn destination_identity(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::symlink_metadata(path).ok()?;
    found.is_dir().then(|| (found.dev(), found.ino()))
}

/// A digest over what a tree shows without reading a file: path, type, permissions, inode, size, mtime and
/// ctime of everything in it, and the targets of links. No change goes unseen, since nobody can set a ctime.
/// Memory grows with the largest directory and the number of those that wait.
pub fn fingerprint(destination: &Path, threads: usize, operation: &Operation) -> Result<Digest> {
    let root = place::open_directory(destination).map_err(place::failed(destination))?;
    if destination_identity(destination) != fstat(&root).ok().map(|stat| (stat.st_dev, stat.st_ino)) {
        return Err(Error::new(Kind::Unsafe, format!("{} is a symbolic link", place::show(destination))));
    }
    of_tree(&root, threads, operation)
}

/// A second thread costs as much as to look at so many directories. More than two would keep more descriptors, which
/// are scarce.
const DIRECTORIES: usize = 16;

/// The fingerprint of the tree below `root`, which does not change when `root` is renamed.
pub(super) fn of_tree(root: &OwnedFd, threads: usize, operation: &Operation) -> Result<Digest> {
    let walk = Walk {
        root,
        operation,
        state: Mutex::new(State { waiting: vec![Vec::new()], ..State::default() }),
        more: Condvar::new(),
    };
    let mut alone = threads > 1;
    std::thread::scope(|scope| {
        walk.work(&mut |waiting| {
            if alone && waiting > DIRECTORIES {
                alone = false;
                // Without it this takes longer, no more.
                let _ = spawn_scoped(scope, "cldoci-stat", || walk.work(&mut |_| ()));
            }
        });
    });
    let state = walk.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = state.failure {
        return Err(error);
    }
    let mut hasher = Hasher::new(Algorithm::Sha256);
    for number in state.sum {
        hasher.update(&number.to_le_bytes());
    }
    Ok(hasher.finish())
}

/// A walk of several threads, each of which takes a directory that waits.
struct Walk<'a> {
    root: &'a OwnedFd,
    operation: &'a Operation,
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Vec<u8>>,
    busy: usize,
    /// Of the directories' digests, so that their order does not count.
    sum: [u64; 4],
    failure: Option<Error>,
}

/// One directory is done, also where its thread panics.
struct Busy<'a>(&'a Walk<'a>);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.state().busy -= 1;
        self.0.more.notify_all();
    }
}

impl Walk<'_> {
    /// Works until no directory waits and none is to come; tells `waiting` how many do.
    fn work(&self, waiting: &mut dyn FnMut(usize)) {
        // Each thread's own: what is deep is opened from what is near it.
        let mut directories = None;
        while let Some(path) = self.take() {
            let _busy = Busy(self);
            let found = self.directory(&mut directories, &path);
            let mut state = self.state();
            match found {
                Ok((digest, below)) => {
                    state.waiting.extend(below);
                    for (sum, digits) in state.sum.iter_mut().zip(digest.hex().as_bytes().chunks(16)) {
                        let digits = std::str::from_utf8(digits).unwrap_or_default();
                        *sum = sum.wrapping_add(u64::from_str_radix(digits, 16).unwrap_or_default());
                    }
                    waiting(state.waiting.len());
                }
                Err(error) => drop(state.failure.get_or_insert(error)),
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next directory, waited for; its [`Busy`] is the caller's to make.
    fn take(&self) -> Option<Vec<u8>> {
        let mut state = self.state();
        loop {
            if state.failure.is_some() {
                return None;
            }
            if let Some(path) = state.waiting.pop() {
                state.busy += 1;
                return Some(path);
            }
            if state.busy == 0 {
                return None;
            }
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What one directory shows, and the directories in it.
    fn directory(
        &self,
        directories: &mut Option<Directories>,
        above: &[u8],
    ) -> Result<(Digest, Vec<Vec<u8>>)> {
        let failed = |path: &[u8], error: io::Error| Error::io(format_args!("'{}'", printable(path)), error);
        let directories = match directories {
            Some(directories) => directories,
            none => none.insert(Directories::new(staging::duplicate(self.root)?, Confinement::Kernel)),
        };
        let directory = directories.open(above).map_err(|error| failed(above, error))?;
        let (mut hasher, mut below) = (Hasher::new(Algorithm::Sha256), Vec::new());
        hasher.update(&(above.len() as u64).to_le_bytes());
        hasher.update(above);
        for (own, kind) in list(&directory).map_err(|error| failed(above, error))? {
            self.operation.check()?;
            let path = name::join(above, &own);
            let failed = |error: Errno| failed(&path, error.into());
            let stat = statat(&directory, &*own, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
            hasher.update(&(own.len() as u64).to_le_bytes());
            hasher.update(&own);
            hasher.update(&stat.st_mode.to_le_bytes());
            hasher.update(&stat.st_ino.to_le_bytes());
            for number in [stat.st_size, stat.st_mtime, stat.st_ctime] {
                hasher.update(&number.to_le_bytes());
            }
            for nanoseconds in [stat.st_mtime_nsec, stat.st_ctime_nsec] {
                hasher.update(&nanoseconds.to_le_bytes());
            }
            if kind == FileType::Symlink {
                let target = readlinkat(&directory, &*own, Vec::new()).map_err(failed)?.into_bytes();
                hasher.update(&(target.len() as u64).to_le_bytes());
                hasher.update(&target);
            }
            if kind == FileType::Directory {
                below.push(path);
            }
        }
        Ok((hasher.finish(), below))
    }
}
