//! Entries of one archive into one directory, which is empty at first: what is there is of this archive.

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, fchmod, fstat, linkat, mkdirat, openat, statat, symlinkat,
};
use rustix::io::Errno;
use std::io;

use crate::archive::link_stays_inside;
use crate::error::{Error, Kind, Result, printable};
use crate::operation::Operation;

use super::UnpackOptions;
use super::buffer_pool::Piece;
use super::directories::Directories;
use super::name;
use super::read::{Entry, Reader, Type};
use super::tree::DeferredChecks;
use super::write::{NewFile, Writers, make_way, taken};

/// Files up to this size are handed to a writer whole.
const SMALL: u64 = 512 << 10;

/// The permissions that an entry can have: no set-id, no sticky bit, no write but the owner's (T-26).
const PERMISSIONS: u32 = 0o755;

/// Puts the entries of one archive beneath a directory.
pub(super) struct Extract<'a> {
    pub(super) options: &'a UnpackOptions,
    pub(super) directories: &'a mut Directories,
    pub(super) writers: Writers<'a>,
    pub(super) deferred: &'a mut DeferredChecks,
    pub(super) operation: &'a Operation,
    /// The permission bits that the umask leaves.
    pub(super) mask: u32,
}

impl Extract<'_> {
    /// All entries, to the archive's end.
    pub(super) fn run(&mut self, reader: &mut Reader) -> Result<()> {
        loop {
            self.operation.check()?;
            self.writers.check()?;
            let Some(entry) = reader.next()? else { break };
            self.operation.expect_entry();
            self.entry(reader, &entry).map_err(|error| {
                // What comes from the stream is not about this entry, and writers name theirs.
                if error.message().starts_with("entry '") || error.kind() == Kind::Cancelled {
                    error
                } else {
                    error.context(format_args!("entry '{}'", printable(&entry.name)))
                }
            })?;
            self.operation.advance_entry();
            let limit = self.options.max_entries;
            if reader.headers().saturating_add(self.directories.made()) > limit {
                return Err(Error::new(
                    Kind::Limit,
                    format!("the archive makes more than max_entries {limit} files and directories"),
                ));
            }
        }
        self.writers.flush()
    }

    fn entry(&mut self, reader: &mut Reader, entry: &Entry) -> Result<()> {
        let path = name::clean(&entry.name, &self.options.names(), self.options.strip_leading_slash)?;
        if path.is_empty() && entry.kind != Type::Directory {
            return refuse("only a directory can be the root");
        }
        match entry.kind {
            Type::File => self.file(reader, &path, entry),
            Type::Directory => self.directory(&path, entry),
            Type::Symlink => self.symlink(&path, entry),
            Type::Hardlink => self.hardlink(&path, entry),
            Type::Special(flag) => {
                let what = match flag {
                    b'3' => "a character device".to_owned(),
                    b'4' => "a block device".to_owned(),
                    b'6' => "a FIFO".to_owned(),
                    flag => format!("of the type '{}'", printable([flag])),
                };
                self.skip_or_refuse(&path, &format!("is {what} (option special_entries)"))
            }
        }
    }

    /// An entry that is left out with a warning where the caller wants that (T-25, today's artifacts).
    fn skip_or_refuse(&self, path: &[u8], why: &str) -> Result<()> {
        if !self.options.skip_special {
            return refuse(why);
        }
        self.operation.warn(format!("entry '{}' was left out: it {why}", printable(path)));
        Ok(())
    }

    fn parent(&mut self, path: &[u8]) -> Result<std::sync::Arc<rustix::fd::OwnedFd>> {
        self.directories.open_or_make(name::split(path).0).map_err(conflict)
    }

    fn file(&mut self, reader: &mut Reader, path: &[u8], entry: &Entry) -> Result<()> {
        let file = NewFile {
            directory: self.parent(path)?,
            path: path.to_vec(),
            mode: entry.mode & PERMISSIONS,
            mtime: self.options.preserve_mtime.then_some(entry.mtime),
            replace: self.options.last_wins,
        };
        if entry.size <= SMALL {
            let mut pieces: Vec<Piece> = Vec::new();
            while let Some(piece) = reader.piece()? {
                pieces.push(piece);
            }
            return self.writers.whole(file, pieces);
        }
        let large = self.writers.begin(&file)?;
        let mut offset = 0;
        while let Some(piece) = reader.piece()? {
            self.operation.check()?;
            self.writers.check()?;
            let length = piece.len() as u64;
            self.writers.part(&large, offset, piece)?;
            offset += length;
        }
        self.writers.end(&large, file.mtime)
    }

    /// The owner keeps all rights on directories: what was pulled can be merged into, replaced and removed.
    fn directory(&mut self, path: &[u8], entry: &Entry) -> Result<()> {
        if path.is_empty() {
            return Ok(());
        }
        let mode = Mode::from_raw_mode(entry.mode & PERMISSIONS | 0o700);
        let parent = self.parent(path)?;
        let own = name::split(path).1;
        match mkdirat(&parent, own, mode) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                // Made before as somebody's parent, or listed twice, which changes nothing but its mode.
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let directory = match openat(&parent, own, flags, Mode::empty()) {
                    Err(Errno::NOTDIR | Errno::LOOP) => return Err(taken(&parent, path, "directory")),
                    result => result.map_err(io::Error::from).map_err(system)?,
                };
                let wanted = mode.as_raw_mode() & self.mask;
                let there = fstat(&directory).map_err(io::Error::from).map_err(system)?.st_mode & 0o7777;
                if there != wanted {
                    fchmod(&directory, Mode::from_raw_mode(wanted))
                        .map_err(io::Error::from)
                        .map_err(system)?;
                }
            }
            Err(error) => return Err(system(error.into())),
        }
        if self.options.preserve_mtime {
            self.deferred.directory_times.push((path.to_vec(), entry.mtime));
        }
        Ok(())
    }

    fn symlink(&mut self, path: &[u8], entry: &Entry) -> Result<()> {
        let limit = self.options.max_link_bytes;
        if entry.link.len() > limit {
            return Err(Error::new(
                Kind::Limit,
                format!("the link's target has {} bytes, over max_link_bytes {limit}", entry.link.len()),
            ));
        }
        if entry.name.ends_with(b"/") {
            return refuse("a symbolic link's name ends with a slash");
        }
        if entry.link.is_empty() || entry.link.contains(&0) {
            return self.skip_or_refuse(path, "is a symbolic link whose target is empty or has a NUL byte");
        }
        if !link_stays_inside(path, &entry.link) {
            let why = format!("links to '{}', which leaves the destination", printable(&entry.link));
            return self.skip_or_refuse(path, &why);
        }
        let parent = self.parent(path)?;
        self.place(path, &parent, "symbolic link", || symlinkat(&*entry.link, &parent, name::split(path).1))?;
        self.deferred.link(path);
        Ok(())
    }

    /// Only to an earlier file of this archive; links on the way are not followed (T-21…T-24).
    fn hardlink(&mut self, path: &[u8], entry: &Entry) -> Result<()> {
        let target = match name::clean(&entry.link, &self.options.names(), self.options.strip_leading_slash) {
            Ok(target) if !target.is_empty() && target != path && !entry.name.ends_with(b"/") => target,
            Err(error) if error.kind() == Kind::Limit => return Err(error),
            _ => return self.skip_or_refuse(path, &bad_hardlink(&entry.link)),
        };
        let (above, own) = name::split(&target);
        // The target may still be on its way.
        self.writers.flush()?;
        let found = self.directories.open(above).and_then(|directory| {
            let stat = statat(&directory, own, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok((FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile).then_some(directory))
        });
        let Ok(Some(directory)) = found else {
            return self.skip_or_refuse(path, &bad_hardlink(&entry.link));
        };
        let parent = self.parent(path)?;
        self.place(path, &parent, "file", || {
            linkat(&directory, own, &parent, name::split(path).1, AtFlags::empty())
        })
    }

    /// Makes a link by `make`, which fails where the name is taken.
    fn place(
        &mut self,
        path: &[u8],
        parent: &rustix::fd::OwnedFd,
        what: &str,
        make: impl Fn() -> rustix::io::Result<()>,
    ) -> Result<()> {
        if self.options.last_wins {
            self.writers.flush()?;
        }
        match make() {
            Err(Errno::EXIST) if self.options.last_wins && make_way(parent, path)? => {
                make().map_err(|error| system(error.into()))
            }
            Err(Errno::EXIST) => Err(taken(parent, path, what)),
            result => result.map_err(|error| system(error.into())),
        }
    }
}

fn refuse<T>(why: impl Into<String>) -> Result<T> {
    Err(Error::new(Kind::Unsafe, why))
}

fn bad_hardlink(target: &[u8]) -> String {
    format!("is a hard link to '{}', which is not an earlier file of the archive", printable(target))
}

fn system(error: io::Error) -> Error {
    Error::io("writing it", error)
}

/// A component of the path is not a directory: a link (ELOOP), a file (ENOTDIR).
fn conflict(error: io::Error) -> Error {
    match Errno::from_io_error(&error) {
        Some(Errno::LOOP | Errno::NOTDIR | Errno::XDEV) => Error::new(
            Kind::Unsafe,
            "a type conflict, a directory of the path is a link or a file in the archive",
        ),
        _ => system(error),
    }
}
