//! Locks between processes: `flock` on a file that may be deleted at any time.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use super::directory::{Directory, shown};
use crate::error::{Error, Result};
use crate::operation::Operation;

/// The longest pause between two looks at a lock that another process holds.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Who else may hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Others who ask for it shared.
    Shared,
    /// Nobody.
    Exclusive,
}

/// A lock; released when dropped, and by the kernel when the process dies.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock if it is free.
    pub(super) fn attempt(directory: &Directory, name: &str, mode: Mode) -> Result<Option<Self>> {
        loop {
            let file = directory.open_or_create_file(name)?;
            let locked = match mode {
                Mode::Shared => file.try_lock_shared(),
                Mode::Exclusive => file.try_lock(),
            };
            match locked {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => continue,
                Err(TryLockError::Error(error)) => {
                    return Err(Error::io(shown(&directory.path().join(name)), error));
                }
            }
            // The file may have been deleted, and made anew by another, between the open and the lock.
            if is_named(&file, directory, name)? {
                return Ok(Some(Self { _file: file }));
            }
        }
    }

    /// Waits for the lock, as long as the operation goes on. `flock` itself could not be cancelled (F-25).
    pub(super) fn wait(directory: &Directory, name: &str, mode: Mode, operation: &Operation) -> Result<Self> {
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(lock) = Self::attempt(directory, name, mode)? {
                return Ok(lock);
            }
            operation.check()?;
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Whether `name` still means this open file.
pub(super) fn is_named(file: &File, directory: &Directory, name: &str) -> Result<bool> {
    let own = file.metadata().map_err(|e| Error::io(shown(&directory.path().join(name)), e))?;
    let named = directory.stat(name)?;
    Ok(named.is_some_and(|stat| (stat.st_dev, stat.st_ino) == (own.dev(), own.ino())))
}
