//! Locks between processes: `flock` on a file that may be deleted at any time.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use super::directory::Directory;
use super::identity::file_id;
use super::path::shown;
use crate::error::{Error, Result};
use crate::operation::Operation;

/// The longest pause between two looks at a lock that another process holds.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Who else may hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Others who ask for it shared.
    Shared,
    /// Nobody.
    Exclusive,
}

/// A lock; released when dropped, and by the kernel when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock if it is free.
    pub(crate) fn attempt(directory: &Directory, name: &str, mode: Mode) -> Result<Option<Self>> {
        loop {
            let file = directory.open_lock(name)?;
            let failed = |error| Error::io(shown(&directory.path().join(name)), error);
            if !try_lock(&file, mode).map_err(failed)? {
                return Ok(None);
            }
            // The file may have been deleted, and made anew by another, between the open and the lock.
            if is_named(&file, directory, name)? {
                return Ok(Some(Self { _file: file }));
            }
        }
    }

    /// Waits for the lock, as long as the operation goes on. `flock` itself could not be cancelled (F-25).
    pub(crate) fn wait(directory: &Directory, name: &str, mode: Mode, operation: &Operation) -> Result<Self> {
        wait_for(operation, || Self::attempt(directory, name, mode))
    }
}

/// Takes the lock of an open file, or directory, if it is free; whether it was.
pub(crate) fn try_lock(file: &File, mode: Mode) -> io::Result<bool> {
    loop {
        let locked = match mode {
            Mode::Shared => file.try_lock_shared(),
            Mode::Exclusive => file.try_lock(),
        };
        match locked {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Tries for a lock again and again until `attempt` has it or fails, as long as the operation goes on.
pub(crate) fn wait_for<T>(
    operation: &Operation,
    mut attempt: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(lock) = attempt()? {
            return Ok(lock);
        }
        operation.check()?;
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Whether `name` still means this open file.
pub(crate) fn is_named(file: &File, directory: &Directory, name: &str) -> Result<bool> {
    let own = file.metadata().map_err(|e| Error::io(shown(&directory.path().join(name)), e))?;
    let named = directory.stat(name)?;
    Ok(named.is_some_and(|stat| file_id(&stat) == (own.dev(), own.ino())))
}
