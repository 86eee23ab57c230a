//! Recognises a destination that nobody has touched since it was published.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ffi::CStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, SeekFrom, fstat, openat, readlinkat, seek, statat};
use rustix::io::Errno;

use crate::error::{Error, Kind, Result, printable};
use crate::fs::{FileId, duplicate, file_id, open_directory};
use crate::oci::{Algorithm, Digest, Hasher, sha256};
use crate::operation::Operation;
use crate::os::RawDir;
use crate::thread::{join_all, spawn_scoped};

use super::clock::{Clock, changed};
use super::directories::{Confinement, Directories, readable};
use super::{name, staging_container};

/// The device and inode of the directory at a path; `None` where there is none, or a link.
pub fn destination_identity(path: &Path) -> Option<FileId> {
    let found = std::fs::symlink_metadata(path).ok()?;
    found.is_dir().then(|| (found.dev(), found.ino()))
}

/// What a tree shows: name, type, permissions, inode, size, mtime and ctime of everything in it, by the inode of the
/// directory, and the targets of links. Nobody can set a ctime, but file systems count it in steps: what changes twice
/// in one step looks unchanged. So the content of files counts, too, that changed so shortly before (Q97).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// Over all of it.
    pub digest: Digest,
    /// From this ctime on, in nanoseconds since 1970, files count with their content; nothing where none does.
    pub since: Option<i64>,
    /// What the digest would be without any content.
    pub settled: Digest,
}

/// What was just published, and is not to be read once more.
pub(super) struct Published<'a> {
    /// Started when the last of it was written.
    pub(super) clock: &'a Clock<'a>,
    /// What is known of it.
    pub(super) contents: &'a Contents,
}

/// The digests of files' contents, by path.
pub(super) type Contents = HashMap<Vec<u8>, Digest>;

/// For so long before they also count where that costs nothing, in nanoseconds: a file system on several machines may
/// have several clocks.
const MARGIN: i64 = 2_000_000_000;

impl Published<'_> {
    fn since(&self) -> i64 {
        self.clock.started() - if self.contents.is_empty() { 0 } else { MARGIN }
    }
}

/// The fingerprint of the tree at a path, in which files count with their content that changed at `since` or later. A
/// staging directory in it, left by a pull that was killed, does not count. Memory does not grow with the tree.
pub fn fingerprint(
    destination: &Path,
    since: Option<i64>,
    threads: usize,
    operation: &Operation,
) -> Result<Fingerprint> {
    let root = open_directory(destination).map_err(staging_container::failed(destination))?;
    if destination_identity(destination) != fstat(&root).ok().map(|stat| file_id(&stat)) {
        return Err(Error::new(
            Kind::Unsafe,
            format!("{} is a symbolic link", staging_container::show(destination)),
        ));
    }
    let own = destination.file_name().map_or(&b"root"[..], OsStrExt::as_bytes);
    of_tree(&root, own, Young::Since(since), threads, operation)
}

/// Which files count with their content.
#[derive(Clone, Copy)]
pub(super) enum Young<'a> {
    /// Those that changed at this time or later.
    Since(Option<i64>),
    /// Those whose next change might not show in their times.
    Published(&'a Published<'a>),
}

/// A second thread costs as much as to look at so many directories. More than two would keep more descriptors, which
/// are scarce.
const DIRECTORIES: usize = 16;
/// What is read of a directory at once.
const LISTING: usize = 32 << 10;
/// So many subdirectories of one directory wait at once.
const SUBDIRECTORIES: usize = 64;

/// The fingerprint of the tree below `root`, which does not change when `root`, the destination `own`, is renamed.
pub(super) fn of_tree(
    root: &OwnedFd,
    own: &[u8],
    young: Young<'_>,
    threads: usize,
    operation: &Operation,
) -> Result<Fingerprint> {
    let failed = |error| Error::io("the directory", error);
    let (since, published) = match young {
        Young::Since(since) => (since, None),
        Young::Published(published) => (Some(published.since()), Some(published)),
    };
    let root = readable(root).map_err(failed)?;
    let inode = fstat(&root).map_err(|error| failed(error.into()))?.st_ino;
    let start = Waiting { above: Arc::from([]), own: Box::default(), inode, place: 0 };
    let walk = Walk {
        root: &root,
        container: staging_container::container_name(own),
        since,
        published,
        operation,
        state: Mutex::new(State { waiting: vec![start], ..State::default() }),
        more: Condvar::new(),
    };
    let mut alone = threads > 1;
    std::thread::scope(|scope| {
        let mut helper = None;
        walk.work(&mut |waiting| {
            if alone && waiting > DIRECTORIES {
                alone = false;
                // Without it this takes longer, no more.
                helper = spawn_scoped(scope, "cldoci-stat", || walk.work(&mut |_| ())).ok();
            }
        });
        join_all(helper);
    });
    let state = walk.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = state.failure {
        return Err(error);
    }
    let bytes = |sum: &Sum| sum.0.map(u64::to_le_bytes).concat();
    let settled = Digest::of(&bytes(&state.sum));
    // By then nothing of it can change unseen, with what was left out.
    let sure = published.is_some_and(|published| published.clock.has_gone_on());
    Ok(match state.contents.filter(|_| !sure) {
        Some(contents) => {
            let digest = Digest::of(&[bytes(&state.sum), bytes(&contents)].concat());
            Fingerprint { digest, since, settled }
        }
        None => Fingerprint { digest: settled.clone(), since: None, settled },
    })
}

/// The sum of entries' digests, so that their order does not count.
#[derive(Default)]
struct Sum([u64; 4]);

impl Sum {
    fn add(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for (sum, number) in self.0.iter_mut().zip(numbers) {
            *sum = sum.wrapping_add(number);
        }
    }

    fn add_entry(&mut self, entry: &[u8]) {
        self.add(sha256(entry).as_chunks().0.iter().copied().map(u64::from_le_bytes));
    }
}

/// A directory that is to be looked at from a place in it on.
struct Waiting {
    above: Arc<[u8]>,
    own: Box<[u8]>,
    inode: u64,
    place: u64,
}

/// A walk of several threads, each of which takes a directory that waits.
struct Walk<'a> {
    root: &'a OwnedFd,
    /// What a killed pull's staging directory in the root is called.
    container: String,
    since: Option<i64>,
    published: Option<&'a Published<'a>>,
    operation: &'a Operation,
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    busy: usize,
    idle: usize,
    sum: Sum,
    contents: Option<Sum>,
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
    /// Of the files that count with their content.
    contents: Option<Sum>,
}

impl Walk<'_> {
    /// Works until no directory waits and none is to come; tells `waiting` how many do.
    fn work(&self, waiting: &mut dyn FnMut(usize)) {
        let mut worker = match duplicate(self.root) {
            Ok(root) => Worker {
                directories: Directories::to_list(root, Confinement::Kernel),
                listing: Vec::with_capacity(LISTING),
                entry: Vec::new(),
                sum: Sum::default(),
                contents: None,
            },
            Err(error) => {
                self.state().failure.get_or_insert(error);
                return;
            }
        };
        while let Some(next) = self.take() {
            let _busy = Busy(self);
            let found = self.directory(&mut worker, next);
            let mut state = self.state();
            match found {
                Ok(below) => {
                    state.waiting.extend(below);
                    waiting(state.waiting.len());
                }
                Err(error) => drop(state.failure.get_or_insert(error)),
            }
        }
        let mut state = self.state();
        state.sum.add(worker.sum.0);
        if let Some(contents) = worker.contents {
            state.contents.get_or_insert_default().add(contents.0);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next directory, waited for; its [`Busy`] is the caller's to make.
    fn take(&self) -> Option<Waiting> {
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

    /// Adds what a directory shows from a place on; gives the directories in it, and before them itself where there is
    /// more than may wait.
    fn directory(&self, worker: &mut Worker, next: Waiting) -> Result<Vec<Waiting>> {
        let failed = |path: &[u8], error: io::Error| Error::io(format_args!("'{}'", printable(path)), error);
        let Worker { directories, listing, entry, sum, contents } = worker;
        let here: Arc<[u8]> = match next.own.is_empty() {
            true => next.above.clone(),
            false => name::join(&next.above, &next.own).into(),
        };
        let directory = directories.open(&here).map_err(|error| failed(&here, error))?;
        if next.place > 0 {
            seek(&directory, SeekFrom::Start(next.place)).map_err(|error| failed(&here, error.into()))?;
        }
        let mut below = Vec::new();
        let mut entries = RawDir::new(&directory, listing.spare_capacity_mut());
        while let Some(found) = entries.next() {
            self.operation.check()?;
            let found = found.map_err(|error| failed(&here, error.into()))?;
            let own = found.file_name();
            if matches!(own.to_bytes(), b"." | b"..") {
                continue;
            }
            let failed = |error: Errno| failed(&name::join(&here, own.to_bytes()), error.into());
            let stat = statat(&directory, own, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
            if here.is_empty()
                && own.to_bytes() == self.container.as_bytes()
                && staging_container::is_staging(&stat)
            {
                continue;
            }
            entry.clear();
            entry.extend_from_slice([next.inode, stat.st_ino].map(u64::to_le_bytes).as_flattened());
            entry.extend_from_slice(&stat.st_mode.to_le_bytes());
            let numbers = [stat.st_size, stat.st_mtime, stat.st_ctime].map(|number| number.to_le_bytes());
            entry.extend_from_slice(numbers.as_flattened());
            let nanoseconds = [stat.st_mtime_nsec, stat.st_ctime_nsec].map(|number| number.to_le_bytes());
            entry.extend_from_slice(nanoseconds.as_flattened());
            entry.extend_from_slice(own.to_bytes_with_nul());
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Symlink => {
                    entry.extend(readlinkat(&directory, own, Vec::new()).map_err(failed)?.into_bytes());
                }
                FileType::Directory => below.push(Waiting {
                    above: here.clone(),
                    own: own.to_bytes().into(),
                    inode: stat.st_ino,
                    place: 0,
                }),
                FileType::RegularFile if self.since.is_some_and(|since| changed(&stat) >= since) => {
                    if let Some(content) = self.content(&directory, &here, own)? {
                        contents
                            .get_or_insert_default()
                            .add_entry(&[&**entry, content.as_str().as_bytes()].concat());
                    }
                }
                _ => {}
            }
            sum.add_entry(entry);
            if below.len() == SUBDIRECTORIES {
                below.insert(0, Waiting { place: found.next_entry_cookie(), ..next });
                break;
            }
        }
        Ok(below)
    }

    /// The digest of a file's content, of nothing where it can't be read; none where it does not count after all.
    fn content(&self, directory: &OwnedFd, here: &[u8], own: &CStr) -> Result<Option<Digest>> {
        if let Some(Published { clock, contents }) = self.published {
            if let Some(known) = contents.get(&name::join(here, own.to_bytes())) {
                return Ok(Some(known.clone()));
            }
            if clock.looks_gone_on() {
                return Ok(None);
            }
        }
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if let Ok(file) = openat(directory, own, flags, Mode::empty()) {
            let mut file = std::fs::File::from(file);
            // Not a buffer of zeros, which would cost more than to read a small file into it.
            let mut bytes = Vec::with_capacity(LISTING);
            loop {
                self.operation.check()?;
                bytes.clear();
                (&mut file)
                    .take(LISTING as u64)
                    .read_to_end(&mut bytes)
                    .map_err(|error| Error::io(format_args!("'{}'", printable(own.to_bytes())), error))?;
                hasher.update(&bytes);
                if bytes.len() < LISTING {
                    break;
                }
            }
        }
        Ok(Some(hasher.finish()))
    }
}
