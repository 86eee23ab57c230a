//! Publishing entry by entry into an empty directory that can't be replaced. A journal lets the next pull
//! take back what a killed one had moved.

use std::io;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, openat, renameat, renameat_with, statat};
use rustix::io::Errno;

use super::directories::list;

/// The journal in the container: for each entry its inode and its name.
const JOURNAL: &str = "moving";
/// Where entries that are taken back go.
const BACK: &str = "taken-back";

/// Moves every entry of `tree`, which lies in `container`, into `target`; after an error none is left there.
pub(super) fn publish(container: &OwnedFd, tree: &OwnedFd, target: &OwnedFd) -> io::Result<()> {
    let entries = list(tree)?;
    let mut journal = Vec::new();
    for (name, _) in &entries {
        let stat = statat(tree, &**name, AtFlags::SYMLINK_NOFOLLOW)?;
        journal.extend_from_slice(format!("{} ", stat.st_ino).as_bytes());
        journal.extend_from_slice(name);
        journal.push(0);
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(container, JOURNAL, flags, Mode::RUSR | Mode::WUSR)?;
    let mut rest = journal.as_slice();
    while !rest.is_empty() {
        rest = rest.get(rustix::io::write(&file, rest)?..).unwrap_or_default();
    }
    for (name, _) in &entries {
        if let Err(error) = rename_new(tree, name, target) {
            roll_back(container, target)?;
            return Err(error);
        }
    }
    // From here on nothing is taken back.
    rustix::fs::unlinkat(container, JOURNAL, AtFlags::empty())?;
    Ok(())
}

/// Renames without ever replacing anything.
fn rename_new(from: &OwnedFd, name: &[u8], into: &OwnedFd) -> io::Result<()> {
    match renameat_with(from, name, into, name, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            // The file system has no such flag.
            if statat(into, name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
                return Err(Errno::EXIST.into());
            }
            Ok(renameat(from, name, into, name)?)
        }
        result => Ok(result?),
    }
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
    let mut journal = Vec::new();
    io::Read::read_to_end(&mut std::fs::File::from(file), &mut journal)?;
    let mut taken: u64 = 0;
    // What lacks its NUL was not wholly written: nothing had been moved then.
    for line in journal.split_inclusive(|&byte| byte == 0) {
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
