//! The clock by which a file system counts its times, in steps of its own.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, Stat, fchmod, fstat};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// A file system's clock since it was looked at.
pub(super) struct Clock<'a> {
    /// A directory of ours there, which is touched to read it.
    ours: &'a OwnedFd,
    mode: Mode,
    started: i64,
    gone_on: AtomicBool,
}

impl<'a> Clock<'a> {
    pub(super) fn start(ours: &'a OwnedFd) -> Result<Self> {
        let failed = |error: Errno| Error::io("staging directory", error.into());
        let mode = Mode::from_raw_mode(fstat(ours).map_err(failed)?.st_mode);
        let started = touch(ours, mode).map_err(failed)?;
        Ok(Self { ours, mode, started, gone_on: AtomicBool::new(false) })
    }

    /// What it showed: nothing that was there then has a later ctime.
    pub(super) fn started(&self) -> i64 {
        self.started
    }

    /// Whether it shows more by now. Whatever changes from then on has a later ctime than all that was there at the
    /// start, however long the clock's steps are.
    pub(super) fn looks_gone_on(&self) -> bool {
        if !self.has_gone_on() && touch(self.ours, self.mode).is_ok_and(|now| now > self.started) {
            self.gone_on.store(true, Ordering::Relaxed);
        }
        self.has_gone_on()
    }

    /// Whether that was seen.
    pub(super) fn has_gone_on(&self) -> bool {
        self.gone_on.load(Ordering::Relaxed)
    }
}

fn touch(ours: &OwnedFd, mode: Mode) -> rustix::io::Result<i64> {
    fchmod(ours, mode)?;
    Ok(changed(&fstat(ours)?))
}

/// A ctime in nanoseconds.
pub(super) fn changed(stat: &Stat) -> i64 {
    let nanoseconds = i64::try_from(stat.st_ctime_nsec).unwrap_or_default();
    stat.st_ctime.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::open_directory;

    #[test]
    fn q97_what_changes_once_the_clock_has_gone_on_is_later_than_what_was_there() {
        let place = tempfile::tempdir().unwrap();
        let ours = place.path().join("ours");
        std::fs::create_dir(&ours).unwrap();
        let ours = open_directory(&ours).unwrap();
        let write = || {
            std::fs::write(place.path().join("a"), "1").unwrap();
            changed(&rustix::fs::stat(place.path().join("a")).unwrap())
        };
        for _ in 0..20 {
            let before = write();
            let clock = Clock::start(&ours).unwrap();
            assert!(before <= clock.started());
            assert!(!clock.has_gone_on());
            while !clock.looks_gone_on() {
                std::thread::yield_now();
            }
            assert!(write() > clock.started());
        }
    }
}
