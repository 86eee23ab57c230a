//! A path beneath a directory, whose links are followed as long as they stay there.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat, readlinkat};
use rustix::io::{Errno, Result, retry_on_intr};

use crate::os::{Links, THROUGH, open_beneath};

/// The most links that Linux follows on one path.
const LINKS: usize = 40;

/// Opens what a path leads to. XDEV = out of the directory; AGAIN = names on the way were being moved, so that it can't be
/// told.
pub(super) fn open(root: impl AsFd, path: &str, flags: OFlags) -> Result<OwnedFd> {
    match retry_on_intr(|| open_beneath(&root, path.as_bytes(), flags, Links::Beneath))? {
        Some(found) => Ok(found),
        None => by_components(root, path.as_bytes(), flags),
    }
}

/// The same where the system has no call for it.
fn by_components(root: impl AsFd, path: &[u8], flags: OFlags) -> Result<OwnedFd> {
    // What is still to be gone, the next component last; the directories from the root to where we are.
    let mut left: Vec<Vec<u8>> = Vec::new();
    let mut above: Vec<OwnedFd> = Vec::new();
    let mut links = 0;
    let go = |left: &mut Vec<Vec<u8>>, path: &[u8]| {
        left.extend(path.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
    };
    go(&mut left, path);
    while let Some(name) = left.pop() {
        match name.as_slice() {
            b"" | b"." => continue,
            b".." if above.pop().is_none() => return Err(Errno::XDEV),
            b".." => continue,
            _ => {}
        }
        let here = above.last().map_or(root.as_fd(), AsFd::as_fd);
        match readlinkat(here, &*name, Vec::new()) {
            Ok(target) => {
                links += 1;
                if links > LINKS {
                    return Err(Errno::LOOP);
                }
                if target.to_bytes().starts_with(b"/") {
                    return Err(Errno::XDEV);
                }
                go(&mut left, target.to_bytes());
                continue;
            }
            // Not a link.
            Err(Errno::INVAL) => {}
            Err(errno) => return Err(errno),
        }
        let how = if left.is_empty() { flags } else { THROUGH | OFlags::DIRECTORY | OFlags::CLOEXEC };
        let found = match retry_on_intr(|| openat(here, &*name, how | OFlags::NOFOLLOW, Mode::empty())) {
            // It was no link when it was asked.
            Err(Errno::LOOP) => return Err(Errno::AGAIN),
            Err(Errno::NOTDIR) if readlinkat(here, &*name, Vec::new()).is_ok() => return Err(Errno::AGAIN),
            found => found?,
        };
        if left.is_empty() {
            return Ok(found);
        }
        above.push(found);
    }
    let here = above.last().map_or(root.as_fd(), AsFd::as_fd);
    retry_on_intr(|| openat(here, c".", flags, Mode::empty()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::fs::identity::file_id;

    #[test]
    fn both_ways_lead_to_the_same() {
        let room = tempfile::tempdir().unwrap();
        let root = room.path().join("root");
        fs::create_dir_all(root.join("d/e")).unwrap();
        fs::write(root.join("f"), "").unwrap();
        fs::write(root.join("d/e/g"), "").unwrap();
        fs::write(room.path().join("outside"), "").unwrap();
        for (name, target) in [
            ("to-file", "f"),
            ("to-directory", "d/e"),
            ("d/up", "../f"),
            ("d/e/around", "../../to-directory/../../d/up"),
            ("slashes", "d//e/./"),
            ("file-as-directory", "f/"),
            ("out", "../outside"),
            ("out-and-in", "../root/f"),
            ("up-too-far", "d/../../root/f"),
            ("absolute", "/etc/passwd"),
            ("dangling", "nothing"),
            ("loop", "loop"),
            ("chain0", "f"),
        ] {
            symlink(target, root.join(name)).unwrap();
        }
        for n in 1..=LINKS {
            symlink(format!("chain{}", n - 1), root.join(format!("chain{n}"))).unwrap();
        }
        let directory = fs::File::open(&root).unwrap();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let id = |found: Result<OwnedFd>| found.map(|fd| file_id(&rustix::fs::fstat(fd).unwrap()));
        let at = |path: &str| Ok(file_id(&rustix::fs::stat(root.join(path)).unwrap()));
        for (path, wanted) in [
            ("f", at("f")),
            ("d/e/g", at("d/e/g")),
            ("d", at("d")),
            ("to-file", at("f")),
            ("to-directory/g", at("d/e/g")),
            ("d/up", at("f")),
            ("d/e/around", at("f")),
            ("slashes", at("d/e")),
            ("slashes/g", at("d/e/g")),
            ("chain39", at("f")),
            ("chain40", Err(Errno::LOOP)),
            ("loop", Err(Errno::LOOP)),
            ("file-as-directory", Err(Errno::NOTDIR)),
            ("f/x", Err(Errno::NOTDIR)),
            ("dangling", Err(Errno::NOENT)),
            ("nothing/x", Err(Errno::NOENT)),
            ("out", Err(Errno::XDEV)),
            ("out-and-in", Err(Errno::XDEV)),
            ("up-too-far", Err(Errno::XDEV)),
            ("absolute", Err(Errno::XDEV)),
        ] {
            assert_eq!(id(by_components(&directory, path.as_bytes(), flags)), wanted, "{path}");
            assert_eq!(id(open(&directory, path, flags)), wanted, "{path}");
        }
    }
}
