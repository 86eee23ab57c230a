//! Paths beneath a directory: every component is resolved by the kernel below a descriptor, and no symbolic
//! link is followed on the way.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, statat};
use rustix::io::Errno;

use super::name;
use crate::os::{Links, THROUGH, open_beneath};

/// How a path is kept beneath a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// By `openat2` (Linux 5.6), and component by component where the system or a sandbox refuses that.
    Kernel,
    /// Component by component.
    Components,
}

/// Directories kept open: archives stay in one for many entries. Few, since descriptors are scarce.
const CACHED: usize = 12;
/// The longest path a system call takes, without its NUL.
const PATH: usize = 4095;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The directories beneath a root.
pub(super) struct Directories {
    root: Arc<OwnedFd>,
    confinement: Confinement,
    flags: OFlags,
    /// The most recently used first.
    cached: VecDeque<(Vec<u8>, Arc<OwnedFd>)>,
    /// How many were made.
    made: u64,
}

impl Directories {
    pub(super) fn new(root: OwnedFd, confinement: Confinement) -> Self {
        let flags = DIRECTORY | THROUGH;
        Self { root: Arc::new(root), confinement, flags, cached: VecDeque::with_capacity(CACHED), made: 0 }
    }

    /// Whose directories, but for the root, are opened for reading at once: each is to be listed, and once.
    pub(super) fn to_list(root: OwnedFd, confinement: Confinement) -> Self {
        Self { flags: DIRECTORY | OFlags::RDONLY, ..Self::new(root, confinement) }
    }

    pub(super) fn root(&self) -> &Arc<OwnedFd> {
        &self.root
    }

    /// How many directories were made because they were missing.
    pub(super) fn made(&self) -> u64 {
        self.made
    }

    /// The directory at a clean path.
    pub(super) fn open(&mut self, path: &[u8]) -> io::Result<Arc<OwnedFd>> {
        if path.is_empty() {
            return Ok(self.root.clone());
        }
        if let Some(place) = self.cached.iter().position(|(cached, _)| cached == path)
            && let Some(found) = self.cached.remove(place)
        {
            let directory = found.1.clone();
            self.cached.push_front(found);
            return Ok(directory);
        }
        let (from, rest) = self.nearest(path);
        let directory = Arc::new(beneath(&from, rest, self.confinement, self.flags)?);
        self.remember(path, &directory);
        Ok(directory)
    }

    /// The same; missing ones are made 0755 less the umask.
    pub(super) fn open_or_make(&mut self, path: &[u8]) -> io::Result<Arc<OwnedFd>> {
        match self.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => return result,
        }
        let (mut directory, rest) = self.nearest(path);
        let mut at = path.len() - rest.len();
        for component in rest.split(|&byte| byte == b'/') {
            let next = match step(&directory, component, self.flags) {
                Err(Errno::NOENT) => {
                    match mkdirat(&directory, component, Mode::from_raw_mode(0o755)) {
                        Ok(()) => self.made += 1,
                        Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    step(&directory, component, self.flags)?
                }
                result => result?,
            };
            directory = Arc::new(next);
            at += component.len();
            self.remember(path.get(..at).unwrap_or(path), &directory);
            at += 1;
        }
        Ok(directory)
    }

    /// The nearest cached directory above `path`, and the path from there.
    fn nearest<'a>(&self, path: &'a [u8]) -> (Arc<OwnedFd>, &'a [u8]) {
        let mut above = name::split(path).0;
        while !above.is_empty() {
            if let Some((_, directory)) = self.cached.iter().find(|(cached, _)| cached == above) {
                return (directory.clone(), path.get(above.len() + 1..).unwrap_or_default());
            }
            above = name::split(above).0;
        }
        (self.root.clone(), path)
    }

    fn remember(&mut self, path: &[u8], directory: &Arc<OwnedFd>) {
        self.cached.truncate(CACHED - 1);
        self.cached.push_front((path.to_vec(), directory.clone()));
    }
}

fn step(directory: &OwnedFd, component: &[u8], flags: OFlags) -> rustix::io::Result<OwnedFd> {
    openat(directory, component, flags, Mode::empty())
}

/// Opens the directory at a clean path beneath another.
fn beneath(directory: &OwnedFd, path: &[u8], confinement: Confinement, flags: OFlags) -> io::Result<OwnedFd> {
    if confinement == Confinement::Kernel
        && path.len() <= PATH
        && let Some(found) = open_beneath(directory, path, flags, Links::None)?
    {
        return Ok(found);
    }
    let mut at = None;
    for component in path.split(|&byte| byte == b'/') {
        at = Some(step(at.as_ref().unwrap_or(directory), component, flags)?);
    }
    at.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// A directory of the tree, opened for reading from a descriptor of it.
pub(super) fn readable(directory: impl AsFd) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(openat(directory, c".", flags, Mode::empty())?)
}

/// The type of one entry, links not followed.
pub(super) fn kind_of(directory: impl AsFd, name: &[u8]) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode))
}
