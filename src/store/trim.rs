//! Keeping the store within its bounds of size and age.

use std::cmp::Reverse;
use std::time::{Duration, SystemTime};

use rustix::fs::FileType;

use super::partial::PARTIAL;
use super::record::{BUILT, PUBLISHED, UPLOADS};
use super::spool::Workplace;
use super::{SPOOL, Store, touch};
use crate::error::Result;
use crate::fs::{Directory, Lock, Mode};
use crate::options::Settings;

/// When it was last trimmed; locked by the one who does.
const STAMP: &str = "trimmed";
/// No sooner is it done again.
const INTERVAL: Duration = Duration::from_secs(15 * 60);

/// What a trim did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrimReport {
    /// Files that were removed.
    pub removed: u64,
    /// The bytes of blobs and partial downloads that are left.
    pub kept_bytes: u64,
}

struct Item {
    used: Duration,
    size: u64,
    directory: usize,
    name: String,
}

impl Store {
    /// Trims by the options `store_max_bytes` and `store_max_age_s`, unless that was done a short while ago
    /// or another is at it. `None` = it was not done.
    pub fn trim(&self, settings: &Settings) -> Result<Option<TrimReport>> {
        let root = self.root()?;
        root.remove_unless(FileType::RegularFile, STAMP)?;
        if let Some(stat) = root.stat(STAMP)? {
            let age = SystemTime::now().duration_since(modified(&stat));
            if stat.st_size > 0 && age.is_ok_and(|age| age < INTERVAL) {
                return Ok(None);
            }
        }
        let Some(_lock) = Lock::attempt(&root, STAMP, Mode::Exclusive)? else { return Ok(None) };
        let report = self.trim_to(settings.store_max_bytes, Duration::from_secs(settings.store_max_age_s))?;
        let stamp = root.open_or_create_file(STAMP)?;
        let _ = stamp.set_len(1);
        touch(&stamp);
        Ok(Some(report))
    }

    /// Removes what was not used for `max_age`, then the blobs and partial downloads that were used longest
    /// ago until the rest is at most `max_bytes`. What another holds is passed over.
    pub fn trim_to(&self, max_bytes: u64, max_age: Duration) -> Result<TrimReport> {
        let root = self.root()?;
        Workplace::collect(&self.path().join(SPOOL), "")?;
        let now = SystemTime::now();
        let mut report = TrimReport::default();
        for kind in [BUILT, PUBLISHED, UPLOADS] {
            let Some(directory) = room(&root, kind)? else { continue };
            for item in items(&directory, 0, now)? {
                if item.used > max_age && directory.remove(&item.name)? {
                    report.removed += 1;
                }
            }
        }
        let mut directories = Vec::new();
        if let Some(blobs) = room(&root, "blobs")? {
            for name in blobs.names()? {
                directories.extend(room(&blobs, &name)?);
            }
        }
        directories.extend(room(&root, PARTIAL)?);
        let mut all = Vec::new();
        for (at, directory) in directories.iter().enumerate() {
            all.extend(items(directory, at, now)?);
        }
        report.kept_bytes = all.iter().map(|item| item.size).sum();
        all.sort_by_key(|item| Reverse(item.used));
        for item in all {
            let Some(directory) = directories.get(item.directory) else { continue };
            if (item.used > max_age || report.kept_bytes > max_bytes) && remove(directory, &item.name)? {
                report.removed += 1;
                report.kept_bytes = report.kept_bytes.saturating_sub(item.size);
            }
        }
        Ok(report)
    }
}

/// A directory of the store. What stands in its place goes.
fn room(root: &Directory, name: &str) -> Result<Option<Directory>> {
    root.remove_unless(FileType::Directory, name)?;
    root.child(name)
}

fn modified(stat: &rustix::fs::Stat) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0))
}

fn items(directory: &Directory, at: usize, now: SystemTime) -> Result<Vec<Item>> {
    let mut found = Vec::new();
    for name in directory.names()? {
        directory.remove_unless(FileType::RegularFile, &name)?;
        let Some(stat) = directory.stat(&name)? else { continue };
        found.push(Item {
            used: now.duration_since(modified(&stat)).unwrap_or_default(),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            directory: at,
            name,
        });
    }
    Ok(found)
}

/// Removes a file, unless somebody has it locked. Who has a blob open reads on.
fn remove(directory: &Directory, name: &str) -> Result<bool> {
    match Lock::attempt(directory, name, Mode::Exclusive)? {
        Some(_lock) => directory.remove(name),
        None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Descriptor;
    use crate::options::{Environment, Options};
    use std::io::Write;

    fn add(store: &Store, bytes: &[u8], age: u64) -> Descriptor {
        let blob = Descriptor::of("a/b", bytes);
        let mut writer = store.create_blob(&blob).unwrap();
        writer.write_all(bytes).unwrap();
        writer.commit().unwrap();
        let path = store.path().join("blobs/sha256").join(blob.digest.hex());
        let time = SystemTime::now() - Duration::from_secs(age);
        std::fs::File::open(path).unwrap().set_modified(time).unwrap();
        blob
    }

    const YEAR: Duration = Duration::from_secs(365 * 86400);

    #[test]
    fn the_oldest_go_first_until_the_rest_fits() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let blobs: Vec<_> = (0..4).map(|n| add(&store, &[n; 100], 1000 - u64::from(n) * 100)).collect();
        assert_eq!(store.trim_to(400, YEAR).unwrap(), TrimReport { removed: 0, kept_bytes: 400 });
        // Use makes the oldest the youngest.
        assert!(store.open_blob(&blobs[0]).unwrap().is_some());
        assert_eq!(store.trim_to(250, YEAR).unwrap(), TrimReport { removed: 2, kept_bytes: 200 });
        let there = |n: usize| store.open_blob(&blobs[n]).unwrap().is_some();
        assert_eq!((there(0), there(1), there(2), there(3)), (true, false, false, true));
    }

    #[test]
    fn what_was_not_used_for_long_goes_and_what_is_locked_stays() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::at(dir.path()).unwrap();
        let (old, young) = (add(&store, b"old", 1000), add(&store, b"young", 10));
        let blob = Descriptor::of("a/b", b"partial");
        let mut partial = store.partial(&blob).unwrap().unwrap();
        partial.write_all(b"part").unwrap();
        assert_eq!(store.trim_to(u64::MAX, Duration::from_secs(100)).unwrap().removed, 1);
        assert!(store.open_blob(&old).unwrap().is_none() && store.open_blob(&young).unwrap().is_some());
        assert_eq!(store.trim_to(0, YEAR).unwrap(), TrimReport { removed: 1, kept_bytes: 4 });
        drop(partial);
        assert_eq!(store.trim_to(0, YEAR).unwrap(), TrimReport { removed: 1, kept_bytes: 0 });
    }

    #[test]
    fn it_is_done_once_in_a_while() {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new();
        options.set("store_max_bytes", "1").unwrap();
        let settings = Settings::for_client(&options, Environment::default()).unwrap();
        let store = Store::at(dir.path()).unwrap();
        add(&store, b"blob", 0);
        assert_eq!(store.trim(&settings).unwrap(), Some(TrimReport { removed: 1, kept_bytes: 0 }));
        assert_eq!(store.trim(&settings).unwrap(), None);
        let long_ago = SystemTime::now() - INTERVAL * 2;
        std::fs::File::open(dir.path().join(STAMP)).unwrap().set_modified(long_ago).unwrap();
        assert!(store.trim(&settings).unwrap().is_some());
    }
}
