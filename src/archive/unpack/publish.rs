//! Makes a staged tree visible.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, fchmod, fstat, fsync, renameat};
use rustix::io::Errno;

use crate::error::{Error, Kind, Result};
use crate::fs::{FileId, duplicate, file_id};
use crate::operation::{Operation, Phase};
use crate::os::{exchange, sync_file_system};

use super::clock::Clock;
use super::directories::Directories;
use super::fingerprint::{self, Fingerprint, Published, Young};
use super::staging::{Staging, TREE, Target};
use super::{move_entries, staging_container, tree};

/// Who wants to hear what is published.
type Note<'a> = Option<&'a mut dyn FnMut(FileId, Fingerprint)>;

/// What was at the destination, in the staging directory still.
pub struct Replaced(Staging);

impl Replaced {
    /// Removes it, and the staging directory.
    pub fn clear(mut self, operation: &Operation) {
        if let Err(error) = self.0.clear() {
            // The tree is published; what is left over the next pull to it removes.
            let name = self.0.container.name();
            operation.warn(format!("the staging directory '{name}' could not be removed: {error}"));
        }
    }
}

/// A publish under way.
struct Publishing<'a, 'n> {
    staging: &'a Staging,
    note: Note<'n>,
    operation: &'a Operation,
}

impl Publishing<'_, '_> {
    /// Tells `note` what is at `root`, which is or becomes the destination.
    fn note(&mut self, root: &OwnedFd) -> Result<()> {
        let staging = self.staging;
        let Some(note) = &mut self.note else { return Ok(()) };
        let stat = fstat(root).map_err(staging_container::failed(&staging.destination))?;
        let clock = Clock::start(staging.container.directory())?;
        let young = Young::Published(&Published { clock: &clock, contents: &staging.contents });
        let print =
            fingerprint::of_tree(root, &staging.name, young, staging.options.threads, self.operation)?;
        note(file_id(&stat), print);
        Ok(())
    }

    fn put(&mut self, staged: &mut Directories) -> Result<()> {
        let staging = self.staging;
        let io = staging_container::failed(&staging.destination);
        let from = staging.container.directory();
        match &staging.target {
            Target::Rename { old } => {
                if let Some((_, stat)) = old {
                    // The directory that was there keeps its permissions.
                    let mode = stat.st_mode & 0o777;
                    if fstat(&staging.tree).map_err(&io)?.st_mode & 0o777 != mode {
                        fchmod(&staging.tree, Mode::from_raw_mode(mode)).map_err(&io)?;
                    }
                }
                match renameat(from, TREE, &staging.parent, &*staging.name) {
                    Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => Err(staging.filled()),
                    Err(Errno::BUSY | Errno::PERM | Errno::ACCESS | Errno::XDEV) if old.is_some() => {
                        let Some((directory, _)) = old else { return Ok(()) };
                        self.move_into(directory)
                    }
                    result => result.map_err(io),
                }
            }
            Target::Into(directory) => self.move_into(directory),
            Target::Exchange => match exchange(from, TREE, &staging.parent, &*staging.name) {
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Err(Error::new(
                    Kind::Unsupported,
                    format!(
                        "{}: this file system can't exchange directories, which existing=replace needs",
                        staging_container::show(&staging.destination)
                    ),
                )),
                result => result.map_err(io),
            },
            Target::Merge(directory) => {
                let mut into = Directories::new(duplicate(directory)?, staging.options.confinement);
                tree::merge(staged, &mut into, Kind::Exists, self.operation)
                    .map_err(|error| error.context(staging_container::show(&staging.destination)))?;
                // What can't be noted costs the next pull its short cut, no more.
                let _ = self.note(directory);
                Ok(())
            }
        }
    }

    fn move_into(&mut self, directory: &OwnedFd) -> Result<()> {
        let staging = self.staging;
        let moved = || drop(self.note(directory));
        move_entries::publish(staging.container.directory(), &staging.tree, directory, moved).map_err(
            |error| {
                if error.kind() == std::io::ErrorKind::AlreadyExists {
                    staging.filled()
                } else {
                    Error::io(staging_container::show(&staging.destination), error)
                }
            },
        )
    }
}

impl Staging {
    /// Proves the links, then publishes: all or nothing, but for `merge`, which is so for each file.
    pub fn publish(self, operation: &Operation) -> Result<()> {
        if let Some(replaced) = self.publish_noting(None, operation)? {
            replaced.clear(operation);
        }
        Ok(())
    }

    /// The same; `note` hears the device, the inode and the fingerprint that the destination has from when it is
    /// published: where one rename does that before it, else before it is too late to take it back, so that whoever is
    /// killed then has noted what it published (F-15).
    /// Gives what was replaced, if much may have to be removed.
    pub fn publish_noting(mut self, note: Note<'_>, operation: &Operation) -> Result<Option<Replaced>> {
        operation.enter(Phase::Publishing);
        let confinement = self.options.confinement;
        let mut directories = Directories::new(duplicate(&self.tree)?, confinement);
        let skip = self.options.skip_special;
        tree::prove_links(&mut directories, &self.deferred, confinement, skip, operation)?;
        tree::set_times(&mut directories, &self.deferred, operation)?;
        self.sync_all()?;
        let mut publishing = Publishing { staging: &self, note, operation };
        if let Target::Rename { .. } | Target::Exchange = &self.target {
            publishing.note(&self.tree)?;
        }
        operation.check()?;
        publishing.put(&mut directories)?;
        self.sync_parent()?;
        self.made.clear();
        let much = matches!(self.target, Target::Exchange);
        let replaced = Replaced(self);
        if much {
            return Ok(Some(replaced));
        }
        replaced.clear(operation);
        Ok(None)
    }

    fn filled(&self) -> Error {
        Error::new(
            Kind::Busy,
            format!(
                "the destination {} was filled by another program in the meantime",
                staging_container::show(&self.destination)
            ),
        )
    }

    fn sync_all(&self) -> Result<()> {
        if self.options.durable {
            sync_file_system(&self.tree).map_err(staging_container::failed(&self.destination))?;
        }
        Ok(())
    }

    /// The names: of one rename they are in the parent, else all over the tree.
    fn sync_parent(&self) -> Result<()> {
        if !self.options.durable {
            return Ok(());
        }
        match &self.target {
            Target::Merge(directory) | Target::Into(directory) => sync_file_system(directory),
            _ => fsync(&self.parent),
        }
        .map_err(staging_container::failed(&self.destination))
    }
}
