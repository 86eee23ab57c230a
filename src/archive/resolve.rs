//! Where a symbolic link leads, by its directory's descriptor and one name at a time: the text of a link can
//! stay inside the tree while what it names does not.

use std::collections::VecDeque;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, fstat, openat, readlinkat};
use rustix::io::Errno;

use super::identity::Identity;
use crate::os::THROUGH;

/// Links that one path may lead through, as the kernel has it.
const LINK_LIMIT: usize = 40;

/// Where a link leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leads {
    /// To an entry that goes in.
    Inside,
    /// Out of the tree.
    Outside,
    /// To nothing, or to what is left out.
    Nowhere,
    /// In a circle.
    Round,
    /// Up again from another link, which may come to lead elsewhere: no pull takes it.
    UpFromLink,
}

/// Follows `target` from the directory at `parent`, whose path below the root is `parent_path`; `root` is how
/// much of that path is the root itself. `left_out` says what doesn't go in.
pub(super) fn resolve(
    parent: BorrowedFd<'_>,
    parent_path: &[u8],
    root: usize,
    target: &[u8],
    left_out: impl Fn(&[u8], &Identity) -> bool,
) -> Result<Leads, Errno> {
    let step = THROUGH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut names: VecDeque<Vec<u8>> = parts(target).collect();
    let mut at: OwnedFd = openat(parent, ".", step, Mode::empty())?;
    let mut path = parent_path.to_vec();
    let (mut links, mut up_from_link) = (0, false);
    while let Some(name) = names.pop_front() {
        if FileType::from_raw_mode(fstat(&at)?.st_mode) != FileType::Directory {
            return Ok(Leads::Nowhere);
        }
        if name == b".." {
            if path.len() <= root {
                return Ok(Leads::Outside);
            }
            let end = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
            path.truncate(end.max(root));
            at = openat(&at, "..", step, Mode::empty())?;
            continue;
        }
        let next = match openat(&at, name.as_slice(), step, Mode::empty()) {
            Ok(next) => next,
            Err(Errno::NOENT | Errno::NAMETOOLONG) => return Ok(Leads::Nowhere),
            Err(error) => return Err(error),
        };
        let parent_end = path.len();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(&name);
        let identity = Identity::of(&next)?;
        if left_out(&path, &identity) {
            return Ok(Leads::Nowhere);
        }
        if identity.kind() != FileType::Symlink {
            at = next;
            continue;
        }
        path.truncate(parent_end);
        // Up to the first link all names are of the text itself.
        if links == 0 && names.iter().any(|name| name == b"..") {
            up_from_link = true;
        }
        links += 1;
        if links > LINK_LIMIT {
            return Ok(Leads::Round);
        }
        let target = readlinkat(&next, "", Vec::new())?.into_bytes();
        if target.starts_with(b"/") {
            return Ok(Leads::Outside);
        }
        for name in parts(&target).rev() {
            names.push_front(name);
        }
    }
    Ok(if up_from_link { Leads::UpFromLink } else { Leads::Inside })
}

/// The names in a path.
fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    path.split(|&byte| byte == b'/').filter(|part| !matches!(*part, b"" | b".")).map(<[u8]>::to_vec)
}
