//! What the store remembers: upload sessions, what was published where, what was built of what. Small files of JSON; one that
//! can't be read counts as none.

use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Store, touch};
use crate::error::{Error, Kind, Result};
use crate::fs::{SMALL_FILE, is_absent, shown};
use crate::oci::Digest;

pub(super) const BUILT: &str = "built";
pub(super) const PUBLISHED: &str = "published";
pub(super) const UPLOADS: &str = "uploads";
/// No record is longer.
const LIMIT: u64 = 64 << 10;

/// An upload that was begun. It holds nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadSession {
    /// Where it goes on.
    pub location: String,
    /// How many bytes the registry has confirmed.
    pub offset: u64,
    /// When that was, in seconds since 1970.
    pub time: u64,
}

impl UploadSession {
    /// A session as it is now.
    pub fn new(location: impl Into<String>, offset: u64) -> Self {
        Self { location: location.into(), offset, time: seconds_now() }
    }
}

/// What a pull published in a directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishRecord {
    /// The directory's device.
    pub device: u64,
    /// Its inode.
    pub inode: u64,
    /// The manifest.
    pub manifest: Digest,
    /// What the state of every file in it came to.
    pub fingerprint: Digest,
    /// From which ctime on files counted with their content, in nanoseconds since 1970 (Q97).
    #[serde(default)]
    pub since: Option<i64>,
    /// When that was, in seconds since 1970.
    #[serde(default)]
    pub noted: u64,
    /// There is nothing beside what was pulled: it was not merged into what was there.
    #[serde(default)]
    pub exact: bool,
    /// It survives a loss of power.
    pub durable: bool,
    /// The options that changed what was extracted; empty for the defaults.
    #[serde(default)]
    pub extraction: String,
    /// Some layers were neither titled files nor archives.
    #[serde(default)]
    pub others: bool,
    /// The boot during which it was published.
    pub boot_id: String,
}

impl PublishRecord {
    /// Whether a file that counted with its content can't change any more without its times showing that: no file
    /// system counts in longer steps than two seconds.
    pub fn is_settled(&self) -> bool {
        self.since.is_some() && seconds_now() > self.noted.saturating_add(3)
    }
}

/// The time, in seconds since 1970.
pub fn seconds_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}

/// What a directory was built into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRecord {
    /// The state of the tree.
    pub state: Digest,
    /// The layer.
    pub layer: Digest,
    /// The layer's length in bytes.
    pub size: u64,
    /// The layer's table of blocks.
    pub blocks: Option<String>,
}

/// The running boot's identity; empty where the system has none to give.
pub fn boot_id() -> String {
    static BOOT: LazyLock<String> = LazyLock::new(|| {
        let found = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        found.map(|id| id.trim().to_owned()).unwrap_or_default()
    });
    BOOT.clone()
}

fn name_of(key: &[u8]) -> String {
    Digest::of(key).hex().to_owned()
}

fn key_of(destination: &Path) -> Result<String> {
    let absolute = std::path::absolute(destination).map_err(|e| Error::io(shown(destination), e))?;
    // Without a trailing slash.
    let plain: PathBuf = absolute.components().collect();
    Ok(name_of(plain.as_os_str().as_bytes()))
}

impl Store {
    fn load<T: DeserializeOwned>(&self, kind: &str, name: &str) -> Result<Option<T>> {
        self.healing(&[kind], Some(name), || {
            let Some(directory) = self.root()?.child(kind)? else { return Ok(None) };
            let Some(file) = directory.open_file(name)? else { return Ok(None) };
            touch(&file);
            let mut bytes = Vec::with_capacity(SMALL_FILE);
            file.take(LIMIT)
                .read_to_end(&mut bytes)
                .map_err(|e| Error::io(shown(&directory.path().join(name)), e))?;
            Ok(serde_json::from_slice(&bytes).ok())
        })
    }

    fn save(&self, kind: &str, name: &str, value: &impl Serialize) -> Result<()> {
        let bytes =
            serde_json::to_vec(value).map_err(|e| Error::new(Kind::Internal, format!("a record: {e}")))?;
        let write = || {
            let temporary = self.workplace()?.temporary()?;
            temporary.file().write_all(&bytes).map_err(|e| temporary.failed(e))?;
            let directory = self.root()?.child_or_create(kind)?;
            temporary.rename(&directory, name)
        };
        Self::retrying(|| self.healing(&[kind], Some(name), write))
    }

    fn remove(&self, kind: &str, name: &str) -> Result<()> {
        match self.root()?.child(kind)? {
            Some(directory) => directory.remove(name).map(|_| ()),
            None => Ok(()),
        }
    }

    /// The upload session kept under a key.
    pub fn upload_session(&self, key: &str) -> Result<Option<UploadSession>> {
        self.load(UPLOADS, &name_of(key.as_bytes()))
    }

    /// Keeps an upload session.
    pub fn save_upload_session(&self, key: &str, session: &UploadSession) -> Result<()> {
        self.save(UPLOADS, &name_of(key.as_bytes()), session)
    }

    /// Forgets an upload session.
    pub fn remove_upload_session(&self, key: &str) -> Result<()> {
        self.remove(UPLOADS, &name_of(key.as_bytes()))
    }

    /// What a directory was built into the last time.
    pub fn built(&self, directory: &Path) -> Result<Option<BuildRecord>> {
        self.load(BUILT, &key_of(directory)?)
    }

    /// Remembers what a directory was built into.
    pub fn set_built(&self, directory: &Path, record: &BuildRecord) -> Result<()> {
        self.save(BUILT, &key_of(directory)?, record)
    }

    /// What was published in a directory. After a reboot, only if that was durable.
    pub fn published(&self, destination: &Path) -> Result<Option<PublishRecord>> {
        let record: Option<PublishRecord> = self.load(PUBLISHED, &key_of(destination)?)?;
        let boot = boot_id();
        Ok(record.filter(|record| record.durable || (record.boot_id == boot && !boot.is_empty())))
    }

    /// Remembers what was published in a directory.
    pub fn set_published(&self, destination: &Path, record: &PublishRecord) -> Result<()> {
        self.save(PUBLISHED, &key_of(destination)?, record)
    }

    /// Forgets what was published in a directory.
    pub fn forget_published(&self, destination: &Path) -> Result<()> {
        match self.remove(PUBLISHED, &key_of(destination)?) {
            Err(error) if is_absent(&error) => Ok(()),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(durable: bool, boot_id: &str) -> PublishRecord {
        let digest = Digest::of(b"x");
        PublishRecord {
            device: 1,
            inode: 2,
            manifest: digest.clone(),
            fingerprint: digest,
            since: None,
            noted: 0,
            exact: true,
            durable,
            extraction: String::new(),
            others: false,
            boot_id: boot_id.to_owned(),
        }
    }

    #[test]
    fn a_record_that_is_not_durable_is_void_after_a_reboot() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let destination = Path::new("/some/where");
        assert!(!boot_id().is_empty());
        for (durable, boot, there) in [
            (false, boot_id(), true),
            (false, "another".into(), false),
            (true, "another".into(), true),
            (false, String::new(), false),
        ] {
            let record = record(durable, &boot);
            store.set_published(destination, &record).unwrap();
            assert_eq!(store.published(destination).unwrap(), Some(record).filter(|_| there), "{boot}");
        }
    }

    #[test]
    fn a_record_is_of_one_directory_and_can_be_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let record = record(true, "");
        store.set_published(Path::new("/a/b/"), &record).unwrap();
        assert_eq!(store.published(Path::new("/a/./b")).unwrap(), Some(record));
        assert_eq!(store.published(Path::new("/a/c")).unwrap(), None);
        store.forget_published(Path::new("/a/b")).unwrap();
        assert_eq!(store.published(Path::new("/a/b")).unwrap(), None);
        std::fs::remove_dir_all(dir.path()).unwrap();
        store.forget_published(Path::new("/a/b")).unwrap();
    }

    #[test]
    fn one_that_is_torn_counts_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let session = UploadSession::new("https://r.test/v2/x/blobs/uploads/1?_state=a", 5);
        store.save_upload_session("k", &session).unwrap();
        assert_eq!(store.upload_session("k").unwrap(), Some(session));
        let path = dir.path().join(UPLOADS).join(name_of(b"k"));
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(store.upload_session("k").unwrap(), None, "{cut}");
        }
        store.remove_upload_session("k").unwrap();
        assert!(!path.exists());
    }
}
