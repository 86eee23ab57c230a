//! Makes a staged tree visible.

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, fchmod, fstat, fsync, renameat};
use rustix::io::Errno;

use crate::error::{Error, Kind, Result};
use crate::fs::{FileId, duplicate, file_id};
use crate::operation::{Operation, Phase};
use crate::os::{exchange, sync_file_system};

use super::directories::Directories;
use super::fingerprint::{self, Fingerprint};
use super::staging::{Staging, TREE, Target};
use super::{move_entries, place, tree};

/// Who wants to hear what is published.
type Note<'a> = Option<&'a mut dyn FnMut(FileId, Fingerprint)>;

impl Staging {
    /// Proves the links, then publishes: all or nothing, but for `merge`, which is so for each file.
    pub fn publish(self, operation: &Operation) -> Result<()> {
        self.publish_with(None, operation)
    }

    /// The same; `note` hears the device, the inode and the fingerprint that the destination has from when it is
    /// published: where one rename does that before it, else before it is too late to take it back, so that whoever is
    /// killed then has noted what it published (F-15).
    pub fn publish_noting(
        self,
        note: &mut dyn FnMut(FileId, Fingerprint),
        operation: &Operation,
    ) -> Result<()> {
        self.publish_with(Some(note), operation)
    }

    fn publish_with(mut self, mut note: Note<'_>, operation: &Operation) -> Result<()> {
        operation.enter(Phase::Publishing);
        let confinement = self.options.confinement;
        let mut directories = Directories::new(duplicate(&self.tree)?, confinement);
        let skip = self.options.skip_special;
        tree::prove_links(&mut directories, &self.notes, confinement, skip, operation)?;
        tree::set_times(&mut directories, &self.notes)?;
        self.sync_all()?;
        if let Target::Rename { .. } | Target::Exchange = &self.target {
            self.note(&mut note, &self.tree, operation)?;
        }
        operation.check()?;
        self.put(&mut directories, &mut note, operation)?;
        self.sync_parent()?;
        self.made.clear();
        if let Err(error) = self.clear() {
            // The tree is published; what is left over the next pull to it removes.
            let name = self.container.name();
            operation.warn(format!("the staging directory '{name}' could not be removed: {error}"));
        }
        Ok(())
    }

    /// Tells `note` what is at `root`, which is or becomes the destination.
    fn note(&self, note: &mut Note<'_>, root: &OwnedFd, operation: &Operation) -> Result<()> {
        let Some(note) = note else { return Ok(()) };
        let stat = fstat(root).map_err(place::failed(&self.destination))?;
        let since = fingerprint::young_since(self.container.directory(), self.bytes)?;
        let print = fingerprint::of_tree(root, &self.name, Some(since), self.options.threads, operation)?;
        note(file_id(&stat), print);
        Ok(())
    }

    fn put(&self, staged: &mut Directories, note: &mut Note<'_>, operation: &Operation) -> Result<()> {
        let io = place::failed(&self.destination);
        let from = self.container.directory();
        match &self.target {
            Target::Rename { old } => {
                if let Some((_, stat)) = old {
                    // The directory that was there keeps its permissions.
                    let mode = stat.st_mode & 0o777;
                    if fstat(&self.tree).map_err(&io)?.st_mode & 0o777 != mode {
                        fchmod(&self.tree, Mode::from_raw_mode(mode)).map_err(&io)?;
                    }
                }
                match renameat(from, TREE, &self.parent, &*self.name) {
                    Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => Err(self.filled()),
                    Err(Errno::BUSY | Errno::PERM | Errno::ACCESS | Errno::XDEV) if old.is_some() => {
                        let Some((directory, _)) = old else { return Ok(()) };
                        self.move_into(directory, note, operation)
                    }
                    result => result.map_err(io),
                }
            }
            Target::Into(directory) => self.move_into(directory, note, operation),
            Target::Exchange => match exchange(from, TREE, &self.parent, &*self.name) {
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Err(Error::new(
                    Kind::Unsupported,
                    format!(
                        "{}: this file system can't exchange directories, which existing=replace needs",
                        place::show(&self.destination)
                    ),
                )),
                result => result.map_err(io),
            },
            Target::Merge(directory) => {
                let mut into = Directories::new(duplicate(directory)?, self.options.confinement);
                tree::merge(staged, &mut into, Kind::Exists, operation)
                    .map_err(|error| error.context(place::show(&self.destination)))?;
                // What can't be noted costs the next pull its short cut, no more.
                let _ = self.note(note, directory, operation);
                Ok(())
            }
        }
    }

    fn move_into(&self, directory: &OwnedFd, note: &mut Note<'_>, operation: &Operation) -> Result<()> {
        let moved = || drop(self.note(note, directory, operation));
        move_entries::publish(self.container.directory(), &self.tree, directory, moved).map_err(|error| {
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                self.filled()
            } else {
                Error::io(place::show(&self.destination), error)
            }
        })
    }

    fn filled(&self) -> Error {
        Error::new(
            Kind::Busy,
            format!(
                "the destination {} was filled by somebody else meanwhile",
                place::show(&self.destination)
            ),
        )
    }

    fn sync_all(&self) -> Result<()> {
        if self.options.durable {
            sync_file_system(&self.tree).map_err(place::failed(&self.destination))?;
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
        .map_err(place::failed(&self.destination))
    }
}
