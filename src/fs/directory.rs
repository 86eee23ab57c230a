//! A directory held open. What is in it is reached by one name, and no symbolic link is followed.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

use super::beneath;
use super::identity::{FileId, file_id};
use super::path::shown;
use crate::error::{Error, Kind, Result};

/// How a directory and the files made in it are accessible; the umask takes away from it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Access {
    /// 0700 and 0600.
    Private,
    /// 0777 and 0666.
    Shared,
}

impl Access {
    fn directory(self) -> Mode {
        Mode::from_raw_mode(if matches!(self, Self::Private) { 0o700 } else { 0o777 })
    }
    fn file(self) -> Mode {
        Mode::from_raw_mode(if matches!(self, Self::Private) { 0o600 } else { 0o666 })
    }
}

/// What a path beneath a directory leads to.
pub(crate) enum Found {
    /// A regular file that lies beneath it.
    File(File),
    /// Links that lead out of it.
    Outside,
}

/// The mode of what nobody writes to any more.
const FIXED: Mode = Mode::RUSR.union(Mode::RGRP).union(Mode::ROTH);

/// How a file is opened to be read: no FIFO's writer is waited for, no terminal becomes ours.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// A directory held open.
#[derive(Debug)]
pub(crate) struct Directory {
    fd: OwnedFd,
    path: PathBuf,
    access: Access,
}

fn failed(path: &Path, errno: Errno) -> Error {
    Error::io(shown(path), io::Error::from(errno))
}

/// Whether an error is the system's "no such file or directory".
pub(crate) fn is_absent(error: &Error) -> bool {
    error.errno() == Some(Errno::NOENT.raw_os_error())
}

/// Opens a directory by a path of the caller's, whose links are the caller's business.
pub(crate) fn open_directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// A second descriptor of the same open directory.
pub(crate) fn duplicate(directory: &OwnedFd) -> Result<OwnedFd> {
    rustix::io::fcntl_dupfd_cloexec(directory, 0)
        .map_err(|error| Error::io("staging directory", error.into()))
}

impl Directory {
    /// Opens a directory that is there. Links in the caller's own path are followed.
    pub(crate) fn open(path: &Path, access: Access) -> Result<Self> {
        let fd = retry_on_intr(|| open_directory(path)).map_err(|e| failed(path, e))?;
        Ok(Self { fd, path: path.to_owned(), access })
    }

    /// Opens a directory, made with its parents where it is absent; again, when it is deleted meanwhile.
    pub(crate) fn create(path: &Path, access: Access) -> Result<Self> {
        let mut tries = 0;
        loop {
            match Self::open(path, access) {
                Err(error) if is_absent(&error) && tries < 100 => tries += 1,
                opened => return opened,
            }
            if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                match std::fs::create_dir_all(parent) {
                    // That one was there and is not any more.
                    Err(error)
                        if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound)
                            && !parent.is_file() =>
                    {
                        continue;
                    }
                    made => made.map_err(|e| Error::io(shown(parent), e))?,
                }
            }
            match rustix::fs::mkdirat(CWD, path, access.directory()) {
                Ok(()) | Err(Errno::EXIST | Errno::NOENT) => {}
                Err(errno) => return Err(failed(path, errno)),
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A directory in it; absent = `None`.
    pub(crate) fn child(&self, name: &str) -> Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match self.open_at(name, flags) {
            Ok(fd) => Ok(Some(Self { fd, path: self.path.join(name), access: self.access })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.refused(name, errno)),
        }
    }

    /// A directory in it, made where it is absent.
    pub(crate) fn child_or_create(&self, name: &str) -> Result<Self> {
        if let Some(child) = self.child(name)? {
            return Ok(child);
        }
        self.make_child(name)?;
        self.child(name)?.ok_or_else(|| failed(&self.path.join(name), Errno::NOENT))
    }

    /// Makes a directory in it; `false` = the name is taken.
    pub(crate) fn make_child(&self, name: &str) -> Result<bool> {
        match rustix::fs::mkdirat(&self.fd, name, self.access.directory()) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(failed(&self.path.join(name), errno)),
        }
    }

    /// The same directory, after it was renamed.
    pub(crate) fn renamed(self, path: PathBuf) -> Self {
        Self { path, ..self }
    }

    /// A regular file in it, for reading; absent = `None`.
    pub(crate) fn open_file(&self, name: &str) -> Result<Option<File>> {
        match self.open_at(name, READ | OFlags::NOFOLLOW) {
            Ok(fd) => self.regular(name, fd).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.refused(name, errno)),
        }
    }

    /// The regular file at a path beneath it, for reading, where links lead to too; absent = `None`.
    pub(crate) fn find_file(&self, names: &[&str]) -> Result<Option<Found>> {
        let path = names.join("/");
        match beneath::open(&self.fd, &path, READ) {
            Ok(fd) => self.regular(&path, fd).map(|file| Some(Found::File(file))),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::XDEV | Errno::AGAIN) => Ok(Some(Found::Outside)),
            Err(errno) => Err(self.refused(&path, errno)),
        }
    }

    /// The regular file at a path beneath it, for reading, wherever links lead to; absent = `None`.
    pub(crate) fn open_outside(&self, names: &[&str]) -> Result<Option<File>> {
        let path = names.join("/");
        // Looked at before, since to open a device can do something.
        match rustix::fs::statat(&self.fd, &path, AtFlags::empty()) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => {
                return Err(self.not_regular(&path));
            }
            Ok(_) => {}
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed(&self.path.join(path), errno)),
        }
        match self.open_at(&path, READ) {
            Ok(fd) => self.regular(&path, fd).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(failed(&self.path.join(path), errno)),
        }
    }

    /// A regular file in it that is there to be locked, made where it is absent. One of another user that can be read
    /// alone serves as well.
    pub(crate) fn open_lock(&self, name: &str) -> Result<File> {
        let plain = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        // What is there is opened without CREATE, which is refused in directories that are sticky.
        let tries = [OFlags::RDWR, OFlags::RDWR | OFlags::CREATE, OFlags::RDONLY];
        let mut last = Errno::NOENT;
        for flags in tries {
            match self.open_at(name, plain | flags) {
                Ok(fd) => return self.regular(name, fd),
                Err(Errno::NOENT) => {}
                Err(errno @ (Errno::ACCESS | Errno::PERM)) => last = errno,
                Err(errno) => return Err(self.refused(name, errno)),
            }
        }
        Err(self.refused(name, last))
    }

    /// A regular file in it, for reading and appending, made where it is absent.
    pub(crate) fn open_or_create_file(&self, name: &str) -> Result<File> {
        let flags = OFlags::RDWR
            | OFlags::CREATE
            | OFlags::APPEND
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::CLOEXEC;
        let fd = self.open_at(name, flags).map_err(|errno| self.refused(name, errno))?;
        self.regular(name, fd)
    }

    /// A new file in it, for reading and writing; `None` = the name is taken. A fixed one can be read alone, once it
    /// is closed.
    pub(crate) fn create_file(&self, name: &str, fixed: bool) -> Result<Option<File>> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = self.access.file() & if fixed { FIXED } else { Mode::all() };
        match retry_on_intr(|| rustix::fs::openat(&self.fd, name, flags, mode)) {
            Ok(fd) => Ok(Some(File::from(fd))),
            Err(Errno::EXIST) => Ok(None),
            Err(errno) => Err(failed(&self.path.join(name), errno)),
        }
    }

    fn open_at(&self, name: &str, flags: OFlags) -> std::result::Result<OwnedFd, Errno> {
        let mode = if flags.contains(OFlags::CREATE) { self.access.file() } else { Mode::empty() };
        retry_on_intr(|| rustix::fs::openat(&self.fd, name, flags, mode))
    }

    fn regular(&self, name: &str, fd: OwnedFd) -> Result<File> {
        let path = self.path.join(name);
        let stat = rustix::fs::fstat(&fd).map_err(|errno| failed(&path, errno))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(self.not_regular(name));
        }
        Ok(File::from(fd))
    }

    fn not_regular(&self, name: &str) -> Error {
        Error::new(Kind::Unsafe, format!("{} is not a regular file", shown(&self.path.join(name))))
    }

    /// The error of an open that `NOFOLLOW` or `DIRECTORY` may have refused.
    fn refused(&self, name: &str, errno: Errno) -> Error {
        let path = self.path.join(name);
        // A socket, or a device that nothing serves.
        if errno == Errno::NXIO {
            return self.not_regular(name);
        }
        let link = matches!(errno, Errno::LOOP | Errno::NOTDIR)
            && self.stat(name).is_ok_and(|stat| {
                stat.is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
            });
        if link {
            return Error::new(
                Kind::Unsafe,
                format!("{} is a symbolic link, which is not followed here", shown(&path)),
            );
        }
        failed(&path, errno)
    }

    /// The state of what has this name, not followed; absent = `None`.
    pub(crate) fn stat(&self, name: &str) -> Result<Option<Stat>> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(failed(&self.path.join(name), errno)),
        }
    }

    /// Removes a file; whether it was there.
    pub(crate) fn remove(&self, name: &str) -> Result<bool> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(failed(&self.path.join(name), errno)),
        }
    }

    /// Removes what has this name and is of another kind, a directory with all that is in it; whether it did.
    pub(crate) fn remove_unless(&self, wanted: FileType, name: &str) -> Result<bool> {
        let Some(stat) = self.stat(name)? else { return Ok(false) };
        match FileType::from_raw_mode(stat.st_mode) {
            found if found == wanted => Ok(false),
            FileType::Directory => {
                let path = self.path.join(name);
                std::fs::remove_dir_all(&path).map_err(|e| Error::io(shown(&path), e)).map(|()| true)
            }
            _ => self.remove(name),
        }
    }

    /// Moves a file of this directory to `target`, over what is there.
    pub(crate) fn rename(&self, name: &str, target: &Self, to: impl AsRef<Path>) -> Result<()> {
        let to = to.as_ref();
        rustix::fs::renameat(&self.fd, name, &target.fd, to)
            .map_err(|errno| failed(&target.path.join(to), errno))
    }

    /// Gives the file at `path` a second name here; whether that could be done.
    pub(crate) fn link(&self, path: &Path, name: &str) -> bool {
        rustix::fs::linkat(CWD, path, &self.fd, name, AtFlags::empty()).is_ok()
    }

    /// The names in it that are UTF-8, unordered; nothing here has another.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let read = || -> std::result::Result<Vec<String>, Errno> {
            let mut names = Vec::new();
            for entry in rustix::fs::Dir::read_from(&self.fd)? {
                let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
                match name.into_string() {
                    Ok(name) if name != "." && name != ".." => names.push(name),
                    _ => {}
                }
            }
            Ok(names)
        };
        retry_on_intr(read).map_err(|errno| failed(&self.path, errno))
    }

    /// Makes its entries survive a loss of power.
    pub(crate) fn sync(&self) -> Result<()> {
        match retry_on_intr(|| rustix::fs::fsync(&self.fd)) {
            // Some network and FUSE file systems cannot sync a directory.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(errno) => Err(failed(&self.path, errno)),
        }
    }

    /// Device and inode.
    pub(crate) fn identity(&self) -> Result<FileId> {
        let stat = rustix::fs::fstat(&self.fd).map_err(|errno| failed(&self.path, errno))?;
        Ok(file_id(&stat))
    }
}
