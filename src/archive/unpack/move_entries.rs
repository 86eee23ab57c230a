//! Publishing entry by entry into an empty directory that can't be replaced. A journal lets the next pull
//! take back what a killed one had moved.

use std::io::{self, BufRead, Write};
use std::ops::ControlFlow;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, statat};
use rustix::io::Errno;

use super::listing::each;
use crate::os::rename_new;

/// The journal in the container: for each entry its inode and its name.
const JOURNAL: &str = "moving";
/// The longest line of it: a number of 64 bits, a blank, a name and a NUL.
const LINE: u64 = 20 + 1 + 255 + 1;
/// Where entries that are taken back go.
const BACK: &str = "taken-back";

/// Moves every entry of `tree`, which lies in `container`, into `target`, then calls `moved`; after an error none is
/// left there. From when `moved` has come back nothing is taken back.
pub(super) fn publish(
    container: &OwnedFd,
    tree: &OwnedFd,
    target: &OwnedFd,
    moved: impl FnOnce(),
) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(container, JOURNAL, flags, Mode::RUSR | Mode::WUSR)?;
    let mut journal = io::BufWriter::new(std::fs::File::from(file));
    each(tree, |name, _| {
        let stat = statat(tree, name, AtFlags::SYMLINK_NOFOLLOW)?;
        write!(journal, "{} ", stat.st_ino)?;
        journal.write_all(name)?;
        journal.write_all(&[0])?;
        Ok(ControlFlow::Continue(()))
    })?;
    journal.flush()?;
    // What goes while the directory is read may hide another entry from that reading.
    let mut left = true;
    while left {
        left = false;
        let result = each(tree, |name, _| {
            left = true;
            rename_new(tree, name, target)?;
            Ok(ControlFlow::Continue(()))
        });
        if let Err(error) = result {
            roll_back(container, target)?;
            return Err(error);
        }
    }
    moved();
    rustix::fs::unlinkat(container, JOURNAL, AtFlags::empty())?;
    Ok(())
}

/// Takes back, into the container, what the journal says was moved: an entry counts only if it is the same
/// inode, so nothing of anybody else's is touched.
pub(super) fn roll_back(container: &OwnedFd, target: &OwnedFd) -> io::Result<()> {
    let file = match openat(
        container,
        JOURNAL,
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    ) {
        Err(Errno::NOENT) => return Ok(()),
        result => result?,
    };
    let mut journal = io::BufReader::new(std::fs::File::from(file));
    let mut taken: u64 = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        // No line is longer than an inode and a name.
        io::Read::take(&mut journal, LINE).read_until(0, &mut line)?;
        // What lacks its NUL was not wholly written: nothing had been moved then.
        let Some((line, [0])) = line.split_last_chunk::<1>() else { break };
        let Some(space) = line.iter().position(|&byte| byte == b' ') else { break };
        let (inode, name) =
            (line.get(..space).unwrap_or_default(), line.get(space + 1..).unwrap_or_default());
        // Entries of the destination itself, whatever a journal says.
        if name.contains(&b'/') || matches!(name, b"." | b"..") {
            break;
        }
        let there = statat(target, name, AtFlags::SYMLINK_NOFOLLOW);
        if there.is_ok_and(|stat| stat.st_ino.to_string().as_bytes() == inode) {
            taken += 1;
            renameat(target, name, container, format!("{BACK}-{taken}"))?;
        }
    }
    rustix::fs::unlinkat(container, JOURNAL, AtFlags::empty())?;
    Ok(())
}
