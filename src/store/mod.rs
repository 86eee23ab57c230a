//! Content-addressed blobs on disk; OCI image layouts. Blocking.

mod blob;
mod layout;
mod partial;
mod place;
mod record;
mod spool;
mod trim;

use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::FileType;

use crate::error::{Error, Kind, Result};
use crate::fs::{Access, Directory, is_absent, shown};
use crate::oci::{Descriptor, Digest};
use crate::options::Settings;
pub use blob::BlobWriter;
pub use layout::{GcReport, LayerWriter, Layout, LayoutWriter};
pub use partial::{Partial, Prefix};
pub use record::{BuildRecord, PublishRecord, UploadSession, boot_id, seconds_now};
use spool::Workplace;
pub use spool::{Spool, SpoolWriter};
pub use trim::TrimReport;

/// Where the workplaces of living processes are.
const SPOOL: &str = "spool";
/// How long something is tried again in a store that is being deleted.
const PATIENCE: Duration = Duration::from_secs(1);
/// What begins the name of a private temporary store.
const TEMPORARY_PREFIX: &str = "cldoci-";

/// A directory of blobs, partial downloads, upload sessions and records, shared by all processes of a user.
/// It may be deleted at any time: what is missing is made again. Clones share it.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    workplace: Mutex<Option<Arc<Workplace>>>,
    // Of a private temporary store; removes the whole of it.
    private: Option<Arc<Workplace>>,
}

impl Store {
    /// The store that the settings name, else the usual one, else a private temporary one; `None` = it is
    /// switched off.
    pub fn open(settings: &Settings) -> Result<Option<Self>> {
        match &settings.store {
            Some(path) if path.as_os_str() == "off" => Ok(None),
            Some(path) => Self::at(path).map_err(|e| e.context("the store (option store)")).map(Some),
            None => {
                for place in place::usual(settings.environment()) {
                    if let Ok(store) = Self::at(&place) {
                        return Ok(Some(store));
                    }
                }
                Self::temporary(settings).map(Some)
            }
        }
    }

    /// The store at a path, which is made with its parents where it is absent.
    pub fn at(path: &Path) -> Result<Self> {
        let root = std::path::absolute(path).map_err(|e| Error::io(shown(path), e))?;
        Directory::create(&root, Access::Private)?;
        Ok(Self(Arc::new(Inner { root, workplace: Mutex::new(None), private: None })))
    }

    /// A private temporary store, removed with its last handle (and the last spool in it). It serves what
    /// must be spooled where the store is off.
    pub fn temporary(settings: &Settings) -> Result<Self> {
        let parent = place::temporary(settings.environment());
        let prefix = format!("{TEMPORARY_PREFIX}{}-", rustix::process::geteuid().as_raw());
        Workplace::collect(&parent, &prefix)?;
        let private = Self::retrying(|| Workplace::create(&parent, &prefix))?;
        let root = private.path().to_owned();
        Ok(Self(Arc::new(Inner { root, workplace: Mutex::new(None), private: Some(Arc::new(private)) })))
    }

    /// Whether it goes with its last handle.
    pub fn is_private(&self) -> bool {
        self.0.private.is_some()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0.root
    }

    fn root(&self) -> Result<Directory> {
        Directory::create(&self.0.root, Access::Private)
    }

    /// Device and inode of its directory: a build leaves it out (B-08).
    pub fn identity(&self) -> Result<(u64, u64)> {
        self.root()?.identity()
    }

    /// Does `work` again when the store was deleted under its feet.
    fn retrying<T>(mut work: impl FnMut() -> Result<T>) -> Result<T> {
        let until = Instant::now() + PATIENCE;
        let mut attempts = 0;
        loop {
            match work() {
                Err(error) if is_absent(&error) && Instant::now() < until => {}
                other => return other,
            }
            attempts += 1;
            // Whoever deletes a large store needs a while, during which every attempt fails.
            if attempts > 20 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Does `work` again without what stood in its way: on the path of a file, below the store's root, whatever
    /// is neither a directory of the store nor its file. Nobody else has anything to lose there.
    fn healing<T>(
        &self,
        directories: &[&str],
        file: Option<&str>,
        mut work: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        match work() {
            Err(error) if !is_absent(&error) && self.heal(directories, file).unwrap_or(false) => work(),
            other => other,
        }
    }

    fn heal(&self, directories: &[&str], file: Option<&str>) -> Result<bool> {
        let mut directory = self.root()?;
        for name in directories {
            if directory.remove_unless(FileType::Directory, name)? {
                return Ok(true);
            }
            let Some(child) = directory.child(name)? else { return Ok(false) };
            directory = child;
        }
        file.map_or(Ok(false), |file| directory.remove_unless(FileType::RegularFile, file))
    }

    fn workplace(&self) -> Result<Arc<Workplace>> {
        let mut held = self.0.workplace.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(workplace) = held.as_ref().filter(|workplace| workplace.is_there()) {
            return Ok(workplace.clone());
        }
        let parent = self.0.root.join(SPOOL);
        let workplace = Arc::new(self.healing(&[SPOOL], None, || {
            Workplace::collect(&parent, "")?;
            Self::retrying(|| {
                self.root()?;
                Ok(Workplace::create(&parent, "")?.within(self.0.private.clone()))
            })
        })?);
        *held = Some(workplace.clone());
        Ok(workplace)
    }

    /// Begins a spool.
    pub fn spool(&self) -> Result<SpoolWriter> {
        Self::retrying(|| SpoolWriter::create(self.workplace()?))
    }

    /// An empty file without a name, which goes with its descriptor.
    pub fn scratch(&self) -> Result<File> {
        let temporary = Self::retrying(|| self.workplace()?.temporary())?;
        temporary.file().try_clone().map_err(|error| Error::io(shown(self.path()), error))
    }

    /// Begins a blob that is to be kept.
    pub fn create_blob(&self, expected: &Descriptor) -> Result<BlobWriter> {
        Self::retrying(|| {
            let workplace = self.workplace()?;
            Ok(BlobWriter::create(Arc::new(self.root()?), workplace.temporary()?, expected, false))
        })
    }

    /// Opens a kept blob; its digest is the reader's to verify. One of a wrong size counts as absent.
    pub fn open_blob(&self, descriptor: &Descriptor) -> Result<Option<File>> {
        let [blobs, algorithm, hex] = blob::names_of(&descriptor.digest);
        let open = || blob::open(&self.root()?, descriptor);
        match self.healing(&[blobs, algorithm], Some(hex), open) {
            Ok(Some(file)) => {
                touch(&file);
                Ok(Some(file))
            }
            Err(error) if error.kind() == Kind::Size => Ok(None),
            other => other,
        }
    }

    /// Removes a kept blob, which its reader found damaged; whether it was there.
    pub fn remove_blob(&self, digest: &Digest) -> Result<bool> {
        match blob::directory_of(&self.root()?, digest)? {
            Some(directory) => directory.remove(digest.hex()),
            None => Ok(false),
        }
    }
}

/// Marks a file as used now, for the bound on age. That it cannot be done is no reason to fail.
fn touch(file: &File) {
    let _ = file.set_times(FileTimes::new().set_modified(SystemTime::now()));
}
