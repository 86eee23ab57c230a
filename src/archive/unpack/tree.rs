//! Work on a whole unpacked tree: proof of its links, times of its directories, merging into another tree.

use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, openat, readlinkat, renameat, unlinkat, utimensat};
use rustix::io::Errno;

use crate::error::{Error, Kind, Result, printable};
use crate::fs::duplicate;
use crate::operation::Operation;
use crate::os::{Links, THROUGH, open_beneath};

use super::directories::{Confinement, Directories, kind_of};
use super::listing::{each, each_directory};
use super::name;
use super::write::timestamps;

/// What has to be seen to once everything is in its place.
#[derive(Default)]
pub(super) struct DeferredChecks {
    links: Vec<Vec<u8>>,
    bytes: usize,
    /// More links than are worth remembering: the tree is searched for them.
    many: bool,
    /// Grows with the directories of the archive, under `preserve_mtime` alone.
    pub(super) directory_times: Vec<(Vec<u8>, (i64, u32))>,
}

/// The most that the remembered links take.
const LINK_BYTES: usize = 256 << 10;

impl DeferredChecks {
    /// A symbolic link was made.
    pub(super) fn link(&mut self, path: &[u8]) {
        self.bytes += path.len() + size_of::<Vec<u8>>();
        if self.bytes > LINK_BYTES {
            self.many = true;
            self.links = Vec::new();
        } else {
            self.links.push(path.to_vec());
        }
    }
}

/// Proves that each symbolic link leads nowhere outside, by resolving it beneath the root. One that dangles
/// inside is allowed; one that leaves, or could once another pull is merged into this one's tree, is removed
/// with a warning where `skip` says so, else UNSAFE.
pub(super) fn prove_links(
    directories: &mut Directories,
    deferred: &DeferredChecks,
    confinement: Confinement,
    skip: bool,
    operation: &Operation,
) -> Result<()> {
    let root = directories.root().clone();
    // Directories of its own, since those that are walked are held meanwhile.
    let mut beneath = Directories::new(duplicate(&root)?, confinement);
    let mut prove = |directory: &OwnedFd, path: &[u8]| {
        let failed = |error| Error::io(printable(path), error);
        let text = match readlinkat(directory, name::split(path).1, Vec::new()) {
            // Another entry of that name came after it, or it was left out before.
            Err(Errno::INVAL | Errno::NOENT) => return Ok(()),
            result => result.map_err(|error| failed(error.into()))?.into_bytes(),
        };
        let why = match resolve(&root, path, confinement).map_err(failed)? {
            Leads::Inside if goes_up_behind_directories(&mut beneath, path, &text).map_err(failed)? => {
                return Ok(());
            }
            Leads::Inside => "is a symbolic link that goes up behind another, or behind what is not there",
            Leads::Outside => "is a symbolic link that leaves the destination through other links",
            Leads::Loop => "is a symbolic link in a loop, or behind too many others",
        };
        if !skip {
            return Err(Error::new(Kind::Unsafe, format!("entry '{}' {why}", printable(path))));
        }
        operation.warn(format!("entry '{}' was left out: it {why}", printable(path)));
        unlinkat(directory, name::split(path).1, AtFlags::empty())
            .map_err(|error| Error::io(printable(path), error.into()))
    };
    if deferred.many {
        return each_directory(directories, |directory, above| {
            each(directory, |own, kind| {
                operation.check()?;
                if kind == FileType::Symlink {
                    prove(directory, &name::join(above, own))?;
                }
                Ok(ControlFlow::Continue(()))
            })
            .map_err(|error| Error::io(format_args!("directory '{}'", printable(above)), error))?;
            Ok(true)
        });
    }
    for path in &deferred.links {
        operation.check()?;
        let directory =
            directories.open(name::split(path).0).map_err(|error| Error::io(printable(path), error))?;
        prove(&directory, path)?;
    }
    Ok(())
}

/// Sets the times of directories, after which nothing may be put into them.
pub(super) fn set_times(
    directories: &mut Directories,
    deferred: &DeferredChecks,
    operation: &Operation,
) -> Result<()> {
    for (path, mtime) in &deferred.directory_times {
        operation.check()?;
        let failed = |error| Error::io(format_args!("directory '{}'", printable(path)), error);
        let (above, own) = name::split(path);
        let directory = directories.open(above).map_err(failed)?;
        utimensat(&directory, own, &timestamps(*mtime), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| failed(error.into()))?;
    }
    Ok(())
}

/// Whether all that the text of the link at `path` goes up from again are directories. A name that is another
/// link, or not there, can come to mean another place by a merge, and what was inside is outside then; a
/// directory stays one.
fn goes_up_behind_directories(directories: &mut Directories, path: &[u8], text: &[u8]) -> io::Result<bool> {
    let parts = || text.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    let Some(last) = parts().collect::<Vec<_>>().iter().rposition(|part| *part == b"..") else {
        return Ok(true);
    };
    let mut at = name::split(path).0.to_vec();
    for part in parts().take(last) {
        if part == b".." {
            at = name::split(&at).0.to_vec();
            continue;
        }
        at = name::join(&at, part);
        match directories.open(&at) {
            Ok(_) => {}
            Err(error) => {
                return match Errno::from_io_error(&error) {
                    Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => Ok(false),
                    _ => Err(error),
                };
            }
        }
    }
    Ok(true)
}

enum Leads {
    Inside,
    Outside,
    Loop,
}

fn resolve(root: &Arc<OwnedFd>, path: &[u8], confinement: Confinement) -> io::Result<Leads> {
    let flags = THROUGH | OFlags::CLOEXEC;
    if confinement == Confinement::Kernel {
        match open_beneath(root, path, flags, Links::Beneath) {
            Ok(Some(_)) | Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Leads::Inside),
            Err(Errno::XDEV) => return Ok(Leads::Outside),
            Err(Errno::LOOP) => return Ok(Leads::Loop),
            // Not to be had, or (AGAIN) not sure of a `..`, since something was renamed meanwhile, wherever it was.
            Ok(None) | Err(Errno::NAMETOOLONG | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
    resolve_by_components(root, path)
}

/// The most links that Linux follows on one path.
const LINKS: usize = 40;

fn resolve_by_components(root: &Arc<OwnedFd>, path: &[u8]) -> io::Result<Leads> {
    let parts = |path: &[u8]| path.split(|&byte| byte == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let mut left: VecDeque<Vec<u8>> = parts(path).into();
    let mut stack: Vec<OwnedFd> = Vec::new();
    let mut links = 0;
    while let Some(component) = left.pop_front() {
        match component.as_slice() {
            b"" | b"." => continue,
            b".." if stack.pop().is_none() => return Ok(Leads::Outside),
            b".." => continue,
            _ => {}
        }
        let at = stack.last().unwrap_or(root);
        let flags = THROUGH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = match openat(at, &*component, flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Leads::Inside),
            result => result?,
        };
        match FileType::from_raw_mode(fstat(&found)?.st_mode) {
            FileType::Directory => stack.push(found),
            FileType::Symlink => {
                links += 1;
                if links > LINKS {
                    return Ok(Leads::Loop);
                }
                let target = readlinkat(&found, c"", Vec::new())?.into_bytes();
                if target.starts_with(b"/") {
                    return Ok(Leads::Outside);
                }
                for part in parts(&target).into_iter().rev() {
                    left.push_front(part);
                }
            }
            _ => {
                return Ok(Leads::Inside);
            }
        }
    }
    Ok(Leads::Inside)
}

/// Moves all of one tree into another, file by file over what is there. Where the types of two entries
/// differ, the error is of `kind`, and nothing is moved.
pub(super) fn merge(
    from: &mut Directories,
    into: &mut Directories,
    kind: Kind,
    operation: &Operation,
) -> Result<()> {
    let device = fstat(from.root()).map_err(|error| Error::io("staging", error.into()))?.st_dev;
    // The first round only looks.
    each_directory(from, |source, above| {
        let failed = |error| Error::io(format_args!("directory '{}'", printable(above)), error);
        let Some(target) = open_if_there(into, above).map_err(failed)? else { return Ok(false) };
        if fstat(&target).map_err(io::Error::from).map_err(failed)?.st_dev != device {
            return Err(Error::new(
                Kind::Unsupported,
                format!("'{}' in the destination is another file system", printable(above)),
            ));
        }
        each(source, |own, type_| {
            operation.check()?;
            match type_there(&target, own)? {
                Some(there) if there != type_ => {
                    let path = printable(name::join(above, own));
                    let words = [describe(type_), describe(there)];
                    let why = format!("'{path}' would be a {}, there is a {}", words[0], words[1]);
                    Err(Error::new(kind, why).into())
                }
                _ => Ok(ControlFlow::Continue(())),
            }
        })
        .map_err(failed)?;
        Ok(true)
    })?;
    // In the second, all goes but directories that are in both. What goes while a directory is read may hide
    // another entry from that reading.
    each_directory(from, |source, above| {
        let failed = |error| Error::io(format_args!("directory '{}'", printable(above)), error);
        let target = into.open(above).map_err(failed)?;
        let mut moved = true;
        while moved {
            moved = false;
            each(source, |own, type_| {
                operation.check()?;
                if type_ != FileType::Directory || type_there(&target, own)?.is_none() {
                    renameat(source, own, &target, own).map_err(|error| {
                        Error::io(format_args!("'{}'", printable(name::join(above, own))), error.into())
                    })?;
                    moved = true;
                }
                Ok(ControlFlow::Continue(()))
            })
            .map_err(failed)?;
        }
        Ok(true)
    })
}

fn open_if_there(directories: &mut Directories, path: &[u8]) -> io::Result<Option<Arc<OwnedFd>>> {
    match directories.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

fn type_there(directory: &OwnedFd, own: &[u8]) -> io::Result<Option<FileType>> {
    match kind_of(directory, own) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

fn describe(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "directory",
        FileType::Symlink => "symbolic link",
        FileType::RegularFile => "file",
        _ => "special file",
    }
}
