//! Files that become visible whole: written under a temporary name, then renamed.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory::Directory;
use super::lock::is_named;
use super::path::shown;
use crate::error::{Error, Kind, Result};

/// A file without its final name; removed when dropped.
#[derive(Debug)]
pub(crate) struct Temporary {
    directory: Arc<Directory>,
    name: String,
    file: File,
}

/// A name that nobody else has, as far as chance goes; whoever uses it creates exclusively.
pub(crate) fn unique_name() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// Whether a name may be one of those.
pub(crate) fn is_unique_name(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Temporary {
    /// A new empty file in `directory`.
    pub(crate) fn create(directory: Arc<Directory>) -> Result<Self> {
        Self::made(directory, false)
    }

    /// The same with a mode that lets nobody write to it later.
    pub(crate) fn create_fixed(directory: Arc<Directory>) -> Result<Self> {
        Self::made(directory, true)
    }

    fn made(directory: Arc<Directory>, fixed: bool) -> Result<Self> {
        loop {
            let name = unique_name();
            if let Some(file) = directory.create_file(&name, fixed)? {
                return Ok(Self { directory, name, file });
            }
        }
    }

    /// The same with a name of the caller's, who alone may use it: one that a crash left behind is replaced.
    pub(crate) fn create_as(directory: Arc<Directory>, name: String) -> Result<Self> {
        directory.remove(&name)?;
        match directory.create_file(&name, false)? {
            Some(file) => Ok(Self { directory, name, file }),
            None => {
                Err(Error::new(Kind::Busy, format!("{} is in use", shown(&directory.path().join(&name)))))
            }
        }
    }

    /// A second name for the file at `path`, which is open as `file`; `None` = that can't be done.
    pub(crate) fn link(directory: Arc<Directory>, path: &Path, file: File) -> Result<Option<Self>> {
        let name = unique_name();
        if !directory.link(path, &name) {
            return Ok(None);
        }
        let linked = Self { directory, name, file };
        // Between the open and the link, the path may have come to mean another.
        let same = is_named(&linked.file, &linked.directory, &linked.name)?;
        Ok(Some(linked).filter(|_| same))
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Writes, as `Write` has it: an interruption stays one, so that `write_all` goes on.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.file).write(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::Interrupted => error,
            _ => self.failed(error).into(),
        })
    }

    /// An error of a read or write of it.
    pub(crate) fn failed(&self, error: io::Error) -> Error {
        Error::io(shown(&self.directory.path().join(&self.name)), error)
    }

    /// Makes its bytes survive a loss of power.
    pub(crate) fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| self.failed(e))
    }

    /// Closes it; what is given out removes it in its stead.
    pub(crate) fn release(mut self) -> Kept {
        Kept { directory: self.directory.clone(), name: std::mem::take(&mut self.name) }
    }

    /// Gives it its final name, over what is there.
    pub(crate) fn rename(mut self, target: &Directory, name: impl AsRef<Path>) -> Result<()> {
        self.directory.rename(&self.name, target, name)?;
        self.name.clear();
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            let _ = self.directory.remove(&self.name);
        }
    }
}

/// A file that is closed but still goes with its owner.
#[derive(Debug)]
pub(crate) struct Kept {
    directory: Arc<Directory>,
    name: String,
}

impl Kept {
    pub(crate) fn open(&self) -> Result<Option<File>> {
        self.directory.open_file(&self.name)
    }
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join(&self.name)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.directory.remove(&self.name);
    }
}
