//! What is in directories, in memory that grows neither with their entries nor with the tree.

use std::io;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FileType, SeekFrom, seek};

use crate::error::{Error, Result, printable};
use crate::os::RawDir;

use super::directories::{Directories, kind_of, readable};
use super::name;

/// How many bytes of entries one system call gives.
const BUFFER: usize = 32 << 10;
/// So many subdirectories of one directory are in memory at once.
const SUBDIRECTORIES: usize = 64;

/// Hands each entry of a directory to `visit` as it is read, in no order, and until that breaks off. Entries may go
/// and come meanwhile: those that stay are seen once.
pub(super) fn each(
    directory: impl AsFd,
    mut visit: impl FnMut(&[u8], FileType) -> io::Result<ControlFlow<()>>,
) -> io::Result<()> {
    from(&readable(directory)?, 0, |own, kind, _| visit(own, kind))
}

/// The same from a place in a directory that is open for reading; the place behind an entry comes with it.
fn from(
    directory: &OwnedFd,
    place: u64,
    mut visit: impl FnMut(&[u8], FileType, u64) -> io::Result<ControlFlow<()>>,
) -> io::Result<()> {
    seek(directory, SeekFrom::Start(place))?;
    let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
    let mut entries = RawDir::new(directory, &mut buffer);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let own = entry.file_name().to_bytes();
        if matches!(own, b"." | b"..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => kind_of(directory, own)?,
            kind => kind,
        };
        if visit(own, kind, entry.next_entry_cookie())?.is_break() {
            break;
        }
    }
    Ok(())
}

/// Whether a directory has an entry that is not `but`.
pub(super) fn has_other(directory: impl AsFd, but: Option<&[u8]>) -> io::Result<bool> {
    let mut other = false;
    each(directory, |own, _| {
        other = Some(own) != but;
        Ok(if other { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(other)
}

/// A directory on the way down.
struct Level {
    path: Vec<u8>,
    waiting: Vec<Box<[u8]>>,
    /// Where its other subdirectories begin.
    next: Option<u64>,
}

/// Calls `enter` for the root and for each directory below it, above before below, if `enter` wants what is in it.
/// What `enter` changes in a directory it changes before it comes back.
pub(super) fn each_directory(
    directories: &mut Directories,
    mut enter: impl FnMut(&OwnedFd, &[u8]) -> Result<bool>,
) -> Result<()> {
    let failed = |path: &[u8], error| Error::io(format_args!("directory '{}'", printable(path)), error);
    let mut levels: Vec<Level> = Vec::new();
    let mut next = Some(Vec::new());
    loop {
        if let Some(path) = next.take() {
            let directory = directories.open(&path).map_err(|error| failed(&path, error))?;
            if enter(&directory, &path)? {
                levels.push(Level { path, waiting: Vec::new(), next: Some(0) });
            }
        }
        let Some(level) = levels.last_mut() else { return Ok(()) };
        if let Some(own) = level.waiting.pop() {
            next = Some(name::join(&level.path, &own));
            continue;
        }
        let Some(place) = level.next.take() else {
            levels.pop();
            continue;
        };
        let Level { path, waiting, next } = level;
        let read = directories.open(path).and_then(|directory| {
            from(&readable(&directory)?, place, |own, kind, behind| {
                if kind == FileType::Directory {
                    waiting.push(own.into());
                }
                if waiting.len() < SUBDIRECTORIES {
                    return Ok(ControlFlow::Continue(()));
                }
                *next = Some(behind);
                Ok(ControlFlow::Break(()))
            })
        });
        read.map_err(|error| failed(path, error))?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::directories::Confinement;
    use super::*;

    #[test]
    fn every_directory_is_entered_once_however_many_there_are() {
        let place = tempfile::tempdir().unwrap();
        for n in 0..300 {
            std::fs::create_dir_all(place.path().join(format!("{n}/{}/x", n % 3))).unwrap();
            std::fs::write(place.path().join(format!("file {n}")), "").unwrap();
        }
        let root = readable(std::fs::File::open(place.path()).unwrap()).unwrap();
        let mut directories = Directories::new(root, Confinement::Kernel);
        let mut seen = std::collections::BTreeSet::new();
        each_directory(&mut directories, |_, path| {
            assert!(seen.insert(path.to_vec()), "twice: {}", printable(path));
            Ok(!path.starts_with(b"7/"))
        })
        .unwrap();
        let below = |n: usize| if n == 7 { 2 } else { 3 };
        assert_eq!(seen.len(), 1 + (0..300).map(below).sum::<usize>());
        assert!(!seen.contains(&b"7/1/x"[..]) && seen.contains(&b"8/2/x"[..]));
    }

    #[test]
    fn a_directory_has_others_than_the_one_that_is_excepted() {
        let place = tempfile::tempdir().unwrap();
        let directory = std::fs::File::open(place.path()).unwrap();
        assert!(!has_other(&directory, None).unwrap());
        std::fs::write(place.path().join("a"), "").unwrap();
        assert!(has_other(&directory, None).unwrap() && !has_other(&directory, Some(b"a")).unwrap());
        std::fs::write(place.path().join("b"), "").unwrap();
        assert!(has_other(&directory, Some(b"a")).unwrap());
    }
}
