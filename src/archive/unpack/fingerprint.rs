//! Recognises a destination that nobody has touched since it was published.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, RawDir, fstat, readlinkat, statat};
use rustix::io::Errno;

use crate::error::{Error, Kind, Result, printable};
use crate::oci::{Digest, sha256};
use crate::operation::Operation;
use crate::thread::spawn_scoped;

use super::directories::{Confinement, Directories, readable};
use super::{name, place, staging};

/// The device and inode of the directory at a path; `None` where there is none, or a link.
pub fn destination_identity(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::symlink_metadata(path).ok()?;
    found.is_dir().then(|| (found.dev(), found.ino()))
}

/// A digest over what a tree shows without reading a file: name, type, permissions, inode, size, mtime and
/// ctime of everything in it, by the inode of the directory, and the targets of links. No change goes unseen, since
/// nobody can set a ctime. Memory grows with the number of directories that wait.
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
/// What is read of a directory at once.
const LISTING: usize = 32 << 10;

/// The fingerprint of the tree below `root`, which does not change when `root` is renamed.
pub(super) fn of_tree(root: &OwnedFd, threads: usize, operation: &Operation) -> Result<Digest> {
    let failed = |error| Error::io("the directory", error);
    let root = readable(root).map_err(failed)?;
    let inode = fstat(&root).map_err(|error| failed(error.into()))?.st_ino;
    let walk = Walk {
        root: &root,
        operation,
        state: Mutex::new(State { waiting: vec![(Vec::new(), inode)], ..State::default() }),
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
    match state.failure {
        Some(error) => Err(error),
        None => Ok(Digest::of(&state.sum.0.map(u64::to_le_bytes).concat())),
    }
}

/// The sum of entries' digests, so that their order does not count.
#[derive(Default)]
struct Sum([u64; 4]);

impl Sum {
    fn add(&mut self, numbers: [u64; 4]) {
        for (sum, number) in self.0.iter_mut().zip(numbers) {
            *sum = sum.wrapping_add(number);
        }
    }

    fn add_entry(&mut self, entry: &[u8]) {
        let digest = sha256(entry);
        let mut numbers = digest.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
        self.add([(); 4].map(|()| numbers.next().unwrap_or_default()));
    }
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
    /// Paths and inodes of directories.
    waiting: Vec<(Vec<u8>, u64)>,
    busy: usize,
    idle: usize,
    sum: Sum,
    failure: Option<Error>,
}

/// One directory is done, also where its thread panics.
struct Busy<'a>(&'a Walk<'a>);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.busy -= 1;
        if state.idle > 0 {
            self.0.more.notify_all();
        }
    }
}

/// What a thread works with.
struct Worker {
    /// Its own: what is deep is opened from what is near it.
    directories: Directories,
    listing: Vec<u8>,
    /// What an entry shows.
    entry: Vec<u8>,
    sum: Sum,
}

impl Walk<'_> {
    /// Works until no directory waits and none is to come; tells `waiting` how many do.
    fn work(&self, waiting: &mut dyn FnMut(usize)) {
        let mut worker = match staging::duplicate(self.root) {
            Ok(root) => Worker {
                directories: Directories::to_list(root, Confinement::Kernel),
                listing: Vec::with_capacity(LISTING),
                entry: Vec::new(),
                sum: Sum::default(),
            },
            Err(error) => {
                self.state().failure.get_or_insert(error);
                return;
            }
        };
        while let Some((path, inode)) = self.take() {
            let _busy = Busy(self);
            let found = self.directory(&mut worker, &path, inode);
            let mut state = self.state();
            match found {
                Ok(below) => {
                    state.waiting.extend(below);
                    waiting(state.waiting.len());
                }
                Err(error) => drop(state.failure.get_or_insert(error)),
            }
        }
        self.state().sum.add(worker.sum.0);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next directory, waited for; its [`Busy`] is the caller's to make.
    fn take(&self) -> Option<(Vec<u8>, u64)> {
        let mut state = self.state();
        loop {
            if state.failure.is_some() {
                return None;
            }
            if let Some(next) = state.waiting.pop() {
                state.busy += 1;
                return Some(next);
            }
            if state.busy == 0 {
                return None;
            }
            state.idle += 1;
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Adds what one directory shows, and gives the directories in it.
    fn directory(&self, worker: &mut Worker, above: &[u8], inode: u64) -> Result<Vec<(Vec<u8>, u64)>> {
        let failed = |path: &[u8], error: io::Error| Error::io(format_args!("'{}'", printable(path)), error);
        let Worker { directories, listing, entry, sum } = worker;
        let directory = directories.open(above).map_err(|error| failed(above, error))?;
        let mut below = Vec::new();
        let mut entries = RawDir::new(&directory, listing.spare_capacity_mut());
        while let Some(next) = entries.next() {
            self.operation.check()?;
            let next = next.map_err(|error| failed(above, error.into()))?;
            let own = next.file_name();
            if matches!(own.to_bytes(), b"." | b"..") {
                continue;
            }
            let failed = |error: Errno| failed(&name::join(above, own.to_bytes()), error.into());
            let stat = statat(&directory, own, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
            entry.clear();
            entry.extend(inode.to_le_bytes());
            entry.extend(stat.st_ino.to_le_bytes());
            entry.extend(stat.st_mode.to_le_bytes());
            for number in [stat.st_size, stat.st_mtime, stat.st_ctime] {
                entry.extend(number.to_le_bytes());
            }
            for nanoseconds in [stat.st_mtime_nsec, stat.st_ctime_nsec] {
                entry.extend(nanoseconds.to_le_bytes());
            }
            entry.extend(own.to_bytes_with_nul());
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => {
                    entry.extend(readlinkat(&directory, own, Vec::new()).map_err(failed)?.into_bytes());
                }
                FileType::Directory => below.push((name::join(above, own.to_bytes()), stat.st_ino)),
                _ => {}
            }
            sum.add_entry(entry);
        }
        Ok(below)
    }
}
