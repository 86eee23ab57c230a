//! Spools: content on its way, kept as long as somebody refers to it.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Store;
use super::blob::{self, make_directory_of};
use crate::error::{Error, Kind, Result};
use crate::fs::{
    Access, Directory, Kept, Lock, Mode, Temporary, for_each_chunk, is_absent, is_unique_name, shown,
    unique_name,
};
use crate::oci::{Algorithm, Descriptor, Digest, Hasher};
use crate::operation::Operation;

/// The lock that says that a workplace's owner lives. One for all its files, so that a thousand spools
/// cost one descriptor.
const LOCK: &str = "lock";
/// A workplace whose lock is not yet held has a name of this kind.
const UNBORN: &str = "new-";
/// After this long, a workplace that was not born counts as dead. Its owner, should it live, makes another.
const UNBORN_LIMIT: Duration = Duration::from_secs(10);

/// A directory of temporary files that belongs to one living owner; removed with it, or by others once its
/// process is dead.
#[derive(Debug)]
pub(super) struct Workplace {
    directory: Arc<Directory>,
    _lock: Lock,
    /// The private store that it lies in, which must not go before it.
    _within: Option<Arc<Workplace>>,
}

impl Workplace {
    /// The same, which keeps the workplace that it lies in.
    pub(super) fn within(mut self, outer: Option<Arc<Self>>) -> Self {
        self._within = outer;
        self
    }

    /// A new one in the directory at `parent`, named `prefix` and something unique.
    pub(super) fn create(parent: &Path, prefix: &str) -> Result<Self> {
        let parent = Directory::create(parent, Access::Private)?;
        loop {
            let name = format!("{prefix}{}", unique_name());
            let unborn = format!("{UNBORN}{name}");
            if !parent.make_child(&unborn)? {
                continue;
            }
            match Self::born(&parent, &unborn, &name) {
                Ok(Some(workplace)) => return Ok(workplace),
                Ok(None) => {}
                Err(error) => {
                    discard(&parent.path().join(&unborn), None);
                    return Err(error);
                }
            }
        }
    }

    /// What was just made, with its lock and its name; none where somebody else holds the lock.
    fn born(parent: &Directory, unborn: &str, name: &str) -> Result<Option<Self>> {
        let made = parent.child_or_create(unborn)?;
        let Some(lock) = Lock::attempt(&made, LOCK, Mode::Exclusive)? else { return Ok(None) };
        // Only now it may be judged by its lock.
        parent.rename(unborn, parent, name)?;
        let directory = Arc::new(made.renamed(parent.path().join(name)));
        Ok(Some(Self { directory, _lock: lock, _within: None }))
    }

    /// Removes the workplaces of dead owners.
    pub(super) fn collect(parent: &Path, prefix: &str) -> Result<()> {
        let parent = match Directory::open(parent, Access::Private) {
            Err(error) if is_absent(&error) => return Ok(()),
            opened => opened?,
        };
        for name in parent.names()? {
            let path = parent.path().join(&name);
            if let Some(rest) = name.strip_prefix(UNBORN) {
                let age = std::fs::symlink_metadata(&path)
                    .and_then(|data| data.modified())
                    .map(|time| SystemTime::now().duration_since(time).unwrap_or_default());
                if rest.starts_with(prefix) && age.is_ok_and(|age| age > UNBORN_LIMIT) {
                    let _ = std::fs::remove_dir_all(&path);
                }
            } else if name.strip_prefix(prefix).is_some_and(is_unique_name) {
                // What cannot be opened or locked is somebody else's, or gone. One without a lock is one whose
                // collector died.
                let Ok(Some(directory)) = parent.child(&name) else { continue };
                if let Ok(Some(_lock)) = Lock::attempt(&directory, LOCK, Mode::Exclusive) {
                    let _ = std::fs::remove_dir_all(&path);
                }
            }
        }
        Ok(())
    }

    /// Whether it is still where it was made; the store may be deleted at any time.
    pub(super) fn is_there(&self) -> bool {
        let there = Directory::open(self.directory.path(), Access::Private).and_then(|d| d.identity());
        there.is_ok_and(|there| self.directory.identity().is_ok_and(|own| own == there))
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A new file in it.
    pub(super) fn temporary(&self) -> Result<Temporary> {
        Temporary::create(self.directory.clone())
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        discard(self.directory.path(), Some(&self.directory));
    }
}

/// Removes a workplace. Nothing but the lock is left in most, whose going needs no further descriptor; whatever fails once is
/// tried in another way.
fn discard(path: &Path, opened: Option<&Directory>) {
    if let Some(opened) = opened {
        let _ = opened.remove(LOCK);
    }
    if std::fs::remove_dir(path).is_err() {
        let _ = std::fs::remove_dir_all(path);
    }
}

/// Takes bytes in and hashes them (sha256).
pub struct SpoolWriter {
    temporary: Temporary,
    workplace: Arc<Workplace>,
    hasher: Hasher,
    size: u64,
}

impl SpoolWriter {
    pub(super) fn create(workplace: Arc<Workplace>) -> Result<Self> {
        let temporary = workplace.temporary()?;
        Ok(Self { temporary, workplace, hasher: Hasher::new(Algorithm::Sha256), size: 0 })
    }

    /// What was written, to be read from now on.
    pub fn finish(self) -> Result<Spool> {
        Ok(Spool {
            digest: self.hasher.finish(),
            size: self.size,
            file: self.temporary.release(),
            _workplace: self.workplace,
        })
    }
}

impl Write for SpoolWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.temporary.write(bytes)?;
        self.hasher.update(bytes.get(..count).unwrap_or(bytes));
        self.size = self.size.saturating_add(count as u64);
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Content that lives in the store as long as somebody holds this.
#[derive(Debug)]
pub struct Spool {
    digest: Digest,
    size: u64,
    // Before the workplace, whose directory goes last.
    file: Kept,
    _workplace: Arc<Workplace>,
}

impl Spool {
    /// The content's digest.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The content's length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The content, from its beginning.
    pub fn open(&self) -> Result<File> {
        self.file.open()?.ok_or_else(|| {
            Error::new(
                Kind::NotFound,
                format!("{} is gone from the store at {}: build again", self.digest, shown(&self.path())),
            )
        })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.file.path()
    }
}

impl Store {
    /// Keeps a spool's content as a blob, which shares its bytes.
    pub fn keep_spool(&self, spool: &Spool) -> Result<()> {
        let directory = make_directory_of(&self.root()?, spool.digest())?;
        // What is there may be damaged.
        directory.remove(spool.digest().hex())?;
        // Where the file system has no links, nothing is kept.
        directory.link(&spool.path(), spool.digest().hex());
        Ok(())
    }

    /// A copy of what is the descriptor's content, which has no name and so nobody else can change; `None` = it is
    /// other content.
    pub(super) fn verified_copy(
        &self,
        from: File,
        expected: &Descriptor,
        operation: &Operation,
    ) -> Result<Option<File>> {
        let copy = self.workplace()?.temporary()?;
        let mut hasher = Hasher::new(expected.digest.algorithm());
        let failed = |error| Error::io(&expected.digest, error);
        let mut size = 0u64;
        for_each_chunk(&mut from.take(expected.size.saturating_add(1)), failed, |chunk| {
            operation.check()?;
            copy.file().write_all(chunk).map_err(|e| copy.failed(e))?;
            hasher.update(chunk);
            size = size.saturating_add(chunk.len() as u64);
            Ok(())
        })?;
        if size != expected.size || hasher.finish() != expected.digest {
            return Ok(None);
        }
        let mut file = copy.file().try_clone().map_err(|e| copy.failed(e))?;
        file.rewind().map_err(|e| copy.failed(e))?;
        Ok(Some(file))
    }

    /// A kept blob as a spool, which shares its bytes; none where it is gone or damaged.
    pub fn spool_of(&self, blob: &Descriptor, operation: &Operation) -> Result<Option<Spool>> {
        let Some(mut file) = self.open_blob(blob)? else { return Ok(None) };
        let workplace = self.workplace()?;
        let path = self.path().join(blob::path_of(&blob.digest));
        let mut hasher = Hasher::new(blob.digest.algorithm());
        let failed = |error| Error::io(shown(&path), error);
        for_each_chunk(&mut file, failed, |chunk| {
            hasher.update(chunk);
            operation.check()
        })?;
        if hasher.finish() != blob.digest {
            return Ok(None);
        }
        let linked = Temporary::link(workplace.directory.clone(), &path, file)?;
        Ok(linked.map(|linked| Spool {
            digest: blob.digest.clone(),
            size: blob.size,
            file: linked.release(),
            _workplace: workplace,
        }))
    }
}
