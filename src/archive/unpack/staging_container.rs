//! Where a pull goes: what the destination is now, and the locked directory in which everything is staged.

use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, Stat, flock, fstat, mkdirat, openat, statat,
    unlinkat,
};
use rustix::io::Errno;

use crate::error::{Error, Kind, Result, printable};
use crate::fs::{file_id, is_absent, shown};
use crate::oci::Digest;
use crate::os::{THROUGH, is_mount_root};

use super::listing::has_other;
use super::remove;

/// A path as messages show it.
pub(super) fn show(path: &Path) -> String {
    format!("'{}'", shown(path))
}

pub(super) fn failed(path: &Path) -> impl Fn(Errno) -> Error + '_ {
    move |error| Error::io(show(path), error.into())
}

/// Whether `directory` is the working directory or above it: it can't be swapped for another then.
pub(super) fn holds_working_directory(directory: &Stat) -> bool {
    let Ok(mut at) = openat(CWD, c".", THROUGH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) else {
        return false;
    };
    let Ok(mut stat) = fstat(&at) else { return false };
    loop {
        if file_id(&stat) == file_id(directory) {
            return true;
        }
        let Ok(above) = openat(&at, c"..", THROUGH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        else {
            return false;
        };
        let Ok(next) = fstat(&above) else { return false };
        if file_id(&next) == file_id(&stat) {
            return false;
        }
        (at, stat) = (above, next);
    }
}

/// Whether a file system is mounted beneath the directory at `path`, which has no links in it.
pub(super) fn holds_mount_point(path: &Path) -> bool {
    let Ok(table) = std::fs::read("/proc/self/mountinfo") else { return false };
    let points =
        table.split(|&byte| byte == b'\n').filter_map(|line| line.split(|&byte| byte == b' ').nth(4));
    points.map(unescaped).any(|point| point != path && point.starts_with(path))
}

/// A path of the table of mounts, where blanks and their like are written as `\` and three octal digits.
fn unescaped(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let octal =
            after.get(..3).filter(|_| first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// Whether a file system is mounted on `directory`, which lies in `parent`.
pub(super) fn is_mount_point(directory: &OwnedFd, parent: &OwnedFd) -> bool {
    if let Some(known) = is_mount_root(directory) {
        return known;
    }
    // At least another file system shows.
    match (fstat(directory), fstat(parent)) {
        (Ok(a), Ok(b)) => a.st_dev != b.st_dev || file_id(&a) == file_id(&b),
        _ => false,
    }
}

/// Makes the directories above a path that are missing, and lists those that it made, from the top.
pub(super) fn make_parents(parent: &Path) -> Result<Vec<PathBuf>> {
    let mut missing = Vec::new();
    let mut at = parent;
    while let Err(error) = std::fs::metadata(at) {
        if error.kind() != io::ErrorKind::NotFound {
            return Err(Error::io(show(at), error));
        }
        missing.push(at.to_path_buf());
        let Some(above) = at.parent() else { break };
        at = above;
    }
    let mut made = Vec::new();
    for path in missing.into_iter().rev() {
        match std::fs::create_dir(&path) {
            Ok(()) => made.push(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                remove_made(&made);
                return Err(Error::io(format_args!("making the directory {}", show(&path)), error));
            }
        }
    }
    Ok(made)
}

/// Takes back what [`make_parents`] made, as far as nothing else has come into it.
pub(super) fn remove_made(made: &[PathBuf]) {
    for path in made.iter().rev() {
        let _ = std::fs::remove_dir(path);
    }
}

/// How a staging directory is made. No entry of an archive gets the sticky bit (T-26): by it ours are told from a
/// directory that an archive put where one of ours would lie, whose journal would have the next pull move and remove
/// what it names.
const STAGING: Mode = Mode::RWXU.union(Mode::SVTX);

pub(super) fn is_staging(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
        && Mode::from_raw_mode(stat.st_mode).contains(Mode::SVTX)
}

/// Whether a pull that was killed left its container of this name.
pub(super) fn is_left_over(at: impl AsFd, container: &str) -> rustix::io::Result<bool> {
    match statat(at, container, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(false),
        result => result.map(|stat| is_staging(&stat)),
    }
}

/// The locked directory in which a pull stages, private to its user. Its name derives from the destination's:
/// there is one pull to a destination at a time, and the next one finds what a killed one left.
pub(super) struct Container {
    at: OwnedFd,
    name: String,
    directory: OwnedFd,
    /// Its name may be another's by now.
    gone: bool,
}

/// The name of a destination's container.
pub(super) fn container_name(destination: &[u8]) -> String {
    let user = rustix::process::geteuid().as_raw();
    // Another user's leftovers can't be locked or removed, so names differ by user.
    let digest = Digest::of(&[destination, b"\0", user.to_string().as_bytes()].concat());
    let shown: String = String::from_utf8_lossy(destination)
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .take(64)
        .collect();
    format!(".{shown}.cldoci-{}", digest.hex().get(..16).unwrap_or_default())
}

impl Container {
    /// Makes or takes over the container of `destination` in the directory `at`, locks and empties it. BUSY
    /// where another pull holds it. The outer error is that of making it, for the caller to judge.
    pub(super) fn acquire(
        at: OwnedFd,
        destination: &[u8],
        recover: impl Fn(&OwnedFd) -> io::Result<()>,
    ) -> std::result::Result<Result<Self>, Errno> {
        let name = container_name(destination);
        let busy =
            || Error::new(Kind::Busy, format!("another pull to '{}' is running", printable(destination)));
        // A pull that ends removes its container: whoever waited for the lock of that one begins again.
        for _ in 0..100 {
            let made = match mkdirat(&at, &*name, STAGING) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(error) => return Err(error),
            };
            let taken = Self::take(&at, &name, made, &recover, busy);
            if made && taken.as_ref().is_err_and(|error| error.kind() != Kind::Busy) {
                let _ = unlinkat(&at, &*name, AtFlags::REMOVEDIR);
            }
            match taken {
                Ok(None) => continue,
                Ok(Some(directory)) => return Ok(Ok(Self { at, name, directory, gone: false })),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Err(busy()))
    }

    /// Opens, locks and empties the container of this name; nothing where it is another by now.
    fn take(
        at: &OwnedFd,
        name: &str,
        made: bool,
        recover: impl Fn(&OwnedFd) -> io::Result<()>,
        busy: impl Fn() -> Error,
    ) -> Result<Option<OwnedFd>> {
        let io = |error: io::Error| Error::io(format_args!("staging directory '{name}'"), error);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = match openat(at, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            result => result.map_err(|error| io(error.into()))?,
        };
        match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(busy()),
            Err(error) => return Err(io(error.into())),
        }
        let ours = match (fstat(&directory), statat(at, name, AtFlags::SYMLINK_NOFOLLOW)) {
            (Ok(held), Ok(named)) => (file_id(&held) == file_id(&named)).then_some(held),
            _ => None,
        };
        let Some(stat) = ours else { return Ok(None) };
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            return Err(Error::new(Kind::Unsafe, format!("'{name}' belongs to another user")));
        }
        if !made && !is_staging(&stat) {
            let why = "has the name of a pull's staging directory and is not one: move it away";
            return Err(Error::new(Kind::Unsafe, format!("'{name}' {why}")));
        }
        recover(&directory).map_err(io)?;
        if !made {
            remove::empty(&directory).map_err(io)?;
        }
        Ok(Some(directory))
    }

    /// The container itself.
    pub(super) fn directory(&self) -> &OwnedFd {
        &self.directory
    }

    /// Its name where it lies.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Makes a directory in it: 0755 less the umask.
    pub(super) fn make(&self, name: &str) -> Result<OwnedFd> {
        let failed =
            |error: Errno| Error::io(format_args!("staging directory '{}'", self.name), error.into());
        mkdirat(&self.directory, name, Mode::from_raw_mode(0o755)).map_err(failed)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.directory, name, flags, Mode::empty()).map_err(failed)
    }

    /// Removes it with all it holds.
    pub(super) fn remove(&mut self) -> io::Result<()> {
        let remove = || unlinkat(&self.at, &*self.name, AtFlags::REMOVEDIR);
        if !self.gone {
            // Once its tree is published it is empty.
            if remove().is_err() {
                remove::empty(&self.directory)?;
                remove()?;
            }
            self.gone = true;
        }
        Ok(())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // What can't be removed now, the next pull to this destination removes.
        let _ = self.remove();
    }
}

/// What lies at a destination.
pub(super) enum There {
    Nothing,
    Directory { directory: OwnedFd, stat: Stat, empty: bool },
}

/// Looks at the destination `name` in `parent`. A staging directory inside it does not count.
pub(super) fn look(parent: impl AsFd, name: &[u8], path: &Path) -> Result<There> {
    for _ in 0..100 {
        match look_once(&parent, name, path) {
            // Another pull put its own in place of what was there, and removed that: look at the new one.
            Err(error) if is_absent(&error) => {}
            found => return found,
        }
    }
    look_once(parent, name, path)
}

fn look_once(parent: impl AsFd, name: &[u8], path: &Path) -> Result<There> {
    let stat = match statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(There::Nothing),
        result => result.map_err(failed(path))?,
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {}
        FileType::Symlink => {
            return Err(Error::new(
                Kind::Unsafe,
                format!("the destination {} is a symbolic link (option follow_destination)", show(path)),
            ));
        }
        _ => {
            return Err(Error::new(
                Kind::Exists,
                format!("the destination {} is not a directory", show(path)),
            ));
        }
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(&parent, name, flags, Mode::empty()).map_err(failed(path))?;
    let container = container_name(name);
    let left_over = is_left_over(&directory, &container).map_err(failed(path))?;
    let but = left_over.then_some(container.as_bytes());
    let empty = !has_other(&directory, but).map_err(|error| Error::io(show(path), error))?;
    Ok(There::Directory { directory, stat, empty })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::open_directory;

    #[test]
    fn mount_points_beneath_a_directory_are_seen() {
        assert!(holds_mount_point(Path::new("/")), "/proc at least");
        assert!(!holds_mount_point(Path::new("/proc/self/fd")));
        let place = tempfile::tempdir().unwrap();
        assert!(!holds_mount_point(place.path()));
        assert_eq!(unescaped(br"/a\040b\134c\9"), Path::new(r"/a b\c\9"));
    }

    fn names(path: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(path).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_container_goes_with_its_holder() {
        let place = tempfile::tempdir().unwrap();
        let at = || open_directory(place.path()).unwrap();
        let container = Container::acquire(at(), b"dest", |_| Ok(())).unwrap().unwrap();
        container.make("tree").unwrap();
        assert_eq!(names(place.path()), [container_name(b"dest")]);
        let error = Container::acquire(at(), b"dest", |_| Ok(())).unwrap().map(drop).unwrap_err();
        assert_eq!(error.kind(), Kind::Busy);
        assert_eq!(names(place.path()), [container_name(b"dest")], "another's stays");
        drop(container);
        assert_eq!(names(place.path()), [] as [&str; 0]);
        let failed = Container::acquire(at(), b"dest", |_| Err(io::Error::other("no"))).unwrap();
        assert_eq!(failed.map(drop).unwrap_err().kind(), Kind::Io);
        assert_eq!(names(place.path()), [] as [&str; 0]);
    }

    /// A pull that was killed once it had published in place: only its journal and its container are in the way.
    #[test]
    fn what_is_published_is_not_taken_back_with_what_was_left_over() {
        let place = tempfile::tempdir().unwrap();
        let dest = place.path().join("dest");
        std::fs::create_dir(&dest).unwrap();
        std::fs::write(dest.join("a"), "1").unwrap();
        let at = open_directory(&dest).unwrap();
        let inode = statat(&at, "a", AtFlags::empty()).unwrap().st_ino;
        let left = dest.join(container_name(b"dest"));
        mkdirat(&at, &left, STAGING).unwrap();
        rustix::fs::fchmod(open_directory(&left).unwrap(), STAGING).unwrap();
        std::fs::write(left.join("moving"), format!("{inode} a\0")).unwrap();
        super::super::Staging::remove_left_overs(&dest, false).unwrap();
        assert_eq!(names(&dest), ["a"]);
    }
}
