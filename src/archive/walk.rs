//! The walk: depth first, each directory's names sorted by bytes, by descriptors and never through a link.
//! One directory is open at a time, so neither depth nor the limit of descriptors matters.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::{Errno, fcntl_dupfd_cloexec};

use super::content::{self, Content, OPEN};
use super::exclusions::Exclusions;
use super::filter::{Filter, IGNORE_FILE};
use super::identity::Identity;
use super::listing::Listing;
use super::options::PackOptions;
use super::resolve::{Leads, resolve};
use super::{LeftOut, link_stays_inside};
use crate::error::{Error, Kind, Result, printable};
use crate::operation::Operation;
use crate::options::{CaseCollisions, Links};

/// The largest `.cldignore` file.
const IGNORE_FILE_LIMIT: u64 = 1 << 20;
/// The longest path that a system call takes, without its NUL.
const PATH_LIMIT: usize = 4095;

/// An entry that goes in; its path is [`Walk::path`].
pub(super) enum Found {
    /// A regular file, and what `stat` said of it; open where it was reached through a link that is followed.
    File(Identity, Option<OwnedFd>),
    /// A directory, before what is in it.
    Directory,
    /// A symbolic link and its text.
    Link(Vec<u8>),
}

/// A directory on the way from the root to where the walk is.
struct Frame {
    listing: Listing,
    next: usize,
    /// The length of its path.
    path_length: usize,
    identity: Identity,
    /// Where it was entered through a link that is followed, so that `..` does not lead back.
    parent: Option<OwnedFd>,
}

/// A walk over a directory.
pub(super) struct Walk<'a> {
    options: &'a PackOptions,
    operation: &'a Operation,
    filter: Filter,
    report: Exclusions,
    frames: Vec<Frame>,
    root: Arc<OwnedFd>,
    /// The directory of the last frame.
    current: OwnedFd,
    path: Vec<u8>,
    /// Entries of the directories that were listed, and those that were come to, the last of them included.
    listed: u64,
    passed: u64,
}

impl<'a> Walk<'a> {
    /// A walk that has not begun. `directory` itself may be a link.
    pub(super) fn new(directory: &Path, options: &'a PackOptions, operation: &'a Operation) -> Result<Self> {
        let failed =
            |errno: Errno| Error::io(printable(directory.as_os_str().as_encoded_bytes()), errno.into());
        let current = openat(CWD, directory, OPEN | OFlags::DIRECTORY, Mode::empty()).map_err(failed)?;
        let identity = Identity::of(&current).map_err(failed)?;
        let root = fcntl_dupfd_cloexec(&current, 0).map_err(failed)?;
        let mut walk = Self {
            options,
            operation,
            filter: Filter::new(options.profile, &read_ignore_file(&current)?)?,
            report: Exclusions::default(),
            frames: Vec::new(),
            root: Arc::new(root),
            current,
            path: Vec::new(),
            listed: 0,
            passed: 0,
        };
        walk.enter(identity, None)?;
        Ok(walk)
    }

    /// The path of the entry that [`Self::next`] gave, relative to the directory.
    pub(super) fn path(&self) -> &[u8] {
        &self.path
    }

    /// The file that [`Self::next`] gave, open at its start.
    pub(super) fn open_file(&self, identity: &Identity) -> Result<OwnedFd> {
        let name = self.path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let file = openat(&self.current, name, OPEN | OFlags::NOFOLLOW, Mode::empty())
            .map_err(|errno| content::not_opened(&self.path, errno))?;
        content::unchanged(&file, &self.path, identity)?;
        Ok(file)
    }

    /// The same for another thread to open; none where the path alone does not lead there.
    pub(super) fn content(&self, identity: Identity) -> Option<Content> {
        let plain = self.path.len() <= PATH_LIMIT && self.frames.iter().all(|frame| frame.parent.is_none());
        plain.then(|| Content { root: self.root.clone(), path: self.path.clone(), identity })
    }

    /// The next entry, or none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Found>> {
        loop {
            self.operation.check()?;
            let Some(frame) = self.frames.last_mut() else { return Ok(None) };
            self.path.truncate(frame.path_length);
            let Some((name, kind)) = frame.listing.get(frame.next) else {
                self.leave()?;
                continue;
            };
            frame.next += 1;
            self.passed += 1;
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            let start = self.path.len();
            self.path.extend_from_slice(name);
            let found = match kind {
                FileType::RegularFile => self.file(start)?,
                FileType::Directory => self.directory(start)?,
                FileType::Symlink => self.link(start)?,
                kind => return Err(self.special(kind)),
            };
            if let Some(found) = found {
                self.check_limits(&found)?;
                return Ok(Some(found));
            }
        }
    }

    /// Tells how far it is: what was left out after it was listed is passed, too.
    pub(super) fn tell(&self) {
        self.operation.entries_at(self.passed, self.listed);
    }

    /// What was left out, and how many paths in all.
    pub(super) fn into_left_out(self) -> (Vec<LeftOut>, u64) {
        self.report.finish()
    }

    fn file(&mut self, start: usize) -> Result<Option<Found>> {
        let name = self.path.get(start..).unwrap_or_default();
        let stat = statat(&self.current, name, AtFlags::SYMLINK_NOFOLLOW);
        let identity = Identity::new(&stat.map_err(|errno| content::not_opened(&self.path, errno))?);
        if identity.kind() != FileType::RegularFile {
            return Err(self.changed());
        }
        Ok((!self.is_ours(&identity)).then_some(Found::File(identity, None)))
    }

    fn directory(&mut self, start: usize) -> Result<Option<Found>> {
        let (directory, identity) = self.open(start, OFlags::NOFOLLOW | OFlags::DIRECTORY)?;
        if self.is_ours(&identity) {
            return Ok(None);
        }
        // Only a link that is followed can make the walk come back to where it is.
        if self.frames.iter().any(|frame| frame.parent.is_some()) {
            self.check_round(&identity)?;
        }
        self.current = directory;
        self.enter(identity, None)?;
        Ok(Some(Found::Directory))
    }

    fn link(&mut self, start: usize) -> Result<Option<Found>> {
        let name = self.path.get(start..).unwrap_or_default();
        let target = match readlinkat(&self.current, name, Vec::new()) {
            Ok(target) => target.into_bytes(),
            Err(Errno::INVAL | Errno::NOENT) => return Err(self.changed()),
            Err(error) => return Err(self.failed(error)),
        };
        // Below a followed link, what leaves that link's target is outside.
        let root = self.frames.iter().rev().find(|f| f.parent.is_some()).map_or(0, |frame| frame.path_length);
        let below_root = self.path.get(root..).unwrap_or_default();
        let leads = if link_stays_inside(below_root, &target) {
            let parent = self.path.get(..start.saturating_sub(1)).unwrap_or_default();
            resolve(self.current.as_fd(), parent, root, &target, |path, identity| {
                self.options.leave_out.contains(&identity.key())
                    || self.filter.leaves_out(path, identity.kind() == FileType::Directory).is_some()
            })
            .map_err(|error| self.failed(error))?
        } else {
            Leads::Outside
        };
        let why = match leads {
            Leads::Inside => return Ok(Some(Found::Link(target))),
            Leads::Outside => "leaves the tree",
            Leads::Nowhere => "leads to nothing that goes in",
            Leads::Round => "leads in a circle",
            Leads::UpFromLink => "goes up again from another link",
        };
        match self.options.links {
            Links::Follow => self.follow(start),
            Links::Skip => {
                let link = format!("{} -> {}", printable(&self.path), printable(&target));
                self.operation.warn(format!("{link}: the symbolic link {why}; left out"));
                self.report.add(&self.path, format!("the symbolic link {why}"));
                Ok(None)
            }
            Links::Error => Err(Error::new(
                Kind::Unsafe,
                format!(
                    "{} -> {}: the symbolic link {why} (option links: skip leaves such links out, follow packs what they lead to)",
                    printable(&self.path),
                    printable(&target)
                ),
            )),
        }
    }

    /// Packs what a link leads to.
    fn follow(&mut self, start: usize) -> Result<Option<Found>> {
        let name = self.path.get(start..).unwrap_or_default();
        // Looked at before it is opened: to open a device can do something.
        match statat(&self.current, name, AtFlags::empty()) {
            Ok(stat) => match Identity::new(&stat).kind() {
                FileType::RegularFile | FileType::Directory => {}
                kind => return Err(self.special(kind)),
            },
            Err(Errno::NOENT) => {
                return Err(self.unsafe_entry("the symbolic link dangles: there is nothing to follow"));
            }
            Err(error) => return Err(self.failed(error)),
        }
        let (target, identity) = self.open(start, OFlags::empty())?;
        if self.is_ours(&identity) {
            return Ok(None);
        }
        match identity.kind() {
            FileType::RegularFile => Ok(Some(Found::File(identity, Some(target)))),
            FileType::Directory => {
                self.check_round(&identity)?;
                let parent = std::mem::replace(&mut self.current, target);
                self.enter(identity, Some(parent))?;
                Ok(Some(Found::Directory))
            }
            _ => Err(self.changed()),
        }
    }

    fn open(&self, start: usize, flags: OFlags) -> Result<(OwnedFd, Identity)> {
        let name = self.path.get(start..).unwrap_or_default();
        let file = openat(&self.current, name, OPEN | flags, Mode::empty()).map_err(|errno| match errno {
            // Links that are followed without end are no change.
            Errno::LOOP if !flags.contains(OFlags::NOFOLLOW) => self.failed(errno),
            errno => content::not_opened(&self.path, errno),
        })?;
        let identity = Identity::of(&file).map_err(|error| self.failed(error))?;
        Ok((file, identity))
    }

    /// Lists the current directory, which is at `path`.
    fn enter(&mut self, identity: Identity, parent: Option<OwnedFd>) -> Result<()> {
        let mut listing = Listing::read(self.current.as_fd()).map_err(|error| self.failed(error))?;
        let path_length = self.path.len();
        let mut path = self.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        let start = path.len();
        listing.retain(|name, kind| {
            path.truncate(start);
            path.extend_from_slice(name);
            match self.filter.leaves_out(&path, kind == FileType::Directory) {
                Some(reason) => {
                    self.report.add(&path, reason);
                    false
                }
                None => true,
            }
        });
        if self.options.case_collisions != CaseCollisions::Ignore {
            for (one, other) in listing.collisions() {
                let directory = if self.path.is_empty() { "." } else { &printable(&self.path) };
                let said = format!(
                    "{directory}: '{}' and '{}' are the same name where case or normalisation doesn't count",
                    printable(one),
                    printable(other)
                );
                if self.options.case_collisions == CaseCollisions::Error {
                    return Err(Error::new(Kind::Unsafe, format!("{said} (option case_collisions)")));
                }
                self.operation.warn(said);
            }
        }
        self.listed += listing.len() as u64;
        self.frames.push(Frame { listing, next: 0, path_length, identity, parent });
        Ok(())
    }

    /// Goes back to the directory that the current one is in.
    fn leave(&mut self) -> Result<()> {
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        if Identity::of(&self.current).map_err(|error| self.failed(error))? != frame.identity {
            return Err(self.changed());
        }
        let Some(above) = self.frames.last() else { return Ok(()) };
        self.current = match frame.parent {
            Some(parent) => parent,
            None => openat(&self.current, "..", OPEN | OFlags::DIRECTORY, Mode::empty())
                .map_err(|error| self.failed(error))?,
        };
        let back = Identity::of(&self.current).map_err(|error| self.failed(error))?;
        if back.key() != above.identity.key() {
            return Err(self.changed());
        }
        Ok(())
    }

    /// Whether it is the store or a layout that the caller uses; reports it.
    fn is_ours(&mut self, identity: &Identity) -> bool {
        let ours = self.options.leave_out.contains(&identity.key());
        if ours {
            self.report.add(&self.path, "the store or a layout in use".to_owned());
        }
        ours
    }

    fn check_round(&self, identity: &Identity) -> Result<()> {
        if self.frames.iter().any(|frame| frame.identity.key() == identity.key()) {
            return Err(self.unsafe_entry("following symbolic links leads back to a directory that it is in"));
        }
        Ok(())
    }

    /// What a pull refuses under the same options.
    fn check_limits(&self, found: &Found) -> Result<()> {
        let (path, link) = match found {
            // In the archive its name ends with a slash.
            Found::Directory => (self.path.len() + 1, 0),
            Found::File(..) => (self.path.len(), 0),
            Found::Link(target) => (self.path.len(), target.len()),
        };
        let depth = self.path.split(|&byte| byte == b'/').count();
        let limits = [
            (depth, self.options.max_depth, "the path is deeper than max_depth"),
            (path, self.options.max_path_bytes, "the path has more bytes than max_path_bytes"),
            (link, self.options.max_link_bytes, "the link's target has more bytes than max_link_bytes"),
        ];
        match limits.iter().find(|(is, most, _)| is > most) {
            Some((_, most, what)) => Err(Error::new(
                Kind::Limit,
                format!("{}: {what} {most}: a pull would refuse it", printable(&self.path)),
            )),
            None => Ok(()),
        }
    }

    fn special(&self, kind: FileType) -> Error {
        self.unsafe_entry(match kind {
            FileType::Fifo => "is a FIFO, which can't be packed",
            FileType::Socket => "is a socket, which can't be packed",
            FileType::CharacterDevice | FileType::BlockDevice => "is a device, which can't be packed",
            _ => "is not a file, directory or symbolic link",
        })
    }

    fn unsafe_entry(&self, why: &str) -> Error {
        Error::new(Kind::Unsafe, format!("{}: {why}", printable(&self.path)))
    }

    fn changed(&self) -> Error {
        content::changed(&self.path)
    }

    fn failed(&self, errno: Errno) -> Error {
        content::failed(&self.path, errno)
    }
}

/// The text of the `.cldignore` file at the root, empty where there is none. It may be a link to a file (Q130).
fn read_ignore_file(root: &OwnedFd) -> Result<Vec<u8>> {
    let failed = |error: Errno| Error::io(IGNORE_FILE, error.into());
    // Looked at before it is opened: to open a device can do something.
    match statat(root, IGNORE_FILE, AtFlags::empty()) {
        Ok(stat) if Identity::new(&stat).kind() == FileType::RegularFile => {}
        Ok(_) => return Err(Error::new(Kind::Unsafe, format!("{IGNORE_FILE}: is not a regular file"))),
        Err(Errno::NOENT) if statat(root, IGNORE_FILE, AtFlags::SYMLINK_NOFOLLOW).is_ok() => {
            return Err(Error::new(Kind::Unsafe, format!("{IGNORE_FILE}: is a symbolic link to nothing")));
        }
        Err(Errno::NOENT) => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    }
    let file = openat(root, IGNORE_FILE, OPEN, Mode::empty()).map_err(failed)?;
    let identity = Identity::of(&file).map_err(failed)?;
    if identity.kind() != FileType::RegularFile {
        return Err(Error::new(Kind::Unsafe, format!("{IGNORE_FILE}: is not a regular file")));
    }
    if identity.size() > IGNORE_FILE_LIMIT {
        return Err(Error::new(Kind::Limit, format!("{IGNORE_FILE}: over {IGNORE_FILE_LIMIT} bytes")));
    }
    let mut text = Vec::new();
    let mut reader = std::io::Read::take(std::fs::File::from(file), IGNORE_FILE_LIMIT);
    std::io::Read::read_to_end(&mut reader, &mut text).map_err(|error| Error::io(IGNORE_FILE, error))?;
    Ok(text)
}
